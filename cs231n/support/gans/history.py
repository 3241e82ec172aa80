"""What is written down of a GAN's training as it goes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass
class GANHistory:
    """How a training went.

    Attributes:
        d_losses: The discriminator's loss at each iteration, before its step.
        g_losses: The generator's.
        samples: (iteration, (16, 784) scaled pictures) of each report, always of the
            same noise.
        epochs: Epochs finished.
        seconds: Time that the iterations took, reports and checkpoints included.
    """

    d_losses: list[float] = field(default_factory=list)
    g_losses: list[float] = field(default_factory=list)
    samples: list[tuple[int, NDArray[np.float32]]] = field(default_factory=list)
    epochs: int = 0
    seconds: float = 0.0
