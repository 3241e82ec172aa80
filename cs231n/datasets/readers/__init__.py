"""Read data sets in their original formats, and say what is wrong with a damaged one.

No reader looks for a data set, and none puts another in its place.
"""

from cs231n.datasets.readers import (
    cifar10,
    coco,
    imagenet_val,
    mnist,
    pretrained_cnn,
    squeezenet,
    tiny_imagenet,
)

__all__ = [
    "cifar10",
    "coco",
    "imagenet_val",
    "mnist",
    "pretrained_cnn",
    "squeezenet",
    "tiny_imagenet",
]
