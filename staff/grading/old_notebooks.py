"""Notebooks of old editions, in which students wrote what now stands in modules.

In the style of those years, and short: what is given, and a place for each answer. A
line ``# <name of a function>`` stands for the answer, at its indentation.
"""

import json
import re
import textwrap
from collections.abc import Mapping

_BANNER = "#" * 78

_PLOTS = """
%matplotlib inline
%load_ext autoreload
%autoreload 2
import matplotlib.pyplot as plt
plt.rcParams['figure.figsize'] = (10.0, 8.0)
"""


def _asked(module: str, *calls: str) -> str:
    """Return functions as they were handed out, given calls such as ``x = f(y)``."""
    texts = []
    for call in calls:
        result, _, signature = call.partition(" = ")
        name = signature.partition("(")[0]
        texts.append(
            f"def {signature}:\n"
            f"    {result} = None\n"
            f"    # cs231n.{module}.{name}\n"
            f"    return {result}\n"
        )
    return "\n".join(texts)


_VISUALIZATION = [
    """
import torch
import torchvision
import torchvision.transforms as T
import random
import numpy as np
from scipy.ndimage import gaussian_filter1d
from cs231n.image_utils import SQUEEZENET_MEAN, SQUEEZENET_STD
"""
    + _PLOTS,
    """
def blur_image(X, sigma=1):
    X_np = X.cpu().clone().numpy()
    X_np = gaussian_filter1d(X_np, sigma, axis=2)
    X_np = gaussian_filter1d(X_np, sigma, axis=3)
    X.copy_(torch.Tensor(X_np).type_as(X))
    return X
""",
    """
# Download and load the pretrained SqueezeNet model.
model = torchvision.models.squeezenet1_1(pretrained=True)
for param in model.parameters():
    param.requires_grad = False
""",
    """
def compute_saliency_maps(X, y, model):
    model.eval()
    X.requires_grad_()
    saliency = None
    # cs231n.net_visualization_pytorch.compute_saliency_maps
    return saliency
""",
    """
def make_fooling_image(X, target_y, model):
    X_fooling = X.clone()
    X_fooling = X_fooling.requires_grad_()
    learning_rate = 1
    # cs231n.net_visualization_pytorch.make_fooling_image
    return X_fooling
""",
    """
def jitter(X, ox, oy):
    return torch.roll(X, (oy, ox), (2, 3))
""",
    """
def create_class_visualization(target_y, model, dtype, **kwargs):
    model.type(dtype)
    l2_reg = kwargs.pop('l2_reg', 1e-3)
    learning_rate = kwargs.pop('learning_rate', 25)
    num_iterations = kwargs.pop('num_iterations', 100)
    blur_every = kwargs.pop('blur_every', 10)
    max_jitter = kwargs.pop('max_jitter', 16)
    show_every = kwargs.pop('show_every', 25)

    # Randomly initialize the image as a PyTorch Tensor, and make it requires gradient.
    img = torch.randn(1, 3, 224, 224).mul_(1.0).type(dtype).requires_grad_()

    for t in range(num_iterations):
        # Randomly jitter the image a bit; this gives slightly nicer results
        ox, oy = random.randint(0, max_jitter), random.randint(0, max_jitter)
        img.data.copy_(jitter(img.data, ox, oy))
        # cs231n.net_visualization_pytorch.class_visualization_update_step
        # Undo the random jitter
        img.data.copy_(jitter(img.data, -ox, -oy))
        # As regularizer, clamp and periodically blur the image
        for c in range(3):
            lo = float(-SQUEEZENET_MEAN[c] / SQUEEZENET_STD[c])
            hi = float((1.0 - SQUEEZENET_MEAN[c]) / SQUEEZENET_STD[c])
            img.data[:, c].clamp_(min=lo, max=hi)
        if t % blur_every == 0:
            blur_image(img.data, sigma=0.5)
        if t == 0 or (t + 1) % show_every == 0 or t == num_iterations - 1:
            plt.imshow(deprocess(img.data.clone().cpu()))
            plt.show()
    return deprocess(img.data.cpu())
""",
]

_STYLE = [
    """
import torch
import torchvision
import torchvision.transforms as T
import numpy as np
"""
    + _PLOTS,
    """
dtype = torch.FloatTensor
# Uncomment out the following line if you're on a machine with a GPU set up!
#dtype = torch.cuda.FloatTensor
cnn = torchvision.models.squeezenet1_1(pretrained=True).features
cnn.type(dtype)
""",
    _asked(
        "style_transfer_pytorch",
        "loss = content_loss(content_weight, content_current, content_original)",
    ),
    _asked("style_transfer_pytorch", "gram = gram_matrix(features, normalize=True)"),
    _asked(
        "style_transfer_pytorch",
        "loss = style_loss(feats, style_layers, style_targets, style_weights)",
    ),
    _asked("style_transfer_pytorch", "loss = tv_loss(img, tv_weight)"),
]

