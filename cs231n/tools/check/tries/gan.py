"""Q5: how the pieces of a generative adversarial network are tried out.

A network is told by what it makes of fixed inputs once its weights are set to fixed
numbers, layer by layer in the order in which it runs.
"""

import inspect
from collections.abc import Callable, Sequence

import numpy as np

from cs231n.support.gans.editions import for_batches_of
from cs231n.tools.check.bench import Bench, Exercise
from cs231n.tools.check.marks import Array, Results
from cs231n.tools.check.returned import as_array, require_tensor
from cs231n.tools.check.tries import gan_parts
from cs231n.tools.check.tries.gan_parts import NOISE_DIM, uniform
from cs231n.tools.check.tries.pictures import gradient, inner, one_number, tensor


def _noise(bench: Bench, way: str) -> Results:
    del way
    drawn = require_tensor("the noise", bench.call(8, 4000)).clone()
    results = gan_parts.noise(bench, drawn, bench.call(8, 4000))
    if "seed" in inspect.signature(bench.call).parameters:  # some editions have none
        one, same = (as_array("the noise", bench.call(2, 3, seed=7)) for _ in range(2))
        if not np.array_equal(one, same):
            bench.note("is not repeated by its seed: that is of torch's generator")
    return results


def _network(
    inputs: Callable[[np.random.RandomState, int], Array],
    *args: int,
    named: bool = False,
) -> Exercise:
    """Try out a function that builds a network.

    Args:
        inputs: Draws so many inputs.
        *args: What the function is called with.
        named: Whether it is called with the number of inputs, as a batch size, where
            its edition has that argument.
    """

    def of(bench: Bench, size: int, flat: bool = False) -> Results:
        model = for_batches_of(bench.call, size) if named else bench.call(*args)
        x = tensor(inputs(bench.rng(), size))
        if flat:
            x = x.flatten(1)
        parameters, out = bench.probe("network", model, x)
        return gan_parts.network_results(parameters, as_array("the output", out))

    def flat(bench: Bench) -> Results:
        return of(bench, 8, flat=True)

    return gan_parts.network(
        of,
        care={"fails for pictures that are flat": {"(N, 784)": flat}} if named else {},
        begun=r"nn\.|append|add_module",
        gpu=True,
    )


_images, _seeds = uniform(1, 28, 28), uniform(NOISE_DIM)


def _loss(names: Sequence[str]) -> Exercise:
    def of(bench: Bench, shape: tuple[int, ...], scale: float = 1) -> Results:
        rng = bench.rng()
        drawn = [tensor(scale * rng.randn(*shape)).requires_grad_() for _ in names]
        given = {f"{n} scores": inner(d) for n, d in zip(names, drawn, strict=True)}
        before = {name: scores.detach().clone() for name, scores in given.items()}
        loss = bench.call(*given.values())
        bench.require(given, before)
        results: Results = {"the loss": one_number("the loss", loss)}
        for name, scores in zip(names, drawn, strict=True):
            grad = gradient(loss, scores)
            results[f"the gradient at the {name} scores"] = as_array("it", grad)
        return results

    return gan_parts.loss(names, of, tensor, one_number, gpu=True)


def _optimizer(bench: Bench, way: str) -> Results:
    del way
    model = bench.probe("two_layers")
    found = bench.probe("settings", bench.call(model), model)
    betas = np.array(found["betas"], dtype=float)
    return {
        "the kind of optimizer": np.array([found["Adam"]]),
        "the direction of its steps": np.array([found["descends"]]),
        "the learning rate": np.array([found["lr"]]),
        **{f"beta{k}": np.array([b]) for k, b in enumerate(betas, start=1)},
        "the weight decay": np.array([found["weight_decay"]]),
        "the number of weights it changes": np.array([float(found["size"])]),
    }


EXERCISES = {
    "sample_noise": Exercise(
        _noise,
        within=1e-6,
        telling=gan_parts.SAME,
        no=gan_parts.NOT_NOISE,
        gpu=True,
    ),
    "discriminator": _network(_images),
    "generator": _network(_seeds, NOISE_DIM),
    "discriminator_loss": _loss(["real", "fake"]),
    "generator_loss": _loss(["fake"]),
    "get_optimizer": Exercise(
        _optimizer,
        within=1e-6,  # settings may be float32 tensors
        no={
            **gan_parts.NO_ADAM,
            "the direction of its steps": "is uphill: the loss would rise",
        },
        gpu=True,
        imports=("torch._dynamo",),
    ),
    "ls_discriminator_loss": _loss(["real", "fake"]),
    "ls_generator_loss": _loss(["fake"]),
    "build_dc_classifier": _network(_images, named=True),
    "build_dc_generator": _network(_seeds, NOISE_DIM),
}
