"""The words of drawn scenes' captions, and what each of them says."""

from typing import NamedTuple

# Each kind's nouns, the common one first, as (singular, plural).
NOUNS: dict[str, tuple[tuple[str, str], ...]] = {
    "car": (("car", "cars"), ("automobile", "automobiles")),
    "house": (("house", "houses"), ("cottage", "cottages")),
    "tree": (("tree", "trees"),),
    "boat": (("boat", "boats"), ("sailboat", "sailboats")),
    "cat": (("cat", "cats"), ("kitten", "kittens")),
    "dog": (("dog", "dogs"), ("puppy", "puppies")),
    "flower": (("flower", "flowers"), ("blossom", "blossoms")),
    "umbrella": (("umbrella", "umbrellas"), ("parasol", "parasols")),
    "mushroom": (("mushroom", "mushrooms"), ("toadstool", "toadstools")),
    "rocket": (("rocket", "rockets"), ("spaceship", "spaceships")),
    "sun": (("sun", "suns"),),
    "star": (("star", "stars"),),
    "bird": (("bird", "birds"),),
    "balloon": (("balloon", "balloons"),),
}
# What each kind does, as (one does, several do).
VERBS: dict[str, tuple[str, str]] = {
    "car": ("is parked", "are parked"),
    "cat": ("sits", "sit"),
    "flower": ("grows", "grow"),
    "tree": ("grows", "grow"),
    "mushroom": ("grows", "grow"),
    "boat": ("rests", "rest"),
    "sun": ("shines", "shine"),
    "star": ("shines", "shine"),
    "bird": ("flies", "fly"),
    "balloon": ("floats", "float"),
}
STANDS = ("stands", "stand")
SIZE_WORDS: dict[str, tuple[str, ...]] = {
    "small": ("small", "little", "tiny"),
    "medium": (),
    "large": ("large", "big", "huge"),
}
NUMBERS = {"a": 1, "an": 1, "another": 1, "one": 1, "two": 2, "three": 3}


class Places(NamedTuple):
    """How a ground is named: always, when all things stand on it, when none does."""

    common: str
    rare: tuple[str, ...]
    standing: tuple[str, ...]
    floating: tuple[str, ...]


PLACES: dict[str, Places] = {
    "grass": Places(
        "in the meadow",
        ("in a grassy field",),
        ("on the grass", "on the lawn"),
        ("over the grass", "above the lawn"),
    ),
    "beach": Places(
        "at the beach",
        ("by the shore",),
        ("on the sand", "on a sandy beach"),
        ("over the sand", "above a sandy beach"),
    ),
    "snow": Places(
        "on a snowy day",
        ("in winter",),
        ("in the snow", "on the snow"),
        ("over the snow", "above the snow"),
    ),
    "sea": Places(
        "at sea",
        ("out at sea",),
        ("on the water", "on the waves"),
        ("over the water", "above the waves"),
    ),
    "city": Places(
        "in the city",
        ("in town",),
        ("on the street", "on the road"),
        ("over the street", "above the road"),
    ),
    "night": Places(
        "at night",
        ("after dark", "by moonlight"),
        ("under a night sky",),
        ("in the night sky",),
    ),
    "space": Places(
        "in space",
        ("in outer space",),
        ("on the moon",),
        ("above the moon",),
    ),
}

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
