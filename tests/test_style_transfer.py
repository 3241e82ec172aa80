"""Q4: losses by hand, by finite differences and by what must not change them."""

import inspect
import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cs231n import datasets
from cs231n import style_transfer_pytorch as student
from cs231n.classifiers import squeezenet
from cs231n.embedded import style_pictures
from cs231n.lab import style_checks
from cs231n.lab.painting import (
    make_objective,
    noise_like,
    paint,
    style_transfer,
)
from cs231n.style_transfer_pytorch import (
    deprocess,
    dtype,
    extract_features,
    features_from_img,
    preprocess,
    rel_error,
    rescale,
)
from cs231n.support.accuracy import as_array, as_number
from tests.on_copies import assert_close, on_copies

q4, care = pytest.mark.q4, pytest.mark.care

content_loss = on_copies(student.content_loss)
style_loss = on_copies(student.style_loss)
tv_loss = on_copies(student.tv_loss)


def gram_matrix(features, *arguments, **named):
    """Call the student's; of one picture it is as good without an axis for it."""
    gram = on_copies(student.gram_matrix)(features, *arguments, **named)
    N, C = features.shape[:2]
    return gram[None] if N == 1 and gram.shape == (C, C) else gram


# Notebooks have one picture at a time; other sizes are a matter of care.
SHAPES = [(1, 3, 4, 5), (1, 5, 3, 2)]
SHAPES += [
    pytest.param(shape, marks=care)
    for shape in [(1, 1, 1, 1), (2, 3, 4, 5), (2, 5, 3, 1), (3, 2, 1, 7)]
]
each_shape = pytest.mark.parametrize(
    "shape", SHAPES, ids=lambda shape: "x".join(map(str, shape))
)


def tensor(rng, *shape):
    return torch.from_numpy(rng.normal(size=shape))


@pytest.fixture
def cnn():
    """A small network, its layers one after another, with weights of its own."""
    torch.manual_seed(231)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(4, 5, 1)
    )
    return net.requires_grad_(False).eval()


@pytest.fixture
def photo(tmp_path, rng):
    """A file with a picture, 24 x 18 pixels."""
    file = tmp_path / "photo.png"
    pixels = rng.integers(0, 256, size=(18, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    return file


# The losses.


@q4
@pytest.mark.points(2)
def test_content_loss_by_hand():
    current = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    original = torch.tensor([[[[1.0, 0.0], [3.0, 7.0]]]])
    assert as_number(content_loss(0.5, current, original)) == pytest.approx(6.5)
    current = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]], [[0.0, -1.0]]]])
    original = torch.tensor([[[[1.0, 0.0]], [[3.0, 1.0]], [[0.0, 1.0]]]])
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


def assert_slope(loss_of, x, rng, degree=2):
    """Compare a loss's gradient with differences that are exact for a polynomial."""
    x = x.clone().requires_grad_()
    loss = loss_of(x)
    loss.backward(torch.ones_like(loss))
    grad = x.grad
    assert grad.shape == x.shape
    for _ in range(8):
        way = tensor(rng, *x.shape).to(x)

        def at(step, way=way):
            return as_number(loss_of(x.detach() + step * way))

        found = (at(0.5) - at(-0.5)) / 1.0
        if degree > 2:
            found = (8 * found - (at(1.0) - at(-1.0))) / 6
        expected = float((grad * way).sum())
        size = float(grad.norm() * way.norm()) + abs(as_number(loss))
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-4 * size)


PAIR = torch.tensor([[[[1.0, 2.0]], [[0.0, 3.0]]], [[[1.0, -1.0]], [[4.0, 4.0]]]])
PAIR_GRAM = torch.tensor([[[5.0, 6.0], [6.0, 9.0]], [[2.0, 0.0], [0.0, 32.0]]])


@q4
@pytest.mark.points(2)
@pytest.mark.parametrize(
    "pictures",
    [slice(0, 1), slice(1, 2), pytest.param(slice(0, 2), marks=care)],
    ids=["first", "second", "both"],
)
def test_gram_matrix_by_hand(pictures):
    x, expected = PAIR[pictures], PAIR_GRAM[pictures]
    torch.testing.assert_close(gram_matrix(x, normalize=False), expected)
    torch.testing.assert_close(gram_matrix(x), expected / 4)


