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

    return tqdm(
        total=total,
        desc=description,
        disable=not (enabled and is_watched()),
        file=sys.stdout,
        dynamic_ncols=sys.stdout.isatty(),
        ncols=None if sys.stdout.isatty() else 80,
        **kwargs,
    )


def is_watched() -> bool:
    """Tell whether output goes to a terminal or a notebook."""
    if sys.stdout.isatty():
        return True
    shell = sys.modules.get("IPython")
    return bool(
        shell and (ip := shell.get_ipython()) is not None and hasattr(ip, "kernel")
    )
