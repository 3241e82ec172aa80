"""Bring one file from one address: whole and as published, or not at all.

Pooch compares the hash and moves the file to its name. What it gets the bytes with is
here: a connection that breaks is taken up where it broke, one that stalls is given up,
and a web page is not taken for data. Bytes wait in ``NAME.part``, which nothing reads
as data, and ``NAME.part.json`` says which version of the file they are of.
"""

import errno
import hashlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cs231n.datasets.fetching.registry import RemoteFile, matches
from cs231n.support.files import replace, replacing, sync
from cs231n.support.progress import progress_bar

if TYPE_CHECKING:
    import requests

CONNECT = 10.0  # seconds for a connection
STALL = 30.0  # seconds that a server may be silent
SLOW = 1000.0  # bytes a second that it must bring over twice that time
TRIES = 3  # connections in a row that bring nothing new
MOST_CONNECTIONS = 50  # in one run, if each brings a little
PAUSE = 1.0  # seconds before the second of them; it doubles each time

_BLOCK = 1 << 16
_PAGE = "the server sent a web page instead of the file"
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DownloadError(OSError):
    """An address does not give the file; another one might."""


class DiskFullError(OSError):
    """There is no room for the file."""


class _BrokenError(DownloadError):
    """A connection ended early; another one might bring the rest."""


def download(file: RemoteFile, url: str, folder: Path) -> tuple[Path, bool]:
    """Bring a file from one of its addresses.

    Args:
        file: What to bring.
        url: From where.
        folder: Where to make a folder, if there is none yet of an earlier attempt.

    Returns:
        path: The whole file in that folder, of the published hash if there is one.
        resumed: Whether a part of it came with an earlier connection, so that, if it
            proves damaged, a fresh attempt may do better.

    Raises:
        DiskFullError: If there is no room for it.
        DownloadError: If the address does not give the file.
    """
    import pooch

    folder = folder / folder_name(url)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file.name
    connection = _Resumable(file, path)
    for other in folder.iterdir():  # pooch's, of a run that was killed
        if other not in (path, connection.part, connection.facts):
            other.unlink()
    # A prefix of a hash is compared here, a whole one by pooch.
    known = file.hash if file.hash and "prefix" not in file.hash else None
    pooch.get_logger().setLevel("WARNING")  # its hints are for programmers
    # What an earlier run left whole is one more thing that came in parts.
    connection.resumed = path.exists()
    for again in (False, True):
        try:
            pooch.retrieve(
                url, known, fname=path.name, path=folder, downloader=connection
            )
            if file.hash and not matches(path, file.hash):
                path.unlink()
                raise ValueError
        except ValueError as error:  # pooch's word for a wrong hash
            if connection.resumed and not again:
                continue  # now all from one connection
            raise DownloadError(
                f"what came is not the published file: its hash is not {file.hash}"
            ) from error
        except OSError as error:
            if error.errno in NO_ROOM:
                raise DiskFullError(error.errno, os.strerror(error.errno)) from error
            raise
        break
    return path, connection.resumed


def folder_name(url: str) -> str:
    """Return the folder in which a download waits, one for each address."""
    return hashlib.sha256(url.encode()).hexdigest()[:8]


