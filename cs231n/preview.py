"""What a grader will see in a hand-in, told before it is handed in."""

import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cs231n import commands, handout, regions
from cs231n.answers import CHECKS_MIME
from cs231n.assignment import Question
from cs231n.handout import cell_text
from cs231n.merge import ANSWER, MergeError, parse_notebook

# Text that begins like a place on somebody's own computer.
_OWN_PLACE = re.compile(
    r"""["'](/(?:home|Users|root|content|kaggle|mnt|media|Volumes|private|tmp)/[^"']*"""
    r"""|~[/\\][^"']*|[A-Za-z]:[\\/][^"']*)["']"""
)


def notebook_remarks(
    content: bytes, name: str, question: Question, stamp: handout.Stamp | None, now: str
) -> list[str]:
    """Say what a grader will miss in a notebook or stumble over.

    Args:
        content: The notebook.
        name: Its file's name.
        question: What it belongs to.
        stamp: That of the hand-out, if it is there.
        now: The digest of the answers to the question as they are.
    """
    try:
        cells = parse_notebook(content, name)["cells"]
    except MergeError as error:
        return error.problems
    code = [
        (number, cell)
        for number, cell in enumerate(cells, start=1)
        if cell["cell_type"] == "code" and cell_text(cell).strip()
    ]
    remarks = [
        *_not_run(code),
        *_out_of_order(code),
        *_errors(code),
        *_own_places(code),
        *_stale(code, question.id, now),
        *_unanswered(cells),
    ]
    ids = {cell.get("id") for cell in cells}
    given = stamp.cells.get(name, {}) if stamp else {}
    lost = [cell_id for cell_id in given if cell_id not in ids]
    if 0 < len(lost) < len(given):  # if all are lost, a tool has renamed them
        remarks.append(f"Cells of the hand-out that are not in it: {len(lost)}.")
    return remarks


def _not_run(code: list[tuple[int, dict[str, Any]]]) -> Iterator[str]:
    left = [
        pair for pair in code if not isinstance(pair[1].get("execution_count"), int)
    ]
    if len(left) == len(code) > 0:
        yield "It has not been run; run it from top to bottom and save it."
    elif left:
        yield (
            f"{len(left)} of {len(code)} code cells have not been run; the first is "
            f"{_called(*left[0])}."
        )


def _out_of_order(code: list[tuple[int, dict[str, Any]]]) -> Iterator[str]:
    latest, before = 0, ""
    for number, cell in code:
        count = cell.get("execution_count")
        if not isinstance(count, int):
            continue
        if count <= latest:
            yield (
                f"Cells were run out of order: {_called(number, cell)} before "
                f"{before}; restart the kernel and run them all."
            )
            return
        latest, before = count, f"cell {number}"


def _errors(code: list[tuple[int, dict[str, Any]]]) -> Iterator[str]:
    for number, cell in code:
        for output in cell.get("outputs", []):
            if output.get("output_type") == "error":
                said = f"{output.get('ename')}: {output.get('evalue')}".splitlines()[0]
                said = said if len(said) <= 100 else f"{said[:99]}…"
                yield f"{_called(number, cell)} ends in an error: {said}"


def _own_places(code: list[tuple[int, dict[str, Any]]]) -> Iterator[str]:
    for number, cell in code:
        for found in _OWN_PLACE.finditer(cell_text(cell)):
            yield (
                f"{_called(number, cell)} speaks of {found[1]}, which is on your "
                "computer only; name it from this folder."
            )


def _stale(
    code: list[tuple[int, dict[str, Any]]], question: str, now: str
) -> Iterator[str]:
    """Compare with the answers that the last check of a notebook was made on.

    Earlier checks were made while later functions were still to be written, so those
    say nothing. Times of files say nothing either: unpacking and copying change them.
    """
    then = ""
    for _, cell in code:
        for output in cell.get("outputs", []):
            data = output.get("data")
            table = data.get(CHECKS_MIME) if isinstance(data, dict) else None
            stored = table.get("answers") if isinstance(table, dict) else None
            if isinstance(stored, dict):
                then = str(stored.get(question, ""))
    if then and now and then != now:
        yield (
            "Its outputs are of older answers: you have changed what you wrote for "
            f"{question} since its last check ran; run it again."
        )


