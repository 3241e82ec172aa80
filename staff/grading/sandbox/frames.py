"""Frames: eight bytes that say how many follow, lowest first, then those."""

import os
import select
import time

_HEAD = 8
_CHUNK = 1 << 20  # memory grows with what came, not with what was promised


class FrameError(Exception):
    """What came is no frame that may come."""


class EndError(Exception):
    """The other side is gone."""


class LateError(Exception):
    """Time is up."""


def write(descriptor: int, frame: bytes, deadline: float | None = None) -> None:
    """Send a frame.

    Args:
        descriptor: A pipe or a socket.
        frame: What follows the length.
        deadline: When to give up, on the monotonic clock.

    Raises:
        EndError: If nobody reads any more.
        LateError: If it could not be sent in time.
    """
    left = memoryview(len(frame).to_bytes(_HEAD, "little") + frame)
    while left:
        _wait(descriptor, False, deadline)
        try:
            left = left[os.write(descriptor, left[:_CHUNK]) :]
        except BlockingIOError:
            continue
        except (BrokenPipeError, ConnectionResetError):
            raise EndError from None


def read(descriptor: int, bound: int, deadline: float | None = None) -> bytes:
    """Return the next frame.

    Args:
        descriptor: A pipe or a socket.
        bound: The longest frame that may come.
        deadline: When to give up, on the monotonic clock.

    Raises:
        EndError: If the other side ended before a frame.
        FrameError: If a frame is too long, or ends too early.
        LateError: If none came in time.
    """
    head = _read(descriptor, _HEAD, deadline)
    if not head:
        raise EndError
    size = int.from_bytes(head, "little")
    if len(head) < _HEAD:
        raise FrameError("the line ended within a frame's length")
    if size > bound:
        raise FrameError(f"a frame of {size} bytes came; at most {bound} may come")
    frame = _read(descriptor, size, deadline)
    if len(frame) < size:
        raise FrameError("the line ended within a frame")
    return frame


def _read(descriptor: int, size: int, deadline: float | None) -> bytes:
    """Return so many bytes, or fewer if the other side ended."""
    got = bytearray()
    while len(got) < size:
        _wait(descriptor, True, deadline)
        try:
            part = os.read(descriptor, min(size - len(got), _CHUNK))
        except BlockingIOError:
            continue
        except ConnectionResetError:
            break
        if not part:
            break
        got += part
    return bytes(got)


def _wait(descriptor: int, reads: bool, deadline: float | None) -> None:
    """Wait until something can be read or written, but only up to a deadline."""
    if deadline is None:
        return  # Windows has no poll, nor the words for it
    poll = select.poll()
    poll.register(descriptor, select.POLLIN if reads else select.POLLOUT)
    left = deadline - time.monotonic()
    if left <= 0 or not poll.poll(left * 1000):
        raise LateError
