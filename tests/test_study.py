"""What a study's numbers say: means, error bars and what lies between them."""

import numpy as np
import pytest

from cs231n.lab.study import Study

pytestmark = pytest.mark.extra


def test_error_bars_and_gaps():
    study = Study(
        (20, 50),
        {
            "old": np.array([[0.4, 0.6], [0.5, 0.5]]),
            "new": np.array([[0.7, 0.7], [0.6, 0.8]]),
        },
    )
    np.testing.assert_allclose(study.mean("old"), [0.5, 0.5])
    np.testing.assert_allclose(study.error("old"), [0.1, 0])
    np.testing.assert_allclose(study.gap("new", "old"), [0.1, 0.1], atol=1e-12)
    assert study.gap("old", "new").max() < 0
    lines = study.table().splitlines()
    assert lines[0].split() == ["labels", "20", "50"]
    assert lines[1].split()[1:] == ["50.0", "±", "10.0", "%", "50.0", "±", "0.0", "%"]
