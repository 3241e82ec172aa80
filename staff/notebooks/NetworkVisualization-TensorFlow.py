# %% [markdown] same_as="# Looking into a trained network"

# %% [markdown]
# You will edit `cs231n/net_visualization_tensorflow.py`: look for `TODO(Q3)`. This
# notebook is `NetworkVisualization-PyTorch.ipynb` in TensorFlow: do one of the two. If
# you do both, the better one counts.

# %% [markdown]
# ## Before you start
#
# - **What you will learn**: how gradients at the pixels show what a network looks at,
#   how easily they fool it, and what it has learned of a class.
# - **What you should know**: tensors and `tf.GradientTape` of TensorFlow, and how
#   convolutional networks turn pictures into class scores.
# - **What you need**: TensorFlow, from `requirements-tensorflow.txt`.
# - **How long it takes**: with all functions written, the notebook runs in 1½ minutes
#   on one core.

# %% [markdown] same_as="## Set-up"

# %%
# %load_ext autoreload
# %autoreload 2
import os

import numpy as np

from cs231n.gradient_check import eval_numerical_gradient, eval_numerical_gradient_array
from cs231n.lab.checks import check, check_below

# %% tags=["parameters"]
# "full" does everything; "quick" takes fewer pictures, classes and iterations.
PROFILE = os.environ.get("CS231N_PROFILE", "full")
SEED = 231

# %%
from cs231n.support.frameworks import require_tensorflow

require_tensorflow()

import tensorflow as tf

from cs231n.classifiers.squeezenet_tf import load_squeezenet_tensorflow
from cs231n.data_utils import load_imagenet_val
from cs231n.image_utils import SQUEEZENET_STD, deprocess_image, preprocess_image
from cs231n.lab.checks import check_at_least
from cs231n.lab.class_visualization_tensorflow import create_class_visualization
from cs231n.lab.pixel_figures import show_maps
from cs231n.lab.watched_tensorflow import Watched
from cs231n.net_visualization_tensorflow import (
    class_visualization_update_step,
    compute_saliency_maps,
    make_fooling_image,
)
from cs231n.support.accuracy import as_array
from cs231n.support.figures import show_pictures


def words(label):
    """Return the first name of a class."""
    return class_names[int(label)].split(",")[0]


# %% [markdown] same_as="## A pretrained network"

# %% [markdown]
# TensorFlow keeps the channels of a pixel side by side: pictures are $(N, H, W, 3)$
# here, rows, columns, then colours.

# %%
model = load_squeezenet_tensorflow()

count = sum(int(tf.size(w)) for w in model.weights)
print(f"{count:,} weights")
print(f"{len(model.trainable_weights)} of {len(model.weights)} arrays are trained")
print("From features to scores:", [layer.name for layer in model.net.layers[-2:]])
print(" the first:", model.net.layers[-2].get_config()["kernel_size"], "convolution")
print(" the second:", type(model.net.layers[-1]).__name__)

# %% [markdown]
# ## Some photographs
#
# `load_imagenet_val` gives pictures from ImageNet's validation set where the course's
# file is there, and other photographs where it is not. `preprocess_image` turns a
# picture into what the network reads: red, green and blue from 0 to 1, minus their mean
# over ImageNet, divided by their standard deviation. `deprocess_image` goes the other
# way. Both work on NumPy arrays.

# %%
X_raw, y, class_names = load_imagenet_val(num=5)
X = np.array([preprocess_image(picture) for picture in X_raw])
titles = [words(label) for label in y]

probabilities = tf.nn.softmax(model(X)).numpy()
show_pictures(
    list(X_raw),
    [
        f"{title} ({p[label]:.0%})\nthe network says: {words(p.argmax())}"
        for title, label, p in zip(titles, y, probabilities, strict=True)
    ],
    alt="Five photographs with their classes and what the network says: "
    + ", ".join(titles)
    + ".",
    columns=5,
    width=2.5,
)

# %% [markdown] same_as="## Saliency maps"

# %% [markdown]
# You will need one number out of each row of the scores: for picture $n$ the one at
# column $y_n$. `tf.gather` with `batch_dims=1` does that, on every row at once.


# %%
def gather_example():
    N, C = 4, 5
    scores = tf.random.stateless_normal((N, C), seed=(SEED, 0))
    labels = np.array([1, 2, 1, 3])
    print(scores.numpy())
    print(labels)
    print(tf.gather(scores, labels, axis=1, batch_dims=1).numpy())


