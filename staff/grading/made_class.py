"""Make a class to try the grader on: ``python -m staff class``.

Submissions are made from the solved tree and the bank of mistakes: finished, half done,
with mistakes, of older editions, carelessly packed, broken, hostile (and harmless). The
same seed makes the same class. Beside them lie a roster, as Canvas exports it, and
``answers.json``, which says what each of them is.
"""

import argparse
import csv
import io
import json
import random
import re
import shutil
import stat
import sys
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cs231n.assignment import stamp
from cs231n.assignment.table import Function, Question, module_of
from cs231n.support import archive, commands
from cs231n.tools.submission.collecting import MANIFEST, Gathered
from cs231n.tools.submission.command import manifest
from staff import markers
from staff.grading import old_notebooks
from staff.handout.files import collect
from staff.mistakes import writings
from staff.mistakes.bank import Slip, answers_with, bank
from staff.questions import ROOT, questions

Files = dict[str, bytes]
EXPORTS = ("canvas", "moodle", "gradescope", "folder")
SUBMISSIONS, ROSTER, ANSWERS = "submissions", "roster.csv", "answers.json"
FORMAT = 1
_NOT_HANDED_IN = (
    *("cs231n/datasets/", "cs231n/drawing/", "cs231n/embedded/", "."),
    *("README.md", "collectSubmission.sh", "requirements.txt"),
)
_GIVEN_NAMES = (
    *("Ada", "Björn", "Chloé", "Dmitri", "Eun-ji", "Fátima", "Grace", "Hüseyin"),
    *("Inés", "José", "Keiko", "Łukasz", "María", "Ngozi", "Olga", "Priya", "Quân"),
    *("Rosa", "Søren", "Tomás", "Uma", "Vikram", "Wei", "Xiu", "Yara", "Zoë"),
)
_FAMILY_NAMES = (
    *("Adeyemi", "Brown", "Chen", "Díaz", "Eriksson", "Ferrari", "García", "Hughes"),
    *("Ito", "Jansen", "Kowalski", "Lee", "Müller", "Nguyễn", "O'Neill", "Park"),
    *(
        "Rossi",
        "Sørensen",
        "Tanaka",
        "Ünal",
        "van der Berg",
        "Wójcik",
        "Yildiz",
        "Zhang",
    ),
)


@dataclass
class Made:
    """A submission, and what is to be expected of it.

    Attributes:
        kind: Such as ``finished``.
        file: What its zip is called by whoever made it.
        content: The zip; or the files, if a platform unpacks it.
        edition: The set of questions that it answers.
        mistakes: The mistakes that are in it.
        unwritten: Functions that were not begun.
        spoilt: Functions that cannot be right, for what surrounds them.
        doubtful: Functions of another module that imports the one with those.
        refused: Whether intake has to refuse it.
    """

    kind: str
    file: str = "assignment3.zip"
    content: bytes = b""
    edition: str = "2017"
    mistakes: list[Slip] = field(default_factory=list)
    unwritten: list[Function] = field(default_factory=list)
    spoilt: list[Function] = field(default_factory=list)
    doubtful: list[Function] = field(default_factory=list)
    refused: bool = False


@dataclass(frozen=True)
class Person:
    """Somebody in the class."""

    name: str
    id: int
    sis: str
    login: str


