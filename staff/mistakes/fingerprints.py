"""Make the fingerprints of right results and of typical mistakes that students get."""

import argparse
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from cs231n.assignment.table import Function, functions, installed
from cs231n.support.files import replacing
from cs231n.support.progress import progress_bar
from cs231n.tools.check import marks as check_marks
from cs231n.tools.check.bench import ASIDE, Bench, Exercise, pieces
from cs231n.tools.check.exercises import exercise
from cs231n.tools.check.marks import (
    Mark,
    Mistake,
    Record,
    Records,
    Results,
    mark,
)
from cs231n.tools.check.naming import part_name
from staff.mistakes.bank import Slip, answers_of, answers_with, bank, shown_by
from staff.mistakes.writings import WritingError, rewritten

SEED = 231


def observe(function: Function, seed: int, way: str, draw: int = 0) -> dict[str, Mark]:
    """Return the marks of what a function gives, as the modules stand now.

    Args:
        function: Its row in the table.
        seed: Draws the public inputs.
        way: How it is looked at.
        draw: Which draw of inputs it is.
    """
    with _quiet():
        bench = _bench(function, seed, draw)
        results = exercise(function.key).run(bench, way)
    return {name: mark(name, value) for name, value in results.items()}


def _bench(function: Function, seed: int, draw: int = 0) -> Bench:
    return Bench(function, Records(seed, {function.key: Record({}, draw=draw)}))


def make(seed: int = SEED, only: str = "", watched: bool = True) -> Records:
    """Compute fingerprints from the solved tree and the bank.

    Those of functions whose framework is not installed here are left out.

    Args:
        seed: Draws the public inputs.
        only: What a function's key must begin with.
        watched: Whether to show a progress bar.
    """
    made = Records(seed)
    asked = [f for f in functions() if f.key.startswith(only)]
    asked = [f for f in asked if installed(f.framework)]
    if any(f.framework == "torch" for f in asked):
        import torch  # noqa: F401 (its threads are limited only if they are there)

    bar = progress_bar(len(asked), "fingerprints", watched)
    with bar, threadpool_limits(1):  # more threads round in another way
        for function in asked:
            made.functions[function.key] = _record(function, seed)
            bar.update()
    return made


def together(made: Records, stored: Records) -> Records:
    """Return what was made now, and of all else in the table what is stored.

    Args:
        made: What was made.
        stored: What is stored.
    """
    known = stored.functions | made.functions
    order = {f.key: known[f.key] for f in functions() if f.key in known}
    return Records(made.seed, order)


def _record(function: Function, seed: int) -> Record:
    bare = right(function, seed)
    how = exercise(function.key)
    mistakes = []
    for slip in (s for s in bank()[1] if s.key == function.key):
        if spoilt := _spoilt(slip, function, how, seed, bare):
            mistakes.append(Mistake(slip.says, spoilt))
        elif not slip.implied:
            raise WritingError(f"{slip.key}: nothing is wrong with: {slip.says}")
    return replace(bare, mistakes=tuple(mistakes))


def right(function: Function, seed: int) -> Record:
    """Return what is stored for a function, without mistakes.

    Args:
        function: Its row in the table.
        seed: Draws the public inputs.
    """
    suits = exercise(function.key).suits
    for draw in range(1000):
        found = _results(function, seed, draw)
        if suits is None or all(suits(results[0]) for results in found.values()):
            break
    else:
        raise WritingError(f"{function.key}: no draw of a thousand shows all it should")
    return _recorded(function, seed, draw, found)


def _results(function: Function, seed: int, draw: int) -> dict[str, list[Results]]:
    """Return right results by the way of looking, several where there is a choice."""
    how = exercise(function.key)
    others = [w for w, k in bank()[0].items() if function.name in k.accepted]
    found: dict[str, list[Results]] = {}
    for way in (w for w in how.ways if w != "sample"):
        for answers in (
            shown_by(function.name, how, way),
            *(answers_of(function.name, w) for w in others),
        ):
            with rewritten(*answers), _quiet():
                results = how.run(_bench(function, seed, draw=draw), way)
                found.setdefault(way, []).append(results)
    return found


