"""The table of what is to be written: it adds up and reads as it was written."""

import pytest

from cs231n.assignment.table import (
    Function,
    editions,
    function,
    functions,
    parse,
    questions,
    ways,
)


def test_points_of_functions_add_up_to_those_of_their_question():
    for question in questions():
        first = next(iter(question.shared))
        assert sum(f.points for f in question.functions) == question.shared[first]


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
                "framework": "torch",
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
    assert (f.module, f.qualname, f.framework) == ("m", "f", "torch")
    assert [question.worth(f, "now"), question.worth(g, "now")] == [3, 2]
    assert [question.worth(f, "then"), question.worth(g, "then")] == [4.8, 3.2]


def test_an_alternative_shares_the_points_of_its_question_and_adds_none():
    row = {"title": "", "notebooks": [], "modules": []}
    table = {
        "questions": [
            row | {"id": "Q1", "functions": [{"name": "m:f", "points": 4}]},
            row
            | {
                "id": "Q1-Other",
                "instead_of": "Q1",
                "framework": "tensorflow",
                "functions": [
                    {"name": "n:f", "points": 3},
                    {"name": "n:g", "points": 1},
                ],
            },
        ],
        "sets": [{"name": "now", "points": {"Q1": 8}}],
    }
    question, other = parse(table)
    assert (question.instead_of, question.graded_as) == ("", "Q1")
    assert (other.instead_of, other.graded_as, other.marker) == ("Q1", "Q1", "q1_other")
    assert (question.points, other.points) == ({"now": 8}, {})
    assert [other.worth(f, "now") for f in other.functions] == [6, 2]
    assert {f.framework for f in other.functions} == {"tensorflow"}


def test_alternatives_stand_in_the_place_of_questions_that_have_points():
    for question in questions():
        for other in ways(question)[1:]:
            assert question.points
            assert not other.points
            assert other.shared == question.points
            assert other.framework != question.framework
