"""How close captions come to what people wrote: BLEU, ROUGE-L and CIDEr.

A candidate is one caption to judge; its references are the captions that people wrote
for the same picture. Captions are compared word by word as they stand, split at white
space, so give both sides the same treatment first: ``drop_tokens`` removes the model's
own marks (``<START>`` and friends) and ``tokenize`` lower-cases and drops punctuation.

Each metric comes as one number for all candidates (``bleu``, ``rouge_l``, ``cider``)
and as one number for each (``bleu_each``, ``rouge_l_each``, ``cider_each``), and agrees
with the COCO caption evaluation, small constants included. Where that one stops or
divides by zero: CIDEr is 0 when no reference has a word in it, and no candidates at all
are a ValueError. N stands for the number of candidates.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cs231n.datasets.captions.words import tokens

Words: TypeAlias = list[str]
Counts: TypeAlias = Counter[tuple[str, ...]]

_MARKS = ("<NULL>", "<START>", "<END>")
_UNKNOWN = "<UNK>"

# BLEU: a count of zero leaves a trace in the numerator, none in the denominator, so
# that a caption without a single match scores almost, but not exactly, zero.
_TINY = 1e-15
_SMALL = 1e-9
_ROUGE_BETA = 1.2  # how much more recall counts than precision
_CIDER_ORDER = 4  # longest n-gram
_CIDER_SIGMA = 6.0  # width, in words, of the penalty for a different length


def tokenize(caption: str) -> list[str]:
    """Split a caption into lower-case words without punctuation.

    Everything that is neither a letter, a digit nor white space is deleted, so "man's"
    becomes "mans" and "t-shirt" becomes "tshirt", as in the vocabulary of the course.
    Data sets that were built from photos have the same words.
    """
    return tokens(caption)


def drop_tokens(caption: str, unknown: bool = False) -> str:
    """Remove ``<NULL>``, ``<START>`` and ``<END>`` from a decoded caption.

    Args:
        caption: Words joined by spaces, as ``decode_captions`` returns them.
        unknown: Whether ``<UNK>`` goes too.
    """
    dropped = (*_MARKS, _UNKNOWN) if unknown else _MARKS
    return " ".join(word for word in caption.split() if word not in dropped)


def bleu(
    candidates: Sequence[str], references: Sequence[Sequence[str]], max_n: int = 4
) -> list[float]:
    """Score all candidates together by BLEU (Papineni et al. 2002).

    The share of the candidates' n-grams that also occur in a reference, each at most as
    often as there; geometric mean over n = 1..k; scaled down where the candidates are
    shorter than the references. Matches and lengths are summed over all candidates
    before anything is divided, and each counts the reference of the closest length (of
    two equally close ones the shorter).

    Args:
        candidates: N captions.
        references: For each candidate the captions it is compared with.
        max_n: Longest n-gram.

    Returns:
        BLEU-1 to BLEU-``max_n``, each in 0..1.

    Example:
        >>> scores = bleu(["a red boat"], [["a red car", "two birds"]], max_n=3)
        >>> [round(score, 2) for score in scores]  # 2/3, sqrt(2/3 * 1/2), none
        [0.67, 0.58, 0.0]
    """
    totals = _bleu_counts(candidates, references, max_n).sum(axis=0, keepdims=True)
    return [float(score) for score in _bleu_of_counts(totals)[0]]


def bleu_each(
    candidates: Sequence[str], references: Sequence[Sequence[str]], max_n: int = 4
) -> NDArray[np.float64]:
    """Score each candidate by itself; see ``bleu``.

    Returns:
        (N, max_n) BLEU-1 to BLEU-``max_n`` of each candidate.
    """
    return _bleu_of_counts(_bleu_counts(candidates, references, max_n))


def rouge_l(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Score by ROUGE-L (Lin 2004), the mean of ``rouge_l_each``, in 0..1.

    Args:
        candidates: N captions.
        references: For each candidate the captions it is compared with.
    """
    return float(rouge_l_each(candidates, references).mean())


