"""All exercises by the name of their function; torch waits until one needs it."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cs231n.tools.check.bench import Exercise

_MODULES = {
    "cs231n.rnn_layers.": "layers",
    "cs231n.classifiers.rnn.": "model",
    "cs231n.net_visualization_pytorch.": "pictures",
    "cs231n.style_transfer_pytorch.": "pictures",
    "cs231n.gan_pytorch.": "gan",
    "cs231n.image_gradients.": "cnn",
    "cs231n.image_generation.": "cnn",
}


def needs_torch(key: str) -> bool:
    """Tell whether a function is tried out with torch, which takes long to import."""
    return _module(key) in {"pictures", "gan"}


def exercise(key: str) -> "Exercise":
    """Return how a function is tried out.

    Args:
        key: Its dotted path, with ``:variant`` if there is one.

    Raises:
        KeyError: If nobody has said how.
    """
    found: dict[str, Exercise] = importlib.import_module(
        f"cs231n.tools.check.tries.{_module(key)}"
    ).EXERCISES
    return found[key]


def _module(key: str) -> str:
    for start, module in _MODULES.items():
        if key.startswith(start):
            return module
    raise KeyError(f"{key} has no exercise; add it to exercises.py.")
