"""What is made from the tables: students' copy of the questions', parts of READMEs."""

import argparse
import ast
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from cs231n.assignment import table
from cs231n.assignment.table import Question
from cs231n.datasets.fetching import registry
from cs231n.support.files import replacing
from staff.course import course, heading
from staff.questions import ROOT, as_markdown, questions, table_for_students
from staff.report.jobs import durations

COMMANDS = ("check", "hint", "submission", "update")
_MADE = re.compile(r"(<!-- made: (.+?) -->\n).*?(<!-- /made -->)", re.DOTALL)


def summary(path: Path) -> str:
    """Return the first line of a module's docstring, without the full stop.

    Args:
        path: A module, or the folder of a package.
    """
    file = path / "__init__.py" if path.is_dir() else path
    said = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    said = said.replace("``", "`")
    return said.partition("\n")[0].removesuffix(".").removesuffix(" (given)")


def yours(path: str, asked: Iterable[Question]) -> str:
    """Return with which words the docstring of a student's file begins.

    Args:
        path: The file, from the root.
        asked: The questions.
    """
    names = [_called(question) for question in asked if path in question.modules]
    return f"{', '.join(names) or 'Extra'}, yours: "


def _called(question: Question) -> str:
    if question.instead_of:
        return f"{question.instead_of} in {table.FRAMEWORKS[question.framework]}"
    return question.id


def written() -> str:
    """Return the table of what students write in, in the order of the questions."""
    paths = dict.fromkeys(path for q in questions() for path in q.modules)
    paths = {path: None for path in paths if (ROOT / path).is_file()}
    return _table("question", "file", "what", rows=map(_row, paths))


def extras() -> str:
    """Return the table of what students may write in, for no points."""
    paths = dict.fromkeys(path for q in questions() for path in q.extra)
    return _table("question", "file", "what", rows=map(_row, paths))


def given() -> str:
    """Return the table of what lies beside it and is given."""
    theirs = {path for q in questions() for path in q.modules}
    paths = [
        path
        for path in sorted((ROOT / "cs231n").glob("*.py"))
        if path.stem not in {"__init__", *COMMANDS}
        and path.relative_to(ROOT).as_posix() not in theirs
    ]
    return _table("file", "what", rows=((f"`{p.name}`", summary(p)) for p in paths))


def rooms() -> str:
    """Return the table of the package's folders."""
    paths = sorted(path.parent for path in (ROOT / "cs231n").glob("*/__init__.py"))
    rows = ((f"`{p.name}/`", _of_folder(p)) for p in paths)
    return _table("folder", "what", rows=rows)


def _row(path: str) -> tuple[str, str, str]:
    names = [_called(q) for q in questions() if path in (*q.modules, *q.extra)]
    said = summary(ROOT / path).removeprefix(yours(path, questions()))
    return ", ".join(names), f"`{path.removeprefix('cs231n/')}`", said


def _of_folder(folder: Path) -> str:
    # Empty, as in every edition.
    known = {"classifiers": "The captioning model, yours; pretrained networks, given"}
    return summary(folder) or known[folder.name]


def _table(*head: str, rows: Iterator[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def folder_map() -> str:
    """Return what the folders of the package hold, as lines of the README's map."""
    found = sorted(p.parent for p in (ROOT / "cs231n").rglob("__init__.py"))
    names = [p.relative_to(ROOT).as_posix() for p in found]
    lines = ["```text"]
    for path, name in zip(found, names, strict=True):
        if name != "cs231n":
            lines.append(f"{name + '/':<34}{_of_folder(path)}")
    return "\n".join([*lines, "```"])


def data_sets() -> str:
    """Return which data are needed, what is looked for, what serves without it."""
    rows = (
        (d.need, f"`{d.target}{'/' * d.is_folder}`", d.embedded)
        for d in registry.load().datasets.values()
    )
    return _table("need", "the original", "without it", rows=rows)


def filled(text: str) -> str:
    """Fill in the parts of a page that are made.

    Args:
        text: The page; each part stands between ``<!-- made: NAME -->`` and
            ``<!-- /made -->``.

    Raises:
        KeyError: If a page asks for what is not known.
    """

    def part(asked: re.Match[str]) -> str:
        what, _, edition = asked[2].partition(" ")
        made = {
            "course": lambda: heading(course()),
            "questions": lambda: as_markdown(questions(), edition),
            "durations": lambda: durations(ROOT, course().edition, questions()),
            "folders": folder_map,
            "data": data_sets,
            "written": written,
            "extras": extras,
            "given": given,
            "rooms": rooms,
        }
        return f"{asked[1]}{made[what]()}\n{asked[3]}"

    return _MADE.sub(part, text)


def made() -> dict[Path, str]:
    """Return every file that is made from the tables, or in part, and its text."""
    pages = (ROOT / "README.md", ROOT / "cs231n" / "README.md")
    return {
        table.FILE: table_for_students(course().edition),
        **{page: filled(page.read_text("utf-8")) for page in pages},
    }


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m staff table``."""
    parser = argparse.ArgumentParser(
        prog="python -m staff table",
        description="Write what is made from the tables of questions and of data sets.",
    )
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    args = parser.parse_args(argv)

    old = [
        file
        for file, text in made().items()
        if not file.is_file() or file.read_text("utf-8") != text
    ]
    for file in old:
        if args.check:
            print(f"{file} is old; run: python -m staff table", file=sys.stderr)
            continue
        with replacing(file) as draft:
            draft.write_bytes(made()[file].encode())
        print(file)
    return 1 if old and args.check else 0
