# %% [markdown]
# # Generative adversarial networks
#
# So far a network was told what is right. Here two networks tell one another. One, the
# *generator* $G$, makes pictures out of noise $z$: *fakes*. The other, the
# *discriminator* $D$, looks at pictures and says how probable it is that they are real.
# Each gets better because the other does (Goodfellow et al., [*Generative Adversarial
# Nets*](https://arxiv.org/abs/1406.2661), 2014):
#
# $$\min_G \max_D \; \mathbb{E}_{x \sim p_{data}} [\log D(x)] + \mathbb{E}_{z \sim p(z)}
# [\log (1 - D(G(z)))]$$
#
# It is a *minimax game*: $D$ maximises the same number that $G$ minimises.
#
# ![](images/gan.svg)

# %% [markdown]
# You will edit `cs231n/gan_pytorch.py`: look for `TODO(Q5)`. The extra exercises at the
# end are in `cs231n/extras/gan_extras.py` and `cs231n/extras/semi_supervised.py`.

# %% [markdown]
# ## Before you start
#
# - **What you will learn**: how two networks train one another, why the choice of a
#   loss decides whether the generator learns, what convolutions add, and how fakes are
#   judged.
# - **What you should know**: `nn.Sequential`, optimizers and training loops of PyTorch,
#   sigmoid and binary cross-entropy, convolutions and batch normalization.
# - **How long it takes**: with all functions written, the notebook runs in 7 minutes
#   on one core. On a graphics card it is much faster.

# %% [markdown]
# ## Set-up

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

import torch

from cs231n.embedded.digit_classifier import load_digit_classifier
from cs231n.embedded.digits import load_digits
from cs231n.gan_pytorch import *
from cs231n.gradient_check import LIMITS, copies
from cs231n.lab.attempts import attempt
from cs231n.lab.checks import check_at_least
from cs231n.lab.fixed_weights import fixed_output
from cs231n.lab.gan_figures import (
    plot_orbit,
    plot_quality,
    plot_study,
    plot_training,
    print_quality,
    show_images,
    show_interpolation,
    show_training,
)
from cs231n.lab.gan_metrics import Judge
from cs231n.support.device import get_device
from cs231n.support.gans.editions import for_batches_of
from cs231n.support.gans.step import is_adam
from cs231n.support.gans.training import Batches, draw, train_gan

FULL = PROFILE == "full"
device = get_device()

# %% [markdown]
# ## Digits
#
# GANs are hard to train, so we start with the easiest pictures there are: handwritten
# digits. If torchvision's MNIST lies in `cs231n/datasets/MNIST_data`, it is used;
# if not, 5,000 of its digits that come with a package. All of them are on the device
# from the start: `Batches` hands out pieces of 128, in a new order each time.

# %%
train_digits, held_out = load_digits()
batch_size = 128
used = slice(None if FULL else 2 * batch_size)
torch.manual_seed(SEED)
loader_train = Batches(
    train_digits.images[used], train_digits.labels[used], batch_size, device
)
images, _ = next(iter(loader_train))
show_images(images.cpu().numpy().reshape(batch_size, 784))

# %% [markdown]
# ## Noise
#
# A generator makes pictures of random numbers. A row of them is also called a *latent
# vector*, since it decides about the picture without being seen in it. Write
# `sample_noise`: independent and uniform between $-1$ and $1$.

# %%
# Of 10,000 other seeds none fails this by chance: 0.022 and 0.013 were the most.
noise = sample_noise(3, 4)
torch.manual_seed(SEED)
many = sample_noise(200, 50)
check_below(
    "sample_noise",
    {
        "wrong shape": (noise.shape != (3, 4), 0.5),
        "largest size": (many.abs().max(), 1 + 1e-6),
        "mean": (many.mean().abs(), 0.03),
        "variance, off 1/3 by": ((many.var() - 1 / 3).abs(), 0.02),
    },
)

# %% [markdown]
# ## Discriminator
#
# Build a first discriminator with `nn.Sequential`. Pictures arrive with the shape
# (N, 1, 28, 28), so it begins with `Flatten`:
#
# * fully connected layer with input size 784 and output size 256
# * LeakyReLU with slope 0.01
# * fully connected layer with output size 256
# * LeakyReLU with slope 0.01
# * fully connected layer with output size 1
#
# A leaky ReLU lets a little through on its flat side, $f(x) = \max(\alpha x, x)$: a
# generator can only learn from a discriminator whose gradients are not zero.
#
# The check counts the parameters. Activations have none, so it also gives the network
# fixed weights and looks at its scores of fixed inputs: an error below `1e-3` passes.

