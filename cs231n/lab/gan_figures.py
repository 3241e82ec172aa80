"""Figures of what GANs draw and how they learn, each with a description."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cs231n.lab.gan_metrics import Quality
from cs231n.lab.pixel_figures import show_animation
from cs231n.lab.study import Study
from cs231n.support.arrays import Array
from cs231n.support.figures import GAP, PALETTE, show, show_strip, tile
from cs231n.support.gans.history import GANHistory


def show_images(images: Array) -> None:
    """Show square gray pictures in a square grid.

    Args:
        images: (N, P) or (N, H, W) pictures on any scale, P a square number.

    Example:
        >>> show_images(np.random.rand(16, 784))
        <IPython.core.display.Image object>
    """
    images = np.asarray(images)
    side = round(images[0].size ** 0.5)
    pixels = images.reshape(len(images), side, side)
    low, high = float(pixels.min()), float(pixels.max())
    pixels = (pixels - low) / (high - low or 1)
    columns = int(np.ceil(len(pixels) ** 0.5))
    show_strip(tile(pixels, columns), f"A grid of {len(images)} gray pictures.", 4)


def show_training(
    samples: Sequence[tuple[int, Array]], alt: str, columns: int = 16
) -> None:
    """Show the same noise drawn again and again as a generator learns.

    Args:
        samples: (iteration, (N, 784) scaled pictures), one row for each.
        alt: What the figure shows.
        columns: How many pictures of each report.

    Example:
        >>> samples = [(t, np.random.rand(16, 784)) for t in (0, 250, 500)]
        >>> show_training(samples, alt="Three rows of noise.")
        <IPython.core.display.Image object>
    """
    from matplotlib.figure import Figure

    rows = [(images[:columns].reshape(-1, 28, 28) + 1) / 2 for _, images in samples]
    columns = len(rows[0])
    grid = tile(np.concatenate(rows), columns)
    figure = Figure(figsize=(9, 0.3 + 9 * len(rows) / columns), layout="constrained")
    axis = figure.subplots()
    axis.imshow(grid, cmap="gray", vmin=0, vmax=255)
    places = np.arange(len(rows)) * (28 + GAP) + 13.5
    axis.set_yticks(places, [f"{t}" for t, _ in samples])
    axis.set_ylabel("iteration")
    axis.set_xticks([])
    axis.spines[:].set_visible(False)
    show(figure, alt)


def show_interpolation(pictures: Array, file: Path, alt: str) -> None:
    """Show pictures that turn into others, as rows and as an animation of the rows.

    Args:
        pictures: (N, T, H, W) T steps of N pictures, from 0 to 1.
        file: Where the animation goes, ``.gif``.
        alt: What is seen of the pictures, as the beginning of a sentence.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> steps = np.linspace(0, 1, 5).reshape(1, 5, 1, 1)
        >>> grays = steps * np.ones((2, 1, 8, 8))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     show_interpolation(grays, Path(folder, "grays.gif"), "It gets brighter")
        <IPython.core.display.Image object>
        <IPython.core.display.Image object>
    """
    N, T, H, W = pictures.shape
    rows = tile(pictures.reshape(N * T, H, W), T)
    show_strip(rows, f"{alt}, a row for each of them.")
    frames = [
        np.repeat(
            tile(pictures[:, t], N).repeat(3, 0).repeat(3, 1)[..., None], 3, axis=2
        )
        for t in [*range(T), *range(T - 2, 0, -1)]
    ]
    show_animation(frames, file, f"{alt}, and back.")


def plot_training(histories: Mapping[str, GANHistory], alt: str) -> None:
    """Plot both losses of each training, smoothed over 25 iterations.

    Args:
        histories: Name -> how the training went.
        alt: What the figure shows.

    Example:
        >>> from cs231n.support.gans.training import GANHistory
        >>> history = GANHistory(d_losses=[1.4, 1.2, 1.3], g_losses=[0.7, 0.9, 0.8])
        >>> plot_training({"a GAN": history}, alt="Two losses, three iterations.")
        <IPython.core.display.Image object>
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(histories), 3), layout="constrained")
    axes = figure.subplots(1, len(histories), squeeze=False)[0]
    for axis, (name, history) in zip(axes, histories.items(), strict=True):
        pairs = {"discriminator": history.d_losses, "generator": history.g_losses}
        for (who, losses), colour in zip(pairs.items(), PALETTE, strict=False):
            window = min(25, len(losses))
            smooth = np.convolve(losses, np.ones(window) / window, "valid")
            axis.plot(losses, color=colour, alpha=0.2, linewidth=0.7)
            axis.plot(
                np.arange(len(smooth)) + window // 2, smooth, color=colour, label=who
            )
        axis.set(title=name, xlabel="iteration", ylabel="loss")
        axis.set_ylim(*_most_of([*history.d_losses, *history.g_losses]))
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False)
    show(figure, alt)


