"""Scenes of simple things on a ground, and captions of them."""

from pathlib import Path

_DRAWN_WITH = (
    *("faces.py", "grounds.py", "layers.py", "pen.py", "placing.py", "scene.py"),
    "things.py",
)


def sources(*more: str) -> list[Path]:
    """Return the files that decide how scenes look, for keys of what is built of them.

    Args:
        more: Further files in this folder.
    """
    here = Path(__file__).resolve().parent
    return [here / name for name in (*_DRAWN_WITH, *more)]
