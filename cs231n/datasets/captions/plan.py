"""What a data set of captioned photos will be made of, and what is left out of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from cs231n.datasets.captions import annotations, parts, words
from cs231n.datasets.captions.photos import Photos

_NAMED = 20  # how many pictures of a kind are named in the record
_RANGES = (
    ("broken_share", 0, 1),
    ("min_count", 1, 10**9),
    ("seed", 0, 2**63),
    ("vocabulary", len(words.MARKS) + 1, 10**6),
    ("words", 1, 1000),
)


@dataclass(frozen=True)
class Options:
    """What may be chosen.

    Attributes:
        draw: Whether to part the photos by a draw even if the files part them.
        val: The files' parts that a model is tried on; None for val, or test without.
        val_share: The share of the photos that a draw keeps for that.
        seed: Decides the draw.
        min_count: How often a word must come in the training captions; rarer ones
            become UNK.
        vocabulary: The most words, marks included.
        words: The most words in a caption; longer ones are left out.
        network: What looks at the photos.
        broken_share: The share of photos, or of captions, that may be broken.
    """

    draw: bool = False
    val: tuple[str, ...] | None = None
    val_share: float = 0.125
    seed: int = 231
    min_count: int = 2
    vocabulary: int = words.SIZE
    words: int = words.WORDS
    network: str = "squeezenet"
    broken_share: float = 0.05


@dataclass
class Plan:
    """What is to be looked at, and what was left out.

    Attributes:
        captions: By photo, lists of words.
        left_out: Pictures that are left out, and why.
        counts: By what they count.
        notes: What a reader should know.
    """

    split: parts.Split
    captions: dict[str, list[list[str]]]
    left_out: list[dict[str, str]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def leave_out(self, what: str, pictures: Sequence[str], why: str) -> None:
        """Count pictures that are left out, and name the first of them."""
        if pictures:
            self.counts[what] = len(pictures)
            self.left_out += [{"picture": p, "why": why} for p in pictures[:_NAMED]]


def plan(photos: Photos, merged: annotations.Annotations, options: Options) -> Plan:
    """Find the photos, and part those that can be used.

    Raises:
        FileNotFoundError: If no picture is in the folder.
        ValueError: If an option is out of range, or nothing would be left to learn.
    """
    _require_ranges(options)
    found: dict[str, list[str]] = {}
    said: dict[str, str] = {}
    missing = []
    for name, captions in merged.captions.items():
        if (path := photos.find(name)) is None:
            missing.append(name)
            continue
        found.setdefault(path, []).extend(captions)
        part = merged.parts.get(name)
        if part and said.setdefault(path, part) != part:
            raise ValueError(
                f"Photo {path} is in {said[path]} and, as {name}, in {part}; take it "
                "out of one."
            )
    total = len(merged.captions)
    if not found:
        raise FileNotFoundError(
            f"None of the {total:,} pictures that the captions name, such as "
            f"{missing[0]}, is in {photos.folder}; name the folder that they are in."
        )
    require_few(len(merged.broken), merged.count(), "captions", merged.broken, options)
    usable: dict[str, list[list[str]]] = {}
    long = empty = 0
    for path, captions in found.items():
        split = [words.tokens(caption) for caption in captions]
        kept = [c for c in split if 0 < len(c) <= options.words]
        empty += sum(not c for c in split)
        long += sum(len(c) > options.words for c in split)
        if kept:
            usable[path] = kept
    if not usable:
        raise ValueError(
            f"No caption has one to {options.words} words; --words makes room for "
            "longer ones."
        )
    made = Plan(
        parts.split(
            list(usable),
            said,
            draw=options.draw,
            val=options.val,
            val_share=options.val_share,
            seed=options.seed,
        ),
        usable,
        counts={"pictures named": total, "captions": merged.count()},
    )
    _require_words(made, options)
    unused = photos.others(found)
    made.leave_out("missing pictures", missing, "is not in the folder")
    made.leave_out(
        "pictures without a caption that fits",
        [path for path in found if path not in usable],
        f"has no caption of 1 to {options.words} words",
    )
    made.counts |= {"captions too long": long, "captions without words": empty}
    made.counts |= {"photos without captions": len(unused)}
    made.counts |= {f"pictures in {k}": n for k, n in made.split.left.items()}
    made.notes += [f"{note}." for note in merged.notes]
    made.notes += _notes(made, missing, unused, merged.broken, photos, options)
    return made


def _require_ranges(options: Options) -> None:
    for name, low, high in _RANGES:
        value = getattr(options, name)
        if not low <= value <= high:
            raise ValueError(
                f"--{name.replace('_', '-')} is {value}; give a number from {low} to "
                f"{high}."
            )


def _require_words(made: Plan, options: Options) -> None:
    """Insist that a model would have words to write, before hours of work."""
    captions = (c for photo in made.split.train for c in made.captions[photo])
    if len(words.vocabulary(captions, options.vocabulary, options.min_count)) <= len(
        words.MARKS
    ):
        raise ValueError(
            f"No word comes {options.min_count} times in the captions to learn from; "
            "say a smaller --min-count."
        )


def _notes(
    made: Plan,
    missing: Sequence[str],
    unused: Sequence[str],
    broken: Sequence[str],
    photos: Photos,
    options: Options,
) -> Iterator[str]:
    """Yield a sentence for all that is left out."""
    counts = made.counts
    if missing:
        yield (
            f"{len(missing):,} of {counts['pictures named']:,} captioned pictures are "
            f"not in {photos.folder}, such as {missing[0]}: left out."
        )
    if unused:
        yield f"{len(unused):,} photos have no caption, such as {unused[0]}: left out."
    if photos.outside:
        yield (
            f"{len(photos.outside):,} links lead out of {photos.folder}, such as "
            f"{photos.outside[0]}: not followed."
        )
    if broken:
        yield f"{len(broken):,} captions are broken ({broken[0]}): left out."
    if long := counts["captions too long"]:
        yield (
            f"{long:,} of {counts['captions']:,} captions have more than "
            f"{options.words} words: left out, as in the course's data."
        )
    if empty := counts["captions without words"]:
        yield f"{empty:,} captions have no word in them: left out."
    for part, count in made.split.left.items():
        yield f"{count:,} pictures are in {part}: left out (--val {part} tries them)."
    lengths = [len(c) for several in made.captions.values() for c in several]
    if np.mean(lengths) < 2:
        yield (
            "Captions have hardly more than a word each: if their language is written "
            "without spaces, put one between words."
        )


def require_few(
    broken: int, total: int, what: str, reasons: Sequence[str], options: Options
) -> None:
    """Insist that few enough are broken.

    Raises:
        ValueError: If it is more than the share that is allowed.
    """
    if broken > options.broken_share * (total if what == "photos" else total + broken):
        raise ValueError(
            f"{broken:,} {what} of {total:,} cannot be read, more than the share of "
            f"{options.broken_share:g} that is allowed; the first: {reasons[0]} Mend "
            "them, or raise --broken-share."
        )
