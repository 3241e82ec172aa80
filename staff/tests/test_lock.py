"""The lock: made for every system by uv, installed by uv and by pip alike."""

import hashlib
import os
import re
import shutil
import sys
import threading
import venv
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from packaging.requirements import Requirement

from staff import doctor, environment, lock
from staff.environment import Choice, packages_of, prepare
from staff.questions import ROOT

PROJECT = """\
[project]
requires-python = ">=3.11"
[dependency-groups]
test = []
staff = []
docs = []
lint = []
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing of each request."""


def wheel(folder, name, version, *needs):
    """Write a package of nothing but its description."""
    plain = name.replace("-", "_")
    path = folder / f"{plain}-{version}-py3-none-any.whl"
    described = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    described += "".join(f"Requires-Dist: {need}\n" for need in needs)
    inside = f"{plain}-{version}.dist-info"
    files = {
        f"{inside}/METADATA": described,
        f"{inside}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in [*files, f"{inside}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**files, f"{inside}/RECORD": record}.items():
            archive.writestr(file, text)
    return path


def index(folder, *packages):
    """Write an index of packages, each a name, a version and needs."""
    for name, *rest in packages:
        (folder / name).mkdir(parents=True, exist_ok=True)
        wheel(folder / name, name, *rest)
    for place in folder.iterdir():
        links = "".join(
            f'<a href="{file.name.replace("+", "%2B")}#sha256='
            f'{hashlib.sha256(file.read_bytes()).hexdigest()}">{file.name}</a>\n'
            for file in sorted(place.glob("*.whl"))
        )
        (place / "index.html").write_text(f"<!DOCTYPE html>\n{links}")


@pytest.fixture
def served(tmp_path):
    """Serve two indexes: the ordinary one, and one of builds for CPUs."""
    folder = tmp_path / "served"
    index(
        folder / "simple",
        ("arrays", "1.0"),
        ("arrays", "2.0"),
        ("engine", "1.0", "arrays", "nvidia-heavy; sys_platform == 'linux'"),
        ("engine", "1.1", "arrays", "nvidia-heavy; sys_platform == 'linux'"),
        ("nvidia-heavy", "13"),
        ("windows-only", "1"),
    )
    index(
        folder / "cpu", ("engine", "1.0+cpu", "arrays"), ("engine", "1.2+cpu", "arrays")
    )
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def environment_with_pip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bare") / ".venv"
    venv.create(folder, symlinks=os.name != "nt", with_pip=True)
    return folder


@pytest.fixture
def project(tmp_path, served, environment_with_pip, monkeypatch):
    """Give a project whose needs lie in the served index, with a lock made there."""
    root = tmp_path / "project"
    (root / "cs231n").mkdir(parents=True)
    shutil.copytree(environment_with_pip, root / ".venv", symlinks=True)
    (root / "pyproject.toml").write_text(PROJECT)
    (root / "requirements.txt").write_text(
        "arrays<2\nengine\nwindows-only; sys_platform == 'win32'\n"
    )
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    settings = tmp_path / "pip.conf"
    settings.write_text(f"[global]\nindex-url = {served}/simple/\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{served}/simple/")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return root


@pytest.fixture(params=["uv", "pip"])
def installer(request, monkeypatch):
    """Let one of the two install."""
    uv = [sys.executable, "-m", "uv"] if request.param == "uv" else None
    monkeypatch.setattr(environment, "_uv", lambda *_: uv)


PIP_SELDOM = pytest.mark.parametrize(
    "installer", ["uv", pytest.param("pip", marks=pytest.mark.slow)], indirect=True
)


def write(root, **more):
    (root / lock.LOCK).write_text(lock.make(root, **more), "utf-8")


def test_a_lock_is_for_every_system_and_has_hashes(project):
    write(project)

    assert lock.problem(project) is None
    found = {pin.name: pin for pin in lock.pins(project)}
    assert {name: pin.version for name, pin in found.items()} == {
        "arrays": "1.0",
        "engine": "1.1",
        "nvidia-heavy": "13",
        "windows-only": "1",
    }
    assert "sys_platform == 'win32'" in found["windows-only"].asked
    assert all("--hash=sha256:" in pin.text for pin in found.values())
    assert [pin.name for pin in lock.for_graphics(list(found.values()))] == [
        "nvidia-heavy"
    ]


def test_what_is_locked_stays_until_it_is_upgraded(project):
    needs = project / "requirements.txt"
    needs.write_text("engine<1.1")
    write(project)
    needs.write_text("engine")
    assert "older than what is asked for now" in lock.problem(project)
    write(project)
    kept = {pin.name: pin.version for pin in lock.pins(project)}
    write(project, upgrade=True)
    newest = {pin.name: pin.version for pin in lock.pins(project)}

    assert (kept["engine"], newest["engine"]) == ("1.0", "1.1")
    assert lock.problem(project) is None


