# %% [markdown] same_as="# Style transfer"

# %% [markdown]
# You will edit `cs231n/style_transfer_tensorflow.py`: look for `TODO(Q4)`. This
# notebook is `StyleTransfer-PyTorch.ipynb` in TensorFlow: do one of the two. If you do
# both, the better one counts.

# %% [markdown]
# ## Before you start
#
# - **What you will learn**: how features of a trained network measure content and
#   style, how to minimise a loss by changing pixels in place of weights, and what each
#   weight and size does to the painting.
# - **What you should know**: tensors and slices of TensorFlow. The first part of
#   `NetworkVisualization-TensorFlow.ipynb` helps, but is not needed.
# - **What you need**: TensorFlow, from `requirements-tensorflow.txt`.
# - **How long it takes**: with all functions written, the notebook runs in 45 seconds
#   on one core.

# %% [markdown] same_as="## Set-up"

# %%
# %load_ext autoreload
# %autoreload 2
import os

import numpy as np

from cs231n.lab.checks import check, check_below

# %% tags=["parameters"]
# "full" trains to the end; "quick" shortens training and nothing else.
PROFILE = os.environ.get("CS231N_PROFILE", "full")
SEED = 231

# %%
import inspect
import re
from pathlib import Path

from PIL import Image

from cs231n.support.frameworks import require_tensorflow

require_tensorflow()

import tensorflow as tf

from cs231n.classifiers.squeezenet_tf import load_squeezenet_tensorflow
from cs231n.embedded.style_pictures import find_picture
from cs231n.gradient_check import LIMITS
from cs231n.image_utils import load_image
from cs231n.lab.painting_tensorflow import read_picture, style_transfer
from cs231n.lab.pixel_figures import show_animation
from cs231n.lab.style_checks import as_matrix, summarize
from cs231n.lab.style_checks_tensorflow import load_checks
from cs231n.style_transfer_tensorflow import *
from cs231n.support.accuracy import as_number
from cs231n.support.figures import show_pictures

ITERATIONS = 200 if PROFILE == "full" else 8

# %% [markdown] same_as="## The pictures"

# %%
names = ["tubingen", "composition_vii", "the_scream", "starry_night"]
files = {name: find_picture(name) for name in names}
show_pictures(
    [load_image(file, 360) for file in files.values()],
    ["content", "style 1", "style 2", "style 3"],
    alt="The content photo and three style pictures: an abstract one of circles and "
    "lines, an evening with a wavy orange sky, and a blue and gold night sky.",
    columns=2,
    width=4.4,
)

# %% [markdown]
# ## The network
#
# SqueezeNet, trained on ImageNet and frozen: nothing here changes its weights. We only
# need its convolutional part. `extract_features(x, cnn)` is given: it returns what each
# of its 12 layers computes, as arrays of $(N, H, W, C)$, the channels last. (Other
# editions count the first convolution and its ReLU as two layers, so that all numbers
# are larger by one there.)

# %% [markdown] same_as="The losses that you will write"

# %%
cnn = load_squeezenet_tensorflow()
content_img = read_picture(files["tubingen"], 192)
feats = extract_features(content_img, cnn)
for i, (layer, features) in enumerate(zip(cnn.net.layers, feats, strict=False)):
    print(f"{i:2}  {type(layer).__name__:10} {tuple(features.shape)}")

# %% [markdown]
# Your losses are checked in two ways: with small numbers that you can follow with a
# pencil, and against stored answers, computed from a known network and two known
# pictures. Those are loaded here. Errors below `0.001` are expected. (The course's
# stored answers of 2020 are not among them: its reader squeezed the pictures.)

# %%
checks = load_checks()
check_img = read_picture(checks.content, 192)
check_feats = extract_features(check_img, checks.cnn)
style_feats = extract_features(read_picture(checks.style, 192), checks.cnn)
blank_feats = extract_features(tf.zeros_like(check_img), checks.cnn)

# %% [markdown] same_as="## Content loss"

# %%
current = tf.constant([[[[1.0], [2.0]], [[3.0], [4.0]]]])
original = tf.constant([[[[1.0], [0.0]], [[3.0], [7.0]]]])
check(
    "content_loss",
    {
        "by hand": (content_loss(0.5, current, original), 6.5),
        "of the same twice": (content_loss(0.5, current, current), 0.0),
        "a photo against nothing": (
            content_loss(6e-2, blank_feats[2], check_feats[2]),
            checks.answers["cl_out"],
        ),
    },
    within=LIMITS["content_loss"],
)

# %% [markdown] same_as="## Gram matrix"

# %% [markdown]
# Write `gram_matrix` for the feature maps of one picture, $(1, H, W, C)$. With
# `normalize=True` the result is divided by $H \cdot W \cdot C$, so that large and small
# pictures can be compared.

