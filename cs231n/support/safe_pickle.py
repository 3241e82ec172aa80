"""Read pickles of arrays and plain data, and nothing that could run code.

A pickle is a program: an ordinary ``pickle.load`` of a downloaded file does whatever
the file says. Here a file may hold lists, tuples, dicts, sets, strings, bytes, numbers
and NumPy arrays of these; anything else stops the reading and is named.
"""

import codecs
import io
import math
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, ClassVar, TypeAlias

import numpy as np
from numpy.lib import format as npy

from cs231n.support.arrays import Array
from cs231n.support.file_kinds import because

_ADVICE = "fetch it again from where it is published"
Readable: TypeAlias = str | os.PathLike[str] | BinaryIO


def _encode(text: str, encoding: str = "utf-8") -> bytes:
    # How protocol 2 writes bytes.
    if codecs.lookup(encoding).name not in {"iso8859-1", "utf-8", "ascii"}:
        raise pickle.UnpicklingError(f"text encoding {encoding!r} is refused")
    return text.encode(encoding)


def _dtype(name: str, align: bool = False, copy: bool = True) -> np.dtype[Any]:
    del align, copy
    kind = np.dtype(str(name), copy=True)
    if kind.kind not in "biufcSUO" or kind.subdtype:
        raise pickle.UnpicklingError(f"NumPy data type {name!r} is refused")
    return kind


def _array(kind: object, shape: object, code: object) -> Array:
    # An empty array; the state that follows in the file fills it.
    if kind is not _NDARRAY:
        raise pickle.UnpicklingError(f"an array of type {kind!r} is refused")
    del shape, code
    return np.empty(0, np.int8)


def _scalar(kind: np.dtype[Any], data: bytes | str) -> object:
    raw = data.encode("latin-1") if isinstance(data, str) else data
    return np.ndarray((), kind, bytes(raw))[()]


def _frombuffer(
    data: bytes, kind: np.dtype[Any], shape: tuple[int, ...], order: Any
) -> Array:
    return np.frombuffer(bytearray(data), kind).reshape(shape, order=order)


# Stands for numpy.ndarray, which a file needs to name and never to call.
_NDARRAY = object()
_KNOWN: dict[str, object] = {
    "_codecs.encode": _encode,
    "builtins.bytearray": bytearray,
    "builtins.bytes": bytes,
    "builtins.complex": complex,
    "builtins.frozenset": frozenset,
    "builtins.set": set,
    "collections.OrderedDict": OrderedDict,
    "numpy._core.multiarray._reconstruct": _array,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy._core.numeric._frombuffer": _frombuffer,
    "numpy.dtype": _dtype,
    "numpy.ndarray": _NDARRAY,
}
ARRAYS: frozenset[str] = frozenset(
    {
        "_codecs.encode",
        "numpy._core.multiarray._reconstruct",
        "numpy.dtype",
        "numpy.ndarray",
    }
)
"""The names that arrays alone need: the narrowest thing to allow."""
PLAIN: frozenset[str] = frozenset(_KNOWN)
"""All names this module knows: plain containers, bytes, numbers, arrays."""


# The pure Python reader, because the state that a file gives to a data type has to be
# looked at: with flags of its choice an array of objects becomes one of raw addresses.
class _Reader(pickle._Unpickler):
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(
        pickle._Unpickler.dispatch
    )
    stack: list[Any]

    def __init__(self, file: BinaryIO, allow: Collection[str], encoding: str) -> None:
        super().__init__(file, encoding=encoding)
        self.allow = allow

    def find_class(self, module: str, name: str) -> object:
        full = f"{module}.{name}".replace("numpy.core.", "numpy._core.")
        full = full.replace("__builtin__.", "builtins.")
        if full not in self.allow or full not in _KNOWN:
            raise pickle.UnpicklingError(f"{module}.{name} is refused")
        return _KNOWN[full]

    def load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, np.dtype):
            _set_byte_order(target, state)
        elif isinstance(target, np.ndarray):
            _fill(target, state)
        else:
            raise pickle.UnpicklingError(
                f"a state for a {type(target).__name__} is refused"
            )

    dispatch[pickle.BUILD[0]] = load_build


