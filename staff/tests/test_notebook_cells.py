"""The notebooks' check cells judge what was written, and leave the rest free.

Cells are run as they stand, with functions in the place of a student's: some change all
that they are given, some hand a loss over in another wrapping, some are wrong.
"""

import functools
import inspect
import re
import sys

import numpy as np
import pytest
import torch

from cs231n import gan_pytorch as q5
from cs231n import (
    image_generation,
    image_gradients,
    net_visualization_pytorch,
    rnn_layers,
    style_transfer_pytorch,
)
from cs231n.classifiers import rnn
from cs231n.classifiers.rnn import CaptioningRNN
from cs231n.gradient_check import LIMITS, copies
from staff.questions import ROOT, notebook_names

# What these name needs data, trains for long, or only draws.
CAPTIONS_SKIP = (
    r"load_coco_data\(|\bdata\[|small_|solver|captioner|BestModel|chosen|PHOTO"
)
# Of these, what comes after the checks of what is worth points.
ENDS = {
    "LSTM_Captioning": "# ## Extra: make it fast",
    "NetworkVisualization-PyTorch": "# A tarantula appears",
    "StyleTransfer-PyTorch": "# ## Put together",
    "GANs-PyTorch": "# ## Losses and numbers",
    "ImageGradients": "# What has changed?",
    "ImageGeneration": "img = read_image(",
}
SKIP = {
    "RNN_Captioning": CAPTIONS_SKIP,
    "LSTM_Captioning": CAPTIONS_SKIP,
    "NetworkVisualization-PyTorch": r"everything,",
    "GANs-PyTorch": r"learn\(|plot_orbit\(",
    "ImageGradients": r"show_saliency_maps\(",
    "ImageGeneration": r"visualize\(|invert\(",
}


def cells(name):
    """Return the sources of a notebook's code cells that are run here."""
    source = (ROOT / "staff" / "notebooks" / f"{name}.py").read_text("utf-8")
    source = source.partition(ENDS.get(name, "\0"))[0]
    parts = re.split(r"^# %%(.*)\n", source, flags=re.MULTILINE)[1:]
    code = [
        text
        for head, text in zip(parts[::2], parts[1::2], strict=True)
        if "markdown" not in head
    ]
    skip = SKIP.get(name, "\0")
    return [c for c in code if imports(c) or not re.search(skip, c, re.MULTILINE)]


def imports(cell):
    """Tell whether a cell sets the notebook up."""
    return len(re.findall(r"^(?:from|import) ", cell, re.MULTILINE)) > 2


def nothing(*_, **__):
    """Stand where pictures would be shown."""


UNSEEN = dict.fromkeys(["show_pictures", "show_maps", "show_images"], nothing)


def run(name, monkeypatch, replaced=(), only=None):
    """Run a notebook's check cells.

    Args:
        name: The notebook.
        monkeypatch: Puts functions back afterwards.
        replaced: (module, attribute) -> what takes its place.
        only: A pattern that a checking cell must hold to be run.
    """
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("CS231N_PROFILE", "quick")
    for (module, attribute), thing in dict(replaced).items():
        monkeypatch.setattr(module, attribute, thing)
        if module is rnn_layers:  # star-imported there
            monkeypatch.setattr(rnn, attribute, thing, raising=False)
    space = {"__name__": "notebook"}
    ran = 0
    for cell in cells(name):
        checks = not imports(cell) and "check" in cell
        if checks and only and not re.search(only, cell):
            continue
        exec(compile(cell, name, "exec"), space)
        ran += checks
        if imports(cell):
            space.update(UNSEEN)
    assert ran
    return ran


def scribbling(function):
    """Return a function that does the same, then spoils everything it was given."""

    @functools.wraps(function)
    def spoil(*arguments, **named):
        result = function(
            *copies(*arguments),
            **dict(zip(named, copies(*named.values()), strict=True)),
        )
        for argument in (*arguments, *named.values()):
            _spoil(argument)
        return result

    return spoil


def _spoil(thing):
    if isinstance(thing, np.ndarray):
        thing[...] = 0 if thing.dtype.kind in "iu" else 77
    elif isinstance(thing, torch.Tensor) and not thing.requires_grad:
        thing.fill_(0 if not thing.is_floating_point() else 77)
    elif isinstance(thing, list | tuple):
        for part in thing:
            _spoil(part)


LAYERS = [
    f"{layer}_{way}"
    for layer in ("rnn_step", "rnn", "word_embedding", "lstm_step", "lstm")
    for way in ("forward", "backward")
]
LOSSES = ["content_loss", "gram_matrix", "style_loss", "tv_loss"]
GANS = [
    *("discriminator_loss", "generator_loss"),
    *("ls_discriminator_loss", "ls_generator_loss"),
]


