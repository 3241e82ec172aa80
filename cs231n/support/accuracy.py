"""How far a result may be off: the relative error, and what each check allows.

Editions differ in what they allow; ``LIMITS`` has the widest for each check, where "of
the order of 1e-8" is read as below 1e-7. Notebooks and tests take it from here.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

LIMITS = {
    "rnn_step_forward": 1e-7,
    "rnn_step_backward": 1e-7,
    "rnn_forward": 1e-6,
    "rnn_backward": 1e-5,
    "word_embedding_forward": 1e-7,
    "word_embedding_backward": 1e-10,
    "temporal_affine_backward": 1e-8,
    "temporal_softmax_loss": 1e-6,
    "lstm_step_forward": 1e-7,
    "lstm_step_backward": 1e-6,
    "lstm_forward": 1e-6,
    "lstm_backward": 1e-7,
    # Finite differences of Wh are themselves only good to 1.2e-6 there.
    "lstm_backward, dWh": 1e-5,
    "CaptioningRNN.loss, difference": 1e-10,
    "CaptioningRNN.loss, gradients": 1e-5,
    "content_loss": 1e-3,
    "gram_matrix": 1e-3,
    "style_loss": 1e-3,
    "tv_loss": 1e-3,
    "GAN losses": 1e-6,
    # Of outputs in float32; one activation in another's place makes 0.03 and more.
    "GAN networks": 1e-3,
}
"""Check -> the largest relative error that passes (for a difference, the largest)."""

SINGLE = {
    "": 1e-5,
    # What is nearly zero loses digits on its long way through slopes of tanh.
    "rnn_backward": 1e-4,
    "lstm_backward": 1e-4,
    "CaptioningRNN.loss, gradients": 1e-4,
}
"""Check -> how far off float32 may be, relative to an array's size; "" for all others.

Over 200 seeds of inputs and five ways to write each function in float32, the mean error
and four deviations are below 2e-6, and below 2e-5 where 1e-4 is allowed; the worst are
4.2e-6 and 4.1e-5.
"""


def single_limit(check: str) -> float:
    """Return how far off a result may be that is right to the digits of float32.

    Args:
        check: A name as in ``LIMITS``.

    Example:
        >>> single_limit("rnn_step_forward"), single_limit("rnn_backward")
        (1e-05, 0.0001)
    """
    return SINGLE.get(check.removesuffix(", dWh"), SINGLE[""])


def is_right(found: Any, expected: Any, check: str, limit: float | None = None) -> bool:
    """Tell whether a result is right, as far as its digits or those of float32 go.

    Args:
        found: Any numbers.
        expected: Numbers of the same shape.
        check: A name as in ``LIMITS``.
        limit: The largest relative error allowed; by default what ``LIMITS`` has.

    Example:
        >>> is_right(np.float32([0.1, 0.7]), [0.1, 0.7], "rnn_step_forward")
        True
        >>> is_right([0.1001, 0.7], [0.1, 0.7], "rnn_step_forward")
        False
    """
    got, wanted = as_array(found), as_array(expected)
    if got.shape != wanted.shape or not np.isfinite(got).all():
        return False
    if rel_error(got, wanted) <= (LIMITS[check] if limit is None else limit):
        return True
    return off_by(got, wanted) <= single_limit(check)


def off_by(found: Any, expected: Any) -> float:
    """Return the largest difference, relative to the largest number expected.

    Args:
        found: Any numbers.
        expected: As many.

    Example:
        >>> off_by([1.0, 2.0], [1.0, 4.0])
        0.5
    """
    got, wanted = (as_array(a).astype(float) for a in (found, expected))
    size = np.abs(wanted).max(initial=0)
    off = np.abs(got.reshape(wanted.shape) - wanted).max(initial=0)
    return float(off / max(size, 1e-8))


def as_array(value: Any) -> NDArray[Any]:
    """Return numbers as an array, whether they came as a tensor, a list or a number.

    Args:
        value: A tensor may lie on any device and may require its gradient.

    Example:
        >>> as_array(torch.ones(2, requires_grad=True))
        array([1., 1.], dtype=float32)
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value)


def as_number(value: Any) -> float:
    """Return a single number as Python's, whatever it came in.

    Args:
        value: A number of Python or NumPy, or an array or tensor that holds one.

    Raises:
        TypeError: If it holds another number of numbers.

    Example:
        >>> as_number(np.array([0.5])), as_number(torch.tensor(2.0))
        (0.5, 2.0)
    """
    array = as_array(value)
    if array.size != 1 or array.dtype.kind not in "biuf":
        raise TypeError(
            f"One number is wanted, but {_described(value, array)} came; return the "
            "loss itself."
        )
    return float(array.item())


def _described(value: Any, array: NDArray[Any]) -> str:
    if array.dtype.kind not in "biufc":
        return f"{type(value).__name__} {value!r}"
    return f"an array of shape {array.shape}"


def rel_error(x: Any, y: Any) -> float:
    """Return the largest elementwise relative error between two arrays.

    Args:
        x: Any shape.
        y: The same shape as x, or one that broadcasts to it.

    Returns:
        max(|x - y| / max(1e-8, |x| + |y|)); 0.0 for empty arrays, nan if one has nan.
    """
    x, y = (
        a if a.dtype.kind in "fc" else a.astype(float) for a in map(as_array, (x, y))
    )
    difference = np.abs(x - y)
    if difference.size == 0:
        return 0.0
    return float(np.max(difference / np.maximum(1e-8, np.abs(x) + np.abs(y))))
