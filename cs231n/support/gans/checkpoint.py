"""Checkpoints of a GAN's training: plain arrays in one file, whole or absent."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from cs231n.support.file_kinds import because
from cs231n.support.files import replacing
from cs231n.support.gans.history import GANHistory

_FORMAT = 1
# How Adam computes, not what.
_MANNERS = {"params", "fused", "foreach"}


def save_checkpoint(
    path: str | os.PathLike[str],
    models: Mapping[str, nn.Module],
    solvers: Mapping[str, torch.optim.Optimizer],
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
    arrays: dict[str, Any] = {}
    for name, model in models.items():
        for key, value in model.state_dict().items():
            arrays[f"{name}/{key}"] = _to_array(value)
    for name, solver in solvers.items():
        for number, state in solver.state_dict()["state"].items():
            for key, value in state.items():
                arrays[f"{name}/{number}/{key}"] = _to_array(torch.as_tensor(value))
    arrays["random"] = torch.get_rng_state().numpy()
    arrays["losses"] = np.array([history.d_losses, history.g_losses])
    arrays["shown"] = np.array([t for t, _ in history.samples], dtype=np.int64)
    arrays["samples"] = np.array([images for _, images in history.samples])
    facts = {
        "format": _FORMAT,
        "settings": _describe(settings, solvers),
        "epochs": history.epochs,
        "seconds": history.seconds,
    }
    arrays["facts"] = np.array(json.dumps(facts))
    with replacing(path) as draft, draft.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_checkpoint(
    path: str | os.PathLike[str],
    models: Mapping[str, nn.Module],
    solvers: Mapping[str, torch.optim.Optimizer],
    settings: Mapping[str, Any],
    history: GANHistory,
) -> None:
    """Take up a saved run: weights, optimizers, random numbers and history.

    Args:
        path: A file that save_checkpoint wrote.
        models: Name -> network, built as it was then.
        solvers: Name -> optimizer, built as it was then.
        settings: As they were then.
        history: Filled with what is in the file.

    Raises:
        ValueError: If the file is damaged, or of another run; nothing has changed then.
    """
    name = os.fspath(path)
    try:
        with (
            Path(path).open("rb") as stream,
            np.load(stream, allow_pickle=False) as file,
        ):
            arrays = {key: file[key] for key in file.files}
        facts = json.loads(str(arrays["facts"]))
        wrong = _differences(facts, _describe(settings, solvers))
        weights = {}
        for key, model in {} if wrong else models.items():
            own = model.state_dict()
            weights[key] = {part: _part(arrays, key, part, own) for part in own}
        states = {
            key: _solver_state(arrays, key, solver)
            for key, solver in ({} if wrong else solvers.items())
        }
        d_losses, g_losses = arrays["losses"].tolist()
        samples = list(zip(arrays["shown"].tolist(), arrays["samples"], strict=True))
        random = torch.from_numpy(arrays["random"])
        torch.Generator().set_state(random)  # raises if it is no state
        epochs, seconds = int(facts["epochs"]), float(facts["seconds"])
    except Exception as error:  # damaged bytes raise a dozen kinds in zipfile alone
        raise ValueError(
            f"{name} is not a whole checkpoint of this training "
            + because(path, "zip", error, "delete it to start anew")
        ) from error
    if wrong:
        raise ValueError(
            f"{name} belongs to another run ({'; '.join(wrong)}); use those settings "
            "again, or delete it to start anew."
        )
    for key, model in models.items():
        model.load_state_dict(weights[key])
    for key, solver in solvers.items():
        solver.state.clear()
        solver.state.update(states[key])
    torch.set_rng_state(random)
    history.d_losses, history.g_losses = d_losses, g_losses
    history.samples, history.epochs, history.seconds = samples, epochs, seconds


def _to_array(value: torch.Tensor) -> np.ndarray[Any, Any]:
    return value.detach().cpu().numpy()


def _part(
    arrays: Mapping[str, Any], name: str, part: str, own: Mapping[str, torch.Tensor]
) -> torch.Tensor:
    saved = torch.from_numpy(arrays[f"{name}/{part}"])
    if (saved.shape, saved.dtype) != (own[part].shape, own[part].dtype):
        raise ValueError(f"{name}'s {part} came as {saved.dtype} {tuple(saved.shape)}")
    return saved


def _solver_state(
    arrays: Mapping[str, Any], name: str, solver: torch.optim.Optimizer
) -> dict[torch.Tensor, dict[str, torch.Tensor]]:
    """Give each weight its optimizer's state, which lies in memory as the weight does.

    The fused Adam takes that for granted.
    """
    weights = [weight for group in solver.param_groups for weight in group["params"]]
    states: dict[torch.Tensor, dict[str, torch.Tensor]] = {}
    for number, weight in enumerate(weights):
        prefix = f"{name}/{number}/"
        found = {
            key.removeprefix(prefix): torch.from_numpy(value)
            for key, value in arrays.items()
            if key.startswith(prefix)
        }
        for key, value in found.items():
            if value.ndim:
                value = torch.empty_like(weight).copy_(value)
            found[key] = value
        if found:
            states[weight] = found
    return states


def _describe(
    settings: Mapping[str, Any], solvers: Mapping[str, torch.optim.Optimizer]
) -> dict[str, Any]:
    """What must be the same for a checkpoint to continue a run, as JSON has it."""
    facts = dict(settings)
    for name, solver in solvers.items():
        facts[f"{name}'s kind"] = type(solver).__name__
        for number, group in enumerate(solver.param_groups):
            for key in sorted(group.keys() - _MANNERS):
                facts[f"{name}'s {key} {number}"] = group[key]
    described: dict[str, Any] = json.loads(json.dumps(facts, default=repr))
    return described


def _differences(facts: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    was = facts["settings"]
    wrong = [f"{k} was {was.get(k)}, is {v}" for k, v in now.items() if was.get(k) != v]
    if facts["format"] != _FORMAT:
        wrong.append(f"its format is {facts['format']}, not {_FORMAT}")
    return wrong
