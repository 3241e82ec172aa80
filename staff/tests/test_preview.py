"""The preview tells what a grader will stumble over, and does not cry wolf."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import psutil
import pytest

from cs231n.assignment import answers, regions
from cs231n.assignment import stamp as handout
from cs231n.assignment import table as assignment
from cs231n.assignment.answers import CHECKS_MIME
from cs231n.tools.submission import command as submission
from cs231n.tools.submission import preview, public_checks
from staff.questions import ROOT
from staff.tests.student_folder import code, handout_files, notebook, prose, unpack

Q1 = assignment.questions()[0]
GREEN = [
    prose("# A title"),
    code("x = 1", 1),
    code("", None),
    code("print(x, 'http://localhost/', '/', 'a/b')", 3),
    prose("**TODO(Q1):** Why?\n\n*Your answer:*\n\nBecause."),
]


def remarks(cells, now=None, stamp=None):
    content = json.dumps(notebook(cells)).encode()
    name = "RNN_Captioning.ipynb"
    return preview.notebook_remarks(content, name, Q1, stamp, now or {})


def error(name, value):
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": []}


def checked(stored, **more):
    table = {"title": "t", "rows": [], "answers": stored, **more}
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
        ([code('load(r"C:\\new\\x")', 1)], r"speaks of C:\new\x"),
        ([code('f = f"/home/ann/{x}.npz"', 1)], "speaks of /home/ann/"),
        ([code("%cd /content/drive/A3\nx", 1)], "speaks of /content/drive/A3"),
        ([code("names = !ls /home/ann", 1)], "speaks of /home/ann"),
        ([code("%%bash\ncd /home/ann\nls", 1)], "speaks of /home/ann"),
        ([code("print(open('/home/ann/x').read())", 1)], "speaks of /home/ann/x"),
        ([code("show('file:///home/ann/x')", 1)], "speaks of file:///home/ann/x"),
        ([code("np.dot?\nopen('/home/ann/x')", 1)], "speaks of /home/ann/x"),
        (
            [code("%load_ext x\nname = input('? ')", 1)],
            "cell 1 (“%load_ext x”) calls i",
        ),
        ([code("import pdb\npdb.set_trace()", 1)], "calls set_trace(), which waits"),
        ([code("x = !ls\nname = input()", 1)], "calls input(), which waits"),
        (
            [code("%matplotlib inline\nprint('x = %d' % int(input()))", 1)],
            "calls input()",
        ),
        ([code("import getpass\ngetpass.getpass()", 1)], "calls getpass(), which"),
        ([code("%debug", 1)], "calls %debug, which waits"),
        ([code("check()", 1, [checked({}, profile="quick")])], "of the quick profile"),
        (
            [prose("# Q\n\n**TODO(Q1):** Why so?\nSay.\n\n*Your answer:*\n \n")],
            "cell 1 awaits an answer in words: “Why so?”",
        ),
    ],
)
def test_what_a_grader_would_stumble_over_is_told(cells, wanted):
    (remark,) = remarks(cells)
    assert wanted in remark


@pytest.mark.parametrize(
    "source",
    [
        r'print("W:\n", W)',
        r'print("X:/Y", x)',
        'print("/tmp/x")',
        r'print("{}: X:/Y".format(x), f"/tmp/{x}", "/home/%s" % x)',
        'plt.xlabel("t:/s"); ax.set_title("W:/x"); log.info("A:/ x")',
        "def forward(self, input):\n    return input(3)",
        "model.embed(x); %pdb off".replace("; ", "\n"),
        "url = 'http://x/home/ann'",
        "my_input(1); model.input()",
        "# input()",
        "text = 'input()'",
    ],
)
def test_what_only_looks_like_a_place_or_a_question_is_left_alone(source):
    assert remarks([code(source, 1)]) == []


def extra(cell):
    return cell | {"metadata": {"tags": ["extra"]}}


def test_extra_exercises_count_in_no_remark():
    cells = [
        code("x = 1", 1),
        extra(code("never run")),
        extra(code("y", 9, [error("ValueError", "x")])),
        extra(code("open('/home/ann/x'); input()", 1)),
        extra(code("check()", 3, [checked({"Q1": {"rnn_forward": "a"}})])),
        extra(prose("**TODO(extra):** Why so?\n\n*Your answer:*\n")),
        code("z", 2),
    ]
    assert remarks(cells, now={"rnn_forward": "b"}) == []
    plain = [cell | {"metadata": {}, "id": f"c{n}"} for n, cell in enumerate(cells)]
    assert len(remarks(plain, now={"rnn_forward": "b"})) > 4

    # A tool may have dropped the tags; the stamp knows the cells by their ids.
    name = "RNN_Captioning.ipynb"
    files = {name: json.dumps(notebook(cells)).encode()}
    with_ids = notebook([cell | {"id": f"c{n}"} for n, cell in enumerate(cells)])
    files[name] = json.dumps(with_ids).encode()
    stamp = handout.take("1", files)
    assert remarks(plain, now={"rnn_forward": "b"}, stamp=stamp) == []
    left = [cell for cell in plain if cell["id"] in {"c0", "c6"}]
    assert remarks(left, stamp=stamp) == []


def test_outputs_of_older_answers_are_told_by_what_a_cell_names_and_by_the_last_check():
    def run(*stored, source="check()"):
        return [code(source, n, [checked(s)]) for n, s in enumerate(stored, 1)]

    old, new = {"Q1": {"rnn_forward": "a"}}, {"Q1": {"rnn_forward": "b"}}
    now = {"rnn_forward": "b"}
    assert remarks(run(old, new), now=now) == []
    (remark,) = remarks(run(new, old), now=now)
    assert "older answers" in remark
    assert "rnn_forward" in remark
    # An earlier cell is old as well if it names what has changed since.
    (remark,) = remarks([*run(old, source="rnn_forward(x)"), code("y", 2)], now=now)
    assert "rnn_forward" in remark
    cells = [*run(old, source="rnn_forward(x)"), code("z", 2, [checked(new)])]
    assert len(remarks(cells, now=now)) == 1
    for source in ("rnn_forward_2(x)", "my.rnn_forward", "loss = 1"):
        cells = [*run(old, source=source), code("z", 2, [checked(new)])]
        assert remarks(cells, now=now) == []
    # Nothing is claimed where nothing was stored, or in an earlier release's way.
    assert remarks(run({}, {"Q2": {"rnn_forward": "a"}}), now=now) == []
    assert remarks(run({"Q1": "a"}), now=now) == []
    assert remarks(run(old), now={}) == []


def written(folder, path, owner, body):
    """Write a function in a student's folder."""
    text = (folder / path).read_text("utf-8")
    key = next(r.key for r in regions.find(text, path) if r.owner == owner)
    indent = " " * next(r.indent for r in regions.find(text, path) if r.owner == owner)
    body = "".join(f"{indent}{line}\n" if line else "\n" for line in body.split("\n"))
    (folder / path).write_text(regions.fill(text, {key: body}, path), "utf-8")


