"""The preview tells what a grader will stumble over, and does not cry wolf."""

import json
import os
import subprocess
import sys
import time

import pytest

from cs231n import answers, assignment, handout, preview, submission
from cs231n.answers import CHECKS_MIME
from staff.tests.student_folder import code, notebook, prose, unpack

Q1 = assignment.questions()[0]
GREEN = [
    prose("# A title"),
    code("x = 1", 1),
    code("", None),
    code("print(x, 'http://localhost/', '/', 'a/b')", 3),
    prose("**TODO(Q1):** Why?\n\n*Your answer:*\n\nBecause."),
]


def remarks(cells, now="", stamp=None):
    content = json.dumps(notebook(cells)).encode()
    return preview.notebook_remarks(content, "RNN_Captioning.ipynb", Q1, stamp, now)


def error(name, value):
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": []}


def checked(stored):
    table = {"title": "t", "rows": [], "answers": stored}
    return {"output_type": "display_data", "data": {CHECKS_MIME: table}}


def test_a_notebook_in_order_gets_no_remark():
    assert remarks(GREEN) == []


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        ([code("x"), code("y")], "It has not been run"),
        ([code("x", 1), code("y = 2")], "1 of 2 code cells have not been run; the fir"),
        ([code("x", 4), code("y", 2)], "out of order: cell 2 (“y”) before cell 1"),
        ([code("x", 4), code("y", 4)], "out of order"),
        ([code("x", 1, [error("KeyError", "'a'\nb")])], "in an error: KeyError: 'a'"),
        ([code("open('/home/ann/x.npz')", 1)], "speaks of /home/ann/x.npz"),
        ([code('open("C:\\\\data\\\\x")', 1)], "speaks of C:"),
        ([code("load('/content/drive/A3')", 1)], "speaks of /content/drive/A3"),
        (
            [prose("# Q\n\n**TODO(Q1):** Why so?\nSay.\n\n*Your answer:*\n \n")],
            "cell 1 awaits an answer in words: “Why so?”",
        ),
    ],
)
def test_what_a_grader_would_stumble_over_is_told(cells, wanted):
    (remark,) = remarks(cells)
    assert wanted in remark


def test_outputs_of_older_answers_are_told_by_the_last_check():
    def run(*stored):
        return [code("check()", n, [checked(s)]) for n, s in enumerate(stored, 1)]

    old, new = {"Q1": "a"}, {"Q1": "b"}
    assert remarks(run(old, new), now="b") == []
    (remark,) = remarks(run(new, old), now="b")
    assert "older answers" in remark
    assert "Q1" in remark
    # Nothing is claimed where nothing was stored.
    assert remarks(run({}, {"Q2": "a"}), now="b") == []
    assert remarks(run(old), now="") == []


def test_a_digest_follows_the_answers_of_its_question_and_nothing_else(tmp_path):
    folder = unpack(tmp_path / "a")
    module = folder / "cs231n" / "rnn_layers.py"
    text = module.read_text("utf-8")
    before = answers.digests(folder)
    assert {"Q1", "Q2", "Q3", "Q4"} <= before.keys()

    def changed(new):
        module.write_text(new, "utf-8")
        now = answers.digests(folder)
        return {key for key in before if now[key] != before[key]}

    assert changed(text.replace('raise NotImplementedError("rnn_back', '"x"', 1)) == {
        "Q1"
    }
    assert changed(text.replace('raise NotImplementedError("lstm_f', '"x"', 1)) == {
        "Q2"
    }
    assert changed("import math\n" + text) == set()
    assert changed(text) == set()
    module.unlink()
    assert "Q1" not in answers.digests(folder)


def test_cells_that_were_lost_and_given_code_that_was_changed_are_told(tmp_path):
    folder = unpack(tmp_path / "a")
    stamp = handout.read((folder / handout.STAMP).read_bytes())
    assert preview.changed_given_files(folder, stamp) == []

    layers, rnn = folder / "cs231n" / "layers.py", folder / "cs231n" / "rnn_layers.py"
    layers.write_bytes(layers.read_bytes().replace(b"\n", b"\r\n"))  # not a change
    text = rnn.read_text("utf-8")
    stub = 'raise NotImplementedError("rnn_forward'
    rnn.write_text(text.replace(stub, f"x = 1\n    {stub}"), "utf-8")
    assert preview.changed_given_files(folder, stamp) == []
    rnn.write_text("import math\n" + text, "utf-8")
    assert preview.changed_given_files(folder, stamp) == ["cs231n/rnn_layers.py"]

    cells = json.loads((folder / "RNN_Captioning.ipynb").read_bytes())["cells"]
    for number, cell in enumerate(cells, 1):
        if cell["cell_type"] == "code":
            cell["execution_count"] = number
    told = remarks(cells[:-2], stamp=stamp)
    assert any("not in it: 2" in remark for remark in told)
    assert not any("not in it" in remark for remark in remarks(cells, stamp=stamp))


