"""The proof that a hand-out is right, made on the folder that was written.

1. Every module parses and imports, the kernels compile, and bash reads every script.
2. No marker, answer, path of staff's, notebook output or compiled file is in it.
3. Graded tests fail with NotImplementedError and nothing else; others pass.
4. The notebooks run to their ends with that one exception allowed.
5. The check gives it no points, and the solved tree all of them.
6. Every mutant loses points on the question it breaks, and on no other.
7. The golden copy of a tiny tree's hand-out matches.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from staff.handout import golden, runs, scores
from staff.handout import leaks as handout_leaks
from staff.questions import questions


def proof(
    root: Path, files: Mapping[str, bytes], *, thorough: bool
) -> Callable[[Path], list[str]]:
    """Return what a written hand-out is checked with.

    Args:
        root: The solved tree.
        files: What the hand-out consists of.
        thorough: Whether to run the notebooks, and tests that read nothing but files
            which are the same in the solved tree.
    """
    table = questions()
    ids = [question.id for question in table]
    data = root / "cs231n" / "datasets"
    solved = scores.solved_files(root, files)

    def written(folder: Path) -> dict[str, bytes]:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths}

    def leaks(folder: Path) -> list[str]:
        found = written(folder)
        sources = [name for name in found if name.endswith(".py")]
        sources = [name for name in sources if (root / name).is_file()]
        sources += [
            path.relative_to(root).as_posix()
            for path in sorted((root / "staff" / "notebooks").glob("*.py"))
        ]
        secrets = handout_leaks.answers(root, sources, ids)
        allowed = handout_leaks.harmless(root)
        return [
            *handout_leaks.blemishes(found),
            *handout_leaks.leaks(handout_leaks.index(found), secrets, allowed),
        ]

    def tests(folder: Path) -> list[str]:
        same = {name: c for name in files if (c := _bytes(root / name)) is not None}
        return runs.shelf_problems(folder, data, None if thorough else same)

    steps: list[tuple[str, Callable[[Path], list[str]]]] = [
        (
            "everything parses, imports and compiles",
            lambda folder: [
                *runs.parse_problems(written(folder)),
                *runs.import_problems(folder, data),
                *runs.kernel_problems(folder),
            ],
        ),
        ("no answer is in it", leaks),
        ("tests fail where something is to be written", tests),
        (
            "notebooks run to their ends",
            lambda folder: runs.notebook_problems(
                folder,
                data,
                [n for q in table for n in q.notebooks if f"{n}.ipynb" in files],
            ),
        ),
        (
            "no points for nothing, all for the solution",
            lambda folder: scores.score_problems(written(folder), solved, table, data),
        ),
        (
            "every mutant is noticed",
            lambda _: scores.mutant_problems(
                solved, scores.mutants(root), table, data, "mutants"
            ),
        ),
        ("the golden copy matches", lambda _: golden.problems()),
    ]

    def check(folder: Path) -> list[str]:
        problems = []
        for number, (name, step) in enumerate(steps, start=1):
            if number == 4 and not thorough:
                continue
            began = time.monotonic()
            found = step(folder)
            seconds = time.monotonic() - began
            verdict = f"{len(found)} PROBLEMS" if found else "holds"
            print(f"{number}. {name}: {verdict}, {seconds:.0f} s", flush=True)
            problems += found
        return problems

    return check


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
