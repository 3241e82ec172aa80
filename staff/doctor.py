"""Say all that questions and data sets still lack, at once: ``python -m staff doctor``.

Each finding is one line: where, what, what to do. Tests of the tree ask the same
functions, which return nothing where all is well.
"""

import argparse
import ast
import importlib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

from cs231n.assignment import table
from cs231n.assignment.table import Function, Question
from cs231n.datasets.fetching import registry
from staff import convert, lock, markers, pages
from staff.diagrams import command as diagrams
from staff.new import BLANK, HINTS
from staff.questions import ROOT, TABLE
from staff.report.jobs import parse_jobs

WRITINGS, MISTAKES, STEPS = 6, 5, 3  # that each function has at least
ENTRIES = 3  # of the parts that a notebook begins and ends with
OPENING = "## Before you start"
CLOSING = ("## What to take away", "## Further reading")
PARTS = ("course", "questions", "folders", "data")  # of README that are made
_ROW = {"id": "", "title": "", "notebooks": [], "modules": [], "functions": []}
_TRIES = "cs231n/tools/check/tries"
_SAMPLES = "tests/data_files.py"

Asked = Sequence[Question]


def findings(thorough: bool = False) -> Iterator[str]:
    """Yield all that is missing or does not go together.

    Args:
        thorough: Whether to make the fingerprints anew and compare; takes minutes.
    """
    rows = tomllib.loads(TABLE.read_text("utf-8"))
    yield from in_table(rows)
    asked = _readable(rows)
    checks: dict[str, Callable[[Asked], Iterator[str]]] = {
        "the modules": in_modules,
        "the notebooks": in_notebooks,
        "the tries": in_tries,
        "the hints": in_hints,
        "the bank of mistakes": in_bank,
        "the public tests": in_tests,
        "the blanks": blanks,
        "the fingerprints": partial(in_fingerprints, thorough=thorough),
        "what is generated": lambda _: out_of_date(),
        "the data sets": lambda _: in_data_sets(),
    }
    for what, check in checks.items():
        try:
            yield from check(asked)
        except Exception as error:  # follows from what else is wrong
            yield (
                f"{what}: cannot be looked at ({type(error).__name__}: {error}); mend "
                "the rest first."
            )


def _readable(rows: Mapping[str, Any]) -> tuple[Question, ...]:
    """Read the table of questions, with nothing in the place of what is missing."""
    filled = [
        _ROW
        | row
        | {
            "functions": [
                {"name": "", "points": 0} | f for f in row.get("functions", [])
            ]
        }
        for row in rows.get("questions", [])
    ]
    return table.parse({"questions": filled, "sets": rows.get("sets", [])})


