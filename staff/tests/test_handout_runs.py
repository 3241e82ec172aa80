"""Programs of a hand-out are run, and every kind of failure is seen and named."""

import posixpath
import re
import shutil

import nbformat
import pytest

from staff.handout import runs
from staff.handout.imports import closure, imported, importers
from staff.handout.runs import (
    has_compiler,
    import_problems,
    judge_cells,
    kernel_problems,
    notebook_problems,
    parse_problems,
    run_tests,
    shelf_problems,
)
from staff.questions import ROOT
from staff.tests.student_folder import handout_files

SETTINGS = """\
[tool.pytest]
addopts = ["--import-mode=importlib"]
pythonpath = ["."]
markers = ["q1: one", "extra: more", "points(n): worth"]
"""
TESTS = """\
import pytest

from cs231n.layer import twice

q1, points = pytest.mark.q1, pytest.mark.points(2)


@q1
@points
def test_graded():
    assert twice(1) == 2


@q1
def test_ungraded_may_pass():
    pass


@pytest.mark.extra
def test_extra_may_skip():
    pytest.skip("later")


@q1
@points
def test_graded_in_groups():
    try:
        twice(1)
    except NotImplementedError as error:
        raise ExceptionGroup("two", [error, ExceptionGroup("one", [error])])
"""


@pytest.fixture
def folder(tmp_path):
    for name in ("cs231n", "tests"):
        (tmp_path / name).mkdir()
    (tmp_path / "cs231n" / "__init__.py").touch()
    (tmp_path / "cs231n" / "layer.py").write_text(
        "def twice(x):\n    raise NotImplementedError('twice: your code goes here.')\n"
    )
    (tmp_path / "cs231n" / "given.py").write_text("def one():\n    return 1\n")
    (tmp_path / "pyproject.toml").write_text(SETTINGS)
    (tmp_path / "tests" / "test_layer.py").write_text(TESTS)
    (tmp_path / "tests" / "test_given.py").write_text(
        "from cs231n.given import one\n\n\ndef test_one():\n    assert one() == 1\n"
    )
    return tmp_path


def test_what_does_not_parse_is_named():
    found = parse_problems(
        {
            "good.py": b"x = 1\n",
            "bad.py": b"x = 1\ny = (\n",
            "nul.py": b"x = '\0'\n",
            "good.sh": b"echo hi\n",
            "windows.sh": b"echo hi\r\n",
            "bad.sh": b"if true; then\n",
            "bad.txt": b"if (\n",
        }
    )
    assert sorted({p.split(":")[0] for p in found}) == sorted(
        ["bad.py", "bad.sh", "nul.py", "windows.sh"]
    )
    assert any(p.startswith("bad.py:2: ") for p in found)


def test_modules_that_do_not_import_are_named(folder):
    assert import_problems(folder, folder) == []
    (folder / "cs231n" / "bad.py").write_text("import cs231n.gone\n")
    (folder / "cs231n" / "worse.py").write_text("raise SystemExit(3)\n")
    found = import_problems(folder, folder)
    assert [line.split(":")[0] for line in found] == ["cs231n.bad", "cs231n.worse"]
    assert not list(folder.rglob("*.pyc"))


@pytest.fixture
def with_tensorflow(folder):
    """A hand-out of which some is in TensorFlow, and that is not as it should be."""
    (folder / "cs231n" / "gan_tf.py").write_text("import cs231n.gone\n")
    for name in ("test_gan_tensorflow.py", "test_few_tensorflow.py"):
        (folder / "tests" / name).write_text("def test_wrong():\n    1 / 0\n")
    return folder


def test_what_needs_tensorflow_is_left_out_where_there_is_none(
    with_tensorflow, monkeypatch
):
    monkeypatch.setattr(runs, "installed", lambda framework: framework != "tensorflow")
    assert import_problems(with_tensorflow, with_tensorflow) == []
    assert shelf_problems(with_tensorflow, with_tensorflow) == []
    assert sorted(runs.left_out(with_tensorflow)) == [
        "cs231n/gan_tf.py",
        "tests/test_few_tensorflow.py",
        "tests/test_gan_tensorflow.py",
    ]


