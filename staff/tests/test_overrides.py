"""What people decide after the grader: read with clear errors, then applied."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staff.grading import overrides
from staff.grading.overrides import OverridesError, apply, parse, require_known
from staff.grading.results import FAILED, PASSED, Check

HEAD = "student,check,points,reason,who\n"
VALUES = "cs231n.rnn_layers.rnn_forward/values"
DX = "cs231n.rnn_layers.rnn_backward/dx"
CHECKS = (
    Check("cs231n.rnn_layers.rnn_forward", "values", "asked", FAILED, 0, 2, "Wrong."),
    Check("cs231n.rnn_layers.rnn_backward", "dx", "asked", PASSED, 3, 3, remark="Hm."),
)


def problems(text):
    with pytest.raises(OverridesError) as caught:
        parse(text, "o.csv")
    return caught.value.problems


def test_lines_are_read():
    text = f'{HEAD}\n# appeals\n4711,{VALUES},1.5,"an appeal, upheld",ab\n'
    text += f"*,{DX},,unfair,cd\n"
    one, all_ = parse(text, "o.csv")
    assert (one.student, one.check, one.points, one.line) == ("4711", VALUES, 1.5, 4)
    assert (one.reason, one.who, one.is_withdrawal) == (
        "an appeal, upheld",
        "ab",
        False,
    )
    assert (all_.points, all_.is_withdrawal, all_.line) == (None, True, 5)


def test_columns_may_have_another_order():
    (one,) = parse(f"who,Reason,points,check,student\nab,why,1,{DX},7\n", "o.csv")
    assert (one.student, one.check, one.points, one.who) == ("7", DX, 1, "ab")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"7,{DX},1,why", "4 cells, and the first line 5"),
        (f"7,{DX},1,why,not,ab", "6 cells"),
        (f",{DX},1,why,ab", "student is empty"),
        ("7,,1,why,ab", "check is empty"),
        (f"7,{DX},1,,ab", "reason is empty"),
        (f"7,{DX},1,why,", "who is empty"),
        (f"7,{DX},,why,ab", "a number is wanted"),
        (f"7,{DX},two,why,ab", "'two'; a number is wanted"),
        (f"7,{DX},-1,why,ab", "a number from 0 on"),
        (f"7,{DX},nan,why,ab", "a number from 0 on"),
        (f"7,{DX},inf,why,ab", "a number from 0 on"),
        ("7,rnn_forward,1,why,ab", "is no check"),
        (f"*,{DX},2,why,ab", "leave them empty"),
    ],
)
def test_lines_of_no_use_are_all_named(line, said):
    good = f"8,{VALUES},1,why,ab\n"
    found = problems(f"{HEAD}{good}{line}\n\n9,x,1,why,ab\n")
    assert len(found) == 2
    assert found[0].startswith("o.csv:3: ")
    assert said in found[0]
    assert found[1].startswith("o.csv:5: x is no check")


def test_one_decision_a_student_and_check():
    line = f"7,{DX},1,why,ab\n"
    (found,) = problems(f"{HEAD}{line}8,{DX},1,why,ab\n{line}")
    assert found.startswith("o.csv:4: line 2 says something of the same student")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "o.csv:1: it is empty"),
        ("student,check\n", "lacks points, reason, who"),
        (f'{HEAD}7,"{DX}', "no csv"),
    ],
)
def test_files_of_no_use(text, said):
    assert said in problems(text)[0]


def test_a_reason_may_have_lines():
    text = f'{HEAD}7,{DX},1,"first\nsecond",ab\n8,x,1,why,ab\n'
    assert problems(text)[0].startswith("o.csv:4: x is no check")


def test_files_are_read(tmp_path):
    path = tmp_path / "o.csv"
    with pytest.raises(OverridesError, match=r"o\.csv:1: it cannot be read"):
        overrides.read(path)
    path.write_bytes(f"\ufeff{HEAD}7,{DX},1,why,ab\r\n".encode())
    assert overrides.read(path)[0].student == "7"
    path.write_bytes(b"a\0b")
    with pytest.raises(OverridesError, match="no csv"):
        overrides.read(path)


def test_points_of_one_student_change():
    decided = parse(f"{HEAD}7,{VALUES},1.5,an appeal,ab\n8,{DX},0,copied,ab\n", "o.csv")
    checks, used = apply(CHECKS, decided, ["7"])
    assert [c.points for c in checks] == [1.5, 3]
    assert checks[0].state == FAILED
    assert checks[0].reason == "Wrong."
    assert checks[0].remark == "Set to 1.5 by hand: an appeal (ab)."
    assert checks[1] is CHECKS[1]
    assert used == decided[:1]
    assert apply(CHECKS, decided, ["9"]) == (CHECKS, ())


def test_a_member_of_a_group_is_enough():
    decided = parse(f"{HEAD}8,{VALUES},2,an appeal,ab\n", "o.csv")
    assert apply(CHECKS, decided, ["7", "8"])[0][0].points == 2


def test_a_withdrawn_check_is_everybodys():
    decided = parse(f"{HEAD}*,{VALUES},,it was wrong,ab\n", "o.csv")
    for student in "789":
        checks, used = apply(CHECKS, decided, [student])
        assert (checks[0].points, checks[0].state) == (2, PASSED)
        assert "withdrawn for all: it was wrong (ab)." in checks[0].remark
        assert used == decided


def test_of_two_decisions_the_more_generous_counts():
    decided = parse(f"{HEAD}7,{DX},1,a slip,ab\n*,{DX},,it was wrong,cd\n", "o.csv")
    checks, _ = apply(CHECKS, decided, ["7"])
    assert checks[1].points == 3
    assert (
        checks[1].remark == "Hm. This check was withdrawn for all: it was wrong (cd)."
    )


def test_decisions_about_nobody_and_nothing_are_named():
    text = f"7,{DX},1,why,ab\n9,{DX},1,why,ab\n7,a/b,1,why,ab\n7,{VALUES},2.1,why,ab\n"
    decided = parse(HEAD + text, "o.csv")
    with pytest.raises(OverridesError) as caught:
        require_known(decided, ["7"], CHECKS, "o.csv")
    assert [p[:8] for p in caught.value.problems] == [
        "o.csv:3:",
        "o.csv:4:",
        "o.csv:5:",
    ]
    assert "more than the check is worth, 2" in caught.value.problems[2]
    require_known(decided[:1], ["7"], CHECKS)


@given(st.text(alphabet='7*,"\n #/.1axé', max_size=60))
def test_any_text_is_read_or_says_why_not(text):
    try:
        found = parse(HEAD + text, "o.csv")
    except OverridesError as error:
        said = error.problems
    else:
        said = []
        assert len(apply(CHECKS, found, ["7"])[0]) == len(CHECKS)
    assert all(problem.startswith("o.csv:") for problem in said)
