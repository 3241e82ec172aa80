"""``imagenet_val_25.npz``: photographs, their ImageNet classes, and the classes' names.

Letters in shapes: N photographs.
"""

import ast
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cs231n.datasets.readers.common import again, require, require_pixels
from cs231n.support import safe_pickle
from cs231n.support.file_kinds import because
from cs231n.support.packaged import packaged_file

FILE = "imagenet_val_25.npz"
_NAMES = "_IMAGENET_CATEGORIES"  # what torchvision calls them


def read(
    file: Path,
) -> tuple[NDArray[np.uint8], NDArray[np.integer[Any]], dict[int, str]]:
    """Read one file of this format.

    Args:
        file: An ``.npz`` of pictures X, classes y and names label_map.

    Returns:
        X: (N, H, W, 3) pixels.
        y: (N,) classes.
        class_names: The names of all 1000 classes by number.

    Raises:
        ValueError: If the file is damaged.
    """
    try:
        arrays = safe_pickle.load_npz(file)
        X, y = arrays["X"], arrays["y"]
        names = {int(k): str(v) for k, v in arrays["label_map"].items()}
        if X.ndim != 4 or X.shape[3] != 3 or y.shape != X.shape[:1]:
            raise ValueError(f"X has shape {X.shape}, y {y.shape}")
    except (AttributeError, KeyError, ValueError, pickle.UnpicklingError) as error:
        advice = f"{again('imagenet_val')}, or delete it to use the embedded photos"
        raise ValueError(
            f"{file} does not hold pictures X, classes y and names label_map "
            + because(file, "zip", error, advice)
        ) from error
    # The course's file has no name for class 134, the crane.
    if set(range(1000)) - names.keys():
        names = class_names() | names
    return X, y, names


def class_names() -> dict[int, str]:
    """Return torchvision's names of the 1000 classes, by number.

    They are read from its source: importing it would import PyTorch, too, which
    TensorFlow's notebooks do without.
    """
    file = packaged_file(
        "torchvision", "models/_meta.py", "torchvision", "The list of ImageNet's names"
    )
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == _NAMES:
            return dict(enumerate(ast.literal_eval(node.value)))
    raise ValueError(
        f"{file} holds no {_NAMES}; take a torchvision that does: pip install "
        "'torchvision>=0.19,<1'"
    )


def check(file: Path, expect: Mapping[str, Any]) -> None:
    """Insist on sizes, pixels and classes.

    Args:
        file: ``imagenet_val_25.npz``.
        expect: The number of pictures.
    """
    X, y, _ = read(file)
    require(f"pictures of {file}", X.shape, (expect["pictures"], 224, 224, 3))
    require_pixels(file, X, y, 1000)
