"""Markers: what is right is taken out, and every slip is named with its line."""

import ast

import pytest

from staff import markers
from staff.questions import ROOT, questions

IDS = ["Q1", "Q2"]
PAIR = """\
def twice(x):
    # TODO(Q1): Double it.
    # Hint: add.
    # BEGIN SOLUTION
    y = 2 * x
    # END SOLUTION
    return y
"""
PROSE = """\
# %% [markdown] id="why"
# **TODO(Q2):** Why?
#
# *Your answer:*
#
# <!-- BEGIN SOLUTION -->
# Because.
# <!-- END SOLUTION -->

# %%
x = 1
"""


def problems(source):
    with pytest.raises(markers.MarkerError) as caught:
        markers.redact(source, "a/b.py", IDS)
    assert str(caught.value).splitlines() == caught.value.problems
    return caught.value.problems


def test_the_answer_goes_and_everything_else_stays():
    text = markers.redact(PAIR, "a/b.py", IDS)

    assert "2 * x" not in text
    assert "SOLUTION" not in text
    assert text.startswith("def twice(x):\n")
    assert text.endswith("    return y\n")
    for kept in ("TODO(Q1): Double it.", "Hint: add.", "END OF YOUR CODE"):
        assert text.count(kept) == 1
    space = {}
    exec(compile(text, "b.py", "exec"), space)
    with pytest.raises(NotImplementedError, match=r"^twice: your code goes here\.$"):
        space["twice"](1)


def test_boxes_are_of_one_width():
    text = markers.redact(PAIR, "a/b.py", IDS)
    box = [line for line in text.splitlines() if line.strip().startswith("#")]

    assert len(box) == 7
    assert {len(line) for line in box} == {88}
    assert all(line.endswith("#") for line in box)


@pytest.mark.parametrize("length", range(70, 89))
def test_a_prompt_of_any_length_fits_into_the_box(length):
    words = ("    # TODO(Q1): " + "word " * 20)[: length - 1].rstrip() + "s"
    source = PAIR.replace("    # TODO(Q1): Double it.", words)
    text = markers.redact(source, "a/b.py", IDS)

    box = [line for line in text.splitlines() if line.strip().startswith("#")]
    assert {len(line) for line in box} == {88}
    assert " ".join(words.split()[1:]) in " ".join(
        " ".join(line.strip("# ") for line in box).split()
    )


def test_a_function_whose_answer_stays_is_boxed_all_the_same():
    text = markers.redact(PAIR, "a/b.py", IDS, keep=["twice"])

    assert "    y = 2 * x\n" in text
    assert "raise" not in text
    assert "END OF YOUR CODE" in text


def test_functions_are_called_by_their_qualified_names():
    source = "class A:\n" + "".join(f"    {line}\n" for line in PAIR.splitlines())
    (region,) = markers.answers(source, "a/b.py", IDS)

    assert (region.function, region.question) == ("A.twice", "Q1")
    assert (region.todo, region.begin, region.end) == (3, 5, 7)


def test_a_function_inside_an_answer_does_not_give_the_name():
    inner = "    def f():\n        return 2 * x\n    y = f()\n"
    source = PAIR.replace("    y = 2 * x\n", inner)

    assert "twice: your code" in markers.redact(source, "a/b.py", IDS)


def test_written_answers_are_taken_out_to_the_last_blank():
    text = markers.redact(PROSE, "Tiny.py", IDS)

    assert "Because" not in text
    assert "# *Your answer:*\n\n# %%\nx = 1\n" in text
    (region,) = markers.answers(PROSE, "Tiny.py", IDS)
    assert (region.function, region.question, region.prose) == ("why", "Q2", True)


def test_extra_exercises_and_plain_comments_are_fine():
    source = PAIR.replace("Q1", "extra") + (
        "# Solutions of linear systems begin with a matrix; in the end x is one.\n"
        "# The beginning: endings and todos, to do later. Do too much and it ends.\n"
        "#: end of file\n# [1] begin\nx = '# BEGIN SOLUTION'\n"
    )
    assert "[1] begin" in markers.redact(source, "a/b.py", IDS)


