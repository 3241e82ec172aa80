"""Everything students never get: notebooks' sources, reports, the question table."""

import sys

# Older Pythons could not even read the modules behind this one, so they hear it here.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit("Python 3.11 or newer is needed; run this with a newer one.")

# With it jsonschema, which nbformat imports, checks the format of links, which nothing
# here asks for; it takes twice as long to import as all else that reads notebooks.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