RNN, MODEL = "cs231n/rnn_layers.py", "cs231n/classifiers/rnn.py"


def test_a_digest_follows_what_a_function_does_and_calls_and_nothing_else(tmp_path):
    folder = unpack(tmp_path / "a")
    written(folder, RNN, "rnn_step_forward", "a = x @ Wx\nnext_h, cache = a, (x,)")
    written(folder, RNN, "rnn_forward", "h, cache = rnn_step_forward(x, h0, Wx, Wh, b)")
    before = answers.digests(folder)
    assert {"Q1", "Q2", "Q3", "Q4", "Q5"} <= before.keys()

    def changed(owner, body):
        text = (folder / RNN).read_text("utf-8")
        written(folder, RNN, owner, body)
        now = answers.digests(folder)
        (folder / RNN).write_text(text, "utf-8")
        return {k for q in before for k in before[q] if now[q].get(k) != before[q][k]}

    other = "\n# a comment\nmine = (x\n  @ Wx)\nnext_h, cache = mine, (x,)\n"
    assert changed("rnn_step_forward", other) == set()
    wrong = "a = Wx @ x\nnext_h, cache = a, (x,)"
    assert changed("rnn_step_forward", wrong) == {"rnn_step_forward", "rnn_forward"}
    assert changed("lstm_forward", "h = x") == {"lstm_forward"}
    text = (folder / RNN).read_text("utf-8")
    (folder / RNN).write_text("import math\n" + text, "utf-8")
    assert answers.digests(folder) == before
    (folder / RNN).write_text(text.replace("def lstm_forward", "def (", 1), "utf-8")
    # Of a file that is no Python nothing is known: not that anything has changed.
    assert "rnn_forward" not in answers.digests(folder)["Q1"]
    (folder / RNN).unlink()
    assert "rnn_forward" not in answers.digests(folder)["Q1"]


