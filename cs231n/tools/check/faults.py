"""What keeps a function from being compared with what is right."""

AGAIN = "a second call with the same inputs"
STAYS = (
    "nothing may stay from one call to the next, in a global variable or in self, and "
    "nothing may be drawn at random"
)


class GoneError(Exception):
    """A function that is not there any more."""


class UnfitError(Exception):
    """A result that is of the wrong kind, so that its numbers cannot be looked at."""


class NothingError(UnfitError):
    """A result that is None: as an original hand-out leaves it, or forgotten."""


class WaitingError(Exception):
    """Another function has to be right first.

    Attributes:
        name: Which one.
    """

    def __init__(self, name: str) -> None:
        """Name it."""
        super().__init__(f"{name} comes first")
        self.name = name


class SealedError(Exception):
    """A made-up layer's cache was looked into: it holds nothing of use."""
