"""How the network for the drawn small pictures is trained."""

from dataclasses import dataclass

from cs231n.embedded import tiny_folder
from cs231n.embedded.tiny_folder import Sizes


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    The first epochs see pictures of half the size, at a quarter of the cost; the last
    ones see them as they are. Between them is a stage in between, or most of what was
    learnt is lost at the step. The learning rate rises, then falls to zero.

    Attributes:
        sizes: Which pictures.
        stages: Side of the pictures, and how many epochs they are seen in that size.
        rate: The highest learning rate.
        batch: Pictures in a batch.
        decay: Weight decay.
        seed: Decides weights, order and shifts.
    """

    sizes: Sizes
    stages: tuple[tuple[int, float], ...]
    rate: float = 0.08
    batch: int = 50
    decay: float = 5e-4
    seed: int = 231


FULL = Recipe(tiny_folder.FULL, stages=((32, 3), (48, 1), (64, 0.6)))
# Not trained at all: what notebooks do with a network can be tried on random weights,
# and a network trained for seconds is flatter, and harder to fool, than these.
QUICK = Recipe(tiny_folder.QUICK, stages=())