@q4
@each_shape
def test_gram_matrices_of_a_batch_are_those_of_its_pictures(shape, rng):
    x = tensor(rng, *shape)
    gram = gram_matrix(x)
    assert gram.shape == (shape[0], shape[1], shape[1])
    for n in range(shape[0]):
        assert_close(as_array(gram[n : n + 1]), as_array(gram_matrix(x[n : n + 1])))


@q4
@care
def test_gram_matrix_has_an_axis_for_pictures(rng):
    assert student.gram_matrix(tensor(rng, 1, 3, 4, 5)).shape == (1, 3, 3)


@q4
@pytest.mark.parametrize("normalize", [True, False])
def test_gram_matrix_does_not_care_where(normalize, rng):
    x = tensor(rng, 1, 5, 4, 6)
    gram = as_array(gram_matrix(x, normalize))
    for moved in (x.roll((1, 2), (2, 3)), x.flip(3), x.transpose(2, 3).contiguous()):
        assert_close(as_array(gram_matrix(moved, normalize)), gram)
    order = rng.permutation(5)
    mixed = as_array(gram_matrix(x[:, order], normalize))
    assert_close(mixed, gram[:, order][:, :, order])


@q4
def test_gram_matrix_is_symmetric_and_has_no_negative_direction(rng):
    gram = as_array(gram_matrix(tensor(rng, 1, 6, 3, 2)))
    assert_close(gram, gram.swapaxes(1, 2))
    assert np.linalg.eigvalsh(gram).min() > -1e-6


@q4
@pytest.mark.points(2)
@pytest.mark.parametrize("normalize", [True, False])
@each_shape
def test_gram_matrix_has_the_right_gradient(shape, normalize, rng):
    weights = tensor(rng, shape[0], shape[1], shape[1])
    assert_slope(
        lambda a: (gram_matrix(a, normalize) * weights).sum(), tensor(rng, *shape), rng
    )


@q4
@pytest.mark.points(2)
def test_style_loss_by_hand():
    x, y = PAIR[:1], PAIR[1:]
    nothing = torch.zeros(1, 2, 2)
    for arguments, expected in [
        (([x, y], [0], [nothing], [2.0]), 22.25),
        (([x, y], [1], [nothing], [2.0]), 128.5),
        (([x, y], (1, 0), (nothing, nothing), (2.0, 4.0)), 173),
    ]:
        assert as_number(style_loss(*arguments)) == pytest.approx(expected)


@q4
def test_the_style_of_the_picture_itself_is_no_loss(rng):
    feats = [tensor(rng, 1, 3, 4, 5), tensor(rng, 1, 2, 3, 4)]
    targets = [gram_matrix(f) for f in feats]
    loss = style_loss(feats, [0, 1], targets, [5.0, 7.0])
    assert as_number(loss) == pytest.approx(0)


@q4
@care
def test_no_style_layers_are_no_loss(rng):
    loss = style_loss([tensor(rng, 1, 3, 4, 5)], [], [], [])
    assert as_number(loss) == 0


@q4
@pytest.mark.points(2)
def test_style_loss_has_the_right_gradient(rng):
    x, y = tensor(rng, 1, 3, 4, 2), tensor(rng, 1, 2, 3, 5)
    targets = [tensor(rng, 1, 2, 2), tensor(rng, 1, 3, 3)]

    def loss(a):
        return style_loss([y, a], [0, 1], targets, [2.0, 30.0])

    assert_slope(loss, x, rng, degree=4)


# Picture, and the squared differences of its neighbours.
MADE = {
    "flat": (torch.full((1, 3, 4, 5), 0.3), 0),
    "ramp": ((torch.arange(4.0).view(4, 1) * 2 + torch.arange(5.0) * 3), 612),
    "chequers": ((torch.arange(4).view(4, 1) + torch.arange(5)) % 2 * 1.0, 93),
    "last corner": (torch.arange(20.0).view(4, 5).eq(19) * 1.0, 6),
    "first corner": (torch.arange(20.0).view(4, 5).eq(0) * 1.0, 6),
    "middle": (torch.arange(20.0).view(4, 5).eq(7) * 1.0, 12),
    "one pixel": (torch.ones(1, 3, 1, 1), 0),
    "one row": (torch.arange(6.0).view(1, 6), 15),
    "one column": (torch.arange(6.0).view(6, 1), 15),
}


