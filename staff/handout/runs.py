"""What happens when the programs of a hand-out are run: modules, tests, notebooks."""

import ast
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat

from cs231n.assignment.stamp import is_extra
from cs231n.assignment.table import installed
from staff.convert import plain_python
from staff.handout.imports import closure
from staff.judging.asking import environment, run_python
from staff.questions import ROOT, question_of

STUB = "NotImplementedError"
_OF_TENSORFLOW = ("_tf", "_tensorflow")  # ends of the names of what needs it
_QUESTION = re.compile(r"q\d+(?:_\d+)?")
_PROBE = Path(__file__).with_name("probe.py")
_IMPORT = """
import importlib, sys, traceback
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        print(f"{name}: importing it raises {type(error).__name__}: {error}")
"""


def parse_problems(files: Mapping[str, bytes]) -> list[str]:
    """Name Python files that do not parse and scripts that bash would not run."""
    problems = []
    for name, content in files.items():
        if name.endswith(".py"):
            try:
                ast.parse(content)
            except (SyntaxError, ValueError) as error:
                line = getattr(error, "lineno", None) or 1
                problems.append(f"{name}:{line}: this is no Python ({error.args[0]}).")
        if name.endswith(".sh"):
            if b"\r" in content:
                problems.append(f"{name}: lines end in CR LF, which bash cannot read.")
            if bash := shutil.which("bash"):
                done = subprocess.run(
                    [bash, "-n"], input=content, capture_output=True, check=False
                )
                if done.returncode:
                    said = done.stderr.decode(errors="replace").strip()
                    problems.append(f"{name}: bash does not understand it: {said}")
    return problems


def is_of_tensorflow(file: str | Path) -> bool:
    """Tell whether a module or a file of tests needs TensorFlow: its name says so."""
    return Path(file).stem.endswith(_OF_TENSORFLOW)


def left_out(folder: Path) -> list[str]:
    """Return the programs of a hand-out that cannot be run here.

    Args:
        folder: The hand-out.
    """
    if installed("tensorflow"):
        return []
    programs = [*(folder / "cs231n").rglob("*.py"), *folder.glob("tests/test_*.py")]
    return [str(p.relative_to(folder)) for p in programs if is_of_tensorflow(p)]


def import_problems(folder: Path, data: Path) -> list[str]:
    """Import every module of the package in one process, and name those that raise.

    Those that need TensorFlow are left out where that is not installed.
    """
    apart = left_out(folder)
    files = [
        path.relative_to(folder) for path in sorted((folder / "cs231n").rglob("*.py"))
    ]
    modules = [
        ".".join(file.with_suffix("").parts) for file in files if str(file) not in apart
    ]
    modules = [m.removesuffix(".__init__") for m in modules if "__main__" not in m]
    done = run_python("-c", _IMPORT, *modules, cwd=folder, env=environment(data))
    if done.returncode:
        return [f"importing the modules ended with {done.stderr.strip()[-300:]}"]
    return done.stdout.strip().splitlines()


def kernel_problems(folder: Path) -> list[str]:
    """Build the kernels in a copy, as students do, and name those that are not there.

    The build itself ends well in any case, since the kernels are optional. Where there
    is no C compiler there is nothing to find out.
    """
    if not (folder / "setup.py").exists() or not has_compiler():
        return []
    with tempfile.TemporaryDirectory() as name:
        copy = shutil.copytree(folder, Path(name) / "copy")
        done = run_python("setup.py", "build_ext", "--inplace", cwd=copy)
        files = sorted((copy / "cs231n").iterdir())
    built = {f.name.split(".")[0] for f in files if f.suffix in {".so", ".pyd"}}
    missing = [f for f in files if f.suffix == ".pyx" and f.stem not in built]
    said = [line for line in done.stderr.splitlines() if "error" in line.lower()]
    reason = (said or done.stderr.splitlines() or ["no reason given"])[0]
    return [f"cs231n/{f.name} does not compile: {reason}" for f in missing]


def has_compiler() -> bool:
    """Tell whether a C compiler is here that answers to its usual names."""
    return any(shutil.which(name) for name in ("cc", "gcc", "clang"))


def shelf_problems(
    folder: Path, data: Path, solved: Mapping[str, bytes] | None = None
) -> list[str]:
    """Run the hand-out's tests and name those that do not end as they should.

    Graded tests (those with points) fail with NotImplementedError and nothing else.
    Other tests of a question, and those of extra exercises, may pass as well. All the
    others are of given code and pass. What needs TensorFlow runs by itself, where that
    is installed.

    Args:
        folder: The hand-out.
        data: The data folder.
        solved: The same files of the solved tree. Tests are left out that read nothing
            but what is the same there, where they pass already; None leaves none out.
    """
    names = sorted(path.name for path in folder.glob("tests/test_*.py"))
    if solved is not None:
        names = _affected(folder, names, solved)
    files = {f"tests/{name}" for name in names} - set(left_out(folder))
    apart = {name for name in files if is_of_tensorflow(name)}
    shelves = [sorted(shelf) for shelf in (files - apart, apart) if shelf]
    if not shelves:
        return []
    found: dict[str, dict[str, Any]] = {}
    for shelf in shelves:  # no process has both frameworks
        found |= run_tests(folder, data, shelf)
    return list(_judge_tests(found))


