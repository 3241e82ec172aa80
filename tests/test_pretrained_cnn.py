"""The 2016 network: its table of layers, any run of them, its files."""

import dataclasses
from itertools import pairwise

import h5py
import numpy as np
import pytest

from cs231n import datasets
from cs231n.classifiers.pretrained_cnn import PretrainedCNN
from cs231n.data_utils import load_tiny_imagenet
from cs231n.embedded import tiny_folder, tiny_model
from cs231n.gradient_check import eval_numerical_gradient
from tests.tiny_files import write_folder

# What layers 0 to 10 put out for one 64 x 64 image.
SHAPES = [
    (64, 32, 32),
    (64, 32, 32),
    (128, 16, 16),
    (128, 16, 16),
    (256, 8, 8),
    (256, 8, 8),
    (512, 4, 4),
    (512, 4, 4),
    (1024, 2, 2),
    (512,),
    (100,),
]


@pytest.fixture(scope="module")
def network():
    """Give a network of float64 with running averages, as training leaves it."""
    state = np.random.get_state()
    np.random.seed(231)
    model = PretrainedCNN(dtype=np.float64, num_classes=10, input_size=16)
    np.random.set_state(state)
    images = 50 * np.random.default_rng(231).normal(size=(4, 3, 16, 16))
    model.forward(images, mode="train")
    return model


def state_of(model):
    averages = [
        {k: np.copy(v) for k, v in p.items() if k != "mode"} for p in model.bn_params
    ]
    return {k: v.copy() for k, v in model.params.items()}, averages


def write(path, model, change=lambda _: None):
    """Write a network as the course's file has it, changed in some way."""
    arrays = dict(model.params)
    for i, p in enumerate(model.bn_params, start=1):
        for kind in ("running_mean", "running_var"):
            arrays[f"{kind}{i}"] = p[kind]
    change(arrays)
    with h5py.File(path, "w") as file:
        for name, value in arrays.items():
            file[name] = value
    return path


def test_parameters_have_the_promised_names_shapes_and_sizes():
    model = PretrainedCNN()
    wanted = {f"W{i}" for i in range(1, 12)} | {f"b{i}" for i in range(1, 12)}
    wanted |= {f"{k}{i}" for k in ("gamma", "beta") for i in range(1, 11)}
    assert model.params.keys() == wanted
    channels = [3, 64, 64, 128, 128, 256, 256, 512, 512, 1024]
    for i, (C, F) in enumerate(pairwise(channels), start=1):
        side = 5 if i == 1 else 3
        assert model.params[f"W{i}"].shape == (F, C, side, side)
        assert model.params[f"gamma{i}"].shape == model.params[f"b{i}"].shape == (F,)
    assert model.params["W10"].shape == (4096, 512)
    assert model.params["W11"].shape == (512, 100)
    for name, value in model.params.items():
        assert value.dtype == np.float32
        if name[0] == "W":
            fan_in = value.shape[0] if value.ndim == 2 else value[0].size
            assert value.std() == pytest.approx((2 / fan_in) ** 0.5, rel=0.05)
        else:
            assert np.all(value == (name[0] == "g"))
    assert [p["stride"] for p in model.conv_params] == [2, 1, 2, 1, 2, 1, 2, 1, 2]
    assert [p["pad"] for p in model.conv_params] == [2, 1, 1, 1, 1, 1, 1, 1, 1]
    assert len(model.bn_params) == 10
    assert model.filter_sizes == [5, *[3] * 8]
    assert model.num_filters == channels[1:]


def test_every_layer_puts_out_the_promised_shape():
    model = PretrainedCNN()
    x = np.ones((2, 3, 64, 64))
    for i, shape in enumerate(SHAPES):
        x, _ = model.forward(x, start=i, end=i, mode="train")
        assert x.shape == (2, *shape)
        assert x.dtype == np.float32


@pytest.mark.parametrize(
    "split",
    [
        k if k in {0, 5, 9} else pytest.param(k, marks=pytest.mark.slow)
        for k in range(10)
    ],
)
def test_two_runs_after_each_other_are_one(network, split, rng):
    x = rng.normal(size=(2, 3, 16, 16))
    whole, cache = network.forward(x)
    middle, first = network.forward(x, end=split)
    out, second = network.forward(middle, start=split + 1)
    np.testing.assert_allclose(out, whole, rtol=1e-12)

    dout = rng.normal(size=out.shape)
    dx, grads = network.backward(dout, cache)
    dmiddle, late = network.backward(dout, second)
    again, early = network.backward(dmiddle, first)
    np.testing.assert_allclose(again, dx, rtol=1e-9, atol=1e-15)
    assert not late.keys() & early.keys()
    assert (late | early).keys() == grads.keys() == network.params.keys()
    for name, grad in (late | early).items():
        np.testing.assert_allclose(grad, grads[name], rtol=1e-9, atol=1e-12)


