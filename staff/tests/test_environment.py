"""The set-up: does nothing twice, and says what to do when a step fails."""

import os
import shutil
import sys
import venv

import pytest

from staff import environment, lock
from staff.environment import Choice, StepError, fingerprint, interpreter, prepare
from staff.lock import requirements

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="stands in for pip with a script"
)

PROJECT = """\
[dependency-groups]
staff = []
test = ["pytest>=9"]
docs = []
lint = ["ruff"]
"""
LOCK = """\
# needs: {digest}
numpy==2.0 \\
    --hash=sha256:0a
    # MB: linux 20, darwin 10, win32 10
nvidia-heavy==13 ; sys_platform == 'linux' \\
    --hash=sha256:0b
    # MB: linux 2400
torch==2.9 \\
    --hash=sha256:0c
    # MB: linux 500.5, darwin 70, win32 110
uv==0.9 \\
    --hash=sha256:0d
"""


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "a project"
    (root / "cs231n").mkdir(parents=True)
    (root / "requirements.txt").write_text("# why\nnumpy>=1.26,<3  # arrays\n\ntorch\n")
    (root / "pyproject.toml").write_text(PROJECT)
    return root


def write_lock(root):
    (root / lock.LOCK).write_text(LOCK.format(digest=lock.digest(root)))


PIP = """\
import os, pathlib, sys
here = pathlib.Path(sys.prefix)
if 'config' in sys.argv:
    print(os.environ.get('SET', ''))
elif 'install' in sys.argv and any('uv.txt' in word for word in sys.argv):
    (here / 'uv.txt').write_text(pathlib.Path(sys.argv[-1]).read_text())
    if 'UV' not in os.environ:
        sys.exit('no uv for this system')
    module = next(here.glob('lib/python*/site-packages')) / 'uv'
    module.mkdir()
    (module / '__main__.py').write_text(os.environ['UV'])
elif 'install' in sys.argv:
    with open(here / 'asked.txt', 'a') as file:
        print(*sys.argv[1:], file=file)
    print(os.environ.get('SAID', 'fine'))
    sys.exit('SAID' in os.environ)
"""
UV = """\
import os, pathlib, sys
here = pathlib.Path(sys.prefix)
if 'install' in sys.argv:
    with open(here / 'asked-of-uv.txt', 'a') as file:
        print(*sys.argv[1:], file=file)
    print(os.environ.get('UV_SAID', 'fine'))
    sys.exit('UV_SAID' in os.environ)
"""


@pytest.fixture
def ready(project, monkeypatch):
    """Give a project whose environment has a pip that notes its arguments; no uv."""
    folder = project / ".venv"
    venv.create(folder, symlinks=True, with_pip=False)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "pip").mkdir()
    (site / "pip" / "__init__.py").touch()
    (site / "pip" / "__main__.py").write_text(PIP)
    for name in ("SAID", "SET", "UV", "UV_SAID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(project))
    return project


def asked(project, name="asked.txt"):
    file = project / ".venv" / name
    return file.read_text().splitlines() if file.exists() else []


def test_students_needs_come_first_then_the_groups(project):
    assert requirements(project) == ["numpy>=1.26,<3", "torch", "pytest>=9", "ruff"]


def test_everything_is_asked_of_pip_once(ready, capsys):
    prepare(ready, ready / ".venv")
    first = capsys.readouterr().out
    prepare(ready, ready / ".venv")

    assert len(asked(ready)) == 1
    for need in requirements(ready):
        assert need in asked(ready)[0]
    assert "step 2 of 2" in first
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("file", "text", "again"),
    [
        ("requirements.txt", "numpy>=2\ntorch\n", True),
        ("requirements.txt", "torch\nnumpy>=1.26,<3 # another reason\n", False),
        ("pyproject.toml", PROJECT.replace("ruff", "ruff>=1"), True),
        ("pyproject.toml", PROJECT + "[tool.ruff]\n", False),
        ("cs231n/im2col_cython.pyx", "x = 1\n", True),
    ],
)
def test_it_runs_again_when_the_needs_change_and_only_then(ready, file, text, again):
    prepare(ready, ready / ".venv")
    (ready / file).write_text(text)
    prepare(ready, ready / ".venv")

    assert len(asked(ready)) == 1 + again


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("NewConnectionError: no route", "check the network"),
        ("ERROR: No matching distribution found for torch>=2.4", "for torch>=2.4"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("something else entirely", r"setup\.log"),
    ],
    ids=["network", "no package", "disk", "other"],
)
def test_a_failed_installation_says_which_step_and_what_to_do(
    ready, monkeypatch, said, advice
):
    monkeypatch.setenv("SAID", said)
    with pytest.raises(StepError, match=f"step 2 of 2, installing.*failed: .*{advice}"):
        prepare(ready, ready / ".venv")
    assert said in (ready / "build" / "setup.log").read_text()

    monkeypatch.delenv("SAID")
    prepare(ready, ready / ".venv")
    assert len(asked(ready)) == 2


