"""The order of the tests, where several workers share them."""

import pytest

# Each takes long, so it begins early: else one worker would end long after the others.
LONG = (
    "test_notebooks_pass.py",
    "test_some_of_the_bank_is_judged_alike_by_all_three",
    "test_some_mutants_lose_points_on_their_question_and_on_no_other",
    "test_functions_of_2016_may_change_what_they_are_given",
    "test_the_path_question_by_question",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long ones first."""
    items.sort(key=lambda item: not any(name in item.nodeid for name in LONG))
