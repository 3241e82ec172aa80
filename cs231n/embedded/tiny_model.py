"""A pretrained network for the drawn small pictures, trained once and kept.

It stands in for ``pretrained_model.h5``, in the same format. A twin in torch trains it;
nothing else of the 2016 questions needs torch. Run as a command to have it ready:

    python -m cs231n.embedded.tiny_model
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cs231n import datasets
from cs231n.drawing.scenes.scene import COLOURS
from cs231n.drawing.scenes.things import KINDS
from cs231n.drawing.small import LABELS
from cs231n.embedded import building, tiny_folder
from cs231n.embedded.tiny_recipe import FULL, QUICK, Recipe
from cs231n.support import folders
from cs231n.support.files import replacing

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILE = "drawn-pretrained_model.h5"


def ensure(quick: bool = False, progress: bool = True) -> tuple[Path, Path]:
    """Return the drawn pictures and a network trained on them, making what is missing.

    Args:
        quick: Whether a few pictures and a network with random weights will do. The
            full ones are taken all the same if they are there already.
        progress: Whether to show progress bars.

    Returns:
        folder: The pictures, in TinyImageNet's folders.
        h5_file: The network.

    Raises:
        ModuleNotFoundError: If torch is not installed.
        OSError: If the data folder cannot be written.
    """
    if (found := _find(FULL)) is not None:
        return found
    recipe = QUICK if quick else FULL
    if (found := _find(recipe)) is not None:
        return found
    folder = tiny_folder.ensure(recipe.sizes, progress)
    file = datasets.cache_dir() / _name(recipe)
    if recipe.stages:
        print(f"Training a network on them, once, some minutes: {file}")
    else:
        print(f"Drawing random weights for a network, once: {file}")
    build(file, folder, recipe, progress)
    return folder, file


def build(
    file: Path, folder: Path, recipe: Recipe = FULL, progress: bool = True
) -> dict[str, float]:
    """Train a network and write its weights; the file appears whole or not at all.

    An interrupted training goes on where it stopped, less than a minute ago.

    Args:
        file: The h5 file to write.
        folder: The pictures to train on.
        recipe: How.
        progress: Whether to show a progress bar.

    Returns:
        Its accuracy on some of the training pictures, ``train``, and on some of the
        validation pictures, ``val``.
    """
    from cs231n.datasets.readers import tiny_imagenet
    from cs231n.embedded.tiny_training import accuracy, train
    from cs231n.embedded.tiny_twin import export

    data = tiny_imagenet.read(folder)
    pieces = folders.Pieces(file, _key(recipe))
    twin = train(data["X_train"], data["y_train"], _parts(), recipe, progress, pieces)
    number = 400 if recipe.stages else 50
    reached = {
        split: accuracy(twin, data[f"X_{split}"], data[f"y_{split}"], number)
        for split in ("train", "val")
    }
    facts = reached | {"key": _key(recipe), "seed": recipe.seed}
    with building.writing("The trained network", file, megabytes=40):
        with replacing(file) as draft:
            building.write_h5(draft, export(twin), **facts)
        pieces.remove()
    return reached


def _parts() -> NDArray[np.int64]:
    """Return (P, 100) what each class is: its kind of thing, and its colour."""
    kinds, colours = list(KINDS), list(COLOURS)
    return np.array(
        [[label.kind == kind for label in LABELS] for kind in kinds]
        + [[label.colour == colour for label in LABELS] for colour in colours],
        dtype=np.int64,
    )


def _find(recipe: Recipe) -> tuple[Path, Path] | None:
    """Return pictures and network if both are there already."""
    folder = tiny_folder.find(recipe.sizes)
    key = _key(recipe)
    file = building.find(_name(recipe), lambda place: _is_trained(place, key))
    return None if folder is None or file is None else (folder, file)


def _is_trained(file: Path, key: str) -> bool:
    if not file.exists():
        return False
    import h5py

    try:
        with h5py.File(file) as stream:
            return bool(stream.attrs.get("key") == key)
    except OSError:
        return False


def _name(recipe: Recipe) -> str:
    return FILE if recipe == FULL else FILE.replace("-", "-quick-", 1)


def _key(recipe: Recipe) -> str:
    here = Path(__file__).resolve().parent
    training = [here / f"tiny_{part}.py" for part in ("model", "training", "twin")]
    pictures = tiny_folder.key(recipe.sizes)
    return folders.code_key(training, recipe, pictures)


def _make(quick: bool = False) -> str:
    """Draw small labelled pictures and train the network of the 2016 edition on them.

    Args:
        quick: Whether a few pictures and random weights will do.
    """
    import h5py

    _, file = ensure(quick)
    with h5py.File(file) as stream:
        train, val = stream.attrs["train"], stream.attrs["val"]
    return (
        f"{file}: {train:.0%} of the training pictures right and {val:.0%} of the "
        "validation pictures,"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``python -m cs231n.embedded.tiny_model``."""
    return building.main(_make, argv)


if __name__ == "__main__":
    sys.exit(main())
