"""One hand-in, read: which files count, which do not, and why."""

import io
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePosixPath
from typing import Any

from cs231n.assignment import regions
from cs231n.assignment.table import Function, Question, ways
from cs231n.tools.check.begun import is_begun
from cs231n.tools.submission.collecting import (
    LIMIT,
    MANIFEST,
    WHOLE,
    names_for,
)
from cs231n.tools.update.merge import MergeError, parse_notebook
from staff import markers
from staff.grading.intake import cells, loops
from staff.grading.intake.sources import (
    RefusalError,
    Source,
    TooLargeError,
    ZipSource,
    printable,
    shown,
)
from staff.grading.intake.texts import decode
from staff.grading.submission import Left, Submission
from staff.questions import ROOT, package_files, questions

LARGEST_MODULE = 1_000_000  # bytes
MOST_HELPERS = 200
MOST_LEFT = 100  # files that are named one by one
_NESTED = 2  # zips in one another that are opened
_DEEPEST_ROOT = 3  # folders around a hand-in
_OFFICIAL = ("assignment3.zip", "a3.zip", "a3_code_submission.zip")
# What editions since 2021 call notebooks.
_LATER = {
    "Generative_Adversarial_Networks.ipynb": "GANs-PyTorch",
    "Network_Visualization.ipynb": "NetworkVisualization-PyTorch",
}
_OTHER_ARCHIVES = (".rar", ".7z", ".gz", ".tgz", ".bz2", ".xz", ".tar")
_OWN = "the grader uses its own"
_ASIDE = {"tests", "staff", "benchmarks", "docs"}  # of the hand-out, not of students
_NOT_HELPERS = {"conftest.py", "setup.py", "makepdf.py"}
_TAKEN = {"cs231n", "staff", "numpy", "scipy", "torch", "torchvision", "matplotlib"}
_TAKEN |= {"PIL", "h5py", "imageio", "IPython", "nbformat", "tqdm", "Cython"}
_TAKEN |= {"tensorflow", "keras"}
_WHY = {
    ".pdf": "is for people; the grader reads written answers in the notebooks",
    ".zip": "is an archive within the hand-in; what counts lies beside it",
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".gif"), "is a picture"),
    **dict.fromkeys((".npz", ".npy", ".h5", ".hdf5", ".pkl", ".pt", ".pth"), "is data"),
    **dict.fromkeys((".so", ".pyd", ".c", ".o"), f"is compiled; {_OWN}"),
}


@dataclass(frozen=True)
class Parcel:
    """A hand-in before it is read.

    Attributes:
        name: What people call it.
        source: Where its files lie.
        file: What its zip was called before a platform renamed it; empty for folders.
        student: As in ``Submission``.
        received: As in ``Submission``.
        late: As in ``Submission``.
    """

    name: str
    source: Source
    file: str = ""
    student: Mapping[str, str] = field(default_factory=dict)
    received: str = ""
    late: bool = False


def read(parcel: Parcel, edition: str = "") -> Submission:
    """Read a hand-in.

    Args:
        parcel: Where it lies.
        edition: The set of questions to grade; told from the files if empty.

    Raises:
        RefusalError: If it cannot be read.
    """
    reading = _Reading(parcel)
    reading.find_modules()
    reading.find_notebooks()
    if not reading.modules and not reading.notebooks:
        said = reading.remarks or [_nothing(parcel, reading.source)]
        raise RefusalError(said[0])
    manifest = reading.manifest()
    edition = edition or _stated(manifest) or reading.edition()
    reading.take_from_cells(edition)
    reading.find_helpers()
    reading.say_what_is_missing(edition)
    reading.say_what_is_left(edition)
    return Submission(
        name=parcel.name,
        layout=reading.layout(manifest, edition),
        edition=edition,
        modules=dict(sorted(reading.modules.items())),
        notebooks=reading.notebooks,
        left=tuple(reading.left),
        remarks=tuple(dict.fromkeys(reading.remarks)),
        student=parcel.student,
        received=parcel.received,
        late=parcel.late,
    )


def knows(paths: Iterable[str]) -> int:
    """Return how many files have a name that counts, in whatever folder."""
    names = {PurePosixPath(path).name for path in _known()}
    return sum(PurePosixPath(path).name in names for path in paths)


