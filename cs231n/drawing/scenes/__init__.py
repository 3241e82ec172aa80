"""Scenes of simple things on a ground, and captions of them."""

from pathlib import Path

_DRAWN_WITH = ("faces", "grounds", "layers", "pen", "placing", "scene", "things")


def sources(*more: str) -> list[Path]:
    """Return the files that decide how scenes look, for keys of what is built of them.

    Args:
        more: Names of further modules in this folder.
    """
    here = Path(__file__).resolve().parent
    return [here / f"{name}.py" for name in (*_DRAWN_WITH, *more)]
