"""The cloud's files: Binder's steps, Colab's cells and the devcontainer, tried here."""

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import tomllib
from dataclasses import replace
from functools import partial

import jsonschema
import pytest

from cs231n.assignment import stamp
from cs231n.tools import keeping
from staff.course import course
from staff.handout import archive, build, colab
from staff.questions import ROOT
from staff.tests.student_folder import handout_files, solved_module

# What the containers.dev reference names of devContainer.base.schema.json, and no more:
# a name that it does not know is refused.
TEXT, TEXTS = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
COMMAND = {"oneOf": [TEXT, TEXTS, {"type": "object"}]}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["image"],
    "properties": {
        "name": TEXT,
        "image": TEXT,
        "features": {"type": "object"},
        "forwardPorts": {"type": "array"},
        "containerEnv": {"type": "object", "additionalProperties": TEXT},
        "remoteEnv": {"type": "object"},
        "remoteUser": TEXT,
        "containerUser": TEXT,
        "hostRequirements": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "cpus": {"type": "integer", "minimum": 1},
                "memory": {"type": "string", "pattern": "^\\d+([tgmk]b)?$"},
                "storage": {"type": "string", "pattern": "^\\d+([tgmk]b)?$"},
                "gpu": {"oneOf": [{"type": ["boolean", "string"]}, {"type": "object"}]},
            },
        },
        **{
            f"{when}Command": COMMAND
            for when in ("initialize", "onCreate", "updateContent", "postCreate")
        },
        "waitFor": TEXT,
        "customizations": {
            "type": "object",
            "properties": {
                "vscode": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"extensions": TEXTS, "settings": {"type": "object"}},
                }
            },
        },
    },
}


def container():
    return json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))


