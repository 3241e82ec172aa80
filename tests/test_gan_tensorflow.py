"""Q5 in TensorFlow: losses by hand, networks by counts and fixed weights.

Three witnesses of each loss: the course's stored value, the formula in NumPy with its
finite differences, and what must not change it.
"""

import inspect

import numpy as np
import pytest
import tensorflow as tf

from cs231n import gan_tf
from cs231n.gan_tf import (
    NOISE_DIM,
    count_params,
    dc_discriminator,
    dc_generator,
    deprocess_img,
    discriminator,
    generator,
    get_solvers,
    leaky_relu,
    preprocess_img,
    rel_error,
    run_a_gan,
    sample_noise,
)
from cs231n.lab.fixed_weights_tensorflow import fixed_output
from cs231n.support.accuracy import LIMITS, as_array, as_number
from cs231n.support.gans.training_tensorflow import is_adam

q5, care = pytest.mark.q5_tensorflow, pytest.mark.care

# What the course stored in gan-checks-tf.npz.
REAL = np.array(
    [
        *(0.9348731096217853, -1.0169891625223137, -0.5730476939393363),
        *(-0.8816270356958762, -1.4012938925983567, -1.4539569266944938),
        *(-1.542397547964014, -0.5727332515501994, 0.9858442941304029),
        0.13312152437312422,
    ]
)[:, None]
FAKE = np.array(
    [
        *(-1.8086586792257076, 0.09030055369905954, -0.44289020393777767),
        *(-0.0787936751879477, -0.3765504411101933, 0.3208474241671663),
        *(-0.28590836517263224, 1.013762805378476, 0.9924143914567469),
        0.3939434608511722,
    ]
)[:, None]
STORED = {
    "discriminator_loss": 1.8423983904443109,
    "generator_loss": 0.771286196423346,
    "ls_discriminator_loss": 1.8770293614440594,
    "ls_generator_loss": 0.816954786997558,
}
LOSSES = list(STORED)
KINDS = ["float32", pytest.param("float64", marks=care)]
# A network may be built for the notebook's number of pictures alone.
NOTEBOOK = 128
SIZES = [NOTEBOOK, *(pytest.param(N, marks=care) for N in (1, 2, 7))]


def loss_of(name, real, fake):
    function = getattr(gan_tf, name)
    return function(fake) if "generator" in name else function(real, fake)


def with_slopes(name, real, fake):
    """Return a loss and its gradients at the scores, zeros where there are none."""
    scores = [tf.constant(real), tf.constant(fake)]
    with tf.GradientTape() as tape:
        tape.watch(scores)
        loss = tf.reduce_sum(loss_of(name, *scores))
    slopes = tape.gradient(loss, scores, unconnected_gradients="zero")
    return float(loss), [as_array(slope) for slope in slopes]


# Leaky ReLU.


@q5
@pytest.mark.points(1)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alpha", [0.01, 0.3])
@pytest.mark.parametrize("shape", [(2, 3), (5, 1, 4)])
def test_leaky_relu_takes_one_number_after_another(kind, alpha, shape, rng):
    x = rng.normal(size=shape).astype(kind)
    found = as_array(leaky_relu(tf.constant(x), alpha))
    expected = np.array([n if n > 0 else alpha * n for n in x.ravel()]).reshape(shape)
    assert found.shape == shape
    assert rel_error(found, expected) < LIMITS["GAN losses"]


@q5
@care
def test_leaky_relu_keeps_the_dtype_and_has_a_gradient():
    for kind in ("float32", "float64"):
        x = tf.constant([-2.0, 3.0], kind)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = leaky_relu(x)
        assert y.dtype == x.dtype
        np.testing.assert_allclose(tape.gradient(y, x), [0.01, 1], rtol=1e-6)


# Losses.


@q5
@pytest.mark.points(1)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LOSSES)
def test_stored_losses(name, kind):
    loss = loss_of(name, tf.constant(REAL, kind), tf.constant(FAKE, kind))
    assert rel_error(as_number(loss), STORED[name]) < LIMITS["GAN losses"]


def softplus(x):
    return np.logaddexp(0, x)


