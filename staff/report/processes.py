"""Processes that a run starts: what they say, what memory they take, how they end."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

_GRACE = 5.0  # seconds in which an interrupted process may tidy up


def _family(pid: int) -> Iterator[psutil.Process]:
    """Yield a process and all that it has started, and they, if they live."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        yield process
        yield from process.children(recursive=True)


def megabytes(pid: int) -> float:
    """Return the memory that a process takes now, with those that it has started."""
    total = 0
    for process in _family(pid):
        with suppress(psutil.Error):
            total += process.memory_info().rss
    return total / 1e6


def free_megabytes() -> float:
    """Return the memory that is free for jobs."""
    return float(psutil.virtual_memory().available / 1e6)


def end(pid: int) -> None:
    """End a process and all that it has started, at once.

    Args:
        pid: A process that was started as the leader of a group of its own.
    """
    family = list(_family(pid))
    if hasattr(os, "killpg"):  # finds those whose parents have ended, too
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    for process in family:
        with suppress(psutil.Error):
            process.kill()


async def command(
    words: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    stop: asyncio.Event,
    begun: Callable[[int], None],
    say: Callable[[str], None],
) -> int | None:
    """Run a command in a group of its own and pass on what it says.

    Args:
        words: The command.
        folder: Its working directory.
        environment: Its environment.
        stop: When this is set, the command and all that it has started end.
        begun: Called with the process's id.
        say: Called with each line.

    Returns:
        Its exit status; None if it was stopped.
    """
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=folder,
        env={**environment, "PYTHONUNBUFFERED": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        limit=1 << 20,
    )
    stopped = asyncio.ensure_future(stop.wait())
    try:
        begun(process.pid)
        work = asyncio.ensure_future(_listen(process, say))
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        work.cancel()
        if hasattr(os, "killpg"):  # what takes minutes keeps its pieces, tidily
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.communicate(), _GRACE)
        return None
    finally:
        stopped.cancel()
        end(process.pid)
        await process.wait()


async def _listen(
    process: asyncio.subprocess.Process, say: Callable[[str], None]
) -> int:
    assert process.stdout is not None
    async for line in process.stdout:
        if text := line.decode(errors="replace").rstrip():
            say(text)
    return await process.wait()
