"""The course secret: what hidden inputs are drawn from, and nobody else knows.

It lies in a private file outside of everything that is handed on. Records hold its
hash, which tells whether two runs used the same one.
"""

import hashlib
import os
import secrets
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

SETTING = "CS231N_COURSE_SECRET"
_PLACE = Path("cs231n") / "course-secret"
_BYTES = 32


class SecretError(ValueError):
    """The file of the secret cannot be used."""


def place() -> Path:
    """Return where it lies: what ``CS231N_COURSE_SECRET`` names, or one's own place."""
    if named := os.environ.get(SETTING):
        return Path(named).expanduser()
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / _PLACE


def course_secret(out: Path) -> bytes:
    """Return the course's secret, which is made at the first call.

    Args:
        out: Where grades are written, which is handed on: it must not lie there.

    Raises:
        SecretError: If the file is in the wrong place, open to others, or no secret.
    """
    path = place()
    if path.resolve().is_relative_to(out.resolve()):
        raise SecretError(
            f"the course secret would lie in {out}, which is handed on; name another "
            f"file in {SETTING}."
        )
    try:
        if not path.exists():
            _make(path)
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise SecretError(
                f"{path}, the course secret, is open to others; say: chmod 600 {path}"
            )
        found = bytes.fromhex(path.read_text("ascii").strip())
    except OSError as error:
        raise SecretError(
            f"{path}, the course secret, cannot be read or made ({error.strerror}); "
            f"name another file in {SETTING}."
        ) from None
    except ValueError as error:
        if isinstance(error, SecretError):
            raise
        found = b""
    if len(found) < _BYTES // 2:
        raise SecretError(
            f"{path} holds no course secret (at least {_BYTES} hexadecimal digits); "
            "put the course's back, or remove it to begin with a new one."
        )
    return found


def digest(secret: bytes) -> str:
    """Return the hash by which records know a secret."""
    return hashlib.sha256(b"course secret\0" + secret).hexdigest()


def _make(path: Path) -> None:
    """Write a new secret; of two programs that do so at once, one wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, draft = tempfile.mkstemp(dir=path.parent)  # private from the start
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()
