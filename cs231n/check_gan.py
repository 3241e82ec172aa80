"""Q5: how the pieces of a generative adversarial network are tried out.

A network is told by what it makes of fixed inputs once its weights are set to fixed
numbers, layer by layer in the order in which it runs.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from cs231n.check_bench import Bench, Exercise, UnfitError, as_array, kind
from cs231n.check_marks import Array, Results
from cs231n.check_pictures import WITHIN, gradient, require_tensor, tensor

# The first optimizer makes torch import its compiler, which takes seconds: here they
# count for no function.
torch.optim.Adam([torch.zeros(1)])

GAN = "cs231n.gan_pytorch."
NOISE_DIM = 4  # the number of parameters is known for this one


def _noise(bench: Bench, way: str) -> Results:
    del way
    noise = require_tensor("the noise", bench.call(8, 4000))
    values = as_array("the noise", noise)
    if values.shape != (8, 4000):
        raise UnfitError(f"the noise has shape {values.shape} instead of (8, 4000)")
    rows = len(np.unique(values, axis=0)) / len(values)

    def rounded(number: float) -> Array:
        # Rounded so far that chance has no part in it.
        return np.array([np.clip(np.round(number, 1), -2, 2)]) + 0.0

    return {
        "the smallest number": rounded(values.min()),
        "the largest number": rounded(values.max()),
        "the mean": rounded(values.mean()),
        "the standard deviation": rounded(values.std()),
        "the part of rows that differ": rounded(rows),
        "the number of bytes of a number": np.array([float(values.itemsize)]),
    }


def _network(
    inputs: Callable[[np.random.RandomState], torch.Tensor], *args: Any
) -> Exercise:
    """Try out a function that builds a network."""

    def run(bench: Bench, way: str) -> Results:
        del way
        model = bench.call(*args)
        if not isinstance(model, nn.Module):
            raise UnfitError(f"returned {kind(model)}, where a network is wanted")
        x = inputs(bench.rng())
        with torch.no_grad():
            _set_weights(model, x)
            out = require_tensor("the output", model(x.clone()))
        parameters = sum(p.numel() for p in model.parameters())
        return {
            "the number of parameters": np.array([float(parameters)]),
            "the output": as_array("the output", out),
        }

    return Exercise(run, within=WITHIN)


def _set_weights(model: nn.Module, x: torch.Tensor) -> None:
    """Give every layer fixed weights, in the order in which layers run."""
    order: list[nn.Module] = []
    hooks = [
        m.register_forward_pre_hook(lambda m, _: order.append(m))
        for m in model.modules()
        if next(m.parameters(recurse=False), None) is not None
    ]
    model(x.clone())
    for hook in hooks:
        hook.remove()
    number = 0
    for layer in dict.fromkeys(order):
        for p in layer.parameters(recurse=False):
            number += 1
            # Repeats itself, at a distance that no size of a layer divides.
            table = np.random.RandomState(number).randn(8191)
            fan_in = p[0].numel() if p.ndim > 1 else 4
            values = np.resize(table * (1.5 / fan_in**0.5), p.numel())
            p.copy_(tensor(values).reshape(p.shape))


def _images(rng: np.random.RandomState) -> torch.Tensor:
    return tensor(rng.uniform(-1, 1, size=(8, 1, 28, 28)))


def _seeds(rng: np.random.RandomState) -> torch.Tensor:
    return tensor(rng.uniform(-1, 1, size=(8, NOISE_DIM)))


# Scores of real and of drawn pictures for which the course's answers are stored.
REAL = [0.93487311, -1.01698916, -0.57304769, -0.88162704, -1.40129389]
REAL += [-1.45395693, -1.54239755, -0.57273325, 0.98584429, 0.13312152]
FAKE = [-1.80865868, 0.09030055, -0.44289020, -0.07879368, -0.37655044]
FAKE += [0.32084742, -0.28590837, 1.01376281, 0.99241439, 0.39394346]


def _loss(names: Sequence[str]) -> Exercise:
    def run(bench: Bench, way: str) -> Results:
        del way
        rng = bench.rng()
        results: Results = {}
        drawn = [tensor(rng.randn(6, 1)).requires_grad_() for _ in names]
        loss = require_tensor("the loss", bench.call(*drawn))
        if loss.numel() != 1:
            raise UnfitError(f"the loss has shape {tuple(loss.shape)}, not ()")
        results["the loss"] = as_array("the loss", loss.reshape(()))
        for name, scores in zip(names, drawn, strict=True):
            grad = gradient(loss.sum(), scores)
            results[f"the gradient at the {name} scores"] = as_array("it", grad)
        stored = [tensor({"real": REAL, "fake": FAKE}[n])[:, None] for n in names]
        results["the loss of the course's scores"] = as_array(
            "the loss", require_tensor("the loss", bench.call(*stored)).reshape(())
        )
        return results

    return Exercise(run, within=WITHIN / 10)


def _optimizer(bench: Bench, way: str) -> Results:
    del way
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    optimizer = bench.call(model)
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise UnfitError(f"returned {kind(optimizer)}, where an optimizer is wanted")
    group = optimizer.param_groups[0]
    size = sum(p.numel() for g in optimizer.param_groups for p in g["params"])
    return {
        "the kind (1 is Adam)": np.array([float(type(optimizer) is torch.optim.Adam)]),
        "the learning rate": np.array([float(group["lr"])]),
        "the betas": np.array(group.get("betas", (0.0, 0.0)), dtype=float),
        "the weight decay": np.array([float(group.get("weight_decay", 0))]) + 1,
        "the number of weights it changes": np.array([float(size)]),
    }


EXERCISES = {
    f"{GAN}sample_noise": Exercise(_noise),
    f"{GAN}discriminator": _network(_images),
    f"{GAN}generator": _network(_seeds, NOISE_DIM),
    f"{GAN}discriminator_loss": _loss(["real", "fake"]),
    f"{GAN}generator_loss": _loss(["fake"]),
    f"{GAN}get_optimizer": Exercise(_optimizer),
    f"{GAN}ls_discriminator_loss": _loss(["real", "fake"]),
    f"{GAN}ls_generator_loss": _loss(["fake"]),
    f"{GAN}build_dc_classifier": _network(_images, 8),
    f"{GAN}build_dc_generator": _network(_seeds, NOISE_DIM),
}