# %%
tiny = tf.constant([[[[1.0, 0.0], [2.0, 3.0]]]])
other = tf.constant([[[[1.0, 4.0], [-1.0, 4.0]]]])
by_hand = np.array([[5.0, 6.0], [6.0, 9.0]])
_, H, W, C = style_feats[4].shape
order = np.random.default_rng(SEED).permutation(H * W)
moved = tf.reshape(tf.reshape(style_feats[4], (H * W, C)).numpy()[order], (1, H, W, C))
check(
    "gram_matrix",
    {
        "by hand": (as_matrix(gram_matrix(tiny, normalize=False)), by_hand),
        "another": (
            as_matrix(gram_matrix(other, normalize=False)),
            np.array([[2.0, 0.0], [0.0, 32.0]]),
        ),
        "normalized": (as_matrix(gram_matrix(tiny)), by_hand / 4),
        "all pixels moved about": (
            summarize(gram_matrix(moved)),
            checks.answers["gm_out"],
        ),
        "a style picture": (
            summarize(gram_matrix(style_feats[4])),
            checks.answers["gm_out"],
        ),
    },
    within=LIMITS["gram_matrix"],
)

# %% [markdown] same_as="## Style loss"

# %%
two_layers = [tiny, other]
nothing = [tf.zeros((2, 2))]
style_layers = [0, 3, 5, 6]
targets = [gram_matrix(style_feats[layer]) for layer in style_layers]
check(
    "style_loss",
    {
        "first layer by hand": (style_loss(two_layers, [0], nothing, [2.0]), 22.25),
        "second layer by hand": (style_loss(two_layers, [1], nothing, [2.0]), 128.5),
        "both": (style_loss(two_layers, [1, 0], nothing * 2, [2.0, 4.0]), 173.0),
        "a photo against a style picture": (
            style_loss(check_feats, style_layers, targets, [300000, 1000, 15, 3]),
            checks.answers["sl_out"],
        ),
    },
    within=LIMITS["style_loss"],
)

# %% [markdown] same_as="## Total variation"

# %%
ramp = np.arange(4.0).reshape(4, 1, 1) * 2 + np.arange(5.0).reshape(5, 1) * 3
ramp = tf.constant(np.broadcast_to(ramp, (1, 4, 5, 3)), tf.float32)
corner = np.zeros((1, 4, 5, 3), np.float32)
corner[:, -1, -1, :] = 1
corner = tf.constant(corner)
check(
    "tv_loss",
    {
        "a ramp": (tv_loss(ramp, 0.5), 306.0),
        "a bright corner": (tv_loss(corner, 0.5), 3.0),
        "one colour all over": (tv_loss(tf.ones((1, 4, 5, 3)), 0.5), 0.0),
    },
    within=LIMITS["tv_loss"],
)

# %%
check(
    "tv_loss on a photo",
    {
        "photo": (
            tv_loss(read_picture(checks.smooth, 192), 2e-2),
            checks.answers["tv_out"],
        )
    },
    within=LIMITS["tv_loss"],
)

lines, _ = inspect.getsourcelines(tv_loss)
if any(re.search(r"for \S* in", line) for line in lines):
    print("There seems to be a loop in tv_loss; slices of the picture do without.")

# %% [markdown]
# ## Gradients
#
# Painting needs the losses' gradients, and a tape finds them if you used TensorFlow's
# operations all the way, not NumPy's. Here they are by hand, for the small numbers
# above.


