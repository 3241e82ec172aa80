"""Q4 in TensorFlow: losses by hand, by differences, and what must not change them."""

import inspect
import re
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from cs231n import datasets
from cs231n import style_transfer_tensorflow as student
from cs231n.embedded import style_pictures
from cs231n.lab import painting_tensorflow, style_checks_tensorflow
from cs231n.lab.painting_tensorflow import (
    make_objective,
    noise_like,
    paint,
    style_transfer,
)
from cs231n.style_transfer_tensorflow import (
    content_loss,
    extract_features,
    rel_error,
    style_loss,
    tv_loss,
)
from cs231n.support.accuracy import as_array, as_number
from tests.pixel_networks_tensorflow import with_weights

q4, care = pytest.mark.q4_tensorflow, pytest.mark.care

SHAPES = [(1, 4, 5, 3), (1, 3, 2, 5)]
SHAPES += [pytest.param(shape, marks=care) for shape in [(1, 1, 1, 1), (1, 3, 1, 5)]]
each_shape = pytest.mark.parametrize(
    "shape", SHAPES, ids=lambda shape: "x".join(map(str, shape))
)


def gram_matrix(features, *arguments, **named):
    """Call the student's; with an axis for the one picture it is as good."""
    gram = student.gram_matrix(features, *arguments, **named)
    C = features.shape[-1]
    return gram[0] if gram.shape == (1, C, C) else gram


def tensor(rng, *shape):
    return tf.constant(rng.normal(size=shape))


