"""What the public checks say of a hand-in, told before it is handed in."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cs231n.assignment.table import Question
from cs231n.support import commands


@dataclass(frozen=True)
class Score:
    """What the checks say of one function.

    Attributes:
        state: See ``cs231n.tools.check.verdict``.
        points: What it is worth.
        earned: What the checks would give.
    """

    state: str
    points: float
    earned: float


def run_checks(root: Path, edition: str, seconds: float) -> dict[str, Score]:
    """Run ``python -m cs231n.check --json`` and return what it says of each function.

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
        return scores_in(text)
    except ValueError:
        why = last[0] if last else f"exit status {status}"
        raise ValueError(f"they ended without a result ({why})") from None


def scores_in(text: str) -> dict[str, Score]:
    """Return the scores in what ``python -m cs231n.check --json`` printed.

    Raises:
        ValueError: If there are none in it.
    """
    try:
        facts = json.loads(text[max(text.find("\n{") + 1, 0) :])
        return {
            key: Score(
                str(entry["state"]), float(entry["points"]), float(entry["earned"])
            )
            for key, entry in facts["functions"].items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"there are no scores in it ({error!r})") from error


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and, where the system can, whatever it has started."""
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def better(rows: Sequence[Question], scores: Mapping[str, Score]) -> Question:
    """Return the one that counts of the ways in which a question was done.

    Args:
        rows: The ways.
        scores: What the checks say.
    """

    def earned(row: Question) -> float:
        return sum(score.earned for score in _of(row, scores).values())

    return max(rows, key=earned)


def lacking(scores: Mapping[str, Score], questions: Sequence[Question]) -> int:
    """Return in how many questions the public checks would not give every point."""
    return sum(
        any(
            score.points - score.earned > 1e-6
            for score in _of(question, scores).values()
        )
        for question in questions
    )


def check_remarks(
    scores: Mapping[str, Score], questions: Sequence[Question]
) -> list[str]:
    """Say, question by question, how many points the public checks would give."""
    lines = []
    for question in questions:
        if not (found := _of(question, scores)):
            continue
        earned = sum(score.earned for score in found.values())
        possible = sum(score.points for score in found.values())
        line = f"{question.id}: {earned:g} of {possible:g} points"
        for state in dict.fromkeys(score.state for score in found.values()):
            named = [name for name, score in found.items() if score.state == state]
            if state != "done":
                line += f"; {state}: {', '.join(named)}"
        lines.append(line)
    return lines


def _of(question: Question, scores: Mapping[str, Score]) -> dict[str, Score]:
    """Return what is known of a question's functions, by what people call them."""
    return {f.short: scores[f.key] for f in question.functions if f.key in scores}
