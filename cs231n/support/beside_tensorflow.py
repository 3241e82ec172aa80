"""Imported by every given module that imports torch: refuses where that would crash.

An import, and no call, so that whatever is built of such a module stays as it is.
"""

from cs231n.support.frameworks import require_torch

require_torch()
