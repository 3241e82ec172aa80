"""Execute the notebooks, a line for each cell, and gather the facts for the report."""

import argparse
import asyncio
import json
import math
import os
import platform
import re
import signal
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from cs231n.assignment.answers import CHECKS_MIME
from cs231n.support.files import replacing
from staff.questions import ROOT, notebook_names, question_of
from staff.report import page
from staff.report.results import Cell, Check, Result, Run

_VERSIONS_OF = ("numpy", "scipy", "matplotlib", "torch", "torchvision", "h5py")
_LABEL_WIDTH = 46


class _OwnPython(KernelSpecManager):
    """Starts kernels with this very Python, whatever else is installed elsewhere."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return a specification that names this interpreter."""
        del kernel_name
        command = [
            sys.executable,
            "-m",
            "ipykernel_launcher",
            "-f",
            "{connection_file}",
        ]
        return KernelSpec(argv=command, display_name="Python 3", language="python")


class InterruptedRunError(Exception):
    """Somebody pressed Ctrl-C, or asked the process to end."""


def run_notebooks(
    paths: list[Path],
    out: Path,
    *,
    root: Path = ROOT,
    profile: str = "full",
    timeout: float = 1800,
) -> Run:
    """Execute notebooks one after another and keep the report in ``out`` up to date.

    A cell that raises does not keep the later ones from running, so that one run shows
    every check. The report is written before the first notebook and after each one.

    Args:
        paths: The notebooks, which are left as they are.
        out: Folder for executed copies, ``index.html`` and ``report.json``.
        root: The kernels' working directory.
        profile: ``full`` or ``quick``; notebooks find it in ``CS231N_PROFILE``.
        timeout: Seconds that a single cell may take.

    Raises:
        InterruptedRunError: On Ctrl-C, after the report was written.
    """
    notebooks = {path.stem: nbformat.read(path, as_version=4) for path in paths}
    results = [
        Result(name, _title(notebook, name), cells=_code_cells(notebook))
        for name, notebook in notebooks.items()
    ]
    run = Run(profile, results, versions=_versions())
    for name in notebooks:
        (out / f"{name}.ipynb").unlink(missing_ok=True)
    try:
        _write(run, notebooks, out, root)
        for result in results:
            notebook = notebooks[result.name]
            try:
                asyncio.run(_execute(notebook, result, root, profile, timeout))
            finally:
                _judge(notebook, result)
                with replacing(out / f"{result.name}.ipynb") as draft:
                    nbformat.write(notebook, draft)
            print(_closing_line(result), flush=True)
            run.complete = result is results[-1]
            _write(run, notebooks, out, root)
    except (InterruptedRunError, KeyboardInterrupt):
        _write(run, notebooks, out, root)
        raise InterruptedRunError from None
    return run


async def _execute(
    notebook: nbformat.NotebookNode,
    result: Result,
    root: Path,
    profile: str,
    timeout: float,
) -> None:
    """Run every code cell and say why the later ones had no chance, if that is so."""
    begun = time.monotonic()
    try:
        await _run_cells(_client(notebook, root, timeout), result, profile)
    except CellTimeoutError:
        result.reason = f"a cell took longer than {timeout:g} s"
    except DeadKernelError:
        result.reason = "the kernel died, often for want of memory"
    except (RuntimeError, TimeoutError) as error:
        result.reason = f"the kernel did not start: {error}"
    except (InterruptedRunError, KeyboardInterrupt, asyncio.CancelledError):
        result.reason = "the run was interrupted"
        raise InterruptedRunError from None
    finally:
        result.seconds = round(time.monotonic() - begun, 3)
        if result.reason:
            result.status = "stopped"
            print(f"{result.name}: stopped, as {result.reason}", flush=True)


def _client(
    notebook: nbformat.NotebookNode, root: Path, timeout: float
) -> NotebookClient:
    client = NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_spec_manager=_OwnPython()),
        timeout=timeout,
        allow_errors=True,
        coalesce_streams=True,
        extra_arguments=["--log-level=40"],  # the kernel's own remarks are not a cell's
        resources={"metadata": {"path": str(root)}},
    )
    client.owns_km = True
    return client


