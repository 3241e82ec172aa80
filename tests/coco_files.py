"""A tiny coco_captioning folder in the original file format, for tests."""

import json
from pathlib import Path

import h5py
import numpy as np

WORDS = ["<NULL>", "<START>", "<END>", "<UNK>", "a", "red", "cat", "boat", "sun"]


def arrays(seed=0, train=12, val=7, pictures=(5, 3), width=8):
    """Draw the captions and features, by dataset name or file stem."""
    rng = np.random.default_rng(seed)

    def captions(rows):
        made = np.zeros((rows, 17), dtype=np.int32)
        for row in made:
            length = rng.integers(1, 16)
            row[0], row[length + 1] = 1, 2
            row[1 : length + 1] = rng.integers(3, len(WORDS), length)
        return made

    result = {}
    for split, rows, there in zip(
        ("train", "val"), (train, val), pictures, strict=True
    ):
        result[f"{split}_captions"] = captions(rows)
        result[f"{split}_image_idxs"] = rng.integers(there, size=rows, dtype=np.int32)
        result[f"{split}_features"] = rng.random((there, width), dtype=np.float32)
        result[f"{split}_urls"] = [f"scene://{split}/{n}" for n in range(there)]
    return result


def write(folder, content=None, vocabulary=None, suffix="_pca"):
    """Write the folder and return its path.

    Args:
        folder: Where to; made if missing.
        content: What ``arrays`` returns, perhaps changed; None for a fresh one. A
            dataset that is absent is not written.
        vocabulary: What the JSON file holds; None for one that fits.
        suffix: What the names of the feature files end in.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    content = arrays() if content is None else content
    if vocabulary is None:
        indices = {word: index for index, word in enumerate(WORDS)}
        vocabulary = {"idx_to_word": WORDS, "word_to_idx": indices}
    with h5py.File(folder / "coco2014_captions.h5", "w") as file:
        for name, array in content.items():
            if name.endswith(("_captions", "_image_idxs")):
                file[name] = array
    for split in ("train", "val"):
        with h5py.File(folder / f"{split}2014_vgg16_fc7{suffix}.h5", "w") as file:
            if f"{split}_features" in content:
                file["features"] = content[f"{split}_features"]
        urls = "".join(f"{url}\n" for url in content[f"{split}_urls"])
        (folder / f"{split}2014_urls.txt").write_text(urls, "utf-8")
    (folder / "coco2014_vocab.json").write_text(json.dumps(vocabulary), "utf-8")
    return folder
