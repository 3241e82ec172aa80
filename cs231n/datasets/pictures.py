"""Pictures of the network, each fetched once and kept on disk."""

import contextlib
import hashlib
from pathlib import Path

from cs231n import datasets
from cs231n.datasets.fetching import http
from cs231n.datasets.fetching.http import HttpError
from cs231n.support.files import replacing
from cs231n.support.picture_files import Picture, decode

PATIENCE = http.Patience(connect=5, stall=5, tries=2, pause=0.5, most=2, deadline=15)
MAX_BYTES = 20_000_000  # of one picture
CACHED_FILES = 500  # pictures kept on disk; the oldest go first


def fetch_picture(url: str) -> Picture:
    """Return a picture from the disk if it was fetched before, else fetch it.

    Args:
        url: Its address, http or https.

    Returns:
        (H, W, 3) pixels.

    Raises:
        HttpError: If the server does not give it, or nothing may be fetched.
    """
    cached: Path | None = None
    with contextlib.suppress(OSError):  # no folder to write to: go without
        name = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:40]
        cached = datasets.cache_dir() / "url_cache" / name
    if cached is not None:
        with contextlib.suppress(OSError, ValueError):  # absent or damaged: fetch
            return decode(cached.read_bytes())
    if datasets.offline():
        raise HttpError("CS231N_OFFLINE is set, so nothing is fetched")
    client = http.Client(url, PATIENCE)
    content = client.persist(lambda: _receive(client))
    try:
        picture = decode(content)
    except ValueError as error:
        raise HttpError(f"what came is no readable picture: {error}") from error
    if cached is not None:
        with contextlib.suppress(OSError):  # a full disk must not lose the picture
            with replacing(cached) as draft:
                draft.write_bytes(content)
            _drop_oldest(cached.parent)
    return picture


def _receive(client: http.Client) -> bytes:
    """Return what one connection brings, unless it is too much."""
    content = bytearray()
    with client.answer(Accept="image/*,*/*;q=0.5") as answer:
        http.require_file(answer)
        _require_size(http.announced(answer) or 0)
        for block in client.blocks(answer):
            content += block
            _require_size(len(content))
    return bytes(content)


def _require_size(size: int) -> None:
    if size > MAX_BYTES:
        raise HttpError(f"larger than {MAX_BYTES / 1e6:g} MB")


def _drop_oldest(folder: Path) -> None:
    files = [file for file in folder.iterdir() if not file.name.startswith(".")]
    if len(files) > CACHED_FILES:
        files.sort(key=lambda file: file.stat().st_mtime)
        for file in files[:-CACHED_FILES]:
            file.unlink(missing_ok=True)
