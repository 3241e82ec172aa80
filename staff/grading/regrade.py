"""Judge submissions once more, from their records alone."""

import argparse
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from staff.grading import command, jobs, records, secret
from staff.grading.command import GradeError
from staff.grading.records import Grounds, Record
from staff.grading.scores import shown


def regrade(args: argparse.Namespace) -> int:
    """Judge again what the arguments name; say what is not as it was."""
    old = {
        path: record for place in args.records for path, record in records.every(place)
    }
    key = secret.course_secret(args.out or Path(tempfile.gettempdir()) / "no-grades")
    digest = secret.digest(key)
    others = [p for p, r in old.items() if r["verdict"]["secret"] != digest]
    if others and not args.another_secret:
        raise GradeError(
            f"{others[0]} was graded with another course secret; name its file in "
            f"{secret.SETTING}, or say --another-secret, which draws other inputs."
        )
    level = command.level_for(args.require_isolation)
    grounds = replace(command.grounds_for(key), only=_questions_of(old.values()))
    if args.out is None:
        if args.overrides or args.written or args.remarks:
            raise GradeError("where to? name a folder for the new records with --out.")
        with tempfile.TemporaryDirectory(prefix="regrade-") as folder:
            return _compare(old, _judge(old, Path(folder), key, grounds, level, args))
    folder = args.out / records.FOLDER
    if any(path.parent.resolve() == folder.resolve() for path in old):
        raise GradeError(
            f"{args.out} is where these records lie; name another folder with --out, "
            "so that the two can be compared."
        )
    if any(folder.glob("*.json")):
        raise GradeError(f"{args.out} holds records; name an empty folder with --out.")
    status = _compare(old, _judge(old, folder, key, grounds, level, args))
    for place in args.records:
        if args.roster is None and (place / command.ROSTER).is_file():
            args.roster = place / command.ROSTER
    print(command.summary(command.finish(args.out, args), args.out))
    return status


def _questions_of(all_: Iterable[Record]) -> tuple[str, ...]:
    """Return the questions that records are about; none if it is all."""
    found = {tuple(record["verdict"].get("only", ())) for record in all_}
    if len(found) > 1:
        raise GradeError(
            "some of these records are about all questions and some are not, or about "
            "others; name those apart that are about the same."
        )
    return found.pop()


def _judge(
    old: dict[Path, Record],
    folder: Path,
    key: bytes,
    grounds: Grounds,
    level: str,
    args: argparse.Namespace,
) -> dict[str, Record]:
    """Judge records again in a folder: what their files are called -> new record."""
    folder.mkdir(parents=True, exist_ok=True)
    todo = command.Todo()
    for path, record in old.items():
        verdict = record["verdict"]
        if "refused" in verdict:  # there is nothing to judge
            new = {**record, "verdict": verdict | grounds.told()}
            records.save(records.checked(new, str(path)), folder / path.name)
            continue
        zipped = path.with_suffix(".zip")
        submission = records.kept(zipped)
        if submission.digest != verdict["submission"]["digest"]:
            raise GradeError(
                f"{zipped} is not what {path.name} was judged on; hand the submission "
                "itself to `python -m staff grade`."
            )
        shutil.copyfile(zipped, folder / zipped.name)
        todo.names.append(path.stem)
        todo.people[path.stem] = record["people"]
    work = jobs.Work(folder, key, grounds, level, args.judging)
    command.judge(todo, args.jobs, work, "Begin again in an empty folder.")
    return {path.stem: records.read(folder / path.name) for path in old}


def _compare(old: dict[Path, Record], new: dict[str, Record]) -> int:
    """Print how the new verdicts differ; return 1 if the same rules give others."""
    same, status = 0, 0
    for path, record in old.items():
        before, after = record["verdict"], new[path.stem]["verdict"]
        if records.written(before) == records.written(after):
            same += 1
            continue
        rules = [
            k for k in ("rubric", "secret", "environment") if before[k] != after[k]
        ]
        was, now = _score(before), _score(after)
        if rules:
            print(f"{path.stem}: {was} → {now}, by another {', '.join(rules)}")
        else:
            print(f"{path.stem}: {was} → {now}, BY THE SAME RULES")
            status = 1
    print(f"The same to the byte: {same} of {len(old)}.")
    return status


def _score(verdict: dict[str, object]) -> str:
    score = verdict.get("score")
    return shown(score) if isinstance(score, float | int) else "not judged"


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m staff regrade``."""
    parser = argparse.ArgumentParser(
        prog="python -m staff regrade", description=__doc__
    )
    parser.add_argument(
        "records",
        nargs="+",
        type=Path,
        metavar="RECORD",
        help="records, or folders that `grade` wrote",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="where new records go, with pages and tables; without it they are "
        "compared with the old ones, and left",
    )
    parser.add_argument(
        "--another-secret",
        action="store_true",
        help="draw hidden inputs from today's course secret although it is another one",
    )
    command.add_options(parser)
    args = parser.parse_args(argv)
    return command.run(lambda: regrade(args))
