"""Progress bars for long work: shown to people, silent for logs and pipes."""

import sys
from typing import Any


def progress_bar(
    total: int, description: str, enabled: bool = True, **kwargs: Any
) -> Any:
    """Return a tqdm bar on stdout, silent unless somebody watches.

    Args:
        total: Number of steps.
        description: What is being done.
        enabled: False silences the bar everywhere.
        **kwargs: Passed on to tqdm, such as ``initial`` or ``unit``.

    Returns:
        A ``tqdm.tqdm``; use it as a context manager and call ``update``.
    """
    from tqdm import tqdm

    terminal = sys.stdout.isatty()
    shown = enabled and is_watched()
    return tqdm(
        total=total,
        desc=description,
        disable=not shown,
        file=_OneOutput() if shown and not terminal else sys.stdout,
        dynamic_ncols=terminal,
        ncols=None if terminal else 80,
        **kwargs,
    )


class _OneOutput:
    """A file for tqdm whose last line is one output of a notebook's cell.

    Printed, each state of a bar would become an output of its own in a notebook that is
    run without a browser.
    """

    def __init__(self) -> None:
        self.handle: Any = None

    def write(self, text: str) -> int:
        """Show a state of the bar in place of the one before."""
        if line := text.rpartition("\r")[2].rstrip():
            from IPython.display import display

            data = {"text/plain": line}
            if self.handle is None:
                self.handle = display(data, raw=True, display_id=True)
            else:
                self.handle.update(data, raw=True)
        return len(text)

    def flush(self) -> None:
        """Do nothing: what is written is shown at once."""


def is_watched() -> bool:
    """Tell whether output goes to a terminal or a notebook."""
    if sys.stdout.isatty():
        return True
    shell = sys.modules.get("IPython")
    return bool(
        shell and (ip := shell.get_ipython()) is not None and hasattr(ip, "kernel")
    )
