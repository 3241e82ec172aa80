"""Extra exercise of Q2: what captions owe to their picture, and what to habit."""

import numpy as np
import pytest

from cs231n.extras.habit import other_pictures, right_words
from cs231n.lab.captions import plot_habit

TRUTH = [
    ["a red boat at sea", "one boat"],
    ["a cat on a mat", "a cat sleeps"],
    ["two dogs in a park"],
]


@pytest.mark.extra
@pytest.mark.parametrize("N", [2, 3, 4, 10, 1000])
def test_no_picture_stays_and_none_is_lost(N):
    for seed in range(30):
        other = other_pictures(N, np.random.default_rng(seed))
        assert sorted(other) == list(range(N))
        assert not np.any(other == np.arange(N))
        assert np.issubdtype(np.asarray(other).dtype, np.integer)


@pytest.mark.extra
def test_the_order_is_drawn_and_can_be_drawn_again():
    orders = {
        tuple(other_pictures(6, np.random.default_rng(seed))) for seed in range(50)
    }
    assert len(orders) > 10
    again = [other_pictures(6, np.random.default_rng(3)) for _ in range(2)]
    np.testing.assert_array_equal(*again)


@pytest.mark.extra
def test_every_picture_may_get_any_other():
    rng = np.random.default_rng(0)
    met = np.zeros((4, 4), bool)
    for _ in range(300):
        met[np.arange(4), other_pictures(4, rng)] = True
    np.testing.assert_array_equal(met, ~np.eye(4, dtype=bool))


@pytest.mark.parametrize("N", [0, 1])
def test_one_picture_has_no_other(N):
    with pytest.raises(ValueError, match=f"N is {N}; of two pictures or more"):
        other_pictures(N, np.random.default_rng(0))


@pytest.mark.extra
def test_words_are_right_where_a_true_caption_has_them():
    captions = ["a boat at a mat", "a cat on sea", "boat"]
    counts = right_words(captions, TRUTH)
    assert {word: tuple(map(int, pair)) for word, pair in counts.items()} == {
        "a": (2, 2),
        "boat": (1, 2),
        "at": (1, 1),
        "mat": (0, 1),
        "cat": (1, 1),
        "on": (1, 1),
        "sea": (0, 1),
    }


@pytest.mark.extra
def test_a_word_that_no_caption_has_is_not_counted_and_empty_ones_count_nothing():
    assert right_words(["", "cat", ""], TRUTH) == {"cat": (1, 1)}
    assert right_words([], []) == {}


def test_captions_without_references_are_refused():
    with pytest.raises(ValueError, match="2 captions came with 3 lists"):
        right_words(["a", "a"], TRUTH)


def test_the_figure_tells_both_shares_of_each_word(monkeypatch):
    told = []
    monkeypatch.setattr("cs231n.lab.captions.show", lambda _, alt: told.append(alt))
    own = {"a": (9, 9), "dog": (4, 5), "rare": (1, 2), "only": (3, 3)}
    plot_habit(own, {"a": (9, 9), "dog": (1, 5), "rare": (0, 2)})
    (alt,) = told
    assert alt.endswith("another's: dog 80% and 20%; a 100% and 100%.")


def test_too_few_words_are_told(capsys):
    plot_habit({"rare": (1, 2)}, {"rare": (1, 2)})
    assert capsys.readouterr().out == (
        "No word stands in 3 captions: too few to draw.\n"
    )
