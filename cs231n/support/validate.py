"""Checks of arguments that several modules make, each failing with a clear sentence."""

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray


def require_shapes(function: str, **arrays: tuple[Any, str]) -> None:
    """Insist that arrays have the shapes that a function is documented with.

    Args:
        function: Who asks.
        arrays: Name -> (array, a letter for each of its sides), such as
            ``x=(x, "NTV"), y=(y, "NT")``. The first array with a letter decides
            what it stands for.

    Raises:
        TypeError: If something is no array.
        ValueError: If an array has another number of sides, or one of another length.
    """
    sizes: dict[str, tuple[int, str]] = {}  # letter -> length, and who said so
    for name, (array, letters) in arrays.items():
        wanted = f"({', '.join(letters)}{',' * (len(letters) == 1)})"
        shape = getattr(array, "shape", None)
        if not isinstance(shape, tuple):
            raise TypeError(
                f"{function} got {type(array).__name__} for {name}; an array {wanted} "
                "is wanted."
            )
        if len(shape) != len(letters):
            raise ValueError(
                f"{function} got {name} of shape {shape}; {wanted} is wanted."
            )
        for letter, length in zip(letters, shape, strict=True):
            known, source = sizes.setdefault(letter, (length, name))
            if length != known:
                fits = tuple(
                    sizes.get(k, (n, ""))[0]
                    for k, n in zip(letters, shape, strict=True)
                )
                raise ValueError(
                    f"{function} got {name} of shape {shape}; {wanted} is wanted, and "
                    f"with {letter} = {known} as in {source} that is {fits}."
                )


def require_cache(function: str, cache: Any, parts: int, forward: str) -> Any:
    """Return what a forward pass kept if that is what came.

    Args:
        function: Who asks.
        cache: What came.
        parts: How many parts it should have.
        forward: Whose second result it should be.

    Raises:
        TypeError: If it is no tuple of so many parts.
    """
    if not isinstance(cache, tuple | list) or len(cache) != parts:
        came = type(cache).__name__
        if isinstance(cache, tuple | list):
            came += f" of {len(cache)} parts"
        raise TypeError(
            f"{function} got a cache that is a {came}; the second result of {forward} "
            "is wanted, as it came."
        )
    return cache


def require_labels(function: str, y: Any, x: NDArray[Any]) -> NDArray[Any]:
    """Return labels for rows of scores; a single one stands for all rows.

    Args:
        function: Who asks.
        y: (N,) labels, or one.
        x: (N, C) scores.

    Raises:
        TypeError: If the labels are not integers.
        ValueError: If there are neither N of them nor one.
        IndexError: If a class does not exist.
    """
    N, C = x.shape
    labels = np.asarray(y)
    if labels.shape not in {(), (1,), (N,)}:
        raise ValueError(
            f"{function} got x of shape {x.shape} and y of shape {labels.shape}; a "
            f"label for each row is wanted, ({N},)."
        )
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"{function} got labels of {labels.dtype}; integers are wanted."
        )
    if labels.size and not (labels.min() >= 0 and labels.max() < C):
        wrong = labels[(labels < 0) | (labels >= C)].flat[0]
        raise IndexError(
            f"{function} got the label {wrong}; the classes are 0 to {C - 1}."
        )
    each: NDArray[Any] = np.broadcast_to(labels, (N,))
    return each


def require_words(x: NDArray[Any], V: int) -> None:
    """Insist that x holds word indices.

    Args:
        x: Indices of any shape.
        V: Size of the vocabulary.

    Raises:
        TypeError: If x does not hold integers.
        IndexError: If an index is negative or not below V.
    """
    x = np.asarray(x)
    if x.dtype.kind not in "iu":
        raise TypeError(
            f"Word indices must be integers, but came as {x.dtype}; "
            "convert them with astype(int)."
        )
    if x.size and not (x.min() >= 0 and x.max() < V):
        wrong = x[(x < 0) | (x >= V)].flat[0]
        raise IndexError(
            f"Word index {wrong} lies outside the vocabulary of {V} words; "
            f"use indices from 0 to {V - 1}."
        )


def require_features(features: Any, W_proj: NDArray[Any]) -> NDArray[Any]:
    """Return images' features in a model's dtype if they fit it.

    Args:
        features: (N, D) image features.
        W_proj: (D, H) the model's first weights.

    Raises:
        ValueError: If the shape is another one.
    """
    array: NDArray[Any] = np.asarray(features, dtype=W_proj.dtype)
    D = W_proj.shape[0]
    if array.ndim != 2 or array.shape[1] != D:
        raise ValueError(
            f"features have shape {array.shape}, but the model wants (N, {D}); "
            "give one row per image, and the width the model was built with."
        )
    return array


