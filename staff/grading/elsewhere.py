"""Exercises that run in workers, since what they are about cannot cross the line.

TensorFlow's models, variables and tapes stay in the process that made them, and the
judge, which has torch, imports no TensorFlow. So the exercise itself runs beside the
student's function, and what is right comes from a worker that holds the solution. What
is expected never enters a student's worker, only a seed does.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np

from cs231n.assignment.table import Function, file_of
from cs231n.tools.check.bench import ASIDE, Bench, Exercise
from cs231n.tools.check.marks import Accepted, Record, Records, Results
from staff.grading import line
from staff.grading.reference import Draw, Reference, marks_of
from staff.grading.remote import Limits, Line, RemoteBench
from staff.mistakes.bank import Answers, answers_of, bank
from staff.mistakes.writings import solved, sources

FRAMEWORKS = ("tensorflow",)  # those that the judge itself does without
_BLANK, _SUITS = f"{ASIDE}blank", f"{ASIDE}suits"


class BenchElsewhere(RemoteBench):
    """A bench whose exercise runs in the worker, beside the function."""

    def _found(self) -> tuple[Any, Any]:
        tries = f"cs231n.tools.check.tries.{self.function.tries}"
        self._opened([tries], gpu=False)
        return SimpleNamespace(__name__=self.function.module), self._not_here

    def _not_here(self, *args: Any, **kwargs: Any) -> Any:
        del args, kwargs
        raise RuntimeError(f"{self.function.key} is called in its worker alone.")

    def tried(self, **which: str) -> Results:
        """Let the exercise run, and return its results.

        Args:
            **which: Its ``way``, or ``title`` and ``case`` of what needs care.
        """
        request: dict[str, Any] = {"op": "try", "key": self.function.key, "way": ""}
        request |= {"seed": self.records.seed, "draw": self.record.draw}
        request |= {"small": self._small, "never": self._never, **which}
        answer, arrays = self._to.ask(request)
        try:
            places = answer["results"]
            results = {
                line.words(name): arrays[line.number(places, name, len(arrays))]
                for name in places
            }
            remarks = [line.words(r, 1000) for r in answer["remarks"]]
        except (line.LineError, KeyError, TypeError, AttributeError):
            raise self._to.spoilt() from None
        for remark in remarks:
            self.note(remark)
        results[_BLANK] = np.array([float(answer.get("blank") is True)])
        results[_SUITS] = np.array([float(answer.get("suits") is True)])
        return results


class Elsewhere:
    """How one function is tried and what is right, asked of a worker that knows.

    Attributes:
        exercise: As the judge needs it.
    """

    def __init__(
        self, function: Function, worker_for: Callable[[Mapping[str, str]], Any]
    ) -> None:
        """Start nothing yet.

        Args:
            function: Its row in the table.
            worker_for: Takes modules, returns the context of a worker that holds them.
        """
        self.function, self._worker_for = function, worker_for
        self._workers = ExitStack()
        self._lines: dict[str, Line] = {}

    def close(self) -> None:
        """End the workers."""
        self._workers.close()
        self._lines.clear()

    @cached_property
    def exercise(self) -> Exercise:
        """How the function is tried, with runs that take place in its worker."""
        line_to = self.line("")
        told, _ = line_to.ask({"op": "how", "key": self.function.key})

        def with_care(title: str, case: str) -> Callable[[Any], Results]:
            return lambda bench: bench.tried(title=title, case=case)

        return Exercise(
            run=lambda bench, way: bench.tried(way=way),  # type: ignore[attr-defined]
            ways=tuple(told["ways"]),
            narrow=told["narrow"],
            within=told["within"],
            care={
                title: {case: with_care(title, case) for case in cases}
                for title, cases in told["care"].items()
            },
            earlier=tuple(told["earlier"]),
            replaced=tuple(told["replaced"]),
            telling=tuple(told["telling"]),
            mentions=told["mentions"],
            begun=told["begun"],
            blank=lambda results: bool(results[_BLANK][0]),
            no=told["no"],
            letters=told["letters"],
            parts=told["parts"],
            suits=lambda results: bool(results[_SUITS][0]),
        )

    def line(self, writing: str) -> Line:
        """Return the line to a worker with right answers.

        Args:
            writing: Which ones; those of the solution if empty.
        """
        if writing not in self._lines:
            name = self.function.name
            answers: Answers = answers_of(name, writing) if writing else ({}, {})
            texts = {self.function.module: solved(self.function.module)}
            texts |= sources(*answers)
            modules = {file_of(m): text for m, text in texts.items()}
            worker = self._workers.enter_context(self._worker_for(modules))
            self._lines[writing] = Line(worker, Limits())
        return self._lines[writing]

    def reference(self, draw: Draw) -> "ReferenceElsewhere":
        """Return what is right for one draw of inputs."""
        return ReferenceElsewhere(self, draw)


class ReferenceElsewhere(Reference):
    """What is right for one draw of a function's inputs, computed in a worker."""

    def __init__(self, elsewhere: Elsewhere, draw: Draw) -> None:
        """Compute nothing yet.

        Args:
            elsewhere: Where it is computed.
            draw: Which inputs.
        """
        self._elsewhere = elsewhere
        super().__init__(elsewhere.function, draw, elsewhere.exercise)

    def of(self, way: str) -> Record:
        """Return what is right in a way, each of which has inputs of its own."""
        return super().of(way) if way == "own" else self._of_another(way)

    def _of_another(self, way: str) -> Record:
        record = self.record
        if way not in self._others:
            found = self._results(record.draw, way)
            self._others[way] = marks_of(found)
        others: dict[str, Accepted] = {way: self._others[way]}
        return Record({**record.right, **others}, draw=record.draw)

    def _results(self, draw: int, way: str) -> list[Results]:
        name = self._function.name
        others = [w for w, known in bank()[0].items() if name in known.accepted]
        return [
            self._exercise.run(self._bench_of(draw, writing), way)
            for writing in ("", *others)
        ]

    def _bench(self, draw: int) -> Bench:
        return self._bench_of(draw, "")

    def _bench_of(self, draw: int, writing: str) -> Bench:
        records = Records(self._draw.seed, {self._function.key: Record({}, draw=draw)})
        to = self._elsewhere.line(writing)
        return BenchElsewhere(self._function, records, to, small=self._draw.small)
