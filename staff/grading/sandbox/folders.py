"""What a worker sees of the disk: a package, a student's modules, and little else."""

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from staff.grading.sandbox import calls

_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
_SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")
# What the loader of shared libraries and the clock read.
_SETTINGS = ("/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo")
_CACHE = "__pycache__"
_OWN_BYTES = 64 << 20  # a student's modules and the links beside them


def readable(further: Iterable[str]) -> list[str]:
    """Return what workers may read beside the package.

    Args:
        further: Folders of the interpreter and of its packages.
    """
    return [p for p in (*_SYSTEM, *_SETTINGS, *further) if os.path.lexists(p)]


def devices() -> list[str]:
    """Return the devices that a worker may read and write."""
    return [path for path in _DEVICES if Path(path).exists()]


def lay(tree: Path, package: Path, modules: Mapping[str, str]) -> None:
    """Make a folder that looks like a package with a student's modules in place.

    What the student did not write is linked, folder by folder.

    Args:
        tree: A folder that does not exist yet.
        package: The folder that holds ``cs231n``.
        modules: Path within the package -> source.

    Raises:
        ValueError: If a path leads out of the tree.
    """
    written = {PurePosixPath(name): source for name, source in modules.items()}
    for name in written:
        if name.is_absolute() or ".." in name.parts or not name.parts:
            raise ValueError(f"{name} is no path within the package.")
    _link(tree, package, PurePosixPath(), set(written))
    for name, source in written.items():
        place = tree / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(source, "utf-8", errors="surrogatepass", newline="")


def _link(
    tree: Path, package: Path, below: PurePosixPath, written: set[PurePosixPath]
) -> None:
    """Link a folder's entries; make those folders that hold written files anew."""
    here = tree / below
    here.mkdir()
    own = {name.stem for name in written if name.parent == below}
    parents = {parent for name in written for parent in name.parents}
    for entry in os.scandir(package / below):
        name = below / entry.name
        if name in written:
            continue
        if entry.name == _CACHE and own and entry.is_dir():
            # Bytecode of the module that the student's stands in for stays out.
            (here / _CACHE).mkdir()
            for code in os.scandir(entry.path):
                if code.name.partition(".")[0] not in own:
                    _link_one(here / _CACHE / code.name, code)
        elif name in parents and entry.is_dir():
            _link(tree, package, name, written)
        else:
            _link_one(here / entry.name, entry)


def _link_one(place: Path, entry: os.DirEntry[str]) -> None:
    try:
        place.symlink_to(Path(entry.path).absolute(), entry.is_dir())
    except (OSError, NotImplementedError):  # Windows, without the right to link
        if entry.is_dir():
            shutil.copytree(entry.path, place)
        else:
            shutil.copyfile(entry.path, place)


def enter(
    *,
    root: Path,
    view: Sequence[str],
    package: Path,
    modules: Mapping[str, str],
    temporary_bytes: int,
    files: bool,
    writing: bool,
    disk: bool,
    named: bool = False,
) -> tuple[Path, Path]:
    """Give this process a file system of its own. Needs a user namespace of its own.

    Args:
        root: An empty folder to build it on.
        view: What is seen of the real one, read-only.
        package: The folder that holds ``cs231n``; in the view.
        modules: Path within the package -> source.
        temporary_bytes: What the temporary folder may hold.
        files: Whether the rest of the file system is out of sight.
        writing: Whether it is read-only.
        disk: Whether the temporary folder has a limit.
        named: Whether a program is to be found under ``/proc/self/exe``, as there is no
            other ``/proc``: TensorFlow ends the process if it reads none there.

    Returns:
        tree: The package with the student's modules, read-only.
        home: An empty folder to write to.
    """
    calls.unshare("mount")
    calls.mount("", "/", "", calls.MS_REC | calls.MS_PRIVATE)
    careful = calls.MS_NOSUID | calls.MS_NODEV
    size = f"size={temporary_bytes},nr_inodes=10000,mode=0700" if disk else "mode=0700"
    if not files:
        if writing:
            calls.change_mount("/", calls.READ_ONLY, below=True)
        calls.mount("own", str(root), "tmpfs", careful, f"size={_OWN_BYTES},mode=0755")
        lay(root / "tree", package, modules)
        (root / "home").mkdir()
        calls.mount("home", str(root / "home"), "tmpfs", careful, size)
        if writing:
            calls.change_mount(str(root), calls.READ_ONLY, below=False)
        return root / "tree", root / "home"
    calls.mount("own", str(root), "tmpfs", careful, f"size={_OWN_BYTES},mode=0755")
    for path in (*_outermost(view), *devices()):
        _bind(root, path, writing=writing and path not in _DEVICES)
    for path in view:
        _alias(root, path)
    own, home = Path("/own"), Path("/own/home")
    for folder in (own, home):
        (root / folder.relative_to("/")).mkdir()
    calls.mount("home", str(root / "own" / "home"), "tmpfs", careful, size)
    lay(root / "own" / "tree", package, modules)
    if named and not (root / "proc").exists():
        (root / "proc" / "self").mkdir(parents=True)
        (root / "proc" / "self" / "exe").symlink_to(own / "worker")
    if not (root / "tmp").exists():
        (root / "tmp").symlink_to(home)  # for code that names it
    if writing:
        calls.change_mount(str(root), calls.READ_ONLY, below=False)
    calls.make_root(str(root))
    return own / "tree", home


def _outermost(paths: Iterable[str]) -> list[str]:
    """Return real paths, without those that lie in another one."""
    kept: list[str] = []
    for path in sorted({os.path.realpath(path) for path in paths}):
        if not kept or not Path(path).is_relative_to(kept[-1]):
            kept.append(path)
    return kept


def _bind(root: Path, path: str, *, writing: bool) -> None:
    """Show a folder or a file of the real file system under the same path."""
    place = root / path.lstrip("/")
    if Path(path).is_dir():
        place.mkdir(parents=True, exist_ok=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    calls.mount(path, str(place), "", calls.MS_BIND | calls.MS_REC)
    if writing:
        safe = calls.READ_ONLY | calls.NO_SUID | calls.NO_DEVICES
        calls.change_mount(str(place), safe, below=True)


def _alias(root: Path, path: str) -> None:
    """Link a path that is not the real one, such as ``/lib``, to what is."""
    real, place = os.path.realpath(path), root / path.lstrip("/")
    if real != path and not os.path.lexists(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(real)