@q4
@pytest.mark.points(2)
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=care if n.startswith("one") else ()) for n in MADE],
)
def test_tv_loss_is_exact_on_made_pictures(name):
    img, expected = MADE[name]
    img = img.expand(1, 3, *img.shape[-2:])
    loss = as_number(tv_loss(img.contiguous(), 0.5))
    assert loss == pytest.approx(0.5 * expected, rel=1e-5, abs=1e-5)


@q4
@pytest.mark.parametrize(
    "size",
    [(4, 7), (5, 2), *(pytest.param(s, marks=care) for s in [(1, 1), (1, 6), (5, 1)])],
)
def test_tv_loss_has_the_right_gradient(size, rng):
    assert_slope(lambda x: tv_loss(x, 0.2), tensor(rng, 1, 3, *size), rng)


@q4
def test_tv_loss_does_not_care_for_mirrors_and_brightness(rng):
    img = tensor(rng, 1, 3, 5, 7)
    loss = as_number(tv_loss(img, 0.2))
    turned = img.transpose(2, 3).contiguous()
    reddish = img + torch.tensor([5.0, 0.0, -2.0]).view(1, 3, 1, 1)
    for other in (img.flip(2), img.flip(3), turned, img + 3, reddish, -img):
        assert as_number(tv_loss(other, 0.2)) == pytest.approx(loss, rel=1e-5)


@care
@q4
def test_tv_loss_has_no_loop():
    tv_loss(torch.zeros(1, 3, 2, 2), 1.0)  # or one that is not written would have none
    source, _ = inspect.getsourcelines(student.tv_loss)
    assert not [line for line in source if re.search(r"for \S* in", line)]
    assert not [line for line in source if re.match(r"\s*while\b", line)]


@q4
@care
def test_gradients_flow_only_where_they_are_asked_for(rng):
    x, y = tensor(rng, 1, 3, 4, 5).requires_grad_(), tensor(rng, 1, 3, 4, 5)
    target = gram_matrix(y)
    content_loss(1.0, x, y).backward()
    style_loss([x], [0], [target], [1.0]).backward()
    tv_loss(x, 1.0).backward()
    assert float(x.grad.abs().sum()) > 0
    assert y.grad is None
    assert target.grad is None
    for loss in (content_loss(1.0, y, y), style_loss([y], [0], [target], [1.0])):
        assert not loss.requires_grad


@q4
@care
def test_losses_leave_their_inputs_alone(rng):
    x, y = tensor(rng, 1, 3, 4, 5), tensor(rng, 1, 3, 4, 5)
    target, feats = gram_matrix(y), [x, y]
    before = [t.clone() for t in (x, y, target)]
    student.content_loss(2.0, x, y)
    student.gram_matrix(x)
    student.gram_matrix(x, normalize=False)
    student.style_loss(feats, [0, 1], [target, target], [1.0, 2.0])
    student.tv_loss(x, 3.0)
    assert len(feats) == 2
    for now, then in zip((x, y, target), before, strict=True):
        assert torch.equal(now, then)


@q4
@care
def test_losses_do_not_care_how_features_lie_in_memory(rng):
    x, y = tensor(rng, 2, 3, 4, 5), tensor(rng, 2, 3, 4, 5)
    other = x.contiguous(memory_format=torch.channels_last)
    assert not other.is_contiguous()
    torch.testing.assert_close(gram_matrix(other), gram_matrix(x))
    torch.testing.assert_close(content_loss(1.0, other, y), content_loss(1.0, x, y))
    torch.testing.assert_close(tv_loss(other, 1.0), tv_loss(x, 1.0))


@q4
@care
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_losses_stay_in_the_dtype_of_the_features(kind, rng):
    x = tensor(rng, 1, 3, 4, 5).to(kind)
    assert content_loss(0.1, x, x).dtype == kind
    assert gram_matrix(x).dtype == kind
    assert style_loss([x], [0], [gram_matrix(x)], [0.1]).dtype == kind
    assert tv_loss(x, 0.1).dtype == kind


