"""One record for each submission: what was judged, by which rules, with what result.

A record is a JSON object with four parts, which ``record.schema.json`` describes:

- ``format``: the version of the schema.
- ``verdict``: what follows from the submission, the rubric, the course secret and the
  environment alone. The same four give the same bytes, whenever and in whatever order.
- ``host``: where and how fast, which the next run may find otherwise.
- ``people``: whose it is and what people decided on top of the verdict.

Beside ``NAME.json`` lies ``NAME.zip`` with the submission's content, so that it can be
judged again when nothing else is left.
"""

import hashlib
import io
import json
import platform
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from cs231n.support import archive
from cs231n.support.files import replacing
from staff.environment import installed, installed_of
from staff.grading.results import Judged
from staff.grading.submission import Left, Refused, Submission
from staff.questions import questions

Record: TypeAlias = dict[str, Any]
FORMAT = 1
SCHEMA = Path(__file__).with_name("record.schema.json")
FOLDER = "records"
_ABOUT = "submission.json"  # in the zip, beside modules/ and notebooks/
_VERSIONS_OF = ("numpy", "scipy", "torch", "torchvision")
_VERSIONS_IF_ANY = ("tensorflow", "tensorflow-cpu", "keras")


class RecordError(ValueError):
    """A file that is no record, or one that has been changed since it was written."""


@dataclass(frozen=True)
class Grounds:
    """What a verdict rests on besides the submission.

    Attributes:
        rubric: Hash of the table, the checks and the reference.
        secret: Hash of the course secret.
        environment: Names -> versions of what ran.
        withdrawn: Check's id -> why it counts no more.
        only: The questions that are judged, by id; all of them if there is none.
    """

    rubric: str
    secret: str
    environment: Mapping[str, str]
    withdrawn: Mapping[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()

    def told(self) -> dict[str, Any]:
        """Return what a verdict says of them."""
        return {
            "rubric": self.rubric,
            "secret": self.secret,
            "environment": dict(self.environment),
            "withdrawn": dict(self.withdrawn),
            **({"only": list(self.only)} if self.only else {}),
        }


@cache
def environment() -> dict[str, str]:
    """Return the versions that a verdict's last digits may depend on."""
    found = {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
    }
    return found | installed_of(_VERSIONS_IF_ANY) | installed(_VERSIONS_OF)


def stem(submission: Submission | Refused) -> str:
    """Return what a submission's files are called: its name, and a hash of the rest."""
    facts = json.dumps(_identified(submission), sort_keys=True)
    told = hashlib.sha256(facts.encode()).hexdigest()
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", submission.name).strip("-._")[:60]
    return f"{plain or 'submission'}-{told[:10]}"


def record(
    submission: Submission,
    judged: Judged,
    grounds: Grounds,
    host: Mapping[str, Any] | None = None,
) -> Record:
    """Return the record of a submission that was judged.

    Args:
        submission: What was handed in.
        judged: What was found.
        grounds: By which rules.
        host: What else the run noticed: seconds in all, when it began, and the like.

    """
    checks = [
        {
            **asdict(check),
            "mistakes": list(check.mistakes),
            "points": round(float(check.points), 9),
            "of": round(float(check.of), 9),
        }
        for check in judged.checks
    ]
    modules = {k: v.encode("utf-8", "replace") for k, v in submission.modules.items()}
    about = _identified(submission) | {
        "modules": {name: _hash(text) for name, text in modules.items()},
        "notebooks": {name: _hash(c) for name, c in submission.notebooks.items()},
    }
    verdict = {
        "checks": checks,
        "questions": _questions(checks, submission.edition, grounds.only, judged),
        "score": _number(sum(check["points"] for check in checks)),
        "of": _number(sum(check["of"] for check in checks)),
    }
    noticed = {
        "isolation": judged.isolation,
        "seconds": {k: round(v, 3) for k, v in judged.seconds.items()},
        "speed": dict(judged.speed),
        "peak_bytes": judged.peak,
        "timed_out": list(judged.timed_out),
    }
    return _assembled(about, grounds, verdict, noticed | dict(host or {}))


def refusal(refused: Refused, grounds: Grounds) -> Record:
    """Return the record of a submission that could not be read.

    Args:
        refused: What is known of it.
        grounds: By which rules it would have been judged.
    """
    why = {"refused": _plain(refused.why)}
    return _assembled(_identified(refused), grounds, why)


def failure(submission: Submission, why: str, grounds: Grounds) -> Record:
    """Return the record of a submission on which the grader itself failed.

    It has no score: a person has to look. The next run tries it again.

    Args:
        submission: What was handed in.
        why: What happened, for graders.
        grounds: By which rules it would have been judged.
    """
    return _assembled(_identified(submission), grounds, {"failed": _plain(why)})


def _assembled(
    about: Mapping[str, Any],
    grounds: Grounds,
    verdict: Mapping[str, Any],
    noticed: Mapping[str, Any] | None = None,
) -> Record:
    return {
        "format": FORMAT,
        "verdict": {"submission": about, **grounds.told(), **verdict},
        "host": {**_machine(), **(noticed or {})},
        "people": {},
    }


def checked(found: Any, name: str) -> Record:
    """Return a record that fits the schema.

    Raises:
        RecordError: If it does not, with the place where it does not.
    """
    version = found.get("format") if isinstance(found, dict) else None
    if version != FORMAT:
        raise RecordError(
            f"{name} is no record of format {FORMAT} (it says {version!r}); grade the "
            "submission again."
        )
    for error in _validator().iter_errors(found):
        raise RecordError(
            f"{name} is no record: {error.json_path} does not fit the schema "
            f"({error.message[:200]}); grade the submission again."
        )
    return dict(found)


@cache
def _validator() -> Any:
    # Its import takes a moment, for which processes that only write need not wait. Two
    # seconds more would go to what checks addresses, and the schema has none of those.
    addresses, known = "rfc3987_syntax", "rfc3987_syntax" in sys.modules
    sys.modules.setdefault(addresses, None)  # type: ignore[arg-type]
    try:
        from jsonschema import Draft202012Validator
    finally:
        if not known:
            del sys.modules[addresses]

    return Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))


