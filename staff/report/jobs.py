"""The jobs of a run: what each needs, how long it takes, which one comes next.

Data are prepared and notebooks executed as one graph, several jobs at once.
"""

import heapq
import json
import os
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from cs231n.assignment.table import Question
from cs231n.support.files import replacing

TABLE = "staff/questions.toml"  # from the root
_SECONDS, _MEGABYTES = 60.0, 1000  # of a job that nobody has measured
_QUICK = 0.2  # the part of its time that a notebook takes in the quick profile
_POOLS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)
# Linux hands out fresh memory in small pages, each of them cleared first, and takes it
# back as soon as an array goes: an eighth of the time of a training step. So the C
# library keeps what it has for the next array, in large pages. Others ignore this.
_MALLOC = ":".join(
    f"glibc.malloc.{name}"
    for name in (
        "hugetlb=1",
        f"trim_threshold={1 << 32}",
        f"mmap_threshold={1 << 32}",
        f"top_pad={1 << 26}",
    )
)


@dataclass(frozen=True)
class Job:
    """Something to be done in a process of its own.

    Attributes:
        name: A notebook's, or what the data are called.
        needs: Names of jobs that must have gone well before.
        title: What is prepared, in a few words; empty for notebooks.
        module: The module to run as a command; empty for notebooks.
        quick: That command's arguments in the quick profile.
        unless: A variable of the environment that, once set, makes it needless.
        seconds: How long it will probably take.
        megabytes: How much memory it needs at most.
    """

    name: str
    needs: tuple[str, ...] = ()
    title: str = ""
    module: str = ""
    quick: tuple[str, ...] = ()
    unless: str = ""
    seconds: float = _SECONDS
    megabytes: float = _MEGABYTES


def read_jobs(table: Path) -> dict[str, Job]:
    """Return the jobs of a table, by name.

    Args:
        table: Such as ``staff/questions.toml``; one that is not there has none.

    Raises:
        ValueError: If a job needs one that is not in the table, or itself.
    """
    if not table.exists():
        return {}
    return parse_jobs(tomllib.loads(table.read_text("utf-8")))


def parse_jobs(rows: Mapping[str, Any]) -> dict[str, Job]:
    """Return the jobs of a table, by name.

    Args:
        rows: What ``questions.toml`` holds.

    Raises:
        ValueError: If a job needs one that is not in the table, or itself.
    """
    jobs = {}
    for row in rows.get("jobs", []):
        lists = {key: tuple(row[key]) for key in ("needs", "quick") if key in row}
        jobs[row["name"]] = Job(**{**row, **lists})
    for job in jobs.values():
        if strangers := [name for name in job.needs if name not in jobs]:
            raise ValueError(
                f"{job.name} needs {', '.join(strangers)}, which is no job; name some "
                f"of {', '.join(jobs)}."
            )
    try:
        TopologicalSorter({job.name: job.needs for job in jobs.values()}).prepare()
    except CycleError as error:
        raise ValueError(
            f"Jobs need one another in a circle, {', '.join(error.args[1])}; take one "
            "of the needs away."
        ) from None
    return jobs


def durations(root: Path, edition: str, questions: Iterable[Question]) -> str:
    """Say in a sentence how long the finished notebook of each question runs.

    Args:
        root: The tree.
        edition: The set of questions.
        questions: All of them.
    """
    jobs = read_jobs(root / TABLE)
    own = [question for question in questions if edition in question.points]
    names = [question.notebooks[0] for question in own]
    # A new question's notebook may not be in the table yet.
    took = [jobs.get(name, Job(name)).seconds for name in names]
    said = [
        f"{question.id} for {in_words(seconds)}"
        for question, seconds in zip(own, took, strict=True)
    ]
    first, *more, last = said
    said = [first.replace(" for ", " runs for ", 1), *more]
    return f"With a core to itself, {', '.join(said)} and {last}."


def in_words(seconds: float) -> str:
    """Return a duration as one would say it, such as ``2½ minutes``."""
    if seconds < 60:
        return f"{seconds:.0f} seconds"
    whole, half = divmod(round(seconds / 30), 2)
    return f"{whole}{'½' * half} minute{'s' * (whole + half > 1)}"


def wanted(
    names: Iterable[str],
    table: Mapping[str, Job],
    variables: Mapping[str, str] | None = None,
) -> list[Job]:
    """Return the jobs of notebooks, and before them all that these need.

    Args:
        names: The notebooks'; those that the table does not have need nothing.
        table: What ``read_jobs`` returned.
        variables: The environment, which may make jobs needless; None for this one.
    """
    found: dict[str, Job] = {}
    said = os.environ if variables is None else variables
    needless = {name for name, job in table.items() if said.get(job.unless)}

    def add(name: str) -> None:
        job = table.get(name, Job(name))
        if needless & {*job.needs}:
            needs = tuple(need for need in job.needs if need not in needless)
            job = replace(job, needs=needs)
        for need in job.needs:
            add(need)
        found.setdefault(name, job)

    for name in names:
        add(name)
    return sorted(found.values(), key=lambda job: not job.module)


