"""Extra exercises stop no notebook, and tools know them by their tag."""

import ast
import functools
import json
import sys

import nbformat
import pytest

from cs231n.assignment import stamp as handout
from cs231n.lab.attempts import attempt
from staff import markers
from staff.convert import plain_python
from staff.handout.runs import judge_cells
from staff.questions import ROOT, questions
from staff.report.run import run_notebooks
from staff.tests.student_folder import handout_files

TITLES = ("Extra exercise", "Do something extra", "Extra:")
NAMES = sorted(path.stem for path in (ROOT / "staff" / "notebooks").glob("*.py"))
OURS = {"torch", "np"}  # what fails there is not a student's


def notebook_cells(name):
    return json.loads((ROOT / f"{name}.ipynb").read_bytes())["cells"]


def test_what_is_not_written_is_left_out_in_one_line(capsys):
    with attempt():
        raise NotImplementedError("largest_stretch: your code goes here.")
    said = capsys.readouterr()
    assert said.out == "Left out: largest_stretch: your code goes here.\n"
    assert said.err == ""


def test_what_a_cell_above_did_not_make_is_left_out_too(capsys):
    program = "with attempt():\n    print(never_made)\n"
    exec(program, {"attempt": attempt})
    assert "a cell above was left out or not run" in capsys.readouterr().out


def wrong(x):
    return x + undefined  # noqa: F821


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda: wrong(1), "NameError: name 'undefined' is not defined"),
    ],
)
def test_any_other_error_is_shown_and_goes_no_further(capsys, raised, said):
    with attempt():
        raised()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines()[-1] == said
    assert "Traceback" in shown.err


def test_a_check_that_fails_says_so_once_and_an_interrupt_goes_through(capsys):
    with attempt():
        raise AssertionError("dx is off")
    assert capsys.readouterr().err == "AssertionError: dx is off\n"
    with pytest.raises(KeyboardInterrupt), attempt():
        raise KeyboardInterrupt
    with attempt():
        sys.exit(3)
    assert "take out exit(), quit() and sys.exit()" in capsys.readouterr().err
    with attempt():
        pass
    assert capsys.readouterr() == ("", "")


def headings(text):
    return [
        line.lstrip("# ")
        for line in text.splitlines()
        if line.startswith(("# ", "## "))
    ]


@pytest.mark.parametrize("name", NAMES)
def test_all_cells_below_an_extra_heading_have_the_tag(name):
    inside = False
    for cell in notebook_cells(name):
        text = handout.cell_text(cell)
        tagged = handout.is_extra(cell)
        if cell["cell_type"] == "markdown":
            for title in headings(text):
                if title.startswith(TITLES):
                    inside = True
                    assert tagged, title
                elif not tagged:
                    inside = False
        if "TODO(extra)" in text and "*Your answer:*" in text:
            assert tagged
        if tagged:
            assert inside, text
    assert not inside or name.startswith(
        ("GANs-", "StyleTransfer-", "NetworkVis", "ImageGen")
    )


class Calls(ast.NodeVisitor):
    """Finds calls outside of ``with attempt()`` and of definitions.

    Args:
        names: What must not be called there; everything if None.
    """

    def __init__(self, names):
        self.names, self.found = names, []

    def visit_With(self, node):
        if ast.unparse(node.items[0].context_expr) != "attempt()":
            self.generic_visit(node)

    def visit_FunctionDef(self, _):
        pass

    def visit_Call(self, node):
        called = ast.unparse(node.func)
        keywords = {keyword.arg for keyword in node.keywords}
        if self.names is None:
            is_wrong = called.split(".")[0].split("(")[0] not in OURS
        else:
            is_wrong = (
                called.rpartition(".")[2] in self.names or "beam_width" in keywords
            )
        if is_wrong:
            self.found.append(ast.unparse(node))
        self.generic_visit(node)


@functools.cache
def extra_names():
    """Return the functions and classes that are extra exercises, or call some."""
    ids = [question.id for question in questions()]
    names, bodies = set(), {}
    for path in {path for question in questions() for path in question.extra}:
        text = (ROOT / path).read_text("utf-8")
        for region in markers.answers(text, path, ids):
            names |= {region.function.partition(".")[0]}
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                words = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
                bodies[node.name] = words
    while more := {n for n, words in bodies.items() if words & names} - names:
        names |= more
    return names


