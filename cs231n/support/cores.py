"""How much can be done at once here; needs nothing but Python."""

import os


def cores() -> int:
    """Return how many of the machine's cores this process may use at once."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
