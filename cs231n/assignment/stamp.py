"""What a hand-out held when it was made: its stamp, ``cs231n/handout.json``.

The stamp tells, without the old hand-out at hand, what a student has changed since: a
file, the given part of a module and which lines of it, a box that is gone, a cell of a
notebook. It holds hashes only.
"""

import hashlib
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from cs231n.assignment import given, regions
from cs231n.support.file_kinds import because

STAMP = "cs231n/handout.json"
FORMAT = 1
EXTRA = "extra"  # the tag of cells that are worth no points
LARGEST = 200 << 20  # bytes that a hand-out may unpack to


class StampError(ValueError):
    """A hand-out's stamp is missing, damaged or of another format."""


@dataclass(frozen=True)
class Stamp:
    """What a hand-out held.

    Attributes:
        version: Such as ``2026.1``.
        files: Path -> hash of the file.
        given: Path of a module with regions -> hash of all that is not in a region.
        cells: Path of a notebook -> cell id -> hash of the cell's text.
        places: Path of a module with regions -> ``owner:number`` of each of them.
        lines: Path of a module with regions -> what ``given.lines`` says of it.
        says: Path of a module -> what ``given.says`` says of it.
        extra: Path of a notebook -> ids of cells that are worth no points.
        moved: Path in an earlier hand-out -> where the same file lies now.
    """

    version: str
    files: Mapping[str, str]
    given: Mapping[str, str]
    cells: Mapping[str, Mapping[str, str]]
    # A stamp of an earlier release has none of these.
    places: Mapping[str, Sequence[str]] = field(default_factory=dict)
    lines: Mapping[str, str] = field(default_factory=dict)
    says: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)
    moved: Mapping[str, str] = field(default_factory=dict)


def fingerprint(content: bytes | str) -> str:
    """Return a hash that line ends of other systems do not change."""
    data = content.encode("utf-8", "replace") if isinstance(content, str) else content
    plain = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return hashlib.sha256(plain).hexdigest()


def take(
    version: str, files: Mapping[str, bytes], moved: Mapping[str, str] | None = None
) -> Stamp:
    """Return the stamp of a hand-out.

    Args:
        version: Such as ``2026.1``.
        files: Path from the hand-out's root, with slashes -> content. The stamp itself,
            if it is among them, is left out.
        moved: Path in an earlier hand-out -> where the same file lies now.

    Raises:
        RegionError: If a module's box is damaged.
        ValueError: If a notebook or a module cannot be read.
    """
    hashes, given_parts, cells = {}, {}, {}
    places, lines, says, extra = {}, {}, {}, {}
    for path, content in sorted(files.items()):
        if path == STAMP:
            continue
        hashes[path] = fingerprint(content)
        suffix = PurePosixPath(path).suffix
        if suffix == ".py":
            source = text(content)
            says[path] = given.says(source, path)
            if found := regions.find(source, path):
                given_parts[path] = fingerprint(regions.skeleton(source, path))
                places[path] = [f"{r.owner}:{r.number}" for r in found]
                lines[path] = given.lines(source, path)
        elif suffix == ".ipynb":
            every = [cell for cell in json.loads(content)["cells"] if "id" in cell]
            cells[path] = {cell["id"]: fingerprint(cell_text(cell)) for cell in every}
            if ids := [cell["id"] for cell in every if is_extra(cell)]:
                extra[path] = ids
    parts = given_parts, cells, places, lines, says, extra
    return Stamp(version, hashes, *parts, moved=dict(moved or {}))


def text(content: bytes) -> str:
    """Return a module's text with plain line ends, whatever system wrote it.

    Raises:
        UnicodeDecodeError: If it is not UTF-8.
    """
    return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def is_extra(cell: Mapping[str, Any]) -> bool:
    """Tell whether a notebook's cell is part of an exercise that is worth no points."""
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return isinstance(tags, list) and EXTRA in tags