def test_the_devcontainer_is_of_its_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(container(), SCHEMA)
    assert container()["name"] == course().name
    for wrong in ({"postCreateComand": "true"}, {"hostRequirements": {"cpus": "2"}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(container() | wrong, SCHEMA)


def test_the_cloud_has_a_python_that_the_project_allows():
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    version = (ROOT / "binder" / "runtime.txt").read_text().strip()
    version = version.removeprefix("python-")
    assert f"Programming Language :: Python :: {version}" in project["classifiers"]
    assert container()["image"].endswith(f":{version}")


@pytest.fixture
def student(tmp_path):
    folder = tmp_path / "assignment3"
    archive.write(handout_files(), folder)
    return folder


def run(command, folder, **environment):
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(os.name == "nt", reason="needs bash")
def test_what_binder_runs_at_the_end_works_in_the_hand_out(student, tmp_path):
    """The steps of postBuild, in order, without the minutes that each takes."""
    script = student / "binder" / "postBuild"
    assert "set -euo pipefail" in script.read_text()
    steps = [line for line in script.read_text().splitlines() if line[:6] == "python"]
    for step in steps:
        file = step.split()[1:3]
        name = file[0] if file[0] != "-m" else file[1].replace(".", "/") + ".py"
        assert (student / name).is_file(), step
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "python").write_text(f'#!/bin/bash\necho "$@" >> "{tmp_path}/said"\n')
    (tools / "python").chmod(0o755)
    path = f"{tools}:/usr/bin:/bin"
    assert run(["bash", str(script)], student, PATH=path).returncode == 0
    said = (tmp_path / "said").read_text().splitlines()
    assert [f"python {line}" for line in said] == steps
    (tools / "python").write_text("#!/bin/bash\nexit 3\n")
    assert run(["bash", str(script)], student, PATH=path).returncode == 3


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs bash")
def test_binders_steps_make_an_environment_in_which_a_check_passes(student, tmp_path):
    """Do what repo2docker does once Python is there, with the real packages."""
    venv = tmp_path / "venv"
    uv = [sys.executable, "-m", "uv"]
    assert run([*uv, "venv", "--seed", str(venv)], tmp_path).returncode == 0
    needs = student / "binder" / "requirements.txt"
    # Where the builds for CPUs cannot be reached the ordinary ones do as well.
    asked = [line for line in needs.read_text().splitlines() if line[:2] != "--"]
    needs.write_text("\n".join(asked))
    python = venv / "bin" / "python"
    install = ["pip", "install", "-r", str(needs), "--python", str(python)]
    done = run([*uv, *install], student)
    assert done.returncode == 0, done.stderr
    path = f"{venv / 'bin'}:/usr/bin:/bin"
    done = run(["bash", "binder/postBuild"], student, PATH=path)
    assert done.returncode == 0, done.stderr
    solve(student)
    done = run([str(python), "-m", "cs231n.check", "Q1"], student)
    assert "25 of 25 points" in done.stdout, done.stdout


def solve(folder):
    for name in ("cs231n/rnn_layers.py", "cs231n/classifiers/rnn.py"):
        (folder / name).write_text(solved_module(name))


# Keeping work


def test_what_was_packed_comes_back_into_a_new_folder(student, tmp_path):
    solve(student)
    (student / "notes.txt").write_text("mine")
    (student / "RNN_Captioning.ipynb").write_text('{"cells": []}')
    (student / ".venv").mkdir()
    (student / ".venv" / "big").touch()
    keeping.pack(student, tmp_path / "kept" / "answers.zip")

    again = tmp_path / "again"
    archive.write(handout_files(), again)
    keeping.unpack(again, tmp_path / "kept" / "answers.zip")
    for name in ("cs231n/rnn_layers.py", "notes.txt", "RNN_Captioning.ipynb"):
        assert (again / name).read_bytes() == (student / name).read_bytes()
    assert not (again / ".venv").exists()


def test_work_that_is_there_is_never_written_over(student, tmp_path):
    keeping.pack(student, tmp_path / "answers.zip")
    solve(student)
    before = (student / "cs231n" / "rnn_layers.py").read_bytes()
    with pytest.raises(keeping.KeepingError, match="has work in it already"):
        keeping.unpack(student, tmp_path / "answers.zip")
    assert (student / "cs231n" / "rnn_layers.py").read_bytes() == before


def test_a_zip_that_is_torn_or_of_something_else_is_named(student, tmp_path):
    torn = tmp_path / "answers.zip"
    torn.write_bytes(b"PK\3\4")
    with pytest.raises(keeping.KeepingError, match=r"answers\.zip cannot be read"):
        keeping.unpack(student, torn)
    with pytest.raises(keeping.KeepingError, match="is no hand-out"):
        keeping.pack(tmp_path, torn)


def newer():
    """Return a later hand-out, in which a given file has changed."""
    files = dict(handout_files())
    files["cs231n/optim.py"] += b"\n# mended\n"
    return files | {stamp.STAMP: stamp.write(stamp.take("2026.2", files))}


def test_work_of_an_older_hand_out_is_carried_into_the_newer(student, tmp_path):
    solve(student)
    keeping.pack(student, tmp_path / "answers.zip")
    again = tmp_path / "again"
    archive.write(newer(), again)
    keeping.unpack(again, tmp_path / "answers.zip")
    assert "# mended" in (again / "cs231n" / "optim.py").read_text()
    assert "np.tanh" in (again / "cs231n" / "rnn_layers.py").read_text()
    assert stamp.read((again / stamp.STAMP).read_bytes()).version == "2026.2"


# Colab


@pytest.fixture
def served(tmp_path):
    """Serve a folder that has the hand-out's zip; return the folder and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    archive.pack(handout_files(), folder / "assignment3-handout.zip")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}/assignment3-handout.zip"
    server.shutdown()
    server.server_close()


def cells(release):
    """Return the code of the first cell and of the last, from Colab's notebook."""
    made = colab.flavour(handout_files(), replace(course(), release=release))
    notebook = json.loads(made["RNN_Captioning.ipynb"])
    sources = {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"]}
    return sources["colab-begin"], sources["colab-keep"]


def kernel(machine, *cells):
    """Run cells one after another, as a kernel that was started in a folder does.

    All packages are here, so pip need not go through what each of them needs.
    """
    script = "\n".join(["import sys", 'sys.path[0] = ""', *cells])
    quick = {"PIP_NO_DEPS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = run([sys.executable, "-c", script], machine, **quick)
    return done.returncode, done.stdout + done.stderr


CHECK = "import cs231n.check\nprint(cs231n.check.__file__, __import__('os').getcwd())"


def test_colab_begins_in_an_empty_folder_and_again_on_another_machine(served, tmp_path):
    folder, release = served
    begin, keep = cells(release)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    status, said = kernel(first, begin, begin, CHECK)
    assert status == 0, said
    assert str(first / "assignment3") in said.splitlines()[-1]
    assert sorted(path.name for path in first.iterdir()) == ["assignment3", "draft"]

    solve(first / "assignment3")
    status, said = kernel(first, begin, keep)
    assert status == 0, said
    assert "answers.zip" in said

    shutil.copy(first / "answers.zip", second)  # the first machine is lost
    archive.pack(newer(), folder / "assignment3-handout.zip")
    status, said = kernel(second, begin)
    assert status == 0, said
    assert "is back" in said
    again = second / "assignment3" / "cs231n"
    assert "np.tanh" in (again / "rnn_layers.py").read_text()
    assert "# mended" in (again / "optim.py").read_text()
    done = run([sys.executable, "-m", "cs231n.check", "Q1"], second / "assignment3")
    assert "25 of 25 points" in done.stdout


def test_colab_keeps_work_in_a_drive_only_if_asked(served, tmp_path):
    begin, keep = cells(served[1])
    drive, machine, other = (tmp_path / n for n in ("drive", "machine", "other"))
    for place in (machine, other):
        place.mkdir()
    asked = begin.replace('KEEP = ""', f"KEEP = {str(drive)!r}")
    assert asked != begin
    assert kernel(machine, asked, keep)[0] == 0
    assert [path.name for path in drive.iterdir()] == ["answers.zip"]
    assert "is back" in kernel(other, asked)[1]


def test_colab_says_when_the_hand_out_does_not_come_and_goes_on_later(served, tmp_path):
    folder, release = served
    begin, _ = cells(release)
    machine = tmp_path / "machine"
    machine.mkdir()
    whole = (folder / "assignment3-handout.zip").read_bytes()
    (folder / "assignment3-handout.zip").write_bytes(whole[:1000])
    status, said = kernel(machine, begin)
    assert status == 1
    assert f"RuntimeError: {release}" in said
    assert not (machine / "assignment3").exists()
    (folder / "assignment3-handout.zip").write_bytes(whole)
    assert kernel(machine, begin)[0] == 0


def test_without_a_release_there_is_no_flavour_for_colab(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build, "collect", lambda *_: handout_files())
    monkeypatch.setattr(build, "course", lambda: replace(course(), release=""))
    arguments = ["--checks", "none", "--out", str(tmp_path / "handout")]
    arguments += ["--zip", str(tmp_path / "a.zip")]
    assert build.main(arguments) == 0
    assert not (tmp_path / "colab").exists()
    about = replace(course(), release="https://example.org/a.zip")
    monkeypatch.setattr(build, "course", lambda: about)
    assert build.main(arguments) == 0
    assert "notebooks for Colab" in capsys.readouterr().out
    text = (tmp_path / "colab" / "GANs-PyTorch.ipynb").read_text("utf-8")
    assert 'RELEASE = \\"https://example.org/a.zip\\"' in text
    assert "{{" not in "".join(cells(about.release))
