# %% [markdown]
# # Captioning images with an LSTM
#
# A vanilla RNN forgets quickly: whatever it carries is multiplied by the same matrix
# and squashed at every word, and so are its gradients on their way back, which vanish.
# The *long short-term memory* (LSTM) gives the network a second state, the cell, which
# is changed only by adding to it and by forgetting on purpose. In this notebook you
# write it, forward and backward, and then train a captioning model that really works.
#
# You will edit `cs231n/rnn_layers.py` and `cs231n/classifiers/rnn.py` again: look for
# `TODO(Q2)`. Finish `RNN_Captioning.ipynb` first; the embedding, `loss` and `sample` of
# that notebook are needed here.

# %% [markdown]
# ## Before you start
#
# - **What you will learn**: how gates make a memory that lasts, why gradients survive
#   in it, how a captioning model is trained to be good on pictures it has never seen,
#   and how captions are judged.
# - **What you should know**: all of `RNN_Captioning.ipynb`, and the derivative of the
#   sigmoid.
# - **How long it takes**: with all functions written, the notebook runs in 2½ minutes
#   on one core, of which the long training near the end takes most.

# %% [markdown]
# ## Set-up

# %%
# %load_ext autoreload
# %autoreload 2
import os

import numpy as np

from cs231n.gradient_check import eval_numerical_gradient, eval_numerical_gradient_array
from cs231n.lab.checks import check, check_below

# %% tags=["parameters"]
# "full" trains to the end; "quick" shortens training and nothing else.
PROFILE = os.environ.get("CS231N_PROFILE", "full")
SEED = 231

# %%
from cs231n.captioning_solver import CaptioningSolver
from cs231n.classifiers.rnn import CaptioningRNN
from cs231n.coco_utils import (
    captions_folder,
    decode_captions,
    load_coco_data,
    sample_coco_minibatch,
)
from cs231n.gradient_check import (
    LIMITS,
    ROUNDED,
    copies,
    is_coarse,
    keeps_float32,
    limits_for,
    loss_keeps_float32,
    step_for,
)
from cs231n.image_utils import image_from_url
from cs231n.lab.attempts import attempt
from cs231n.lab.caption_metrics import bleu, cider
from cs231n.lab.captions import kind_of, measure_gates, plot_gates, show_samples
from cs231n.lab.checks import check_at_least, check_captions
from cs231n.lab.gradient_flow import show_gradient_flow
from cs231n.rnn_layers import *
from cs231n.support.figures import plot_losses, show_pictures

# %% [markdown]
# ## The data
#
# The same as before: pictures as 512 numbers, captions as word indices.

# %%
data = load_coco_data(pca_features=True)

for name, value in data.items():
    if isinstance(value, np.ndarray):
        print(f"{name:18} {type(value).__name__:8} {value.shape!s:14} {value.dtype}")
    else:
        print(f"{name:18} {type(value).__name__:8} {len(value)} entries")

# %% [markdown]
# ## One timestep
#
# Like the RNN, an LSTM mixes the input with the hidden state, but it does so four times
# over, with $W_x$ of shape $(D, 4H)$, $W_h$ of shape $(H, 4H)$ and $b$ of length $4H$:
#
# $$a = x_t W_x + h_{t-1} W_h + b$$
#
# Cut $a$ into four blocks of $H$ columns, $a_i, a_f, a_o, a_g$, in this order. Three of
# them become *gates* between 0 and 1, the fourth one is what might be written:
#
# $$i = \sigma(a_i) \quad f = \sigma(a_f) \quad o = \sigma(a_o) \quad g = \tanh(a_g)$$
#
# The forget gate $f$ says how much of the old cell stays, the input gate $i$ how much
# of $g$ is added to it, the output gate $o$ how much of the cell is shown outside:
#
# $$c_t = f \odot c_{t-1} + i \odot g \qquad\qquad h_t = o \odot \tanh(c_t)$$
#
# ![](images/lstm.svg)
#
# Here $\sigma$ is the sigmoid and $\odot$ multiplies number by number. Examples are
# rows again; with the column vectors of the lectures, weights stand on the left.
#
# ### A step forward
#
# Write `lstm_step_forward` in `cs231n/rnn_layers.py`; a stable `sigmoid` is given
# there. Errors of the order of `1e-8` or less (below `1e-7` is allowed).