def written(found: Mapping[str, Any]) -> bytes:
    """Return the bytes of a record, or of a part of it: the same for the same facts."""
    text = json.dumps(
        found, indent=1, ensure_ascii=False, sort_keys=True, allow_nan=False
    )
    return (text + "\n").encode("utf-8", "replace")


def save(found: Record, path: Path) -> None:
    """Write a record, whole or not at all."""
    with replacing(path) as draft:
        draft.write_bytes(written(found))


def read(path: Path) -> Record:
    """Return a record.

    Raises:
        RecordError: If the file holds none.
    """
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise RecordError(
            f"{path} is not there; name a record, or its folder."
        ) from None
    except (ValueError, RecursionError) as error:
        raise RecordError(
            f"{path} cannot be read as JSON ({error}); grade the submission again."
        ) from None
    return checked(found, str(path))


def files(place: Path) -> list[Path]:
    """Return the records at a place.

    Args:
        place: A record, a folder of records, or the folder that ``grade`` wrote.

    Raises:
        RecordError: If there is none.
    """
    if place.is_file():
        return [place]
    folder = place / FOLDER if (place / FOLDER).is_dir() else place
    found = sorted(p for p in folder.glob("*.json") if not p.name.startswith("."))
    if not found:
        raise RecordError(
            f"{place} holds no records; name a record, or a folder that "
            "`python -m staff grade` wrote."
        )
    return found


def same_grounds(found: Record, digest: str, grounds: Grounds) -> bool:
    """Tell whether a record says what judging again would say.

    Args:
        found: The record.
        digest: The submission's; empty for one that is refused.
        grounds: Today's.
    """
    verdict = found["verdict"]
    return (
        "failed" not in verdict
        and verdict["submission"].get("digest", "") == digest
        and verdict["rubric"] == grounds.rubric
        and verdict["secret"] == grounds.secret
        and verdict["environment"] == dict(grounds.environment)
        and verdict.get("only", []) == list(grounds.only)
    )


