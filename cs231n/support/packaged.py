"""Files that installed packages carry, found without importing the packages."""

import importlib.util
import shlex
from pathlib import Path


def packaged_file(package: str, path: str, requirement: str, what: str) -> Path:
    """Return a file below an installed package's folder.

    Args:
        package: Name under which the package would be imported.
        path: The file, below its folder.
        requirement: What pip installs it by.
        what: What the file holds, such as ``"The photo coffee"``.

    Raises:
        ModuleNotFoundError: If the package is not installed.
        FileNotFoundError: If it is there without the file.
    """
    project, install = requirement.partition("=")[0], shlex.quote(requirement)
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(
            f"{what} comes with {project}, which is not installed; "
            f"run: pip install {install}"
        )
    for folder in spec.submodule_search_locations or []:
        if (file := Path(folder, path)).is_file():
            return file
    raise FileNotFoundError(
        f"The installed {project} lacks {path}; "
        f"run: pip install --force-reinstall {install}"
    )