# %%
N, D, H = 3, 4, 5
x = np.linspace(-0.4, 1.2, num=N * D).reshape(N, D)
prev_h = np.linspace(-0.3, 0.7, num=N * H).reshape(N, H)
prev_c = np.linspace(-0.4, 0.9, num=N * H).reshape(N, H)
Wx = np.linspace(-2.1, 1.3, num=4 * D * H).reshape(D, 4 * H)
Wh = np.linspace(-0.7, 2.2, num=4 * H * H).reshape(H, 4 * H)
b = np.linspace(0.3, 0.7, num=4 * H)

next_h, next_c, _ = lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b)
expected_next_h = np.array(
    [
        [0.24635157, 0.28610883, 0.32240467, 0.35525807, 0.38474904],
        [0.49223563, 0.55611431, 0.61507696, 0.66844003, 0.7159181],
        [0.56735664, 0.66310127, 0.74419266, 0.80889665, 0.858299],
    ]
)
expected_next_c = np.array(
    [
        [0.32986176, 0.39145139, 0.451556, 0.51014116, 0.56717407],
        [0.66382255, 0.76674007, 0.87195994, 0.97902709, 1.08751345],
        [0.74192008, 0.90592151, 1.07717006, 1.25120233, 1.42395676],
    ]
)
check(
    "lstm_step_forward",
    {"next_h": (next_h, expected_next_h), "next_c": (next_c, expected_next_c)},
    within=LIMITS["lstm_step_forward"],
    rounded=ROUNDED,
)

# %% [markdown]
# ### A step backward
#
# Two gradients come in, at the next hidden state and at the next cell state, and six go
# out. The one at the cell state leaves out what the cell state does to the loss by way
# of the hidden state. Write `lstm_step_backward`. Errors of the order of `1e-7` or less
# (below `1e-6` is allowed). Your functions get `copies`, so they may change what they
# are given.

# %%
np.random.seed(SEED)
N, D, H = 4, 5, 6
x, prev_h, prev_c = np.random.randn(N, D), np.random.randn(N, H), np.random.randn(N, H)
Wx, Wh = np.random.randn(D, 4 * H), np.random.randn(H, 4 * H)
b = np.random.randn(4 * H)

next_h, next_c, cache = lstm_step_forward(*copies(x, prev_h, prev_c, Wx, Wh, b))
dnext_h, dnext_c = np.random.randn(*next_h.shape), np.random.randn(*next_c.shape)
dx, dprev_h, dprev_c, dWx, dWh, db = lstm_step_backward(
    *copies(dnext_h, dnext_c), cache
)


def next_h_of(_):
    return lstm_step_forward(*copies(x, prev_h, prev_c, Wx, Wh, b))[0]


def next_c_of(_):
    return lstm_step_forward(*copies(x, prev_h, prev_c, Wx, Wh, b))[1]


# Computing in float32 is fine: then the numerical gradients have few digits.
single = is_coarse(lstm_step_forward, x, prev_h, prev_c, Wx, Wh, b)
step = step_for(single)


def numeric(array):
    through_h = eval_numerical_gradient_array(next_h_of, array, dnext_h, step)
    through_c = eval_numerical_gradient_array(next_c_of, array, dnext_c, step)
    return through_h + through_c


check(
    "lstm_step_backward",
    {
        "dx": (dx, numeric(x)),
        "dprev_h": (dprev_h, numeric(prev_h)),
        "dprev_c": (dprev_c, numeric(prev_c)),
        "dWx": (dWx, numeric(Wx)),
        "dWh": (dWh, numeric(Wh)),
        "db": (db, numeric(b)),
    },
    **limits_for(single, LIMITS["lstm_step_backward"]),
)

# %% [markdown]
# ## Whole sequences
#
# ### A sequence forward
#
# `lstm_forward` runs through a sequence. It is given the initial hidden state; the cell
# starts at zero, and its later states stay inside: only hidden states are returned.
# Errors of the order of `1e-7` or less (below `1e-6` is allowed).

# %%
N, D, H, T = 2, 5, 4, 3
x = np.linspace(-0.4, 0.6, num=N * T * D).reshape(N, T, D)
h0 = np.linspace(-0.4, 0.8, num=N * H).reshape(N, H)
Wx = np.linspace(-0.2, 0.9, num=4 * D * H).reshape(D, 4 * H)
Wh = np.linspace(-0.3, 0.6, num=4 * H * H).reshape(H, 4 * H)
b = np.linspace(0.2, 0.7, num=4 * H)

