"""Which captioned data set is meant: ``CS231N_CAPTIONS`` names one, or its folder."""

import os
from pathlib import Path

from cs231n import datasets
from cs231n.datasets.captions.record import MADE_BY
from cs231n.datasets.readers.coco import CAPTIONS_FILE

VARIABLE = "CS231N_CAPTIONS"


def chosen() -> Path | None:
    """Return the folder of the data set that ``CS231N_CAPTIONS`` names, None if unset.

    Raises:
        FileNotFoundError: If there is none of that name.
    """
    choice = os.environ.get(VARIABLE)
    return locate(choice) if choice else None


def locate(choice: str) -> Path:
    """Return the folder of a captioned data set.

    Args:
        choice: Its name, that of a folder below a data folder, or the folder itself.

    Raises:
        FileNotFoundError: Saying which ones there are, and how to build one.
    """
    folder = Path(choice).expanduser()
    is_name = folder.name == choice != ".."
    if is_name and (found := datasets.find(Path(choice, CAPTIONS_FILE))) is not None:
        return found.parent
    if (folder / CAPTIONS_FILE).is_file():
        return folder.absolute()
    if is_name and not folder.is_dir():
        problem = f"no captioned data set is called {choice!r}"
    else:
        problem = f"the folder {folder} holds no {CAPTIONS_FILE}"
    raise FileNotFoundError(
        f"{VARIABLE}: {problem}; there {_listed(names())}, and this builds one: "
        f"{MADE_BY} --images FOLDER --annotations FILE --name NAME"
    )


def names() -> list[str]:
    """Return the names of the captioned data sets on disk, the scenes' among them."""
    there = (f.glob(f"*/{CAPTIONS_FILE}") for f in datasets.search_path())
    found = {file.parent.name for files in there for file in files}
    return sorted(name for name in found if not name.startswith("."))


def _listed(found: list[str]) -> str:
    verb = "are" if len(found) > 1 else "is"
    return f"{verb} {', '.join(found) or 'none yet'}"