def spoiled(module, names):
    return {(module, name): scribbling(getattr(module, name)) for name in names}


def spoiled_model():
    """Return the model with a loss and a sample that spoil what they are given."""

    class Model(CaptioningRNN):
        def loss(self, features, captions):
            result = super().loss(*copies(features, captions))
            for w in self.params.values():
                w *= 1.5
            _spoil([features, captions])
            return result

        def sample(self, features, max_length=30, **options):
            words = super().sample(features.copy(), max_length, **options)
            _spoil(features)
            return words

    return Model


@pytest.mark.parametrize("name", ["RNN_Captioning", "LSTM_Captioning"])
def test_layers_may_change_what_they_are_given(name, monkeypatch):
    layers = spoiled(rnn_layers, LAYERS)
    layers[rnn, "CaptioningRNN"] = spoiled_model()
    # A layer is called by others there, which need what they hand it.
    for only in [*LAYERS, "CaptioningRNN"]:
        if f'"{only}' not in "".join(cells(name)) and only != "CaptioningRNN":
            continue
        with monkeypatch.context() as patch:
            one = {key: f for key, f in layers.items() if key[1] == only}
            assert run(name, patch, one, only=only)


def in_place_lstm(dnext_h, dnext_c, cache):
    """Add to the gradient that came, as half of all answers do."""
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c = cache
    dnext_c += dnext_h * o * (1 - tanh_c**2)
    da = np.hstack(
        [
            dnext_c * g * i * (1 - i),
            dnext_c * prev_c * f * (1 - f),
            dnext_h * tanh_c * o * (1 - o),
            dnext_c * i * (1 - g**2),
        ]
    )
    dx, dprev_h = da @ Wx.T, da @ Wh.T
    return dx, dprev_h, dnext_c * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def test_a_gradient_may_be_added_to_in_place(monkeypatch):
    replaced = {(rnn_layers, "lstm_step_backward"): in_place_lstm}
    assert run("LSTM_Captioning", monkeypatch, replaced, only="lstm_step_backward")


def test_losses_of_pictures_may_change_what_they_are_given(monkeypatch):
    replaced = spoiled(style_transfer_pytorch, LOSSES)
    assert run("StyleTransfer-PyTorch", monkeypatch, replaced) > 5


def test_losses_of_scores_may_change_what_they_are_given(monkeypatch):
    assert run("GANs-PyTorch", monkeypatch, spoiled(q5, GANS)) > 5


def test_functions_of_pixels_may_change_what_they_are_given(monkeypatch):
    names = ["compute_saliency_maps", "make_fooling_image"]
    replaced = spoiled(net_visualization_pytorch, names)
    assert run("NetworkVisualization-PyTorch", monkeypatch, replaced) >= 3


NAMES_2016 = {
    "ImageGradients": (
        image_gradients,
        ["compute_saliency_maps", "make_fooling_image"],
    ),
    "ImageGeneration": (
        image_generation,
        ["class_visualization_step", "invert_features", "deepdream"],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES_2016)
def test_functions_of_2016_may_change_what_they_are_given(name, monkeypatch):
    module, names = NAMES_2016[name]
    assert run(name, monkeypatch, spoiled(module, names)) >= 3


# Losses in another wrapping.


WRAPPINGS = {
    "a float": float,
    "NumPy's float64": np.float64,
    "an array ()": np.array,
    "an array (1,)": lambda loss: np.array([loss]),
}


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)
@pytest.mark.parametrize("name", ["RNN_Captioning", "LSTM_Captioning"])
def test_a_models_loss_may_come_in_any_wrapping(name, wrap, monkeypatch):
    class Model(CaptioningRNN):
        def loss(self, features, captions):
            loss, grads = super().loss(features, captions)
            return wrap(loss), grads

    replaced = {(rnn, "CaptioningRNN"): Model}
    assert run(name, monkeypatch, replaced, only="CaptioningRNN.loss") == 2


TENSORS = {
    "(1,)": lambda loss: torch.as_tensor(loss).reshape(1),
    "float32": lambda loss: torch.as_tensor(loss).float(),
}


@pytest.mark.parametrize("wrap", TENSORS.values(), ids=TENSORS)
@pytest.mark.parametrize(
    ("name", "module", "losses"),
    [
        (
            "StyleTransfer-PyTorch",
            style_transfer_pytorch,
            ["content_loss", "style_loss", "tv_loss"],
        ),
        ("GANs-PyTorch", q5, GANS),
    ],
)
def test_a_loss_may_be_a_tensor_of_one_number(name, module, losses, wrap, monkeypatch):
    def wrapped(function):
        return lambda *arguments: wrap(function(*arguments))

    replaced = {(module, loss): wrapped(getattr(module, loss)) for loss in losses}
    assert run(name, monkeypatch, replaced)


