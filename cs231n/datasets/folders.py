"""Folders of generated files that are whole or absent, and know what made them."""

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cs231n import files

RECORD = "build.json"
"""The file in a generated folder that says what it was made from."""


def code_key(modules: Iterable[Path], *settings: object) -> str:
    """Return a text that changes when the code or a setting does.

    Args:
        modules: Source files that decide what is generated.
        settings: What else decides it.
    """
    digest = hashlib.sha256(" ".join(map(str, settings)).encode())
    for module in modules:
        digest.update(module.read_text("utf-8").encode())
    return digest.hexdigest()[:16]


def is_built(folder: Path, key: str) -> bool:
    """Tell whether a folder is there, whole, and made from what ``key`` stands for."""
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("key") == key


@contextmanager
def building(target: Path, key: str, **facts: object) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``target`` on success.

    If the block raises, ``target`` is as it was. If the process is killed, what is left
    has a name of its own, begins with a dot, and is removed by a build a day later.

    Args:
        target: The folder to make; an older one that was generated is replaced.
        key: What ``is_built`` will be asked for.
        **facts: More to put on record.

    Raises:
        FileExistsError: If ``target`` holds something that was not generated.
    """
    if target.exists() and not (target / RECORD).exists() and _holds_files(target):
        raise FileExistsError(
            f"{target} exists and holds other things; name another folder or move what "
            "is there."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_old_drafts(target)
    draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        yield draft
        record = json.dumps({"key": key, **facts}, indent=2)
        (draft / RECORD).write_text(f"{record}\n", "utf-8", newline="\n")
        _publish(draft, target, key)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _publish(draft: Path, target: Path, key: str) -> None:
    """Give a whole draft its name, unless somebody else was faster."""
    if is_built(target, key):
        return
    files.set_mode(draft, 0o755)  # mkdtemp makes private folders
    old = draft.with_name(f"{draft.name}-old")
    if target.exists():
        files.replace(target, old)
    try:
        files.replace(draft, target)
    except OSError:
        if not is_built(target, key):
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _holds_files(folder: Path) -> bool:
    return not folder.is_dir() or any(folder.iterdir())


def _remove_old_drafts(target: Path) -> None:
    for draft in target.parent.glob(f".{target.name}-*"):
        try:
            if time.time() - draft.stat().st_mtime > 24 * 3600:
                shutil.rmtree(draft, ignore_errors=True)
        except OSError:
            continue
