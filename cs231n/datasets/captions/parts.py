"""Which photos a model learns from, and which it is tried on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Split:
    """Pictures, parted.

    Attributes:
        train: Those that a model learns from.
        val: Those that it is tried on.
        left: How many pictures were left out, by the part that they are in.
        how: What parted them, in words.
    """

    train: list[str]
    val: list[str]
    left: dict[str, int] = field(default_factory=dict)
    how: str = "the files' own"


def split(
    pictures: Sequence[str],
    parts: Mapping[str, str],
    *,
    draw: bool = False,
    val: Sequence[str] | None = None,
    val_share: float = 0.125,
    seed: int = 231,
) -> Split:
    """Part pictures as their files say, or by a draw if they say nothing.

    Args:
        pictures: Their names.
        parts: ``train``, ``val`` or ``test`` for pictures of which a file says it.
        draw: Whether to draw even if the files say something.
        val: The parts that a model is tried on; None for val, or for test if no
            picture is in val.
        val_share: The share of the pictures that is drawn for it.
        seed: Decides the draw.

    Raises:
        ValueError: If a part would be too small.
    """
    said = {parts.get(picture, "") for picture in pictures}
    tried = set(val) if val else {"val"} if "val" in said else {"test"}
    if draw or not ("train" in said and tried & said):
        return _drawn(pictures, val_share, seed)
    result = Split([], [])
    for picture in pictures:
        part = parts.get(picture, "")
        if part == "train":
            result.train.append(picture)
        elif part in tried:
            result.val.append(picture)
        else:
            place = part or "no part"
            result.left[place] = result.left.get(place, 0) + 1
    return require(result)


def _drawn(pictures: Sequence[str], val_share: float, seed: int) -> Split:
    """Part pictures by a draw that does not depend on their order."""
    if not 0 < val_share < 1:
        raise ValueError(f"val_share is {val_share}; give a number between 0 and 1.")
    names = sorted(pictures)
    count = max(1, round(val_share * len(names)))
    order = np.random.default_rng(seed).permutation(len(names))
    chosen = {names[k] for k in order[:count]}
    train = [picture for picture in pictures if picture not in chosen]
    val = [picture for picture in pictures if picture in chosen]
    return require(Split(train, val, how=f"drawn with seed {seed}"))


def require(parted: Split) -> Split:
    """Return a split that has enough pictures.

    Raises:
        ValueError: If it has fewer than two to learn from, or none to try.
    """
    if len(parted.train) < 2 or not parted.val:
        raise ValueError(
            f"There are {len(parted.train)} photos to learn from and "
            f"{len(parted.val)} to try; at least 2 and 1 are needed."
        )
    return parted
