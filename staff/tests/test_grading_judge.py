"""The judge: what is right earns all, and what is wrong costs its own points."""

import ast
import textwrap

import pytest

from cs231n.assignment.table import functions, questions
from cs231n.tools.check import marks
from staff.grading import judge as judging
from staff.grading.remote import Limits
from staff.grading.results import ASKED, CARE, FAILED, PASSED, UNBEGUN
from staff.grading.rubric import FILE, Rubric, RubricError, rubric
from staff.margins import edition_of
from staff.mistakes.bank import bank
from staff.mistakes.writings import with_answer
from staff.tests.graded import (
    lost,
    neighbours,
    remarks,
    solved,
    stubs,
    with_slip,
)
from staff.tests.test_verdicts import (
    INLINED,
    OWN_BACKWARD,
    OWN_STEPS,
    PEEKS,
    SPOILT_STEPS,
)

LAYERS = "cs231n/rnn_layers.py"
MODEL = "cs231n/classifiers/rnn.py"
Q1 = [f.key for q in questions() if q.id == "Q1" for f in q.functions]
STEP, STEP_BACK, FORWARD, BACKWARD, WORDS, WORDS_BACK, LOSS, SAMPLE = Q1


def changed(file, *edits):
    """Return the solved modules with texts replaced in one of them."""
    text = solved()[file]
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return solved() | {file: text}


def answered(name, body, file=LAYERS):
    """Return the solved modules with another answer in one function."""
    return solved() | {file: with_answer(solved()[file], name, f"{body}\n")}


def slip(key, says):
    """Return a mistake of the bank by part of its sentence."""
    return next(s for s in bank()[1] if s.key == key and says in s.says)


@pytest.mark.parametrize("edition", ["2017", "2016"])
def test_the_solved_tree_has_all_points_and_the_hand_out_has_none(graded, edition):
    full = graded.judge(solved(), edition)
    assert sum(check.points for check in full.checks) == pytest.approx(100)
    assert sum(check.of for check in full.checks) == pytest.approx(100)
    assert not [c for c in full.checks if c.state != PASSED or c.remark or c.reason]
    none = graded.judge(stubs(), edition)
    assert {check.state for check in none.checks} == {UNBEGUN}
    assert sum(check.points for check in none.checks) == 0
    assert sum(check.of for check in none.checks) == pytest.approx(100)


def test_the_same_secret_gives_the_same_verdict_in_any_company(graded):
    modules = with_slip(slip(BACKWARD, "h0"), "edit")
    whole = graded.judge(modules, only=Q1)
    assert graded.judge(modules, only=Q1).checks == whole.checks
    alone = graded.judge(modules, only=[STEP, STEP_BACK, FORWARD, BACKWARD])
    assert alone.checks == tuple(c for c in whole.checks if c in alone.checks)
    other = graded.judge(modules, only=Q1, secret=b"another")
    assert [c.state for c in other.checks] == [c.state for c in whole.checks]
    assert [c.hidden for c in other.checks] != [c.hidden for c in whole.checks]


def test_one_wrong_output_costs_its_share_alone_and_is_named(graded):
    right = "return dx, dprev_h, dWx, dWh, db"
    spoilt = changed(LAYERS, (right, right.replace("dWh", "2 * dWh")))
    judged = graded.judge(spoilt, only=Q1)
    wrong = [check for check in judged.checks if check.state == FAILED]
    assert [check.id for check in wrong] == [f"{STEP_BACK}/dWh"]
    assert wrong[0].of == pytest.approx(0.2 * 3)
    assert "factor of two" in wrong[0].reason
    assert "seed" in wrong[0].hidden
    assert "seed" not in wrong[0].reason


def test_a_mistake_of_the_bank_is_named(graded):
    known = next(s for s in bank()[1] if s.key == STEP and s.tier == "asked")
    judged = graded.judge(with_slip(known, "edit"), only=Q1)
    assert lost(judged) == {STEP: 2}
    assert judged.checks[0].mistakes == (known.says,)


def test_layers_that_are_missing_are_replaced_by_the_reference(graded):
    modules = solved() | {LAYERS: stubs()[LAYERS]}
    judged = graded.judge(modules, only=Q1)
    states = {
        check.function: check.state for check in judged.checks if check.tier == ASKED
    }
    assert states[LOSS] == states[SAMPLE] == PASSED
    assert {states[key] for key in Q1[:6]} == {UNBEGUN}


