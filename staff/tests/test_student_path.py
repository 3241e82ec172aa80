"""A student's whole path: unpack, fill function after function, check, hand in."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cs231n.assignment import regions, table
from cs231n.assignment.stamp import is_extra
from staff import markers
from staff.environment import interpreter
from staff.handout import archive as packing
from staff.questions import ROOT
from staff.tests.student_folder import handout_files, solved_module, stand_ins

# Leaves a process without any network but its own loopback, which notebooks need.
_ALONE = """
import fcntl, os, socket, struct, sys
with socket.socket() as any_socket:
    up = struct.pack("16sH14x", b"lo", 1)  # SIOCSIFFLAGS with IFF_UP
    fcntl.ioctl(any_socket, 0x8914, up)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def offline():
    """Return the words before a command that take the network from it, if there are."""
    for words in (["unshare", "-n"], ["unshare", "-rn"]):
        command = [*words, sys.executable, "-c", _ALONE]
        if shutil.which("unshare") and not run([*command, "true"], ROOT).returncode:
            return command
    return []


def run(command, folder, **environment):
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"CS231N_OFFLINE": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


class Student:
    """Somebody with a Python, a folder with the hand-out, and no network."""

    def __init__(self, python, folder):
        self.python, self.folder, self.alone = str(python), folder, offline()

    def says(self, *arguments, **environment):
        command = [*self.alone, self.python, "-m", *arguments]
        done = run(command, self.folder, PATH=self.path(), **environment)
        assert done.returncode in {0, 1}, done.stderr
        return done

    def path(self):
        """Return where programs are found: in the student's environment first."""
        return f"{Path(self.python).parent}{os.pathsep}{os.environ['PATH']}"

    def write(self, function):
        """Write one function as the solved tree has it; a shared one once for all."""
        path, owner = place(function)
        text = (self.folder / path).read_text("utf-8")
        solved = regions.find(solved_module(path), path)
        bodies = {r.key: r.body for r in solved if r.owner == owner}
        assert bodies, function
        (self.folder / path).write_text(regions.fill(text, bodies, path), "utf-8")

    def check(self, *what):
        """Return what the public checks earn, function by function."""
        facts = json.loads(self.says("cs231n.check", "--json", *what).stdout)
        return {key: entry["earned"] for key, entry in facts["functions"].items()}


def place(function):
    """Return a function's file and its qualified name."""
    return function.file, function.qualname


def written_so_far(functions, key_of=place):
    places = {key_of(function) for function in functions}
    return {f.key for q in QUESTIONS for f in q.functions if key_of(f) in places}


QUESTIONS = [
    question
    for question in table.questions()
    if table.editions()[0] in question.points
    and all((ROOT / path).exists() for path in question.modules)
]
POINTS = {f.key: f.points for q in QUESTIONS for f in q.functions}


def unpack(folder):
    archive = folder.parent / "assignment3-handout.zip"
    packing.pack(handout_files(), archive)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    return folder / packing.TOP


