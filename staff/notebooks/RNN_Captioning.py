# %% [markdown]
# # Captioning images with a recurrent network
#
# A network that has learned to recognise images turns a picture into a few hundred
# numbers. In this notebook you write, by hand, a second network that turns those
# numbers into an English sentence: a vanilla recurrent network (RNN), forward and
# backward.
#
# You will edit two files, `cs231n/rnn_layers.py` and `cs231n/classifiers/rnn.py`. Look
# for `TODO(Q1)` in them; everything else is given. Work from top to bottom: every check
# below prints your error beside the one that is allowed, and stops the notebook with
# the name of the result that is wrong.

# %% [markdown]
# ## Before you start
#
# - **What you will learn**: how a recurrent network reads and writes sequences, how
#   gradients flow back through time, and how layers that you have tested one by one
#   make a model that puts pictures into words.
# - **What you should know**: NumPy arrays and broadcasting, the chain rule, and affine
#   layers, softmax and cross-entropy as in the first two assignments.
# - **How long it takes**: with all functions written, the notebook runs in 10 seconds
#   on one core. Before that, the first run may draw its data set, which takes a few
#   minutes.

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
from cs231n.coco_utils import decode_captions, load_coco_data, sample_coco_minibatch
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
from cs231n.lab.captions import kind_of, show_samples
from cs231n.lab.checks import check_captions
from cs231n.lab.gradient_flow import show_gradient_flow
from cs231n.rnn_layers import *
from cs231n.support.figures import plot_losses, show_pictures

# %% [markdown]
# ## Look at the data
#
# If the course's files of Microsoft COCO lie in `cs231n/datasets/coco_captioning`, they
# are used. If not, the package draws a data set of its own: little scenes, each with
# five captions, in the very same files and formats. So do photos of yours, once they
# are built into a data set that `CS231N_CAPTIONS` names. In any case a picture is
# represented by 512 numbers that a pretrained convolutional network computed from it,
# and a caption by the indices of its words.

# %%
data = load_coco_data(pca_features=True)

for name, value in data.items():
    if isinstance(value, np.ndarray):
        print(f"{name:18} {type(value).__name__:8} {value.shape!s:14} {value.dtype}")
    else:
        print(f"{name:18} {type(value).__name__:8} {len(value)} entries")

# %% [markdown]
# Every caption starts with `<START>`, ends with `<END>` and is filled up with `<NULL>`,
# so that all rows have the same length. Words too rare for the vocabulary are `<UNK>`.

# %%
np.random.seed(SEED)
captions, features, urls = sample_coco_minibatch(data, batch_size=3)
show_pictures(
    [image_from_url(url) for url in urls],
    decode_captions(captions, data["idx_to_word"]),
    alt="Three training pictures, each with one of its captions below it.",
)

# %% [markdown]
# ## One timestep
#
# An RNN carries a hidden state $h$ from word to word. At each timestep it mixes the
# state it had with the input it reads, and squashes the result:
#
# $$h_t = \tanh(x_t W_x + h_{t-1} W_h + b)$$
#
# The lectures write $h_t = \tanh(W_{hh} h_{t-1} + W_{xh} x_t)$, where $x_t$ and
# $h_t$ are *column* vectors. Here, as in the earlier assignments, each example of a
# minibatch is a *row*, so the weights stand on the right and are the lectures' matrices
# transposed.

# %% [markdown]
# ### A step forward
#
# Write `rnn_step_forward` in `cs231n/rnn_layers.py`. You should see an error of the
# order of `1e-8` or less (below `1e-7` is allowed).

# %%
N, D, H = 3, 10, 4
x = np.linspace(-0.4, 0.7, num=N * D).reshape(N, D)
prev_h = np.linspace(-0.2, 0.5, num=N * H).reshape(N, H)
Wx = np.linspace(-0.1, 0.9, num=D * H).reshape(D, H)
Wh = np.linspace(-0.3, 0.7, num=H * H).reshape(H, H)
b = np.linspace(-0.2, 0.4, num=H)