STEPWISE = """
H, T = h0.shape[1], x.shape[1]
hs, caches, prev = [], [], h0
for t in range(T):
    prev, step = rnn_step_forward(x[:, t], prev, Wx, Wh, b)
    hs.append(prev)
    caches.append(step)
h, cache = np.stack(hs, axis=1), caches
"""
STEPWISE_BACK = """
N, T, H = dh.shape
dWx = dWh = db = dprev = 0
dxs = []
for t in reversed(range(T)):
    dxt, dprev, dWxt, dWht, dbt = rnn_step_backward(dh[:, t] + dprev, cache[t])
    dxs.append(dxt)
    dWx, dWh, db = dWx + dWxt, dWh + dWht, db + dbt
dx, dh0 = np.stack(dxs[::-1], axis=1), dprev
"""


def stepwise(text):
    text = with_answer(text, "rnn_forward", STEPWISE)
    return with_answer(text, "rnn_backward", STEPWISE_BACK)


@pytest.mark.parametrize("broken", [STEP, STEP_BACK])
def test_a_sequence_of_steps_is_judged_with_steps_that_are_right(graded, broken):
    text = stepwise(solved()[LAYERS])
    body = {
        STEP: "next_h = x @ Wx + prev_h @ Wh + b\ncache = {'all': (x, prev_h, Wx, Wh)}",
        STEP_BACK: "dx, dprev_h, dWx, dWh, db = [np.zeros(3)] * 5",
    }[broken]
    text = with_answer(text, broken.rpartition(".")[2], f"{body}\n")
    judged = graded.judge(solved() | {LAYERS: text}, only=Q1)
    wrong = set(lost(judged))
    assert broken in wrong
    assert wrong <= {STEP, STEP_BACK}  # the other one cannot read this cache


STATELESS = OWN_STEPS["rnn_forward"].replace("h0, kept = rnn", "state, kept = rnn")
STATELESS = STATELESS.replace("h[:, t] = h0", "h[:, t] = state")
CALLS = (
    "(dh[:, t] + dh0, cache[t])",
    "(cache=cache[t], dnext_h=dh[:, t] + dh0)",
)


@pytest.mark.parametrize("peek", PEEKS)
@pytest.mark.parametrize("spoilt", SPOILT_STEPS)
@pytest.mark.parametrize("call", CALLS)
def test_a_sequence_may_look_into_the_caches_of_wrong_steps(graded, spoilt, peek, call):
    name, old, new = SPOILT_STEPS[spoilt]
    text = solved()[LAYERS]
    for step, body in OWN_STEPS.items():
        body = body.replace(old, new) if step == name else body
        text = with_answer(text, step, textwrap.dedent(body))
    body = textwrap.dedent(OWN_BACKWARD.format(peek=peek))
    body = body.replace("(dh[:, t] + dh0, cache[t])", call)
    text = with_answer(text, "rnn_backward", body)
    judged = graded.judge(solved() | {LAYERS: text}, only=Q1)
    wrong = set(lost(judged))
    assert STEP in wrong or STEP_BACK in wrong
    assert wrong <= {STEP, STEP_BACK}
    assert "Held" not in " ".join(remarks(judged, BACKWARD))


@pytest.mark.parametrize("factor", ["(1 - next_h**2)", "next_h"])
def test_a_sequence_that_does_without_wrong_steps_reads_right_outputs(graded, factor):
    text = solved()[LAYERS]
    for step, body in OWN_STEPS.items():
        text = with_answer(text, step, textwrap.dedent(body.replace(" + b)", ")")))
    body = INLINED.replace("(1 - next_h**2)", factor)
    text = with_answer(text, "rnn_backward", textwrap.dedent(body))
    judged = graded.judge(solved() | {LAYERS: text}, only=[STEP, FORWARD, BACKWARD])
    assert (BACKWARD in lost(judged)) == (factor == "next_h")
    assert STEP in lost(judged)
    assert FORWARD not in lost(judged)


@pytest.mark.parametrize("spoilt", [("np.tanh", "np.sin"), (" + b)", ")")])
@pytest.mark.parametrize("factor", ["(1 - next_h**2)", "next_h"])
def test_a_steps_backward_pass_reads_right_outputs(graded, spoilt, factor):
    text = solved()[LAYERS]
    for step, body in OWN_STEPS.items():
        text = with_answer(text, step, textwrap.dedent(body.replace(*spoilt)))
    text = text.replace("dnext_h * (1 - next_h**2)", f"dnext_h * {factor}")
    judged = graded.judge(solved() | {LAYERS: text}, only=[STEP, STEP_BACK])
    assert STEP in lost(judged)
    assert (STEP_BACK in lost(judged)) == (factor == "next_h")


