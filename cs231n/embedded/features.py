"""Any picture as 512 numbers: SqueezeNet's feature maps, pooled and reduced.

Late maps know what is in a picture, early ones which colour it has, and a coarse grid
keeps where. The maps of some layers are averaged over the cells of a grid, and tamed by
a square root; principal components, fitted on training pictures, then keep
the 512 directions in which pictures differ most. Drawn scenes, in which colours and
places are told, are looked at with all layers; photos, which are about what is there,
with the last one and the probabilities of the network's 1,000 classes.

Letters in shapes: N pictures, H by W pixels, D numbers from the maps, K kept of them.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Sequence, Sized
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from cs231n.support.files import replacing
from cs231n.support.progress import progress_bar

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from PIL import Image

SIZE = (240, 320)
"""Height and width at which the network sees a picture."""
Block: TypeAlias = tuple[int, int, str, tuple[int, int]]
BLOCKS: tuple[Block, ...] = (
    (1, 64, "mean", (3, 4)),
    (1, 64, "mean", (6, 8)),
    *(
        (i, maps, "mean", (3, 4))
        for i, maps in ((4, 128), (7, 256), (9, 384), (12, 512))
    ),
    *(
        (i, maps, "max", (3, 4))
        for i, maps in ((4, 128), (7, 256), (9, 384), (12, 512))
    ),
)
"""What is kept of a scene: a place in ``features``, how many maps it has, and the mean
or the largest value over each cell of a grid (rows, columns)."""
PHOTO_BLOCKS: tuple[Block, ...] = (
    (12, 1000, "class", (1, 1)),
    (12, 1000, "class", (2, 2)),
    (12, 512, "mean", (2, 2)),
)
"""What is kept of a photo: of each cell also the probabilities of the classes."""
PHOTO_SAY = (1.0, 0.7, 0.5)
"""How much each of those blocks counts."""
SOFTNESS = 2.0
"""What scores are divided by: the network is too sure of one class to tell the rest."""
WIDE_GRID = (2, 4)
"""Cells of the last map for the unreduced features: 512 maps make 4096 numbers."""
CAP = 50
"""The leading components of scenes are cut down to the size of this one."""
RMS = 4.0
"""Size of the reduced features. Smaller ones hardly tell pictures apart at the start,
when the weights they meet are small: the RNN of the original notebooks then needs more
than its 100 iterations to learn 50 captions by heart."""


def feature_maps(
    images: Iterable[Any],
    model: torch.nn.Module,
    *,
    blocks: Sequence[Block] = BLOCKS,
    batch_size: int = 4,
    progress: bool = True,
    total: int | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Describe pictures by what the network's layers make of them.

    Args:
        images: N pictures (H, W, 3), (H, W, 4) or (H, W) uint8, of any sizes; an
            iterator is read as it is needed.
        model: What ``load_squeezenet`` returns.
        blocks: What to keep, such as ``PHOTO_BLOCKS``.
        batch_size: How many pictures go through the network at a time.
        progress: Whether to show a progress bar.
        total: N for the progress bar, where ``images`` has no length.

    Returns:
        maps: (N, D) pooled maps of the blocks, for ``FeatureReducer``.
        wide: (N, 4096) the last map alone on the ``WIDE_GRID``.

    Raises:
        TypeError: If a picture is not of dtype uint8.
        ValueError: If there is no picture or one has another shape.
    """
    import torch

    if total is None and isinstance(images, Sized):
        total = len(images)
    # A copy with channels last, which is twice as fast: the caller's stays as it is.
    network = copy.deepcopy(model.get_submodule("features"))
    network = network.to(memory_format=torch.channels_last)
    classifier = model.get_submodule("classifier.1")
    rest = iter(images)
    parts = []
    with progress_bar(total or 0, "Looking at pictures", progress) as bar:
        while batch := list(islice(rest, batch_size)):
            parts.append(_run(batch, network, classifier, blocks))
            bar.update(len(batch))
    if not parts:
        raise ValueError("There is no picture to describe; give at least one.")
    maps, wide = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return maps, wide


def column_weights() -> NDArray[np.float32]:
    """Return (D,) weights for ``maps`` that give every block the same say.

    Counted alike, the many columns of late layers would drown the colours, which early
    ones keep.
    """
    sizes = np.array([maps * grid[0] * grid[1] for _, maps, _, grid in BLOCKS])
    return np.repeat(sizes**-0.5, sizes).astype(np.float32)