# %%
check(
    "discriminator", {"parameters": (count_params(discriminator()), 267009)}, within=0
)
scores = fixed_output(discriminator(), 128, 1, 28, 28)
check(
    "discriminator",
    {"scores": (scores[:3], [[-0.025173], [0.337198], [-0.692456]])},
    within=LIMITS["GAN networks"],
)

# %% [markdown]
# ## Generator
#
# * fully connected layer from `noise_dim` to 1024
# * ReLU
# * fully connected layer with size 1024
# * ReLU
# * fully connected layer with output size 784
# * tanh, so that pixels lie between $-1$ and $1$

# %%
check("generator", {"parameters": (count_params(generator(4)), 1858320)}, within=0)
pixels = fixed_output(generator(4), 128, 4)
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

# %% [markdown] id="losses"
# ## Losses
#
# The discriminator gives *logits*, scores that a sigmoid turns into probabilities: with
# $s$ for the logit of a picture $x$, $D(x) = \sigma(s)$. It minimises
#
# $$\ell_D = -\mathbb{E}_{x \sim p_{data}} [\log D(x)] - \mathbb{E}_{z \sim p(z)}
# [\log (1 - D(G(z)))]$$
#
# and the generator minimises
#
# $$\ell_G = -\mathbb{E}_{z \sim p(z)} [\log D(G(z))]$$
#
# In the game above it would be $\mathbb{E}_{z \sim p(z)} [\log (1 - D(G(z)))]$. But
# early in training the discriminator is sure that fakes are fake, $D(G(z)) \approx 0$,
# and there this term *saturates*: as a function of the logit it is flat, and its
# gradient vanishes just when the generator has most to learn. $\ell_G$ rewards the
# same, and its gradient at the logit is close to $-1$ there.

# %% [markdown]
# `bce_loss` is given. It computes the binary cross-entropy
# $-y \log \sigma(s) - (1 - y) \log(1 - \sigma(s))$ out of logits $s$ and targets $y$,
# averaged, without ever taking the logarithm of zero. Write `discriminator_loss` and
# `generator_loss` with it. Errors of the order of `1e-8`, in single precision (below
# `1e-6` is allowed).

# %%
logits_real = torch.tensor(
    [
        *(0.9348731096217853, -1.0169891625223137, -0.5730476939393363),
        *(-0.8816270356958762, -1.4012938925983567, -1.4539569266944938),
        *(-1.542397547964014, -0.5727332515501994, 0.9858442941304029),
        0.13312152437312422,
    ]
).view(10, 1)
logits_fake = torch.tensor(
    [
        *(-1.8086586792257076, 0.09030055369905954, -0.44289020393777767),
        *(-0.0787936751879477, -0.3765504411101933, 0.3208474241671663),
        *(-0.28590836517263224, 1.013762805378476, 0.9924143914567469),
        0.3939434608511722,
    ]
).view(10, 1)
check(
    "losses",
    {
        "discriminator": (
            discriminator_loss(*copies(logits_real, logits_fake)),
            1.8423983904443109,
        ),
        "generator": (generator_loss(logits_fake.clone()), 0.771286196423346),
    },
    within=LIMITS["GAN losses"],
    function="discriminator_loss",
)


def require_gradients(loss, *scores):
    """A network can only learn from a loss whose gradient finds its way back."""
    own = [score.clone().requires_grad_() for score in scores]
    loss(*copies(*own)).sum().backward()
    missing = [number for number, score in enumerate(own, 1) if score.grad is None]
    assert not missing, f"{loss.__name__} has no gradient at argument {missing[0]}"


require_gradients(discriminator_loss, logits_real, logits_fake)
require_gradients(generator_loss, logits_fake)

# %% [markdown]
# Early in training logits can be far off. The loss should stay finite, and its gradient
# right, also at -100: as `bce_loss` does it, 100 and -1.

# %%
far = torch.tensor([[-100.0]], requires_grad=True)
loss = generator_loss(far.clone())
loss.backward()
print(f"at a score of -100: loss {loss.item():g}, gradient {far.grad.item():g}")

