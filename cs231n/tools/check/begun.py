"""What a student has begun, told from the text of modules without running them."""

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from cs231n.assignment import regions
from cs231n.assignment.canonical import parsed
from cs231n.assignment.table import Question
from cs231n.tools.check.written import HARMLESS, WORK, definition, work_of

# Calls with which hand-outs for TensorFlow begin a function.
STARTED_WITH = HARMLESS | {"set_seed", "gather_nd", "stack", "range", "variable_scope"}


@lru_cache(maxsize=256)  # asked again for each notebook and each framework
def is_begun(source: str, qualname: str) -> bool:
    """Tell whether a student wrote something of a function, without running it.

    Args:
        source: The module's text, with the boxes of our hand-out or an original one's.
        qualname: The function's name, with dots between its parts.
    """
    boxes, damages = regions.scan(source)
    own = [box for box in boxes if box.owner == qualname]
    if (tree := parsed(source)) is None:
        torn = any(damage.owner in ("", qualname) for damage in damages)
        # Without boxes none of an original's functions can be told from others.
        return torn or not boxes or not all(regions.is_stub(box.body) for box in own)
    last = definition(tree, qualname)
    if last is None:
        return False
    if inside := [b for b in own if last.lineno <= b.first <= (last.end_lineno or 0)]:
        return not all(regions.is_stub(box.body) for box in inside)
    return re.search(WORK, work_of(last, STARTED_WITH)) is not None


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
