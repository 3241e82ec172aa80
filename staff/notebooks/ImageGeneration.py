# %% [markdown]
# # Pictures out of a network
#
# A network that only ever had to tell classes apart can be made to paint. Nothing in it
# changes; gradients at the pixels, as in `ImageGradients.ipynb`, lead from noise or
# from a photo to pictures that it was never shown:
#
# 1. **Class visualization**: its ideal picture of a class.
# 2. **Feature inversion**: the picture that it remembers, from one layer's features.
# 3. **DeepDream**: whatever it believes to see in a photo, made visible.
#
# You will edit `cs231n/image_generation.py`: look for `TODO(Q4-2016)`.

# %% [markdown]
# ## Before you start
#
# - **What you will learn**: how to maximise or minimise nearly anything by steps at the
#   pixels, what layers of different depths keep of a picture, and why such pictures
#   need regularization.
# - **What you should know**: all of `ImageGradients.ipynb`.
# - **How long it takes**: with all functions written, the notebook runs in 55 seconds
#   on one core. Before that, the first run of either notebook may train the network,
#   which takes some minutes.

# %% [markdown]
# ## Set-up

# %%
# %load_ext autoreload
# %autoreload 2
import os
from functools import partial

import numpy as np

from cs231n.gradient_check import eval_numerical_gradient, eval_numerical_gradient_array
from cs231n.lab.checks import check, check_below

# %% tags=["parameters"]
# "full" does everything; "quick" takes few iterations and an untrained network.
PROFILE = os.environ.get("CS231N_PROFILE", "full")
SEED = 231

# %%
from cs231n.classifiers.pretrained_cnn import PretrainedCNN
from cs231n.data_utils import find_tiny_imagenet, load_tiny_imagenet
from cs231n.embedded.sample_pictures import read_image
from cs231n.image_generation import (
    class_visualization_step,
    create_class_visualization,
    deepdream,
    deepdream_octaves,
    invert_features,
)
from cs231n.image_utils import deprocess_image, preprocess_image
from cs231n.lab.attempts import attempt
from cs231n.lab.checks import check_at_least
from cs231n.support.figures import plot_losses, show_pictures

rng = np.random.default_rng(SEED)

# %% [markdown]
# ## Pictures and a network
#
# The same as in `ImageGradients.ipynb`. The network reads pixels from 0 to 255 minus
# the training data's mean picture.

# %%
folder, h5_file = find_tiny_imagenet(quick=PROFILE != "full")
data = load_tiny_imagenet(folder, subtract_mean=True, verbose=False)
model = PretrainedCNN(h5_file=h5_file)

mean_image, class_names = data["mean_image"], data["class_names"]
print(f"{len(class_names)} classes, {len(data['X_train']):,} training pictures")


def picture(x, **settings):
    """Return a picture (1, 3, H, W) as it is shown: (H, W, 3), 0 to 255."""
    return deprocess_image(x, mean_image, **settings)


def words(label):
    return class_names[int(label)][0]


def few(number):
    """Return a number of iterations, cut down in the quick profile."""
    return number if PROFILE == "full" else min(number, 3)


# %% [markdown]
# ## Class visualization
#
# Start from noise and maximise the score of a class $y$ by *gradient ascent*, steps
# along the gradient (Simonyan et al., 2014; Yosinski et al., 2015):
#
# $$I^* = \operatorname{argmax}_I \; s_y(I) - \lambda \lVert I \rVert_2^2$$
#
# The last term is L2 *regularization*, as you know it from weights: a penalty that
# keeps large numbers away, here strong colours. Left alone, this ends in a fooling
# image: noise that the network is sure about. So `create_class_visualization`
# regularizes in other ways, too: it shifts the picture at random before each step and
# back after it, cuts off colours that no screen has, and blurs a little.
#
# The step itself is yours: write `class_visualization_step`. The check walks a tiny bit
# in a random direction and compares, in float64; errors of the order of `1e-6`. The
# step is as long as the loop below takes it.

# %%
precise = PretrainedCNN(dtype=np.float64, h5_file=h5_file)
X = data["X_val"][:1].astype(float)
target_y, rate = 43, 10_000
direction = rng.normal(size=X.shape)


def slope_along(direction, objective, X):
    """Return how fast an objective rises at X in a direction, by finite differences."""
    return eval_numerical_gradient(
        lambda way: objective(X + way * direction), np.zeros(1), False
    )[0]


def objective(X, l2_reg):
    return precise.loss(X)[0, target_y] - l2_reg * np.sum(X**2)


steps = {}
# An untrained network's score hardly changes, so the penalty would outweigh it.
for title, l2_reg in (("step without penalty", 0.0), ("step", 1e-3)):
    step = class_visualization_step(X.copy(), target_y, precise, l2_reg, rate) - X
    slope = slope_along(direction, partial(objective, l2_reg=l2_reg), X)
    steps[title] = np.sum(step * direction), rate * slope
