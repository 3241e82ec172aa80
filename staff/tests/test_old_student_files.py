"""Files written for old editions take the place of ours, one at a time, unedited.

The stand-ins below are in the style of those years: only the public names, plain loops,
star imports, ``object`` as a base and ``np.float64`` here and there.
"""

import ast
import shutil
from pathlib import Path

import pytest

from cs231n.assignment import table
from staff.tests import programs
from tests.test_import_contract import NAMES, SIGNATURES

ROOT = Path(__file__).resolve().parents[2]

OLD_LAYERS = """
from __future__ import print_function, division
from builtins import range
import numpy as np


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h, cache = None, None
    next_h = np.tanh(np.dot(x, Wx) + np.dot(prev_h, Wh) + b)
    cache = (x, prev_h, Wx, Wh, next_h)
    return next_h, cache


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dz = dnext_h * (1 - next_h * next_h)
    return dz.dot(Wx.T), dz.dot(Wh.T), x.T.dot(dz), prev_h.T.dot(dz), dz.sum(axis=0)


def rnn_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    H = h0.shape[1]
    h, cache, prev = np.zeros((N, T, H)), [], h0
    for t in range(T):
        prev, step = rnn_step_forward(x[:, t, :], prev, Wx, Wh, b)
        h[:, t, :] = prev
        cache.append(step)
    return h, cache


def rnn_backward(dh, cache):
    N, T, H = dh.shape
    D = cache[0][0].shape[1]
    dx, dprev = np.zeros((N, T, D)), np.zeros((N, H))
    dWx, dWh, db = np.zeros((D, H)), np.zeros((H, H)), np.zeros(H)
    for t in reversed(range(T)):
        dx[:, t], dprev, a, b, c = rnn_step_backward(dh[:, t] + dprev, cache[t])
        dWx += a
        dWh += b
        db += c
    return dx, dprev, dWx, dWh, db


def word_embedding_forward(x, W):
    return W[x, :], (x, W)


def word_embedding_backward(dout, cache):
    x, W = cache
    dW = np.zeros(W.shape, dtype=np.float64)
    np.add.at(dW, x, dout)
    return dW


def sigmoid(x):
    pos_mask = (x >= 0)
    z = np.zeros_like(x)
    z[pos_mask] = np.exp(-x[pos_mask])
    z[~pos_mask] = np.exp(x[~pos_mask])
    top = np.ones_like(x)
    top[~pos_mask] = z[~pos_mask]
    return top / (1 + z)


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x.dot(Wx) + prev_h.dot(Wh) + b
    i, f = sigmoid(a[:, :H]), sigmoid(a[:, H:2 * H])
    o, g = sigmoid(a[:, 2 * H:3 * H]), np.tanh(a[:, 3 * H:])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    t = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - t ** 2)
    da = np.hstack((dc * g * i * (1 - i), dc * prev_c * f * (1 - f),
                    dnext_h * t * o * (1 - o), dc * i * (1 - g ** 2)))
    return (da.dot(Wx.T), da.dot(Wh.T), dc * f,
            x.T.dot(da), prev_h.T.dot(da), da.sum(axis=0))


def lstm_forward(x, h0, Wx, Wh, b):
    h, cache, prev, c = [], [], h0, np.zeros(h0.shape)
    for t in range(x.shape[1]):
        prev, c, step = lstm_step_forward(x[:, t], prev, c, Wx, Wh, b)
        h.append(prev)
        cache.append(step)
    return np.stack(h, axis=1), cache


def lstm_backward(dh, cache):
    dprev, dc, grads, dxs = 0, 0, [0, 0, 0], []
    for t in reversed(range(dh.shape[1])):
        dx, dprev, dc, a, b, c = lstm_step_backward(dh[:, t] + dprev, dc, cache[t])
        dxs.insert(0, dx)
        grads = [g + d for g, d in zip(grads, (a, b, c))]
    return (np.stack(dxs, axis=1), dprev) + tuple(grads)


def temporal_affine_forward(x, w, b):
    N, T, D = x.shape
    M = b.shape[0]
    out = x.reshape(N * T, D).dot(w).reshape(N, T, M) + b
    return out, (x, w, b, out)


def temporal_affine_backward(dout, cache):
    x, w, b, out = cache
    N, T, D = x.shape
    M = b.shape[0]
    dx = dout.reshape(N * T, M).dot(w.T).reshape(N, T, D)
    dw = dout.reshape(N * T, M).T.dot(x.reshape(N * T, D)).T
    return dx, dw, dout.sum(axis=(0, 1))


def temporal_softmax_loss(x, y, mask, verbose=False):
    N, T, V = x.shape
    x_flat, y_flat = x.reshape(N * T, V), y.reshape(N * T)
    mask_flat = mask.reshape(N * T)
    probs = np.exp(x_flat - np.max(x_flat, axis=1, keepdims=True))
    probs /= np.sum(probs, axis=1, keepdims=True)
    loss = -np.sum(mask_flat * np.log(probs[np.arange(N * T), y_flat])) / N
    dx_flat = probs.copy()
    dx_flat[np.arange(N * T), y_flat] -= 1
    dx_flat /= N
    dx_flat *= mask_flat[:, None]
    return loss, dx_flat.reshape(N, T, V)
"""

