"""What is done, what is wrong and what is not started: ``python -m cs231n.check``.

Needs no network and no answers. It tries each function out on public inputs and
compares with stored marks of the results, or with finite differences of the student's
own forward pass. Functions are tried out in processes of their own, so that nothing a
half-written one does can harm more than that.
"""

from cs231n.support import commands  # first, so that no scratch file comes before it

# isort: split
import argparse
import contextlib
import difflib
import json
import os
import queue
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, TypeAlias

from cs231n.assignment import table
from cs231n.assignment.table import (
    Function,
    Question,
    editions,
    installed,
    questions,
)
from cs231n.support.cores import cores
from cs231n.tools.check import begun

ROOT = Path(__file__).resolve().parents[3]
_THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)
LIMIT = 10.0  # seconds for a function that should take a fraction of one
# As verdict.py has them, which imports more than is needed here.
EARNS = ("done", "done, with a remark")
WITHIN_REACH = ("wrong", "cannot tell yet", "not started")


class UnknownNameError(ValueError):
    """A question or function was asked for that does not exist."""


Chosen: TypeAlias = list[tuple[Question, list[Function]]]


def select(names: list[str], edition: str | None = None) -> tuple[str, Chosen]:
    """Find what is asked for.

    Args:
        names: Questions such as ``Q1``, functions by their short or dotted names; all
            of the edition if empty.
        edition: Name of a set of questions; the first that has all names if None.

    Returns:
        edition: The set that was picked.
        chosen: Questions with functions of theirs, in the order of the table.

    Raises:
        UnknownNameError: If no set has them all, naming what is alike.
    """
    wanted = {name.lower() for name in names}
    for candidate in [edition] if edition else editions():
        chosen, called = [], set[str]()
        for question in questions():
            if candidate not in question.shared:
                continue
            ids = {question.id.lower(), question.graded_as.lower()}
            known = {f: ids | _names(f) for f in question.functions}
            called |= set().union(*known.values())
            functions = [f for f in known if not wanted or known[f] & wanted]
            if functions:
                chosen.append((question, functions))
        missing = [name for name in names if name.lower() not in called]
        if not missing:
            return candidate, chosen
    every = [q.id for q in questions()] + [f.short for f in table.functions()]
    alike = difflib.get_close_matches(missing[0], dict.fromkeys(every), cutoff=0.4)
    raise UnknownNameError(
        f"There is no question or function {missing[0]!r}"
        + (f" in the set of {edition}" if edition else "")
        + (f"; did you mean {' or '.join(alike)}?" if alike else ".")
    )


def _names(function: Function) -> set[str]:
    inside = function.qualname
    names = {function.key, function.name, function.short, inside, inside.split(".")[-1]}
    return {name.lower() for name in names}


def is_there(function: Function) -> bool:
    """Tell whether the file that a function belongs in is part of this package."""
    return (ROOT / function.file).is_file()


def run(
    functions: list[Function], limit: float, worker: "_Worker"
) -> Iterator[tuple[Function, dict[str, Any]]]:
    """Try functions out in processes of their own.

    Args:
        functions: What to try, in this order.
        limit: Seconds after which a function counts as endless.
        worker: A process that was started for these functions; others follow where it
            does not come to its end.

    Yields:
        The function, and its verdict as a dictionary: see ``verdict.Verdict``.
    """
    waiting = {f.key: f for f in functions}
    broken: list[str] = []
    while waiting:
        stuck = ""
        for line in worker.lines(limit):
            if "end" in line:
                yield waiting.pop(line["end"]), line
                stuck = ""
            elif "begin" in line:
                stuck = line["begin"]
            elif stuck:
                function = waiting.pop(stuck)
                verdict = _alone(function, limit)
                if verdict is None:  # it is the function itself
                    broken.append(function.name)
                    verdict = _wrong(line["stopped"], line["seconds"])
                yield function, verdict
            else:  # not even imports came to an end
                for function in waiting.values():
                    yield function, _wrong(f"Importing it: {line['stopped']}")
                return
        if waiting:
            worker = _Worker(list(waiting), broken)


def _alone(function: Function, limit: float) -> dict[str, Any] | None:
    """Try a function without those that it may call; None if it gets stuck again."""
    without = sorted({f.name for f in table.functions()} - {function.name})
    for line in _Worker([function.key], without).lines(limit):
        if "end" in line:
            return line
    return None


def _wrong(message: str, seconds: float = 0.0) -> dict[str, Any]:
    return {
        "state": "wrong",
        "message": message,
        "remarks": [],
        "seconds": seconds,
        "named": [],
        "broken": "",
    }


