"""The loaders and picture helpers on real COCO files, where they are at hand."""

import gzip
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from cs231n.coco_utils import decode_captions, load_coco_data, sample_coco_minibatch
from cs231n.image_utils import image_from_url, load_image
from cs231n.lab.caption_metrics import tokenize

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
PICTURES = 40_504  # of the validation set

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no real data beside the checkout, in {DATA.name}"
)


def lines(name):
    with gzip.open(DATA / "coco" / f"{name}.gz", "rt", encoding="utf-8") as stream:
        return stream.read().splitlines()


@pytest.fixture(scope="module")
def vocabulary():
    return json.loads((DATA / "coco" / "coco2014_vocab.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def captions():
    with gzip.open(DATA / "coco" / "captions_val2017.json.gz", "rt") as stream:
        annotations = json.load(stream)["annotations"]
    return [annotation["caption"] for annotation in annotations]


def encode(caption, word_to_idx):
    words = tokenize(caption)[:15]
    row = [1, *(word_to_idx.get(word, 3) for word in words), 2]
    return row + [0] * (17 - len(row))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, vocabulary, captions):
    """A coco_captioning folder of the real vocabulary, captions and URLs."""
    folder = tmp_path_factory.mktemp("coco_captioning")
    rng = np.random.default_rng(0)
    with h5py.File(folder / "coco2014_captions.h5", "w") as file:
        rows = np.array([encode(c, vocabulary["word_to_idx"]) for c in captions])
        for split in ("train", "val"):
            file[f"{split}_captions"] = rows.astype(np.int32)
            idxs = rng.integers(PICTURES, size=len(rows), dtype=np.int32)
            idxs[0] = PICTURES - 1
            file[f"{split}_image_idxs"] = idxs
    for split in ("train", "val"):
        with h5py.File(folder / f"{split}2014_vgg16_fc7_pca.h5", "w") as file:
            file["features"] = rng.random((PICTURES, 4), dtype=np.float32)
        urls = "\n".join(lines("val2014_urls.txt"))
        (folder / f"{split}2014_urls.txt").write_text(urls, "utf-8")
    text = (DATA / "coco" / "coco2014_vocab.json").read_bytes()
    (folder / "coco2014_vocab.json").write_bytes(text)
    return folder


def test_the_real_vocabulary_and_urls_load(folder):
    data = load_coco_data(folder)
    assert len(data["idx_to_word"]) == len(data["word_to_idx"]) == 1004
    assert data["idx_to_word"][1003] == "apartment"
    assert data["val_urls"].shape == (PICTURES,)
    assert data["val_urls"].dtype == np.dtype("<U63")
    assert all(str(url).startswith("http://") for url in data["val_urls"][:100])


def test_one_word_less_is_noticed(folder, tmp_path, vocabulary):
    for file in folder.iterdir():
        (tmp_path / file.name).symlink_to(file)
    words = vocabulary["idx_to_word"][:-1]
    smaller = {"idx_to_word": words, "word_to_idx": {w: i for i, w in enumerate(words)}}
    (tmp_path / "coco2014_vocab.json").unlink()
    (tmp_path / "coco2014_vocab.json").write_text(json.dumps(smaller), "utf-8")
    with pytest.raises(ValueError, match=r"word index 1003, but .* 1003 words"):
        load_coco_data(tmp_path)


def test_the_example_row_reads_well(vocabulary):
    row = [1, 4, 3, 172, 6, 4, 62, 10, 317, 6, 114, 612, 2, 0, 0, 0, 0]
    text = decode_captions(row, vocabulary["idx_to_word"])
    assert text.startswith("<START> a <UNK> ")
    assert text.endswith(" <END>")
    assert len(text.split()) == 13


def test_the_tokenizer_speaks_the_vocabulary(captions, vocabulary):
    words = [word for caption in captions for word in tokenize(caption)]
    known = sum(word in vocabulary["word_to_idx"] for word in words) / len(words)
    assert known > 0.9
    # Words made by deleting an apostrophe and a space are of that kind.
    assert {"mans", "cellphone"} <= vocabulary["word_to_idx"].keys()
    assert tokenize("The man's") == ["the", "mans"]


def test_minibatches_of_real_captions_decode(folder):
    data = load_coco_data(folder, max_train=50, rng=np.random.default_rng(1))
    rows, _, urls = sample_coco_minibatch(data, 20, rng=np.random.default_rng(2))
    for text, url in zip(decode_captions(rows, data["idx_to_word"]), urls, strict=True):
        assert text.startswith("<START>")
        assert text.endswith("<END>")
        assert "<NULL>" not in text
        assert url.endswith(".jpg")


def test_a_real_url_without_network_gives_a_placeholder(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("CS231N_OFFLINE", "1")
    monkeypatch.setenv("CS231N_DATA_DIR", str(tmp_path))
    for url in np.array(lines("val2014_urls.txt")[:3]):
        assert image_from_url(url).shape == (240, 320, 3)
    assert capsys.readouterr().out.count("\n") == 3


def test_real_photos_load_and_scale():
    files = sorted((DATA / "coco_mini" / "images").glob("*.jpg"))
    assert len(files) == 154
    for file in files:
        whole = load_image(file)
        assert whole.dtype == np.uint8
        assert whole.shape[2] == 3
        small = load_image(file, size=100)
        rows, columns = whole.shape[:2]
        shortest = min(rows, columns)
        wanted = (rows * 100 // shortest, columns * 100 // shortest, 3)
        assert small.shape == wanted
        # Scaling keeps what the picture looks like.
        np.testing.assert_allclose(
            small.mean(axis=(0, 1)), whole.mean(axis=(0, 1)), atol=2
        )
    np.testing.assert_array_equal(
        image_from_url(files[0].as_uri()), load_image(files[0])
    )
