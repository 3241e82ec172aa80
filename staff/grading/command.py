"""Grade submissions: records, pages and tables, for one or for a whole class."""

import argparse
import datetime
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from cs231n.assignment.table import marker
from cs231n.support import commands
from cs231n.support.cores import cores
from cs231n.support.files import replacing
from cs231n.support.progress import progress_bar
from staff.grading import (
    cohort,
    compare,
    jobs,
    overrides,
    people,
    records,
    roster,
    rules,
    secret,
    tables,
)
from staff.grading.jobs import JobError
from staff.grading.overrides import OverridesError
from staff.grading.records import Grounds, Record, RecordError
from staff.grading.roster import Roster, RosterError, Student
from staff.grading.scores import Standing, shown, standing
from staff.grading.secret import SecretError
from staff.grading.submission import Refused, Submission
from staff.grading.tables import TableError
from staff.grading.written import Answer, answers
from staff.questions import ROOT, questions

JUDGING = "staff.grading.judging:judging"
GRADES = ROOT / "build" / "grades"
STUDENTS, GRADERS = "students", "graders"
_BAR = "{desc}: {n_fmt}/{total_fmt} |{bar}| {elapsed}<{remaining}{postfix}"
ROSTER = "roster.csv"  # kept, so that later runs know the class


class GradeError(ValueError):
    """Nothing can be graded as asked."""


class InterruptedGradingError(Exception):
    """Somebody pressed Ctrl-C, or asked the process to end."""


@dataclass
class Todo:
    """What intake found, and what is left to be judged.

    Attributes:
        names: What the files of submissions to be judged are called.
        people: A name -> what people decided earlier.
        done: Submissions that were judged before, by the same rules.
        refused: Submissions that could not be read.
    """

    names: list[str] = field(default_factory=list)
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    done: int = 0
    refused: int = 0


def level_for(required: str) -> str:
    """Return the strongest level of isolation that works on this machine.

    Args:
        required: The weakest one that will do; empty if any will.

    Raises:
        GradeError: If the machine has less.
    """
    from staff.grading.sandbox.workers import LEVELS, available

    found = available()
    if required and required not in LEVELS:
        raise GradeError(
            f"no level is called {required}; there are {', '.join(LEVELS)}."
        )
    if not found or (required and LEVELS.index(found[0]) > LEVELS.index(required)):
        raise GradeError(
            f"here {found[0] if found else 'nothing'} isolates students' code at best, "
            f"and {required or 'some level'} was required; docs/grading.md says what "
            "each level needs."
        )
    return found[0]


def submissions(paths: Sequence[Path]) -> Iterator[Submission | Refused]:
    """Yield what intake finds."""
    from staff.grading import intake  # what it needs of 2016's files takes a moment

    yield from intake.submissions(paths)


def grounds_for(key: bytes, only: tuple[str, ...] = ()) -> Grounds:
    """Return by which rules is graded today.

    Args:
        key: The course secret.
        only: Ids of the questions that are judged; none if it is all of them.
    """
    from staff.grading.rubric import rubric  # brings NumPy along

    return Grounds(
        rubric=rules.digest(),
        secret=secret.digest(key),
        environment=records.environment(),
        withdrawn=rubric().withdrawn,
        only=only,
    )


def take_in(
    found: Iterable[Submission | Refused], folder: Path, grounds: Grounds, resume: bool
) -> Todo:
    """Keep what was handed in beside the records to come; write those of refused ones.

    Args:
        found: What intake found.
        folder: Where records lie.
        grounds: Today's rules.
        resume: Whether records that say what judging again would say are left.
    """
    todo = Todo()
    for one in found:
        kept = _keep(one, folder)
        name = records.stem(kept)
        path = folder / f"{name}.json"
        before = _before(path)
        if isinstance(kept, Refused):
            made = records.refusal(kept, grounds)
            made["people"] = before["people"] if before else {}
            records.save(made, path)
            todo.refused += 1
            continue
        settled = before and records.same_grounds(before, kept.digest, grounds)
        if resume and before and settled and before["host"].get("confirmed"):
            todo.done += 1
        elif name not in todo.people:
            todo.names.append(name)
            todo.people[name] = before["people"] if before else {}
    return todo


def _keep(one: Submission | Refused, folder: Path) -> Submission | Refused:
    """Keep a submission beside its record; refuse what cannot be written."""
    if isinstance(one, Refused):
        return one
    try:
        records.keep(one, folder / f"{records.stem(one)}.zip")
    except ValueError as error:  # such as text that is no Unicode
        return Refused(
            one.name,
            f"It cannot be kept ({error}); save its files as UTF-8.",
            one.student,
        )
    return one


def _before(path: Path) -> Record | None:
    """Return an earlier record; None if there is none that can be read."""
    try:
        return records.read(path) if path.exists() else None
    except RecordError:
        return None


