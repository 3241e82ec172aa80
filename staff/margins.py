"""Measure how far right and wrong are from what the grader allows, check by check.

    python -m staff margins right [--seeds 500]
    python -m staff margins wrong
    python -m staff margins

Right answers, in all writings of the bank, are judged on fresh inputs of many seeds;
none may fail. Wrong ones are the bank's mistakes in all writings and Cosmic Ray's
mutants: each must lose points on its own function alone, or, where only care sees it,
earn its remark alone. Without a word, what is known is printed and written down in
``staff/grading/margins.md``.

What was measured lies in ``build/margins``, a folder for each version of the rules; an
interrupted run goes on where it stopped.
"""

import argparse
import ast
import hashlib
import json
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from cs231n.assignment.table import Function, file_of, function, functions
from cs231n.support import commands
from cs231n.support.files import replacing
from cs231n.support.progress import progress_bar
from cs231n.tools.check.exercises import exercise
from staff.grading import rules
from staff.grading.elsewhere import FRAMEWORKS
from staff.grading.judge import Judging
from staff.grading.local import LocalServer, LocalWorker
from staff.grading.reference import SINGLE, Draw, widened
from staff.grading.remote import Limits
from staff.grading.results import ASKED, CARE, FAILED, PASSED, Judged
from staff.grading.rubric import Rubric, edition_questions, rubric
from staff.grading.submission import Submission
from staff.grading.trial import forward_of
from staff.mistakes.bank import answers_of, answers_with, bank
from staff.mistakes.writings import solved, sources, takers, with_answer
from staff.questions import ROOT, questions

FOLDER = ROOT / "build" / "margins"
TABLE = ROOT / "staff" / "grading" / "margins.md"
SEEDS = 500
SECRET = b"a course's secret"
LIMITS = Limits(call=15, start=60)  # whoever measures may be in nobody's hurry
AT_ONCE = 25  # seeds that one worker tries
NONE = "edit"  # the writing of the solution

Line: TypeAlias = dict[str, Any]
Modules: TypeAlias = dict[str, str]  # path -> text
_HandedIn: TypeAlias = tuple[
    Submission, bytes, Callable[[str], LocalServer], Rubric, Limits
]


# Who is judged


@dataclass(frozen=True)
class Version:
    """One way to write a function, right or wrong.

    Attributes:
        id: Names it.
        kind: "mistake", "care", "mutant" or "writing".
        key: The function's key.
        writing: The writing it is in.
        says: What it does wrong, or what was changed.
        body: A mutant's answer.
    """

    id: str
    kind: str
    key: str
    writing: str = NONE
    says: str = ""
    body: str = ""

    @cached_property
    def modules(self) -> Modules:
        """The students' modules with it in them."""
        f = function(self.key)
        if self.kind == "mutant":
            changed = {f.module: with_answer(solved(f.module), f.qualname, self.body)}
        elif self.kind == "writing":
            changed = sources(*answers_of(f.name, self.writing))
        else:
            slip = next(
                s for s in bank()[1] if s.key == self.key and s.says == self.says
            )
            changed = sources(*answers_with(slip, self.writing))
        return all_solved() | {file_of(name): text for name, text in changed.items()}


def all_solved() -> Modules:
    """Return the students' modules with all answers."""
    return {function(key).file: solved(function(key).module) for key in measured()}


def measured() -> frozenset[str]:
    """Return keys of what is measured: what the judge compares in its own process."""
    return frozenset(f.key for f in functions() if f.framework not in FRAMEWORKS)


def mistakes() -> Iterator[Version]:
    """Yield the bank's mistakes in all writings."""
    for slip in (s for s in bank()[1] if s.key in measured()):
        kind = "care" if slip.tier == CARE else "mistake"
        for writing in slip.edits if not slip.implied else ():
            name = f"{slip.key}, {writing}: {slip.says}"
            yield Version(name, kind, slip.key, writing, slip.says)