def plot_quality(qualities: Mapping[str, Quality], alt: str) -> None:
    """Draw the numbers of several generators as bars, one panel for each number.

    Args:
        qualities: Name -> its quality.
        alt: What the figure shows.

    Example:
        >>> from cs231n.lab.gan_metrics import Quality
        >>> quality = Quality(10, 0.9, 0.2, 0.8, 0.7, np.full(10, 0.1))
        >>> plot_quality({"a GAN": quality}, alt="Five numbers of one generator.")
        <IPython.core.display.Image object>
    """
    from matplotlib.figure import Figure

    panels = {
        "modes": "digits drawn, of 10",
        "confidence": "mean confidence",
        "frechet": "Fréchet distance (less is better)",
        "precision": "precision",
        "recall": "recall",
    }
    figure = Figure(figsize=(11, 2.6), layout="constrained")
    for axis, (key, title) in zip(
        figure.subplots(1, len(panels)), panels.items(), strict=True
    ):
        values = [getattr(quality, key) for quality in qualities.values()]
        colours = [PALETTE[k % len(PALETTE)] for k in range(len(values))]
        bars = axis.bar(range(len(values)), values, color=colours)
        axis.bar_label(bars, [f"{value:.3g}" for value in values], fontsize=8)
        axis.set_title(title, fontsize=9)
        axis.set_xticks(
            range(len(values)), list(qualities), rotation=35, ha="right", fontsize=8
        )
        axis.margins(y=0.15)
        axis.spines[["top", "right"]].set_visible(False)
    show(figure, alt)


def print_quality(qualities: Mapping[str, Quality]) -> None:
    """Print the numbers of several generators as a table.

    Example:
        >>> from cs231n.lab.gan_metrics import Quality
        >>> print_quality({"a GAN": Quality(10, 0.9, 0.2, 0.8, 0.7, np.full(10, 0.1))})
               digits  confidence  Fréchet distance  precision  recall
        a GAN      10        0.90             0.200       0.80    0.70
    """
    width = max(map(len, qualities))
    print(" " * width + "  digits  confidence  Fréchet distance  precision  recall")
    for name, q in qualities.items():
        print(
            f"{name:{width}}  {q.modes:>6}  {q.confidence:>10.2f}"
            f"  {q.frechet:>16.3f}  {q.precision:>9.2f}  {q.recall:>6.2f}"
        )


def plot_study(study: "Study", alt: str) -> None:
    """Plot accuracies against the number of labels, with standard errors.

    Args:
        study: What run_study returned.
        alt: What the figure shows.

    Example:
        >>> from cs231n.extras.semi_supervised import Study
        >>> shares = np.array([[0.5, 0.7], [0.8, 0.8]])  # of two runs
        >>> study = Study((20, 50), {"labels alone": shares})
        >>> plot_study(study, alt="More labels, more digits read right.")
        <IPython.core.display.Image object>
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5, 3.8), layout="constrained")
    axis = figure.subplots()
    for k, method in enumerate(study.accuracies):
        axis.errorbar(
            np.array(study.labels) * (0.97 + 0.02 * k),  # side by side
            100 * study.mean(method),
            100 * study.error(method),
            fmt="o-",
            capsize=4,
            color=PALETTE[k],
            label=method,
        )
    axis.set(xlabel="digits with a label", ylabel="% of new digits read right")
    axis.set_xscale("log")
    axis.minorticks_off()
    axis.set_xticks(study.labels, [f"{n}" for n in study.labels])
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    show(figure, alt)


def plot_orbit(points: Array, alt: str) -> None:
    """Draw the steps of two players who push x and y by turns.

    Args:
        points: (T, 2) x and y after each step.
        alt: What the figure shows.

    Example:
        >>> points = np.array([[1.0, 1.0], [0.0, 1.0], [-1.0, 0.0]])
        >>> plot_orbit(points, alt="Two players go around the origin.")
        <IPython.core.display.Image object>
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    plane, time = figure.subplots(1, 2)
    plane.plot(*points.T, "o-", color=PALETTE[0], markersize=4)
    for t, (x, y) in enumerate(points[:7]):
        plane.annotate(
            f"{t}", (x, y), textcoords="offset points", xytext=(5, 4), fontsize=9
        )
    plane.plot(0, 0, "x", color=PALETTE[1])
    plane.set(xlabel="x", ylabel="y", title="where the players are")
    plane.set_aspect("equal")
    for name, values, colour in zip("xy", points.T, PALETTE, strict=False):
        time.plot(values, "o-", color=colour, label=name, markersize=4)
    time.set(xlabel="step", title="step by step")
    time.legend(frameon=False)
    for axis in (plane, time):
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    show(figure, alt)


def _most_of(values: Sequence[float]) -> tuple[float, float]:
    """Return limits that leave out a percent at either end."""
    low, high = np.percentile(values, [1, 99])
    pad = 0.1 * (high - low or 1)
    return float(low - pad), float(high + pad)
