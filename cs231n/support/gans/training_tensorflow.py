"""The training loop of GANs in TensorFlow (given), with reports.

What makes it fast changes no result: a step is one graph, made at the first call, and
the discriminator's weights get no gradient while the generator learns.

Letters in shapes: N pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cs231n.support.frameworks import require_tensorflow
from cs231n.support.gans import loop
from cs231n.support.gans.history import GANHistory
from cs231n.support.gans.loop import PIXELS
from cs231n.support.graphs_tensorflow import Graph
from cs231n.support.progress import progress_bar

require_tensorflow()

import tensorflow as tf  # noqa: E402

Pictures: TypeAlias = NDArray[np.float32]
Loss: TypeAlias = Callable[..., Any]
# Discriminator, real pictures, fakes -> what is added to the loss.
Penalty: TypeAlias = Callable[[Any, Any, Any], Any]
# Rows, numbers in a row -> noise.
DrawNoise: TypeAlias = Callable[[int, int], Any]
Report: TypeAlias = Callable[[int, Pictures], None]


class Batches:
    """Minibatches of pictures; the last one of a pass holds what is left.

    Example:
        >>> images, labels = np.zeros((10, 784), np.float32), np.arange(10)
        >>> batches = Batches(images, labels, batch_size=4, shuffle=True)
        >>> [batch.shape for batch, _ in batches]
        [(4, 784), (4, 784), (2, 784)]
    """

    def __init__(
        self,
        images: Pictures,
        labels: NDArray[np.integer[Any]],
        batch_size: int,
        shuffle: bool = False,
    ) -> None:
        """Keep the pictures.

        Args:
            images: (N, ...) pictures from 0 to 1; they are kept as (N, 784).
            labels: (N,) what is on them.
            batch_size: Pictures in a batch.
            shuffle: Whether each pass has a new order, drawn from NumPy's random
                numbers, which ``keras.utils.set_random_seed`` sets as well.

        Raises:
            ValueError: If there are not enough pictures for a batch.
        """
        loop.require_a_batch(len(images), batch_size)
        self.X = images.reshape(len(images), -1)
        self.y = labels
        self.batch_size, self.shuffle = batch_size, shuffle

    def __len__(self) -> int:
        """Return how many batches a pass has."""
        return math.ceil(len(self.X) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Pictures, NDArray[np.integer[Any]]]]:
        """Go through the pictures."""
        order = np.arange(len(self.X))
        if self.shuffle:
            np.random.shuffle(order)
        for k in range(len(self)):
            chosen = order[k * self.batch_size : (k + 1) * self.batch_size]
            yield self.X[chosen], self.y[chosen]


class GANStep:
    """Takes steps of the discriminator and of the generator, one at a time.

    Layers work as they do in training: batch normalization goes by the batch.
    """

    def __init__(
        self,
        networks: tuple[Any, Any],
        solvers: tuple[Any, Any],
        losses: tuple[Loss, Loss],
        noise_size: int = 96,
        penalty: Penalty | None = None,
        batch_size: int = 128,
    ) -> None:
        """Put the parts together, and let the networks make their weights.

        Args:
            networks: D, flat scaled pictures (N, 784) -> N scores, and G, noise
                (N, noise_size) -> N * 784 scaled pixels.
            solvers: Change the weights of D and of G.
            losses: D's, scores of real pictures and of fakes -> loss, and G's, scores
                of fakes -> loss.
            noise_size: Numbers in a row of noise.
            penalty: What is added to the discriminator's loss.
            batch_size: Pictures in a step; networks may be made for that number alone.

        Raises:
            ValueError: If the generator makes something else than pictures.
        """
        # It cannot fuse a convolution with its leaky ReLU where gradients are wanted;
        # nothing is lost, but it says so in red.
        tf.config.optimizer.set_experimental_options({"remapping": False})
        self.D, self.G = networks
        fakes = _call(self.G, tf.zeros((batch_size, noise_size)), training=False)
        loop.require_fakes(tuple(fakes.shape), batch_size)
        _call(self.D, tf.reshape(fakes, (batch_size, PIXELS)), training=False)
        self.discriminator_loss, self.generator_loss = losses
        self.penalty = penalty
        self._slopes = Graph(self._discriminator_slopes), Graph(self._generator_slopes)
        self._descents = [
            _Descent(*both) for both in zip(networks, solvers, strict=True)
        ]

    def train_discriminator(self, real: Any, noise: Any) -> float:
        """Lower the discriminator's loss once; the generator's weights stay.

        Args:
            real: (N, 784) scaled pictures.
            noise: (M, noise_size) what fakes are made of.

        Returns:
            The loss, before the step.

        Raises:
            FloatingPointError: If it is not finite; no weight has changed then.
        """
        loss, slopes = self._slopes[0](real, noise)
        return self._descents[0](loss, slopes, "discriminator")

    def train_generator(self, noise: Any) -> float:
        """Lower the generator's loss once; the discriminator's weights stay.

        Args:
            noise: (M, noise_size) what fakes are made of.

        Returns:
            The loss, before the step.

        Raises:
            FloatingPointError: If it is not finite; no weight has changed then.
        """
        loss, slopes = self._slopes[1](noise)
        return self._descents[1](loss, slopes, "generator")

    def require_finite(self) -> None:
        """Insist that both networks' numbers are finite: a gradient may not be.

        Raises:
            FloatingPointError: If a weight or a running average is not.
        """
        for model, who in ((self.D, "discriminator"), (self.G, "generator")):
            for weight in model.weights:
                if not np.isfinite(weight.numpy()).all():
                    name = getattr(weight, "path", weight.name)
                    raise FloatingPointError(f"The {who}'s {name} is no longer finite")

    def _discriminator_slopes(self, real: Any, noise: Any) -> tuple[Any, list[Any]]:
        fakes = self._fakes(noise)
        with tf.GradientTape() as tape:
            scores = in_training(self.D, real), in_training(self.D, fakes)
            loss = _number(self.discriminator_loss(*scores))
            if self.penalty is not None:
                loss = loss + self.penalty(self.D, real, fakes)
        return loss, tape.gradient(loss, self.D.trainable_variables)

    def _generator_slopes(self, noise: Any) -> tuple[Any, list[Any]]:
        with tf.GradientTape() as tape:
            scores = in_training(self.D, self._fakes(noise))
            loss = _number(self.generator_loss(scores))
        return loss, tape.gradient(loss, self.G.trainable_variables)

    def _fakes(self, noise: Any) -> Any:
        return tf.reshape(in_training(self.G, noise), (-1, PIXELS))


class _Descent:
    """Takes steps against a gradient, if there is something to go by."""

    def __init__(self, model: Any, solver: Any) -> None:
        self._model, self._solver = model, solver
        self._step = Graph(self._apply, fused=_fuses(solver))

    def __call__(self, loss: Any, slopes: list[Any], who: str) -> float:
        value = float(loss)
        if not math.isfinite(value):
            raise FloatingPointError(f"The {who}'s loss became {value}")
        weights = self._model.trainable_variables
        if all(slope is None for slope in slopes):
            raise ValueError(
                f"The {who}'s loss says nothing of its weights; compute it from the "
                "scores with TensorFlow's functions alone."
            )
        if not getattr(self._solver, "built", True):
            self._solver.build(weights)
        self._step(
            *(
                tf.zeros_like(weight) if slope is None else slope
                for weight, slope in zip(weights, slopes, strict=True)
            )
        )
        return value

    def _apply(self, *slopes: Any) -> None:
        weights = self._model.trainable_variables
        self._solver.apply_gradients(zip(slopes, weights, strict=True))


def is_adam(solver: Any) -> bool:
    """Tell whether an optimizer takes the steps of Adam (Kingma and Ba, 2015).

    Keras' AdamW does so apart from its weight decay, which is a setting of its own;
    the variant that keeps the largest second moment (AMSGrad) does not.

    Args:
        solver: The optimizer.

    Example:
        >>> is_adam(tf.keras.optimizers.AdamW()), is_adam(tf.keras.optimizers.SGD())
        (True, False)
        >>> is_adam(tf.keras.optimizers.Adam(amsgrad=True))
        False
    """
    return isinstance(solver, tf.keras.optimizers.Adam) and not solver.amsgrad


def _fuses(solver: Any) -> bool:
    """Tell whether a solver's step is known to become one pass over memory."""
    on_cpu = not tf.config.list_physical_devices("GPU")
    return on_cpu and type(solver) is tf.keras.optimizers.Adam