def test_a_torn_update_is_not_forgotten_when_the_needs_change_back(ready, monkeypatch):
    needs = ready / "requirements.txt"
    before = needs.read_text()
    prepare(ready, ready / ".venv")
    needs.write_text("numpy==1\n")
    monkeypatch.setenv("SAID", "half of it is done")
    with pytest.raises(StepError):
        prepare(ready, ready / ".venv")
    monkeypatch.delenv("SAID")
    needs.write_text(before)
    prepare(ready, ready / ".venv")

    assert len(asked(ready)) == 3


def test_a_folder_that_holds_something_else_is_left_alone(project):
    (project / "photos").mkdir()
    (project / "photos" / "cat.jpg").touch()

    with pytest.raises(StepError, match="holds something else"):
        prepare(project, project / "photos")
    assert (project / "photos" / "cat.jpg").exists()


def test_a_python_without_venv_is_told_where_to_get_it(project, monkeypatch, tmp_path):
    poor = tmp_path / "python"
    poor.write_text("#!/bin/sh\necho 'ensurepip is not available'\nexit 1\n")
    poor.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(poor))

    with pytest.raises(StepError, match=r"step 1 of 2, making.*-venv'"):
        prepare(project, project / ".venv")


def test_an_environment_whose_python_is_gone_is_made_anew(ready, monkeypatch):
    made = []

    def logged(command, *_):
        made.append(command)
        return 0

    interpreter(ready / ".venv").unlink()
    monkeypatch.setattr(environment, "_logged", logged)
    prepare(ready, ready / ".venv")

    assert made[0][1:4] == ["-m", "venv", "--clear"]


def test_an_environment_of_an_old_python_is_not_used(ready):
    python = interpreter(ready / ".venv")
    python.unlink()
    python.write_text("#!/bin/sh\necho 3.9.1\n")
    python.chmod(0o755)

    with pytest.raises(StepError, match=r"holds Python 3\.9\.1"):
        prepare(ready, ready / ".venv")


def test_the_fingerprint_knows_the_python(project):
    assert fingerprint(project, "3.11.7") != fingerprint(project, "3.12.1")


def test_kernels_that_cannot_be_built_are_no_failure(ready, capsys):
    (ready / "cs231n" / "im2col_cython.pyx").write_text("syntax error\n")
    shutil.copy(environment.ROOT / "setup.py", ready)
    prepare(ready, ready / ".venv")

    assert "NumPy versions serve" in capsys.readouterr().out


def test_uv_is_fetched_by_its_hash_and_installs(ready, monkeypatch, capsys):
    write_lock(ready)
    monkeypatch.setenv("UV", UV)
    prepare(ready, ready / ".venv")

    assert "sha256:0d" in (ready / ".venv" / "uv.txt").read_text()
    assert asked(ready) == []
    assert f"-r {ready / lock.LOCK}" in asked(ready, "asked-of-uv.txt")[0]
    assert str(interpreter(ready / ".venv")) in asked(ready, "asked-of-uv.txt")[0]
    assert "step 2 of 2, installing the requirements" in capsys.readouterr().out


def test_uv_that_is_there_is_used(ready):
    uv = ready / "uv"
    uv.write_text(f'#!/bin/sh\necho "$@" >> "{ready}/.venv/asked-of-uv.txt"\n')
    uv.chmod(0o755)
    prepare(ready, ready / ".venv")

    assert asked(ready, "asked-of-uv.txt")[-1].startswith("pip install")
    assert asked(ready) == []
    assert not (ready / ".venv" / "uv.txt").exists()


def test_what_uv_cannot_do_pip_does(ready, monkeypatch, capsys):
    write_lock(ready)
    monkeypatch.setenv("UV", UV)
    monkeypatch.setenv("UV_SAID", "this uv is too old for that")
    prepare(ready, ready / ".venv")

    assert f"-r {ready / lock.LOCK}" in asked(ready)[0]
    assert "pip tries the same" in capsys.readouterr().out
    assert "too old for that" in (ready / "build" / "setup.log").read_text()


def test_a_full_disk_is_no_reason_to_try_again_with_pip(ready, monkeypatch):
    monkeypatch.setenv("UV", UV)
    monkeypatch.setenv("UV_SAID", "No space left on device (os error 28)")
    with pytest.raises(StepError, match="the disk is full"):
        prepare(ready, ready / ".venv")

    assert asked(ready) == []