check("class_visualization_step", steps, within=1e-4)

# %% [markdown]
# The settings that the function has by default were chosen for the network of 2016 and
# its tarantula (class 43). Another network wants others: what `SETTINGS` says was found
# by trying.

# %%
is_original = h5_file.name == "pretrained_model.h5"
SETTINGS = {"num_iterations": 100}
if not is_original:
    SETTINGS = {"num_iterations": 60, "learning_rate": 30000}
SETTINGS["num_iterations"] = few(SETTINGS["num_iterations"])


def visualize(target_y, **settings):
    return create_class_visualization(
        target_y,
        model,
        mean_image=mean_image,
        rng=np.random.default_rng(SEED),
        **SETTINGS | settings,
    )


strip = {}
target_y = 43
result = visualize(target_y, show=lambda t, X: strip.__setitem__(t, picture(X)))
show_pictures(
    list(strip.values()),
    [f"{words(target_y)}, iteration {t + 1}" for t in strip],
    alt=f"A picture on its way from noise to the network's idea of: {words(target_y)}.",
    columns=5,
    width=2.2,
)

# %% [markdown]
# Six classes, above a training picture of each. The percentage is the probability that
# the network gives the class. It is not always high: what raises one class raises its
# relatives, too, and shapes that overlap in a picture of parts can add up to something
# else.

# %%
chosen = [43, 5, 12, 30, 52, 78] if PROFILE == "full" else [43, 5]
ideals = {label: visualize(label) for label in chosen}
sure, rank = {}, {}
for label, x in ideals.items():
    scores = model.loss(x)[0]
    p = np.exp(scores - scores.max())
    sure[label] = p[label] / p.sum()
    rank[label] = 1 + np.sum(scores > scores[label])
real = [data["X_train"][np.flatnonzero(data["y_train"] == k)[0]] for k in chosen]
show_pictures(
    [picture(x) for x in [*ideals.values(), *real]],
    [f"{words(k)} ({sure[k]:.0%})" for k in chosen] + ["a real one"] * len(chosen),
    alt="Above, the network's ideal pictures of six classes; below, a training picture "
    "of each: " + ", ".join(words(k) for k in chosen) + ".",
    columns=len(chosen),
    width=1.9,
)
if PROFILE == "full":
    # Of 18 classes, all were; 1 is to be expected of 20 pictures of anything else.
    share = np.mean([place <= 5 for place in rank.values()])
    check_at_least(
        "class visualizations",
        {"among the first five": (share, 0.8)},
        function="class_visualization_step",
    )

# %% [markdown] tags=["answer"] id="q4-2016-jitter"
# ### A question to answer in writing
#
# **TODO(Q4-2016):** Without the random shifts (`max_jitter=0`) the pictures get
# noisier. Which property of the network's layers makes a checkerboard of single pixels
# cheap for it, and why do shifts take that away?
#
# *Your answer:*
#
# <!-- BEGIN SOLUTION -->
# Five layers have a stride of 2: they look at each second place only. A pixel's
# gradient therefore depends on where it lies relative to that grid, and steps raise the
# pixels that many strided windows meet and neglect their neighbours: a regular pattern
# that is tied to the grid. After a shift by one pixel, the same pattern meets the grid
# differently and is worth little. Over many random shifts only what works at every
# position survives, which are shapes larger than the grid.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Feature inversion
#
# What does a layer still know of the picture? Take its features of a photo,
# $\varphi(I')$, and look for a picture that has the same ones (Mahendran and Vedaldi,
# 2015):
#
# $$I^* = \operatorname{argmin}_I \; \lVert \varphi(I) - \varphi(I') \rVert_2^2
# + \lambda \lVert I \rVert_2^2$$
#
# This time something is minimised, so the steps are those of gradient descent. Write
# `invert_features`. The check is as above: one step, in a random direction.

# %%
layer = 2
start = data["X_val"][1:2].astype(float)
target = precise.forward(X, end=layer)[0]
step = start - invert_features(
    target.copy(),
    *(layer, precise),
    start=start.copy(),
    learning_rate=rate,
    l2_reg=1e-3,
    num_iterations=1,
    blur_every=0,
)


def objective(X):
    difference = precise.forward(X, end=layer)[0] - target
    return np.sum(difference**2) + 1e-3 * np.sum(X**2)


along = np.sum(step * direction)
check(
    "invert_features",
    {"step": (along, rate * slope_along(direction, objective, start))},
    within=1e-4,
)

# %% [markdown]
# From layer 3 of 11, a kitten comes back nearly as it was.

# %%
kitten = read_image("kitten.jpg", size=(64, 64))
photo = preprocess_image(kitten, mean_image)