@cache
def _modules() -> tuple[str, ...]:
    """Return the modules that students write, those without points last."""
    graded = [path for q in questions() for path in q.modules]
    extra = [path for q in questions() for path in q.extra]
    return tuple(dict.fromkeys(graded + extra))


@cache
def _notebooks() -> dict[str, str]:
    """Return file names of notebooks -> the table's name for them."""
    return _LATER | {
        twin: name
        for question in questions()
        for name in question.notebooks
        for twin in names_for(f"{name}.ipynb")
    }


@cache
def _known() -> frozenset[str]:
    return frozenset([*_modules(), *_notebooks()])


@cache
def _given() -> dict[str, str]:
    """Return the given files of the package, in lower case -> as they are spelled."""
    return {p.casefold(): p for p in package_files() if p not in _modules()}


@cache
def _given_names() -> frozenset[str]:
    """Return paths of given modules without what stands behind the dot, lower case."""
    return frozenset(
        path.rpartition(".")[0]
        for path in _given()
        if path.endswith((".py", ".pyx")) and not path.endswith("__init__.py")
    )


@cache
def _blank(path: str) -> str:
    """Return one of the students' modules as the hand-out has it."""
    ids = [question.id for question in questions()]
    return markers.redact((ROOT / path).read_text("utf-8"), path, ids)