def test_a_cache_can_be_used_again_and_images_of_any_size_enter(network, rng):
    x = rng.normal(size=(1, 3, 21, 34))
    out, cache = network.forward(x, end=7)
    assert out.shape == (1, 512, 2, 3)
    dout = rng.normal(size=out.shape)
    first, _ = network.backward(dout, cache)
    again, _ = network.backward(dout, cache)
    np.testing.assert_array_equal(first, again)
    assert first.shape == x.shape


def test_gradient_at_pixels_agrees_with_finite_differences(network, rng):
    x = 10 * rng.normal(size=(1, 3, 5, 4))
    # A smooth weighting of the outputs, so that kinks of ReLUs hardly matter.
    out, cache = network.forward(x, end=1)
    weights = rng.normal(size=out.shape)
    dx, _ = network.backward(weights, cache)
    numeric = eval_numerical_gradient(
        lambda v: float(np.sum(network.forward(v, end=1)[0] * weights)),
        x,
        verbose=False,
    )
    np.testing.assert_allclose(dx, numeric, rtol=1e-5, atol=1e-6)


def test_loss_scores_without_labels_and_learns_with_them(network, rng):
    x = rng.normal(size=(3, 3, 16, 16))
    _, before = state_of(network)
    scores = network.loss(x)
    np.testing.assert_array_equal(scores, network.forward(x, mode="test")[0])
    assert scores.shape == (3, 10)
    _, after = state_of(network)
    for a, b in zip(before, after, strict=True):  # test mode leaves averages alone
        np.testing.assert_array_equal(a["running_mean"], b["running_mean"])

    y = np.array([0, 1, 2])
    _, grads = PretrainedCNN(num_classes=4, input_size=16).loss(x, y)
    assert {g.dtype for g in grads.values()} == {np.dtype(np.float32)}

    model = PretrainedCNN(np.float64, num_classes=4, input_size=16)
    loss, grads = model.loss(x, y)
    assert loss > 0
    assert model.bn_params[0]["running_var"].any()
    # A step so short that to first order a millionth of the loss goes: with batch
    # normalization of three pixels the slope changes within thousandths.
    slope = sum(np.sum(g**2) for g in grads.values())
    for name, value in model.params.items():
        assert grads[name].shape == value.shape
        value -= 1e-6 * loss / slope * grads[name]
    assert 1 - model.loss(x, y)[0] / loss == pytest.approx(1e-6, rel=0.01)


@pytest.mark.parametrize("transposed", [False, True])
def test_weights_come_back_from_a_file(network, transposed, tmp_path, rng, capsys):
    def turn(arrays):
        if transposed:
            for name in ("W1", "W10", "W11"):
                arrays[name] = arrays[name].T

    file = write(tmp_path / "model.h5", network, turn)
    model = PretrainedCNN(np.float64, num_classes=10, input_size=16, h5_file=file)
    x = rng.normal(size=(2, 3, 16, 16))
    np.testing.assert_array_equal(model.loss(x), network.loss(x))
    assert capsys.readouterr().out == ""
    model.load_weights(str(file), verbose=True)
    assert "running_var10 (512,)" in capsys.readouterr().out
    single = PretrainedCNN(num_classes=10, input_size=16, h5_file=file)
    assert single.params["W1"].dtype == np.float32
    assert single.bn_params[3]["running_mean"].dtype == np.float32
    assert single.loss(x).dtype == np.float32


def other_classes(arrays):
    arrays["W11"] = np.zeros((512, 7))


def fewer_layers(arrays):
    for name in ("W10", "b10", "running_mean10"):
        del arrays[name]


def words(arrays):
    arrays["b1"] = np.array([b"x"] * 64)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (other_classes, r"another architecture: its W11 has shape \(512, 7\)"),
        (fewer_layers, "another architecture: it has no W10 and 2 more"),
        (words, "no numbers in b1"),
    ],
)
def test_a_file_of_another_network_is_named_and_changes_nothing(
    network, change, complaint, tmp_path
):
    file = write(tmp_path / "other.h5", network, change)
    before, averages = state_of(network)
    with pytest.raises(ValueError, match=rf"other\.h5.*{complaint}"):
        network.load_weights(file)
    after, averages_after = state_of(network)
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)
    assert str(averages) == str(averages_after)