def invert(layer, **settings):
    """Return a picture from a layer's features, how it came about, and its error."""
    target = model.forward(photo, end=layer)[0]
    strip, errors = {}, []

    def note(t, X):
        strip[t] = picture(X)
        difference = model.forward(X, end=layer)[0] - target
        errors.append((t + 1, np.sum(difference**2) / np.sum(target**2)))

    settings["num_iterations"] = few(settings["num_iterations"])
    X = invert_features(
        target.copy(),
        layer,
        model,
        mean_image=mean_image,
        show=note,
        rng=np.random.default_rng(SEED),
        **settings,
    )
    return X, strip, errors


if is_original:
    SHALLOW = {"num_iterations": 400, "learning_rate": 5000, "blur_every": 10}
else:
    SHALLOW = {"num_iterations": 160, "learning_rate": 200, "blur_every": 1}
SHALLOW |= {"l2_reg": 1e-8, "show_every": SHALLOW["num_iterations"] // 4}
shallow, strip, errors = invert(3, **SHALLOW)
show_pictures(
    [kitten, *strip.values()],
    ["the photo", *(f"layer 3, iteration {t + 1}" for t in strip)],
    alt="A photo of a cat, and how it comes back out of noise from layer 3's features.",
    columns=6,
    width=2,
)
if PROFILE == "full":
    # Two other seeds: 0.003.
    limits = {"relative squared distance": (errors[-1][1], 0.1)}
    check_below("features of layer 3", limits, function="invert_features")

# %% [markdown]
# Deeper layers know less. Layer 6 puts out 512 maps of 4 by 4 places. Find settings
# that bring something recognisable back; ours are not the only ones.

# %%
if is_original:
    DEEP = {"num_iterations": 1000, "learning_rate": 15000, "blur_every": 200}
else:
    DEEP = {"num_iterations": 240, "learning_rate": 1000, "blur_every": 1}
DEEP |= {"l2_reg": 1e-8, "show_every": DEEP["num_iterations"] // 4}
deep, strip, errors = invert(6, **DEEP)
show_pictures(
    [kitten, *strip.values()],
    ["the photo", *(f"layer 6, iteration {t + 1}" for t in strip)],
    alt="A photo of a cat, and how it comes back out of noise from layer 6's features.",
    columns=6,
    width=2,
)
print(f"relative squared distance of the features: {errors[-1][1]:.4f}")

# %% [markdown] tags=["answer"] id="q4-2016-inversion"
# ### A question to answer in writing
#
# **TODO(Q4-2016):** How many numbers has the picture, how many has layer 3, and how
# many layer 6? Is counting them enough to know whether a picture can be brought back?
# Name something that is lost although there would be room for it.
#
# *Your answer:*
#
# <!-- BEGIN SOLUTION -->
# The picture has 3 · 64 · 64 = 12,288 numbers, layer 3 puts out 128 · 16 · 16 = 32,768
# and layer 6 512 · 4 · 4 = 8,192, two thirds of the picture's. So layer 6 must lose
# something and layer 3 need not. But counting says only what is possible. ReLUs set
# about half of the numbers to zero, and whatever the weights project away is gone,
# however many maps there are. A network is trained to say the same of a thing wherever
# it stands, in every light: exact places and faint shades of the background are of no
# use for that, and go first although there would be room to keep them.
# <!-- END SOLUTION -->

# %% [markdown]
# ## DeepDream
#
# Take what a layer sees in a photo and make it see more of it: gradient ascent on half
# the squared norm of its activations $\varphi(I)$ (Mordvintsev et al., 2015):
#
# $$I^* = \operatorname{argmax}_I \; \frac{1}{2} \lVert \varphi(I) \rVert_2^2$$
#
# Convolutions work on pictures of any size, so this one is larger, and only the mean
# *pixel* is subtracted. Write `deepdream`.

# %%
once = {"learning_rate": rate, "max_jitter": 0, "num_iterations": 1}
along = {}
for layer in (4, 10):  # the last layer's, the scores, may be negative
    step = deepdream(X.copy(), layer, precise, **once) - X
    rise = eval_numerical_gradient_array(
        lambda way, layer=layer: precise.forward(X + way * direction, end=layer)[0],
        np.zeros(1),
        precise.forward(X, end=layer)[0],
    )
    along[f"step, layer {layer}"] = np.sum(step * direction), rate * rise[0]
check("deepdream", along, within=1e-4)

# %%
img = read_image("kitten.jpg", 256)
X = preprocess_image(img, mean_image, mean="pixel")
DREAM = {"learning_rate": 2000, "num_iterations": 100, "show_every": 50}
if not is_original:
    DREAM |= {"learning_rate": 100, "num_iterations": 30, "show_every": 15}
DREAM |= {"num_iterations": few(DREAM["num_iterations"]), "mean_image": mean_image}

strip = {}
deepdream(
    X.copy(),
    7,
    model,
    show=lambda t, X: strip.__setitem__(t, picture(X, mean="pixel")),
    rng=np.random.default_rng(SEED),
    **DREAM,
)
show_pictures(
    list(strip.values()),
    [f"layer 7, iteration {t + 1}" for t in strip],
    alt="A photo of a cat into which the network paints more and more of what it "
    "believes to see.",
    columns=3,
    width=3.6,
)

# %% [markdown]
# ## Dreams of all sizes
#
# A layer's *receptive field*, the part of the picture that one of its numbers depends
# on, has a fixed size, and so have the shapes of this dream. For shapes of all sizes,
# dream in a small version of the photo first, enlarge what was dreamt, lay it over a
# larger version, and dream on. `deepdream_octaves` does that with your function.

# %%
short = {"num_iterations": -(-DREAM["num_iterations"] // 3)}
octaves = deepdream_octaves(
    X.copy(), 7, model, octaves=4, rng=np.random.default_rng(SEED), **DREAM | short
)
show_pictures(
    [img, picture(octaves, mean="pixel")],
    ["the photo", "dreamt in four sizes"],
    alt="A photo of a cat, and the same with dreamt shapes of all sizes.",
    columns=2,
    width=5,
)

# %% [markdown]
# ## What to take away
#
# - A score, a distance of features, a layer's activations: whatever can be
#   differentiated at the pixels can be maximised or minimised there.
# - Deeper layers keep less of the exact picture and more of what tells classes apart.
# - Maximising alone gives noise. Regularization decides what the picture looks like, so
#   part of what one sees in it is the regularizer's and not the network's.

# %% [markdown]
# ## Further reading
#
# - CS231n, lecture notes, [*Visualizing what ConvNets
#   learn*](https://cs231n.github.io/understanding-cnn/).
# - Yosinski et al., [*Understanding Neural Networks Through Deep
#   Visualization*](https://arxiv.org/abs/1506.06579) (2015).
# - Mahendran and Vedaldi, [*Understanding Deep Image Representations by Inverting
#   Them*](https://arxiv.org/abs/1412.0035) (2015).
# - Mordvintsev, Olah and Tyka, *Inceptionism: Going Deeper into Neural Networks*
#   (Google Research Blog, 2015): DeepDream.
# - Olah, Mordvintsev and Schubert, [*Feature
#   Visualization*](https://distill.pub/2017/feature-visualization/) (2017).

# %% [markdown] tags=["extra"]
# # Do something extra
#
# The 2016 edition gave up to ten points for something of your own. Three places to
# start from; the first one is worked out.
#
# 1. **What does each layer remember?** Invert the photo from one layer after another,
#    with the same effort. Where do the colours go, where the places, and when is it not
#    that cat any more?
# 2. **A zooming dream.** Dream a few steps, cut out the middle, enlarge it
#    (`cs231n.image_generation.resize`), dream on. `show_animation` in
#    `cs231n.lab.pixel_figures` makes a film of it.
# 3. **Fooling images that last.** Those of `ImageGradients.ipynb` may not survive a
#    shift by one pixel, or being saved as JPEG. Make some that do, and say what that
#    costs in size.

# %% tags=["extra"]
# Layer -> learning rate.
RATES = {1: 100, 3: 200, 5: 500, 6: 1000, 7: 1500}
if is_original:
    RATES = {1: 2000, 3: 5000, 5: 10000, 6: 15000, 7: 15000}
layers = RATES if PROFILE == "full" else [1, 6]

with attempt():
    memories, curves = {}, {}
    for layer in layers:
        X, _, errors = invert(
            layer,
            learning_rate=RATES[layer],
            num_iterations=80,
            l2_reg=1e-8,
            blur_every=1,
            show_every=8,
        )
        memories[layer] = picture(X)
        curves[f"layer {layer}"] = errors
    show_pictures(
        [kitten, *memories.values()],
        ["the photo", *(f"layer {layer}" for layer in memories)],
        alt="A photo of a cat, and how it comes back from ever deeper layers: first "
        "nearly as it was, then without fine detail, then as patches of colour, at "
        "last not at all.",
        columns=6,
        width=1.9,
    )
    plot_losses(
        curves,
        "Squared distance of the features, relative to their size",
        alt="Five curves, one for each layer, that fall over the iterations.",
    )

# %% [markdown] tags=["extra"]
# Look at the pictures, and write down which colours, places and shapes each layer
# keeps. What is missing may be lost in that layer, or 80 steps of gradient descent may
# just not have found it. The curves help to tell the two apart: one that still falls at
# the end would go on falling, and bring more back.