# %% [markdown]
# ## Optimizer
#
# Write `get_optimizer`: Adam with a learning rate of `1e-3` and betas of `0.5` and
# `0.999`.

# %%
model = discriminator()
optimizer = get_optimizer(model)
groups = optimizer.param_groups  # one, unless somebody gave weights their own settings
weights = [w for group in groups for w in group["params"]]
check(
    "get_optimizer",
    {
        "of Adam's kind": (is_adam(optimizer), True),
        "lr": ([group["lr"] for group in groups], [1e-3] * len(groups)),
        "betas": ([g.get("betas") for g in groups], [(0.5, 0.999)] * len(groups)),
        "weight decay": ([g.get("weight_decay", 0) for g in groups], [0] * len(groups)),
        "number of weights": (sum(w.numel() for w in weights), count_params(model)),
    },
    within=1e-12,
)

# %% [markdown]
# ## Training
#
# The loop is given, in `cs231n/support/gans/training.py`: a step of the discriminator
# on 128 real and 128 fake digits, then one of the generator, and so on. (`run_a_gan` of
# older editions calls the same loop.)

# %% [markdown]
# It always shows the fakes of the same sixteen rows of noise, so you see what becomes
# of each: a row of digits below belongs to one moment, a column to one row of noise.
#
# At first there is noise, then a black background, then fuzzy shapes. Two fully
# connected networks need some thousand iterations for good digits; here they get one
# thousand, which is enough to see where they are going. Watch whether the columns stay
# different. A generator that has found a few pictures which pass for real, and makes
# those whatever the noise, suffers from *mode collapse*: it misses most of the modes,
# the kinds of pictures, that there are.


# %%
histories, fakes = {}, {}


