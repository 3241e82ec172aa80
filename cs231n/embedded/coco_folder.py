"""The files of ``coco_captioning``, for captioned pictures of any kind."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cs231n.datasets.captions import words
from cs231n.datasets.readers import coco
from cs231n.embedded import building

REDUCER = "reducer.npz"


@dataclass(frozen=True)
class Part:
    """The pictures that a model learns from, or those that it is tried on.

    Attributes:
        captions: For each picture its captions, lists of words.
        urls: For each picture what ``image_from_url`` shows it by.
        images: For each picture a path.
    """

    captions: Sequence[Sequence[Sequence[str]]]
    urls: Sequence[str]
    images: Sequence[str]


def write_captions(
    folder: Path,
    parts: Mapping[str, Part],
    vocabulary: Sequence[str],
    longest: int = words.WORDS,
) -> None:
    """Write all files but those of the features.

    Args:
        folder: Where to.
        parts: ``train`` and ``val``.
        vocabulary: The words; any other becomes UNK.
        longest: The most words in a caption.
    """
    rows = {}
    for split, part in parts.items():
        flat = [caption for several in part.captions for caption in several]
        rows[f"{split}_captions"] = words.encode(flat, vocabulary, longest)
        rows[f"{split}_image_idxs"] = np.repeat(
            np.arange(len(part.captions), dtype=np.int32),
            [len(several) for several in part.captions],
        )
        building.write_lines(folder / f"{split}2014_urls.txt", part.urls)
        building.write_lines(folder / f"{split}2014_images.txt", part.images)
    building.write_h5(folder / coco.CAPTIONS_FILE, rows)
    content = {
        "idx_to_word": list(vocabulary),
        "word_to_idx": words.indices(vocabulary),
    }
    building.write_lines(folder / "coco2014_vocab.json", [json.dumps(content)])