OLD_MODEL = """
from builtins import range
from builtins import object
import numpy as np

from cs231n.layers import *
from cs231n.rnn_layers import *


class CaptioningRNN(object):
    def __init__(self, word_to_idx, input_dim=512, wordvec_dim=128,
                 hidden_dim=128, cell_type='rnn', dtype=np.float32):
        if cell_type not in {'rnn', 'lstm'}:
            raise ValueError('Invalid cell_type "%s"' % cell_type)
        self.cell_type, self.dtype, self.word_to_idx = cell_type, dtype, word_to_idx
        self.idx_to_word = {i: w for w, i in word_to_idx.items()}
        self.params = {}
        V, k = len(word_to_idx), {'lstm': 4, 'rnn': 1}[cell_type]
        self._null = word_to_idx['<NULL>']
        self._start = word_to_idx.get('<START>', None)
        self._end = word_to_idx.get('<END>', None)
        for name, shape in [('W_embed', (V, wordvec_dim)),
                            ('W_proj', (input_dim, hidden_dim)),
                            ('b_proj', (hidden_dim,)),
                            ('Wx', (wordvec_dim, k * hidden_dim)),
                            ('Wh', (hidden_dim, k * hidden_dim)),
                            ('b', (k * hidden_dim,)),
                            ('W_vocab', (hidden_dim, V)), ('b_vocab', (V,))]:
            self.params[name] = np.random.randn(*shape).astype(dtype) / 10

    def loss(self, features, captions):
        captions_in, captions_out = captions[:, :-1], captions[:, 1:]
        mask = (captions_out != self._null)
        p, grads = self.params, {}
        h0, c1 = affine_forward(features, p['W_proj'], p['b_proj'])
        x, c2 = word_embedding_forward(captions_in, p['W_embed'])
        if self.cell_type == 'rnn':
            h, c3 = rnn_forward(x, h0, p['Wx'], p['Wh'], p['b'])
        else:
            h, c3 = lstm_forward(x, h0, p['Wx'], p['Wh'], p['b'])
        scores, c4 = temporal_affine_forward(h, p['W_vocab'], p['b_vocab'])
        loss, d = temporal_softmax_loss(scores, captions_out, mask, verbose=False)
        d, grads['W_vocab'], grads['b_vocab'] = temporal_affine_backward(d, c4)
        back = rnn_backward if self.cell_type == 'rnn' else lstm_backward
        d, dh0, grads['Wx'], grads['Wh'], grads['b'] = back(d, c3)
        grads['W_embed'] = word_embedding_backward(d, c2)
        _, grads['W_proj'], grads['b_proj'] = affine_backward(dh0, c1)
        return loss, grads

    def sample(self, features, max_length=30):
        N = features.shape[0]
        captions = self._null * np.ones((N, max_length), dtype=np.int32)
        p = self.params
        h, _ = affine_forward(features, p['W_proj'], p['b_proj'])
        c = np.zeros(h.shape)
        word = self._start * np.ones((N, 1), dtype=np.int32)
        for t in range(max_length):
            x, _ = word_embedding_forward(word, p['W_embed'])
            if self.cell_type == 'rnn':
                h, _ = rnn_step_forward(x[:, 0, :], h, p['Wx'], p['Wh'], p['b'])
            else:
                h, c, _ = lstm_step_forward(x[:, 0], h, c, p['Wx'], p['Wh'], p['b'])
            scores, _ = temporal_affine_forward(h[:, np.newaxis, :], p['W_vocab'],
                                                p['b_vocab'])
            word = np.argmax(scores, axis=2)
            captions[:, t] = word[:, 0]
        return captions
"""