FORMULAS = {
    "discriminator_loss": lambda r, f: softplus(-r).mean() + softplus(f).mean(),
    "generator_loss": lambda _, f: softplus(-f).mean(),
    "ls_discriminator_loss": lambda r, f: ((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2,
    "ls_generator_loss": lambda _, f: ((f - 1) ** 2).mean() / 2,
}


@q5
@pytest.mark.parametrize("sizes", [(7, 7), (2, 5), pytest.param((1, 1), marks=care)])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_gradients_are_those_of_the_formula(name, sizes, rng):
    scores = [rng.normal(size=(n, 1)) for n in sizes]
    loss, slopes = with_slopes(name, *(x.astype(np.float32) for x in scores))
    assert loss == pytest.approx(FORMULAS[name](*scores), rel=1e-5)
    for which, slope in enumerate(slopes):
        for n in range(sizes[which]):
            change = np.zeros((sizes[which], 1))
            change[n] = 1e-5
            ends = [
                FORMULAS[name](
                    *(
                        x + sign * change if k == which else x
                        for k, x in enumerate(scores)
                    )
                )
                for sign in (1, -1)
            ]
            assert slope[n, 0] == pytest.approx(
                (ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=1e-5
            )


# Far out, the loss is a straight line: (real scores, fake scores, loss, slopes).
EXTREMES = {
    "discriminator_loss": [
        (100.0, -100.0, 0.0, 0.0, 0.0),
        (-100.0, 100.0, 200.0, -1.0, 1.0),
    ],
    "generator_loss": [(0.0, 100.0, 0.0, 0.0, 0.0), (0.0, -100.0, 100.0, 0.0, -1.0)],
    "ls_discriminator_loss": [
        (100.0, -100.0, (99.0**2 + 100.0**2) / 2, 99.0, -100.0),
    ],
    "ls_generator_loss": [(0.0, -100.0, 101.0**2 / 2, 0.0, -101.0)],
}


@q5
@care
@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_right_at_scores_of_a_hundred(name):
    for real, fake, expected, *wanted in EXTREMES[name]:
        scores = [np.full((4, 1), s, np.float32) for s in (real, fake)]
        loss, slopes = with_slopes(name, *scores)
        assert loss == pytest.approx(expected, abs=1e-6)
        np.testing.assert_allclose([s.sum() for s in slopes], wanted, atol=1e-6)


@q5
@care
@pytest.mark.parametrize("name", LOSSES)
def test_losses_do_not_care_for_order_and_are_means_of_two_batches(name, rng):
    real, fake = (rng.normal(size=(n, 1)).astype(np.float32) for n in (3, 8))
    once = as_number(loss_of(name, tf.constant(real), tf.constant(fake)))
    turned = np.tile(real[::-1], (2, 1)), np.tile(np.roll(fake, 2, axis=0), (3, 1))
    again = as_number(loss_of(name, *map(tf.constant, turned)))
    assert again == pytest.approx(once, rel=1e-5)


# Noise and networks.


@q5
@pytest.mark.points(1)
def test_noise_is_between_minus_one_and_one():
    noise = sample_noise(3, 4)
    assert tf.is_tensor(noise)
    values = noise.numpy()
    assert values.shape == (3, 4)
    many = as_array(sample_noise(30, 40))  # so many that chance has no part in it
    assert many.min() < 0 < many.max()
    assert np.abs(many).max() <= 1
    assert not np.array_equal(values, sample_noise(3, 4))


@q5
def test_noise_is_uniform():
    noise = as_array(sample_noise(400, 50)).ravel()
    counts, _ = np.histogram(noise, bins=10, range=(-1, 1))
    assert counts.sum() == 20_000
    # Six standard deviations of a bin's count.
    assert np.abs(counts - 2000).max() < 6 * np.sqrt(20_000 * 0.1 * 0.9)


@q5
@care
def test_noise_is_float32_and_a_seed_fixes_it():
    noise = sample_noise(1, 1, seed=231)
    assert (tuple(noise.shape), noise.dtype) == ((1, 1), tf.float32)
    assert np.array_equal(noise, sample_noise(1, 1, seed=231))


# Inputs, parameters, and what comes of fixed inputs once the weights are fixed.
NETWORKS = {
    "discriminator": (
        discriminator,
        784,
        267009,
        [[-0.025173], [0.337198], [-0.692456]],
    ),
    "generator": (
        lambda: generator(4),
        4,
        1858320,
        [
            [-0.640826, -0.947105, 0.11248],
            [-0.1888, -0.963932, -0.895484],
            [-0.763019, -0.959539, -0.07932],
        ],
    ),
    "generator, 96": (generator, 96, 1952528, None),
    "dc_discriminator": (
        dc_discriminator,
        784,
        1102721,
        [[-1.530008], [-1.453638], [-1.790073]],
    ),
    "dc_generator": (
        lambda: dc_generator(4),
        4,
        6595521,
        [
            [0.997524, -0.999993, 0.982449],
            [0.999511, -0.993642, 0.99999],
            [0.994228, -0.998624, -0.999961],
        ],
    ),
    "dc_generator, 96": (dc_generator, 96, 6689729, None),
}


@q5
@pytest.mark.points(1)
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_have_the_parameters_and_layers_they_should(name):
    build, inputs, count, expected = NETWORKS[name]
    model = build()
    out = fixed_output(model, NOTEBOOK, inputs)
    assert count_params(model) == count
    assert out.shape == (NOTEBOOK, 1 if inputs == 784 else 784)
    if expected is not None:
        error = rel_error(out[:3, ::300], np.array(expected))
        assert error < LIMITS["GAN networks"]


@q5
@pytest.mark.points(1)
@pytest.mark.parametrize("N", SIZES)
@pytest.mark.parametrize("build", [discriminator, dc_discriminator])
def test_a_discriminator_gives_each_picture_a_score_of_its_own(build, N, rng):
    D = build()
    x = rng.uniform(-1, 1, size=(N, 784)).astype(np.float32)
    scores = as_array(D(x, training=True))
    assert scores.shape == (N, 1)
    order = rng.permutation(N)
    np.testing.assert_allclose(D(x[order], training=True), scores[order], 1e-4, 1e-5)


@q5
@pytest.mark.points(1)
@pytest.mark.parametrize("N", [NOTEBOOK, *SIZES[2:]])
@pytest.mark.parametrize("build", [generator, dc_generator])
def test_a_generator_draws_a_picture_for_each_row(build, N, rng):
    noise = 100 * rng.uniform(-1, 1, size=(N, 5)).astype(np.float32)
    images = as_array(build(5)(noise, training=True))
    assert images.shape == (N, 784)
    assert np.abs(images).max() <= 1
    assert images.min() < -0.01 < 0.01 < images.max()
    assert not np.array_equal(images[0], images[1])


# Editions before 2020 have no seed.
@q5
@care
@pytest.mark.parametrize("build", [discriminator, generator])
def test_a_seed_fixes_the_weights(build):
    x = tf.ones((2, 784 if build is discriminator else NOISE_DIM))
    first, same, other = (as_array(build(seed=seed)(x)) for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


@q5
@pytest.mark.points(1)
def test_the_solvers_are_the_promised_adams():
    solvers = get_solvers()
    assert solvers[0] is not solvers[1]
    for solver in solvers:
        assert is_adam(solver)
        assert float(solver.learning_rate) == pytest.approx(1e-3)
        assert float(solver.beta_1) == pytest.approx(0.5)
        assert float(solver.beta_2) == pytest.approx(0.999)
        assert not solver.weight_decay


@q5
@care
def test_the_solvers_take_other_numbers():
    for solver in get_solvers(3e-3, beta1=0.7):
        assert float(solver.learning_rate) == pytest.approx(3e-3)
        assert float(solver.beta_1) == pytest.approx(0.7)


# Names that notebooks use.


@pytest.mark.parametrize(
    ("name", "signature"),
    {
        "leaky_relu": "(x, alpha=0.01)",
        "sample_noise": "(batch_size, dim, seed=None)",
        "discriminator": "(seed=None)",
        "generator": "(noise_dim=96, seed=None)",
        "discriminator_loss": "(logits_real, logits_fake)",
        "generator_loss": "(logits_fake)",
        "get_solvers": "(learning_rate=0.001, beta1=0.5)",
        "ls_discriminator_loss": "(scores_real, scores_fake)",
        "ls_generator_loss": "(scores_fake)",
        "dc_discriminator": "()",
        "dc_generator": "(noise_dim=96)",
        "run_a_gan": "(D, G, D_solver, G_solver, discriminator_loss, generator_loss, "
        "show_every=250, print_every=20, batch_size=128, num_epochs=10, noise_size=96)",
        "MNIST": "(batch_size, shuffle=False)",
        "preprocess_img": "(x)",
        "deprocess_img": "(x)",
        "rel_error": "(x, y)",
        "count_params": "(model)",
    }.items(),
)
def test_arguments_have_the_promised_names_order_and_defaults(name, signature):
    thing = getattr(gan_tf, name)
    function = thing.__init__ if inspect.isclass(thing) else thing
    described = [
        p.name + ("" if p.default is p.empty else f"={p.default!r}")
        for p in inspect.signature(function).parameters.values()
        if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"
    ]
    assert f"({', '.join(described)})" == signature


def test_pictures_are_scaled_there_and_back():
    x = np.array([0.0, 0.25, 1.0])
    assert preprocess_img(x).tolist() == [-1, -0.5, 1]
    assert deprocess_img(preprocess_img(x)).tolist() == x.tolist()
    assert NOISE_DIM == 96


def test_a_model_that_does_not_know_its_inputs_is_not_counted_as_none():
    with pytest.raises(ValueError, match=r"begin it with tf\.keras\.Input"):
        count_params(tf.keras.Sequential([tf.keras.layers.Dense(2)]))
    layers = [tf.keras.Input((3,)), tf.keras.layers.BatchNormalization()]
    assert count_params(tf.keras.Sequential(layers)) == 12


def test_mnist_comes_in_batches_of_which_the_last_holds_what_is_left():
    mnist = gan_tf.MNIST(batch_size=128)
    N = len(mnist.X)
    assert N in (60_000, 4_000)
    assert (mnist.X.shape, mnist.X.dtype, mnist.y.shape) == ((N, 784), "float32", (N,))
    assert (mnist.X.min(), mnist.X.max()) == (0, 1)
    batches = list(mnist)
    assert [len(x) for x, _ in batches] == [128] * (N // 128) + [N % 128]
    assert np.array_equal(np.concatenate([x for x, _ in batches]), mnist.X)


def test_shuffle_shuffles_pictures_along_with_their_labels():
    mnist = gan_tf.MNIST(batch_size=500, shuffle=True)
    first, second = ([np.concatenate(a) for a in zip(*mnist)] for _ in range(2))  # noqa: B905
    assert not np.array_equal(first[1], mnist.y)
    assert not np.array_equal(first[1], second[1])
    assert np.array_equal(np.sort(first[1]), np.sort(mnist.y))
    known = {x.tobytes(): y for x, y in zip(mnist.X, mnist.y, strict=True)}
    assert all(known[x.tobytes()] == y for x, y in zip(*first, strict=True))


def test_run_a_gan_returns_pictures_of_the_same_noise_and_the_last_ones(capsys, rng):
    layers = tf.keras.layers
    D = tf.keras.Sequential([layers.Dense(1)])
    G = tf.keras.Sequential([layers.Dense(784, "tanh")])

    def loss(*scores):
        return tf.add_n([tf.reduce_mean(s**2) for s in scores])

    loader = [rng.uniform(size=(8, 784)).astype(np.float32) for _ in range(3)]
    images, last = run_a_gan(
        *(D, G, *[tf.keras.optimizers.Adam() for _ in "DG"], loss, loss),
        show_every=4,
        print_every=3,
        batch_size=8,
        num_epochs=2,
        loader_train=loader,
    )
    assert [picture.shape for picture in images] == [(16, 784)] * 2
    assert tuple(last.shape) == (16, 784)
    assert not np.array_equal(images[0], images[1])
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(", D:")[0] for line in lines] == [
        "Epoch: 0, Iter: 0",
        "Epoch: 1, Iter: 3",
    ]
