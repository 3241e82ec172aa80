"""What the student's check says of a tree, and of the tree with changes made to it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cs231n.assignment.table import function, installed
from cs231n.tools.check.command import EARNS
from cs231n.tools.submission.public_checks import Score, scores_in
from staff.handout.files import HandoutError
from staff.handout.imports import importers
from staff.judging.asking import ask, copied, environment, run_python
from staff.mistakes.bank import Slip, answers_with, bank
from staff.mistakes.writings import sources
from staff.questions import Question

_CLOSE = 0.05  # points are rounded to hundredths before they are added up


def solved_files(root: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Return the files of a hand-out as they are in the solved tree."""
    return {
        name: (root / name).read_bytes()
        for name in names
        if (root / name).is_file() and name.startswith("cs231n/")
    }


def score(files: Mapping[str, bytes], data: Path, edition: str) -> dict[str, Score]:
    """Run the student's check on a tree, as a student would.

    Args:
        files: The tree.
        data: The data folder.
        edition: Which set of questions.

    Raises:
        HandoutError: If the check does not come back with a score.
    """
    command = ("-m", "cs231n.check", "--json", "--edition", edition)
    with copied(files) as tree:
        done = run_python(*command, cwd=tree, env=environment(data))
    try:
        return scores_in(done.stdout)
    except ValueError:
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
        AskingError: If the worker cannot be run.
    """
    jobs = [{"files": c, "keys": k} for c, k in zip(changes, keys, strict=True)]
    return list(ask("states", files, jobs, environment(data), description))


def keys_of(table: Sequence[Question], files: Mapping[str, bytes]) -> dict[str, str]:
    """Return key -> question's id of every function that can be tried in a tree.

    The tree has to have its file, and this environment its framework.
    """
    here = [q for q in table if installed(q.framework)]
    return {f.key: q.id for q in here for f in q.functions if f.file in files}


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
        none, total = (
            sum(one.earned for one in found.values()) for found in (nothing, everything)
        )
        if none:
            problems.append(f"{edition}: the hand-out earns {none:g} points.")
        for key in keys:
            if (state := _state(nothing, key)) != "not started":
                problems.append(
                    f"{edition}: the check calls {key} {state} when it is not."
                )
            if (state := _state(everything, key)) != "done":
                problems.append(
                    f"{edition}: the check calls {key} {state}, but it is done."
                )
        whole = {*keys} == {f.key for q in asked for f in q.functions}
        if whole and abs(total - 100) > _CLOSE:
            problems.append(f"{edition}: the solution earns {total:g} points.")
    return problems


def _state(found: Mapping[str, Score], key: str) -> str:
    return found[key].state if key in found else "unknown"


def mutants() -> list[Slip]:
    """Return the mistakes of the bank that cost points, of what can be tried here."""
    slips = [s for s in bank()[1] if s.tier == "asked" and not s.implied]
    return [s for s in slips if installed(function(s.key).framework)]


def mutant_problems(
    solved: Mapping[str, bytes],
    slips: Sequence[Slip],
    table: Sequence[Question],
    data: Path,
    description: str = "",
) -> list[str]:
    """Name each mistake that loses no points, or points of a question it is not in.

    Only questions whose files import the changed one are looked at; the others cannot
    notice. A mistake in a function that two questions have may lose points on either.
    """
    keys = keys_of(table, solved)
    text = {name: c.decode() for name, c in solved.items() if name.endswith(".py")}
    reached: dict[str, set[str]] = {}
    changes, asked = [], []
    for slip in slips:
        file = function(slip.key).file
        changes.append({file: text_with(slip)})
        if file not in reached:
            reached[file] = importers(text, file)
        near = {q.id for q in table if reached[file] & {*q.modules}}
        asked.append([key for key, question in keys.items() if question in near])
    problems = []
    found = states(solved, changes, asked, data, description)
    for slip, judged in zip(slips, found, strict=True):
        lost = {keys[key] for key, state in judged.items() if state not in EARNS}
        name = function(slip.key).name
        own = {keys[key] for key in judged if function(key).name == name}
        what = f"the mutant of {slip.key}: {slip.says!r}"
        if keys[slip.key] not in lost:
            problems.append(f"{what} loses no points on {keys[slip.key]}.")
        if more := lost - own:
            problems.append(f"{what} also loses points on {', '.join(sorted(more))}.")
    return problems


def text_with(slip: Slip) -> str:
    """Return the solved module with a mistake in it."""
    (text,) = sources(*answers_with(slip, "edit")).values()
    return text