h, _ = lstm_forward(x, h0, Wx, Wh, b)
expected_h = np.array(
    [
        [
            [0.01764008, 0.01823233, 0.01882671, 0.0194232],
            [0.11287491, 0.12146228, 0.13018446, 0.13902939],
            [0.31358768, 0.33338627, 0.35304453, 0.37250975],
        ],
        [
            [0.45767879, 0.4761092, 0.4936887, 0.51041945],
            [0.6704845, 0.69350089, 0.71486014, 0.7346449],
            [0.81733511, 0.83677871, 0.85403753, 0.86935314],
        ],
    ]
)
check(
    "lstm_forward",
    {"h": (h, expected_h)},
    within=LIMITS["lstm_forward"],
    rounded=ROUNDED,
)

# %% [markdown]
# ### A sequence backward
#
# Write `lstm_backward`. This time two gradients travel from timestep to timestep.
# Errors of the order of `1e-8` (below `1e-7` is allowed); at `dWh`, where numbers of
# very different sizes are compared, below `1e-5` is allowed.

# %%
np.random.seed(SEED)
N, D, T, H = 2, 3, 10, 6
x, h0 = np.random.randn(N, T, D), np.random.randn(N, H)
Wx, Wh = np.random.randn(D, 4 * H), np.random.randn(H, 4 * H)
b = np.random.randn(4 * H)

out, cache = lstm_forward(*copies(x, h0, Wx, Wh, b))
dout = np.random.randn(*out.shape)
dx, dh0, dWx, dWh, db = lstm_backward(dout.copy(), cache)


def h_of(_):
    return lstm_forward(*copies(x, h0, Wx, Wh, b))[0]


allowed = dict.fromkeys(["dx", "dh0", "dWx", "db"], LIMITS["lstm_backward"])
allowed["dWh"] = LIMITS["lstm_backward, dWh"]
# Keeping the states in float32 is fine: then the numerical gradients have few digits.
single = keeps_float32(lstm_forward, gates=4)
step = step_for(single)
check(
    "lstm_backward",
    {
        "dx": (dx, eval_numerical_gradient_array(h_of, x, dout, step)),
        "dh0": (dh0, eval_numerical_gradient_array(h_of, h0, dout, step)),
        "dWx": (dWx, eval_numerical_gradient_array(h_of, Wx, dout, step)),
        "dWh": (dWh, eval_numerical_gradient_array(h_of, Wh, dout, step)),
        "db": (db, eval_numerical_gradient_array(h_of, b, dout, step)),
    },
    **limits_for(single, allowed),
)

# %% [markdown]
# ### Why gradients survive
#
# Follow a gradient from a cell state back to that of the timestep before. Along this
# path there is no matrix and no tanh: all that happens to it is what the forget gate
# did on the way forward. A unit that keeps its cell, with a gate close to 1, hands its
# gradient back nearly unchanged, over as many timesteps as it keeps it, so what it
# learns from may lie far ahead. Gradients still *vanish* where gates are closed, but
# then the network has decided to forget. (They can *explode* as before on the way
# through $W_h$; where that happens, training cuts off gradients that are too long:
# *gradient clipping*.)

# %% [markdown] tags=["answer"] id="q2-gates"
# ## A question to answer in writing
#
# **TODO(Q2):** The gates $i$, $f$ and $o$ use a sigmoid, while tanh is used for $g$ and
# for the cell state where it becomes the hidden state. Would the LSTM still do its work
# if every sigmoid were replaced by tanh? And by ReLU? Give a reason for each.
#
# *Your answer:*
#
# <!-- BEGIN SOLUTION -->
# A gate is a share: how much is kept, written or shown. The sigmoid gives numbers from
# 0 to 1, which is what a share is. With tanh, gates become negative: a forget gate of
# -1 would flip the sign of all that the cell remembers at each step instead of
# forgetting it, and the neutral value at zero input is 0 (forget everything) rather
# than 1/2. Such a network can be trained to some degree, but its cell is no longer a
# memory that things are added to and cleared from. With ReLU, gates have no upper
# limit: a forget gate above 1 makes the cell grow by a factor at every timestep, and
# its gradient with it, so that gradients explode; and a gate stuck at 0 passes no
# gradient at all, so that they vanish, which is mainly what the LSTM was invented
# against.
# <!-- END SOLUTION -->

