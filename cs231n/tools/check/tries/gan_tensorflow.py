"""Q5 in TensorFlow: how the pieces of a generative adversarial network are tried out.

A network is told by what it makes of fixed inputs once its weights are set to fixed
numbers, layer by layer in the order in which it runs, in training mode.
"""

from collections.abc import Callable, Sequence

import numpy as np

from cs231n.lab.fixed_weights_tensorflow import set_fixed_weights
from cs231n.support.accuracy import LIMITS
from cs231n.support.frameworks import require_tensorflow
from cs231n.support.gans.training_tensorflow import is_adam
from cs231n.tools.check.bench import ONE, Bench, Exercise
from cs231n.tools.check.faults import NothingError, UnfitError
from cs231n.tools.check.marks import Array, Results
from cs231n.tools.check.returned import kind, unpack
from cs231n.tools.check.tries import gan_parts
from cs231n.tools.check.tries.gan_parts import NOISE_DIM, uniform
from cs231n.tools.check.tries.pictures_tensorflow import (
    as_result,
    one_number,
    tensor,
    with_gradients,
)

require_tensorflow()

import tensorflow as tf  # noqa: E402

_SHAPE = (4, 5)


def _leaky_of(bench: Bench, shape: tuple[int, ...], dtype: str = "float32") -> Results:
    x = tensor(bench.rng().randn(*shape), dtype)
    values = as_result("the result", bench.call(x))
    if values.shape != shape:
        raise UnfitError(f"the result has shape {values.shape}; {shape} went in")
    return {
        "the result": values,
        "the result with a slope of 0.2": as_result("the result", bench.call(x, 0.2)),
    }


def _leaky(bench: Bench, way: str) -> Results:
    del way
    return _leaky_of(bench, _SHAPE)


def _gradient_of_leaky(bench: Bench) -> Results:
    rng = bench.rng()
    x, weights = tensor(rng.randn(*_SHAPE)), tensor(rng.randn(*_SHAPE))
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(weights * bench.call(x))
    return {"the gradient": as_result("the gradient", tape.gradient(total, x))}


def _noise(bench: Bench, way: str) -> Results:
    del way
    drawn = bench.call(8, 4000)
    as_result("the noise", drawn)
    if not tf.is_tensor(drawn):
        raise UnfitError(f"the noise is {kind(drawn)}, where a tensor is wanted")
    return gan_parts.noise(bench, tf.identity(drawn), bench.call(8, 4000))


def _network(
    inputs: Callable[[np.random.RandomState, int], Array], *args: int
) -> Exercise:
    """Try out a function that builds a network.

    Args:
        inputs: Draws so many inputs.
        *args: What the function is called with.
    """

    def of(bench: Bench, size: int) -> Results:
        model = bench.call(*args)
        if model is None:
            raise NothingError("the network is None: nothing was built")
        if not isinstance(model, tf.keras.Model):
            raise UnfitError(f"returned {kind(model)}, where a Keras model is wanted")
        x = tensor(inputs(bench.rng(), size))
        set_fixed_weights(model, x)
        if not model.weights:
            raise NothingError("the network has no weights: nothing was built")
        count = sum(int(np.prod(weight.shape)) for weight in model.weights)
        out = as_result("the output", model(x, training=True))
        return gan_parts.network_results(count, out)

    return gan_parts.network(of, begun=r"\blayers\.|\bDense|\badd\(")


_images, _seeds = uniform(784), uniform(NOISE_DIM)


def _loss(names: Sequence[str]) -> Exercise:
    def of(
        bench: Bench, shape: tuple[int, ...], scale: float = 1, dtype: str = "float32"
    ) -> Results:
        rng = bench.rng()
        at = {name: tensor(scale * rng.randn(*shape), dtype) for name in names}
        value, gradients = with_gradients(
            "the loss", lambda: bench.call(*at.values()), at
        )
        results: Results = {"the loss": value}
        for name, slope in gradients.items():
            results[f"the gradient at the {name} scores"] = slope
        return results

    care = {"fails for float64": {"": lambda b: of(b, (6, 1), dtype="float64")}}
    return gan_parts.loss(names, of, tensor, one_number, care)


_SOLVERS = ("D_solver", "G_solver")


def _of(name: str, solver: str) -> str:
    return f"{name} of {solver}"


def _settings(bench: Bench, *args: float) -> tuple[list[dict[str, float]], bool]:
    """Return what both solvers are set to, and whether there are two of them."""
    solvers = unpack(bench.call(*args), _SOLVERS)
    for solver in solvers:
        if not isinstance(solver, tf.keras.optimizers.Optimizer):
            raise UnfitError(f"returned {kind(solver)}, where an optimizer is wanted")
    found = [
        {
            "the kind of optimizer": float(is_adam(solver)),
            "the learning rate": float(solver.learning_rate),
            "beta1": float(getattr(solver, "beta_1", 0)),
            "beta2": float(getattr(solver, "beta_2", 0)),
            "the weight decay": float(solver.weight_decay or 0),
        }
        for solver in solvers
    ]
    return found, solvers[0] is not solvers[1]


def _solvers(bench: Bench, way: str) -> Results:
    del way
    found, two = _settings(bench)
    return _by_solver(found, list(found[0])) | {
        "the number of solvers": np.array([1.0 + two])
    }


def _solvers_of_arguments(bench: Bench) -> Results:
    found, _ = _settings(bench, 3e-3, 0.7)
    return _by_solver(found, ["the learning rate", "beta1"])


def _by_solver(found: list[dict[str, float]], names: list[str]) -> Results:
    return {
        _of(name, solver): np.array([settings[name]])
        for name in names
        for solver, settings in zip(_SOLVERS, found, strict=True)
    }


EXERCISES = {
    "leaky_relu": Exercise(
        _leaky,
        within=LIMITS["GAN losses"],
        care={
            ONE: {"a single number": lambda bench: _leaky_of(bench, (1,))},
            "fails for float64": {"": lambda b: _leaky_of(b, _SHAPE, "float64")},
            "has no gradient, which a network needs": {"": _gradient_of_leaky},
        },
    ),
    "sample_noise": Exercise(
        _noise,
        within=1e-6,
        telling=gan_parts.SAME,
        no=gan_parts.NOT_NOISE,
    ),
    "discriminator": _network(_images),
    "generator": _network(_seeds, NOISE_DIM),
    "discriminator_loss": _loss(["real", "fake"]),
    "generator_loss": _loss(["fake"]),
    "get_solvers": Exercise(
        _solvers,
        within=1e-6,
        no={
            _of(name, of): no
            for name, no in gan_parts.NO_ADAM.items()
            for of in _SOLVERS
        },
        care={"does not use its arguments": {"": _solvers_of_arguments}},
    ),
    "ls_discriminator_loss": _loss(["real", "fake"]),
    "ls_generator_loss": _loss(["fake"]),
    "dc_discriminator": _network(_images),
    "dc_generator": _network(_seeds, NOISE_DIM),
}
