# %% [markdown]
# # Gradients at the pixels
#
# Backpropagation was invented to get gradients at weights. It passes the pixels on its
# way and would give the gradient there for free, but training has no use for it. This
# notebook has: with a finished network and gradients at the pixels we ask
#
# 1. **Saliency maps**: which pixels does the network's prediction rest on?
# 2. **Fooling images**: how little must a picture change for the prediction to change?
#
# Everything here is NumPy: the network, its forward pass, and its backward pass, which
# you wrote the parts of in the second assignment. You will edit
# `cs231n/image_gradients.py`: look for `TODO(Q3-2016)`.

# %% [markdown]
# ## Before you start
#
# - **What you will learn**: how gradients at the pixels show what a network looks at,
#   how easily they fool it, and how backpropagation gets to the pixels without any
#   framework.
# - **What you should know**: convolutional networks and the backward passes of their
#   layers, as in the second assignment.
# - **How long it takes**: with all functions written, the notebook runs in 40 seconds
#   on one core. Before that, the first run may train its network, which takes some
#   minutes.

# %% [markdown]
# ## Set-up

# %%
# %load_ext autoreload
# %autoreload 2
import os

import numpy as np

from cs231n.gradient_check import eval_numerical_gradient
from cs231n.lab.checks import check, check_below

# %% tags=["parameters"]
# "full" does everything; "quick" takes fewer pictures and an untrained network.
PROFILE = os.environ.get("CS231N_PROFILE", "full")
SEED = 231

# %%
from cs231n.classifiers.pretrained_cnn import PretrainedCNN
from cs231n.data_utils import find_tiny_imagenet, load_tiny_imagenet
from cs231n.gradient_check import copies
from cs231n.image_gradients import compute_saliency_maps, make_fooling_image
from cs231n.image_utils import blur_image, deprocess_image
from cs231n.lab.checks import check_at_least
from cs231n.lab.pixel_figures import show_maps
from cs231n.support.figures import show_pictures

rng = np.random.default_rng(SEED)

# %% [markdown]
# ## A hundred classes of small pictures
#
# TinyImageNet-100-A is a cut of ImageNet: 100 classes, pictures of 64 by 64 pixels. If
# you have it and the network that was trained on it (`tiny-imagenet-100-A/` and
# `pretrained_model.h5` in the data folder), they are used. If not, the package draws a
# hundred classes of its own, in the same folders and files, and trains the same network
# on them. That takes some minutes, once.

# %%
folder, h5_file = find_tiny_imagenet(quick=PROFILE != "full")
data = load_tiny_imagenet(folder, subtract_mean=True)

for name, value in data.items():
    if isinstance(value, np.ndarray):
        print(f"{name:12} {value.shape!s:18} {value.dtype}")

# %% [markdown]
# Each class has one name or several.

# %%
class_names = data["class_names"]
for label, names in enumerate(class_names):
    print(label, ", ".join(f'"{name}"' for name in names))

# %% [markdown]
# The network reads pixels from 0 to 255 minus the mean picture of the training data.
# `deprocess_image` adds it again. Some pictures of each of seven classes:


# %%
def picture(x):
    """Return a picture (3, H, W) as it is shown: (H, W, 3), 0 to 255."""
    return deprocess_image(x, data["mean_image"])


def words(label):
    return class_names[int(label)][0]


classes = rng.choice(len(class_names), 7, replace=False)
examples = {
    label: rng.choice(np.flatnonzero(data["y_train"] == label), 5, replace=False)
    for label in classes
}
show_pictures(
    [
        picture(data["X_train"][examples[label][row]])
        for row in range(5)
        for label in classes
    ],
    [words(label) if row == 0 else "" for row in range(5) for label in classes],
    alt="Five training pictures of each of seven classes, a column for a class: "
    + ", ".join(words(label) for label in classes)
    + ".",
    columns=7,
    width=1.5,
)

# %% [markdown]
# ## A trained network
#
# `PretrainedCNN` has nine layers of convolution, batch normalization and ReLU, which
# halve the picture five times, and two affine layers. Read it: it is a hundred lines.
# `forward(X, start, end, mode)` runs any stretch of its layers and `backward` goes the
# same way back, all the way to the pixels. In *test mode*, batch normalization uses the
# means and variances that it collected in training, so that a picture's scores do not
# depend on the other pictures of the batch.

