"""Q3 and Q4: how gradients at the pixels and style transfer's losses are tried out.

A made-up network of two small layers takes SqueezeNet's place: the functions work with
any, and this one needs no weights and no time.

Letters in shapes: N pictures, C channels of a feature map, H rows, W columns.
"""

from collections.abc import Callable
from contextlib import nullcontext
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from cs231n.check_bench import Bench, Exercise, UnfitError, as_array, kind
from cs231n.check_marks import Results

PIXELS, STYLE = "cs231n.net_visualization_pytorch.", "cs231n.style_transfer_pytorch."
WITHIN = 1e-4  # relative, in float32
CLASSES = 7


class Watched(nn.Module):
    """A small classifier that remembers the pictures it was shown.

    Attributes:
        seen: (N, 3, H, W) pictures, in order, without repetitions.
    """

    def __init__(self, rng: np.random.RandomState) -> None:
        """Draw the weights.

        Args:
            rng: Draws them.
        """
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2),
            nn.ReLU(),
            nn.Conv2d(8, 6, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(24, CLASSES),
        )
        for p in self.layers.parameters():
            fan_in = p[0].numel()
            p.data.copy_(tensor(rng.randn(*p.shape) / np.sqrt(fan_in)))
        self.requires_grad_(False)
        self.seen: list[torch.Tensor] = []

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return the scores of all classes, (N, CLASSES)."""
        if not self.seen or not torch.equal(self.seen[-1], X):
            self.seen.append(X.detach().clone())
        scores: torch.Tensor = self.layers(X)
        return scores


def tensor(values: Any) -> torch.Tensor:
    """Turn numbers into a float32 tensor."""
    return torch.tensor(np.asarray(values), dtype=torch.float32)


def require_tensor(name: str, value: Any) -> torch.Tensor:
    """Insist on a tensor.

    Args:
        name: What the result is called.
        value: What a student's function returned.

    Raises:
        UnfitError: If it is anything else.
    """
    if not isinstance(value, torch.Tensor):
        raise UnfitError(f"{name} is {kind(value)}, where a tensor is wanted")
    return value


def _saliency(bench: Bench, way: str) -> Results:
    del way
    rng = bench.rng()
    model = Watched(rng)
    results: Results = {}
    for name, labels in (("saliency", [4, 0, 5]), ("saliency of one", [2])):
        X = tensor(rng.randn(len(labels), 3, 9, 12))
        maps = require_tensor(name, bench.call(X.clone(), torch.tensor(labels), model))
        if maps.requires_grad:
            raise UnfitError(f"{name} still requires its gradient; detach it")
        results[name] = as_array(name, maps)
    return results


def _fooling(bench: Bench, way: str) -> Results:
    del way
    rng = bench.rng()
    model = Watched(rng)
    X = tensor(rng.randn(1, 3, 9, 12) / 4)
    order = model(X)[0].argsort(descending=True)
    model.seen.clear()
    given = X.clone()
    target = int(order[1])
    fooling = require_tensor("the picture", bench.call(given, target, model)).detach()
    if not torch.equal(given, X):
        raise UnfitError("changed the picture it was given; start from a copy of it")
    path = [*model.seen, fooling]
    # Each place on the way once, however often it was looked at.
    path = [path[0], *(b for a, b in pairwise(path) if not torch.equal(a, b))]
    steps = [b - a for a, b in pairwise([X, *path[1:]])] or [torch.zeros_like(X)]
    if not torch.equal(path[0], X):
        steps = [path[0] - X, *steps]
    scores = model.layers(fooling)[0]
    already = int(model.layers(X).argmax())
    unchanged = bench.call(X.clone(), already, model)
    return {
        "the first step": as_array("the first step", steps[0]),
        "the second step": as_array(
            "the second step", steps[1] if len(steps) > 1 else 0 * X
        ),
        "the class it ends with": np.array([float(scores.argmax() == target)]),
        "a picture that is of the class already": as_array("it", unchanged - X),
    }


def _update(bench: Bench, way: str) -> Results:
    del way
    rng = bench.rng()
    model = Watched(rng)
    img = tensor(rng.randn(1, 3, 9, 12)).requires_grad_()
    before = img.detach().clone()
    results = {}
    # The second step tells whether gradients of the first one were kept.
    for name in ("the first step", "the second step"):
        bench.call(img, model, 3, 0.01, 2.5)
        results[name] = as_array(name, img.detach() - before)
        before = img.detach().clone()
    return results


def _with_gradient(name: str, loss: Any, at: torch.Tensor, results: Results) -> None:
    """Keep a loss, and its gradient at something; zero if there is none."""
    loss = require_tensor(name, loss)
    if loss.numel() != 1:
        raise UnfitError(f"{name} has shape {tuple(loss.shape)}; one number is wanted")
    results[name] = as_array(name, loss.reshape(()))
    results[f"the gradient of {name}"] = as_array(name, gradient(loss.sum(), at))


def gradient(loss: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """Differentiate a number at a tensor; zeros if it does not depend on it."""
    if not loss.requires_grad:
        return torch.zeros_like(at)
    grads: tuple[torch.Tensor | None, ...] = torch.autograd.grad(
        loss, at, retain_graph=True, allow_unused=True
    )
    return torch.zeros_like(at) if grads[0] is None else grads[0]


def _content(bench: Bench, way: str) -> Results:
    del way
    rng = bench.rng()
    current = tensor(rng.randn(1, 4, 5, 6)).requires_grad_()
    original = tensor(rng.randn(1, 4, 5, 6))
    results: Results = {}
    _with_gradient("the loss", bench.call(0.35, current, original), current, results)
    return results


def _gram(bench: Bench, way: str) -> Results:
    del way
    rng = bench.rng()
    features = tensor(rng.randn(2, 4, 5, 6)).requires_grad_()
    gram = require_tensor("the matrix", bench.call(features))
    results = {"the matrix": as_array("the matrix", gram)}
    weights = tensor(np.resize(rng.randn(64), tuple(gram.shape)))
    grad = gradient((gram * weights).sum(), features)
    results["its gradient"] = as_array("its gradient", grad)
    plain = bench.call(features.detach(), False)
    results["the matrix without normalizing"] = as_array("the matrix", plain)
    turned = tensor(rng.randn(5, 6, 1, 3)).permute(2, 3, 0, 1)
    results["the matrix of features in another order of memory"] = as_array(
        "the matrix", bench.call(turned)
    )
    return results


def _made_up_gram(features: torch.Tensor, normalize: bool = True) -> torch.Tensor:
    """Stand in for a Gram matrix: as large, as smooth, and nothing like one."""
    m = features.cos().mean(dim=(2, 3))
    return (m[:, :, None] - 2 * m[:, None, :]) * (1 if normalize else 3)


def _style(bench: Bench, way: str) -> Results:
    rng = bench.rng()
    sizes = [(3, 6, 7), (4, 6, 7), (5, 3, 4), (2, 3, 4)]
    feats = [tensor(rng.randn(1, *s)).requires_grad_() for s in sizes]
    layers = [1, 3, 2]
    targets = [tensor(rng.randn(1, sizes[k][0], sizes[k][0])) for k in layers]
    weights = [0.5, 20.0, 3.0]
    results: Results = {}
    made_up = bench.instead(gram_matrix=_made_up_gram)
    with made_up if way == "stand-in" else nullcontext():
        loss = bench.call(feats, layers, targets, weights)
        _with_gradient("the loss", loss, feats[3], results)
        none = require_tensor("the loss of no layers", bench.call(feats, [], [], []))
        results["the loss of no layers"] = as_array("it", none.reshape(-1)[:1])
    return results


def _tv(bench: Bench, way: str) -> Results:
    del way
    rng = bench.rng()
    img = tensor(rng.randn(1, 3, 6, 9)).requires_grad_()
    results: Results = {}
    _with_gradient("the loss", bench.call(img, 0.35), img, results)
    return results


def _once(run: Callable[[Bench, str], Results], *ways: str) -> Exercise:
    return Exercise(run, ("own", *ways), WITHIN)


EXERCISES = {
    f"{PIXELS}compute_saliency_maps": _once(_saliency),
    f"{PIXELS}make_fooling_image": _once(_fooling),
    f"{PIXELS}class_visualization_update_step": _once(_update),
    f"{STYLE}content_loss": _once(_content),
    f"{STYLE}gram_matrix": _once(_gram),
    f"{STYLE}style_loss": _once(_style, "stand-in"),
    f"{STYLE}tv_loss": _once(_tv),
}
