"""Check as students use it: whole trees, single functions, and code that misbehaves."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from cs231n.gradient_check import assert_gradients_match
from cs231n.tools.check import marks
from cs231n.tools.check.bench import Bench
from cs231n.tools.check.exercises import exercise
from cs231n.tools.check.tries.layers import PAIRS
from cs231n.tools.check.verdict import judge
from staff.mistakes.writings import answer, rewritten, solved, with_answer
from staff.tests import programs
from staff.tests.asked import FUNCTIONS
from staff.tests.student_folder import copy_package

NAMES = sorted({f.name for f in FUNCTIONS.values()})
# Every third goes through all tests; each module has some.
SOME = [
    name if k % 3 == 0 else pytest.param(name, marks=pytest.mark.slow)
    for k, name in enumerate(NAMES)
]
STUBS = {
    name: f'raise NotImplementedError("{FUNCTIONS[name].qualname}: yours to write")\n'
    for name in NAMES
}


def states(answers, among=FUNCTIONS):
    """Return what check says of functions in a tree with other answers."""
    with rewritten(answers):
        return {
            key: judge(FUNCTIONS[key], marks.records(), exercise(key)).state
            for key in among
        }


def siblings(name):
    """Return the keys of functions whose modules have to do with one another."""
    near = {"cs231n.classifiers.rnn": "cs231n.rnn_layers"}
    module = FUNCTIONS[name].module
    return [
        k
        for k, f in FUNCTIONS.items()
        if near.get(f.module, f.module) == near.get(module, module)
    ]


@pytest.mark.parametrize("name", SOME, ids=lambda name: name[7:])
def test_one_answer_in_an_empty_tree_moves_exactly_its_own_points(name):
    stubs = {other: stub for other, stub in STUBS.items() if other != name}
    found = states(stubs, siblings(name))
    assert {k for k, state in found.items() if state == "done"} == {
        k for k, f in FUNCTIONS.items() if f.name == name
    }
    assert set(found.values()) <= {"done", "not started"}


@pytest.mark.parametrize("name", SOME, ids=lambda name: name[7:])
def test_one_answer_taken_away_costs_exactly_its_own_points(name):
    found = states({name: STUBS[name]}, siblings(name))
    assert {k for k, state in found.items() if state != "done"} == {
        k for k, f in FUNCTIONS.items() if f.name == name
    }


WRONG = {
    "rnn_step_forward": "next_h = x @ Wx + prev_h @ Wh + b\n"
    "cache = (x, prev_h, Wx, Wh, next_h)\n",
    "lstm_forward": "h, cache = np.zeros((len(x), x.shape[1], h0.shape[1])), None\n",
    "word_embedding_forward": "out, cache = W[x] * 2, (x, W.shape)\n",
    "rnn_backward": "dx, dh0, dWx, dWh, db = [np.ones(3)] * 5\n",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_costs_nothing_elsewhere(name):
    name, body = f"cs231n.rnn_layers.{name}", WRONG[name]
    found = states({name: body}, siblings(name))
    assert {k for k, state in found.items() if state != "done"} == {name}


def test_a_backward_pass_may_agree_with_a_wrong_forward_pass():
    forward = "cs231n.rnn_layers.rnn_step_forward"
    backward = "cs231n.rnn_layers.rnn_step_backward"
    linear = {
        forward: "a = x @ Wx + prev_h @ Wh + b\n"
        "next_h, cache = np.sin(a), (x, prev_h, Wx, Wh, np.cos(a))\n",
        backward: answer(solved("cs231n.rnn_layers"), "rnn_step_backward").replace(
            "(1 - next_h**2)", "next_h"
        ),
    }
    with rewritten(linear):
        key = FUNCTIONS[backward]
        verdict = judge(key, marks.records(), exercise(backward))
    assert verdict.state == "done, with a remark"
    assert "rnn_step_forward, which is itself still wrong" in verdict.remarks[0]
    # But zeros all over agree with nothing.
    zeros = {
        forward: "next_h, cache = np.zeros_like(prev_h), (x, prev_h, Wx, Wh)\n",
        backward: "dx, dprev_h, dWx, dWh = (np.zeros_like(v) for v in cache)\n"
        "db = dWh[0]\n",
    }
    assert states(zeros, [forward, backward]) == {
        forward: "wrong",
        backward: "cannot tell yet",
    }


def test_an_lstm_that_nobody_mentions_is_not_started():
    loss = "cs231n.classifiers.rnn.CaptioningRNN.loss"
    body = answer(solved("cs231n.classifiers.rnn"), "CaptioningRNN.loss")
    start = body.index("forward, backward")
    end = body.index("h0, proj_cache")
    only = body[:start] + "forward, backward = rnn_forward, rnn_backward\n" + body[end:]
    found = states({loss: only}, [loss, f"{loss}:lstm"])
    assert found == {loss: "done", f"{loss}:lstm": "not started"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("next_h, cache = None, x @ Wx\n", "next_h is None: nothing was computed."),
        (
            "return prev_h\n",
            "returned an array of float64, shape (3, 5) instead of next_h, cache.",
        ),
        ("return 1, 2, 3\n", "returned 3 results instead of next_h, cache."),
        ("next_h, cache = prev_h[0], 0\n", "has shape (5,) instead of (3, 5)"),
        ("next_h, cache = prev_h * np.nan, 0\n", "holds NaN"),
        ("next_h, cache = prev_h + np.inf, 0\n", "holds infinity"),
        (
            "next_h, cache = 'many words', 0\n",
            "next_h is a str, no array of real numbers.",
        ),
        ("next_h, cache = prev_h + 1j, 0\n", "no array of real numbers"),
        ("next_h, cache = 0 * prev_h, 0\n", "is zero everywhere"),
        (
            "next_h, cache = -2 * np.tanh(x @ Wx + prev_h @ Wh + b), 0\n",
            "-2 times what",
        ),
        (
            "next_h, cache = np.tanh(x @ Wx + prev_h @ Wh + b).astype('f2'), 0\n",
            "is float16, which is too coarse here",
        ),
        (
            "next_h = x @ Wh\ncache = 0\n",
            " of rnn_layers.py: ValueError: matmul",
        ),
        ("next_h = undefined\ncache = 0\n", "NameError: name 'undefined'"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("next_h = rnn_step_forward(x, prev_h, Wx, Wh, b)\n", "RecursionError"),
        ("next_h, cache = word(), 0\n", "NameError"),
    ],
)
def test_messages_say_what_is_wrong(body, said):
    name = "cs231n.rnn_layers.rnn_step_forward"
    with rewritten({name: body}):
        verdict = judge(FUNCTIONS[name], marks.records(), exercise(name))
    assert verdict.state == "wrong"
    assert said in verdict.message


STEP = "cs231n.rnn_layers.rnn_step_forward"
LOSS_BY_STEPS = """
h = features @ W_proj + b_proj
states = []
for t in range(captions_in.shape[1]):
    h, _ = rnn_step_forward(W_embed[captions_in[:, t]], h, Wx, Wh, b)
    states.append(h)
