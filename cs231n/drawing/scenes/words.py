"""The words of drawn scenes' captions, and what each of them says."""

from typing import NamedTuple

from cs231n.support.files import table_of

_TABLE = table_of(__file__)
NOUNS: dict[str, list[list[str]]] = _TABLE["nouns"]
VERBS: dict[str, list[str]] = _TABLE["verbs"]
STANDS = ("stands", "stand")
SIZE_WORDS: dict[str, list[str]] = _TABLE["sizes"]
NUMBERS = {"a": 1, "an": 1, "another": 1, "one": 1, "two": 2, "three": 3}


class Places(NamedTuple):
    """How a ground is named: always, when all things stand on it, when none does."""

    common: str
    rare: list[str]
    standing: list[str]
    floating: list[str]


PLACES = {ground: Places(**names) for ground, names in _TABLE["places"].items()}
KIND_OF = {
    word: (kind, number)
    for kind, nouns in NOUNS.items()
    for pair in nouns
    for number, word in enumerate(pair, start=1)
}
SIZE_OF = {word: size for size, words in SIZE_WORDS.items() for word in words}


def _telling_words() -> dict[str, str]:
    """Map each word that only one ground's names use to that ground."""
    grounds: dict[str, set[str]] = {}
    for ground, place in PLACES.items():
        names = [place.common, *place.rare, *place.standing, *place.floating]
        for word in " ".join(names).split():
            grounds.setdefault(word, set()).add(ground)
    for word in ("out", "after", "under", "day", "sky"):
        del grounds[word]
    return {word: found.pop() for word, found in grounds.items() if len(found) == 1}


GROUND_OF = _telling_words()
