"""Run sections of a notebook with another seed, and note what its checks are told.

The notebook's own cells are what runs, so that nothing here can drift from them.
"""

import ast
import contextlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import Any

import jupytext

from staff.questions import ROOT

Line = dict[str, Any]

_NOTE = "__note__"  # what an assertion is turned into a call of


@dataclass(frozen=True)
class Sections:
    """A measurement: sections of a notebook, run once for each seed.

    Attributes:
        notebook: Its name, without the extension.
        titles: Headings of the sections, in the notebook's order; a section ends at the
            next heading of any level.
        without: Cells with one of these texts are left out, to save time.
    """

    notebook: str
    titles: tuple[str, ...]
    without: tuple[str, ...] = ()

    def __call__(self, seeds: list[int]) -> list[Line]:
        """Return a line for each seed: check and name -> [number, relation, limit]."""
        return [{"seed": seed, **self._run(seed)} for seed in seeds]

    def code_cells(self) -> list[str]:
        """Return the sections' code.

        Raises:
            ValueError: If the notebook has no section of such a title, or no cell
                with a text that cells are left out for.
        """
        source = ROOT / "staff" / "notebooks" / f"{self.notebook}.py"
        parsed = jupytext.reads(source.read_text("utf-8"), fmt="py:percent")
        title, cells = "", []
        found: set[str] = set()
        for cell in parsed.cells:
            if cell.cell_type == "markdown":
                for heading in re.findall(r"^#+ (.+)$", cell.source, re.MULTILINE):
                    title = heading
                found.add(title)
            elif title in self.titles:
                left_out = {text for text in self.without if text in cell.source}
                found |= left_out
                if not left_out:
                    code = re.sub(r"^%.*$", "", cell.source, flags=re.MULTILINE)
                    cells.append(code)
        if missing := {*self.titles, *self.without} - found:
            raise ValueError(
                f"{self.notebook} has no {', '.join(sorted(missing))}; name its "
                "headings and cells as they are now."
            )
        return cells

    def _run(self, seed: int) -> dict[str, tuple[float, str, float]]:
        names, cells = _prepared(self)
        noted = Notes()
        names["SEED"] = seed
        with contextlib.redirect_stdout(io.StringIO()):
            for code in cells:
                noted.put_into(names)
                exec(code, names)
        return noted.numbers


class Notes:
    """Stands in for a notebook's checks: notes the numbers, and lets all pass."""

    def __init__(self) -> None:
        """Begin with no numbers."""
        self.numbers: dict[str, tuple[float, str, float]] = {}

    def put_into(self, names: dict[str, Any]) -> None:
        """Replace checks by this, and what draws figures by nothing.

        Args:
            names: The namespace of a notebook's cells.
        """
        for name, value in names.items():
            module = getattr(value, "__module__", None) or ""
            if module.startswith("cs231n.") and name.startswith(("show", "plot")):
                names[name] = _show_nothing

        def check_below(
            title: str, values: Mapping[str, tuple[Any, float]], function: str = ""
        ) -> None:
            del function
            self.note(title, values, "<")

        def check_at_least(
            title: str, values: Mapping[str, tuple[Any, float]], function: str = ""
        ) -> None:
            del function
            self.note(title, values, ">=")

        names["check_below"], names["check_at_least"] = check_below, check_at_least
        names[_NOTE] = lambda holds, title: self.note(
            title, {"holds": (holds, 1.0)}, ">="
        )

    def note(
        self, title: str, values: Mapping[str, tuple[Any, float]], relation: str
    ) -> None:
        """Keep what a check was told; the second one of a title gets a number.

        Args:
            title: What is checked.
            values: Name -> (number, limit).
            relation: ``<`` or ``>=``, for what passes.
        """
        for name, (number, limit) in values.items():
            key, count = f"{title}: {name}", 1
            while key in self.numbers:
                count += 1
                key = f"{title} ({count}): {name}"
            self.numbers[key] = (float(number), relation, float(limit))


class _Assertions(ast.NodeTransformer):
    """Turns ``assert holds, "message"`` into a number that is noted."""

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        message = node.msg or ast.Constant("an assertion")
        call = ast.Call(ast.Name(_NOTE, ast.Load()), [node.test, message], [])
        return ast.copy_location(ast.Expr(call), node)


@cache
def _prepared(sections: Sections) -> tuple[dict[str, Any], list[CodeType]]:
    """Run what no seed decides, once in a process; return its names and the rest.

    Data are loaded and networks read there, which can take longer than a training.
    """
    names: dict[str, Any] = {"__name__": sections.notebook}
    rest: list[CodeType] = []
    for cell in sections.code_cells():
        tree = ast.fix_missing_locations(_Assertions().visit(ast.parse(cell)))
        code = compile(tree, sections.notebook, "exec")
        if "SEED" in names and (rest or _mentions(tree, "SEED")):
            rest.append(code)
            continue
        with contextlib.redirect_stdout(io.StringIO()):
            exec(code, names)
    return names, rest


def _mentions(tree: ast.AST, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(tree))


def _show_nothing(*arguments: object, **settings: object) -> None:
    """Stand in for a figure."""
