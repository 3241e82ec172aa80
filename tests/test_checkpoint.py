"""Checkpoints alone: what is read and compared, and what a block may find wrong."""

import numpy as np
import pytest

from cs231n.support import checkpoint

SETTINGS = {"rate": 0.1, "sizes": (2, 3), "rule": print}


@pytest.fixture
def file(tmp_path):
    arrays = {"w/a": np.arange(3.0), "w/b": np.ones((), np.float32), "u": np.eye(2)}
    checkpoint.save(tmp_path / "run.npz", arrays, SETTINGS, epoch=4)
    return tmp_path / "run.npz"


def read(file, settings=SETTINGS):
    with checkpoint.reading(file, "this run", settings) as (arrays, facts):
        return arrays, facts


def test_what_was_saved_is_read(file):
    arrays, facts = read(file)
    assert facts["epoch"] == 4
    np.testing.assert_array_equal(arrays["u"], np.eye(2))
    part = checkpoint.below(arrays, "w/")
    assert sorted(part) == ["a", "b"]
    assert part["b"].shape == ()
    assert part["b"].dtype == np.float32


def test_other_settings_are_named_and_the_block_is_not_entered(file):
    with pytest.raises(ValueError, match=r"another run \(rate was 0\.1, is 0\.2\)"):
        read(file, SETTINGS | {"rate": 0.2})
    with pytest.raises(ValueError, match=r"\(more was None, is 1; rule was .*print"):
        read(file, {"more": 1} | SETTINGS | {"rule": len})


@pytest.mark.parametrize("error", [KeyError("w"), MemoryError(), ValueError("odd")])
def test_whatever_a_block_misses_is_damage_and_its_cause_is_kept(file, error):
    with (
        pytest.raises(ValueError, match="not a whole checkpoint of this run") as caught,
        checkpoint.reading(file, "this run", SETTINGS),
    ):
        raise error
    assert caught.value.__cause__ is error


def test_an_interrupt_in_a_block_goes_through(file):
    with (
        pytest.raises(KeyboardInterrupt),
        checkpoint.reading(file, "this run", SETTINGS),
    ):
        raise KeyboardInterrupt


def test_only_an_array_of_the_same_kind_takes_a_place(file):
    arrays, _ = read(file)
    assert checkpoint.fitting(arrays, "w/a", np.zeros(3)) is arrays["w/a"]
    with pytest.raises(ValueError, match=r"w/a came as float64 \(3,\)"):
        checkpoint.fitting(arrays, "w/a", np.zeros(3, np.float32))
    with pytest.raises(ValueError, match=r"u came as float64 \(2, 2\)"):
        checkpoint.fitting(arrays, "u", np.zeros(4))
    with pytest.raises(KeyError):
        checkpoint.fitting(arrays, "gone", np.zeros(4))