PLAIN_LOSS = """
h0, c1 = affine_forward(features, W_proj, b_proj)
x, c2 = word_embedding_forward(captions_in, W_embed)
h, c3 = rnn_forward(x, h0, Wx, Wh, b)
out, c4 = temporal_affine_forward(h, W_vocab, b_vocab)
loss, dout = temporal_softmax_loss(out, captions_out, mask)
dh, grads["W_vocab"], grads["b_vocab"] = temporal_affine_backward(dout, c4)
dx, dh0, grads["Wx"], grads["Wh"], grads["b"] = rnn_backward(dh, c3)
"""
FORWARD = "h, c3 = rnn_forward(x, h0, Wx, Wh, b)"
BACKWARD = 'dx, dh0, grads["Wx"], grads["Wh"], grads["b"] = rnn_backward(dh, c3)'


def branches(style):
    """Return the loss of somebody who did Q2, too, in one of many ways."""

    def both(line, name):
        other = line.replace("rnn_", "lstm_")
        indented = {"a": f"    {line}", "b": f"    {other}"}
        return {
            "if": f"if self.cell_type == 'rnn':\n{indented['a']}\n"
            f"else:\n{indented['b']}",
            "elif": f"if self.cell_type == 'lstm':\n{indented['b']}\n"
            f"elif self.cell_type == 'rnn':\n{indented['a']}\n"
            "else:\n    raise ValueError('%s not implemented' % self.cell_type)",
            "if not": f"if not self.cell_type != 'rnn':\n{indented['a']}\n"
            f"if self.cell_type in ('lstm', 'gru'):\n{indented['b']}",
            "flag": f"lstm = self.cell_type == 'lstm'\nif lstm:\n{indented['b']}\n"
            f"if not lstm:\n{indented['a']}",
            "choice": line.replace(
                name, f"({name} if self.cell_type == 'rnn' else lstm_forward)"
            ),
            "table": f"chosen_{name} = {{'rnn': {name}, 'lstm': l{name[1:]}}}\n"
            + line.replace(name, f"chosen_{name}[self.cell_type]"),
            "lambda": line.replace(
                f"{name}(",
                f"{{'rnn': lambda: {name}, 'lstm': None}}[self.cell_type]()(",
            ),
            "match": f"match self.cell_type:\n    case 'rnn':\n    {indented['a']}\n"
            f"    case _:\n    {indented['b']}",
            "alias": f"cell = self.cell_type\nstep_{name} = {name}\n"
            f"if cell.lower() == 'lstm':\n    print('lstm')\n{indented['b']}\n"
            "else:\n    " + line.replace(name, f"step_{name}"),
            "joined": line.replace(name, f"eval(self.cell_type + '{name[3:]}')"),
            "formatted": line.replace(
                name, f"globals()[f'{{self.cell_type}}{name[3:]}']"
            ),
            "index": line.replace(
                name, f"[{name}, l{name[1:]}][int(self.cell_type == 'lstm')]"
            ),
            "try": f"try:\n    table_{name} = {{'rnn': {name}}}\n"
            f"    do_{name} = table_{name}[self.cell_type]\n"
            "except KeyError as error:\n    raise ValueError('cell_type') from error\n"
            + line.replace(name, f"do_{name}"),
            "pair": f"c0, go_{name} = np.zeros_like(h0), {name}\n"
            + f"if self.cell_type == 'lstm':\n{indented['b']}\n"
            + "else:\n    "
            + line.replace(name, f"go_{name}"),
        }[style]

    text = PLAIN_LOSS.replace(FORWARD, both(FORWARD, "rnn_forward"))
    return text.replace(BACKWARD, both(BACKWARD, "rnn_backward"))