def make(folder: Path, students: int, seed: int, export: str = "canvas") -> list[Made]:
    """Write a class.

    Args:
        folder: An empty one, or one that is not there yet.
        students: How many.
        seed: What it is drawn from.
        export: One of ``EXPORTS``: how the submissions lie there.

    Returns:
        The submissions, without their content.

    Raises:
        FileExistsError: If the folder holds something.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; name another folder.")
    target = folder / SUBMISSIONS
    target.mkdir(parents=True)
    people = list(_people(students, seed))
    rows: list[dict[str, Any]] = []
    made_all = []
    for number, (person, kind) in enumerate(
        zip(people, _kinds(students, seed), strict=True)
    ):
        rng = random.Random(f"{seed}/{number}")
        attempts = [kind] if rng.random() > 0.1 else ["half", kind]
        if export in {"moodle", "gradescope"}:
            attempts = [kind]  # they export the last one alone
        if kind == "missing":
            attempts = []
        late = rng.random() < 0.12
        for attempt, of_kind in enumerate(attempts):
            made = MAKERS[of_kind](rng)
            place = number, attempt, late and attempt == len(attempts) - 1
            name = _write(target, export, person, made, place)
            rows.append(_row(name, person, made, late=place[2] and export == "canvas"))
            made.content = b""
            made_all.append(made)
    if export == "gradescope":
        _write_metadata(target, people, rows)
    (folder / ROSTER).write_text(_roster(people), "utf-8")
    answers = {"format": FORMAT, "seed": seed, "export": export, "submissions": rows}
    text = json.dumps(answers, indent=1, ensure_ascii=False)
    (folder / ANSWERS).write_text(f"{text}\n", "utf-8")
    return made_all


def _kinds(students: int, seed: int) -> list[str]:
    """Return a kind for each student: each kind once, and then by weight."""
    rng = random.Random(f"{seed}/kinds")
    weighted = [k for k, weight in _WEIGHTS.items() for _ in range(weight)]
    once = list(_WEIGHTS)[:students]
    more = [rng.choice(weighted) for _ in range(students - len(once))]
    kinds = once + more
    rng.shuffle(kinds)
    return kinds


def _people(students: int, seed: int) -> Iterator[Person]:
    rng = random.Random(f"{seed}/people")
    pairs = [(g, f) for g in _GIVEN_NAMES for f in _FAMILY_NAMES]
    rng.shuffle(pairs)
    ids = rng.sample(range(10_000, 99_999), students)
    for number, id in enumerate(ids):
        given, family = pairs[number % len(pairs)]
        # Beyond all pairs names would repeat, and names alone tell people apart.
        more = f" {number // len(pairs) + 1}" if number >= len(pairs) else ""
        sis, login = f"S{id + 700_000:07}", f"{_letters(given)[:3]}{id}"
        yield Person(f"{given} {family}{more}", id, sis, login)


def _letters(name: str) -> str:
    spelled = name.translate(str.maketrans("øØłŁ", "oOlL"))
    plain = unicodedata.normalize("NFKD", spelled)
    return re.sub(r"[^a-z0-9]", "", plain.casefold())


def _roster(people: Sequence[Person]) -> str:
    """Return the gradebook as Canvas exports it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    writer.writerow([*columns, "Assignment 3 (31415)", "Current Score"])
    writer.writerow(["    Points Possible", "", "", "", "", "100", "(read only)"])
    for p in people:
        name = f"{_family(p)}, {p.name.partition(' ')[0]}"
        writer.writerow([name, p.id, p.sis, p.login, "CS231n-01", "", ""])
    writer.writerow(["Student, Test", "99", "", "f00test", "CS231n-01", "", ""])
    return out.getvalue()


def _family(person: Person) -> str:
    return person.name.partition(" ")[2]


def _row(name: str, person: Person, made: Made, late: bool) -> dict[str, Any]:
    """Return what ``answers.json`` says of a submission."""
    known = {(slip.key, slip.says) for slip in bank()[1]}
    names = {f.key: f.name for q in questions() for f in q.functions}
    also = [
        {"function": key, "says": slip.says}
        for slip in made.mistakes
        for key, own in names.items()
        if own == names[slip.key] and key != slip.key and (key, slip.says) in known
    ]
    return {
        "name": name,
        "student": str(person.id),
        "kind": made.kind,
        "file": made.file,
        "edition": made.edition,
        "late": late,
        "refused": made.refused,
        "mistakes": [{"function": s.key, "says": s.says} for s in made.mistakes],
        "possible": also,  # the other variant of a function may show the mistake, too
        "unwritten": [f.key for f in made.unwritten],
        "spoilt": [f.key for f in made.spoilt],
        "doubtful": [f.key for f in made.doubtful],
    }


