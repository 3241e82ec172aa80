"""Make the environment: a folder with Python and everything the project needs.

Runs on the standard library alone, as nothing else is there yet. What is installed is
what ``requirements.lock`` names, by uv where it can be had and by pip otherwise. It is
noted in the folder, so a second run has nothing to do until the needs change.
"""

import argparse
import ast
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from staff import lock as locking
from staff.lock import ROOT, requirements

OLDEST = (3, 11)
NEWEST_FOR_TENSORFLOW = (3, 13)
VENV, VENV_TENSORFLOW = ".venv", ".venv-tensorflow"
CPU_BUILDS = "https://download.pytorch.org/whl/cpu"
_STAMP = "cs231n-installed.txt"
_NO_KERNELS = "no kernels"
_FULL = "No space left"
_CPU = "cpu "  # and the index, in the note of what was chosen
# What pip may be set to -> what uv calls it.
_SETTINGS = {
    "index-url": "--default-index",
    "extra-index-url": "--index",
    "find-links": "--find-links",
    "constraint": "--constraints",
    "trusted-host": "--allow-insecure-host",
}
_NETWORK = (
    "NewConnectionError",
    "ConnectTimeout",
    "ReadTimeout",
    "ProxyError",
    "name resolution",
    "getaddrinfo failed",
    "Network is unreachable",
    "Connection refused",
    "Connection broken",
    "Read timed out",
)


class StepError(Exception):
    """A step of the set-up failed; the message says what to do about it."""


@dataclass(frozen=True)
class Choice:
    """What a set-up is asked for.

    Attributes:
        cpu: Index of builds that know no graphics card; empty for the ordinary ones.
        newest: Whether to install the newest of what the ranges allow, not the lock.
        needs: Which requirements, and which lock.
    """

    cpu: str = ""
    newest: bool = False
    needs: locking.Needs = locking.PLAIN


def fingerprint(root: Path, python: str, choice: Choice | None = None) -> str:
    """Return a text that changes when, and only when, something must be installed."""
    kernels = sorted((root / "cs231n").glob("*.pyx"))
    kernels += sorted((root / "cs231n").glob("*.h"))
    choice = choice or Choice()
    parts = [python, repr(choice), *sorted(requirements(root, needs=choice.needs))]
    parts += sorted(pin.text for pin in locking.pins(root, choice.needs))
    parts += [hashlib.sha256(path.read_bytes()).hexdigest() for path in kernels]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def interpreter(venv: Path, windows: bool = os.name == "nt") -> Path:
    """Return the path of the environment's Python."""
    return venv / ("Scripts/python.exe" if windows else "bin/python")


def packages_of(venv: Path, windows: bool = os.name == "nt") -> set[tuple[str, str]]:
    """Return names and versions of what is installed in an environment."""
    folders = "Lib/site-packages" if windows else "lib/python3.*/site-packages"
    found = set()
    for path in venv.glob(f"{folders}/*.dist-info"):
        name, _, version = path.name.removesuffix(".dist-info").partition("-")
        found.add((name.lower().replace("_", "-").replace(".", "-"), version))
    return found


NOT_INSTALLED = "not installed"


