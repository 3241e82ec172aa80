"""Which mistake was made: one of the bank, or one that shows in the numbers alone."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

import numpy as np

from cs231n import check_marks
from cs231n.check_bench import Exercise
from cs231n.check_marks import Accepted, Array, Mark, Mistake, Record, Results, mark

GATES = "input, forget, output and block"


def recognise(
    marks: Mapping[str, Mark],
    problems: Mapping[str, str],
    record: Record,
    way: str,
    within: float,
) -> list[Mistake]:
    """Find the known mistakes that explain what is wrong.

    Args:
        marks: Output -> mark of what the student's function gave.
        problems: Output -> what is wrong, of those that are.
        record: What is stored for the function.
        way: How it was looked at.
        within: Largest relative difference from a known mistake's marks.

    Returns:
        Mistakes whose every spoilt output came out just so, those that explain most
        first, each for outputs of its own. If there is none, the one that explains
        most of what it spoils: another mistake may have come on top.
    """
    fitting: list[tuple[Mistake, set[str]]] = []
    partly: list[tuple[float, Mistake]] = []
    for mistake in record.mistakes:
        spoilt = mistake.marks.get("own" if way == "sample" else way, {})
        explained = {
            name
            for name, wanted in spoilt.items()
            if name in problems and check_marks.agree(marks[name], wanted, within)
        }
        if spoilt and len(explained) == len(spoilt):
            fitting.append((mistake, explained))
        elif len(explained) > max(1, len(spoilt) / 2):
            partly.append((len(explained) / len(spoilt), mistake))
    if not fitting:
        return [max(partly, key=lambda pair: pair[0])[1]] if partly else []
    fitting.sort(key=lambda pair: -len(pair[1]))
    named, taken = [], set[str]()
    for mistake, explained in fitting:
        if not explained & taken:
            named.append(mistake)
            taken |= explained
    return named


def seen(
    results: Results,
    problems: Mapping[str, str],
    right: Accepted,
    exercise: Exercise,
    within: float,
) -> list[str]:
    """Name mistakes that show in the numbers themselves, whoever made them.

    Args:
        results: Output -> what the student's function gave.
        problems: Output -> what is wrong, of those that are.
        right: Output -> marks of what it should be.
        exercise: How the function is tried out.
        within: Largest relative difference.

    Returns:
        A sentence for each thing that was found.
    """
    said: dict[str, list[str]] = {}
    for name in problems:
        if (sentence := _sight(name, results, right, exercise, within)) is not None:
            said.setdefault(sentence, []).append(name)
    return [
        sentence.format(" and ".join(names), "are" if len(names) > 1 else "is")
        for sentence, names in said.items()
    ]


def _sight(
    name: str, results: Results, right: Accepted, exercise: Exercise, within: float
) -> str | None:
    """Return what one result looks like, with places for its name and a verb."""
    value, wanted = results[name], right[name]

    def fits(candidate: Array) -> bool:
        seen = mark(name, candidate)
        return any(check_marks.agree(seen, m, within) for m in wanted)

    if value.dtype.kind not in "fiub" or not np.isfinite(value).all():
        return None
    for other, marks in right.items():
        if other != name and value.size > 1 and _is(other, value, marks, within):
            return f"{{}} {{}} what {other} should be: look at the order of results."
    factor = _factor(mark(name, value), wanted, within)
    if factor is not None and (says := _says_of(factor, exercise.letters)):
        return says
    for axes in _other_orders(value):
        if fits(value.transpose(axes)):
            return "{} {} right but for the order of axes."
    for axis in range(value.ndim):
        if value.shape[axis] > 1 and fits(np.flip(value, axis)):
            return f"{{}} {{}} right but for running backward along axis {axis}."
    if value.ndim and value.shape[-1] % 4 == 0 and value.shape[-1] > 4:
        blocks = np.split(value, 4, axis=-1)
        for order in permutations(range(4)):
            if fits(np.concatenate([blocks[k] for k in order], axis=-1)):
                return (
                    "{} {} right but for the order of the four blocks, which is "
                    f"{GATES}."
                )
    return None


def _is(name: str, value: Array, marks: Sequence[Mark], within: float) -> bool:
    if all(value.shape != m.shape for m in marks):
        return False
    found = mark(name, value)
    return any(check_marks.agree(found, m, within) for m in marks)


def _factor(found: Mark, wanted: Sequence[Mark], within: float) -> float | None:
    for one in wanted:
        if (factor := check_marks.ratio(found, one, within)) is not None:
            return factor
    return None


def _says_of(factor: float, letters: Mapping[str, int]) -> str | None:
    """Say what a factor may come from."""

    def near(number: float) -> bool:
        return abs(factor - number) < 1e-5 * abs(number)

    if near(-1):
        return "{} {} right but for the sign."
    if near(2) or near(0.5):
        return (
            f"{{}} {{}} {factor:.4g} times what it should be: a factor of two is "
            f"{'too much' if factor > 1 else 'missing'}."
        )
    for text, size in _products(letters):
        if near(1 / size):
            return (
                f"{{}} {{}} divided by {size}, which is {text} here: averaged where a "
                "sum is wanted, or once too often?"
            )
        if near(size):
            return (
                f"{{}} {{}} multiplied by {size}, which is {text} here: summed where "
                "an average is wanted, or a division is missing?"
            )
    return None


def _products(letters: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    yield from ((text, size) for text, size in letters.items() if size > 2)
    names = list(letters)
    for k, one in enumerate(names):
        for other in names[k + 1 :]:
            if letters[one] * letters[other] > 2:
                yield f"{one} times {other}", letters[one] * letters[other]


def _other_orders(value: Array) -> Iterator[tuple[int, ...]]:
    if 2 <= value.ndim <= 4:
        axes = tuple(range(value.ndim))
        yield from (order for order in permutations(axes) if order != axes)