@pytest.mark.parametrize(
    "style",
    [
        *("if", "elif", "if not", "flag", "choice", "table", "lambda", "match"),
        *("alias", "pair", "joined", "formatted", "index", "try"),
    ],
)
def test_doing_the_second_question_makes_no_output_of_the_first_old(tmp_path, style):
    folder = unpack(tmp_path / "a")
    written(folder, MODEL, "CaptioningRNN.loss", PLAIN_LOSS)
    before = answers.digests(folder)
    assert "CaptioningRNN.loss" in before["Q1"]
    assert "CaptioningRNN.loss:lstm" not in before["Q2"]  # it only knows the other

    written(folder, MODEL, "CaptioningRNN.loss", branches(style))
    written(folder, RNN, "lstm_forward", "h = x")
    now = answers.digests(folder)

    assert now["Q1"] == before["Q1"]
    # What is really changed is still noticed.
    wrong = branches(style).replace("captions_out, mask", "captions_in, mask")
    written(folder, MODEL, "CaptioningRNN.loss", wrong)
    again = answers.digests(folder)
    assert again["Q1"]["CaptioningRNN.loss"] != now["Q1"]["CaptioningRNN.loss"]
    written(folder, MODEL, "CaptioningRNN.loss", branches(style))
    written(folder, RNN, "rnn_backward", "dx = dh")
    again = answers.digests(folder)
    assert again["Q1"]["CaptioningRNN.loss"] != now["Q1"]["CaptioningRNN.loss"]
    if style in {"if", "elif", "match", "flag"}:
        loss = "CaptioningRNN.loss:lstm"
        assert again["Q2"][loss] == now["Q2"][loss]
        written(folder, RNN, "lstm_backward", "dx = dh")
        assert answers.digests(folder)["Q2"][loss] != now["Q2"][loss]


PLAIN_SAMPLE = """
h, _ = affine_forward(features, W_proj, b_proj)
words = np.full(N, self._start)
for t in range(max_length):
    x, _ = word_embedding_forward(words, W_embed)
    h, _ = rnn_step_forward(x, h, Wx, Wh, b)
    words = choose(h @ W_vocab + b_vocab)
    captions[:, t] = words
"""
BOTH_SAMPLE = """
h, _ = affine_forward(features, W_proj, b_proj)
c = np.zeros_like(h)
word = np.full(N, self._start)
for t in range(max_length):
    x, _ = word_embedding_forward(word, W_embed)
    if self.cell_type == "rnn":
        h, _ = rnn_step_forward(x, h, Wx, Wh, b)
    elif self.cell_type == "lstm":
        h, c, _ = lstm_step_forward(x, h, c, Wx, Wh, b)
    word = choose(h @ W_vocab + b_vocab)
    captions[:, t] = word
"""


def test_the_cell_state_that_only_an_lstm_needs_is_no_change_of_sampling(tmp_path):
    folder = unpack(tmp_path / "a")
    written(folder, MODEL, "CaptioningRNN.sample", PLAIN_SAMPLE)
    before = answers.digests(folder)["Q1"]["CaptioningRNN.sample"]
    written(folder, MODEL, "CaptioningRNN.sample", BOTH_SAMPLE)
    assert answers.digests(folder)["Q1"]["CaptioningRNN.sample"] == before


def test_parts_that_cannot_be_told_apart_are_not_spoken_of(tmp_path):
    folder = unpack(tmp_path / "a")
    kind = "globals()[getattr(self, 'cell_type') + '_forward']("
    text = PLAIN_LOSS.replace("rnn_forward(", kind)
    written(folder, MODEL, "CaptioningRNN.loss", text)
    found = answers.digests(folder)
    assert "CaptioningRNN.loss" not in found["Q1"]
    assert "CaptioningRNN.loss:lstm" not in found["Q2"]


@pytest.fixture
def module(tmp_path):
    """Return a student's folder, its stamp, and a function that edits a module."""
    folder = unpack(tmp_path / "a")
    stamp = handout.read((folder / handout.STAMP).read_bytes())

    def told(path, old, new, known=stamp):
        content = (folder / path).read_bytes()
        assert old.encode() in content
        (folder / path).write_bytes(content.replace(old.encode(), new.encode(), 1))
        found = [*preview.module_remarks(folder, known)]
        (folder / path).write_bytes(content)
        return found

    return told


