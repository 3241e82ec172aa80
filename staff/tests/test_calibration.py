"""Luck: measurements go on where they stopped and run the notebooks' own cells."""

import ast
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from cs231n.extras.semi_supervised import STEPS
from staff import calibrate
from staff.calibrate import checks, gans
from staff.calibrate.checks import CHECKS, Check, spreads
from staff.calibrate.sections import Notes, Sections
from staff.questions import ROOT

NOTEBOOK = """\
# %% [markdown]
# # A notebook
#
# ## Set-up

# %%
# %load_ext autoreload
import numpy as np

from cs231n.support.figures import show_pictures
from cs231n.lab.checks import check_below

# %% tags=["parameters"]
SEED = 231

# %% [markdown]
# ## Data

# %%
loaded.append(1)
floor = 0.25

# %% [markdown]
# ## Not asked for

# %%
raise RuntimeError("this section is left out")

# %% [markdown]
# ## Training

# %%
from cs231n.lab.checks import check_at_least

np.random.seed(SEED)
value = np.random.rand()
show_pictures("what draws nothing here")
check_below("training", {"loss": (value, 0.5)})
check_below("training", {"loss": (2 * value, 0.5)})

# %%
check_at_least("share", {"of it": (SEED, floor)})
assert SEED % 2 == 0, "The seed is odd!"
"""


@pytest.fixture
def sections(tmp_path, monkeypatch):
    folder = tmp_path / "staff" / "notebooks"
    folder.mkdir(parents=True)
    (folder / "Luck.py").write_text(NOTEBOOK, "utf-8")
    monkeypatch.setattr("staff.calibrate.sections.ROOT", tmp_path)
    made = Sections("Luck", ("Set-up", "Data", "Training"))
    loaded = []
    monkeypatch.setattr("builtins.loaded", loaded, raising=False)
    return made, loaded


def test_sections_of_a_notebook_are_run_with_other_seeds(sections, capsys):
    made, loaded = sections
    lines = made([0, 3]) + made([0])
    assert loaded == [1]  # once in a process: no seed decides it
    assert capsys.readouterr().out == ""
    for line, seed in zip(lines, (0, 3, 0), strict=True):
        value = np.random.RandomState(seed).rand()
        assert line == {
            "seed": seed,
            "training: loss": (value, "<", 0.5),
            "training (2): loss": (2 * value, "<", 0.5),
            "share: of it": (seed, ">=", 0.25),
            "The seed is odd!: holds": (seed % 2 == 0, ">=", 1),
        }


def test_a_section_that_is_not_there_is_named(sections):
    made, _ = sections
    wrong = Sections(made.notebook, ("Set-up", "Trainings"))
    with pytest.raises(ValueError, match="Luck has no Trainings; name"):
        wrong([0])


def test_cells_can_be_left_out(sections):
    made, _ = sections
    (line,) = replace(made, without=("share",))([0])
    assert len(line) == 3
    with pytest.raises(ValueError, match="Luck has no shares; name"):
        replace(made, without=("shares",))([0])


def test_numbers_are_summed_up_beside_their_limits():
    values = [1.0, 2.0, 3.0]
    lines = [{"seed": s, "loss": [v, "<", 9.0]} for s, v in enumerate(values)]
    (spread,) = spreads(lines)
    assert (spread.seeds, spread.mean, spread.deviation) == (3, 2.0, 1.0)
    assert (spread.worst, spread.failures, spread.distance) == (3.0, 0, 7.0)
    assert spread.is_safe
    assert checks.share_of_failures(lines) == 0

    lines[-1]["loss"][2] = 3.0  # the last line has the limit of today
    (spread,) = spreads(lines)
    assert (spread.failures, spread.distance) == (1, 1.0)
    assert not spread.is_safe
    assert checks.share_of_failures(lines) == pytest.approx(1 / 3)
    lines[-1]["loss"][2] = 3.5
    (spread,) = spreads(lines)
    assert not spread.is_safe  # nearer than four deviations
    many = lines * 500
    assert spreads(many)[0].is_safe  # unless 1,500 seeds stay below it

    shares = [{"share": [1.0, ">=", 0.5]}] * 2
    (spread,) = spreads(shares)
    assert spread.worst == 1.0
    assert spread.is_safe  # all alike
    shares = [*shares, {"share": [0.4, ">=", 0.5]}]
    assert spreads(shares)[0].worst == 0.4
    assert checks.share_of_failures(shares) == pytest.approx(1 / 3)
    assert "1 beyond it" in str(spreads(shares)[0])


def test_calibration_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    asked = []

    def measure(seeds):
        asked.append(seeds)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return [{"seed": seed, "loss": (seed / 10, "<", 0.35)} for seed in seeds]

    monkeypatch.setattr(calibrate, "CHECKS", {"luck": Check(measure, 2)})
    file = tmp_path / "luck.jsonl"
    command = ["luck", "--seeds", "5", "--processes", "1", "--out", str(file)]
    with pytest.raises(KeyboardInterrupt):
        calibrate.main(command)
    assert calibrate.main(command) == 0
    assert asked == [[0, 1], [2, 3], [2, 3], [4]]
    assert [line["seed"] for line in calibrate.read(file)] == [0, 1, 2, 3, 4]
    out = capsys.readouterr().out
    assert "loss: 0.2 ± 0.16, worst 0.4 of 5; < 0.35, 0.9 sd away, 1 beyond it" in out
    assert "5 seeds, fails with 20.0% of them" in out


