# %% [markdown] same_as="# Generative adversarial networks"

# %% [markdown]
# You will edit `cs231n/gan_tf.py`: look for `TODO(Q5)`. This notebook may be done in
# the place of `GANs-PyTorch`; the better one counts. The extra exercise at the end is
# in `cs231n/extras/gan_extras_tensorflow.py`.

# %% [markdown]
# ## Before you start
#
# - **What you will learn**: how two networks train one another, why the choice of a
#   loss decides whether the generator learns, what convolutions add, and how fakes are
#   judged.
# - **What you should know**: `tf.keras.Sequential`, optimizers and training loops of
#   TensorFlow, sigmoid and binary cross-entropy, convolutions and batch normalization.
# - **How long it takes**: with all functions written, the notebook runs in 4 minutes on
#   one core.

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
from pathlib import Path

from cs231n.embedded.digit_reader import load_digit_reader
from cs231n.embedded.digits import load_digits
from cs231n.gan_tf import *
from cs231n.gradient_check import LIMITS
from cs231n.lab.attempts import attempt
from cs231n.lab.checks import check_at_least
from cs231n.lab.fixed_weights_tensorflow import fixed_output
from cs231n.lab.gan_figures import (
    plot_orbit,
    plot_quality,
    plot_training,
    print_quality,
    show_images,
    show_interpolation,
    show_training,
)
from cs231n.lab.gan_metrics import Judge
from cs231n.support.gans.training_tensorflow import Batches, draw, is_adam, train_gan

FULL = PROFILE == "full"

# %% [markdown]
# ## Digits
#
# GANs are hard to train, so we start with the easiest pictures there are: handwritten
# digits. If torchvision's MNIST lies in `cs231n/datasets/MNIST_data`, it is used;
# if not, 5,000 of its digits that come with a package. `Batches` hands out pieces of
# 128 rows of 784 pixels, in a new order each time. (`MNIST` of older editions does the
# same with all digits that are there; now its `shuffle` shuffles.)

# %%
train_digits, held_out = load_digits()
batch_size = 128
used = slice(None if FULL else 2 * batch_size)
tf.keras.utils.set_random_seed(SEED)
loader_train = Batches(
    train_digits.images[used], train_digits.labels[used], batch_size, shuffle=True
)
images, _ = next(iter(loader_train))
show_images(images)

# %% [markdown]
# ## Leaky ReLU
#
# A leaky ReLU lets a little through on its flat side, $f(x) = \max(\alpha x, x)$: a
# generator can only learn from a discriminator whose gradients are not zero. Write
# `leaky_relu`, for tensors of any shape. Errors of the order of `1e-10`, in double
# precision (below `1e-6` is allowed).

# %%
x = [[0.46831836, -0.25900041, -0.29965926], [0.9153279, 1.01321313, 1.64436032]]
y = [[0.46831836, -0.0025900041, -0.0029965926], [0.9153279, 1.01321313, 1.64436032]]
check(
    "leaky_relu",
    {"result": (leaky_relu(tf.constant(x)), y)},
    within=LIMITS["GAN losses"],
)

# %% [markdown] same_as="## Noise"

# %%
# Of 10,000 other seeds none fails this by chance: 0.022 and 0.013 were the most.
noise = sample_noise(3, 4)
tf.random.set_seed(SEED)
many = np.asarray(sample_noise(200, 50))
check_below(
    "sample_noise",
    {
        "wrong shape": (tuple(noise.shape) != (3, 4), 0.5),
        "largest size": (np.abs(many).max(), 1 + 1e-6),
        "mean": (abs(many.mean()), 0.03),
        "variance, off 1/3 by": (abs(many.var() - 1 / 3), 0.02),
    },
)

# %% [markdown]
# ## Discriminator
#
# Build a first discriminator with `tf.keras.Sequential`. Pictures arrive as rows,
# (N, 784), and `tf.keras.Input` says so:
#
# * fully connected layer with input size 784 and output size 256
# * LeakyReLU with slope 0.01
# * fully connected layer with output size 256
# * LeakyReLU with slope 0.01
# * fully connected layer with output size 1
#
# The check counts the parameters. Activations have none, so it also gives the network
# fixed weights and looks at its scores of fixed inputs: an error below `1e-3` passes.

# %%
D = discriminator()
scores = fixed_output(D, 128, 784)
check("discriminator", {"parameters": (count_params(D), 267009)}, within=0)
check(
    "discriminator",
    {"scores": (scores[:3], [[-0.025173], [0.337198], [-0.692456]])},
    within=LIMITS["GAN networks"],
)

