"""What stands in place of a file is named: a web page, a compressed file, a mark."""

import bz2
import codecs
import gzip
import io
import json
import lzma
import pickle
import re
import zipfile

import numpy as np
import pytest

from cs231n.classifiers.pretrained_cnn import PretrainedCNN
from cs231n.coco_utils import load_coco_data
from cs231n.data_utils import load_CIFAR_batch, load_models, load_tiny_imagenet
from cs231n.datasets.fetching import registry
from cs231n.datasets.fetching.unpack import ArchiveError, unpack
from cs231n.datasets.readers import imagenet_val
from cs231n.support import safe_pickle
from cs231n.support.file_kinds import because, kind_of
from tests import coco_files, data_files

PAGE = b"\n<!DOCTYPE html>\n<title>404</title> nothing here"
PACKED = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (PAGE, "page"),
        (codecs.BOM_UTF8 + b"<HTML lang='en'>", "page"),
        (b"<?xml version='1.0'?><Error>AccessDenied", "page"),
        (gzip.compress(b"x", mtime=0), "gzip"),
        (lzma.compress(b"x"), "xz"),
        (pickle.dumps([1], 4), "pickle"),
        ("naïve".encode("utf-16"), "utf-16"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12", "git-lfs"),
        (b"", ""),
        (b"http://images.example/1.jpg\n", ""),
        (b'{"idx_to_word": []}', ""),
    ],
)
def test_kinds_are_told_by_how_files_begin(head, kind):
    assert kind_of(head) == kind


def test_a_file_of_the_right_kind_keeps_what_was_wrong_with_it(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK\3\4 and no more")
    why = because(tmp_path / "a.npz", "zip", ValueError("cut"), "fetch it again")
    assert why == "(cut); fetch it again."
    assert because(tmp_path / "gone", "zip", "cut", "do it") == "(cut); do it."
    closed = io.BytesIO(PAGE)
    closed.close()
    assert because(closed, "zip", "cut", "do it") == "(cut); do it."
    why = because(io.BytesIO(PAGE), "zip", "cut", "do it")
    assert why == "(it is a web page, which a server sent in its place); do it."
    why = because(io.BytesIO(gzip.compress(b"")), "zip", "cut", "do it")
    assert why == "(it is compressed by gzip); unpack it first, or do it."


@pytest.fixture
def files(tmp_path):
    """One file of each kind that is loaded, with what loads it."""
    coco = coco_files.write(tmp_path / "coco")
    tiny = data_files.tiny_imagenet(tmp_path)
    batch = tmp_path / "data_batch_1"
    batch.write_bytes(pickle.dumps({"data": np.zeros((1, 3072), int), "labels": [1]}))
    val, cnn = data_files.imagenet_val(tmp_path), data_files.pretrained_model(tmp_path)

    def read_coco():
        load_coco_data(coco)

    return {
        "pickle": (batch, lambda: safe_pickle.load(batch)),
        "CIFAR batch": (batch, lambda: load_CIFAR_batch(batch)),
        "npz": (val, lambda: imagenet_val.read(val)),
        "h5": (cnn, lambda: PretrainedCNN(h5_file=cnn)),
        "captions": (coco / "coco2014_captions.h5", read_coco),
        "features": (coco / "train2014_vgg16_fc7_pca.h5", read_coco),
        "vocabulary": (coco / "coco2014_vocab.json", read_coco),
        "class list": (tiny / "wnids.txt", lambda: load_tiny_imagenet(tiny)),
    }


LOADED = ["pickle", "CIFAR batch", "npz", "h5", "captions", "features", "vocabulary"]


@pytest.mark.parametrize("name", LOADED)
def test_a_page_in_place_of_a_file_is_called_one(files, name):
    file, load = files[name]
    file.write_bytes(PAGE)
    with pytest.raises((ValueError, OSError, pickle.UnpicklingError)) as refused:
        load()
    assert file.name in str(refused.value)
    assert "it is a web page" in str(refused.value)
    assert "again" in str(refused.value)


@pytest.mark.parametrize("name", [*LOADED, "class list"])
@pytest.mark.parametrize("way", PACKED)
def test_a_file_that_is_still_compressed_is_to_be_unpacked(files, name, way):
    file, load = files[name]
    file.write_bytes(PACKED[way](file.read_bytes()))
    with pytest.raises((ValueError, OSError, pickle.UnpicklingError)) as refused:
        load()
    assert f"it is compressed by {way}); unpack it first, or " in str(refused.value)


def test_a_compressed_model_is_left_out_and_said_to_be_one(tmp_path, capsys):
    (tmp_path / "best.pkl").write_bytes(gzip.compress(pickle.dumps({"model": [1]})))
    assert load_models(tmp_path) == {}
    assert "it is compressed by gzip); unpack it first, or " in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["zip", "tar", "gzip"])
def test_a_page_in_place_of_an_archive_is_called_one(tmp_path, kind):
    (tmp_path / "a").write_bytes(PAGE)
    with pytest.raises(ArchiveError, match=f"a is no whole {kind} .it is a web page"):
        unpack(tmp_path / "a", kind, tmp_path / "out", "top", 1000)


def test_names_that_begin_with_the_folder_itself_are_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("./", "")
        archive.writestr("./top/", "")
        archive.writestr("./top/words.txt", "one\n")
    unpack(tmp_path / "a.zip", "zip", tmp_path / "out", "top", 1000)
    assert (tmp_path / "out" / "top" / "words.txt").read_text() == "one\n"


# A mark in front, as Windows' editors put it.


def marked(file):
    file.write_bytes(codecs.BOM_UTF8 + file.read_bytes())


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_mark_in_front_of_urls_is_no_part_of_the_first(tmp_path, split):
    folder = coco_files.write(tmp_path)
    expected = load_coco_data(folder)[f"{split}_urls"].tolist()
    marked(folder / f"{split}2014_urls.txt")
    assert load_coco_data(folder)[f"{split}_urls"].tolist() == expected


def test_marks_in_front_of_other_texts_are_none_of_them(tmp_path):
    folder = coco_files.write(tmp_path / "coco")
    marked(folder / "coco2014_vocab.json")
    assert load_coco_data(folder)["idx_to_word"] == coco_files.WORDS

    tiny = data_files.tiny_imagenet(tmp_path)
    expected = load_tiny_imagenet(tiny)
    for name in ("wnids.txt", "words.txt", "val/val_annotations.txt"):
        marked(tiny / name)
    found = load_tiny_imagenet(tiny)
    assert found["class_names"] == expected["class_names"]
    np.testing.assert_array_equal(found["y_val"], expected["y_val"])

    table = tmp_path / "registry.toml"
    table.write_bytes(registry.REGISTRY.read_bytes())
    marked(table)
    assert registry.load(table) == registry.load()


def test_text_in_utf_16_is_named(tmp_path):
    folder = coco_files.write(tmp_path)
    file = folder / "train2014_urls.txt"
    file.write_text(file.read_text(), "utf-16")
    message = re.escape("(it is text in UTF-16); save it as UTF-8, or ")
    with pytest.raises(ValueError, match=message):
        load_coco_data(folder)
    vocabulary = json.loads((folder / "coco2014_vocab.json").read_text())
    (folder / "coco2014_vocab.json").write_text(json.dumps(vocabulary), "utf-16")
    file.write_text("")
    with pytest.raises(ValueError, match=message):
        load_coco_data(folder)
