"""Hints, one step of a ladder at a time: ``python -m cs231n.hint rnn_backward``.

Each function has three: a nudge, the idea, the formula. How far somebody has climbed is
kept in ``.cs231n-hints.json`` beside the notebooks.
"""

import argparse
import json
import sys
import textwrap
import tomllib
from pathlib import Path

from cs231n.assignment.table import Function, questions
from cs231n.support.files import replacing
from cs231n.tools.check.begun import in_use
from cs231n.tools.check.command import UnknownNameError, select

ROOT = Path(__file__).resolve().parents[3]
HINTS = Path(__file__).with_name("hints.toml")
STATE = ROOT / ".cs231n-hints.json"
STEPS = ("A nudge", "The idea", "The formula")


def ladder(function: Function) -> list[str]:
    """Return a function's hints, the vaguest first.

    Args:
        function: Its row in the table.

    Raises:
        KeyError: If nobody has written any.
    """
    hints: dict[str, list[str]] = tomllib.loads(HINTS.read_text("utf-8"))
    found = hints.get(function.key) or hints.get(function.short)
    if found is None:
        raise KeyError(f"hints.toml has nothing for {function.key}")
    return found


def climbed() -> dict[str, int]:
    """Return how many hints were shown, by function; nothing if that is not known."""
    try:
        stored = json.loads(STATE.read_text("utf-8"))
        return {str(key): int(steps) for key, steps in stored.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _remember(steps: dict[str, int]) -> None:
    try:
        with replacing(STATE) as draft:
            draft.write_text(json.dumps(steps, indent=1) + "\n", "utf-8")
    except OSError as error:
        print(f"(Where you are cannot be kept: {error}. --step N shows hint N.)")


def _choose(name: str) -> Function:
    """Return the function of that name; of two, the one that was begun or the first."""
    _, chosen = select([name])
    rows = in_use([question for question, _ in chosen], ROOT)
    functions = [f for question, those in chosen if question in rows for f in those]
    if name.lower() in {q.id.lower() for q in questions()}:
        names = ", ".join(f.short for f in functions)
        raise UnknownNameError(f"{name} is a question; name a function of it: {names}.")
    return functions[0]


def _show(function: Function, steps: int, first: int = 0) -> None:
    hints = ladder(function)
    for number in range(first, steps):
        print(
            f"{function.short}: {STEPS[number].lower()} ({number + 1} of {len(hints)})"
        )
        print(textwrap.indent(textwrap.fill(hints[number], 84), "  "))


def _list() -> None:
    steps = climbed()
    for question in in_use(questions(), ROOT):
        print(f"{question.id}  {question.title}")
        for function in question.functions:
            shown = steps.get(function.key, 0)
            print(f"  {function.short:<31}  {shown} of {len(STEPS)} hints seen")


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m cs231n.hint``.

    Returns:
        0, or 2 if there is no function of that name.
    """
    parser = argparse.ArgumentParser(
        prog="python -m cs231n.hint",
        description="Show the next hint for a function: nudge, idea, formula.",
        epilog="Without a name, the functions are listed.",
    )
    parser.add_argument("name", nargs="?", help="such as rnn_backward")
    parser.add_argument("--step", type=int, choices=(1, 2, 3), help="show this hint")
    parser.add_argument("--all", action="store_true", help="show all three")
    parser.add_argument("--reset", action="store_true", help="begin at the first again")
    args = parser.parse_args(argv)
    try:
        function = _choose(args.name) if args.name else None
    except UnknownNameError as error:
        print(error, file=sys.stderr)
        return 2
    steps = climbed()
    if args.reset:
        kept = {k: n for k, n in steps.items() if function and k != function.key}
        _remember(kept)
        print(f"{function.short if function else 'All ladders'}: back at the ground.")
        return 0
    if function is None:
        _list()
        return 0
    height = len(ladder(function))
    before = min(steps.get(function.key, 0), height)
    last = height if args.all else args.step or min(before + 1, height)
    _show(function, last, 0 if args.all else last - 1)
    if args.step is None:
        _remember(steps | {function.key: max(before, last)})
        if last < height:
            print(f"One step further: python -m cs231n.hint {args.name}")
        else:
            print("That was the last one. python -m cs231n.check says how it goes.")
    return 0
