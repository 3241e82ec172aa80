"""How many threads long work takes, where it has to share the machine."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let NumPy's products run on one thread for a while, then as before.

    A model's products are too small to gain from a second one; and beside other work
    BLAS's threads, which spin while they wait for one another, make each step several
    times as long.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch work on one thread for a while, then as before.

    Threads share sums out among them, so that other numbers of threads round otherwise.
    Training carries that on and on: what is to be the same on every machine is trained
    on one.
    """
    with torch_threads(1):
        yield


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch work on so many threads for a while, then as before."""
    from cs231n.support import beside_tensorflow  # noqa: F401 (or torch ends the process)

    # isort: split
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
