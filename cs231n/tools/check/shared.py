"""What a stand-in remembers, also where a student's code works on a copy of it."""

from typing import Any, Self, TypeVar

T = TypeVar("T")


class Shared(list[T]):
    """A list that its owner's deep copies have in common."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return the list itself."""
        return self