def writings() -> Iterator[Version]:
    """Yield the bank's right answers."""
    for writing, chosen in bank()[0].items():
        for name in chosen.bodies:
            key = next(f.key for f in functions() if f.name == name)
            if key not in measured():
                continue
            yield Version(f"{name}, {writing}", "writing", key, writing)


def mutants() -> Iterator[Version]:
    """Yield what Cosmic Ray makes of the solutions, but for what is no mistake."""
    from staff.mistakes import mutants  # a tool of developers

    for mutant in mutants.mutants():
        if mutant.id not in mutants.EQUIVALENT:
            key = next(f.key for f in functions() if f.name == mutant.name)
            if key not in measured():
                continue
            name = f"{mutant.name}, mutant {mutant.number}: {mutant.change}"
            yield Version(name, "mutant", key, says=mutant.change, body=mutant.body)


def edition_of(key: str) -> str:
    """Return the first edition that has a function."""
    keys = ((q, {f.key for f in q.functions}) for q in questions())
    return next(name for q, own in keys if key in own for name in q.points)


def touched(modules: Modules, edition: str) -> list[str]:
    """Return the functions of an edition whose verdict may not be ours.

    Those are the ones whose text differs, those that name one of them, and so on; a
    backward pass hangs on the forward pass that leaves its cache, and is judged after
    that one.

    Args:
        modules: The students' modules, some of which differ from the solved ones.
        edition: A name in the table's ``sets``.
    """
    solved_ones = all_solved()
    ours, theirs = (
        {
            (module, name): part
            for module in takers()
            if file_of(module) in solved_ones
            for name, part in _texts(those[file_of(module)]).items()
        }
        for those in (solved_ones, modules)
    )
    changed = {
        place
        for place in ours.keys() | theirs.keys()
        if ours.get(place, _Text())[0] != theirs.get(place, _Text())[0]
    }
    while True:
        more = {
            (module, name)
            for (module, name), part in theirs.items()
            for near in (module, *takers()[module])
            if any((near, other) in changed for other in part.names)
        }
        if more <= changed:
            break
        changed |= more
    those = [
        f
        for q in edition_questions(edition)
        for f in q.functions
        if {(f.module, f.qualname.rpartition(".")[2]), (f.module, "")} & changed
    ]
    before = {(f.module, forward_of(f)) for f in those}
    return [
        f.key
        for q in edition_questions(edition)
        for f in q.functions
        if f in those or (f.module, f.qualname) in before
    ]


class _Text(NamedTuple):
    """A function's text, and the names in it."""

    text: str = ""
    names: frozenset[str] = frozenset()


@lru_cache(maxsize=20)
def _texts(module: str) -> dict[str, _Text]:
    """Return what a module's functions and methods say; "" is all the rest."""
    found, rest = {}, []
    for node in ast.parse(module).body:
        for part in node.body if isinstance(node, ast.ClassDef) else [node]:
            if not isinstance(part, ast.FunctionDef):
                rest.append(ast.unparse(part))
                continue
            inside = [*ast.walk(part)]
            names = {n.id for n in inside if isinstance(n, ast.Name)}
            names |= {n.attr for n in inside if isinstance(n, ast.Attribute)}
            stem, _, last = part.name.rpartition("_")
            if last == "backward":
                names.add(f"{stem}_forward")
            found[part.name] = _Text(ast.unparse(part), frozenset(names))
    return found | {"": _Text("\n".join(rest))}


# How they are judged


class Server(LocalServer):
    """Starts workers that have no isolation: what they run is ours."""

    def worker(self, modules: Mapping[str, str]) -> LocalWorker:
        """Start a worker; what is as we wrote it lies there already."""
        ours = all_solved()
        return super().worker({n: t for n, t in modules.items() if t != ours[n]})