# Since 2021 there is no layers.py to import from.
MODEL_2021 = """
import numpy as np

from ..rnn_layers import *
""" + OLD_MODEL.partition("from cs231n.rnn_layers import *\n")[2]

# As the files of 2020 were: only the public names, and helpers of their own.
PIXELS_2020 = """
import torch
import random
import torchvision
import torchvision.transforms as T
import numpy as np
from scipy.ndimage import gaussian_filter1d
from .image_utils import SQUEEZENET_MEAN, SQUEEZENET_STD


def compute_saliency_maps(X, y, model):
    model.eval()
    X.requires_grad_()
    saliency = None
    scores = model(X)
    scores.gather(1, y.view(-1, 1)).squeeze().sum().backward()
    saliency, _ = torch.max(X.grad.data.abs(), dim=1)
    return saliency


def make_fooling_image(X, target_y, model):
    X_fooling = X.clone()
    X_fooling = X_fooling.requires_grad_()
    learning_rate = 1
    for i in range(100):
        scores = model(X_fooling)
        if scores[0].argmax() == target_y:
            break
        scores[0, target_y].backward()
        g = X_fooling.grad.data
        X_fooling.data += learning_rate * g / g.norm()
        X_fooling.grad.zero_()
    return X_fooling


def class_visualization_update_step(img, model, target_y, l2_reg, learning_rate):
    score = model(img)[0, target_y] - l2_reg * torch.sum(img * img)
    score.backward()
    img.data += learning_rate * img.grad.data / img.grad.data.norm()
    img.grad.zero_()


def preprocess(img, size=224):
    transform = T.Compose([
        T.Resize(size),
        T.ToTensor(),
        T.Normalize(mean=SQUEEZENET_MEAN.tolist(), std=SQUEEZENET_STD.tolist()),
        T.Lambda(lambda x: x[None]),
    ])
    return transform(img)


def deprocess(img, should_rescale=True):
    transform = T.Compose([
        T.Lambda(lambda x: x[0]),
        T.Normalize(mean=[0, 0, 0], std=(1.0 / SQUEEZENET_STD).tolist()),
        T.Normalize(mean=(-SQUEEZENET_MEAN).tolist(), std=[1, 1, 1]),
        T.Lambda(rescale) if should_rescale else T.Lambda(lambda x: x),
        T.ToPILImage(),
    ])
    return transform(img)


def rescale(x):
    low, high = x.min(), x.max()
    return (x - low) / (high - low)


def blur_image(X, sigma=1):
    X_np = X.cpu().clone().numpy()
    X_np = gaussian_filter1d(X_np, sigma, axis=2)
    X_np = gaussian_filter1d(X_np, sigma, axis=3)
    X.copy_(torch.Tensor(X_np).type_as(X))
    return X


def jitter(X, ox, oy):
    return torch.roll(X, (oy, ox), (2, 3))
"""

