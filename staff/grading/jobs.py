"""Judge many submissions at once: each job is a process with a judge of its own.

Jobs take submissions from ``NAME.zip`` and leave ``NAME.json`` beside it, whole or not
at all. Whatever happens to a job, the others go on; a submission on which one died is
tried once more, and then left for a person to look at.
"""

import importlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import connection
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeAlias

from staff.grading import records
from staff.grading.records import Grounds, RecordError
from staff.grading.results import Judged
from staff.grading.submission import Submission

PATIENCE = 3600.0
"""Seconds for one submission after which a job is taken to hang."""
_LEAVING = 10.0
_leaving = threading.Event()  # whether this process was asked to end
_ATTEMPTS = 2


class Judge(Protocol):
    """What judges one submission."""

    def __call__(self, submission: Submission, secret: bytes) -> Judged:
        """Return what is found in a submission.

        Args:
            submission: What was handed in.
            secret: The course's, from which hidden inputs are drawn.
        """


class JobError(RuntimeError):
    """No job could begin its work."""


@dataclass(frozen=True)
class Work:
    """What all jobs of a run have in common.

    Attributes:
        folder: Where the submissions lie and the records come.
        secret: The course's.
        grounds: By which rules.
        level: The level of isolation.
        judging: ``module:function`` of what makes a judge.
    """

    folder: Path
    secret: bytes
    grounds: Grounds
    level: str
    judging: str


@dataclass
class _Job:
    process: Any
    pipe: connection.Connection
    ready: bool = False
    name: str = ""
    since: float = 0.0


@dataclass
class _Queue:
    """Names still to be judged, and how often each was tried."""

    names: deque[str]
    alone: bool = False
    tries: dict[str, int] = field(default_factory=dict)


def run(
    names: Sequence[str],
    jobs: int,
    work: Work,
    people: Mapping[str, Mapping[str, Any]],
    done: Callable[[str], None],
) -> None:
    """Judge submissions, then those once more, alone, that ran out of time.

    Args:
        names: What their files are called, without ``.zip``.
        jobs: How many processes judge at once.
        work: What they have in common.
        people: A name -> the record's part about people, which is kept.
        done: Called with each name whose record is written for good.

    Raises:
        JobError: If no job can begin.
    """
    slow: list[str] = []

    def settled(name: str) -> None:
        try:
            host = records.read(work.folder / f"{name}.json")["host"]
        except RecordError as error:
            _leave_to_people(name, str(error), work, people)
            done(name)
            return
        if host.get("timed_out") and not host.get("confirmed"):
            slow.append(name)
        else:
            done(name)

    queue = _Queue(deque(names))
    running: list[_Job] = []
    try:
        _work_off(queue, running, min(jobs, len(names)), work, people, settled)
        if slow:
            for job in running[1:]:
                _end(job)
            del running[1:]
            queue = _Queue(deque(slow), alone=True)
            _work_off(queue, running, 1, work, people, done)
    finally:
        for job in running:
            job.pipe.close()
            if job.name:
                job.process.terminate()
        for job in running:
            _end(job)


def _work_off(
    queue: _Queue,
    running: list[_Job],
    jobs: int,
    work: Work,
    people: Mapping[str, Mapping[str, Any]],
    done: Callable[[str], None],
) -> None:
    while queue.names or any(job.name for job in running):
        while len(running) < min(jobs, len(queue.names) + _busy(running)):
            running.append(_begin(work))
        for job in running:
            if job.ready and not job.name and queue.names:
                job.name, job.since = queue.names.popleft(), time.monotonic()
                with suppress(OSError):  # it is gone, which shows below
                    job.pipe.send(
                        (job.name, dict(people.get(job.name, {})), queue.alone)
                    )
        _hear(queue, running, work, people, done)


def _busy(running: list[_Job]) -> int:
    return sum(bool(job.name) for job in running)