def judge(
    todo: Todo,
    count: int,
    work: jobs.Work,
    more: str = "The same with --resume goes on.",
) -> None:
    """Judge what is left, with a bar that says how many a minute.

    Args:
        todo: What is left.
        count: How many processes judge at once.
        work: What they have in common.
        more: What to do after an interruption.

    Raises:
        JobError: If no process can begin.
        InterruptedGradingError: On Ctrl-C.
    """
    start, number = time.monotonic(), 0

    def rate() -> str:
        return f"{60 * number / max(1e-9, time.monotonic() - start):.0f} a minute"

    with (
        _until_asked_to_end(),
        progress_bar(
            todo.done + len(todo.names),
            "grading",
            initial=todo.done,
            bar_format=_BAR,
        ) as bar,
    ):

        def done(_: str) -> None:
            nonlocal number
            number += 1
            bar.set_postfix_str(rate(), refresh=False)
            bar.update()

        try:
            jobs.run(todo.names, count, work, todo.people, done)
        except KeyboardInterrupt:
            raise InterruptedGradingError(
                f"Interrupted; {number} of {len(todo.names)} are judged. {more}"
            ) from None
    if number:
        print(f"Judged: {number}, {rate()}.")


@contextmanager
def _until_asked_to_end() -> Iterator[None]:
    """Let a request to end do what Ctrl-C does."""

    def stop(number: int, frame: Any) -> NoReturn:
        del number, frame
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def publish(
    all_: Mapping[str, Record],
    out: Path,
    class_list: Roster | None = None,
    missing: Sequence[Student] = (),
) -> list[Standing]:
    """Write pages and tables of a class.

    Args:
        all_: File -> record.
        out: Where ``records/`` lies.
        class_list: Who is in the class.
        missing: Students without a submission.
    """
    # Not needed before: what renders pages takes a while to import.
    from staff.grading.pages.class_page import class_page
    from staff.grading.pages.sheet import grader_page, student_page

    class_ = [standing(record, file) for file, record in sorted(all_.items())]
    words: dict[str, list[Answer]] = {}
    with progress_bar(len(class_), "pages") as bar:
        for s in class_:
            submission = None
            if s.parts:
                try:
                    submission = records.kept(out / records.FOLDER / f"{s.file}.zip")
                    words[s.file] = answers(submission.notebooks, submission.edition)
                except RecordError as error:
                    print(f"{s.file}: {error}", file=sys.stderr)
            own = words.get(s.file, [])
            _write(out / STUDENTS / f"{s.file}.html", student_page(s, own))
            _write(out / GRADERS / f"{s.file}.html", grader_page(s, own, submission))
            bar.update()
    pages = {s.file: f"{GRADERS}/{s.file}.html" for s in class_}
    levels = sorted({s.record["host"].get("isolation", "") for s in class_} - {""})
    _write(out / "class.html", class_page(class_, pages, ", ".join(levels), missing))
    tables.save(tables.class_rows(class_, missing), out / "class.csv")
    tables.save(tables.written_rows(class_, words), out / "written.csv")
    tables.save(tables.remark_rows(class_), out / "remarks.csv")
    of = max((s.of + s.words_of for s in class_), default=0.0)
    tables.save(tables.canvas_rows(class_, class_list, of), out / "canvas.csv")
    return class_


def _write(path: Path, page: str) -> None:
    with replacing(path) as draft:
        draft.write_bytes(page.encode("utf-8", "replace"))


def apply(
    all_: Mapping[str, Record], class_list: Roster | None, args: argparse.Namespace
) -> tuple[Student, ...]:
    """Add to records what people say on the command line.

    Args:
        all_: File -> record.
        class_list: Who is in the class.
        args: The command's.

    Returns:
        Students without a submission.

    Raises:
        TableError: If a table of theirs does not fit.
        OverridesError: If decisions do not.
    """
    missing = people.assign(all_, class_list, args.attempts, args.due)
    if args.overrides:
        people.override(all_, overrides.read(args.overrides))
    if args.written:
        people.give_written(all_, tables.read_written(args.written))
    if args.remarks:
        people.remark(all_, tables.read_remarks(args.remarks))
    if args.overrides:  # the best attempt may be another one now
        people.assign(all_, class_list, args.attempts, args.due)
    return missing


def save_changed(all_: Mapping[str, Record], folder: Path, before: Any) -> None:
    """Write the records whose part about people has changed.

    Args:
        all_: File -> record.
        folder: Where they lie.
        before: File -> bytes that lie there.
    """
    for file, record in all_.items():
        if records.written(record) != before[file]:
            records.save(records.checked(record, file), folder / f"{file}.json")


