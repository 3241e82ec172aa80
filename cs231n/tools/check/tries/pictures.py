"""Q3 and Q4: how gradients at the pixels and style transfer's losses are tried out.

A made-up network of two small layers takes SqueezeNet's place: the functions work with
any, and this one needs no weights and no time.

Letters in shapes: N pictures, C channels of a feature map, H rows, W columns.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from cs231n.support import beside_tensorflow  # noqa: F401 (or torch ends the process)
from cs231n.tools.check.bench import ONE, Bench, Care
from cs231n.tools.check.faults import UnfitError
from cs231n.tools.check.marks import Array, Results
from cs231n.tools.check.returned import as_array, require_tensor
from cs231n.tools.check.shared import Shared
from cs231n.tools.check.tries import picture_parts
from cs231n.tools.check.tries.climbing import RANK, climb
from cs231n.tools.check.tries.picture_parts import (
    CLASSES,
    PLACES,
    STYLE_LAYERS,
    STYLE_WEIGHTS,
)

SINGLE = "one picture"  # the size that notebooks have
FEATURES = {"C": 4, "H": 5, "W": 6}
_CALLS_MODEL = r"\bmodel\s*\(|\bmodel\.(forward|features)\b"


class Dropped(nn.Module):
    """A dropout that leaves out the same half of the units at every training step."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return every other unit, doubled, in training mode, else all of them."""
        if not self.training:
            return x
        return 2 * x * (torch.arange(x.shape[-1], device=x.device) % 2)


class Watched(nn.Module):
    """A small classifier that remembers the pictures it was shown.

    Like the real one it is another network in training mode, which it is not in.

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
            Dropped(),
            nn.Linear(24, CLASSES),
        )
        for p in self.layers.parameters():
            fan_in = p[0].numel()
            p.data.copy_(tensor(rng.randn(*p.shape) / np.sqrt(fan_in)))
        self.requires_grad_(False).eval()
        self.seen: Shared[torch.Tensor] = Shared()

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return the scores of all classes, (N, CLASSES)."""
        shown = _plain(X).detach()
        if not self.seen or not torch.equal(self.seen[-1], shown):
            self.seen.append(shown.clone())
        scores: torch.Tensor = self.layers(X)
        return scores


def _plain(X: torch.Tensor) -> torch.Tensor:
    """Return pictures as (N, 3, H, W) without what torch.func wraps around them."""
    shape = X.shape[-3:]
    while torch._C._functorch.is_functorch_wrapped_tensor(X):
        X = torch._C._functorch.get_unwrapped(X)
    return X.reshape(-1, *shape)


def _same_mode(bench: Bench, model: nn.Module) -> None:
    if model.training:
        bench.note(
            "leaves the network in training mode: fine here, but whoever uses it next "
            "gets other scores"
        )


def tensor(values: Any) -> torch.Tensor:
    """Turn numbers into a float32 tensor."""
    return torch.tensor(np.asarray(values), dtype=torch.float32)


def _saliency_of(
    bench: Bench, labels: list[int], dtype: torch.dtype = torch.float32
) -> Results:
    rng = bench.rng()
    model = Watched(rng).to(dtype)
    X = tensor(rng.randn(len(labels), 3, 9, 12)).to(dtype)
    y = torch.tensor(labels)
    given = {"X": X.clone(), "y": y.clone()}
    maps = require_tensor("saliency", bench.call(*given.values(), model))
    if maps.requires_grad:
        raise UnfitError("saliency still requires its gradient; detach it")
    bench.require(given, {"X": X, "y": y})
    _same_mode(bench, model)
    return {"saliency": as_array("saliency", maps)}


def _saliency(bench: Bench, way: str) -> Results:
    return _saliency_of(bench, picture_parts.labels(way))


def _in_double(run: Callable[[Bench, torch.dtype], Results]) -> Care:
    return picture_parts.in_double(run, torch.float64)


