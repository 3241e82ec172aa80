"""Check and hint: names, marks that know arrays again, ladders of three steps."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cs231n.assignment.table import questions
from cs231n.tools.check import command as check
from cs231n.tools.check import marks
from cs231n.tools.check.marks import Mark, Mistake, Record, Records, mark
from cs231n.tools.hint import command as hint
from tests.strategies import arrays, seeds, sizes


def names(chosen):
    return {question.id: [f.short for f in those] for question, those in chosen}


# What is asked for


def test_without_names_all_of_the_default_set_is_chosen():
    edition, chosen = check.select([])
    assert edition == "2017"
    assert list(names(chosen)) == [q.id for q in questions() if edition in q.shared]


@pytest.mark.parametrize(
    ("asked", "edition", "found"),
    [
        (
            ["q4"],
            "2017",
            {
                "Q4": ["content_loss", "gram_matrix", "style_loss", "tv_loss"],
                "Q4-TensorFlow": [
                    *("content_loss", "gram_matrix", "style_loss", "tv_loss")
                ],
            },
        ),
        (
            ["q4-tensorflow"],
            "2017",
            {"Q4-TensorFlow": ["content_loss", "gram_matrix", "style_loss", "tv_loss"]},
        ),
        (["leaky_relu"], "2017", {"Q5-TensorFlow": ["leaky_relu"]}),
        (
            ["cs231n.style_transfer_pytorch.tv_loss"],
            "2017",
            {"Q4": ["tv_loss"]},
        ),
        (["rnn_forward"], "2017", {"Q1": ["rnn_forward"]}),
        (["cs231n.rnn_layers.rnn_forward"], "2017", {"Q1": ["rnn_forward"]}),
        (
            ["loss"],
            "2017",
            {"Q1": ["CaptioningRNN.loss"], "Q2": ["CaptioningRNN.loss:lstm"]},
        ),
        (["captioningrnn.loss:lstm"], "2017", {"Q2": ["CaptioningRNN.loss:lstm"]}),
        (
            ["make_fooling_image"],
            "2017",
            {"Q3": ["make_fooling_image"], "Q3-TensorFlow": ["make_fooling_image"]},
        ),
        (["deepdream"], "2016", {"Q4-2016": ["deepdream"]}),
    ],
)
def test_questions_and_functions_are_found_by_their_names(asked, edition, found):
    picked, chosen = check.select(asked)
    assert (picked, names(chosen)) == (edition, found)


def test_an_edition_can_be_asked_for():
    edition, chosen = check.select(["make_fooling_image"], "2016")
    assert edition == "2016"
    assert list(names(chosen)) == ["Q3-2016"]


def test_a_name_that_does_not_exist_is_answered_with_those_alike(capsys):
    assert check.main(["rnn_forwrd"]) == 2
    assert "rnn_forward" in capsys.readouterr().err
    with pytest.raises(check.UnknownNameError, match="Q5"):
        check.select(["Q5"], "2016")


# Marks


@given(data=st.data(), scale=st.floats(1e-6, 1e6), seed=seeds)
def test_marks_know_an_array_again_and_no_other(data, scale, seed):
    shape = tuple(data.draw(sizes("NTD")).values())
    x = scale * data.draw(arrays({"x": shape}))["x"]
    seen = mark("x", x)
    assert marks.agree(mark("x", x * (1 + 1e-12)), seen, 1e-8)
    nudge = np.random.default_rng(seed).normal(size=shape)
    nudge *= 1e-3 * np.linalg.norm(x) / np.linalg.norm(nudge)
    assert not marks.agree(mark("x", x + nudge), seen, 1e-8)
    assert not marks.agree(mark("x", x[None]), seen, 1e-8)
    assert not marks.agree(mark("x", np.full(shape, np.nan)), seen, 1e-8)


@pytest.mark.parametrize("factor", [-1, 0.5, 3])
def test_multiples_are_recognised(factor, rng):
    x = rng.normal(size=(3, 4))
    assert marks.ratio(mark("x", factor * x), mark("x", x), 1e-8) == (
        pytest.approx(factor)
    )
    assert marks.ratio(mark("x", x + 0.1), mark("x", x), 1e-8) is None
    assert marks.ratio(mark("x", 0 * x), mark("x", x), 1e-8) is None


def test_records_survive_being_written_and_read():
    one, other = Mark((2, 3), (1.5, -2e-9, 0.0, 4.0)), Mark((), (float("nan"),) * 4)
    cache = ((np.arange(6.0).reshape(2, 3), [np.int32([1, 2])], 7, None, "x"),)
    captions = mark("captions", np.int32([[3, 1], [2, 2]]))
    record = Record(
        {"own": {"dx": (one, other)}, "stand-in": {"dx": (one,), "db": (other,)}},
        {"fails at a size of 1": {"N = 1": {"captions": (captions,)}}},
        {"dx": {"timestep": (one, other)}},
        (Mistake("It looks odd.", {"own": {"db": one}}),),
        cache,
        draw=3,
    )
    read = marks.loads(marks.dumps(Records(7, {"f": record, "g": record})))
    assert read.seed == 7
    assert list(read.functions) == ["f", "g"]
    again = read.functions["g"]
    assert again.right["own"]["dx"][0] == one
    assert np.isnan(again.right["stand-in"]["db"][0].along).all()
    (found,) = again.care["fails at a size of 1"]["N = 1"]["captions"]
    assert found.words == (3, 1, 2, 2)
    assert marks.agree(found, captions, 1e-9)
    assert again.mistakes == record.mistakes
    assert again.parts["dx"]["timestep"][0] == one
    assert again.draw == 3
    ((array, (words,), *rest),) = again.cache
    np.testing.assert_array_equal(array, cache[0][0])
    assert words.dtype == np.int32
    assert rest == [7, None, "x"]


def test_every_function_has_its_marks():
    stored = marks.records().functions
    assert set(stored) == {f.key for q in questions() for f in q.functions}
    assert marks.FILE.stat().st_size < 10_500 * len(stored)


# Hints


@pytest.mark.parametrize(
    "function", [f for q in questions() for f in q.functions], ids=lambda f: f.key
)
def test_every_ladder_has_three_steps_and_no_code_below_the_last(function):
    nudge, idea, formula = hint.ladder(function)
    assert len({nudge, idea, formula}) == 3
    for text in (nudge, idea):
        assert not any(sign in text for sign in ("np.", " = ", "@", "**", "(x)"))


@pytest.fixture
def ladder(tmp_path, monkeypatch):
    monkeypatch.setattr(hint, "STATE", tmp_path / "hints.json")


@pytest.mark.usefixtures("ladder")
def test_each_call_goes_one_step_further(capsys):
    seen = []
    for _ in range(4):
        assert hint.main(["rnn_backward"]) == 0
        seen.append(capsys.readouterr().out.splitlines()[0])
    assert seen == [
        "rnn_backward: a nudge (1 of 3)",
        "rnn_backward: the idea (2 of 3)",
        "rnn_backward: the formula (3 of 3)",
        "rnn_backward: the formula (3 of 3)",
    ]
    hint.main(["lstm_forward"])
    assert "a nudge" in capsys.readouterr().out


@pytest.mark.usefixtures("ladder")
def test_ladders_can_be_seen_whole_and_begun_again(capsys):
    hint.main(["tv_loss", "--all"])
    assert capsys.readouterr().out.count("of 3)") == 3
    hint.main(["gram_matrix"])
    hint.main([])
    text = capsys.readouterr().out
    assert "gram_matrix                      1 of 3" in text
    assert "tv_loss                          3 of 3" in text
    hint.main(["tv_loss", "--reset"])
    assert hint.climbed() == {check.select(["gram_matrix"])[1][0][1][0].key: 1}
    hint.main(["--reset"])
    assert hint.climbed() == {}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": "b"}', "\x00"])
def test_a_damaged_memory_begins_at_the_first_step(text, tmp_path, monkeypatch, capsys):
    state = tmp_path / "hints.json"
    state.write_text(text)
    monkeypatch.setattr(hint, "STATE", state)
    assert hint.main(["loss"]) == 0
    assert "CaptioningRNN.loss: a nudge" in capsys.readouterr().out
    assert len(json.loads(state.read_text())) == 1


@pytest.mark.usefixtures("ladder")
@pytest.mark.parametrize(
    ("name", "said"), [("rnn_bakward", "rnn_backward"), ("Q1", "function")]
)
def test_hints_are_for_functions_that_exist(name, said, capsys):
    assert hint.main([name]) == 2
    assert said in capsys.readouterr().err