# What given modules make of them.
PIXELS_NOTEBOOK = """
import numpy as np
import torch
from cs231n.extras import adversarial, attribution, style_extras
from cs231n.lab import painting
from cs231n.lab.class_visualization import create_class_visualization
from cs231n.net_visualization_pytorch import *
from cs231n.style_transfer_pytorch import preprocess as resized
from PIL import Image

torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Tanh(),
                            torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
                            torch.nn.Linear(4, 5)).requires_grad_(False)
X, y = torch.randn(2, 3, 8, 9), torch.tensor([3, 1])
maps = compute_saliency_maps(X.clone(), y, model)
assert maps.shape == (2, 8, 9)
assert attribution.integrated_gradients(X, y, model, steps=2).shape == X.shape
fooling = adversarial.make_bounded_fooling_image(X[:1], 2, model)
assert fooling.shape == (1, 3, 8, 9)
picture = create_class_visualization(2, model, num_iterations=2, start=X[:1])
assert picture.size == (9, 8)
assert resized(Image.new('RGB', (9, 12)), 6).shape == (1, 3, 8, 6)
print('all is well')
"""

# What a notebook does: the two stored losses, a short training run, captions in words.
NOTEBOOK = """
import numpy as np
from cs231n.gradient_check import eval_numerical_gradient, eval_numerical_gradient_array
from cs231n.rnn_layers import *
from cs231n.captioning_solver import CaptioningSolver
from cs231n.classifiers.rnn import CaptioningRNN
from cs231n.coco_utils import load_coco_data, sample_coco_minibatch, decode_captions
from cs231n.image_utils import image_from_url

for cell, low, high, expected in [('rnn', -1.5, 0.3, 9.83235591003),
                                  ('lstm', -0.5, 1.7, 9.82445935443)]:
    model = CaptioningRNN({'<NULL>': 0, 'cat': 2, 'dog': 3}, input_dim=20,
                          wordvec_dim=30, hidden_dim=40, cell_type=cell,
                          dtype=np.float64)
    for k, v in model.params.items():
        model.params[k] = np.linspace(-1.4, 1.3, num=v.size).reshape(*v.shape)
    features = np.linspace(low, high, num=200).reshape(10, 20)
    captions = (np.arange(130) % 3).reshape(10, 13)
    loss, grads = model.loss(features, captions)
    assert abs(loss - expected) < 1e-10, (cell, loss)

    # A lambda that reads the perturbed array from the model.
    for name in ('b', 'b_vocab'):
        f = lambda _: model.loss(features, captions)[0]
        num = eval_numerical_gradient(f, model.params[name], verbose=False, h=1e-6)
        assert np.allclose(num, grads[name], rtol=1e-4, atol=1e-7), (cell, name)

    words = ['<NULL>', '<START>', '<END>', 'a', 'red', 'boat', 'sails']
    captions = np.array([[1, 3, 4, 5, 6, 2], [1, 3, 5, 2, 0, 0]] * 5)
    data = {'train_captions': captions, 'train_image_idxs': np.arange(10) % 2,
            'train_features': np.eye(2, 5, dtype=np.float32),
            'train_urls': np.array(['scene', 'scene']), 'idx_to_word': words}
    np.random.seed(231)
    model = CaptioningRNN(cell_type=cell,
                          word_to_idx={w: i for i, w in enumerate(words)},
                          input_dim=data['train_features'].shape[1], hidden_dim=24,
                          wordvec_dim=16)
    solver = CaptioningSolver(model, data, update_rule='adam', num_epochs=60,
                              batch_size=5, optim_config={'learning_rate': 1e-2},
                              lr_decay=0.995, verbose=True, print_every=100)
    solver.train()
    assert solver.loss_history[-1] < 0.1, solver.loss_history[-1]
    assert {w.dtype for w in model.params.values()} == {np.dtype(np.float32)}
    minibatch = sample_coco_minibatch(data, split='train', batch_size=2)
    gt_captions, features, urls = minibatch
    sample_captions = model.sample(features)
    assert sample_captions.shape == (2, 30)
    sample_captions = decode_captions(sample_captions, data['idx_to_word'])
    gt_captions = decode_captions(gt_captions, data['idx_to_word'])
    for gt_caption, sample_caption in zip(gt_captions, sample_captions):
        assert gt_caption == '<START> ' + sample_caption, (gt_caption, sample_caption)
print('all is well')
"""


def relative(source, dots):
    """Write a file's imports as later editions did."""
    return source.replace("from cs231n.", f"from {dots}")