_GANS = [
    """
import torch
import torch.nn as nn
from torch.nn import init
import torchvision
import torch.optim as optim
from torch.utils.data import DataLoader
import numpy as np
import matplotlib.gridspec as gridspec
answers = dict(np.load('gan-checks-tf.npz'))
"""
    + _PLOTS,
    """
NUM_TRAIN = 50000
NOISE_DIM = 96
batch_size = 128
""",
    _asked("gan_pytorch", "noise = sample_noise(batch_size, dim)"),
    """
class Flatten(nn.Module):
    def forward(self, x):
        N, C, H, W = x.size()
        return x.view(N, -1)

class Unflatten(nn.Module):
    def __init__(self, N=-1, C=128, H=7, W=7):
        super(Unflatten, self).__init__()
        self.N, self.C, self.H, self.W = N, C, H, W
    def forward(self, x):
        return x.view(self.N, self.C, self.H, self.W)
""",
    "dtype = torch.FloatTensor\n",
    _asked("gan_pytorch", "model = discriminator()"),
    _asked("gan_pytorch", "model = generator(noise_dim=NOISE_DIM)"),
    """
def bce_loss(input, target):
    neg_abs = - input.abs()
    loss = input.clamp(min=0) - input * target + (1 + neg_abs.exp()).log()
    return loss.mean()
""",
    _asked(
        "gan_pytorch",
        "loss = discriminator_loss(logits_real, logits_fake)",
        "loss = generator_loss(logits_fake)",
    ),
    _asked("gan_pytorch", "optimizer = get_optimizer(model)"),
    """
D = discriminator().type(dtype)
G = generator().type(dtype)
D_solver = get_optimizer(D)
""",
    _asked(
        "gan_pytorch",
        "loss = ls_discriminator_loss(scores_real, scores_fake)",
        "loss = ls_generator_loss(scores_fake)",
    ),
    """
def build_dc_classifier():
    model = None
    # cs231n.gan_pytorch.build_dc_classifier
    return model

data = next(enumerate(loader_train))[-1][0].type(dtype)
b = build_dc_classifier().type(dtype)
print(b(data).size())
""",
    _asked("gan_pytorch", "model = build_dc_generator(noise_dim=NOISE_DIM)"),
]

_GRADIENTS = [
    """
import time, os, json
import numpy as np
import skimage.io
from cs231n.classifiers.pretrained_cnn import PretrainedCNN
from cs231n.data_utils import load_tiny_imagenet
from cs231n.image_utils import blur_image, deprocess_image
"""
    + _PLOTS,
    """
data = load_tiny_imagenet('cs231n/datasets/tiny-imagenet-100-A', subtract_mean=True)
""",
    """
for i, names in enumerate(data['class_names']):
  print i, ' '.join('"%s"' % name for name in names)
""",
    "model = PretrainedCNN(h5_file='cs231n/datasets/pretrained_model.h5')\n",
    """
def compute_saliency_maps(X, y, model):
  saliency = None
  # cs231n.image_gradients.compute_saliency_maps
  return saliency
""",
    """
def make_fooling_image(X, target_y, model):
  X_fooling = X.copy()
  # cs231n.image_gradients.make_fooling_image
  return X_fooling
""",
]