def train_gan(
    D: Any,
    G: Any,
    D_solver: Any,
    G_solver: Any,
    discriminator_loss: Loss,
    generator_loss: Loss,
    loader: Iterable[Any],
    *,
    draw_noise: DrawNoise,
    show_every: int = 250,
    print_every: int | None = None,
    batch_size: int = 128,
    noise_size: int = 96,
    num_epochs: int = 10,
    critic_steps: int = 1,
    penalty: Penalty | None = None,
    report: Report | None = None,
    verbose: bool = True,
) -> GANHistory:
    """Train a GAN: the discriminator learns a little, then the generator, in turns.

    Args:
        D: Flat scaled pictures (N, 784) -> N scores.
        G: Noise (N, noise_size) -> N * 784 scaled pixels.
        D_solver: Changes D's weights.
        G_solver: Changes G's weights.
        discriminator_loss: Scores of real pictures and of fakes -> loss of D.
        generator_loss: Scores of fakes -> loss of G.
        loader: Batches of pictures from 0 to 1, with labels or without. Of a shorter
            last one, D learns as well, if it takes batches of any size.
        draw_noise: Draws noise, as sample_noise does.
        show_every: Iterations between reports.
        print_every: Iterations between lines with losses; None has one with each
            report.
        batch_size: Pictures in a batch, and fakes in each step.
        noise_size: Numbers that G makes a picture of.
        num_epochs: Passes over the pictures.
        critic_steps: Steps of the discriminator for each of the generator.
        penalty: Added to the discriminator's loss.
        report: Called with the iteration and (16, 784) pictures.
        verbose: Whether to print losses, and show a progress bar.

    Returns:
        How it went; D and G are trained.

    Raises:
        ValueError: If the loader gives no full batch, or pictures of another size or
            range; if the networks do not fit.
        FloatingPointError: If a loss or a weight stops being finite.

    Example:
        >>> from cs231n import gan_tf as q5
        >>> layers = tf.keras.layers
        >>> D = tf.keras.Sequential([tf.keras.Input((784,)), layers.Dense(1)])
        >>> G = tf.keras.Sequential([tf.keras.Input((4,)), layers.Dense(784, "tanh")])
        >>> history = train_gan(
        ...     *(D, G, *q5.get_solvers()),
        ...     *(q5.discriminator_loss, q5.generator_loss),
        ...     loader=Batches(np.zeros((10, 784), np.float32), np.arange(10), 5),
        ...     draw_noise=q5.sample_noise,
        ...     batch_size=5,
        ...     noise_size=4,
        ...     verbose=False,
        ... )
        >>> history.epochs, len(history.d_losses)  # two batches an epoch
        (10, 20)
    """
    print_every = show_every if print_every is None else print_every
    loop.require_arguments(
        loader,
        batch_size=batch_size,
        noise_size=noise_size,
        critic_steps=critic_steps,
        show_every=show_every,
        print_every=print_every,
    )
    step = GANStep(
        *((D, G), (D_solver, G_solver), (discriminator_loss, generator_loss)),
        noise_size=noise_size,
        penalty=penalty,
        batch_size=batch_size,
    )
    shown = tf.constant(loop.fixed_noise(noise_size))
    history = GANHistory()

    def noise() -> Any:
        # Fresh for each step, outside its graph: there it would stay the same.
        return tf.cast(draw_noise(batch_size, noise_size), tf.float32)

    def epoch() -> Iterator[tuple[int, float, float]]:
        yield from loop.take_turns(
            history,
            _scaled(loader, D, batch_size),
            lambda real: step.train_discriminator(real, noise()),
            lambda _: step.train_generator(noise()),
            critic_steps,
        )
        step.require_finite()

    def after_step(t: int, d_loss: float, g_loss: float) -> None:
        bar.update()
        if verbose and t % print_every == 0:
            bar.write(
                f"Epoch: {history.epochs}, Iter: {t}, D: {d_loss:.4}, G:{g_loss:.4}"
            )
        if t % show_every == 0:
            history.samples.append((t, draw(G, shown, batch_size)))
            if report is not None:
                report(*history.samples[-1])

    with progress_bar(num_epochs * loop.length(loader), "training", verbose) as bar:
        loop.train(history, num_epochs, epoch, after_step)
    return history