def run_tests(
    folder: Path, data: Path, names: Collection[str]
) -> dict[str, dict[str, Any]]:
    """Run tests in a hand-out; return test -> marks, outcome and what was raised."""
    with tempfile.TemporaryDirectory(prefix="cs231n-") as beside:
        shutil.copy(_PROBE, beside)
        noted = Path(beside) / "noted.json"
        done = run_python(
            *("-m", "pytest", "-q", "--tb=no", "--no-summary"),
            *("-p", _PROBE.stem, "-p", "no:cacheprovider", *names),
            cwd=folder,
            env=environment(
                data,
                PYTHONPATH=beside,
                CS231N_PROBE=str(noted),
                HYPOTHESIS_STORAGE_DIRECTORY=beside,
            ),
        )
        if not noted.exists():
            said = (done.stdout + done.stderr).strip()[-300:]
            return {
                "pytest": {"marks": [], "outcome": "failed", "raised": [["", said]]}
            }
        found: dict[str, dict[str, Any]] = json.loads(noted.read_text("utf-8"))
        return found


def _affected(folder: Path, names: list[str], solved: Mapping[str, bytes]) -> list[str]:
    texts = {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in folder.rglob("*.py")
    }
    changed = {n for n, text in texts.items() if solved.get(n) != text.encode()}
    return [n for n in names if changed & closure(texts, f"tests/{n}")]


def _judge_tests(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    if not any("points" in test["marks"] for test in found.values()):
        yield "no graded test was run in the hand-out."
    for name, test in found.items():
        outcome, marks = test["outcome"], test["marks"]
        strange = [f"{kind}: {text}" for kind, text in test["raised"] if kind != STUB]
        students = any(_QUESTION.fullmatch(m) or m == "extra" for m in marks)
        if outcome == "failed" and strange:
            yield f"{name} raises {strange[0]}"
        elif outcome == "failed" and not students:
            yield f"{name} is of given code, but needs {test['raised'][0][1]}"
        elif outcome != "failed" and "points" in marks:
            yield f"{name} is graded, but has {outcome} with nothing written."


def notebook_problems(folder: Path, data: Path, names: Collection[str]) -> list[str]:
    """Run notebooks of the hand-out, and name cells that raise what they should not.

    A cell may raise NotImplementedError, and a later one NameError for what such a cell
    would have assigned.

    Args:
        folder: The hand-out.
        data: The data folder.
        names: The notebooks, without the extension.
    """
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; "
        "from staff.report.run import run_notebooks; "
        "run_notebooks([Path(p) for p in sys.argv[4:]], Path(sys.argv[2]), "
        "root=Path(sys.argv[3]), profile='quick', timeout=600)"
    )
    problems = []
    with tempfile.TemporaryDirectory(prefix="cs231n-") as name:
        out = Path(name)
        paths = [str(folder / f"{notebook}.ipynb") for notebook in names]
        arguments = ("-c", program, str(ROOT), name, str(folder), *paths)
        done = run_python(*arguments, cwd=ROOT, env=environment(data))
        if done.returncode:
            problems.append(f"the notebooks' run ended with {done.stderr[-300:]}")
        for notebook in names:
            executed = out / f"{notebook}.ipynb"
            if not executed.exists():
                problems.append(f"{notebook}.ipynb was not run.")
                continue
            cells = nbformat.read(executed, as_version=4).cells
            problems += [f"{notebook}.ipynb: {p}" for p in judge_cells(cells)]
            if question_of(notebook) and not any(
                STUB in str(o.get("ename")) for c in cells for o in c.get("outputs", ())
            ):
                problems.append(
                    f"{notebook}.ipynb asks for nothing that is to be written."
                )
    return problems


def judge_cells(cells: Collection[Any]) -> Iterator[str]:
    """Name the cells of an executed notebook that raised what they should not have."""
    missing: set[str] = set()
    for number, cell in enumerate(cells, start=1):
        if cell["cell_type"] != "code":
            continue
        errors = [o for o in cell["outputs"] if o["output_type"] == "error"]
        if not errors and cell["execution_count"] is None and cell["source"].strip():
            yield f"cell {number} was not run."
        for output in cell["outputs"] if is_extra(cell) else ():
            if output.get("name") == "stderr":  # which is where attempt() shows errors
                last = output["text"].strip().splitlines()[-1:]
                yield f"cell {number} says {''.join(last)[:200]}"
        for error in errors:
            kind, text = error["ename"], error["evalue"]
            unknown = re.match(r"name '(\w+)' is not defined", text)
            follows = kind == "NameError" and unknown and unknown[1] in missing
            if kind == STUB or follows:
                missing |= _assigned(cell["source"])
            else:
                yield f"cell {number} raises {kind}: {text.splitlines()[0][:200]}"


def _assigned(source: str) -> set[str]:
    """Return the names that a cell binds."""
    tree = ast.parse(plain_python(source))
    found = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return found | {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