# %% [markdown] same_as="## Generator"

# %%
G = generator(4)
pixels = fixed_output(G, 128, 4)
check("generator", {"parameters": (count_params(G), 1858320)}, within=0)
check(
    "generator",
    {
        "shape of pictures": (pixels.shape, (128, 784)),
        "pixels": (
            pixels[:3, ::300],
            [
                [-0.640826, -0.947105, 0.11248],
                [-0.1888, -0.963932, -0.895484],
                [-0.763019, -0.959539, -0.07932],
            ],
        ),
    },
    within=LIMITS["GAN networks"],
)

# %% [markdown] same_as="losses"

# %% [markdown]
# Write `discriminator_loss` and `generator_loss`. The binary cross-entropy of a logit
# $s$ and an answer $y$ is $-y \log \sigma(s) - (1 - y) \log(1 - \sigma(s))$; look in
# `tf.nn` for a function that computes it out of logits, without ever taking the
# logarithm of zero, and average over the batch. Errors of the order of `1e-8`, in
# single precision (below `1e-6` is allowed).

# %%
logits_real = tf.constant(
    [
        *(0.9348731096217853, -1.0169891625223137, -0.5730476939393363),
        *(-0.8816270356958762, -1.4012938925983567, -1.4539569266944938),
        *(-1.542397547964014, -0.5727332515501994, 0.9858442941304029),
        0.13312152437312422,
    ],
    shape=(10, 1),
)
logits_fake = tf.constant(
    [
        *(-1.8086586792257076, 0.09030055369905954, -0.44289020393777767),
        *(-0.0787936751879477, -0.3765504411101933, 0.3208474241671663),
        *(-0.28590836517263224, 1.013762805378476, 0.9924143914567469),
        0.3939434608511722,
    ],
    shape=(10, 1),
)
check(
    "losses",
    {
        "discriminator": (
            discriminator_loss(logits_real, logits_fake),
            1.8423983904443109,
        ),
        "generator": (generator_loss(logits_fake), 0.771286196423346),
    },
    within=LIMITS["GAN losses"],
    function="cs231n.gan_tf.discriminator_loss",
)


def gradients(loss, *scores):
    """A network can only learn from a loss whose gradient finds its way back."""
    with tf.GradientTape() as tape:
        tape.watch(scores)
        value = tf.reduce_sum(loss(*scores))
    found = tape.gradient(value, scores)
    assert all(g is not None for g in found), f"{loss.__name__} has no gradient"
    return value, found


gradients(discriminator_loss, logits_real, logits_fake)
_ = gradients(generator_loss, logits_fake)

# %% [markdown]
# Early in training logits can be far off. The loss should stay finite, and its gradient
# right, also at -100: 100 and -1.

# %%
loss, (slope,) = gradients(generator_loss, tf.constant([[-100.0]]))
print(f"at a score of -100: loss {float(loss):g}, gradient {float(slope[0, 0]):g}")

# %% [markdown]
# ## Solvers
#
# Write `get_solvers`: two Adams, one for each network, with a learning rate of `1e-3`
# and $\beta_1$ of `0.5` unless other numbers are given.

# %%
D_solver, G_solver = get_solvers()
check(
    "get_solvers",
    {
        "of Adam's kind": (is_adam(D_solver) and is_adam(G_solver), True),
        "learning rates": ([float(s.learning_rate) for s in get_solvers()], [1e-3] * 2),
        "beta1": ([getattr(s, "beta_1", 0) for s in get_solvers()], [0.5] * 2),
        "beta2": ([getattr(s, "beta_2", 0) for s in get_solvers()], [0.999] * 2),
        "weight decay": ([s.weight_decay or 0 for s in get_solvers()], [0] * 2),
        "number of solvers": (len({id(D_solver), id(G_solver)}), 2),
    },
    within=1e-6,
)

# %% [markdown]
# ## Training
#
# The loop is given, in `cs231n/support/gans/training_tensorflow.py`: a step of the
# discriminator on 128 real and 128 fake digits, then one of the generator, and so on;
# the first call of each makes a graph of it, which takes some seconds. (`run_a_gan` of
# older editions calls the same loop.) Networks are always called with
# `training=True`; without it, as in 2019 and 2020, batch normalization never trained.

# %% [markdown] same_as="It always shows the fakes of the same sixteen rows"


# %%
histories, fakes = {}, {}


