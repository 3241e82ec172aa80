"""SqueezeNet 1.1 trained on ImageNet, for pictures as image_utils preprocesses them."""

from cs231n.datasets.readers.imagenet_val import class_names as _class_names
from cs231n.datasets.readers.squeezenet import load_squeezenet as load_squeezenet  # noqa: PLC0414 (a re-export)


def class_names() -> list[str]:
    """Return the names of the 1000 ImageNet classes, in the order of the scores."""
    return list(_class_names().values())
