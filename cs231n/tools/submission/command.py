"""Make assignment3.zip, ready to hand in, and say what a grader will see in it.

``python -m cs231n.submission``, which is all that ``collectSubmission.sh`` calls. A zip
is only made when nothing is missing, and an older one stays when none is. A list with a
hash of each file lies in it. Only the standard library is needed.
"""

import argparse
import contextlib
import hashlib
import json
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from cs231n.assignment import answers, table
from cs231n.assignment import stamp as handout
from cs231n.assignment.regions import ProblemsError
from cs231n.support import archive
from cs231n.support.files import replacing
from cs231n.tools.check import begun
from cs231n.tools.submission import preview, public_checks
from cs231n.tools.submission.collecting import (
    MANIFEST,
    Gathered,
    gather,
    names_for,
    problems,
    size,
)

ROOT = Path(__file__).resolve().parents[3]
NAME = "assignment3.zip"
CHECK_SECONDS = 300


class SubmissionError(ProblemsError):
    """There is something that cannot be handed in; one message for each."""


def manifest(found: Gathered, edition: str, version: str, missing: list[str]) -> bytes:
    """Return the list of what is in a hand-in: JSON, the same for the same files."""
    scores = {
        "format": 1,
        "assignment": "assignment3",
        "handout": version,
        "set": edition,
        "files": {
            path: {
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
            for path, content in found.files.items()
        },
        "left_out": found.left_out,
        "problems": missing,
    }
    return (json.dumps(scores, indent=1, ensure_ascii=False) + "\n").encode()


def pack(files: Mapping[str, bytes], target: Path) -> None:
    """Write files to a zip and read it back before it takes its place.

    Raises:
        OSError: If it cannot be written, or does not hold what was written.
    """
    with replacing(target) as draft:
        archive.pack(files, draft)
        if not archive.holds(draft, files):
            raise OSError("the disk does not hold what was written to it")


def ways_done(
    questions: Sequence[table.Question], root: Path, tensorflow: str | None
) -> list[list[table.Question]]:
    """Return in which ways a student did each question, the one to look at first.

    Args:
        questions: The questions.
        root: The folder that ``cs231n`` lies in.
        tensorflow: "true" if the student says that TensorFlow's files count, "false" if
            PyTorch's; what was begun tells if None.
    """
    asked = []
    for question in questions:
        rows = list(table.ways(question))
        if tensorflow is None:
            rows = begun.in_use(rows, root)
        elif tensorflow == "true":
            rows = [q for q in rows if q.framework == "tensorflow"] or rows
        else:
            rows = rows[:1]
        asked.append(sorted(rows, key=lambda q: -begun.share(q, root)))
    return asked


def remarks(
    root: Path, found: Gathered, questions: list[table.Question]
) -> Iterator[tuple[str, list[str]]]:
    """Yield file by file what a grader will stumble over, without running anything."""
    stamp = None
    if content := found.files.get(handout.STAMP):
        try:
            stamp = handout.read(content)
        except handout.StampError as error:
            yield handout.STAMP, [str(error)]
    now = answers.digests(root)
    for question in questions:
        for notebook in question.notebooks:
            for name in names_for(f"{notebook}.ipynb"):
                if name in found.files:
                    yield (
                        name,
                        preview.notebook_remarks(
                            found.files[name],
                            name,
                            question,
                            stamp,
                            now.get(question.id, {}),
                        ),
                    )
    if stamp:
        yield "What you wrote outside the boxes", [*preview.module_remarks(root, stamp)]


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m cs231n.submission``."""
    args = _parser().parse_args(argv)
    root = args.root.resolve()
    target = args.out or root / NAME
    questions = [q for q in table.questions() if args.edition in q.points]
    try:
        found = gather(root)
        asked = ways_done(questions, root, args.tensorflow)
        complaints = problems(found, asked)
        for path, reason in found.left_out.items():
            _say(f"{path} is left out: {reason}.")
        if complaints and not (args.anyway or args.preview):
            raise SubmissionError(complaints)
        if args.preview:
            for complaint in complaints:
                _say(complaint)
        else:
            _write(found, target, args.edition, complaints)
    except SubmissionError as error:
        _refuse(error.problems, target, incomplete=True)
        return 1
    except OSError as error:
        reason = (
            f"{target} cannot be written ({error.strerror or error}); make room, or "
            "name another place: --out FILE."
        )
        _refuse([reason], target, incomplete=False)
        return 1
    said, whole = len(complaints), False
    try:
        said += _show_notebooks(root, found, [q for q, *_ in asked], complaints)
        if not args.no_checks:
            said += _show_checks(root, args.edition, asked, args.seconds)
        whole = said == 0
    except KeyboardInterrupt:
        print("\nThe preview was interrupted.")
    print(_last_line(target, said, whole, args.preview, args.no_checks))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cs231n.submission",
        description="Make assignment3.zip, ready to hand in, and say what a grader "
        "will see in it.",
    )
    add, editions = parser.add_argument, table.editions()
    add(
        *("--set", "--edition"),
        dest="edition",
        choices=editions,
        default=editions[0],
        help="the questions your course has picked (%(default)s if it said nothing)",
    )
    add(
        *("-t", "--tensorflow"),
        choices=["true", "false"],
        help="whether TensorFlow's files count, or PyTorch's (those that were begun)",
    )
    add("--out", type=Path, metavar="FILE", help=f"the zip to write, instead of {NAME}")
    add(
        "--anyway",
        action="store_true",
        help="make the zip though something is missing or broken",
    )
    add("--no-checks", action="store_true", help="do not run the public checks")
    add("--preview", action="store_true", help="say what a grader will see; no zip")
    add(
        "--seconds",
        type=float,
        default=CHECK_SECONDS,
        help="how long the checks may take (%(default)g)",
    )
    add("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    return parser


def _last_line(
    target: Path, said: int, whole: bool, preview_only: bool, no_checks: bool
) -> str:
    """Say whether graded work is whole, and count what was said against it."""
    remarks_made = "one remark" if said == 1 else f"{said} remarks"
    if preview_only:
        made = f" with {remarks_made}" if said else ""
        return f"This was a preview{made}; no zip was made."
    if whole:
        unseen = ", though the public checks were not run" if no_checks else ""
        return f"### Done! {target.name} is ready to be handed in{unseen}."
    if not said:
        return f"{target.name} was made; what a grader will see was not all looked at."
    return (
        f"{target.name} was made, but is not whole: {remarks_made} above. It can be "
        "handed in as it is, or made again."
    )


def _write(found: Gathered, target: Path, edition: str, complaints: list[str]) -> None:
    version = ""
    with contextlib.suppress(handout.StampError):  # the preview speaks of it
        version = handout.read(found.files.get(handout.STAMP, b"")).version
    listing = manifest(found, edition, version, complaints)
    pack({MANIFEST: listing, **found.files}, target)
    for complaint in complaints:
        _say(complaint)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    weight = size(target.stat().st_size)
    _say(f"{target}: {len(found.files)} files, {weight}, sha256 {digest}")


def _refuse(complaints: list[str], target: Path, *, incomplete: bool) -> None:
    for complaint in complaints:
        _say(complaint, sys.stderr)
    said = f"No {target.name} was made."
    if target.exists():
        made = time.strftime("%Y-%m-%d %H:%M", time.localtime(target.stat().st_mtime))
        said += f" The one that is there is as it was, of {made}: it is an older one."
    if incomplete:
        said += " To hand in what there is all the same, say --anyway."
    _say(said, sys.stderr)


def _show_notebooks(
    root: Path,
    found: Gathered,
    questions: list[table.Question],
    complaints: list[str],
) -> int:
    """Print the remarks that were not made yet, and return how many they are."""
    print("\nWhat a grader will see")
    count = 0
    for name, told in remarks(root, found, questions):
        new = [remark for remark in told if remark not in complaints]
        if new:
            count += len(new)
            print(f"\n{name}")
            for remark in new:
                _say(remark, indent="  ")
    if not count and not complaints:
        print("\nNotebooks: all cells were run, in order and without an error.")
    print(flush=True)
    return count


def _show_checks(
    root: Path,
    edition: str,
    asked: list[list[table.Question]],
    seconds: float,
) -> int:
    """Print what the public checks say; return for how many questions it is not all."""
    print("Public checks, which may take a minute", flush=True)
    try:
        scores = public_checks.run_checks(root, edition, seconds)
    except ValueError as error:
        _say(f"They say nothing: {error}.", indent="  ")
        return 1
    questions = [public_checks.better(rows, scores) for rows in asked]
    for line in public_checks.check_remarks(scores, questions):
        _say(line, indent="  ")
    _say(
        "The grader calls your functions with other inputs too, and reads your answers "
        "in words.",
        indent="  ",
    )
    return public_checks.lacking(scores, questions)


def _say(text: str, stream: TextIO | None = None, indent: str = "") -> None:
    print(
        textwrap.fill(
            text,
            88,
            initial_indent=indent,
            subsequent_indent=f"{indent}  ",
            break_long_words=False,
            break_on_hyphens=False,
        ),
        file=stream or sys.stdout,
    )