def _unanswered(cells: list[dict[str, Any]]) -> Iterator[str]:
    for number, cell in enumerate(cells, start=1):
        head, mark, below = cell_text(cell).partition(ANSWER)
        if cell["cell_type"] == "markdown" and mark and not below.strip():
            asked = re.sub(r"^.*?\*\*TODO\([\w-]+\):\*\*\s*", "", head, flags=re.DOTALL)
            yield f"cell {number} awaits an answer in words: “{_start(asked)}”"


def _called(number: int, cell: dict[str, Any]) -> str:
    return f"cell {number} (“{_start(cell_text(cell))}”)"


def _start(text: str) -> str:
    line = next(iter(text.strip().splitlines()), "")
    return line if len(line) <= 40 else f"{line[:39]}…"


def changed_given_files(root: Path, stamp: handout.Stamp) -> list[str]:
    """Name the modules in which something was changed that no box asks for."""
    changed = []
    for path, wanted in stamp.files.items():
        if not path.startswith("cs231n/") or not path.endswith(".py"):
            continue
        try:
            content = (root / path).read_bytes()
            if path in stamp.given:
                source = content.decode("utf-8").replace("\r\n", "\n")
                content = regions.skeleton(source, path).encode()
                wanted = stamp.given[path]
        except FileNotFoundError:
            continue
        except (OSError, ValueError):
            changed.append(path)  # a damaged box is a change too
            continue
        if handout.fingerprint(content) != wanted:
            changed.append(path)
    return changed


def run_checks(root: Path, edition: str, seconds: float) -> dict[str, Any]:
    """Run ``python -m cs231n.check --json`` and return what it says.

    Args:
        root: The folder that ``cs231n`` lies in.
        edition: The set of questions.
        seconds: How long it may take.

    Raises:
        ValueError: If it says nothing that can be used; the message tells why.
    """
    if not (root / "cs231n" / "check.py").is_file():
        raise ValueError("cs231n/check.py is not here")
    command = [*commands.words(root, "cs231n.check"), "--json", "--edition", edition]
    # Files and not pipes: whatever a student's code has started cannot hold them open.
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(
                command,
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=complaints,
                start_new_session=True,
            )
        except OSError as error:
            raise ValueError(f"they did not start ({error})") from None
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ValueError(f"they took longer than {seconds:g} s") from None
        finally:
            if process.poll() is None:
                _end(process)
        said.seek(0)
        complaints.seek(0)
        text = said.read().decode("utf-8", "replace")
        last = complaints.read().decode("utf-8", "replace").strip().splitlines()[-1:]
    try:
        facts = json.loads(text[max(text.find("\n{") + 1, 0) :])
        for entry in facts["functions"].values():
            float(entry["points"]), float(entry["earned"]), str(entry["state"])
    except (ValueError, KeyError, TypeError, AttributeError):
        why = last[0] if last else f"exit status {status}"
        raise ValueError(f"they ended without a result ({why})") from None
    return dict(facts)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and, where the system can, whatever it has started."""
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def check_remarks(facts: dict[str, Any], questions: list[Question]) -> list[str]:
    """Say, question by question, how many points the public checks would give."""
    lines = []
    for question in questions:
        entries = {
            function.short: facts["functions"][function.key]
            for function in question.functions
            if function.key in facts["functions"]
        }
        if not entries:
            continue
        earned = sum(float(entry["earned"]) for entry in entries.values())
        possible = sum(float(entry["points"]) for entry in entries.values())
        line = f"{question.id}: {earned:g} of {possible:g} points"
        for state in dict.fromkeys(str(entry["state"]) for entry in entries.values()):
            named = [n for n, entry in entries.items() if entry["state"] == state]
            if state != "done":
                line += f"; {state}: {', '.join(named)}"
        lines.append(line)
    return lines