def _scaled(loader: Iterable[Any], D: Any, batch_size: int) -> Iterator[Any]:
    """Go through an epoch's scaled pictures, and look at what comes."""
    full, short = 0, 0
    for batch in loader:
        x = np.asarray(batch[0] if isinstance(batch, list | tuple) else batch)
        is_floating = np.issubdtype(x.dtype, np.floating)
        size = min(len(x), batch_size)
        loop.require_pictures(x, is_floating, lambda x: (x.min(), x.max()), size)
        scaled = tf.constant(2 * x.reshape(len(x), PIXELS) - 1, tf.float32)
        if size < batch_size:
            short += 1
            if full and _takes(D, scaled):
                yield scaled
            continue
        full += 1
        yield scaled
    if not full:
        raise ValueError(loop.nothing_came(short, batch_size))


def _takes(D: Any, x: Any) -> bool:
    """Tell whether a network takes a batch of this size; leaves it as it was."""
    try:
        with _kept(D):
            return len(in_training(D, x)) == len(x)
    except (ValueError, TypeError, tf.errors.InvalidArgumentError):
        return False


def in_training(model: Any, x: Any) -> Any:
    """Call a network as it works in training: batch normalization goes by the batch.

    Args:
        model: A Keras model, or any function.
        x: Its inputs.
    """
    return _call(model, x, training=True)


