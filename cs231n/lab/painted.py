"""What both frameworks' ways to paint have in common: plan, records and checks."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

# Pixels are kept within this distance from zero, in units of the network's input.
LIMIT = 1.5


@dataclass
class Record:
    """A picture that was painted, and how it came about.

    Attributes:
        image: The picture, one of a batch, as the network reads it.
        losses: Name -> the weighted loss at each iteration, before its step.
        seconds: Time from the start to the end of each iteration.
        snapshots: Iteration and picture, from the first to the last.
    """

    image: Any
    losses: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    snapshots: list[tuple[int, Image.Image]] = field(default_factory=list)

    def write_down(self, losses: Mapping[str, float], began: float) -> None:
        """Keep the losses of an iteration.

        Args:
            losses: Name -> value.
            began: When the painting was begun, by time.perf_counter().

        Raises:
            FloatingPointError: If a loss is NaN or infinite.
        """
        if not math.isfinite(sum(losses.values())):
            values = ", ".join(f"{name} {loss:g}" for name, loss in losses.items())
            raise FloatingPointError(
                f"The losses of iteration {len(self.seconds)} are {values}; "
                "look for NaN in the picture, or lower weights or learning rate."
            )
        for name, loss in losses.items():
            self.losses.setdefault(name, []).append(loss)
        self.seconds.append(time.perf_counter() - began)


@dataclass(frozen=True)
class Moment:
    """An iteration of a painting, and what is special about it.

    Attributes:
        t: Its number.
        limited: Whether colours are limited: not in the last twentieth.
        slows: Whether the learning rate becomes a thirtieth: where the last tenth
            begins.
        shown: Whether its picture is kept.
    """

    t: int
    limited: bool
    slows: bool
    shown: bool


def moments(num_iterations: int, snapshots: int) -> list[Moment]:
    """Plan a painting.

    Args:
        num_iterations: How many steps.
        snapshots: How many pictures to keep on the way, the first and last included.

    Example:
        >>> [moment.t for moment in moments(200, 6) if moment.shown]
        [0, 8, 32, 72, 127, 199]
    """
    # Most happens in the beginning, so that is where most snapshots are taken.
    spread = np.linspace(0, 1, max(snapshots, 2)) ** 2 * (num_iterations - 1)
    shown = set(spread.round().astype(int).tolist()) if snapshots else set()
    slow, free = round(0.9 * num_iterations), round(0.95 * num_iterations)
    return [Moment(t, t < free, t == slow, t in shown) for t in range(num_iterations)]


def require_layers(layers: Collection[int], count: int) -> None:
    """Insist on layers that a network has.

    Args:
        layers: Their places.
        count: How many there are.

    Raises:
        IndexError: If one does not exist.
    """
    for layer in layers:
        if not 0 <= layer < count:
            raise IndexError(
                f"There is no layer {layer}; the network's layers are 0 to {count - 1}."
            )


def what_counts(
    content: tuple[int, float, Any],
    style_layers: Sequence[int],
    style_weights: Sequence[float],
    style_targets: Sequence[Any],
) -> tuple[bool, list[tuple[int, float, Any]], list[int]]:
    """Leave out what has no weight.

    Args:
        content: A layer, its weight, and its target or None.
        style_layers: Layers at which style is compared.
        style_weights: Weight of each of them.
        style_targets: Target of each of them.

    Returns:
        with_content: Whether content counts.
        styles: Layer, weight and target of each style that counts.
        needed: The layers of all that counts.

    Raises:
        ValueError: If there are more or fewer weights or targets than layers.
    """
    if not len(style_layers) == len(style_weights) == len(style_targets):
        raise ValueError(
            f"There are {len(style_layers)} style layers, {len(style_weights)} weights "
            f"and {len(style_targets)} targets; each layer needs one of both."
        )
    every = zip(style_layers, style_weights, style_targets, strict=True)
    styles = [style for style in every if style[1] != 0]
    layer, weight, target = content
    with_content = weight != 0 and target is not None
    return with_content, styles, [style[0] for style in styles] + [layer] * with_content
