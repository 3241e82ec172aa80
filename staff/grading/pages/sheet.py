"""The page of one submission: what the student gets, and what the grader sees.

Both are one HTML file that opens from disk and loads nothing. What students wrote is
data, never markup. Hidden inputs, and what came back, stand on the grader's page only.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from cs231n.assignment import table
from cs231n.assignment.canonical import parsed
from cs231n.assignment.stamp import cell_text
from cs231n.tools.update.merge import MergeError, parse_notebook
from staff.grading.cohort import groups_of
from staff.grading.pages import common
from staff.grading.scores import Standing
from staff.grading.submission import Submission
from staff.grading.written import Answer
from staff.report.page import Picture, coloured, pictures, prose

_NOWHERE = Path("/nowhere")  # pictures that an answer names are not on this machine
_MOST_PICTURES = 80
_LARGEST_PICTURE = 4 << 20  # characters of base64
_LARGEST_PICTURES = 32 << 20
_LONGEST_SOURCE = 120_000


@dataclass(frozen=True)
class _Words:
    """An answer in words, ready to be shown."""

    answer: Answer
    asked: Markup
    text: Markup
    given: Mapping[str, Any]


def student_page(standing: Standing, answers: Sequence[Answer]) -> str:
    """Return what a student gets to see.

    Args:
        standing: What the record is worth in the end.
        answers: The submission's answers in words.
    """
    return _page(standing, answers, grader=False)


def grader_page(
    standing: Standing, answers: Sequence[Answer], submission: Submission | None
) -> str:
    """Return what graders see: the same, with inputs, code, pictures, boxes for points.

    Args:
        standing: What the record is worth in the end.
        answers: The submission's answers in words.
        submission: What was handed in; None if it was refused.
    """
    keys = [work.key for part in standing.parts for work in part.works]
    more: dict[str, Any] = {"scripts": ("save.js",)}
    if submission:
        more["sources"] = _sources(submission, keys)
        more["files"] = _files(submission)
        more["galleries"] = _galleries(submission)
    return _page(standing, answers, grader=True, **more)


def _page(standing: Standing, answers: Sequence[Answer], **more: Any) -> str:
    nothing: dict[str, Any] = {"sources": {}, "files": [], "galleries": []}
    return common.page(
        "sheet.html.j2",
        s=standing,
        said=_said(standing),
        words=[_shown(answer, standing) for answer in answers],
        **nothing | more,
    )


def _said(standing: Standing) -> dict[str, list[str]]:
    """Return what was said to groups: a function's key -> remarks."""
    found: dict[str, list[str]] = {}
    for key, (function, _) in groups_of(standing).items():
        if remark := standing.said.get(key):
            found.setdefault(function, []).append(remark)
    return found


def _shown(answer: Answer, standing: Standing) -> _Words:
    rows = standing.record["people"].get("written", ())
    given: Mapping[str, Any] = next(
        (row for row in rows if row["cell"] == answer.cell), {}
    )
    return _Words(
        answer,
        _prose(answer.asked, f"asked-{answer.cell}"),
        _prose(answer.text, f"answer-{answer.cell}"),
        given,
    )


def _prose(text: str, name: str) -> Markup:
    """Return Markdown as HTML, or as it stands if it defeats the parser."""
    try:
        return prose(text, common.anchor(name), _NOWHERE)
    except Exception:  # whatever a parser makes of a hostile text
        return Markup(f"<pre>{escape(text)}</pre>")


def _sources(submission: Submission, keys: Sequence[str]) -> dict[str, Markup]:
    """Return the code of functions, coloured: a function's key -> HTML."""
    trees: dict[str, ast.Module | None] = {}
    found = {}
    for key in keys:
        try:
            function = table.function(key)
        except KeyError:
            continue
        source = submission.modules.get(function.file, "")
        if function.file not in trees:
            trees[function.file] = parsed(source)
        tree = trees[function.file]
        node = _find(tree, function.qualname.split(".")) if tree else None
        if node is not None:
            lines = source.splitlines()[node.lineno - 1 : node.end_lineno]
            found[key] = _coloured("\n".join(lines))
    return found


def _find(tree: ast.Module, names: Sequence[str]) -> Any:
    """Return the last definition of that name, as Python would use it."""
    node: Any = tree
    for name in names:
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        own = [n for n in node.body if isinstance(n, kinds) and n.name == name]
        if not own:
            return None
        node = own[-1]
    return node


def _coloured(source: str) -> Markup:
    cut = source[:_LONGEST_SOURCE]
    if len(cut) < len(source):
        cut += f"\n# [… {len(source) - len(cut)} more characters …]"
    try:
        return coloured(cut)
    except Exception:  # whatever a lexer makes of a hostile text
        return escape(cut)


def _files(submission: Submission) -> list[tuple[str, Markup]]:
    """Return the modules as they were read, coloured."""
    return [
        (name, _coloured(text)) for name, text in sorted(submission.modules.items())
    ]


def _galleries(
    submission: Submission,
) -> list[tuple[str, list[tuple[int, Picture]], str]]:
    """Return the pictures in notebooks' outputs: name, cells and pictures, a note."""
    found: list[tuple[str, list[tuple[int, Picture]], str]] = []
    for name, content in submission.notebooks.items():
        try:
            cells = parse_notebook(content, f"{name}.ipynb")["cells"]
        except MergeError as error:
            found.append((name, [], error.problems[0]))
            continue
        shown: list[tuple[int, Picture]] = []
        room, left = _LARGEST_PICTURES, 0
        for number, picture in _pictures(cells):
            size = len(picture.uri)
            if len(shown) < _MOST_PICTURES and size <= min(room, _LARGEST_PICTURE):
                shown.append((number, picture))
                room -= size
            else:
                left += 1
        note = (
            f"Pictures that are too many or too large to show: {left}." if left else ""
        )
        found.append((name, shown, note))
    return found


def _pictures(cells: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Picture]]:
    for number, cell in enumerate(cells, start=1):
        outputs = cell.get("outputs", [])
        for output in outputs if isinstance(outputs, list) else []:
            try:
                data = {
                    kind: cell_text({"source": content})
                    for kind, content in output["data"].items()
                    if kind.startswith("image/")
                }
                shown = pictures({"data": data, "metadata": output.get("metadata", {})})
            except (KeyError, TypeError, AttributeError, ValueError):
                continue  # no picture, whatever it says it is
            for picture in shown:
                yield number, picture
