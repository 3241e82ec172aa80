"""Extra, yours: a GAN that makes a classifier better, of few labels and many digits.

A discriminator with K scores tells K classes apart and, at once, real from fake: a fake
is a class of its own, K + 1, whose score is always zero (Salimans et al., 2016). So
pictures without labels teach it, too.

A rival needs no generator: a picture that is moved by a pixel shall get the same answer
(consistency), and answers shall be clear, and of all classes (Springenberg, 2016). Both
together are Zhang et al.'s consistency regularization of a GAN (2020).

Pictures are halved to 14 x 14, and all networks of a study learn side by side, as one
product of many matrices: together they need hardly longer than a few of them alone.

Letters in shapes: M networks, N pictures, P pixels, K classes, D features.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F  # noqa: N812 (the name that everybody knows)
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cs231n.embedded.digits import Digits
from cs231n.gan_pytorch import sample_noise
from cs231n.lab.study import Study
from cs231n.support.gans.step import descend, frozen
from cs231n.support.progress import progress_bar

CLASSES, SIDE, NOISE = 10, 14, 32
PIXELS = SIDE**2
LABELLED, UNLABELLED = 32, 64  # pictures in a batch
STEPS, STEPS_ALONE = 2400, 600
_RATE, _KEPT, _NOISE = 2e-3, 0.99, 0.3
_CONSISTENCY, _CLEAR, _ALL = 5.0, 0.3, 0.5  # weights of the losses

ALONE = "labels alone"
GENERATOR_TOO = "and a generator"
CONSISTENCY_TOO = "and consistency"
BOTH_TOO = "and both"
METHODS = (ALONE, GENERATOR_TOO, CONSISTENCY_TOO, BOTH_TOO)


def real_or_drawn_loss(
    logits_real: torch.Tensor, logits_drawn: torch.Tensor
) -> torch.Tensor:
    """Measure how badly K class scores tell real pictures from fakes.

    Args:
        logits_real: (..., N, K) class scores of real pictures, whatever is on them.
        logits_drawn: (..., N, K) class scores of fakes.

    Returns:
        loss: () minus the mean log-probability that real ones are of any of the K
            classes, minus that of fakes being of the class K + 1, whose score is always
            0.

    Example:
        >>> undecided = torch.zeros(4, 1)  # one class, as probable as being drawn
        >>> loss = real_or_drawn_loss(undecided, undecided)
        >>> f"{loss.item():.4f}", f"{2 * np.log(2):.4f}"
        ('1.3863', '1.3863')
    """
    # TODO(extra): Write down the softmax over K + 1 scores, and simplify. logsumexp and
    # F.softplus keep scores of any size finite.
    # BEGIN SOLUTION
    real, fake = logits_real.logsumexp(-1), logits_drawn.logsumexp(-1)
    loss = F.softplus(-real).mean() + F.softplus(fake).mean()
    # END SOLUTION
    return loss


def feature_matching_loss(
    features_real: torch.Tensor, features_drawn: torch.Tensor
) -> torch.Tensor:
    """Measure how far fakes' features are from real pictures', on average.

    Args:
        features_real: (..., N, D) what the discriminator sees in real pictures; a
            target, so no gradient flows into it.
        features_drawn: (..., N, D) what it sees in fakes.

    Returns:
        loss: () mean over features of the squared difference of their two means.

    Example:
        >>> feature_matching_loss(torch.zeros(4, 3), torch.full((4, 3), 2.0)).item()
        4.0
    """
    # TODO(extra): Means over the N pictures first, then the difference.
    # BEGIN SOLUTION
    gap = features_drawn.mean(-2) - features_real.detach().mean(-2)
    loss = gap.square().mean()
    # END SOLUTION
    return loss


class ManyLinear(nn.Module):
    """M affine layers, each with inputs of its own."""

    def __init__(self, M: int, inputs: int, outputs: int) -> None:
        """Draw the weights from torch's random numbers."""
        super().__init__()
        limit = math.sqrt(3 / inputs)
        weight = torch.empty(M, inputs, outputs)
        self.weight = nn.Parameter(nn.init.uniform_(weight, -limit, limit))
        self.bias = nn.Parameter(torch.zeros(M, 1, outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (M, N, outputs) of (M, N, inputs)."""
        return torch.baddbmm(self.bias, x, self.weight)


class ManyNorm(nn.Module):
    """M layers that normalize each of their inputs over the batch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what came, (M, N, D), with mean 0 and variance 1 over the N."""
        x = x - x.mean(1, keepdim=True)
        # Twice as fast as torch.var_mean.
        variance = x.square().mean(1, keepdim=True)
        return x * torch.rsqrt(variance + 1e-5)


class Noise(nn.Module):
    """Adds normal random numbers to what comes, in training.

    They are cut out of a long strip, each time at another place: drawn anew, they would
    make a step a third longer.
    """

    def __init__(self, scale: float) -> None:
        """Choose the standard deviation."""
        super().__init__()
        self.scale, self.strip = scale, torch.empty(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x with noise, or x itself in evaluation mode."""
        if not self.training:
            return x
        if len(self.strip) < 2 * x.numel():
            self.strip = torch.randn(2 * x.numel())
        start = int(torch.randint(len(self.strip) - x.numel(), ()))
        noise = self.strip[start : start + x.numel()].view_as(x)
        return torch.add(x, noise, alpha=self.scale)


class Discriminators(nn.Module):
    """M networks: (M, N, P) pictures from -1 to 1 -> (M, N, K) scores."""

    def __init__(self, M: int) -> None:
        """Draw the weights from torch's random numbers."""
        super().__init__()
        self.first = ManyLinear(M, PIXELS, 256)
        self.second = ManyLinear(M, 256, 128)
        self.scores = ManyLinear(M, 128, CLASSES)
        self.noise = Noise(_NOISE)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return (M, N, D) features; training puts noise before each layer."""
        x = F.leaky_relu(self.first(self.noise(x)), 0.2, inplace=True)
        x = F.leaky_relu(self.second(self.noise(x)), 0.2, inplace=True)
        noisy: torch.Tensor = self.noise(x)
        return noisy

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (M, N, K) class scores."""
        scores: torch.Tensor = self.scores(self.features(x))
        return scores


def make_generators(M: int) -> nn.Module:
    """Build M networks: (M, N, NOISE) noise -> (M, N, P) pictures from -1 to 1."""
    return nn.Sequential(
        *(ManyLinear(M, NOISE, 128), ManyNorm(), nn.ReLU()),
        *(ManyLinear(M, 128, 128), ManyNorm(), nn.ReLU()),
        *(ManyLinear(M, 128, PIXELS), nn.Tanh()),
    )


class Pictures:
    """Digits at half their size, given out moved by up to a pixel of that."""

    def __init__(self, digits: Digits, rng: np.random.Generator) -> None:
        """Halve the digits and make their nine places.

        Args:
            digits: With their labels.
            rng: Chooses the places.
        """
        self.rng = rng
        small = F.avg_pool2d(2 * torch.from_numpy(digits.images) - 1, 2)
        wide = F.pad(small, (1, 1, 1, 1), value=-1.0)
        places = [
            wide[:, 0, top : top + SIDE, left : left + SIDE]
            for top in range(3)
            for left in range(3)
        ]
        self.moved = torch.stack(places, dim=1).flatten(2)  # (N, 9, P)
        self.labels = torch.from_numpy(digits.labels)

    def __call__(self, chosen: NDArray[np.integer[Any]]) -> torch.Tensor:
        """Return (M, N, P) pictures of the chosen (M, N) digits, each moved anew."""
        place = self.rng.integers(9, size=chosen.shape)
        return self.moved[torch.from_numpy(chosen), torch.from_numpy(place)]

    @property
    def still(self) -> torch.Tensor:
        """(N, P) all of them, where they were."""
        return self.moved[:, 4]


def run_study(
    train: Digits,
    held_out: Digits,
    labels: Sequence[int] = (20, 50, 100),
    runs: int | Mapping[str, int] = 6,
    methods: Sequence[str] = METHODS,
    seed: int = 231,
    steps: int = STEPS,
    verbose: bool = True,
) -> Study:
    """Train each method on a few labelled digits, several times.

    A run has its own labelled digits, as many of each kind, the same for all methods,
    and its own weights. All other digits come without their labels.

    Args:
        train: Digits to learn from.
        held_out: Digits to test with.
        labels: How many have a label, multiples of ten.
        runs: How often each is done, at least 2; a mapping says it for each method.
        methods: Some of METHODS.
        seed: Of everything; torch's own random numbers stay as they are.
        steps: Of each method; labels alone are known by heart after 600.
        verbose: Whether to show progress bars.

    Returns:
        The accuracies on the held-out digits.

    Raises:
        ValueError: If a number of labels is no multiple of ten, there are not enough
            digits, or too few runs for an error bar.

    Example:
        >>> from cs231n.embedded.digits import load_digits
        >>> train, held_out = load_digits(verbose=False)
        >>> methods = ["labels alone"]
        >>> study = run_study(train, held_out, (20, 50), 3, methods, steps=2)
        >>> study.accuracies["labels alone"].shape  # labels, runs
        (2, 3)
    """
    counts = np.bincount(train.labels, minlength=CLASSES)
    for number in labels:
        if number < CLASSES or number % CLASSES or number // CLASSES > counts.min():
            raise ValueError(
                f"{number} labels cannot be had as equally many of each digit; choose "
                f"a multiple of ten up to {CLASSES * counts.min()}."
            )
    often = runs if isinstance(runs, Mapping) else dict.fromkeys(methods, runs)
    for method in methods:
        if often.get(method, 0) < 2:
            raise ValueError(
                f"{method!r} has {often.get(method, 0)} runs, which give no error bar; "
                "take 2 or more."
            )
    accuracies = {}
    for method in methods:
        labelled = [
            _choose(train.labels, number, np.random.default_rng([seed, run]))
            for number in labels
            for run in range(often[method])
        ]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            rng = np.random.default_rng(seed)
            D = _learn(
                Pictures(train, rng),
                labelled,
                method,
                min(steps, STEPS_ALONE) if method == ALONE else steps,
                verbose,
            )
        right = _accuracy(D, Pictures(held_out, rng))
        accuracies[method] = right.reshape(len(labels), often[method])
    return Study(tuple(labels), accuracies)


def _choose(
    labels: NDArray[np.int64], number: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    each = number // CLASSES
    kinds = [np.flatnonzero(labels == digit) for digit in range(CLASSES)]
    return np.concatenate([rng.permutation(kind)[:each] for kind in kinds])


def _learn(
    pictures: Pictures,
    labelled: Sequence[NDArray[np.intp]],
    method: str,
    steps: int,
    verbose: bool,
) -> Discriminators:
    """Train a discriminator for each set of labelled digits; return averaged ones."""
    generator = method in {GENERATOR_TOO, BOTH_TOO}
    consistency = method in {CONSISTENCY_TOO, BOTH_TOO}
    M = len(labelled)
    D, G = Discriminators(M), make_generators(M)
    # Sums over the M networks, so that each learns as it would alone.
    D_solver, G_solver = (
        torch.optim.Adam(model.parameters(), lr=_RATE, betas=(0.5, 0.999), fused=True)
        for model in (D, G)
    )
    # torch gives this function no types.
    keep = get_ema_multi_avg_fn(_KEPT)  # type: ignore[no-untyped-call]
    average = AveragedModel(D, multi_avg_fn=keep)
    views = generator or consistency, consistency
    with progress_bar(steps, method, verbose) as bar:
        for known, names, seen in _batches(pictures, labelled, sum(views), steps):
            parts = [known, *seen]
            if generator:
                fake = G(_noise(M))
                parts.append(fake.detach())
            sizes = [part.shape[1] for part in parts]
            features = D.features(torch.cat(parts, 1))
            scores = D.scores(features).split(sizes, 1)
            loss = F.cross_entropy(scores[0].flatten(0, 1), names.flatten())
            if consistency:
                loss = loss + _unlabelled_loss(scores[1], scores[2])
            if generator:
                real = torch.cat(scores[:-1], 1)
                loss = loss + real_or_drawn_loss(real, scores[-1])
            descend(M * loss, D_solver)
            if generator:
                target = torch.split(features, sizes, 1)[1]
                with frozen(D):
                    loss = feature_matching_loss(target, D.features(fake))
                    descend(M * loss, G_solver)
            average.update_parameters(D)
            bar.update()
    return cast(Discriminators, average.module).eval()


def _batches(
    pictures: Pictures, labelled: Sequence[NDArray[np.intp]], views: int, steps: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]]:
    """Yield labelled pictures, their labels, and views of others, moved differently."""
    M, rng = len(labelled), pictures.rng
    for _ in range(steps):
        known = np.stack([rng.choice(digits, LABELLED) for digits in labelled])
        names = pictures.labels[torch.from_numpy(known)]
        others = rng.integers(len(pictures.labels), size=(M, UNLABELLED))
        yield pictures(known), names, [pictures(others) for _ in range(views)]


def _unlabelled_loss(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Ask for the same, clear answer twice, and for all classes in a batch."""
    one, two = first.softmax(2), second.softmax(2)
    logs = first.log_softmax(2)
    unclear = -(one * logs).sum(2).mean()
    share = one.mean(1)
    missing = (share * share.clamp(min=1e-12).log()).sum(1).mean()
    same = (one - two).square().sum(2).mean()
    return _CONSISTENCY * same + _CLEAR * unclear + _ALL * missing


def _noise(M: int) -> torch.Tensor:
    return sample_noise(M * UNLABELLED, NOISE).view(M, UNLABELLED, NOISE)


def _accuracy(D: Discriminators, pictures: Pictures) -> NDArray[np.float64]:
    M, x = len(D.first.weight), pictures.still
    with torch.no_grad():
        guesses = D(x.expand(M, *x.shape)).argmax(2)
    shares: NDArray[np.float64] = (guesses == pictures.labels).double().mean(1).numpy()
    return shares