scores = np.stack(states, axis=1) @ W_vocab + b_vocab
loss, _ = temporal_softmax_loss(scores, captions_out, mask)
grads = {name: np.ones_like(value) for name, value in self.params.items()}
"""


@pytest.mark.parametrize("step", [STUBS[STEP], "next_h, cache = x @ Wx, 0\n"])
def test_what_waits_for_another_function_says_so(step):
    loss = "cs231n.classifiers.rnn.CaptioningRNN.loss"
    with rewritten({loss: LOSS_BY_STEPS, STEP: step}):
        verdict = judge(FUNCTIONS[loss], marks.records(), exercise(loss))
    assert verdict.state == "cannot tell yet"
    assert verdict.message.startswith("rnn_step_forward comes first")
    # What a made-up step shows to be wrong needs no real one.
    forward = "cs231n.rnn_layers.rnn_forward"
    with rewritten({forward: "h, cache = rnn_step_forward(x, h0, Wx, Wh, b)\n"}):
        verdict = judge(FUNCTIONS[forward], marks.records(), exercise(forward))
    assert verdict.state == "wrong"
    backward = "cs231n.rnn_layers.lstm_backward"
    with rewritten(
        {
            "cs231n.rnn_layers.lstm_forward": STUBS["cs231n.rnn_layers.lstm_forward"],
            backward: "a, b = cache\n",
        }
    ):
        verdict = judge(FUNCTIONS[backward], marks.records(), exercise(backward))
    assert verdict.state == "cannot tell yet"
    assert verdict.message.startswith("lstm_forward comes first")


# The command, in processes


@pytest.fixture
def tree(tmp_path):
    """Return a copy of the package, without data."""
    return copy_package(tmp_path / "a tree")


def fill(tree, answers):
    for name, body in answers.items():
        file = tree / FUNCTIONS[name].file
        changed = with_answer(file.read_text("utf-8"), FUNCTIONS[name].qualname, body)
        file.write_text(changed, "utf-8")


def run(tree, *words):
    done = programs.run(tree, "-m", "cs231n.check", *words)
    assert "Traceback" not in done.stdout + done.stderr
    return done


def test_the_solved_tree_scores_full_marks_and_an_empty_one_nothing(tree):
    done = run(tree, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert (found["score"], found["possible"]) == (100, 100)
    assert {row["state"] for row in found["functions"].values()} == {"done"}

    fill(tree, STUBS)
    done = run(tree, "--json", "--edition", "2016")
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert (found["score"], found["possible"]) == (0, 100)
    assert {row["state"] for row in found["functions"].values()} == {"not started"}
    assert {row["message"] for row in found["functions"].values()} == {""}

    table = run(tree, "Q1").stdout
    assert table.count("not started") == 9
    assert "0 of 25 points. Within reach: 25 in what is not started." in table


def test_code_that_misbehaves_harms_nothing_but_itself(tree):
    answers = {
        "rnn_step_forward": "while True:\n    pass\n",
        "rnn_step_backward": "for i in range(20_000):\n    print('flood', i)\n"
        + answer(solved("cs231n.rnn_layers"), "rnn_step_backward"),
        "rnn_backward": "import sys\nsys.exit()\n",
        "word_embedding_forward": "import os\nos._exit(3)\n",
        "lstm_step_forward": "input('how now? ')\n",
        "lstm_forward": "raise ValueError('gr\u00fc\u00dfe\\n' * 999)\n",
    }
    fill(tree, {f"cs231n.rnn_layers.{k}": v for k, v in answers.items()})
    done = run(
        tree, "--json", "--limit", "2", "Q1", "lstm_step_forward", "lstm_forward"
    )
    found = {
        k.rpartition(".")[2]: row
        for k, row in json.loads(done.stdout)["functions"].items()
    }
    said = {name: row["message"] for name, row in found.items()}
    assert "loop that never ends" in said["rnn_step_forward"]
    assert found["rnn_step_backward"]["state"] == "done"
    assert found["rnn_forward"]["state"] == "done"
    assert "SystemExit" in said["rnn_backward"]
    assert "ended the Python process" in said["word_embedding_forward"]
    assert found["word_embedding_backward"]["state"] == "done"
    assert "EOFError" in said["lstm_step_forward"]
    assert "ValueError: gr\u00fc\u00dfe" in said["lstm_forward"]
    assert len(said["lstm_forward"]) < 300
    # The endless loop and the sudden end are others' business, not these two's.
    assert found["loss"]["state"] == found["sample"]["state"] == "done"


MEET = """
import time
from pathlib import Path
Path("{0}").touch()
while not Path("{1}").exists():
    time.sleep(0.01)
