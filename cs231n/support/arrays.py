"""What an array is called in signatures: the docstring says its shape and numbers."""

from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
