"""Where the data lives: found wherever habit put it, written in one place.

The folder is ``CS231N_DATA_DIR`` if that is set, else the package's own ``datasets/``.
What old habits unpacked under ``cs231n/datasets/`` of the working directory is found
too. Generated data go to the first of these that can be written, else to the user's
cache folder.
"""

from cs231n.support import commands  # noqa: F401 (before any scratch file)

# isort: split
import os
from collections.abc import Callable
from pathlib import Path

_PACKAGE_FOLDER = Path(__file__).resolve().parent


def search_path() -> list[Path]:
    """List the folders in which a data set is looked for, the first one first."""
    folders = []
    if named := os.environ.get("CS231N_DATA_DIR"):
        folders.append(Path(named).expanduser())
    folders += [_PACKAGE_FOLDER, Path("cs231n", "datasets").resolve(), _user_cache()]
    return list(dict.fromkeys(folders))


def find(name: str | Path) -> Path | None:
    """Return the first existing ``name`` on the search path, or None.

    Args:
        name: File or folder below a data folder, such as ``coco_captioning``.
    """
    return next((p for f in search_path() if (p := f / name).exists()), None)


def find_or(name: str, instead: str, make: Callable[[], Path]) -> Path:
    """Return the first existing ``name`` on the search path, or what stands in for it.

    Args:
        name: File or folder below a data folder.
        instead: What is used where it is nowhere; one printed line says so.
        make: Returns that, made if need be.
    """
    if (found := find(name)) is not None:
        return found
    print(f"{name} is not in the data folder: using {instead}.")
    return make()


def cache_dir() -> Path:
    """Return the folder that generated data are written to, made if it is missing.

    Raises:
        OSError: If ``CS231N_DATA_DIR`` names a folder that cannot be made or written.
    """
    if named := os.environ.get("CS231N_DATA_DIR"):
        folder = Path(named).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(
                f"CS231N_DATA_DIR is {folder}, which cannot be written; "
                "name another folder or change its permissions."
            )
        return folder
    if os.access(_PACKAGE_FOLDER, os.W_OK):
        return _PACKAGE_FOLDER
    folder = _user_cache()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def offline() -> bool:
    """Tell whether ``CS231N_OFFLINE`` forbids every use of the network."""
    return os.environ.get("CS231N_OFFLINE", "") not in ("", "0")


def _user_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "cs231n"
