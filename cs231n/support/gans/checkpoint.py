"""Checkpoints of a GAN's training: both networks, both optimizers and what they did."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn

from cs231n.support import (
    beside_tensorflow,  # noqa: F401 (or torch ends the process)
    checkpoint,
)
from cs231n.support.arrays import Array
from cs231n.support.gans.history import GANHistory

Solver: TypeAlias = torch.optim.Optimizer

# How Adam computes, not what.
_MANNERS = {"params", "fused", "foreach"}


def save_checkpoint(
    path: str | os.PathLike[str],
    models: Mapping[str, nn.Module],
    solvers: Mapping[str, Solver],
    settings: Mapping[str, Any],
    history: GANHistory,
) -> None:
    """Save all that a run depends on, whole or not at all.

    Args:
        path: An ``.npz`` file of plain arrays; replaced if it exists.
        models: Name -> network.
        solvers: Name -> optimizer.
        settings: What must be the same for the run to continue.
        history: How the run went so far.

    Raises:
        OSError: If it cannot be written; an older checkpoint stays as it was.
    """
    arrays: dict[str, Any] = {
        "random": torch.get_rng_state().numpy(),
        "losses": np.array([history.d_losses, history.g_losses]),
        "shown": np.array([t for t, _ in history.samples], dtype=np.int64),
        "samples": np.array([images for _, images in history.samples]),
    }
    for name, model in models.items():
        for key, value in model.state_dict().items():
            arrays[f"{name}/{key}"] = _to_array(value)
    for name, solver in solvers.items():
        for number, state in solver.state_dict()["state"].items():
            for key, value in state.items():
                arrays[f"{name}/{number}/{key}"] = _to_array(torch.as_tensor(value))
    facts = {"epochs": history.epochs, "seconds": history.seconds}
    checkpoint.save(path, arrays, _describe(settings, solvers), **facts)


def load_checkpoint(
    path: str | os.PathLike[str],
    models: Mapping[str, nn.Module],
    solvers: Mapping[str, Solver],
    settings: Mapping[str, Any],
) -> GANHistory:
    """Take up a saved run: weights, optimizers, random numbers and history.

    Args:
        path: A file that save_checkpoint wrote.
        models: Name -> network, built as it was then.
        solvers: Name -> optimizer, built as it was then.
        settings: As they were then.

    Returns:
        How the run went until then.

    Raises:
        ValueError: If the file is damaged, or of another run; nothing has changed then.
    """
    settings = _describe(settings, solvers)
    with checkpoint.reading(path, "this training", settings) as (arrays, facts):
        weights = {
            name: {
                key: checkpoint.fitting(arrays, f"{name}/{key}", _to_array(own))
                for key, own in model.state_dict().items()
            }
            for name, model in models.items()
        }
        states = {
            name: _solver_state(arrays, name, solver)
            for name, solver in solvers.items()
        }
        d_losses, g_losses = arrays["losses"].tolist()
        samples = list(zip(arrays["shown"].tolist(), arrays["samples"], strict=True))
        epochs, seconds = int(facts["epochs"]), float(facts["seconds"])
        random = torch.from_numpy(arrays["random"])
        torch.Generator().set_state(random)  # raises if it is no state
    for name, model in models.items():
        tensors = {key: torch.from_numpy(w) for key, w in weights[name].items()}
        model.load_state_dict(tensors)
    for name, solver in solvers.items():
        solver.state.clear()
        solver.state.update(states[name])
    torch.set_rng_state(random)
    return GANHistory(d_losses, g_losses, samples, epochs, seconds)


def _to_array(value: torch.Tensor) -> Array:
    return value.detach().cpu().numpy()


def _solver_state(
    arrays: Mapping[str, Array], name: str, solver: Solver
) -> dict[torch.Tensor, dict[str, torch.Tensor]]:
    """Give each weight its optimizer's state, which lies in memory as the weight does.

    The fused Adam takes that for granted.
    """
    weights = [weight for group in solver.param_groups for weight in group["params"]]
    states: dict[torch.Tensor, dict[str, torch.Tensor]] = {}
    for number, weight in enumerate(weights):
        found = {
            key: torch.empty_like(weight).copy_(value) if value.ndim else value
            for key, array in checkpoint.below(arrays, f"{name}/{number}/").items()
            for value in [torch.from_numpy(array)]
        }
        if found:
            states[weight] = found
    return states


def _describe(
    settings: Mapping[str, Any], solvers: Mapping[str, Solver]
) -> dict[str, Any]:
    """What must be the same for a checkpoint to continue a run."""
    facts = dict(settings)
    for name, solver in solvers.items():
        facts[f"{name}'s kind"] = type(solver).__name__
        for number, group in enumerate(solver.param_groups):
            for key in sorted(group.keys() - _MANNERS):
                facts[f"{name}'s {key} {number}"] = group[key]
    return facts
