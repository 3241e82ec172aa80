"""What the student's check says of a tree, and of the tree with changes made to it."""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cs231n.support.progress import progress_bar
from cs231n.tools.check.command import EARNS
from staff import markers
from staff.handout.files import HandoutError
from staff.handout.imports import importers
from staff.questions import ROOT, Question

MUTANTS = "staff/mutants.toml"
_DRIVER = ROOT / "staff" / "handout" / "driver.py"
_CLOSE = 0.05  # points are rounded to hundredths before they are added up


@dataclass(frozen=True)
class Score:
    """What the check says: for each function its state, and its points."""

    states: dict[str, str]
    earned: dict[str, float]
    possible: dict[str, float]

    @property
    def total(self) -> float:
        """All points earned."""
        return sum(self.earned.values())


@dataclass(frozen=True)
class Mutant:
    """A solved function with a mistake in it.

    Attributes:
        file: The module, from the root.
        function: Qualified name of the function that is changed.
        old: Text in its answer that is replaced; it stands there once.
        new: What comes in its place.
        questions: The questions that have to lose points; the others keep theirs.
    """

    file: str
    function: str
    old: str
    new: str
    questions: tuple[str, ...]


def environment(data: Path, **more: str) -> dict[str, str]:
    """Return what programs are run with in a hand-out: one thread, nothing of ours.

    Args:
        data: The data folder.
        **more: Further variables.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "CS231N_", "PYTHON"))
    }
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
    )
    ours = {
        "CS231N_DATA_DIR": os.environ.get("CS231N_DATA_DIR") or str(data),
        "CS231N_DEVICE": "cpu",
        "CS231N_OFFLINE": "1",
        "MPLBACKEND": "Agg",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    return kept | threads | ours | more


@contextmanager
def copied(files: Mapping[str, bytes]) -> Iterator[Path]:
    """Yield a folder that holds some files, for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="cs231n-") as name:
        for path, content in files.items():
            target = Path(name) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        yield Path(name)