# %%
model = PretrainedCNN(h5_file=h5_file)

print(f"{sum(w.size for w in model.params.values()):,} weights")

# %% [markdown]
# How good is it? On TinyImageNet, about 90 % of the training pictures and about 60 % of
# the validation pictures are right. Chance would be 1 %.

# %%
number = 100 if PROFILE == "full" else 10
right = {}
for split in ("train", "val"):
    X, y = data[f"X_{split}"], data[f"y_{split}"]
    chosen = rng.choice(len(X), number, replace=False)
    right[split] = (model.loss(X[chosen]).argmax(axis=1) == y[chosen]).mean()
    print(f"{split:5} accuracy on {number} pictures: {right[split]:.2f}")

if PROFILE == "full":
    floors = {"train": 0.65, "val": 0.4}  # of only so many pictures
    check_at_least("accuracy", {k: (right[k], floor) for k, floor in floors.items()})

# %% [markdown]
# ## Saliency maps
#
# Change one pixel a little: how much does the score of the right class change? (The
# score before any softmax, that is: the *logit*.) That is the gradient of the score at
# the pixel. Its absolute value, and of the three colours
# the largest one, is the pixel's *saliency* (Simonyan et al., 2014).
#
# ![](images/pixel-gradient.svg)
#
# Write `compute_saliency_maps` in `cs231n/image_gradients.py`. The check compares it
# with numerical gradients at a few pixels, on a copy of the network that computes in
# float64; errors of the order of `1e-7`.

# %%
precise = PretrainedCNN(dtype=np.float64, h5_file=h5_file)
X, y = data["X_val"][:5].astype(float), data["y_val"][:5]
saliency = compute_saliency_maps(*copies(X, y), precise)


def slope_at(n, row, column, label):
    """Return the numerical gradient of a score at the three colours of a pixel."""
    around = X[n : n + 1].copy()

    def score_of(colours):
        around[0, :, row, column] = colours
        return precise.loss(around)[0, label]

    colours = X[n, :, row, column].copy()
    return eval_numerical_gradient(score_of, colours, verbose=False)


spots = [(0, 31, 20), (0, 40, 33), (1, 25, 40), (3, 8, 9), (4, 33, 30)]
expected = np.array([np.abs(slope_at(*spot, y[spot[0]])).max() for spot in spots])
found = [saliency[spot] for spot in spots]
check("compute_saliency_maps", {"saliency": (found, expected)}, within=1e-5)

# %% [markdown]
# Five validation pictures that were picked at random, and five that were not. Bright
# pixels are those that matter.


# %%
def show_saliency_maps(chosen):
    X, y = data["X_val"][chosen], data["y_val"][chosen]
    verdicts = model.loss(X).argmax(axis=1)
    show_maps(
        np.stack([picture(x) for x in X]),
        {"saliency": compute_saliency_maps(*copies(X, y), model)},
        [
            words(label)
            if label == said
            else f"{words(label)}\n(taken for {words(said)})"
            for label, said in zip(y, verdicts, strict=True)
        ],
        alt="Five small pictures and below each its saliency map: bright spots on "
        "black, most of them on the thing itself.",
    )


show_saliency_maps(rng.choice(len(data["X_val"]), 5, replace=False))

# %%
show_saliency_maps(np.array([128, 3225, 2417, 1640, 4619]) % len(data["X_val"]))

