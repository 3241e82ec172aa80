"""Everything students never get: notebooks' sources, reports, the question table."""

import sys

# Older Pythons could not even read the modules behind this one, so they hear it here.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit("Python 3.11 or newer is needed; run this with a newer one.")