def test_missing_and_damaged_files_are_named(network, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.h5.*get_pretrained_model"):
        network.load_weights(tmp_path / "absent.h5")
    file = write(tmp_path / "torn.h5", network)
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"torn\.h5 .*is no whole HDF5 file"):
        network.load_weights(file)


# As the notebooks of 2016 load them, in whatever folder they run.
PICTURES_2016 = "cs231n/datasets/tiny-imagenet-100-A"
MODEL_2016 = "cs231n/datasets/pretrained_model.h5"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A working directory without data; what is on disk does not count."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "_PACKAGE_FOLDER", tmp_path / "package")
    monkeypatch.setattr(datasets, "_user_cache", lambda: tmp_path / "cache")
    monkeypatch.setenv("CS231N_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def load_as_in_2016():
    data = load_tiny_imagenet(PICTURES_2016, subtract_mean=True)
    return data, PretrainedCNN(h5_file=MODEL_2016)


def test_the_notebooks_of_2016_find_the_data_folder(elsewhere, capsys):
    write_folder(elsewhere / "data" / "tiny-imagenet-100-A")
    whole = PretrainedCNN()
    whole.loss(np.zeros((1, 3, 64, 64)), np.array([0]))
    write(elsewhere / "data" / "pretrained_model.h5", whole)
    data, model = load_as_in_2016()
    assert capsys.readouterr().out == ""
    assert len(data["class_names"]) == 3
    np.testing.assert_array_equal(model.params["W3"], whole.params["W3"])
    whole.load_weights(MODEL_2016)  # the other way to ask for it
    # A file that is there is the one that is meant.
    (elsewhere / "cs231n" / "datasets").mkdir(parents=True)
    (elsewhere / MODEL_2016).write_text("none")
    with pytest.raises(ValueError, match="is no whole HDF5 file"):
        PretrainedCNN(h5_file=MODEL_2016)


def test_the_notebooks_of_2016_run_without_any_data(elsewhere, monkeypatch, capsys):
    draw, small = tiny_folder.ensure, tiny_folder.Sizes(1, 1, 1)
    monkeypatch.setattr(tiny_folder, "ensure", lambda *_: draw(small, progress=False))
    untrained = dataclasses.replace(tiny_model.QUICK, sizes=small)
    monkeypatch.setattr(tiny_model, "FULL", untrained)
    data, model = load_as_in_2016()
    said = capsys.readouterr().out
    assert "tiny-imagenet-100-A is not in the data folder" in said
    assert "pretrained_model.h5 is not in the data folder" in said
    assert model.loss(data["X_val"][:2]).shape == (2, 100)
    made = {file.name for file in (elsewhere / "data").iterdir()}
    assert tiny_model.FILE in made
    assert not (elsewhere / "cs231n").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"end": 11}, "end is 11, but the layers are numbered from 0 to 10"),
        ({"start": -1}, "start is -1"),
        ({"start": 3, "end": 2}, "start is 3 and end 2"),
        ({"mode": "testing"}, "mode 'testing'"),
    ],
)
def test_wrong_layers_and_modes_are_named(network, arguments, complaint):
    before = state_of(network)
    with pytest.raises(ValueError, match=complaint):
        network.forward(np.ones((1, 3, 16, 16)), **arguments)
    assert str(before) == str(state_of(network))


@pytest.mark.parametrize(
    ("shape", "start", "complaint"),
    [
        ((2, 16, 16, 3), 0, r"layer 0 wants \(N, 3, H, W\); put channels first"),
        ((0, 3, 16, 16), 0, "no images"),
        ((3, 16, 16), 0, r"X has shape \(3, 16, 16\)"),
        ((2, 64, 8, 8), 2, None),
        ((2, 3, 8, 8), 2, r"layer 2 wants \(N, 64, H, W\)\."),
        ((2, 3, 32, 32), 9, "layer 9 wants 1024 numbers"),
        ((2, 511), 10, "layer 10 wants 512 numbers"),
    ],
)
def test_input_that_does_not_fit_the_layer_is_named(network, shape, start, complaint):
    if complaint is None:
        network.forward(np.ones(shape), start=start, end=start)
        return
    with pytest.raises(ValueError, match=complaint):
        network.forward(np.ones(shape), start=start)


def test_images_of_the_wrong_size_do_not_reach_the_scores(network):
    with pytest.raises(ValueError, match="layer 9 wants 1024 numbers"):
        network.forward(np.ones((1, 3, 33, 33)))
