"""The recipes of staff/README.md, each followed on a copy of the tree.

A question, a data set and a mistake of the bank come to it; nothing else is edited by
hand, and what belongs to each runs.
"""

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import staff.doctor  # noqa: F401 (brings what commands need of others)
from staff.__main__ import VERBS
from staff.questions import ROOT
from staff.tests import programs
from tests import data_server

CODE = {".py", ".toml", ".json", ".md", ".txt", ".sh", ".ipynb", ".h", ".pyx"}
CODE |= {".lock", ".svg"}
GENERATED = {"README.md", "cs231n/README.md", "cs231n/assignment/assignment.json"}
FINGERPRINTS = "cs231n/tools/check/fingerprints.json"


class Tree:
    """A copy of the solved tree, and what it held at first."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("cs231n", "images", "staff", "tests"):
            shutil.copytree(ROOT / name, folder / name, ignore=_no_code)
        for path in ROOT.iterdir():
            if path.is_file() and path.suffix in CODE:
                shutil.copy(path, folder)
        self.before = self.files()

    def files(self):
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.suffix in CODE
        }

    def changed(self):
        """Return which files are new or other than they were."""
        return {name for name, _ in self.files().items() - self.before.items()}

    def run(self, *words, code=0, **environment):
        """Run a module of the copy; return what it prints."""
        environment["CS231N_NO_EXTENSION"] = "1"
        done = programs.run(self.folder, "-m", *words, **environment)
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        return said

    def edit(self, name, *changes):
        """Replace texts in a file, each of which must occur."""
        path = self.folder / name
        text = path.read_text("utf-8")
        for old, new in changes:
            assert old in text, (name, old)
            text = text.replace(old, new)
        path.write_text(text, "utf-8")

    def write(self, name, text, mode="w"):
        with (self.folder / name).open(mode, encoding="utf-8") as file:
            file.write(text)

    def check(self, function, code):
        """Return what students are told of a function: its state, and all of it."""
        told = self.run("cs231n.check", function, "--json", code=code)
        (row,) = json.loads(told)["functions"].values()
        return row["state"], row["message"]


def _no_code(folder, names):
    """Leave out what is built or fetched."""
    data = folder.endswith("datasets")
    keep = {"captions", "fetching", "readers"}
    return [
        name
        for name in names
        if name in {"__pycache__", "golden", "tree"}
        or Path(name).suffix not in CODE | {""}
        or (data and "." not in name and name not in keep)
    ]


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "tree")


# A question


ROW = "staff/questions.toml"
MODULE = "cs231n/centering.py"
NOTEBOOK = "staff/notebooks/CenteredRows.py"
TRIES = "cs231n/tools/check/tries/centering.py"
HINTS = "cs231n/tools/hint/hints.toml"
MISTAKES = "staff/mistakes/q6.toml"
TESTS = "tests/test_centering.py"
BY_HAND = {ROW, MODULE, NOTEBOOK, TRIES, HINTS, MISTAKES, TESTS}

ANSWER = "out = x - x.mean(axis=1, keepdims=True)\n"
WRITINGS = {
    "loops": "out = np.zeros_like(x)\nfor n in range(len(x)):\n"
    "    out[n] = x[n] - sum(x[n]) / len(x[n])\n",
    "einsum": 'out = x - np.einsum("nd->n", x)[:, None] / x.shape[1]\n',
    "matrix": "D = x.shape[1]\nout = x @ (np.eye(D) - np.ones((D, D)) / D)\n",
    "transposed": "out = (x.T - x.T.mean(axis=0)).T\n",
    "in place": "out = x.copy()\nout -= x.sum(axis=1, keepdims=True) / x.shape[1]\n",
    "row by row": "out = np.array([row - np.average(row) for row in x])\n",
}
SAYS = {
    "It looks as if the mean were taken over examples.": (
        ("axis=1", "axis=0"),
        ("transposed", "axis=0)", "axis=1, keepdims=True)"),
    ),
    "It looks as if there were one mean for all.": (
        ("axis=1, keepdims=True", ""),
        ("transposed", "axis=0", ""),
    ),
    "It looks as if a sum stood where a mean is wanted.": (
        (".mean", ".sum"),
        ("in place", " / x.shape[1]", ""),
    ),
    "It looks as if the mean were added.": (("x - ", "x + "), ("in place", "-=", "+=")),
    "It looks as if the mean alone came back.": (
        ("x - x.mean", "0 * x + x.mean"),
        ("in place", "out -=", "out = 0 * x +"),
    ),
}


def bank():
    """Return a file of the bank of mistakes about center_rows."""
    parts = []
    for name, body in WRITINGS.items():
        parts.append(f'[[writings]]\nname = "{name}"\n[writings.bodies]')
        parts.append(f"center_rows = '''\n{body}'''\n")
    for says, (edit, (writing, *other)) in SAYS.items():
        parts.append('[[mistakes]]\nfunction = "center_rows"')
        parts.append(f"says = {json.dumps(says)}\nedit = [{json.dumps(edit)}]")
        parts.append(f'"{writing}" = [{json.dumps(other)}]\n')
    return "\n".join(parts)


def test_a_question_is_written_in_seven_files(tree):
    new = ["staff", "new", "question", "Q6", "--title", "Centered rows"]
    new += ["--module", "centering", "--function", "center_rows"]
    assert set(tree.run(*new).splitlines()[:-1]) == BY_HAND
    assert tree.changed() == BY_HAND
    skeleton = tree.files()
    assert "already" in tree.run(*new, code=2)
    assert tree.files() == skeleton

    # All that is to be done is told at once.
    todo = tree.run("staff", "doctor", code=1)
    for finding in (
        *(rf"{name}:\d+: WRITE ME stands in lines" for name in BY_HAND - {ROW}),
        r"questions\.toml: the set 2017 is worth 105 points",
        "Q6, center_rows has 1 of 6 other writings",
        "Q6, center_rows has 1 of 5 mistakes",
        r"nothing is stored for cs231n\.centering\.center_rows; run: .* fingerprints",
        *(rf"{name}: is out of date; run: .* table" for name in GENERATED),
        r"CenteredRows\.ipynb: is not .*; run: .* notebooks",
    ):
        assert re.search(finding, todo), (finding, todo)

    fill_in(tree)
    assert set(tree.run("staff", "table").splitlines()) == {
        str(tree.folder / name) for name in GENERATED
    }
    tree.run("staff", "notebooks")
    others = json.loads(tree.before[FINGERPRINTS])["functions"]
    tree.run("staff", "fingerprints", "cs231n.centering")
    stored = json.loads(tree.files()[FINGERPRINTS])["functions"]
    assert stored.pop("cs231n.centering.center_rows")["mistakes"]
    assert stored == others

    assert tree.run("staff", "doctor") == "Nothing is missing.\n"
    made = {*GENERATED, FINGERPRINTS, "CenteredRows.ipynb"}
    assert tree.changed() == BY_HAND | made
    assert "2 passed" in tree.run("pytest", "-q", TESTS, "-m", "q6")
    assert tree.check("center_rows", 0) == ("done", "")
    (says, (_, (writing, *other))), *_ = SAYS.items()
    tree.edit(MODULE, (f"    {ANSWER}", f"    {WRITINGS[writing].replace(*other)}"))
    state, told = tree.check("center_rows", 1)
    assert (state, says in told) == ("wrong", True)


def fill_in(tree):
    """Do by hand what an author does."""
    tree.edit(MODULE, ("out = np.zeros_like(x)  # WRITE ME: the answer\n", ANSWER))
    # Points come from another question.
    tree.edit(
        ROW,
        (
            'CaptioningRNN.loss", tries = "model", points = 8',
            'CaptioningRNN.loss", tries = "model", points = 3',
        ),
        ("{ Q1 = 25", "{ Q1 = 20"),
    )
    tree.edit(
        NOTEBOOK,
        (
            '{"out": (center_rows(x), np.ones((3, 4)))}',
            '{"sums": (center_rows(x).sum(axis=1), np.zeros(3))}',
        ),
        ("within=1e-8", "within=1e-8, absolute=True"),
    )
    tree.write(MISTAKES, bank())
    tree.write(
        TESTS,
        "\n\ndef test_rows_have_no_mean(rng):\n"
        "    x = rng.normal(size=(3, 4))\n\n"
        "    assert abs(center_rows(x).sum(axis=1)).max() < 1e-12\n",
        "a",
    )
    words = iter(range(1000))
    for name in (MODULE, NOTEBOOK, TRIES, HINTS, TESTS):
        path = tree.folder / name
        blank = re.compile(r"WRITE ME[^`\"\n\[]*")
        text = blank.sub(
            lambda _: f"Rows are centered, {next(words)}.", path.read_text("utf-8")
        )
        path.write_text(text, "utf-8")


def test_names_that_cannot_be_are_refused(tree):
    for words, said in (
        (["6"], "no name of a question"),
        (["Q5"], "There is a question Q5 already"),
        (["Q6", "--function", "rnn_forward"], "There is a function rnn_forward"),
        (["Q6", "--module", "a-b"], "'a-b' is no name in Python"),
        (["Q6", "--title", 'A "b"'], "leave quotes"),
    ):
        assert said in tree.run("staff", "new", "question", *words, code=2)
    assert tree.changed() == set()


# What a doctor sees


def test_all_that_is_wrong_is_told_at_once(tree):
    tree.edit(
        ROW,
        ('title = "Style transfer"\n', ""),
        (
            'rnn_step_forward", tries = "layers", points = 2',
            'rnn_step_forward", points = 2',
        ),
        ("Q5 = 15", "Q5 = 14"),
    )
    tree.edit("cs231n/rnn_layers.py", ('"""Q1, Q2, yours: ', '"""Ours: '))
    tree.edit("cs231n/image_gradients.py", ("# TODO(Q3-2016): Compute", "# Compute"))
    (tree.folder / "cs231n" / "gan_pytorch.py").unlink()
    tree.edit("staff/notebooks/ImageGeneration.py", ("## Further reading", "## More"))
    (tree.folder / "staff" / "notebooks" / "ImageGradients.py").unlink()
    tree.edit(TRIES.replace("centering", "gan"), ('"sample_noise"', '"noise"'))
    tree.edit(HINTS, ("gram_matrix = [", "gram = ["))
    tree.edit("tests/test_image_gradients.py", ("mark.q3_2016", "mark.q3"))
    tree.edit("README.md", ("<!-- made: data -->", ""))
    tree.edit("cs231n/datasets/registry.toml", ('need = "handwritten digits"\n', ""))

    todo = tree.run("staff", "doctor", code=1)
    for finding in (
        r"questions\.toml: Q4 has no title",
        r"questions\.toml: .*rnn_step_forward of Q1 has no tries",
        r"questions\.toml: Q5 is worth 14 points and its functions 15",
        r"questions\.toml: the set 2017 is worth 99 points",
        r"rnn_layers\.py: begins otherwise; .*'Q1, Q2, yours: '",
        r"image_gradients\.py:\d+: ",
        r"gan_pytorch\.py: is not there",
        r"ImageGeneration\.py: '## Further reading' has 0 of 3 entries",
        r"ImageGradients\.py: is not there",
        r"gan\.py: EXERCISES lacks sample_noise",
        r"hints\.toml: gram_matrix has 0 of 3 hints",
        r"tests: none has pytest\.mark\.q3_2016",
        r"README\.md: has no part <!-- made: data -->",
        r"registry\.toml: mnist has no need",
    ):
        assert re.search(finding, todo), (finding, todo)
    assert todo.rstrip().endswith("to be done.")


# A data set


READER = '''\
"""Read tides: heights of the sea, hour by hour."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read(file: Path) -> NDArray[np.floating]:
    """Return (hours,) heights in metres; ValueError if the file holds none."""
    with np.load(file) as stored:
        if "heights" not in stored:
            raise ValueError(f"{file} has no heights; fetch it again.")
        heights: NDArray[np.floating] = stored["heights"]
    return heights