def _call(model: Any, x: Any, training: bool) -> Any:
    is_layer = isinstance(model, tf.keras.layers.Layer)
    return model(x, training=training) if is_layer else model(x)


def draw(G: Any, noise: Any, batch_size: int = 128) -> Pictures:
    """Let a generator draw as it does in training, without teaching it anything.

    Batch normalization goes by the rows that are drawn together, here all of them.

    Args:
        G: The generator; its layers' moving averages stay as they are.
        noise: (N, D) noise.
        batch_size: Rows at a time for a generator that is made for that number alone.

    Returns:
        (N, 784) scaled pictures.

    Example:
        >>> G = tf.keras.Sequential([tf.keras.layers.Dense(784, "tanh")])
        >>> draw(G, tf.zeros((3, 4))).shape
        (3, 784)
    """
    N = len(noise)
    with _kept(G):
        try:
            fakes = in_training(G, noise)
        except (ValueError, tf.errors.InvalidArgumentError):
            if batch_size == N:
                raise
            # Rows of the same noise over again fill the last batch.
            rows = np.resize(
                np.asarray(noise), (-(-N // batch_size) * batch_size, noise.shape[1])
            )
            starts = range(0, len(rows), batch_size)
            parts = [in_training(G, rows[k : k + batch_size]) for k in starts]
            fakes = tf.concat([tf.reshape(p, (-1, PIXELS)) for p in parts], axis=0)[:N]
    return np.asarray(fakes, dtype=np.float32).reshape(N, PIXELS)


@contextmanager
def _kept(model: Any) -> Iterator[None]:
    """Give a network its moving averages back, whatever happens meanwhile."""
    variables = list(getattr(model, "non_trainable_variables", ()))
    before = [variable.numpy() for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def count_params(model: Any) -> int:
    """Return how many numbers a model holds, those of batch normalization included.

    What it learns and what it only keeps track of, such as moving averages, count.

    Args:
        model: A Keras model that knows the size of its inputs.

    Raises:
        ValueError: If it has no weights yet.

    Example:
        >>> layers = tf.keras.layers
        >>> count_params(tf.keras.Sequential([tf.keras.Input((3,)), layers.Dense(2)]))
        8
    """
    if not model.weights and not model.built:
        raise ValueError(
            "The model has no weights before it knows the size of its inputs; call it "
            "once, or begin it with tf.keras.Input, such as tf.keras.Input((784,))."
        )
    return sum(math.prod(weight.shape) for weight in model.weights)


def _number(loss: Any) -> Any:
    """Return a loss without dimensions of one."""
    return tf.reshape(tf.convert_to_tensor(loss), ())