# Pictures in and out.


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (
            student.content_loss,
            ["content_weight", "content_current", "content_original"],
        ),
        (student.gram_matrix, ["features", "normalize"]),
        (
            student.style_loss,
            ["feats", "style_layers", "style_targets", "style_weights"],
        ),
        (student.tv_loss, ["img", "tv_weight"]),
        (preprocess, ["img", "size"]),
        (deprocess, ["img"]),
        (rescale, ["x"]),
        (rel_error, ["x", "y"]),
        (extract_features, ["x", "cnn"]),
        (features_from_img, ["imgpath", "imgsize", "cnn"]),
    ],
)
def test_arguments_have_the_promised_names(function, arguments):
    assert list(inspect.signature(function).parameters) == arguments


def test_names_that_old_notebooks_use():
    assert torch.zeros(2).type(dtype).dtype == torch.float32
    assert rel_error(np.ones(2), np.full(2, 3.0)) == 0.5
    torch.testing.assert_close(
        rescale(torch.tensor([2.0, 4.0, 3.0]))[2], torch.tensor(0.5)
    )


@pytest.mark.parametrize(
    ("given", "size", "shape"),
    [
        ((1024, 768), 192, (192, 256)),
        ((1280, 1014), 192, (192, 242)),
        ((1200, 1528), 224, (285, 224)),
        ((640, 427), 512, (512, 767)),
        ((1, 7), 3, (21, 3)),
    ],
)
def test_the_shorter_side_is_scaled(given, size, shape):
    img = preprocess(Image.new("RGB", given, (124, 116, 104)), size)
    assert img.shape == (1, 3, *shape)
    assert float(img.abs().max()) < 0.02  # nearly the mean colour


def test_scaling_is_antialiased():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    img = preprocess(Image.fromarray(stripes), 8)
    assert float(img.std((2, 3)).max()) < 0.05


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "I;16", "1", "LA"])
def test_pictures_of_any_mode(mode):
    img = preprocess(Image.new(mode, (9, 12)), 6)
    assert img.shape == (1, 3, 8, 6)
    assert torch.isfinite(img).all()


