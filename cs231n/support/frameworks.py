"""PyTorch and TensorFlow in one process: which comes first, and what is said otherwise.

Triton, which PyTorch loads when it needs it, and TensorFlow each bring LLVM, and share
the one that was loaded first. TensorFlow's ends the whole process when triton comes to
use it; triton's serves both. So triton has to be imported before TensorFlow, where it
is installed: it comes with the builds of PyTorch for graphics cards.
"""

import importlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# TensorFlow 2.21 has packages for 3.10 to 3.13.
_NEWEST = (3, 13)
_REMARKS = ("before absl::InitializeLog()", "oneDNN custom operations are on")


def require_tensorflow() -> None:
    """Import TensorFlow, in the right order and without its remarks on the processor.

    Raises:
        ModuleNotFoundError: If TensorFlow is not installed.
    """
    if "tensorflow" in sys.modules:
        return
    if importlib.util.find_spec("tensorflow") is None:
        raise ModuleNotFoundError(_what_to_install(), name="tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    _triton_first()
    with _without_remarks():
        importlib.import_module("tensorflow")


def require_torch() -> None:
    """Insist that PyTorch can be used, and see to it that it stays so.

    Raises:
        ImportError: If TensorFlow came first, so that using PyTorch would end the
            process.
    """
    if "tensorflow" in sys.modules and _triton_is_to_come():
        raise ImportError(
            "TensorFlow was imported before triton, which PyTorch needs, and in this "
            "order the two end the whole process; restart the kernel and write "
            "'import triton' above 'import tensorflow'."
        )
    if not any(type(finder) is _TritonFirst for finder in sys.meta_path):
        sys.meta_path.insert(0, _TritonFirst())


class _TritonFirst:
    """Finds nothing, but imports triton when TensorFlow is about to be imported."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        del path, target
        if name == "tensorflow":
            _triton_first()


def _triton_is_to_come() -> bool:
    return (
        "triton" not in sys.modules and importlib.util.find_spec("triton") is not None
    )


def _triton_first() -> None:
    if _triton_is_to_come():
        importlib.import_module("triton")


@contextmanager
def _without_remarks() -> Iterator[None]:
    """Leave out what TensorFlow prints before it looks at TF_CPP_MIN_LOG_LEVEL."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            aside.seek(0)
            for line in aside.read().decode("utf-8", "replace").splitlines():
                if not any(known in line for known in _REMARKS):
                    print(line, file=sys.stderr)


def _what_to_install() -> str:
    if sys.version_info[:2] > _NEWEST:
        newest = ".".join(map(str, _NEWEST))
        return (
            f"TensorFlow has no package for Python {sys.version_info.major}."
            f"{sys.version_info.minor} yet; make an environment with Python {newest} "
            "for it, or answer the question in PyTorch."
        )
    return (
        "TensorFlow is not installed here; install it in an environment of its own "
        "(pip install -r requirements-tensorflow.txt), or answer the question in "
        "PyTorch."
    )