gather_example()

# %% [markdown]
# A *tape* writes down what happens to the tensors that it watches, and finds gradients
# from that. It watches weights by itself, but nothing else: of a picture it has to be
# told, and the picture has to be a tensor, as your functions get it. When the tape is
# asked for the gradient of several numbers, it adds theirs up.
#
# Write `compute_saliency_maps` in `cs231n/net_visualization_tensorflow.py`. The check
# compares it, on a very small network, with numerical gradients; errors of the order of
# `1e-8`.


# %%
def tiny_network():
    rng = np.random.RandomState(SEED)
    layers = tf.keras.layers
    network = tf.keras.Sequential(
        [
            tf.keras.Input((7, 8, 3), dtype="float64"),
            layers.Conv2D(4, 3, activation="tanh", dtype="float64"),
            layers.Conv2D(6, 3, dtype="float64"),
            layers.GlobalAveragePooling2D(dtype="float64"),
        ]
    )
    for layer in network.layers[:2]:
        shapes = [w.shape for w in layer.weights]
        layer.set_weights([rng.uniform(-1, 1, shape) / 5 for shape in shapes])
    network.trainable = False
    return network


tiny = tiny_network()
pictures = np.random.RandomState(SEED).randn(5, 7, 8, 3)
labels = np.array([3, 0, 5, 1, 3])
scores_as_graph = tf.function(tiny)  # the same, and quicker


def scores_of(pixels):
    return scores_as_graph(tf.constant(pixels)).numpy()


is_correct = np.eye(6)[labels]  # (N, C), a single 1 in each row
slopes = eval_numerical_gradient_array(scores_of, pictures, is_correct)
expected = np.abs(slopes).max(axis=3)
saliency = compute_saliency_maps(pictures.copy(), labels.copy(), tiny)
check("compute_saliency_maps", {"saliency": (saliency, expected)}, within=1e-6)

# %% [markdown] same_as="And on the photographs."


# %%
def show_saliency_maps(X_raw, X, y):
    saliency = as_array(compute_saliency_maps(X.copy(), y.copy(), model))
    show_maps(
        X_raw,
        {"saliency": saliency},
        titles,
        alt="Five photographs, and below each its saliency map: a scatter of bright "
        "dots on black, densest where the thing itself is.",
    )


show_saliency_maps(X_raw, X, y)

# %% [markdown] same_as="q3-saliency-ascent"

# %% [markdown] same_as="## Fooling images"

# %%
rng = np.random.RandomState(SEED)
linear = tf.keras.Sequential(
    [
        tf.keras.Input((7, 8, 3), dtype="float64"),
        tf.keras.layers.Flatten(dtype="float64"),
        tf.keras.layers.Dense(6, dtype="float64"),
    ]
)
linear.set_weights([rng.uniform(-1, 1, shape) / 13 for shape in ((168, 6), (6,))])
linear.trainable = False
start = pictures[:1]
target_y = int(np.argmin(linear(start)))
change = (as_array(make_fooling_image(start.copy(), target_y, linear)) - start).ravel()
length = np.linalg.norm(change)
weights = linear.layers[-1].get_weights()[0][:, target_y]
check(
    "make_fooling_image",
    {
        "direction": (change / length, weights / np.linalg.norm(weights)),
        "a whole number of steps": (length, max(1, round(length))),
    },
    within=1e-4,
)

# Whoever begins where the first step ended takes the others alike.
watched = Watched(tiny)
target_y = int(np.argmin(tiny(start)))
ended = as_array(make_fooling_image(start.copy(), target_y, watched))
second = next((x for x in watched.seen if not np.array_equal(x, start)), start)
again = make_fooling_image(second.copy(), target_y, tiny)
check("make_fooling_image", {"from the second step on": (again, ended)}, within=1e-4)

# %%
index, target_y = 0, 6
original = X[index : index + 1]
X_fooling = as_array(make_fooling_image(original.copy(), target_y, model))
scores = model(X_fooling).numpy()[0]

print(f"was {titles[index]}, is now {words(scores.argmax())}")
halfway = np.argmax(model((original + X_fooling) / 2)) == target_y
check_below(
    "make_fooling_image",
    {
        # A loop that steps before it looks may go one step too far.
        "classes with a higher score": ((scores > scores[target_y]).sum(), 2),
        "half of the change fools, too": (halfway, 0.5),
    },
)

# %% [markdown] same_as="What has changed?"


