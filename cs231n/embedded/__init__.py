"""What stands in for a download."""

from cs231n.support import commands  # noqa: F401 (before any scratch file)
