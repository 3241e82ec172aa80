"""Make the hand-out: the solved tree without its answers, checked, folder and zip."""

import argparse
import re
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

from cs231n.support.files import replace, replacing, set_mode
from staff.handout.files import HandoutError, collect
from staff.questions import ROOT, questions

TOP = "assignment3"  # the folder that the archive unpacks to
CHANGES = ROOT / "CHANGELOG.md"


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files into an empty folder; shell scripts are executable."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        set_mode(path, _mode(name))


def pack(files: Mapping[str, bytes], archive: Path) -> None:
    """Write files into an archive, the same bytes every time and everywhere.

    All files are of the release's day: what students unpack shows a time that is true.
    Nothing is compressed: the bytes would then depend on the machine's zlib.
    """
    time_of_all = (*release_day(CHANGES.read_text("utf-8")), 12, 0, 0)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        for name in sorted(files):
            entry = zipfile.ZipInfo(f"{TOP}/{name}", time_of_all)
            entry.create_system = 3  # Unix, whose modes the next line speaks of
            entry.external_attr = (0o100000 | _mode(name)) << 16
            packed.writestr(entry, files[name])


def release_day(changes: str) -> tuple[int, int, int]:
    """Return year, month and day of the newest term in the change notes.

    Raises:
        HandoutError: If its heading does not name them.
    """
    newest = re.search(r"^## .*$", changes, re.MULTILINE)
    heading = newest[0] if newest else ""
    try:
        day = date.fromisoformat(heading.rpartition("(")[2].removesuffix(")"))
    except ValueError:
        raise HandoutError(
            f"{CHANGES.name}: the newest heading, {heading!r}, names no day; write one "
            "such as '## 2026.1 (2026-11-28)'."
        ) from None
    return day.year, day.month, day.day


def differences(files: Mapping[str, bytes], folder: Path) -> list[str]:
    """Name what a folder has beyond some files, what it lacks, and what differs."""
    found = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if not path.is_dir() or path.is_symlink()
    }
    return sorted(
        [f"{name} was not put there" for name in found.keys() - files.keys()]
        + [f"{name} is gone" for name in files.keys() - found.keys()]
        + [
            f"{name} has changed"
            for name in files.keys() & found.keys()
            if found[name].is_symlink() or found[name].read_bytes() != files[name]
        ]
    )


def build(
    files: Mapping[str, bytes],
    out: Path,
    archive: Path,
    check: Callable[[Path], list[str]] = lambda _: [],
) -> None:
    """Write a hand-out, check what was written, and only then put it in its place.

    Args:
        files: Path -> content.
        out: The folder; one that is there is replaced as a whole.
        archive: The zip.
        check: Names what is wrong with a folder that holds the files.

    Raises:
        HandoutError: If there is something wrong, or files cannot be written; folder
            and archive are then as they were.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    except OSError as error:
        raise _cannot_write(out.parent, error) from None
    folder, aside = draft / TOP, draft / "old"
    try:
        folder.mkdir()
        write(files, folder)
        problems = check(folder)
        # The checks run students' programs in there, which may write, but not here.
        problems += [
            f"after the checks, {difference} in the hand-out's folder"
            for difference in differences(files, folder)
        ]
        if problems:
            raise HandoutError("\n".join(problems))
        with replacing(archive) as packed:
            pack(files, packed)
            if out.exists():
                replace(out, aside)
            replace(folder, out)
    except OSError as error:
        if aside.exists():  # the archive failed after the folder was in its place
            if out.exists():
                replace(out, folder)
            replace(aside, out)
        raise _cannot_write(out.parent, error) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _cannot_write(where: Path, error: OSError) -> HandoutError:
    return HandoutError(
        f"Cannot write to {where} ({error.strerror or error}); make room or change the "
        "permissions, and try again. What was there is as it was."
    )


def _mode(name: str) -> int:
    return 0o755 if name.endswith(".sh") else 0o644


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m staff handout``."""
    parser = argparse.ArgumentParser(
        prog="python -m staff handout", description=__doc__
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "handout")
    parser.add_argument(
        "--zip", type=Path, default=ROOT / "build" / "assignment3-handout.zip"
    )
    parser.add_argument(
        "--checks",
        choices=["all", "quick", "none"],
        default="all",
        help="quick leaves out the notebooks, and tests of files that are as in the "
        "solved tree; none only writes (%(default)s)",
    )
    parser.add_argument(
        "--update-goldens",
        action="store_true",
        help="write the golden copy of the tiny tree's hand-out anew, and stop",
    )
    args = parser.parse_args(argv)

    from staff.handout import checks, golden

    began = time.monotonic()
    try:
        if args.update_goldens:
            golden.update()
            print(golden.GOLDEN)
            return 0
        files = collect(ROOT, questions())
        if args.checks == "none":
            build(files, args.out, args.zip)
        else:
            thorough = args.checks == "all"
            check = checks.proof(ROOT, files, thorough=thorough)
            build(files, args.out, args.zip, check)
    except HandoutError as error:
        print(error, file=sys.stderr)
        print("\nNo hand-out was made.", file=sys.stderr)
        return 1
    size = args.zip.stat().st_size
    checked = f"checked in {time.monotonic() - began:.0f} s"
    print(
        f"{args.out}: {len(files)} files, "
        f"{checked if args.checks != 'none' else 'not checked'}.\n"
        f"{args.zip}: {size / 1e6:.1f} MB."
    )
    return 0
