"""SqueezeNet 1.1 trained on ImageNet, for pictures as image_utils preprocesses them.

``load_squeezenet`` is in PyTorch. ``SqueezeNet`` and ``Fire``, which notebooks of old
import from here, are in TensorFlow, which is imported when they are.
"""

from typing import Any

from cs231n.datasets.readers.imagenet_val import class_names as _class_names
from cs231n.datasets.readers.squeezenet import NUM_CLASSES as NUM_CLASSES  # noqa: PLC0414 (a re-export)
from cs231n.datasets.readers.squeezenet import load_squeezenet as load_squeezenet  # noqa: PLC0414 (a re-export)

_IN_TENSORFLOW = ("SqueezeNet", "Fire")


def class_names() -> list[str]:
    """Return the names of the 1000 ImageNet classes, in the order of the scores."""
    return list(_class_names().values())


def __getattr__(name: str) -> Any:
    """Import the network in TensorFlow for whoever asks for it."""
    if name not in _IN_TENSORFLOW:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cs231n.classifiers import squeezenet_tf

    return getattr(squeezenet_tf, name)
