"""Make the hand-out: the solved tree without its answers, checked, folder and zip."""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from cs231n.support.files import replace, replacing
from staff.course import course
from staff.handout import checks, colab, golden
from staff.handout.archive import TOP, pack, write
from staff.handout.files import HandoutError, collect
from staff.judging.asking import AskingError
from staff.questions import ROOT, questions


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
            check = checks.Proof(ROOT, files, thorough=args.checks == "all")
            build(files, args.out, args.zip, check)
        cloud = colab.flavour(files, course())
        shutil.rmtree(args.out.with_name("colab"), ignore_errors=True)
        if cloud:
            write(cloud, args.out.with_name("colab"))
    except (HandoutError, AskingError) as error:
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
    if cloud:
        print(f"{args.out.with_name('colab')}: {len(cloud)} notebooks for Colab.")
    return 0