next_h, _ = rnn_step_forward(x, prev_h, Wx, Wh, b)
expected_next_h = np.array(
    [
        [-0.58172089, -0.50182032, -0.41232771, -0.31410098],
        [0.66854692, 0.79562378, 0.87755553, 0.92795967],
        [0.97934501, 0.99144213, 0.99646691, 0.99854353],
    ]
)
check(
    "rnn_step_forward",
    {"next_h": (next_h, expected_next_h)},
    within=LIMITS["rnn_step_forward"],
    rounded=ROUNDED,
)

# %% [markdown]
# ### A step backward
#
# The backward step receives the gradient of the loss at $h_t$ and returns the gradients
# at all five inputs of the forward step. Write `rnn_step_backward`. It is compared with
# numerical gradients: each input is nudged a little, and your own forward step tells
# how the output moves. Expect errors of the order of `1e-8` or less (below `1e-7` is
# allowed). Your functions get `copies`, so they may change what they are given.

# %%
np.random.seed(SEED)
N, D, H = 4, 5, 6
x, h = np.random.randn(N, D), np.random.randn(N, H)
Wx, Wh, b = np.random.randn(D, H), np.random.randn(H, H), np.random.randn(H)

out, cache = rnn_step_forward(*copies(x, h, Wx, Wh, b))
dnext_h = np.random.randn(*out.shape)
dx, dprev_h, dWx, dWh, db = rnn_step_backward(dnext_h.copy(), cache)


def next_h_of(_):
    return rnn_step_forward(*copies(x, h, Wx, Wh, b))[0]


# Computing in float32 is fine: then the numerical gradients have few digits.
single = is_coarse(rnn_step_forward, x, h, Wx, Wh, b)
step = step_for(single)
check(
    "rnn_step_backward",
    {
        "dx": (dx, eval_numerical_gradient_array(next_h_of, x, dnext_h, step)),
        "dprev_h": (
            dprev_h,
            eval_numerical_gradient_array(next_h_of, h, dnext_h, step),
        ),
        "dWx": (dWx, eval_numerical_gradient_array(next_h_of, Wx, dnext_h, step)),
        "dWh": (dWh, eval_numerical_gradient_array(next_h_of, Wh, dnext_h, step)),
        "db": (db, eval_numerical_gradient_array(next_h_of, b, dnext_h, step)),
    },
    **limits_for(single, LIMITS["rnn_step_backward"]),
)

# %% [markdown]
# ## Whole sequences
#
# ### A sequence forward
#
# `rnn_forward` starts from a given state $h_0$ and runs through all $T$ inputs of a
# sequence, for a minibatch of $N$ sequences at once. Build it from your step function.
# Errors of the order of `1e-7` or less (below `1e-6` is allowed).

# %%
N, T, D, H = 2, 3, 4, 5
x = np.linspace(-0.1, 0.3, num=N * T * D).reshape(N, T, D)
h0 = np.linspace(-0.3, 0.1, num=N * H).reshape(N, H)
Wx = np.linspace(-0.2, 0.4, num=D * H).reshape(D, H)
Wh = np.linspace(-0.4, 0.1, num=H * H).reshape(H, H)
b = np.linspace(-0.7, 0.1, num=H)

h, _ = rnn_forward(x, h0, Wx, Wh, b)
expected_h = np.array(
    [
        [
            [-0.42070749, -0.27279261, -0.11074945, 0.05740409, 0.22236251],
            [-0.39525808, -0.22554661, -0.0409454, 0.14649412, 0.32397316],
            [-0.42305111, -0.24223728, -0.04287027, 0.15997045, 0.35014525],
        ],
        [
            [-0.55857474, -0.39065825, -0.19198182, 0.02378408, 0.23735671],
            [-0.27150199, -0.07088804, 0.13562939, 0.33099728, 0.50158768],
            [-0.51014825, -0.30524429, -0.06755202, 0.17806392, 0.40333043],
        ],
    ]
)
check(
    "rnn_forward",
    {"h": (h, expected_h)},
    within=LIMITS["rnn_forward"],
    rounded=ROUNDED,
)

