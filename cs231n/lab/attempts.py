"""Extra exercises in notebooks: what is not written yet, or wrong, stops nothing."""

import sys
import traceback
from types import TracebackType

QUITS = "it ends the whole program; take out exit(), quit() and sys.exit()"


def attempt() -> "_Attempt":
    """Let what stands in a ``with`` block fail without stopping the notebook.

    What is not written yet is left out, in one line. Any other error is shown, and then
    the notebook goes on as well: extra exercises are worth no points, and what comes
    after them may be.

    Example:
        >>> with attempt():
        ...     raise NotImplementedError("smooth_grad is not written yet.")
        Left out: smooth_grad is not written yet.
    """
    return _Attempt()


class _Attempt:
    def __enter__(self) -> None:
        """Do nothing: it is the end that matters."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Say what was raised, and let nothing through but an interrupt."""
        if isinstance(error, SystemExit):
            print(f"SystemExit: {QUITS}.", file=sys.stderr)
            return True
        if not isinstance(error, Exception):
            return error is None
        if isinstance(error, NotImplementedError):
            print(f"Left out: {error}")
        elif isinstance(error, NameError) and trace is not None and not trace.tb_next:
            # In the cell itself: what would have made it was left out, or not run.
            print(f"Left out: {error}, as a cell above was left out or not run.")
        elif isinstance(error, AssertionError):
            print(f"AssertionError: {error}", file=sys.stderr)
        else:
            lines = traceback.format_exception(kind, error, trace)
            print("".join(lines).rstrip(), file=sys.stderr)
        return True
