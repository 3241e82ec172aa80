"""Fetch, build and check data sets: ``python -m cs231n.datasets list``.

The work is done in ``cs231n/tools/data/``. That stands above this package, so it is
started, not imported.
"""

from cs231n.support import commands  # first, so that no scratch file comes before it

if __name__ == "__main__":
    commands.start("cs231n.tools.data.command")
