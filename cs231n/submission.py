"""Make the zip to hand in.

The work is done in ``cs231n/tools/submission/``.
"""

from cs231n.support import commands  # first, so that no scratch file comes before it

# isort: split
from cs231n.tools.submission.command import main

if __name__ == "__main__":
    commands.run(main)
