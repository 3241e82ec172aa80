"""Of two ways of doing a question, what was begun is tried, and the better counts."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import pytest

from cs231n.assignment import table
from cs231n.assignment.table import questions, ways
from cs231n.tools.check import begun
from cs231n.tools.check import command as check
from cs231n.tools.check.words import advice
from cs231n.tools.hint import command as hint
from staff import doctor, markers
from staff.grading import command, records
from staff.grading import judge as judging
from staff.grading.judge import MissingFrameworkError
from staff.grading.pages.sheet import grader_page, student_page
from staff.grading.results import ASKED, FAILED, PASSED, Check
from staff.grading.rubric import rubric
from staff.grading.scores import standing
from staff.grading.submission import Submission
from staff.grading.trial import Standing
from staff.mistakes.writings import solved
from staff.questions import ROOT, as_markdown
from staff.tests.student_folder import handout_files, solved_module
from staff.tests.test_grading_records import GROUNDS

BY_ID = {q.id: q for q in questions()}
PAIRS = [(q, way) for q in questions() for way in ways(q)[1:]]
Q4, OTHER = BY_ID["Q4"], BY_ID["Q4-TensorFlow"]


def handed_out(path):
    return handout_files()[path].decode()


# What was begun


@pytest.mark.parametrize("question", questions(), ids=lambda q: q.id)
def test_nothing_is_begun_in_the_handout_and_all_in_the_solution(question):
    for f in question.functions:
        assert not begun.is_begun(handed_out(f.file), f.qualname)
        assert begun.is_begun(solved_module(f.file), f.qualname)
        assert begun.is_begun(solved(f.module), f.qualname)


# Starters as originals have them: in modules of 2020, in cells of 2017 and 2019.
STARTERS = [
    "def f(X, y, model):\n    saliency = None\n    pass\n    return saliency\n",
    "def f(X, target_y, model):\n    X_fooling = X.copy()\n    learning_rate = 1\n"
    "    pass\n    return X_fooling\n",
    "def f(batch_size, dim, seed=None):\n    if seed is not None:\n"
    "        tf.random.set_seed(seed)\n    # TODO\n    pass\n",
    "def f(X, y, model):\n    saliency = None\n    correct_scores = tf.gather_nd("
    "model.scores,\n        tf.stack((tf.range(X.shape[0]), model.labels), axis=1))\n"
    "    pass\n    return saliency\n",
    "def f(x):\n    with tf.variable_scope('discriminator'):\n        pass\n"
    "        return logits\n",
    "def f(x):\n    raise NotImplementedError('later')\n",
    "def g(x):\n    return x + 1\n",
]
WRITTEN = [
    "def f(X, y, model):\n    return tf.reduce_max(tf.abs(X), axis=3)\n",
    "def f(x):\n    pass\n    return x * 2\n",
    "def f(x):\n    return 1\n\ndef f(x):\n    return x + 1\n",
    "def f(x:\n",
]


def test_what_original_handouts_hold_is_not_begun():
    assert [s for s in STARTERS if begun.is_begun(s, "f")] == []
    assert [s for s in WRITTEN if not begun.is_begun(s, "f")] == []


def test_a_box_is_begun_when_anything_was_written_in_it_and_code_is_read_below_it():
    path = OTHER.modules[0]
    text = handed_out(path)
    stub = '    raise NotImplementedError("tv_loss: your code goes here.")\n'
    assert begun.is_begun(text.replace(stub, "    # an idea\n" + stub), "tv_loss")
    assert not begun.is_begun(text.replace(stub, "    # an idea\n"), "gram_matrix")
    assert begun.is_begun(
        text + "\n\ndef tv_loss(a, b):\n    return a * b\n", "tv_loss"
    )
    # A file that cannot be read was written in, unless its box says otherwise.
    torn = f"{text}\nx = (\n"
    assert not begun.is_begun(torn, "tv_loss")
    assert begun.is_begun(torn.replace(stub, "    loss = (\n"), "tv_loss")


@pytest.fixture
def tree(tmp_path):
    """Return a folder and what writes modules to it: solved, or as handed out."""

    def write(*ids):
        for question in questions():
            for path in question.modules:
                text = solved_module(path) if question.id in ids else handed_out(path)
                (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / path).write_text(text, "utf-8")
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("done", "used"),
    [
        ((), ["Q4"]),
        (("Q4",), ["Q4"]),
        (("Q4-TensorFlow",), ["Q4-TensorFlow"]),
        (("Q4", "Q4-TensorFlow"), ["Q4", "Q4-TensorFlow"]),
    ],
)
def test_what_was_begun_is_in_use_or_else_the_first(tree, done, used):
    found = [q.id for q in begun.in_use(questions(), tree(*done))]
    assert [id for id in found if id.startswith("Q4") and "2016" not in id] == used
    assert {"Q1", "Q2", "Q3", "Q5", "Q3-2016", "Q4-2016"} < {*found}
    # What is named alone is in use, be it begun or not.
    assert begun.in_use([OTHER], tree(*done)) == [OTHER]


# The check


@pytest.fixture
def found(tree, monkeypatch, capsys):
    """Return what checks say where some functions are done, and some are wrong."""

    def report(done, right, names=("q4",), tensorflow=True):
        root = tree(*done)
        states = {
            f.key: "done" if f.key in right else "wrong" for f in table.functions()
        }
        monkeypatch.setattr(check, "ROOT", root)
        monkeypatch.setattr(
            check, "installed", lambda name: tensorflow or name != "tensorflow"
        )
        monkeypatch.setattr(
            check,
            "_run_in_groups",
            lambda functions, _: iter(
                [check._wrong("It is.") | {"state": states[f.key]} for f in functions]
            ),
        )
        edition, chosen = check.select([*names])
        result = check.report(edition, chosen, 1.0, show=True)
        check._print_summary(result)
        return result, " ".join(capsys.readouterr().out.split())

    return report


KEYS = {q.id: [f.key for f in q.functions] for q in questions()}


def test_the_better_way_counts_and_both_are_shown(found):
    both = ("Q4", "Q4-TensorFlow")
    result, said = found(both, KEYS["Q4"][:1] + KEYS["Q4-TensorFlow"])
    assert (result["score"], result["possible"]) == (15, 15)
    assert result["counted"] == {"Q4": "Q4-TensorFlow"}
    assert {*result["functions"]} == {*KEYS["Q4"], *KEYS["Q4-TensorFlow"]}
    assert "Q4: 4 in Q4 and 15 in Q4-TensorFlow; Q4-TensorFlow counts" in said
    assert "15 of 15 points. All done." in said  # what is wrong elsewhere is no matter

    result, said = found(both, KEYS["Q4"] + KEYS["Q4-TensorFlow"][:1])
    assert (result["score"], result["counted"]) == (15, {"Q4": "Q4"})
    result, said = found(both, KEYS["Q4"] + KEYS["Q4-TensorFlow"])
    assert (result["score"], result["counted"]) == (15, {"Q4": "Q4"})


def test_what_was_not_begun_is_neither_tried_nor_shown(found):
    for done in ("Q4", "Q4-TensorFlow"):
        result, said = found([done], KEYS[done])
        assert {*result["functions"]} == {*KEYS[done]}
        assert result["counted"] == {"Q4": done}
        assert "counts" not in said
    result, _ = found([], [])
    assert {*result["functions"]} == {*KEYS["Q4"]}
    result, _ = found([], [], names=["q4-tensorflow"])
    assert {*result["functions"]} == {*KEYS["Q4-TensorFlow"]}


def test_without_tensorflow_one_sentence_says_so_and_nothing_is_lost(found):
    result, said = found(("Q4", "Q4-TensorFlow"), KEYS["Q4"], tensorflow=False)
    assert (result["score"], result["possible"]) == (15, 15)
    assert {*result["functions"]} == {*KEYS["Q4"]}
    assert [*result["untried"]] == ["Q4-TensorFlow"]
    assert said.count("TensorFlow is not installed here") == 1
    assert "pip install -r requirements-tensorflow.txt" in said

    # Where nothing else was done, points are within reach, and not lost.
    result, said = found(["Q4-TensorFlow"], [], tensorflow=False)
    assert {r["state"] for r in result["functions"].values()} == {"cannot tell yet"}
    assert said.count("TensorFlow is not installed here") == 1
    assert "15 in what cannot be told yet" in said

    result, said = found([], [], names=["q4-tensorflow"], tensorflow=False)
    assert {r["state"] for r in result["functions"].values()} == {"not started"}
    assert "installed" not in said


def test_frameworks_are_tried_in_processes_of_their_own(monkeypatch):
    asked = []

    class Worker:
        def __init__(self, keys, without):
            del without
            asked.append({table.function(key).framework for key in keys})
            self.keys = keys

        def lines(self, limit):
            del limit
            for key in self.keys:
                yield {"begin": key}
                yield {"end": key}

        def end(self):
            pass

    monkeypatch.setattr(check, "_Worker", Worker)
    functions = [
        f for pair in zip(Q4.functions, OTHER.functions, strict=True) for f in pair
    ]
    functions.append(BY_ID["Q1"].functions[0])
    assert [v["end"] for v in check._run_in_groups(functions, 1)] == [
        f.key for f in functions
    ]
    assert asked == [{"torch"}, {"tensorflow"}, {""}]


def test_a_hint_is_of_the_way_that_was_begun(tree, monkeypatch):
    for done, module in (("Q4-TensorFlow", OTHER), ("Q4", Q4)):
        monkeypatch.setattr(hint, "ROOT", tree(done))
        assert hint._choose("gram_matrix") in module.functions


def test_a_bare_name_is_that_of_the_same_module_and_else_the_first():
    torch, other = Q4.functions[1], OTHER.functions[1]
    assert table.namesake(OTHER.functions[2], "gram_matrix") == other
    assert table.namesake(Q4.functions[2], "gram_matrix") == torch
    assert table.namesake(BY_ID["Q1"].functions[0], "gram_matrix") == torch
    with pytest.raises(KeyError):
        table.namesake(torch, "nothing")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (AttributeError("module 'tensorflow' has no attribute 'placeholder'"), "1"),
        (AttributeError("module 'tensorflow' has no attribute 'layers'"), "1"),
        (RuntimeError("tf.gradients is not supported when eager execution …"), "1"),
        (ValueError("Only instances of `keras.Layer` can be added"), "before 2.16"),
    ],
)
def test_code_of_older_tensorflows_is_named_with_its_age(error, said):
    assert f"This is code for TensorFlow {said}" in advice(error)


# The grader


class Tried:
    """Stands for a trial: what is right is told by a test."""

    right: ClassVar[frozenset[str]] = frozenset()
    asked: ClassVar[list[str]] = []

    def __init__(self, judging, function, worth):
        del judging
        self.function, self.worth = function, worth

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def judge(self):
        self.asked.append(self.function.key)
        done = self.function.key in self.right
        state, points = (PASSED, self.worth) if done else (FAILED, 0.0)
        name = self.function.key
        return Standing([Check(name, "all", ASKED, state, points, self.worth)], done)


@pytest.fixture
def judged(monkeypatch):
    """Return what the judge finds in what was done, where some of it is right."""
    monkeypatch.setattr(judging, "Trial", Tried)
    monkeypatch.setattr(judging, "current_rubric", rubric)

    def judge(done, right, tensorflow=True):
        monkeypatch.setattr(Tried, "right", frozenset(right))
        monkeypatch.setattr(Tried, "asked", [])
        monkeypatch.setattr(
            judging, "installed", lambda name: tensorflow or name != "tensorflow"
        )
        modules = {
            path: solved_module(path) if way.id in done else handed_out(path)
            for question, other in PAIRS
            for way in (question, other)
            for path in way.modules
        }
        one = Submission("ada", "assignment3.zip", "2017", modules)
        keys = [*KEYS["Q4"], *KEYS["Q4-TensorFlow"]]
        return one, judging.judge(one, b"0" * 32, SimpleNamespace, only=keys)

    return judge


def test_the_better_way_is_what_a_record_holds_and_pages_show(judged):
    both = ("Q4", "Q4-TensorFlow")
    right = KEYS["Q4"][:1] + KEYS["Q4-TensorFlow"]
    one, found = judged(both, right)
    assert {c.function for c in found.checks} == {*KEYS["Q4-TensorFlow"]}
    assert sum(c.points for c in found.checks) == pytest.approx(15)
    record = records.record(one, found, replace(GROUNDS, only=("Q4",)))
    assert records.checked(json.loads(records.written(record)), "x") == record
    (row,) = record["verdict"]["questions"]
    assert (row["id"], row["counted"]) == ("Q4", "Q4-TensorFlow")
    assert row["remark"] == (
        "Q4 earns 4 as Q4 and 15 as Q4-TensorFlow: the better one counts."
    )
    shown = standing(record, "ada")
    assert shown.parts[0].title == OTHER.title
    for page in (student_page(shown, []), grader_page(shown, [], one)):
        assert "the better one counts" in page
        assert OTHER.title in page

    _, found = judged(both, KEYS["Q4"])
    assert {c.function for c in found.checks} == {*KEYS["Q4"]}
    assert found.counted == {"Q4": "Q4"}


def test_what_was_not_begun_is_not_judged(judged):
    _, found = judged(["Q4-TensorFlow"], KEYS["Q4-TensorFlow"])
    assert Tried.asked == KEYS["Q4-TensorFlow"]
    assert (found.counted, found.remarks) == ({"Q4": "Q4-TensorFlow"}, {})
    _, found = judged([], [])
    assert Tried.asked == KEYS["Q4"]
    assert sum(c.points for c in found.checks) == 0


def test_without_tensorflow_no_point_is_lost_and_the_grader_is_told(judged):
    both = ("Q4", "Q4-TensorFlow")
    _, found = judged(both, KEYS["Q4"], tensorflow=False)
    assert Tried.asked == KEYS["Q4"]
    assert sum(c.points for c in found.checks) == pytest.approx(15)
    assert "begun in TensorFlow, which was not tried" in found.remarks["Q4"]
    # What was not tried might be better.
    with pytest.raises(MissingFrameworkError, match="Q4 was done in TensorFlow"):
        judged(both, KEYS["Q4"][1:], tensorflow=False)
    with pytest.raises(MissingFrameworkError, match="a Python that has TensorFlow"):
        judged(["Q4-TensorFlow"], [], tensorflow=False)
    # Nobody needs it for what was handed out as it stands.
    _, found = judged(["Q4"], KEYS["Q4"][1:], tensorflow=False)
    assert not found.remarks


def test_an_alternative_that_is_asked_for_stands_for_its_question():
    assert command._questions("q4_tensorflow,q1") == ("Q1", "Q4")
    assert command._questions("Q4-TensorFlow,q4") == ("Q4",)


def test_what_is_earlier_is_of_the_same_module(judged):
    one, _ = judged([], [])
    made = judging.Judging(one, b"0" * 32, SimpleNamespace, rubric(), None)
    made.found = {
        Q4.functions[1].key: Standing(is_right=True),
        OTHER.functions[1].key: Standing(is_right=False),
    }
    assert made.wrong_before(Q4.functions[2]) == []
    assert made.wrong_before(OTHER.functions[2]) == ["gram_matrix"]


# The table, its tests and texts


def test_pages_name_both_notebooks_and_ids_of_questions_that_have_points():
    text = as_markdown(questions(), "2017")
    assert "`StyleTransfer-PyTorch` or `StyleTransfer-TensorFlow`" in text
    assert "Q4-TensorFlow" not in text


@pytest.mark.parametrize("other", [way for _, way in PAIRS], ids=lambda way: way.id)
def test_todos_name_the_question_whose_points_they_earn(other):
    ids = [q.id for q in questions()]
    for path in other.modules:
        text = (ROOT / path).read_text("utf-8")
        found = {a.question for a in markers.answers(text, path, ids)}
        assert found - {"extra"} == {other.instead_of}


def test_the_doctor_names_an_alternative_that_stands_for_nothing():
    row = {"title": "T", "notebooks": ["N"], "modules": ["m.py"]}
    function = {"name": "m:f", "tries": "t", "points": 4}
    rows = {
        "questions": [
            row | {"id": "Q1", "functions": [function]},
            row | {"id": "Q1-A", "instead_of": "Q1", "functions": [function]},
            row | {"id": "Q2-A", "instead_of": "Q2", "functions": [function]},
            row
            | {
                "id": "Q1-B",
                "instead_of": "Q1",
                "framework": "theano",
                "functions": [function | {"points": 3}],
            },
        ],
        "sets": [{"name": "now", "points": {"Q1": 4}}],
    }
    said = "\n".join(doctor.in_table(rows))
    assert "Q1-A" not in said
    assert "Q2 is in no set" in said
    assert "Q1-B is worth 4 points and its functions 3" in said
    assert "Q1-B needs the framework 'theano'; name torch or tensorflow" in said
