"""The table of data sets that can be fetched: ``registry.toml``, read and checked."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

REGISTRY = Path(__file__).resolve().parents[1] / "registry.toml"
"""The table that is read when none is named."""

UNPACKERS = ("zip", "tar", "gzip")
_HASHES = {"md5": 32, "sha256": 64, "sha256-prefix": None}


@dataclass(frozen=True)
class RemoteFile:
    """One file to download.

    Attributes:
        name: What it is called.
        urls: Addresses of the same file, the best first.
        hash: ``algorithm:digits`` of the download, empty if none is published.
        size: Bytes of the download, None if not published.
        unpack: ``zip``, ``tar`` or ``gzip``; empty for a file that is used as it is.
        limit: The most bytes that may come out of it.
        path: Where it goes below a target that is a folder; empty for the target. An
            archive that is not packed in a folder has ``"."``.
    """

    name: str
    urls: tuple[str, ...]
    hash: str = ""
    size: int | None = None
    unpack: str = ""
    limit: int = 0
    path: str = ""


@dataclass(frozen=True)
class Dataset:
    """One data set; the fields are those that ``registry.toml`` explains."""

    name: str
    title: str
    target: str
    check: str
    licence: str
    files: tuple[RemoteFile, ...]
    bytes: tuple[int, int]
    need: str = ""
    used_by: tuple[str, ...] = ()
    embedded: str = ""
    package: str = ""
    expect: Mapping[str, Any] = field(default_factory=dict)
    contents: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_folder(self) -> bool:
        """Whether the target is a folder, in which files or an archive's go."""
        return any(f.path or f.unpack in {"zip", "tar"} for f in self.files)

    def published(self) -> dict[str, str]:
        """Return the published hashes of what loaders read, by path in the target.

        A target that is a file has the path ``""``.
        """
        whole = {f.path: f.hash for f in self.files if f.hash and not f.unpack}
        return {**whole, **self.contents}


@dataclass(frozen=True)
class Registry:
    """All data sets and groups of a table."""

    datasets: Mapping[str, Dataset]
    groups: Mapping[str, tuple[str, ...]]

    def choose(self, names: Sequence[str]) -> list[Dataset]:
        """Return the data sets that names, groups or ``all`` stand for, each once.

        Raises:
            KeyError: If there is neither a data set nor a group of a name.
        """
        chosen: dict[str, Dataset] = {}
        for name in names:
            if name == "all":
                chosen |= self.datasets
            elif name in self.datasets:
                chosen[name] = self.datasets[name]
            elif name in self.groups:
                chosen |= {n: self.datasets[n] for n in self.groups[name]}
            else:
                known = ", ".join([*self.datasets, *self.groups, "all"])
                raise KeyError(f"There is no data set {name!r}; choose of {known}.")
        return list(chosen.values())


def load(path: str | os.PathLike[str] = REGISTRY) -> Registry:
    """Read a table of data sets.

    Args:
        path: A file in the format of ``registry.toml``.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If an entry says too little, too much or the impossible.
    """
    try:
        table = tomllib.loads(Path(path).read_text("utf-8-sig"))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"There is no table of data sets {path}; name another one."
        ) from error
    except ValueError as error:  # bad TOML, bad UTF-8
        raise ValueError(f"{path} is no TOML file ({error}); mend it.") from error
    groups = {name: tuple(names) for name, names in table.pop("groups", {}).items()}
    try:
        datasets = {name: _dataset(name, entry) for name, entry in table.items()}
        for name, members in groups.items():
            if unknown := set(members) - datasets.keys():
                raise ValueError(f"group {name} has no data set {min(unknown)}")
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(f"{path}: {error}; mend that entry.") from error
    return Registry(datasets, groups)


def _dataset(name: str, entry: dict[str, Any]) -> Dataset:
    files = tuple(_file(name, part) for part in entry.pop("files"))
    for key in ("used_by", "bytes"):
        entry[key] = tuple(entry.get(key, ()))
    dataset = Dataset(name=name, files=files, **entry)
    if not files:
        raise ValueError(f"{name} has no files")
    if len(files) > 1 and not all(file.hash and file.path for file in files):
        # Which of several files is the wrong one, only a hash can tell.
        raise ValueError(f"{name} has several files, so each needs a hash and a path")
    if len(dataset.bytes) != 2:
        raise ValueError(f"{name}: bytes must be those of download and data")
    for known in dataset.contents.values():
        _require_hash(name, known)
    for path in (dataset.target, *dataset.contents, *(f.path for f in files)):
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise ValueError(f"{name}: {path!r} leads out of the data folder")
    return dataset


def _file(name: str, entry: dict[str, Any]) -> RemoteFile:
    file = RemoteFile(**{**entry, "urls": tuple(entry["urls"])})
    if not file.urls:
        raise ValueError(f"{name}: {file.name} has no urls")
    for url in file.urls:
        if not url.startswith(("https://", "http://")):
            raise ValueError(f"{name}: {url!r} is neither https nor http")
    if file.hash:
        _require_hash(name, file.hash)
    if file.unpack and (file.unpack not in UNPACKERS or file.limit < 1):
        raise ValueError(
            f"{name}: unpack is {file.unpack!r} and limit {file.limit}; one of "
            f"{', '.join(UNPACKERS)} with a limit is wanted"
        )
    return file


def _require_hash(name: str, known: str) -> None:
    algorithm, _, digits = known.partition(":")
    written_well = digits and not set(digits) - set("0123456789abcdef")
    length = _HASHES.get(algorithm, 0)
    if not written_well or length not in (None, len(digits)):
        raise ValueError(f"{name}: {known!r} is no md5 or sha256 hash")