def in_table(rows: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong in the table of questions.

    Args:
        rows: What ``questions.toml`` holds.
    """
    where = "staff/questions.toml"
    for row in rows["questions"]:
        for key in (key for key in _ROW if not row.get(key)):
            yield f"{where}: {row.get('id')} has no {key}; name it in its row."
        for function in row.get("functions", []):
            for key in {"name", "tries", "points"} - function.keys():
                name = function.get("name", "a function")
                yield f"{where}: {name} of {row.get('id')} has no {key}; name it."
    for question in _readable(rows):
        if question.framework not in ("", *table.FRAMEWORKS):
            known = " or ".join(table.FRAMEWORKS)
            yield (
                f"{where}: {question.id} needs the framework {question.framework!r}; "
                f"name {known}, or none."
            )
        if not question.shared:
            yield f"{where}: {question.graded_as} is in no set; name it in one."
            continue
        worth = next(iter(question.shared.values()))
        if (total := sum(f.points for f in question.functions)) != worth:
            yield (
                f"{where}: {question.id} is worth {worth} points and its functions "
                f"{total:g}; make them equal."
            )
    totals = {chosen["name"]: sum(chosen["points"].values()) for chosen in rows["sets"]}
    for name, total in totals.items():
        if total != 100:
            yield f"{where}: the set {name} is worth {total} points; make them 100."
    notebooks = {name for row in rows["questions"] for name in row.get("notebooks", [])}
    try:
        for job in parse_jobs(rows).values():
            if not job.module and job.name not in notebooks:
                yield (
                    f"{where}: the job {job.name} is no notebook of a question and has "
                    "no module; name one, or take the job away."
                )
    except ValueError as error:
        yield f"{where}: {error}"


def in_modules(asked: Asked) -> Iterator[str]:
    """Yield what is wrong in the files that students edit.

    Args:
        asked: The questions.
    """
    known = [question.id for question in asked]
    for path in dict.fromkeys(p for q in asked for p in (*q.modules, *q.extra)):
        if not (ROOT / path).is_file():
            yield f"{path}: is not there; write it, or take it out of the table."
            continue
        yours = pages.yours(path, asked)
        if not pages.summary(ROOT / path).startswith(yours):
            yield f"{path}: begins otherwise; begin its docstring with {yours!r}."
        try:
            answers = markers.answers((ROOT / path).read_text("utf-8"), path, known)
        except markers.MarkerError as error:
            yield from error.problems
            continue
        ids = {q.graded_as for q in asked if path in q.modules}
        for answer in answers:
            if answer.question not in (*ids, markers.EXTRA):
                yield (
                    f"{path}:{answer.todo}: names {answer.question}, and the table has "
                    f"this file for {' and '.join(sorted(ids))}; name one of these."
                )
        written = {a.function for a in answers if a.question != markers.EXTRA}
        named = {f.qualname for q in asked for f in q.functions if f.file == path}
        for name in sorted(named - written):
            yield f"{path}: {name} has no TODO with a solution below; write them."
        for name in sorted(written - named):
            yield f"{path}: {name} is in no row of the table; add it, or mark it extra."


def in_notebooks(asked: Asked) -> Iterator[str]:
    """Yield what the notebooks' text sources lack.

    Args:
        asked: The questions.
    """
    for question in asked:
        for name in question.notebooks:
            path = f"staff/notebooks/{name}.py"
            if not (ROOT / path).is_file():
                yield f"{path}: is not there; write it, or take it out of the table."
                continue
            text = convert.source_of(ROOT / path)
            if not re.search(r"^ *check\w*\(", text, re.MULTILINE):
                yield f"{path}: has no check; compare a result in one with check()."
            for title in (OPENING, *CLOSING):
                part = text.partition(f"# {title}\n")[2].partition("\n# %%")[0]
                if (count := len(re.findall(r"^# - ", part, re.MULTILINE))) < ENTRIES:
                    yield (
                        f"{path}: {title!r} has {count} of {ENTRIES} entries; write "
                        "more."
                    )
            if "$" not in text:
                yield f"{path}: has no formula; write one."
            for function in question.functions:
                if not _mentions(text, function):
                    yield f"{path}: never calls {function.qualname}; try it there."


def _mentions(text: str, function: Function) -> bool:
    name = function.qualname.rpartition(".")[2]
    return re.search(rf"\b{re.escape(name)}\b", text) is not None


def in_tries(asked: Asked) -> Iterator[str]:
    """Yield functions that nobody says how to try out.

    Args:
        asked: The questions.
    """
    for name in dict.fromkeys(f.tries for q in asked for f in q.functions if f.tries):
        path = f"{_TRIES}/{name}.py"
        if not (ROOT / path).is_file():
            yield f"{path}: is not there; write it, or name another one in the table."
            continue
        names = [f.short for q in asked for f in q.functions if f.tries == name]
        if set(names) <= _texts(path):
            continue  # each is written out, so torch need not be imported
        tries = importlib.import_module(table.module_of(path))
        for missing in (short for short in names if short not in tries.EXERCISES):
            yield f"{path}: EXERCISES lacks {missing}; say how to try it."


def _texts(path: str) -> set[str]:
    """Return the texts that stand in a module as such."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    constants = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant))
    return {value for value in constants if isinstance(value, str)}


def in_hints(asked: Asked) -> Iterator[str]:
    """Yield functions with fewer hints than a ladder has.

    Args:
        asked: The questions.
    """
    hints = tomllib.loads(HINTS.read_text("utf-8"))
    for function in (f for q in asked for f in q.functions):
        found = hints.get(function.key) or hints.get(function.short) or []
        if len(found) < STEPS:
            yield (
                f"{_short(HINTS)}: {function.short} has {len(found)} of {STEPS} hints; "
                "write a nudge, the idea, the formula."
            )


def in_bank(asked: Asked) -> Iterator[str]:
    """Yield functions with too few writings or mistakes.

    Args:
        asked: The questions.
    """
    from staff.mistakes.bank import bank

    where = "staff/mistakes"
    try:
        writings, slips = bank()
    except KeyError as error:
        yield f"{where}: the table has no function {error}; mend the name."
        return
    for question in asked:
        for function in question.functions:
            name = f"{question.id}, {function.short}"
            others = [w for w in writings.values() if function.name in w.bodies]
            if len(others) < WRITINGS:
                yield (
                    f"{where}: {name} has {len(others)} of {WRITINGS} other writings; "
                    "write more."
                )
            known = [slip for slip in slips if slip.key == function.key]
            if len(known) < MISTAKES:
                yield (
                    f"{where}: {name} has {len(known)} of {MISTAKES} mistakes; write "
                    "more."
                )
            for slip in (s for s in known if len(s.edits) < 2):
                yield f"{where}: {name} in one writing only: {slip.says} Add a second."


def in_tests(asked: Asked) -> Iterator[str]:
    """Yield questions and functions that no public test is about.

    Args:
        asked: The questions.
    """
    tests = [path.read_text("utf-8") for path in sorted((ROOT / "tests").glob("*.py"))]
    for question in asked:
        mark = re.compile(rf"mark\.{question.marker}\b")
        marked = [text for text in tests if mark.search(text)]
        if not marked:
            yield f"tests: none has pytest.mark.{question.marker}; write one."
            continue
        for function in question.functions:
            if not any(_mentions(text, function) for text in marked):
                yield (
                    f"tests: none with pytest.mark.{question.marker} calls "
                    f"{function.qualname}; write one."
                )


def blanks(asked: Asked) -> Iterator[str]:
    """Yield what a skeleton left for authors to write.

    Args:
        asked: The questions.
    """
    files = {TABLE, HINTS, *(ROOT / "staff" / "mistakes").glob("q*.toml")}
    files.update((ROOT / "tests").glob("test_*.py"))
    files.update((ROOT / "staff" / "notebooks").glob("*.py"))
    files.update((ROOT / _TRIES).glob("*.py"))
    files.update(ROOT / path for q in asked for path in (*q.modules, *q.extra))
    for file in sorted(file for file in files if file.is_file()):
        lines = file.read_text("utf-8").splitlines()
        if left := [n for n, line in enumerate(lines, 1) if BLANK in line]:
            numbers = ", ".join(map(str, left))
            yield f"{_short(file)}:{left[0]}: {BLANK} stands in lines {numbers}; do so."


def in_fingerprints(asked: Asked, thorough: bool = False) -> Iterator[str]:
    """Yield functions whose fingerprints are missing or old.

    Args:
        asked: The questions.
        thorough: Whether to make them anew, too, and compare.
    """
    from cs231n.tools.check import marks
    from staff.mistakes import fingerprints
    from staff.mistakes.bank import bank

    where = _short(marks.FILE)
    stored = marks.loads(marks.FILE.read_text("utf-8"))
    needs = {f.key: f.framework for q in asked for f in q.functions}
    keys = needs.keys()
    for key in sorted(stored.functions.keys() - keys):
        yield f"{where}: {key} is in no row; run: python -m staff fingerprints"
    says: dict[str, set[str]] = {key: set() for key in keys}
    implied: dict[str, set[str]] = {key: set() for key in keys}
    for slip in bank()[1]:
        (implied if slip.implied else says).setdefault(slip.key, set()).add(slip.says)
    for key in sorted(keys):
        if key not in stored.functions:
            yield f"{where}: nothing is stored for {key}; run: {_make(key, needs[key])}"
            continue
        known = {mistake.says for mistake in stored.functions[key].mistakes}
        if not says[key] <= known <= says[key] | implied[key]:
            made = _make(key, needs[key])
            yield f"{where}: not the bank's mistakes for {key}; run: {made}"
    if thorough and not fingerprints.same(
        stored, fingerprints.together(fingerprints.make(), stored)
    ):
        yield f"{where}: is not what is made now; run: python -m staff fingerprints"


def _make(key: str, framework: str) -> str:
    where = "" if table.installed(framework) else f" (where {framework} is installed)"
    return f"python -m staff fingerprints {key}{where}"


def out_of_date() -> Iterator[str]:
    """Yield generated files that are not what would be generated now."""
    page = (ROOT / "README.md").read_text("utf-8")
    for part in PARTS:
        if f"<!-- made: {part}" not in page:
            yield f"README.md: has no part <!-- made: {part} -->; put it in."
    for file, text in pages.made().items():
        if not file.is_file() or file.read_text("utf-8") != text:
            yield f"{_short(file)}: is out of date; run: python -m staff table"
    for needs in (lock.PLAIN, lock.TENSORFLOW):
        if wrong := lock.problem(ROOT, needs):
            yield wrong
    for name in diagrams.out_of_step(ROOT):
        yield f"{name}: is not what is drawn now; run: python -m staff diagrams"
    for name in convert.out_of_step(ROOT):
        yield f"{name}: is not what its source says; run: python -m staff notebooks"


def in_data_sets() -> Iterator[str]:
    """Yield what data sets lack in their table, their reader or their sample."""
    from cs231n.datasets.fetching.checks import check_of

    where = _short(registry.REGISTRY)
    samples = _functions(_SAMPLES)
    for name, dataset in registry.load().datasets.items():
        for key in ("need", "embedded", "licence", "used_by"):
            if not getattr(dataset, key):
                yield f"{where}: {name} has no {key}; write it in its row."
        try:
            check_of(dataset.check)
        except KeyError as error:
            yield f"{where}: {name}: {error.args[0]}"
        if not {name, dataset.check} & samples:
            yield f"{_SAMPLES}: has no sample of {name}; write {dataset.check}()."


@cache
def _functions(path: str) -> set[str]:
    body = ast.parse((ROOT / path).read_text("utf-8")).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef)}


def _short(file: Any) -> str:
    return str(file.relative_to(ROOT).as_posix())


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m staff doctor``.

    Returns:
        0 if nothing is missing, else 1.
    """
    parser = argparse.ArgumentParser(prog="python -m staff doctor", description=__doc__)
    slow = "make the fingerprints anew and compare, too: takes minutes"
    parser.add_argument("--all", action="store_true", help=slow)
    args = parser.parse_args(argv)
    count = 0
    for count, finding in enumerate(findings(args.all), start=1):  # noqa: B007
        print(finding)
    if count:
        print(f"\n{count} {'things are' if count > 1 else 'thing is'} to be done.")
        return 1
    print("Nothing is missing.")
    return 0