def photo_weights(X: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return (D,) weights that give every block of photos' maps its say.

    Args:
        X: (N, D) maps of ``PHOTO_BLOCKS``.
    """
    sizes = [maps * grid[0] * grid[1] for _, maps, _, grid in PHOTO_BLOCKS]
    blocks = np.split(X, np.cumsum(sizes)[:-1], axis=1)
    say = [
        share / max(float(np.sqrt(block.var(axis=0).sum())), 1e-8)
        for share, block in zip(PHOTO_SAY, blocks, strict=True)
    ]
    return np.repeat(say, sizes).astype(np.float32)


class FeatureReducer:
    """Standardises the pooled maps and keeps their K leading principal components."""

    def __init__(self, dim: int = 512) -> None:
        """Make an empty reducer.

        Args:
            dim: K, how many numbers to keep.
        """
        self.dim = dim
        self._mean: NDArray[np.float32] | None = None
        self._components: NDArray[np.float32] | None = None

    def fit(
        self,
        X: NDArray[np.floating],
        weights: NDArray[np.floating] | None = None,
        capped: bool = True,
        standardise: bool = True,
    ) -> FeatureReducer:
        """Learn mean, spread and components, the same ones each time.

        Args:
            X: (N, D) maps of the training pictures, with N > 1.
            weights: (D,) how much each column counts once it is standardised, such as
                ``column_weights()``; None counts all alike.
            capped: Whether the components before ``CAP`` are cut down to its size.
            standardise: Whether to bring all columns to the same spread first.

        Raises:
            ValueError: If X is not a matrix of two rows or more.
        """
        rows = _matrix(X)
        if len(rows) < 2:
            raise ValueError(f"X has {len(rows)} row; components need two or more.")
        mean = rows.mean(axis=0)
        gain = np.ones_like(mean)
        if standardise:
            spread = rows.std(axis=0)
            # Columns that hardly vary would be blown up by what little noise they have.
            gain = 1 / np.maximum(spread, 0.1 * spread.mean() + 1e-8)
        if weights is not None:
            gain *= np.asarray(weights, np.float32)
        Z = rows - mean
        Z *= gain
        values, vectors = _leading(Z, min(self.dim, len(Z) - 1, Z.shape[1]))
        components = Z.T @ vectors  # (D, K)
        components /= np.maximum(np.linalg.norm(components, axis=0), 1e-12)
        # An eigenvector may come with either sign: make its largest entry positive.
        largest = np.abs(components).argmax(axis=0)
        components *= np.sign(components[largest, np.arange(len(values))])
        # The few leading components of scenes tell one backdrop from another, loudly
        # enough to drown what stands before it: none counts more than the one at CAP.
        sizes = np.sqrt(np.maximum(values, 0) / len(Z))
        last = len(sizes) - 1
        sizes_kept = np.minimum(sizes, sizes[min(CAP, last) if capped else 0])
        components *= sizes_kept / np.maximum(sizes, 1e-12)
        rms = np.sqrt((sizes_kept**2).mean())
        padded = np.zeros((Z.shape[1], self.dim), np.float32)
        padded[:, : len(values)] = components * gain[:, None] * (RMS / max(rms, 1e-12))
        self._mean, self._components = mean.astype(np.float32), padded
        return self

    def transform(self, X: NDArray[np.floating]) -> NDArray[np.float32]:
        """Reduce maps to features.

        Args:
            X: (N, D) maps, of the width that was fitted.

        Returns:
            (N, K) features, with a root mean square of ``RMS`` over the training
            pictures and none larger than the ones before it.

        Raises:
            RuntimeError: If nothing has been fitted or loaded.
            ValueError: If X does not have D columns.
        """
        if self._mean is None or self._components is None:
            raise RuntimeError("This FeatureReducer is empty; call fit or load first.")
        rows = _matrix(X)
        if rows.shape[1] != len(self._mean):
            raise ValueError(
                f"X has {rows.shape[1]} columns, but this reducer was fitted to "
                f"{len(self._mean)}; make X with feature_maps of the same version."
            )
        reduced = (rows - self._mean) @ self._components
        return reduced.astype(np.float32, copy=False)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the reducer to an ``.npz`` file, whole or not at all."""
        if self._mean is None or self._components is None:
            raise RuntimeError("This FeatureReducer is empty; call fit or load first.")
        with replacing(path) as draft, draft.open("wb") as file:
            np.savez(file, mean=self._mean, components=self._components)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FeatureReducer:
        """Read what ``save`` wrote.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is damaged or no reducer.
        """
        try:
            # Opened here: NumPy leaves a damaged file open.
            with Path(path).open("rb") as file, np.load(file) as arrays:
                mean, components = arrays["mean"], arrays["components"]
        except FileNotFoundError:
            raise
        except Exception as error:  # damaged bytes raise a dozen kinds in zipfile alone
            raise ValueError(
                f"{os.fspath(path)} is no whole reducer file ({error}); delete the "
                "folder it is in to have it built again."
            ) from error
        reducer = cls(components.shape[1])
        reducer._mean = np.asarray(mean, np.float32)
        reducer._components = np.asarray(components, np.float32)
        return reducer


def features_from_image(
    image: Any, reducer: FeatureReducer, model: torch.nn.Module
) -> NDArray[np.float32]:
    """Describe one photo as models that learned from drawn scenes see pictures.

    Args:
        image: (H, W, 3), (H, W, 4) or (H, W) uint8 of any size, or a Pillow image.
        reducer: The one of the training pictures, ``reducer.npz`` beside them.
        model: What ``load_squeezenet`` returns.

    Returns:
        (1, K) features, ready for ``CaptioningRNN.sample``.
    """
    maps, _ = feature_maps([image], model, progress=False)
    return reducer.transform(maps)


def _run(
    batch: list[Any],
    network: torch.nn.Module,
    classifier: torch.nn.Module,
    blocks: Sequence[Block],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (B, D) and (B, 4096) numbers for a batch of B pictures."""
    import torch

    from cs231n.image_utils import SQUEEZENET_MEAN, SQUEEZENET_STD

    device = next(network.parameters()).device
    pixels = np.stack([_fit_picture(image) for image in batch])
    with torch.inference_mode():
        x = torch.from_numpy(pixels).to(device, torch.float32).div_(255)
        x.sub_(torch.tensor(SQUEEZENET_MEAN, device=device))
        x.div_(torch.tensor(SQUEEZENET_STD, device=device))
        x = x.permute(0, 3, 1, 2)  # a view: channels stay last in memory
        parts = []
        for i, layer in enumerate(network.children()):
            x = layer(x)
            for place, _, kind, grid in blocks:
                if place == i and kind == "class":
                    # The scores' mean is the score of the mean: fewer products.
                    means = _cell_means(x, grid).reshape(len(x), -1, *grid)
                    shares = (classifier(means) / SOFTNESS).softmax(1)
                    parts.append(shares.sqrt().flatten(1))
                elif place == i:
                    pool = _cell_means if kind == "mean" else _cell_maxima
                    parts.append(pool(x, grid).sqrt())
        wide = _cell_means(x, WIDE_GRID).sqrt()
        return torch.cat(parts, 1).cpu().numpy(), wide.cpu().numpy()


def _cell_means(x: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Average (B, C, H, W) maps over the cells of a grid, as (B, C * cells).

    The cells are those of ``adaptive_avg_pool2d``; as products, with channels last,
    this is many times faster.
    """
    import torch

    B, C, H, W = x.shape
    rows, columns = (
        torch.from_numpy(_cells(size, count)).to(x)
        for size, count in zip((H, W), grid, strict=True)
    )
    lines = torch.matmul(rows, x.permute(0, 2, 3, 1).reshape(B, H, W * C))
    cells = torch.matmul(columns, lines.view(B, grid[0], W, C))
    return cells.flatten(1, 2).transpose(1, 2).flatten(1)


def _cell_maxima(x: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Take the largest of (B, C, H, W) maps in each cell, as (B, C * cells)."""
    from torch.nn.functional import adaptive_max_pool2d

    return adaptive_max_pool2d(x, grid).flatten(1)


def _cells(size: int, count: int) -> NDArray[np.float32]:
    """Return (count, size) weights, each row the average over one cell."""
    starts = np.arange(count) * size // count
    stops = -(-np.arange(1, count + 1) * size // count)
    place = np.arange(size)
    inside = (place >= starts[:, None]) & (place < stops[:, None])
    weights: NDArray[np.float32] = inside.astype(np.float32)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def _fit_picture(image: Any) -> NDArray[np.uint8]:
    """Return the middle of a picture, of ``SIZE``."""
    from PIL import Image, ImageOps

    from cs231n.support.picture_files import as_pixels

    picture = image if isinstance(image, Image.Image) else _as_pillow(image)
    picture = Image.fromarray(as_pixels(picture))  # upright, in colour, 8 bits
    # Pillow averages as it shrinks.
    return np.asarray(ImageOps.fit(picture, SIZE[::-1], Image.Resampling.BILINEAR))


def _as_pillow(image: Any) -> Image.Image:
    from PIL import Image

    array = np.asarray(image)
    if array.dtype != np.uint8:
        raise TypeError(
            f"A picture has dtype {array.dtype}; give uint8, with pixels 0 to 255."
        )
    channels = array.shape[2:] in {(), (3,), (4,)}
    if array.ndim not in (2, 3) or not channels or 0 in array.shape:
        raise ValueError(
            f"A picture has shape {array.shape}; give (H, W, 3), (H, W, 4) or (H, W)."
        )
    return Image.fromarray(array)


def _matrix(X: NDArray[np.floating]) -> NDArray[np.float32]:
    matrix = np.asarray(X, np.float32)
    if matrix.ndim != 2:
        raise ValueError(f"X has shape {matrix.shape}; give one row for each picture.")
    return matrix


def _leading(
    Z: NDArray[np.float32], k: int
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the k largest eigenvalues of Z Zᵀ, falling, and their eigenvectors.

    Zᵀ Z has the same spectrum and is far larger. float32 is exact enough for leading
    components and takes half as long.
    """
    from scipy.linalg import eigh

    n = len(Z)
    values, vectors = eigh(Z @ Z.T, subset_by_index=[n - k, n - 1], overwrite_a=True)
    return values[::-1], vectors[:, ::-1]