def test_rates_of_failure():
    good = {"modes": 10, "frechet": 0.1}
    other = {
        name: {"modes": 0, "frechet": 0.5} for name in ("vanilla", "least squares")
    }
    lines = [
        {"convolutional": convolutional, **other}
        for convolutional in (good, good | {"modes": 9}, good | {"frechet": 0.41})
    ]
    assert gans.failures_of_gans(lines) == pytest.approx(2 / 3)
    read = [{"accuracy": share} for share in (0.979, 0.98, 0.985, 0.97)]
    assert gans.failures_of_classifier(read) == 0.5

    from cs231n.extras.semi_supervised import ALONE, GENERATOR_TOO

    far = [
        {ALONE: [0.5 + 0.01 * k, 0.6], GENERATOR_TOO: [0.7, 0.8 + 0.01 * k]}
        for k in range(5)
    ]
    assert gans.failures_of_study(far) == 0
    same = [line | {GENERATOR_TOO: line[ALONE]} for line in far]
    assert gans.failures_of_study(same) > 0.99


def test_the_notebook_trains_as_the_calibration_does():
    text = (ROOT / "staff" / "notebooks" / "GANs-PyTorch.py").read_text("utf-8")
    for name, iterations in gans.ITERATIONS.items():
        found = re.search(rf'learn\(\s+"{name}",.*?(\d+)\W*\)\n', text, re.DOTALL)
        assert int(found[1]) == iterations, name
    assert f"frechet / others,\n                {gans.SAVED},\n" in text
    assert f"ALONE: {gans.RUNS}, GENERATOR_TOO: {gans.RUNS}, " in text
    assert "runs=often if FULL" in text
    assert f"steps={STEPS} if FULL" in text
    for number in ("gains[0]", "gains[1]"):
        assert f"({number}, {gans.ADDED})" in text


@pytest.mark.parametrize("name", ["gans", "study", "classifier"])
def test_checks_of_q5_were_measured_with_fifty_seeds_and_hardly_ever_fail(name):
    lines = calibrate.read(calibrate.FOLDER / f"{name}.jsonl")
    assert {line["seed"] for line in lines} >= set(range(50))
    assert CHECKS[name].failures(lines) < 0.001


OF_NOTEBOOKS = {
    name: check.measure
    for name, check in CHECKS.items()
    if isinstance(check.measure, Sections)
}


@pytest.mark.parametrize("name", OF_NOTEBOOKS)
def test_the_sections_that_are_run_are_there(name):
    assert len(OF_NOTEBOOKS[name].code_cells()) > 3


@pytest.mark.parametrize("name", OF_NOTEBOOKS)
def test_the_sections_that_are_run_need_no_other(name):
    code = "\n".join(OF_NOTEBOOKS[name].code_cells())
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821"]
    found = subprocess.run(
        [*command, "-"], check=False, input=code, capture_output=True, encoding="utf-8"
    )
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    "name", [n for n in OF_NOTEBOOKS if (calibrate.FOLDER / f"{n}.jsonl").exists()]
)
def test_what_was_measured_passes_with_the_limits_of_today(name):
    code = "\n".join(OF_NOTEBOOKS[name].code_cells())
    numbers = {
        n.value for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Constant)
    }
    found = spreads(calibrate.read(calibrate.FOLDER / f"{name}.jsonl"))
    assert found
    for spread in found:
        assert spread.failures == 0, spread
        # Or else the limit was moved: append a line, and look again.
        assert spread.limit in numbers, spread
        # A few seeds tell little of how far numbers stray.
        assert spread.is_safe or spread.seeds < 10, spread


@pytest.mark.parametrize(("cell", "limit"), [("rnn", 0.1), ("lstm", 0.5)])
def test_right_code_hardly_ever_misses_the_limit_of_the_original_notebooks(cell, limit):
    """The notebook's cells are those of 2017 to 2020, to the letter."""
    lines = calibrate.read(calibrate.FOLDER / f"overfit-{cell}.jsonl")
    losses = [v[0] for line in lines for name, v in line.items() if "loss" in name]
    assert len(losses) == len(lines) > 0
    assert sum(loss >= limit for loss in losses) <= max(1, len(losses) // 500)


def test_checks_are_noted_with_the_arguments_that_cells_give_them():
    notes, names = Notes(), {}
    notes.put_into(names)
    names["check_below"]("loss", {"final": (0.5, 1)}, function="CaptioningRNN.loss")
    names["check_at_least"]("score", {"of all": (2, 1)}, function="tv_loss")
    assert notes.numbers == {
        "loss: final": (0.5, "<", 1.0),
        "score: of all": (2.0, ">=", 1.0),
    }
