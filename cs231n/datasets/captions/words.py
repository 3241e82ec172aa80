"""Captions as words, and words as rows of numbers, the way the course has them.

Letters in shapes: N captions, T numbers in a row.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

MARKS = ("<NULL>", "<START>", "<END>", "<UNK>")
"""The words with indices 0 to 3."""
WORDS = 15
"""The most words in a caption; START and END make rows of 17."""
SIZE = 1004
"""How many words the course's vocabulary has, marks included."""

# Chinese characters and Japanese syllables, which no spaces part.
_UNSPACED = re.compile(
    "[\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003fffd]"
)
_SELECTOR = "VARIATION SELECTOR"


class _Kept(dict[int, str | None]):
    """What becomes of a character, looked up when it first comes."""

    def __missing__(self, code: int) -> str | None:
        letter = chr(code)
        kept: str | None = None
        if letter.isspace():
            kept = " "
        elif _UNSPACED.match(letter):
            kept = f" {letter} "
        elif unicodedata.category(letter)[0] in "LMN":
            selector = unicodedata.name(letter, "").startswith(_SELECTOR)
            kept = None if selector else letter
        self[code] = kept
        return kept


_KEPT = _Kept()


def tokens(caption: str) -> list[str]:
    """Split a caption into lower-case words without punctuation.

    Letters and digits of every script stay, with their accents and vowel signs. All
    else goes without leaving a gap, so "man's" becomes "mans". Each Chinese
    character and each Japanese syllable is a word; other languages that are written
    without spaces, such as Thai, need them put in.

    Example:
        >>> tokens("A man's T-shirt, 2 sizes too big!")
        ['a', 'mans', 'tshirt', '2', 'sizes', 'too', 'big']
    """
    text = unicodedata.normalize("NFC", caption.lower()).translate(_KEPT)
    return [word for word in text.split() if unicodedata.category(word[0]) != "Mn"]


def vocabulary(
    captions: Iterable[Sequence[str]], size: int | None = None, min_count: int = 1
) -> list[str]:
    """Return the words to tell apart, marks first.

    Args:
        captions: Each a list of words.
        size: The most words to return, marks included; None for no bound.
        min_count: How often a word must occur.

    Returns:
        Four marks, then words by falling frequency, ties by the alphabet.
    """
    counts = Counter(word for caption in captions for word in caption)
    often = [word for word, count in counts.items() if count >= min_count]
    return [*MARKS, *sorted(often, key=lambda word: (-counts[word], word))][:size]


def indices(words: Sequence[str]) -> dict[str, int]:
    """Return the place of each word."""
    return {word: index for index, word in enumerate(words)}


def encode(
    captions: Sequence[Sequence[str]], words: Sequence[str], longest: int = WORDS
) -> NDArray[np.int32]:
    """Turn captions into rows: START, the words, END, and NULL to the end.

    Args:
        captions: N lists of words.
        words: The vocabulary; a word that it does not have becomes UNK.
        longest: The most words in a caption.

    Returns:
        (N, longest + 2) word indices.

    Raises:
        ValueError: If a caption has more words.
    """
    index = indices(words)
    null, start, end, unknown = range(len(MARKS))
    rows = np.full((len(captions), longest + 2), null, np.int32)
    for row, caption in zip(rows, captions, strict=True):
        if len(caption) > longest:
            raise ValueError(
                f"The caption {' '.join(caption)!r} has {len(caption)} words; "
                f"rows have room for {longest}."
            )
        row[: len(caption) + 2] = [
            start,
            *(index.get(w, unknown) for w in caption),
            end,
        ]
    return rows
