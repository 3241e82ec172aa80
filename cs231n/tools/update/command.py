"""Carry your answers into a newer hand-out: ``python -m cs231n.update NEW.zip``.

What you wrote between the boxes of modules, your answers and changes in notebooks, and
files of your own stay. Everything else becomes what the new hand-out has. All files
that change are saved first, and nothing changes if an answer would have no place to go.
"""

import argparse
import shutil
import sys
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from cs231n.assignment import stamp as handout
from cs231n.support.files import replace, replacing, set_mode
from cs231n.tools.update import merge

ROOT = Path(__file__).resolve().parents[3]
BACKUP = "before.zip"
REPORT = "report.txt"
DRAFT = ".update-"  # what the folder is called until it is complete


class UpdateError(Exception):
    """Nothing was changed; the message says why and what to do."""


@dataclass
class Plan:
    """What an update will do.

    Attributes:
        writes: Path -> new content.
        removes: Paths of files that the hand-out has no longer.
        before: Path -> content of each file that is replaced, removed or merged.
        carried: Path -> names of what was carried over.
        notes: What the student should look at.
        asides: Path in the report's folder -> text.
        problems: Why it must not be done.
    """

    writes: dict[str, bytes] = field(default_factory=dict)
    removes: list[str] = field(default_factory=list)
    before: dict[str, bytes] = field(default_factory=dict)
    carried: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    asides: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def plan(
    root: Path, old: handout.Stamp, new: handout.Stamp, files: dict[str, bytes]
) -> Plan:
    """Decide about every file; change none.

    Args:
        root: The student's folder.
        old: Stamp of the hand-out that the student began with.
        new: Stamp of the newer one.
        files: The newer one's files.
    """
    made = Plan()
    origins = _origins(root, old, new)
    paths = old.files.keys() | new.files.keys()
    for path in sorted(paths - set(origins.values())):
        origin = origins.get(path, path)
        try:
            yours = _read(root, origin)
        except OSError as error:
            made.problems.append(
                f"{origin} cannot be read ({error.strerror}); make it readable."
            )
            continue
        try:
            _decide(path, origin, yours, old, new, files, made)
        except merge.MergeError as error:
            made.problems += error.problems
    if (
        made.writes
        or made.removes
        or _read(root, handout.STAMP) != files[handout.STAMP]
    ):
        if (stamp := _read(root, handout.STAMP)) is not None:
            made.before[handout.STAMP] = stamp
        made.writes[handout.STAMP] = files[handout.STAMP]
    for path in (*made.writes, *made.removes):
        if link := _link_outside(root, path):
            made.problems.append(
                f"{link} is a link out of this folder, and {path} would be written "
                "there; put a folder in its place."
            )
    return made


def _origins(root: Path, old: handout.Stamp, new: handout.Stamp) -> dict[str, str]:
    """Return path -> where the same file lies in the student's folder, if it moved."""
    return {
        path: before
        for before, path in new.moved.items()
        if before in old.files
        and path in new.files
        and (root / before).is_file()
        and not (root / path).exists()
    }


def _decide(
    path: str,
    origin: str,
    yours: bytes | None,
    old: handout.Stamp,
    new: handout.Stamp,
    files: dict[str, bytes],
    made: Plan,
) -> None:
    """Decide about one file, ``origin`` of the student's and ``path`` of the new ones.

    ==================  ========================  =====================================
    student's file      new hand-out's file       what is done
    ==================  ========================  =====================================
    like the new one    any                       nothing
    is not there        any                       the new one is written
    as handed out       is there no longer        removed
    has answers         is there no longer        refused, naming them
    changed             is there no longer        stays, with a note
    changed             as it was                 stays
    as handed out       another                   the new one is written
    changed             another                   merged; set aside if there is no way
    ==================  ========================  =====================================

    What moved is written anew in any case, and removed where it was.
    """
    was, is_now = old.files.get(origin), new.files.get(path)
    mine = None if yours is None else handout.fingerprint(yours)
    moved = origin != path
    if mine == is_now and not moved:
        return
    if yours is None:
        made.writes[path] = files[path]
        return
    if is_now is None:
        if mine == was:
            made.removes.append(path)
            made.before[path] = yours
        elif path in old.given and (answers := merge.answered(yours, path)):
            made.problems += [
                f"{where} has no place in the new version, as there is no {path} in it."
                for where in answers
            ]
        else:
            made.notes.append(f"{path} is in the hand-out no longer; yours stays.")
        return
    if is_now == was and not moved:
        return  # only the student changed it
    made.before[origin] = yours
    if moved:
        made.removes.append(origin)
    if mine == was:
        made.writes[path] = files[path]
        return
    merged = _merge(path, origin, yours, old, new, files[path])
    if merged.content != yours or moved:
        made.writes[path] = merged.content
    if merged.carried:
        made.carried[path] = merged.carried
    made.notes += merged.notes
    if merged.aside:
        suffix = ".new.txt" if path.endswith(".ipynb") else ".diff"
        made.asides[path + suffix] = merged.aside


