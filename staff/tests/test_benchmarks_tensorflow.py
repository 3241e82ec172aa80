"""The benchmark of both frameworks runs, in small, and gives what it promises."""

import json
import subprocess
import sys

import pytest

from benchmarks import frameworks
from staff.questions import ROOT


def test_steps_are_measured_beside_torchs(tmp_path):
    report = tmp_path / "report.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks", "--quick", "--only", "tensorflow"),
            *("--json", str(report)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(report.read_text("utf-8"))["rows"]
    assert [row["name"] for row in rows] == [s[0] for s in frameworks.STEPS.values()]
    assert all(row["ratios"].keys() == {"torch"} for row in rows)


def test_a_process_that_ends_is_told():
    with (
        frameworks._Worker("tensorflow", "no_such_step", 1, True) as worker,
        pytest.raises((RuntimeError, BrokenPipeError)),
    ):
        worker.run(1)