"""


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs two cores",
)
def test_two_processes_work_at_the_same_time_and_are_told_in_order(tree):
    """Two functions wait for one another, one of NumPy's and one of torch's."""
    pairs = ["cs231n.rnn_layers.rnn_step_forward", "cs231n.gan_pytorch.sample_noise"]
    files = [str(tree / "one"), str(tree / "other")]
    for name, mine, other in zip(pairs, files, reversed(files), strict=True):
        module, _, qualname = name.rpartition(".")
        body = MEET.format(mine, other) + answer(solved(module), qualname)
        fill(tree, {name: body})
    done = run(tree, "--json", "sample_noise", "rnn_step_forward", "--limit", "60")
    found = json.loads(done.stdout)["functions"]
    assert {row["state"] for row in found.values()} == {"done"}
    assert list(found) == pairs


def test_torch_is_imported_only_where_it_is_needed(tree):
    program = (
        "import sys\nfrom cs231n.tools.check.worker import main\nmain(sys.argv[1:])\n"
        "sys.exit(3 if 'torch' in sys.modules else 0)\n"
    )
    for torch, status in ((False, 0), (True, 3)):
        keys = [
            key for key, f in FUNCTIONS.items() if (f.framework == "torch") is torch
        ]
        keys = keys[:1] if torch else keys  # one of torch's needs it, no other does
        done = subprocess.run(
            [sys.executable, "-c", program, *keys],
            cwd=tree,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr
        assert done.stdout.count('"end"') == len(keys)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def f(:\n", "rnn_layers.py cannot be read: line 1: invalid syntax"),
        ("x = 1\n  y = 2\n", "rnn_layers.py cannot be read: line 2: unexpected indent"),
        ("import numpyy\n", "No module named 'numpyy' at line 1 of rnn_layers.py"),
        ("1 / 0\n", "ZeroDivisionError: division by zero at line 1 of rnn_layers.py"),
        ("", "rnn_step_forward is not there any more"),
        ("while True:\n    pass\n", "loop that never ends"),
        ("import os\nos._exit(1)\n", "ended the Python process"),
        ("\x00", "cannot be"),
    ],
)
def test_a_file_that_cannot_be_imported_is_named(tree, text, said):
    (tree / "cs231n" / "rnn_layers.py").write_text(text)
    done = run(tree, "rnn_step_forward", "--limit", "0.5")
    assert done.returncode == 1
    assert said in " ".join(done.stdout.split())


def test_a_question_whose_file_is_not_there_is_told_apart(tree):
    (tree / "cs231n" / "gan_pytorch.py").unlink()
    (tree / "cs231n" / "gan_tf.py").unlink()
    done = run(tree, "Q5", "rnn_step_forward")
    assert "not in this package" in done.stdout
    assert "2 of 2 points" in done.stdout
    assert json.loads(run(tree, "Q5", "--json").stdout)["absent"] == ["Q5"]


def test_a_mistake_is_named_and_a_hint_offered(tree):
    name = "cs231n.rnn_layers.rnn_step_backward"
    body = answer(solved("cs231n.rnn_layers"), "rnn_step_backward")
    fill(tree, {name: body.replace("da.sum(axis=0)", "da.mean(axis=0)")})
    done = run(tree, "rnn_step_backward")
    said = " ".join(done.stdout.split())
    assert "dx, dprev_h, dWx and dWh are right" in said
    assert "In db, it looks as if examples were averaged" in said
    assert "python -m cs231n.hint rnn_step_backward" in said
    assert "Graders try other inputs too" in said


@pytest.mark.parametrize("key", [k for k in FUNCTIONS if "pytorch" not in k])
def test_checks_are_quick(key):
    """One of a few times has to be short: others share the processor's caches."""

    def seconds():
        start = time.process_time()
        judge(FUNCTIONS[key], marks.records(), exercise(key))
        return time.process_time() - start

    assert any(seconds() < 0.3 for _ in range(5))


