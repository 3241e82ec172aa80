"""Equations in the report: drawn whole, or shown as they were written."""

from xml.etree import ElementTree

import pytest

from staff.report.page import _equation

NOTES = [
    r"h_t = \tanh(W_x x_t + W_h h_{t-1} + b)",
    r"c_t = f \odot c_{t-1} + i \odot g, \qquad h_t = o \odot \tanh(c_t)",
    r"L = -\frac{1}{N} \sum_{n=1}^{N} \sum_t m_{nt} \log p_{nt}[y_{nt}]",
    r"W_x \in \mathbb{R}^{D \times 4H}",
    r"\begin{aligned} i &= \sigma(a_i) & f &= \sigma(a_f) \\ o &= x \end{aligned}",
    r"\sigma(x) = \begin{cases} 1 & x > 0 \\ 0 & \text{otherwise} \end{cases}",
    r"\left\| \frac{\partial L}{\partial \mathbf{W}} \right\|_2^2 \le 10^{-8}",
    r"\hat{y} = \operatorname{argmax}_v \; s_v, \; \sqrt{2\pi}",
    r"f'(x) \approx \frac{f(x + h) - f(x - h)}{2h}",
]


@pytest.mark.parametrize("latex", NOTES)
def test_what_the_notebooks_use_is_drawn(latex):
    drawn = ElementTree.fromstring(_equation(None, latex, display=True))

    assert drawn[0].tag.endswith("math")
    assert drawn[0].attrib["display"] == "block"
    assert "\\" not in "".join(drawn.itertext())


@pytest.mark.parametrize(
    "latex",
    [r"\unknown", "x_", r"a & \text{<script>alert(1)</script>}", r"\text{<b>x</b>}"],
)
def test_what_cannot_be_drawn_whole_is_shown_as_written(latex):
    shown = _equation(None, latex, display=False)

    assert shown.startswith("<code>")
    assert "<script" not in shown
    assert "<b>" not in shown