class _Resumable:
    """A downloader for pooch that goes on where an earlier one broke off."""

    def __init__(self, file: RemoteFile, path: Path) -> None:
        self.file = file
        self.part = path.with_name(f"{path.name}.part")
        self.facts = path.with_name(f"{path.name}.part.json")
        self.resumed = False

    def __call__(self, url: str, output_file: str, _: Any) -> None:
        """Write what is at ``url`` to ``output_file``."""
        self.resumed = self._begun()[0] > 0
        tries = TRIES
        with progress_bar(
            self.file.size or 0, self.file.name, unit="B", unit_scale=True
        ) as bar:
            for connection in range(1, MOST_CONNECTIONS + 1):
                before = self._begun()[0]
                try:
                    self._receive(url, bar)
                    break
                except _BrokenError:
                    brought = self._begun()[0] > before
                    tries = TRIES if brought else tries - 1
                    if tries <= 0 or connection == MOST_CONNECTIONS:
                        raise
                    self.resumed |= self._begun()[0] > 0
                    time.sleep(PAUSE * 2 ** (TRIES - max(tries, 1)))
        replace(self.part, output_file)
        self.facts.unlink(missing_ok=True)

    def _begun(self) -> tuple[int, dict[str, Any]]:
        """Return how many bytes are there, and of what; none if that is unknown."""
        try:
            facts = json.loads(self.facts.read_text("utf-8"))
            size = self.part.stat().st_size
        except (OSError, ValueError):
            return 0, {}
        return (size, facts) if isinstance(facts, dict) else (0, {})

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.facts.unlink(missing_ok=True)

    def _receive(self, url: str, bar: Any) -> None:
        """Bring the rest of the file in one connection.

        Raises:
            _BrokenError: If it ends early.
            DownloadError: If there is no use in asking again.
        """
        import requests
        import urllib3

        start, facts = self._begun()
        total = facts.get("total")
        if total is None:
            start = 0  # nothing to compare with: begin anew
        elif start == total:
            return
        headers = {"User-Agent": "cs231n-assignment3", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if facts.get("version"):
                headers["If-Range"] = facts["version"]
        try:
            with requests.get(
                url, headers=headers, stream=True, timeout=(CONNECT, STALL)
            ) as answer:
                self._require_file(answer)
                start, total = self._agree(answer, start, total)
                bar.total, bar.n = total or self.file.size or 0, start
                self._write(answer, start, bar)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _explain(error) from error
        size = self.part.stat().st_size
        if total is not None and size < total:
            raise _BrokenError(
                f"the connection broke after {size:,} of {total:,} bytes"
            )
        if total is not None and size > total:
            self._forget()
            raise DownloadError(f"{size:,} bytes came where {total:,} were announced")
        self._require_size(size)

    def _require_file(self, answer: "requests.Response") -> None:
        status = answer.status_code
        if status == 416:  # more is here than there
            self._forget()
            raise _BrokenError("the server has less of the file than is here")
        if status not in (200, 206):
            said = f"the server answered {status} {answer.reason or ''}".rstrip()
            again = status >= 500 or status in (408, 425, 429)
            raise _BrokenError(said) if again else DownloadError(said)
        if "html" in answer.headers.get("Content-Type", "").lower():
            raise DownloadError(_PAGE)
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise DownloadError("the server sent the file in an encoding of its own")

    def _agree(
        self, answer: "requests.Response", start: int, total: int | None
    ) -> tuple[int, int | None]:
        """Return where the answer begins and how long the whole file is."""
        length = answer.headers.get("Content-Length", "")
        rest = int(length) if length.isdecimal() else None
        if answer.status_code == 206:
            span, _, whole = answer.headers.get("Content-Range", "").partition("/")
            if not span.startswith(f"bytes {start}-") or whole != str(total):
                self._forget()
                raise _BrokenError("the server went on with something else")
            return start, total
        self._require_size(rest)
        self._forget()
        tag = answer.headers.get("ETag", "")
        version = tag if tag.startswith('"') else answer.headers.get("Last-Modified")
        with replacing(self.facts) as draft:
            draft.write_text(json.dumps({"total": rest, "version": version}), "utf-8")
        return 0, rest

    def _require_size(self, size: int | None) -> None:
        if None not in (size, self.file.size) and size != self.file.size:
            self._forget()
            raise DownloadError(
                f"{size:,} bytes came or were announced, {self.file.size:,} are right"
            )

    def _write(self, answer: "requests.Response", start: int, bar: Any) -> None:
        received, since, window = 0, time.monotonic(), 2 * STALL
        with self.part.open("ab" if start else "wb") as file:
            for block in _blocks(answer):
                if file.tell() == 0 and _is_page(block):
                    raise DownloadError(_PAGE)
                file.write(block)
                bar.update(len(block))
                received += len(block)
                if (now := time.monotonic()) - since > window:
                    if received < SLOW * window:
                        raise _BrokenError(
                            f"only {received:,} bytes came in {now - since:.0f} s"
                        )
                    received, since = 0, now
            file.flush()
            sync(file)


def _blocks(answer: "requests.Response") -> Any:
    """Yield what comes as it comes, so that a trickle is seen as one."""
    if hasattr(answer.raw, "read1"):
        return iter(lambda: answer.raw.read1(_BLOCK), b"")
    return answer.iter_content(1024)  # urllib3 before 2.1 waits for the whole block


def _is_page(block: bytes) -> bool:
    begin = block[:512].lstrip().lower()
    return begin.startswith((b"<!doctype html", b"<html"))


def _explain(error: Exception) -> DownloadError:
    """Say in plain words what went wrong with a connection."""
    import requests
    import urllib3

    if isinstance(error, requests.exceptions.SSLError):
        return DownloadError(f"its certificate is not accepted ({error})")
    if isinstance(error, requests.TooManyRedirects):
        return DownloadError("it redirects in circles")
    silent = (requests.Timeout, urllib3.exceptions.TimeoutError)
    if isinstance(error, silent):
        return _BrokenError(f"no answer within {STALL:g} s")
    broken = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
    if isinstance(error, (*broken, urllib3.exceptions.HTTPError)):
        return _BrokenError(f"the connection failed ({error})")
    return DownloadError(str(error))