# %% [markdown]
# ## The whole model
#
# Open `cs231n/classifiers/rnn.py` again and let `CaptioningRNN.loss` handle
# `cell_type="lstm"` too. Done well, this takes very few lines. The difference from the
# stored loss should be below `1e-10`.

# %%
N, D, W, H = 10, 20, 30, 40
word_to_idx = {"<NULL>": 0, "cat": 2, "dog": 3}
V, T = len(word_to_idx), 13

model = CaptioningRNN(
    word_to_idx,
    input_dim=D,
    wordvec_dim=W,
    hidden_dim=H,
    cell_type="lstm",
    dtype=np.float64,
)
for name, value in model.params.items():
    model.params[name] = np.linspace(-1.4, 1.3, num=value.size).reshape(value.shape)
features = np.linspace(-0.5, 1.7, num=N * D).reshape(N, D)
captions = (np.arange(N * T) % V).reshape(N, T)

loss, grads = model.loss(features, captions)
expected_loss = 9.82445935443
print(f"loss {loss}, expected {expected_loss}")

# Captions with all kinds of words, and states of either sign.
other_words = {"<NULL>": 0, "<START>": 1, "<END>": 2, "cat": 3, "dog": 4}
random = np.random.RandomState(231)
model = CaptioningRNN(other_words, D, W, H, cell_type="lstm", dtype=np.float64)
for name in sorted(model.params):
    model.params[name] = random.randn(*model.params[name].shape) / 5
other_loss, _ = model.loss(random.randn(N, D), random.randint(5, size=(N, T)))
check(
    "CaptioningRNN.loss, lstm",
    {"loss": (loss, expected_loss), "other words": (other_loss, 15.140606044061)},
    within=LIMITS["CaptioningRNN.loss, difference"],
    absolute=True,
    rounded=ROUNDED,
)

# %% [markdown]
# And its gradients. With the weights drawn below, they are numbers of the order of 1,
# or zero: look at the largest difference from the numerical ones instead of the
# relative error (below `1e-5` is allowed).

# %%
np.random.seed(SEED)
captions = np.random.randint(V, size=(2, 3))
features = np.random.randn(2, 4)
model = CaptioningRNN(
    word_to_idx,
    input_dim=4,
    wordvec_dim=5,
    hidden_dim=6,
    cell_type="lstm",
    dtype=np.float64,
)
# Larger weights than usual, so that no gradient is lost in rounding.
for name, value in model.params.items():
    model.params[name] = np.random.randn(*value.shape)


def model_loss(_):
    # On copies of all, the parameters included.
    own, *batch = copies(model, features, captions)
    return own.loss(*batch)


_, grads = model_loss(None)
single = loss_keeps_float32(model, features, captions)
step, allowed = step_for(single), LIMITS["CaptioningRNN.loss, gradients"]
check(
    "gradients of CaptioningRNN.loss, lstm",
    {
        name: (
            grads.get(name),
            eval_numerical_gradient(lambda _: model_loss(_)[0], value, False, step),
        )
        for name, value in model.params.items()
    },
    **limits_for(single, allowed, absolute=True, coarse=1e-3),
)

# %% [markdown]
# ## Overfit a handful of captions
#
# The same test as for the RNN. After 100 iterations the loss should be below 0.5.

# %%
np.random.seed(SEED)
small_data = load_coco_data(max_train=50)
small_lstm_model = CaptioningRNN(
    word_to_idx=data["word_to_idx"],
    input_dim=data["train_features"].shape[1],
    hidden_dim=512,
    wordvec_dim=256,
    cell_type="lstm",
    dtype=np.float32,
)
small_lstm_solver = CaptioningSolver(
    small_lstm_model,
    small_data,
    update_rule="adam",
    optim_config={"learning_rate": 5e-3},
    lr_decay=0.995,
    num_epochs=50,
    batch_size=25,
    print_every=10,
)

