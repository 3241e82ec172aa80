"""The lock: one version of each package for every system, which set-up installs.

There are two, as the environment with TensorFlow is one of its own.
``python -m staff lock`` writes it with uv. Versions that are locked already stay where
the needs allow them; ``--upgrade`` takes the newest instead. Reading it needs nothing
but the standard library, as set-up does so before anything is there.
"""

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
GROUPS = ("test", "staff", "docs", "lint")
MAKE = "python -m staff lock"
# For these a download's size is noted: tags of their packages, and what markers see.
_SYSTEMS = {
    "linux": (
        r"manylinux.*_x86_64",
        {"os_name": "posix", "platform_machine": "x86_64"},
    ),
    "darwin": (
        r"macosx.*_(arm64|universal2)",
        {"os_name": "posix", "platform_machine": "arm64"},
    ),
    "win32": (r"win_amd64", {"os_name": "nt", "platform_machine": "AMD64"}),
}
_NAMES = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}
_HEAD = """\
# What set-up installs, on every system, by its hash: made, never edited.
# {make} writes it from {file} and the groups of pyproject.toml.
# MB is what comes down on each system.
# needs: {digest}
"""


@dataclass(frozen=True)
class Needs:
    """What an environment needs, and where it is locked.

    Attributes:
        file: Ranges of what students need; it may name another such file.
        lock: What is installed, made of that and the groups.
    """

    file: str
    lock: str


PLAIN = Needs("requirements.txt", "requirements.lock")
TENSORFLOW = Needs("requirements-tensorflow.txt", "requirements-tensorflow.lock")
LOCK = PLAIN.lock


@dataclass(frozen=True)
class Pin:
    """A package's place in the lock.

    Attributes:
        name: What it is called, in small letters with hyphens.
        version: The one that is installed.
        asked: The line without hashes: name, version, where it applies.
        text: All its lines.
        sizes: System, as ``sys.platform`` names it -> megabytes to download.
    """

    name: str
    version: str
    asked: str
    text: str
    sizes: Mapping[str, float]


def requirements(root: Path, needs: Needs = PLAIN) -> list[str]:
    """Return what is asked for: students' needs, then those of the groups."""
    wanted = _lines(root, needs.file)
    with (root / "pyproject.toml").open("rb") as file:
        declared = tomllib.load(file)["dependency-groups"]
    for group in GROUPS:
        wanted += declared[group]
    return wanted


def _lines(root: Path, file: str) -> list[str]:
    found: list[str] = []
    for raw in (root / file).read_text("utf-8").splitlines():
        line = raw.split("#")[0].strip()
        if line.startswith("-r "):
            found += _lines(root, line.removeprefix("-r ").strip())
        elif line:
            found.append(line)
    return found


def pins(root: Path, needs: Needs = PLAIN) -> list[Pin]:
    """Return what the lock holds; nothing if there is none."""
    path = root / needs.lock
    text = path.read_text("utf-8") if path.is_file() else ""
    return [
        _pin(block) for block in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.M)[1:]
    ]


def _pin(block: str) -> Pin:
    asked = block.partition("\\\n")[0].splitlines()[0].strip()
    found = re.match(r"([\w.-]+)==([^\s;]+)", asked)
    if found is None:
        raise ValueError(f"{asked!r} pins no version in a lock; run: {MAKE}")
    noted = re.search(r"^ +# MB: (.*)$", block, re.M)
    sizes = (entry.split() for entry in noted[1].split(", ")) if noted else ()
    return Pin(
        re.sub(r"[-_.]+", "-", found[1]).lower(),
        found[2],
        asked,
        block,
        {system: float(size) for system, size in sizes},
    )


def digest(root: Path, needs: Needs = PLAIN) -> str:
    """Return a text that changes when, and only when, the needs do."""
    wanted = sorted(requirements(root, needs=needs))
    return hashlib.sha256("\n".join(wanted).encode()).hexdigest()


def problem(root: Path, needs: Needs = PLAIN) -> str | None:
    """Return what is wrong with a lock in one sentence, or None."""
    path = root / needs.lock
    if not path.is_file():
        return f"{needs.lock}: is not there; run: {MAKE}"
    if f"# needs: {digest(root, needs)}" not in path.read_text("utf-8").splitlines():
        return f"{needs.lock}: is older than what is asked for now; run: {MAKE}"
    return None


