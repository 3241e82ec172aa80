"""What goes into a hand-in: the folder's own work, and nothing generated or private.

In are notebooks, ``cs231n`` and whatever else lies in the folder. Out are data sets,
environments, caches and checkpoints, whatever is hidden, such as ``.git`` and drafts of
``cs231n.support.files``, links that lead elsewhere, and large files.
"""

import difflib
import json
import os
import re
import stat
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from cs231n.assignment import regions
from cs231n.assignment.stamp import cell_text
from cs231n.assignment.table import Question
from cs231n.tools.update.merge import MergeError, parse_notebook

MANIFEST = "MANIFEST.json"
LIMIT = 20_000_000  # bytes of one file
WHOLE = 100_000_000  # bytes of all; some sites refuse more

# What the course's script has always left out, and what is nobody's work.
_NEVER = {"README.md", "collectSubmission.sh", "requirements.txt", MANIFEST}
JUNK = re.compile(r".*(\.py[co]|\.sw[po]|~)|Thumbs\.db|desktop\.ini")
DEVICE = re.compile(
    r"CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³]", re.IGNORECASE
)
_READABLE = 200_000_000  # bytes of a notebook in which the largest cells are looked for
# Part of a notebook's cell -> what to do where it is too large.
_TOO_LARGE = {
    "outputs": "clear the outputs of",
    "attachments": "take the pictures out of",
    "source": "take text out of",
}
_NEVER_BELOW = (
    *("cs231n/datasets", "cs231n/drawing", "cs231n/embedded", "cs231n/build"),
    *("build", "node_modules", "binder"),
)
# Other names under which a notebook counts.
_TWINS = {
    "GANs-PyTorch.ipynb": ["Generative_Adversarial_Networks_PyTorch.ipynb"],
    "GANs-TensorFlow.ipynb": ["Generative_Adversarial_Networks_TF.ipynb"],
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
                or JUNK.fullmatch(name)
                or (name.startswith(".") and name != ".gitignore")
                or (here == root and name.endswith(".zip"))
            )
        ]
    left, taken, entered = WHOLE, dict[str, str](), dict[str, str]()
    # What is graded comes first, should there be too much, and then what is small.
    for where in sorted(candidates, key=lambda where: _rank(root, where)):
        try:
            content = _read(root / where, root)
            if len(content) > left:
                raise ValueError(f"without it there are {size(WHOLE)} already")
            alike = unicodedata.normalize("NFC", _travelling(where)).casefold()
            above = _folders(alike)
            files = [taken.get(path.rstrip("/")) for path in (alike, *above)]
            if other := next(filter(None, [entered.get(f"{alike}/"), *files]), None):
                raise ValueError(
                    f"other systems take its name for that of {other}; rename one"
                )
            taken[alike] = where
            entered |= zip(above, _folders(where), strict=True)
            found.files[where] = content
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


def _folders(where: str) -> list[str]:
    """Return the folders that a path leads through, with a slash at the end."""
    return [f"{parent}/" for parent in PurePosixPath(where).parents][:-1]


def _travelling(where: str) -> str:
    """Return a path, insisting that it unpacks to the same name everywhere.

    Raises:
        ValueError: If it does not.
    """
    try:
        where.encode()
    except UnicodeEncodeError:
        raise ValueError("its name is not UTF-8; rename it") from None
    if re.search(r"[\x00-\x1f\x7f]", where):
        raise ValueError("its name has a line break or the like in it; rename it")
    if found := re.search(r'[\\:*?"<>|]', where):
        raise ValueError(f"Windows allows no {found[0]} in a name; rename it")
    for part in where.split("/"):
        if part.endswith((".", " ")):
            raise ValueError("Windows drops the end of such a name; rename it")
        if DEVICE.fullmatch(part.partition(".")[0].rstrip()):
            raise ValueError("on Windows that is the name of a device; rename it")
        if len(part.encode()) > 255:
            raise ValueError("its name is too long; rename it")
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
    reason = f"it has {size(state.st_size)}, and the limit is {size(LIMIT)}"
    if path.suffix == ".ipynb" and state.st_size <= _READABLE:
        reason += _largest(path)
    raise ValueError(reason)


def _largest(path: Path) -> str:
    """Say what makes a notebook too large: outputs, pasted pictures, texts, widgets."""
    try:
        notebook = parse_notebook(path.read_bytes(), path.name)
    except MergeError:
        return ""
    weights = [
        (_weight(notebook["metadata"].get("widgets")), "clear what widgets keep")
    ]
    for number, cell in enumerate(notebook["cells"], start=1):
        name = called(number, cell)
        weights += [
            (_weight(cell.get(p)), f"{do} {name}") for p, do in _TOO_LARGE.items()
        ]
    excess = sum(weight for weight, _ in weights) - LIMIT
    named: list[str] = []
    for weight, what in sorted(weights, reverse=True)[:5]:
        if weight < 1000 or (excess < 0 and named):
            break
        named.append(f"{what}, {size(weight)}")
        excess -= weight
    return "; ".join(["", *named, "then save it again"]) if named else ""


def _weight(part: Any) -> int:
    return len(json.dumps(part, ensure_ascii=False)) if part else 0


def called(number: int, cell: Mapping[str, Any]) -> str:
    """Return what to call a notebook's cell when speaking to people."""
    return f"cell {number} (“{start(cell_text(cell))}”)"


def start(text: str) -> str:
    """Return how a text begins, on one line."""
    line = next(iter(text.strip().splitlines()), "")
    return line if len(line) <= 40 else f"{line[:39]}…"


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


def problems(found: Gathered, asked: Sequence[Sequence[Question]]) -> list[str]:
    """Name everything required that is missing or broken.

    Args:
        found: What there is.
        asked: The ways in which each question was done; one that is whole is enough.
    """
    told: dict[str, None] = {}
    for rows in asked:
        every = [_problems_of(found, required([row])) for row in rows]
        told |= dict.fromkeys(min(every, key=bool))
    return list(told)


def _problems_of(found: Gathered, names: Sequence[str]) -> list[str]:
    told = []
    for name in names:
        there = next((twin for twin in names_for(name) if twin in found.files), None)
        if there is None:
            told.append(_missing(name, found))
        elif there.endswith(".ipynb"):
            told += _notebook_problems(found.files[there], there)
        elif line := regions.conflict(found.files[there].decode("utf-8", "replace")):
            told.append(f"{there}:{line}: {regions.SETTLE}")
    return told


def _notebook_problems(content: bytes, name: str) -> list[str]:
    """Say why a grader's tools would not read a notebook, or find nothing in it."""
    try:
        cells = parse_notebook(content, name)["cells"]
    except MergeError as error:
        return error.problems
    if (encoding := json.detect_encoding(content)) != "utf-8":
        mark = encoding == "utf-8-sig"
        what = "begins with a byte order mark" if mark else f"is saved as {encoding}"
        return [
            f"{name} {what}, which Jupyter does not read; save it as plain UTF-8, in "
            "the editor that it comes from."
        ]
    if not isinstance(json.loads(content).get("metadata"), dict):
        return [
            f"{name} has no metadata of its own, without which other programs refuse "
            "it; open it and save it again in Jupyter."
        ]
    if not cells:
        return [
            f"{name} has no cells; take a copy from .ipynb_checkpoints, or begin again "
            "with the hand-out's."
        ]
    return []


def names_for(name: str) -> list[str]:
    """Return the names that a required file may have in any edition."""
    return [name, *_TWINS.get(name, [])]


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