# %% [markdown] tags=["answer"] id="q3-2016-saliency-scores"
# ### A question to answer in writing
#
# **TODO(Q3-2016):** We took the gradient of the score and not that of the probability
# after the softmax, although the probability is what one reads off. Picture a network
# that is very sure of itself. What would its saliency maps look like with
# probabilities, and why?
#
# *Your answer:*
#
# <!-- BEGIN SOLUTION -->
# They would be nearly black, and what is left of them would be about the other classes.
# The gradient of the probability $p_y$ is $p_y$ times the difference between the
# gradient of $s_y$ and the average of all scores' gradients, weighted with their
# probabilities. If $p_y$ is almost 1, that average is almost the gradient of $s_y$
# itself and the difference almost zero: nothing can make the network much surer, so no
# pixel seems to matter, though the prediction rests on them. Also, the probability can
# rise because the other scores fall. The score asks about its own class alone.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Fooling images
#
# Training uses gradient *descent*, steps against the gradient, to minimise a loss.
# Gradient *ascent* takes steps along it, to maximise a score. Do that with the score of
# a *wrong* class, at the pixels of a picture, until it is the highest one. What comes
# out is also called an *adversarial example* (Szegedy et al., 2014; Goodfellow et al.,
# 2015). Write `make_fooling_image`. In this example the network is to take a validation
# picture that it knows for something else: for the class that comes second for it. Of
# forty pictures we choose the one where that class is nearest to coming first. Not
# every climb arrives, so if this one does not, the next nearest picture has its turn.

# %% [markdown]
# How long a step is is your choice; where it goes is not. The check looks at the first
# one, at a few pixels.

# %%
shown = []


def remember(X, *arguments, **named):
    shown.append(X.copy())
    return PretrainedCNN.forward(precise, X, *arguments, **named)


start = X[:1]
target_y = int(precise.loss(start)[0].argsort()[-2])
precise.forward = remember
ended = make_fooling_image(start.copy(), target_y, precise)
del precise.forward
first = next((x for x in shown if (x != start).any()), ended) - start
spots = [(31, 20), (40, 33), (25, 40), (8, 9), (33, 30)]
step = np.concatenate([first[0, :, row, column] for row, column in spots])
slope = np.concatenate([slope_at(0, *spot, target_y) for spot in spots])
found, expected = (v / np.linalg.norm(v) for v in (step, slope))
direction = {"direction of the first step": (found, expected)}
check("make_fooling_image", direction, within=1e-3, absolute=True)

# %%
some = rng.permutation(len(data["X_val"]))[: 40 if PROFILE == "full" else 5]
known = some[model.loss(data["X_val"][some]).argmax(axis=1) == data["y_val"][some]]
some = known if len(known) else some
scores, labels = model.loss(data["X_val"][some]), data["y_val"][some]
leader, second = scores.argsort(axis=1)[:, :-3:-1].T
ahead = scores.max(axis=1) - scores[np.arange(len(some)), second]

for i in ahead.argsort()[:5]:
    original, target_y = data["X_val"][some[[i]]], int(second[i])
    fooling = make_fooling_image(original.copy(), target_y, model)
    said = int(model.loss(fooling).argmax())
    print(f"was {words(leader[i])}, is now {words(said)}")
    if said == target_y:
        break
check("make_fooling_image", {"class": (said, target_y)}, within=0)

# %% [markdown]
# What has changed? The difference is shown around a middle gray, as it is and ten times
# larger.


# %%
def show_fooling(original, fooling, label):
    change = (fooling - original)[0].transpose(1, 2, 0)
    show_pictures(
        [
            picture(original),
            picture(fooling),
            *(np.uint8((128 + k * change).clip(0, 255)) for k in (1, 10)),
        ],
        [
            words(label),
            words(model.loss(fooling).argmax()),
            "difference",
            "difference, 10 times larger",
        ],
        alt="A picture that the network knows, one that looks the same and that it "
        "takes for something else, and their difference, as it is and ten times "
        "enlarged: coloured patterns on gray, where the thing is.",
        columns=4,
        width=2.4,
    )
    print(
        f"largest change {np.abs(change).max():.1f} levels of 0..255, "
        f"root mean square {np.sqrt(np.mean(change**2)):.2f}"
    )


show_fooling(original, fooling, leader[i])

# %% [markdown]
# Was that luck? Other pictures, and for each two targets: the class that comes second
# for it anyway, and any other. Where a climb does not arrive, the reason is often this:
# what makes a thing a red boat is in part what makes it a red house, so the score of
# the class that leads may rise, too.

