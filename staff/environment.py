"""Make the environment: a folder with Python and everything the project needs.

Runs on the standard library alone, as nothing else is there yet. What was installed is
noted in the folder, so a second run has nothing to do until the needs change.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OLDEST = (3, 11)
GROUPS = ("test", "staff", "lint")
_STAMP = "cs231n-installed.txt"
_NO_KERNELS = "no kernels"
_CPU_ONLY = "PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu"
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


def requirements(root: Path, groups: tuple[str, ...] = GROUPS) -> list[str]:
    """Return what pip is asked for: students' needs, then those of ``groups``."""
    lines = (root / "requirements.txt").read_text("utf-8").splitlines()
    wanted = [line for raw in lines if (line := raw.split("#")[0].strip())]
    with (root / "pyproject.toml").open("rb") as file:
        declared = tomllib.load(file)["dependency-groups"]
    for group in groups:
        wanted += declared[group]
    return wanted


def fingerprint(root: Path, python: str) -> str:
    """Return a text that changes when, and only when, something must be installed."""
    kernels = sorted((root / "cs231n").glob("*.pyx"))
    kernels += sorted((root / "cs231n").glob("*.h"))
    parts = [python, *sorted(requirements(root))]
    parts += [hashlib.sha256(path.read_bytes()).hexdigest() for path in kernels]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def interpreter(venv: Path) -> Path:
    """Return the path of the environment's Python."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def prepare(root: Path, venv: Path) -> None:
    """Bring the environment ``venv`` up to date with the project at ``root``.

    Raises:
        StepError: If a step fails.
    """
    stamp = venv / _STAMP
    version = _version(interpreter(venv))
    if version and stamp.exists():
        noted, _, missing = stamp.read_text().partition("\n")
        # An environment may serve several trees, and each has kernels of its own.
        built = missing == _NO_KERNELS or _kernels_are_built(root)
        if noted == fingerprint(root, version) and built:
            return
    stamp.unlink(missing_ok=True)

    log = root / "build" / "setup.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    steps: list[tuple[str, Callable[[], None]]] = [
        (f"making the environment {_shown(venv)}", lambda: _make(venv, log)),
        (
            "installing the requirements (minutes and gigabytes, the first time)",
            lambda: _install(root, venv, log),
        ),
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
    noted = fingerprint(root, _version(interpreter(venv)) or "")
    stamp.write_text(noted if _kernels_are_built(root) else f"{noted}\n{_NO_KERNELS}")


def _make(venv: Path, log: Path) -> None:
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


def _install(root: Path, venv: Path, log: Path) -> None:
    command = [str(interpreter(venv)), "-m", "pip", "install", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar=off"]
    if not _logged([*command, *requirements(root)], log):
        return
    said = log.read_text("utf-8", "replace")
    if any(sign in said for sign in _NETWORK):
        raise StepError(
            "the package index cannot be reached; check the network (or the proxy, or "
            f"pip's own settings), then run this again. {_see(log)}"
        )
    if "No space left" in said:
        raise StepError(
            "the disk is full; the environment takes about 6 GB, so make room or put "
            "it elsewhere (make VENV=folder), then run this again. On Linux without "
            f"an NVIDIA card, {_CPU_ONLY} in front of that makes it 2 GB."
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
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", metavar="FOLDER")
    args = parser.parse_args(argv)

    try:
        prepare(ROOT, args.venv)
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