def test_deprocess_undoes_preprocess():
    pixels = np.linspace(0, 255, 8 * 8 * 3).round().astype(np.uint8).reshape(8, 8, 3)
    picture = deprocess(preprocess(Image.fromarray(pixels), 8))
    assert np.abs(np.asarray(picture).astype(int) - pixels).max() <= 1
    dark = Image.fromarray(pixels // 2)
    assert np.asarray(deprocess(preprocess(dark, 8))).max() == 255


def test_deprocess_refuses_what_is_no_picture():
    img = torch.zeros(1, 3, 2, 2)
    img[0, 1, 1, 0] = torch.nan
    with pytest.raises(ValueError, match="NaN or infinity"):
        deprocess(img)
    with pytest.raises(ValueError, match="shape"):
        deprocess(torch.zeros(2, 3, 4, 4))


def test_features_are_what_each_layer_gives(cnn, rng):
    x = tensor(rng, 2, 3, 9, 8).float()
    before = x.clone()
    feats = extract_features(x, cnn)
    assert len(feats) == 4
    expected = x
    for layer, result in zip(cnn, feats, strict=True):
        expected = layer(expected.clone())
        assert torch.equal(result, expected)
    assert float(feats[0].min()) < 0  # what came before the ReLU is still that
    assert torch.equal(x, before)


def test_features_of_a_file(cnn, photo):
    feats, img = features_from_img(photo, 12, cnn)
    assert img.shape == (1, 3, 12, 16)
    assert [tuple(f.shape[1:]) for f in feats] == [(4, 10, 14)] * 2 + [
        (4, 5, 7),
        (5, 5, 7),
    ]
    assert not any(f.requires_grad for f in feats)
    again, _ = features_from_img(str(photo), 12, cnn.double())
    assert again[3].dtype == torch.float64


def test_features_of_a_file_without_naming_a_network(cnn, photo, monkeypatch):
    model = nn.ModuleDict({"features": cnn})
    monkeypatch.setattr(squeezenet, "load_squeezenet", lambda **_: model)
    feats, img = features_from_img(photo, 12)
    expected, same = features_from_img(photo, 12, cnn)
    assert torch.equal(img, same)
    assert torch.equal(feats[3], expected[3])


def test_files_that_are_no_pictures(tmp_path, cnn):
    with pytest.raises(FileNotFoundError, match=r"no picture .*nowhere\.jpg"):
        features_from_img(tmp_path / "nowhere.jpg", 8, cnn)
    file = tmp_path / "text.jpg"
    file.write_text("no picture")
    with pytest.raises(ValueError, match=r"text\.jpg is no picture"):
        features_from_img(file, 8, cnn)


# Painting.


def parameters(photo, **changed):
    values = {
        "content_image": photo,
        "style_image": photo,
        "image_size": 12,
        "style_size": 16,
        "content_layer": 2,
        "content_weight": 5.0,
        "style_layers": [1, 3],
        "style_weights": [3.0, 2.0],
        "tv_weight": 1e-3,
        "num_iterations": 40,
    }
    return values | changed


@q4
def test_style_transfer_lowers_its_losses(cnn, photo):
    painting = style_transfer(**parameters(photo, init_random=True), cnn=cnn)
    assert painting.image.shape == (1, 3, 12, 16)
    assert painting.picture.size == (16, 12)
    assert painting.losses.keys() == {"content", "style", "tv"}
    assert {len(values) for values in painting.losses.values()} == {40}
    total = np.sum([*painting.losses.values()], axis=0)
    assert total[-1] < 0.5 * total[0]
    assert painting.seconds == sorted(painting.seconds)
    steps = [t for t, _ in painting.snapshots]
    assert (steps[0], steps[-1]) == (0, 39)
    assert steps == sorted(set(steps))


@q4
def test_style_transfer_leaves_the_network_alone(cnn, photo):
    before = {name: value.clone() for name, value in cnn.state_dict().items()}
    style_transfer(**parameters(photo), cnn=cnn)
    for name, value in cnn.state_dict().items():
        assert torch.equal(value, before[name])
        assert value.stride() == before[name].stride()


@q4
def test_the_same_seed_paints_the_same_picture(cnn, photo):
    changed = {"init_random": True, "num_iterations": 5}
    first, second, third = (
        style_transfer(**parameters(photo, **changed), cnn=cnn, seed=seed)
        for seed in (1, 1, 2)
    )
    assert torch.equal(first.image, second.image)
    assert not torch.equal(first.image, third.image)


@q4
def test_layers_that_nobody_looks_at_are_not_run(cnn, photo):
    class Trap(nn.Module):
        def forward(self, _):
            raise AssertionError("this layer is not needed")

    trapped = nn.Sequential(*cnn, Trap())
    style_transfer(**parameters(photo, num_iterations=1), cnn=trapped)
    target = extract_features(torch.zeros(1, 3, 8, 8), cnn)[0]
    trapped = nn.Sequential(cnn[0], Trap())
    objective = make_objective(trapped, 0, 1.0, target, [1], [0], [target], 1.0)
    assert objective(torch.ones(1, 3, 8, 8)).keys() == {"content", "tv"}


@q4
@pytest.mark.parametrize("changed", [{"content_layer": 4}, {"style_layers": [1, -1]}])
def test_layers_that_do_not_exist(cnn, photo, changed):
    with pytest.raises(IndexError, match=r"no layer (4|-1); .* 0 to 3"):
        style_transfer(**parameters(photo, **changed), cnn=cnn)


@q4
def test_lists_that_do_not_fit(cnn, photo):
    with pytest.raises(ValueError, match="2 style layers, 1 weights and 2 targets"):
        style_transfer(**parameters(photo, style_weights=[1.0]), cnn=cnn)


@q4
def test_nan_in_a_picture_is_noticed(cnn):
    img = torch.zeros(1, 3, 8, 8)
    objective = make_objective(cnn, 0, 0.0, None, [], [], [], 1.0)
    paint(img, objective, 2)
    img[0, 0, 3, 3] = torch.nan
    with pytest.raises(FloatingPointError, match=r"iteration 0 are tv nan"):
        paint(img, objective, 2)


@q4
def test_painting_does_not_change_the_picture_it_starts_from(cnn):
    img = noise_like(torch.zeros(1, 3, 8, 8))
    before = img.clone()
    objective = make_objective(cnn, 0, 0.0, None, [], [], [], 1.0)
    painting = paint(img, objective, 5, snapshots=0)
    assert torch.equal(img, before)
    assert not torch.equal(painting.image, before)
    assert painting.snapshots == []


# The pictures.


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A working directory and a data folder with nothing in them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CS231N_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(datasets, "search_path", lambda: [tmp_path / "data"])
    return tmp_path


def small():
    return np.full((4, 6, 3), 77, dtype=np.uint8)


def test_a_stand_in_is_drawn_once(empty, monkeypatch, capsys):
    calls = []

    def draw():
        calls.append(1)
        return small()

    monkeypatch.setitem(style_pictures.STAND_INS, "starry_night", ("a test", draw))
    file = style_pictures.find_picture("starry_night")
    assert capsys.readouterr().out.count("\n") == 1
    assert style_pictures.find_picture("starry_night", verbose=False) == file
    assert capsys.readouterr().out == ""
    assert calls == [1]
    assert np.array_equal(np.asarray(Image.open(file)), small())
    assert file.is_relative_to(empty / "data")


@pytest.mark.parametrize("folder", ["styles", "data/styles"])
def test_the_users_picture_comes_first(empty, folder):
    (empty / folder).mkdir(parents=True)
    Image.fromarray(small()).save(empty / folder / "the_scream.jpg")
    Image.fromarray(small()).save(empty / folder / "mine.png")
    assert style_pictures.find_picture("the_scream").name == "the_scream.jpg"
    assert style_pictures.find_picture("mine").name == "mine.png"


def test_a_picture_that_nobody_has(empty):
    with pytest.raises(
        FileNotFoundError, match="no picture 'muse'; choose of tubingen"
    ):
        style_pictures.find_picture("muse")
    assert not any(empty.iterdir())


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("starry_night", marks=pytest.mark.slow),
        pytest.param("the_scream", marks=pytest.mark.slow),
        "composition_vii",
    ],
)
def test_drawings_are_always_the_same_and_colourful(name):
    _, draw = style_pictures.STAND_INS[name]
    picture = draw()
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert min(picture.shape[:2]) >= 700
    # The file may have been drawn long ago, and by another process.
    stored = np.asarray(Image.open(style_pictures.find_stand_in(name)))
    assert np.array_equal(picture, stored)
    assert picture.reshape(-1, 3).std(axis=0).min() > 35