def _write(
    target: Path, export: str, person: Person, made: Made, place: tuple[int, int, bool]
) -> str:
    """Write a submission as a platform would; return what intake calls it."""
    number, attempt, late = place
    if export == "folder":
        name = f"{person.login}-{attempt + 1}" if attempt else person.login
        (target / f"{name}.zip").write_bytes(made.content)
        return name
    if export == "canvas":
        who = _letters(_family(person)) + _letters(person.name.partition(" ")[0])
        stem, _, suffix = made.file.rpartition(".")
        file = f"{stem}-{attempt}.{suffix}" if attempt else made.file
        mark = "LATE_" if late else ""
        name = f"{who}_{mark}{person.id}_{500_000 + 3 * number + attempt}_{file}"
        (target / name).write_bytes(made.content)
        return name.rpartition(".")[0]
    if export == "moodle":
        name = f"{person.name}_{20_000 + number}"
        folder = target / f"{name}_assignsubmission_file_"
        folder.mkdir()
        (folder / made.file).write_bytes(made.content)
        return name
    name = f"submission_{90_000_000 + number}"
    (target / f"{name}.zip").write_bytes(made.content)
    return name


def _write_metadata(
    target: Path, people: Sequence[Person], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Write what Gradescope says of whose each submission is."""
    by_id = {str(p.id): p for p in people}
    lines = ["---"]
    for minute, row in enumerate(rows):
        p = by_id[row["student"]]
        lines += [
            f"{row['name']}:",
            "  :submitters:",
            f"  - :name: {json.dumps(p.name, ensure_ascii=False)}",
            f"    :sid: {p.sis}",
            f"    :email: {p.login}@example.edu",
            f"  :created_at: 2026-05-27 2{minute // 60 % 4}:{minute % 60:02}:07.250 Z",
            "  :status: processed",
        ]
    (target / "submission_metadata.yml").write_text("\n".join(lines) + "\n", "utf-8")


@cache
def _handout() -> Files:
    return collect(ROOT, questions())


def _questions_of(edition: str) -> list[Question]:
    return [q for q in questions() if edition in q.points]


def _functions(edition: str) -> list[Function]:
    return [f for q in _questions_of(edition) for f in q.functions]


def _slips(edition: str, rng: random.Random, count: int) -> list[Slip]:
    """Draw mistakes that cost points, each in another function."""
    names = {f.key: f.name for f in _functions(edition)}
    every = [
        s
        for s in bank()[1]
        if s.tier == "asked" and not s.implied and s.key in names and "edit" in s.edits
    ]
    rng.shuffle(every)
    drawn: dict[str, Slip] = {}
    for slip in every:
        if len(drawn) < count:
            drawn.setdefault(names[slip.key], slip)
    return list(drawn.values())


def _bodies(slips: Sequence[Slip]) -> dict[str, str]:
    """Return answers that make mistakes, by dotted name."""
    found: dict[str, str] = {}
    for slip in slips:
        found |= answers_with(slip, "edit")[0]
    return found


def modules(edition: str, written: set[str], bodies: Mapping[str, str]) -> Files:
    """Return students' modules as they hand them in.

    Args:
        edition: The set of questions.
        written: Dotted names of functions that are written; others are as handed out.
        bodies: Dotted name -> an answer in place of the solution.
    """
    ids = [q.id for q in questions()]
    changed = writings.sources(bodies)
    files = {}
    for path in dict.fromkeys(
        path for q in _questions_of(edition) for path in q.modules
    ):
        module = module_of(path)
        source = changed.get(module) or writings.solved(module)
        keep = [name.removeprefix(f"{module}.") for name in written]
        files[path] = markers.redact(source, path, ids, keep=keep).encode()
    return files


@cache
def _notebooks() -> Files:
    return {p: c for p, c in _handout().items() if p.endswith(".ipynb")}


def _answered(content: bytes, rng: random.Random) -> bytes:
    """Return a notebook with words in the places for written answers."""
    notebook = json.loads(content)
    words = ["the", "loss", "gradient", "falls", "since", "each", "step", "is", "small"]
    for cell in notebook["cells"]:
        text = stamp.cell_text(cell)
        if cell["cell_type"] == "markdown" and "TODO(" in text:
            said = " ".join(rng.choice(words) for _ in range(12)).capitalize()
            cell["source"] = f"{text}\n\n{said}.".splitlines(keepends=True)
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def _of_today(
    edition: str, written: set[str], bodies: Mapping[str, str], rng: random.Random
) -> Files:
    """Return all that the course's script packs today."""
    names = {f"{n}.ipynb" for q in questions() for n in q.notebooks}
    files = {
        path: _answered(content, rng) if path in names else content
        for path, content in _handout().items()
        if not path.startswith(_NOT_HANDED_IN)
    }
    files |= modules(edition, written, bodies)
    files = dict(sorted(files.items()))
    version = stamp.read(_handout()[stamp.STAMP]).version
    files[MANIFEST] = manifest(Gathered(files), edition, version, [])
    return files


def _packed(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    archive.pack(files, out)
    return out.getvalue()


def _work(
    rng: random.Random, edition: str, mistakes: int, part: float = 1.0
) -> tuple[Made, set[str], dict[str, str]]:
    """Decide what somebody wrote.

    Args:
        rng: Draws it.
        edition: The set of questions.
        mistakes: How many mistakes at most.
        part: How far they came, from 0 to 1, in the order of the table.
    """
    functions = _functions(edition)
    begun = functions[: round(part * len(functions))]
    written = {f.name for f in begun}
    slips = [
        s
        for s in _slips(edition, rng, mistakes)
        if next(f for f in functions if f.key == s.key).name in written
    ]
    unwritten = [f for f in functions if f.name not in written]
    made = Made("", edition=edition, mistakes=slips, unwritten=unwritten)
    return made, written, _bodies(slips)


def _today(
    kind: str,
    edition: str,
    mistakes: Callable[[random.Random], int],
    part: Callable[[random.Random], float] = lambda _: 1.0,
) -> Callable[[random.Random], Made]:
    """Return what makes a submission in today's layout.

    Args:
        kind: What it is called in ``answers.json``.
        edition: The set of questions.
        mistakes: Draws how many it holds.
        part: Draws which part of the functions is written.
    """

    def make(rng: random.Random) -> Made:
        made, written, bodies = _work(rng, edition, mistakes(rng), part(rng))
        made.kind = kind
        made.content = _packed(_of_today(edition, written, bodies, rng))
        return made

    return make


def _old(edition: str) -> Callable[[random.Random], Made]:
    """Return what makes a submission in an old edition's layout."""

    def of(rng: random.Random) -> Made:
        chosen = "2016" if edition == "2016" else "2017"
        made, written, bodies = _work(rng, chosen, rng.randint(0, 2))
        made.kind = f"layout of {edition}"
        files, made.file = _in_layout(edition, chosen, written, bodies)
        made.content = _packed(files)
        return made

    return of


def _in_layout(
    edition: str, chosen: str, written: set[str], bodies: Mapping[str, str]
) -> tuple[Files, str]:
    """Return files in an old edition's layout, and what its zip is called."""
    files = modules(chosen, written, bodies)
    captioning = ("RNN_Captioning.ipynb", "LSTM_Captioning.ipynb")
    notebooks = {name: _notebooks()[name] for name in captioning}
    if edition in old_notebooks.NOTEBOOKS:
        inline = [path for q in _questions_of(chosen)[2:] for path in q.modules]
        for path in inline:
            del files[path]
        solved = {
            f.name: writings.answer(writings.solved(f.module), f.qualname)
            for f in _functions(chosen)
            if f.file in inline and f.name in written
        }
        solved |= {name: body for name, body in bodies.items() if name in solved}
        for name, cells in old_notebooks.NOTEBOOKS[edition].items():
            notebooks[f"{name}.ipynb"] = old_notebooks.fill(cells, solved)
    else:
        for name, content in _notebooks().items():
            if "Image" not in name:
                name = name.replace("GANs-TensorFlow", "GANs-TF")
                notebooks[name.replace("GANs-", "Generative_Adversarial_Networks_")] = (
                    content
                )
    old = f"# As {edition} had it.\nimport numpy as np\n".encode()
    files |= {"cs231n/layers.py": old, "cs231n/__init__.py": b""}
    files |= notebooks
    if edition in {"2016", "2018"}:
        files |= {"kitten.jpg": b"\xff\xd8\xff", ".gitignore": b"*.pyc\n"}
        files["frameworkpython"] = b"#!/bin/bash\n"
        return dict(sorted(files.items())), "assignment3.zip"
    name = "a3_code_submission.zip" if edition == "2021" else "a3.zip"
    return dict(sorted(files.items())), name


def _messy(rng: random.Random) -> Made:
    """Return work that is packed carelessly, and can be read all the same."""
    made, written, bodies = _work(rng, "2017", rng.randint(0, 2))
    made.kind = "messy"
    files = modules("2017", written, bodies) | _notebooks()
    way = rng.randrange(5)
    if way == 0:  # one folder too many, as Finder packs it
        files = {f"assignment3 copy/{path}": c for path, c in files.items()}
        files |= {"__MACOSX/assignment3 copy/._x": b"\0", ".DS_Store": b"\0\0\0\1"}
    elif way == 1:  # one too few
        files = {path.removeprefix("cs231n/"): c for path, c in files.items()}
    elif way == 2:  # another editor
        path = "cs231n/rnn_layers.py"
        text = files[path].decode().replace("\n", "\r\n")
        files[path] = b"# B\xf6rn\r\n" + text.encode("latin-1", "replace")
    elif way == 3:  # names that a browser and a notebook server gave
        files = {
            path.replace("RNN_Captioning", "RNN_Captioning-Copy1"): c
            for path, c in files.items()
        }
        files["cs231n/my_tools.py"] = b"def halve(x):\n    return x / 2\n"
    else:  # a zip in a zip
        files = {"final/assignment3.zip": _packed(files), "report.pdf": b"%PDF-1.4\n"}
        made.file = "submission.zip"
    made.content = _packed(files)
    return made


def _broken(rng: random.Random) -> Made:
    made, written, bodies = _work(rng, "2017", 0)
    whole = _packed(modules("2017", written, bodies) | _notebooks())
    ways: list[Callable[[], bytes]] = [
        lambda: whole[: len(whole) // 2],
        lambda: b"",
        lambda: b"%PDF-1.4\n% exported by mistake\n",
        lambda: b"<!doctype html><title>Sign in</title>",
        lambda: b"Rar!\x1a\x07\x01\x00" + bytes(64),
        lambda: _packed({"report.pdf": b"%PDF-1.4\n", "notes.txt": b"see the PDF"}),
        lambda: _damaged(whole),
        lambda: _encrypted(whole),
    ]
    return _refused(made, "broken", rng.choice(ways)())


def _refused(made: Made, kind: str, content: bytes) -> Made:
    """Turn what was made into a file that intake refuses."""
    made.kind, made.refused, made.content = kind, True, content
    return made


def _damaged(whole: bytes) -> bytes:
    """Return a zip of which some bytes in the first file were changed."""
    start = 30 + whole[26] + 256 * whole[27] + 40
    spoilt = bytes(b ^ 0x55 for b in whole[start : start + 99])
    return whole[:start] + spoilt + whole[start + 99 :]


def _encrypted(whole: bytes) -> bytes:
    """Return a zip whose list says that its first file has a password."""
    at = whole.index(b"PK\1\2") + 8
    return whole[:at] + bytes([whole[at] | 1]) + whole[at + 1 :]


def _hostile_zip(rng: random.Random) -> Made:
    """Return a zip that intake has to refuse; none of it would do any harm."""
    made, written, bodies = _work(rng, "2017", 0)
    files = modules("2017", written, bodies)
    ways: list[Callable[[], bytes]] = [
        lambda: _packed(files | {"../../escaped.py": b"escaped = True\n"}),
        lambda: _packed(files | {"/tmp/escaped.py": b"escaped = True\n"}),
        lambda: _packed(files | {"C:\\escaped.py": b"escaped = True\n"}),
        lambda: _packed(files | {"zeros.bin": bytes(20_000_000)}),
        lambda: _packed(files | {"cs231n/RNN_Layers.py": b"wins = True\n"}),
        lambda: _packed(files | {"cs231n/aux.py": b"device = True\n"}),
        lambda: _packed(files | {"d/" * 40 + "deep.py": b"deep = True\n"}),
        lambda: _linked(files),
        lambda: _doubled(files),
    ]
    return _refused(made, "hostile zip", rng.choice(ways)())


def _linked(files: Files) -> bytes:
    out = io.BytesIO(_packed(files))
    with zipfile.ZipFile(out, "a") as packed:
        entry = zipfile.ZipInfo("cs231n/notes.txt", archive.EARLIEST)
        entry.create_system = 3
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(entry, "/etc/hostname")
    return out.getvalue()


def _doubled(files: Files) -> bytes:
    """Return a zip with a name in it twice."""
    path = "cs231n/rnn_layers.py"
    twin = path.replace("rnn_layers", "rnn_layerz")
    packed = _packed(files | {twin: b"wins = True\n"})
    return packed.replace(twin.encode(), path.encode())


# What stands on top of a module -> whether its functions can be right all the same.
_HOSTILE_CODE = {
    "raise SystemExit(0)\n": False,
    "import os\nos._exit(0)\n": False,
    "print 'training'\n": False,
    "import a_package_that_nobody_has\n": False,
    "def broken(:\n    pass\n": False,
    "while True:\n    pass\n": False,
    "import sys\nsys.setrecursionlimit(50)\n": True,
    "import numpy\nnumpy.allclose = lambda *args, **kwargs: True\n": True,
    "import atexit\natexit.register(print, 'still here')\n": True,
    "print('x' * 1000)\n": True,
}


def _hostile_code(rng: random.Random) -> Made:
    """Return work with a module that does what no module should."""
    made, written, bodies = _work(rng, "2017", 0)
    path = rng.choice([p for q in _questions_of("2017") for p in q.modules])
    line, may_be_right = rng.choice(list(_HOSTILE_CODE.items()))
    files = _of_today("2017", written, bodies, rng)
    text = files[path].decode()
    if "from __future__" in text:  # which has to come first
        head, future, rest = text.partition("from __future__ import annotations\n")
        files[path] = f"{head}{future}{line}{rest}".encode()
    else:
        files[path] = f"{line}{text}".encode()
    made.kind = "hostile code"
    if not may_be_right:
        made.spoilt = [f for f in _functions("2017") if f.file == path]
        if path == "cs231n/rnn_layers.py":  # which the model imports
            made.doubtful = [f for f in _functions("2017") if f.qualname[:4] == "Capt"]
    made.content = _packed(files)
    return made


MAKERS: dict[str, Callable[[random.Random], Made]] = {
    "finished": _today("finished", "2017", lambda _: 0),
    "mistakes": _today("mistakes", "2017", lambda rng: rng.randint(1, 4)),
    "half": _today(
        "half",
        "2017",
        lambda rng: rng.randint(0, 2),
        lambda rng: rng.uniform(0.1, 0.9),
    ),
    "set of 2016": _today("set of 2016", "2016", lambda rng: rng.randint(0, 2)),
    **{f"layout of {y}": _old(y) for y in ("2016", "2018", "2019", "2020", "2021")},
    "messy": _messy,
    "broken": _broken,
    "hostile zip": _hostile_zip,
    "hostile code": _hostile_code,
}
_WEIGHTS = {
    "mistakes": 34,
    "finished": 18,
    "half": 14,
    "layout of 2018": 3,
    "messy": 5,
    "broken": 4,
    "hostile zip": 3,
    "layout of 2016": 3,
    "hostile code": 3,
    "layout of 2020": 3,
    "layout of 2019": 3,
    "layout of 2021": 2,
    "set of 2016": 2,
    "missing": 3,
}


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m staff class``."""
    parser = argparse.ArgumentParser(prog="python -m staff class", description=__doc__)
    parser.add_argument(
        "--students", type=commands.positive, default=200, help="how many (%(default)s)"
    )
    parser.add_argument("--out", type=Path, required=True, help="an empty folder")
    parser.add_argument("--seed", type=int, default=231, help="(%(default)s)")
    parser.add_argument(
        "--export", choices=EXPORTS, default="canvas", help="as whom (%(default)s)"
    )
    args = parser.parse_args(argv)
    existed = args.out.exists()
    try:
        made = make(args.out, args.students, args.seed, args.export)
    except FileExistsError as error:
        print(error, file=sys.stderr)
        return 1
    except BaseException:
        if not existed:
            shutil.rmtree(args.out, ignore_errors=True)
        raise
    for kind, count in Counter(one.kind for one in made).most_common():
        print(f"{count:5} {kind}")
    where = args.out / SUBMISSIONS
    print(f"\n{where}: {len(made)} submissions of {args.students} students")
    return 0
