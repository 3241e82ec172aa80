"""Train the torch twin of ``PretrainedCNN`` on small pictures, in minutes.

Letters in shapes: N pictures; C classes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from cs231n.embedded.tiny_twin import Twin, weights_of
from cs231n.support.progress import progress_bar
from cs231n.support.threads import one_torch_thread

if TYPE_CHECKING:
    from cs231n.embedded.tiny_recipe import Recipe
    from cs231n.support.arrays import Array
    from cs231n.support.folders import Pieces

_WARM_UP = 0.2  # the part of all steps in which the learning rate rises
_SAVE_EVERY = 20.0  # seconds
_PIECE = "training"
_SETTLING = 300  # pictures from which the final running statistics are taken


@one_torch_thread()
def train(
    X: Array,
    y: Array,
    parts: Array,
    recipe: Recipe,
    progress: bool = True,
    pieces: Pieces | None = None,
) -> Twin:
    """Train a twin from scratch, or from where an interrupted training stopped.

    It works on one thread, so that everybody's network is the same to the last bit.

    Args:
        X: (N, 3, 64, 64) pictures minus their mean, unchanged.
        y: (N,) classes.
        parts: (P, C) 1 where a class has a property, such as to be red, else 0. Scores
            of classes start as sums of scores of properties, so that what is learnt of
            one red thing serves for all of them.
        recipe: How. Without stages, the network keeps its random weights.
        progress: Whether to show a progress bar.
        pieces: Where the training is kept as it goes; the numbers stay the same.

    Returns:
        The twin, in test mode.
    """
    start, order, shift = np.random.default_rng(recipe.seed).spawn(3)
    classes = torch.from_numpy(parts.astype(np.float32))
    steps = list(_plan(len(X), recipe, order))
    if not steps:
        return _settle(Twin(parts.shape[1], start), X, order)
    twin = Twin(len(parts), start)
    arrays = [w for w in twin.parameters() if w.ndim > 1]
    others = [w for w in twin.parameters() if w.ndim == 1]
    groups: list[dict[str, Any]] = [
        {"params": arrays},
        {"params": others, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(
        groups, momentum=0.9, nesterov=True, weight_decay=recipe.decay, fused=True
    )
    begun = _take_up(pieces, twin, optimizer, shift)
    seen = [sum(len(chosen) for chosen, _ in part) for part in (steps[:begun], steps)]
    saved = time.monotonic()
    with progress_bar(
        seen[1], "training", progress, unit="picture", initial=seen[0]
    ) as bar:
        for number, (chosen, side) in enumerate(steps):
            if number < begun:
                continue
            part = number / len(steps)
            slope = part / _WARM_UP if part < _WARM_UP else (1 - part) / (1 - _WARM_UP)
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate * max(slope, 1e-3)
            pictures = _vary(torch.from_numpy(X[chosen]), shift)
            if side < X.shape[-1]:
                pictures = nn.functional.interpolate(pictures, size=side, mode="area")
            loss = nn.functional.cross_entropy(
                twin(pictures) @ classes, torch.from_numpy(y[chosen])
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            bar.update(len(chosen))
            if pieces and time.monotonic() - saved >= _SAVE_EVERY:
                _keep(pieces, twin, optimizer, shift, number + 1)
                saved = time.monotonic()
    return _settle(_split(twin, classes), X, order)


def _keep(
    pieces: Pieces,
    twin: Twin,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
    steps: int,
) -> None:
    """Save all that the steps to come depend on."""
    facts = json.dumps({"steps": steps, "random": rng.bit_generator.state})
    arrays = {name: array.numpy() for name, array in weights_of(twin).items()}
    for number, w in enumerate(twin.parameters()):
        arrays[f"momentum/{number}"] = optimizer.state[w]["momentum_buffer"].numpy()
    pieces.save(_PIECE, facts=np.array(facts), **arrays)


def _take_up(
    pieces: Pieces | None,
    twin: Twin,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
) -> int:
    """Restore what _keep has saved, if anything; return how many steps were taken."""
    arrays = pieces.load(_PIECE) if pieces else None
    if arrays is None:
        return 0
    facts = json.loads(str(arrays["facts"]))
    for name, array in weights_of(twin).items():
        array.copy_(torch.from_numpy(arrays[name]))
    for number, w in enumerate(twin.parameters()):
        momentum = torch.from_numpy(arrays[f"momentum/{number}"])
        optimizer.state[w]["momentum_buffer"] = momentum
    rng.bit_generator.state = facts["random"]
    return int(facts["steps"])


@torch.no_grad()
def _split(twin: Twin, classes: torch.Tensor) -> Twin:
    """Give a network that scores properties a last layer that scores classes."""
    scores = twin.affine[-1]
    assert isinstance(scores, nn.Linear)
    last = nn.Linear(scores.in_features, classes.shape[1])
    last.weight.copy_(classes.T @ scores.weight)
    last.bias.copy_(scores.bias @ classes)
    twin.affine[-1] = last
    return twin


def _plan(
    N: int, recipe: Recipe, rng: np.random.Generator
) -> Iterator[tuple[Array, int]]:
    """Yield for each step which pictures to take, and at which size."""
    for side, epochs in recipe.stages:
        total = round(N * epochs)
        rounds = [rng.permutation(N) for _ in range(-(-total // N))]
        chosen = np.concatenate([*rounds, np.empty(0, np.int64)])[:total]
        # A short last batch would not do for batch normalization.
        for begin in range(0, total - recipe.batch + 1, recipe.batch):
            yield chosen[begin : begin + recipe.batch], side


def _vary(pictures: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Shift a batch by a few pixels, and mirror each picture half of the time."""
    dy, dx = rng.integers(-4, 5, 2).tolist()
    mirrored = torch.from_numpy(rng.random(len(pictures)) < 0.5)
    pictures = torch.roll(pictures, (dy, dx), (2, 3))
    return torch.where(mirrored[:, None, None, None], pictures.flip(3), pictures)


@torch.no_grad()
def _settle(twin: Twin, X: Array, rng: np.random.Generator) -> Twin:
    """Measure the running statistics afresh, with the final weights."""
    norms = [m for m in twin.norm if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    chosen = rng.permutation(len(X))[:_SETTLING]
    for batch in np.array_split(chosen, max(1, len(chosen) // 100)):
        twin.train()(torch.from_numpy(X[batch]))
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
    return twin.eval()


@one_torch_thread()
@torch.no_grad()
def accuracy(twin: Twin, X: Array, y: Array, most: int) -> float:
    """Return the share of pictures whose highest score is the right one.

    Args:
        twin: The network, in test mode.
        X: (N, 3, 64, 64) pictures minus the training pictures' mean.
        y: (N,) classes.
        most: How many pictures to look at; they are spread over all of them.
    """
    chosen = np.linspace(0, len(X) - 1, min(most, len(X))).astype(int)
    right = 0
    for batch in np.array_split(chosen, -(-len(chosen) // 100)):
        best = twin(torch.from_numpy(X[batch])).argmax(dim=1).numpy()
        right += int((best == y[batch]).sum())
    return right / len(chosen)