# %%
small_lstm_solver.train()
plot_losses(
    {"minibatch loss": small_lstm_solver.loss_history},
    "Overfitting 50 captions with an LSTM",
    alt="Training loss of the LSTM over 100 iterations, falling towards zero.",
)
final_loss = small_lstm_solver.loss_history[-1]
# Fifty other seeds do not come near: 0.028 on average, with a standard deviation of
# 0.005; the worst ends at 0.043.
if kind_of(data) == "photos":
    print(f"Final loss {final_loss:.3f}. Left out: its limit is that of other data.")
else:
    check_below(
        "LSTM overfits 50 captions",
        {"final loss": (final_loss, 0.5)},
        function="CaptioningRNN.loss:lstm",
    )

# %% [markdown]
# ## Write captions
#
# Let `CaptioningRNN.sample` handle LSTM cells. As before, a small model with fixed
# weights writes four captions first; what follows `<END>` does not count.

# %%
toy_words = ["<NULL>", "<START>", "<END>", "a", "red", "boat", "sails", "by"]
word_to_idx = {word: index for index, word in enumerate(toy_words)}
model = CaptioningRNN(word_to_idx, 4, 5, 6, cell_type="lstm", dtype=np.float64)
np.random.seed(14068)  # with these weights, each word wins by a wide margin
for name, value in model.params.items():
    model.params[name] = 2 * np.random.randn(*value.shape)
features = np.random.randn(4, 4)[::-1]

toy_captions = model.sample(features, max_length=8)
expected = [
    [3, 0, 2],
    [3, 3, 0, 7, 3, 0, 2],
    [0, 3, 0, 3, 3, 3, 2],
    [3, 3, 3, 0, 7, 3, 0, 2],
]
check_captions("CaptioningRNN.sample, lstm", toy_captions, expected, toy_words)

# %% [markdown]
# Now the model that you have trained: its training captions should come out right, and
# the validation captions need not.

# %%
np.random.seed(SEED)
show_samples(small_lstm_model, small_data, "train")

# %%
show_samples(small_lstm_model, small_data, "val")

# %% [markdown] tags=["extra"]
# ## Extra: make it fast
#
# Your model spends much of its time on nothing: on timesteps after a caption's end, on
# scores that the mask throws away, on projecting the word "a" a hundred times. In
# `cs231n/extras/fast_rnn.py` you can write a twin that skips all that and returns
# the same loss and the same gradients. It is not needed for the rest: where it is not
# written, or not right, the plain model is used.

# %%
BestModel = CaptioningRNN  # until there is a faster one

# %% tags=["extra"]
import time

from cs231n.support.accuracy import as_number


def measured(Model, features, captions):
    """Return loss, gradients and words of a model, and say how long it takes."""
    np.random.seed(SEED)
    contender = Model(
        data["word_to_idx"],
        input_dim=features.shape[1],
        hidden_dim=512,
        wordvec_dim=256,
        cell_type="lstm",
        dtype=np.float32,
    )
    loss, grads = contender.loss(*copies(features, captions))
    words = contender.sample(features.copy())
    seconds = []
    for _ in range(5):
        batch = copies(features, captions)
        start = time.perf_counter()
        contender.loss(*batch)
        seconds.append(time.perf_counter() - start)
    print(f"{Model.__name__:18} {1000 * min(seconds):4.0f} ms for 100 captions")
    return loss, grads, words


with attempt():
    from cs231n.extras.fast_rnn import FastCaptioningRNN

    captions, features, _ = sample_coco_minibatch(data, batch_size=100)
    plain = measured(CaptioningRNN, features, captions)
    fast = measured(FastCaptioningRNN, features, captions)

    differences = {"loss": (abs(as_number(fast[0]) / as_number(plain[0]) - 1), 1e-6)}
    for name, grad in plain[1].items():
        difference = np.abs(grad - fast[1][name]).max() / np.abs(grad).max()
        differences[f"d{name}"] = (difference, 1e-5)
    check_below("packed captions against padded ones", differences)
    BestModel = FastCaptioningRNN

# %% [markdown]
# ## Train a real model
#
# Now train on everything, and watch the loss on captions of pictures that are not
# trained on. This takes a minute or two: with a learning rate that begins high and
# falls fast, four epochs do what a gentler one needs eight for. A little noise on the
# features, new in each minibatch, keeps the model from learning pictures by heart.
# Whatever keeps a model from fitting its training data too closely is called
# *regularization*. Try without the noise, and compare the two curves: *overfitting*
# shows where the validation loss rises while the training loss falls.
#
# To be able to stop and go on another day, name a file such as `"captioner.npz"` in
# `CHECKPOINT`: the run then continues where it was. (Delete the file when you have
# changed your code.)
#
# Photos of your own may be few: then a smaller model passes over them more often. The
# validation loss begins to rise long before the end, while captions still get no worse.
# Ending with the parameters of the lowest loss is called *early stopping*
# (`keep_best=True`): but what was chosen by some pictures must not be scored on them,
# so that whoever tries it keeps a part of the training pictures for choosing.

