"""What was changed outside the boxes, told line by line without the hand-out at hand.

For that the stamp holds a few letters for each given line, and a digest of what the
given code says. Comments, layout and docstrings are nobody's answer and count as no
change.
"""

import ast
import difflib
import hashlib
from dataclasses import dataclass
from functools import lru_cache

from cs231n.assignment import canonical, regions

_LETTERS = 4  # of a line's hash


@dataclass(frozen=True)
class Change:
    """A place outside the boxes where a module is not what was handed out.

    Attributes:
        line: Where it begins, counted from 1.
        owner: Dotted name of the function around it, or ''.
        text: The first line of code that was added or changed; '' if some are missing.
    """

    line: int
    owner: str
    text: str


def lines(source: str, name: str) -> str:
    """Return a few letters for each line of a module that is not a student's.

    Raises:
        RegionError: If a box is damaged.
    """
    return "".join(_mark(line) for _, line in _given(source, name))


@lru_cache(maxsize=512)
def says(source: str, name: str) -> str:
    """Return a digest of a module's given code; '' if it is no Python.

    Raises:
        RegionError: If a box is damaged.
    """
    empty = {r.key: f"{' ' * r.indent}pass\n" for r in regions.find(source, name)}
    try:
        tree = ast.parse(regions.fill(source, empty, name))
        return canonical.short_digest(canonical.structure(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


def changes(source: str, known: str, name: str) -> list[Change]:
    """Return where a module differs from the one that was handed out.

    Args:
        source: The student's module.
        known: What ``lines`` says of the one that was handed out.
        name: What the module is called.

    Raises:
        RegionError: If a box is damaged.
    """
    given = _given(source, name)
    before = [known[n : n + _LETTERS] for n in range(0, len(known), _LETTERS)]
    now = [_mark(line) for _, line in given]
    owners = regions.owners(source)
    blank = _mark("")
    found = []
    matcher = difflib.SequenceMatcher(None, before, now, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            continue
        new = [(n, line.strip()) for n, line in given[c:d] if _is_code(line)]
        if new:
            found.append(Change(new[0][0] + 1, owners[new[0][0]], new[0][1]))
        elif any(mark != blank for mark in before[a:b]):
            at = given[min(c, len(given) - 1)][0] if given else 0
            found.append(Change(at + 1, owners[at] if owners else "", ""))
    return found


def _given(source: str, name: str) -> list[tuple[int, str]]:
    """Return the lines that are not a student's, with their places counted from 0."""
    theirs = {n for r in regions.find(source, name) for n in range(r.first, r.last)}
    every = enumerate(regions.split(source))
    return [(n, line) for n, line in every if n not in theirs]


def _mark(line: str) -> str:
    return hashlib.sha256(line.rstrip().encode("utf-8", "replace")).hexdigest()[
        :_LETTERS
    ]


def _is_code(line: str) -> bool:
    return bool(line.strip()) and not line.strip().startswith("#")