def _merge(
    path: str,
    origin: str,
    yours: bytes,
    old: handout.Stamp,
    new: handout.Stamp,
    newer: bytes,
) -> merge.Merged:
    """Bring a student's version of a file and the newer one together."""
    if path in new.cells and origin in old.cells:
        return merge.merge_notebook(yours, newer, old.cells[origin], path)
    if origin in old.given:
        places, lines = old.places.get(origin, ()), old.lines.get(origin, "")
        given = old.given[origin]
        return merge.merge_module(yours, newer, given, path, places, lines)
    return merge.Merged(
        newer,
        notes=[
            f"{path}: you and the course have changed it. The new one is in place; "
            "yours is kept here to look at."
        ],
        aside=merge.difference(
            newer.decode("utf-8", "replace"), yours.decode("utf-8", "replace"), path
        ),
    )


def _read(root: Path, path: str) -> bytes | None:
    try:
        return (root / path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _link_outside(root: Path, path: str) -> str:
    """Return the folder of a path that is a link to elsewhere, or ''."""
    home = root.resolve()
    for parent in reversed((root / path).relative_to(root).parents):
        place = root / parent
        if place.is_symlink() and not place.resolve().is_relative_to(home):
            return parent.as_posix()
    return ""


def carry_out(made: Plan, root: Path, summary: str) -> str:
    """Save what will change, then change it.

    Every file is written in full before the first one is replaced, and each is replaced
    in one step. If that fails in the middle, all are put back; if it is cut off there,
    by a power failure, starting it again does the rest.

    Args:
        made: A plan without problems.
        root: The student's folder.
        summary: What the report begins with.

    Returns:
        Name of the folder with the backup and the report.

    Raises:
        UpdateError: If something cannot be written; then nothing has changed.
    """
    draft: Path | None = None
    try:
        draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=root))
        _save(made, draft, summary)
        folder = _numbered(draft, root)
    except OSError as error:
        raise UpdateError(
            f"The update cannot be written ({error.strerror or error}); nothing was "
            "changed. Make room, or make this folder writable, and start it again."
        ) from None
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)
    existed = {path for path in made.writes if (root / path).exists()}
    try:
        for path in made.removes:
            (root / path).unlink(missing_ok=True)
        for path in made.writes:  # the stamp comes last: then all is done
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            replace(folder / "new" / path, target)
    except BaseException as error:  # an interrupt, too, must leave nothing half done
        if lost := _put_back(made, root, existed):
            raise UpdateError(
                f"The update failed ({error}), and {', '.join(lost)} could not be put "
                f"back; unpack {folder.name}/{BACKUP} over this folder."
            ) from None
        shutil.rmtree(folder, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise UpdateError(
            f"{error.filename or 'A file'} cannot be replaced ({error.strerror}); "
            "everything is as it was. Close Jupyter and your editor, and try again."
        ) from None
    shutil.rmtree(folder / "new", ignore_errors=True)
    return folder.name


def _save(made: Plan, draft: Path, summary: str) -> None:
    """Write backup, report, what is set aside, and the new files, to a folder."""
    set_mode(draft, 0o755)
    with (
        replacing(draft / BACKUP) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for path, content in sorted(made.before.items()):
            archive.writestr(path, content)
    texts = {REPORT: summary, **made.asides}
    files = {path: text.encode("utf-8", "replace") for path, text in texts.items()}
    files |= {f"new/{path}": content for path, content in made.writes.items()}
    for path, content in files.items():
        with replacing(draft / path) as file:
            file.write_bytes(content)
        if path.endswith(".sh"):
            set_mode(draft / path, 0o755)


def _numbered(draft: Path, root: Path) -> Path:
    """Rename a folder to the first free one of update-1, update-2 and so on."""
    number = 1
    while True:
        folder = root / f"update-{number}"
        if not folder.exists() and not folder.is_symlink():
            try:
                replace(draft, folder)
                return folder
            except OSError:
                if not folder.exists():
                    raise
        number += 1


def _put_back(made: Plan, root: Path, existed: set[str]) -> list[str]:
    """Undo what was done so far; return the paths with which that failed."""
    failed = []
    for path in (*made.writes, *made.removes):
        try:
            if path in made.before and _read(root, path) != made.before[path]:
                with replacing(root / path) as draft:
                    draft.write_bytes(made.before[path])
            elif path in made.writes and path not in existed:
                (root / path).unlink(missing_ok=True)
        except OSError:
            failed.append(path)
    return failed


def summarise(made: Plan, old: handout.Stamp, new: handout.Stamp) -> str:
    """Return what an update does, for people."""
    lines = [f"From {old.version} to {new.version}."]
    if made.carried:
        lines += ["", "Carried over:"]
        for path, names in made.carried.items():
            lines.append(f"  {path}: {', '.join(names)}")
    if renewed := [p for p in made.writes if p not in made.carried]:
        lines += ["", "New or renewed:", *(f"  {path}" for path in renewed)]
    if made.removes:
        lines += ["", "No longer needed, and removed:"]
        lines += [f"  {path}" for path in made.removes]
    if made.notes:
        lines += ["", "Look at this:", *(f"  {note}" for note in made.notes)]
    if made.asides:
        lines += [
            "",
            "Kept beside this report:",
            *(f"  {path}" for path in made.asides),
        ]
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m cs231n.update``."""
    parser = argparse.ArgumentParser(
        prog="python -m cs231n.update",
        description="Carry your answers into a newer hand-out.",
    )
    parser.add_argument("new", type=Path, help="the new hand-out: its zip, or a folder")
    parser.add_argument(
        "--old",
        type=Path,
        help=f"the hand-out you began with, should {handout.STAMP} be lost",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and do nothing"
    )
    parser.add_argument(
        "--root", type=Path, default=ROOT, help="the folder to update; this one if not"
    )
    args = parser.parse_args(argv)

    try:
        said = _update(args.root.resolve(), args.new, args.old, args.dry_run)
    except (UpdateError, handout.StampError) as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(
            f"{error.filename or 'A file'} cannot be read ({error.strerror}); nothing "
            "was changed.",
            file=sys.stderr,
        )
    except KeyboardInterrupt:
        print("\nInterrupted; nothing was changed.", file=sys.stderr)
    else:  # whatever goes wrong with output is nothing that the update did
        print(said)
        return 0
    return 1


def _update(root: Path, source: Path, began_with: Path | None, dry_run: bool) -> str:
    """Update a folder and return what there is to say of it."""
    new, files = handout.load(source)
    if began_with is not None:
        old, _ = handout.load(began_with)
    elif (content := _read(root, handout.STAMP)) is not None:
        old = handout.read(content)
    else:
        raise UpdateError(
            f"{handout.STAMP} is missing here, so what you changed cannot be told from "
            "what you were given; name the hand-out you began with: --old OLD.zip"
        )
    if not dry_run:
        for left in root.glob(f"{DRAFT}*"):  # by an update that was killed while saving
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
    told = [
        f"An update was cut off; this one does the rest, and {cut_off.parent.name}/"
        f"{BACKUP} holds the files from before it."
        for cut_off in root.glob("update-*/new")
    ]
    made = plan(root, old, new, files)
    if made.problems:
        raise UpdateError(
            "Nothing was changed, as an update would lose something:\n"
            + "\n".join(f"  {problem}" for problem in made.problems)
            + "\nMend this, or move the answer elsewhere and put the raise that was "
            "there in its place. Then start the update again."
        )
    summary = summarise(made, old, new)
    if not made.writes and not made.removes:
        return "\n".join([*told, f"Up to date: this is {new.version} already."])
    if dry_run:
        last = "Nothing was changed, as you asked for a dry run."
    else:
        folder = carry_out(made, root, summary)
        last = (
            f"Done. {folder}/{REPORT} says this again. {folder}/{BACKUP} holds the old "
            f"files; to go back: python -m zipfile -e {folder}/{BACKUP} .\n"
            "Reload the notebooks that are open in Jupyter before you save them."
        )
    return "\n".join([*told, summary, last])
