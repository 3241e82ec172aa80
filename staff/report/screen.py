"""What a run says while it goes on: lines, and on a terminal one below them all."""

import shutil
import sys


class Screen:
    """Prints lines; on a terminal the last one tells what is going on."""

    def __init__(self) -> None:
        """Look whether this is a terminal."""
        self.is_terminal = sys.stdout.isatty()
        self._status = ""

    def say(self, text: str) -> None:
        """Print a line, or several that belong together."""
        self._wipe()
        print(text, flush=True)
        self._draw()

    def show(self, status: str) -> None:
        """Put a text in the last line, in place of the one before."""
        if self.is_terminal and status != self._status:
            self._wipe()
            self._status = status
            self._draw()

    def _wipe(self) -> None:
        if self._status:
            print("\r" + " " * self._width(), end="\r")

    def _draw(self) -> None:
        if self._status:
            width = self._width()
            text = self._status
            if len(text) > width:
                text = text[: width - 1] + "…"
            print(text, end="", flush=True)

    @staticmethod
    def _width() -> int:
        # The last column stays free: a terminal may go to a new line behind it.
        return max(shutil.get_terminal_size().columns - 1, 2)


def about(seconds: float) -> str:
    """Return a time to go in words that promise no more than is known."""
    if seconds < 50:
        return "less than a minute"
    minutes = round(seconds / 60) or 1
    return f"about {minutes} minute{'s' if minutes > 1 else ''}"
