"""What goes into a hand-in: the folder's own work, and nothing generated or private.

In are notebooks, ``cs231n`` and whatever else lies in the folder. Out are data sets,
environments, caches and checkpoints, whatever is hidden, such as ``.git`` and drafts of
``cs231n.files``, links that lead elsewhere, and large files.
"""

import difflib
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from cs231n.assignment import Question
from cs231n.merge import MergeError, parse_notebook

MANIFEST = "MANIFEST.json"
LIMIT = 20_000_000  # bytes of one file
WHOLE = 100_000_000  # bytes of all; some sites refuse more

# What the course's script has always left out, and what is nobody's work.
_NEVER = {"README.md", "collectSubmission.sh", "requirements.txt", MANIFEST}
_JUNK = re.compile(r".*(\.py[co]|\.sw[po]|~)|Thumbs\.db|desktop\.ini")
_NEVER_BELOW = ("cs231n/datasets", "cs231n/build", "build", "node_modules")
# Other names under which a notebook or a module counts.
_TWINS = {
    "GANs-PyTorch.ipynb": [
        "GANs-TensorFlow.ipynb",
        "Generative_Adversarial_Networks_PyTorch.ipynb",
        "Generative_Adversarial_Networks_TF.ipynb",
    ],
}


@dataclass
class Gathered:
    """What lies in a folder and belongs into the hand-in.

    Attributes:
        files: Path from the folder, with slashes -> content, sorted by path.
        left_out: Path as it can be printed -> why it stays out, although the rules
            would let it in.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def gather(root: Path) -> Gathered:
    """Read all that is to be handed in from the assignment's folder."""
    found = Gathered()

    def complain(error: OSError) -> None:
        path = Path(os.fsdecode(error.filename)).relative_to(root).as_posix()
        found.left_out[_printable(path)] = f"it cannot be read ({error.strerror})"

    data = os.environ.get("CS231N_DATA_DIR")
    candidates = []
    for folder, folders, names in os.walk(root, onerror=complain):
        here = Path(folder)
        for name in sorted(folders):
            path = here / name
            where = path.relative_to(root).as_posix()
            if _stays_out(path, where) or (data and Path(data).resolve() == path):
                folders.remove(name)
            elif path.is_symlink():
                folders.remove(name)
                found.left_out[_printable(where)] = "it is a link to a folder"
        candidates += [
            (here / name).relative_to(root).as_posix()
            for name in names
            if not (
                name in _NEVER
                or _JUNK.fullmatch(name)
                or (name.startswith(".") and name != ".gitignore")
                or (here == root and name.endswith(".zip"))
            )
        ]
    left = WHOLE
    # What is graded comes first, should there be too much, and then what is small.
    for where in sorted(candidates, key=lambda where: _rank(root, where)):
        try:
            content = _read(root / where, root)
            if len(content) > left:
                raise ValueError(f"without it there are {size(WHOLE)} already")
            found.files[_travelling(where)] = content
            left -= len(content)
        except OSError as error:
            reason = f"it cannot be read ({error.strerror or error})"
            found.left_out[_printable(where)] = reason
        except ValueError as error:
            found.left_out[_printable(where)] = str(error)
    found.files = dict(sorted(found.files.items()))
    found.left_out = dict(sorted(found.left_out.items()))
    return found


def _stays_out(path: Path, where: str) -> bool:
    return (
        path.name.startswith(".")  # .git, .venv, .ipynb_checkpoints and all their like
        or path.name == "__pycache__"
        or where in _NEVER_BELOW
        or re.fullmatch(r"update-\d+", where) is not None
        or (path / "pyvenv.cfg").exists()
        or (path / "conda-meta").exists()
    )


def _rank(root: Path, where: str) -> tuple[bool, int, str]:
    try:
        weight = (root / where).lstat().st_size
    except OSError:
        weight = 0
    graded = where.endswith(".ipynb") or where.startswith("cs231n/")
    return not graded, weight, where


def _travelling(where: str) -> str:
    """Return a path, insisting that it unpacks to the same name everywhere.

    Raises:
        ValueError: If it does not.
    """
    try:
        where.encode()
    except UnicodeEncodeError:
        raise ValueError("its name is not UTF-8; rename it") from None
    if re.search(r"[\x00-\x1f\x7f\\]", where):
        raise ValueError("its name has a line break or a backslash in it; rename it")
    return where


def _read(path: Path, root: Path) -> bytes:
    """Return a file's content.

    Raises:
        ValueError: If it is no plain file of this folder, or is too large.
        OSError: If it cannot be read.
    """
    if path.is_symlink() and not path.resolve().is_relative_to(root):
        raise ValueError("it is a link out of this folder; put the file itself here")
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise ValueError("it is no file")
    if state.st_size <= LIMIT:
        with path.open("rb") as file:
            content = file.read(LIMIT + 1)
        if len(content) <= LIMIT:
            return content
    raise ValueError(f"it has {size(state.st_size)}, and the limit is {size(LIMIT)}")


def _printable(where: str) -> str:
    """Return a path on one line, in characters that can be encoded."""
    text = where.encode("utf-8", "backslashreplace").decode()
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text
    )


def size(count: float) -> str:
    """Return a number of bytes as people say it."""
    for unit in ("bytes", "KB", "MB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def required(questions: Sequence[Question]) -> list[str]:
    """Return the files without which a hand-in is not complete."""
    notebooks = [f"{name}.ipynb" for q in questions for name in q.notebooks]
    modules = [path for q in questions for path in q.modules]
    return list(dict.fromkeys(notebooks + modules))


def problems(found: Gathered, names: Sequence[str]) -> list[str]:
    """Name everything required that is missing or broken.

    Args:
        found: What there is.
        names: What ``required`` says.
    """
    told = []
    for name in names:
        there = next((twin for twin in names_for(name) if twin in found.files), None)
        if there is None:
            told.append(_missing(name, found))
        elif there.endswith(".ipynb"):
            try:
                parse_notebook(found.files[there], there)
            except MergeError as error:
                told += error.problems
    return told


def names_for(name: str) -> list[str]:
    """Return the names that a required file may have: one framework is enough."""
    other = name.replace("-PyTorch.", "-TensorFlow.")
    return list(dict.fromkeys([name, other, *_TWINS.get(name, [])]))


def _missing(name: str, found: Gathered) -> str:
    if reason := found.left_out.get(name):
        return f"{name} cannot be handed in: {reason}."
    wanted, suffix = PurePosixPath(name), PurePosixPath(name).suffix
    others = {
        path: re.sub(r"[\W_]|copy\d*|\d+$", "", PurePosixPath(path).stem.lower())
        for path in found.files
        if path.endswith(suffix)
    }
    plain = re.sub(r"[\W_]", "", wanted.stem.lower())
    alike = [
        path
        for path, stem in others.items()
        if PurePosixPath(path).name == wanted.name
        or difflib.SequenceMatcher(None, stem, plain).ratio() > 0.9
    ]
    hint = f" There is {alike[0]}: is that the one? Rename or move it." if alike else ""
    return f"{name} is missing.{hint}"
