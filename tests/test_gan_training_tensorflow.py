"""The GAN training loop in TensorFlow: what moves, and what it says of bad data."""

import numpy as np
import pytest
import tensorflow as tf

from cs231n.support.gans.training_tensorflow import Batches, GANStep, draw, train_gan
from cs231n.support.graphs_tensorflow import Graph

NOISE = 6
layers = tf.keras.layers


def tell(scores_real, scores_fake):
    lowered = tf.reduce_mean(tf.exp(-scores_real / 2))
    return lowered + tf.reduce_mean(tf.exp(scores_fake / 3))


def please(scores_fake):
    return tf.reduce_mean(tf.exp(-scores_fake / 2))


def draw_noise(N, dim):
    return tf.random.normal((N, dim))


def networks(seed=231):
    tf.keras.utils.set_random_seed(seed)
    D = tf.keras.Sequential([layers.Dense(5, "tanh"), layers.Dense(1)])
    G = tf.keras.Sequential(
        [
            *(tf.keras.Input((NOISE,)), layers.Dense(9), layers.BatchNormalization()),
            layers.Dense(784, "tanh"),
        ]
    )
    return D, G


def solvers():
    return [tf.keras.optimizers.Adam(2e-3) for _ in "DG"]


def make_step(models=None, losses=(tell, please), **changed):
    models = models or networks()
    return GANStep(models, solvers(), losses, NOISE, batch_size=4, **changed)


def pictures(rng, N=4):
    return rng.uniform(-1, 1, size=(N, 784)).astype(np.float32)


def batches(rng, N=22):
    images = rng.uniform(size=(N, 784)).astype(np.float32)
    return Batches(images, np.arange(N), batch_size=4)


def train(loader, models=None, **changed):
    arguments = {
        "draw_noise": draw_noise,
        "batch_size": 4,
        "noise_size": NOISE,
        "num_epochs": 2,
        "show_every": 3,
        "verbose": False,
    } | changed
    losses = arguments.pop("losses", (tell, please))
    return train_gan(*(models or networks()), *solvers(), *losses, loader, **arguments)


def copies(model):
    return [weight.numpy().copy() for weight in model.weights]


def moved(model, before):
    return [
        not np.array_equal(weight.numpy(), old)
        for weight, old in zip(model.weights, before, strict=True)
    ]


# One step.


def test_the_discriminators_step_moves_no_weight_of_the_generator(rng):
    step = make_step()
    before = copies(step.D), copies(step.G)
    step.train_discriminator(tf.constant(pictures(rng)), draw_noise(4, NOISE))
    assert all(moved(step.D, before[0]))
    learnt = {id(weight) for weight in step.G.trainable_weights}
    assert not any(
        change and id(weight) in learnt
        for change, weight in zip(moved(step.G, before[1]), step.G.weights, strict=True)
    )


def test_the_generators_step_moves_no_weight_of_the_discriminator():
    step = make_step()
    before = copies(step.D), copies(step.G)
    step.train_generator(draw_noise(4, NOISE))
    assert not any(moved(step.D, before[0]))
    changes = dict(zip(map(id, step.G.weights), moved(step.G, before[1]), strict=True))
    # A bias before batch normalization changes nothing, and gets no gradient.
    kernels = [w for w in step.G.trainable_weights if len(w.shape) == 2]
    assert all(changes[id(weight)] for weight in kernels)


def test_batch_normalization_goes_by_the_batch_and_keeps_its_averages():
    step = make_step()
    before = [w.numpy().copy() for w in step.G.non_trainable_weights]
    step.train_generator(draw_noise(4, NOISE))
    for weight, old in zip(step.G.non_trainable_weights, before, strict=True):
        assert not np.array_equal(weight.numpy(), old)


def test_drawing_goes_by_the_batch_too_and_leaves_everything_alone():
    _, G = networks()
    noise = 3 + draw_noise(20, NOISE)
    before = copies(G)
    found = draw(G, noise)
    assert not any(moved(G, before))
    np.testing.assert_allclose(found, G(noise, training=True), rtol=1e-5, atol=1e-6)
    assert not np.allclose(found, G(noise, training=False), atol=1e-3)


def only_eager(scores_fake):
    """Right, and no graph can be made of it."""
    if float(scores_fake[0, 0]) > 1e9:
        raise AssertionError("no score is so large")
    return please(scores_fake)