BAR = "    " + "#" * 84 + "\n"


def test_what_stands_outside_a_box_is_named_with_its_line_and_what_to_do(module):
    text = handout_files()[RNN].decode()
    at = text[: text.index("def rnn_forward")].count("\n") + 1
    helper = "def helper(x):\n    return x\n\n\ndef rnn_forward"
    (told,) = module(RNN, "def rnn_forward", helper)
    assert told.startswith(f"{RNN}:{at}: 'def helper(x):' stands outside the boxes")
    assert "move it into a box" in told

    (told,) = module(RNN, "import numpy as np\n", "import numpy as np\nimport math\n")
    assert "'import math' stands outside the boxes" in told
    (told,) = module(RNN, "    return next_h, cache\n", "")
    assert "given lines are missing above this one" in told
    assert "put them back" in told


def test_a_damaged_or_lost_box_is_named_with_what_to_do(module):
    text = handout_files()[RNN].decode()
    start, end = text.index(BAR), text.index(BAR, text.index("END OF YOUR CODE"))
    box = text[start : end + len(BAR)]
    (told, *_) = module(RNN, box, "    next_h = x\n")
    assert told.startswith(f"{RNN}: the box of rnn_step_forward is gone")
    assert "put its comment lines back" in told
    last = box[box.rindex("#", 0, box.index("END OF")) :]
    (told,) = module(RNN, last, last.replace("END OF YOUR CODE", "end of my code"))
    assert re.match(rf"{RNN}:\d+: .*put that box back", told)
    assert "cannot find your answers" in told


def test_files_of_extra_exercises_count_in_no_remark(module):
    for path in ("cs231n/extras/gan_extras.py", "cs231n/extras/adversarial.py"):
        assert module(path, "import torch", "def (\ninput()\nimport torch") == []
    (told,) = module("cs231n/gan_pytorch.py", "import torch\n", "import torch, math\n")
    assert "stands outside the boxes" in told


def test_given_code_that_only_looks_different_is_no_remark(module):
    assert module(RNN, "import numpy as np\n", "import numpy as np  # mine\n\n") == []
    assert module("cs231n/layers.py", "import numpy", "# mine\nimport numpy") == []
    stub = 'raise NotImplementedError("rnn_forward'
    assert module(RNN, stub, f"x = 1\n    {stub}") == []
    (told,) = module("cs231n/layers.py", "import numpy", "import math\nimport numpy")
    assert told.startswith("cs231n/layers.py: you have changed this file")
    (told,) = module(RNN, stub, f"x = input()\n    {stub}")
    assert "input() waits for somebody to type" in told


def test_a_stamp_of_an_earlier_release_still_serves(module):
    facts = json.loads(handout_files()[handout.STAMP])
    for key in ("places", "lines", "says", "extra"):
        del facts[key]
    old = handout.read(json.dumps(facts).encode())
    (told,) = module(RNN, "import numpy", "import math\nimport numpy", old)
    assert "move it into a box" in told


def test_line_ends_are_no_change(tmp_path):
    folder = unpack(tmp_path / "a")
    stamp = handout.read((folder / handout.STAMP).read_bytes())
    for path, end in ((RNN, b"\r\n"), ("cs231n/layers.py", b"\r")):
        content = (folder / path).read_bytes()
        (folder / path).write_bytes(content.replace(b"\n", end))
    assert [*preview.module_remarks(folder, stamp)] == []


def test_cells_that_were_lost_are_told(tmp_path):
    folder = unpack(tmp_path / "a")
    stamp = handout.read((folder / handout.STAMP).read_bytes())
    cells = json.loads((folder / "RNN_Captioning.ipynb").read_bytes())["cells"]
    for number, cell in enumerate(cells, 1):
        if cell["cell_type"] == "code":
            cell["execution_count"] = number
    told = remarks(cells[:-2], stamp=stamp)
    assert any("not in it: 2" in remark for remark in told)
    assert not any("not in it" in remark for remark in remarks(cells, stamp=stamp))


