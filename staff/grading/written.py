"""Answers in words: cells of a notebook that ask, and what a student wrote there."""

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cs231n.assignment.stamp import cell_text, is_extra
from cs231n.assignment.table import Question, ways
from cs231n.tools.update.merge import ANSWER, MergeError, parse_notebook
from staff.questions import ROOT, questions

_TODO = re.compile(r"\*\*TODO\([\w-]+\):\*\*\s*")
_SOLUTION = re.compile(r"<!-- BEGIN SOLUTION -->.*?<!-- END SOLUTION -->", re.DOTALL)
# How notebooks of 2016 to 2020 ask, and where they want the answer.
_ASKS = re.compile(r"inline question", re.IGNORECASE)
_BELOW = re.compile(r"\*{0,2}_?your answer\s*:?_?\*{0,2}:?", re.IGNORECASE)
_ALIKE = 0.8  # of two texts, the share by which a question is known again
_LONGEST = 20_000  # characters of an answer
_MOST = 40  # cells in which one notebook of an old edition may ask


@dataclass(frozen=True)
class Answer:
    """One answer in words.

    Attributes:
        question: The question's id in the table, such as ``Q2``.
        notebook: The notebook's name.
        cell: What tells the cell apart from others of the submission.
        asked: What is asked, as Markdown.
        text: What the student wrote, as Markdown; empty if nothing.
        note: What a grader should know, such as that the cell is gone.
    """

    question: str
    notebook: str
    cell: str
    asked: str
    text: str
    note: str = ""


def answers(notebooks: Mapping[str, bytes], edition: str) -> list[Answer]:
    """Return an answer for each cell that asks, be it empty or missing.

    Args:
        notebooks: Name -> JSON, as a submission has them.
        edition: Which set of questions counts.
    """
    found: list[Answer] = []
    for question in questions():
        if edition not in question.points:
            continue
        # Of the ways in which it may be done, the one with most answers.
        done: list[list[Answer]] = [
            [
                answer
                for name in way.notebooks
                if name in notebooks
                for answer in _of_notebook(notebooks[name], name, question)
            ]
            for way in ways(question)
        ]
        found += max(done, key=_rank)
    return found


def _rank(found: Iterable[Answer]) -> tuple[int, int]:
    texts = [answer.text for answer in found]
    return sum(map(bool, texts)), len(texts)


def _of_notebook(content: bytes, name: str, question: Question) -> Iterator[Answer]:
    asked = asking(name)
    try:
        cells = parse_notebook(content, f"{name}.ipynb")["cells"]
    except MergeError as error:
        for key, text in asked.items():
            yield Answer(question.id, name, key, text, "", error.problems[0])
        return
    at = {key: _find(cells, key, text) for key, text in asked.items()}
    if asked and all(number is None for number in at.values()):
        # Another edition's notebook, or one in which these cells were taken out.
        own = list(_old(cells, name, question))
        if own:
            yield from own
            return
    taken = {number for number in at.values() if number is not None}
    given = _given_ids(name)
    for key, text in asked.items():
        number = at[key]
        if number is None:
            note = "The cell that asks is not in the notebook."
            yield Answer(question.id, name, key, text, "", note)
            continue
        own_text = _below(cell_text(cells[number]), text)
        own_text += _added(cells, number, taken, given)
        yield Answer(question.id, name, key, text, own_text.strip()[:_LONGEST])


@cache
def asking(name: str) -> dict[str, str]:
    """Return the cells of today's notebook that ask: id -> what is asked."""
    return {
        cell["id"]: _asked(cell_text(cell))
        for cell in _today(name)
        if cell["cell_type"] == "markdown"
        and ANSWER in cell_text(cell)
        and _TODO.search(cell_text(cell))
        and not is_extra(cell)
    }


@cache
def _given_ids(name: str) -> frozenset[str]:
    return frozenset(cell["id"] for cell in _today(name))


def _today(name: str) -> list[dict[str, Any]]:
    path = ROOT / f"{name}.ipynb"
    if not path.is_file():
        return []
    cells: list[dict[str, Any]] = json.loads(path.read_bytes())["cells"]
    return cells


def _asked(text: str) -> str:
    head = _SOLUTION.sub("", text).partition(ANSWER)[0]
    return _TODO.sub("", re.sub(r"^#+ .*\n", "", head.strip())).strip()


def _find(cells: list[dict[str, Any]], key: str, asked: str) -> int | None:
    """Return where a question stands: by its id, or else by its words."""
    for number, cell in enumerate(cells):
        own = cell.get("id") or cell.get("metadata", {}).get("id")  # Colab's place
        if own == key:
            return number
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "markdown":
            head = _asked(cell_text(cell))[: 2 * len(asked)]
            matcher = difflib.SequenceMatcher(None, head, asked, autojunk=False)
            if matcher.quick_ratio() > _ALIKE and matcher.ratio() > _ALIKE:
                return number
    return None


def _below(text: str, asked: str) -> str:
    """Return what stands below the mark, or where that is gone, what is no question."""
    head, mark, below = text.partition(ANSWER)
    if mark:
        return below
    if found := list(_BELOW.finditer(text)):
        return text[found[-1].end() :]
    lines = set(asked.splitlines())
    kept = [line for line in head.splitlines() if _TODO.sub("", line) not in lines]
    return "\n".join(line for line in kept if not line.startswith("#"))


def _added(
    cells: list[dict[str, Any]], number: int, taken: set[int], given: frozenset[str]
) -> str:
    """Return the text of Markdown cells that a student added right below a question."""
    parts = []
    for at in range(number + 1, len(cells)):
        cell = cells[at]
        own = cell.get("id") or cell.get("metadata", {}).get("id")
        # Without an id it may be the course's own.
        if cell["cell_type"] != "markdown" or at in taken or not own or own in given:
            break
        parts.append(f"\n\n{cell_text(cell)}")
    return "".join(parts)


def _old(
    cells: list[dict[str, Any]], name: str, question: Question
) -> Iterator[Answer]:
    """Yield what a notebook of an earlier edition asks, and what is below it."""
    count = 0
    for number, cell in enumerate(cells):
        text = cell_text(cell)
        if cell["cell_type"] != "markdown" or not _ASKS.search(text):
            continue
        count += 1
        if count > _MOST:
            return
        head, own = text, ""
        if found := list(_BELOW.finditer(text)):
            head, own = text[: found[-1].start()], text[found[-1].end() :]
        below = cells[number + 1] if number + 1 < len(cells) else None
        if not own.strip() and below and below["cell_type"] == "markdown":
            words = cell_text(below)
            if not _ASKS.search(words) and not words.lstrip().startswith("#"):
                own = _BELOW.sub("", words, count=1)
        yield Answer(
            question.id,
            name,
            f"{name}-{count}",
            head.strip()[:_LONGEST],
            own.strip()[:_LONGEST],
        )