def _fooling(bench: Bench, way: str) -> Results:
    del way
    rng = bench.rng()
    model = Watched(rng)
    X = tensor(rng.randn(1, 3, 9, 12) / 4)
    order = model(X)[0].argsort(descending=True)
    model.seen.clear()
    given = X.clone()
    target = int(order[RANK])
    fooling = require_tensor("the picture", bench.call(given, target, model)).detach()
    bench.require({"X": given}, {"X": X})
    _same_mode(bench, model)

    def scores_at(picture: Array) -> Array:
        scores: Array = model.layers(torch.from_numpy(picture))[0].numpy()
        return scores

    model.eval()
    path = [x.numpy() for x in (*model.seen, fooling.cpu())]
    return climb(X.numpy(), path, target, scores_at)


def _update(bench: Bench, way: str) -> Results:
    del way
    rng = bench.rng()
    model = Watched(rng)
    img = tensor(rng.randn(1, 3, 9, 12)).requires_grad_()
    before = img.detach().clone()
    target = int(model.layers(before)[0].argsort()[-3])  # not the highest score
    results = {}
    # The second step tells whether gradients of the first one were kept.
    for name in ("the first step", "the second step"):
        bench.call(img, model, target, 0.01, 2.5)
        results[name] = as_array(name, img.detach() - before)
        before = img.detach().clone()
    _same_mode(bench, model)
    return results


def inner(leaf: torch.Tensor) -> torch.Tensor:
    """Return the same numbers as no leaf, so that they may be changed in place."""
    return leaf * 1


def with_gradient(name: str, loss: Any, at: torch.Tensor, results: Results) -> None:
    """Keep a loss, and its gradient at something; zero if there is none.

    Args:
        name: What the loss is called.
        loss: A tensor or a number, with or without dimensions of one.
        at: What it may depend on.
        results: Where both are kept.

    Raises:
        UnfitError: If it is not one number.
    """
    results[name] = one_number(name, loss)
    results[f"the gradient of {name}"] = as_array(name, gradient(loss, at))


def one_number(name: str, loss: Any) -> Array:
    """Insist on a single number, in whatever form.

    Args:
        name: What it is called.
        loss: A tensor, an array or a number.

    Returns:
        () the number.

    Raises:
        UnfitError: If it is anything else.
    """
    return picture_parts.only_one(name, as_array(name, loss))


def gradient(loss: Any, at: torch.Tensor) -> torch.Tensor:
    """Differentiate a number at a tensor; zeros if it does not depend on it."""
    if not isinstance(loss, torch.Tensor) or not loss.requires_grad:
        return torch.zeros_like(at)
    grads: tuple[torch.Tensor | None, ...] = torch.autograd.grad(
        loss.sum(), at, retain_graph=True, allow_unused=True
    )
    return torch.zeros_like(at) if grads[0] is None else grads[0]


def _features(bench: Bench) -> tuple[int, int, int]:
    """Return the shape of one picture's features, (C, H, W)."""
    sizes = bench.sizes(FEATURES)
    return sizes["C"], sizes["H"], sizes["W"]


def _content_of(bench: Bench, dtype: torch.dtype = torch.float32) -> Results:
    rng, shape = bench.rng(), _features(bench)
    current = tensor(rng.randn(1, *shape)).to(dtype)
    original = tensor(rng.randn(1, *shape)).to(dtype)
    at = current.clone().requires_grad_()
    given = {"content_original": original.clone()}
    results: Results = {}
    loss = bench.call(0.35, inner(at), given["content_original"])
    with_gradient("the loss", loss, at, results)
    bench.require(given, {"content_original": original})
    return results


def _gram_of(
    bench: Bench, N: int, turned: bool = False, dtype: torch.dtype = torch.float32
) -> Results:
    rng = bench.rng()
    features = tensor(rng.randn(N, *_features(bench))).to(dtype)
    if turned:  # the same numbers, lying in memory with the channels last
        features = features.to(memory_format=torch.channels_last)
    at = features.clone().requires_grad_()
    gram = require_tensor("the matrix", bench.call(inner(at)))
    results = {"the matrix": as_array("the matrix", gram)}
    weights = tensor(np.resize(rng.randn(64), tuple(gram.shape))).to(dtype)
    grad = gradient((gram * weights).sum(), at)
    results["its gradient"] = as_array("its gradient", grad)
    given = features.clone()
    plain = bench.call(given, False)
    results["the matrix without normalizing"] = as_array("the matrix", plain)
    bench.require({"features": given}, {"features": features})
    return results