def solved_files(root: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Return the files of a hand-out as they are in the solved tree."""
    return {
        name: (root / name).read_bytes()
        for name in names
        if (root / name).is_file() and name.startswith("cs231n/")
    }


def score(files: Mapping[str, bytes], data: Path, edition: str) -> Score:
    """Run the student's check on a tree, as a student would.

    Args:
        files: The tree.
        data: The data folder.
        edition: Which set of questions.

    Raises:
        HandoutError: If the check does not come back with a score.
    """
    command = [sys.executable, "-m", "cs231n.check", "--json", "--edition", edition]
    with copied(files) as tree:
        done = subprocess.run(
            command,
            cwd=tree,
            env=environment(data),
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
    try:
        table: dict[str, dict[str, Any]] = json.loads(done.stdout)["functions"]
        return Score(
            {key: str(row["state"]) for key, row in table.items()},
            {key: float(row["earned"]) for key, row in table.items()},
            {key: float(row["points"]) for key, row in table.items()},
        )
    except (ValueError, KeyError, TypeError):
        said = (done.stdout + done.stderr).strip().splitlines() or ["nothing"]
        raise HandoutError(
            f"python -m cs231n.check --json gave no score but: {said[-1][:300]}"
        ) from None


def states(
    files: Mapping[str, bytes],
    changes: Sequence[Mapping[str, str]],
    keys: Sequence[Sequence[str]],
    data: Path,
    description: str = "",
) -> list[dict[str, str]]:
    """Let the check's worker judge functions, once for each set of changes to a tree.

    Args:
        files: The tree.
        changes: For each run, path -> text of the files that are changed.
        keys: For each run, the functions.
        data: The data folder.
        description: What the progress bar says, if there shall be one.

    Returns:
        For each run, key -> its state: see ``cs231n.tools.check.verdict``.

    Raises:
        HandoutError: If the worker cannot be run.
    """
    found = []
    with copied(files) as tree:
        process = subprocess.Popen(
            [sys.executable, str(_DRIVER)],
            cwd=tree,
            env=environment(data),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        with process, progress_bar(len(changes), description, bool(description)) as bar:
            assert process.stdin is not None
            assert process.stdout is not None
            for changed, asked in zip(changes, keys, strict=True):
                job = {"files": changed, "keys": asked}
                process.stdin.write(json.dumps(job) + "\n")
                process.stdin.flush()
                answer = process.stdout.readline()
                if not answer:
                    raise HandoutError("The check's worker could not be run.")
                found.append(json.loads(answer))
                bar.update()
            process.stdin.close()
    return found


def keys_of(table: Sequence[Question], files: Mapping[str, bytes]) -> dict[str, str]:
    """Return key -> question's id of every function that a tree has the file of."""
    return {f.key: q.id for q in table for f in q.functions if f.file in files}


def score_problems(
    handed_out: Mapping[str, bytes],
    solved: Mapping[str, bytes],
    table: Sequence[Question],
    data: Path,
) -> list[str]:
    """Say where the hand-out earns a point, or the solved tree lacks one."""
    problems = []
    for edition in dict.fromkeys(name for q in table for name in q.points):
        asked = [q for q in table if edition in q.points]
        keys = keys_of(asked, solved)
        nothing = score(handed_out, data, edition)
        everything = score(solved, data, edition)
        if nothing.total:
            problems.append(f"{edition}: the hand-out earns {nothing.total:g} points.")
        for key in keys:
            if (state := nothing.states.get(key, "unknown")) != "not started":
                problems.append(
                    f"{edition}: the check calls {key} {state} when it is not."
                )
            if (state := everything.states.get(key, "unknown")) != "done":
                problems.append(
                    f"{edition}: the check calls {key} {state}, but it is done."
                )
        whole = {*keys} == {f.key for q in asked for f in q.functions}
        if whole and abs(everything.total - 100) > _CLOSE:
            problems.append(
                f"{edition}: the solution earns {everything.total:g} points."
            )
    return problems


def mutants(root: Path) -> list[Mutant]:
    """Read the bank of mutants.

    Raises:
        HandoutError: If an entry cannot be understood.
    """
    table = tomllib.loads((root / MUTANTS).read_text("utf-8"))
    try:
        return [
            Mutant(
                group["file"],
                group["function"],
                old,
                new,
                tuple(group["questions"]),
            )
            for group in table["mutants"]
            for old, new in group["edits"]
        ]
    except (KeyError, ValueError) as error:
        raise HandoutError(f"{MUTANTS}: an entry is not complete ({error}).") from None


def mutate(source: str, mutant: Mutant, questions: Sequence[str]) -> str:
    """Return a module with a mistake in one of its answers.

    Raises:
        HandoutError: If the answer does not hold the text once.
    """
    lines = source.splitlines(keepends=True)
    for region in markers.regions(source, mutant.file, questions):
        if region.function == mutant.function:
            answer = "".join(lines[region.begin : region.end - 1])
            if answer.count(mutant.old) != 1:
                raise HandoutError(
                    f"{MUTANTS}: the answer of {mutant.function} holds "
                    f"{answer.count(mutant.old)} times {mutant.old!r}; once is wanted."
                )
            lines[region.begin : region.end - 1] = answer.replace(
                mutant.old, mutant.new
            )
            return "".join(lines)
    raise HandoutError(
        f"{MUTANTS}: {mutant.file} has no answer in a function {mutant.function}."
    )


def mutant_problems(
    solved: Mapping[str, bytes],
    bank: Sequence[Mutant],
    table: Sequence[Question],
    data: Path,
    description: str = "",
) -> list[str]:
    """Name each mutant that loses no points, or points of a question it leaves alone.

    Only questions whose files import the changed one are looked at; the others cannot
    notice.
    """
    ids = [question.id for question in table]
    keys = keys_of(table, solved)
    text = {name: c.decode() for name, c in solved.items() if name.endswith(".py")}
    reached: dict[str, set[str]] = {}
    changes, asked = [], []
    for mutant in bank:
        changes.append({mutant.file: mutate(text[mutant.file], mutant, ids)})
        if mutant.file not in reached:
            reached[mutant.file] = importers(text, mutant.file)
        near = {q.id for q in table if reached[mutant.file] & {*q.modules}}
        asked.append([key for key, question in keys.items() if question in near])
    problems = []
    found = states(solved, changes, asked, data, description)
    for mutant, judged in zip(bank, found, strict=True):
        lost = {keys[key] for key, state in judged.items() if state not in EARNS}
        what = f"the mutant {mutant.function}: {mutant.old!r} -> {mutant.new!r}"
        if missing := set(mutant.questions) - lost:
            problems.append(f"{what} loses no points on {', '.join(sorted(missing))}.")
        if more := lost - set(mutant.questions):
            problems.append(f"{what} also loses points on {', '.join(sorted(more))}.")
    return problems
