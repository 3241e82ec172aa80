"""What stands once for PyTorch and once for TensorFlow is called alike.

A module and its twin (``painting``, ``painting_tensorflow``) are written out twice, as
students read them from top to bottom. So that they stay twins, functions of the same
name take the same arguments, in the same order, with the same defaults. Nothing is
imported: both frameworks need not be there.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Twin and function -> the parameters that only one of the two has, or has elsewhere.
OTHERWISE = {
    # The originals' orders; TensorFlow's training prints, and keeps no checkpoint.
    "gan_tf.run_a_gan": "checkpoint loader_train num_epochs print_every report",
    "training_tensorflow.train_gan": "checkpoint checkpoint_every print_every",
    "training_tensorflow.Batches": "batch_size device shuffle",  # the original's
    # Its pictures are NumPy's generator's, not torch's, and for no extra.
    "class_visualization_tensorflow.create_class_visualization": (
        "breadth dtype grayness seed"
    ),
    "net_visualization_tensorflow.class_visualization_update_step": "X img",
    # Weights are one file in one framework, and several in the other.
    "squeezenet_tf.check": "file folder",
    "squeezenet_tf.read": "file prefix",
    # Tensors change in place in PyTorch alone.
    "pictures_tensorflow.with_gradient": "loss results run",
    "pictures_tensorflow.tensor": "dtype",
}


def _twins():
    for path in sorted((ROOT / "cs231n").rglob("*.py")):
        name, _, framework = path.stem.rpartition("_")
        if framework in ("tensorflow", "tf"):
            for ending in ("", "_pytorch", "_torch"):
                other = path.with_name(f"{name}{ending}.py")
                if other.exists():
                    twin = path.relative_to(ROOT / "cs231n").as_posix()
                    yield pytest.param(path, other, id=f"{twin} {other.stem}")


TWINS = [*_twins()]


def parameters(path):
    """Return the parameters of a module's public functions and classes, by name."""
    found = {}
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef):
            made = [m for m in node.body if getattr(m, "name", "") == "__init__"]
            function = made[0] if made else None
        else:
            function = node if isinstance(node, ast.FunctionDef) else None
        if function and not node.name.startswith("_"):
            found[node.name] = _parameters(function.args)
    return found


def _parameters(args):
    """Return names with their defaults as they are written; * where names begin."""
    given = [*args.posonlyargs, *args.args]
    defaults = [None] * (len(given) - len(args.defaults)) + args.defaults
    words = zip(args.kwonlyargs, args.kw_defaults, strict=True)
    rows = [*zip(given, defaults, strict=True), *words]
    texts = [f"{a.arg} {ast.unparse(d) if d else ''}".strip() for a, d in rows]
    return [*texts[: len(given)], "*", *texts[len(given) :]]


def listed(twin, name):
    return {*OTHERWISE.get(f"{twin.stem}.{name}", "").split()}


def without(rows, names):
    return [row for row in rows if row.split()[0] not in names]


@pytest.mark.parametrize(("twin", "other"), TWINS)
def test_twins_take_the_same_arguments(twin, other):
    mine, theirs = parameters(twin), parameters(other)
    for name in mine.keys() & theirs.keys():
        names = listed(twin, name)
        assert without(mine[name], names) == without(theirs[name], names), name


def test_every_difference_that_is_listed_is_one():
    there = set()
    for twin, other in (row.values for row in TWINS):
        mine, theirs = parameters(twin), parameters(other)
        for name in mine.keys() & theirs.keys():
            there.add(f"{twin.stem}.{name}")
            for one in (names := listed(twin, name)):
                rest = names - {one}
                assert without(mine[name], rest) != without(theirs[name], rest), one
    assert len(TWINS) > 10
    assert OTHERWISE.keys() <= there