def run_the_notebook(folder, replaced, notebook=NOTEBOOK):
    """Run it on a copy of the package in which some files are old ones."""

    def not_code(parent, names):
        return [
            n for n in names if not (n.endswith(".py") or (Path(parent) / n).is_dir())
        ]

    shutil.copytree(ROOT / "cs231n", folder / "cs231n", ignore=not_code)
    for name, source in replaced.items():
        (folder / "cs231n" / name).write_text(source, "utf-8")
    before = programs.TORCH if "torch" in notebook else ()
    return programs.run(folder, "-c", notebook, before=before, timeout=120)


@pytest.mark.parametrize(
    "replaced",
    [
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"rnn_layers.py": OLD_LAYERS}, marks=pytest.mark.slow),
        pytest.param({"classifiers/rnn.py": OLD_MODEL}, marks=pytest.mark.slow),
        {"classifiers/rnn.py": relative(OLD_MODEL, "..")},
        {"rnn_layers.py": OLD_LAYERS, "classifiers/rnn.py": OLD_MODEL},
        pytest.param({"classifiers/rnn.py": MODEL_2021}, marks=pytest.mark.slow),
    ],
    ids=["none", "layers", "model", "relative model", "both", "model of 2021"],
)
def test_old_files_and_a_notebook_run_against_the_package(replaced, tmp_path):
    done = run_the_notebook(tmp_path, replaced)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[-1] == "all is well"
    assert lines[0].startswith("(Iteration 1 / 120) loss: ")
    assert len(lines) == 5


def test_the_notebook_would_notice_a_wrong_file(tmp_path):
    wrong = OLD_LAYERS.replace("i * g", "i + g")
    assert wrong != OLD_LAYERS
    done = run_the_notebook(tmp_path, {"rnn_layers.py": wrong})
    assert "AssertionError: ('lstm'" in done.stderr


@pytest.mark.parametrize(
    "replaced",
    [
        pytest.param({}, marks=pytest.mark.slow),
        {"net_visualization_pytorch.py": PIXELS_2020},
    ],
)
def test_given_modules_need_nothing_else_of_a_file_of_2020(replaced, tmp_path):
    done = run_the_notebook(tmp_path, replaced, PIXELS_NOTEBOOK)
    assert (done.stderr, done.stdout) == ("", "all is well\n")


def test_other_questions_do_not_need_a_file_that_is_broken(tmp_path):
    needs_nothing = (
        "import cs231n.extras.adversarial, cs231n.lab.painting; print('well')"
    )
    broken = {"net_visualization_pytorch.py": "def compute_saliency_maps(:\n"}
    done = run_the_notebook(tmp_path, broken, needs_nothing)
    assert (done.stderr, done.stdout) == ("", "well\n")


def imported_names(tree):
    """Yield module and name of everything a file takes from the package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


STUDENTS = {
    path.removesuffix(".py").replace("/", ".")
    for question in table.questions()
    for path in question.modules
}
GIVEN = sorted(
    path
    for folder in ("cs231n", "staff/notebooks", "tests")
    for path in (ROOT / folder).rglob("*.py")
)


@pytest.mark.parametrize("path", GIVEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_given_code_takes_only_promised_names_from_a_students_file(path):
    promised = {"CaptioningRNN", "class_visualization_step", "deepdream_octaves", "*"}
    for names in (*SIGNATURES.values(), *NAMES.values()):
        promised |= {name.partition("(")[0].partition(".")[0] for name in names}
    # What these files hold besides was never in one of another edition.
    own = {
        "cs231n.image_generation": {"resize"},
        # Of 2020, the only edition that has this file.
        "cs231n.gan_tf": {
            *("NOISE_DIM", "leaky_relu", "get_solvers", "count_params"),
            *("dc_discriminator", "dc_generator", "preprocess_img", "deprocess_img"),
        },
    }
    for module, name in imported_names(ast.parse(path.read_text("utf-8"))):
        if module in STUDENTS:
            assert name in promised | own.get(module, set()), (path, module, name)
