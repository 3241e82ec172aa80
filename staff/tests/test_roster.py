"""Who is meant, which attempt counts, and what came late."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staff.grading import roster
from staff.grading.roster import BEST, Attempt, RosterError, chosen, is_late, parse
from staff.grading.submission import Refused, Submission

CANVAS = """\
\ufeffStudent,ID,SIS User ID,SIS Login ID,Section,Assignment 3 (31415),Current Score
    Points Possible,,,,,100,(read only)
"Díaz, José",4711,S0042,jdiaz,CS231n-01,,
"Müller, Jörg",4712,S0043,jmuller,CS231n-01,,
"van der Berg, Anna Maria",4713,S0044,avdb,CS231n-01,,
"Sørensen, Łukasz",4714,S0045,lsor,CS231n-02,,
"Li, Wei",4715,S0046,wli,CS231n-01,,
"Li, Wei",4716,S0047,wli2,CS231n-02,,
"Student, Test",99,,f00,CS231n-01,,
"""


@pytest.fixture
def people():
    return parse(CANVAS, "roster.csv")


def submission(name="x", student=None, received="", late=False):
    who = student or {"ID": "4711"}
    return Submission(name, "", "2017", {}, student=who, received=received, late=late)


def test_canvas_export_without_its_test_student(people):
    assert [s.id for s in people.students] == [str(n) for n in range(4711, 4717)]
    assert people.students[0].row["Assignment 3 (31415)"] == ""
    assert people.header[:2] == ("Student", "ID")


@pytest.mark.parametrize(
    ("who", "id"),
    [
        ({"ID": "4712"}, "4712"),
        ({"ID": "04712", "Student": "Díaz, José"}, "4712"),
        ({"SIS User ID": "s0043"}, "4712"),
        ({"SIS User ID": "jdiaz"}, "4711"),
        ({"SIS Login ID": "AVDB"}, "4713"),
        ({"Student": "Jose Diaz"}, "4711"),
        ({"Student": "DÍAZ JOSÉ"}, "4711"),
        ({"Student": "Di\u0301az, Jose\u0301"}, "4711"),
        ({"Student": "Anna Maria van der Berg"}, "4713"),
        ({"Student": "vanderberganna"}, "4713 not"),
        ({"Student": "vanderbergannamaria"}, "4713"),
        ({"Student": "Lukasz Sorensen"}, "4714"),
        ({"ID": "1", "Student": "Jörg Müller"}, "4712"),
        ({"File": "jmuller"}, "4712"),
        ({"File": "hand-in of 4714"}, "4714"),
        ({"File": "muller_jorg"}, "4712"),
    ],
)
def test_whom_a_platform_means(people, who, id):
    if id.endswith("not"):
        with pytest.raises(LookupError, match="nobody with"):
            people.find(who)
    else:
        assert [s.id for s in people.find(who)] == [id]


def test_a_name_of_two_is_not_guessed(people):
    with pytest.raises(LookupError, match=r"name of 2 students \(4715, 4716\)"):
        people.find({"Student": "Wei Li"})
    assert people.find({"Student": "Wei Li", "ID": "4716"})[0].id == "4716"


@pytest.mark.parametrize("who", [{}, {"File": "wei"}, {"ID": ""}, {"Student": ""}])
def test_whom_nothing_tells_is_nobody(people, who):
    with pytest.raises(LookupError, match=r"\.$"):
        people.find(who)


def test_a_group_is_everybody_in_it(people):
    who = {"Student": "José Díaz\nJörg Müller", "SIS User ID": "S0042\nS0043"}
    assert [s.id for s in people.find(who)] == ["4711", "4712"]
    attempts = people.match([submission(student=who)]).attempts
    assert set(attempts) == {"4711", "4712"}


def test_a_class_is_sorted(people):
    stranger = submission("s", {"Student": "Nobody Known"})
    broken = Refused("b", "It is broken.", {"ID": "4713"})
    found = people.match([submission("a"), stranger, broken])
    assert {id: len(a) for id, a in found.attempts.items()} == {"4711": 1, "4713": 1}
    assert [(s.name, "nobody with" in why) for s, why in found.unmatched] == [
        ("s", True)
    ]
    assert [s.id for s in found.missing] == ["4712", "4714", "4715", "4716"]


def attempts(people, *made):
    return people.match(made).attempts["4711"]


def test_the_last_attempt_counts_by_time_or_number(people):
    early = submission("b", received="2026-05-01T10:00:00+02:00")
    later = submission("a", received="2026-05-01T09:00:00Z")
    assert chosen(attempts(people, later, early)).submission is later
    nine, ten = submission("x_9_a3"), submission("x_10_a3")
    assert chosen(attempts(people, ten, nine)).submission is ten


def test_what_cannot_be_read_counts_only_alone(people):
    good, broken = submission("a1"), Refused("a2", "Broken.", {"ID": "4711"})
    assert chosen(attempts(people, good, broken)).submission is good
    assert chosen(attempts(people, broken)).submission is broken


def test_the_best_attempt_counts_if_the_course_says_so(people):
    made = [submission(f"a{k}") for k in range(4)]
    points = {"a0": 5.0, "a1": 9.0, "a2": 9.0, "a3": 1.0}
    best = chosen(attempts(people, *made), BEST, lambda s: points[s.name])
    assert best.submission.name == "a2"
    with pytest.raises(ValueError, match="with a score"):
        chosen(attempts(people, *made), BEST)
    with pytest.raises(ValueError, match="'first' was asked for"):
        chosen(attempts(people, *made), "first")


@pytest.mark.parametrize(
    ("received", "said", "late"),
    [
        ("2026-05-27T23:59:59-07:00", False, False),
        ("2026-05-28T07:00:01Z", False, True),
        ("2026-05-28T06:59:59Z", True, False),
        ("", True, True),
        ("", False, False),
        ("yesterday", True, True),
    ],
)
def test_late_is_what_came_after_it_was_due(received, said, late):
    due = datetime.datetime.fromisoformat("2026-05-28T00:00:00-07:00")
    assert is_late(submission(received=received, late=said), due) is late
    assert is_late(submission(received=received, late=said), None) is said


@pytest.mark.parametrize(
    ("text", "name", "id"),
    [
        ("First name;Last name;Email\nAda;Löw;ada@x.edu\n", "Ada Löw", "ada@x.edu"),
        ("name\tstudent id\nAda Löw\t7\n", "Ada Löw", "7"),
        ("NAME\nAda Löw\n", "Ada Löw", "Ada Löw"),
        ("Identifier,Full name\nParticipant 12,Ada Löw\n", "Ada Löw", "Participant 12"),
        ('"Student","ID"\n\n"Löw, Ada",7,more,cells\n,\n', "Löw, Ada", "7"),
    ],
)
def test_other_rosters(text, name, id):
    (student,) = parse(text, "x.csv").students
    assert (student.name, student.id) == (name, id)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "has the columns a, b"),
        ("Student,ID\n", "has nobody in it"),
        ("Student,ID\nA,1\nB,1\n", "A and B under one id, 1"),
        ("Student\nA\nA\n", "under one id"),
    ],
)
def test_rosters_of_no_use(text, said):
    with pytest.raises(RosterError, match=said):
        parse(text, "x.csv")


def test_files_of_no_use(tmp_path):
    path = tmp_path / "x.csv"
    with pytest.raises(RosterError, match="cannot be read"):
        roster.read(path)
    path.write_bytes(b"PK\3\4 a spreadsheet")
    with pytest.raises(RosterError, match="save it as csv"):
        roster.read(path)
    path.write_bytes("Student,ID\nJosé,1\n".encode("latin-1"))
    assert roster.read(path).students[0].name == "José"


@given(st.text(alphabet="aéøŁ ,\n\";\t1'", max_size=60), st.text(max_size=20))
def test_any_text_is_a_roster_or_says_why_not(text, name):
    said = "."
    try:
        found = parse(f"Student,ID\n{text}", "x.csv")
        found.find({"Student": name, "ID": name, "File": name})
    except (RosterError, LookupError) as error:
        said = str(error.args[0])
    assert said.endswith(".")


def test_attempts_know_their_people(people):
    (attempt,) = attempts(people, submission(late=True))
    assert attempt == Attempt(attempt.submission, (people.students[0],), True)
