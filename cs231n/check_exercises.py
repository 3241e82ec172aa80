"""All exercises by the name of their function; torch waits until one needs it."""

import importlib

from cs231n.check_bench import Exercise

_MODULES = {
    "cs231n.rnn_layers.": "check_layers",
    "cs231n.classifiers.rnn.": "check_model",
    "cs231n.net_visualization_pytorch.": "check_pictures",
    "cs231n.style_transfer_pytorch.": "check_pictures",
    "cs231n.gan_pytorch.": "check_gan",
    "cs231n.image_gradients.": "check_cnn",
    "cs231n.image_generation.": "check_cnn",
}


def exercise(key: str) -> Exercise:
    """Return how a function is tried out.

    Args:
        key: Its dotted path, with ``:variant`` if there is one.

    Raises:
        KeyError: If nobody has said how.
    """
    for start, module in _MODULES.items():
        if key.startswith(start):
            found: dict[str, Exercise] = importlib.import_module(
                f"cs231n.{module}"
            ).EXERCISES
            return found[key]
    raise KeyError(f"{key} has no exercise; add it to check_exercises.py.")