def test_what_calls_an_extra_exercise_is_known():
    names = extra_names()
    assert {"largest_stretch", "normalize_spectrally", "run_study"} <= names
    assert {"FastCaptioningRNN", "faithfulness", "paint_with_lbfgs"} <= names
    assert "change_in_levels" not in names


@pytest.mark.parametrize("name", NAMES)
def test_extra_exercises_are_called_where_nothing_is_stopped(name):
    sources = [
        (handout.is_extra(cell), plain_python(handout.cell_text(cell)))
        for cell in notebook_cells(name)
        if cell["cell_type"] == "code"
    ]
    for tagged, source in sources:
        calls = Calls(None if tagged else extra_names())
        calls.visit(ast.parse(source))
        assert calls.found == []


class Imports(Calls):
    """Finds what is imported where an error in it would stop everything."""

    def visit_Import(self, node):
        self.found += [alias.name for alias in node.names]

    def visit_ImportFrom(self, node):
        self.found += [node.module, *(f"{node.module}.{a.name}" for a in node.names)]

    def visit_If(self, node):
        if ast.unparse(node.test) != "TYPE_CHECKING":
            self.generic_visit(node)


def test_a_file_of_an_extra_exercise_that_is_no_python_stops_nothing():
    every = questions()
    graded = {path for question in every for path in question.modules}
    extra = {path for question in every for path in question.extra} - graded
    modules = {path.removesuffix(".py").replace("/", ".") for path in extra}
    assert {"cs231n.extras.gan_extras", "cs231n.extras.adversarial"} <= modules

    def imported(source):
        imports = Imports(None)
        imports.visit(ast.parse(source))
        return modules & set(imports.found)

    for name in NAMES:
        for cell in notebook_cells(name):
            if cell["cell_type"] == "code":
                assert not imported(plain_python(handout.cell_text(cell))), name
    for path in (ROOT / "cs231n").rglob("*.py"):
        if path.relative_to(ROOT).as_posix() not in extra:
            assert not imported(path.read_text("utf-8")), path
    source = "from cs231n.extras import adversarial\n"
    assert imported(source) == {"cs231n.extras.adversarial"}


def test_a_question_about_an_extra_exercise_is_marked_as_one():
    ids = [question.id for question in questions()]
    found = 0
    for path in sorted((ROOT / "staff" / "notebooks").glob("*.py")):
        text = path.read_text("utf-8")
        cells = {c["id"]: c for c in notebook_cells(path.stem)}
        for region in markers.answers(text, path.name, ids):
            if region.prose and region.function in cells:
                tagged = handout.is_extra(cells[region.function])
                assert tagged is (region.question == markers.EXTRA), region
                found += tagged
    assert found


def test_the_stamp_knows_them():
    stamp = handout.read(handout_files()[handout.STAMP])
    assert {n.removesuffix(".ipynb") for n in stamp.extra} == {
        *("GANs-PyTorch", "StyleTransfer-PyTorch", "NetworkVisualization-PyTorch"),
        *("GANs-TensorFlow", "StyleTransfer-TensorFlow"),
        *("NetworkVisualization-TensorFlow", "LSTM_Captioning", "ImageGeneration"),
    }


def test_an_error_in_an_extra_exercise_of_the_course_fails_its_run(tmp_path):
    """What goes on for students must not hide what is wrong with the solved tree."""
    path = tmp_path / "GANs-PyTorch.ipynb"
    lines = [
        f"import sys; sys.path.insert(0, {str(ROOT)!r})",
        "from cs231n.lab.attempts import attempt",
    ]
    cells = [
        nbformat.v4.new_code_cell("\n".join(lines)),
        nbformat.v4.new_code_cell("with attempt():\n    1 / 0"),
    ]
    cells[1].metadata["tags"] = ["extra"]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    run = run_notebooks([path], tmp_path / "out", root=tmp_path)
    assert not run.passed
    executed = nbformat.read(tmp_path / "out" / path.name, as_version=4)
    (problem,) = judge_cells(executed.cells)
    assert "cell 2 says ZeroDivisionError: division by zero" in problem
