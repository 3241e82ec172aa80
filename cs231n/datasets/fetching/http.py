"""The one HTTP client: how a server is asked, and how often.

A server that is busy or silent, and a connection that breaks, are asked again; what is
wrong for good is said at once. What was received is kept by whoever asks.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import requests

T = TypeVar("T")

_BLOCK = 1 << 16
_PAGE = "the server sent a web page instead of the file"
_ASK_AGAIN = (408, 425, 429)  # and all from 500 on


class HttpError(OSError):
    """An address does not give what is wanted; another one might."""


class BrokenError(HttpError):
    """A connection ended early; another one might bring the rest."""


@dataclass(frozen=True)
class Patience:
    """How long and how often one address is asked.

    Attributes:
        connect: Seconds for a connection.
        stall: Seconds that a server may be silent.
        tries: Connections in a row that bring nothing new.
        pause: Seconds before the second of them; it doubles each time.
        most: Connections in all.
        slow: Bytes a second that must come, over twice the time of a stall.
        deadline: Seconds for everything together.
    """

    connect: float
    stall: float
    tries: int
    pause: float
    most: int
    slow: float = 0
    deadline: float = float("inf")


class Client:
    """Asks one address."""

    def __init__(self, url: str, patience: Patience) -> None:
        """Start the clock.

        Args:
            url: The address.
            patience: How long and how often to ask.
        """
        self.url, self.patience = url, patience
        self._end = time.monotonic() + patience.deadline

    def persist(self, once: Callable[[], T], here: Callable[[], int] = int) -> T:
        """Return what a connection brings, after further ones if it breaks.

        Args:
            once: Asks once; a BrokenError says that it may be called again.
            here: Returns how many bytes are here; a connection that adds some is not
                counted as a failure.

        Raises:
            HttpError: If there is no use in asking again.
        """
        patience, failures, number = self.patience, 0, 0
        while True:
            number += 1
            before = here()
            try:
                return once()
            except BrokenError:
                failures = 0 if here() > before else failures + 1
                if failures >= patience.tries or number >= patience.most:
                    raise
                pause = patience.pause * 2 ** max(failures - 1, 0)
                if time.monotonic() + pause >= self._end:
                    raise
                time.sleep(pause)

    @contextmanager
    def answer(self, **headers: str) -> "Iterator[requests.Response]":
        """Ask, and yield the answer; whatever breaks meanwhile is an HttpError.

        Args:
            **headers: What to ask for beside the address; ``_`` stands for a hyphen.
        """
        import requests
        import urllib3

        wanted = {"User-Agent": "cs231n-assignment3", "Accept-Encoding": "identity"}
        wanted |= {name.replace("_", "-"): value for name, value in headers.items()}
        left = max(self._end - time.monotonic(), 1e-3)
        waits = min(self.patience.connect, left), min(self.patience.stall, left)
        try:
            with requests.get(
                self.url, headers=wanted, stream=True, timeout=waits
            ) as answer:
                yield answer
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise self._explain(error) from error

    def blocks(self, answer: "requests.Response") -> Iterator[bytes]:
        """Yield the bytes of an answer as they come.

        Raises:
            BrokenError: If they come too slowly, or fewer than were announced.
            HttpError: If they are a web page, or do not come in time.
        """
        wanted, came = announced(answer), 0
        window, since, received = 2 * self.patience.stall, time.monotonic(), 0
        while block := answer.raw.read1(_BLOCK):
            if came == 0 and _is_page(block):
                raise HttpError(_PAGE)
            yield block
            came += len(block)
            received += len(block)
            now = time.monotonic()
            if now > self._end:
                raise HttpError(f"not all there after {self.patience.deadline:g} s")
            if now - since > window:
                if received < self.patience.slow * window:
                    raise BrokenError(
                        f"only {received:,} bytes came in {now - since:.0f} s"
                    )
                received, since = 0, now
        if wanted is not None and came < wanted:
            raise _cut(came, wanted)

    def _explain(self, error: Exception) -> HttpError:
        """Say in plain words what went wrong with a connection."""
        import requests
        import urllib3

        if isinstance(error, requests.exceptions.SSLError):
            return HttpError(f"its certificate is not accepted ({error})")
        if isinstance(error, requests.TooManyRedirects):
            return HttpError("it redirects in circles")
        if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
            return BrokenError(f"no answer within {self.patience.stall:g} s")
        broken = (requests.ConnectionError, urllib3.exceptions.HTTPError)
        if isinstance(error, broken):
            cause = _first_cause(error)
            if isinstance(cause, urllib3.exceptions.IncompleteRead):
                return _cut(cause.partial, cause.partial + cause.expected)
            return BrokenError(f"the connection failed ({cause})")
        return HttpError(str(error))


def require_file(answer: "requests.Response") -> None:
    """Insist that an answer is a file, and sent as it is.

    Raises:
        BrokenError: If it may be later.
        HttpError: If not.
    """
    status = answer.status_code
    if status not in (200, 206):
        again = status >= 500 or status in _ASK_AGAIN
        kind = BrokenError if again else HttpError
        raise kind(f"the server answered {status} {answer.reason or ''}".rstrip())
    if "html" in answer.headers.get("Content-Type", "").lower():
        raise HttpError(_PAGE)
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise HttpError("the server sent the file in an encoding of its own")


def announced(answer: "requests.Response") -> int | None:
    """Return how many bytes an answer announces, None if it does not say."""
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _cut(came: int, wanted: int) -> BrokenError:
    return BrokenError(f"the connection broke when {came:,} of {wanted:,} bytes came")


def _is_page(block: bytes) -> bool:
    return block[:512].lstrip().lower().startswith((b"<!doctype html", b"<html"))


def _first_cause(error: BaseException) -> BaseException:
    """Return what began it, whose words are the shortest."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error
