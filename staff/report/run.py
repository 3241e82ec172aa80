"""Prepare data and execute notebooks, several at once, and report on them."""

import argparse
import asyncio
import json
import math
import os
import platform
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from cs231n.assignment.answers import CHECKS_MIME
from cs231n.datasets.captions import chosen
from cs231n.support import commands
from cs231n.support.files import replacing
from staff.environment import installed, installed_of
from staff.questions import ROOT, can_run, notebook_names, question_of
from staff.report import page
from staff.report.jobs import (
    TABLE,
    Job,
    Plan,
    Times,
    environment,
    read_jobs,
    wanted,
)
from staff.report.kernels import InterruptedRunError, client_of, kernel, until
from staff.report.processes import command, free_megabytes, megabytes
from staff.report.results import Cell, Check, Outcome, Result, Run
from staff.report.screen import Screen, about

_VERSIONS_OF = ("numpy", "scipy", "matplotlib", "torch", "torchvision", "h5py")
_OF_TENSORFLOW = ("tensorflow", "tensorflow-cpu", "keras")  # where they are
_LABEL_WIDTH = 46
_WITH_TENSORFLOW = (
    "TensorFlow has an environment of its own; say make run TENSORFLOW=1."
)


def run_notebooks(
    paths: list[Path],
    out: Path,
    *,
    root: Path = ROOT,
    profile: str = "full",
    timeout: float = 1800,
    jobs: int | None = None,
    captions: str = "",
) -> Run:
    """Execute notebooks, several at once, and keep the report in ``out`` up to date.

    What they need is prepared first, if ``root`` has a table that says what that is. A
    cell that raises does not keep the later ones from running, so that one run shows
    every check; nor does a notebook that fails keep others. The report is written at
    the start and after each notebook.

    Args:
        paths: The notebooks, which are left as they are.
        out: Folder for executed copies, ``index.html`` and ``report.json``, and for
            the times that the next run reckons with.
        root: The kernels' working directory.
        profile: ``full`` or ``quick``; notebooks find it in ``CS231N_PROFILE``.
        timeout: Seconds that a single cell may take.
        jobs: How many notebooks and other jobs run at once; None for one a core.
        captions: Folder of the data set for Q1 and Q2; empty for what
            ``CS231N_CAPTIONS`` says, or else the usual one.

    Raises:
        InterruptedRunError: On Ctrl-C, after the report was written.
        ValueError: If ``jobs`` is less than 1.
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f"{jobs} jobs at once were asked for; take 1 or more.")
    variables = {"CS231N_PROFILE": profile}
    if captions:
        variables[chosen.VARIABLE] = captions
    conductor = _Conductor(paths, out, root, variables, timeout, jobs)
    return asyncio.run(conductor.run())


class _Conductor:
    """Runs the jobs of one run, each in a process of its own, and writes the report."""

    def __init__(
        self,
        paths: list[Path],
        out: Path,
        root: Path,
        variables: dict[str, str],
        timeout: float,
        jobs: int | None,
    ) -> None:
        profile = variables["CS231N_PROFILE"]
        self.out, self.root, self.timeout = out, root, timeout
        self.notebooks = {
            path.stem: nbformat.read(path, as_version=4) for path in paths
        }
        self.times = Times(out / "times.json", profile)
        table = read_jobs(root / TABLE)
        every = wanted(self.notebooks, table, os.environ | variables)
        needed = [self.times.of(job) for job in every]
        cores = joblib.cpu_count()
        slots = min(jobs or cores, len(needed))
        self.plan = Plan(needed, slots, free_megabytes())
        results = [
            Result(name, _title(notebook, name), cells=_code_cells(notebook))
            for name, notebook in self.notebooks.items()
        ]
        data = [Outcome(job.name, job.title) for job in needed if job.module]
        self.state = Run(
            profile,
            results,
            data,
            running=True,
            jobs=slots,
            threads=max(1, cores // slots),
            versions=_versions(),
        )
        self.outcomes = {outcome.name: outcome for outcome in self.state.outcomes}
        self.environment = environment(self.state.threads) | {
            **variables,
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        self.screen = Screen()
        self.width = max(map(len, self.outcomes))
        self.begun = time.monotonic()
        self.starts: dict[str, float] = {}
        self.pids: dict[str, int] = {}
        for name in self.notebooks:
            (out / f"{name}.ipynb").unlink(missing_ok=True)

    async def run(self) -> Run:
        """Run everything there is to run.

        Raises:
            InterruptedRunError: On Ctrl-C, after the report was written.
        """
        self.stop = stop = asyncio.Event()
        tasks: dict[asyncio.Task[None], Job] = {}
        watch = asyncio.create_task(self._watch())
        with _signals_set(stop):
            try:
                self._write()
                self._start(tasks)
                while tasks and not stop.is_set():
                    await self._next(tasks)
            except asyncio.CancelledError:  # Ctrl-C where there are no signal handlers
                stop.set()
            finally:
                stop.set()
                if tasks:
                    await asyncio.wait(tasks)
                watch.cancel()
                self.screen.show("")
                for outcome in self.state.outcomes:
                    if outcome.status == "waiting":
                        outcome.status = "not run"
                        outcome.reason = "the run was interrupted"
                self.state.running = False
                self.state.complete = not self._interrupted
                self._write()
        for task in tasks:
            task.result()
        if self._interrupted:
            raise InterruptedRunError
        return self.state

    @property
    def _interrupted(self) -> bool:
        return any(o.reason == "the run was interrupted" for o in self.state.outcomes)

    def _start(self, tasks: dict[asyncio.Task[None], Job]) -> None:
        """Start all jobs that may start."""
        for job in self.plan.start():
            work = self._prepare(job) if job.module else self._execute(job)
            self.outcomes[job.name].status = "running"
            self.starts[job.name] = time.monotonic()
            tasks[asyncio.create_task(work)] = job
        self._show_status()

    async def _next(self, tasks: dict[asyncio.Task[None], Job]) -> None:
        """Wait until a job ends, start those that were waiting for that, and report."""
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            job = tasks.pop(task)
            task.result()
            outcome = self.outcomes[job.name]
            if outcome.status in ("passed", "failed") and not (
                job.module and outcome.status == "failed"
            ):
                self.times.keep(job.name, outcome.seconds, outcome.megabytes)
            lost = self.plan.finish(job, not job.module or outcome.status == "passed")
            for other in lost:
                without = self.outcomes[other.name]
                without.status = "not run"
                without.reason = f"it needs {job.name}, which failed"
                self.screen.say(f"{other.name}: not run, as {without.reason}")
        if not self.stop.is_set():
            self._start(tasks)
            self._write()

    async def _watch(self) -> None:
        """Look once a second at the memory that jobs take, and tell what runs."""
        while True:
            for name in list(self.pids):
                self._measure(name)
            self._show_status()
            await asyncio.sleep(1)

    def _measure(self, name: str) -> None:
        outcome = self.outcomes[name]
        outcome.megabytes = max(outcome.megabytes, round(megabytes(self.pids[name])))

    def _show_status(self) -> None:
        """Tell in the last line what runs, what is done, and when all of it will be."""
        if self.screen.is_terminal:
            running = self.state.named("running")
            waiting = len(self.state.named("waiting"))
            done = len(self.outcomes) - len(running) - waiting
            self.screen.show(
                f"{done} of {len(self.outcomes)} done, running: "
                + ", ".join(f"{name}{self._place(name)}" for name in running)
                + f", waiting: {waiting}" * bool(waiting)
                + f", {about(self._seconds_left())} left"
            )

    def _place(self, name: str) -> str:
        """Return how far a notebook has come, such as `` 3/27``; nothing of data."""
        outcome = self.outcomes[name]
        if not isinstance(outcome, Result):
            return ""
        done = sum(cell.status != "not run" for cell in outcome.cells)
        return f" {done}/{len(outcome.cells)}"

    def _seconds_left(self) -> float:
        now = time.monotonic()
        return self.plan.seconds_left({n: now - at for n, at in self.starts.items()})

    async def _prepare(self, job: Job) -> None:
        """Run the command that prepares data."""
        outcome = self.outcomes[job.name]
        said: list[str] = []

        def say(line: str) -> None:
            said.append(line)
            self.screen.say(f"{job.name:<{self.width}}  {line}")

        arguments = job.quick if self.state.profile != "full" else ()
        status = await command(
            [*commands.words(self.root, job.module), *arguments],
            self.root,
            self.environment,
            self.stop,
            lambda pid: self.pids.update({job.name: pid}),
            say,
        )
        del self.pids[job.name]
        outcome.seconds = self._seconds_of(job)
        if status is None:
            outcome.status, outcome.reason = "stopped", "the run was interrupted"
        elif status:
            outcome.status = "failed"
            last = said[-1] if said else "it said nothing"
            outcome.reason = f"its exit status is {status} and its last line: {last}"
        else:
            outcome.status = "passed"
        if outcome.reason:
            self.screen.say(f"{job.name}: {outcome.status}, as {outcome.reason}")

    def _seconds_of(self, job: Job) -> float:
        return round(time.monotonic() - self.starts[job.name], 3)

    async def _execute(self, job: Job) -> None:
        """Run a notebook and say why cells had no chance, if that is so."""
        notebook, result = self.notebooks[job.name], self.outcomes[job.name]
        assert isinstance(result, Result)
        try:
            await self._run_cells(notebook, result)
        except CellTimeoutError:
            result.reason = f"a cell took longer than {self.timeout:g} s"
        except DeadKernelError:
            result.reason = "the kernel died, often for want of memory"
        except (RuntimeError, TimeoutError) as error:
            result.reason = f"the kernel did not start: {error}"
        except InterruptedRunError:
            result.reason = "the run was interrupted"
        result.seconds = self._seconds_of(job)
        if result.reason:
            self.screen.say(f"{result.name}: stopped, as {result.reason}")
        _read_outputs(notebook, result)
        result.status = _verdict(result)
        with replacing(self.out / f"{result.name}.ipynb") as draft:
            nbformat.write(notebook, draft)
        self.screen.say(_closing_line(result))

    async def _run_cells(self, notebook: nbformat.NotebookNode, result: Result) -> None:
        """Run every code cell, noting seconds and status, and print a line for each."""
        client = client_of(notebook, self.root, self.timeout)
        async with kernel(client, self.environment, self.stop) as pid:
            self.pids[result.name] = pid
            try:
                for cell in result.cells:
                    await self._run_cell(client, result, cell)
                self._measure(result.name)
            finally:
                del self.pids[result.name]

    async def _run_cell(
        self, client: NotebookClient, result: Result, cell: Cell
    ) -> None:
        node = client.nb.cells[cell.index]
        start = time.monotonic()
        try:
            work = client.async_execute_cell(
                node, cell.index, execution_count=cell.number
            )
            await until(self.stop, work)
            cell.status = _status(node)
        except BaseException:
            cell.status = "failed"
            raise
        finally:
            cell.seconds = round(time.monotonic() - start, 3)
            self.screen.say(_line(result, cell, node, self.width))

    def _write(self) -> None:
        """Write the report as things stand."""
        self.state.seconds = time.monotonic() - self.begun
        for result in self.state.results:
            if result.status == "running":
                _read_outputs(self.notebooks[result.name], result)
        for name in self.state.named("running"):
            self.outcomes[name].seconds = time.monotonic() - self.starts[name]
        left = self._seconds_left() if self.state.running else 0.0
        with replacing(self.out / "report.json") as draft:
            text = json.dumps(
                self.state.facts(), indent=1, ensure_ascii=False, allow_nan=False
            )
            draft.write_text(text + "\n", encoding="utf-8")
        with replacing(self.out / "index.html") as draft:
            text = page.render(self.state, self.notebooks, self.root, about(left))
            draft.write_text(text, encoding="utf-8")


@contextmanager
def _signals_set(stop: asyncio.Event) -> Iterator[None]:
    """Let Ctrl-C, a request to end and a closed terminal set an event."""
    loop, numbers = asyncio.get_running_loop(), []
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        try:
            loop.add_signal_handler(getattr(signal, name), stop.set)
        except (AttributeError, NotImplementedError, RuntimeError, ValueError):
            continue  # Windows, or not the main thread: asyncio cancels the run
        numbers.append(getattr(signal, name))
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _line(result: Result, cell: Cell, node: nbformat.NotebookNode, width: int) -> str:
    """Return how a cell went, in a line, and below it what went wrong."""
    label = cell.label
    if len(label) > _LABEL_WIDTH:
        label = label[: _LABEL_WIDTH - 1] + "…"
    verdict = "FAILED" if cell.status == "failed" else cell.status
    lines = [
        f"{result.name:<{width}}  {cell.number:>3}/{len(result.cells)}  "
        f"{label:<{_LABEL_WIDTH}}  {cell.seconds:>6.1f} s  {verdict}"
    ]
    for output in node.get("outputs", []):
        if output.output_type == "error":
            lines.append(f"    {output.ename}: {output.evalue}")
        elif output.get("name") == "stderr":
            lines.append(_indented(output.text))
    return "\n".join(lines)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip().splitlines())


def _status(node: nbformat.NotebookNode) -> str:
    if any(output.output_type == "error" for output in node.outputs):
        return "failed"
    if _stderr(node):
        return "warned"
    return "ok"


def _stderr(node: nbformat.NotebookNode) -> str:
    return "".join(
        output.text
        for output in node.outputs
        if output.output_type == "stream" and output.name == "stderr"
    ).strip()


def _read_outputs(notebook: nbformat.NotebookNode, result: Result) -> None:
    """Read checks, warnings and figures off the cells that were executed so far."""
    result.warnings, result.checks = [], []
    result.figures = result.figures_without_alt = 0
    for cell in result.cells:
        node = notebook.cells[cell.index]
        if text := _stderr(node):
            result.warnings.append({"cell": cell.index, "text": text})
        for output in node.outputs:
            data = output.get("data", {})
            if CHECKS_MIME in data:
                result.checks += _checks(data[CHECKS_MIME], cell.index)
            for picture in page.pictures(output):
                result.figures += 1
                result.figures_without_alt += not picture.alt


def _verdict(result: Result) -> str:
    """Return the status of a notebook that runs no more."""
    if result.reason:
        return "stopped"
    well = all(cell.status == "ok" for cell in result.cells) and not result.failures
    return "passed" if well else "failed"


def _checks(payload: Any, cell: int) -> list[Check]:
    """Return the checks of a published table; one that is no table has failed."""
    try:
        title = str(payload["title"])
        return [_check(title, row, cell) for row in payload["rows"]]
    except (KeyError, TypeError, ValueError) as error:
        name = f"a table of checks that cannot be read ({error!r})"
        return [Check(name, None, None, "<", False, cell)]


def _check(title: str, row: dict[str, Any], cell: int) -> Check:
    error, threshold, relation = row["error"], float(row["threshold"]), row["relation"]
    if relation not in {"<", ">="}:
        raise ValueError(relation)
    passed = row["passed"] is True
    if error is not None:
        error = float(error)
        # A verdict that its own numbers contradict is no pass.
        inside = error <= threshold if relation == "<" else error >= threshold
        passed = passed and inside
        error = error if math.isfinite(error) else None
    return Check(f"{title}: {row['name']}", error, threshold, relation, passed, cell)


def _code_cells(notebook: nbformat.NotebookNode) -> list[Cell]:
    """List the cells that will run, each with a name a reader can recognise.

    The first cell below a heading is called as the heading, the others as their first
    line of code.
    """
    cells: list[Cell] = []
    heading = ""
    for index, node in enumerate(notebook.cells):
        if node.cell_type == "markdown":
            if found := re.findall(r"^#+\s+(.+?)\s*#*$", node.source, re.MULTILINE):
                heading = re.sub(r"[`*$]", "", found[-1])
        elif node.cell_type == "code" and node.source.strip():
            node.outputs, node.execution_count = [], None
            cells.append(
                Cell(index, len(cells) + 1, heading or page.first_line(node.source))
            )
            heading = ""
    return cells


def _title(notebook: nbformat.NotebookNode, name: str) -> str:
    question = question_of(name)
    if question:
        return f"{question.id}: {question.title}"
    for node in notebook.cells:
        if node.cell_type == "markdown" and node.source.startswith("# "):
            return str(node.source.splitlines()[0].removeprefix("# "))
    return name


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "system": platform.platform()}
    return found | installed(_VERSIONS_OF) | installed_of(_OF_TENSORFLOW)


def _closing_line(result: Result) -> str:
    passed = len(result.checks) - len(result.failures)
    parts = [
        f"{result.name}: {result.status}",
        f"{passed} of {len(result.checks)} checks passed",
        f"{result.seconds:.0f} s",
        f"at most {result.megabytes:,} MB",
    ]
    if result.warnings:
        parts.append(f"cells with a warning: {len(result.warnings)}")
    if result.figures_without_alt:
        parts.append(f"pictures without a description: {result.figures_without_alt}")
    return ", ".join(parts)


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m staff run``."""
    parser = argparse.ArgumentParser(prog="python -m staff run", description=__doc__)
    parser.add_argument(
        "names", nargs="*", help="notebooks; all of them if none is given"
    )
    parser.add_argument(
        "--profile",
        choices=["full", "quick"],
        default=os.environ.get("CS231N_PROFILE") or "full",
        help="quick shortens the training and nothing else",
    )
    parser.add_argument(
        "--captions",
        default=os.environ.get(chosen.VARIABLE),
        metavar="NAME",
        help="a captioned data set of yours, or its folder, for Q1 and Q2",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "report")
    parser.add_argument(
        "--timeout", type=float, default=1800, help="seconds for one cell (%(default)g)"
    )
    parser.add_argument(
        "--jobs",
        type=commands.positive,
        metavar="N",
        help="how many notebooks and other jobs run at once; by default one a core",
    )
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)

    known = [n for n in notebook_names() if (args.root / f"{n}.ipynb").exists()]
    apart = [name for name in known if not can_run(name)]
    names = [name.removesuffix(".ipynb") for name in args.names]
    if refused := [name for name in names if name in apart]:
        parser.error(f"{', '.join(refused)} cannot run here: {_WITH_TENSORFLOW}")
    if apart and not names:
        print(f"Left out: {', '.join(apart)}. {_WITH_TENSORFLOW}")
    names = names or [name for name in known if name not in apart]
    if strangers := [n for n in names if not (args.root / f"{n}.ipynb").exists()]:
        parser.error(
            f"no notebook is called {', '.join(strangers)}; there are "
            f"{', '.join(known) or 'none yet'}."
        )
    if not names:
        parser.error(
            "there is no notebook yet; make them with: python -m staff notebooks"
        )
    if args.captions:
        try:
            args.captions = str(chosen.locate(args.captions))
        except FileNotFoundError as error:
            parser.error(str(error))
    try:
        run = run_notebooks(
            [args.root / f"{name}.ipynb" for name in names],
            args.out,
            root=args.root,
            profile=args.profile,
            timeout=args.timeout,
            jobs=args.jobs,
            captions=args.captions or "",
        )
    except InterruptedRunError:
        print(f"Interrupted. What there is so far: {args.out / 'index.html'}")
        return 130
    print(f"{'Passed' if run.passed else 'FAILED'}. Report: {args.out / 'index.html'}")
    return 0 if run.passed else 1