# %%
CHECKPOINT = None
are_photos = kind_of(data) == "photos"
if are_photos:
    wordvec_dim, hidden_dim, batch_size, rate, decay = 128, 128, 50, 5e-3, 0.95
    per_epoch = max(1, len(data["train_captions"]) // batch_size)  # iterations
    epochs = max(4, min(16, 1500 // per_epoch), 100 // per_epoch)
    val_every = max(10, per_epoch)
else:
    wordvec_dim, hidden_dim, batch_size, rate, decay = 256, 512, 100, 3e-3, 0.4
    epochs, val_every = 4, 150
if PROFILE != "full":
    epochs = max(1, epochs // 4)

np.random.seed(SEED)
captioner = BestModel(
    word_to_idx=data["word_to_idx"],
    input_dim=data["train_features"].shape[1],
    hidden_dim=hidden_dim,
    wordvec_dim=wordvec_dim,
    cell_type="lstm",
    dtype=np.float32,
)
solver = CaptioningSolver(
    captioner,
    data,
    update_rule="adam",
    optim_config={"learning_rate": rate},
    lr_decay=decay,
    num_epochs=epochs,
    batch_size=batch_size,
    feature_noise=0.0 if are_photos else 0.3,
    print_every=100,
    val_every=val_every,
    val_size=min(500, len(data["val_captions"])),
    checkpoint=CHECKPOINT,
)
# The features are large, so that fifty captions are soon learned. In a long training
# the weights that meet them would learn pictures by heart, too: they start smaller and
# learn more slowly than the rest.
if not are_photos:
    captioner.params["W_proj"] /= 16
    solver.optim_configs["W_proj"]["learning_rate"] /= 16

# %%
solver.train()
plot_losses(
    {
        "minibatch of training captions": solver.loss_history,
        "validation captions": solver.val_loss_history,
    },
    "Training an LSTM on all captions",
    alt="Training and validation loss over the iterations of the long run, both "
    "falling and then levelling off.",
)

# %% [markdown]
# ## How good is it?
#
# Metrics for captions compare *n-grams*, runs of $n$ words: "a red boat" has the
# 2-grams "a red" and "red boat". BLEU-4 asks which share of a caption's 1-, 2-, 3- and
# 4-grams occurs in any of the picture's true captions, and takes something off captions
# that are too short. CIDEr compares n-grams as well, but one that few pictures'
# captions have weighs more than one that nearly all have. Both are given in
# `cs231n/lab/caption_metrics.py`.
#
# *Greedy* captions take the best word at each timestep. *Beam search* keeps several
# partial captions at once, so that a word that looks second best can still win by what
# follows it. (Beam search is another extra exercise, in `CaptioningRNN._beam_search`.)

# %%
# "<UNK>" tells a reader nothing: the model shall choose words that do.
captioner.params["b_vocab"][data["word_to_idx"]["<UNK>"]] = -1e3

val_images = np.unique(data["val_image_idxs"])[:1000]
rows_of = {image: [] for image in val_images}
for row, image in enumerate(data["val_image_idxs"]):
    if image in rows_of:
        rows_of[image].append(row)


def plain_text(captions):
    texts = decode_captions(captions, data["idx_to_word"])
    return [t.replace("<START>", "").replace("<END>", "").strip() for t in texts]


references = [plain_text(data["val_captions"][rows_of[image]]) for image in val_images]
features = data["val_features"][val_images]
written = {"greedy": plain_text(captioner.sample(features.copy()))}
with attempt():
    # Captions of one picture are about equally long: no need to weigh their length.
    beams = captioner.sample(features.copy(), beam_width=5, length_power=0)
    written["beam of 5"] = plain_text(beams)

scores = {}
for name, captions in written.items():
    scores[name] = [*bleu(captions, references), cider(captions, references)]
    line = "  ".join(f"{score:.3f}" for score in scores[name])
    print(f"{name:10} BLEU-1..4, CIDEr: {line}")

# %% [markdown]
# Drawn scenes allow a stricter question. A grammar wrote their captions, so a
# generated caption can be *read back* and compared with the scene itself: does it name
# all the things there are, in all their colours, in the right order, on the right
# ground?

# %%
are_drawn = kind_of(data) == "scenes"
if are_drawn:
    from cs231n.drawing.scenes.grammar import score
    from cs231n.drawing.scenes.scene import scene_from_url

    scenes = [scene_from_url(data["val_urls"][image]) for image in val_images]
    read_back = {name: score(captions, scenes) for name, captions in written.items()}
    for name, facts in read_back.items():
        line = "  ".join(f"{fact} {share:.0%}" for fact, share in facts.items())
        print(f"{name:10} {line}")
else:
    print("Left out: only captions of drawn scenes can be read back.")

if are_drawn and PROFILE == "full":
    floors = {"things": 0.93, "ground": 0.97, "order": 0.88, "colours": 0.80}
    facts = read_back["greedy"]
    check_at_least(
        "captions of unseen scenes",
        {"BLEU-4": (scores["greedy"][3], 0.70)}
        | {name: (facts[name], floor) for name, floor in floors.items()},
        function="CaptioningRNN.loss:lstm",
    )
    if len(written) > 1:
        greedy, beam = scores.values()
        gain = beam[3] - greedy[3]
        with attempt():
            check_at_least("beam search", {"gain in BLEU-4 over greedy": (gain, 0.0)})

# %% [markdown]
# And here is what it looks like, on pictures that the model has never seen.

# %%
few = min(9, len(val_images))
chosen = np.random.RandomState(SEED).choice(len(val_images), size=few, replace=False)
show_pictures(
    [image_from_url(data["val_urls"][val_images[n]]) for n in chosen],
    [written["greedy"][n] for n in chosen],
    alt=f"Pictures that the model has not been trained on, {few} of them, each with "
    "the caption it wrote: " + "; ".join(written["greedy"][n] for n in chosen) + ".",
)

# %% [markdown] tags=["extra"]
# ## Extra: habit, or picture?
#
# A caption can be right without a look at the picture: whoever begins with "a" and goes
# on with what most pictures show will often be right, out of habit. How much of your
# scores is that? Let the model caption each picture with the features of *another* one,
# and score what it writes against the picture's own true captions, as before. What is
# left of the scores needs no picture.
#
# In `cs231n/extras/habit.py`, write `other_pictures`, which deals the pictures out so
# that none stays where it was, and `right_words`, which counts for each word how often
# it is right. The figure compares the two: where the dots of a word lie together, it is
# right by habit, where they lie apart, because of the picture.

# %% tags=["extra"]
with attempt():
    from cs231n.extras.habit import other_pictures, right_words
    from cs231n.lab.captions import plot_habit

    other = other_pictures(len(val_images), np.random.default_rng(SEED))
    kept = int(np.sum(other == np.arange(len(val_images))))
    check_below("another's pictures", {"that stayed where they were": (kept, 1)})
    shown = {
        "its own picture": written["greedy"],
        "another's picture": plain_text(captioner.sample(features[other].copy())),
    }
    for name, captions in shown.items():
        parts = [*bleu(captions, references), cider(captions, references)]
        line = "  ".join(f"{part:.3f}" for part in parts)
        print(f"{name:18} BLEU-1..4, CIDEr: {line}")
    plot_habit(*(right_words(captions, references) for captions in shown.values()))

# %% [markdown] tags=["answer", "extra"] id="q2-habit"
# ### A question to answer in writing
#
# **TODO(extra):** Which words does this model write out of habit, and which because it
# has seen the picture? How much of BLEU-1 is left with another's picture, how much of
# BLEU-4 and of CIDEr, and why do these fall so differently? Give the numbers. Where one
# model beats another by a little in BLEU-1, would you believe that it sees more?
#
# *Your answer:*
#
# <!-- BEGIN SOLUTION -->
# Of drawn scenes, after one epoch: BLEU-1 falls from 0.92 to 0.35, BLEU-4 from 0.83 to
# 0.06, CIDEr from 5.1 to 0.3. What needs no picture are articles and little words, "a",
# "and", "in", which are right nearly as often with another's picture: every caption has
# some. Colours, things and grounds are right nine times in ten with their own picture
# and once or twice in ten with another's, about as often as their share among all
# scenes: those the model has seen. BLEU-1 counts single words, so habit alone earns
# more than a third of it. A run of four words nearly always holds a thing or a colour,
# and CIDEr gives words that most pictures' captions have no weight. So a little more in
# BLEU-1 may be nothing but better habits, such as the right length and the most
# frequent words, and says nothing about seeing: look at what falls when pictures are
# exchanged.
# Of 154 photos of COCO's, 123 to learn from, BLEU-1 falls from 0.49 to 0.41 only, CIDEr
# from 0.18 to 0.06: that model has learned to write, and a little to see.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Watch the gates
#
# What does the memory do while a caption is written? Each row below is one unit of the
# LSTM, each column a word that it has just read. Look for units whose cell is cleared
# at a particular kind of word.

# %%
n = int(max(chosen, key=lambda n: len(written["greedy"][n].split())))
words = ["<START>", *written["greedy"][n].split()]
gates = measure_gates(captioner, features[n], [data["word_to_idx"][w] for w in words])
plot_gates(
    gates,
    words,
    alt="Three heat maps, for the 40 liveliest units over the words of the caption "
    f"'{written['greedy'][n]}': the share of the cell that is kept, what is written to "
    "it, and the share that is shown.",
)

# %% [markdown]
# ## How far do gradients reach?
#
# The same caption, looked at as in the notebook before: how much of the gradient of
# each word's loss arrives at the states before it, and how open are the gates on its
# way? Compare with the RNN there.

# %%
caption = np.array([data["word_to_idx"][word] for word in [*words, "<END>"]])
show_gradient_flow(captioner, features[n], caption)

# %% [markdown]
# ## A picture of your own
#
# Put the name of a photo or drawing of yours in `PHOTO`. The model has only ever seen
# the data above: one that was trained on drawn scenes and is shown a photograph will do
# its best to see a scene in it.

# %%
from pathlib import Path

import matplotlib

from cs231n.image_utils import load_image

PHOTO = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"

if kind_of(data) == "coco":
    print("COCO's features come from a VGG network that this package does not have.")
else:
    from cs231n.embedded.captions import photo_features

    photo = load_image(PHOTO)
    seen = photo_features(photo, captions_folder())
    caption = plain_text(captioner.sample(seen))[0]
    show_pictures(
        [photo],
        [caption],
        alt=f"The photo {PHOTO.name}, with the caption that the model wrote: {caption}",
    )

# %% [markdown]
# ## What to take away
#
# - An LSTM's cell is a memory that is added to and cleared by gates. Along it,
#   gradients meet nothing but the forget gate, and need not vanish.
# - A new kind of layer fits into the old model unchanged, as long as it keeps to the
#   same interface: states in, states out, gradients back.
# - Whether a model generalises shows on data that it was not trained on. Regularization
#   narrows the gap between the two losses.
# - Metrics such as BLEU count n-grams. They are cheap and comparable, and do not know
#   what a sentence says: look at captions, too.

# %% [markdown]
# ## Further reading
#
# - CS231n (spring 2017), lecture 10, *Recurrent Neural Networks*.
# - Olah, [*Understanding LSTM
#   Networks*](https://colah.github.io/posts/2015-08-Understanding-LSTMs/) (2015).
# - Hochreiter and Schmidhuber, *Long Short-Term Memory* (Neural Computation, 1997), and
#   Gers, Schmidhuber and Cummins, *Learning to Forget: Continual Prediction with LSTM*
#   (Neural Computation, 2000), which added the forget gate.
# - Greff et al., [*LSTM: A Search Space Odyssey*](https://arxiv.org/abs/1503.04069)
#   (2015): which of its parts matter.
# - Karpathy, Johnson and Fei-Fei, [*Visualizing and Understanding Recurrent
#   Networks*](https://arxiv.org/abs/1506.02078) (2015): what single cells keep.
# - Papineni et al., [*BLEU: a Method for Automatic Evaluation of Machine
#   Translation*](https://aclanthology.org/P02-1040/) (2002), and Vedantam, Zitnick and
#   Parikh, [*CIDEr: Consensus-based Image Description
#   Evaluation*](https://arxiv.org/abs/1411.5726) (2015).
