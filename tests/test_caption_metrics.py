"""BLEU, ROUGE-L and CIDEr: values worked out by hand, and properties."""

import math

import numpy as np
import pytest

from cs231n.lab.caption_metrics import (
    BLEU_score,
    bleu,
    bleu_each,
    cider,
    cider_each,
    drop_tokens,
    rouge_l,
    rouge_l_each,
    tokenize,
)

METRICS = [bleu, bleu_each, rouge_l, rouge_l_each, cider, cider_each]
CANDIDATES = ["a cat on a mat", "two red boats", "the sun over a house"]
REFERENCES = [
    ["a cat on the mat", "there is a cat on a mat"],
    ["two red boats on the sea", "red boats"],
    ["a sun above a house"],
]


def test_tokenize_lowers_and_drops_punctuation():
    assert tokenize("A man's T-shirt,  2 dogs.\n") == [
        "a",
        "mans",
        "tshirt",
        "2",
        "dogs",
    ]
    assert tokenize("... !") == []


def test_drop_tokens_keeps_words_and_by_default_unknown_ones():
    caption = "<START> a <UNK> on a mat <END> <NULL>"
    assert drop_tokens(caption) == "a <UNK> on a mat"
    assert drop_tokens(caption, unknown=True) == "a on a mat"
    assert drop_tokens("") == ""


def test_bleu_by_hand():
    # 4 of 5 words (the second "a" finds no partner) and 2 of 4 bigrams match.
    one, two = bleu(["a cat on a mat"], [["a cat on the mat"]], max_n=2)
    assert one == pytest.approx(4 / 5, abs=1e-8)
    assert two == pytest.approx(math.sqrt(4 / 5 * 2 / 4), abs=1e-8)


def test_bleu_counts_a_word_no_more_often_than_a_reference_has_it():
    scores = bleu(["the the the the"], [["the cat", "the dog the"]], max_n=1)
    assert scores[0] == pytest.approx(2 / 4, abs=1e-8)


def test_bleu_punishes_short_candidates_by_the_closest_reference():
    (short,) = bleu(["a cat"], [["a cat on", "a cat on the mat"]], max_n=1)
    assert short == pytest.approx(math.exp(1 - 3 / 2), abs=1e-6)
    # 3 and 5 words are equally close to 4: the shorter one counts, no penalty.
    (even,) = bleu(["a b c d"], [["a b c", "a b c d e"]], max_n=1)
    assert even == pytest.approx(1, abs=1e-6)


def test_bleu_pools_counts_before_dividing():
    together = bleu(["a", "b c d"], [["a"], ["x y z"]], max_n=1)[0]
    assert together == pytest.approx(1 / 4, abs=1e-8)
    assert bleu_each(["a", "b c d"], [["a"], ["x y z"]], max_n=1).mean() > 0.49


def test_rouge_by_hand():
    # Common subsequence "a cat on mat": 4 of 5 words on both sides.
    assert rouge_l(["a cat on a mat"], [["a cat on the mat"]]) == pytest.approx(4 / 5)
    # Precision 1 and recall 1/2.
    expected = (1 + 1.44) * 1 * 0.5 / (0.5 + 1.44 * 1)
    assert rouge_l(["a b"], [["a x b y"]]) == pytest.approx(expected)
    assert rouge_l(["b a"], [["a b"]]) == pytest.approx(1 / 2)


def test_cider_by_hand():
    # Two pictures, no word shared between them: each n-gram weighs log 2, so the score
    # is the plain cosine: of two words each, one and then both are shared.
    scores = cider_each(["a x", "c d"], [["a b"], ["c d"]])
    np.testing.assert_allclose(scores, [10 / 4 * (1 / 2), 10 / 4 * 2], rtol=1e-12)


def test_cider_damps_a_different_length():
    scores = cider_each(["a b c d", "x"], [["a b"], ["x"]])
    by_n = 2 / math.sqrt(4 * 2) + 1 / math.sqrt(3 * 1)
    damped = 10 / 4 * by_n * math.exp(-(2**2) / (2 * 6**2))
    assert scores[0] == pytest.approx(damped, rel=1e-12)


