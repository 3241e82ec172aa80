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
# ## Set-up

# %%
# %load_ext autoreload
# %autoreload 2
import os

import numpy as np

from cs231n.gradient_check import (
    check,
    check_below,
    eval_numerical_gradient,
    eval_numerical_gradient_array,
)

# %% tags=["parameters"]
# "full" trains to the end; "quick" shortens training and nothing else.
PROFILE = os.environ.get("CS231N_PROFILE", "full")
SEED = 231

# %%
from cs231n.captioning_solver import CaptioningSolver
from cs231n.classifiers.rnn import CaptioningRNN
from cs231n.coco_utils import decode_captions, load_coco_data, sample_coco_minibatch
from cs231n.figures import plot_losses, show_pictures, show_samples
from cs231n.image_utils import image_from_url
from cs231n.rnn_layers import *

# %% [markdown]
# ## Look at the data
#
# If the course's files of Microsoft COCO lie in `cs231n/datasets/coco_captioning`, they
# are used. If not, the package draws a data set of its own: little scenes, each with
# five captions, in the very same files and formats. Either way a picture is represented
# by 512 numbers that a pretrained convolutional network computed from it, and a caption
# by the indices of its words.

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
# ### A step forward
#
# Write `rnn_step_forward` in `cs231n/rnn_layers.py`. You should see an error of the
# order of `1e-8` or less.

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
check("rnn_step_forward", {"next_h": (next_h, expected_next_h)}, within=1e-8)

# %% [markdown]
# ### A step backward
#
# The backward step receives the gradient of the loss at $h_t$ and returns the gradients
# at all five inputs of the forward step. Write `rnn_step_backward`. It is compared with
# numerical gradients: each input is nudged a little, and your own forward step tells
# how the output moves. Expect errors of the order of `1e-8` or less.

# %%
np.random.seed(SEED)
N, D, H = 4, 5, 6
x, h = np.random.randn(N, D), np.random.randn(N, H)
Wx, Wh, b = np.random.randn(D, H), np.random.randn(H, H), np.random.randn(H)

out, cache = rnn_step_forward(x, h, Wx, Wh, b)
dnext_h = np.random.randn(*out.shape)
dx, dprev_h, dWx, dWh, db = rnn_step_backward(dnext_h, cache)


def next_h_of(_):
    return rnn_step_forward(x, h, Wx, Wh, b)[0]


check(
    "rnn_step_backward",
    {
        "dx": (dx, eval_numerical_gradient_array(next_h_of, x, dnext_h)),
        "dprev_h": (dprev_h, eval_numerical_gradient_array(next_h_of, h, dnext_h)),
        "dWx": (dWx, eval_numerical_gradient_array(next_h_of, Wx, dnext_h)),
        "dWh": (dWh, eval_numerical_gradient_array(next_h_of, Wh, dnext_h)),
        "db": (db, eval_numerical_gradient_array(next_h_of, b, dnext_h)),
    },
    within=1e-8,
)

# %% [markdown]
# ## Whole sequences
#
# ### A sequence forward
#
# `rnn_forward` starts from a given state $h_0$ and runs through all $T$ inputs of a
# sequence, for a minibatch of $N$ sequences at once. Build it from your step function.
# Errors of the order of `1e-7` or less.

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
check("rnn_forward", {"h": (h, expected_h)}, within=1e-7)

# %% [markdown]
# ### A sequence backward
#
# This is *backpropagation through time*. Each hidden state matters in two ways: it is
# an output at its own timestep, and it is an input to the next one. What you are given
# in `dh` is the first share only; the second one you collect on your way back. The
# weights are the same at every timestep, so all timesteps have a say in their
# gradients. Errors of the order of `1e-7` (`5e-7` is allowed).

# %%
np.random.seed(SEED)
N, D, T, H = 2, 3, 10, 5
x, h0 = np.random.randn(N, T, D), np.random.randn(N, H)
Wx, Wh, b = np.random.randn(D, H), np.random.randn(H, H), np.random.randn(H)

out, cache = rnn_forward(x, h0, Wx, Wh, b)
dout = np.random.randn(*out.shape)
dx, dh0, dWx, dWh, db = rnn_backward(dout, cache)


def h_of(_):
    return rnn_forward(x, h0, Wx, Wh, b)[0]


check(
    "rnn_backward",
    {
        "dx": (dx, eval_numerical_gradient_array(h_of, x, dout)),
        "dh0": (dh0, eval_numerical_gradient_array(h_of, h0, dout)),
        "dWx": (dWx, eval_numerical_gradient_array(h_of, Wx, dout)),
        "dWh": (dWh, eval_numerical_gradient_array(h_of, Wh, dout)),
        "db": (db, eval_numerical_gradient_array(h_of, b, dout)),
    },
    within=5e-7,
)

