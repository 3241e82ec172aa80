"""Folders of generated files that are whole or absent, and know what made them.

What takes minutes is kept in pieces until a folder is whole, so that work that was
interrupted, or killed, goes on where it stopped.
"""

import ast
import errno
import functools
import glob
import hashlib
import json
import re
import shutil
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import numpy as np

from cs231n.support import files
from cs231n.support.arrays import Array

_PARSING = threading.Lock()  # Python 3.11 cannot parse in two threads at once
RECORD = "build.json"
"""The file in a generated folder that says what it was made from."""


def code_key(sources: Iterable[Path], *settings: object) -> str:
    """Return a text that changes when the code or a setting does.

    Comments, layout and where things are imported from decide nothing.

    Args:
        sources: Code and tables that decide what is generated.
        settings: What else decides it.
    """
    digest = hashlib.sha256(" ".join(map(str, settings)).encode())
    for source in sources:
        text = source.read_text("utf-8")
        if source.suffix == ".py":
            text = _bare(text)
        digest.update(text.encode())
    return digest.hexdigest()[:16]


@functools.lru_cache(maxsize=64)  # keys are asked for again and again
def _bare(code: str) -> str:
    """Return code without what decides nothing."""
    with _PARSING:
        parsed = ast.parse(code)
    return ast.unparse(_Bare().visit(parsed))


class _Bare(ast.NodeTransformer):
    """Takes imports, and texts that stand alone such as docstrings, out of code."""

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Import | ast.ImportFrom):
            return None
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return None
        return self.generic_visit(node)


def is_built(folder: Path, key: str, record_file: str = RECORD) -> bool:
    """Tell whether a folder is there, whole, and made from what ``key`` stands for."""
    try:
        record = json.loads((folder / record_file).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("key") == key


class Pieces:
    """Pieces of long work, kept in a hidden folder until all of it is done.

    Where there is no room for them none is kept, and the work goes on all the same.
    """

    def __init__(self, target: Path, key: str) -> None:
        """Look for what an earlier run left.

        Args:
            target: What the work is for; the pieces lie beside it.
            key: Changes when the pieces would.
        """
        self.folder = _pieces_folder(target, key)
        self._room = True
        _remove_old_drafts(target, key)

    def load(self, name: str) -> dict[str, Array] | None:
        """Return the arrays of a piece, None if it is not there or not whole."""
        try:
            # Opened here: NumPy leaves a damaged file open.
            with (
                (self.folder / f"{name}.npz").open("rb") as file,
                np.load(file, allow_pickle=False) as arrays,
            ):
                return dict(arrays)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
            return None

    def save(self, name: str, **arrays: Array) -> None:
        """Keep the arrays of a piece, if there is room."""
        if not self._room:
            return
        try:
            with (
                files.replacing(self.folder / f"{name}.npz") as draft,
                draft.open("wb") as file,
            ):
                np.savez(file, **cast(dict[str, Any], arrays))
        except OSError:
            self._room = False
            self.remove()  # the work itself needs the room

    def remove(self) -> None:
        """Remove all pieces, once they are of no more use."""
        shutil.rmtree(self.folder, ignore_errors=True)


def require_place(target: Path, record_file: str = RECORD) -> None:
    """Insist that a folder can be made, before work for it begins.

    Args:
        target: The folder.
        record_file: What a generated folder has in it.

    Raises:
        FileExistsError: If ``target`` holds something that was not generated.
        OSError: If nothing can be written there.
    """
    # Listed once: another build may give the folder its name at any moment.
    inside = _listed(target)
    if inside and record_file not in inside:
        raise FileExistsError(
            f"{target} exists and holds other things; name another folder or move what "
            "is there."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(
            errno.ENOTDIR, "this is a file", str(target.parent)
        ) from error
    tempfile.TemporaryFile(dir=target.parent).close()


@contextmanager
def building(
    target: Path,
    key: str,
    facts: Mapping[str, object] | None = None,
    record_file: str = RECORD,
) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``target`` on success.

    If the block raises, ``target`` is as it was. If the process is killed, what is left
    has a name of its own, begins with a dot, and is removed by a build a day later.

    Args:
        target: The folder to make; an older one that was generated is replaced.
        key: What ``is_built`` will be asked for.
        facts: More to put on record, once the block has ended.
        record_file: The record's name.

    Raises:
        FileExistsError: If ``target`` holds something that was not generated.
    """
    require_place(target, record_file)
    _remove_old_drafts(target, key)
    draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        yield draft
        record = json.dumps({"key": key, **(facts or {})}, indent=2)
        (draft / record_file).write_text(f"{record}\n", "utf-8", newline="\n")
        _publish(draft, target, key, record_file)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _publish(draft: Path, target: Path, key: str, record_file: str) -> None:
    """Give a whole draft its name, unless somebody else was faster."""
    if is_built(target, key, record_file):
        return
    files.set_mode(draft, 0o755)  # mkdtemp makes private folders
    old = draft.with_name(f"{draft.name}-old")
    if target.exists():
        with suppress(FileNotFoundError):  # somebody else took it away
            files.replace(target, old)
    try:
        files.replace(draft, target)
    except OSError:
        if not is_built(target, key, record_file):
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _pieces_folder(target: Path, key: str) -> Path:
    return target.with_name(f".{target.name}-{key}.pieces")


def _listed(folder: Path) -> list[str]:
    """Return the names in a folder, the path of a file, or nothing if there is none."""
    try:
        return [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    except NotADirectoryError:  # a file, or what would lie in one
        return [str(folder)] if folder.exists() else []


def leftovers(target: Path) -> list[Path]:
    """Return what builds of a folder have left beside it: pieces and drafts.

    Those of another folder, whose name only begins alike, are not among them.
    """
    name = re.escape(target.name)
    ours = re.compile(rf"\.{name}-([^-]+\.pieces|[a-z0-9_]{{8}}(-old)?)")
    hidden = sorted(target.parent.glob(f".{glob.escape(target.name)}-*"))
    return [path for path in hidden if ours.fullmatch(path.name)]


def _remove_old_drafts(target: Path, key: str) -> None:
    """Remove what killed builds left a day ago, but the pieces of this one."""
    mine = _pieces_folder(target, key)
    for draft in leftovers(target):
        try:
            if draft != mine and time.time() - draft.stat().st_mtime > 24 * 3600:
                shutil.rmtree(draft, ignore_errors=True)
        except OSError:
            continue
