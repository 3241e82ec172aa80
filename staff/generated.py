"""What the commands that write generated files have in common."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from staff.questions import ROOT

K = TypeVar("K", str, Path)


def arguments(
    verb: str, says: str | None, argv: list[str] | None
) -> argparse.Namespace:
    """Read the command line of ``python -m staff VERB [--check]``.

    Args:
        verb: What the command is called.
        says: What it does.
        argv: The command line.

    Returns:
        check: Whether to write nothing.
        root: The project's folder.
    """
    parser = argparse.ArgumentParser(prog=f"python -m staff {verb}", description=says)
    parser.add_argument(
        "--check", action="store_true", help="write nothing, name those that differ"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def differing(wanted: Mapping[K, object], found: Mapping[K, object]) -> list[K]:
    """Return which files are not what they should be, not there, or there in vain.

    Args:
        wanted: File -> what it should hold.
        found: File -> what it holds.
    """
    files = wanted.keys() | found.keys()
    return sorted(file for file in files if wanted.get(file) != found.get(file))