@pytest.mark.parametrize(
    "name", ["rnn_step", "rnn", "word_embedding", "lstm_step", "lstm"]
)
def test_made_up_layers_have_their_true_adjoints(name, rng):
    pair = next(p for p in PAIRS if p.name == name)
    function = FUNCTIONS[f"cs231n.rnn_layers.{name}_forward"]
    bench = Bench(function, marks.Records(231))
    made_up = pair.stand_in(bench)
    inputs, _ = pair.draw(bench)
    assert_gradients_match(made_up.forward, made_up.backward, inputs, rng)
    # They are nothing like the real ones.
    real = getattr(bench.module, f"{name}_forward")(**inputs)[0]
    assert made_up.forward(**inputs)[0].shape == real.shape
    assert abs(made_up.forward(**inputs)[0] - real).max() > 0.1


@pytest.mark.parametrize("k", range(5))
def test_made_up_steps_tell_timesteps_apart_by_their_input(k):
    """Whatever states a sequence hands on, its gradients can be looked at."""
    pair = next(p for p in PAIRS if p.name == "rnn_step")
    bench = Bench(FUNCTIONS["cs231n.rnn_layers.rnn_step_forward"], marks.Records(231))
    drawn, (dout,) = pair.draw(bench)
    inputs = [*drawn.values()]
    others = [*inputs[:k], inputs[k] + 0.1, *inputs[k + 1 :]]

    def gradients(layer, given):
        return layer.backward(dout, layer.forward(*given)[1])

    made_up = pair.stand_in(bench)
    expected = gradients(made_up, inputs)
    rounded = [x.astype(np.float32) for x in inputs]
    assert all(map(np.allclose, expected, gradients(made_up, rounded)))
    again = gradients(pair.stand_in(bench), others)
    assert {*map(np.allclose, expected, again)} == {k > 0}
    # The same timestep with another state is no repetition.
    assert not any(map(np.allclose, expected, gradients(made_up, others)))


