"""The table of data sets: what it says agrees with what loaders and torchvision say."""

import re
from pathlib import Path

import pytest

from cs231n import datasets
from cs231n.coco_utils import BASE_DIR
from cs231n.datasets.fetching import inventory, registry
from cs231n.datasets.fetching.checks import check_of
from cs231n.datasets.readers import (
    cifar10,
    coco,
    common,
    imagenet_val,
    mnist,
    pretrained_cnn,
    squeezenet,
    squeezenet_tf,
    tiny_imagenet,
)
from tests import data_files

TABLE = registry.load()
REAL = Path(__file__).resolve().parents[1] / "../shared/data/imagenet_val_25"


def test_what_the_course_used_is_there():
    assert TABLE.datasets.keys() >= {
        *("coco_captioning", "tiny_imagenet_a", "pretrained_model", "imagenet_val"),
        *("squeezenet", "squeezenet_tf", "mnist", "cifar10"),
    }
    names = [d.name for d in TABLE.choose(["assignment3", "squeezenet"])]
    assert names == ["coco_captioning", "squeezenet", "imagenet_val"]
    assert len(TABLE.choose(["all", "mnist"])) == len(TABLE.datasets)


@pytest.mark.parametrize("dataset", TABLE.datasets.values(), ids=lambda d: d.name)
def test_every_entry_is_complete(dataset):
    assert callable(check_of(dataset.check))
    assert dataset.need
    assert dataset.licence
    assert dataset.embedded
    assert dataset.used_by
    assert dataset.bytes[1] >= dataset.bytes[0] > 0
    for file in dataset.files:
        assert file.urls[0].startswith("https://")
        assert len(set(file.urls)) == len(file.urls) >= 2
        assert all(url.endswith(f"/{file.name}") for url in file.urls)


def test_loaders_look_where_fetched_data_go():
    targets = {name: dataset.target for name, dataset in TABLE.datasets.items()}
    assert targets["imagenet_val"] == imagenet_val.FILE
    assert targets["squeezenet"] == squeezenet.TORCHVISION_FILE
    assert targets["squeezenet_tf"] == squeezenet_tf.FOLDER
    assert targets["coco_captioning"] == coco.FOLDER == Path(BASE_DIR).name
    assert targets["tiny_imagenet_a"] == tiny_imagenet.FOLDER
    assert targets["pretrained_model"] == pretrained_cnn.FILE
    assert targets["mnist"] == mnist.FOLDER
    assert targets["cifar10"] == cifar10.FOLDER


def test_readers_advise_to_get_what_there_is():
    folder = Path(common.__file__).parent
    texts = [file.read_text("utf-8") for file in folder.glob("*.py")]
    advised = set(re.findall(r"(?:again|command)\(['\"](\w+)['\"]\)", "".join(texts)))
    assert advised == TABLE.datasets.keys() - {
        "mnist"
    }  # its reader is mistrusted above


def test_checksums_are_torchvisions():
    from torchvision.datasets import CIFAR10, MNIST
    from torchvision.models import SqueezeNet1_1_Weights

    mnist = TABLE.datasets["mnist"].files
    assert [(f.name, f.hash) for f in mnist] == [
        (name, f"md5:{md5}") for name, md5 in MNIST.resources
    ]
    for mirror in MNIST.mirrors:
        assert all(f"{mirror}{file.name}" in file.urls for file in mnist)
    cifar = TABLE.datasets["cifar10"]
    assert (cifar.files[0].urls[0], cifar.files[0].hash) == (
        CIFAR10.url,
        f"md5:{CIFAR10.tgz_md5}",
    )
    listed = [*CIFAR10.train_list, *CIFAR10.test_list]
    listed.append((CIFAR10.meta["filename"], CIFAR10.meta["md5"]))
    assert cifar.contents == {name: f"md5:{md5}" for name, md5 in listed}
    (weights,) = TABLE.datasets["squeezenet"].files
    assert weights.urls[0] == SqueezeNet1_1_Weights.IMAGENET1K_V1.url


def test_the_courses_own_file_is_as_published(tmp_path, monkeypatch):
    if not REAL.is_dir():
        pytest.skip("the real imagenet_val_25.npz is not beside this checkout")
    monkeypatch.setenv("CS231N_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(datasets, "search_path", lambda: [tmp_path])
    dataset = TABLE.datasets["imagenet_val"]
    content = (REAL / dataset.target).read_bytes()
    assert len(content) == dataset.files[0].size
    (tmp_path / dataset.target).write_bytes(content)
    assert inventory.verify(dataset) == inventory.State(
        tmp_path / dataset.target, "", True
    )
    changed = bytearray(content)
    changed[1000] ^= 1
    (tmp_path / dataset.target).write_bytes(changed)
    assert inventory.verify(dataset).problem


@pytest.fixture
def entries():
    file = {"name": "a.h5", "urls": ["https://example.org/a.h5"]}
    entry = {"title": "a", "target": "a.h5", "check": "coco", "licence": "ours"}
    return {"a": {**entry, "bytes": [1, 1], "files": [file]}}


def change(path, value):
    def apply(entry):
        *way, last = path
        for step in way:
            entry = entry[step]
        entry[last] = value

    return apply


FILE = ("files", 0)


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        (change(["files"], []), "'files'|has no files"),
        (change([*FILE, "urls"], []), "a.h5 has no urls"),
        (change([*FILE, "urls"], ["ftp://x/a.h5"]), "neither https nor http"),
        (change([*FILE, "hash"], "md5:12"), "'md5:12' is no md5"),
        (change([*FILE, "hash"], "crc:1234"), "'crc:1234' is no md5"),
        (change([*FILE, "hash"], "md5:" + "g" * 32), "'md5:ggg.*' is no md5"),
        (change([*FILE, "unpack"], "rar"), "unpack is 'rar'"),
        (change([*FILE, "unpack"], "zip"), "limit 0; one of"),
        (change([*FILE, "path"], "../b"), "'../b' leads out"),
        (change(["target"], "/etc/a"), "'/etc/a' leads out"),
        (change(["bytes"], [1]), "bytes must be"),
        (change(["colour"], "red"), "colour"),
    ],
)
def test_an_entry_that_cannot_be_is_named(tmp_path, entries, apply, message):
    apply(entries["a"])
    table = data_files.write_table(tmp_path / "t.toml", entries)
    with pytest.raises(ValueError, match=rf"t\.toml: .*({message}).*; mend"):
        registry.load(table)


def test_several_files_need_hashes(tmp_path, entries):
    entries["a"]["files"] *= 2
    table = data_files.write_table(tmp_path / "t.toml", entries)
    with pytest.raises(ValueError, match="each needs a hash and a path"):
        registry.load(table)


def test_groups_name_data_sets(tmp_path, entries):
    table = data_files.write_table(tmp_path / "t.toml", entries, {"g": ["b"]})
    with pytest.raises(ValueError, match="group g has no data set b"):
        registry.load(table)


def test_what_is_no_table_is_told(tmp_path):
    (tmp_path / "t.toml").write_text("[a")
    with pytest.raises(ValueError, match="is no TOML file"):
        registry.load(tmp_path / "t.toml")
    with pytest.raises(FileNotFoundError, match="no table of data sets"):
        registry.load(tmp_path / "none.toml")