def finish(out: Path, args: argparse.Namespace) -> list[Standing]:
    """Bring the records of a folder up to date with what people say; write the rest."""
    all_, before = {}, {}
    for path, record in records.every(out):
        all_[path.stem] = record
        before[path.stem] = records.written(record)
    if args.roster:
        with replacing(out / ROSTER) as draft:
            shutil.copyfile(args.roster, draft)
    class_list = roster.read(out / ROSTER) if (out / ROSTER).is_file() else None
    missing = apply(all_, class_list, args)
    save_changed(all_, out / records.FOLDER, before)
    return publish(all_, out, class_list, missing)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what ``grade`` and ``regrade`` have in common."""
    parser.add_argument(
        *("--jobs", "-j"),
        type=commands.positive,
        default=cores(),
        help="submissions to judge at once (%(default)s)",
    )
    parser.add_argument(
        "--require-isolation",
        metavar="LEVEL",
        default="",
        help="refuse to run students' code with less",
    )
    parser.add_argument(
        "--overrides",
        type=Path,
        metavar="FILE",
        help="overrides.csv: see docs/grading.md",
    )
    parser.add_argument(
        "--written", type=Path, metavar="FILE", help="written.csv, filled in"
    )
    parser.add_argument(
        "--remarks", type=Path, metavar="FILE", help="remarks.csv, filled in"
    )
    parser.add_argument(
        "--attempts",
        choices=people.ATTEMPTS,
        default="last",
        help="which of a student's submissions counts (%(default)s)",
    )
    parser.add_argument(
        "--roster",
        type=Path,
        metavar="FILE",
        help="who is in the class: a csv, or Canvas's",
    )
    parser.add_argument(
        "--due",
        type=datetime.datetime.fromisoformat,
        metavar="TIME",
        help="what came later is late, such as 2026-05-03T23:59-08:00",
    )
    parser.add_argument("--judging", default=JUDGING, help=argparse.SUPPRESS)


def _questions(said: str) -> tuple[str, ...]:
    """Return the ids of questions, in the order of the table.

    An alternative stands for its question, as either is judged if it was begun.
    """
    ids = {question.marker: question.graded_as for question in questions()}
    named = {marker(name) for name in said.split(",") if name}
    if unknown := sorted(named - ids.keys()):
        raise argparse.ArgumentTypeError(
            f"there is no question {unknown[0]}; name some of {', '.join(ids)}"
        )
    return tuple(dict.fromkeys(id for name, id in ids.items() if name in named))


def grade(args: argparse.Namespace) -> int:
    """Grade what the arguments name."""
    out, folder = args.out, args.out / records.FOLDER
    if args.paths:
        if not args.resume and any(folder.glob("*.json")):
            raise GradeError(
                f"{out} holds records of an earlier run; go on with --resume, or name "
                "another folder with --out."
            )
        level = level_for(args.require_isolation)
        key = secret.course_secret(out)
        grounds = grounds_for(key, args.questions)
        found = submissions(args.paths)
        todo = take_in(found, folder, grounds, args.resume)
        if not (todo.names or todo.done or todo.refused):
            raise GradeError(
                f"no submission was found in {', '.join(map(str, args.paths))}; name "
                "zips, folders, or folders of those."
            )
        if todo.done:
            print(f"Judged before, by the same rules: {todo.done}.")
        judge(todo, args.jobs, jobs.Work(folder, key, grounds, level, args.judging))
    print(summary(finish(out, args), out))
    return 0


def summary(class_: Sequence[Standing], out: Path) -> str:
    """Return what is to be said in the end."""
    counted = cohort.counted(class_)
    lines = [f"Submissions: {len(class_)}, judged and counted: {len(counted)}."]
    if counted:
        mean = sum(s.total for s in counted) / len(counted)
        lines.append(f"Points on average: {shown(mean)}.")
    for s in class_:
        if s.refused:
            lines.append(f"Not read: {s.name}: {s.refused}")
        elif s.failed:
            last = s.failed.strip().splitlines()[-1]
            lines.append(f"NOT JUDGED, the grader failed: {s.name}: {last}")
    lines.append(f"Class: {out / 'class.html'}; pages to hand on: {out / STUDENTS}")
    return "\n".join(lines)


def difference(old: Path, new: Path) -> int:
    """Print whose score moved, and write whom to tell beside the new grading."""
    found = compare.compare(old, new)
    print("\n".join(compare.lines(found)))
    if new.is_dir():
        tables.save(compare.whom_to_tell(found), new / "whom-to-tell.csv")
        print(f"Whom to tell: {new / 'whom-to-tell.csv'}")
    return 0


def run(act: Any) -> int:
    """Do something, and say in one sentence why it cannot be done, if so."""
    try:
        status: int = act()
    except (
        *(GradeError, RecordError, SecretError, JobError),
        *(TableError, RosterError, OverridesError),
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except InterruptedGradingError as error:
        print(error, file=sys.stderr)
        return 130
    return status


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m staff grade``."""
    parser = argparse.ArgumentParser(
        prog="python -m staff grade",
        description=f"{__doc__} Without a PATH, only what people say is brought in.",
    )
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="assignment3.zip, a folder, or a folder of those as a platform exports it",
    )
    parser.add_argument("--out", type=Path, default=GRADES, help="(%(default)s)")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="leave what was judged by the same rules, and go on",
    )
    parser.add_argument(
        "--questions",
        type=_questions,
        default=(),
        metavar="Q1,Q2",
        help="judge these alone (all)",
    )
    parser.add_argument(
        "--diff",
        nargs=2,
        type=Path,
        metavar=("OLD", "NEW"),
        help="say whose score moved between two gradings, and why; grade nothing",
    )
    add_options(parser)
    args = parser.parse_args(argv)
    if args.diff:
        return run(lambda: difference(*args.diff))
    return run(lambda: grade(args))
