"""The table of what is to be written: it adds up and reads as it was written."""

import pytest

from cs231n.assignment.table import (
    Function,
    editions,
    function,
    functions,
    parse,
    questions,
)


def test_points_of_functions_add_up_to_those_of_their_question():
    for question in questions():
        first = next(iter(question.points))
        assert sum(f.points for f in question.functions) == question.points[first]


@pytest.mark.parametrize("edition", ["2017", "2016"])
def test_every_set_is_worth_a_hundred_points(edition):
    worth = [
        q.worth(f, edition)
        for q in questions()
        if edition in q.points
        for f in q.functions
    ]
    assert sum(worth) == pytest.approx(100)


def test_the_default_set_comes_first_and_no_function_twice():
    assert editions() == ["2017", "2016"]
    keys = [f.key for q in questions() for f in q.functions]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("function", "key", "short"),
    [
        (Function("cs231n.rnn_layers", "f", 1), "cs231n.rnn_layers.f", "f"),
        (Function("a.B", "f", 1), "a.B.f", "f"),
        (Function("a.b", "model.loss", 1), "a.b.model.loss", "model.loss"),
        (
            Function("a.b", "Model.loss", 1, "lstm"),
            "a.b.Model.loss:lstm",
            "Model.loss:lstm",
        ),
    ],
)
def test_functions_have_long_and_short_names(function, key, short):
    assert function.key == key
    assert function.short == short


def test_functions_are_found_by_their_keys():
    assert [function(f.key) for f in functions()] == list(functions())
    with pytest.raises(KeyError):
        function("cs231n.rnn_layers:rnn_forward")


def test_every_function_has_a_plain_variant():
    assert all(function(f.name).qualname == f.qualname for f in functions())


def test_other_sets_scale_the_points():
    table = {
        "questions": [
            {
                "id": "Q1",
                "title": "One",
                "notebooks": [],
                "modules": [],
                "torch": True,
                "functions": [
                    {"name": "m:f", "points": 3},
                    {"name": "m:g", "points": 2},
                ],
            }
        ],
        "sets": [
            {"name": "now", "points": {"Q1": 5}},
            {"name": "then", "points": {"Q1": 8}},
        ],
    }
    (question,) = parse(table)
    f, g = question.functions
    assert (f.module, f.qualname, f.torch) == ("m", "f", True)
    assert [question.worth(f, "now"), question.worth(g, "now")] == [3, 2]
    assert [question.worth(f, "then"), question.worth(g, "then")] == [4.8, 3.2]