# %% [markdown]
# ### A sequence backward
#
# This is *backpropagation through time*. Each hidden state matters in two ways: it is
# an output at its own timestep, and it is an input to the next one. What you are given
# in `dh` is the first share only; the second one you collect on your way back. The
# weights are the same at every timestep, so all timesteps have a say in their
# gradients.
#
# ![](images/rnn.svg)
#
# Write `rnn_backward`. Errors of the order of `1e-7` (below `1e-5` is allowed).

# %%
np.random.seed(SEED)
N, D, T, H = 2, 3, 10, 5
x, h0 = np.random.randn(N, T, D), np.random.randn(N, H)
Wx, Wh, b = np.random.randn(D, H), np.random.randn(H, H), np.random.randn(H)

out, cache = rnn_forward(*copies(x, h0, Wx, Wh, b))
dout = np.random.randn(*out.shape)
dx, dh0, dWx, dWh, db = rnn_backward(dout.copy(), cache)


def h_of(_):
    return rnn_forward(*copies(x, h0, Wx, Wh, b))[0]


# Keeping the states in float32 is fine: then the numerical gradients have few digits.
single = keeps_float32(rnn_forward)
step = step_for(single)
check(
    "rnn_backward",
    {
        "dx": (dx, eval_numerical_gradient_array(h_of, x, dout, step)),
        "dh0": (dh0, eval_numerical_gradient_array(h_of, h0, dout, step)),
        "dWx": (dWx, eval_numerical_gradient_array(h_of, Wx, dout, step)),
        "dWh": (dWh, eval_numerical_gradient_array(h_of, Wh, dout, step)),
        "db": (db, eval_numerical_gradient_array(h_of, b, dout, step)),
    },
    **limits_for(single, LIMITS["rnn_backward"]),
)

# %% [markdown]
# ### A long way back
#
# A gradient that goes back through $T$ timesteps meets the same matrix $W_h$ and the
# derivative of a tanh, which is at most 1, $T$ times over. Where these factors are
# small on the whole, it shrinks exponentially: this *vanishing gradient* leaves the
# first words of a long text nothing to learn from the last ones. Where they are large,
# it grows exponentially, an *exploding gradient*, and one step ruins the weights.
# Captions are short enough for an RNN to cope. The LSTM of the next notebook was
# invented for what is longer.

# %% [markdown]
# ## Words as vectors
#
# The network reads vectors, not indices. A *word embedding* is a table with one learned
# vector for each word of the vocabulary.
#
# ### Vectors forward
#
# Write `word_embedding_forward`. Errors of the order of `1e-8` (below `1e-7` is
# allowed).

# %%
N, T, V, D = 2, 4, 5, 3
x = np.array([[0, 3, 1, 2], [2, 1, 0, 3]])
W = np.linspace(0, 1, num=V * D).reshape(V, D)

out, _ = word_embedding_forward(*copies(x, W))
vectors = {
    0: [0.0, 0.07142857, 0.14285714],
    1: [0.21428571, 0.28571429, 0.35714286],
    2: [0.42857143, 0.5, 0.57142857],
    3: [0.64285714, 0.71428571, 0.78571429],
}
expected_out = np.array([[vectors[word] for word in row] for row in x.tolist()])
# The expected values are rounded to eight digits: that is the error you see.
check(
    "word_embedding_forward",
    {"out": (out, expected_out)},
    within=LIMITS["word_embedding_forward"],
    rounded=ROUNDED,
)

# %% [markdown]
# ### Vectors backward
#
# A word may occur many times in a minibatch, but has only one vector. Think about what
# that means for its gradient, then write `word_embedding_backward`. Errors of the order
# of `1e-11` (below `1e-10` is allowed).

# %%
np.random.seed(SEED)
N, T, V, D = 50, 3, 5, 6
x = np.random.randint(V, size=(N, T))
W = np.random.randn(V, D)

dout = np.random.randn(N, T, D)
single = is_coarse(lambda table: word_embedding_forward(*copies(x, table)), W)
step = step_for(single)