class Bench:
    """Judges modules, fast, in workers that see the solved tree."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._servers: dict[str, Server] = {}

    def server(self, framework: str) -> Server:
        """Return what starts workers."""
        if framework not in self._servers:
            self._servers[framework] = Server(ROOT, framework)
        return self._servers[framework]

    def close(self) -> None:
        """End all processes."""
        for server in self._servers.values():
            server.__exit__()


@contextmanager
def bench() -> Iterator[Bench]:
    """Judge for a while."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        made = Bench()
        try:
            yield made
        finally:
            made.close()


class _Untimed(Judging):
    """Judges, and leaves out what decides nothing."""

    timed = False


class _Seeds(_Untimed):
    """Judges a function on the inputs that many submissions would get."""

    numbers: Sequence[int] = ()

    def draws(self, function: Function) -> list[Draw]:
        """Return the fresh inputs of all of them."""
        found = []
        for k in self.numbers:
            self._secret = SECRET + str(k).encode()
            found += super().draws(function)
        return found


def untimed(at: Bench, modules: Modules, edition: str) -> Judging:
    """Return the judging of modules: path -> text."""
    return _Untimed(*_handed_in(at, modules, edition))


def _handed_in(at: Bench, modules: Modules, edition: str) -> _HandedIn:
    submission = Submission("a", "2017 assignment3.zip", edition, modules)
    return submission, SECRET, at.server, rubric(), LIMITS