def keep(submission: Submission, path: Path) -> None:
    """Write a submission's content beside its record, the same bytes every time.

    Args:
        submission: What was handed in.
        path: The zip.
    """
    content = {_ABOUT: written(_about(submission))}
    for name, text in sorted(submission.modules.items()):
        content[f"modules/{name}"] = text.encode()
    for name, notebook in sorted(submission.notebooks.items()):
        content[f"notebooks/{name}.ipynb"] = notebook
    with replacing(path) as draft:
        archive.pack(content, draft)


def kept(path: Path) -> Submission:
    """Return a submission that was kept.

    Raises:
        RecordError: If the zip is missing or damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as packed:
            content = {name: packed.read(name) for name in packed.namelist()}
        about = json.loads(content.pop(_ABOUT))
        return Submission(
            name=about["name"],
            layout=about["layout"],
            edition=about["edition"],
            modules={
                name.removeprefix("modules/"): text.decode()
                for name, text in content.items()
                if name.startswith("modules/")
            },
            notebooks={
                name.removeprefix("notebooks/").removesuffix(".ipynb"): text
                for name, text in content.items()
                if name.startswith("notebooks/")
            },
            left=tuple(Left(**left) for left in about["left"]),
            remarks=tuple(about["remarks"]),
            student=about["student"],
            received=about["received"],
            late=about["late"],
        )
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise RecordError(
            f"{path}, the submission beside its record, cannot be read ({error}); hand "
            "the submission itself to `python -m staff grade`."
        ) from None


def _about(submission: Submission | Refused) -> dict[str, Any]:
    """Return what is known of a submission but its content."""
    about: dict[str, Any] = {
        "name": _plain(submission.name),
        "student": {_plain(k): _plain(v) for k, v in submission.student.items()},
    }
    if isinstance(submission, Submission):
        about |= {
            "layout": submission.layout,
            "edition": submission.edition,
            "left": [
                {"path": _plain(left.path), "why": _plain(left.why)}
                for left in submission.left
            ],
            "remarks": [_plain(remark) for remark in submission.remarks],
            "received": submission.received,
            "late": submission.late,
        }
    return about


def _identified(submission: Submission | Refused) -> dict[str, Any]:
    """Return the same, and what tells one content from all others."""
    about = _about(submission)
    if isinstance(submission, Submission):
        about["digest"] = submission.digest
    return about


def _machine() -> dict[str, Any]:
    return {"host": platform.node(), "platform": platform.platform()}


def _questions(
    checks: list[dict[str, Any]],
    edition: str,
    only: tuple[str, ...],
    judged: Judged,
) -> list[dict[str, Any]]:
    """Return the points of each judged question of a set, in the table's order."""
    rows = {question.id: question for question in questions()}
    found = []
    for question in questions():
        if edition not in question.points or (only and question.id not in only):
            continue
        counted = rows[judged.counted.get(question.id, question.id)]
        keys = [function.key for function in counted.functions]
        own = [check for check in checks if check["function"] in keys]
        found.append(
            {
                "id": question.id,
                "title": counted.title,
                "functions": keys,
                "points": _number(sum(check["points"] for check in own)),
                "of": _number(sum(check["of"] for check in own)),
                **({"counted": counted.id} if question.id in judged.counted else {}),
                **_said("remark", judged.remarks.get(question.id, "")),
            }
        )
    return found


def _said(name: str, text: str) -> dict[str, str]:
    return {name: _plain(text)} if text else {}


def _number(value: float) -> float:
    """Return a sum of points without the dust that adding shares leaves."""
    return round(float(value), 6) + 0.0


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _plain(text: str) -> str:
    """Return a text that can be written as UTF-8, whatever a file was called."""
    return text.encode("utf-8", "replace").decode()


def every(place: Path) -> Iterator[tuple[Path, Record]]:
    """Yield the records at a place, each with its file.

    Args:
        place: As in ``files``.

    Raises:
        RecordError: If one of them is none.
    """
    for path in files(place):
        yield path, read(path)