class _Reading:
    """What was found so far in a hand-in."""

    def __init__(self, parcel: Parcel) -> None:
        self.modules: dict[str, str] = {}
        self.notebooks: dict[str, bytes] = {}
        self.left: list[Left] = []
        self.remarks: list[str] = []
        self._parcel = parcel
        self._contents: dict[str, dict[str, Any]] = {}
        self._from_cells: set[str] = set()
        self._used: set[str] = set()
        self._room = WHOLE
        self.source = self._opened(parcel.source, parcel.file, 0)
        self._paths = self.source.files()
        self._root = _root(self._paths)

    def _opened(self, source: Source, file: str, depth: int) -> Source:
        """Return where the hand-in itself lies: a zip may hold only a zip."""
        paths = source.files()
        if knows(paths):
            self._file = file
            return source
        inner = [path for path in paths if path.lower().endswith(".zip")]
        if not inner:
            raise RefusalError(_nothing(self._parcel, source))
        if depth == _NESTED:
            raise RefusalError(
                f"{shown(self._parcel.name)} has zips within zips within zips "
                f"({shown(inner[0])}); make one with collectSubmission.sh."
            )
        inner.sort(key=lambda path: (_official(path), path))
        first, others = inner[0], inner[1:]
        if others and _official(first) == _official(others[0]):
            raise RefusalError(
                f"{shown(self._parcel.name)} has {len(inner)} zips in it "
                f"({shown(first)}, {shown(others[0])}), and which one counts cannot be "
                "told; hand in one."
            )
        opened = ZipSource(io.BytesIO(source.read(first, WHOLE)), first)
        for path in paths:
            if path != first:
                self.left.append(Left(shown(path), f"lies beside {shown(first)}"))
        name = PurePosixPath(first).name
        return self._opened(opened, name, depth + 1)

    def _read(self, path: str, limit: int) -> bytes | None:
        """Return a file's content, None if it is too large; that is then said."""
        self._used.add(path)
        try:
            content = self.source.read(path, min(limit, self._room))
        except TooLargeError as error:
            self.left.append(Left(shown(path), str(error)))
            self.remarks.append(str(error))
            return None
        self._room -= len(content)
        return content

    def _text(self, path: str) -> str | None:
        content = self._read(path, LARGEST_MODULE)
        if content is None:
            return None
        try:
            text, encoding = decode(content)
        except ValueError as error:
            said = f"{shown(path)} is no text: {error}; save it as UTF-8."
            self.left.append(Left(shown(path), said))
            self.remarks.append(said)
            return None
        if encoding:
            self.remarks.append(
                f"{shown(path)} is not UTF-8 and was read as {encoding}; save it as "
                "UTF-8."
            )
        return text

    def find_modules(self) -> None:
        """Read the modules that students write, wherever they lie."""
        for module in _modules():
            path = self._place(module)
            if path is None:
                continue
            text = self._text(path)
            if text is not None:
                self.modules[module] = text
                if path != self._root + module:
                    self.remarks.append(f"{module} was read from {shown(path)}.")

    def _place(self, module: str) -> str | None:
        """Return where a module lies, None if that is nowhere or not clear."""
        if self._root + module in self._paths:
            return self._root + module
        inner = module.removeprefix("cs231n/")
        for name in (module, inner, PurePosixPath(module).name):
            found = [
                path
                for path in self._paths
                if f"/{path.casefold()}".endswith(f"/{name.casefold()}")
                and path not in self._used
            ]
            # Beside the notebooks, or in the one folder that has it.
            near = [p for p in found if p.casefold() == (self._root + name).casefold()]
            if near or len(found) == 1:
                return (near or found)[0]
        return None

    def find_notebooks(self) -> None:
        """Read the notebooks of the table."""
        every = [path for path in self._paths if path.endswith(".ipynb")]
        wanted = dict.fromkeys(_notebooks().values())
        for name in wanted:
            files = [file for file, other in _notebooks().items() if other == name]
            path = next(
                (self._root + f for f in files if self._root + f in every), None
            )
            if path is None:
                plain = {_plain(file) for file in files}
                alike = [p for p in every if _plain(PurePosixPath(p).name) in plain]
                exact = [p for p in alike if PurePosixPath(p).name in files]
                path = min(
                    exact or alike, default=None, key=lambda p: (p.count("/"), p)
                )
            if path is not None:
                self._take_notebook(name, path)
                if PurePosixPath(path).name not in files:
                    self.remarks.append(f"{shown(path)} was read as {name}.ipynb.")

    def _take_notebook(self, name: str, path: str) -> None:
        content = self._read(path, LIMIT)
        if content is None:
            return
        try:
            content, parsed = _notebook(content, shown(path))
        except MergeError as error:
            said = " ".join(error.problems)
            self.left.append(Left(shown(path), said))
            self.remarks.append(said)
            return
        self.notebooks[name], self._contents[name] = content, parsed

    def manifest(self) -> Mapping[str, Any]:
        """Return what the course's script says of the hand-in; it may say nothing."""
        path = self._root + MANIFEST
        if path not in self._paths:
            return {}
        content = self._read(path, LIMIT)
        with suppress(ValueError, RecursionError):
            found = json.loads(content or b"")
            return found if isinstance(found, dict) else {}
        return {}

    def edition(self) -> str:
        """Return the set of which most is written, or else most is there."""
        weights = {}
        for name in _editions():
            own = [q for q in questions() if list(q.shared) == [name]]
            weights[name] = (
                sum(self._written(f) for q in own for f in q.functions),
                sum(n in self.notebooks for q in own for n in q.notebooks),
            )
        return max(weights, key=lambda name: weights[name])  # the first of equals

    def _written(self, function: Function) -> bool:
        """Tell whether a student wrote something of a function."""
        if (text := self.modules.get(function.file)) is not None:
            boxes, damages = regions.scan(text)
            own = [r for r in boxes if r.owner == function.qualname]
            return (
                bool(damages)
                or not own
                or not all(regions.is_stub(r.body) for r in own)
            )
        host = loops.STEPS.get(function.name, (function.qualname, None))[0]
        pattern = re.compile(rf"^\s*def\s+{host}\s*\(", re.MULTILINE)
        return any(
            pattern.search("".join(cell.get("source", "")))
            for question in questions()
            if function in question.functions
            for name in question.notebooks
            for cell in self._contents.get(name, {}).get("cells", ())
            if cell["cell_type"] == "code"
        )

    def take_from_cells(self, edition: str) -> None:
        """Write modules of what stands in notebooks, where there is no module."""
        for question in (way for q in _of(edition) for way in ways(q)):
            for path in question.modules:
                functions = [f for f in question.functions if f.file == path]
                if path in self.modules or not functions:
                    continue
                for name in question.notebooks:
                    if name in self._contents:
                        self._take_from(name, path, functions)

    def _take_from(self, name: str, path: str, functions: Sequence[Function]) -> None:
        taken = cells.take(self._contents[name], name, functions, _blank(path))
        if not taken.source:
            return
        self.modules[path] = f"{_blank(path)}\n\n{taken.source}"
        self._from_cells.add(path)
        where = ", ".join(f"{f} (cell {n})" for f, n in taken.places.items())
        self.remarks.append(f"Read from {name}.ipynb: {where}.")
        self.remarks += taken.remarks

    def find_helpers(self) -> None:
        """Read modules of the students' own, which theirs may import."""
        count = 0
        for path in self._paths:
            if path in self._used or not path.endswith(".py"):
                continue
            inside = path.removeprefix(self._root)
            if not path.startswith(self._root) or not _is_helper(inside):
                continue
            self._used.add(path)
            if reason := _hides(inside):
                self.left.append(Left(shown(path), reason))
                self.remarks.append(f"{shown(path)} is not used: it {reason}.")
                continue
            count += 1
            if count > MOST_HELPERS:
                self.left.append(
                    Left(shown(path), f"more than {MOST_HELPERS} modules are not read")
                )
            elif (text := self._text(path)) is not None:
                self.modules[inside] = text

    def say_what_is_missing(self, edition: str) -> None:
        """Say which files of the edition are not there."""
        for question in map(self._way_done, _of(edition)):
            for path in question.modules:
                if path not in self.modules:
                    self.remarks.append(
                        f"{path} is missing: its functions count as not started."
                    )
            for name in question.notebooks:
                if name not in self.notebooks:
                    self.remarks.append(
                        f"{name}.ipynb is missing, and with it what was to be written "
                        "and shown in it."
                    )

    def _way_done(self, question: Question) -> Question:
        """Return the first way of doing a question that is there."""

        def rank(way: Question) -> tuple[bool, int]:
            texts = {f.file: self.modules.get(f.file, "") for f in way.functions}
            begun = any(is_begun(texts[f.file], f.qualname) for f in way.functions)
            there = sum(path in self.modules for path in way.modules)
            return begun, there + sum(n in self.notebooks for n in way.notebooks)

        return max(ways(question), key=rank)

    def say_what_is_left(self, edition: str) -> None:
        """Name what is not used, each with the reason."""
        left = []
        for path in self._paths:
            if path not in self._used and (why := self._why_left(path)):
                left.append(Left(shown(path), why))
        more = len(left) - MOST_LEFT
        self.left += left[:MOST_LEFT]
        if more > 0:
            self.left.append(Left(f"{more} more files", "are not needed for grading"))
        for top in self.source.skipped()[:MOST_LEFT]:
            self.left.append(Left(shown(top), "is not part of a hand-in"))
        others = {m for q in questions() if edition not in q.shared for m in q.modules}
        for module in sorted(others & self.modules.keys()):
            del self.modules[module]
            self.left.append(Left(module, f"belongs to another set than {edition}"))

    def _why_left(self, path: str) -> str:
        """Return why a file is not used; empty for a given one as it was handed out."""
        inside = path.removeprefix(self._root)
        given = _given().get(inside.casefold())
        if self._is_as_given(path, given or inside):
            return ""
        if given:
            return f"given code; {_OWN}"
        name = PurePosixPath(path).name
        if name in {PurePosixPath(known).name for known in _known()}:
            return "another copy of what was read, or not clear which one counts"
        suffix = PurePosixPath(path).suffix.lower()
        return _WHY.get(suffix, "is not needed for grading")

    def _is_as_given(self, path: str, given: str) -> bool:
        """Tell whether a file is as the course has it, but for line ends."""
        if given.partition("/")[0] == "staff" or not (ROOT / given).is_file():
            return False
        own = (ROOT / given).read_bytes()
        try:
            content = self.source.read(path, 2 * len(own))
        except RefusalError:
            return False
        return content.replace(b"\r\n", b"\n") == own

    def layout(self, manifest: Mapping[str, Any], edition: str) -> str:
        """Return which of the official layouts it has."""
        if manifest:
            version = printable(str(manifest.get("handout")))[:20]
            return f"assignment3.zip of hand-out {version}"
        names = {PurePosixPath(path).name for path in self._paths}
        generative = any(name.startswith("Generative_Adversarial") for name in names)
        if edition == "2016":
            return "2016 assignment3.zip"
        if self._from_cells:
            return "2019 a3.zip" if generative else "2017 assignment3.zip"
        if "code_submission" in self._file:
            return "2021 a3_code_submission.zip"
        if generative:
            return "2020 a3.zip"
        return "assignment3.zip" if self.notebooks else "modules alone"


