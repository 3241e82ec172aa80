"""Which files of a tree lean on which: from their text, erring on the side of more."""

import re
from collections.abc import Mapping

_FROM = re.compile(
    r"^\s*from\s+((?:cs231n|staff|tests)[\w.]*)\s+import\s+"
    r"(\((?:#[^\n]*|[^)#])*\)|[^\n]*)",  # a comment may hold a bracket
    re.MULTILINE,
)
_NAMED = re.compile(r"\b(?:cs231n|staff|tests)(?:[./]\w+)+")


def imported(text: str, names: frozenset[str]) -> set[str]:
    """Return the files that a text imports, or only speaks of.

    Args:
        text: A Python file.
        names: Paths of all files there are.
    """
    dotted = {found.replace("/", ".") for found in _NAMED.findall(text)}
    for package, what in _FROM.findall(text):
        dotted |= {f"{package}.{name}" for name in re.findall(r"\w+", what)}
        dotted.add(package)
    found = set()
    for name in dotted:
        parts = name.removesuffix(".py").split(".")
        while parts:
            path = "/".join(parts)
            found |= {f"{path}.py", f"{path}/__init__.py"} & names
            parts.pop()
    return found


def closure(files: Mapping[str, str], start: str) -> set[str]:
    """Return a file, what it imports, and what that imports.

    Args:
        files: Path -> text of all Python files.
        start: Path of the file.
    """
    names = frozenset(files)
    reached, waiting = {start}, [start]
    while waiting:
        for name in imported(files[waiting.pop()], names) - reached:
            reached.add(name)
            waiting.append(name)
    return reached


def importers(files: Mapping[str, str], target: str) -> set[str]:
    """Return the files that lean on one, directly or not; it is one of them."""
    return {name for name in files if target in closure(files, name)}
