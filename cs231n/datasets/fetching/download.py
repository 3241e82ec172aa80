"""Bring one file from one address: whole and as published, or not at all.

A connection that breaks is taken up where it broke, in a later run if need be. Beside
the bytes lies ``NAME.json``, which says which version of the file they are of.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cs231n.datasets.fetching import http
from cs231n.datasets.fetching.checks import DamagedError
from cs231n.datasets.fetching.disk import matches
from cs231n.datasets.fetching.http import BrokenError, HttpError, Patience
from cs231n.datasets.fetching.registry import RemoteFile
from cs231n.datasets.fetching.unpack import ArchiveError
from cs231n.support.files import replacing, sync
from cs231n.support.progress import progress_bar

if TYPE_CHECKING:
    import requests

PATIENCE = Patience(connect=10, stall=30, tries=3, pause=1, most=50, slow=1000)


def download(
    file: RemoteFile, url: str, folder: Path, accept: Callable[[Path], None]
) -> None:
    """Bring a file from one of its addresses.

    Args:
        file: What to bring.
        url: From where.
        folder: Where to make a folder, if there is none yet of an earlier attempt.
        accept: Called with the path of the whole file, of the published hash if there
            is one. If it says that the file is damaged, and this came in parts, which
            may be of two versions, the file is brought once more.

    Raises:
        ArchiveError: If the file was not accepted.
        DamagedError: If the file was not accepted.
        HttpError: If the address does not give the file.
        OSError: If it cannot be written.
    """
    part = _Part(file, folder / folder_name(url))
    came_in_parts = part.bring(url)
    try:
        part.hand_to(accept)
    except (ArchiveError, DamagedError):
        if not came_in_parts:
            raise
        part.bring(url)
        part.hand_to(accept)


def folder_name(url: str) -> str:
    """Return the folder in which a download waits, one for each address."""
    return hashlib.sha256(url.encode()).hexdigest()[:8]


class _Part:
    """What is here of a file."""

    def __init__(self, file: RemoteFile, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = file
        self.path = folder / file.name
        self.facts = folder / f"{file.name}.json"

    def bring(self, url: str) -> bool:
        """Bring what is missing; tell whether an earlier connection had begun."""
        client, in_parts = http.Client(url, PATIENCE), False
        bar = progress_bar(
            self.file.size or 0, self.file.name, unit="B", unit_scale=True
        )

        def once() -> None:
            nonlocal in_parts
            in_parts |= self.begun()[0] > 0
            self._receive(client, bar)

        with bar:
            client.persist(once, lambda: self.begun()[0])
        return in_parts

    def begun(self) -> tuple[int, dict[str, Any]]:
        """Return how many bytes are here, and of what; none if that is unknown."""
        try:
            facts = json.loads(self.facts.read_text("utf-8"))
            size = self.path.stat().st_size
        except (OSError, ValueError):
            return 0, {}
        return (size, facts) if isinstance(facts, dict) else (0, {})

    def hand_to(self, accept: Callable[[Path], None]) -> None:
        """Have the whole file accepted, or forget it."""
        try:
            if self.file.hash and not matches(self.path, self.file.hash):
                raise DamagedError(
                    "what came is not the published file: its hash is not "
                    f"{self.file.hash}"
                )
            accept(self.path)
        except (ArchiveError, DamagedError):
            self._forget()
            raise

    def _forget(self) -> None:
        self.path.unlink(missing_ok=True)
        self.facts.unlink(missing_ok=True)

    def _receive(self, client: http.Client, bar: Any) -> None:
        """Bring the rest of the file in one connection."""
        start, facts = self.begun()
        total = facts.get("total")
        if total is None:
            start = 0  # nothing to compare with: begin anew
        elif start == total:
            return
        headers = {}
        if start:
            headers["Range"] = f"bytes={start}-"
            if facts.get("version"):
                headers["If_Range"] = facts["version"]
        with client.answer(**headers) as answer:
            start, total = self._agree(answer, start, total)
            bar.total, bar.n = total or self.file.size or 0, start
            with self.path.open("ab" if start else "wb") as file:
                for block in client.blocks(answer):
                    file.write(block)
                    bar.update(len(block))
                file.flush()
                sync(file)
        size = self.path.stat().st_size
        self._require_size(size, total)
        self._require_size(size, self.file.size)

    def _agree(
        self, answer: "requests.Response", start: int, total: int | None
    ) -> tuple[int, int | None]:
        """Return where the answer begins and how long the whole file is."""
        if answer.status_code == 416:
            self._forget()
            raise BrokenError("the server has less of the file than is here")
        http.require_file(answer)
        if answer.status_code == 206:
            span, _, whole = answer.headers.get("Content-Range", "").partition("/")
            if not span.startswith(f"bytes {start}-") or whole != str(total):
                self._forget()
                raise BrokenError("the server went on with something else")
            return start, total
        total = http.announced(answer)
        self._require_size(total, self.file.size)
        self._forget()
        tag = answer.headers.get("ETag", "")
        version = tag if tag.startswith('"') else answer.headers.get("Last-Modified")
        with replacing(self.facts) as draft:
            draft.write_text(json.dumps({"total": total, "version": version}), "utf-8")
        return 0, total

    def _require_size(self, size: int | None, right: int | None) -> None:
        if None not in (size, right) and size != right:
            self._forget()
            raise HttpError(
                f"{size:,} bytes came or were announced where {right:,} are right"
            )