def _of(edition: str) -> list[Question]:
    return [question for question in questions() if edition in question.points]


def _editions() -> list[str]:
    return list(dict.fromkeys(name for q in questions() for name in q.points))


def _stated(manifest: Mapping[str, Any]) -> str:
    stated = manifest.get("set")
    return stated if isinstance(stated, str) and stated in _editions() else ""


def _official(path: str) -> int:
    """Return a rank: the course's own names come before all others."""
    name = PurePosixPath(path).name.lower()
    return _OFFICIAL.index(name) if name in _OFFICIAL else len(_OFFICIAL)


def _root(paths: Sequence[str]) -> str:
    """Return the folder in which most that counts lies where it should."""
    scores: dict[str, int] = {}
    for path in paths:
        for known in _known():
            if f"/{path}".endswith(f"/{known}"):
                prefix = path.removesuffix(known)
                if prefix.count("/") <= _DEEPEST_ROOT:
                    scores[prefix] = scores.get(prefix, 0) + 1
    return min(scores, key=lambda p: (-scores[p], p.count("/"), p), default="")


def _plain(name: str) -> str:
    """Return a notebook's name without what copies and downloads add to it."""
    stem = PurePosixPath(name).stem.lower()
    return re.sub(r"\(\d+\)|[\W_]|copy\d*|\d+$", "", stem)