class _Worker:
    """A process that tries functions out, and begins before anybody listens."""

    def __init__(self, keys: list[str], without: list[str]) -> None:
        """Start it.

        Args:
            keys: The functions' keys.
            without: Names of functions that it shall not call.
        """
        threads = dict.fromkeys(_THREADS, "1")
        self._left = len(keys)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (end closes it)
        self._process = subprocess.Popen(
            [
                *commands.words(ROOT, "cs231n.tools.check.worker"),
                *(f"--without={name}" for name in without),
                *keys,
            ],
            cwd=ROOT,
            env={**threads, **os.environ, "MPLBACKEND": "Agg"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        assert self._process.stdout is not None
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._listener = threading.Thread(
            target=_listen, args=(self._process.stdout, self._lines)
        )
        self._listener.start()

    def lines(self, limit: float) -> Iterator[dict[str, Any]]:
        """Pass on what it says, and end it; a last line tells why it stopped.

        Args:
            limit: Seconds for which a function may keep us waiting.
        """
        begun = False
        try:
            while self._left:
                patience = limit if begun else 6 * limit + 30 * (limit >= LIMIT)
                line = self._lines.get(timeout=patience)
                if not line:
                    said = _last_words(self._process, self._errors, begun)
                    yield {"stopped": said, "seconds": 0}
                    return
                message = json.loads(line)
                begun, self._left = True, self._left - ("end" in message)
                yield message
        except queue.Empty:
            yield {
                "stopped": f"Not finished after {patience:g} seconds: is there a loop "
                "that never ends?",
                "seconds": patience,
            }
        finally:
            self.end()

    def end(self) -> None:
        """End it, if it has not ended already."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.close()


def _listen(stream: Iterable[bytes], lines: "queue.Queue[bytes]") -> None:
    for line in stream:
        lines.put(line)
    lines.put(b"")


def _last_words(
    process: subprocess.Popen[bytes], errors: IO[bytes], begun: bool
) -> str:
    """Say why a worker ended before it was done."""
    status = process.wait()
    errors.seek(0)
    said = errors.read().decode(errors="replace").strip().splitlines()
    if said and not begun:  # a given file is damaged
        return said[-1]
    return (
        f"It ended the Python process it ran in (exit status {status}): take out what "
        "does so, such as os._exit()."
    )


def report(edition: str, chosen: Chosen, limit: float, show: bool) -> dict[str, Any]:
    """Try everything out that is chosen.

    Args:
        edition: Name of the set that decides the points.
        chosen: Questions, with functions of theirs.
        limit: Seconds for each function.
        show: Whether to print a table as it grows.

    Returns:
        "functions": dotted name -> state, points, earned, seconds, message; "score",
        "possible", "edition"; "absent", the questions that are not here; "untried",
        those that cannot be tried here -> why; "counted", question -> which one of it
        and its alternatives counts, being the best.
    """
    found: dict[str, Any] = {}
    rows = begun.in_use([question for question, _ in chosen], ROOT)
    chosen = [(question, those) for question, those in chosen if question in rows]
    absent, untried = list[str](), dict[str, str]()
    sums = dict[str, dict[str, tuple[float, float]]]()
    lacking = {q.id for q, _ in chosen if q.instead_of and not installed(q.framework)}
    here = [
        f
        for question, functions in chosen
        for f in functions
        if question.id not in lacking and is_there(f)
    ]
    verdicts = _run_in_groups(here, limit)
    told = set[str]()  # modules that cannot be imported: said once
    for question, functions in chosen:
        if show:
            print(f"\n{question.id}  {question.title}")
        if not any(is_there(f) for f in functions):
            absent.append(question.id)
            if show:
                print("  not in this package")
            continue
        if question.id in lacking and begun.share(question, ROOT):
            untried[question.id] = _NOT_INSTALLED[question.framework]
            if show:
                _print_text(untried[question.id])
            if sum(q.graded_as == question.graded_as for q, _ in chosen) > 1:
                continue  # what was done in another way is judged by itself
        earned = possible = 0.0
        for function in functions:
            if function in here:
                verdict = next(verdicts)
            else:
                verdict = _not_tried(question, function)
            points = question.worth(function, edition)
            row = {
                "state": verdict["state"],
                "points": round(points, 2),
                "earned": round(points if verdict["state"] in EARNS else 0.0, 2),
                "seconds": round(verdict["seconds"], 3),
                "message": verdict["message"],
                "remarks": verdict["remarks"],
            }
            found[function.key] = row
            possible += points
            earned += points if verdict["state"] in EARNS else 0.0
            if show and question.id not in lacking:
                _print_row(function, row, verdict["broken"] in told)
            told |= {verdict["broken"]} - {""}
        sums.setdefault(question.graded_as, {})[question.id] = earned, possible
    counted = {  # of equals the first
        name: max(ways, key=lambda way: ways[way][0]) for name, ways in sums.items()
    }
    if show:
        _print_counted(counted, sums)
    best = [sums[name][way] for name, way in counted.items()]
    return {
        "functions": found,
        "score": round(sum(earned for earned, _ in best), 2),
        "possible": round(sum(possible for _, possible in best), 2),
        "edition": edition,
        "absent": absent,
        "untried": untried,
        "counted": counted,
    }


_NOT_INSTALLED = {
    "tensorflow": "It was begun, but TensorFlow is not installed here, so nothing can "
    "be said of it: pip install -r requirements-tensorflow.txt"
}


def _not_tried(question: Question, function: Function) -> dict[str, Any]:
    """Return the verdict of a function whose framework is not installed."""
    text = (ROOT / function.file).read_text("utf-8-sig", errors="replace")
    is_begun = begun.is_begun(text, function.qualname)
    return _wrong(_NOT_INSTALLED[question.framework] if is_begun else "") | {
        "state": "cannot tell yet" if is_begun else "not started"
    }


def _print_counted(
    counted: Mapping[str, str], sums: Mapping[str, Mapping[str, tuple[float, float]]]
) -> None:
    """Say of each question that was done in two ways which one counts."""
    for name, ways in sums.items():
        if len(ways) > 1:
            said = " and ".join(f"{e:g} in {way}" for way, (e, _) in ways.items())
            print(f"\n{name}: {said}; {counted[name]} counts, as the better one does.")


def _run_in_groups(functions: list[Function], limit: float) -> Iterator[dict[str, Any]]:
    """Try functions out, with one process for each framework and one without any.

    They work at the same time where there are two cores; verdicts come in order.
    """
    groups = {
        framework: [f for f in functions if f.framework == framework]
        for framework in dict.fromkeys(f.framework for f in functions)
    }
    found = dict[str, dict[str, Any]]()
    with contextlib.ExitStack() as stack:

        def tried(framework: str) -> Iterator[tuple[Function, dict[str, Any]]]:
            worker = _Worker([f.key for f in groups[framework]], [])
            stack.callback(worker.end)
            return run(groups[framework], limit, worker)

        verdicts = {name: tried(name) for name in groups} if cores() > 1 else {}
        for function in functions:
            if function.framework not in verdicts:
                verdicts[function.framework] = tried(function.framework)
            while function.key not in found:  # one that got stuck is judged later
                other, verdict = next(verdicts[function.framework])
                found[other.key] = verdict
            yield found[function.key]


def _print_row(function: Function, row: dict[str, Any], told: bool) -> None:
    time = "" if row["state"] == "not started" else f"{row['seconds']:6.2f} s"
    points = f"{row['earned']:g} / {row['points']:g}"
    print(f"  {row['state']:<19}  {function.short:<31}  {points:>10}  {time}".rstrip())
    message = "As above." if told else row["message"]
    for text in [message, *(f"A remark: it {r}" for r in row["remarks"])]:
        if text:
            _print_text(text, 23)
    sys.stdout.flush()


def _print_text(text: str, indent: int = 2) -> None:
    margin = " " * indent
    print(
        textwrap.fill(
            text,
            86,
            initial_indent=margin,
            subsequent_indent=margin,
            break_on_hyphens=False,
        )
    )


def _print_summary(result: dict[str, Any]) -> None:
    counted = {
        f.key
        for question in questions()
        if question.id in result["counted"].values()
        for f in question.functions
    }
    rows = {key: r for key, r in result["functions"].items() if key in counted}
    print(f"\n{result['score']:g} of {result['possible']:g} points.", end="")
    reach = {
        state: sum(r["points"] for r in rows.values() if r["state"] == state)
        for state in WITHIN_REACH
    }
    parts = [
        f"{reach['wrong']:g} in what is wrong" * bool(reach["wrong"]),
        f"{reach['cannot tell yet']:g} in what cannot be told yet"
        * bool(reach["cannot tell yet"]),
        f"{reach['not started']:g} in what is not started" * bool(reach["not started"]),
    ]
    words = " and ".join(part for part in parts if part)
    print(f" Within reach: {words}." if words else " All done.")
    remarked = sum(bool(r["remarks"]) for r in rows.values())
    if remarked:
        print(
            f"{remarked} of what is done {'have' if remarked > 1 else 'has'} a remark, "
            "which costs no points."
        )
    wrong = [key for key, r in rows.items() if r["state"] == "wrong"]
    if wrong:
        print(f"A hint: python -m cs231n.hint {table.function(wrong[0]).short}")
    print("Graders try other inputs too, and read your notebooks: this is a forecast.")


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m cs231n.check``.

    Returns:
        0 if all is done, 1 if something is not, 2 if nothing of that name exists.
    """
    parser = argparse.ArgumentParser(
        prog="python -m cs231n.check",
        description="Say which functions are done, wrong or not started, and why.",
        epilog="Exit status: 0 if all that was asked for is done, 1 if not.",
    )
    parser.add_argument(
        "names", nargs="*", help="questions (Q1) or functions (rnn_step_forward)"
    )
    parser.add_argument("--edition", choices=editions(), help="which set of questions")
    parser.add_argument("--json", action="store_true", help="print JSON, no table")
    parser.add_argument(
        "--limit", type=float, default=LIMIT, help="seconds for each function"
    )
    args = parser.parse_args(argv)
    try:
        edition, chosen = select(args.names, args.edition)
    except UnknownNameError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        result = report(edition, chosen, args.limit, show=not args.json)
    except KeyboardInterrupt:
        return 130
    if args.json:
        print(json.dumps(result, indent=1))
    else:
        _print_summary(result)
    return 0 if result["score"] == result["possible"] else 1
