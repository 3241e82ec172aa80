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
from dataclasses import dataclass
from pathlib import Path

from staff.handout import golden, runs, scores
from staff.handout import leaks as handout_leaks
from staff.questions import can_run, notebook_names, questions


@dataclass(frozen=True)
class Proof:
    """What a written hand-out is checked with.

    Attributes:
        root: The solved tree.
        files: What the hand-out consists of.
        thorough: Whether to run the notebooks, and tests that read nothing but files
            which are the same in the solved tree.
    """

    root: Path
    files: Mapping[str, bytes]
    thorough: bool

    def __call__(self, folder: Path) -> list[str]:
        """Make every check, say how each went, and name what is wrong.

        Args:
            folder: Where the hand-out was written.
        """
        steps: dict[str, Callable[[Path], list[str]]] = {
            "everything parses, imports and compiles": self._programs,
            "no answer is in it": self._leaks,
            "tests fail where something is to be written": self._tests,
            **(
                {"notebooks run to their ends": self._notebooks}
                if self.thorough
                else {}
            ),
            "no points for nothing, all for the solution": self._points,
            "every mutant is noticed": self._mutants,
            "the golden copy matches": lambda _: golden.problems(),
        }
        problems = []
        apart = [*runs.left_out(folder), *(n for n in self._present if not can_run(n))]
        if apart:
            print(
                f"Left out: {len(apart)} programs, tests and notebooks that need "
                "TensorFlow, which is not installed here; say make handout "
                "TENSORFLOW=1, too."
            )
        for number, (name, step) in enumerate(steps.items(), start=1):
            began = time.monotonic()
            found = step(folder)
            seconds = time.monotonic() - began
            verdict = f"{len(found)} PROBLEMS" if found else "holds"
            print(f"{number}. {name}: {verdict}, {seconds:.0f} s", flush=True)
            problems += found
        return problems

    @property
    def _present(self) -> list[str]:
        return [name for name in notebook_names() if f"{name}.ipynb" in self.files]

    @property
    def _data(self) -> Path:
        return self.root / "cs231n" / "datasets"

    def _programs(self, folder: Path) -> list[str]:
        return [
            *runs.parse_problems(_written(folder)),
            *runs.import_problems(folder, self._data),
            *runs.kernel_problems(folder),
        ]

    def _leaks(self, folder: Path) -> list[str]:
        found = _written(folder)
        sources = [name for name in found if name.endswith(".py")]
        sources = [name for name in sources if (self.root / name).is_file()]
        sources += [
            path.relative_to(self.root).as_posix()
            for path in sorted((self.root / "staff" / "notebooks").glob("*.py"))
        ]
        ids = [question.id for question in questions()]
        secrets = handout_leaks.answers(self.root, sources, ids)
        allowed = handout_leaks.harmless(self.root)
        return [
            *handout_leaks.blemishes(found),
            *handout_leaks.leaks(handout_leaks.index(found), secrets, allowed),
        ]

    def _tests(self, folder: Path) -> list[str]:
        solved = {
            name: (self.root / name).read_bytes()
            for name in self.files
            if (self.root / name).is_file()
        }
        return runs.shelf_problems(
            folder, self._data, None if self.thorough else solved
        )

    def _notebooks(self, folder: Path) -> list[str]:
        here = [name for name in self._present if can_run(name)]
        return runs.notebook_problems(folder, self._data, here)

    def _points(self, folder: Path) -> list[str]:
        solved = scores.solved_files(self.root, self.files)
        return scores.score_problems(_written(folder), solved, questions(), self._data)

    def _mutants(self, _: Path) -> list[str]:
        solved = scores.solved_files(self.root, self.files)
        return scores.mutant_problems(
            solved, scores.mutants(), questions(), self._data, "mutants"
        )


def _written(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths}
