"""What a class shows that no single submission does: hard checks, shared failures."""

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from staff.grading.results import FAILED
from staff.grading.scores import Standing

_NUMBER = re.compile(
    r"[-+−]?\d+(?:[.,]\d+)?(?:\s?[×e]\s?(?:10)?[-+−]?[\d⁰¹²³⁴-⁹⁻]+)?%?"
)
BINS = 10


@dataclass(frozen=True)
class CheckStatistics:
    """How a class did in one check.

    Attributes:
        id: The check's.
        of: What it can earn, on average.
        number: How many submissions have it.
        share: How much of its points the class earned: the lower, the harder.
        discrimination: The correlation of its points with those of all other checks;
            None if everybody earned the same. Near 0, or below, a check tells nothing
            of who can do it: look whether it is faulty.
    """

    id: str
    of: float
    number: int
    share: float
    discrimination: float | None


@dataclass(frozen=True)
class Group:
    """Submissions that fail alike.

    Attributes:
        key: Names the group for ever.
        function: The function's key.
        what: The mistake, or what was said of it.
        members: Files of the submissions.
    """

    key: str
    function: str
    what: str
    members: tuple[str, ...]


def counted(class_: Sequence[Standing]) -> list[Standing]:
    """Return the attempts that count and were judged."""
    return [s for s in class_ if s.counts and s.parts]


def distribution(class_: Sequence[Standing]) -> list[int]:
    """Count submissions that earn 0–10 % of the code's points, 10–20 % and so on."""
    found = [0] * BINS
    for standing in counted(class_):
        share = standing.points / standing.of if standing.of else 0.0
        found[min(BINS - 1, max(0, int(share * BINS)))] += 1
    return found


def checks(class_: Sequence[Standing]) -> list[CheckStatistics]:
    """Return how the class did in each check that is worth points."""
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for standing in counted(class_):
        for part in standing.parts:
            for work in part.works:
                for check in work.checks:
                    if check.of:
                        rest = standing.points - check.points
                        rows.setdefault(check.id, []).append(
                            (check.points, check.of, rest)
                        )
    return [
        CheckStatistics(
            name,
            of=sum(of for _, of, _ in found) / len(found),
            number=len(found),
            share=sum(own / of for own, of, _ in found) / len(found),
            discrimination=_correlation(
                [own / of for own, of, _ in found], [rest for _, _, rest in found]
            ),
        )
        for name, found in rows.items()
    ]


def _correlation(a: Sequence[float], b: Sequence[float]) -> float | None:
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    over = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    spread = sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b)
    return over / math.sqrt(spread) if spread > 1e-18 else None


def groups_of(standing: Standing) -> dict[str, tuple[str, str]]:
    """Return the groups that a submission belongs to: key -> function and failure."""
    found: dict[str, tuple[str, str]] = {}
    for part in standing.parts:
        for work in part.works:
            for check in work.checks:
                if check.state != FAILED or not check.of:
                    continue
                # Errors differ with the inputs, which everybody has others of.
                said = [(m, m) for m in check.mistakes] or [
                    (_NUMBER.sub("…", check.reason), check.reason)
                ]
                for alike, what in said:
                    told = f"{work.key}\n{alike}"
                    key = hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()
                    found.setdefault(key[:10], (work.key, what))
    return found


def groups(class_: Sequence[Standing]) -> list[Group]:
    """Return who fails alike, the largest groups first."""
    about: dict[str, tuple[str, str]] = {}
    members: dict[str, list[str]] = {}
    for standing in counted(class_):
        for key, said in groups_of(standing).items():
            about.setdefault(key, said)
            members.setdefault(key, []).append(standing.file)
    found = [Group(key, *about[key], tuple(members[key])) for key in about]
    return sorted(found, key=lambda g: (-len(g.members), g.function, g.what))