# %%
def change_in_levels(original, changed):
    """Return how far a picture was changed, in levels of 0..255."""
    return (as_array(changed) - original)[0] * 255 * SQUEEZENET_STD


def show_fooling(original, fooled, magnify=(1, 10)):
    change = change_in_levels(original, fooled)
    p = [tf.nn.softmax(model(x)).numpy()[0] for x in (original, fooled)]
    names = [words(row.argmax()) for row in p]
    show_pictures(
        [deprocess_image(x[0], rescale=False) for x in (original, fooled)]
        + [np.uint8((128 + k * change).clip(0, 255)) for k in magnify],
        [
            f"{names[0]} ({p[0].max():.0%})",
            f"{names[1]} ({p[1].max():.0%})",
            *("difference" + f", {k} times larger" * (k > 1) for k in magnify),
        ],
        alt=f"A photograph that the network takes for {names[0]}; another one, looking "
        f"just the same, that it takes for {names[1]}; and their difference, "
        f"{' and '.join(map(str, magnify))} times enlarged: faint coloured noise "
        "around the outlines.",
        columns=4,
        width=2.8,
    )
    print(
        f"largest change {np.abs(change).max():.1f} levels of 0..255, "
        f"root mean square {np.sqrt(np.mean(change**2)):.2f}"
    )


show_fooling(original, X_fooling)

# %% [markdown] same_as="Is that an accident"

# %%
targets = [6, 200, 400, 600, 800]
everything, _, _ = load_imagenet_val()
if PROFILE != "full":
    everything, targets = everything[:2], targets[:2]

fooled = 0
changes = []
for picture in everything[:7]:
    original = preprocess_image(picture)[None]
    for target in targets:
        result = as_array(make_fooling_image(original.copy(), target, model))
        scores = model(result).numpy()[0]
        fooled += int((scores > scores[target]).sum() < 2)
        changes.append(np.sqrt(np.mean(change_in_levels(original, result) ** 2)))
print(f"mean change of a pixel: {np.mean(changes):.2f} levels of 0..255")
check_at_least(
    "fooling images",
    {"share that is fooled": (fooled / len(changes), 1.0)},
    function="make_fooling_image",
)

# %% [markdown] same_as="q3-fooling-why"

# %% [markdown] same_as="## Class visualization"

# %%
target_y, l2_reg = 2, 0.1


def stepped(image):
    return as_array(
        class_visualization_update_step(
            tf.constant(image), tiny, target_y, l2_reg, learning_rate=0.5
        )
    )


noise = pictures[:1].copy()
step = stepped(noise) - noise


def objective(pixels):
    return scores_of(pixels)[0, target_y] - l2_reg * np.sum(pixels**2)


uphill = eval_numerical_gradient(objective, noise, False)
steepness = np.linalg.norm(uphill)
length = np.linalg.norm(step) / 0.5  # of the gradient as it is, or of one divided
check(
    "class_visualization_update_step",
    {
        "direction": (step / np.linalg.norm(step), uphill / steepness),
        "length": (length, min(steepness, 1, key=lambda right: abs(right - length))),
        "the same step twice": (stepped(noise), noise + step),
    },
    within=1e-5,
)

# %% [markdown] same_as="A tarantula appears"

# %%
iterations = 100 if PROFILE == "full" else 25
TARANTULA = 76

strip = {}
spider = create_class_visualization(
    TARANTULA, model, num_iterations=iterations, show=strip.__setitem__, seed=SEED
)
show_pictures(
    list(strip.values()),
    [f"iteration {t + 1}" for t in strip],
    alt="The picture on its way from noise to a tarantula, with several of them in the "
    "end: round bodies, and legs all around.",
    columns=5,
    width=2.5,
)

# %% [markdown] same_as="Try others"

# %%
target_y = 187
terrier = create_class_visualization(
    target_y, model, num_iterations=iterations, seed=SEED
)
show_pictures(
    [deprocess_image(terrier[0], rescale=False)],
    [words(target_y)],
    alt=f"The network's idea of: {words(target_y)}.",
    width=3.4,
)

# %% [markdown] same_as="q3-many-spiders"

# %% [markdown] same_as="## What to take away"

# %% [markdown] same_as="## Further reading"

# %% [markdown] tags=["extra"]
# ## Extra exercises
#
# Better maps, fooling within bounds and a gallery are at the end of
# `NetworkVisualization-PyTorch.ipynb`.
