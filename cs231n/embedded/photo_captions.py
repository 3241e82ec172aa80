"""Captioned photos of your own, in the files of ``coco_captioning``.

    python -m cs231n.datasets build captions --images FOLDER --annotations FILE --name NAME

A network looks at the photos block by block. Each block's features go to a file of its
own, so memory does not grow with the number of photos, and a build that was stopped, or
killed, goes on where it was. The folder appears whole or not at all.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cs231n.datasets.captions import annotations, parts, record, words
from cs231n.datasets.captions.photos import Photos
from cs231n.datasets.fetching.disk import file_hash
from cs231n.datasets.readers import coco
from cs231n.embedded import building, coco_folder, features, maps, networks
from cs231n.embedded.features import FeatureReducer
from cs231n.embedded.networks import Network
from cs231n.image_utils import load_image
from cs231n.support import files, folders
from cs231n.support.progress import is_watched, progress_bar

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIM = 512
SAMPLE = 5000
"""The most training photos that principal components are computed from."""
_BLOCK = 40  # photos, of which one file is kept
_PROCESSES = 2  # at most, unless more are asked for: each takes a third of a gigabyte
_SHARE = 4  # blocks that make it worth to start another process
_NAMED = 20  # how many pictures of a kind are named in the record
_EVERY = 60.0  # seconds between lines of progress that go to a file

_README = """\
Captioned photos in the format of coco_captioning, made by
{made_by}
record.json says from what. The lines of *_urls.txt are the photos' paths below the
folder "images" of the record. reducer.npz turns what the network makes of any photo into
the same {dim} numbers: photo_features of cs231n.embedded.captions.
"""


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
    network: str = networks.PHOTOS
    broken_share: float = 0.05


@dataclass
class _Plan:
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


def build(
    images: Path,
    captions: Sequence[Path],
    target: Path,
    options: Options | None = None,
    *,
    jobs: int | None = None,
    force: bool = False,
    progress: bool = True,
) -> Path:
    """Build a data set of captioned photos.

    Args:
        images: The folder of the photos.
        captions: Files of captions, all of the same photos or of different ones.
        target: The folder to make, named as the data set.
        options: What may be chosen.
        jobs: How many processes; None for one a core, at most two.
        force: Whether a data set of that name may be replaced.
        progress: Whether to show a progress bar.

    Returns:
        The folder.

    Raises:
        FileExistsError: If the folder is there, and holds something else.
        OSError: If something cannot be read or written.
        ValueError: If the captions cannot be understood, or too much is broken.
    """
    options = options or Options()
    target = Path(target).resolve()
    folders.require_place(target, record.RECORD)
    photos = Photos(images)
    merged, each = annotations.read_all(captions)
    sources = [
        {
            "file": str(file.resolve()),
            "sha256": file_hash(file),
            "kind": one.kind,
            "pictures": len(one.captions),
            "captions": one.count(),
        }
        for file, one in zip(captions, each, strict=True)
    ]
    del each
    plan = _plan(photos, merged, options)
    del merged
    network = networks.find(options.network)
    pieces_key = _pieces_key(photos.folder, plan.split, network)
    key = folders.code_key(
        [Path(str(module.__file__)) for module in (words, parts, annotations)],
        pieces_key,
        *(source["sha256"] for source in sources),
        asdict(options),
    )
    if target.exists() and any(target.iterdir()) and not force:
        if folders.is_built(target, key, record.RECORD):
            print(f"{target} is there already, made from the same.")
            return target
        raise FileExistsError(
            f"{target} is there, made from other photos, captions or options; choose "
            "another name, or say --force to replace it."
        )
    for note in plan.notes:
        print(note)
    count = len(plan.split.train) + len(plan.split.val)
    facts: dict[str, Any] = {
        "name": target.name,
        "made_by": record.MADE_BY,
        "images": str(photos.folder),
        "annotations": sources,
        "network": asdict(network),
        "options": asdict(options),
    }
    megabytes = math.ceil(count * 0.04) + 50
    with building.writing("The captioned photos", target, megabytes):
        look = _Look(photos.folder, plan, network, target, pieces_key, options, jobs)
        with look.bar(count, progress):
            look.run()
        with folders.building(target, key, facts, record.RECORD) as draft:
            facts |= _write(draft, look, plan, options)
        look.pieces.remove()
    return target


def _plan(photos: Photos, merged: annotations.Annotations, options: Options) -> _Plan:
    """Find the photos, and part those that can be used."""
    found: dict[str, list[str]] = {}
    said: dict[str, str] = {}
    missing = []
    for name, captions in merged.captions.items():
        if (path := photos.find(name)) is None:
            missing.append(name)
            continue
        found.setdefault(path, []).extend(captions)
        if part := merged.parts.get(name):
            if said.setdefault(path, part) != part:
                raise ValueError(
                    f"Photo {path} is in {said[path]} and, as {name}, in {part}; take "
                    "it out of one."
                )
    total = len(merged.captions)
    if not found:
        raise FileNotFoundError(
            f"None of the {total:,} pictures that the captions name, such as "
            f"{missing[0]}, is in {photos.folder}; name the folder that they are in."
        )
    _require_few(len(merged.broken), merged.count(), "captions", merged.broken, options)
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
            f"No caption has one to {options.words} words; say --words to make room for "
            "longer ones."
        )
    plan = _Plan(
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
    unused = photos.others(found)
    plan.leave_out("missing pictures", missing, "is not in the folder")
    plan.leave_out(
        "pictures without a caption that fits",
        [path for path in found if path not in usable],
        f"has no caption of 1 to {options.words} words",
    )
    plan.counts |= {"captions too long": long, "captions without words": empty}
    plan.counts |= {"photos without captions": len(unused)}
    plan.counts |= {f"pictures in {k}": n for k, n in plan.split.left.items()}
    plan.notes += [f"{note}." for note in merged.notes]
    plan.notes += _notes(plan, missing, unused, merged.broken, photos, options)
    return plan


def _notes(
    plan: _Plan,
    missing: Sequence[str],
    unused: Sequence[str],
    broken: Sequence[str],
    photos: Photos,
    options: Options,
) -> Iterator[str]:
    """Yield a sentence for all that is left out."""
    counts = plan.counts
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
    for part, count in plan.split.left.items():
        yield f"{count:,} pictures are in {part}: left out (--val {part} tries them)."
    lengths = [len(c) for several in plan.captions.values() for c in several]
    if np.mean(lengths) < 2:
        yield (
            "Captions have hardly more than a word each: if their language is written "
            "without spaces, put one between words."
        )


def _require_few(
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


def _pieces_key(folder: Path, split: parts.Split, network: Network) -> str:
    """Return a text that changes when what the network sees does."""
    seen = []
    for path in (*split.train, *split.val):
        facts = (folder / path).stat()
        seen.append((path, facts.st_size, facts.st_mtime_ns))
    code = [features.__file__, networks.__file__, __file__]
    return folders.code_key(
        [Path(str(file)) for file in code], network, len(split.train), SAMPLE, seen
    )


class _Look:
    """Looks at photos in blocks, and keeps what comes of each in a file."""

    def __init__(
        self,
        folder: Path,
        plan: _Plan,
        network: Network,
        target: Path,
        key: str,
        options: Options,
        jobs: int | None,
    ) -> None:
        self.network, self.pieces = network, folders.Pieces(target, key)
        self.blocks = {
            split: [paths[k : k + _BLOCK] for k in range(0, len(paths), _BLOCK)]
            for split, paths in (("train", plan.split.train), ("val", plan.split.val))
        }
        self.broken: list[str] = []
        self._folder, self._options, self._jobs = folder, options, jobs
        self._total = len(plan.split.train) + len(plan.split.val)
        self._seen = self._before = 0
        self._bar: Any = None

    @contextmanager
    def bar(self, total: int, progress: bool) -> Iterator[None]:
        """Show how far it is, as a bar or, in a file, as a line a minute."""
        self._told = self._start = time.monotonic()
        with progress_bar(total, "Looking at photos", progress, unit=" photos") as bar:
            self._bar = bar
            yield

    @property
    def reducer_file(self) -> Path:
        """Where the reducer is kept."""
        return self.pieces.folder / coco_folder.REDUCER

    def run(self) -> None:
        """Look at all photos that have not been looked at."""
        self.pieces.folder.mkdir(parents=True, exist_ok=True)
        self._before = sum(
            len(paths)
            for split, blocks in self.blocks.items()
            for k, paths in enumerate(blocks)
            if self._piece(split, k).exists()
        )
        if self._before:
            print(f"{self._before:,} photos have been looked at, by an earlier run.")
        sample = [("train", k) for k in self._sample()]
        self._look(sample, None)
        if not self.reducer_file.exists():
            rows = [self.load(split, k)["vectors"] for split, k in sample]
            X = np.concatenate([row for row in rows if len(row)] or [np.zeros((0, 1))])
            if len(X) < 2:
                raise ValueError(
                    f"{len(X)} photos to learn from can be read, and two are needed; "
                    f"the first that cannot: {self.broken[0]}"
                )
            del rows
            networks.fit(X, self.network, DIM).save(self.reducer_file)
        rest = [(s, k) for s, blocks in self.blocks.items() for k in range(len(blocks))]
        self._look([one for one in rest if one not in set(sample)], self.reducer_file)

    def facts(self) -> dict[str, Any]:
        """Say what the principal components come from."""
        there = sum(map(len, self.blocks["train"]))
        used = sum(len(self.blocks["train"][k]) for k in self._sample())
        method = "exact" if used == there else f"a sample: blocks of {_BLOCK} photos"
        return {"method": method, "pictures": used, "of": there, "numbers": DIM}

    def load(self, split: str, k: int) -> dict[str, NDArray[Any]]:
        """Return what is kept of a block.

        Raises:
            OSError: If its file is damaged.
        """
        name = self._piece(split, k)
        if (piece := self.pieces.load(name.stem)) is None:
            name.unlink(missing_ok=True)
            raise OSError(
                f"{name} was damaged and is removed; start the same command again"
            )
        return piece

    def _sample(self) -> list[int]:
        """Return the blocks that components are computed from, evenly spread."""
        there = len(self.blocks["train"])
        wanted = min(there, SAMPLE // _BLOCK)
        return [int(k) for k in np.arange(wanted) * there // wanted]

    def _piece(self, split: str, k: int) -> Path:
        return self.pieces.folder / f"{split}-{k:06d}.npz"

    def _look(self, chosen: Sequence[tuple[str, int]], reducer: Path | None) -> None:
        """Look at blocks that have not been looked at; count all that are broken."""
        missing = []
        for split, k in chosen:
            if (piece := self.pieces.load(self._piece(split, k).stem)) is not None:
                self._count(len(self.blocks[split][k]), piece["why"].tolist())
            else:
                missing.append((split, k))
        jobs = [
            (
                self._folder,
                self.blocks[split][k],
                self.network,
                self._piece(split, k),
                reducer,
            )
            for split, k in missing
        ]
        asked = self._jobs or min(_processors(), _PROCESSES)
        processes = max(1, min(asked, len(jobs) // _SHARE))
        with closing(maps.on_all_cores(look_at_block, jobs, processes)) as results:
            for (split, k), why in zip(missing, results, strict=True):
                self._count(len(self.blocks[split][k]), why)

    def _count(self, photos: int, why: Sequence[str]) -> None:
        self.broken += [reason for reason in why if reason]
        self._seen += photos
        self._bar.update(photos)
        _require_few(
            len(self.broken), self._total, "photos", self.broken, self._options
        )
        now = time.monotonic()
        if not is_watched() and now - self._told >= _EVERY:
            self._told = now
            done = max(1, self._seen - self._before)
            rate = done / (now - self._start)
            left = (self._total - self._seen) / rate / 60
            print(
                f"{self._seen:,} of {self._total:,} photos, {rate:.0f} a second, "
                f"{left:.0f} minutes to go",
                flush=True,
            )


def _processors() -> int:
    import joblib

    return int(joblib.cpu_count())


def look_at_block(
    folder: Path,
    paths: Sequence[str],
    network: Network,
    piece: Path,
    reducer: Path | None,
) -> list[str]:
    """Look at photos and keep what comes of it.

    Args:
        folder: What the paths are relative to.
        paths: Of the photos.
        network: What looks at them.
        piece: The file to write.
        reducer: What reduces the maps; None to keep them whole.

    Returns:
        Why a photo cannot be read, for each of them; empty if it can.
    """
    why = [""] * len(paths)

    def readable() -> Iterator[NDArray[np.uint8]]:
        for k, path in enumerate(paths):
            try:
                yield load_image(folder / path)
            except (OSError, ValueError) as error:
                why[k] = str(error)

    pictures = readable()
    first = next(pictures, None)
    vectors = wide = np.zeros((0, 0), np.float32)
    if first is not None:
        vectors, wide = networks.describe(_after(first, pictures), network)
        if reducer is not None:
            vectors = FeatureReducer.load(reducer).transform(vectors)
    with files.replacing(piece) as draft, draft.open("wb") as file:
        np.savez(file, vectors=vectors, wide=wide, why=np.array(why, np.str_))
    return why


def _after(
    first: NDArray[np.uint8], rest: Iterator[NDArray[np.uint8]]
) -> Iterator[NDArray[np.uint8]]:
    yield first
    yield from rest


def _write(draft: Path, look: _Look, plan: _Plan, options: Options) -> dict[str, Any]:
    """Write every file of the data set to an empty folder, and return its record."""
    reducer = FeatureReducer.load(look.reducer_file)
    sample = set(look._sample())
    kept: dict[str, list[str]] = {}
    broken = []
    for split, blocks in look.blocks.items():
        kept[split] = []
        for k, paths in enumerate(blocks):
            why = look.load(split, k)["why"]
            for path, reason in zip(paths, why, strict=True):
                (broken if reason else kept[split]).append(path)
    parts.require(parts.Split(kept["train"], kept["val"]))
    for split, blocks in look.blocks.items():
        with ExitStack() as stack:
            datasets: list[Any] = []
            start = 0
            for k in range(len(blocks)):
                piece = look.load(split, k)
                vectors, wide = piece["vectors"], piece["wide"]
                if not len(wide):
                    continue
                if split == "train" and k in sample:
                    vectors = reducer.transform(vectors)
                if not datasets:
                    datasets = [
                        _dataset(stack, draft, split, pca, len(kept[split]), array)
                        for pca, array in ((True, vectors), (False, wide))
                    ]
                for dataset, array in zip(datasets, (vectors, wide), strict=True):
                    dataset[start : start + len(array)] = array
                start += len(wide)
    described = {split: [plan.captions[p] for p in kept[split]] for split in kept}
    vocabulary = words.vocabulary(
        (caption for several in described["train"] for caption in several),
        options.vocabulary,
        options.min_count,
    )
    coco_folder.write_captions(
        draft,
        {s: coco_folder.Part(described[s], kept[s], kept[s]) for s in kept},
        vocabulary,
        options.words,
    )
    reducer.save(draft / coco_folder.REDUCER)
    readme = _README.format(made_by=record.MADE_BY, dim=DIM).rstrip()
    building.write_lines(draft / "README.txt", [readme])
    plan.leave_out("broken photos", broken, "cannot be read")
    for split in kept:
        plan.counts[f"{split} photos"] = len(kept[split])
        plan.counts[f"{split} captions"] = sum(map(len, described[split]))
    plan.counts["words"] = len(vocabulary)
    if broken:
        print(f"{len(broken)} photos cannot be read, left out; the first: {look.broken[0]}")
    return {
        "components": look.facts(),
        "split": {"how": plan.split.how, "seed": options.seed},
        "counts": plan.counts,
        "left_out": plan.left_out,
        "files": {file.name: file_hash(file) for file in sorted(draft.iterdir())},
    }


def _dataset(
    stack: ExitStack,
    draft: Path,
    split: str,
    pca_features: bool,
    rows: int,
    array: NDArray[np.float32],
) -> Any:
    """Return an empty dataset of features in a file that the stack closes."""
    import h5py

    file = stack.enter_context(
        h5py.File(coco.features_file(draft, split, pca_features), "w")
    )
    return file.create_dataset("features", (rows, array.shape[1]), np.float32)