@pytest.mark.parametrize("N", [1, 3])
def test_made_up_layers_take_what_broadcasts(N):
    pair = next(p for p in PAIRS if p.name == "lstm_step")
    bench = Bench(FUNCTIONS["cs231n.rnn_layers.lstm_step_forward"], marks.Records(231))
    inputs, douts = pair.draw(bench, {"N": N})
    H = inputs["prev_c"].shape[1]
    for zero in (0, np.zeros(H), np.zeros((1, H)), np.zeros((N, H))):
        made_up = pair.stand_in(bench)
        *outs, cache = made_up.forward(**inputs | {"prev_c": zero})
        assert [out.shape for out in outs] == [(N, H)] * 2
        grads = made_up.backward(douts[0], zero, cache)
        assert [g.shape for g in grads] == [x.shape for x in inputs.values()]


def test_made_up_layers_refuse_what_does_not_fit():
    pair = next(p for p in PAIRS if p.name == "rnn")
    rnn_forward = FUNCTIONS["cs231n.rnn_layers.rnn_forward"]
    bench = Bench(rnn_forward, marks.Records(231))
    inputs, _ = pair.draw(bench)
    wrong = inputs | {"Wh": inputs["Wh"].repeat(4, axis=1)}
    with pytest.raises(ValueError, match=r"rnn_forward got Wh with shape \(5, 20\)"):
        pair.stand_in(bench).forward(**wrong)


def test_what_was_replaced_is_put_back():
    rnn_forward = FUNCTIONS["cs231n.rnn_layers.rnn_forward"]
    bench = Bench(rnn_forward, marks.Records(231))
    before = bench.module.rnn_step_forward

    def fail_inside():
        with bench.instead(rnn_step_forward=print):
            assert bench.module.rnn_step_forward is print
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert bench.module.rnn_step_forward is before
