"""Drawn pictures in TinyImageNet's folders, made once and kept beside the other data.

They stand in for ``tiny-imagenet-100-A`` and are read by the same loader. Run as a
command to build another set:

    python -m cs231n.embedded.tiny_folder --train 100 --out FOLDER
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cs231n import datasets
from cs231n.drawing import small
from cs231n.drawing.scenes import sources
from cs231n.drawing.small import LABELS, SIDE, draw_picture
from cs231n.embedded import building
from cs231n.support import folders
from cs231n.support.progress import progress_bar

FOLDER = "drawn-tiny-imagenet-100-A"
SEED = 231


class Sizes(NamedTuple):
    """How many pictures of each of the hundred classes there are."""

    train: int
    val: int
    test: int


FULL = Sizes(train=40, val=10, test=5)
QUICK = Sizes(train=6, val=2, test=1)
_README = """\
Drawn pictures in the folders of TinyImageNet-100-A, made by
python -m cs231n.embedded.tiny_folder. build.json says what from. The folder may be
deleted at any time; it is made again when it is needed.
"""


def ensure(sizes: Sizes = FULL, progress: bool = True, seed: int = SEED) -> Path:
    """Return the folder of a data set, drawing it if need be.

    Args:
        sizes: ``FULL``, or ``QUICK`` for a tenth of the time.
        progress: Whether to show a progress bar while it is drawn.
        seed: Decides everything.

    Raises:
        OSError: If the folder cannot be written.
    """
    if (folder := find(sizes, seed)) is not None:
        return folder
    folder = datasets.cache_dir() / _name(sizes)
    count = len(LABELS) * sum(sizes)
    print(f"Drawing {count:,} small pictures, once: {folder}")
    return build(folder, sizes, seed, progress)


def find(sizes: Sizes = FULL, seed: int = SEED) -> Path | None:
    """Return the folder of a data set if it has been drawn already."""
    wanted = key(sizes, seed)
    return building.find(_name(sizes), lambda p: folders.is_built(p, wanted))


def key(sizes: Sizes, seed: int = SEED) -> str:
    """Return a text that changes when the pictures of a data set do."""
    made_with = [
        Path(__file__),
        Path(str(small.__file__)),
        *sources("words.py", "words.toml"),
    ]
    return folders.code_key(made_with, *sizes, seed)


def build(
    folder: str | os.PathLike[str],
    sizes: Sizes = FULL,
    seed: int = SEED,
    progress: bool = True,
) -> Path:
    """Draw pictures and write them in TinyImageNet's folders.

    The folder appears whole or not at all, and replaces an older one of that name. What
    an interrupted run has drawn is kept, hidden beside it, for the next one.

    Args:
        folder: Where to put it.
        sizes: How many pictures of each class, at least one of each kind.
        seed: Decides everything.
        progress: Whether to show a progress bar.

    Returns:
        The folder.

    Raises:
        FileExistsError: If the folder holds something else.
        OSError: If it cannot be written, as when the disk is full.
        ValueError: If a size is too small.
    """
    if min(sizes) < 1:
        raise ValueError(
            f"{sizes.train} training, {sizes.val} validation and {sizes.test} test "
            "pictures of a class were asked for; take at least one of each."
        )
    target = Path(folder).resolve()
    facts = {"seed": seed, **sizes._asdict(), "numpy": np.__version__}
    with building.writing("The drawn pictures", target, megabytes=50):
        return building.build_folder(
            target,
            key(sizes, seed),
            lambda pieces: _draw(sizes, seed, pieces, progress),
            lambda draft, drawn: _write(draft, sizes, seed, drawn),
            **facts,
        )


def _draw(
    sizes: Sizes, seed: int, pieces: folders.Pieces, progress: bool
) -> list[dict[str, NDArray[np.uint8]]]:
    """Draw what is not there already; return the pictures of each class by split."""
    drawn = []
    with progress_bar(len(LABELS), "drawing", progress, unit="class") as bar:
        for place, label in enumerate(LABELS):
            pictures = pieces.load(label.wnid)
            if pictures is None:
                pictures = {}
                for number, (split, size) in enumerate(sizes._asdict().items()):
                    seeds = ([seed, number, place, k] for k in range(size))
                    pictures[split] = np.stack(
                        [draw_picture(label, np.random.default_rng(s)) for s in seeds]
                    )
                pieces.save(label.wnid, **pictures)
            drawn.append(pictures)
            bar.update()
    return drawn


def _write(
    folder: Path,
    sizes: Sizes,
    seed: int,
    drawn: Sequence[Mapping[str, NDArray[np.uint8]]],
) -> None:
    """Write every file of the data set to an empty folder."""
    building.write_lines(folder / "README.txt", [_README.rstrip()])
    building.write_lines(folder / "wnids.txt", (label.wnid for label in LABELS))
    building.write_lines(
        folder / "words.txt",
        (f"{label.wnid}\t{', '.join(label.names)}" for label in LABELS),
    )
    val, test = folder / "val" / "images", folder / "test" / "images"
    for images in (val, test):
        images.mkdir(parents=True)
    # Mixed, as in the original: the numbers of a class's pictures are not in a row.
    order = np.random.default_rng([seed, len(sizes)])
    numbers = {"val": order.permutation(len(LABELS) * sizes.val)}
    numbers["test"] = order.permutation(len(LABELS) * sizes.test)
    annotations: dict[str, list[tuple[int, str]]] = {"val": [], "test": []}
    for place, label in enumerate(LABELS):
        images = folder / "train" / label.wnid / "images"
        images.mkdir(parents=True)
        names = [f"{label.wnid}_{i}.JPEG" for i in range(sizes.train)]
        box = f"0\t0\t{SIDE - 1}\t{SIDE - 1}"  # of the whole picture; nobody reads it
        boxes = (f"{name}\t{box}" for name in names)
        building.write_lines(images.parent / f"{label.wnid}_boxes.txt", boxes)
        _save(drawn[place]["train"], [images / name for name in names])
        for split, size in (("val", sizes.val), ("test", sizes.test)):
            mine = numbers[split][place * size : (place + 1) * size]
            files = [f"{split}_{number}.JPEG" for number in mine]
            annotations[split] += [
                (int(number), f"{name}\t{label.wnid}\t{box}")
                for number, name in zip(mine, files, strict=True)
            ]
            where = folder / split / "images"
            _save(drawn[place][split], [where / name for name in files])
    for split, lines in annotations.items():
        file = folder / split / f"{split}_annotations.txt"
        building.write_lines(file, (line for _, line in sorted(lines)))


def _save(pictures: NDArray[np.uint8], files: Sequence[Path]) -> None:
    from PIL import Image

    for picture, file in zip(pictures, files, strict=True):
        is_gray = (picture == picture[..., :1]).all()
        image = Image.fromarray(picture[..., 0] if is_gray else picture)
        image.save(file, format="JPEG", quality=90)


def _name(sizes: Sizes) -> str:
    return FOLDER if sizes == FULL else f"{FOLDER}-{sizes.train}"


def _make(
    train: int = FULL.train,
    val: int = FULL.val,
    test: int = FULL.test,
    seed: int = SEED,
    out: Path | None = None,
) -> str:
    """Draw small labelled pictures in the folders of TinyImageNet.

    Args:
        train: Training pictures of each class.
        val: Validation pictures of each class.
        test: Test pictures of each class.
        seed: Decides everything.
        out: Folder to write; by default one beside the other data.
    """
    sizes = Sizes(train, val, test)
    folder = build(out, sizes, seed) if out else ensure(sizes, seed=seed)
    return f"{folder}: {len(LABELS) * sum(sizes):,} pictures"


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``python -m cs231n.embedded.tiny_folder``."""
    return building.main(_make, argv)


if __name__ == "__main__":
    sys.exit(main())
