"""Figures of what happens at the pixels, each with a description."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cs231n.support.arrays import Array
from cs231n.support.figures import PALETTE, show
from cs231n.support.files import replacing


def show_maps(
    images: Array, maps: Mapping[str, Array], titles: Sequence[str], alt: str
) -> None:
    """Show pictures side by side, and below each of them a row of maps per method.

    Args:
        images: (N, H, W, 3) pixels.
        maps: Name of a method -> (N, H, W) numbers, at least 0; each map is drawn on a
            scale of its own, up to what 99.5 % of its pixels do not exceed.
        titles: What is on each picture.
        alt: What the figure shows.

    Example:
        >>> images = np.zeros((2, 8, 8, 3), np.uint8)
        >>> maps = {"random": np.random.rand(2, 8, 8)}
        >>> show_maps(images, maps, ["black", "black too"], alt="Two random maps.")
        <IPython.core.display.Image object>
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    rows, columns = 1 + len(maps), len(images)
    narrow = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    figure = Figure(figsize=(2.1 * columns, 2.1 * rows + 0.3), layout=narrow)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis, image, title in zip(axes[0], images, titles, strict=True):
        axis.imshow(image)
        axis.set_title(title, fontsize=10)
    for row, (name, drawn) in zip(axes[1:], maps.items(), strict=True):
        row[0].set_ylabel(name, fontsize=10)
        for axis, values in zip(row, np.asarray(drawn), strict=True):
            top = np.percentile(values, 99.5)
            axis.imshow(values, cmap="inferno", vmin=0, vmax=top or 1)
    for axis in axes.ravel():
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    show(figure, alt)


def plot_faithfulness(
    curves: Mapping[str, Mapping[str, Array]],
    areas: Mapping[str, Mapping[str, float]],
    alt: str,
) -> None:
    """Plot deletion and insertion curves, averaged over pictures.

    Args:
        curves: Name of a method -> 'deletion' and 'insertion', each (N, S + 1).
        areas: The same names -> the area below each mean curve, for the legend.
        alt: What the plot shows.

    Example:
        >>> both = {kind: np.random.rand(2, 9) for kind in ("deletion", "insertion")}
        >>> areas = {kind: curves.mean() for kind, curves in both.items()}
        >>> plot_faithfulness({"random": both}, {"random": areas}, alt="Random curves.")
        <IPython.core.display.Image object>
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.8), layout="constrained")
    words = {"deletion": "deleted (lower is better)"}
    words["insertion"] = "inserted (higher is better)"
    for axis, (kind, what) in zip(
        figure.subplots(1, 2, sharey=True), words.items(), strict=True
    ):
        for (name, both), colour in zip(curves.items(), PALETTE, strict=False):
            mean = np.asarray(both[kind]).mean(axis=0)
            share = np.linspace(0, 100, len(mean))
            label = f"{name}  {areas[name][kind]:.3f}"
            style = "--" if name == "random" else "-"
            axis.plot(share, mean, style, label=label, color=colour, linewidth=1.8)
        axis.set_xlabel(f"% of pixels {what}")
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, title="area below", fontsize=9)
    figure.axes[0].set_ylabel("probability of the right class")
    figure.axes[0].set_ylim(bottom=0)  # the axes share it
    show(figure, alt)


def show_animation(
    frames: Sequence[Array],
    file: str | os.PathLike[str],
    alt: str,
    seconds: float = 4,
) -> None:
    """Save pictures as an animated GIF that starts over when it ends, and show it.

    Args:
        frames: Arrays of shape (H, W, 3), 0 to 255.
        file: Where to save it; the folder is made if it is missing.
        alt: What the animation shows.
        seconds: How long it takes; the last picture is shown for another second.

    Example:
        >>> frames = [np.full((8, 8, 3), level, np.uint8) for level in (0, 128, 255)]
        >>> show_animation(frames, "brighter.gif", alt="Black turns white.")
        <IPython.core.display.Image object>
    """
    import imageio.v3 as iio
    from IPython.display import Image, display

    if not alt.strip():
        raise ValueError(
            "An animation came without a description; say in alt what it shows."
        )
    durations = [1000 * seconds / len(frames)] * len(frames)
    durations[-1] += 1000
    with replacing(Path(file).with_suffix(".gif")) as draft:
        iio.imwrite(draft, np.stack(frames), duration=durations, loop=0)
        content = draft.read_bytes()
    display(Image(data=content, format="gif", alt=alt))
