"""The order of the tests, and what several of their modules or workers share."""

import json

import pytest
from filelock import FileLock

from staff.tests import student_folder

# Each takes long, so it begins early: else one worker would end long after the others.
LONG = (
    "test_killed_resumed_in_another_order_or_alone_the_records_are_the_same",
    "[sleeps-for-ever]",
    "test_some_of_the_bank_is_judged_alike_by_all_three",
    "test_the_path_question_by_question",
    "test_notebooks_pass.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long ones first."""
    items.sort(key=lambda item: not any(name in item.nodeid for name in LONG))


@pytest.fixture(scope="session")
def graded(tmp_path_factory: pytest.TempPathFactory):
    """Return what judges modules, in workers of servers that stay warm."""
    from staff.tests.graded import grader

    with grader(tmp_path_factory.mktemp("package")) as made:
        yield made


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory):
    """Return a folder of all workers: those of xdist have their own ones in it."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if folder.name.startswith("popen-") else folder


@pytest.fixture(scope="session", autouse=True)
def _one_hand_out(shared):
    """Let all workers take the hand-out that one has made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(student_folder, "shared", shared)
        yield


@pytest.fixture(scope="session")
def site(shared):
    """Return what makes a flavour, once for all workers; and what is wrong with it."""
    from staff.site import build

    def made(flavour):
        folder, said = shared / f"site-{flavour}", shared / f"site-{flavour}.json"
        with FileLock(shared / f"site-{flavour}.lock"):
            if not said.exists():
                said.write_text(json.dumps(build.build(flavour, folder)))
        return folder, json.loads(said.read_text())

    return made
