"""Pictures for the notebooks, each with a description for those who cannot see it."""

import io
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from cs231n.support.arrays import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# Colours that stay apart for colour-blind readers (Okabe and Ito, 2008).
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GAP = 2  # pixels between the pictures of a tile


def show(figure: "Figure", alt: str) -> None:
    """Show a figure in the notebook, with a text that says what is in it.

    Args:
        figure: A matplotlib figure.
        alt: The description, for screen readers and for ``make run``'s report.

    Raises:
        ValueError: If the description is empty.

    Example:
        >>> from matplotlib.figure import Figure
        >>> figure = Figure()
        >>> _ = figure.subplots().plot([1, 4, 9])
        >>> show(figure, alt="A line that rises faster and faster.")
        <IPython.core.display.Image object>
    """
    from IPython.display import Image, display
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    if not alt.strip():
        raise ValueError(
            "A figure came without a description; say in alt what it shows."
        )
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(file, dpi=100, bbox_inches="tight")
    display(Image(data=file.getvalue(), format="png", alt=alt))


def show_pictures(
    images: Sequence[Array],
    captions: Sequence[str],
    alt: str,
    columns: int = 3,
    width: float = 3.4,
) -> None:
    """Show pictures in a grid, each with its caption below.

    Args:
        images: Arrays of shape (height, width, 3), 0 to 255.
        captions: One text for each; line breaks are kept, long lines are wrapped.
        alt: What the grid shows.
        columns: Pictures in a row.
        width: Of one picture, in inches.

    Example:
        >>> black, white = np.zeros((6, 8, 3), np.uint8), np.full((6, 8, 3), 255)
        >>> show_pictures([black, white], ["black", "white"], alt="Black beside white.")
        <IPython.core.display.Image object>
    """
    from matplotlib.figure import Figure

    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    lines = [
        "\n".join(fill(line, int(11.5 * width)) for line in caption.splitlines())
        for caption in captions
    ]
    height = 0.78 * width + 0.21 * max(text.count("\n") + 1 for text in lines)
    figure = Figure(figsize=(columns * width, rows * height), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axis in axes:
        axis.axis("off")
    for axis, image, text in zip(axes, images, lines, strict=False):
        axis.imshow(image)
        axis.text(
            *(0.5, -0.04, text),
            transform=axis.transAxes,
            fontsize=9,
            ha="center",
            va="top",
        )
    show(figure, alt)


def tile(pictures: Array, columns: int) -> Array:
    """Put pictures into one, row by row.

    Args:
        pictures: (N, H, W) from 0 to 1.
        columns: Pictures in a row.

    Returns:
        One gray picture, 0 (ink) to 255 (paper), white where there is none.

    Example:
        >>> grid = tile(np.ones((6, 28, 28)), columns=3)
        >>> grid.shape, grid[0, 26:32].tolist()  # 2 pixels between pictures
        ((58, 88), [0, 0, 255, 255, 0, 0])
    """
    N, H, W = pictures.shape
    rows = -(-N // columns)
    grid = np.zeros((rows * (H + GAP) - GAP, columns * (W + GAP) - GAP))
    for n, picture in enumerate(pictures):
        top, left = n // columns * (H + GAP), n % columns * (W + GAP)
        grid[top : top + H, left : left + W] = picture.clip(0, 1)
    return (255 * (1 - grid)).round().astype(np.uint8)


def show_strip(grid: Array, alt: str, width: float = 9) -> None:
    """Show a picture that tile made.

    Args:
        grid: (H, W) gray picture, 0 to 255.
        alt: What it shows.
        width: Of the figure, in inches.

    Example:
        >>> grid = tile(np.random.rand(6, 28, 28), columns=6)
        >>> show_strip(grid, alt="Six pictures of noise.")
        <IPython.core.display.Image object>
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, width * grid.shape[0] / grid.shape[1]))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.imshow(grid, cmap="gray", vmin=0, vmax=255)
    axis.set_axis_off()
    show(figure, alt)


def show_digits(iteration: int, images: Array) -> None:
    """Show what a generator draws at some iteration.

    Args:
        iteration: Which.
        images: (N, 784) scaled pictures.
    """
    columns = int(np.ceil(len(images) ** 0.5))
    grid = tile((np.asarray(images).reshape(-1, 28, 28) + 1) / 2, columns)
    show_strip(grid, f"{len(images)} digits drawn at iteration {iteration}.", 4)


def plot_losses(
    curves: Mapping[str, Sequence[float] | Sequence[tuple[int, float]]],
    title: str,
    alt: str,
) -> None:
    """Plot losses against iterations, on a logarithmic scale.

    Args:
        curves: Name -> losses of successive iterations, or (iteration, loss) pairs.
        title: What was trained.
        alt: What the plot shows.

    Example:
        >>> losses = {"training": [3.0, 2.0, 1.5], "validation": [(0, 3.1), (2, 1.8)]}
        >>> plot_losses(losses, "an LSTM", alt="Both losses fall.")
        <IPython.core.display.Image object>
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axis = figure.subplots()
    for (name, losses), colour in zip(curves.items(), PALETTE, strict=False):
        points = np.asarray(losses, dtype=float)
        if points.ndim == 1:
            axis.plot(points, label=name, color=colour, linewidth=1, alpha=0.8)
        elif points.size:
            axis.plot(*points.T, "o-", label=name, color=colour, markersize=4)
    axis.set(title=title, xlabel="iteration", ylabel="loss", yscale="log")
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    show(figure, alt)
