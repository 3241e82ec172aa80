"""Hand-ins in a folder or a zip: one, or a class as a platform exports it.

A platform says in names, or in a file beside them, whose each one is:

- Canvas: ``doejane_LATE_4711_998877_assignment3-1.zip``, 4711 is the student's ID;
- Moodle: ``Jane Doe_12345_assignsubmission_file_``, a folder or the start of a name;
- Gradescope: folders ``submission_12345`` and a file ``submission_metadata.yml``.
"""

import datetime
import io
import itertools
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any

from cs231n.support.file_kinds import because
from cs231n.tools.submission.collecting import WHOLE
from staff.grading.intake.reading import Parcel, knows
from staff.grading.intake.sources import (
    FolderSource,
    RefusalError,
    RenamedSource,
    Source,
    ZipSource,
    is_other_archive,
    is_zip,
    shown,
)
from staff.grading.submission import Refused

METADATA = "submission_metadata.yml"
_LARGEST_METADATA = 50_000_000
_CANVAS = re.compile(
    r"(?P<who>[^_/]+)_(?P<late>LATE_)?(?P<user>\d+)_(?P<attachment>\d+)_(?P<file>.+)"
)
_MOODLE = re.compile(
    r"(?P<who>[^_/]+)_(?P<number>\d+)_assignsubmission_(?P<kind>file|onlinetext)_(?P<file>.*)"
)
_GRADESCOPE = re.compile(r"submission_\d+")
# Canvas counts up where a name was handed in before.
_COUNTED = re.compile(r"-\d+(?=\.\w+$)")
# Folders and zips that say nothing about whose they are.
_NAMELESS = re.compile(
    r"(assignment|a)[-_ ]?3.*|submissions?|submitted|cs231n.*|(winter|spring)\d.*"
    r"|code|src|export|class|homework.*|hw.*",
    re.IGNORECASE,
)
_WANTED = "the zip that a student handed in, or a folder of such, is wanted"


def parcels(path: Path) -> Iterator[Parcel | Refused]:
    """Yield what is to be read below a path, at least one thing.

    A parcel's source is open until the next one is asked for.

    Args:
        path: A zip, a folder, or a class's folder or zip.

    Raises:
        RefusalError: If there is nothing to read.
    """
    if path.is_dir():
        yield from _in_folder(path, path.name or path.resolve().name, 0)
        return
    if not path.exists():
        raise RefusalError(
            f"{shown(str(path))} is not there; look at how it is spelled."
        )
    if not path.is_file():
        raise RefusalError(f"{shown(path.name)} is neither file nor folder; {_WANTED}.")
    if path.suffix in {".py", ".ipynb"}:
        alone = RenamedSource(
            FolderSource(path.parent), {path.name: path.name}, path.name
        )
        yield Parcel(path.stem, alone, student={"File": path.stem})
        return
    yield from _in_zip(path)


def _in_zip(path: Path) -> Iterator[Parcel | Refused]:
    with ExitStack() as opened:
        try:
            file = opened.enter_context(path.open("rb"))
        except OSError as error:
            raise RefusalError(
                f"{shown(path.name)} cannot be read ({error.strerror}); look at its "
                "permissions."
            ) from None
        head = file.read(16)
        if not is_zip(head):
            file.seek(0)
            what = "it is none" if head else "it is empty"
            kind = because(file, "zip", what, "hand in a zip")
            raise RefusalError(f"{shown(path.name)} is no zip file {kind}")
        source = ZipSource(file, path.name)
        if _platform(source.tops()):
            yield from _of_platform(source)
        else:
            yield Parcel(path.stem, source, path.name, {"File": path.stem})


def _in_folder(path: Path, name: str, depth: int) -> Iterator[Parcel | Refused]:
    """Yield what a folder holds: a platform's export, one hand-in, or one in each."""
    source = FolderSource(path, name)
    tops = source.tops()
    if _platform(tops):
        yield from _of_platform(source)
        return
    inside = [top for top, is_folder in tops.items() if is_folder]
    files = [top for top, is_folder in tops.items() if not is_folder]
    archives = [top for top in files if _is_archive(path / top)]
    if "cs231n" in inside or knows(files):
        yield Parcel(name, source, student={"File": name})
        return
    children = [*inside, *archives]
    if not children:
        there = f" (there is {shown(files[0])})" if files else ""
        raise RefusalError(f"{shown(name)} holds no hand-in{there}; {_WANTED}.")
    if len(children) == 1 and depth < 3:
        yield from _lonely(path / children[0], name, depth)
        return
    for child in sorted(children):
        yield from _one(path / child)