def require_batch(
    features: Any, captions: Any, W_proj: NDArray[Any], V: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return features and captions as arrays if they fit each other and a model.

    Args:
        features: (N, D) image features.
        captions: (N, T) word indices, T >= 2.
        W_proj: (D, H) the model's first weights.
        V: Size of the vocabulary.

    Raises:
        ValueError: If the shapes do not fit each other or the model.
        TypeError: If captions are not integers.
        IndexError: If a word lies outside the vocabulary.
    """
    features, captions = require_features(features, W_proj), np.asarray(captions)
    if captions.ndim != 2 or captions.shape[1] < 2:
        raise ValueError(
            f"captions have shape {captions.shape}, but (N, T) with T >= 2 is "
            "wanted: one row of word indices per image."
        )
    if len(captions) != len(features):
        raise ValueError(
            f"There are {len(captions)} captions for {len(features)} rows of "
            "features; give one row of features per caption."
        )
    require_words(captions, V)
    return features, captions


def require_pictures(X: NDArray[Any], one: bool = False) -> NDArray[Any]:
    """Return pictures as they are if a network can look at them.

    Args:
        X: (N, 3, H, W) pictures.
        one: Whether N must be 1.

    Raises:
        TypeError: If X does not hold floating point numbers.
        ValueError: If the shape is wrong, or X holds NaN or infinity.
    """
    X = np.asarray(X)
    if X.dtype.kind != "f":
        raise TypeError(
            f"Pictures must hold floating point numbers, but came as {X.dtype}; use "
            "preprocess_image, or load_tiny_imagenet."
        )
    if X.ndim == 4 and X.shape[1] != 3 and X.shape[3] == 3:
        raise ValueError(
            f"Pictures have shape {X.shape}, with the colours last; (N, 3, H, W) is "
            "wanted, so use X.transpose(0, 3, 1, 2)."
        )
    if X.ndim != 4 or X.shape[1] != 3 or 0 in X.shape:
        raise ValueError(
            f"Pictures have shape {X.shape}; (N, 3, H, W) is wanted, with N at least "
            "1, so give a single one an axis in front."
        )
    if one and len(X) != 1:
        raise ValueError(
            f"There are {len(X)} pictures where one is wanted; take X[i : i + 1]."
        )
    if not np.isfinite(X).all():
        raise ValueError(
            "The pictures hold NaN or infinity; look at how they were made (a learning "
            "rate that is too high does it)."
        )
    return X


def require_classes(y: Any, N: int, model: Any) -> NDArray[np.integer]:
    """Return classes as an array if there is one for each of N pictures.

    Raises:
        TypeError: If y does not hold integers.
        ValueError: If there are too many or too few.
        IndexError: If the network has no such class.
    """
    return a_class_each(y, N, len(model.params["b11"]))


def require_class(y: Any, model: Any) -> int:
    """Return y as a plain integer if it is one of the network's classes.

    Raises:
        IndexError: If there is no such class.
    """
    return one_class(y, len(model.params["b11"]))


def a_class_each(y: Any, N: int, C: int | None) -> NDArray[np.integer]:
    """Return classes as an array if there is one for each of N pictures.

    Args:
        y: (N,) classes; an array, a list, or a tensor that NumPy can read.
        N: How many pictures there are.
        C: How many classes the network knows; None if that cannot be told.

    Raises:
        TypeError: If y does not hold integers.
        ValueError: If there are too many or too few.
        IndexError: If the network has no such class.
    """
    classes: NDArray[np.integer] = np.asarray(y)
    if classes.shape != (N,):
        raise ValueError(
            f"There are {N} pictures and classes of shape {classes.shape}; each "
            "picture needs one."
        )
    if classes.dtype.kind not in "iu":
        raise TypeError(f"Classes must be integers, but came as {classes.dtype}.")
    for label in classes.tolist():
        one_class(label, C)
    return classes


def one_class(y: Any, C: int | None) -> int:
    """Return y as a plain integer if it is a class that a network knows.

    Args:
        y: The class.
        C: How many the network knows; None if that cannot be told.

    Raises:
        IndexError: If there is no such class.
    """
    label = operator.index(y)
    if label < 0 or (C is not None and label >= C):
        known = "no negative ones" if C is None else f"0 to {C - 1}"
        raise IndexError(f"There is no class {label}; the network knows {known}.")
    return label


def require_count(number: Any, name: str, otherwise: str = "") -> int:
    """Return ``number`` as an int of 1 or more.

    Args:
        number: What came.
        name: What the caller calls it.
        otherwise: What else may be given.

    Raises:
        ValueError: If it is no whole number, or less than 1.
    """
    try:
        whole = 0 if isinstance(number, bool) else operator.index(number)
    except TypeError:
        whole = 0
    if whole < 1:
        advice = f" {otherwise}" if otherwise else ""
        raise ValueError(
            f"{name} is {number!r}; give a whole number of 1 or more{advice}."
        )
    return whole
