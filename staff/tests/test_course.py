"""The course's settings: read once, said everywhere, and left out where unset."""

import json
import re
import tomllib
from dataclasses import replace

import pytest

from staff import convert, pages
from staff.course import FILE, CourseError, course, heading
from staff.handout import files
from staff.questions import ROOT, questions, table_for_students

SET = replace(
    course(),
    repository="https://github.com/someone/course",
    release="https://example.org/assignment3-handout.zip",
    email="staff@example.org",
)


@pytest.fixture
def written(tmp_path):
    (tmp_path / "staff").mkdir()

    def write(name, value):
        text = (ROOT / FILE).read_text("utf-8")
        text, count = re.subn(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.M)
        assert count == 1
        (tmp_path / FILE).write_text(text)
        return tmp_path

    return write


def test_the_term_is_the_version():
    with (ROOT / "pyproject.toml").open("rb") as file:
        assert course().term == tomllib.load(file)["project"]["version"]


def test_no_address_is_made_up():
    assert heading(replace(SET, repository="", release="", email="")) == (
        f"# {course().name}"
    )
    assert "Colab" not in replace(SET, release="").badges()
    assert replace(SET, repository="").badges() == ""


def test_addresses_that_are_set_are_badges_and_links():
    said = heading(SET)
    assert "github/someone/course/blob/main/colab/RNN_Captioning.ipynb" in said
    assert "mybinder.org/v2/gh/someone/course/main" in said
    assert "codespaces.new/someone/course" in said
    assert f"({SET.release})" in said
    assert "mailto:staff@example.org" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("repository", '"http://github.com/a/b"'),
        ("repository", '"https://github.com/a"'),
        ("release", '"https://example.org/page.html"'),
        ("email", '"nobody"'),
        ("name", '""'),
    ],
)
def test_a_setting_of_another_form_is_named(written, name, value):
    with pytest.raises(CourseError, match=f"{FILE}: {name} is "):
        course(written(name, value))


def test_settings_that_are_missing_or_unknown_are_named(written):
    root = written("email", '""\nphone = "1"')
    with pytest.raises(CourseError, match="phone is not known"):
        course(root)
    (root / FILE).write_text('name = "A course"\n')
    with pytest.raises(CourseError, match="branch is missing"):
        course(root)


@pytest.fixture
def handed_readme(monkeypatch):
    """Return what collects the hand-out, modules and notebooks as they are."""
    monkeypatch.setattr(files.markers, "redact", lambda source, *_: source)
    monkeypatch.setattr(convert, "convert", lambda *_: b'{"cells": []}')

    def handed():
        return files.collect(ROOT, questions())["README.md"].decode()

    return handed


def test_readme_and_hand_out_begin_with_what_is_set(monkeypatch, handed_readme):
    monkeypatch.setattr(pages, "course", lambda: SET)
    monkeypatch.setattr(files, "course", lambda _: SET)
    readme = (ROOT / "README.md").read_text("utf-8")
    handed = handed_readme()
    for text in (pages.filled(readme), handed):
        assert heading(SET) in text


def test_the_edition_comes_first_wherever_students_meet_it(monkeypatch, handed_readme):
    sets = json.loads(table_for_students("2016"))["sets"]
    assert [chosen["name"] for chosen in sets] == ["2016", "2017"]
    with pytest.raises(ValueError, match=r"no set of questions\.toml"):
        table_for_students("1999")
    monkeypatch.setattr(files, "course", lambda _: replace(SET, edition="2016"))
    text = handed_readme()
    assert (
        text.index("| Q4-2016 |")
        < text.index("The 2017 edition")
        < text.index("| Q5 |")
    )
