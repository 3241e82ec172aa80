"""Q4-2016, yours: the NumPy network's ideal classes, its memory, its dreams.

Pictures are written as the network reads them: pixels 0..255 minus the mean picture of
the training data. ``show``, where it is given, is called with the iteration and the
picture of that moment.

Letters in shapes: H rows, W columns; C classes.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from cs231n.image_utils import blur_image
from cs231n.support.arrays import Array
from cs231n.support.threads import one_blas_thread
from cs231n.support.validate import require_class, require_pictures

Show: TypeAlias = Callable[[int, Array], object]
# Every random number comes from a generator that is passed in, or from this seed.
_SEED = 231


def class_visualization_step(
    X: Array, target_y: int, model: Any, l2_reg: float, learning_rate: float
) -> Array:
    """Move a picture one step towards what the network would call a class.

    Args:
        X: (1, 3, H, W) picture, unchanged.
        target_y: The class, 0 <= target_y < C.
        model: The network, such as a PretrainedCNN.
        l2_reg: Weight of the squared norm that is taken off the score.
        learning_rate: How far to go along the gradient.

    Returns:
        (1, 3, H, W) picture.

    Example:
        >>> from cs231n.classifiers.pretrained_cnn import PretrainedCNN
        >>> model = PretrainedCNN(num_classes=5, input_size=16)
        >>> X = np.random.randn(8, 3, 16, 16).astype(np.float32)
        >>> _ = model.forward(X, mode="train")  # sets the running averages
        >>> moved = class_visualization_step(X[:1], 2, model, 0, learning_rate=1e-8)
        >>> bool(model.loss(moved)[0, 2] > model.loss(X)[0, 2])
        True
    """
    X, target_y = require_pictures(X, one=True), require_class(target_y, model)
    # TODO(Q4-2016): Take one step of gradient ascent on s_y(X) - l2_reg * ||X||_2^2,
    # where s_y is the score of target_y: learning_rate times the gradient. Run the
    # network in test mode.
    # BEGIN SOLUTION
    scores, cache = model.forward(X, mode="test")
    dscores = np.zeros_like(scores)
    dscores[0, target_y] = 1
    dX, _ = model.backward(dscores, cache)
    moved: Array = X + learning_rate * (dX - 2 * l2_reg * X)
    # END SOLUTION
    return moved


@one_blas_thread()
def create_class_visualization(
    target_y: int,
    model: Any,
    *,
    learning_rate: float = 10000,
    blur_every: int = 1,
    l2_reg: float = 1e-6,
    max_jitter: int = 4,
    num_iterations: int = 100,
    show_every: int = 25,
    mean_image: Array | None = None,
    show: Show | None = None,
    start: Array | None = None,
    rng: np.random.Generator | None = None,
) -> Array:
    """Paint the picture that gets a class the highest score, starting from noise.

    Three things keep it smooth: at each step the picture is shifted at random and back,
    colours that no screen has are cut off, and it is blurred a little.

    Args:
        target_y: The class, 0 <= target_y < C.
        model: The network, such as a PretrainedCNN.
        learning_rate: How far to go along the gradient.
        blur_every: The picture is blurred at each iteration that this number divides;
            0 never does.
        l2_reg: Weight of the squared norm that is taken off the score.
        max_jitter: The largest shift, in pixels.
        num_iterations: How many steps.
        show_every: The picture is shown at each iteration that this number divides, the
            first and the last; 0 shows nothing.
        mean_image: (3, H, W) the training data's mean, for the colours' limits; None
            sets none.
        show: Called with iteration and picture.
        start: (1, 3, H, W) noise to start from; None draws (1, 3, 64, 64).
        rng: Draws noise and shifts.

    Returns:
        (1, 3, H, W) picture.

    Example:
        >>> from cs231n.classifiers.pretrained_cnn import PretrainedCNN
        >>> model = PretrainedCNN(num_classes=5, input_size=16)
        >>> X = np.random.randn(8, 3, 16, 16).astype(np.float32)
        >>> _ = model.forward(X, mode="train")  # sets the running averages
        >>> settings = {"learning_rate": 1e-8, "num_iterations": 2}
        >>> create_class_visualization(2, model, start=X[:1], **settings).shape
        (1, 3, 16, 16)
    """
    rng = rng or np.random.default_rng(_SEED)
    X = _begin(start, rng)
    low, high = _limits(mean_image, X)
    for t in range(num_iterations):
        oy, ox = rng.integers(-max_jitter, max_jitter + 1, 2).tolist()
        X = np.roll(X, (oy, ox), (2, 3))
        X = class_visualization_step(X, target_y, model, l2_reg, learning_rate)
        X = np.roll(X, (-oy, -ox), (2, 3))
        X = np.clip(X, low, high)
        X = _tend(X, t, num_iterations, blur_every, show_every, show)
    return X


@one_blas_thread()
def invert_features(
    target_feats: Array,
    layer: int,
    model: Any,
    *,
    learning_rate: float = 10000,
    num_iterations: int = 500,
    l2_reg: float = 1e-7,
    blur_every: int = 1,
    show_every: int = 50,
    mean_image: Array | None = None,
    show: Show | None = None,
    start: Array | None = None,
    rng: np.random.Generator | None = None,
) -> Array:
    """Find a picture from its features: what does a layer still know of the pixels?

    Args:
        target_feats: (1, F, H', W') what ``layer`` made of the picture to be found.
        layer: Layer of the network that these features come from.
        model: The network, such as a PretrainedCNN.
        learning_rate: How far to go along the gradient.
        num_iterations: How many steps.
        l2_reg: Weight of the picture's squared norm.
        blur_every: The picture is blurred at each iteration that this number divides;
            0 never does.
        show_every: The picture is shown at each iteration that this number divides, the
            first and the last; 0 shows nothing.
        mean_image: (3, H, W) the training data's mean, for the colours' limits; None
            sets none.
        show: Called with iteration and picture.
        start: (1, 3, H, W) noise to start from; None draws (1, 3, 64, 64).
        rng: Draws the noise.

    Returns:
        (1, 3, H, W) picture whose features at ``layer`` come near the target's.

    Example:
        >>> from cs231n.classifiers.pretrained_cnn import PretrainedCNN
        >>> model = PretrainedCNN(input_size=16)
        >>> X = np.random.randn(1, 3, 16, 16).astype(np.float32)
        >>> features, _ = model.forward(X, end=1, mode="train")
        >>> settings = {"learning_rate": 0.01, "num_iterations": 2}
        >>> invert_features(features, 1, model, start=0 * X, **settings).shape
        (1, 3, 16, 16)
    """
    X = _begin(start, rng or np.random.default_rng(_SEED))
    found = model.forward(X, end=layer, mode="test")[0].shape
    if found != np.shape(target_feats):
        raise ValueError(
            f"target_feats has shape {np.shape(target_feats)}, and layer {layer} makes "
            f"{found} of pictures {X.shape}; take the features of that layer and size."
        )
    low, high = _limits(mean_image, X)
    for t in range(num_iterations):
        # TODO(Q4-2016): Take one step of gradient descent on ||f(X) -
        # target_feats||_2^2 + l2_reg * ||X||_2^2, where f(X) is what the layers 0 to
        # ``layer`` make of X in test mode: learning_rate times the gradient.
        # BEGIN SOLUTION
        feats, cache = model.forward(X, end=layer, mode="test")
        dX, _ = model.backward(2 * (feats - target_feats), cache)
        X = X - learning_rate * (dX + 2 * l2_reg * X)
        # END SOLUTION
        X = np.clip(X, low, high)
        X = _tend(X, t, num_iterations, blur_every, show_every, show)
    return X


@one_blas_thread()
def deepdream(
    X: Array,
    layer: int,
    model: Any,
    *,
    learning_rate: float = 5.0,
    max_jitter: int = 16,
    num_iterations: int = 100,
    show_every: int = 25,
    mean_image: Array | None = None,
    show: Show | None = None,
    rng: np.random.Generator | None = None,
) -> Array:
    """Let the network paint into a picture whatever it believes to see there.

    Args:
        X: (1, 3, H, W) picture minus the mean pixel, unchanged; of any size as long as
            ``layer`` is a convolution.
        layer: Layer of the network whose activations are enhanced.
        model: The network, such as a PretrainedCNN.
        learning_rate: How far to go along the gradient.
        max_jitter: The largest shift, in pixels.
        num_iterations: How many steps.
        show_every: The picture is shown at each iteration that this number divides, the
            first and the last; 0 shows nothing.
        mean_image: (3, 64, 64) the training data's mean, whose average in each channel
            sets the colours' limits; None sets none.
        show: Called with iteration and picture.
        rng: Draws the shifts.

    Returns:
        (1, 3, H, W) picture.

    Example:
        >>> from cs231n.classifiers.pretrained_cnn import PretrainedCNN
        >>> model = PretrainedCNN(input_size=16)
        >>> X = np.random.randn(1, 3, 24, 32).astype(np.float32)
        >>> _ = model.forward(X, end=1, mode="train")  # sets the running averages
        >>> deepdream(X, 1, model, learning_rate=0.01, num_iterations=2).shape
        (1, 3, 24, 32)
    """
    X = require_pictures(X, one=True)
    rng = rng or np.random.default_rng(_SEED)
    if mean_image is not None:
        mean_image = np.asarray(mean_image).mean(axis=(1, 2), keepdims=True)
    low, high = _limits(mean_image, X)
    for t in range(num_iterations):
        oy, ox = rng.integers(-max_jitter, max_jitter + 1, 2).tolist()
        X = np.roll(X, (oy, ox), (2, 3))
        # TODO(Q4-2016): Take one step of gradient ascent on 1/2 ||f(X)||_2^2, where
        # f(X) is what the layers 0 to ``layer`` make of X in test mode: learning_rate
        # times the gradient.
        # BEGIN SOLUTION
        feats, cache = model.forward(X, end=layer, mode="test")
        dX, _ = model.backward(feats, cache)
        X = X + learning_rate * dX
        # END SOLUTION
        X = np.roll(X, (-oy, -ox), (2, 3))
        X = np.clip(X, low, high)
        X = _tend(X, t, num_iterations, 0, show_every, show)
    return X


def deepdream_octaves(
    X: Array,
    layer: int,
    model: Any,
    *,
    octaves: int = 4,
    ratio: float = 1.4,
    show: Show | None = None,
    **settings: Any,
) -> Array:
    """Dream in several sizes, the smallest first, so that shapes of all sizes appear.

    What is dreamt in one size is enlarged and laid over the picture in the next one.

    Args:
        X: (1, 3, H, W) picture, unchanged.
        layer: As in deepdream.
        model: As in deepdream.
        octaves: In how many sizes.
        ratio: Of the sides of one size to those of the one before.
        show: Called after each size with its number and the picture.
        **settings: For deepdream, at each size.

    Returns:
        (1, 3, H, W) picture.

    Example:
        >>> from cs231n.classifiers.pretrained_cnn import PretrainedCNN
        >>> model = PretrainedCNN(input_size=16)
        >>> X = np.random.randn(1, 3, 48, 64).astype(np.float32)
        >>> _ = model.forward(X, end=1, mode="train")  # sets the running averages
        >>> settings = {"learning_rate": 0.01, "num_iterations": 2}
        >>> deepdream_octaves(X, 1, model, octaves=2, **settings).shape
        (1, 3, 48, 64)
    """
    X = require_pictures(X, one=True)
    if octaves < 1 or ratio <= 1:
        raise ValueError(
            f"octaves is {octaves} and ratio {ratio}; take at least 1 octave, and a "
            "ratio above 1."
        )
    H, W = X.shape[2:]
    dreamt = np.zeros_like(X[:, :, :1, :1])
    for number in range(octaves):
        shrink = ratio ** (number + 1 - octaves)
        size = max(1, round(H * shrink)), max(1, round(W * shrink))
        plain = resize(X, size)
        picture = deepdream(plain + resize(dreamt, size), layer, model, **settings)
        dreamt = picture - plain
        if show is not None:
            show(number, picture)
    return X + dreamt


def resize(X: Array, size: tuple[int, int]) -> Array:
    """Scale pictures, smoothly.

    Args:
        X: (N, K, H, W) pictures, unchanged.
        size: The new height and width.

    Returns:
        (N, K, h, w) pictures in the dtype of X.
    """
    from PIL import Image

    rows, columns = size
    if X.shape[2:] == (rows, columns):
        return X.copy()
    out = np.empty((*X.shape[:2], rows, columns), X.dtype)
    for index in np.ndindex(X.shape[:2]):
        plane = Image.fromarray(np.ascontiguousarray(X[index], dtype=np.float32))
        out[index] = plane.resize((columns, rows), Image.Resampling.BICUBIC)
    return out


def _begin(start: Array | None, rng: np.random.Generator) -> Array:
    if start is None:
        return rng.standard_normal((1, 3, 64, 64))
    return require_pictures(start, one=True).copy()


def _limits(mean_image: Array | None, X: Array) -> tuple[Array, Array]:
    """Return the smallest and the largest value that a pixel may have."""
    if mean_image is None:
        return np.full(1, -np.inf, X.dtype), np.full(1, np.inf, X.dtype)
    mean = np.asarray(mean_image, dtype=X.dtype)
    if mean.shape not in {X.shape[1:], (3, 1, 1)}:
        raise ValueError(
            f"mean_image has shape {mean.shape}, the picture {X.shape[1:]}; give the "
            "training data's mean picture, data['mean_image']."
        )
    return -mean, 255 - mean


def _tend(
    X: Array,
    t: int,
    num_iterations: int,
    blur_every: int,
    show_every: int,
    show: Show | None,
) -> Array:
    """Blur and show the picture where its iteration says so."""
    if not np.isfinite(X).all():
        raise FloatingPointError(
            f"The picture holds NaN or infinity after iteration {t}; lower the "
            "learning rate."
        )
    if blur_every > 0 and t % blur_every == 0:
        X = blur_image(X)
    last = t == num_iterations - 1
    if show is not None and show_every > 0 and (t % show_every == 0 or last):
        show(t, X)
    return X
