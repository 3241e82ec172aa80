"""What the losses of Q4 come to on two known pictures, for students to compare with.

With torchvision's weights and the course's pictures on disk the answers are the
course's own, from ``style-transfer-checks.npz`` where that is there too. Otherwise they
are those of the embedded weights and the stand-in pictures, computed once in float64 by
a slow program that shares no code with this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cs231n import datasets
from cs231n.classifiers.squeezenet import load_squeezenet
from cs231n.embedded.style_pictures import find_original, find_stand_in
from cs231n.support.accuracy import as_array

ANSWERS_FILE = "style-transfer-checks.npz"
CONTENT, STYLE = "tubingen", "starry_night"
SIZE = 192  # of both pictures

# gm_out: sum, trace, Frobenius norm, largest number, the first four of the first row.
COURSE: dict[str, Any] = {
    "cl_out": 32436.986328125,
    "sl_out": 44512.2890625,
    "tv_out": 303.4700012207031,
    "gm_out": (
        *(2260.191195, 31.848835, 22.579596, 1.1660501),
        *(0.08947323, 0.07904695, 0.07245348, 0.02305186),
    ),
}
EMBEDDED: dict[str, Any] = {
    "cl_out": 54475.59781,
    "sl_out": 639398.8741,
    "tv_out": 538.3885571,
    "gm_out": (
        *(5951.820816, 87.29313763, 57.21816392, 3.275957051),
        *(0.06252634019, 0.06031304999, 0.03060673333, 0.02553175992),
    ),
}


@dataclass(frozen=True)
class StyleChecks:
    """A network, two pictures, and the numbers that belong to them.

    Attributes:
        cnn: The network, or its layers.
        content: File of the picture whose content counts.
        style: File of the picture whose style counts.
        answers: "cl_out", "gm_out", "sl_out", "tv_out" as the course names them; of
            the Gram matrix its summary.
    """

    cnn: Any
    content: Path
    style: Path
    answers: dict[str, NDArray[np.float64]]


def load_checks(verbose: bool = True) -> StyleChecks:
    """Find out which answers hold here, and load what they were computed from.

    Args:
        verbose: Whether to say in one printed line which answers are used.

    Example:
        >>> sorted(load_checks(verbose=False).answers)
        ['cl_out', 'gm_out', 'sl_out', 'tv_out']
    """
    content, style = find_original(CONTENT), find_original(STYLE)
    model = None
    if content and style:
        try:
            model = load_squeezenet("torchvision", "cpu", verbose=False)
        except FileNotFoundError:
            model = None
    if model is not None and content and style:
        answers, source = (
            dict(COURSE),
            "the course's pictures and torchvision's weights",
        )
        if file := find_answers(ANSWERS_FILE):
            answers = read_answers(file)
            answers["gm_out"] = summarize(answers["gm_out"])
    else:
        model = load_squeezenet("embedded", "cpu", verbose=False)
        content, style = find_stand_in(CONTENT), find_stand_in(STYLE)
        answers, source = EMBEDDED, "the stand-in pictures and the embedded weights"
    if verbose:
        print(f"Stored answers for {source}.")
    layers = model.get_submodule("features")
    return StyleChecks(layers, content, style, as_numbers(answers))


def as_matrix(gram: Any) -> NDArray[Any]:
    """Return one picture's Gram matrix, with or without an axis for pictures.

    Args:
        gram: (C, C) or (1, C, C) the matrix, an array or a tensor.

    Returns:
        (C, C) the matrix.

    Raises:
        ValueError: If it has another shape.

    Example:
        >>> as_matrix(np.ones((1, 3, 3))).shape
        (3, 3)
    """
    matrix = as_array(gram)
    G = matrix[0] if matrix.ndim == 3 and len(matrix) == 1 else matrix
    if G.ndim != 2 or G.shape[0] != G.shape[1]:
        raise ValueError(
            f"The Gram matrix has shape {matrix.shape}; channels by channels is "
            "wanted, (C, C) or (1, C, C) for one picture."
        )
    return G


def summarize(gram: Any) -> NDArray[np.float64]:
    """Describe a Gram matrix by eight numbers.

    Args:
        gram: (C, C) or (1, C, C) the matrix, C at least 4.

    Returns:
        (8,) its sum, trace, Frobenius norm and largest number, then the first four
        numbers of its first row.

    Raises:
        ValueError: If it has another shape.

    Example:
        >>> summarize(2 * np.eye(4))
        array([8., 8., 4., 2., 2., 0., 0., 0.])
    """
    G = as_matrix(gram).astype(np.float64)
    return np.array([G.sum(), np.trace(G), np.linalg.norm(G), G.max(), *G[0, :4]])


def find_answers(name: str) -> Path | None:
    """Return the course's file of answers, from this folder or among the data."""
    here = Path(name)
    return here if here.is_file() else datasets.find(name)


def read_answers(file: Path) -> dict[str, Any]:
    """Return the answers of such a file by their names."""
    with np.load(file) as stored:
        return {name: stored[name] for name in COURSE}


def as_numbers(answers: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Return answers without dimensions of one."""
    return {name: np.asarray(value, float).squeeze() for name, value in answers.items()}