def cell_text(cell: Mapping[str, Any]) -> str:
    """Return a notebook cell's text, which JSON holds whole or as a list of lines."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def write(stamp: Stamp) -> bytes:
    """Return the content of the stamp's file."""
    facts = {"format": FORMAT, **asdict(stamp)}
    return (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode()


def read(content: bytes) -> Stamp:
    """Return the stamp that a file holds.

    Raises:
        StampError: If it holds none, or one of a format that is not known here.
    """
    try:
        facts = json.loads(content)
        if facts["format"] != FORMAT:
            raise StampError(
                f"{STAMP} has format {facts['format']!r}, {FORMAT} was expected; use "
                "the update of the newer hand-out."
            )
        return Stamp(
            version=str(facts["version"]),
            files=_texts(facts["files"]),
            given=_texts(facts["given"]),
            cells={path: _texts(cells) for path, cells in facts["cells"].items()},
            places=_lists(facts.get("places", {})),
            lines=_texts(facts.get("lines", {})),
            says=_texts(facts.get("says", {})),
            extra=_lists(facts.get("extra", {})),
            moved=_texts(facts.get("moved", {})),
        )
    except StampError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StampError(f"{STAMP} is damaged: {error!r}.") from None


def _texts(table: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in table.items()}


def _lists(table: Mapping[str, Any]) -> dict[str, list[str]]:
    return {name: [str(value) for value in values] for name, values in table.items()}


def load(path: Path) -> tuple[Stamp, dict[str, bytes]]:
    """Read a hand-out, whole and unchanged, from its zip or from the unpacked folder.

    Args:
        path: The zip, or the folder that ``cs231n`` lies in.

    Returns:
        The stamp, and path from the hand-out's root -> content.

    Raises:
        StampError: If it is no hand-out, is damaged, or was changed since it was made.
        OSError: If it cannot be read.
    """
    if path.is_dir():
        return _verified(path.name, lambda name: _from_folder(path, name))
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path.name)
            found = [name for name in members if f"/{name}".endswith(f"/{STAMP}")]
            if len(found) != 1:
                raise StampError(
                    f"{path.name} is no hand-out: {STAMP} is in it {len(found)} times; "
                    "give the zip as you downloaded it."
                )
            prefix = found[0].removesuffix(STAMP)
            return _verified(
                path.name,
                lambda name: _from_zip(archive, members.get(prefix + name)),
            )
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise StampError(
            f"{path.name} is no whole zip file "
            + because(path, "zip", error, "download it again")
        ) from None
    except RuntimeError:  # what zipfile raises for a password
        raise StampError(
            f"{path.name} is encrypted; give the hand-out's zip."
        ) from None


def _verified(
    called: str, read_file: Callable[[str], bytes | None]
) -> tuple[Stamp, dict[str, bytes]]:
    content = read_file(STAMP)
    if content is None:
        raise StampError(
            f"{called} is no hand-out: it has no {STAMP}; give the new hand-out's zip, "
            "or the folder it was unpacked to."
        )
    stamp = read(content)
    files = {STAMP: content}
    for name, wanted in stamp.files.items():
        if not _travels(name):
            raise StampError(f"{called} has a file whose name leads astray: {name!r}.")
        found = read_file(name)
        if found is None or fingerprint(found) != wanted:
            state = "is missing from" if found is None else "has been changed in"
            raise StampError(
                f"{name} {state} {called}; give the hand-out as it was made, best its "
                "zip."
            )
        files[name] = found
    return stamp, files


def _members(archive: zipfile.ZipFile, called: str) -> dict[str, zipfile.ZipInfo]:
    """Return the files in a zip by name, none of which leads out of the folder."""
    infos = archive.infolist()
    # Some tools begin every name with ./, and name the folder itself so.
    named = [(info.filename.removeprefix("./"), info) for info in infos]
    for name, info in named:
        link = stat.S_ISLNK(info.external_attr >> 16)
        if link or (name and not _travels(name.rstrip("/"))):
            what = "a link" if link else "a file whose name leads astray"
            raise StampError(f"{called} has {what} in it: {info.filename!r}.")
    files = [(name, info) for name, info in named if name and not info.is_dir()]
    if len({name.casefold() for name, _ in files}) != len(files):
        raise StampError(f"{called} has a name in it twice; download it again.")
    if sum(info.file_size for info in infos) > LARGEST:
        raise StampError(
            f"{called} would unpack to more than {LARGEST >> 20} MB, which no hand-out "
            "does."
        )
    return dict(files)


def _travels(name: str) -> bool:
    """Tell whether a name is relative, stays inside, and means the same everywhere."""
    return all(
        part not in {"", ".", ".."} and not re.search(r'[\x00-\x1f\\:*?"<>|]', part)
        for part in name.split("/")
    )


def _from_zip(archive: zipfile.ZipFile, member: zipfile.ZipInfo | None) -> bytes | None:
    if member is None:
        return None
    with archive.open(member) as file:
        return file.read(LARGEST)


def _from_folder(folder: Path, name: str) -> bytes | None:
    try:
        return (folder / name).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