def test_a_notebook_without_any_cell_of_the_hand_out_is_not_praised(tmp_path):
    folder = unpack(tmp_path / "a")
    stamp = handout.read((folder / handout.STAMP).read_bytes())
    for cells in ([prose("")], [code(" ")], [prose("Mine."), code("x = 1", 1)]):
        (told,) = remarks(cells, stamp=stamp)
        assert told.startswith("No cell of the hand-out is in it; ")

    cells = json.loads((folder / "RNN_Captioning.ipynb").read_bytes())["cells"]
    for number, cell in enumerate(cells, 1):
        cell["id"] = f"renamed-{number}"  # as tools do
    assert not any("No cell" in remark for remark in remarks(cells, stamp=stamp))


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
    return public_checks.run_checks(folder, "2017", seconds=1200)


@pytest.fixture
def package(tmp_path):
    for name in ("__init__.py", "support/__init__.py", "support/commands.py"):
        target = tmp_path / "cs231n" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "cs231n" / name, target)
    return tmp_path


def test_what_the_public_checks_say_is_told_by_question(package):
    scores = checks(package, f"print('noise {{')\nprint({json.dumps(FACTS)!r})")

    assert {key: vars(score) for key, score in scores.items()} == FACTS["functions"]
    assert public_checks.check_remarks(scores, [Q1]) == [
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


@pytest.mark.skipif(os.name == "nt", reason="nobody ends children's children there")
def test_checks_that_hang_are_ended_with_all_they_hold_open(package, monkeypatch):
    source = (
        "import os, subprocess, sys, time\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(3600)']\n"
        "child = subprocess.Popen(sleep)\n"
        "open('draft', 'w').write(str(child.pid))\n"
        "os.rename('draft', 'child')\n"
        "time.sleep(3600)\n"
    )
    (package / "cs231n" / "check.py").write_text(source)

    class Patient(subprocess.Popen):
        """Counts seconds only once the child is there."""

        def wait(self, timeout=None):
            while timeout is not None and not (package / "child").exists():
                assert self.poll() is None
                time.sleep(0.02)
            return super().wait(timeout)

    monkeypatch.setattr(public_checks.subprocess, "Popen", Patient)
    with pytest.raises(ValueError, match=r"longer than 0\.1 s"):
        public_checks.run_checks(package, "2017", 0.1)
    child = int((package / "child").read_text())
    end = time.monotonic() + 600  # far beyond what a kill takes on any machine
    while is_alive(child):
        assert time.monotonic() < end
        time.sleep(0.02)


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_without_checks_the_zip_is_made_and_the_preview_says_so(tmp_path, capsys):
    folder = unpack(tmp_path / "a")
    (folder / "cs231n" / "check.py").unlink(missing_ok=True)

    assert submission.main(["--root", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "They say nothing: cs231n/check.py is not here." in said
    assert "was made, but is not whole" in said.splitlines()[-1]


def test_a_preview_alone_makes_no_zip(tmp_path, capsys):
    folder = unpack(tmp_path / "a")
    (folder / "GANs-PyTorch.ipynb").unlink()
    arguments = ["--root", str(folder), "--preview", "--seconds", "0.01"]

    assert submission.main(arguments) == 0
    said = capsys.readouterr().out
    assert "GANs-PyTorch.ipynb is missing." in said
    assert "It has not been run" in said
    assert "they took longer than 0.01 s" in said
    *_, last = said.splitlines()
    assert re.fullmatch(r"This was a preview with \d+ remarks; no zip was made\.", last)
    assert not (folder / "assignment3.zip").exists()


def test_checks_in_a_notebook_store_the_answers_they_were_made_on():
    program = (
        "import types, sys\n"
        "from IPython.core import getipython\n"
        "from IPython import display\n"
        "events = types.SimpleNamespace(register=lambda *what: None)\n"
        "shell = types.SimpleNamespace(kernel=None, events=events)\n"
        "getipython.get_ipython = lambda: shell\n"
        "display.display = lambda data, raw: print(data)\n"
        "from cs231n.lab import checks\n"
        "from cs231n.assignment import answers\n"
        "checks.check('t', {'a': (1.0, 1.0)}, 1e-8)\n"
        "print(answers.digests())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    shown, now = done.stdout.splitlines()
    assert f"'answers': {now}" in shown
