"""The one table: students' copy is up to date, and it names what stands in the code."""

import tomllib

import pytest

from cs231n.assignment import table as assignment
from staff import doctor, pages
from staff.questions import TABLE, questions


def test_the_students_copy_is_what_the_table_makes():
    assert assignment.questions() == questions()


def test_a_copy_that_is_out_of_date_is_noticed(tmp_path, monkeypatch, capsys):
    old = tmp_path / "assignment.json"
    monkeypatch.setattr(assignment, "FILE", old)
    assert pages.main(["--check"]) == 1
    assert "python -m staff table" in capsys.readouterr().err
    assert pages.main([]) == 0
    assert pages.main(["--check"]) == 0
    old.write_text(old.read_text("utf-8").replace('"title": "', '"title": "A ', 1))
    assert pages.main(["--check"]) == 1


def test_a_page_asks_for_known_parts_only():
    text = "<!-- made: questions 2017 -->\nold\n<!-- /made -->\n"
    made = pages.filled(text)
    assert "Style transfer | 15 |" in made
    assert "old" not in made
    assert pages.filled(made) == made
    with pytest.raises(KeyError):
        pages.filled("<!-- made: nothing -->\n<!-- /made -->")


def test_every_row_is_complete_and_every_set_is_worth_a_hundred():
    rows = tomllib.loads(TABLE.read_text("utf-8"))
    assert list(doctor.in_table(rows)) == []


def test_files_of_students_say_so_and_hold_the_functions_of_the_table():
    assert list(doctor.in_modules(questions())) == []
