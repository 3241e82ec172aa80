"""Pages of a grading: whole without a network or a script, with nothing hidden."""

import html
import json
import re
from html.parser import HTMLParser

import pytest

from staff.grading import people, records
from staff.grading.pages.class_page import class_page
from staff.grading.pages.common import sentence
from staff.grading.pages.sheet import grader_page, student_page
from staff.grading.records import Grounds
from staff.grading.scores import standing
from staff.grading.submission import Left, Refused
from staff.grading.written import answers
from staff.tests.grading_fakes import MISTAKE, STEP, judge, submission, written

GROUNDS = Grounds("a" * 64, "b" * 64, {"python": "3.11.7"})
ATTACK = "<script>alert(1)</script>"
VOID = {"meta", "img", "input", "br"}


class Page(HTMLParser):
    """Notes what a page loads, runs and leaves open."""

    def __init__(self, text):
        super().__init__()
        self.open, self.loads, self.scripts, self.ids = [], [], 0, []
        self.handlers = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.scripts += tag == "script"
        self.handlers += [name for name in attrs if name.startswith("on")]
        self.ids += [attrs["id"]] if "id" in attrs else []
        for name in ("src", "href", "action", "data"):
            if name in attrs and not attrs[name].startswith(("#", "data:image/")):
                self.loads.append((tag, attrs[name]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open[-1] != tag:
            assert self.open.pop() in {"li", "p"}
        if self.open:
            self.open.pop()


@pytest.fixture(scope="module")
def hostile():
    """Return a submission whose every text is an attack, and what becomes of it."""
    one = submission(
        f"eve {ATTACK}",
        f"# wrong rnn_step_forward. named {ATTACK}",
        notebooks={
            "RNN_Captioning": written(
                f"{ATTACK} ![x](https://example.com/x.png) [y](javascript:alert(2))"
            ),
            f"{ATTACK}": b"{}",
        },
        left=(Left(f"a/{ATTACK}", ATTACK),),
        remarks=(ATTACK,),
        student={"Student": f"Eve {ATTACK}", "ID": '"><img src=x onerror=alert(3)>'},
    )
    record = records.record(one, judge(one, b"0" * 32), GROUNDS)
    all_ = {"eve": record}
    people.assign(all_, None, "last")
    cell = {"cell": "q1-characters-or-words", "points": 2.0, "of": 3.0}
    people.give_written(all_, {"eve": [cell | {"remark": ATTACK, "who": ATTACK}]})
    s = standing(record, "eve")
    words = answers(one.notebooks, one.edition)
    return one, s, student_page(s, words), grader_page(s, words, one)


def test_pages_load_nothing_and_run_nothing_of_a_students(hostile):
    _, s, student, grader = hostile
    whole = class_page([s], {"eve": "graders/eve.html"}, "limits")

    for text, scripts in ((student, 0), (grader, 1), (whole, 1)):
        page = Page(text)
        assert page.scripts == scripts
        assert page.handlers == []
        assert ATTACK not in text
        assert len(page.ids) == len(set(page.ids))
        assert not page.open
        assert "default-src 'none'" in html.unescape(text)
        local = [place for _, place in page.loads]
        assert all(p.startswith("graders/eve.html") for p in local)


def test_students_see_why_and_nothing_hidden(hostile):
    _, _, student, grader = hostile

    assert MISTAKE in student
    assert "1e-8 is allowed" in student
    assert "HIDDEN INPUT" not in student
    assert "HIDDEN INPUT x = [[1.25, &lt;b&gt;2&lt;/b&gt;]]" in grader
    assert "<img" not in student
    assert "2 of 3 points" in student


def test_both_see_how_fast_functions_are(hostile):
    _, _, student, grader = hostile

    assert "Speed, which costs nothing: loops over time only." in student
    assert re.search(r"Checks: \d+, [\d.]+ s, loops over time only</summary>", grader)


def test_graders_see_code_pictures_and_boxes_for_points(hostile):
    _, _, _, grader = hostile

    assert "rnn_step_forward</span>" in grader  # coloured
    assert 'alt="a loss that falls"' in grader
    assert 'data-cell="q1-characters-or-words"' in grader
    assert re.search(r'name="points"[^>]*value="2"', grader)
    assert "<noscript>" in grader


def test_what_was_refused_or_failed_has_pages_too():
    broken = records.failure(submission(), "Traceback\nKeyError: 3", GROUNDS)
    refused = records.refusal(Refused("x.zip", "It is no zip; send one."), GROUNDS)
    assert "It is no zip; send one." in student_page(standing(refused, "x"), [])
    assert "KeyError: 3" in grader_page(standing(broken, "y"), [], None)
    assert "KeyError: 3" not in student_page(standing(broken, "y"), [])
    class_ = [standing(refused, "x"), standing(broken, "y")]
    text = class_page(class_, {"x": "x.html", "y": "y.html"}, "")
    assert "KeyError: 3" in text
    assert class_page([], {}, "")


def test_a_notebook_of_nonsense_spoils_no_page():
    cell = {"cell_type": "code", "source": "x", "metadata": {}, "outputs": []}
    for output in (
        3,
        {"data": 3},
        {"data": {"image/png": {"a": 1}}},
        {"data": {"image/png": [1, 2]}, "metadata": []},
        {"data": {"image/svg+xml": "<svg onload=alert(1)>"}, "metadata": 4},
    ):
        cells = [cell | {"outputs": [output]}]
        content = {"cells": cells, "nbformat": 4, "metadata": {}}
        one = submission(notebooks={"RNN_Captioning": json.dumps(content).encode()})
        s = standing(records.record(one, judge(one, b"0" * 32), GROUNDS), "a")
        page = grader_page(s, answers(one.notebooks, "2017"), one)
        assert "onload" not in page
        assert STEP.rpartition(".")[2] in page


def test_code_within_a_sentence_is_set_as_code_and_stays_harmless():
    said = sentence(f"Put it under `if __name__ == '__main__':`, not {ATTACK} or `a")
    assert "<code>if __name__ == &#39;__main__&#39;:</code>" in said
    assert "<script" not in said
    assert said.endswith("or `a")
    assert "<code>&lt;script&gt;alert(1)&lt;/script&gt;</code>" in sentence(
        f"`{ATTACK}`"
    )