def learn(name, D, G, losses, iterations, solvers=None, **arguments):
    """Train, keep the history and a thousand fakes, and show the way there."""
    D, G = D.to(device), G.to(device)
    solvers = solvers or (get_optimizer(D), get_optimizer(G))
    epochs = max(1, round(iterations / len(loader_train))) if FULL else 1
    total = epochs * len(loader_train)
    history = train_gan(
        *(D, G, *solvers, *losses, loader_train),
        draw_noise=sample_noise,
        num_epochs=epochs,
        show_every=max(1, total // 8),
        **arguments,
    )
    histories[name] = history
    torch.manual_seed(SEED)
    noise = sample_noise(1000, NOISE_DIM).to(device, torch.float32)
    fakes[name] = deprocess_img(draw(G, noise))
    print(f"{total} iterations in {history.seconds:.0f} seconds")
    show_training(
        history.samples,
        alt=f"{name}: sixteen fakes in each row, from noise at the top to what "
        "the generator makes at the end of training.",
    )
    return G


torch.manual_seed(SEED)
learn(
    "vanilla", discriminator(), generator(), (discriminator_loss, generator_loss), 1000
)

# %% [markdown]
# ## Two players
#
# Why is that hard? The two players do not minimise the same number. Let the first one
# minimise $f(x, y) = xy$ by changing $x$, the second one maximise it by changing $y$:
# gradient descent and gradient ascent, by turns, each seeing what the other has just
# done:
#
# $$y_{t+1} = y_t + h \, x_t, \qquad x_{t+1} = x_t - h \, y_{t+1}$$
#
# This is how it looks with steps of $h = 0.3$.


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

# %% [markdown] tags=["answer"] id="q5-two-players"
# ### A question to answer in writing
#
# **TODO(Q5):** Begin at $x_0 = y_0 = 1$ with steps of $h = 1$, and write down $y_1,
# x_1, y_2, x_2, \ldots$ up to $x_6$. Does this find the point where both gradients are
# zero? What does that say of two networks whose losses stay about the same for a long
# time?
#
# *Your answer:*
#
# <!-- BEGIN SOLUTION -->
# | | 0 | 1 | 2 | 3 | 4 | 5 | 6 |
# | --- | --- | --- | --- | --- | --- | --- | --- |
# | $y$ | 1 | 2 | 1 | -1 | -2 | -1 | 1 |
# | $x$ | 1 | -1 | -2 | -1 | 1 | 2 | 1 |
#
# After six steps both are where they began, so it goes round for ever and never comes
# nearer to $(0, 0)$; smaller steps make a smoother ellipse, not a spiral. Losses that
# stay the same do not say that nothing changes: the two networks may be going round
# just so, each undoing what the other did, or getting better together.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Least squares GAN
#
# Another pair of losses gives gradients that do not vanish for scores which are already
# on the right side (Mao et al., [*Least Squares
# GAN*](https://arxiv.org/abs/1611.04076)):
#
# $$\ell_D = \frac{1}{2} \mathbb{E}_{x \sim p_{data}} [(D(x) - 1)^2] + \frac{1}{2}
# \mathbb{E}_{z \sim p(z)} [D(G(z))^2], \qquad
# \ell_G = \frac{1}{2} \mathbb{E}_{z \sim p(z)} [(D(G(z)) - 1)^2]$$
#
# Here $D$ is the score itself, without a sigmoid.

# %% [markdown]
# Write `ls_discriminator_loss` and `ls_generator_loss`. With operators and `.mean()`
# they take NumPy arrays as well. Errors of the order of `1e-8` (below `1e-6` is
# allowed).

# %%
check(
    "least squares losses",
    {
        "discriminator": (
            ls_discriminator_loss(*copies(logits_real, logits_fake)),
            1.8770293614440594,
        ),
        "generator": (ls_generator_loss(logits_fake.clone()), 0.816954786997558),
    },
    within=LIMITS["GAN losses"],
    function="ls_discriminator_loss",
)
require_gradients(ls_discriminator_loss, logits_real, logits_fake)
require_gradients(ls_generator_loss, logits_fake)

# %%
torch.manual_seed(SEED)
learn(
    "least squares",
    discriminator(),
    generator(),
    (ls_discriminator_loss, ls_generator_loss),
    1000,
)

# %% [markdown]
# ## Deeply convolutional GAN
#
# Fully connected networks know nothing of neighbourhoods. Convolutions do, and the
# *transposed* convolutions of a generator spread each number over a neighbourhood of a
# larger map (Radford et al., [*DCGAN*](https://arxiv.org/abs/1511.06434)).

# %% [markdown]
# Write `build_dc_classifier`:
#
# * reshape into pictures (`Unflatten`)
# * 32 filters, 5x5, stride 1; LeakyReLU with slope 0.01; max pool 2x2, stride 2
# * 64 filters, 5x5, stride 1; LeakyReLU with slope 0.01; max pool 2x2, stride 2
# * `Flatten`
# * fully connected layer of size 4 x 4 x 64; LeakyReLU with slope 0.01
# * fully connected layer of size 1

# %%
D_DC = for_batches_of(build_dc_classifier, batch_size)
with torch.no_grad():
    scores = D_DC(2 * images.cpu() - 1)
check(
    "build_dc_classifier",
    {
        "parameters": (count_params(D_DC), 1102721),
        "shape of scores": (scores.shape, (128, 1)),
    },
    within=0,
)
scores = fixed_output(for_batches_of(build_dc_classifier, 128), 128, 1, 28, 28)
check(
    "build_dc_classifier",
    {"scores": (scores[:3], [[0.073202], [-0.525319], [-0.8871]])},
    within=LIMITS["GAN networks"],
)

# %% [markdown]
# And `build_dc_generator`, which goes the other way:
#
# * fully connected layer of size 1024; ReLU; batch normalization
# * fully connected layer of size 7 x 7 x 128; ReLU; batch normalization
# * reshape into maps (`Unflatten`)
# * transposed convolution, 64 filters, 4x4, stride 2, padding 1; ReLU; batch
#   normalization
# * transposed convolution, 1 filter, 4x4, stride 2, padding 1; tanh
# * `Flatten`: (N, 784)

# %%
with torch.no_grad():
    shape = build_dc_generator()(sample_noise(batch_size, NOISE_DIM).float()).shape
check(
    "build_dc_generator",
    {
        "parameters": (count_params(build_dc_generator(4)), 6580801),
        "shape of pictures": (shape, (128, 784)),
    },
    within=0,
)
pixels = fixed_output(build_dc_generator(4), 128, 4)
check(
    "build_dc_generator",
    {
        "pixels": (
            pixels[:3, ::300],
            [
                [0.984694, -0.996853, 0.999049],
                [0.998557, 0.999998, -0.772065],
                [0.994853, 0.884231, 0.999944],
            ],
        )
    },
    within=LIMITS["GAN networks"],
)

# %% [markdown]
# Each of its iterations costs about eight of the others. It needs far fewer.

# %%
torch.manual_seed(SEED)
D_DC = for_batches_of(build_dc_classifier, batch_size)
G_DC = build_dc_generator()
G_DC = learn(
    "convolutional",
    D_DC.apply(initialize_weights),
    G_DC.apply(initialize_weights),
    (discriminator_loss, generator_loss),
    400,
)

# %% [markdown]
# ## Losses and numbers
#
# Here are the losses of all three.

# %%
if not histories:
    raise NotImplementedError("No GAN was trained yet, so there is nothing to look at.")
plot_training(
    histories,
    alt="Losses of discriminator and generator over the iterations, a panel for "
    "each of the three GANs.",
)

# %% [markdown] tags=["answer"] id="q5-losses"
# ### Questions to answer in writing
#
# **TODO(Q5):** Answer both, with a reason.
#
# 1. The discriminator's loss would be $2 \log 2 \approx 1.39$ if it could only guess.
#    Suppose that it falls to nearly zero and the generator's rises and rises. Is that a
#    good sign? What would you see?
# 2. Is a smaller loss of the generator a sign of better pictures?
#
# *Your answer:*
#
# <!-- BEGIN SOLUTION -->
# 1. No: the discriminator has won. It tells every fake from real pictures, its logits
#    are far out where the losses' gradients at the pictures carry little that helps,
#    and the generator wanders about: pictures stay noisy or all alike.
# 2. Not by itself. The loss only says how well the pictures of the moment fool the
#    discriminator of the moment. A bad discriminator gives a small loss for bad
#    pictures; as both get better, the loss may well rise.
# <!-- END SOLUTION -->

# %% [markdown]
# Losses are measured against a network that changes, too. So we ask somebody who does
# not: a small classifier of digits, trained at first use and kept.
# Of a thousand fakes it tells
#
# * how many of the ten digits are there at all, and how sure it is of what it sees;
# * the *Fréchet distance* of its features from those of a thousand real digits, as a
#   share of their variance: 0 when means and covariances agree (with features of
#   another network, this is the *FID* of papers);
# * *precision*, the share of fakes among the real digits' neighbours, and *recall*, the
#   share of real digits among the fakes'.
#
# Real digits that neither has seen show what is possible.

# %%
judge = Judge(load_digit_classifier(device), held_out.images[:1000])
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
# Of fifty other seeds none fails this by chance: all drew ten digits and saved 0.78 to
# 0.90 of the distance.
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
        function="build_dc_generator",
    )