def test_what_the_fetching_of_uv_said_explains_no_failure_of_pip(ready, monkeypatch):
    pip = next((ready / ".venv").glob("lib/python*/site-packages/pip/__main__.py"))
    pip.write_text(PIP.replace("no uv for this system", "NewConnectionError: no route"))
    monkeypatch.setenv("SAID", "something else entirely")
    with pytest.raises(StepError, match=r"failed: What was said last is at the end"):
        prepare(ready, ready / ".venv")


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        ("", []),
        (
            "global.index-url='https://mirror/simple'",
            "--default-index https://mirror/simple",
        ),
        pytest.param(
            "global.extra-index-url='file:///a file:///b'",
            "--index file:///a --index file:///b",
            marks=pytest.mark.slow,
        ),
        (
            "global.extra-index-url='\\nfile:///a\\nfile:///b'",
            "--index file:///a --index file:///b",
        ),
        pytest.param(
            "install.find-links='/wheels'\nglobal.find-links='/old'",
            "--find-links /wheels",
            marks=pytest.mark.slow,
        ),
        (
            ":env:.find-links='/mine'\ninstall.find-links='/wheels'",
            "--find-links /mine",
        ),
        pytest.param(
            "global.constraint='/c.txt'", "--constraints /c.txt", marks=pytest.mark.slow
        ),
        pytest.param(
            "global.trusted-host='mirror'",
            "--allow-insecure-host mirror",
            marks=pytest.mark.slow,
        ),
        ("global.no-index='true'\nglobal.timeout='60'", "--no-index"),
        ("download.index-url='https://other'\nWARNING: a line = of words", []),
    ],
)
def test_uv_is_told_what_pip_is_set_to(ready, monkeypatch, listed, words):
    monkeypatch.setenv("UV", UV)
    monkeypatch.setenv("SET", listed)
    prepare(ready, ready / ".venv")

    after = asked(ready, "asked-of-uv.txt")[0].split(str(interpreter(ready / ".venv")))
    told = after[1].partition("--index-strategy")[0].split()
    assert told == (words.split() if words else [])


def test_the_lock_is_installed_while_it_belongs_to_the_needs(ready, capsys):
    write_lock(ready)
    prepare(ready, ready / ".venv")
    (ready / "requirements.txt").write_text("numpy>=1.26,<3\ntorch\nscipy\n")
    prepare(ready, ready / ".venv")

    locked, ranges = asked(ready)
    assert locked.endswith(f"-r {ready / lock.LOCK}")
    assert "scipy" in ranges.split()
    assert lock.LOCK not in ranges
    assert (
        f"older than what is asked for now; run: {lock.MAKE}" in capsys.readouterr().out
    )


def test_a_new_lock_is_installed(ready):
    write_lock(ready)
    prepare(ready, ready / ".venv")
    file = ready / lock.LOCK
    file.write_text(file.read_text().replace("torch==2.9 ", "torch==2.10 "))
    prepare(ready, ready / ".venv")

    assert len(asked(ready)) == 2


def test_the_newest_is_installed_each_time_it_is_asked_for_and_only_then(ready):
    write_lock(ready)
    prepare(ready, ready / ".venv", Choice(newest=True))
    prepare(ready, ready / ".venv", Choice(newest=True))
    prepare(ready, ready / ".venv")
    prepare(ready, ready / ".venv")

    newest, again, locked = asked(ready)
    assert newest == again
    assert newest.split()[-5:] == ["--upgrade", *requirements(ready)]
    assert lock.LOCK in locked


def test_builds_for_cpus_come_from_their_index_and_stay(ready, monkeypatch, capsys):
    write_lock(ready)
    prepare(ready, ready / ".venv", Choice(cpu="http://127.0.0.1:1/cpu"))
    prepare(ready, ready / ".venv")
    assert len(asked(ready)) == 1
    (ready / "cs231n" / "im2col_cython.pyx").write_text("x = 1\n")
    monkeypatch.setenv("SAID", "half of it is done")
    with pytest.raises(StepError):
        prepare(ready, ready / ".venv")
    monkeypatch.delenv("SAID")
    prepare(ready, ready / ".venv")

    assert len(asked(ready)) == 3
    for line in asked(ready):
        assert "--extra-index-url http://127.0.0.1:1/cpu" in line
        assert line.endswith(f"constraints.txt {' '.join(requirements(ready))}")
    limits = (ready / "build" / "constraints.txt").read_text().splitlines()
    assert limits == [
        *("numpy==2.0", "nvidia-heavy==13 ; sys_platform == 'linux'"),
        *("torch==2.9", "uv==0.9"),
    ]
    assert "NVIDIA" not in capsys.readouterr().out