def _lonely(child: Path, name: str, depth: int) -> Iterator[Parcel | Refused]:
    """Yield what is in the only thing that a folder holds, which may be nameless."""
    called = PurePosixPath(child.name).stem if child.is_file() else child.name
    better = name if _NAMELESS.fullmatch(called) else called
    if child.is_dir():
        yield from _in_folder(child, better, depth + 1)
        return
    for parcel in _one(child):
        yield _renamed(parcel, better)


def _renamed(parcel: Parcel | Refused, name: str) -> Parcel | Refused:
    if (
        isinstance(parcel, Refused)
        or parcel.name == name
        or "File" not in parcel.student
    ):
        return parcel
    return Parcel(name, parcel.source, parcel.file, {"File": name})


def _one(path: Path) -> Iterator[Parcel | Refused]:
    """Yield what one thing in a class's folder is."""
    name = path.name if path.is_dir() else path.stem
    try:
        if path.is_symlink():
            raise RefusalError(
                f"{shown(path.name)} is a link; put a copy in its place."
            )
        if path.is_dir():
            yield Parcel(name, FolderSource(path), student={"File": name})
        else:
            yield from _in_zip(path)
    except RefusalError as error:
        yield Refused(name, str(error), {"File": name})


def _is_archive(path: Path) -> bool:
    """Tell whether a file is an archive, or says that it is one."""
    if path.suffix.lower() == ".zip":
        return True
    try:
        if path.is_symlink() or not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        return False
    return is_zip(head) or is_other_archive(head)


def _platform(tops: Mapping[str, bool]) -> str:
    """Return which platform exported a folder; empty if none did."""
    if METADATA in tops:
        return "gradescope"
    for name, is_folder in tops.items():
        if _MOODLE.fullmatch(name):
            return "moodle"
        if not is_folder and _CANVAS.fullmatch(name):
            return "canvas"
    # Without the file beside them, several are a class and one is a download.
    if (
        sum(
            is_folder and bool(_GRADESCOPE.fullmatch(n))
            for n, is_folder in tops.items()
        )
        > 1
    ):
        return "gradescope"
    return ""


def _of_platform(source: Source) -> Iterator[Parcel | Refused]:
    tops = source.tops()
    platform = _platform(tops)
    if platform == "gradescope":
        yield from _of_gradescope(source)
        return
    pattern, group = {
        "canvas": (_CANVAS, _canvas_group),
        "moodle": (_MOODLE, _moodle_group),
    }[platform]
    found = sorted(
        ((match, name) for name in tops if (match := pattern.fullmatch(name))),
        key=lambda pair: (pair[0]["who"], pair[1]),
    )
    for _, members in itertools.groupby(found, key=lambda pair: _owner(pair[0])):
        yield from group(source, list(members))
    for name, is_folder in tops.items():  # what somebody put there by hand
        student = {"File": PurePosixPath(name).stem}
        if pattern.fullmatch(name):
            continue
        if is_folder:
            yield Parcel(name, source.below(name), student={"File": name})
        elif name.lower().endswith(".zip"):
            yield from _zip_within(source, name, name, student, late=False)


def _owner(match: re.Match[str]) -> tuple[str, str]:
    number = "user" if "user" in match.groupdict() else "number"
    return match["who"], match[number]


Members = list[tuple[re.Match[str], str]]


def _canvas_group(source: Source, members: Members) -> Iterator[Parcel | Refused]:
    """Yield each zip of a student's, or the one hand-in that loose files are."""
    first = members[0][0]
    student = {"ID": first["user"], "Student": first["who"]}
    late = any(match["late"] for match, _ in members)
    zips = [(m, name) for m, name in members if _may_be_zip(source, name)]
    for match, name in sorted(zips, key=lambda pair: int(pair[0]["attachment"])):
        file = _COUNTED.sub("", match["file"])
        yield from _zip_within(source, name, file, student, bool(match["late"]))
    if not zips:
        names = {_COUNTED.sub("", match["file"]): name for match, name in members}
        called = f"{first['who']}_{first['user']}"
        loose = RenamedSource(source, names, called)
        yield Parcel(called, loose, student=student, late=late)


