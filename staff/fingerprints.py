"""Make the fingerprints of right results and of typical mistakes that students get."""

import argparse
import sys
import tomllib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from cs231n import check_marks
from cs231n.assignment import Function
from cs231n.check_bench import Bench, Exercise
from cs231n.check_exercises import exercise
from cs231n.check_layers import PAIRS, SIZES, call_forward
from cs231n.check_marks import Mark, Mistake, Record, Records, mark
from cs231n.files import replacing
from cs231n.progress import progress_bar
from staff.questions import ROOT, questions
from staff.writings import WritingError, answer, edited, rewritten, solved, split

SEED = 231
READY = tuple(q.id for q in questions())


@dataclass(frozen=True)
class Slip:
    """A mistake of the bank, in all writings it is known in.

    Attributes:
        key: The function's key.
        says: The sentence that names it.
        edits: "edit" or the name of a writing -> pairs of old and new text.
    """

    key: str
    says: str
    edits: Mapping[str, list[list[str]]]


@cache
def bank() -> tuple[dict[str, dict[str, str]], tuple[Slip, ...]]:
    """Read the bank.

    Returns:
        Writing -> function's dotted name -> answer; and the mistakes.
    """
    known = {f.short: f for q in questions() for f in q.functions if "2016" not in q.id}
    known |= {f"{q.id}/{f.short}": f for q in questions() for f in q.functions}
    writings: dict[str, dict[str, str]] = {}
    slips = []
    for file in sorted((ROOT / "staff" / "mistakes").glob("*.toml")):
        stored: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
        for row in stored["writings"]:
            bodies = writings.setdefault(row["name"], {})
            for short, body in row["bodies"].items():
                bodies[known[short].name] = body
        for row in stored["mistakes"]:
            edits = {k: v for k, v in row.items() if k not in {"function", "says"}}
            slips.append(Slip(known[row["function"]].key, row["says"], edits))
    return writings, tuple(slips)


def answers_with(slip: Slip, writing: str) -> dict[str, str]:
    """Return the answers that make a mistake, and those that go with them.

    Args:
        slip: The mistake.
        writing: "edit" for the one made in the solution, else a writing's name.
    """
    name = slip.key.partition(":")[0]
    if writing == "edit":
        module, inner = split(name)
        return {name: edited(answer(solved(module), inner), slip.edits["edit"])}
    answers = answers_of(name, writing)
    try:
        return answers | {name: edited(answers[name], slip.edits[writing])}
    except WritingError as error:
        raise WritingError(f"{slip.key}, {writing}: {error}") from None


def answers_of(name: str, writing: str) -> dict[str, str]:
    """Return one writing of a function, with its partner's if they go together.

    Args:
        name: The function's dotted name.
        writing: The writing's name.
    """
    bodies = bank()[0][writing]
    stem, _, part = name.rpartition("_")
    partner = f"{stem}_{'backward' if part == 'forward' else 'forward'}"
    names = [n for n in (name, partner) if n in bodies]
    return {n: bodies[n] for n in names if n == name or part in {"forward", "backward"}}


def observe(
    function: Function, seed: int, way: str, cache: Any = None
) -> dict[str, Mark]:
    """Return the marks of what a function gives, as the modules stand now.

    Args:
        function: Its row in the table.
        seed: Draws the public inputs.
        way: How it is looked at.
        cache: What is stored for it to read.
    """
    bench = Bench(function, seed, Record({}, cache=cache))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        results = exercise(function.key).run(bench, way)
    return {name: mark(name, value) for name, value in results.items()}


def make(seed: int = SEED, only: str = "", watched: bool = True) -> Records:
    """Compute all fingerprints from the solved tree and the bank.

    Args:
        seed: Draws the public inputs.
        only: What a function's key must begin with.
        watched: Whether to show a progress bar.
    """
    made = Records(seed)
    functions = [
        f
        for q in questions()
        if q.id in READY
        for f in q.functions
        if f.key.startswith(only)
    ]
    with progress_bar(len(functions), "fingerprints", watched) as bar:
        for function in functions:
            made.functions[function.key] = _record(function, seed)
            bar.update()
    return made