def test_cider_gives_nothing_for_words_that_every_picture_has():
    alone = cider_each(["a", "b"], [["a b"], ["a b"]])
    np.testing.assert_array_equal(alone, 0)


def test_identical_captions_score_highest():
    same = [group[0] for group in REFERENCES]
    groups = [[caption] for caption in same]
    np.testing.assert_allclose(bleu(same, groups), 1, atol=1e-6)
    assert rouge_l(same, groups) == pytest.approx(1)
    assert cider(same, groups) == pytest.approx(10)


@pytest.mark.parametrize("each", [bleu_each, rouge_l_each, cider_each])
def test_each_caption_has_a_score_of_its_own(each):
    scores = each(CANDIDATES, REFERENCES)
    assert scores.shape[0] == 3
    backwards = each(CANDIDATES[::-1], REFERENCES[::-1])
    np.testing.assert_allclose(backwards[::-1], scores, rtol=1e-12)


def test_one_number_is_the_mean_of_each_but_for_bleu():
    for one, each in [(rouge_l, rouge_l_each), (cider, cider_each)]:
        scores = each(CANDIDATES, REFERENCES)
        assert one(CANDIDATES, REFERENCES) == pytest.approx(scores.mean())


@pytest.mark.parametrize(
    ("candidate", "group"),
    [("", ["a cat"]), ("a cat", [""]), ("", [""]), ("a cat", ["two red boats"])],
)
def test_empty_and_foreign_captions_score_finite_numbers(candidate, group):
    candidates, references = [candidate, "a b c d"], [group, ["a b c d"]]
    for each in (bleu_each, rouge_l_each, cider_each):
        scores = each(candidates, references)
        assert np.isfinite(scores).all()
        assert np.all(scores[1] > 0.99)
        if candidate or group != [""]:
            np.testing.assert_allclose(scores[0], 0, atol=1e-6)


def test_references_without_any_word_give_zero_cider():
    assert cider(["a cat", ""], [[""], [""]]) == 0


@pytest.mark.parametrize("metric", METRICS)
def test_bad_input_is_named(metric):
    with pytest.raises(ValueError, match=r"2 candidates .* 1 lists"):
        metric(["a", "b"], [["a"]])
    with pytest.raises(ValueError, match=r"references\[1\] is empty"):
        metric(["a", "b"], [["a"], []])
    with pytest.raises(ValueError, match="at least one candidate"):
        metric([], [])
    with pytest.raises(TypeError, match=r"references\[0\] .* list of strings"):
        metric(["a"], ["a"])
    with pytest.raises(TypeError, match="candidates must be a list"):
        metric("a", [["a"]])
    with pytest.raises(TypeError, match="candidates must be a list"):
        metric([["a"]], [["a"]])


def test_bleu_needs_at_least_unigrams():
    with pytest.raises(ValueError, match="max_n is 0"):
        bleu(["a"], [["a"]], max_n=0)


def test_bleu_score_of_2017():
    truth = "<START> a man riding a wave <END>"
    assert BLEU_score(truth, "a man riding a wave <END>") == 1
    assert BLEU_score(truth, "a man <UNK> a dog <END>") == pytest.approx(
        3 / 4 * math.exp(1 - 5 / 4)
    )
    assert BLEU_score(truth, "a a a a a a a") == pytest.approx(2 / 7)
    assert BLEU_score(truth, "<END>") == 0
    assert BLEU_score("<START> <END>", "dog") == 0
    assert type(BLEU_score(truth, "a")) is float


def test_scores_are_plain_floats():
    assert {type(score) for score in bleu(CANDIDATES, REFERENCES)} == {float}
    assert type(rouge_l(CANDIDATES, REFERENCES)) is float
    assert type(cider(CANDIDATES, REFERENCES)) is float
