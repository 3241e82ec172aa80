"""Say what is done, what is wrong and what is not started.

The work is done in ``cs231n/tools/check/``.
"""

from cs231n.support import commands  # first, so that no scratch file comes before it

# isort: split
from cs231n.tools.check.command import main

if __name__ == "__main__":
    commands.run(main)
