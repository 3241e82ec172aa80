r"""Captioned photos of your own, in the files of ``coco_captioning``.

    python -m cs231n.datasets build captions --images FOLDER \
        --annotations FILE --name NAME

The folder appears whole or not at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cs231n.datasets.captions import (
    parts,
    plan,
    reading,
    record,
    unfinished,
    words,
)
from cs231n.datasets.captions.photos import Photos
from cs231n.datasets.captions.plan import Options, Plan
from cs231n.datasets.fetching.disk import file_hash
from cs231n.datasets.readers import coco
from cs231n.embedded import apart, building, coco_folder, networks
from cs231n.embedded.features import FeatureReducer
from cs231n.embedded.networks import Network
from cs231n.embedded.photo_look import DIM, Look, pieces_key
from cs231n.support import folders

if TYPE_CHECKING:
    from numpy.typing import NDArray

_README = """\
Captioned photos in the format of coco_captioning, made by
{made_by}
record.json says from what. The lines of *_urls.txt are the photos' paths below the
folder "images" of the record. reducer.npz turns what the network makes of any photo
into the same {dim} numbers: photo_features of cs231n.embedded.captions.
"""


def build(
    images: Path,
    captions: Sequence[Path],
    target: Path,
    options: Options | None = None,
    *,
    jobs: int | None = None,
    force: bool = False,
    progress: bool = True,
) -> Path:
    """Build a data set of captioned photos.

    Args:
        images: The folder of the photos.
        captions: Files of captions, all of the same photos or of different ones.
        target: The folder to make, named as the data set.
        options: What may be chosen.
        jobs: How many photos to look at a time; None for one a core, at most two.
        force: Whether a data set of that name may be replaced.
        progress: Whether to show a progress bar.

    Returns:
        The folder.

    Raises:
        BusyError: If another process builds it.
        FileExistsError: If the folder is there, and holds something else.
        OSError: If something cannot be read or written.
        ValueError: If the captions cannot be understood, or too much is broken.
    """
    options = options or Options()
    target = Path(target).resolve()
    folders.require_place(target, record.RECORD)
    with unfinished.alone(target):
        _build(images, captions, target, options, jobs, force, progress)
    return target


def _build(
    images: Path,
    captions: Sequence[Path],
    target: Path,
    options: Options,
    jobs: int | None,
    force: bool,
    progress: bool,
) -> None:
    """Build a data set that no other process builds."""
    photos = Photos(images)
    merged, each = reading.read_all(captions)
    sources = [
        {
            "file": str(file.resolve()),
            "sha256": file_hash(file),
            "kind": one.kind,
            "pictures": len(one.captions),
            "captions": one.count(),
        }
        for file, one in zip(captions, each, strict=True)
    ]
    del each
    made = plan.plan(photos, merged, options)
    del merged
    network = _network(options.network)
    seen_key = pieces_key(photos.folder, made.split, network)
    key = folders.code_key(
        [Path(str(module.__file__)) for module in (words, parts, reading, plan)],
        seen_key,
        *(source["sha256"] for source in sources),
        asdict(options),
    )
    if target.exists() and any(target.iterdir()) and not force:
        if folders.is_built(target, key, record.RECORD):
            print(f"{target} is there already, made from the same.")
            return
        raise FileExistsError(
            f"{target} is there, made from other photos, captions or options; choose "
            "another name, or say --force to replace it."
        )
    for note in made.notes:
        print(note)
    count = len(made.split.train) + len(made.split.val)
    facts: dict[str, Any] = {
        "name": target.name,
        "made_by": record.MADE_BY,
        "images": str(photos.folder),
        "annotations": sources,
        "network": asdict(network),
        "options": asdict(options),
    }
    megabytes = math.ceil(count * 0.04) + 50
    with building.writing("The captioned photos", target, megabytes):
        look = Look(photos.folder, made, network, target, seen_key, options, jobs)
        with look.bar(count, progress):
            look.run()
        with folders.building(target, key, facts, record.RECORD) as draft:
            facts |= _write(draft, look, made, options)
        look.pieces.remove()


def _network(name: str) -> Network:
    """Return the network of a name, and leave torch out of this process."""
    if name == networks.PHOTOS:
        return networks.find(name)
    [network] = apart.in_process(networks.find, [(name,)], 1)
    return network


def _write(draft: Path, look: Look, made: Plan, options: Options) -> dict[str, Any]:
    """Write every file of the data set to an empty folder, and return its record."""
    reducer = FeatureReducer.load(look.reducer_file)
    whole = set(look.whole())
    kept: dict[str, list[str]] = {}
    broken: list[str] = []
    for split, blocks in look.blocks.items():
        kept[split] = []
        for k, paths in enumerate(blocks):
            why = look.load(split, k)["why"]
            for path, reason in zip(paths, why, strict=True):
                (broken if reason else kept[split]).append(path)
    parts.require(parts.Split(kept["train"], kept["val"]))
    for split, blocks in look.blocks.items():
        with ExitStack() as stack:
            datasets: list[Any] = []
            start = 0
            for k in range(len(blocks)):
                piece = look.load(split, k)
                vectors, wide = piece["vectors"], piece["wide"]
                if not len(wide):
                    continue
                if (split, k) in whole:
                    vectors = reducer.transform(vectors)
                if not datasets:
                    datasets = [
                        _dataset(stack, draft, split, pca, len(kept[split]), array)
                        for pca, array in ((True, vectors), (False, wide))
                    ]
                for dataset, array in zip(datasets, (vectors, wide), strict=True):
                    dataset[start : start + len(array)] = array
                start += len(wide)
    described = {split: [made.captions[p] for p in kept[split]] for split in kept}
    vocabulary = words.vocabulary(
        (caption for several in described["train"] for caption in several),
        options.vocabulary,
        options.min_count,
    )
    coco_folder.write_captions(
        draft,
        {s: coco_folder.Part(described[s], kept[s], kept[s]) for s in kept},
        vocabulary,
        options.words,
    )
    reducer.save(draft / coco_folder.REDUCER)
    readme = _README.format(made_by=record.MADE_BY, dim=DIM).rstrip()
    building.write_lines(draft / "README.txt", [readme])
    made.leave_out("broken photos", broken, "cannot be read")
    for split, photos in kept.items():
        made.counts[f"{split} photos"] = len(photos)
        made.counts[f"{split} captions"] = sum(map(len, described[split]))
    made.counts["words"] = len(vocabulary)
    if broken:
        print(f"{len(broken)} photos left out; the first: {look.broken[0]}")
    return {
        "components": look.facts(),
        "split": {"how": made.split.how, "seed": options.seed},
        "counts": made.counts,
        "left_out": made.left_out,
        "files": {file.name: file_hash(file) for file in sorted(draft.iterdir())},
    }


def _dataset(
    stack: ExitStack,
    draft: Path,
    split: str,
    pca_features: bool,
    rows: int,
    array: NDArray[np.float32],
) -> Any:
    """Return an empty dataset of features in a file that the stack closes."""
    import h5py

    file = stack.enter_context(
        h5py.File(coco.features_file(draft, split, pca_features), "w")
    )
    return file.create_dataset("features", (rows, array.shape[1]), np.float32)