# %% [markdown]
# ## Words as vectors
#
# The network reads vectors, not indices. A *word embedding* is a table with one learned
# vector for each word of the vocabulary.
#
# ### Vectors forward
#
# Write `word_embedding_forward`. Errors of the order of `1e-8`.

# %%
N, T, V, D = 2, 4, 5, 3
x = np.array([[0, 3, 1, 2], [2, 1, 0, 3]])
W = np.linspace(0, 1, num=V * D).reshape(V, D)

out, _ = word_embedding_forward(x, W)
vectors = {
    0: [0.0, 0.07142857, 0.14285714],
    1: [0.21428571, 0.28571429, 0.35714286],
    2: [0.42857143, 0.5, 0.57142857],
    3: [0.64285714, 0.71428571, 0.78571429],
}
expected_out = np.array([[vectors[word] for word in row] for row in x.tolist()])
# The expected values are rounded to eight digits: that is the error you see.
check("word_embedding_forward", {"out": (out, expected_out)}, within=2e-8)

# %% [markdown]
# ### Vectors backward
#
# A word may occur many times in a minibatch, but has only one vector. Think about what
# that means for its gradient, then write `word_embedding_backward`. Errors of the order
# of `1e-11`.

# %%
np.random.seed(SEED)
N, T, V, D = 50, 3, 5, 6
x = np.random.randint(V, size=(N, T))
W = np.random.randn(V, D)

out, cache = word_embedding_forward(x, W)
dout = np.random.randn(*out.shape)
dW = word_embedding_backward(dout, cache)


def vectors_of(_):
    return word_embedding_forward(x, W)[0]


check(
    "word_embedding_backward",
    {"dW": (dW, eval_numerical_gradient_array(vectors_of, W, dout))},
    within=1e-11,
)

# %% [markdown]
# ## From hidden states to scores
#
# At every timestep an affine layer turns the hidden state into one score for each word
# of the vocabulary. It is the affine layer that you know, applied to $N \cdot T$ rows,
# and it is given: `temporal_affine_forward` and `temporal_affine_backward`. Run the
# check to see how it is used. Errors of the order of `1e-9`.

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
    within=1e-9,
)

# %% [markdown]
# ## The loss of a sentence
#
# At each timestep the softmax of the scores is a distribution over the next word, and
# the loss is the cross-entropy with the word that really comes. Captions have different
# lengths, and predicting the padding earns nothing: a boolean `mask` says which
# timesteps count. Losses are *summed* over time and *averaged* over the minibatch. This
# layer, `temporal_softmax_loss`, is given as well.
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
    within=1e-7,
)

# %% [markdown]
# ## The whole model
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
print(f"loss {loss:.11f}, expected {expected_loss}")
check_below("CaptioningRNN.loss", {"difference": (abs(loss - expected_loss), 1e-10)})

# %% [markdown]
# Every gradient is now compared with a numerical one, parameter by parameter. Errors
# around `5e-6` or less are fine: the loss is long, and differences are taken of large
# numbers.

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

loss, grads = model.loss(features, captions)


def model_loss(_):
    return model.loss(features, captions)[0]


check(
    "gradients of CaptioningRNN.loss",
    {
        name: (
            grads[name],
            eval_numerical_gradient(model_loss, model.params[name], False, h=1e-6),
        )
        for name in sorted(grads)
    },
    within=5e-6,
)

# %% [markdown]
# ## Overfit a handful of captions
#
# A model that cannot learn 50 captions by heart has a bug. `CaptioningSolver` (given,
# in `cs231n/captioning_solver.py`) draws minibatches and takes gradient steps; open it
# to see how your `loss` is used. After 100 iterations the loss should be below 0.1.

# %%
np.random.seed(SEED)
# No picture twice: two captions of one picture could not both be learned by heart.
small_data = load_coco_data(
    max_train=50, rng=np.random.default_rng(SEED), replace=False
)
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
# Of 169 other seeds one ends above 0.1. The average is 0.055, the standard deviation
# 0.014, and the check's limit nearly seven of them away.
check_below("RNN overfits 50 captions", {"final loss": (final_loss, 0.15)})

# %% [markdown]
# ## Write captions
#
# In training, the network reads the true words. At test time there are none: it reads
# the words that it wrote itself. Write `CaptioningRNN.sample`: feed `<START>`, take the
# word with the highest score, feed that, and so on.
#
# On the 50 training captions the result should be perfect or nearly so. On pictures
# that the model has never seen it will be fluent nonsense: 50 captions teach no one to
# see.

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