async def _run_cells(client: NotebookClient, result: Result, profile: str) -> None:
    """Run every code cell, noting seconds and status, and print a line for each."""
    environment = os.environ | {
        "CS231N_PROFILE": profile,
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    async with client.async_setup_kernel(env=environment):
        stop = _listen_for_signals()
        for cell in result.cells:
            node = client.nb.cells[cell.index]
            progress = _Progress(result, cell)
            start = time.monotonic()
            try:
                work = client.async_execute_cell(
                    node, cell.index, execution_count=cell.number
                )
                await _until(stop, work)
                cell.status = _status(node)
            except BaseException:
                cell.status = "failed"
                raise
            finally:
                cell.seconds = round(time.monotonic() - start, 3)
                progress.close(node)


def _listen_for_signals() -> asyncio.Event:
    """Return an event that Ctrl-C and a request to end set, in place of nbclient's."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        except (NotImplementedError, RuntimeError, ValueError):
            return stop  # Windows, or not the main thread: KeyboardInterrupt serves
    return stop


async def _until(stop: asyncio.Event, work: Any) -> None:
    """Await ``work``, or raise InterruptedRunError as soon as ``stop`` is set."""
    task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # nbclient turns the cancellation into an error of its own
        raise InterruptedRunError
    stopped.cancel()
    task.result()


class _Progress:
    """One line on stdout for each cell; on a terminal it is there from the start."""

    def __init__(self, result: Result, cell: Cell) -> None:
        self.cell = cell
        of = f"{cell.number:>3}/{len(result.cells)}"
        label = cell.label
        if len(label) > _LABEL_WIDTH:
            label = label[: _LABEL_WIDTH - 1] + "…"
        self.line = f"{result.name}  {of}  {label:<{_LABEL_WIDTH}}"
        if sys.stdout.isatty():
            print(f"{self.line}  …", end="\r", flush=True)

    def close(self, node: nbformat.NotebookNode) -> None:
        """Print how it went, and what went wrong."""
        verdict = "FAILED" if self.cell.status == "failed" else self.cell.status
        print(f"{self.line}  {self.cell.seconds:>6.1f} s  {verdict}", flush=True)
        for output in node.get("outputs", []):
            if output.output_type == "error":
                print(f"    {output.ename}: {output.evalue}", flush=True)
            elif output.get("name") == "stderr":
                print(_indented(output.text), flush=True)


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


def _judge(notebook: nbformat.NotebookNode, result: Result) -> None:
    """Read checks, warnings and figures off the executed cells; give the verdict."""
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
    if result.status == "stopped":
        return
    well = all(cell.status == "ok" for cell in result.cells) and not result.failures
    result.status = "passed" if well else "failed"


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
    for package in _VERSIONS_OF:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _write(
    run: Run, notebooks: dict[str, nbformat.NotebookNode], out: Path, root: Path
) -> None:
    with replacing(out / "report.json") as draft:
        text = json.dumps(run.facts(), indent=1, ensure_ascii=False, allow_nan=False)
        draft.write_text(text + "\n", encoding="utf-8")
    with replacing(out / "index.html") as draft:
        draft.write_text(page.render(run, notebooks, root), encoding="utf-8")


def _closing_line(result: Result) -> str:
    passed = len(result.checks) - len(result.failures)
    parts = [
        f"{result.name}: {result.status}",
        f"{passed} of {len(result.checks)} checks passed",
        f"{result.seconds:.0f} s",
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
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "report")
    parser.add_argument(
        "--timeout", type=float, default=1800, help="seconds for one cell (%(default)g)"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)

    known = [n for n in notebook_names() if (args.root / f"{n}.ipynb").exists()]
    names = [name.removesuffix(".ipynb") for name in args.names] or known
    if strangers := [n for n in names if not (args.root / f"{n}.ipynb").exists()]:
        parser.error(
            f"no notebook is called {', '.join(strangers)}; there are "
            f"{', '.join(known) or 'none yet'}."
        )
    if not names:
        parser.error(
            "there is no notebook yet; make them with: python -m staff notebooks"
        )
    try:
        run = run_notebooks(
            [args.root / f"{name}.ipynb" for name in names],
            args.out,
            root=args.root,
            profile=args.profile,
            timeout=args.timeout,
        )
    except InterruptedRunError:
        print(f"Interrupted. What there is so far: {args.out / 'index.html'}")
        return 130
    print(f"{'Passed' if run.passed else 'FAILED'}. Report: {args.out / 'index.html'}")
    return 0 if run.passed else 1
