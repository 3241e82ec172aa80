"""One step of two networks that train one another (given), as fast as it goes.

What makes it fast changes no result: real pictures and fakes go through the
discriminator together; its weights are frozen while the generator learns; its
convolutions get their channels last; Adam does its work in one pass over memory;
pictures are where the networks are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from cs231n.support import beside_tensorflow  # noqa: F401 (or torch ends the process)
from cs231n.support.gans import loop
from cs231n.support.gans.loop import SHAPE

Loss: TypeAlias = Callable[..., torch.Tensor]
# Discriminator, real pictures, fakes -> what is added to the loss.
Penalty: TypeAlias = Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]
# Rows, numbers in a row -> noise.
DrawNoise: TypeAlias = Callable[[int, int], torch.Tensor]


class GANStep:
    """Takes steps of the discriminator and of the generator, one at a time.

    Attributes:
        together: Whether D sees real pictures and fakes in one pass.
    """

    def __init__(
        self,
        networks: tuple[nn.Module, nn.Module],
        solvers: tuple[torch.optim.Optimizer, torch.optim.Optimizer],
        losses: tuple[Loss, Loss],
        draw_noise: DrawNoise,
        noise_size: int = 96,
        penalty: Penalty | None = None,
        batch_size: int = 128,
    ) -> None:
        """Put the parts together and make them fast.

        Args:
            networks: D, scaled pictures (N, 1, 28, 28) -> N scores, and G, noise
                (N, noise_size) -> N * 784 scaled pixels; on one device.
            solvers: Change the weights of D and of G.
            losses: D's, scores of real pictures and of fakes -> loss, and G's, scores
                of fakes -> loss.
            draw_noise: Draws noise, on the CPU.
            noise_size: Numbers in a row of noise.
            penalty: What is added to the discriminator's loss.
            batch_size: Pictures in a step; networks may be made for that number alone.

        Raises:
            ValueError: If the networks lie on two devices, or shapes are wrong.
        """
        self.D, self.G = D, G = networks
        self.D_solver, self.G_solver = solvers
        self.discriminator_loss, self.generator_loss = losses
        self.draw_noise, self.noise_size = draw_noise, noise_size
        self.penalty, self.batch_size = penalty, batch_size
        self.device = _only_device(D, G)
        self.dtype = next(D.parameters()).dtype
        for solver in solvers:
            _fuse(solver)
        # An optimizer's state lies in memory as its weights do.
        if not any(solver.state for solver in solvers):
            self._put_channels_last()
        self._require_shapes()
        self.together = not _looks_across_pictures(D) and self._accepts(7, D)

    def train_discriminator(self, real: torch.Tensor) -> float:
        """Lower the discriminator's loss once; the generator's weights stay.

        Args:
            real: (N, 1, 28, 28) scaled pictures on the networks' device.

        Returns:
            The loss, before the step.

        Raises:
            FloatingPointError: If it is not finite; no weight has changed then.
        """
        N = len(real)
        with torch.no_grad():
            fake = self._fakes(N)
        if self.together:
            scores = self.D(torch.cat([real, fake]))
            loss = self.discriminator_loss(scores[:N].clone(), scores[N:].clone())
        else:
            loss = self.discriminator_loss(self.D(real), self.D(fake))
        if self.penalty is not None:
            loss = loss + self.penalty(self.D, real, fake)
        return _finite_step(loss, self.D_solver, "discriminator")

    def train_generator(self, N: int) -> float:
        """Lower the generator's loss once; the discriminator's weights stay.

        Args:
            N: How many fakes to make.

        Returns:
            The loss, before the step.

        Raises:
            FloatingPointError: If it is not finite; no weight has changed then.
        """
        with frozen(self.D):
            loss = self.generator_loss(self.D(self._fakes(N)))
            return _finite_step(loss, self.G_solver, "generator")

    def require_finite(self) -> None:
        """Insist that both networks' numbers are finite: a gradient may not be.

        Raises:
            FloatingPointError: If a weight or a running average is not.
        """
        for model, who in ((self.D, "discriminator"), (self.G, "generator")):
            for name, value in model.state_dict().items():
                if not value.isfinite().all():
                    raise FloatingPointError(f"The {who}'s {name} is no longer finite")

    def _fakes(self, N: int) -> torch.Tensor:
        noise = self.draw_noise(N, self.noise_size).to(self.device, self.dtype)
        fakes: torch.Tensor = self.G(noise).reshape(N, *SHAPE)
        return fakes

    def _put_channels_last(self) -> None:
        """Let D's convolutions read memory in the order they like, if its layers can.

        G's maps come out of rows, and so in the other order: there it would cost time.
        """
        if not any(weight.ndim == 4 for weight in self.D.parameters()):
            return
        self.D.to(memory_format=torch.channels_last)
        # A layer of a student's own may need a picture's numbers in a row.
        if not (self._accepts(2, self.D) or self._accepts(self.batch_size, self.D)):
            self.D.to(memory_format=torch.contiguous_format)

    def _require_shapes(self) -> None:
        with evaluating(self.G), evaluating(self.D), torch.no_grad():
            N = 2
            try:
                fakes = self.G(self._blank(N, self.G))
            except (RuntimeError, ValueError):
                N = self.batch_size
                fakes = self.G(self._blank(N, self.G))
            loop.require_fakes(tuple(fakes.shape), N)

    def _accepts(self, N: int, model: nn.Module) -> bool:
        """Tell whether a model takes N rows and gives N; leaves it as it was."""
        with evaluating(model), torch.no_grad():
            try:
                return len(model(self._blank(N, model))) == N
            except (RuntimeError, ValueError):
                return False

    def _blank(self, N: int, model: nn.Module) -> torch.Tensor:
        shape = (self.noise_size,) if model is self.G else SHAPE
        return torch.zeros(N, *shape, device=self.device, dtype=self.dtype)


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Let gradients flow through a model, but not into its weights."""
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    for weight in learning:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in learning:
            weight.requires_grad_(True)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode for a while, so that running it changes it not.

    Args:
        model: Each of its layers gets its own mode back.
    """
    learning = [layer for layer in model.modules() if layer.training]
    model.eval()
    try:
        yield
    finally:
        for layer in learning:
            layer.training = True


def descend(loss: torch.Tensor, solver: torch.optim.Optimizer) -> None:
    """Take one step against the gradient of a loss."""
    solver.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    solver.step()


def _finite_step(loss: torch.Tensor, solver: torch.optim.Optimizer, who: str) -> float:
    value = loss.item()
    if not math.isfinite(value):
        raise FloatingPointError(f"The {who}'s loss became {value}")
    descend(loss, solver)
    return value


def _only_device(D: nn.Module, G: nn.Module) -> torch.device:
    devices = {weight.device for model in (D, G) for weight in model.parameters()}
    if len(devices) != 1:
        places = " and ".join(sorted(map(str, devices))) or "no device at all"
        raise ValueError(
            f"The networks' weights lie on {places}; move both with .to(device)."
        )
    return devices.pop()


def is_adam(solver: torch.optim.Optimizer) -> bool:
    """Tell whether an optimizer takes the steps of Adam (Kingma and Ba, 2015).

    AdamW does so apart from its weight decay, which is a setting of its own. The
    variant that keeps the largest second moment (AMSGrad) does not, nor what climbs
    instead of descending.

    Args:
        solver: The optimizer.

    Example:
        >>> weights = [torch.zeros(2, requires_grad=True)]
        >>> is_adam(torch.optim.AdamW(weights)), is_adam(torch.optim.SGD(weights, 1.0))
        (True, False)
        >>> is_adam(torch.optim.Adam(weights, amsgrad=True))
        False
    """
    other = any(
        group.get(name)
        for group in solver.param_groups
        for name in ("amsgrad", "maximize")
    )
    return isinstance(solver, torch.optim.Adam | torch.optim.AdamW) and not other


def _fuse(solver: torch.optim.Optimizer) -> None:
    """Choose Adam's fast form, if the optimizer is new and nobody chose another."""
    if type(solver) not in {torch.optim.Adam, torch.optim.AdamW} or solver.state:
        return
    for group in solver.param_groups:
        chosen = any(
            group.get(name)
            for name in ("foreach", "capturable", "differentiable", "amsgrad")
        )
        plain = all(
            weight.is_floating_point() and weight.device.type in {"cpu", "cuda"}
            for weight in group["params"]
        )
        if plain and not chosen and group.get("fused") is None:
            group["fused"] = True


def _looks_across_pictures(model: nn.Module) -> bool:
    """Tell whether a picture's score depends on the others of its batch."""
    return any(isinstance(layer, _BatchNorm) for layer in model.modules())