def rouge_l_each(
    candidates: Sequence[str], references: Sequence[Sequence[str]]
) -> NDArray[np.float64]:
    """Score each candidate by its longest common subsequence with a reference.

    Precision (of the candidate's words) and recall (of the reference's words) are each
    taken from the reference where they are best. An empty caption counts as one empty
    word: it matches another empty one and nothing else.

    Returns:
        (N,) weighted F-measure of precision and recall.
    """
    _check(candidates, references)
    scores = np.zeros(len(candidates))
    for n, (candidate, group) in enumerate(zip(candidates, references, strict=True)):
        ours = candidate.split() or [""]
        precision = recall = 0.0
        for reference in group:
            theirs = reference.split() or [""]
            common = _longest_common_subsequence(ours, theirs)
            precision = max(precision, common / len(ours))
            recall = max(recall, common / len(theirs))
        if precision and recall:
            weight = _ROUGE_BETA**2
            scores[n] = (1 + weight) * precision * recall
            scores[n] /= recall + weight * precision
    return scores


def cider(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Score by CIDEr (Vedantam et al. 2015), the mean of ``cider_each``, in 0..10.

    Args:
        candidates: N captions.
        references: For each candidate the captions it is compared with.

    Example:
        >>> captions = ["a red car on snow", "two green birds at sea"]
        >>> truth = [[caption] for caption in captions]
        >>> round(cider(captions, truth), 4), round(cider(captions[::-1], truth), 4)
        (10.0, 0.0)
    """
    return float(cider_each(candidates, references).mean())


def cider_each(
    candidates: Sequence[str], references: Sequence[Sequence[str]]
) -> NDArray[np.float64]:
    """Score each candidate by its agreement with the consensus of its references.

    N-grams (n = 1..4) are weighted by how rare they are: by the logarithm of N over the
    number of pictures with that n-gram in some reference. A score is the cosine between
    the weighted counts of candidate and reference, where counts beyond the reference's
    earn nothing, damped by a Gaussian in the difference of lengths; mean over
    references and n, times ten. One picture alone has no rare words: it scores 0.

    Returns:
        (N,) scores.
    """
    _check(candidates, references)
    ours = [_ngrams(candidate.split(), _CIDER_ORDER) for candidate in candidates]
    theirs = [[_ngrams(r.split(), _CIDER_ORDER) for r in g] for g in references]
    pictures: Counts = Counter()  # in how many pictures an n-gram is used
    for group in theirs:
        pictures.update({gram for counts in group for gram in counts})
    rarity = {gram: math.log(len(theirs) / n) for gram, n in pictures.items()}
    unseen = math.log(len(theirs))  # weight of an n-gram that no reference has

    scores = np.zeros(len(candidates))
    for n, (candidate, group) in enumerate(zip(ours, theirs, strict=True)):
        norms = _cider_norms(candidate, rarity, unseen)
        for reference in group:
            scores[n] += _cider_similarity(candidate, norms, reference, rarity)
        scores[n] *= 10 / (_CIDER_ORDER * len(group))
    return scores


def BLEU_score(gt_caption: str, sample_caption: str) -> float:  # noqa: N802
    """Score one caption against one other by unigram BLEU, without small constants.

    Words with START, END or UNK in them do not count. The course's notebook of 2017
    knows the function by this name.

    Args:
        gt_caption: What a person wrote.
        sample_caption: What the model wrote.

    Returns:
        A number in 0..1; 0 for a caption without words.
    """

    def words(caption: str) -> Counter[str]:
        marks = ("START", "END", "UNK")
        return Counter(w for w in caption.split() if not any(m in w for m in marks))

    truth, sample = words(gt_caption), words(sample_caption)
    if not sample:
        return 0.0
    precision = (sample & truth).total() / sample.total()
    return precision * math.exp(min(0.0, 1 - truth.total() / sample.total()))


def _check(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    """Refuse what cannot be scored.

    Raises:
        TypeError: If captions are not strings, or come in the wrong kind of list.
        ValueError: If there are no candidates, or one has no references.
    """
    if isinstance(candidates, str) or not all(isinstance(c, str) for c in candidates):
        raise TypeError(
            "candidates must be a list of strings, one caption each; put a single "
            "caption in a list and decode word indices with decode_captions first."
        )
    if len(candidates) != len(references):
        raise ValueError(
            f"{len(candidates)} candidates came with {len(references)} lists of "
            "references; give one list of references for each candidate."
        )
    if not candidates:
        raise ValueError("No captions came; give at least one candidate to score.")
    for n, group in enumerate(references):
        if isinstance(group, str) or not all(isinstance(r, str) for r in group):
            raise TypeError(
                f"references[{n}] must be a list of strings, also where a candidate "
                f"has only one reference; got {group!r}."
            )
        if not len(group):
            raise ValueError(
                f"references[{n}] is empty; every candidate needs a reference."
            )


def _ngrams(words: Words, max_n: int) -> Counts:
    """Count the n-grams of one to ``max_n`` words."""
    return Counter(
        tuple(words[i : i + n])
        for n in range(1, max_n + 1)
        for i in range(len(words) - n + 1)
    )


def _bleu_counts(
    candidates: Sequence[str], references: Sequence[Sequence[str]], max_n: int
) -> NDArray[np.float64]:
    """Count what BLEU is made of, in numbers that may be summed over captions.

    Returns:
        (N, 2 + 2 max_n) length of the candidate, length of the closest reference, then
        for each n the matches and the n-grams there are.
    """
    _check(candidates, references)
    if max_n < 1:
        raise ValueError(f"max_n is {max_n!r}; give a whole number of 1 or more.")
    counts = np.zeros((len(candidates), 2 + 2 * max_n))
    for row, candidate, group in zip(counts, candidates, references, strict=True):
        ours, theirs = candidate.split(), [r.split() for r in group]
        length = len(ours)
        allowed: Counts = Counter()  # the most that any one reference has
        for words in theirs:
            allowed |= _ngrams(words, max_n)
        lengths = (len(words) for words in theirs)
        row[:2] = length, min(lengths, key=lambda other: (abs(other - length), other))
        for gram, count in _ngrams(ours, max_n).items():
            row[2 * len(gram)] += min(count, allowed[gram])
        row[3::2] = [max(0, length - n) for n in range(max_n)]
    return counts


def _bleu_of_counts(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn each row of ``_bleu_counts`` into BLEU-1 to BLEU-max_n."""
    length, wanted, matches, there = (
        counts[:, :1],
        counts[:, 1:2],
        counts[:, 2::2],
        counts[:, 3::2],
    )
    products = np.cumprod((matches + _TINY) / (there + _SMALL), axis=1)
    scores = products ** (1 / np.arange(1, products.shape[1] + 1))
    ratio = (length + _TINY) / (wanted + _SMALL)
    # Two rules in one: below 1 the penalty, from 1 on exp(0).
    return np.asarray(scores * np.exp(np.minimum(0, 1 - 1 / ratio)))


def _longest_common_subsequence(a: Words, b: Words) -> int:
    """Return how many words the two have in common, in the same order."""
    best = [0] * (len(b) + 1)  # best[j]: for the words of a so far and b[:j]
    for word in a:
        diagonal = 0
        for j, other in enumerate(b, start=1):
            above = best[j]
            best[j] = diagonal + 1 if word == other else max(above, best[j - 1])
            diagonal = above
    return best[-1]


def _cider_norms(
    counts: Counts, rarity: dict[tuple[str, ...], float], unseen: float
) -> list[float]:
    """Return the length of the weighted count vector for each n."""
    squares = [0.0] * _CIDER_ORDER
    for gram, count in counts.items():
        squares[len(gram) - 1] += (count * rarity.get(gram, unseen)) ** 2
    return [math.sqrt(square) for square in squares]


def _cider_similarity(
    candidate: Counts,
    norms: list[float],
    reference: Counts,
    rarity: dict[tuple[str, ...], float],
) -> float:
    """Return the damped cosines of one candidate and one reference, summed over n."""
    products = [0.0] * _CIDER_ORDER
    for gram, count in candidate.items():
        if theirs := reference[gram]:
            shared = min(count, theirs)
            products[len(gram) - 1] += shared * theirs * rarity[gram] ** 2
    cosines = 0.0
    others = _cider_norms(reference, rarity, 0.0)
    for product, norm, other in zip(products, norms, others, strict=True):
        if product:
            cosines += product / (norm * other)
    # The evaluation measures length in bigrams: captions of 0 and 1 words are alike.
    gap = _bigrams(candidate) - _bigrams(reference)
    return cosines * math.exp(-(gap**2) / (2 * _CIDER_SIGMA**2))


def _bigrams(counts: Counts) -> int:
    return sum(count for gram, count in counts.items() if len(gram) == 2)