# The stored answers.


def test_a_gram_matrix_in_eight_numbers():
    gram = torch.arange(25.0).view(1, 5, 5)
    expected = [300, 60, np.sqrt(4900), 24, 0, 1, 2, 3]
    np.testing.assert_allclose(style_checks.summarize(gram), expected)
    np.testing.assert_allclose(style_checks.summarize(gram[0]), expected)
    for wrong in (gram[0, 0], gram[:, :4], gram.expand(2, 5, 5)):
        with pytest.raises(ValueError, match=r"\(C, C\) or \(1, C, C\) for one"):
            style_checks.summarize(wrong)


def test_without_the_courses_files_the_embedded_answers_hold(
    empty, monkeypatch, capsys
):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    monkeypatch.setitem(style_pictures.STAND_INS, "starry_night", ("a test", small))
    checks = style_checks.load_checks()
    assert "embedded weights" in capsys.readouterr().out
    assert checks.answers.keys() == {"cl_out", "gm_out", "sl_out", "tv_out"}
    assert checks.answers["gm_out"].shape == (8,)
    assert checks.content.is_relative_to(empty)


@pytest.mark.parametrize("shape", [(), (1,)])
def test_the_courses_answers_are_taken_where_its_files_are(
    empty, monkeypatch, shape, cnn
):
    (empty / "styles").mkdir()
    for name in ("tubingen", "starry_night"):
        Image.fromarray(small()).save(empty / "styles" / f"{name}.jpg")
    model = nn.ModuleDict({"features": cnn})
    asked = []
    monkeypatch.setattr(
        style_checks, "load_squeezenet", lambda w, *_, **__: asked.append(w) or model
    )
    answers = style_checks.load_checks().answers
    assert answers["tv_out"] == pytest.approx(303.47000122)
    assert answers["gm_out"][0] == pytest.approx(2260.191195)
    gram = np.arange(25.0).reshape(1, 5, 5)
    stored = {"cl_out": 1.5, "sl_out": 2.5, "tv_out": 3.5}
    np.savez(
        empty / "style-transfer-checks.npz",
        gm_out=gram,
        **{name: np.full(shape, value) for name, value in stored.items()},
    )
    checks = style_checks.load_checks()
    assert asked == ["torchvision"] * 2
    assert checks.style.name == "starry_night.jpg"
    for name, value in stored.items():
        assert checks.answers[name].shape == ()
        assert float(checks.answers[name]) == value
    np.testing.assert_allclose(checks.answers["gm_out"], style_checks.summarize(gram))
