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
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
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
    crew = _Crew(work, people)

    def settled(name: str) -> None:
        try:
            host = records.read(work.folder / f"{name}.json")["host"]
        except RecordError as error:
            crew.leave_to_people(name, str(error))
            done(name)
            return
        if host.get("timed_out") and not host.get("confirmed"):
            slow.append(name)
        else:
            done(name)

    try:
        crew.work_off(names, min(jobs, len(names)), settled)
        if slow:
            for job in crew.running[1:]:
                _end(job)
            del crew.running[1:]
            crew.work_off(slow, 1, done, alone=True)
    finally:
        for job in crew.running:
            job.pipe.close()
            if job.name:
                job.process.terminate()
        for job in crew.running:
            _end(job)


class _Crew:
    """The jobs that run, and what they have still to do."""

    def __init__(self, work: Work, people: Mapping[str, Mapping[str, Any]]) -> None:
        self._work, self._people = work, people
        self._names: deque[str] = deque()  # still to be judged
        self._tries: Counter[str] = Counter()
        self.running: list[_Job] = []

    def work_off(
        self,
        names: Sequence[str],
        jobs: int,
        done: Callable[[str], None],
        *,
        alone: bool = False,
    ) -> None:
        """Judge submissions with so many jobs, and say which are done."""
        self._names.extend(names)
        self._tries.clear()
        while self._names or self._busy():
            while len(self.running) < min(jobs, len(self._names) + self._busy()):
                self.running.append(_begin(self._work))
            for job in self.running:
                if job.ready and not job.name and self._names:
                    job.name, job.since = self._names.popleft(), time.monotonic()
                    people = dict(self._people.get(job.name, {}))
                    with suppress(OSError):  # it is gone, which shows below
                        job.pipe.send((job.name, people, alone))
            self._hear(done)

    def _busy(self) -> int:
        return sum(bool(job.name) for job in self.running)

    def _hear(self, done: Callable[[str], None]) -> None:
        """Wait until a job says something, ends, or has taken too long."""
        heard = connection.wait([job.pipe for job in self.running], timeout=5)
        for job in list(self.running):
            said: Any = None
            if job.pipe in heard:
                with suppress(EOFError, OSError):
                    said = job.pipe.recv()
                if said is None:  # it has died
                    job.process.join(_LEAVING)
                    code = job.process.exitcode
                    said = "died", f"the grader's process ended ({code})"
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
                self.running.remove(job)
                _end(job, at_once=True)
                self._tries[name] += 1
                if name and self._tries[name] < _ATTEMPTS:
                    self._names.append(name)
                    continue
            if not name:
                continue
            if what != "done":
                self.leave_to_people(name, why)
            done(name)

    def leave_to_people(self, name: str, why: str) -> None:
        """Write down that the grader could not judge a submission."""
        submission = records.kept(self._work.folder / f"{name}.zip")
        found = records.failure(submission, why, self._work.grounds)
        found["people"] = dict(self._people.get(name, {}))
        records.save(found, self._work.folder / f"{name}.json")


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
