"""Numbers for fixed weights and inputs (given): the same for both frameworks.

What a network makes of them tells how it is built; the number of parameters alone says
nothing of activations, slopes and the order of layers.
"""

import numpy as np
from numpy.typing import NDArray


def fixed_inputs(*shape: int) -> NDArray[np.float32]:
    """Return inputs of a shape, uniform between -1 and 1."""
    numbers = np.random.RandomState(231).uniform(-1, 1, size=shape)
    return numbers.astype(np.float32)


def fixed_weights(number: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the values of one array of weights.

    Args:
        number: Which one it is in the order in which layers run, from 1.
        shape: As PyTorch has it; (O, I) of a linear layer, (O, I, K, K) of a
            convolution.
    """
    # Repeats itself, at a distance that no size of a layer divides.
    table = np.random.RandomState(number).randn(8191)
    fan_in = np.prod(shape[1:]) if len(shape) > 1 else 4
    values = np.resize(table * (1.5 / fan_in**0.5), int(np.prod(shape)))
    return values.astype(np.float32).reshape(shape)
