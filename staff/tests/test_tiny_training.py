"""The torch twin is PretrainedCNN to the letter, learns, and is kept in a file."""

import copy

import h5py
import numpy as np
import pytest
import torch

from cs231n import datasets
from cs231n.classifiers.pretrained_cnn import PretrainedCNN
from cs231n.drawing.scenes.scene import COLOURS
from cs231n.drawing.small import LABELS
from cs231n.embedded import building, tiny_folder, tiny_model, tiny_training, tiny_twin
from cs231n.embedded.tiny_folder import Sizes
from cs231n.embedded.tiny_recipe import Recipe
from cs231n.support import folders

SMALL = Recipe(Sizes(2, 1, 1), stages=((32, 1), (64, 0.5)), batch=20)


def make_twin(rng, classes=7):
    """Return a twin whose every array differs from what it begins with."""
    twin = tiny_twin.Twin(classes, rng)
    with torch.no_grad():
        for name, array in tiny_twin.weights_of(twin).items():
            if not name.startswith("W"):
                drawn = torch.from_numpy(rng.uniform(0.5, 1.5, array.shape))
                array.copy_(drawn if "var" in name else (drawn - 1) / 5 + array)
    return twin.eval()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a twin, its file, and the NumPy network that was loaded from it."""
    twin = make_twin(np.random.default_rng(231))
    file = tmp_path_factory.mktemp("twin") / "twin.h5"
    building.write_h5(file, tiny_twin.export(twin), key="x")
    return twin, file, PretrainedCNN(num_classes=7, h5_file=file)


@pytest.fixture
def pair(made):
    """Return copies of the two networks: passes leave gradients and statistics."""
    twin, _, model = made
    return copy.deepcopy(twin), copy.deepcopy(model)


def test_the_file_has_the_originals_format(made):
    _, path, model = made
    running = [f"running_{x}{i}" for x in ("mean", "var") for i in range(1, 11)]
    with h5py.File(path) as file:
        assert set(file) == {*model.params, *running}
        for name, array in model.params.items():
            assert file[name].shape == array.shape
            assert file[name].dtype == np.float32


def relative(x, y):
    return np.abs(x - y).max() / np.abs(y).max()


@pytest.mark.parametrize(
    ("start", "end"), [(0, 10), (0, 0), (0, 6), (3, 7), (5, 9), (9, 10), (10, 10)]
)
def test_forward_and_backward_agree_between_any_two_layers(pair, rng, start, end):
    twin, model = pair
    X = rng.normal(size=(2, 3, 64, 64)).astype(np.float32) * 60
    if start:
        X = model.forward(X, end=start - 1)[0]
    out, cache = model.forward(X, start, end)
    leaf = torch.from_numpy(X).requires_grad_()
    wanted = twin(leaf, start, end)
    dout = rng.normal(size=out.shape).astype(np.float32)
    wanted.backward(torch.from_numpy(dout))
    dX, grads = model.backward(dout, cache)

    assert relative(out, wanted.detach().numpy()) < 1e-4
    assert relative(dX, leaf.grad.numpy()) < 1e-4
    for number in range(start, end + 1):
        weight = twin.affine[number].weight.grad.numpy()
        got = grads[f"W{number + 1}"]
        assert relative(got, weight if weight.ndim == 4 else weight.T) < 1e-4


def test_the_training_pass_agrees_too(pair, rng):
    twin, model = pair
    X = rng.normal(size=(4, 3, 64, 64)).astype(np.float32) * 60
    wanted = twin.train()(torch.from_numpy(X))
    out, _ = model.forward(X, mode="train")

    assert relative(out, wanted.detach().numpy()) < 1e-4


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (2, 2), (1, 1), (6, 1)])
def test_a_convolution_as_one_product_is_that_convolution(rng, shape):
    product = tiny_twin._Product(3, 4, 3, 2, padding=1).double()
    X = torch.from_numpy(rng.standard_normal((2, *shape, 3))).permute(0, 3, 1, 2)
    X.requires_grad_()
    wanted = torch.nn.functional.conv2d(X, product.weight, product.bias, 2, 1)
    out = product(X)
    upstream = torch.from_numpy(rng.standard_normal(wanted.shape))
    torch.testing.assert_close(out, wanted)
    inputs = (X, product.weight, product.bias)
    torch.testing.assert_close(
        torch.autograd.grad(out, inputs, upstream),
        torch.autograd.grad(wanted, inputs, upstream),
    )


def test_half_size_pictures_get_scores(rng):
    twin = make_twin(rng)
    X = torch.from_numpy(rng.normal(size=(2, 3, 32, 32)).astype(np.float32))

    assert twin(X, end=8).shape == (2, 1024, 1, 1)
    assert twin(X).shape == (2, 7)


def test_classes_are_sums_of_what_they_are_made_of(rng):
    parts = tiny_model._parts()
    assert parts.shape[1] == len(LABELS)
    assert (parts.sum(axis=0) == 2).all()
    assert parts[-len(COLOURS) :].sum(axis=0).tolist() == [1] * len(LABELS)

    twin = make_twin(rng, classes=len(parts))
    X = torch.from_numpy(rng.normal(size=(2, 3, 64, 64)).astype(np.float32))
    classes = torch.from_numpy(parts.astype(np.float32))
    wanted = (twin(X) @ classes).detach()
    split = tiny_training._split(twin, classes)

    torch.testing.assert_close(split(X), wanted)


@pytest.fixture(scope="module")
def stripes():
    """Eighty pictures of four classes that anybody can tell apart."""
    rng = np.random.default_rng(0)
    y = np.arange(80) % 4
    X = rng.normal(size=(80, 3, 64, 64)).astype(np.float32) * 20
    X[y % 2 == 1, :, ::8] += 150
    X[y >= 2, 0] += 80
    return X - X.mean(axis=0), y


@pytest.fixture(scope="module")
def learnt(stripes):
    """Return a twin that has learnt the pictures."""
    X, y = stripes
    stages = ((32, 2), (64, 0.5))
    recipe = Recipe(Sizes(20, 1, 1), stages=stages, batch=10, rate=0.02)
    before = X.copy()
    twin = tiny_training.train(X, y, np.eye(4), recipe, progress=False)
    np.testing.assert_array_equal(X, before)
    return twin


def test_training_learns(stripes, learnt):
    assert tiny_training.accuracy(learnt, *stripes, 80) > 0.7  # chance is 0.25
    assert not learnt.training


SHORT = Recipe(Sizes(20, 1, 1), stages=((32, 0.25), (64, 0.125)), batch=10)


@pytest.fixture(scope="module")
def expected(stripes):
    """Return the numbers that a short training ends with."""
    X, y = stripes
    return tiny_twin.export(tiny_training.train(X, y, np.eye(4), SHORT, progress=False))


@pytest.mark.parametrize(
    "threads", [2, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 3))]
)
def test_training_repeats_whatever_the_number_of_threads(stripes, expected, threads):
    X, y = stripes
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        twin = tiny_training.train(X, y, np.eye(4), SHORT, progress=False)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)

    again = tiny_twin.export(twin)
    for name, array in expected.items():
        np.testing.assert_array_equal(array, again[name])


def test_an_interrupted_training_goes_on_with_the_same_numbers(
    stripes, expected, tmp_path, monkeypatch
):
    X, y = stripes
    pieces = folders.Pieces(tmp_path / "net.h5", "key")
    monkeypatch.setattr(tiny_training, "_SAVE_EVERY", 0)
    vary, steps = tiny_training._vary, []

    def watched(*arguments):
        if len(steps) == 2:
            raise KeyboardInterrupt
        steps.append(1)
        return vary(*arguments)

    monkeypatch.setattr(tiny_training, "_vary", watched)
    with pytest.raises(KeyboardInterrupt):
        tiny_training.train(X, y, np.eye(4), SHORT, False, pieces)
    monkeypatch.setattr(tiny_training, "_vary", lambda *a: steps.append(1) or vary(*a))
    twin = tiny_training.train(X, y, np.eye(4), SHORT, False, pieces)

    assert len(steps) == 3
    for name, array in expected.items():
        np.testing.assert_array_equal(tiny_twin.export(twin)[name], array)


def test_running_statistics_are_those_of_the_final_weights(stripes, learnt):
    X, _ = stripes
    maps = learnt.affine[0](torch.from_numpy(X)).detach()

    mean, var = maps.mean(dim=(0, 2, 3)), maps.var(dim=(0, 2, 3))
    torch.testing.assert_close(learnt.norm[0].running_mean, mean, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(learnt.norm[0].running_var, var, rtol=1e-2, atol=1e-2)


def test_every_picture_is_seen_once_in_an_epoch():
    recipe = Recipe(Sizes(1, 1, 1), stages=((32, 2), (64, 0.5)), batch=10)
    plan = list(tiny_training._plan(40, recipe, np.random.default_rng(0)))

    assert [side for _, side in plan] == [32] * 8 + [64] * 2
    assert all(len(chosen) == 10 for chosen, _ in plan)
    counts = np.bincount(np.concatenate([chosen for chosen, _ in plan[:8]]))
    assert counts.tolist() == [2] * 40


# The file on disk


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("CS231N_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(datasets, "search_path", lambda: [tmp_path])
    return tmp_path


@pytest.fixture
def no_work(monkeypatch, rng):
    """Train nothing and draw little: a random network of the right form."""
    twin = tiny_twin.Twin(100, rng).eval()
    trained = []

    def train(*arguments):
        trained.append(arguments[3])
        return twin

    draw = {label: np.uint8(rng.integers(0, 255, (64, 64, 3))) for label in LABELS}
    monkeypatch.setattr(tiny_folder, "draw_picture", lambda label, _: draw[label])
    monkeypatch.setattr(tiny_training, "train", train)
    monkeypatch.setattr(tiny_training, "accuracy", lambda *_: 0.5)
    for name, sizes in (("FULL", Sizes(2, 1, 1)), ("QUICK", Sizes(1, 1, 1))):
        monkeypatch.setattr(tiny_folder, name, sizes)
        recipe = Recipe(sizes, stages=((32, 1),))
        monkeypatch.setattr(tiny_model, name, recipe)
    return trained


@pytest.mark.usefixtures("place")
def test_trained_once_and_the_full_one_serves_for_the_quick_one(no_work, capsys):
    folder, file = tiny_model.ensure(quick=True)
    assert no_work == [tiny_model.QUICK]
    assert "Training a network on them, once" in capsys.readouterr().out
    assert tiny_model.ensure(quick=True) == (folder, file)
    assert capsys.readouterr().out == ""

    full = tiny_model.ensure()
    assert no_work == [tiny_model.QUICK, tiny_model.FULL]
    assert full[1].name == "drawn-pretrained_model.h5"
    assert tiny_model.ensure(quick=True) == full
    assert len({folder, file, *full}) == 4
    with h5py.File(full[1]) as stream:
        assert stream.attrs["val"] == 0.5
    PretrainedCNN(h5_file=full[1])


@pytest.mark.usefixtures("place")
def test_a_damaged_file_is_made_again(no_work):
    _, file = tiny_model.ensure()
    file.write_bytes(file.read_bytes()[:5000])
    tiny_model.ensure()

    assert len(no_work) == 2
    PretrainedCNN(h5_file=file)


@pytest.mark.usefixtures("no_work")
def test_an_interrupted_training_leaves_no_file(place, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(tiny_training, "train", stop)
    with pytest.raises(KeyboardInterrupt):
        tiny_model.ensure()
    assert not list(place.glob("*.h5"))
    assert not list(place.glob(".*"))


@pytest.mark.usefixtures("place", "no_work")
def test_command(capsys, monkeypatch):
    assert tiny_model.main(["--quick"]) == 0
    assert "50% of the validation pictures" in capsys.readouterr().out

    def full(*_):
        raise OSError("no room")

    monkeypatch.setattr(tiny_folder, "ensure", full)
    assert tiny_model.main([]) == 1
    assert "no room" in capsys.readouterr().err


def test_without_stages_weights_stay_random_and_statistics_fit(stripes):
    X, y = stripes
    recipe = Recipe(Sizes(20, 1, 1), stages=())
    twin = tiny_training.train(X, y, np.eye(4), recipe, progress=False)
    maps = twin(torch.from_numpy(X[:20]), end=7).detach()

    assert not twin.training
    assert (twin.norm[0].weight == 1).all()
    # Normalized, and then cut off at zero by ReLU.
    assert 0.2 < maps.mean() < 0.6