# Freedom that the text leaves.


def five_only(X, y, model):
    assert len(X) == 5
    scores = model(X.requires_grad_())
    correct = sum(scores[n, y[n]] for n in range(5))
    (g,) = torch.autograd.grad(correct, X)
    return g.abs().amax(1)


def one_only(features, normalize=True):
    _, C, H, W = features.shape
    maps = features.reshape(C, H * W)
    return (maps @ maps.T / (C * H * W if normalize else 1))[None]


def unnormalised(img, model, target_y, l2_reg, learning_rate):
    (model(img)[0, target_y] - l2_reg * (img**2).sum()).backward()
    img.data += learning_rate * img.grad
    img.grad.zero_()


def looks_after(X, target_y, model):
    fooling = X.clone()
    for _ in range(100):
        fooling = fooling.detach().requires_grad_()
        score = model(fooling)[0, target_y]
        (g,) = torch.autograd.grad(score, fooling)
        fooling = fooling + g / g.norm()
        if model(fooling)[0].argmax() == target_y:
            break
    return fooling


FREE = {
    "saliency of five": (
        "NetworkVisualization-PyTorch",
        {(net_visualization_pytorch, "compute_saliency_maps"): five_only},
    ),
    "no norm": (
        "NetworkVisualization-PyTorch",
        {
            (
                net_visualization_pytorch,
                "class_visualization_update_step",
            ): unnormalised
        },
    ),
    "looks after the step": (
        "NetworkVisualization-PyTorch",
        {(net_visualization_pytorch, "make_fooling_image"): looks_after},
    ),
    "Gram matrix of one": (
        "StyleTransfer-PyTorch",
        {(style_transfer_pytorch, "gram_matrix"): one_only},
    ),
}


@pytest.mark.parametrize(("name", "replaced"), FREE.values(), ids=FREE)
def test_what_the_text_leaves_free_passes(name, replaced, monkeypatch):
    assert run(name, monkeypatch, replaced)


def test_networks_for_128_pictures_pass(monkeypatch):
    classifier, generator = q5.build_dc_classifier, q5.build_dc_generator

    def fixed(build):
        def inside(*arguments):
            model = build(*arguments)
            for layer in model.modules():
                if isinstance(layer, q5.Unflatten):
                    layer.N = 128
            return model

        return inside

    replaced = {
        (q5, "build_dc_classifier"): fixed(classifier),
        (q5, "build_dc_generator"): fixed(generator),
    }
    assert run("GANs-PyTorch", monkeypatch, replaced, only="build_dc")


def test_functions_with_the_arguments_of_older_editions_pass(monkeypatch):
    network = q5.build_dc_classifier()
    replaced = {
        (q5, "sample_noise"): lambda batch_size, dim: (
            2 * torch.rand(batch_size, dim) - 1
        ),
        (q5, "build_dc_classifier"): lambda: network,
    }
    for only in ("sample_noise", "build_dc_classifier"):
        assert run("GANs-PyTorch", monkeypatch, replaced, only=only)


# What is wrong fails, by name, and with the command that says more.


@pytest.mark.parametrize("name", ["RNN_Captioning", "LSTM_Captioning"])
@pytest.mark.parametrize("missing", ["W_embed", "b", None])
def test_a_gradient_that_is_missing_fails_by_name(name, missing, monkeypatch):
    class Model(CaptioningRNN):
        def loss(self, features, captions):
            loss, grads = super().loss(features, captions)
            kept = {k: g for k, g in grads.items() if missing and k != missing}
            return loss, kept

    replaced = {(rnn, "CaptioningRNN"): Model}
    with pytest.raises(
        AssertionError, match=rf"{missing or 'W_embed'} is missing"
    ) as e:
        run(name, monkeypatch, replaced, only=r"CaptioningRNN\.loss")
    variant = ":lstm" if name.startswith("LSTM") else ""
    assert str(e.value).endswith(f"python -m cs231n.check CaptioningRNN.loss{variant}")


def test_a_step_of_a_network_in_training_mode_fails_by_name(monkeypatch):
    """The penalty's share must not hide the score's, which is small untrained."""
    source = inspect.getsource(image_generation.class_visualization_step)
    assert 'mode="test"' in source
    space = dict(vars(image_generation))
    exec(source.replace('mode="test"', 'mode="train"'), space)
    name = "class_visualization_step"
    replaced = {(image_generation, name): space[name]}
    with pytest.raises(AssertionError, match=rf"^{name}: step without penalty"):
        run("ImageGeneration", monkeypatch, replaced, only=name)


