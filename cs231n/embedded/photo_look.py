"""Photos as a network sees them, block by block, each block kept in a file of its own.

Memory does not grow with the number of photos, and what was stopped, or killed, goes on
where it was. A module of its own, since a process imports it by its name.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cs231n.datasets.captions import parts
from cs231n.datasets.captions.plan import Options, Plan, require_few
from cs231n.embedded import apart, coco_folder, features, networks
from cs231n.embedded.building import AdviceError
from cs231n.embedded.features import FeatureReducer
from cs231n.embedded.networks import Network
from cs231n.image_utils import load_image
from cs231n.support import files, folders
from cs231n.support.progress import is_watched, progress_bar

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIM = 512
"""How many numbers a photo is reduced to."""
SAMPLE = 5000
"""The most training photos that principal components are computed from."""
_BLOCK = 40  # photos
_THREADS = 2  # at most, unless more are asked for
_SHARE = 4  # blocks for each thread that make it worth to start a process for them
# A data set of more blocks is never looked at here, where torch would stay: beside it,
# components of many photos would take too much memory.
_FEW = 25
_EVERY = 60.0  # seconds between lines of progress that go to a file


def pieces_key(folder: Path, split: parts.Split, network: Network) -> str:
    """Return a text that changes when what the network sees does."""
    seen = []
    for path in (*split.train, *split.val):
        facts = (folder / path).stat()
        seen.append((path, facts.st_size, facts.st_mtime_ns))
    code = [features.__file__, networks.__file__, __file__]
    return folders.code_key(
        [Path(str(file)) for file in code], network, len(split.train), SAMPLE, seen
    )


class Look:
    """Looks at photos in blocks, and keeps what comes of each in a file."""

    def __init__(
        self,
        folder: Path,
        made: Plan,
        network: Network,
        target: Path,
        key: str,
        options: Options,
        jobs: int | None,
    ) -> None:
        """Look for what an earlier run left.

        Args:
            folder: The photos' folder.
            made: Which photos to look at.
            network: What looks at them.
            target: What the work is for; blocks' files lie beside it.
            key: Changes when those files would.
            options: Says how many may be broken.
            jobs: How many photos to look at a time; None for one a core, at most two.
        """
        self.network, self.pieces = network, folders.Pieces(target, key)
        self.blocks = {
            split: [paths[k : k + _BLOCK] for k in range(0, len(paths), _BLOCK)]
            for split, paths in (("train", made.split.train), ("val", made.split.val))
        }
        self.broken: list[str] = []
        self._folder, self._options, self._jobs = folder, options, jobs
        self._total = len(made.split.train) + len(made.split.val)
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
        whole = self.whole()
        self._look(whole, None)
        if not self.reducer_file.exists():
            X = self._vectors(self.sample())
            if len(X) < 2:
                raise ValueError(
                    f"{len(X)} photos to learn from can be read, and two are needed; "
                    f"the first that cannot: {self.broken[0]}"
                )
            networks.fit(X, self.network, DIM).save(self.reducer_file)
            del X
        done = set(whole)
        rest = [one for one in self._all() if one not in done]
        self._look(rest, self.reducer_file)

    def _vectors(self, chosen: Sequence[int]) -> NDArray[np.float32]:
        """Return what is kept of blocks of training photos, in one copy."""
        X, count = np.zeros((0, 1), np.float32), 0
        for k in chosen:
            rows = self.load("train", k)["vectors"]
            if not len(rows):
                continue
            if not len(X):
                X = np.empty((len(chosen) * _BLOCK, rows.shape[1]), np.float32)
            X[count : count + len(rows)] = rows
            count += len(rows)
        return X[:count]

    def facts(self) -> dict[str, Any]:
        """Say what the principal components come from."""
        there = sum(map(len, self.blocks["train"]))
        used = sum(len(self.blocks["train"][k]) for k in self.sample())
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
            raise AdviceError(
                f"{name} was damaged and is removed; start the same command again."
            )
        return piece

    def sample(self) -> list[int]:
        """Return the blocks that components are computed from, evenly spread."""
        there = len(self.blocks["train"])
        wanted = min(there, SAMPLE // _BLOCK)
        return [int(k) for k in np.arange(wanted) * there // wanted]

    def whole(self) -> list[tuple[str, int]]:
        """Return the blocks of which all is kept, as they come before the components.

        Where components come from all training photos, those are all blocks: looking
        twice would mean to start twice.
        """
        sample = [("train", k) for k in self.sample()]
        few = len(sample) == len(self.blocks["train"]) >= len(self.blocks["val"])
        return self._all() if few else sample

    def _all(self) -> list[tuple[str, int]]:
        return [(s, k) for s, blocks in self.blocks.items() for k in range(len(blocks))]

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
        asked = self._jobs or min(_processors(), _THREADS)
        threads = max(1, min(asked, len(jobs) // _SHARE))
        if jobs and (threads > 1 or sum(map(len, self.blocks.values())) > _FEW):
            work = apart.in_process(look_at_block, jobs, threads)
        else:
            work = apart.on_one_thread(look_at_block, jobs)
        with closing(work) as results:
            for (split, k), why in zip(missing, results, strict=True):
                self._count(len(self.blocks[split][k]), why)

    def _count(self, photos: int, why: Sequence[str]) -> None:
        self.broken += [reason for reason in why if reason]
        self._seen += photos
        self._bar.update(photos)
        require_few(len(self.broken), self._total, "photos", self.broken, self._options)
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

    Raises:
        AdviceError: If the network fails.
        OSError: If the file cannot be written.
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
        try:
            vectors, wide = networks.describe(_after(first, pictures), network)
        except RuntimeError as error:  # memory that is not to be had, above all
            raise AdviceError(
                f"{network.name} cannot look at {paths[0]} and the photos after it "
                f"({error}); start the same command again, with --jobs 1."
            ) from error
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
