"""SqueezeNet in Keras against PyTorch's, whose numbers another process gives."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from cs231n.classifiers import squeezenet_tf
from cs231n.datasets.readers import squeezenet
from cs231n.datasets.readers import squeezenet_tf as reader
from cs231n.embedded.photos import load_squares
from cs231n.image_utils import preprocess_image
from staff.questions import ROOT
from tests import checkpoints_tensorflow

IN_TORCH = """
import sys
import numpy as np
import torch
from cs231n.datasets.readers.squeezenet import load_squeezenet
torch.set_num_threads(1)
given = np.load(sys.argv[1])
model = load_squeezenet("embedded", "cpu", verbose=False)
turned = lambda x: torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
X = turned(given["X"]).requires_grad_()
logits = model(X)
logits.gather(1, torch.from_numpy(given["y"])[:, None]).sum().backward()
found = {"logits": logits.detach().numpy(), "saliency": X.grad.abs().amax(1).numpy()}
for name in ("X", "wide"):
    x = turned(given[name][:1])
    for i, layer in enumerate(model.features):
        x = layer(x)
        found[f"{name}{i}"] = x.numpy().transpose(0, 2, 3, 1).copy()  # ReLU changes it
np.savez(sys.argv[2], **found)
"""


@pytest.fixture(scope="module")
def given():
    pictures, y = load_squares(5)
    X = np.stack([preprocess_image(picture) for picture in pictures])
    wide = np.tile(X[:1], (1, 1, 2, 1))[:, 9:201, 30:272]
    assert wide.shape == (1, 192, 242, 3)
    return {"X": X, "y": np.asarray(y, np.int64), "wide": wide}


@pytest.fixture(scope="module")
def in_torch(given, tmp_path_factory):
    folder = tmp_path_factory.mktemp("twin")
    np.savez(folder / "given.npz", **given)
    paths = [str(folder / "given.npz"), str(folder / "found.npz")]
    subprocess.run([sys.executable, "-c", IN_TORCH, *paths], cwd=ROOT, check=True)
    with np.load(paths[1]) as found:
        return dict(found)


@pytest.fixture(scope="module")
def model():
    return squeezenet_tf.load_squeezenet_tensorflow("embedded", verbose=False)


def off(a, b):
    """Return the largest difference as a part of the largest number."""
    return float(np.abs(np.asarray(a) - b).max() / np.abs(b).max())


def test_logits_and_saliency(given, in_torch, model, tell):
    X = tf.constant(given["X"])
    with tf.GradientTape() as tape:
        tape.watch(X)
        logits = model(X)
        score = tf.reduce_sum(tf.gather(logits, given["y"], axis=1, batch_dims=1))
    saliency = tf.reduce_max(tf.abs(tape.gradient(score, X)), axis=3)
    errors = off(logits, in_torch["logits"]), off(saliency, in_torch["saliency"])
    tell(
        f"SqueezeNet in Keras: logits off by {errors[0]:.1e}, saliency {errors[1]:.1e}"
    )
    assert errors[0] < 1e-5
    assert errors[1] < 1e-6
    assert (np.argmax(logits, 1) == in_torch["logits"].argmax(1)).all()


@pytest.mark.parametrize("name", ["X", "wide"])
def test_features(given, in_torch, model, name):
    found = model.extract_features(given[name][:1])
    assert len(found) == 13
    for i, features in enumerate(found):
        assert features.shape == in_torch[f"{name}{i}"].shape
        assert off(features, in_torch[f"{name}{i}"]) < 1e-5


def test_pools_of_the_course_differ_where_a_side_is_even(given, in_torch, model):
    course = squeezenet_tf.load_squeezenet_tensorflow(
        "embedded", pools="valid", verbose=False
    )
    np.testing.assert_allclose(
        course(given["X"][:1]), model(given["X"][:1]), rtol=1e-5, atol=1e-5
    )
    found = course.extract_features(given["wide"])[2]
    assert found.shape[2] == in_torch["wide2"].shape[2] - 1
    assert off(found, in_torch["wide2"][:, :, :-1]) < 1e-5


def masked_crc(array, folder):
    """Return the masked CRC-32C of an array's bytes, as TensorFlow writes it.

    A record file holds it behind the bytes.
    """
    path = folder / "bytes.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as file:
        file.write(array.tobytes())
    return int.from_bytes(path.read_bytes()[-4:], "little")


def test_checksums_are_those_that_a_checkpoint_has(tmp_path):
    weights, _ = reader.load("embedded")
    prefix = tmp_path / "squeezenet.ckpt"
    checkpoints_tensorflow.write_2019(prefix, weights)
    index = (tmp_path / "squeezenet.ckpt.index").read_bytes()
    sums = [masked_crc(array, tmp_path) for pair in weights.values() for array in pair]
    assert len(set(sums)) == 52
    assert all(number.to_bytes(4, "little") in index for number in sums)
    changed = masked_crc(weights["features.0"][0] + 1, tmp_path)
    assert changed.to_bytes(4, "little") not in index
    keys = {name for name, _ in tf.train.list_variables(str(prefix))}
    assert {
        key for key in keys if key.endswith("kernel/.ATTRIBUTES/VARIABLE_VALUE")
    } == {f"{key}/kernel/.ATTRIBUTES/VARIABLE_VALUE" for key in reader.keys().values()}


def test_the_embedded_weights_are_not_the_courses(tmp_path):
    weights, _ = reader.load("embedded")
    for name, published in reader.checksums().items():
        found = tuple(masked_crc(array, tmp_path) for array in weights[name])
        assert not set(found) & set(published)


@pytest.mark.parametrize("source", ["checkpoint", "torchvision"])
def test_the_published_weights_are_the_courses(source, tmp_path):
    there = reader.find() if source == "checkpoint" else squeezenet.torchvision_file()
    if there is None:
        pytest.skip(f"the {source}'s weights are not on this machine")
    weights, _ = reader.load(source)
    for name, published in reader.checksums().items():
        assert published == tuple(
            masked_crc(array, tmp_path) for array in weights[name]
        )
