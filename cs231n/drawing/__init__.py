"""Pictures that the project draws, with NumPy and Pillow only."""

from cs231n.support import commands  # noqa: F401 (before any scratch file)
