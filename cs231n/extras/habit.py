"""Extra, yours: what captions owe to their picture, and what to a habit of writing.

A model that is shown the wrong picture goes on writing. What is right all the same is
right by habit: "a", "on", whatever most pictures have. The rest it must have seen.

Letters in shapes: N pictures.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def other_pictures(N: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Deal N pictures out anew, so that each goes to another place than its own.

    Args:
        N: How many there are, 2 or more.
        rng: Decides who gets which.

    Returns:
        (N,) each of 0 to N - 1 once, none of them at its own place.

    Raises:
        ValueError: If there are fewer than two.

    Example:
        >>> other_pictures(2, np.random.default_rng(0)).tolist()
        [1, 0]
    """
    if N < 2:
        raise ValueError(f"N is {N}; of two pictures or more each can get another's.")
    # TODO(extra): Draw such an order. A permutation alone leaves some at their places.
    # BEGIN SOLUTION
    circle = rng.permutation(N)  # each gets the picture of the next one round
    other = np.empty(N, np.intp)
    other[circle] = np.roll(circle, -1)
    # END SOLUTION
    return other


def right_words(
    captions: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, tuple[int, int]]:
    """Count for each word how often it is written, and how often it is right there.

    A word is right in a caption if one of the picture's true captions has it, too; a
    word that a caption repeats counts once.

    Args:
        captions: N captions, words with spaces between them.
        references: For each, the true captions of its picture.

    Returns:
        Word -> (captions in which it is right, captions that have it).

    Raises:
        ValueError: If there are not as many lists of references as captions.

    Example:
        >>> truth = [["a red boat", "one boat at sea"], ["a cat"]]
        >>> words = right_words(["a boat", "a boat"], truth)
        >>> words["a"], words["boat"]
        ((2, 2), (1, 2))
    """
    if len(captions) != len(references):
        raise ValueError(
            f"{len(captions)} captions came with {len(references)} lists of references;"
            " give one list for each."
        )
    counts: dict[str, tuple[int, int]] = {}
    # TODO(extra): Fill counts.
    # BEGIN SOLUTION
    for caption, group in zip(captions, references, strict=True):
        known = {word for reference in group for word in reference.split()}
        for word in set(caption.split()):
            right, there = counts.get(word, (0, 0))
            counts[word] = (right + (word in known), there + 1)
    # END SOLUTION
    return counts