def installed(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of packages, ``NOT_INSTALLED`` where there is none."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = NOT_INSTALLED
    return found


def installed_of(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    found = installed(packages).items()
    return {name: version for name, version in found if version != NOT_INSTALLED}


def prepare(root: Path, venv: Path, choice: Choice | None = None) -> None:
    """Bring the environment ``venv`` up to date with the project at ``root``.

    Args:
        root: The project.
        venv: The environment's folder.
        choice: What is asked for; an environment of CPU builds stays one.

    Raises:
        StepError: If a step fails.
    """
    choice = choice or Choice()
    stamp = venv / _STAMP
    noted = stamp.read_text("utf-8").splitlines() if stamp.exists() else []
    before = [line.removeprefix(_CPU) for line in noted if line.startswith(_CPU)]
    choice = replace(choice, cpu=choice.cpu or "".join(before))
    version = _version(interpreter(venv))
    _require_packages_for(version or platform.python_version(), choice)
    if version and not choice.newest:
        # An environment may serve several trees, and each has kernels of its own.
        built = _NO_KERNELS in noted or _kernels_are_built(root)
        if fingerprint(root, version, choice) in noted and built:
            return
    # Of an installation that is torn, the choice is all that is known.
    if stamp.exists():
        _note(stamp, "", choice, built=True)

    log = root / "build" / "setup.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    steps: list[tuple[str, Callable[[], None]]] = [
        (f"making the environment {_shown(venv)}", lambda: _make(venv, choice, log)),
        ("installing the requirements", lambda: _install(root, venv, choice, log)),
    ]
    if any((root / "cs231n").glob("*.pyx")):
        steps.append(
            ("building the fast kernels", lambda: _build_kernels(root, venv, log))
        )
    for number, (what, act) in enumerate(steps, start=1):
        title = f"step {number} of {len(steps)}, {what}"
        print(f"Set-up {title} …", flush=True)
        start = time.monotonic()
        try:
            act()
        except StepError as error:
            raise StepError(f"Set-up {title}, failed: {error}") from None
        print(f"  done in {time.monotonic() - start:.0f} s", flush=True)
    done = fingerprint(root, _version(interpreter(venv)) or "", choice)
    _note(stamp, done, choice, _kernels_are_built(root))


def _require_packages_for(version: str, choice: Choice) -> None:
    """Insist on a Python that TensorFlow has packages for, where it is asked for."""
    if choice.needs != locking.TENSORFLOW:
        return
    if tuple(map(int, version.split(".")[:2])) > NEWEST_FOR_TENSORFLOW:
        newest = ".".join(map(str, NEWEST_FOR_TENSORFLOW))
        raise StepError(
            f"TensorFlow has no packages for Python {version} yet; name Python "
            f"{newest} or an older one (make setup TENSORFLOW=1 "
            f"PYTHON=python{newest}), and delete {VENV_TENSORFLOW} if it is there."
        )


def _note(stamp: Path, done: str, choice: Choice, built: bool) -> None:
    """Note in the environment what was installed, and how."""
    lines = [done, *([f"{_CPU}{choice.cpu}"] if choice.cpu else [])]
    lines += [] if built else [_NO_KERNELS]
    stamp.write_text("\n".join(lines), "utf-8")


def _make(venv: Path, choice: Choice, log: Path) -> None:
    if venv.exists() and not venv.is_dir():
        raise StepError(f"{_shown(venv)} is a file; move it, or name another folder.")
    is_environment = (venv / "pyvenv.cfg").exists()
    if venv.exists() and any(venv.iterdir()) and not is_environment:
        raise StepError(
            f"{_shown(venv)} holds something else; move it, or name another folder "
            "(make VENV=folder)."
        )
    version = _version(interpreter(venv))
    if version and tuple(map(int, version.split(".")[:2])) < OLDEST:
        raise StepError(
            f"{_shown(venv)} holds Python {version}, and 3.11 or newer is needed; "
            "delete that folder and run this again."
        )
    if choice.cpu and any(name.startswith("nvidia-") for name, _ in packages_of(venv)):
        raise StepError(
            f"{_shown(venv)} holds builds for graphics cards already, and they would "
            "stay; delete that folder and run this again."
        )
    if version and _runs([str(interpreter(venv)), "-m", "pip", "--version"]):
        return
    # A folder whose Python is gone or has no pip is a torn environment: start afresh.
    command = [sys.executable, "-m", "venv", str(venv)]
    if is_environment:
        command.insert(3, "--clear")
    if _logged(command, log):
        said = log.read_text("utf-8", "replace")
        if "ensurepip" in said or "No module named venv" in said:
            raise StepError(
                "this Python came without venv; on Debian and Ubuntu run "
                f"'sudo apt install python3.{sys.version_info.minor}-venv', then this "
                "again."
            )
        raise StepError(_see(log))


def _install(root: Path, venv: Path, choice: Choice, log: Path) -> None:
    asked = _asked(root, choice, log)
    _announce(root, venv, choice)
    said = _by_uv(root, venv, choice, asked, log)
    if said and _FULL not in said:
        said = _by_pip(venv, choice, asked, log)
    if said:
        _explain(said, log)


def _by_uv(
    root: Path, venv: Path, choice: Choice, asked: list[str], log: Path
) -> str | None:
    """Install with uv; return what was said if that failed, else None."""
    uv = _uv(root, venv, log)
    if uv is None:
        return "no uv"
    command = [*uv, "pip", "install", "--python", str(interpreter(venv))]
    command += [*_settings(venv), *(["--index", choice.cpu] if choice.cpu else [])]
    # As pip does: the best of all indexes, not whatever the first one has.
    command += ["--index-strategy=unsafe-best-match", "--no-progress", *asked]
    said = _said(command, log)
    if said and _FULL not in said:
        print("  uv could not; pip tries the same.", flush=True)
    return said


def _by_pip(venv: Path, choice: Choice, asked: list[str], log: Path) -> str | None:
    """Install with pip; return what was said if that failed, else None."""
    command = _pip_install(venv)
    command += ["--extra-index-url", choice.cpu] if choice.cpu else []
    return _said([*command, *asked], log)


def _pip_install(venv: Path) -> list[str]:
    command = [str(interpreter(venv)), "-m", "pip", "install", "--no-input"]
    return [*command, "--disable-pip-version-check", "--progress-bar=off"]


def _said(command: list[str], log: Path) -> str | None:
    """Run a command; return what it said if it failed, else None."""
    before = log.stat().st_size
    if not _logged(command, log):
        return None
    return log.read_bytes()[before:].decode("utf-8", "replace") or "nothing was said"


def _explain(said: str, log: Path) -> NoReturn:
    """Say what to do about an installation that failed."""
    if any(sign in said for sign in _NETWORK):
        raise StepError(
            "the package index cannot be reached; check the network (or the proxy, or "
            f"pip's own settings), then run this again. {_see(log)}"
        )
    if _FULL in said:
        raise StepError(
            "the disk is full; the environment takes about 6 GB, so make room or put "
            "it elsewhere (make VENV=folder), then run this again. On Linux without "
            "an NVIDIA card, make CPU=1 makes it 2 GB."
        )
    if "DO NOT MATCH THE HASHES" in said:
        raise StepError(
            f"the package index holds other files than the lock names; ask "
            "another index, or take what there is (make setup NEWEST=1). "
            f"{_see(log)}"
        )
    if "No matching distribution" in said:
        line = next(x for x in said.splitlines() if "No matching distribution" in x)
        raise StepError(
            f"pip says '{line.removeprefix('ERROR: ')}'; either the package index "
            "cannot be reached (check the network), or it has no package for Python "
            f"{sys.version_info.major}.{sys.version_info.minor} on this system (try "
            f"another one: make PYTHON=python3.12). {_see(log)}"
        )
    raise StepError(_see(log))


def _asked(root: Path, choice: Choice, log: Path) -> list[str]:
    """Return what pip and uv are asked for, in words that both understand."""
    wanted = requirements(root, needs=choice.needs)
    if choice.newest:
        return ["--upgrade", *wanted]
    if wrong := locking.problem(root, choice.needs):
        print(f"  {wrong}. Until then, ranges are installed.", flush=True)
        return wanted
    if not choice.cpu:
        return ["-r", str(root / choice.needs.lock)]
    # Builds for CPUs have the same versions and hashes of their own, and do not bring
    # what is for graphics cards; so the lock only limits.
    limits = log.with_name("constraints.txt")
    lines = (pin.asked for pin in locking.pins(root, choice.needs))
    limits.write_text("\n".join(lines), "utf-8")
    return ["-c", str(limits), *wanted]


def _announce(root: Path, venv: Path, choice: Choice) -> None:
    """Say what will come down, and how to make it less."""
    every = locking.pins(root, choice.needs)
    heavy = list(locking.for_graphics(every))
    if choice.cpu:
        every = [pin for pin in every if pin not in heavy]
    size = locking.megabytes(every, packages_of(venv))
    if size < 1:
        return
    said = f"{size / 1000:.1f} GB" if size >= 1000 else f"{size:.0f} MB"
    print(f"  Up to {said} will be downloaded.", flush=True)
    if not choice.cpu and locking.megabytes(heavy, packages_of(venv)) > 500:
        print(
            "  Most of that is for graphics cards of NVIDIA's. Without one, stop this\n"
            "  with Ctrl-C and say make setup CPU=1 (python -m staff setup --cpu):\n"
            "  that saves four of six gigabytes on disk.",
            flush=True,
        )


def _uv(root: Path, venv: Path, log: Path) -> list[str] | None:
    """Return the command that is uv, which is fetched if need be; None without it."""
    own = [str(interpreter(venv)), "-m", "uv"]
    for command in ([found] if (found := shutil.which("uv")) else [], own):
        if command and _runs([*command, "--version"]):
            return command
    fetch = [*_pip_install(venv), "--no-deps", "--timeout=15", "--retries=1"]
    locked = [pin.text for pin in locking.pins(root) if pin.name == "uv"]
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "uv.txt"
        asked.write_text("".join(locked) or "uv", "utf-8")
        failed = _logged([*fetch, "-r", str(asked)], log)
    return None if failed or not _runs([*own, "--version"]) else own


def _settings(venv: Path) -> list[str]:
    """Return what pip is set to, in the words of uv, which does not ask."""
    command = [str(interpreter(venv)), "-m", "pip", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return _in_words_of_uv(done.stdout)


def _in_words_of_uv(listed: str) -> list[str]:
    """Translate what ``pip config list`` prints.

    Args:
        listed: Lines such as ``global.index-url='https://…'``; a variable of the
            environment is called ``:env:``, and counts most.
    """
    values: dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        for line in listed.splitlines():
            key, _, value = line.partition("=")
            if key.startswith(f"{section}."):
                values[key.removeprefix(f"{section}.")] = str(ast.literal_eval(value))
    words: list[str] = []
    for name, option in _SETTINGS.items():
        for value in values.get(name, "").split():
            words += [option, value]
    if values.get("no-index", "").lower() in {"1", "true", "yes", "on"}:
        words.append("--no-index")
    return words


def _build_kernels(root: Path, venv: Path, log: Path) -> None:
    command = [str(interpreter(venv)), "setup.py", "build_ext", "--inplace"]
    failed = _logged(command, log, cwd=root)
    if failed or not _kernels_are_built(root):
        print(
            "  They could not be built, so the NumPy versions serve: same numbers, "
            f"only slower. {_see(log)}"
        )


def _kernels_are_built(root: Path) -> bool:
    """Tell whether each source has a compiled module that is not older."""
    for source in (root / "cs231n").glob("*.pyx"):
        compiled = [
            path
            for pattern in (f"{source.stem}.*.so", f"{source.stem}.*.pyd")
            for path in source.parent.glob(pattern)
        ]
        age = source.stat().st_mtime
        if not any(path.stat().st_mtime >= age for path in compiled):
            return False
    return True


def _see(log: Path) -> str:
    return f"What was said last is at the end of {_shown(log)}."


def _shown(path: Path) -> str:
    """Return the path as a reader knows it: from the project's root where it can be."""
    path = path.resolve()
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def _logged(command: list[str], log: Path, cwd: Path | None = None) -> int:
    """Run a command, append what it says to the log, return its exit status.

    On a terminal its latest line is shown too, in place of the one before.
    """
    live = sys.stdout.isatty()
    with (
        log.open("a", encoding="utf-8") as file,
        subprocess.Popen(
            command,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            file.flush()
            if live:
                print(f"\r  {line.strip()[:74]:<74}", end="", flush=True)
    if live:
        print("\r" + " " * 76, end="\r", flush=True)
    return process.returncode


def _runs(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _version(python: Path) -> str | None:
    """Return the version of an interpreter, or None if it does not run."""
    code = "import platform; print(platform.python_version())"
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", code], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m staff setup``."""
    parser = argparse.ArgumentParser(prog="python -m staff setup", description=__doc__)
    parser.add_argument("--venv", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--cpu",
        nargs="?",
        const=CPU_BUILDS,
        default="",
        metavar="INDEX",
        help=f"take builds that need no graphics card, from {CPU_BUILDS} or INDEX; "
        "an environment stays so until its folder is deleted",
    )
    parser.add_argument(
        "--newest",
        action="store_true",
        help="install the newest of what is allowed, not what the lock names",
    )
    parser.add_argument(
        "--tensorflow",
        action="store_true",
        help=f"make the environment that has TensorFlow, too: {VENV_TENSORFLOW} unless "
        "--venv names another folder",
    )
    args = parser.parse_args(argv)
    needs = locking.TENSORFLOW if args.tensorflow else locking.PLAIN
    venv = args.venv or ROOT / (VENV_TENSORFLOW if args.tensorflow else VENV)

    try:
        prepare(ROOT, venv, Choice(args.cpu, args.newest, needs))
    except StepError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Set-up stopped: {error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nSet-up was interrupted; run it again to go on.", file=sys.stderr)
        return 130
    return 0