_GENERATION = [
    """
import time, os, json
import numpy as np
from scipy.misc import imread, imresize
from cs231n.classifiers.pretrained_cnn import PretrainedCNN
from cs231n.data_utils import load_tiny_imagenet
from cs231n.image_utils import blur_image, deprocess_image, preprocess_image
"""
    + _PLOTS,
    """
data = load_tiny_imagenet('cs231n/datasets/tiny-imagenet-100-A', subtract_mean=True)
model = PretrainedCNN(h5_file='cs231n/datasets/pretrained_model.h5')
""",
    """
def create_class_visualization(target_y, model, **kwargs):
  learning_rate = kwargs.pop('learning_rate', 10000)
  blur_every = kwargs.pop('blur_every', 1)
  l2_reg = kwargs.pop('l2_reg', 1e-6)
  max_jitter = kwargs.pop('max_jitter', 4)
  num_iterations = kwargs.pop('num_iterations', 100)
  show_every = kwargs.pop('show_every', 25)

  X = np.random.randn(1, 3, 64, 64)
  for t in xrange(num_iterations):
    # As a regularizer, add random jitter to the image
    ox, oy = np.random.randint(-max_jitter, max_jitter+1, 2)
    X = np.roll(np.roll(X, ox, -1), oy, -2)
    dX = None
    # cs231n.image_generation.class_visualization_step
    # Undo the jitter
    X = np.roll(np.roll(X, -ox, -1), -oy, -2)
    # As a regularizer, clip the image
    X = np.clip(X, -data['mean_image'], 255.0 - data['mean_image'])
    # As a regularizer, periodically blur the image
    if t % blur_every == 0:
      X = blur_image(X)
    if t % show_every == 0:
      plt.imshow(deprocess_image(X, data['mean_image']))
      plt.show()
  return X
""",
    """
def invert_features(target_feats, layer, model, **kwargs):
  learning_rate = kwargs.pop('learning_rate', 10000)
  num_iterations = kwargs.pop('num_iterations', 500)
  l2_reg = kwargs.pop('l2_reg', 1e-7)
  blur_every = kwargs.pop('blur_every', 1)
  show_every = kwargs.pop('show_every', 50)

  X = np.random.randn(1, 3, 64, 64)
  for t in xrange(num_iterations):
    # cs231n.image_generation.invert_features
    # As a regularizer, clip the image
    X = np.clip(X, -data['mean_image'], 255.0 - data['mean_image'])
    # As a regularizer, periodically blur the image
    if (blur_every > 0) and t % blur_every == 0:
      X = blur_image(X)
    if (show_every > 0) and (t % show_every == 0 or t + 1 == num_iterations):
      plt.imshow(deprocess_image(X, data['mean_image']))
      plt.title('t = %d' % t)
      plt.show()
""",
    """
def deepdream(X, layer, model, **kwargs):
  X = X.copy()
  learning_rate = kwargs.pop('learning_rate', 5.0)
  max_jitter = kwargs.pop('max_jitter', 16)
  num_iterations = kwargs.pop('num_iterations', 100)
  show_every = kwargs.pop('show_every', 25)

  for t in xrange(num_iterations):
    # As a regularizer, add random jitter to the image
    ox, oy = np.random.randint(-max_jitter, max_jitter+1, 2)
    X = np.roll(np.roll(X, ox, -1), oy, -2)
    dX = None
    # cs231n.image_generation.deepdream
    # Undo the jitter
    X = np.roll(np.roll(X, -ox, -1), -oy, -2)
    # As a regularizer, clip the image
    mean_pixel = data['mean_image'].mean(axis=(1, 2), keepdims=True)
    X = np.clip(X, -mean_pixel, 255.0 - mean_pixel)
    if t == 0 or (t + 1) % show_every == 0:
      plt.imshow(deprocess_image(X, data['mean_image'], mean='pixel'))
      plt.show()
  return X
""",
]

NOTEBOOKS: dict[str, dict[str, list[str]]] = {
    "2016": {"ImageGradients": _GRADIENTS, "ImageGeneration": _GENERATION},
    "2018": {
        "NetworkVisualization-PyTorch": _VISUALIZATION,
        "StyleTransfer-PyTorch": _STYLE,
        "GANs-PyTorch": _GANS,
    },
    "2019": {
        "NetworkVisualization-PyTorch": _VISUALIZATION,
        "StyleTransfer-PyTorch": _STYLE,
        "Generative_Adversarial_Networks_PyTorch": _GANS,
    },
}
"""Edition -> its notebooks in which answers stand -> their cells."""
# Answers of today end with a name of their own where a loop goes on with X.
_AS_THEN = {"cs231n.image_generation.class_visualization_step": "X = moved\n"}
_PLACE = re.compile(r"^( *)# (cs231n\.\S+)\n", re.MULTILINE)


def fill(cells: list[str], answers: Mapping[str, str]) -> bytes:
    """Return a notebook's file with answers in their places.

    Args:
        cells: Texts of the cells, as in ``NOTEBOOKS``.
        answers: Dotted name of a function -> its answer, without indentation; where
            there is none, ``pass`` stands, as in those editions.
    """

    def answer(place: re.Match[str]) -> str:
        indent, name = place.groups()
        lines = [_BANNER, "# TODO: Implement this function.", _BANNER]
        if name in answers:
            lines.append(f"{answers[name]}{_AS_THEN.get(name, '')}".rstrip("\n"))
        else:
            lines.append("pass")
        lines += [_BANNER, "# END OF YOUR CODE", _BANNER]
        return textwrap.indent("\n".join(lines), indent) + "\n"

    return notebook([_PLACE.sub(answer, text.strip("\n")) for text in cells])


def notebook(cells: list[str]) -> bytes:
    """Return the file of a notebook with code in its cells."""
    made = [
        {
            "cell_type": "code",
            "execution_count": number,
            "metadata": {},
            "outputs": [],
            "source": text.splitlines(keepends=True),
        }
        for number, text in enumerate(cells, start=1)
    ]
    content = {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 0}
    return (json.dumps(content, indent=1) + "\n").encode()
