"""BLEU, ROUGE-L and CIDEr against pycocoevalcap, the public COCO evaluation."""

import contextlib
import gzip
import io
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from cs231n.lab import caption_metrics
from cs231n.lab.caption_metrics import (
    bleu,
    bleu_each,
    cider,
    cider_each,
    rouge_l,
    rouge_l_each,
    tokenize,
)

COCO = Path(__file__).resolve().parents[2] / "../shared/data/coco"
LIMIT = {"rtol": 1e-6, "atol": 1e-6}


def public_scores(candidates, references):
    """Return (bleu (4,), each (N, 4)), (rouge, each (N,)), (cider, each (N,))."""
    truth = dict(enumerate(references))
    sample = {n: [candidate] for n, candidate in enumerate(candidates)}
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        together, each = Bleu(4).compute_score(truth, sample, verbose=0)
        return (
            (np.array(together), np.array(each).T),
            Rouge().compute_score(truth, sample),
            Cider().compute_score(truth, sample),
        )


def assert_equal_to_public(candidates, references):
    blue, rouge, consensus = public_scores(candidates, references)
    np.testing.assert_allclose(bleu(candidates, references), blue[0], **LIMIT)
    np.testing.assert_allclose(bleu_each(candidates, references), blue[1], **LIMIT)
    np.testing.assert_allclose(rouge_l(candidates, references), rouge[0], **LIMIT)
    np.testing.assert_allclose(rouge_l_each(candidates, references), rouge[1], **LIMIT)
    np.testing.assert_allclose(cider(candidates, references), consensus[0], **LIMIT)
    np.testing.assert_allclose(
        cider_each(candidates, references), consensus[1], **LIMIT
    )


# Few different words, so that n-grams meet; one caption in some is empty.
WORDS = ["a", "cat", "on", "the", "mat", "dog"]
captions = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)
groups = st.lists(captions, min_size=1, max_size=4)
corpora = st.lists(st.tuples(captions, groups), min_size=1, max_size=5).filter(
    # The public CIDEr stops when no reference has a word in it.
    lambda pairs: any(r for _, group in pairs for r in group)
)


@given(corpora)
def test_drawn_captions(pairs):
    candidates, references = zip(*pairs, strict=True)
    assert_equal_to_public(list(candidates), list(references))


@pytest.mark.parametrize(
    ("candidates", "references"),
    [
        (["", "a cat"], [["a cat"], ["a cat"]]),
        (["", "a cat"], [[""], ["a cat"]]),
        (["a cat", "a dog"], [[""], ["a dog"]]),
        (["a cat on a mat"], [["a cat on a mat"]]),
        (["a cat on a mat", "x y"], [["a cat on a mat"], ["x y"]]),
        (["a cat", "x y"], [["a cat on a mat by the sea"], ["x y z"]]),
        (["a cat on a mat by the sea", "x y"], [["a cat"], ["x"]]),
        (["cat cat cat cat", "a a"], [["cat a cat"], ["a a a", "a"]]),
        (["a", "b"], [["a"], ["c"]]),
        (["one two three", "four"], [["x"], ["y"]]),
    ],
)
def test_edges(candidates, references):
    assert_equal_to_public(candidates, references)


def test_the_comparison_notices_a_wrong_constant(monkeypatch):
    candidates = ["a cat", "two red boats on the sea"]
    references = [["a cat on a mat"], ["two boats on a sea"]]
    assert_equal_to_public(candidates, references)
    for name, value in [("_ROUGE_BETA", 1.21), ("_CIDER_SIGMA", 6.1), ("_SMALL", 1e-4)]:
        with monkeypatch.context() as patch:
            patch.setattr(caption_metrics, name, value)
            with pytest.raises(AssertionError):
                assert_equal_to_public(candidates, references)


@pytest.mark.parametrize("count", [300, pytest.param(1500, marks=pytest.mark.slow)])
def test_real_captions(count):
    file = COCO / "captions_val2017.json.gz"
    if not file.exists():
        pytest.skip(f"{file.name} is not beside the checkout")
    with gzip.open(file, "rt", encoding="utf-8") as stream:
        annotations = json.load(stream)["annotations"]
    by_image = {}
    for item in annotations:
        words = " ".join(tokenize(item["caption"]))
        by_image.setdefault(item["image_id"], []).append(words)
    pictures = list(by_image.values())[:count]
    # Each picture's first caption against its others: what people score.
    assert_equal_to_public([p[0] for p in pictures], [p[1:] for p in pictures])
    # Against its neighbour's: what guessing scores, far lower.
    wrong = [p[0] for p in pictures[1:] + pictures[:1]]
    assert_equal_to_public(wrong, [p[1:] for p in pictures])
    assert cider(wrong, [p[1:] for p in pictures]) < 0.1
