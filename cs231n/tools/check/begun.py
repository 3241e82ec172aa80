"""What a student has begun, told from the text of modules without running them."""

import ast
import re
from collections.abc import Iterable
from pathlib import Path

from cs231n.assignment import regions
from cs231n.assignment.table import Question
from cs231n.tools.check.written import WORK, code_in


def is_begun(source: str, qualname: str) -> bool:
    """Tell whether a student wrote something of a function, without running it.

    Args:
        source: The module's text, with the boxes of our hand-out or an original one's.
        qualname: The function's name, with dots between its parts.
    """
    boxes, damages = regions.scan(source)
    if own := [r for r in boxes if r.owner == qualname]:
        return not all(regions.is_stub(r.body) for r in own)
    if any(qualname in ("", d.owner) for d in damages):
        return True
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return not boxes  # none of an original's functions can be told
    return re.search(WORK, code_in(source, qualname)) is not None


def share(question: Question, root: Path) -> float:
    """Return which share of a question's points a student has begun, from 0 to 1.

    Args:
        question: The question.
        root: The folder that ``cs231n`` lies in.
    """
    texts = dict[str, str]()
    for path in {f.file for f in question.functions}:
        try:
            texts[path] = (root / path).read_text("utf-8-sig", errors="replace")
        except OSError:
            texts[path] = ""
    begun = [f for f in question.functions if is_begun(texts[f.file], f.qualname)]
    return sum(f.points for f in begun) / sum(f.points for f in question.functions)


def in_use(questions: Iterable[Question], root: Path) -> list[Question]:
    """Leave out what a student did not begin and may do in another way.

    Args:
        questions: Alternatives may be among them.
        root: The folder that ``cs231n`` lies in.

    Returns:
        Of a question and its alternatives those that were begun, or else the first.
    """
    questions = list(questions)
    ways = dict[str, list[Question]]()
    for question in questions:
        ways.setdefault(question.graded_as, []).append(question)
    kept = list[Question]()
    for rows in ways.values():
        begun = [row for row in rows if len(rows) > 1 and share(row, root)]
        kept += begun or rows[:1]
    return [question for question in questions if question in kept]
