"""Writes checkpoints with the keys of the course's: those of 2019 and those of 2017."""

import tensorflow as tf

from cs231n.datasets.readers import squeezenet_tf


def _put(root, path, value):
    """Hang a variable into a tree of nodes, which gives its key in the checkpoint."""
    *above, last = path.split("/")
    for name in above:
        if not hasattr(root, name):
            setattr(root, name, tf.Module())
        root = getattr(root, name)
    setattr(root, last, tf.Variable(value))


def write_2019(prefix, weights):
    """Write kernels and biases, by torchvision's names, as Keras did in 2019."""
    root = tf.Module()
    for name, key in squeezenet_tf.keys().items():
        for part, value in zip(("kernel", "bias"), weights[name], strict=True):
            _put(root, f"{key}/{part}", value)
    tf.train.Checkpoint(net=root.net).write(str(prefix))


def write_2017(prefix, weights):
    """Write the same as the graphs of 2017 and 2018 did."""
    halves = {"squeeze": "squeeze", "expand1x1": "e11", "expand3x3": "e33"}
    names, values = [], []
    for name, (kernel, bias) in weights.items():
        kind, number, *rest = name.split(".")
        key = f"{kind}/layer{number}" + "".join(f"/fire/{halves[r]}" for r in rest)
        names += [f"{key}/weights", f"{key}/bias"]
        values += [kernel, bias]
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=values,
    )
