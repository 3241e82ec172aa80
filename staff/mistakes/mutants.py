"""Mutants that Cosmic Ray makes of the solutions, and those that are no mistakes."""

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

from cs231n.assignment.table import functions
from staff.mistakes.writings import answer, solved

OPERATORS = (
    *("ReplaceBinaryOperator_Add_Sub", "ReplaceBinaryOperator_Add_Mul"),
    *("ReplaceBinaryOperator_Sub_Add", "ReplaceBinaryOperator_Sub_Mul"),
    *("ReplaceBinaryOperator_Mul_Add", "ReplaceBinaryOperator_Mul_Div"),
    *("ReplaceBinaryOperator_Mul_Sub", "ReplaceBinaryOperator_Div_Mul"),
    *("ReplaceBinaryOperator_Div_Add", "ReplaceBinaryOperator_Pow_Mul"),
    *("ReplaceBinaryOperator_FloorDiv_Mul", "ReplaceUnaryOperator_Delete_USub"),
    *("ReplaceComparisonOperator_Eq_NotEq", "ReplaceComparisonOperator_NotEq_Eq"),
    *("ReplaceComparisonOperator_Lt_GtE", "ReplaceComparisonOperator_Lt_LtE"),
    *("ReplaceComparisonOperator_Gt_LtE", "ReplaceComparisonOperator_Gt_GtE"),
    *("ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "AddNot", "NumberReplacer"),
    *("ReplaceBreakWithContinue", "ZeroIterationForLoop", "ReplaceOrWithAnd"),
)


@dataclass(frozen=True)
class Mutant:
    """A solution with one thing changed in it.

    Attributes:
        name: The function's dotted name.
        number: Which one of that function.
        body: The changed answer.
        change: The line that differs, as it was and as it is.
    """

    name: str
    number: int
    body: str
    change: str

    @property
    def id(self) -> str:
        """What it is called in the list of those that are no mistakes."""
        return f"{self.name.rpartition('cs231n.')[2]}: {self.change}"


@cache
def mutants() -> tuple[Mutant, ...]:
    """Return all mutants, in the order of the table; making them takes seconds."""
    return tuple(_made())


def _made() -> Iterator[Mutant]:
    for name in dict.fromkeys(f.name for f in functions()):
        function = next(f for f in functions() if f.name == name)
        right = answer(solved(function.module), function.qualname)
        same = ast.unparse(ast.parse(right))
        seen = {same}
        for operator in OPERATORS:
            for number in range(100):
                body = mutate_code(right, get_operator(f"core/{operator}")(), number)
                if body is None:
                    break
                try:
                    plain = ast.unparse(ast.parse(body))
                except SyntaxError:
                    continue
                if plain not in seen:
                    seen.add(plain)
                    yield Mutant(name, len(seen), body, _change(same, plain))


def _change(before: str, after: str) -> str:
    lines = zip(before.splitlines(), after.splitlines(), strict=False)
    one, other = next((a.strip(), b.strip()) for a, b in lines if a != b)
    return f"{one} -> {other}"


def _equivalent() -> dict[str, str]:
    file = Path(__file__).with_name("equivalent_mutants.toml")
    groups = tomllib.loads(file.read_text("utf-8"))["groups"]
    return {name: group["why"] for group in groups for name in group["mutants"]}


EQUIVALENT = _equivalent()
"""Mutants that are no mistakes, by their ``id``, and why they are none."""