BEGIN, END, ASK = "# BEGIN SOLUTION", "# END SOLUTION", "# TODO(Q1): Double it."
SLIPS = {
    "lower case": (BEGIN, "# begin solution", 4, "looks like a marker"),
    "typo": (BEGIN, "# BEGIN SOLUTOIN", 4, "looks like a marker"),
    "missing letter": (BEGIN, "# BEGN SOLUTION", 4, "looks like a marker"),
    "no blank": (BEGIN, "#BEGIN SOLUTION", 4, "looks like a marker"),
    "two signs": (BEGIN, "## BEGIN SOLUTION", 4, "looks like a marker"),
    "underscore": (BEGIN, "# BEGIN_SOLUTION", 4, "looks like a marker"),
    "one word": (BEGIN, "# BEGINSOLUTION", 4, "looks like a marker"),
    "other order": (BEGIN, "# SOLUTION BEGIN", 4, "looks like a marker"),
    "another word": (BEGIN, "# START SOLUTION", 4, "looks like a marker"),
    "trailing text": (BEGIN, "# BEGIN SOLUTION: here", 4, "looks like a marker"),
    "trailing dot": (BEGIN, "# BEGIN SOLUTION.", 4, "looks like a marker"),
    "otter's own": (BEGIN, "# BEGIN SOLUTION NO PROMPT", 4, "looks like a marker"),
    "nbgrader's own": (BEGIN, "### BEGIN SOLUTION", 4, "looks like a marker"),
    "plural end": (END, "# END SOLUTIONS", 6, "looks like a marker"),
    "end of": (END, "# END OF SOLUTION", 6, "looks like a marker"),
    "mixed case": (END, "# End Solution", 6, "looks like a marker"),
    "hand-drawn box": (END, "# END OF YOUR CODE", 6, "box will be drawn"),
    "prose's marks": (BEGIN, "# <!-- BEGIN SOLUTION -->", 4, "not the place"),
    "behind code": (f"    {BEGIN}", f"    x = x  {BEGIN}", 4, "line of its own"),
    "todo lower case": (ASK, "# todo(Q1): Double it.", 2, "looks like a marker"),
    "todo typo": (ASK, "# TODOO(Q1): Double it.", 2, "looks like a marker"),
    "todo without id": (ASK, "# TODO: Double it.", 2, "looks like a marker"),
    "todo blank": (ASK, "# TODO (Q1): Double it.", 2, "looks like a marker"),
    "todo no colon": (ASK, "# TODO(Q1) Double it.", 2, "looks like a marker"),
    "todo no blank": (ASK, "#TODO(Q1): Double it.", 2, "looks like a marker"),
    "todo no prompt": (ASK, "# TODO(Q1):", 2, "looks like a marker"),
    "unknown id": (ASK, "# TODO(Q7): Double it.", 2, "no question Q7; there are Q1"),
    "id in lower case": (ASK, "# TODO(q1): Double it.", 2, "no question q1"),
    "no todo": (f"    {ASK}\n    # Hint: add.\n", "", 2, "no TODO right above"),
    "todo too far": ("# Hint: add.\n", "# Hint: add.\n\n", 5, "no TODO right above"),
    "code between": ("# Hint: add.\n", "x = x\n", 4, "no TODO right above"),
    "todo alone": (PAIR, PAIR + "    # TODO(Q1): More.\n    x = 1\n", 8, "no solution"),
    "todo farther in": (
        f"    {ASK}",
        f"        {ASK}",
        4,
        "not indented like its TODO",
    ),
    "end farther in": (
        f"    {END}",
        f"        {END}",
        6,
        "not indented like its BEGIN",
    ),
    "nested": ("    y = 2", f"    {BEGIN}\n    y = 2", 5, "nested in the solution"),
    "todo inside": ("    y = 2", f"    {ASK}\n    y = 2", 5, "a TODO in the solution"),
    "never closed": (f"    {END}\n", "", 4, "never closed"),
    "closes nothing": (f"    {BEGIN}\n", "", 5, "closes nothing"),
    "empty": ("    y = 2 * x\n", "", 4, "nothing in this solution"),
    "only a comment": ("y = 2 * x", "# nothing", 4, "nothing in this solution"),
}