def _moodle_group(source: Source, members: Members) -> Iterator[Parcel | Refused]:
    """Yield what a student's folder holds, or the files that begin with its name."""
    first = members[0][0]
    called = f"{first['who']}_{first['number']}"
    who = first["who"]
    student = {"Identifier": f"Participant {first['number']}"}
    if not who.startswith("Participant"):
        student["Student"] = who
    handed = [(m, name) for m, name in members if m["kind"] == "file"]
    loose = {}
    for match, name in handed:
        if not match["file"]:
            yield Parcel(called, source.below(name), student=student)
        elif _may_be_zip(source, name):
            yield from _zip_within(source, name, match["file"], student, late=False)
        else:
            loose[match["file"]] = name
    if loose and len(loose) == len(handed):
        yield Parcel(called, RenamedSource(source, loose, called), student=student)
    if not handed:
        why = f"{shown(called)} has text alone; hand in a zip."
        yield Refused(called, why, student)


def _may_be_zip(source: Source, name: str) -> bool:
    if PurePosixPath(name).suffix.lower() == ".zip":
        return True
    if PurePosixPath(name).suffix.lower() in {".py", ".ipynb", ".pdf", ".txt", ".html"}:
        return False
    try:
        head = source.read(name, WHOLE)[:16]
    except RefusalError:
        return False
    return is_zip(head) or is_other_archive(head)


def _zip_within(
    source: Source, name: str, file: str, student: Mapping[str, str], late: bool
) -> Iterator[Parcel | Refused]:
    called = PurePosixPath(name).stem
    try:
        content = source.read(name, WHOLE)
        opened = ZipSource(io.BytesIO(content), called)
    except RefusalError as error:
        yield Refused(called, str(error), student)
        return
    yield Parcel(called, opened, file, student, late=late)


def _of_gradescope(source: Source) -> Iterator[Parcel | Refused]:
    tops = source.tops()
    known = _metadata(source) if METADATA in tops else {}
    folders = [name for name, is_folder in tops.items() if is_folder]
    files = [n for n, is_folder in tops.items() if not is_folder and n.endswith(".zip")]
    names = dict.fromkeys([*known, *folders, *(PurePosixPath(n).stem for n in files)])
    for name in sorted(names, key=_by_number):
        student, received = known.get(name, ({}, ""))
        if name in folders:
            yield Parcel(
                name,
                source.below(name),
                student=student or {"File": name},
                received=received,
            )
        elif f"{name}.zip" in files:
            for parcel in _zip_within(source, f"{name}.zip", "", student, late=False):
                if isinstance(parcel, Parcel):
                    parcel = Parcel(name, parcel.source, "", student, received)
                yield parcel
        else:
            why = f"{shown(name)} is named in {METADATA} and is not there; export anew."
            yield Refused(name, why, student)


def _by_number(name: str) -> tuple[int, str]:
    digits = re.findall(r"\d+", name)
    return (int(digits[-1][-18:]) if digits else 0), name


def _metadata(source: Source) -> dict[str, tuple[dict[str, str], str]]:
    """Return whose each submission is, and when it came.

    Raises:
        RefusalError: If the file cannot be read.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = source.read(METADATA, _LARGEST_METADATA)
        rows = yaml.load(text, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line = next(iter(str(error).splitlines()), "")
        raise RefusalError(
            f"{METADATA} cannot be read ({shown(line)}); export the class anew."
        ) from None
    if not isinstance(rows, dict):
        raise RefusalError(f"{METADATA} has no submissions; export the class anew.")
    return {
        str(name): (_submitters(row), _time(row.get(":created_at")))
        for name, row in rows.items()
        if isinstance(row, dict)
    }


def _submitters(row: Mapping[str, Any]) -> dict[str, str]:
    """Return columns of a roster -> what they say of each member, one on each line."""
    columns = {"Student": ":name:", "SIS User ID": ":sid:", "Email": ":email:"}
    people = row.get(":submitters")
    people = (
        [p for p in people if isinstance(p, dict)] if isinstance(people, list) else []
    )
    found = {}
    for column, key in columns.items():
        values = [str(p.get(key[:-1]) or "").replace("\n", " ") for p in people]
        if any(values):
            found[column] = "\n".join(values)
    return found


def _time(value: Any) -> str:
    if isinstance(value, datetime.datetime):
        zone = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
        return zone.isoformat(timespec="seconds")
    return str(value or "")