def both_gradients(words):
    def vectors(_):
        return word_embedding_forward(*copies(words, W))[0]

    _, cache = word_embedding_forward(*copies(words, W))
    dW = word_embedding_backward(dout.copy(), cache)
    return dW, eval_numerical_gradient_array(vectors, W, dout, step)


check(
    "word_embedding_backward",
    {
        "dW": both_gradients(x),
        "dW, last word absent": both_gradients(x % (V - 1)),
    },
    **limits_for(single, LIMITS["word_embedding_backward"]),
)

# %% [markdown]
# ## From hidden states to scores
#
# At every timestep an affine layer turns the hidden state into one score for each word
# of the vocabulary. (Such scores, which a softmax has yet to turn into probabilities,
# are also called *logits*.) It is the affine layer that you know, applied to
# all $N \cdot T$ rows, and it is given: `temporal_affine_forward` and
# `temporal_affine_backward`. Run the check to see how it is used. Errors of the order
# of `1e-9` (below `1e-8` is allowed).

# %%
np.random.seed(SEED)
N, T, D, M = 2, 3, 4, 5
x, w, b = np.random.randn(N, T, D), np.random.randn(D, M), np.random.randn(M)

out, cache = temporal_affine_forward(x, w, b)
dout = np.random.randn(*out.shape)
dx, dw, db = temporal_affine_backward(dout, cache)


def scores_of(_):
    return temporal_affine_forward(x, w, b)[0]


check(
    "temporal_affine_backward",
    {
        "dx": (dx, eval_numerical_gradient_array(scores_of, x, dout)),
        "dw": (dw, eval_numerical_gradient_array(scores_of, w, dout)),
        "db": (db, eval_numerical_gradient_array(scores_of, b, dout)),
    },
    within=LIMITS["temporal_affine_backward"],
)

# %% [markdown]
# ## The loss of a sentence
#
# At each timestep the softmax of the scores is a distribution over the next word. That
# makes the network a *language model*: a model of how probable each word is after the
# words before it. Ours has seen a picture besides. The loss is the cross-entropy with
# the word that really comes. Captions have different lengths, and what the network
# predicts where there is only padding shall neither raise nor lower the loss: a boolean
# `mask` says which timesteps count. Losses are *summed* over time and *averaged* over
# the minibatch. This layer, `temporal_softmax_loss`, is given as well.
#
# ![](images/temporal-softmax.svg)
#
# With tiny random scores all ten words are about equally probable, so each timestep
# that counts should cost about $\log 10 \approx 2.3$.


# %%
def random_loss(N, T, V, p):
    x = 0.001 * np.random.randn(N, T, V)
    y = np.random.randint(V, size=(N, T))
    mask = np.random.rand(N, T) <= p
    return temporal_softmax_loss(x, y, mask)[0]


one_word = random_loss(100, 1, 10, 1.0)
ten_words = random_loss(100, 10, 10, 1.0)
a_tenth_of_them = random_loss(5000, 10, 10, 0.1)
print(f"one word: {one_word:.4f} (about 2.3)")
print(f"ten words: {ten_words:.4f} (about 23)")
print(f"ten words, of which a tenth counts: {a_tenth_of_them:.4f} (2.2 to 2.4)")
check(
    "temporal_softmax_loss of random scores",
    {
        "one word": (one_word, 2.3027781774290146),
        "ten words": (ten_words, 23.025985953127226),
        "a tenth of them": (a_tenth_of_them, 2.264361179029339),
    },
    within=1e-9,
)

# %%
N, T, V = 7, 8, 9
x, y = np.random.randn(N, T, V), np.random.randint(V, size=(N, T))
mask = np.random.rand(N, T) > 0.5
loss, dx = temporal_softmax_loss(x, y, mask)


def loss_of(_):
    return temporal_softmax_loss(x, y, mask)[0]


check(
    "temporal_softmax_loss",
    {"dx": (dx, eval_numerical_gradient(loss_of, x, verbose=False))},
    within=LIMITS["temporal_softmax_loss"],
)