@pytest.mark.parametrize("slip", SLIPS.values(), ids=SLIPS)
def test_slips_are_named_with_their_line(slip):
    old, new, line, words = slip
    assert old in PAIR
    found = problems(PAIR.replace(old, new))

    assert any(p.startswith(f"a/b.py:{line}: ") and words in p for p in found), found


def test_all_slips_are_named_at_once_in_order():
    source = PAIR.replace(END, "# End Solution") + "\n" + PAIR.replace("Q1", "Q9")
    found = problems(source)

    lines = [int(problem.split(":")[1]) for problem in found]
    assert lines == sorted(lines)
    assert len(found) >= 3


PROSE_SLIPS = {
    "code's marks": ("# <!-- BEGIN SOLUTION -->", BEGIN, 6, "not the place"),
    "lower case": (
        "# <!-- BEGIN SOLUTION -->",
        "# <!-- begin solution -->",
        6,
        "looks",
    ),
    "no blanks": ("# <!-- END SOLUTION -->", "# <!--END SOLUTION-->", 8, "looks"),
    "no prompt": ("# **TODO(Q2):** Why?\n", "# Why?\n", 6, "no TODO"),
    "plain todo": ("**TODO(Q2):** Why?", "TODO(Q2): Why?", 2, "looks"),
    "unknown id": ("TODO(Q2)", "TODO(Q3)", 2, "no question Q3"),
    "next cell": (
        "# <!-- END SOLUTION -->\n\n# %%\n",
        "\n# %% [markdown]\n# <!-- END SOLUTION -->\n\n# %%\n",
        6,
        "own cell",
    ),
    "never closed": ("# <!-- END SOLUTION -->\n", "", 6, "never closed"),
    "empty": ("# Because.\n", "#\n", 6, "nothing in this solution"),
}


@pytest.mark.parametrize("slip", PROSE_SLIPS.values(), ids=PROSE_SLIPS)
def test_slips_in_written_answers_are_named(slip):
    old, new, line, words = slip
    assert old in PROSE
    found = problems(PROSE.replace(old, new))

    assert any(p.startswith(f"a/b.py:{line}: ") and words in p for p in found), found


def test_what_is_no_python_is_named():
    assert problems("x = (1\ny = 2\n")[0].startswith("a/b.py:1: this is no Python")
    assert problems(PAIR.replace("return y", "return y)"))[0].startswith("a/b.py:7:")


def test_other_files_may_have_no_marks_at_all():
    markers.refuse_marks("# Solutions, in the end\n#!/bin/bash\nBEGIN SOLUTION?", "a")
    with pytest.raises(markers.MarkerError, match=r"^run\.sh:2: '# end solution'"):
        markers.refuse_marks("echo\n  # end solution\n", "run.sh")


@pytest.mark.parametrize("path", sorted({m for q in questions() for m in q.modules}))
def test_every_graded_function_of_the_table_has_one_answer_under_its_question(path):
    if not (ROOT / path).exists():
        pytest.skip("that question is yet to come")
    ids = [question.id for question in questions()]
    found = markers.answers((ROOT / path).read_text("utf-8"), path, ids)
    graded = {r.function: r.question for r in found if r.question != markers.EXTRA}

    wanted = {
        f.qualname: question.graded_as
        for question in questions()
        for f in question.functions
        if f.file == path and not f.variant
    }
    assert graded == wanted


def test_redacted_modules_parse_and_hold_what_is_given():
    path = "cs231n/rnn_layers.py"
    source = (ROOT / path).read_text("utf-8")
    text = markers.redact(source, path, [q.id for q in questions()])

    def given(code):
        tree = ast.parse(code)
        return {
            node.name: ast.get_docstring(node)
            for node in tree.body
            if isinstance(node, ast.FunctionDef)
        }

    assert given(text) == given(source)
    assert text.count("raise NotImplementedError") == source.count(BEGIN)
