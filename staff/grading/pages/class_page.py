"""The page of the class: scores, hard checks, and who fails alike."""

from collections.abc import Mapping, Sequence
from statistics import mean, median, quantiles

from staff.grading import cohort
from staff.grading.pages import common
from staff.grading.roster import Student
from staff.grading.scores import Standing

_HARD, _TELLS_LITTLE = 0.5, 0.1
_FEWEST = 10  # submissions from which on a correlation says something


def class_page(
    class_: Sequence[Standing],
    pages: Mapping[str, str],
    isolation: str,
    missing: Sequence[Student] = (),
) -> str:
    """Return the page of a class.

    Args:
        class_: All submissions.
        pages: A submission's file -> where its page for graders is, from here.
        isolation: The level at which students' code ran.
        missing: Students without a submission.
    """
    counted = cohort.counted(class_)
    scores = sorted(s.total for s in counted)
    bins = cohort.distribution(class_)
    return common.page(
        "class.html.j2",
        scripts=("save.js", "table.js"),
        class_=sorted(class_, key=lambda s: (s.name.casefold(), s.file)),
        counted=counted,
        names={s.file: s.name for s in class_},
        pages=pages,
        isolation=isolation,
        missing=[student.name for student in missing],
        parts=list(dict.fromkeys(part.id for s in counted for part in s.parts)),
        points_of={s.file: {part.id: part.points for part in s.parts} for s in class_},
        mean=mean(scores) if scores else 0.0,
        median=median(scores) if scores else 0.0,
        middle=quantiles(scores, n=4, method="inclusive") if len(scores) > 1 else None,
        bins=bins,
        highest=max([1, *bins]),
        checks=sorted(cohort.checks(class_), key=lambda c: (c.share, c.id)),
        groups=cohort.groups(class_),
        said={key: text for s in class_ for key, text in s.said.items()},
        withdrawn={
            check: why
            for s in class_
            for check, why in s.record["verdict"]["withdrawn"].items()
        },
        hard=_HARD,
        tells_little=_TELLS_LITTLE,
        enough=len(counted) >= _FEWEST,
    )