def check(file: Path, expect: Mapping[str, Any]) -> None:
    """Insist on the number of hours."""
    if len(read(file)) != expect["hours"]:
        raise ValueError(f"{file} has {len(read(file))} hours.")
'''
SAMPLE = '''

def tides(folder):
    """Write a small ``tides.npz``; return its path."""
    np.savez(folder / "tides.npz", heights=np.linspace(0, 1, 24))
    return folder / "tides.npz"
'''
ENTRY = """
[tides]
title = "Tides, hour by hour"
need = "heights of the sea"
target = "tides.npz"
check = "tides"
bytes = [{size}, {size}]
licence = "ours"
used_by = ["nobody yet"]
embedded = "a sine"

[tides.expect]
hours = 24

[[tides.files]]
name = "tides.npz"
hash = "sha256:{digest}"
urls = ["{url}/tides.npz"]
"""


def test_a_data_set_is_a_row_a_reader_and_a_sample(tree, tmp_path):
    np.savez(tmp_path / "tides.npz", heights=np.linspace(0, 1, 24))
    content = (tmp_path / "tides.npz").read_bytes()
    data = tmp_path / "data"
    data.mkdir()
    here = {"CS231N_DATA_DIR": str(data), "NO_PROXY": "*", "CS231N_OFFLINE": ""}
    table, reader = "cs231n/datasets/registry.toml", "cs231n/datasets/readers/tides.py"
    with data_server.serving({"tides.npz": content}) as server:
        digest = hashlib.sha256(content).hexdigest()
        row = ENTRY.format(size=len(content), digest=digest, url=server.url)
        tree.write(table, row, "a")
        todo = tree.run("staff", "doctor", code=1)
        assert "readers/tides.py" in todo
        assert "tests/data_files.py: has no sample of tides" in todo
        assert "README.md: is out of date" in todo

        tree.write(reader, READER)
        tree.write("tests/data_files.py", SAMPLE, "a")
        tree.run("staff", "table")
        assert tree.run("staff", "doctor") == "Nothing is missing.\n"
        by_hand = {table, reader, "tests/data_files.py"}
        assert tree.changed() == by_hand | {"README.md"}
        page = tree.files()["README.md"].decode()
        assert "| heights of the sea | `tides.npz` | a sine |" in page

        told = tree.run("cs231n.datasets", "get", "tides", **here)
    assert "tides: whole" in told
    assert (data / "tides.npz").read_bytes() == content
    assert "whole" in tree.run("cs231n.datasets", "verify", "tides", **here)
    np.savez(data / "tides.npz", heights=np.linspace(0, 1, 23))
    told = tree.run("cs231n.datasets", "verify", "tides", code=1, **here)
    assert "DAMAGED" in told
    assert "23 hours" in told


# A mistake of the bank


def test_a_mistake_is_one_entry_of_the_bank(tree):
    says = "It looks as if the sequences stood in reverse order."
    file, function = "staff/mistakes/q1.toml", "word_embedding_forward"
    tree.write(
        file,
        f'\n[[mistakes]]\nfunction = "{function}"\nsays = "{says}"\n'
        'edit = [["W[x],", "W[x[::-1]],"]]\n'
        '"in place" = [["np.take(W, x, axis=0)", "np.take(W, x[::-1], axis=0)"]]\n',
        "a",
    )
    key = f"cs231n.rnn_layers.{function}"
    todo = tree.run("staff", "doctor", code=1)
    command = f"python -m staff fingerprints {key}"
    assert f"not the bank's mistakes for {key}; run: {command}" in todo

    tree.run(*command.split()[2:])
    assert tree.run("staff", "doctor") == "Nothing is missing.\n"
    assert tree.changed() == {file, FINGERPRINTS}
    assert tree.check(function, 0) == ("done", "")
    tree.edit(
        "cs231n/rnn_layers.py",
        ("out, cache = W[x],", "out, cache = np.take(W, x[::-1], axis=0),"),
    )
    state, told = tree.check(function, 1)
    assert (state, says in told) == ("wrong", True)


# The pages


PAGES = [
    *("CONTRIBUTING.md", "staff/README.md", "staff/handout/README.md"),
    *("cs231n/support/kernels/README.md", "cs231n/tools/check/README.md"),
    "staff/mistakes/README.md",
]
# Of a recipe, or of a hand-out.
EXAMPLE = re.compile(r"mean_pooling|MeanPooling|q6|NAME|qN|handout\.json")


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_what_is_there(page):
    text = (ROOT / page).read_text("utf-8")
    named = re.findall(r"`((?:cs231n|staff|tests)/[\w./-]+)`", text)
    links = re.findall(r"\]\((?!http)([^)]+)\)", text)
    places = [ROOT / name for name in named if not EXAMPLE.search(name)]
    places += [(ROOT / page).parent / n for n in links if not EXAMPLE.search(n)]
    for name in re.findall(r"`([\w./]+\.(?:py|pyx|h|json))`", text):
        beside = (ROOT / page).parent / name
        assert beside.exists() or (ROOT / name).exists() or EXAMPLE.search(name), name
    assert [path for path in places if not path.exists()] == []
    assert set(re.findall(r"python -m staff (\w+)", text)) <= VERBS.keys()
