"""The folder of photos: which file in it a name in the annotations means."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from cs231n.datasets.captions.text_files import SUFFIXES


class Photos:
    """The files of a folder, found by the names that annotations give them.

    Nothing outside the folder is ever found: links that lead out of it are passed over.
    """

    def __init__(self, folder: Path) -> None:
        """Look through a folder and the folders in it.

        Raises:
            FileNotFoundError: If there is no such folder.
        """
        if not folder.is_dir():
            raise FileNotFoundError(
                f"There is no folder {folder}; name the one that the photos are in."
            )
        self.folder = folder.resolve()
        self.outside: list[str] = []
        self._by_path: dict[str, str] = {}
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for path in self._files(self.folder, "", {self.folder}):
            self._by_path[_plain(path)] = path
            name = _plain(PurePosixPath(path).name).casefold()
            self._by_name[name].append(path)
            # Tables may leave out what a name ends in.
            if (stem := name.rpartition(".")[0]) and _is_picture(path):
                self._by_name[stem].append(path)

    def find(self, name: str) -> str | None:
        """Return the path below the folder of the file that is meant, or None.

        Args:
            name: A file's name, or the end or more of its path. Capitals, the way
                accents are written, and the folders before it may differ.

        Raises:
            ValueError: If two files could be meant.
        """
        wanted = _plain(name.replace("\\", "/")).removeprefix("./")
        if exact := self._by_path.get(wanted):
            return exact
        wanted = wanted.casefold()
        found = [
            path
            for path in self._by_name.get(wanted.rpartition("/")[2], ())
            if _same_end(_plain(path).casefold(), wanted)
        ]
        if len(found) > 1:
            raise ValueError(
                f"The captions name {name}, but {found[0]} and {found[1]} could both "
                "be meant; write the folder before the name, or rename one."
            )
        return found[0] if found else None

    def others(self, used: Iterable[str]) -> list[str]:
        """Return the picture files that are not among those used."""
        known = set(used)
        return [
            path
            for path in self._by_path.values()
            if path not in known and _is_picture(path)
        ]

    def _files(self, place: Path, prefix: str, above: set[Path]) -> Iterator[str]:
        for entry in sorted(place.iterdir()):
            path = f"{prefix}{entry.name}"
            if entry.name.startswith("."):
                continue
            if entry.is_symlink() and not entry.resolve().is_relative_to(self.folder):
                self.outside.append(path)
            elif entry.is_dir():
                if (real := entry.resolve()) not in above:  # a link may lead up
                    yield from self._files(entry, f"{path}/", above | {real})
            elif _is_writable(path):
                yield path


def _same_end(path: str, wanted: str) -> bool:
    """Tell whether a path and a name agree as far as both go; suffixes may lack."""
    ours, theirs = path.split("/"), wanted.split("/")
    if ours[-1] != theirs[-1] and ours[-1].rpartition(".")[0] != theirs[-1]:
        return False
    both = min(len(ours), len(theirs))
    return both == 1 or ours[-both:-1] == theirs[-both:-1]


def _plain(name: str) -> str:
    """Write accents in one way: disks of Apple's write them in another."""
    return unicodedata.normalize("NFC", name)


def _is_picture(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in SUFFIXES


def _is_writable(path: str) -> bool:
    """Tell whether a path can stand on a line of a text file."""
    return path.isprintable() and path == path.strip()