@pytest.fixture(scope="module")
def cnn():
    """A small network with weights of its own; its last two layers give scores."""
    layers = tf.keras.layers
    network = tf.keras.Sequential(
        [
            tf.keras.Input((None, None, 3)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPool2D(2),
            layers.Conv2D(5, 1),
            layers.Conv2D(6, 1),
            layers.GlobalAveragePooling2D(),
        ]
    )
    return SimpleNamespace(net=with_weights(network))


@pytest.fixture
def photo(tmp_path, rng):
    """A file with a picture, 24 x 18 pixels."""
    file = tmp_path / "photo.png"
    pixels = rng.integers(0, 256, size=(18, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    return file


def assert_slope(loss_of, x, rng, degree=2):
    """Compare a loss's gradient with differences that are exact for a polynomial."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = loss_of(x)
    grad = tape.gradient(loss, x).numpy()
    assert grad.shape == x.shape
    for _ in range(8):
        way = rng.normal(size=x.shape)

        def at(step, way=way):
            return as_number(loss_of(x + step * way))

        found = (at(0.5) - at(-0.5)) / 1.0
        if degree > 2:
            found = (8 * found - (at(1.0) - at(-1.0))) / 6
        size = np.linalg.norm(grad) * np.linalg.norm(way) + abs(as_number(loss))
        assert found == pytest.approx(float((grad * way).sum()), abs=1e-6 * size)


# The losses.


@q4
@pytest.mark.points(2)
def test_content_loss_by_hand():
    current = tf.constant([[[[1.0], [2.0]], [[3.0], [4.0]]]])
    original = tf.constant([[[[1.0], [0.0]], [[3.0], [7.0]]]])
    assert as_number(content_loss(0.5, current, original)) == pytest.approx(6.5)
    current = tf.constant([[[[1.0, 3.0, 0.0], [2.0, 4.0, -1.0]]]])
    original = tf.constant([[[[1.0, 3.0, 0.0], [0.0, 1.0, 1.0]]]])
    assert as_number(content_loss(2.0, current, original)) == pytest.approx(34.0)


@q4
@each_shape
def test_content_of_the_same_features_is_no_loss(shape, rng):
    x = tensor(rng, *shape)
    assert as_number(content_loss(3.0, x, x)) == pytest.approx(0)


@q4
@pytest.mark.points(2)
@each_shape
def test_content_loss_has_the_right_gradient(shape, rng):
    x, y = tensor(rng, *shape), tensor(rng, *shape)
    # What the loss depends on is quadratic, so differences of any width are exact.
    assert_slope(lambda a: content_loss(0.7, a, y), x, rng)


@q4
@pytest.mark.points(2)
def test_gram_matrix_by_hand():
    features = tf.constant([[[[1.0, 0.0], [2.0, 3.0]]]])
    by_hand = np.array([[5.0, 6.0], [6.0, 9.0]])
    plain = as_array(gram_matrix(features, normalize=False))
    assert plain.shape == (2, 2)
    np.testing.assert_allclose(plain, by_hand)
    np.testing.assert_allclose(gram_matrix(features), by_hand / 4)


@q4
@each_shape
def test_gram_matrix_is_symmetric_and_forgets_places(shape, rng):
    x = rng.normal(size=shape)
    gram = as_array(gram_matrix(tf.constant(x)))
    assert gram.shape == (shape[3], shape[3])
    np.testing.assert_allclose(gram, gram.T)
    assert np.linalg.eigvalsh(gram).min() > -1e-9
    places = rng.permutation(shape[1] * shape[2])
    moved = x.reshape(-1, shape[3])[places].reshape(shape)
    np.testing.assert_allclose(gram_matrix(tf.constant(moved)), gram, atol=1e-12)
    turned = tf.constant(x.transpose(0, 2, 1, 3))
    np.testing.assert_allclose(gram_matrix(turned), gram, atol=1e-12)


@q4
@care
def test_gram_matrix_has_no_axis_for_pictures(rng):
    assert student.gram_matrix(tensor(rng, 1, 4, 5, 3)).shape == (3, 3)


@q4
@each_shape
def test_gram_matrix_has_the_right_gradient(shape, rng):
    x, weights = tensor(rng, *shape), tensor(rng, shape[3], shape[3])
    assert_slope(lambda a: tf.reduce_sum(gram_matrix(a) * weights), x, rng)


@q4
@pytest.mark.points(2)
def test_style_loss_by_hand():
    feats = [
        tf.constant([[[[1.0, 0.0], [2.0, 3.0]]]]),
        tf.constant([[[[1.0, 4.0], [-1.0, 4.0]]]]),
    ]
    nothing = [tf.zeros((2, 2))] * 2
    assert as_number(style_loss(feats, [0], nothing[:1], [2.0])) == pytest.approx(22.25)
    both = style_loss(feats, [1, 0], nothing, [2.0, 4.0])
    assert as_number(both) == pytest.approx(173.0)


@q4
def test_style_loss_of_the_style_itself_is_nothing(rng):
    feats = [tensor(rng, 1, 4, 5, 3), tensor(rng, 1, 2, 3, 4)]
    targets = [gram_matrix(f) for f in feats]
    loss = style_loss(feats, [0, 1], targets, [3.0, 4.0])
    assert as_number(loss) == pytest.approx(0)


@q4
@pytest.mark.points(2)
def test_style_loss_has_the_right_gradient(rng):
    x, target = tensor(rng, 1, 4, 5, 3), tensor(rng, 3, 3)
    assert_slope(lambda a: style_loss([a], [0], [target], [7.0]), x, rng, degree=4)


@q4
@pytest.mark.points(2)
def test_tv_loss_by_hand():
    corner = np.zeros((1, 4, 5, 3), np.float32)
    corner[:, -1, -1, :] = 1
    assert as_number(tv_loss(tf.constant(corner), 0.5)) == pytest.approx(3.0)
    ramp = 2 * np.arange(4.0).reshape(4, 1, 1) + 3 * np.arange(5.0).reshape(5, 1)
    ramp = np.broadcast_to(ramp, (1, 4, 5, 3))
    assert as_number(tv_loss(tf.constant(ramp), 0.5)) == pytest.approx(306.0)
    assert as_number(tv_loss(tf.ones((1, 4, 5, 3)), 0.5)) == 0


@q4
@pytest.mark.points(2)
def test_tv_loss_has_the_right_gradient(rng):
    assert_slope(lambda x: tv_loss(x, 0.2), tensor(rng, 1, 4, 7, 3), rng)


@q4
def test_tv_loss_does_not_care_for_mirrors_and_brightness(rng):
    img = rng.normal(size=(1, 5, 7, 3))
    loss = as_number(tv_loss(tf.constant(img), 0.2))
    turned = img.transpose(0, 2, 1, 3)
    reddish = img + np.array([5.0, 0.0, -2.0])
    for other in (img[:, ::-1], img[:, :, ::-1], turned, img + 3, reddish, -img):
        other = tf.constant(np.ascontiguousarray(other))
        assert as_number(tv_loss(other, 0.2)) == pytest.approx(loss, rel=1e-5)


@q4
@care
def test_tv_loss_has_no_loop_and_takes_arrays_and_variables(rng):
    img = rng.normal(size=(1, 4, 5, 3))
    expected = as_number(tv_loss(tf.constant(img), 1.0))
    for kind in (img, tf.Variable(img)):
        assert as_number(tv_loss(kind, 1.0)) == pytest.approx(expected)
    source, _ = inspect.getsourcelines(tv_loss)
    assert not [line for line in source if re.search(r"for \S* in", line)]
    assert not [line for line in source if re.match(r"\s*while\b", line)]


@q4
@care
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_losses_stay_in_the_dtype_of_the_features(kind, rng):
    x = tf.cast(tensor(rng, 1, 4, 5, 3), kind)
    losses = [
        content_loss(0.1, x, x),
        gram_matrix(x),
        style_loss([x], [0], [gram_matrix(x)], [0.1]),
        tv_loss(x, 0.1),
    ]
    assert {loss.dtype.name for loss in losses} == {kind}


# Given.


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (content_loss, ["content_weight", "content_current", "content_original"]),
        (student.gram_matrix, ["features", "normalize"]),
        (style_loss, ["feats", "style_layers", "style_targets", "style_weights"]),
        (tv_loss, ["img", "tv_weight"]),
        (extract_features, ["x", "cnn"]),
        (rel_error, ["x", "y"]),
    ],
)
def test_arguments_have_the_promised_names(function, arguments):
    assert list(inspect.signature(function).parameters) == arguments


def test_features_are_what_each_layer_gives(cnn, rng):
    x = tf.cast(tensor(rng, 2, 8, 9, 3), tf.float32)
    feats = extract_features(x, cnn)
    assert [tuple(f.shape[1:]) for f in feats] == [(6, 7, 4), (3, 3, 4), (3, 3, 5)]
    np.testing.assert_allclose(feats[2], cnn.net.layers[2](feats[1]))


# Painting.


def parameters(photo, **changed):
    values = {
        "content_image": photo,
        "style_image": photo,
        "image_size": 12,
        "style_size": 16,
        "content_layer": 1,
        "content_weight": 5.0,
        "style_layers": [0, 2],
        "style_weights": [3.0, 2.0],
        "tv_weight": 1e-3,
        "num_iterations": 40,
    }
    return values | changed


@q4
def test_style_transfer_lowers_its_losses(cnn, photo):
    painting = style_transfer(**parameters(photo, init_random=True), cnn=cnn)
    assert painting.image.shape == (1, 12, 16, 3)
    assert painting.picture.size == (16, 12)
    assert painting.losses.keys() == {"content", "style", "tv"}
    assert {len(values) for values in painting.losses.values()} == {40}
    total = np.sum([*painting.losses.values()], axis=0)
    assert total[-1] < 0.5 * total[0]
    steps = [t for t, _ in painting.snapshots]
    assert (steps[0], steps[-1]) == (0, 39)
    assert steps == sorted(set(steps))


@q4
def test_the_same_seed_paints_the_same_picture(cnn, photo):
    changed = {"init_random": True, "num_iterations": 5}
    first, second, third = (
        style_transfer(**parameters(photo, **changed), cnn=cnn, seed=seed)
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first.image, second.image)
    assert not np.array_equal(first.image, third.image)


@q4
@pytest.mark.parametrize("changed", [{"content_layer": 3}, {"style_layers": [1, -1]}])
def test_layers_that_do_not_exist(cnn, photo, changed):
    with pytest.raises(IndexError, match=r"no layer (3|-1); .* 0 to 2"):
        style_transfer(**parameters(photo, **changed), cnn=cnn)


@q4
def test_lists_that_do_not_fit(cnn, photo):
    with pytest.raises(ValueError, match="2 style layers, 1 weights and 2 targets"):
        style_transfer(**parameters(photo, style_weights=[1.0]), cnn=cnn)


def distance(img):
    return {"content": tf.reduce_sum(tf.square(img - 0.5))}


def test_the_last_steps_are_small_and_colours_are_limited_until_then():
    """The rate really falls: the notebooks of 2019 and 2020 kept the first one."""
    seen = []

    def objective(img):
        seen.append(
            img.numpy().copy()
        )  # has no values in a graph, so it is run eagerly
        return distance(10 * img)

    paint(noise_like(tf.zeros((1, 4, 4, 3))), objective, 100, snapshots=0)
    steps = [np.abs(b - a).max() for a, b in pairwise(seen)]
    assert max(steps[:10]) > 1
    assert max(steps[90:]) < 0.2
    assert max(np.abs(img).max() for img in seen[:95]) <= 1.5


def test_what_only_works_eagerly_paints_the_same_picture():
    def of_values(img):
        img.numpy()
        return distance(img)

    start = noise_like(tf.zeros((1, 4, 4, 3)))
    graph, eager = (paint(start, f, 9, snapshots=0) for f in (distance, of_values))
    np.testing.assert_allclose(graph.image, eager.image, rtol=1e-5)


@q4
def test_nan_in_a_picture_is_noticed(cnn):
    img = np.zeros((1, 8, 8, 3), np.float32)
    objective = make_objective(cnn, 0, 0.0, None, [], [], [], 1.0)
    paint(tf.constant(img), objective, 2)
    img[0, 3, 3, 0] = np.nan
    with pytest.raises(FloatingPointError, match=r"iteration 0 are tv nan"):
        paint(tf.constant(img), objective, 2)


def test_a_picture_is_read_upright_and_not_squeezed(tmp_path):
    file = tmp_path / "wide.png"
    Image.new("RGB", (80, 60), (124, 116, 104)).save(file)
    img = painting_tensorflow.read_picture(file, 30)
    assert img.shape == (1, 30, 40, 3)
    assert np.abs(img).max() < 0.02  # nearly the mean colour


# The stored answers.


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A working directory and a data folder with nothing in them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CS231N_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(datasets, "search_path", lambda: [tmp_path / "data"])
    return tmp_path


def small():
    return np.full((4, 6, 3), 77, dtype=np.uint8)


@pytest.fixture
def asked(monkeypatch):
    """Weights that were asked for; the course's checkpoint is not there."""
    calls = []

    def load(weights, pools="ceil", verbose=True):
        del verbose
        calls.append((weights, pools))
        if weights == "checkpoint":
            raise FileNotFoundError(weights)
        return "a network"

    monkeypatch.setattr(style_checks_tensorflow, "load_squeezenet_tensorflow", load)
    return calls


def test_the_courses_answers_are_taken_where_its_files_are(empty, asked, capsys):
    (empty / "styles").mkdir()
    for name in ("tubingen", "starry_night"):
        Image.fromarray(small()).save(empty / "styles" / f"{name}.jpg")
    answers = style_checks_tensorflow.load_checks().answers
    assert asked == [("checkpoint", "valid"), ("torchvision", "valid")]
    assert answers["tv_out"] == pytest.approx(303.4699401855469)
    assert answers["gm_out"][0] == pytest.approx(2272.799446)

    gram = np.arange(25.0).reshape(5, 5)
    stored = {"cl_out": 1.5, "sl_out": 2.5, "tv_out": 303.223}
    np.savez(empty / "style-transfer-checks-tf.npz", gm_out=gram, **stored)
    checks = style_checks_tensorflow.load_checks()
    assert checks.smooth == checks.content
    assert float(checks.answers["cl_out"]) == 1.5
    assert checks.answers["gm_out"][3] == 24

    # The file of 2020 is of pictures that were squeezed.
    np.savez(
        empty / "style-transfer-checks-tf.npz",
        gm_out=gram,
        **stored | {"tv_out": 1704.2},
    )
    assert style_checks_tensorflow.load_checks().answers["cl_out"] > 32000
    assert "squeezed" in capsys.readouterr().out


def test_the_courses_photo_is_enough_for_its_total_variation(empty, asked, monkeypatch):
    monkeypatch.setitem(style_pictures.STAND_INS, "tubingen", ("a test", small))
    monkeypatch.setitem(style_pictures.STAND_INS, "starry_night", ("a test", small))
    without = style_checks_tensorflow.load_checks(verbose=False)
    (empty / "styles").mkdir()
    Image.fromarray(small()).save(empty / "styles" / "tubingen.jpg")
    checks = style_checks_tensorflow.load_checks(verbose=False)
    assert asked == [("embedded", "ceil")] * 2
    assert without.smooth == without.content == checks.content
    assert checks.smooth.name == "tubingen.jpg"
    assert checks.answers["tv_out"] == pytest.approx(303.4699401855469)
    assert checks.answers["cl_out"] == without.answers["cl_out"]
