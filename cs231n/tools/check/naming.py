"""Which mistake was made: one of the bank, or one that shows in the numbers alone."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import pairwise, permutations
from typing import TypeAlias

import numpy as np

from cs231n.support.accuracy import SINGLE
from cs231n.tools.check import marks as check_marks
from cs231n.tools.check.bench import GATES, Bench, Exercise, pieces
from cs231n.tools.check.marks import (
    Accepted,
    Array,
    Mark,
    Mistake,
    Record,
    Results,
    mark,
)
from cs231n.tools.check.words import listed

# A known mistake, the outputs that it explains, and those that it spoils.
Suspect: TypeAlias = tuple[Mistake, set[str], Collection[str]]

_CLOSE = SINGLE[""]  # relative: the same but for rounding, in float32 as well


def suspects(
    marks: Mapping[str, Mark],
    problems: Mapping[str, str],
    record: Record,
    way: str,
    within: float,
    no: Collection[str] = (),
) -> list[Suspect]:
    """Find the known mistakes that explain some of what is wrong.

    Args:
        marks: Output -> mark of what the student's function gave.
        problems: Output -> what is wrong, of those that are.
        record: What is stored for the function.
        way: How it was looked at.
        within: Largest relative difference from a known mistake's marks.
        no: Outputs that say yes or no.

    Returns:
        Each mistake that spoils something when it is looked at so, with the outputs
        that came out as it makes them, and all that it spoils.
    """
    found: list[Suspect] = []
    for mistake in record.mistakes:
        spoilt = mistake.marks.get(stored(way), {})
        explained = {
            name
            for name, wanted in spoilt.items()
            if name in problems and check_marks.agree(marks[name], wanted, within)
        }
        nothing = not any(spoilt[name].size for name in explained)
        if nothing and any(marks[name].size for name in set(problems) - explained):
            continue  # zeros alone tell little where other things are wrong as well
        if (nothing or explained <= set(no)) and len(explained) < len(spoilt):
            continue  # so do zeros and a no that should have come with other things
        if spoilt:
            found.append((mistake, explained, spoilt.keys()))
    return found


def recognise(found: list[Suspect]) -> list[Mistake]:
    """Choose the mistakes that explain what is wrong.

    Args:
        found: What ``suspects`` returned.

    Returns:
        Mistakes whose every spoilt output came out just so, those that explain most
        first, each for outputs of its own.
    """
    fitting = [row[:2] for row in found if len(row[1]) == len(row[2])]
    fitting.sort(key=lambda pair: -len(pair[1]))
    named, taken = [], set[str]()
    for mistake, explained in fitting:
        if not explained & taken:
            named.append(mistake)
            taken |= explained
    return named


def recognise_in_part(
    found: list[Suspect], problems: Mapping[str, str]
) -> tuple[Mistake, set[str]] | None:
    """Choose the mistake that explains most of what it spoils, if it is enough.

    Another mistake may have come on top, or it may have been made in one of the places
    only in which it can be. It is none whose sentence speaks of what came out right.

    Args:
        found: What ``suspects`` returned.
        problems: Output -> what is wrong, of those that are.

    Returns:
        The mistake, and the outputs that it explains.
    """
    partly = []
    for mistake, explained, spoilt in found:
        if any(name in mistake.says for name in set(spoilt) - problems.keys()):
            continue
        if explained and explained == set(problems):
            partly.append((1.0, mistake, explained))
        elif len(explained) > max(1, len(spoilt) / 2):
            partly.append((len(explained) / len(spoilt), mistake, explained))
    best = max(partly, key=lambda row: row[0], default=None)
    return best and best[1:]


def stored(way: str) -> str:
    """Return the way whose results are stored for this one."""
    return "own" if way == "sample" else way


def seen(
    results: Results,
    problems: Mapping[str, str],
    bench: Bench,
    exercise: Exercise,
    way: str,
) -> list[str]:
    """Name mistakes that show in a result as a whole, whoever made them.

    Args:
        results: Output -> what the student's function gave.
        problems: Output -> what is wrong, of those that are.
        bench: Knows what is right, and what the function was given.
        exercise: How the function is tried out.
        way: How the results came to be.

    Returns:
        A sentence for each thing that was found.
    """
    right = bench.record.right[stored(way)]
    given = exercise.inputs(bench) if exercise.inputs else {}
    problems = {n: said for n, said in problems.items() if n not in exercise.no}

    def look(name: str, value: Array) -> str:
        return (
            _as_another(name, value, right)
            or _as_words(value, right[name])
            or _as_numbers(name, value, right[name], exercise.letters)
            or _as_input(name, value, right[name], given)
        )

    return _said(look, results, problems)


def seen_in_parts(
    results: Results, problems: Mapping[str, str], bench: Bench, exercise: Exercise
) -> list[str]:
    """Name timesteps, sequences or gates that are right while others are not.

    Args:
        results: Output -> what the student's function gave, with its own ground.
        problems: As for ``seen``, like all that follow.
        bench: See there.
        exercise: See there.
    """
    stored = bench.record.parts

    def look(name: str, value: Array) -> str:
        axes = exercise.parts.get(name, {})
        return _in_parts(name, value, stored.get(name, {}), axes)

    return _said(look, results, problems)


def _said(
    look: Callable[[str, Array], str], results: Results, problems: Mapping[str, str]
) -> list[str]:
    """Return what is found in wrong results, once for all of which it is true."""
    said: dict[str, list[str]] = {}
    for name in problems:
        value = results[name]
        if value.dtype.kind not in "fiub" or not np.isfinite(value).all():
            continue
        if not value.size:
            continue  # its shape says all
        if sentence := look(name, value):
            said.setdefault(sentence, []).append(name)
    return [
        sentence.format(listed(names), "are" if len(names) > 1 else "is")
        for sentence, names in said.items()
    ]


def _fits(name: str, candidate: Array, wanted: Sequence[Mark]) -> bool:
    if all(candidate.shape != m.shape for m in wanted):
        return False
    found = mark(name, candidate)
    return any(check_marks.agree(found, m, _CLOSE) for m in wanted)


def _as_another(name: str, value: Array, right: Accepted) -> str:
    """Find a result where another one should be."""
    for other, marks in right.items():
        if other != name and value.size > 1 and _fits(other, value, marks):
            return f"{{}} {{}} what {other} should be: look at the order of results."
    return ""


def _as_words(value: Array, wanted: Sequence[Mark]) -> str:
    """Find captions that are right but for where they stand."""
    if not wanted[0].words or value.shape != wanted[0].shape or value.ndim != 2:
        return ""
    words = np.reshape(wanted[0].words, wanted[0].shape)
    if value.shape[1] > 1 and _mostly(value[:, 1:], words[:, :-1]):
        return "{} {} one column late: the first word belongs into the first column."
    if value.shape[1] > 1 and _mostly(value[:, :-1], words[:, 1:]):
        return "{} {} one column early: the first word is missing."
    first = (value[:, 0] == words[:, 0]).all()
    if first and value.shape[1] > 1 and (value[:, 1] != words[:, 1]).mean() > _MOST:
        return (
            "{} {} right in the first column alone: what is carried from one word to "
            "the next?"
        )
    return ""


_MOST = 0.8  # of captions, whose second words differ where nothing is carried on


def _mostly(one: Array, other: Array) -> bool:
    """Tell whether words agree but for the odd one, as the last may be cut off."""
    return bool(((one == other) | (one == 0) | (other == 0)).mean() > 0.97)


def _as_numbers(
    name: str, value: Array, wanted: Sequence[Mark], letters: Mapping[str, int]
) -> str:
    """Find numbers that are right but for a factor, a sign, an order or a sum."""
    factor = _factor(mark(name, value), wanted)
    if factor is not None and (says := _says_of(factor, letters)):
        return says
    for axes in _other_orders(value):
        if _fits(name, value.transpose(axes), wanted):
            return "{} {} right but for the order of axes."
    for axis in range(value.ndim):
        if value.shape[axis] > 1 and _fits(name, np.flip(value, axis), wanted):
            return f"{{}} {{}} right but for running backward along axis {axis}."
        if _fits(name, value.sum(axis), wanted):
            return f"{{}} {{}} still to be summed over axis {axis}."
        if _fits(name, value.take(0, axis), wanted):
            return f"{{}} {{}} right but for axis {axis}, which is one too many."
    if value.ndim and value.shape[-1] % 4 == 0 and value.shape[-1] > 4:
        blocks = np.split(value, 4, axis=-1)
        for order in list(permutations(range(4)))[1:]:
            if _fits(name, np.concatenate([blocks[k] for k in order], axis=-1), wanted):
                return (
                    "{} {} right but for the order of the four blocks, which is "
                    "input, forget, output and block."
                )
    whole = np.unique(value).size > 3 and (value == np.round(value)).all()
    if whole and not wanted[0].words:
        return "{} {} made of whole numbers only: has an array an integer dtype?"
    return ""


def _as_input(name: str, value: Array, wanted: Sequence[Mark], given: Results) -> str:
    """Find what a function was given, as a result or added to one."""
    for argument, array in given.items():
        if array.shape != value.shape:
            continue
        if np.array_equal(array, value):
            return f"{{}} {{}} just {argument}, as it was given."
        if _fits(name, value - array, wanted):
            return f"{{}} {{}} right but for {argument}, which was added."
    return ""


def _in_parts(
    name: str,
    value: Array,
    parts: Mapping[str, Sequence[Mark]],
    axes: Mapping[str, int],
) -> str:
    """Find timesteps, sequences or gates that are right while others are not."""
    for word, marks in parts.items():
        axis = axes[word]
        if value.ndim <= axis or (word == "gate" and value.shape[-1] % 4):
            continue
        found = pieces(value, word, axis)
        if len(found) != len(marks):
            continue
        label = part_name(name, word)
        right = [k for k, p in enumerate(found) if _fits(label, p, marks[k : k + 1])]
        if not right:
            continue
        wrong = [k for k in range(len(found)) if k not in right]
        if not wrong or (word != "gate" and not _tells(right, len(found))):
            continue
        if word == "gate":
            gates = " and ".join(GATES[k] for k in wrong)
            return f"In {{}}, only {gates} {'are' if len(wrong) > 1 else 'is'} wrong."
        only = listed([str(k) for k in right])
        places = f"{word}s" if len(right) > 1 else word
        return f"{{}} {{}} right at {places} {only} alone, of {len(found)}."
    return ""


def _tells(right: Sequence[int], count: int) -> bool:
    """Tell whether parts that are right hold the first or last, or several in a row.

    A single one among others may be right by chance.
    """
    return (
        right[0] == 0
        or right[-1] == count - 1
        or any(b - a == 1 for a, b in pairwise(right))
    )


def part_name(output: str, word: str) -> str:
    """Return what parts of a result are called in their marks."""
    return f"{output} by {word}"


def _factor(found: Mark, wanted: Sequence[Mark]) -> float | None:
    for one in wanted:
        if (factor := check_marks.ratio(found, one, _CLOSE)) is not None:
            return factor
    return None


def _says_of(factor: float, letters: Mapping[str, int]) -> str:
    """Say what a factor may come from."""

    def near(number: float) -> bool:
        return abs(factor - number) < 1e-5 * abs(number)

    if near(-1):
        return "{} {} right but for the sign."
    if near(2) or near(0.5):
        return f"In {{}}, a factor of two is {'too much' if factor > 1 else 'missing'}."
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
    return ""


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
