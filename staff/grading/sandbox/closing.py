"""What is closed at the end of a ``with`` block."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Closing(ABC):
    """A thing that its own ``with`` block closes.

    A class of its own and not ``contextlib.closing``, so that nobody can forget it.
    """

    @abstractmethod
    def close(self) -> None:
        """Close it; twice does no harm."""

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()
