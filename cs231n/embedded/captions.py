"""The captioned data set made of drawn scenes, in the files of ``coco_captioning``.

Nothing is fetched: scenes are drawn from a seed, five captions are written for each,
and SqueezeNet's view of the picture takes the place of VGG's. The result is built once
and kept beside the other data. Run as a command to build another one:

    python -m cs231n.embedded.captions --train 500 --val 50 --out FOLDER
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cs231n import datasets
from cs231n.datasets.captions import record, words
from cs231n.datasets.readers import coco
from cs231n.drawing.scenes import sources
from cs231n.embedded import building, coco_folder, features, maps, networks
from cs231n.embedded.features import FeatureReducer, column_weights
from cs231n.embedded.maps import load_model, look_at
from cs231n.support import folders

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from cs231n.drawing.scenes.scene import Scene

FOLDER = "scene_captioning"
NUM_TRAIN, NUM_VAL, SEED = 5500, 300, 231
CAPTIONS = 5
"""Captions for each scene."""

_README = """\
Drawn scenes with captions, in the format of coco_captioning, made by
python -m cs231n.embedded.captions. The URLs name scenes: image_from_url of
cs231n.image_utils draws them. reducer.npz turns the feature maps of any photo into the
same 512 numbers (cs231n.embedded.features). build.json says what this was made from.
The folder may be deleted at any time; it is built again when it is needed.
"""


def ensure(
    num_train: int = NUM_TRAIN,
    num_val: int = NUM_VAL,
    seed: int = SEED,
    progress: bool = True,
) -> Path:
    """Return the folder of a data set, the standard one by default, built if need be.

    Args:
        num_train: Number of training scenes.
        num_val: Number of validation scenes.
        seed: Decides everything.
        progress: Whether to show a progress bar while it is built.

    Raises:
        OSError: If the folder cannot be written.
    """
    key = _key(num_train, num_val, seed)
    if found := building.find(FOLDER, lambda place: folders.is_built(place, key)):
        return found
    folder = datasets.cache_dir() / FOLDER
    print(f"Drawing {num_train + num_val:,} scenes, once, a few minutes: {folder}")
    return build(folder, num_train, num_val, seed, progress)


def build(
    folder: str | os.PathLike[str],
    num_train: int = NUM_TRAIN,
    num_val: int = NUM_VAL,
    seed: int = SEED,
    progress: bool = True,
) -> Path:
    """Draw scenes, caption and describe them, and write the data set.

    The folder appears whole or not at all, and replaces an older one of that name. What
    an interrupted run has looked at is kept, hidden beside it, for the next one.

    Args:
        folder: Where to put it.
        num_train: Number of training scenes, at least 2.
        num_val: Number of validation scenes, none of them a training scene.
        seed: Decides everything.
        progress: Whether to show a progress bar.

    Returns:
        The folder.

    Raises:
        FileExistsError: If the folder holds something else.
        OSError: If it cannot be written, as when the disk is full.
        ValueError: If a size is too small.
    """
    if num_train < 2 or num_val < 1:
        raise ValueError(
            f"{num_train} training and {num_val} validation scenes were asked for; "
            "take at least 2 and 1."
        )
    target = Path(folder).resolve()
    _, weights = load_model()
    facts = {"seed": seed, "train": num_train, "val": num_val, "weights": weights}
    scene_rng, word_rng = np.random.default_rng(seed).spawn(2)
    scenes = _different_scenes(num_train + num_val, scene_rng)
    with building.writing("The drawn scenes", target, megabytes=100):
        return building.build_folder(
            target,
            _key(num_train, num_val, seed),
            lambda pieces: look_at(scenes, weights, progress, pieces),
            lambda draft, seen: _write(draft, scenes, num_train, word_rng, *seen),
            **facts,
            numpy=np.__version__,
        )


def photo_features(
    image: Any, folder: str | os.PathLike[str] | None = None
) -> NDArray[np.float32]:
    """Describe a photo as a captioning model trained on a data set expects it.

    Args:
        image: (H, W, 3) uint8 of any size, or a Pillow image.
        folder: The data set that the model was trained on, drawn scenes or photos;
            None for the standard scenes.

    Returns:
        (1, 512) features.

    Example:
        >>> photo_features(np.zeros((60, 80, 3), np.uint8)).shape
        (1, 512)
    """
    folder = ensure() if folder is None else Path(folder)
    reducer = FeatureReducer.load(folder / coco_folder.REDUCER)
    if known := record.read(folder):
        network = networks.Network(**known["network"])
    else:
        text = (folder / folders.RECORD).read_text("utf-8")
        network = networks.Network(networks.SCENES, json.loads(text)["weights"])
    return reducer.transform(networks.describe([image], network)[0])


def _write(
    folder: Path,
    scenes: Sequence[Scene],
    num_train: int,
    word_rng: np.random.Generator,
    seen: NDArray[np.float32],
    wide: NDArray[np.float32],
) -> None:
    """Write every file of the data set to an empty folder."""
    from cs231n.drawing.scenes.grammar import describe

    captions = [
        [caption.split() for caption in describe(scene, word_rng, count=CAPTIONS)]
        for scene in scenes
    ]
    vocabulary = words.vocabulary(
        c for several in captions[:num_train] for c in several
    )
    reducer = FeatureReducer().fit(seen[:num_train], column_weights())
    reduced = reducer.transform(seen)

    parts = {}
    for split, part in _splits(num_train):
        for pca_features, vectors in ((True, reduced), (False, wide)):
            file = coco.features_file(folder, split, pca_features)
            building.write_h5(file, {"features": vectors[part]})
        name = f"{split}2014"
        parts[split] = coco_folder.Part(
            captions[part],
            [scene.url for scene in scenes[part]],
            [
                f"scenes/images/{name}/SCENE_{name}_{i:012d}.png"
                for i in range(len(scenes[part]))
            ],
        )
    coco_folder.write_captions(folder, parts, vocabulary)
    reducer.save(folder / coco_folder.REDUCER)
    building.write_lines(folder / "README.txt", [_README.rstrip()])


def _different_scenes(count: int, rng: np.random.Generator) -> list[Scene]:
    """Draw scenes of which no two show the same things in the same places."""
    from cs231n.drawing.scenes.scene import random_scene

    scenes: dict[str, Scene] = {}
    while len(scenes) < count:
        scene = random_scene(rng)
        scenes.setdefault(scene.url.partition("?")[0], scene)
    return list(scenes.values())


def _splits(num_train: int) -> list[tuple[str, slice]]:
    return [("train", slice(num_train)), ("val", slice(num_train, None))]


def _key(num_train: int, num_val: int, seed: int) -> str:
    """Return a text that changes when the code or the sizes do."""
    made_with = [
        Path(str(module.__file__))
        for module in (sys.modules[__name__], coco_folder, features, maps, words)
    ]
    return folders.code_key(
        [*made_with, *sources("grammar.py", "words.py", "words.toml")],
        num_train,
        num_val,
        seed,
    )


def _make(
    train: int = NUM_TRAIN,
    val: int = NUM_VAL,
    seed: int = SEED,
    out: Path | None = None,
) -> str:
    """Build a captioned data set of drawn scenes in the files of coco_captioning.

    Args:
        train: Number of training scenes.
        val: Number of validation scenes.
        seed: Decides everything.
        out: Folder to write; by default one beside the other data.
    """
    folder = build(out, train, val, seed) if out else ensure(train, val, seed)
    return f"{folder}: {train:,} training and {val:,} validation scenes"


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``python -m cs231n.embedded.captions``."""
    return building.main(_make, argv)


if __name__ == "__main__":
    sys.exit(main())