# %% [markdown] tags=["answer"] id="q5-three-gans"
# ### A question to answer in writing
#
# **TODO(Q5):** Compare the three GANs by their pictures and by the numbers. Which
# number shows best what you see, and could a generator have a high precision and still
# be useless?
#
# *Your answer:*
#
# <!-- BEGIN SOLUTION -->
# The convolutional GAN makes strokes with clean edges and all ten digits; the other two
# have speckled pictures and few shapes. The Fréchet distance and recall show it best:
# they need fakes to be as varied as real digits. A generator with mode collapse, one
# that makes a single good digit again and again, has a precision of 1, and a recall and
# a coverage of next to nothing; even blurred pictures can lie among the real ones'
# neighbours.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Between two digits
#
# The generator makes something of every point of its *latent space*, the space of all
# rows of noise. On the straight line from one row to another, one digit becomes another
# one: a sign that it has not just learned some digits by heart.

# %%
torch.manual_seed(SEED)
ends = sample_noise(12, NOISE_DIM).float()
shares = torch.linspace(0, 1, 12).view(1, 12, 1)
lines = (1 - shares) * ends[0::2, None] + shares * ends[1::2, None]
between = deprocess_img(draw(G_DC, lines.flatten(0, 1).to(device)))
show_interpolation(
    between.reshape(6, 12, 28, 28),
    Path("build", "gan_interpolation.gif"),
    alt="Six fakes that turn into others in twelve small steps",
)

# %% [markdown]
# ## What to take away
#
# - A generator learns from the gradient that a discriminator sends back through the
#   picture. Where that gradient vanishes, it learns nothing, so the loss matters: one
#   that saturates, or one that does not.
# - Training is a minimax game: what one player minimises, the other maximises, so that
#   no single number falls from beginning to end.
# - Fakes are judged by somebody who takes no part in the game, and as a whole: by how
#   they lie among real pictures, and real pictures among them.
# - An architecture that fits its data, here convolutions, helps more than a long
#   training of one that does not.