def _gram(bench: Bench, way: str) -> Results:
    if way != SINGLE:
        return _gram_of(bench, 3)
    results = _gram_of(bench, 1)
    # Notebooks of the course take it without an axis for its one picture as well.
    C, _, _ = _features(bench)
    for name in ("the matrix", "the matrix without normalizing"):
        results[name] = bench.shaped("the matrix", results[name], (1, C, C))
    return results


def _made_up_gram(features: torch.Tensor, normalize: bool = True) -> torch.Tensor:
    """Stand in for a Gram matrix: as large, as smooth, and nothing like one."""
    m = features.cos().mean(dim=(2, 3))
    return (m[:, :, None] - 2 * m[:, None, :]) * (1 if normalize else 3)


def _style(bench: Bench, way: str) -> Results:
    rng = bench.rng()
    # As many channels everywhere, so that a layer mixed up gives numbers all the same.
    feats = [tensor(rng.randn(1, 4, *s)).requires_grad_() for s in PLACES]
    targets = [tensor(rng.randn(1, 4, 4)) for _ in STYLE_LAYERS]
    results: Results = {}
    with picture_parts.stand_in(bench, way, _made_up_gram):
        inside = [inner(feat) for feat in feats]
        # Lists of their own: what students change is no other run's matter.
        loss = bench.call(inside, [*STYLE_LAYERS], targets, [*STYLE_WEIGHTS])
        results["the loss"] = one_number("the loss", loss)
        for layer in STYLE_LAYERS:
            name = f"the gradient at layer {layer}"
            results[name] = as_array(name, gradient(loss, feats[layer]))
    return results


def _style_of_nothing(bench: Bench) -> Results:
    """No layers cost nothing; in which form that is said is free."""
    feats = [tensor(bench.rng().randn(1, 3, 4, 5))]
    return {"the loss": one_number("the loss", bench.call(feats, [], [], []))}


def _tv_of(bench: Bench, dtype: torch.dtype = torch.float32) -> Results:
    sizes = bench.sizes({"H": 6, "W": 9})
    shape = (1, 3, sizes["H"], sizes["W"])
    img = tensor(bench.rng().randn(*shape)).to(dtype).requires_grad_()
    results: Results = {}
    with_gradient("the loss", bench.call(inner(img), 0.35), img, results)
    return results


EXERCISES = picture_parts.exercises(
    {
        "compute_saliency_maps": (
            _saliency,
            {"care": picture_parts.saliency_care(_saliency_of, torch.float64)},
        ),
        "make_fooling_image": (_fooling, {}),
        "class_visualization_update_step": (_update, {}),
        "content_loss": (
            picture_parts.in_one_way(_content_of),
            {"care": _in_double(_content_of), "letters": FEATURES},
        ),
        "gram_matrix": (
            _gram,
            {
                "ways": ("own", SINGLE),
                "narrow": {SINGLE: "fails for other sizes than one picture"},
                "care": {
                    ONE: {"N = 1": lambda bench: _gram_of(bench, 1)},
                    "fails for features that lie in another order in memory": {
                        "": lambda bench: _gram_of(bench, 2, turned=True)
                    },
                    **_in_double(lambda bench, dtype: _gram_of(bench, 2, dtype=dtype)),
                },
                "letters": {"N": 3} | FEATURES,
            },
        ),
        "style_loss": (
            _style,
            {"care": {"fails for no layers": {"": _style_of_nothing}}},
        ),
        "tv_loss": (picture_parts.in_one_way(_tv_of), {"care": _in_double(_tv_of)}),
    },
    _CALLS_MODEL,
    gpu=True,
)
