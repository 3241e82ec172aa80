"""What notebooks of old do, with the changes that ``docs/tensorflow.md`` names.

The cells here are ours, written after what the old ones are known to do.
"""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from cs231n.classifiers.squeezenet import SqueezeNet
from cs231n.datasets.readers import squeezenet_tf as reader
from cs231n.net_visualization_tensorflow import compute_saliency_maps
from cs231n.style_transfer_tensorflow import extract_features
from staff.questions import ROOT
from tests import checkpoints_tensorflow


@pytest.fixture(scope="module")
def model():
    SAVE_PATH = "cs231n/datasets/squeezenet.ckpt"
    model = SqueezeNet()
    model.load_weights(SAVE_PATH)
    model.trainable = False
    return model


@pytest.fixture
def X(rng):
    return rng.normal(size=(3, 96, 96, 3)).astype(np.float32)


def test_saliency_with_the_starters_idiom(model, X):
    y = np.array([3, 1, 4])
    watched = tf.convert_to_tensor(X)
    with tf.GradientTape() as tape:
        tape.watch(watched)
        scores = model(watched, save_path="not used")
        correct = tf.gather_nd(scores, tf.stack((tf.range(len(X)), y), axis=1))
    found = tf.reduce_max(tf.abs(tape.gradient(correct, watched)), axis=3)
    np.testing.assert_allclose(
        found, compute_saliency_maps(X, y, model), rtol=1e-4, atol=1e-5
    )


def test_features_by_the_layers_of_the_network(model, X):
    features, previous = [], X
    for layer in model.net.layers[:-2]:
        previous = layer(previous)
        features.append(previous)
    for theirs, ours in zip(features, extract_features(X, model), strict=True):
        np.testing.assert_array_equal(theirs, ours)


def test_a_schedule_that_is_handed_over_whole_lowers_the_rate(model, X):
    schedule = tf.keras.optimizers.schedules.PiecewiseConstantDecay([4], [3.0, 0.1])
    with pytest.raises(ValueError, match="learning_rate"):
        tf.keras.optimizers.Adam(learning_rate=schedule(0))
    optimizer = tf.keras.optimizers.Adam(learning_rate=schedule)
    img_var = tf.Variable(X[:1])
    rates = []
    for _ in range(7):
        rates.append(float(optimizer.learning_rate))
        with tf.GradientTape() as tape:
            tape.watch(img_var)
            loss = tf.reduce_sum(extract_features(img_var, model)[2] ** 2)
        optimizer.apply_gradients([(tape.gradient(loss, img_var), img_var)])
        img_var.assign(tf.clip_by_value(img_var, -1.5, 1.5))
    np.testing.assert_allclose(rates, [3.0] * 5 + [0.1] * 2, rtol=1e-6)


GRAPH = """
import sys
import numpy as np
import tensorflow.compat.v1 as tf
tf.disable_v2_behavior()

def convolution(x, name, n_in, n_out, size, stride=1, padding="VALID"):
    w = tf.get_variable(name + "/weights", [size, size, n_in, n_out])
    b = tf.get_variable(name + "/bias", [n_out])
    return tf.nn.conv2d(x, w, [1, stride, stride, 1], padding) + b

def fire_module(x, name, inp, sp, each):
    x = tf.nn.relu(convolution(x, name + "/squeeze", inp, sp, 1))
    halves = convolution(x, name + "/e11", sp, each, 1), convolution(
        x, name + "/e33", sp, each, 3, padding="SAME"
    )
    return tf.concat([tf.nn.relu(half) for half in halves], axis=3)

image = tf.placeholder("float", [None, None, None, 3], name="input_image")
x = tf.nn.relu(convolution(image, "features/layer0", 3, 64, 3, 2))
sizes = {3: (64, 16, 64), 4: (128, 16, 64), 6: (128, 32, 128), 7: (256, 32, 128),
         9: (256, 48, 192), 10: (384, 48, 192), 11: (384, 64, 256), 12: (512, 64, 256)}
for i in range(2, 13):
    if i in sizes:
        x = fire_module(x, f"features/layer{i}/fire", *sizes[i])
    else:
        x = tf.nn.max_pool(x, [1, 3, 3, 1], [1, 2, 2, 1], "VALID")
x = tf.nn.relu(convolution(x, "classifier/layer1", 512, 1000, 1))
scores = tf.reshape(tf.nn.avg_pool(x, [1, 13, 13, 1], [1, 13, 13, 1], "VALID"),
                    [-1, 1000])
gradient, = tf.gradients(scores[:, 5], image)
with tf.Session() as sess:
    tf.train.Saver().restore(sess, sys.argv[1])
    given = {image: np.load(sys.argv[2])}
    assert len(tf.global_variables()) == 52
    np.savez(sys.argv[3], *sess.run([scores, gradient], given))
"""


def test_a_graph_of_2017_restores_its_checkpoint_and_gives_the_same(
    model, rng, tmp_path
):
    X = rng.normal(size=(1, 224, 224, 3)).astype(np.float32)
    weights, _ = reader.load("embedded")
    model.set_convolutions(weights)
    checkpoints_tensorflow.write_2017(tmp_path / "squeezenet.ckpt", weights)
    np.save(tmp_path / "X.npy", X)
    names = ("squeezenet.ckpt", "X.npy", "found.npz")
    done = subprocess.run(
        [sys.executable, "-c", GRAPH, *(str(tmp_path / name) for name in names)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(tmp_path / "found.npz") as found:
        scores, gradient = found["arr_0"], found["arr_1"]
    watched = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(watched)
        ours = model(watched)
        score = ours[:, 5]
    np.testing.assert_allclose(ours, scores, rtol=1e-4, atol=1e-4)
    mine = tape.gradient(score, watched).numpy()
    assert np.abs(mine - gradient).max() < 1e-5 * np.abs(gradient).max()