# %% [markdown]
# ## Further reading
#
# - CS231n (spring 2017), lecture 13, *Generative Models*.
# - Goodfellow, [*NIPS 2016 Tutorial: Generative Adversarial
#   Networks*](https://arxiv.org/abs/1701.00160): saturating losses, mode collapse, and
#   tips.
# - Arjovsky and Bottou, [*Towards Principled Methods for Training Generative
#   Adversarial Networks*](https://arxiv.org/abs/1701.04862) (2017): why gradients
#   vanish.
# - Heusel et al., [*GANs Trained by a Two Time-Scale Update Rule Converge to a Local
#   Nash Equilibrium*](https://arxiv.org/abs/1706.08500) (2017): the FID.
# - Kynkäänniemi et al., [*Improved Precision and Recall Metric for Assessing Generative
#   Models*](https://arxiv.org/abs/1904.06991) (2019).

# %% [markdown] tags=["extra"]
# # Extra exercises
#
# None of these is needed for the points of this question. What you write is marked
# `TODO(extra)`, in `gan_extras.py` and `semi_supervised.py` of `cs231n/extras/`.
#
# ## Spectral normalization
#
# A discriminator that changes too fast from one picture to the next teaches little. The
# length of its gradient is bounded (it has a *Lipschitz constant*) when every layer's
# is: divide each layer's weights by their largest singular value ([Miyato et
# al.](https://arxiv.org/abs/1802.05957)), which power iteration finds, a little better
# in each step. Write `largest_stretch`.

# %% tags=["extra"]
with attempt():
    from cs231n.extras.gan_extras import (
        critic_generator_loss,
        critic_loss,
        gradient_penalty,
        largest_stretch,
        normalize_spectrally,
    )

    stretches = torch.diag(torch.tensor([3.0, 2.0, 0.5])) @ torch.ones(3, 3).tril()
    exact = np.linalg.svd(stretches.numpy(), compute_uv=False)[0]
    sigma, _ = largest_stretch(stretches, torch.tensor([1.0, 0.0, 0.0]), 30)
    check("largest_stretch", {"of a 3 x 3 matrix": (sigma, exact)}, within=1e-5)

# %% tags=["extra"]
with attempt():
    torch.manual_seed(SEED)
    learn(
        "spectral normalization",
        normalize_spectrally(discriminator()),
        generator(),
        (ls_discriminator_loss, ls_generator_loss),
        500,
    )

# %% [markdown] tags=["extra"]
# ## WGAN-GP
#
# Or ask for a gradient of length 1 where it matters. A *critic* scores real pictures as
# much higher than fakes as it can, with a gradient of length 1 at most; the difference
# is then the distance that the fakes' probability would have to be moved, the
# *Wasserstein distance*. The length is kept by a penalty ([Gulrajani et
# al.](https://arxiv.org/abs/1704.00028)) on the way between real pictures and fakes,
# $\hat x = \epsilon x + (1 - \epsilon) G(z)$:
#
# $$\ell_D = \mathbb{E}[D(G(z))] - \mathbb{E}[D(x)] + \lambda \, \mathbb{E}
# [(\lVert \nabla D(\hat x) \rVert_2 - 1)^2], \qquad \ell_G = -\mathbb{E}[D(G(z))]$$
#
# A linear critic has the same gradient everywhere, so its penalty is known.

# %% [markdown] tags=["extra"]
# Write `critic_loss`, `critic_generator_loss` and `gradient_penalty`.

# %% tags=["extra"]
with attempt():
    slope = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 1))
    torch.nn.init.constant_(slope[1].weight, 3 / 28)
    here = torch.rand(5, 1, 28, 28)
    check(
        "WGAN-GP",
        {
            "critic_loss": (critic_loss(torch.ones(4, 1), -torch.ones(4, 1)), -2.0),
            "critic_generator_loss": (
                critic_generator_loss(torch.full((4, 1), 3.0)),
                -3.0,
            ),
            "penalty of a gradient of 3": (
                gradient_penalty(slope, here, -here).detach(),
                40.0,
            ),
        },
        within=1e-4,
    )