def try_seeds(at: Bench, key: str, first: int, count: int) -> Line:
    """Judge a right answer on inputs of many seeds, and say what came of it.

    Args:
        at: Judges.
        key: The function's key.
        first: The first seed.
        count: How many.
    """
    f = function(key)
    ways = [NONE, *(w for w, known in bank()[0].items() if f.name in known.bodies)]
    writing = ways[first // AT_ONCE % len(ways)]
    changed = {} if writing == NONE else sources(*answers_of(f.name, writing))
    modules = all_solved() | {file_of(name): text for name, text in changed.items()}
    judging = _Seeds(*_handed_in(at, modules, edition_of(key)))
    judging.numbers = range(first, first + count)
    judged = judging.all([key])
    wrong = [c for c in judged.checks if c.state != PASSED and c.tier == ASKED]
    return {
        "key": key,
        "writing": writing,
        "first": first,
        "seeds": count,
        "gaps": judging.found[key].gaps,
        "fault": "; ".join(f"{c.name}: {c.reason} {c.hidden}" for c in wrong),
    }


def try_version(at: Bench, version: Version) -> Line:
    """Judge one version, and say whether that is as it should be.

    Args:
        at: Judges.
        version: What is handed in.
    """
    edition = edition_of(version.key)
    judging = untimed(at, version.modules, edition)
    keys = touched(version.modules, edition)
    judged = judging.all(keys)
    own = {f.key for f in functions() if f.name == function(version.key).name}
    found = {key: judging.found[key].gaps for key in own & judging.found.keys()}
    failed = [c.id for c in judged.checks if c.state == FAILED and c.tier == ASKED]
    return {
        "id": version.id,
        "kind": version.kind,
        "key": version.key,
        "judged": len(keys),
        "gaps": found,
        "failed": failed,
        "fault": fault(version, judged),
    }


def fault(version: Version, judged: Judged) -> str:
    """Say what is wrong with how a version was judged, or nothing.

    Args:
        version: What was handed in.
        judged: What was found.
    """
    own = {f.key for f in functions() if f.name == function(version.key).name}
    wrong = {c.function for c in judged.checks if c.tier == ASKED and c.state != PASSED}
    if others := sorted(wrong - own):
        return f"spoils {', '.join(others)}"
    match version.kind:
        case "writing" if wrong:
            return f"costs {', '.join(sorted(wrong))}"
        case "mistake" if version.key not in wrong:
            return "costs nothing"
        case "mutant" if not wrong:
            return "costs nothing"
        case "care" if wrong:
            return "costs points"
        case "care" if not _remarked(judged, own):
            return "is not remarked"
        case "care" if others := sorted(_remarked(judged) - own):
            return f"is remarked on {', '.join(others)}"
    return ""


def _remarked(judged: Judged, among: set[str] | None = None) -> set[str]:
    found = {
        c.function
        for c in judged.checks
        if c.remark or (c.tier == CARE and c.state == FAILED)
    }
    return found if among is None else found & among


# What was measured


def folder() -> Path:
    """Return where what was measured by today's rules lies."""
    return FOLDER / rules.digest()[:12]


def read(name: str) -> list[Line]:
    """Return what was measured; nothing if nothing was."""
    file = folder() / f"{name}.jsonl"
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def _append(place: Path, name: str, line: Line) -> None:
    place.mkdir(parents=True, exist_ok=True)
    with (place / f"{name}.jsonl").open("a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")


def measure_right(keys: Iterable[str], seeds: int) -> list[Line]:
    """Judge right answers on inputs of as many seeds, but for those that were.

    Args:
        keys: Functions' keys.
        seeds: How many for each, in all.

    Returns:
        All lines of these functions.
    """
    keys = list(keys)
    known = {(line["key"], line["first"]) for line in read("right")}
    wanted = [(key, k) for k in range(0, seeds, AT_ONCE) for key in keys]
    missing = [pair for pair in wanted if pair not in known]
    if missing:
        place = folder()  # finding out takes longer than many a function
        with bench() as at, progress_bar(len(missing), "right") as bar:
            for key, first in missing:
                _append(place, "right", try_seeds(at, key, first, AT_ONCE))
                bar.update(1)
    return [line for line in read("right") if line["key"] in keys]


def measure_wrong(versions: Iterable[Version]) -> list[Line]:
    """Judge versions, but for those that were.

    Args:
        versions: What is handed in.

    Returns:
        Their lines.
    """
    # In an order that tells something of all, wherever it is interrupted.
    versions = sorted(versions, key=lambda v: hashlib.sha256(v.id.encode()).digest())
    known = {line["id"] for line in read("wrong")}
    missing = [version for version in versions if version.id not in known]
    if missing:
        place = folder()
        with bench() as at, progress_bar(len(missing), "wrong") as bar:
            for version in missing:
                _append(place, "wrong", try_version(at, version))
                bar.update(1)
    asked = {version.id for version in versions}
    return [line for line in read("wrong") if line["id"] in asked]


# What it says


@dataclass
class Margin:
    """How far right and wrong are from the limit of one check, which is 1.

    Attributes:
        check: Its id.
        within: Largest relative difference allowed in float64.
        double: The worst that right answers reach in float64.
        single: The same in float32; NaN if nothing is tried so.
        seeds: How many right answers were judged.
        wrong: The least by which a wrong answer fails; infinite if all are of another
            shape, or raise.
        which: That wrong answer.
        versions: How many wrong answers fail.
    """

    check: str
    within: float
    double: float = 0.0
    single: float = math.nan
    seeds: int = 0
    wrong: float = math.inf
    which: str = ""
    versions: int = 0


def margins(right: Iterable[Line], wrong: Iterable[Line]) -> list[Margin]:
    """Return the margins of all checks that are asked.

    Args:
        right: Lines of right answers.
        wrong: Lines of wrong ones.
    """
    found = {}
    outputs: dict[str, tuple[str, ...]] = {}
    for f in (f for f in functions() if f.key in measured()):
        how = exercise(f.key)
        for entry in rubric().entries(f):
            if entry.tier == ASKED:
                name = f"{f.key}/{entry.name}"
                allowed = replace(how, within=widened(how, single=False))
                limit = min(allowed.limit(output) for output in entry.outputs)
                found[name] = Margin(name, limit)
                outputs[name] = entry.outputs
    for line in right:
        for margin in found.values():
            key = margin.check.partition("/")[0]
            if key == line["key"]:
                _widen(margin, line, outputs[margin.check])
    for line in wrong:
        for name in line["failed"]:
            gaps = line["gaps"].get(name.partition("/")[0], {})
            over = [max(gaps[o]) for o in outputs[name] if o in gaps]
            # What is right as far as it came raised on other inputs.
            over = [gap for gap in over if gap > 1]
            margin = found[name]
            margin.versions += 1
            least = max(over, default=math.inf)
            if least < margin.wrong:
                margin.wrong, margin.which = least, line["id"]
    return list(found.values())


def _widen(margin: Margin, line: Line, outputs: Sequence[str]) -> None:
    margin.seeds += line["seeds"]
    for output in outputs:
        if output in line["gaps"]:
            double, single = line["gaps"][output]
            margin.double = max(margin.double, double)
            if rubric().single(function(line["key"])):
                margin.single = float(np.fmax(margin.single, single))


def table(found: Iterable[Margin], counts: Mapping[str, int]) -> str:
    """Return the page that lists margins.

    Args:
        found: The margins.
        counts: What else was counted.
    """
    lines = [
        "# Margins of the grader's checks",
        "",
        "Written by `python -m staff margins`. A result differs from the right one by",
        "some factor of what is allowed: up to 1 it is right. *Right* is the worst of",
        f"all right answers, in float64 and in float32 (where at least {SINGLE:g} is",
        "allowed); *wrong* is the least by which a wrong answer that fails this check",
        "does so, `inf` where all of them raise, or return another shape or NaN. Where",
        "none has been judged yet, nothing stands.",
        "",
        f"Measured by the rules whose digest begins with {rules.digest()[:12]}.",
        "",
        *(f"- {what}: {count}" for what, count in counts.items()),
        "",
        "| check | allowed | right | in float32 | seeds | wrong | of |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for m in found:
        double = f"{m.double:.1g}" if m.seeds else ""
        single = "" if math.isnan(m.single) else f"{m.single:.1g}"
        wrong = f"{m.wrong:.2g}" if m.versions else ""
        lines.append(
            f"| `{m.check.removeprefix('cs231n.')}` | {m.within:.0e} | {double} "
            f"| {single} | {m.seeds} | {wrong} | {m.versions} |"
        )
    return "\n".join(lines) + "\n"


def counts(right: Sequence[Line], wrong: Sequence[Line]) -> dict[str, int]:
    """Return what was counted: in words -> how many.

    Args:
        right: Lines of right answers.
        wrong: Lines of wrong ones.
    """
    kinds = Counter(line["kind"] for line in wrong)
    return {
        "right answers on fresh inputs": sum(line["seeds"] for line in right),
        "of which fail": sum(bool(line["fault"]) for line in right),
        "mistakes of the bank that are asked for, in all writings": kinds["mistake"],
        "mistakes of the bank that only care sees": kinds["care"],
        "mutants of Cosmic Ray": kinds["mutant"],
        "right writings": kinds["writing"],
        "of these four, judged otherwise than they should be": sum(
            bool(line["fault"]) for line in wrong
        ),
    }


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m staff margins``."""
    parser = argparse.ArgumentParser(
        prog="python -m staff margins",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="?", choices=("right", "wrong"), help="measure")
    parser.add_argument(
        "--seeds",
        type=commands.positive,
        default=SEEDS,
        help=f"for each function ({SEEDS})",
    )
    parser.add_argument("--only", default="", help="part of functions' keys")
    args = parser.parse_args(argv)

    if args.what == "right":
        keys = [f.key for f in functions() if args.only in f.key]
        keys = [key for key in keys if key in measured()]
        measure_right(keys, args.seeds)
    elif args.what == "wrong":
        versions = chain(mistakes(), writings(), mutants())
        measure_wrong(v for v in versions if args.only in v.key)
    right, wrong = read("right"), read("wrong")
    found, counted = margins(right, wrong), counts(right, wrong)
    for line in (*right, *wrong):
        if line["fault"]:
            print(f"{line.get('id', line['key'])}: {line['fault']}")
    page = table(found, counted)
    print(page)
    if args.what is None:
        with replacing(TABLE) as draft:
            draft.write_text(page, "utf-8")
    return int(any(line["fault"] for line in (*right, *wrong)))


if __name__ == "__main__":
    raise SystemExit(main())
