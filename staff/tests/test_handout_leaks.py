"""Answers that show in a hand-out are found whatever they wear; nothing else is."""

import json

import pytest

from staff.handout.leaks import Secret, answers, blemishes, harmless, index, leaks
from staff.questions import ROOT, questions
from staff.tests.student_folder import handout_files

CODE = """\
    a = x @ Wx + prev_h @ Wh + b
    for t in reversed(range(T)):
        da = dnext_h * (1 - next_h**2)  # a comment
    loss = weight * (
        current - original
    ).square().sum()
    N, D = x.shape
    else_ = twice(x, 2)
"""
PROSE = "# A gate is a share of what is kept, written or shown. Short one.\n"
SECRETS = [
    Secret("a.py", 10, "f", False, CODE),
    Secret("N.py", 3, "why", True, PROSE),
]


def found(text, name="tests/test_x.py", allowed=()):
    return leaks(index({name: text.encode()}), SECRETS, set(allowed))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = x @ Wx + prev_h @ Wh + b\n", 10),
        ("def f():\n    a   =  x@Wx + prev_h@Wh+b  # hint\n", 10),
        ("y = (\n    x @ Wx\n    + prev_h @ Wh\n    + b\n)\n", 10),
        ("z = u @ V + w @ U + c\n", 10),
        ("return_ = [d * (1 - h**2) for d in dh]\n", 12),
        ("l = w * (p - q).square().sum()\n", 13),
        ("# da = dnext_h * (1 - next_h**2)\nda = dnext_h * (1 - next_h**2)\n", 12),
    ],
    ids=["text", "blanks", "lines", "names", "part", "long", "comment"],
)
def test_answers_are_found_in_other_clothes(text, line):
    problems = found(text)
    assert any(p.startswith(f"a.py:{line}: ") for p in problems), problems
    assert all("tests/test_x.py:" in p for p in problems)


@pytest.mark.parametrize(
    "text",
    [
        "N, D = x.shape\n",
        "a = x @ W + b\n",
        "def twice(x, n):\n    return n * x\ny = twice(x, 2)\n",
        "for t in range(T):\n    pass\n",
        "loss = (current - original).sum()\n",
        "else_ = [x]\n",
    ],
)
def test_what_many_programs_have_in_common_is_no_answer(text):
    assert found(text) == []


def test_answers_are_found_in_prose_and_in_cells():
    cell = {
        "cell_type": "code",
        "source": ["%time\n", "v = w * (p - q).square().sum()"],
    }
    assert found(json.dumps({"cells": [cell]}), "N.ipynb")
    cell = {"cell_type": "markdown", "source": ["Say: `a = x @ Wx + prev_h @ Wh + b`"]}
    assert found(json.dumps({"cells": [cell]}), "N.ipynb") == []
    cell["source"] = ["a = x @ Wx + prev_h @ Wh + b"]
    assert found(json.dumps({"cells": [cell]}), "N.ipynb")
    assert found("A gate\nis a share of what is kept, WRITTEN or shown.", "a.md")
    assert found("Short one.", "a.md") == []


def test_a_line_may_be_called_harmless_in_any_names():
    text = "l = w * (p - q).square().sum()\n"
    assert found(text, allowed=["o * (e - u).square().sum()"]) != []  # part of a whole
    allowed = ["l = o * (e - u).square().sum()", "o * (e - u).square().sum()"]
    assert found(text, allowed=[*allowed, "(e - u).square().sum()"]) == []


def test_blemishes_are_named_with_their_line():
    cell = {"cell_type": "code", "source": "1", "outputs": [1], "execution_count": None}
    run = {"cell_type": "code", "source": "1", "outputs": [], "execution_count": 3}
    files = {
        "a.py": b"x = 1\n# BEGIN SOLUTION\n",
        "b.py": b"'see staff/run.py'\nfrom staff import run\nimport benchmarks.x\n",
        "c.md": b"The staff are kind; benchmarks are fun. END SOLUTION?",
        "d.ipynb": json.dumps({"cells": [cell, run]}).encode(),
        "e.ipynb": b"{",
        "f/__pycache__/x.pyc": b"",
        "g.so": b"",
        "h.bin": b"\xff",
        "staff/x.py": b"",
    }
    names = sorted(p.split(": ")[0] for p in blemishes(files))
    assert names == sorted(
        [
            *("a.py:2", "b.py:1", "b.py:2", "b.py:3", "c.md:1", "d.ipynb", "d.ipynb"),
            *("e.ipynb", "f/__pycache__/x.pyc", "g.so", "h.bin", "staff/x.py"),
        ]
    )


@pytest.fixture(scope="module")
def real():
    return handout_files()


@pytest.fixture(scope="module")
def indexed(real):
    return index(real)


@pytest.fixture(scope="module")
def secrets(real):
    names = [name for name in real if name.endswith(".py") and (ROOT / name).exists()]
    sources = sorted((ROOT / "staff" / "notebooks").glob("*.py"))
    names += [path.relative_to(ROOT).as_posix() for path in sources]
    return answers(ROOT, names, [question.id for question in questions()])


def test_the_real_handout_gives_nothing_away(real, indexed, secrets):
    assert len(secrets) > 35
    assert blemishes(real) == []
    assert leaks(indexed, secrets, harmless(ROOT)) == []


def test_every_answer_would_be_found_if_it_were_there(secrets):
    # Each one by itself, in a file of its own, with its margin and its names changed.
    for secret in secrets:
        text = secret.text.replace("# ", "") if secret.prose else secret.text
        name = "notes.md" if secret.prose else "tests/test_leak.py"
        body = text if secret.prose else f"def f():\n{text}\n"
        assert leaks(index({name: body.encode()}), [secret], harmless(ROOT)), (
            secret.function
        )


def test_harmless_lines_are_all_needed(indexed, secrets):
    listed = harmless(ROOT)
    for line in listed:
        assert leaks(indexed, secrets, listed - {line}), f"{line} can be struck off"