def test_an_environment_for_graphics_cards_does_not_become_one_without(ready):
    site = next((ready / ".venv").glob("lib/python*/site-packages"))
    (site / "nvidia_heavy-13.dist-info").mkdir()
    with pytest.raises(StepError, match="delete that folder"):
        prepare(ready, ready / ".venv", Choice(cpu="http://127.0.0.1:1/cpu"))

    assert asked(ready) == []


@pytest.mark.parametrize(
    ("system", "present", "cpu", "said"),
    [
        ("linux", (), "", "Up to 2.9 GB will be downloaded"),
        ("linux", ("numpy-2.0", "nvidia_heavy-13"), "", "Up to 500 MB will"),
        (
            "linux",
            ("numpy-1.26", "nvidia_heavy-13", "torch-2.9"),
            "",
            "Up to 20 MB will",
        ),
        ("linux", (), "http://127.0.0.1:1", "Up to 520 MB will be downloaded"),
        ("darwin", (), "", "Up to 80 MB will be downloaded"),
    ],
)
def test_what_comes_down_is_said_before(
    ready, monkeypatch, capsys, system, present, cpu, said
):
    write_lock(ready)
    site = next((ready / ".venv").glob("lib/python*/site-packages"))
    for name in present:
        (site / f"{name}.dist-info").mkdir()
    monkeypatch.setattr(sys, "platform", system)
    prepare(ready, ready / ".venv", Choice(cpu=cpu))
    out = capsys.readouterr().out

    assert said in out
    assert ("make setup CPU=1" in out) == ("2.9 GB" in out)


def test_paths_of_windows_are_known(tmp_path):
    (tmp_path / "Lib" / "site-packages" / "Jupyter_Core-5.9.1.dist-info").mkdir(
        parents=True
    )
    assert interpreter(tmp_path, windows=True) == tmp_path / "Scripts" / "python.exe"
    assert environment.packages_of(tmp_path, windows=True) == {
        ("jupyter-core", "5.9.1")
    }
    assert environment.packages_of(tmp_path, windows=False) == set()


@pytest.mark.parametrize(
    ("arguments", "choice"),
    [
        ([], Choice()),
        (["--newest"], Choice(newest=True)),
        (["--cpu"], Choice(cpu=environment.CPU_BUILDS)),
        (["--cpu", "http://127.0.0.1:1"], Choice(cpu="http://127.0.0.1:1")),
    ],
)
def test_options_arrive(monkeypatch, arguments, choice):
    given = []
    monkeypatch.setattr(environment, "prepare", lambda *a: given.append(a))

    assert environment.main(arguments) == 0
    assert given[0][2] == choice


def with_tensorflow(root):
    """Let a project have needs of the other kind, and return what to choose."""
    file = root / lock.TENSORFLOW.file
    file.write_text("-r requirements.txt  # and:\ntensorflow-cpu>=2.21\n")
    return Choice(needs=lock.TENSORFLOW)


def test_tensorflow_comes_with_all_the_rest(ready):
    choice = with_tensorflow(ready)
    wanted = requirements(ready, needs=lock.TENSORFLOW)
    assert wanted[:3] == ["numpy>=1.26,<3", "torch", "tensorflow-cpu>=2.21"]
    assert wanted[3:] == requirements(ready)[2:]
    assert lock.digest(ready, lock.TENSORFLOW) != lock.digest(ready)

    prepare(ready, ready / ".venv", choice)
    assert asked(ready)[0].endswith(" ".join(wanted))
    digest = lock.digest(ready, lock.TENSORFLOW)
    (ready / lock.TENSORFLOW.lock).write_text(LOCK.format(digest=digest))
    prepare(ready, ready / ".venv", choice)
    prepare(ready, ready / ".venv", choice)
    assert len(asked(ready)) == 2
    assert asked(ready)[1].endswith(f"-r {ready / lock.TENSORFLOW.lock}")


@pytest.mark.parametrize("there", [True, False])
def test_a_python_that_tensorflow_has_no_packages_for_is_told_first(
    ready, monkeypatch, there
):
    choice = with_tensorflow(ready)
    monkeypatch.setattr(environment, "_version", lambda _: "3.14.0" if there else None)
    monkeypatch.setattr(environment.platform, "python_version", lambda: "3.14.0")
    with pytest.raises(StepError, match=r"Python 3\.14\.0 yet; .* PYTHON=python3\.13"):
        prepare(ready, ready / ".venv", choice)
    assert asked(ready) == []


def test_the_environment_with_tensorflow_is_another_one(monkeypatch):
    made = []
    monkeypatch.setattr(environment, "prepare", lambda *given: made.append(given[1:]))
    assert environment.main([]) == environment.main(["--tensorflow"]) == 0
    assert made == [
        (environment.ROOT / ".venv", Choice()),
        (environment.ROOT / ".venv-tensorflow", Choice(needs=lock.TENSORFLOW)),
    ]
