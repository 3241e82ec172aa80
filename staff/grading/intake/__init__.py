"""From zips and folders, as students and platforms leave them, to submissions."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from staff.grading.intake.parcels import parcels
from staff.grading.intake.reading import Parcel, read
from staff.grading.intake.sources import RefusalError, printable, shown
from staff.grading.submission import Refused, Submission


def submissions(
    paths: Sequence[Path], edition: str = ""
) -> Iterator[Submission | Refused]:
    """Read hand-ins one after another; what cannot be read is refused, never raised.

    Args:
        paths: Zips and folders, of one hand-in or of a class.
        edition: The set of questions to grade, such as ``2016``; told from each
            hand-in's files if empty.

    Yields:
        One result for each hand-in, at least one for each path.
    """
    taken: dict[str, int] = {}
    for found in _all(paths, edition):
        name = printable(found.name)
        taken[name] = taken.get(name, 0) + 1
        if taken[name] > 1:  # such as a zip beside the folder that it was unpacked to
            name = f"{name} ({taken[name]})"
        who = {
            column: "\n".join(map(printable, value.split("\n")))
            for column, value in found.student.items()
        }
        yield replace(found, name=name, student=who)


def _all(paths: Sequence[Path], edition: str) -> Iterator[Submission | Refused]:
    for path in paths:
        name = path.name or path.resolve().name
        try:
            for parcel in parcels(path):
                yield parcel if isinstance(parcel, Refused) else _read(parcel, edition)
        except RefusalError as error:
            yield Refused(path.stem or name, str(error), {"File": path.stem or name})


def _read(parcel: Parcel, edition: str) -> Submission | Refused:
    try:
        return read(parcel, edition)
    except RefusalError as error:
        return Refused(parcel.name, str(error), parcel.student)
    except Exception as error:  # whatever a hand-in holds, the others are graded
        why = (
            f"{shown(parcel.name)} was not read, which is the grader's fault "
            f"({type(error).__name__}: {shown(str(error))}); tell its makers, and "
            "grade this one by hand."
        )
        return Refused(parcel.name, why, parcel.student)