# %% [markdown]
# ## The whole model
#
# `CaptioningRNN.loss` is given whole captions and makes two of each: `captions_in`, all
# words but the last, which the network reads, and `captions_out`, all words but the
# first, which it is to predict. The two are the same words, shifted by one timestep:
#
# | timestep | 1 | 2 | 3 | 4 | 5 |
# | --- | --- | --- | --- | --- | --- |
# | `captions_in` | `<START>` | a | red | boat | `<END>` |
# | `captions_out` | a | red | boat | `<END>` | `<NULL>` |
# | `mask` | True | True | True | True | False |
#
# At each timestep the network reads the *true* word, whatever it would have predicted
# itself. This is *teacher forcing*: one wrong guess does not spoil the lesson for the
# words after it.

# %% [markdown]
# ### Layer after layer
#
# Now put the layers together. Open `cs231n/classifiers/rnn.py` and write
# `CaptioningRNN.loss` for `cell_type="rnn"`:
#
# 1. an affine layer turns the image features into the initial hidden state;
# 2. the embedding turns the caption's words into vectors;
# 3. the RNN reads them and yields a hidden state for each;
# 4. the temporal affine layer turns those into scores for the *next* word;
# 5. the temporal softmax compares them with the words that come.
#
# ![](images/captioning.svg)
#
# Then go back through all five to get the gradient of every parameter. The difference
# from the stored loss should be below `1e-10`.

# %%
N, D, W, H = 10, 20, 30, 40
word_to_idx = {"<NULL>": 0, "cat": 2, "dog": 3}
V, T = len(word_to_idx), 13

model = CaptioningRNN(
    word_to_idx,
    input_dim=D,
    wordvec_dim=W,
    hidden_dim=H,
    cell_type="rnn",
    dtype=np.float64,
)
for name, value in model.params.items():
    model.params[name] = np.linspace(-1.4, 1.3, num=value.size).reshape(value.shape)
features = np.linspace(-1.5, 0.3, num=N * D).reshape(N, D)
captions = (np.arange(N * T) % V).reshape(N, T)

loss, grads = model.loss(features, captions)
expected_loss = 9.83235591003
print(f"loss {loss}, expected {expected_loss}")

# Captions with all kinds of words, and states of either sign.
other_words = {"<NULL>": 0, "<START>": 1, "<END>": 2, "cat": 3, "dog": 4}
random = np.random.RandomState(231)
model = CaptioningRNN(other_words, D, W, H, cell_type="rnn", dtype=np.float64)
for name in sorted(model.params):
    model.params[name] = random.randn(*model.params[name].shape) / 5
other_loss, _ = model.loss(random.randn(N, D), random.randint(5, size=(N, T)))
check(
    "CaptioningRNN.loss",
    {"loss": (loss, expected_loss), "other words": (other_loss, 17.327227891551)},
    within=LIMITS["CaptioningRNN.loss, difference"],
    absolute=True,
    rounded=ROUNDED,
)

# %% [markdown]
# Every gradient is now compared with a numerical one, parameter by parameter. Errors
# around `1e-6` are fine (below `1e-5` is allowed). They are larger than for a single
# layer: the loss comes out of a long chain of operations, and a numerical gradient is
# the tiny difference between two nearly equal losses, in which digits get lost.

# %%
np.random.seed(SEED)
batch_size, timesteps, input_dim, wordvec_dim, hidden_dim = 2, 3, 4, 5, 6
vocab_size = len(word_to_idx)
captions = np.random.randint(vocab_size, size=(batch_size, timesteps))
features = np.random.randn(batch_size, input_dim)
model = CaptioningRNN(
    word_to_idx,
    input_dim=input_dim,
    wordvec_dim=wordvec_dim,
    hidden_dim=hidden_dim,
    cell_type="rnn",
    dtype=np.float64,
)


def model_loss(_):
    # On copies of all, the parameters included.
    own, *batch = copies(model, features, captions)
    return own.loss(*batch)