def test_what_needs_tensorflow_is_run_by_itself_where_it_is(
    with_tensorflow, monkeypatch
):
    monkeypatch.setattr(runs, "installed", lambda _: True)
    shelves = []

    def run(folder, data, names):
        shelves.append(names)
        return run_tests(folder, data, names)

    monkeypatch.setattr(runs, "run_tests", run)
    assert runs.left_out(with_tensorflow) == []
    (problem,) = import_problems(with_tensorflow, with_tensorflow)
    assert problem.startswith("cs231n.gan_tf: importing it raises ModuleNotFoundError")
    found = shelf_problems(with_tensorflow, with_tensorflow)
    assert [line.split(" raises ")[0] for line in found] == [
        "tests/test_few_tensorflow.py::test_wrong",
        "tests/test_gan_tensorflow.py::test_wrong",
    ]
    assert shelves == [
        ["tests/test_given.py", "tests/test_layer.py"],
        ["tests/test_few_tensorflow.py", "tests/test_gan_tensorflow.py"],
    ]


def test_every_header_of_a_kernel_is_handed_out():
    files = handout_files()
    sources = [name for name in files if name.endswith((".pyx", ".h"))]
    named = {
        posixpath.join(posixpath.dirname(name), header)
        for name in sources
        for header in re.findall(
            r'(?:#include|extern from) "([^"]+)"', files[name].decode()
        )
    }
    assert "cs231n/support/kernels/tiles.h" in named
    assert named <= set(sources)


@pytest.mark.skipif(not has_compiler(), reason="there is no C compiler")
def test_a_kernel_that_does_not_compile_is_named(folder):
    shutil.copy(ROOT / "setup.py", folder)
    (folder / "cs231n" / "im2col_cython.pyx").write_text(
        'cdef extern from "gone.h":\n  int one()\ndef two():\n  return one()\n'
    )
    (found,) = kernel_problems(folder)
    assert found.startswith("cs231n/im2col_cython.pyx does not compile: ")
    assert "gone.h" in found
    (folder / "cs231n" / "gone.h").write_text("#define one() 1\n")
    assert kernel_problems(folder) == []
    assert not [*folder.rglob("*.so"), *folder.rglob("*.pyd")]


def test_tests_that_end_as_they_should_are_fine(folder):
    assert shelf_problems(folder, folder) == []
    noted = run_tests(folder, folder, ["tests/test_layer.py"])
    outcomes = [test["outcome"] for test in noted.values()]
    assert outcomes == ["failed", "passed", "skipped", "failed"]
    assert {kind for test in noted.values() for kind, _ in test["raised"]} == {
        "NotImplementedError"
    }
    assert not [p for p in folder.rglob("*") if "cache" in p.name or p.suffix == ".pyc"]


OTHERWISE = [
    ("@q1\n@points\ndef test_new():\n    pass\n", "graded, but has passed"),
    ("@q1\n@points\ndef test_new():\n    pytest.skip('x')\n", "has skipped"),
    ("@q1\ndef test_new():\n    assert twice is None\n", "raises AssertionError"),
    ("def test_new():\n    twice(1)\n", "of given code, but needs twice: your"),
    ("@q1\n@points\ndef test_new():\n    undefined\n", "raises NameError"),
    (
        "@q1\n@points\ndef test_new():\n    raise ExceptionGroup('', "
        "[NotImplementedError(), KeyError(1)])\n",
        "raises KeyError",
    ),
    (
        "@pytest.fixture\ndef broken():\n    return 1 / 0\n\n\n@q1\n"
        "def test_new(broken):\n    pass\n",
        "ZeroDivisionError",
    ),
]


def test_tests_that_end_otherwise_are_named(folder):
    head = TESTS.split("@q1", maxsplit=1)[0]
    for k, (text, _) in enumerate(OTHERWISE):
        path = folder / "tests" / f"test_other_{k}.py"
        path.write_text(f"{head}\n\n{text}")
    found = shelf_problems(folder, folder)

    assert len(found) == len(OTHERWISE), found
    for k, (_, words) in enumerate(OTHERWISE):
        (problem,) = [p for p in found if p.startswith(f"tests/test_other_{k}.py")]
        assert words in problem


def test_a_test_file_that_cannot_be_read_is_named(folder):
    (folder / "tests" / "test_broken.py").write_text("import nowhere\n")
    found = shelf_problems(folder, folder)
    assert any("No module named 'nowhere'" in problem for problem in found), found


def test_a_handout_without_graded_tests_is_suspicious(folder):
    (folder / "tests" / "test_layer.py").unlink()
    assert shelf_problems(folder, folder) == ["no graded test was run in the hand-out."]