def _hear(
    queue: _Queue,
    running: list[_Job],
    work: Work,
    people: Mapping[str, Mapping[str, Any]],
    done: Callable[[str], None],
) -> None:
    """Wait until a job says something, ends, or has taken too long."""
    heard = connection.wait([job.pipe for job in running], timeout=5)
    for job in list(running):
        said: Any = None
        if job.pipe in heard:
            with suppress(EOFError, OSError):
                said = job.pipe.recv()
            if said is None:  # it has died
                job.process.join(_LEAVING)
                said = "died", f"the grader's process ended ({job.process.exitcode})"
        elif job.name and time.monotonic() - job.since > PATIENCE:
            said = "died", f"the grader took longer than {PATIENCE:g} s"
        if said is None:
            continue
        what, why = said
        if what == "ready":
            job.ready = True
            continue
        if not job.ready:
            raise JobError(why)
        name, job.name = job.name, ""
        if what == "died":
            running.remove(job)
            _end(job, at_once=True)
            queue.tries[name] = queue.tries.get(name, 0) + 1
            if name and queue.tries[name] < _ATTEMPTS:
                queue.names.append(name)
                continue
        if not name:
            continue
        if what != "done":
            _leave_to_people(name, why, work, people)
        done(name)


def _leave_to_people(
    name: str, why: str, work: Work, people: Mapping[str, Mapping[str, Any]]
) -> None:
    submission = records.kept(work.folder / f"{name}.zip")
    found = records.failure(submission, why, work.grounds)
    found["people"] = dict(people.get(name, {}))
    records.save(found, work.folder / f"{name}.json")


def _begin(work: Work) -> _Job:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_main, args=(theirs, work))
    process.start()
    theirs.close()
    return _Job(process, ours)


def _end(job: _Job, *, at_once: bool = False) -> None:
    """End a job, which may be in the middle of something."""
    with suppress(OSError):
        job.pipe.close()
    if not at_once:
        job.process.join(_LEAVING)
    if job.process.is_alive():
        job.process.terminate()
        job.process.join(_LEAVING)
    if job.process.is_alive():
        job.process.kill()
        job.process.join()
    job.process.close()


Judging: TypeAlias = Callable[[str, tuple[str, ...]], AbstractContextManager[Judge]]


def load(judging: str) -> Judging:
    """Return what makes a judge for a level of isolation and for some questions.

    Args:
        judging: ``module:function``.
    """
    module, _, name = judging.partition(":")
    made: Judging = getattr(importlib.import_module(module), name)
    return made


def _main(pipe: connection.Connection, work: Work) -> None:
    """Judge what comes along the pipe until it is closed."""
    # Ctrl-C reaches all processes of a terminal; the parent tells what is to be done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_follow_parent, daemon=True).start()
    # The judge's own arithmetic is small; threads of many jobs are in each other's way.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    try:
        with load(work.judging)(work.level, work.grounds.only) as judge:
            pipe.send(("ready", ""))
            while True:
                try:
                    name, people, alone = pipe.recv()
                except (EOFError, OSError):
                    return
                pipe.send(_judge(judge, name, people, alone, work))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGTERM)
    except Exception as error:
        with suppress(OSError):
            pipe.send(("broken", f"{type(error).__name__}: {error}"))


def _leave(number: int, _: Any) -> NoReturn:
    del number
    _leaving.set()
    raise KeyboardInterrupt  # by way of all that has to be tidied up


def _follow_parent() -> None:
    """End when the run does, however it ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_LEAVING)
        os._exit(1)


def _judge(
    judge: Judge, name: str, people: dict[str, Any], alone: bool, work: Work
) -> tuple[str, str]:
    """Judge one submission and write its record; say how it went."""
    begun, start, before = datetime.now(UTC), time.monotonic(), time.process_time()
    try:
        submission = records.kept(work.folder / f"{name}.zip")
        judged = judge(submission, work.secret)
        if _leaving.is_set():
            # What was raised may have been taken for a fault of the student's.
            raise KeyboardInterrupt
        host = {
            "begun": begun.isoformat(timespec="seconds"),
            "total_seconds": round(time.monotonic() - start, 3),
            "cpu_seconds": round(time.process_time() - before + judged.cpu, 3),
            "confirmed": alone or not judged.timed_out,
        }
        found = records.record(submission, judged, work.grounds, host)
        found["people"] = people
        records.save(found, work.folder / f"{name}.json")
    except Exception:  # a fault of the grader's, of whatever kind, is no student's
        return "failed", traceback.format_exc(limit=-8)
    return "done", ""