def environment(threads: int) -> dict[str, str]:
    """Return a job's environment: its share of threads, and memory that it keeps.

    What somebody has set stays.

    Args:
        threads: How many.
    """
    limits = dict.fromkeys((*_POOLS, "LOKY_MAX_CPU_COUNT"), str(threads))
    limits["TF_NUM_INTEROP_THREADS"] = "1"  # of steps that could be taken side by side
    return limits | {"GLIBC_TUNABLES": _MALLOC} | os.environ


class Times:
    """How long jobs took the last time, and how much memory; kept in a file."""

    def __init__(self, file: Path, profile: str) -> None:
        """Read what an earlier run has kept.

        Args:
            file: A JSON file; one that is damaged or not there knows nothing.
            profile: Each profile has times of its own.
        """
        self.file, self.profile = file, profile
        self._kept: dict[str, dict[str, dict[str, float]]] = {}
        try:
            kept = json.loads(file.read_text("utf-8"))
            self._kept = {
                str(profile): {
                    str(name): {
                        key: float(row[key]) for key in ("seconds", "megabytes")
                    }
                    for name, row in rows.items()
                }
                for profile, rows in kept.items()
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            pass

    def of(self, job: Job) -> Job:
        """Return the job with its last time, or with what the table says."""
        if kept := self._kept.get(self.profile, {}).get(job.name):
            return replace(job, seconds=kept["seconds"], megabytes=kept["megabytes"])
        if self.profile != "full" and not job.module:
            return replace(job, seconds=_QUICK * job.seconds)
        return job

    def keep(self, name: str, seconds: float, megabytes: float) -> None:
        """Note what a job took, for the next run."""
        rows = self._kept.setdefault(self.profile, {})
        rows[name] = {"seconds": round(seconds, 1), "megabytes": round(megabytes)}
        with replacing(self.file) as draft:
            draft.write_text(json.dumps(self._kept, indent=1) + "\n", encoding="utf-8")


class Plan:
    """Says which jobs start next, as others come to their ends.

    Something to look at comes first: the shortest notebook that needs nothing. After it
    come those with the longest way to the end, their followers' time included.
    """

    def __init__(self, jobs: Collection[Job], slots: int, megabytes: float) -> None:
        """Prepare a run.

        Args:
            jobs: What is to be done; the needs of each are among them.
            slots: How many run at once.
            megabytes: How much memory they may take together.
        """
        self.jobs = {job.name: job for job in jobs}
        self.slots, self.megabytes = slots, megabytes
        self.running: list[Job] = []
        self.waiting = dict(self.jobs)
        self._sorter = TopologicalSorter({job.name: job.needs for job in jobs})
        self._sorter.prepare()
        self._ready: list[str] = []
        self._way = {job.name: self._way_to_the_end(job) for job in jobs}
        free = [job for job in jobs if not job.needs and not job.module]
        self._first = min(free, key=lambda job: job.seconds, default=None)

    def _way_to_the_end(self, job: Job) -> float:
        after = [j for j in self.jobs.values() if job.name in j.needs]
        return job.seconds + max(map(self._way_to_the_end, after), default=0.0)

    def _rank(self, job: Job) -> tuple[bool, float]:
        return job is not self._first, -self._way[job.name]

    def start(self) -> list[Job]:
        """Return the jobs that start now; they count as running from here on."""
        self._ready += self._sorter.get_ready()
        started = []
        for job in sorted((self.jobs[name] for name in self._ready), key=self._rank):
            used = sum(other.megabytes for other in self.running)
            room = not self.running or used + job.megabytes <= self.megabytes
            if len(self.running) < self.slots and room:
                self._ready.remove(job.name)
                del self.waiting[job.name]
                self.running.append(job)
                started.append(job)
        return started

    def finish(self, job: Job, well: bool) -> list[Job]:
        """Take note of a job's end.

        Args:
            job: One of those that were started.
            well: Whether those that need it may run.

        Returns:
            The jobs that will never run now.
        """
        self.running.remove(job)
        if well:
            self._sorter.done(job.name)
            return []
        lost = {job.name}
        while True:
            more = {j.name for j in self.waiting.values() if lost & {*j.needs}}
            if more <= lost:
                break
            lost |= more
        return [self.waiting.pop(name) for name in [*self.waiting] if name in lost]

    def seconds_left(self, elapsed: Mapping[str, float]) -> float:
        """Return how long the rest will probably take.

        Args:
            elapsed: Running jobs' names and for how long they have been running. One
                that is late counts as if a tenth of its time were left.
        """
        ends = [
            (max(job.seconds - elapsed.get(job.name, 0.0), 0.1 * job.seconds), job.name)
            for job in self.running
        ]
        heapq.heapify(ends)
        waiting, busy, now = dict(self.waiting), {job.name for job in self.running}, 0.0
        while ends or waiting:
            for job in sorted(waiting.values(), key=self._rank):
                undone = {*waiting, *busy} & {*job.needs}
                if len(ends) < self.slots and not undone:
                    heapq.heappush(ends, (now + job.seconds, job.name))
                    del waiting[job.name]
                    busy.add(job.name)
            now, name = heapq.heappop(ends)
            busy.discard(name)
        return now
