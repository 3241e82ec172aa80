"""Write the skeleton of a new question: ``python -m staff new question Q6``."""

import argparse
import keyword
import re
import sys
import tomllib
from pathlib import Path
from string import Template

from cs231n.assignment import table
from cs231n.support import commands
from cs231n.support.files import replacing
from staff.questions import ROOT, TABLE

SKELETON = ROOT / "staff" / "skeleton"
HINTS = ROOT / "cs231n" / "tools" / "hint" / "hints.toml"
BLANK = "WRITE ME"
"""Stands in a skeleton wherever an author has something to say."""

_SETS = "# A course picks one set"  # what follows the questions in their table


class TakenError(ValueError):
    """What is asked for cannot be made, or is there already."""


def question(
    name: str, title: str, module: str, function: str, points: int
) -> list[Path]:
    """Write the skeleton of a question, in the seven places where one stands.

    Files that are there stay as they are.

    Args:
        name: The question's id, such as ``Q6``.
        title: What it is about, in a few words.
        module: Where its function stands, below ``cs231n``: ``pooling``.
        function: What students write.
        points: What it is worth in the default set.

    Returns:
        The files that were written, or that a part was added to.

    Raises:
        TakenError: If a name is no name, or is taken.
    """
    rows = tomllib.loads(TABLE.read_text("utf-8"))
    _refuse(rows, name, title, module, function)
    package, _, leaf = f"cs231n.{module}".rpartition(".")
    words = {
        "id": name,
        "title": title,
        "module": f"cs231n.{module}",
        "file": table.file_of(f"cs231n.{module}"),
        "package": package,
        "leaf": leaf,
        "tries": leaf,
        "function": function,
        "points": str(points),
        "notebook": "".join(re.findall(r"\w+", title.title())),
        "marker": table.marker(name),
    }
    files = {
        "module.py": words["file"],
        "notebook.py": f"staff/notebooks/{words['notebook']}.py",
        "tries.py": f"cs231n/tools/check/tries/{leaf}.py",
        "mistakes.toml": f"staff/mistakes/{name.lower()}.toml",
        "test.py": f"tests/test_{leaf}.py",
    }
    texts = {
        TABLE: _with_row(TABLE.read_text("utf-8"), _filled("row.toml", words), words),
        HINTS: HINTS.read_text("utf-8") + _filled("hints.toml", words),
    }
    for part, path in files.items():
        if not (ROOT / path).exists():
            texts[ROOT / path] = _filled(part, words)
    for file, text in texts.items():
        with replacing(file) as draft:
            draft.write_text(text, "utf-8", newline="\n")
    return list(texts)


def _refuse(rows: dict[str, list[dict[str, str]]], *names: str) -> None:
    """Insist on names that can be written, and are not taken."""
    name, title, module, function = names
    if not re.fullmatch(r"Q\d+(-\d{4})?", name):
        raise TakenError(f"{name!r} is no name of a question; write one such as Q6.")
    if '"' in title or "\\" in title:
        raise TakenError(f"{title!r} is no title; leave quotes and backslashes out.")
    for part in (*module.split("."), function):
        if not part.isidentifier() or keyword.iskeyword(part):
            raise TakenError(f"{part!r} is no name in Python; choose another one.")
    if name in {row["id"] for row in rows["questions"]}:
        raise TakenError(
            f"There is a question {name} already; python -m staff doctor lists what it "
            "still lacks."
        )
    if function in tomllib.loads(HINTS.read_text("utf-8")):
        raise TakenError(f"There is a function {function} already; name another one.")


def _filled(part: str, words: dict[str, str]) -> str:
    template = Template((SKELETON / f"{part}.txt").read_text("utf-8"))
    return template.substitute(words)


def _with_row(text: str, row: str, words: dict[str, str]) -> str:
    """Add a row to the table of questions, and its points to the default set."""
    before, mark, sets = text.partition(_SETS)
    points = f", {words['id']} = {words['points']} }}\n"
    return before + row + mark + re.sub(r" \}\n", lambda _: points, sets, count=1)


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m staff new``.

    Returns:
        0, or 2 if there is something of that name.
    """
    parser = argparse.ArgumentParser(
        prog="python -m staff new",
        description="Write the skeleton of a new question. Nothing is overwritten; "
        "python -m staff doctor then lists what is to be done.",
    )
    parser.add_argument("what", choices=["question"])
    parser.add_argument("name", help="its id, such as Q6")
    parser.add_argument("--title", help="what it is about (Question 6)")
    parser.add_argument("--module", help="its module below cs231n (from the title)")
    parser.add_argument("--function", help="what students write (as the module)")
    parser.add_argument(
        "--points", type=commands.positive, default=5, help="(%(default)s)"
    )
    args = parser.parse_args(argv)

    title = args.title or f"Question {args.name.removeprefix('Q')}"
    module = args.module or "_".join(re.findall(r"\w+", title.lower()))
    function = args.function or module.rpartition(".")[2]
    try:
        written = question(args.name, title, module, function, args.points)
    except TakenError as error:
        print(error, file=sys.stderr)
        return 2
    for file in written:
        print(file.relative_to(ROOT).as_posix())
    print(f"Write what says {BLANK}; python -m staff doctor lists all that is missing.")
    return 0