def hand_in(student):
    """Make the zip with the course's script; return what it said, and a grader's tree.

    The zip has no ``cs231n/datasets``, as ever, so a grader puts it over a hand-out.
    """
    stand_ins(student.folder)
    script = student.folder / "collectSubmission.sh"
    command = [*student.alone, "bash", script]
    done = run(command, student.folder.parent, PATH=student.path())
    assert done.returncode == 0, done.stderr
    *_, last = done.stdout.splitlines()
    assert last.startswith(
        "assignment3.zip was made, but is not whole"
    )  # nobody ran it
    graded = unpack(student.folder.parents[1] / "at the grader's")
    with zipfile.ZipFile(student.folder / "assignment3.zip") as archive:
        archive.extractall(graded)
    return done.stdout, graded


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_the_path_question_by_question(tmp_path):
    student = Student(sys.executable, unpack(tmp_path / "my work – größe"))
    first = QUESTIONS[0]  # the others take longer
    assert student.check(first.id) == {f.key: 0 for f in first.functions}

    for question in QUESTIONS:
        for function in question.functions:
            student.write(function)
        if question in QUESTIONS[1:3]:  # in NumPy and PyTorch; handing in checks all
            earned = student.check(question.id)
            assert earned == {f.key: f.points for f in question.functions}

    said, graded = hand_in(student)
    for question in QUESTIONS:
        total = sum(f.points for f in question.functions)
        assert f"{question.id}: {total:g} of {total:g} points" in said
    earned = Student(sys.executable, graded).check(first.id)
    assert earned == {f.key: f.points for f in first.functions}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_the_path_function_by_function_in_a_fresh_environment(tmp_path):
    folder = unpack(tmp_path / "my work – größe")
    python = interpreter(folder / ".venv")
    subprocess.run([sys.executable, "-m", "venv", folder / ".venv"], check=True)
    install = [python, "-m", "pip", "install", "-q", "-r", "requirements.txt"]
    subprocess.run(install, cwd=folder, check=True)
    student = Student(python, folder)  # from here on there is no network
    assert student.alone, "the network cannot be taken away here"

    assert set(student.check().values()) == {0}
    written = []
    for question in QUESTIONS:
        for function in question.functions:
            student.write(function)
            written.append(function)
            done = written_so_far(written)
            # One more function moves its own points, and no others.
            assert student.check(question.id) == {
                f.key: f.points if f.key in done else 0 for f in question.functions
            }
        earned = student.check()
        assert {key for key in earned if earned[key]} == done

    notebooks = [name for question in QUESTIONS[:2] for name in question.notebooks]
    for name in notebooks:
        student.says(
            "jupyter", "execute", "--inplace", f"{name}.ipynb", CS231N_PROFILE="quick"
        )
    said, graded = hand_in(student)
    for name in notebooks:
        # All that is left to say is how they were run, and that answers are missing.
        about = said.partition(f"\n{name}.ipynb\n")[2].partition("\n\n")[0]
        first, *rest = re.split(r"\n  (?=\S)", about.strip())
        assert first.startswith("Its outputs are of the quick profile")
        assert all("awaits an answer in words" in remark for remark in rest)
    earned = Student(python, graded).check()
    assert {key: earned[key] for key in POINTS} == POINTS


def write_what_is_graded(folder):
    """Write every function that earns points, and every answer in words; no extras."""
    for path in {path for question in QUESTIONS for path in question.modules}:
        text = (folder / path).read_text("utf-8")
        solved = regions.find(solved_module(path), path)
        bodies = {r.key: r.body for r in solved if r.question != markers.EXTRA}
        (folder / path).write_text(regions.fill(text, bodies, path), "utf-8")
    for path in folder.glob("*.ipynb"):
        notebook = json.loads(path.read_bytes())
        for cell in notebook["cells"]:
            if "*Your answer:*" in "".join(cell["source"]) and not is_extra(cell):
                cell["source"] = [*cell["source"], "\n\nBecause."]
        path.write_text(json.dumps(notebook), "utf-8")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_graded_functions_alone_leave_nothing_to_remark(tmp_path):
    """In the quick profile but for that; CS231N_PROFILE=full takes half an hour."""
    profile = os.environ.get("CS231N_PROFILE", "quick")
    student = Student(sys.executable, unpack(tmp_path / "my work – größe"))
    write_what_is_graded(student.folder)
    names = [name for question in QUESTIONS for name in question.notebooks]
    for name in names:
        command = ["jupyter", "execute", "--inplace", f"{name}.ipynb"]
        done = student.says(*command, CS231N_PROFILE=profile)
        assert done.returncode == 0, done.stderr

    command = [*student.alone, "bash", student.folder / "collectSubmission.sh"]
    said = run(command, tmp_path, PATH=student.path()).stdout
    *_, last = said.splitlines()
    if profile == "full":
        assert last == "### Done! assignment3.zip is ready to be handed in."
        return
    assert f"not whole: {len(names)} remarks above" in last
    for name in names:
        about = said.partition(f"\n{name}.ipynb\n")[2].partition("\n\n")[0]
        assert about.lstrip().startswith("Its outputs are of the quick profile")
    for question in QUESTIONS:
        total = sum(f.points for f in question.functions)
        assert f"{question.id}: {total:g} of {total:g} points\n" in said