# %% tags=["extra"]
with attempt():
    torch.manual_seed(SEED)
    D_W, G_W = discriminator().to(device), generator().to(device)
    learn(
        "WGAN-GP",
        D_W,
        G_W,
        (critic_loss, critic_generator_loss),
        500,
        solvers=[
            torch.optim.Adam(m.parameters(), lr=1e-3, betas=(0.5, 0.9))
            for m in (D_W, G_W)
        ],
        penalty=gradient_penalty,
    )

with attempt():
    new = ("spectral normalization", "WGAN-GP")
    qualities |= {name: judge(fakes[name]) for name in new if name in fakes}
    print_quality(qualities)

# %% [markdown] tags=["extra"]
# ## What a GAN is good for
#
# Suppose that you have thousands of digits, and labels for twenty of them. A
# discriminator has to know what digits look like. Give it ten scores in place of one,
# and let it tell ten digits *and* real from fake at once: fakes are an eleventh class,
# whose score is always zero ([Salimans et
# al.](https://arxiv.org/abs/1606.03498)). With scores $l_k$, a picture is real with
# probability $\sum_k e^{l_k} / (1 + \sum_k e^{l_k})$, and digits without labels teach
# it, too. The generator is asked to match, on average, what the discriminator sees
# (*feature matching*). Write `real_or_drawn_loss` and `feature_matching_loss`.

# %% tags=["extra"]
with attempt():
    from cs231n.extras.semi_supervised import (
        ALONE,
        BOTH_TOO,
        CONSISTENCY_TOO,
        GENERATOR_TOO,
        feature_matching_loss,
        real_or_drawn_loss,
        run_study,
    )

    zeros = torch.zeros(3, 10)
    check(
        "semi-supervised losses",
        {
            "ten scores of zero": (
                real_or_drawn_loss(*copies(zeros, zeros)),
                np.log(11 / 10) + np.log(11),
            ),
            "scores far out": (real_or_drawn_loss(zeros + 100, zeros - 100), 0.0),
            "matching": (
                feature_matching_loss(
                    torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[2.0, 6.0]])
                ),
                4.5,
            ),
        },
        within=1e-6,
    )

# %% [markdown] tags=["extra"]
# Now the same network learns from 20 and 50 labelled digits, in four ways:
#
# * from the labels alone;
# * with a generator, too, that makes the eleventh class, so that thousands of digits
#   without labels teach the network that they are real;
# * with a rival of generators, *consistency*: digits without labels shall get clear
#   answers, of all kinds, that do not change when a digit moves by a pixel;
# * with both.
#
# Each is done several times with other labelled digits: the first two ways six times,
# since a check rests on them, the others three. Bars are standard errors of the mean.
# (More numbers of labels, such as 100, can be added below; each takes as long as one of
# the two.)

# %% tags=["extra"]
with attempt():
    often = {ALONE: 6, GENERATOR_TOO: 6, CONSISTENCY_TOO: 3, BOTH_TOO: 3}
    study = run_study(
        train_digits,
        held_out,
        labels=(20, 50),
        runs=often if FULL else 2,
        steps=2400 if FULL else 10,
        seed=SEED,
    )
    print(study.table())
    plot_study(
        study,
        alt="Accuracy against the number of labelled digits, with error bars, a line "
        "for each of the four ways.",
    )

# %% tags=["extra"]
# Measured with 50 other seeds: six runs gain 0.094 on average with 20 labels and 0.076
# with 50, with standard deviations of 0.016 and 0.010; the floor is four of them below.
with attempt():
    if FULL:
        gains = study.mean(GENERATOR_TOO) - study.mean(ALONE)
        check_at_least(
            "accuracy that the GAN adds to labels alone",
            {"20 labels": (gains[0], 0.03), "50 labels": (gains[1], 0.03)},
        )

# %% [markdown] tags=["answer", "extra"] id="q5-what-helped"
# ### A question to answer in writing
#
# **TODO(extra):** What did the digits without labels do for the classifier, with a
# generator and without one? Would you train a GAN for this? Look at all four lines
# before you answer.
#
# *Your answer:*
#
# <!-- BEGIN SOLUTION -->
# They help most where labels are few, and a GAN does use them: to tell real digits from
# fakes, the network must learn what digits have in common, and that is worth
# several points. But one answer for a digit and for the same digit moved by a pixel
# gains more, in half the time and without a generator: it makes the borders between
# classes go through places where there are no digits. With both there is little or
# nothing on top. Who only looks at "GAN against labels alone" would never know that
# there is a better way to use the same digits.
# <!-- END SOLUTION -->