def _notebook(content: bytes, called: str) -> tuple[bytes, dict[str, Any]]:
    """Return a notebook as it is now written, and its content.

    Raises:
        MergeError: If it is none.
    """
    try:
        return content, parse_notebook(content, called)
    except MergeError:
        upgraded = _upgraded(content)
        if upgraded is None:
            raise
        return upgraded, parse_notebook(upgraded, called)


def _upgraded(content: bytes) -> bytes | None:
    """Return a notebook of format 3 in format 4, None if it is none."""
    try:
        old = json.loads(content)
        if not (isinstance(old, dict) and old.get("nbformat") == 3):
            return None
        from nbformat import from_dict, v4

        return json.dumps(v4.upgrade(from_dict(old))).encode()
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None


def _is_helper(inside: str) -> bool:
    top, _, rest = inside.partition("/")
    return (
        inside.casefold() not in _given()
        and not (rest and top in _ASIDE)
        and inside not in _NOT_HELPERS
        and inside not in _modules()
        and PurePosixPath(inside).name
        not in {PurePosixPath(m).name for m in _modules()}
    )


def _hides(inside: str) -> str:
    """Return what a module of a student's would take the place of; empty if nothing."""
    parts = inside.removesuffix(".py").casefold().split("/")
    for end in range(1, len(parts) + 1):
        if "/".join(parts[:end]) in _given_names():
            return "takes the place of given code; give it another name"
    taken = {name.casefold() for name in (*sys.stdlib_module_names, *_TAKEN)}
    if parts[0] in taken and (len(parts) == 1 or parts[0] != "cs231n"):
        return f"takes the place of {parts[0]} itself; give it another name"
    return ""


def _nothing(parcel: Parcel, source: Source) -> str:
    """Say that there is no hand-in, and what there is."""
    paths = source.files()
    wanted = "notebooks and modules of the assignment, best as collectSubmission.sh"
    called = shown(parcel.name)
    if not paths:
        return f"{called} is empty; {wanted} packs them, are wanted."
    for path in paths:
        if path.lower().endswith(_OTHER_ARCHIVES):
            return (
                f"{called} holds {shown(path)}, an archive of a kind that is not read "
                "here; hand in a zip."
            )
    there = ", ".join(shown(path) for path in paths[:3])
    return (
        f"{called} holds none of the assignment's notebooks and modules (there is "
        f"{there}{' …' if len(paths) > 3 else ''}); {wanted} packs them, are wanted."
    )