@pytest.mark.parametrize("wrong", ["cache, x.shape", "cache[::-1]"])
@pytest.mark.parametrize("carried", [True, False])
def test_a_sequence_is_judged_beside_a_wrong_forward_pass(graded, wrong, carried):
    """Whatever its cache looks like, and whatever states stand there."""
    text = solved()[LAYERS]
    forward = f"""{textwrap.dedent(STATELESS)}cache = {wrong}\n"""
    before = "cache = cache[0]" if "shape" in wrong else "cache = cache[::-1]"
    backward = OWN_BACKWARD.format(peek=f"{before}\n    {PEEKS[0]}")
    if not carried:
        backward = backward.replace("dx[:, t], dh0 = found[:2]", "dx[:, t] = found[0]")
    bodies = OWN_STEPS | {"rnn_forward": forward, "rnn_backward": backward}
    for name, body in bodies.items():
        text = with_answer(text, name, textwrap.dedent(body))
    judged = graded.judge(solved() | {LAYERS: text}, only=[FORWARD, BACKWARD])
    assert FORWARD in lost(judged)
    assert (BACKWARD in lost(judged)) != carried


def test_a_backward_pass_of_a_wrong_forward_pass_is_judged_by_differences(graded):
    text = with_answer(
        solved()[LAYERS],
        "rnn_step_forward",
        "next_h = np.sin(x @ Wx + prev_h @ Wh + b)\n"
        "cache = [np.cos(x @ Wx + prev_h @ Wh + b), x, prev_h, Wx, Wh]\n",
    )
    text = with_answer(
        text,
        "rnn_step_backward",
        "slope, x, prev_h, Wx, Wh = cache\n"
        "da = dnext_h * slope\n"
        "dx, dprev_h, dWx, dWh = da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da\n"
        "db = da.sum(axis=0)\n",
    )
    judged = graded.judge(solved() | {LAYERS: text}, only=Q1)
    assert set(lost(judged)) == {STEP}
    assert "finite differences" in " ".join(remarks(judged, STEP_BACK))


def test_a_backward_pass_may_be_judged_with_a_cache_of_another_s_layout(graded):
    text = stepwise(solved()[LAYERS])
    text = with_answer(text, "rnn_forward", "h, cache = x * np.nan, None\n")
    judged = graded.judge(solved() | {LAYERS: text}, only=Q1)
    assert set(lost(judged)) == {FORWARD}


CARE_SLIPS = [s for s in bank()[1] if s.tier == "care" and not s.implied]


@pytest.mark.parametrize("known", CARE_SLIPS[::9], ids=lambda s: s.key[-30:])
def test_what_only_care_sees_costs_nothing_and_is_said(graded, known):
    modules = with_slip(known, "edit")
    judged = graded.judge(modules, edition_of(known.key), neighbours(known.key)[:8])
    assert not lost(judged)
    if known.key in neighbours(known.key)[:8]:
        assert remarks(judged, known.key.partition(":")[0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def f(:\n", "cannot be read"),
        ("print 'x'\n", "Python 2"),
        ("import tensorflow_of_old\n", "tensorflow_of_old"),
        ("import sys\nsys.exit(3)\n", "SystemExit"),
        ("import os\nos._exit(0)\n", "ended the whole program"),
        ("import time\ntime.sleep(60)\n", "did not end within"),
        ("raise KeyError('x')\n", "KeyError"),
    ],
)
def test_a_file_that_cannot_be_used_costs_its_own_points(graded, text, said):
    judged = graded.judge(
        solved() | {LAYERS: text}, only=Q1, limits=Limits(call=2, start=3)
    )
    assert set(lost(judged)) == set(Q1[:6])
    assert all(said in c.reason for c in judged.checks if c.state == FAILED)


def test_a_function_that_is_gone_costs_its_own_points(graded):
    modules = changed(LAYERS, ("def rnn_forward(", "def renamed_forward("))
    judged = graded.judge(modules, only=Q1)
    assert set(lost(judged)) == {FORWARD}
    assert "not there any more" in " ".join(c.reason for c in judged.checks)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import time; time.sleep(60)", "did not end within"),
        ("import os; os._exit(1)", "ended the whole program"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", ""),
        ("raise SystemExit", "SystemExit"),
        ("next_h, cache = object(), None", "object"),
        ("next_h, cache = np.array([None] * 3), None", "array of object"),
        ("next_h, cache = np.zeros(3, 'i4,f8'), None", "array of"),
        ("next_h, cache = np.broadcast_to(0.0, (1 << 20, 1 << 20)), None", "array of"),
        ("next_h, cache = 'x' * 10**6, None", "a str"),
        ("next_h, cache = x * np.nan, None", ""),
        ("next_h, cache = np.zeros((2, 3), complex), None", "complex"),
        (
            "import os\nfor k in range(99):\n    try: os.write(k, b'x' * 64)\n"
            "    except OSError: pass\nnext_h = cache = x",
            "",
        ),
    ],
)
def test_a_function_that_misbehaves_costs_its_own_points(graded, body, said):
    near = [STEP, STEP_BACK, FORWARD]
    judged = graded.judge(
        answered("rnn_step_forward", body), only=near, limits=Limits(call=2, start=5)
    )
    assert set(lost(judged)) == {STEP}
    assert said in judged.checks[0].reason