def _recorded(
    function: Function, seed: int, draw: int, found: Mapping[str, list[Results]]
) -> Record:
    how = exercise(function.key)
    ways = {
        way: {
            name: tuple(dict.fromkeys(mark(name, r[name]) for r in results))
            for name in results[0]
            if not name.startswith(ASIDE)
        }
        for way, results in found.items()
    }
    whole = found["own"][0]
    parts = {
        output: {
            word: tuple(
                replace(mark(part_name(output, word), piece), words=())
                for piece in pieces(whole[output], word, axis)
            )
            for word, axis in axes.items()
        }
        for output, axes in how.parts.items()
        if axes and output in whole
    }
    with _quiet():
        bench = _bench(function, seed, draw=draw)
        care = {
            title: {
                case: {n: (mark(n, value),) for n, value in run(bench).items()}
                for case, run in cases.items()
            }
            for title, cases in how.care.items()
        }
        sample = how.caches(_bench(function, seed)) if how.caches else None
    return Record(ways, care, parts, cache=sample, draw=draw)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _spoilt(
    slip: Slip,
    function: Function,
    how: Exercise,
    seed: int,
    bare: Record,
) -> dict[str, dict[str, Mark]]:
    """Return the marks of what a mistake spoils, by the way of looking."""
    right = bare.right
    ways = [way for way in how.ways if way in right and way not in how.narrow]
    if how.inlined:
        ways = ["own"]
    spoilt: dict[str, dict[str, Mark]] = {}
    with rewritten(*answers_with(slip, "edit")):
        for way in ways:
            try:
                found = observe(function, seed, way, bare.draw)
            except Exception as error:  # of whatever kind the mistake leads to
                if slip.implied:
                    return {}
                raise WritingError(f"{slip.key}: {slip.says} {error}") from error
            spoilt[way] = {
                name: replace(found[name], words=())
                for name, accepted in right[way].items()
                if not any(
                    check_marks.agree(found[name], m, how.limit(name)) for m in accepted
                )
            }
            if telling := {n: m for n, m in spoilt[way].items() if n in how.telling}:
                spoilt[way] = telling
    return spoilt if spoilt["own"] else {}


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m staff fingerprints``."""
    parser = argparse.ArgumentParser(
        prog="python -m staff fingerprints",
        description="Write what check knows results by, from the solved tree and "
        "the bank of mistakes.",
    )
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument(
        "only",
        nargs="?",
        default="",
        help="make those of functions alone whose keys begin so, keep the others",
    )
    args = parser.parse_args(argv)

    made = make(only=args.only)
    file = check_marks.FILE
    is_there = file.is_file()
    stored = check_marks.loads(file.read_text("utf-8")) if is_there else Records(SEED)
    made = together(made, stored)
    for framework in dict.fromkeys(f.framework for f in functions()):
        if not installed(framework):
            print(
                f"{framework} is not installed here: what is stored for its functions "
                "stays as it is.",
                file=sys.stderr,
            )
    if args.check:
        if is_there and same(stored, made):
            return 0
        print(
            f"{file} is out of date; run: python -m staff fingerprints", file=sys.stderr
        )
        return 1
    with replacing(file) as draft:
        draft.write_text(check_marks.dumps(made), "utf-8", newline="\n")
    print(file)
    return 0


def same(one: Records, other: Records, within: float = 1e-5) -> bool:
    """Tell whether two sets of records agree, but for rounding.

    Args:
        one: Records.
        other: Records.
        within: Largest relative difference of a mark. Networks in float32 round in
            another way on other processors.
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
            [
                (way, {n: len(m) for n, m in rows.items()})
                for way, rows in r.right.items()
            ],
            [(m.says, [(w, list(o)) for w, o in m.marks.items()]) for m in r.mistakes],
        )
        for key, r in made.functions.items()
    ]


def _marks(made: Records) -> list[Mark]:
    accepted = [
        rows
        for r in made.functions.values()
        for rows in (
            *r.right.values(),
            *(c for t in r.care.values() for c in t.values()),
        )
    ]
    return [one for rows in accepted for marks in rows.values() for one in marks] + [
        one
        for r in made.functions.values()
        for m in r.mistakes
        for outputs in m.marks.values()
        for one in outputs.values()
    ]