def test_tests_that_read_nothing_new_can_be_left_out(folder):
    solved = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*.py")
    }
    solved["cs231n/layer.py"] = b"def twice(x):\n    return 2 * x\n"
    (folder / "tests" / "test_given.py").write_bytes(
        broken := b"from cs231n.given import one\n\n\ndef test_one():\n    one(3)\n"
    )
    solved["tests/test_given.py"] = broken
    assert shelf_problems(folder, folder, solved) == []
    assert len(shelf_problems(folder, folder)) == 1


# Notebooks


def code(source, *errors, count=1):
    outputs = [
        {"output_type": "error", "ename": kind, "evalue": text, "traceback": []}
        for kind, text in errors
    ]
    return {
        "cell_type": "code",
        "source": source,
        "execution_count": count,
        "outputs": outputs,
    }


STUB = ("NotImplementedError", "twice: your code goes here.")


def test_what_follows_from_a_stub_is_allowed_and_nothing_else():
    unknown = ("NameError", "name 'y' is not defined")
    stub = code("%time\ny, z = twice(x)", STUB)
    assert list(judge_cells([stub, code("print(y)", unknown)])) == []
    # and what would have been made of it, too
    chain = [stub, code("w = y + 1", unknown)]
    chain.append(code("w", ("NameError", "name 'w' is not defined")))
    assert list(judge_cells(chain)) == []

    assert len(list(judge_cells([code("print(y)", unknown)]))) == 1
    assert len(list(judge_cells([code("print(y)", unknown), stub]))) == 1
    (other,) = judge_cells([stub, code("1 / 0", ("ZeroDivisionError", "division"))])
    assert other == "cell 2 raises ZeroDivisionError: division"
    assert list(judge_cells([code("x", count=None)])) == ["cell 1 was not run."]
    magic = code("%matplotlib inline\ny = (\n    17\n    % f()\n)", STUB)
    assert list(judge_cells([magic, code("print(y)", unknown)])) == []


def test_notebooks_are_run_to_the_end(folder):
    cells = [
        "from cs231n.layer import twice\nx = 1",
        "y = twice(x)",
        "print(y)",
        "1 / 0",
        "print('the end')",
    ]
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    nbformat.write(notebook, folder / "Tiny.ipynb")
    before = (folder / "Tiny.ipynb").read_bytes()
    (found,) = notebook_problems(folder, folder, ["Tiny"])

    assert found.startswith("Tiny.ipynb: cell 4 raises ZeroDivisionError")
    assert (folder / "Tiny.ipynb").read_bytes() == before
    assert not list(folder.glob("**/*.pyc"))


# Which files lean on which

FILES = {
    "cs231n/__init__.py": "",
    "cs231n/a.py": "from cs231n import b\n",
    "cs231n/b.py": "import cs231n.sub.c as c\n",
    "cs231n/sub/__init__.py": "",
    "cs231n/sub/c.py": "x = 1\n",
    "cs231n/d.py": "from cs231n.sub import (\n    c,\n)\n",
    "tests/test_a.py": "from tests.helper import y\n",
    "tests/test_text.py": "code = 'from cs231n.d import x'\n",
    "tests/test_path.py": "path = ROOT / 'cs231n/d.py'\n",
    "tests/helper.py": "from cs231n.a import z\n",
    "tests/test_none.py": "x = 1\n",
}


def test_imports_are_followed_wherever_they_are_said():
    assert closure(FILES, "tests/test_a.py") >= {
        *("tests/helper.py", "cs231n/a.py", "cs231n/b.py", "cs231n/sub/c.py")
    }
    assert importers(FILES, "cs231n/sub/c.py") == {
        name for name in FILES if not name.endswith(("__init__.py", "test_none.py"))
    }
    assert imported("import cs231n\n", frozenset(FILES)) <= {"cs231n/__init__.py"}
    bracketed = "from cs231n.sub import (\n    c,  # noqa (or so)\n    b,\n)\n"
    names = {"cs231n/sub/b.py", "cs231n/sub/c.py"}
    assert names <= imported(bracketed, frozenset(FILES) | names)
    assert importers(FILES, "tests/test_none.py") == {"tests/test_none.py"}


def test_the_plugin_needs_nothing_of_staffs():
    from staff.handout.runs import _PROBE
    from staff.judging.asking import DRIVER

    for path in (_PROBE, DRIVER):
        text = path.read_text("utf-8")
        assert "import staff" not in text
        assert "from staff" not in text