def changed_sample(old, new):
    """Return the model with a sample whose text is changed."""
    source = inspect.getsource(CaptioningRNN.sample)
    text = inspect.cleandoc("\n" + source)
    assert old in text
    space = dict(vars(rnn))
    exec(text.replace(old, new), space)
    sample = space["sample"]
    return type("Model", (CaptioningRNN,), {"sample": sample})


MISTAKES = {
    "<START> at every step": (
        "x = W_embed[words]",
        "x = W_embed[np.full(N, self._start)]",
    ),
    "first column left as <START>": (
        "return captions",
        "return np.concatenate([np.full((N, 1), self._start), captions[:, :-1]], 1)",
    ),
    "first column left empty": (
        "return captions",
        "return np.concatenate([np.zeros((N, 1), int), captions[:, :-1]], 1)",
    ),
    "argmin": ("choose(h @ W_vocab", "choose(-h @ W_vocab"),
    "no bias": ("h @ W_vocab + b_vocab", "h @ W_vocab"),
    "h not carried (rnn)": (
        "h, _ = rnn_step_forward(x, h,",
        "h, _ = rnn_step_forward(x, 0 * h,",
    ),
    "h not carried (lstm)": (
        "h, c, _ = lstm_step_forward(x, h, c",
        "h, c, _ = lstm_step_forward(x, 0 * h, c",
    ),
    "c not carried (lstm)": (
        "h, c, _ = lstm_step_forward(x, h, c",
        "h, _, _ = lstm_step_forward(x, h, c",
    ),
    "c from h (lstm)": ("c = np.zeros_like(h)", "c = h.copy()"),
    "one caption for all": ("return captions", "return np.repeat(captions[:1], N, 0)"),
    "words as floats": ("return captions", "return captions * 1.0"),
    "none": ("return captions", "return None"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("name", ["RNN_Captioning", "LSTM_Captioning"])
def test_a_wrong_sample_fails_by_name(name, mistake, monkeypatch):
    cell = name.partition("_")[0].lower()
    if "(" in mistake and cell not in mistake:
        pytest.skip("a mistake of the other cell")
    replaced = {(rnn, "CaptioningRNN"): changed_sample(*MISTAKES[mistake])}
    with pytest.raises(AssertionError, match=r"^CaptioningRNN\.sample.*:") as caught:
        run(name, monkeypatch, replaced, only=r"CaptioningRNN\.sample")
    assert "python -m cs231n.check CaptioningRNN.sample" in str(caught.value)
    if mistake == "first column left as <START>":
        assert "first column holds <START>" in str(caught.value)


RIGHT = {
    "never stopping": ("if not running.any():", "if False:"),
    "words after <END>": (
        "captions[running, t] = words[running]",
        "captions[:, t] = words",
    ),
    "int64": ("return captions", "return captions.astype(np.int64)"),
    "float32": ("choose(h @ W_vocab", "choose(h.astype(np.float32) @ W_vocab"),
}


@pytest.mark.parametrize("change", RIGHT.values(), ids=RIGHT)
@pytest.mark.parametrize("name", ["RNN_Captioning", "LSTM_Captioning"])
def test_a_right_sample_passes(name, change, monkeypatch):
    replaced = {(rnn, "CaptioningRNN"): changed_sample(*change)}
    assert run(name, monkeypatch, replaced, only=r"CaptioningRNN\.sample") == 1


# Prose and numbers.


@pytest.mark.parametrize("name", notebook_names())
def test_what_the_prose_allows_is_what_the_check_does(name):
    """Text before a cell says 'below `x`' for each limit that the cell takes."""
    source = (ROOT / "staff" / "notebooks" / f"{name}.py").read_text("utf-8")
    parts = re.split(r"^# %%(.*)\n", source, flags=re.MULTILINE)[1:]
    prose, said = "", set()
    for head, text in zip(parts[::2], parts[1::2], strict=True):
        if "markdown" in head:
            prose = " ".join(line.lstrip("# ") for line in text.splitlines())
            said |= {float(n) for n in re.findall(r"[Bb]elow `([\d.e-]+)`", prose)}
            continue
        for key in re.findall(r'LIMITS\["([^"]+)"\]', text):
            assert LIMITS[key] in said, (name, key, prose[-200:])


def test_every_limit_is_used_somewhere():
    sources = "".join(
        path.read_text("utf-8")
        for folder in ("staff/notebooks", "tests", "cs231n")
        for path in (ROOT / folder).glob("*.py")
        if path.name != "accuracy.py"
    )
    assert [key for key in LIMITS if f'"{key}"' not in sources] == []
    assert "cs231n.support.accuracy" in sys.modules