def make(root: Path, upgrade: bool = False, needs: Needs = PLAIN) -> str:
    """Return the lock that belongs to the needs of a tree.

    Args:
        root: The tree; what its lock holds now is kept where that is possible, and
            otherwise what the plain one holds.
        upgrade: Whether to take the newest of everything instead.
        needs: Which of the two.

    Raises:
        RuntimeError: If uv fails.
    """
    with (root / "pyproject.toml").open("rb") as file:
        oldest = tomllib.load(file)["project"]["requires-python"].removeprefix(">=")
    with tempfile.TemporaryDirectory() as name:
        asked, lock = Path(name) / "needs.in", Path(name) / needs.lock
        asked.write_text("\n".join(requirements(root, needs=needs)), "utf-8")
        own = pins(root, needs)
        known = {pin.name for pin in own}
        kept = own + [pin for pin in pins(root) if pin.name not in known]
        lock.write_text("".join(pin.text for pin in kept), "utf-8")
        compile_ = ["compile", "--universal", f"--python-version={oldest}", "--quiet"]
        _uv(
            *(*compile_, "--generate-hashes", "--no-header", "--no-annotate"),
            *(["--upgrade"] if upgrade else []),
            *(str(asked), f"--output-file={lock}"),
        )
        detailed = lock.with_name("pylock.toml")
        _uv(*compile_, str(lock), f"--output-file={detailed}")
        sizes = _sizes(tomllib.loads(detailed.read_text("utf-8"))["packages"], oldest)
        blocks = re.split(r"^(?=[a-z0-9])", lock.read_text("utf-8"), flags=re.M)[1:]
    head = _HEAD.format(make=f"`{MAKE}`", file=needs.file, digest=digest(root, needs))
    return head + "".join(_with_sizes(block, sizes) for block in blocks)


def _uv(*arguments: str) -> None:
    command = [sys.executable, "-m", "uv", "pip", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())


def _with_sizes(
    block: str, sizes: Mapping[tuple[str, str], Mapping[str, float]]
) -> str:
    pin = _pin(block)
    entries = ", ".join(
        f"{s} {size:g}" for s, size in sizes[pin.name, pin.version].items()
    )
    return f"{block}    # MB: {entries}\n" if entries else block


def _sizes(
    packages: Sequence[Mapping[str, Any]], python: str
) -> dict[tuple[str, str], dict[str, float]]:
    """Return name and version -> system -> megabytes, in steps of a tenth."""
    from packaging.markers import Marker, default_environment

    found: dict[tuple[str, str], dict[str, float]] = {}
    for package in packages:
        entry = found.setdefault((package["name"], package["version"]), {})
        for system, (tags, seen) in _SYSTEMS.items():
            environment: dict[str, Any] = {
                **default_environment(),
                "sys_platform": system,
                "platform_system": _NAMES[system],
                "python_version": python,
                "python_full_version": f"{python}.9",
                **seen,
            }
            marker = package.get("marker")
            if marker and not Marker(marker).evaluate(environment):
                continue
            size = _download(package, tags, python.replace(".", ""))
            if size >= 0.05e6:
                entry[system] = round(size / 1e6, 1)
    return found


def _download(package: Mapping[str, Any], tags: str, python: str) -> int:
    """Return the bytes of what fits a system, of the source where nothing does."""
    fits: list[int] = []
    for wheel in package.get("wheels", ()):
        _, interpreter, abi, platform = (
            wheel["url"].rpartition("/")[2].removesuffix(".whl").rsplit("-", 3)
        )
        ours = (
            f"cp{python}" in interpreter
            or interpreter.startswith("py")
            or abi == "abi3"
        )
        if ours and not abi.endswith("t") and re.search(rf"^any$|{tags}", platform):
            fits.append(wheel.get("size", 0))
    if fits:
        return max(fits)
    return int(package.get("sdist", {}).get("size", 0))


def megabytes(wanted: Sequence[Pin], present: set[tuple[str, str]]) -> float:
    """Return about how much is still to be downloaded here.

    Args:
        wanted: What will be installed.
        present: Names and versions that are there.
    """
    there = {name for name, _ in present}
    sizes: dict[str, float] = {}
    for pin in wanted:
        if (pin.name, pin.version) in present:
            sizes[pin.name] = 0.0  # a package may be pinned for each of several Pythons
        elif pin.name not in sizes or pin.name not in there:
            size = pin.sizes.get(sys.platform, 0.0)
            sizes[pin.name] = max(size, sizes.get(pin.name, 0.0))
    return sum(sizes.values())


def for_graphics(every: Sequence[Pin]) -> Iterator[Pin]:
    """Yield what only machines with a graphics card of NVIDIA's make use of."""
    for pin in every:
        if pin.name.startswith(("nvidia-", "cuda-")) or pin.name == "triton":
            yield pin


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m staff lock``."""
    parser = argparse.ArgumentParser(prog="python -m staff lock", description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="lock the newest of all")
    args = parser.parse_args(argv)
    every = [needs for needs in (PLAIN, TENSORFLOW) if (ROOT / needs.file).is_file()]
    return max(_write(needs, args.upgrade) for needs in every)


def _write(needs: Needs, upgrade: bool) -> int:
    """Write a lock, say what is new in it, and return the exit status."""
    before = {(pin.name, pin.version) for pin in pins(ROOT, needs)}
    try:
        text = make(ROOT, upgrade, needs)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        print(f"{needs.lock} stays as it is: uv could not make it.", file=sys.stderr)
        return 1
    (ROOT / needs.lock).write_text(text, "utf-8", newline="\n")
    after = {(pin.name, pin.version) for pin in pins(ROOT, needs)}
    changed = sorted(after - before)
    for name, version in changed:
        print(f"{name} {version}")
    told = f"{len(after)} packages, {len(changed)} new or of a new version"
    print(f"{needs.lock}: {told}.")
    return 0
