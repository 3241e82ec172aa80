"""What the losses of Q4 come to in TensorFlow, for students to compare with.

With the network that the course's answers were computed with and its pictures on disk,
they are those of 2018 and 2019, from ``style-transfer-checks-tf.npz`` where that is
there too; the total variation needs the picture alone. The course's file of 2020 fits
pictures that its reader squeezed, and is left aside. Otherwise the answers are those of
``style_checks``: both frameworks compute the same.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cs231n.classifiers.squeezenet_tf import load_squeezenet_tensorflow
from cs231n.embedded.style_pictures import find_original, find_stand_in
from cs231n.lab import style_checks
from cs231n.lab.style_checks import CONTENT, EMBEDDED, STYLE, summarize
from cs231n.support.accuracy import LIMITS, rel_error

ANSWERS_FILE = "style-transfer-checks-tf.npz"

# gm_out as style_checks.summarize has it.
COURSE: dict[str, Any] = {
    "cl_out": 32448.509765625,
    "sl_out": 44961.515625,
    "tv_out": 303.4699401855469,
    "gm_out": (
        *(2272.799446, 31.930994, 22.669923, 1.1481475),
        *(0.09084877, 0.07985713, 0.07378993, 0.02302692),
    ),
}


@dataclass(frozen=True)
class StyleChecks(style_checks.StyleChecks):
    """A network, pictures, and the numbers that belong to them.

    Attributes:
        smooth: File of the picture whose total variation counts.
    """

    smooth: Path


def load_checks(verbose: bool = True) -> StyleChecks:
    """Find out which answers hold here, and load what they were computed from.

    Args:
        verbose: Whether to say in one printed line which answers are used.

    Example:
        >>> sorted(load_checks(verbose=False).answers)
        ['cl_out', 'gm_out', 'sl_out', 'tv_out']
    """
    content, style = find_original(CONTENT), find_original(STYLE)
    model = _courses_network() if content and style else None
    if model is not None and content and style:
        answers, source = _stored()
        smooth = content
    else:
        model = load_squeezenet_tensorflow("embedded", verbose=False)
        answers = dict(EMBEDDED)
        source = "the stand-in pictures and the embedded weights"
        smooth = find_stand_in(CONTENT)
        if content:
            answers["tv_out"], smooth = COURSE["tv_out"], content
            source += "; for the total variation, the course's photo"
        content, style = find_stand_in(CONTENT), find_stand_in(STYLE)
    if verbose:
        print(f"Stored answers for {source}.")
    numbers = style_checks.as_numbers(answers)
    return StyleChecks(model, content, style, numbers, smooth)


def _courses_network() -> Any:
    """Return the network that the course's answers are of; None if it is not here."""
    for weights in ("checkpoint", "torchvision"):
        with suppress(FileNotFoundError):
            return load_squeezenet_tensorflow(weights, pools="valid", verbose=False)
    return None


def _stored() -> tuple[dict[str, Any], str]:
    """Return the course's answers, and what they are for."""
    source = "the course's pictures and weights"
    file = style_checks.find_answers(ANSWERS_FILE)
    if file is None:
        return dict(COURSE), source
    answers = style_checks.read_answers(file)
    if rel_error(answers["tv_out"], COURSE["tv_out"]) > LIMITS["tv_loss"]:
        return dict(COURSE), f"{source} (not those of {file}, of squeezed pictures)"
    answers["gm_out"] = summarize(answers["gm_out"])
    return answers, source
