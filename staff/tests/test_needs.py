"""Whatever is imported was asked for: requirements.txt, and the groups for staff."""

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib import metadata

import pytest

from staff.questions import ROOT

OURS = {"cs231n", "staff", "tests", "benchmarks"}
STUDENTS = ("cs231n", "tests", "conftest.py", "setup.py")


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def named(lines):
    """Return the distributions that requirement lines ask for."""
    return {
        plain(re.match(r"[\w.-]+", line)[0])
        for line in lines
        if line.strip() and not line.startswith(("#", "-r "))
    }


@cache
def owners_of():
    return metadata.packages_distributions()


@cache
def declared(*groups):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    if "tensorflow" in groups:
        file = ROOT / "requirements-tensorflow.txt"
        lines += file.read_text("utf-8").splitlines()
        groups = tuple(group for group in groups if group != "tensorflow")
    lines += project["build-system"]["requires"]
    for group in groups:
        lines += project["dependency-groups"][group]
    return frozenset(named(lines))


@cache
def imported(*places):
    """Return distribution -> a file that imports it, in any function."""
    owners, found = owners_of(), {}
    for place in places:
        path = ROOT / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                names = [node.module] if isinstance(node, ast.ImportFrom) else []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                for name in names:
                    top = (name or "").partition(".")[0]
                    if top and top not in sys.stdlib_module_names | OURS:
                        for owner in owners.get(top, [top]):
                            found[plain(owner)] = file.relative_to(ROOT).as_posix()
    return found


@pytest.mark.parametrize(
    ("places", "groups"),
    [
        (STUDENTS, ("test", "tensorflow")),
        (("staff", "benchmarks"), ("test", "staff", "docs", "tensorflow")),
    ],
    ids=["students", "staff"],
)
def test_what_is_imported_is_declared(places, groups):
    found = imported(*places)
    assert len(found) > 5
    assert {k: v for k, v in found.items() if k not in declared(*groups)} == {}


def test_students_are_asked_for_no_more_than_the_package_uses():
    used_unseen = {
        *("jupyter", "ndf", "mlxtend", "scikit-image", "scikit-learn"),  # see there
        "torchvision",
    }
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    assert named(lines) - used_unseen <= imported(*STUDENTS).keys()


IMPORT_ALL = """
import importlib, sys
from importlib import metadata
allowed, modules = set(sys.argv[1].split(",")), sys.argv[2].split(",")
owners = metadata.packages_distributions()
plain = lambda name: name.lower().replace("_", "-").replace(".", "-")

class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in owners and not allowed & set(map(plain, owners[top])):
            raise ModuleNotFoundError(f"{top} was not asked for", name=top)

sys.meta_path.insert(0, Refuse())
for module in modules:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != "tensorflow":
            raise
        print(module)
"""


def brought(wanted):
    """Return distributions and all that they bring along."""
    found, waiting = set(), list(wanted)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        waiting += named(need for need in needs if "extra ==" not in need)
    return found


def test_every_module_can_be_imported_with_what_is_declared():
    files = sorted((ROOT / "cs231n").rglob("*.py"))
    modules = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for file in files
        if file.name != "__main__.py" and file != ROOT / "cs231n" / "setup.py"
    ]
    done = subprocess.run(
        [
            *(sys.executable, "-c", IMPORT_ALL),
            *(",".join(brought(declared())), ",".join(modules)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # TensorFlow is needed by those alone whose names say so.
    apart = done.stdout.split()
    assert "cs231n.classifiers.squeezenet_tf" in apart
    assert [name for name in apart if not name.endswith(("_tf", "_tensorflow"))] == []