# %%
def slopes_of(loss_of, x):
    """Return the gradient at some features, None if there is none."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = loss_of(x)
    return tape.gradient(loss, x) if tf.is_tensor(loss) else None


tv_slopes = np.zeros((1, 4, 5, 3))
tv_slopes[:, -1, -1, :] = 2
tv_slopes[:, -2, -1, :] = tv_slopes[:, -1, -2, :] = -1
# The Gram matrix's gradient is that of the sum of its elements.
expected = {
    "content_loss": np.array([[[[0.0], [2.0]], [[0.0], [-3.0]]]]),
    "gram_matrix": np.array([[[[2.0, 2.0], [10.0, 10.0]]]]),
    "style_loss": np.array([[[[2.5, 3.0], [14.0, 19.5]]]]),
    "tv_loss": tv_slopes,
}
found = {
    "content_loss": slopes_of(lambda x: content_loss(0.5, x, original), current),
    "gram_matrix": slopes_of(lambda x: gram_matrix(x, normalize=False), tiny),
    "style_loss": slopes_of(lambda x: style_loss([x], [0], nothing, [2.0]), tiny),
    "tv_loss": slopes_of(lambda x: tv_loss(x, 0.5), corner),
}
for name, slopes in found.items():
    check(f"gradient of {name}", {name: (slopes, expected[name])}, within=LIMITS[name])

# %% [markdown] same_as="## Put together"

# %% [markdown]
# TensorFlow runs your losses as a graph here, which is quicker than one operation at a
# time; code that only works in the latter way is run so. (The notebooks of 2019 and
# 2020 meant to take small steps at the end and never did: the rate was worked out once,
# before the first step.)


# %%
def transfer(style_image, **parameters):
    """Paint, and print what became of the losses."""
    painting = style_transfer(
        files["tubingen"],
        files[style_image],
        **parameters,
        cnn=cnn,
        num_iterations=ITERATIONS,
        seed=SEED,
    )
    for name, losses in painting.losses.items():
        print(f"{name:8} loss {losses[0]:12,.0f} -> {losses[-1]:10,.0f}")
    print(f"{painting.seconds[-1]:.1f} seconds")
    return painting


def show_transfer(painting, style_image):
    show_pictures(
        [
            load_image(files["tubingen"], 384),
            load_image(files[style_image], 384),
            np.asarray(enlarged(painting.picture)),
        ],
        ["content", "style", "painted"],
        alt=f"The photo, the picture {style_image}, and the photo in its style.",
        width=4.4,
    )


def enlarged(picture):
    return picture.resize(
        (2 * picture.width, 2 * picture.height), Image.Resampling.LANCZOS
    )


def check_transfer(painting, parameters):
    """Look for the new style, and for the photo: mirrored, only the style would fit."""
    if PROFILE != "full":
        return
    layer, weight = parameters["content_layer"], parameters["content_weight"]
    mirrored = extract_features(painting.image[:, :, ::-1], cnn)[layer]
    style, content = painting.losses["style"], painting.losses["content"]
    check_below(
        "style transfer",
        {
            "style loss left, of the photo's": (style[-1] / style[0], 0.05),
            "content loss left, of the highest": (content[-1] / max(content), 0.2),
            "content loss, of the mirrored painting's": (
                content[-1] / as_number(content_loss(weight, mirrored, feats[layer])),
                0.75,
            ),
        },
        function="style_loss",
    )


# %%
params1 = {
    "style_image": "composition_vii",
    "image_size": 192,
    "style_size": 512,
    "content_layer": 2,
    "content_weight": 5e-2,
    "style_layers": (0, 3, 5, 6),
    "style_weights": (20000, 500, 12, 1),
    "tv_weight": 5e-2,
}
painting1 = transfer(**params1)
show_transfer(painting1, "composition_vii")
check_transfer(painting1, params1)

# %%
params2 = {
    "style_image": "the_scream",
    "image_size": 192,
    "style_size": 224,
    "content_layer": 2,
    "content_weight": 3e-2,
    "style_layers": [0, 3, 5, 6],
    "style_weights": [200000, 800, 12, 1],
    "tv_weight": 2e-2,
}
painting2 = transfer(**params2)
show_transfer(painting2, "the_scream")
check_transfer(painting2, params2)

# %%
params3 = {
    "style_image": "starry_night",
    "image_size": 192,
    "style_size": 192,
    "content_layer": 2,
    "content_weight": 6e-2,
    "style_layers": [0, 3, 5, 6],
    "style_weights": [300000, 1000, 15, 3],
    "tv_weight": 2e-2,
}
painting3 = transfer(**params3)
show_transfer(painting3, "starry_night")
check_transfer(painting3, params3)

# %% [markdown] same_as="How did it get there?"

# %%
show_pictures(
    [np.asarray(picture) for _, picture in painting3.snapshots],
    [f"after step {t + 1}" for t, _ in painting3.snapshots],
    alt="Six stages of the last painting: from noise-like colours to a clean picture "
    "of the photo's building under a starry sky.",
    columns=3,
    width=4.0,
)
show_animation(
    [np.asarray(picture) for _, picture in painting3.snapshots],
    Path("build", "style_transfer_tensorflow.gif"),
    alt="The same six stages, one after another.",
)

# %% [markdown] same_as="## Feature inversion"

# %%
params_inv = {
    "style_image": "starry_night",
    "image_size": 192,
    "style_size": 192,
    "content_layer": 2,
    "content_weight": 6e-2,
    "style_layers": [0, 3, 5, 6],
    "style_weights": [0, 0, 0, 0],
    "tv_weight": 2e-2,
    "init_random": True,
}
inverted = transfer(**params_inv)
show_pictures(
    [load_image(files["tubingen"], 384), np.asarray(enlarged(inverted.picture))],
    ["the photo", "painted from its features at layer 2"],
    alt="The content photo, and a picture painted from its features: every edge is in "
    "place, the colours are faint.",
    columns=2,
    width=4.8,
)
if PROFILE == "full":
    left = inverted.losses["content"][-1] / inverted.losses["content"][0]
    # With ten seeds of the PyTorch notebook, which does the same: 0.059 on average.
    check_below(
        "feature inversion",
        {"content loss left": (left, 0.15)},
        function="content_loss",
    )

# %% [markdown] same_as="## What to take away"

# %% [markdown] same_as="## Further reading"

# %% [markdown] tags=["extra"]
# ## Extra exercises
#
# Depth, texture, L-BFGS, colours and mixtures of styles are at the end of
# `StyleTransfer-PyTorch.ipynb`.
