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
