"""Give hints, one step of a ladder at a time.

The work is done in ``cs231n/tools/hint/``.
"""

from cs231n.support import commands  # first, so that no scratch file comes before it

# isort: split
from cs231n.tools.hint.command import main

if __name__ == "__main__":
    commands.run(main)