def test_arrays_of_strange_classes_are_taken_for_their_numbers(graded):
    text = solved()[LAYERS] + (
        "\n\nclass Odd(np.ndarray):\n"
        "    def __array_ufunc__(self, *a, **k): raise ValueError\n"
        "    def __eq__(self, other): return True\n"
        "    def __reduce__(self): raise ValueError\n"
        "\n\nclass Seeming:\n"
        "    def __init__(self, x): self.x = x\n"
        "    def __array__(self, *a, **k): return self.x\n"
    )
    right = "a = np.tanh(x @ Wx + prev_h @ Wh + b)\ncache = (x, prev_h, Wx, Wh, a)\n"
    for made in ("a.view(Odd)", "Seeming(a)", "a.tolist()", "np.matrix(a)"):
        body = right + f"next_h = {made}"
        judged = graded.judge(
            solved() | {LAYERS: with_answer(text, "rnn_step_forward", f"{body}\n")},
            only=[STEP],
        )
        assert not lost(judged)
        body = right + f"a = a + 1e-3\nnext_h = {made}"
        judged = graded.judge(
            solved() | {LAYERS: with_answer(text, "rnn_step_forward", f"{body}\n")},
            only=[STEP],
        )
        assert set(lost(judged)) == {STEP}


def test_a_function_that_knows_the_public_inputs_earns_nothing(graded):
    right = (
        "next_h = np.tanh(x @ Wx + prev_h @ Wh + b)\n"
        "cache = (x, prev_h, Wx, Wh, next_h)"
    )
    body = f"{right}\nif x.shape != (3, 2): next_h = next_h * 0"
    judged = graded.judge(answered("rnn_step_forward", body), only=Q1)
    assert set(lost(judged)) == {STEP}
    assert "right on the public inputs" in judged.checks[0].reason


def test_a_module_that_was_not_handed_in_is_not_started(graded):
    modules = {name: text for name, text in solved().items() if name != MODEL}
    judged = graded.judge(modules, only=Q1)
    assert set(lost(judged)) == {LOSS, SAMPLE}
    assert {c.state for c in judged.checks if c.function == LOSS} == {UNBEGUN}


def test_a_style_loss_is_differentiated_through_the_reference_s_matrix(graded):
    file = "cs231n/style_transfer_pytorch.py"
    keys = [f.key for f in functions() if f.module.endswith("style_transfer_pytorch")]
    modules = answered("gram_matrix", "gram = features.sum() * 2", file)
    judged = graded.judge(modules, only=keys)
    assert {key.rpartition(".")[2] for key in lost(judged)} == {"gram_matrix"}


def test_nothing_that_is_said_holds_an_expected_value(graded):
    modules = answered("rnn_step_forward", "next_h, cache = x @ Wx * 0.37, None")
    judged = graded.judge(modules, only=[STEP])
    assert judged.checks[0].state == FAILED
    # Numbers of public inputs alone: the check prints the same.
    public = graded.judge(modules, only=[STEP], secret=b"another")
    assert judged.checks[0].reason == public.checks[0].reason


def test_a_message_of_the_student_s_gives_no_hidden_input_away(graded):
    modules = answered("rnn_step_forward", "raise ValueError(str(x[0, 0]))")
    one = graded.judge(modules, only=[STEP], secret=b"one").checks[0]
    other = graded.judge(modules, only=[STEP], secret=b"other").checks[0]
    assert one.reason == other.reason
    assert one.hidden != other.hidden


