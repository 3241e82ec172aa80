"""A pretrained network for the drawn small pictures, trained once and kept.

It stands in for ``pretrained_model.h5``, in the same format. A twin in torch trains it;
nothing else of the 2016 questions needs torch. Run as a command to have it ready:

    python -m cs231n.embedded.tiny_model
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cs231n import datasets
from cs231n.drawing.scenes.scene import COLOURS
from cs231n.drawing.scenes.things import KINDS
from cs231n.drawing.small import LABELS
from cs231n.embedded import tiny_folder
from cs231n.embedded.tiny_folder import Sizes
from cs231n.support import folders
from cs231n.support.files import replacing

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILE = "drawn-pretrained_model.h5"


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    The first epochs see pictures of half the size, at a quarter of the cost; the last
    ones see them as they are. Between them is a stage in between, or most of what was
    learnt is lost at the step. The learning rate rises, then falls to zero.

    Attributes:
        sizes: Which pictures.
        stages: Side of the pictures, and how many epochs they are seen in that size.
        rate: The highest learning rate.
        batch: Pictures in a batch.
        decay: Weight decay.
        seed: Decides weights, order and shifts.
    """

    sizes: Sizes
    stages: tuple[tuple[int, float], ...]
    rate: float = 0.08
    batch: int = 50
    decay: float = 5e-4
    seed: int = 231


FULL = Recipe(tiny_folder.FULL, stages=((32, 3), (48, 1), (64, 0.6)))
# Not trained at all: what notebooks do with a network can be tried on random weights,
# and a network trained for seconds is flatter, and harder to fool, than these.
QUICK = Recipe(tiny_folder.QUICK, stages=())


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
    try:
        _write(file, export(twin), facts)
        pieces.remove()
    # h5py reports a full disk as one or the other.
    except (OSError, RuntimeError) as error:
        raise OSError(
            f"The trained network could not be written to {file} ({error}); make room "
            "for about 40 MB there, or name another data folder in CS231N_DATA_DIR."
        ) from error
    return reached


def _parts() -> NDArray[np.int64]:
    """Return (P, 100) what each class is: its kind of thing, and its colour."""
    kinds, colours = list(KINDS), list(COLOURS)
    return np.array(
        [[label.kind == kind for label in LABELS] for kind in kinds]
        + [[label.colour == colour for label in LABELS] for colour in colours],
        dtype=np.int64,
    )


def _write(
    file: Path, arrays: dict[str, NDArray[np.float32]], facts: dict[str, object]
) -> None:
    """Write arrays and, beside them, facts that the original has not."""
    import h5py

    with replacing(file) as draft, h5py.File(draft, "w") as stream:
        for name, array in arrays.items():
            stream.create_dataset(name, data=array)
        stream.attrs.update(facts)


def _find(recipe: Recipe) -> tuple[Path, Path] | None:
    """Return pictures and network if both are there already."""
    folder = tiny_folder.find(recipe.sizes)
    files = (place / _name(recipe) for place in datasets.search_path())
    file = next((f for f in files if _is_trained(f, _key(recipe))), None)
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
    pictures = tiny_folder.standard_key(recipe.sizes)
    return folders.code_key(training, recipe, pictures)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``python -m cs231n.embedded.tiny_model``."""
    parser = argparse.ArgumentParser(
        prog="python -m cs231n.embedded.tiny_model",
        description="Draw small labelled pictures and train the network of the 2016 "
        "edition on them; quick when that is done.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="a few pictures and random weights"
    )
    args = parser.parse_args(argv)
    begin = time.perf_counter()
    try:
        _, file = ensure(args.quick)
    except (OSError, ModuleNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    import h5py

    with h5py.File(file) as stream:
        train, val = stream.attrs["train"], stream.attrs["val"]
    print(
        f"{file}: {train:.0%} of the training pictures right and {val:.0%} of the "
        f"validation pictures, in {time.perf_counter() - begin:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