_, grads = model_loss(None)
single = loss_keeps_float32(model, features, captions)
step = step_for(single, 1e-6)
check(
    "gradients of CaptioningRNN.loss",
    {
        name: (
            grads.get(name),
            eval_numerical_gradient(lambda _: model_loss(_)[0], value, False, step),
        )
        for name, value in model.params.items()
    },
    **limits_for(single, LIMITS["CaptioningRNN.loss, gradients"], coarse=1e-3),
)

# %% [markdown]
# ## Overfit a handful of captions
#
# Elsewhere *overfitting*, learning the training data by heart, is what one wants to
# avoid. Here it is a test: a model that cannot learn 50 captions by heart has a bug.
# `CaptioningSolver` (given, in `cs231n/captioning_solver.py`) draws minibatches and
# takes gradient steps that minimise the loss; open it to see how your `loss` is used.
# After 100 iterations the loss should be below 0.1 or thereabouts (0.15 is allowed).

# %%
np.random.seed(SEED)
small_data = load_coco_data(max_train=50)
small_rnn_model = CaptioningRNN(
    word_to_idx=data["word_to_idx"],
    input_dim=data["train_features"].shape[1],
    hidden_dim=512,
    wordvec_dim=256,
    cell_type="rnn",
    dtype=np.float32,
)
small_rnn_solver = CaptioningSolver(
    small_rnn_model,
    small_data,
    update_rule="adam",
    optim_config={"learning_rate": 5e-3},
    lr_decay=0.95,
    num_epochs=50,
    batch_size=25,
    print_every=10,
)

# %%
small_rnn_solver.train()
plot_losses(
    {"minibatch loss": small_rnn_solver.loss_history},
    "Overfitting 50 captions with an RNN",
    alt="Training loss of the RNN over 100 iterations, falling steeply towards zero.",
)
final_loss = small_rnn_solver.loss_history[-1]
# Of 500 other seeds none ends above 0.1, the worst at 0.088. The average is 0.045 and
# the standard deviation 0.010; draws of long captions end highest.
if kind_of(data) == "photos":
    print(f"Final loss {final_loss:.3f}. Left out: its limit is that of other data.")
else:
    check_below(
        "RNN overfits 50 captions",
        {"final loss": (final_loss, 0.1)},
        function="CaptioningRNN.loss",
    )

# %% [markdown]
# ## Write captions
#
# In training, the network reads the true words. At test time there are none: it reads
# the words that it wrote itself, so that a mistake early on may lead it to sentences
# which training never showed it. Write `CaptioningRNN.sample`: feed `<START>`, take the
# word with the highest score, feed that, and so on. (Taking the best word at once is
# called *greedy* decoding.) The check has a small model with fixed weights write four
# captions; what follows `<END>` does not count.

# %%
toy_words = ["<NULL>", "<START>", "<END>", "a", "red", "boat", "sails", "by"]
word_to_idx = {word: index for index, word in enumerate(toy_words)}
model = CaptioningRNN(word_to_idx, 4, 5, 6, cell_type="rnn", dtype=np.float64)
np.random.seed(12338)  # with these weights, each word wins by a wide margin
for name, value in model.params.items():
    model.params[name] = 2 * np.random.randn(*value.shape)
features = np.random.randn(4, 4)

toy_captions = model.sample(features, max_length=5)  # as long as the longest one
expected = [[7, 4, 2], [6, 4, 4, 0, 2], [6, 7, 7, 4, 2], [6, 0, 2]]
check_captions("CaptioningRNN.sample", toy_captions, expected, toy_words)

# %% [markdown]
# Now the model that you have trained. On the 50 training captions the result should be
# perfect or nearly so. On validation pictures, which the model has never seen, it will
# be fluent nonsense. It has overfitted and does not *generalise*, that is, it has
# learned nothing that holds for other pictures: 50 captions teach no one to see.

# %%
np.random.seed(SEED)
show_samples(small_rnn_model, small_data, "train")

# %%
show_samples(small_rnn_model, small_data, "val")

# %% [markdown]
# The model has seen each of these captions many times, so it should reproduce them word
# for word.