def _record(function: Function, seed: int) -> Record:
    how = exercise(function.key)
    sample = _sample_cache(function, seed) if "sample" in how.ways else None
    right = {"own": observe(function, seed, "own")}
    if "stand-in" in how.ways:
        right["stand-in"] = _with_stand_ins(function, seed)
    mistakes = [
        Mistake(slip.says, _spoilt(slip, function, how, seed, right))
        for slip in bank()[1]
        if slip.key == function.key
    ]
    return Record(right, tuple(mistakes), sample)


def _with_stand_ins(function: Function, seed: int) -> dict[str, Mark]:
    """Sequences are made of steps here, as the stand-ins take the steps' place."""
    answers = {}
    if function.name in bank()[0]["step by step"] and "rnn_layers" in function.name:
        answers = answers_of(function.name, "step by step")
    with rewritten(answers):
        return observe(function, seed, "stand-in")


def _sample_cache(function: Function, seed: int) -> Any:
    """What the solved forward pass leaves for each set of sizes."""
    pair = next(p for p in PAIRS if function.name.endswith(f".{p.name}_backward"))
    bench = Bench(function, seed, Record({}))
    forward = getattr(bench.module, f"{pair.name}_forward")
    return tuple(
        call_forward(pair, forward, pair.draw(bench, which)[0])[1] for which in SIZES
    )


def _spoilt(
    slip: Slip,
    function: Function,
    how: Exercise,
    seed: int,
    right: Mapping[str, Mapping[str, Mark]],
) -> dict[str, dict[str, Mark]]:
    """Return the marks of what a mistake spoils, by the way of looking."""
    ways = [way for way in how.ways if way in right]
    if "rnn_layers" in function.name:
        ways = ["own"]  # stand-ins take the place of steps, which the solution has not
    spoilt = {}
    with rewritten(answers_with(slip, "edit")):
        for way in ways:
            found = observe(function, seed, way)
            spoilt[way] = {
                name: found[name]
                for name, wanted in right[way].items()
                if not check_marks.agree(found[name], wanted, how.within)
            }
            if telling := {n: m for n, m in spoilt[way].items() if n in how.telling}:
                spoilt[way] = telling
    if not spoilt["own"]:
        raise WritingError(f"{slip.key}: nothing is wrong with: {slip.says}")
    return spoilt


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m staff fingerprints``."""
    parser = argparse.ArgumentParser(
        prog="python -m staff fingerprints",
        description="Write what check knows results by, from the solved tree and "
        "the bank of mistakes.",
    )
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    args = parser.parse_args(argv)

    made = make()
    file = check_marks.FILE
    if args.check:
        if file.is_file() and same(check_marks.loads(file.read_text("utf-8")), made):
            return 0
        print(
            f"{file} is out of date; run: python -m staff fingerprints", file=sys.stderr
        )
        return 1
    with replacing(file) as draft:
        draft.write_text(check_marks.dumps(made), "utf-8", newline="\n")
    print(file)
    return 0


def same(one: Records, other: Records, within: float = 1e-6) -> bool:
    """Tell whether two sets of records agree, but for rounding.

    Args:
        one: Records.
        other: Records.
        within: Largest relative difference of a mark.
    """
    return (
        one.seed == other.seed
        and _shape(one) == _shape(other)
        and all(
            check_marks.agree(a, b, within)
            for a, b in zip(_marks(one), _marks(other), strict=True)
        )
    )


def _shape(made: Records) -> list[Any]:
    """Everything but numbers."""
    return [
        (
            key,
            r.cache is None,
            [(m.says, [(w, list(o)) for w, o in m.marks.items()]) for m in r.mistakes],
        )
        for key, r in made.functions.items()
    ]


def _marks(made: Records) -> list[Mark]:
    return [
        one
        for r in made.functions.values()
        for marks in (r.right, *(m.marks for m in r.mistakes))
        for outputs in marks.values()
        for one in outputs.values()
    ]
