"""What generated data sets have in common: each is made once, kept, and found again."""

import argparse
import inspect
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np

from cs231n import datasets
from cs231n.support import folders
from cs231n.support.arrays import Array

T = TypeVar("T")


class AdviceError(OSError):
    """What went wrong and what to do, in one sentence, to be passed on as it is."""


def find(name: str, is_whole: Callable[[Path], bool]) -> Path | None:
    """Return the first file or folder of a name that is what it should be, or None."""
    places = (folder / name for folder in datasets.search_path())
    return next((place for place in places if is_whole(place)), None)


def build_folder(
    target: Path,
    key: str,
    work: Callable[[folders.Pieces], T],
    write: Callable[[Path, T], None],
    **facts: object,
) -> Path:
    """Make a folder, whole or not at all, and return it.

    Args:
        target: The folder; an older one that was generated is replaced.
        key: What the folder will be recognised by.
        work: What takes minutes. It keeps pieces as it goes, and takes up those that an
            interrupted run has left, hidden beside the folder.
        write: Writes what ``work`` returns to an empty folder.
        **facts: More to put on record.

    Raises:
        FileExistsError: If ``target`` holds something that was not generated.
    """
    pieces = folders.Pieces(target, key)
    folders.require_place(target)
    done = work(pieces)
    with folders.building(target, key, facts) as draft:
        write(draft, done)
    pieces.remove()
    return target


@contextmanager
def writing(what: str, target: Path, megabytes: int) -> Iterator[None]:
    """Say what to do when something cannot be written.

    Args:
        what: What is written, such as ``"The drawn scenes"``.
        target: Where to.
        megabytes: The room that it needs.

    Raises:
        OSError: If it cannot be written.
    """
    try:
        yield
    except (FileExistsError, AdviceError):
        raise
    # h5py reports a full disk as one or the other.
    except (OSError, RuntimeError) as error:
        raise OSError(
            f"{what} could not be written to {target} ({error}); make room for about "
            f"{megabytes} MB there, or name another data folder in CS231N_DATA_DIR."
        ) from error


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a text file, the same on every system."""
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8", newline="\n")


def write_h5(path: Path, arrays: Mapping[str, Array], **facts: object) -> None:
    """Write arrays into an HDF5 file, so that readers may map them into memory."""
    import h5py

    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=np.ascontiguousarray(array))
        file.attrs.update(facts)


def main(make: Callable[..., str], argv: Sequence[str] | None) -> int:
    """Run a function of this folder as its module's command.

    Args:
        make: Returns what it made, in words. Its arguments are the command's options,
            numbers, paths (None by default) or switches; its docstring is the help.
        argv: The command line.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m cs231n.embedded.{Path(inspect.getfile(make)).stem}",
        description=inspect.getdoc(make),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, parameter in inspect.signature(make).parameters.items():
        default = parameter.default
        if default is False:
            parser.add_argument(f"--{name}", action="store_true")
        else:
            kind = Path if default is None else int
            parser.add_argument(f"--{name}", type=kind, default=default)
    arguments = vars(parser.parse_args(argv))
    begin = time.perf_counter()
    try:
        made = make(**arguments)
    except (OSError, ValueError, ModuleNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{made} in {time.perf_counter() - begin:.0f} s")
    return 0