def test_needs_that_cannot_be_met_leave_the_lock_alone(project, monkeypatch, capsys):
    write(project)
    before = (project / lock.LOCK).read_bytes()
    (project / "requirements.txt").write_text("engine>=7")
    monkeypatch.setattr(lock, "ROOT", project)

    assert lock.main([]) == 1
    assert (project / lock.LOCK).read_bytes() == before
    assert "engine>=7" in capsys.readouterr().err


@PIP_SELDOM
@pytest.mark.usefixtures("installer")
def test_both_install_what_is_locked(project):
    needs = project / "requirements.txt"
    asked = needs.read_text()
    needs.write_text(f"engine<1.1\n{asked}")
    write(project)
    prepare(project, project / ".venv")

    heavy = {("nvidia-heavy", "13")} if sys.platform == "linux" else set()
    found = {pair for pair in packages_of(project / ".venv") if pair[0] != "pip"}
    assert found - {(n, v) for n, v in found if n == "setuptools"} == (
        {("arrays", "1.0"), ("engine", "1.0")} | heavy
    )
    prepare(project, project / ".venv", Choice(newest=True))
    assert ("engine", "1.0") in packages_of(project / ".venv")
    needs.write_text(asked)
    prepare(project, project / ".venv", Choice(newest=True))
    assert ("engine", "1.1") in packages_of(project / ".venv")


@pytest.mark.usefixtures("installer")
def test_both_take_builds_for_cpus_from_another_index(project, served):
    (project / "requirements.txt").write_text("engine<1.1\narrays<2\n")
    write(project)
    prepare(project, project / ".venv", Choice(cpu=f"{served}/cpu/"))

    found = packages_of(project / ".venv")
    assert {("arrays", "1.0"), ("engine", "1.0+cpu")} <= found
    assert "nvidia-heavy" not in dict(found)


@PIP_SELDOM
@pytest.mark.usefixtures("installer")
def test_a_file_that_is_not_the_locked_one_is_refused(project):
    write(project)
    file = project / lock.LOCK
    hashed = re.compile(r"(engine==1\.1 \\\n +--hash=sha256:)[0-9a-f]+")
    file.write_text(hashed.sub(r"\g<1>" + "0" * 64, file.read_text()))
    with pytest.raises(environment.StepError, match="other files than the lock names"):
        prepare(project, project / ".venv")
    assert "engine" not in dict(packages_of(project / ".venv"))


def test_sizes_are_those_of_each_system():
    def file(name, size):
        return {"url": f"https://host/{name}.whl", "size": size * 10**6}

    packages = [
        {
            "name": "engine",
            "version": "1",
            "wheels": [
                file("engine-1-cp311-cp311-manylinux_2_28_x86_64", 500),
                file("engine-1-cp311-cp311-manylinux_2_28_aarch64", 9000),
                file("engine-1-cp314-cp314-manylinux_2_28_x86_64", 7000),
                file("engine-1-cp311-cp311t-manylinux_2_28_x86_64", 6000),
                file("engine-1-cp311-cp311-macosx_14_0_arm64", 70),
                file("engine-1-cp311-cp311-macosx_14_0_x86_64", 8000),
                file("engine-1-cp311-abi3-win_amd64", 110),
            ],
        },
        {
            "name": "heavy",
            "version": "2",
            "marker": "sys_platform == 'linux' and platform_machine == 'x86_64'",
            "wheels": [file("heavy-2-py3-none-manylinux_2_27_x86_64", 400)],
        },
        {"name": "source", "version": "3", "sdist": {"size": 3 * 10**6}},
        {"name": "tiny", "version": "4", "wheels": [file("t-4-py3-none-any", 0)]},
    ]
    assert lock._sizes(packages, "3.11") == {
        ("engine", "1"): {"linux": 500, "darwin": 70, "win32": 110},
        ("heavy", "2"): {"linux": 400},
        ("source", "3"): {"linux": 3, "darwin": 3, "win32": 3},
        ("tiny", "4"): {},
    }


def test_the_lock_of_this_tree_meets_every_need_on_every_python():
    assert lock.problem(ROOT) is None
    pinned = [Requirement(pin.asked) for pin in lock.pins(ROOT)]
    for need in map(Requirement, lock.requirements(ROOT)):
        versions = [
            str(pin.specifier).removeprefix("==")
            for pin in pinned
            if pin.name == need.name
        ]
        assert versions, need
        assert all(need.specifier.contains(version) for version in versions), need
    for pin in lock.pins(ROOT):
        assert "--hash=sha256:" in pin.text, pin.asked
    assert lock.megabytes(lock.pins(ROOT), set()) > 100


def test_the_readme_says_how_much_comes_down(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    size = lock.megabytes(lock.pins(ROOT), set()) / 1000
    plain = " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert f"up to {size:.1f} GB come down" in plain


def test_the_doctor_names_a_stale_lock(monkeypatch):
    monkeypatch.setattr(lock, "digest", lambda *_: "another")

    assert any(lock.MAKE in finding for finding in doctor.out_of_date())