def _set_byte_order(kind: np.dtype[Any], state: tuple[Any, ...]) -> None:
    order = state[1].decode() if isinstance(state[1], bytes) else state[1]
    structured = any(part is not None for part in state[2:5])
    if structured or state[5] not in (-1, kind.itemsize):
        raise pickle.UnpicklingError(f"a changed data type {kind} is refused")
    size, align = (kind.itemsize, kind.alignment) if kind.kind in "SU" else (-1, -1)
    kind.__setstate__((3, order, None, None, None, size, align, kind.flags))  # type: ignore[attr-defined]


def _fill(array: Array, state: tuple[Any, ...]) -> None:
    shape, kind, fortran, data = state[-4:]
    if not isinstance(kind, np.dtype):
        raise pickle.UnpicklingError(f"a data type of {type(kind).__name__} is refused")
    if kind.hasobject and (type(data) is not list or len(data) != math.prod(shape)):
        raise pickle.UnpicklingError("an object array of raw bytes is refused")
    array.__setstate__((1, shape, kind, fortran, data))


def load(
    file: Readable, *, allow: Collection[str] = PLAIN, encoding: str = "ASCII"
) -> Any:
    """Unpickle ``file``, which may hold plain data and NumPy arrays only.

    Args:
        file: Path, or binary file open at the start of the pickle.
        allow: Names the file may use beside lists, tuples, dicts, strings, bytes and
            numbers, which need none: ``ARRAYS``, or the default ``PLAIN``.
        encoding: How text of Python 2 is decoded; such files with arrays in them
            (CIFAR-10) need ``"latin1"``.

    Raises:
        pickle.UnpicklingError: If the file asks for anything else or is damaged.
    """
    with _opened(file) as (stream, name):
        begin = stream.tell() if stream.seekable() else 0
        try:
            return _Reader(stream, allow, encoding).load()
        except OSError:
            raise
        except Exception as error:  # MemoryError too: damaged lengths ask for terabytes
            what = str(error) or type(error).__name__
            if stream.seekable():
                stream.seek(begin)
            raise pickle.UnpicklingError(
                f"{name} is not a pickle of plain data and arrays "
                + because(stream, "pickle", what, _ADVICE)
            ) from error


def load_npz(file: Readable, *, allow: Collection[str] = PLAIN) -> dict[str, Any]:
    """Read every array of an ``.npz`` file, object arrays by the restricted reader.

    Args:
        file: Path, or binary file.
        allow: As for ``load``.

    Returns:
        The arrays by name; an object array without dimensions comes as the object.

    Raises:
        pickle.UnpicklingError: If an object array holds more than plain data.
        ValueError: If the file is no ``.npz``.
    """
    arrays: dict[str, Any] = {}
    with _opened(file) as (stream, name):
        try:
            with zipfile.ZipFile(stream) as archive:
                for member in archive.namelist():
                    data = io.BytesIO(archive.read(member))
                    arrays[member.removesuffix(".npy")] = _read_array(data, allow)
        except pickle.UnpicklingError:
            raise
        except Exception as error:  # damaged bytes raise a dozen kinds in zipfile alone
            what = str(error) or type(error).__name__
            if stream.seekable():
                stream.seek(0)
            raise ValueError(
                f"{name} cannot be read as an npz file "
                + because(stream, "zip", what, _ADVICE)
            ) from error
    return arrays


def _read_array(data: BinaryIO, allow: Collection[str]) -> Any:
    header: dict[tuple[int, int], Callable[[BinaryIO], tuple[Any, bool, Any]]] = {
        (1, 0): npy.read_array_header_1_0,
        (2, 0): npy.read_array_header_2_0,
    }
    version = npy.read_magic(data)
    if version in header and header[version](data)[2].hasobject:
        value = load(data, allow=allow)
        whole = isinstance(value, np.ndarray) and value.shape == ()
        return value.item() if whole else value
    data.seek(0)
    return npy.read_array(data, allow_pickle=False)


@contextmanager
def _opened(file: Readable) -> Iterator[tuple[BinaryIO, str]]:
    if isinstance(file, (str, os.PathLike)):
        with open(file, "rb") as stream:  # noqa: PTH123
            yield stream, str(file)
    else:
        yield file, str(getattr(file, "name", "the file"))