def learn(name, D, G, losses, iterations, solvers=None, **arguments):
    """Train, keep the history and a thousand fakes, and show the way there."""
    epochs = max(1, round(iterations / len(loader_train))) if FULL else 1
    total = epochs * len(loader_train)
    history = train_gan(
        *(D, G, *(solvers or get_solvers()), *losses, loader_train),
        draw_noise=sample_noise,
        num_epochs=epochs,
        show_every=max(1, total // 8),
        **arguments,
    )
    histories[name] = history
    tf.keras.utils.set_random_seed(SEED)
    fakes[name] = deprocess_img(draw(G, sample_noise(1000, NOISE_DIM)))
    print(f"{len(history.d_losses)} iterations in {history.seconds:.0f} seconds")
    show_training(
        history.samples,
        alt=f"{name}: sixteen fakes in each row, from noise at the top to what "
        "the generator makes at the end of training.",
    )


tf.keras.utils.set_random_seed(SEED)
learn(
    "vanilla", discriminator(), generator(), (discriminator_loss, generator_loss), 1000
)

# %% [markdown] same_as="## Two players"


# %%
def take_turns(x, y, step, count):
    points = [(x, y)]
    for _ in range(count):
        y = y + step * x
        x = x - step * y
        points.append((x, y))
    return np.array(points)


plot_orbit(
    take_turns(1.0, 1.0, step=0.3, count=42),
    alt="Two panels: where the two players are after each step, and x and y step by "
    "step.",
)

# %% [markdown] same_as="q5-two-players"

# %% [markdown] same_as="## Least squares GAN"

# %% [markdown]
# Write `ls_discriminator_loss` and `ls_generator_loss`. Errors of the order of `1e-8`
# (below `1e-6` is allowed).

# %%
check(
    "least squares losses",
    {
        "discriminator": (
            ls_discriminator_loss(logits_real, logits_fake),
            1.8770293614440594,
        ),
        "generator": (ls_generator_loss(logits_fake), 0.816954786997558),
    },
    within=LIMITS["GAN losses"],
    function="cs231n.gan_tf.ls_discriminator_loss",
)
gradients(ls_discriminator_loss, logits_real, logits_fake)
_ = gradients(ls_generator_loss, logits_fake)

# %%
tf.keras.utils.set_random_seed(SEED)
learn(
    "least squares",
    discriminator(),
    generator(),
    (ls_discriminator_loss, ls_generator_loss),
    1000,
)

# %% [markdown] same_as="## Deeply convolutional GAN"

# %% [markdown]
# Write `dc_discriminator`; nothing is padded in it:
#
# * reshape into pictures, 28 x 28 x 1: channels come last
# * 32 filters, 5x5, stride 1; LeakyReLU with slope 0.01; max pool 2x2, stride 2
# * 64 filters, 5x5, stride 1; LeakyReLU with slope 0.01; max pool 2x2, stride 2
# * flatten
# * fully connected layer of size 4 x 4 x 64; LeakyReLU with slope 0.01
# * fully connected layer of size 1

# %%
D = dc_discriminator()
scores = fixed_output(D, 128, 784)
check(
    "dc_discriminator",
    {
        "parameters": (count_params(D), 1102721),
        "shape of scores": (scores.shape, (128, 1)),
    },
    within=0,
)
check(
    "dc_discriminator",
    {"scores": (scores[:3], [[-1.530008], [-1.453638], [-1.790073]])},
    within=LIMITS["GAN networks"],
)

# %% [markdown]
# And `dc_generator`, which goes the other way:
#
# * fully connected layer of size 1024; ReLU; batch normalization
# * fully connected layer of size 7 x 7 x 128; ReLU; batch normalization
# * reshape into maps, 7 x 7 x 128
# * transposed convolution, 64 filters, 4x4, stride 2, `same` padding; ReLU; batch
#   normalization
# * transposed convolution, 1 filter, 4x4, stride 2, `same` padding; tanh
# * flatten: (N, 784)
#
# Of its parameters, 14,720 are moving averages that batch normalization keeps.

# %%
G = dc_generator(4)
pixels = fixed_output(G, 128, 4)
check(
    "dc_generator",
    {
        "parameters": (count_params(G), 6595521),
        "shape of pictures": (pixels.shape, (128, 784)),
    },
    within=0,
)
check(
    "dc_generator",
    {
        "pixels": (
            pixels[:3, ::300],
            [
                [0.997524, -0.999993, 0.982449],
                [0.999511, -0.993642, 0.99999],
                [0.994228, -0.998624, -0.999961],
            ],
        )
    },
    within=LIMITS["GAN networks"],
)

# %% [markdown] same_as="Each of its iterations"

# %%
tf.keras.utils.set_random_seed(SEED)
G_DC = dc_generator()
learn(
    "convolutional",
    dc_discriminator(),
    G_DC,
    (discriminator_loss, generator_loss),
    400,
)

# %% [markdown] same_as="## Losses and numbers"

# %%
if not histories:
    raise NotImplementedError("No GAN was trained yet, so there is nothing to look at.")
plot_training(
    histories,
    alt="Losses of discriminator and generator over the iterations, a panel for "
    "each of the three GANs.",
)

# %% [markdown] same_as="q5-losses"

# %% [markdown] same_as="Losses are measured against"

# %%
judge = Judge(load_digit_reader(), held_out.images[:1000])
qualities = {
    "real digits": judge(train_digits.images[:1000]),
    **{name: judge(pictures) for name, pictures in fakes.items()},
}
print_quality(qualities)
plot_quality(
    qualities,
    alt="Five panels of bars, one for each number: real digits and the three GANs.",
)

# %%
if FULL:
    others = min(qualities[name].frechet for name in ("vanilla", "least squares"))
    check_at_least(
        "the convolutional GAN",
        {
            "different digits": (qualities["convolutional"].modes, 10),
            "share of the next best Fréchet distance saved": (
                1 - qualities["convolutional"].frechet / others,
                0.5,
            ),
        },
        function="dc_generator",
    )

# %% [markdown] same_as="q5-three-gans"

# %% [markdown] same_as="## Between two digits"

# %%
tf.keras.utils.set_random_seed(SEED)
ends = np.asarray(sample_noise(12, NOISE_DIM))
shares = np.linspace(0, 1, 12, dtype=np.float32).reshape(1, 12, 1)
lines = (1 - shares) * ends[0::2, None] + shares * ends[1::2, None]
between = deprocess_img(draw(G_DC, tf.constant(lines.reshape(72, NOISE_DIM))))
show_interpolation(
    between.reshape(6, 12, 28, 28),
    Path("build", "gan_interpolation_tensorflow.gif"),
    alt="Six fakes that turn into others in twelve small steps",
)

# %% [markdown] same_as="## What to take away"

# %% [markdown] same_as="## Further reading"

# %% [markdown] tags=["extra"]
# # Extra exercise
#
# It is not needed for the points of this question. What you write is marked
# `TODO(extra)`, in `cs231n/extras/gan_extras_tensorflow.py`.

# %% [markdown] same_as="## WGAN-GP"

# %% [markdown] tags=["extra"]
# Write `critic_loss`, `critic_generator_loss` and `gradient_penalty`, and
# `build_critic`, the discriminator of the 2017 edition; nothing is padded in it:
#
# * reshape into pictures, 28 x 28 x 1
# * 64 filters, 4x4, stride 2; LeakyReLU with slope 0.01
# * 128 filters, 4x4, stride 2; LeakyReLU with slope 0.01; batch normalization
# * flatten
# * fully connected layer of size 1024; LeakyReLU with slope 0.01
# * fully connected layer of size 1

# %% tags=["extra"]
with attempt():
    from cs231n.extras.gan_extras_tensorflow import (
        build_critic,
        critic_generator_loss,
        critic_loss,
        gradient_penalty,
    )

    slope = tf.keras.Sequential([tf.keras.layers.Dense(1)])
    slope.build((None, 784))
    slope.set_weights([np.full((784, 1), 3 / 28), np.zeros(1)])
    here = tf.random.uniform((5, 784))
    check(
        "WGAN-GP",
        {
            "critic_loss": (critic_loss(tf.ones((4, 1)), -tf.ones((4, 1))), -2.0),
            "critic_generator_loss": (
                critic_generator_loss(tf.fill((4, 1), 3.0)),
                -3.0,
            ),
            "penalty of a gradient of 3": (gradient_penalty(slope, here, -here), 40.0),
            "parameters of the critic": (count_params(build_critic()), 3411649),
        },
        within=1e-4,
    )

# %% tags=["extra"]
with attempt():
    tf.keras.utils.set_random_seed(SEED)
    learn(
        "WGAN-GP",
        discriminator(),
        generator(),
        (critic_loss, critic_generator_loss),
        500,
        solvers=[tf.keras.optimizers.Adam(1e-3, 0.5, 0.9) for _ in range(2)],
        penalty=gradient_penalty,
    )

with attempt():
    if "WGAN-GP" in fakes:
        qualities["WGAN-GP"] = judge(fakes["WGAN-GP"])
    print_quality(qualities)
