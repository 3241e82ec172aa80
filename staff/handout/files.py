"""What goes into the hand-out: every path and its bytes, from nothing but the tree."""

import fnmatch
import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from cs231n.assignment import stamp
from staff import markers
from staff.course import course, heading
from staff.questions import Question, as_markdown, editions_as_markdown
from staff.report.jobs import durations

ALLOWED = "staff/student/files.txt"
MOVED = "staff/student/moved.toml"
PACKAGE = "cs231n/"
_NEVER = ("staff/", "benchmarks/", "build/", ".git/")  # whatever the list says
_NAME = re.compile(r"[A-Za-z0-9._/-]+")
_TEXT = {".h", ".md", ".py", ".pyx", ".sh", ".svg", ".toml", ".txt", ".json", ""}
_TEST_NEEDS = ("pytest", "hypothesis", "threadpoolctl")  # of tests/ and conftest.py


class HandoutError(Exception):
    """The tree cannot be handed out; the message says what to do about it."""


@dataclass(frozen=True)
class Entry:
    """A line of the allow-list.

    Attributes:
        target: Path or pattern in the hand-out.
        source: The same in the tree; differs from target for single files only.
        needed: Whether something must be there.
    """

    target: str
    source: str
    needed: bool


def collect(root: Path, table: Sequence[Question]) -> dict[str, bytes]:
    """Return what the hand-out of a tree consists of.

    Args:
        root: The solved tree.
        table: The questions; markers name their ids.

    Returns:
        Path -> content, sorted by path; text in UTF-8 with LF ends.

    Raises:
        HandoutError: If the tree cannot be handed out, naming every file that is wrong.
    """
    # What reads notebooks takes two seconds to import; a judge wants the package alone.
    from staff import convert

    files: dict[str, bytes] = {}
    problems: list[str] = []
    questions = [question.id for question in table]
    for target, source in sorted(_matches(root)):
        try:
            content = _read(root / source, source)
            if source.endswith(".py"):
                text = markers.redact(content.decode(), source, questions)
                content = text.encode()
            elif source.endswith(".md"):
                content = _fill_in(content.decode(), table, root).encode()
            if not source.endswith(".py"):
                markers.refuse_marks(content.decode(), source)
        except (HandoutError, markers.MarkerError) as error:
            problems.append(str(error))
        else:
            files[target] = content
    for path in sorted((root / "staff" / "notebooks").glob("*.py")):
        name = path.relative_to(root).as_posix()
        try:
            _read(path, name)  # insists on plain text
            text = markers.redact(convert.source_of(path), name, questions)
            files[f"{path.stem}.ipynb"] = convert.convert(text, path.stem)
        except (HandoutError, markers.MarkerError, convert.SourceError) as error:
            problems.append(str(error))
    try:
        content = _read(root / "pyproject.toml", "pyproject.toml")
        files["pyproject.toml"] = student_pyproject(content.decode()).encode()
    except HandoutError as error:
        problems.append(str(error))
    if problems:
        raise HandoutError("\n".join(problems))
    version = tomllib.loads(files["pyproject.toml"].decode())["project"]["version"]
    moved = root / MOVED
    places = tomllib.loads(moved.read_text("utf-8")) if moved.is_file() else {}
    files[stamp.STAMP] = stamp.write(stamp.take(version, files, places))
    return dict(sorted(files.items()))


def package(root: Path, table: Sequence[Question]) -> dict[str, bytes]:
    """Return the hand-out's package alone, as far as code runs it; that is quick.

    Mistakes in markers are for ``collect`` to find.

    Args:
        root: The solved tree.
        table: The questions; markers name their ids.
    """
    ids = [question.id for question in table]
    files = {}
    for target, source in sorted(_matches(root)):
        if target.startswith(PACKAGE):
            content = _read(root / source, source)
            if source.endswith(".py") and b"SOLUTION" in content:
                content = markers.redact(content.decode(), source, ids).encode()
            files[target] = content
    return files


def entries(text: str) -> Iterator[Entry]:
    """Read the allow-list.

    Raises:
        HandoutError: If a line cannot be understood, or names what must stay.
    """
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.partition("#")[0].strip()
        if not line:
            continue
        found = re.fullmatch(r"(\S+)(?:\s+(\?)|\s+<-\s+(\S+))?", line)
        where = f"{ALLOWED}:{number}"
        if found is None:
            raise HandoutError(
                f"{where}: {line!r} is no path, nor a path with ? or <- behind it."
            )
        target, source = found[1], found[3] or found[1]
        for path in (target, source):
            parts = PurePosixPath(path).parts
            if path.startswith("/") or ".." in parts or "\\" in path:
                raise HandoutError(f"{where}: {path} leads out of the tree.")
        if target.startswith(_NEVER) or (
            source.startswith(_NEVER) and not source.startswith("staff/student/")
        ):
            raise HandoutError(f"{where}: {line!r} would hand out what staff keep.")
        if found[3] and "*" in line:
            raise HandoutError(f"{where}: a pattern cannot come from elsewhere.")
        yield Entry(target, source, found[2] is None and "*" not in target)


