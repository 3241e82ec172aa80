"""Files that are whole or absent: written to a temporary name, then renamed."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place on success.

    If the block raises, the temporary file is removed and ``path`` is as it was.

    Args:
        path: The file to write; its folder is made if it is missing.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.stem}-", suffix=target.suffix
    )
    os.close(handle)
    draft = Path(name)
    try:
        yield draft
        with draft.open("rb+") as file:  # Windows only syncs what it may write
            os.fsync(file.fileno())
        # mkstemp makes private files; give what open() would have given.
        umask = os.umask(0)
        os.umask(umask)
        draft.chmod(0o666 & ~umask)
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