def test_what_works_eagerly_alone_learns_the_same(rng):
    real, results = tf.constant(pictures(rng)), []
    for losses in ((tell, please), (tell, only_eager)):
        step = make_step(losses=losses)
        tf.random.set_seed(1)
        values = [
            f()
            for _ in range(3)
            for f in (
                lambda s=step: s.train_discriminator(real, draw_noise(4, NOISE)),
                lambda s=step: s.train_generator(draw_noise(4, NOISE)),
            )
        ]
        results.append((values, copies(step.D) + copies(step.G)))
    (ours, weights), (theirs, others) = results
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    for one, other in zip(weights, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_a_graph_is_asked_of_each_shape_and_nothing_runs_while_it_is_made():
    count = tf.Variable(0)

    def step(x):
        count.assign_add(1)
        return x if x.shape[0] == 2 else tf.constant(x.numpy())

    graph = Graph(step)
    for N, is_graph in ((2, True), (3, False), (2, True)):
        assert tuple(graph(tf.zeros((N,))).shape) == (N,)
        assert graph.is_graph is is_graph
    assert count.numpy() == 3


@pytest.mark.parametrize("who", ["discriminator", "generator"])
def test_a_loss_that_is_not_finite_changes_no_weight(who, rng):
    def broken(*scores):
        return tf.reduce_mean(scores[0]) / 0.0 * 0.0

    losses = (broken, please) if who == "discriminator" else (tell, broken)
    models = networks()
    step = make_step(models, losses)
    before = copies(step.D)
    learnt = [w.numpy().copy() for w in step.G.trainable_weights]
    inputs = [draw_noise(4, NOISE)]
    if who == "discriminator":
        inputs.insert(0, tf.constant(pictures(rng)))
    with pytest.raises(FloatingPointError, match=f"The {who}'s loss became nan"):
        getattr(step, f"train_{who}")(*inputs)
    assert not any(moved(step.D, before))
    for weight, old in zip(step.G.trainable_weights, learnt, strict=True):
        assert np.array_equal(weight.numpy(), old)


def test_a_loss_without_a_gradient_is_named(rng):
    step = make_step(losses=(lambda *_: tf.constant(1.0), please))
    with pytest.raises(ValueError, match="says nothing of its weights"):
        step.train_discriminator(tf.constant(pictures(rng)), draw_noise(4, NOISE))


def test_a_generator_of_other_pictures_is_refused():
    D, _ = networks()
    with pytest.raises(ValueError, match=r"made \(4, 100\) of 4 rows"):
        make_step((D, tf.keras.Sequential([layers.Dense(100)])))


# Training.


def test_a_short_last_batch_counts_unless_the_discriminator_cannot_take_it(rng):
    assert len(train(batches(rng)).d_losses) == 2 * 6
    _, G = networks()
    D = tf.keras.Sequential(
        [layers.Lambda(lambda x: tf.reshape(x, (4, 784))), layers.Dense(1)]
    )
    assert len(train(batches(rng), (D, G)).d_losses) == 2 * 5


def test_reports_are_of_the_same_noise_and_noise_is_fresh_in_each_step(rng):
    drawn = []

    def noted(N, dim):
        noise = np.random.uniform(-1, 1, size=(N, dim))  # no graph knows of it
        drawn.append(noise)
        return noise

    reported = []
    history = train(
        batches(rng), draw_noise=noted, report=lambda t, _: reported.append(t)
    )
    assert [t for t, _ in history.samples] == reported == [0, 3, 6, 9]
    assert {images.shape for _, images in history.samples} == {(16, 784)}
    assert len({noise.tobytes() for noise in drawn}) == len(drawn) == 2 * 12


def test_same_seed_same_run(rng):
    loader, runs = batches(rng), []
    for _ in range(2):
        models = networks()
        history = train(loader, models)
        runs.append((history.d_losses, history.samples[-1][1]))
    assert runs[0][0] == runs[1][0]
    assert np.array_equal(runs[0][1], runs[1][1])


def test_the_critic_may_learn_more_often(rng):
    history = train(batches(rng, 20), critic_steps=2)
    assert len(set(history.g_losses)) == 5
    assert len(set(history.d_losses)) == 10


@pytest.mark.parametrize(
    ("loader", "error", "message"),
    [
        ([np.zeros((3, 784), np.float32)], ValueError, "1 batches, all shorter"),
        ([], ValueError, "nothing, and not"),
        ([np.zeros((5, 784), np.float32)], ValueError, "A batch holds 5 pictures"),
        ([np.zeros((4, 100), np.float32)], ValueError, r"shape \(100,\)"),
        ([np.zeros((4, 784), np.uint8)], TypeError, "Pixels came as uint8"),
        ([np.full((4, 784), 200.0)], ValueError, "Pixels lie between 200 and 200"),
        (3, TypeError, "came as int"),
    ],
)
def test_what_is_wrong_with_a_loader_is_said(loader, error, message):
    with pytest.raises(error, match=message):
        train(loader)


def test_a_training_that_ends_in_infinity_says_where(rng):
    def explode(scores_fake):
        return tf.reduce_mean(scores_fake) * np.inf

    with pytest.raises(FloatingPointError, match="at iteration 0, in epoch 1"):
        train(batches(rng), losses=(tell, explode))
