"""Keep your work where the machine is not kept: one zip, packed and unpacked again.

``python -m cs231n.tools.keeping pack answers.zip`` puts the whole folder into it but
for data and caches; ``unpack answers.zip`` brings it back into a folder that was
unzipped anew, of the same hand-out or a newer one.
"""

from cs231n.support import commands  # first, so that no scratch file comes before it

# isort: split
import argparse
import io
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

from cs231n.assignment import stamp as handout
from cs231n.support import archive as zips
from cs231n.support.files import replacing
from cs231n.tools.submission.collecting import gather

ROOT = Path(__file__).resolve().parents[2]


class KeepingError(Exception):
    """Nothing was changed; the message says why and what to do."""


def pack(root: Path, archive: Path) -> int:
    """Write the work in a folder, with the hand-out round it, into a zip.

    Args:
        root: The assignment's folder.
        archive: The zip; one that is there is replaced once the new one is whole.

    Returns:
        How many files are in it.

    Raises:
        KeepingError: If the folder is no hand-out, or the zip cannot be written.
    """
    names = {*_stamp(root).files, handout.STAMP}
    given = {name: root / name for name in names if (root / name).is_file()}
    try:
        files = {name: path.read_bytes() for name, path in given.items()}
        files |= gather(root).files
        packed = io.BytesIO()
        zips.pack(dict(sorted(files.items())), packed)
        archive.parent.mkdir(parents=True, exist_ok=True)
        with replacing(archive) as draft:
            draft.write_bytes(packed.getvalue())
    except OSError as error:
        raise KeepingError(
            f"{archive} cannot be written ({error.strerror or error}); name another "
            "place."
        ) from None
    return len(files)


def unpack(root: Path, archive: Path) -> None:
    """Bring the work in a zip back into a folder in which nothing was written yet.

    Args:
        root: The assignment's folder, as it was unzipped.
        archive: What pack wrote. If it is of an older hand-out, the answers are carried
            into this one as ``python -m cs231n.update`` does.

    Raises:
        KeepingError: If something was written there, or the zip is not whole.
    """
    try:
        handout.load(root)
    except handout.StampError as error:
        raise KeepingError(
            f"The folder has work in it already: {error} Unzip the hand-out into a new "
            "folder and unpack there."
        ) from None
    with tempfile.TemporaryDirectory() as name:
        before = Path(name)
        try:
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(before)
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise KeepingError(
                f"{archive} cannot be read ({error}); give the file that pack wrote."
            ) from None
        if _stamp(before) != _stamp(root):
            command = [sys.executable, "-m", "cs231n.update", str(root)]
            done = subprocess.run(
                command, cwd=before, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise KeepingError(done.stderr.strip() or done.stdout.strip())
        shutil.copytree(before, root, dirs_exist_ok=True)


def _stamp(root: Path) -> handout.Stamp:
    try:
        return handout.read((root / handout.STAMP).read_bytes())
    except (OSError, handout.StampError) as error:
        raise KeepingError(
            f"{root.name} is no hand-out ({error}); start with the one you were given."
        ) from None


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m cs231n.tools.keeping``."""
    parser = argparse.ArgumentParser(
        prog="python -m cs231n.tools.keeping", description=__doc__
    )
    parser.add_argument("verb", choices=["pack", "unpack"])
    parser.add_argument("archive", type=Path, metavar="answers.zip")
    args = parser.parse_args(argv)
    try:
        if args.verb == "pack":
            count = pack(ROOT, args.archive)
            print(f"{args.archive}: {count} files. Keep it where this machine is not.")
        else:
            unpack(ROOT, args.archive)
            print(f"Your work of {args.archive} is back.")
    except KeepingError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    commands.run(main)