# %%
np.random.seed(SEED)
captions, features, _ = sample_coco_minibatch(small_data, batch_size=50)
samples = small_rnn_model.sample(features, max_length=captions.shape[1] - 1)
truths = decode_captions(captions[:, 1:], data["idx_to_word"])
samples = decode_captions(samples, data["idx_to_word"])
same = [sample == truth for sample, truth in zip(samples, truths, strict=True)]
print(f"{sum(same)} of {len(same)} training captions are reproduced word for word")

# %% [markdown]
# ## How far do gradients reach?
#
# Look back from each word of a long caption that the model has learned: how much of the
# gradient of that word's loss arrives at the states before it? `show_gradient_flow`
# (given) asks your own functions, with the gradient of one loss at a time. At the left,
# each row is the loss of a word and each column a state; white is the length that the
# gradient began with, blue is shorter, red is longer. The table has the numbers.
#
# Then multiply `Wh` of a copy of the model by 0.3 or by 3 (`copies(small_rnn_model)`),
# and look again. With `slider=True`, a slider lets you follow one loss.

# %%
captions = small_data["train_captions"]
n = int(np.argmax((captions != data["word_to_idx"]["<NULL>"]).sum(axis=1)))
features = small_data["train_features"][small_data["train_image_idxs"][n]]
show_gradient_flow(small_rnn_model, features, captions[n])

# %% [markdown] tags=["answer"] id="q1-characters-or-words"
# ## A question to answer in writing
#
# **TODO(Q1):** This model writes word by word. One could as well write letter by
# letter, with an alphabet for a vocabulary. Give one advantage and one disadvantage of
# that, as compared with words.
#
# *Your answer:*
#
# <!-- BEGIN SOLUTION -->
# A model of letters needs a few dozen output classes instead of thousands, so the
# embedding and the final layer, which hold most of the parameters here, become tiny,
# and it can write any word, rare names and misspellings included: there is no `<UNK>`.
# The price is that sequences become five or six times longer. The recurrence has to
# carry the picture's content, and what it began to say, over many more timesteps,
# gradients have farther to travel, sampling is slower, and part of the network's
# capacity goes into learning to spell.
# <!-- END SOLUTION -->

# %% [markdown]
# ## What to take away
#
# - A recurrent network uses the same weights at every timestep, and its hidden state is
#   all that it knows of the past.
# - Backpropagation through time is ordinary backpropagation through a network that is
#   as deep as its sequence is long. Hence gradients that vanish or explode.
# - A captioning model is a language model that begins with a picture. Teacher forcing
#   trains it on true words; at test time it reads its own.
# - Compare each layer with numerical gradients, then overfit a handful of examples:
#   these two tests find nearly all bugs before a long training does.

# %% [markdown]
# ## Further reading
#
# - CS231n (spring 2017), lecture 10, *Recurrent Neural Networks*.
# - Goodfellow, Bengio and Courville, [*Deep
#   Learning*](https://www.deeplearningbook.org/) (2016), chapter 10, on sequences.
# - Karpathy, [*The Unreasonable Effectiveness of Recurrent Neural
#   Networks*](https://karpathy.github.io/2015/05/21/rnn-effectiveness/) (2015):
#   language models of letters, and what they write.
# - Vinyals et al., [*Show and Tell: A Neural Image Caption
#   Generator*](https://arxiv.org/abs/1411.4555) (2015), and Karpathy and Fei-Fei,
#   [*Deep Visual-Semantic Alignments for Generating Image
#   Descriptions*](https://arxiv.org/abs/1412.2306) (2015): where this model comes from.
# - Pascanu, Mikolov and Bengio, [*On the Difficulty of Training Recurrent Neural
#   Networks*](https://arxiv.org/abs/1211.5063) (2013): vanishing and exploding
#   gradients.
# - Bengio et al., [*Scheduled Sampling for Sequence Prediction with Recurrent Neural
#   Networks*](https://arxiv.org/abs/1506.03099) (2015): between teacher forcing and a
#   network's own words.