FACTS = {
    "functions": {
        function.key: {"state": state, "points": function.points, "earned": earned}
        for function, state, earned in zip(
            Q1.functions,
            ["done"] * 5 + ["wrong", "wrong", "not started"],
            [f.points for f in Q1.functions[:5]] + [0, 0, 0],
            strict=True,
        )
    },
    "score": 12,
    "possible": 25,
}


def checks(folder, source):
    (folder / "cs231n" / "check.py").write_text(source, "utf-8")
    return preview.run_checks(folder, "2017", 20)


@pytest.fixture
def package(tmp_path):
    (tmp_path / "cs231n").mkdir()
    (tmp_path / "cs231n" / "__init__.py").touch()
    return tmp_path


def test_what_the_public_checks_say_is_told_by_question(package):
    facts = checks(package, f"print('noise {{')\nprint({json.dumps(FACTS)!r})")

    assert facts == FACTS
    assert preview.check_remarks(facts, [Q1]) == [
        "Q1: 12 of 25 points; wrong: word_embedding_backward, CaptioningRNN.loss; "
        "not started: CaptioningRNN.sample"
    ]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("raise SystemExit('no numpy')", "no numpy"),
        ("print('hello')", "without a result"),
        ("print('{\"functions\": [1]}')", "without a result"),
        ("import os; os._exit(3)", "exit status 3"),
    ],
)
def test_checks_that_end_without_a_result_say_why(package, source, wanted):
    with pytest.raises(ValueError, match=wanted):
        checks(package, source)


def test_checks_that_hang_are_ended_with_all_they_hold_open(package):
    source = (
        "import pathlib, subprocess, sys, time\n"
        'late = \'import time; time.sleep(3); open("late", "w")\'\n'
        "subprocess.Popen([sys.executable, '-c', late])\n"
        "pathlib.Path('begun').touch()\n"
        "time.sleep(60)\n"
    )
    (package / "cs231n" / "check.py").write_text(source)
    with pytest.raises(ValueError, match=r"longer than 1\.5 s"):
        preview.run_checks(package, "2017", 1.5)
    assert (package / "begun").exists()
    time.sleep(3)
    assert not (package / "late").exists() or os.name == "nt"


def test_without_checks_the_zip_is_made_and_the_preview_says_so(tmp_path, capsys):
    folder = unpack(tmp_path / "a")
    (folder / "cs231n" / "check.py").unlink(missing_ok=True)

    assert submission.main(["--root", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "They say nothing: cs231n/check.py is not here." in said
    assert said.splitlines()[-1].startswith("### Done!")


def test_a_preview_alone_makes_no_zip(tmp_path, capsys):
    folder = unpack(tmp_path / "a")
    (folder / "GANs-PyTorch.ipynb").unlink()
    arguments = ["--root", str(folder), "--preview", "--seconds", "0.01"]

    assert submission.main(arguments) == 0
    said = capsys.readouterr().out
    assert "GANs-PyTorch.ipynb is missing." in said
    assert "It has not been run" in said
    assert "they took longer than 0.01 s" in said
    assert not (folder / "assignment3.zip").exists()


def test_checks_in_a_notebook_store_the_answers_they_were_made_on():
    program = (
        "import types, sys\n"
        "from IPython.core import getipython\n"
        "from IPython import display\n"
        "getipython.get_ipython = lambda: types.SimpleNamespace(kernel=None)\n"
        "display.display = lambda data, raw: print(data)\n"
        "from cs231n import answers, gradient_check\n"
        "gradient_check.check('t', {'a': (1.0, 1.0)}, 1e-8)\n"
        "print(answers.digests())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    shown, now = done.stdout.splitlines()
    assert f"'answers': {now}" in shown