def _matches(root: Path) -> Iterator[tuple[str, str]]:
    """Yield target and source of every file that the allow-list lets through."""
    listing = _read(root / ALLOWED, ALLOWED).decode()
    for entry in entries(listing):
        if "*" not in entry.source:
            if entry.needed or (root / entry.source).exists():
                yield entry.target, entry.source
            continue
        folder, _, pattern = entry.source.rpartition("/")
        if not (root / folder).is_dir():
            continue
        for name in sorted(path.name for path in (root / folder).iterdir()):
            if fnmatch.fnmatchcase(name, pattern):
                path = f"{folder}/{name}" if folder else name
                if not _NAME.fullmatch(path):
                    raise HandoutError(
                        f"{path!r} has a name that does not travel; rename it with "
                        "letters, digits, . - or _, or remove it."
                    )
                yield path, path


def _read(path: Path, name: str) -> bytes:
    """Read a text file, insisting on UTF-8 and LF ends."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise HandoutError(f"{name} is no plain file; put a copy of what is meant.")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise HandoutError(
            f"{name} is missing; bring it back, or strike it from {ALLOWED}."
        ) from None
    except OSError as error:
        raise HandoutError(
            f"{name} cannot be read ({error.strerror}); change its permissions."
        ) from None
    if path.suffix not in _TEXT:
        raise HandoutError(f"{name} is no text, and only text is handed out.")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise HandoutError(f"{name}:{line}: this is not UTF-8; save it anew.") from None
    if b"\r" in content:
        line = content[: content.index(b"\r")].count(b"\n") + 1
        raise HandoutError(f"{name}:{line}: lines end in CR LF; save them with LF.")
    return content


def _fill_in(text: str, table: Sequence[Question], root: Path) -> str:
    """Put in what a text asks for.

    ``{{course}}`` is the course's name and where its hand-out is, ``{{questions}}`` the
    tables of its questions and of other editions', ``{{questions 2017}}`` that of one
    set, ``{{durations}}`` how long the notebooks run, ``{{test packages}}`` what pip is
    asked for; pip itself knows groups only since version 25.1.
    """
    if "{{course}}" in text:
        text = text.replace("{{course}}", heading(course(root)))
    if "{{questions}}" in text:
        tables = editions_as_markdown(table, course(root).edition)
        text = text.replace("{{questions}}", tables)
    if "{{durations}}" in text:
        said = durations(root, course(root).edition, table)
        text = text.replace("{{durations}}", said)
    if "{{test packages}}" in text:
        project = _read(root / "pyproject.toml", "pyproject.toml").decode()
        groups = tomllib.loads(student_pyproject(project))["dependency-groups"]
        needs = " ".join(f'"{need}"' for need in groups["test"])
        text = text.replace("{{test packages}}", needs)

    return re.sub(
        r"\{\{questions (\w+)\}\}", lambda asked: as_markdown(table, asked[1]), text
    )


def student_pyproject(text: str) -> str:
    """Return the part of pyproject.toml that students need, from the staff's.

    Raises:
        HandoutError: If something that they need is missing there.
    """
    try:
        whole = tomllib.loads(text)
        needs = [
            need
            for need in whole["dependency-groups"]["test"]
            if re.split(r"[^\w-]", need)[0] in _TEST_NEEDS
        ]
        setup = whole["tool"]["setuptools"]
        settings = whole["tool"]["pytest"] | {"testpaths": ["tests"]}
        tables: dict[str, dict[str, Any]] = {
            "build-system": whole["build-system"],
            "project": whole["project"],
            "dependency-groups": {"test": needs},
            "tool.setuptools": {k: v for k, v in setup.items() if not _is_table(v)},
            **{f"tool.setuptools.{k}": v for k, v in setup.items() if _is_table(v)},
            "tool.pytest": settings,
        }
    except tomllib.TOMLDecodeError as error:
        raise HandoutError(f"pyproject.toml: {error}.") from None
    except KeyError as error:
        raise HandoutError(f"pyproject.toml has no {error}.") from None
    written = "\n".join(
        f"[{name}]\n" + "".join(f"{_key(k)} = {_toml(v)}\n" for k, v in table.items())
        for name, table in tables.items()
    )
    again = tomllib.loads(written)
    if again["project"] != whole["project"] or again["tool"]["setuptools"] != setup:
        raise HandoutError("pyproject.toml holds values that cannot be written again.")
    return written


def _key(name: str) -> str:
    """Quote a key where TOML would take its dots for tables."""
    return name if re.fullmatch(r"[\w-]+", name) else json.dumps(name)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _toml(value: Any) -> str:
    """Write a value as TOML; strings, truths, numbers, lists and tables are known."""
    if isinstance(value, list):
        inside = [_toml(item) for item in value]
        short = f"[{', '.join(inside)}]"
        if len(short) < 70:
            return short
        return "[\n" + "".join(f"  {item},\n" for item in inside) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