def test_withdrawn_checks_give_their_points_to_who_began(graded):
    text = FILE.read_text("utf-8") + f'"{STEP}/next_h" = "its inputs were wrong"\n'
    changed_rubric = Rubric(text)
    assert changed_rubric.digest != rubric().digest
    modules = answered("rnn_step_forward", "next_h, cache = x, None")
    judged = graded.judge(modules, only=[STEP], rubric=changed_rubric)
    assert [c.points for c in judged.checks if c.tier == ASKED] == [2]
    assert "its inputs were wrong" in judged.checks[0].remark
    judged = graded.judge(stubs(), only=[STEP], rubric=changed_rubric)
    assert [c.points for c in judged.checks] == [0]


def test_care_counts_where_the_table_says_so(graded):
    title = "turns float32 into another dtype"
    row = (
        f'\n[functions.rnn_step_forward]\ncare = {{ "{title}" = 0.25 }}\n\n[withdrawn]'
    )
    paid = Rubric(FILE.read_text("utf-8").replace("\n[withdrawn]", row))
    body = (
        "next_h = np.tanh(x @ Wx + prev_h @ Wh + b).astype(float)\n"
        "cache = (x, prev_h, Wx, Wh, next_h)"
    )
    judged = graded.judge(answered("rnn_step_forward", body), only=[STEP], rubric=paid)
    assert sum(c.points for c in judged.checks) == pytest.approx(1.5)
    assert [c.name for c in judged.checks if c.state == FAILED] == [title]
    assert [c.tier for c in judged.checks if c.state == FAILED] == [CARE]


@pytest.mark.parametrize(
    "row",
    [
        '[functions.rnn_stepp_forward]\nshares = { "*" = 1 }',
        '[functions.rnn_step_forward]\nshares = { "*" = 0.9 }',
        '[functions.rnn_step_forward]\nshares = { "next_h" = 0.5, "c" = 0.5 }',
        '[functions.rnn_step_backward]\nshares = { "dx" = 1 }',
        '[functions.rnn_step_forward]\ncare = { "is late" = 0.1 }',
    ],
)
def test_a_rubric_that_names_what_is_not_there_is_refused(row):
    text = FILE.read_text("utf-8").replace("\n[withdrawn]", f"\n{row}\n\n[withdrawn]")
    with pytest.raises(RubricError):
        Rubric(text)


def test_every_check_of_the_rubric_has_a_name_of_its_own():
    for f in functions():
        entries = rubric().entries(f)
        assert len({e.name for e in entries}) == len(entries)
        assert sum(e.share for e in entries) == pytest.approx(1)
        assert {n for e in entries for n in e.outputs} == set(
            marks.records().functions[f.key].right["own"]
        )


def test_seeds_are_drawn_from_the_secret_the_submission_and_the_function():
    from staff.grading.submission import Submission

    def seeds(secret, text):
        made = judging.Judging(
            Submission("a", "x", "2017", {LAYERS: text}), secret, None, rubric(), None
        )
        return [d.seed for f in functions() for d in made.draws(f)]

    assert seeds(b"one", "x") == seeds(b"one", "x")
    assert len(set(seeds(b"one", "x"))) == len(seeds(b"one", "x"))
    assert not set(seeds(b"one", "x")) & set(seeds(b"two", "x"))
    assert not set(seeds(b"one", "x")) & set(seeds(b"one", "y"))


def without(name):
    """Return the solved modules, from one of which a function was deleted."""
    text = solved()[LAYERS]
    (node,) = (
        n
        for n in ast.parse(text).body
        if isinstance(n, ast.FunctionDef) and n.name == name
    )
    lines = text.splitlines(keepends=True)
    return solved() | {
        LAYERS: "".join(lines[: node.lineno - 1] + lines[node.end_lineno :])
    }


def test_a_given_function_that_was_deleted_costs_nothing_elsewhere(graded):
    judged = graded.judge(without("temporal_softmax_loss"), only=Q1)
    assert lost(judged) == {}
    assert remarks(judged, LOSS) == [
        "cs231n/rnn_layers.py lacks temporal_softmax_loss, which it had when it was "
        "handed out, and cs231n/classifiers/rnn.py takes from it: copy it back"
    ]


def test_an_answer_that_was_deleted_costs_its_own_points_alone(graded):
    judged = graded.judge(without("word_embedding_forward"), only=Q1)
    assert lost(judged).keys() == {WORDS}