# %%
full = PROFILE == "full"
others = (labels + rng.integers(1, len(class_names), len(labels))) % len(class_names)
targets = {
    "the class that comes second": (second, 12 if full else 2),
    "any wrong class": (others, 4 if full else 2),  # a long way
}
for kind, (wanted, attempts) in targets.items():
    fooled, sizes = [], []
    for n, target in zip(some[:attempts], wanted, strict=False):
        before = data["X_val"][[n]]
        after = make_fooling_image(before.copy(), target, model)
        fooled.append(model.loss(after).argmax() == target)
        sizes.append(np.sqrt(np.mean((after - before) ** 2)))
    print(f"{kind}: {np.sum(fooled)} of {len(fooled)} fooled")
    print("   changes in levels of 0..255:", np.sort(sizes).round(1))
    if kind == "the class that comes second" and full:
        # Other draws of the twelve pictures give medians of 6 (deviation 2) and shares
        # of 0.86 (0.09): both limits are more than four deviations away. A climb that
        # does not arrive goes on for long, and says nothing about the way there.
        blamed = {"function": "cs231n.image_gradients.make_fooling_image"}
        arrived = np.array(sizes)[fooled] if any(fooled) else np.inf
        median = {"median, in levels": (np.median(arrived), 20)}
        check_below("change of a pixel", median, **blamed)
        check_at_least("fooling images", {"share": (np.mean(fooled), 0.4)}, **blamed)

# %% [markdown]
# Would noise do as well? Take the changes, put their pixels into a random order, and
# add them: just as large, but blind. How far does the target's score rise, for a first
# small part of the way?

# %%
change = fooling - original
shuffled = rng.permutation(change.ravel()).reshape(change.shape)
for name, way in (("the changes", change), ("shuffled", shuffled)):

    def score_on(part, way=way):
        return precise.loss(original + part * way)[0, target_y]

    rise = eval_numerical_gradient(score_on, np.zeros(1), False, h=1e-3)[0]
    said = words(model.loss(original + way).argmax())
    print(f"{name:12} the score rises by {rise:6.2f} per length; taken for {said}")

# %% [markdown] tags=["answer"] id="q3-2016-fooling-defence"
# ### A question to answer in writing
#
# **TODO(Q3-2016):** `blur_image` (`cs231n/image_utils.py`) blurs very slightly.
# Somebody wants to protect the network by blurring each picture before it is
# classified. Against whom does that help, and against whom does it not?
#
# *Your answer:*
#
# <!-- BEGIN SOLUTION -->
# It may help against somebody who does not know about it: the change was made for one
# exact pattern of pixels, much of it is fine grain, and blurring takes some of that
# away, often enough to bring the old prediction back. It does not help against somebody
# who does: blurring is a convolution like the others, so the blurred network has
# gradients at its pixels, too, and walking uphill on *its* score gives a fooling image
# for it. A defence that only hides the gradient is none.
# <!-- END SOLUTION -->

# %%
blurred = model.loss(blur_image(fooling)).argmax()
print(f"fooling image: {words(target_y)}; blurred: {words(blurred)}")

# %% [markdown]
# ## What to take away
#
# - Backpropagation gives gradients at anything that a score is computed from. All that
#   it needs at the start is a gradient at the scores.
# - Gradients at the pixels say how the score would change, pixel by pixel and colour by
#   colour.
# - Gradient ascent at the pixels changes a network's mind by small changes that noise
#   of the same size does not come near to.

# %% [markdown]
# ## Further reading
#
# - CS231n, lecture notes, [*Visualizing what ConvNets
#   learn*](https://cs231n.github.io/understanding-cnn/).
# - Simonyan, Vedaldi and Zisserman, [*Deep Inside Convolutional Networks: Visualising
#   Image Classification Models and Saliency Maps*](https://arxiv.org/abs/1312.6034)
#   (2014).
# - Szegedy et al., [*Intriguing Properties of Neural
#   Networks*](https://arxiv.org/abs/1312.6199) (2014), and Goodfellow, Shlens and
#   Szegedy, [*Explaining and Harnessing Adversarial
#   Examples*](https://arxiv.org/abs/1412.6572) (2015).
# - Zeiler and Fergus, [*Visualizing and Understanding Convolutional
#   Networks*](https://arxiv.org/abs/1311.2901) (2014): another way back to the pixels.
