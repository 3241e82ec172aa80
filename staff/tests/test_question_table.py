"""The one table: students' copy is up to date, and it names what stands in the code."""

import ast
import re

import pytest

from cs231n.assignment import table as assignment
from staff import pages
from staff.questions import ROOT, questions


def test_the_students_copy_is_what_the_table_makes():
    assert assignment.questions() == questions()


def test_a_copy_that_is_out_of_date_is_noticed(tmp_path, monkeypatch, capsys):
    old = tmp_path / "assignment.json"
    monkeypatch.setattr(assignment, "FILE", old)
    assert pages.main(["--check"]) == 1
    assert "python -m staff table" in capsys.readouterr().err
    assert pages.main([]) == 0
    assert pages.main(["--check"]) == 0
    old.write_text(old.read_text("utf-8").replace('"points": 8', '"points": 9'))
    assert pages.main(["--check"]) == 1


def test_every_file_of_the_students_says_so_in_its_first_words():
    files = dict.fromkeys(f for q in questions() for f in (*q.modules, *q.extra))
    for file in files:
        assert pages.summary(ROOT / file).startswith(pages.yours(file)), file


def test_a_page_asks_for_known_parts_only():
    text = "<!-- made: questions 2017 -->\nold\n<!-- /made -->\n"
    made = pages.filled(text)
    assert "Style transfer | 15 |" in made
    assert "old" not in made
    assert pages.filled(made) == made
    with pytest.raises(KeyError):
        pages.filled("<!-- made: nothing -->\n<!-- /made -->")


def marked(source):
    """Return the functions whose body holds a TODO with a question's id."""
    found, lines = set(), source.splitlines()
    stack = [("", ast.parse(source))]
    while stack:
        prefix, node = stack.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                stack.append((f"{prefix}{child.name}.", child))
            elif isinstance(child, ast.FunctionDef):
                body = "\n".join(lines[child.lineno : child.end_lineno])
                if re.search(r"# TODO\(Q", body):
                    found.add(prefix + child.name)
    return found


@pytest.mark.parametrize("question", questions(), ids=lambda q: q.id)
def test_every_function_has_its_todo_and_every_todo_its_function(question):
    for path in question.modules:
        if not (ROOT / path).is_file():
            continue
        named = {f.qualname for q in questions() for f in q.functions if f.file == path}
        assert named == marked((ROOT / path).read_text("utf-8"))
