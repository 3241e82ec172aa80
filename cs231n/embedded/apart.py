"""Work on threads of one other process, so that torch is loaded once, and goes again.

Torch and torchvision write to 400 MB in each process that loads them, and a network's
weights come on top. Threads share all that, and hardly wait for each other: torch and
Pillow let the interpreter's lock go while they work. What a process holds is given back
for certain when it ends.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from cs231n.embedded.building import AdviceError
from cs231n.support.threads import one_blas_thread, one_torch_thread

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

T = TypeVar("T")


def in_process(
    work: Callable[..., T], jobs: Sequence[tuple[Any, ...]], threads: int
) -> Generator[T]:
    """Yield what a function returns for each job, in their order.

    The process ends with the work, with this one even if it is killed, and when the
    generator is closed.

    Args:
        work: A function of a module, as the process imports it by its name.
        jobs: Its arguments.
        threads: How many jobs are done at a time, each with one thread of torch.

    Raises:
        AdviceError: If the process is killed.
        Exception: What the function raises.
    """
    context = multiprocessing.get_context(
        "spawn"
    )  # the only kind that all systems have
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_serve, args=(work, jobs, threads, sender), daemon=True
    )
    with _one_heap():
        process.start()
    sender.close()  # so that the other end, closed as well, is the end of all
    try:
        for _ in jobs:
            try:
                result = receiver.recv()
            except EOFError as error:
                process.join()
                raise AdviceError(
                    f"The process that did the work was ended ({process.exitcode}), "
                    "perhaps for want of memory; start the same command again, with "
                    "--jobs 1 if it happens twice."
                ) from error
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:
        receiver.close()
        process.kill()
        process.join()


@contextmanager
def _one_heap() -> Iterator[None]:
    """Let processes that start meanwhile keep what threads free in one heap, on Linux.

    With a heap each, what a thread has freed the others cannot use.
    """
    name = "MALLOC_ARENA_MAX"
    if name in os.environ:
        yield
        return
    os.environ[name] = "1"
    try:
        yield
    finally:
        del os.environ[name]


def on_one_thread(
    work: Callable[..., T], jobs: Sequence[tuple[Any, ...]]
) -> Generator[T]:
    """Yield what a function returns for each job, from here and one after another."""
    for job in jobs:
        with one_torch_thread(), one_blas_thread():
            result = work(*job)
        yield result


def _serve(
    work: Callable[..., Any],
    jobs: Sequence[tuple[Any, ...]],
    threads: int,
    sender: Connection,
) -> None:
    """Do the work in this process, and send what comes of it."""
    # Ctrl-C reaches all processes of a terminal; the parent then ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # For torch, which is not loaded yet; set later, it would have to be in each thread.
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    try:
        from tqdm import tqdm

        # Its own lock is one of the system's, which a killed process leaves behind.
        tqdm.set_lock(threading.RLock())
        with one_blas_thread(), ThreadPoolExecutor(threads) as pool:
            for result in pool.map(lambda job: work(*job), jobs):
                sender.send(result)
    except Exception as error:  # whatever it is, the parent tells of it
        sender.send(error)


def _end_with_parent() -> None:
    """End this process when its parent has ended, were it killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
