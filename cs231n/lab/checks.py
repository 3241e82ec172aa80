"""The checks of notebooks: a table of errors, a sentence for each, and what to do next.

Before anything is judged, what runs is compared with what is saved. A check that fails
ends with the command that says more, where there is one.
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from cs231n.assignment import table
from cs231n.assignment.answers import CHECKS_MIME, digests
from cs231n.lab import saved_code
from cs231n.support.accuracy import as_array, as_number, off_by, rel_error


def check(
    title: str,
    pairs: Mapping[str, tuple[Any, Any]],
    within: float | Mapping[str, float],
    *,
    absolute: bool = False,
    rounded: float = 0.0,
    function: str | None = None,
) -> None:
    """Compare results with what is expected, show a table, and fail loudly.

    Where a single number is expected, a result may be Python's, NumPy's, or an array or
    tensor that holds one.

    Args:
        title: What is checked, such as ``rnn_step_backward``.
        pairs: Name -> (result, expected), such as ``{"dx": (dx, dx_num)}``.
        within: Largest relative error allowed, for all or by name.
        absolute: Whether to compare the largest difference instead, for numbers of
            which some are zero.
        rounded: Largest difference that passes as well, relative to the largest number
            expected: float32 has fewer digits.
        function: What ``python -m cs231n.check`` calls the function to look at; found
            in the title if it is None.

    Raises:
        AssertionError: Naming each result that is missing or whose error or shape is
            off, or files whose saved code is not what runs.

    Example:
        >>> check("sum of ones", {"sum": (np.ones(4).sum(), 4.0)}, within=1e-8)
        sum of ones
          sum     0e+00   below   1e-08   pass
        >>> check("shape", {"x": (np.ones(4), np.ones((2, 2)))}, within=1e-8)
        Traceback (most recent call last):
        AssertionError: shape: x has shape (4,), expected (2, 2).
    """
    _require_saved(title)
    rows, complaints = [], []
    for name, (result, expected) in pairs.items():
        limit = within[name] if isinstance(within, Mapping) else within
        error, complaint = _compare_arrays(name, result, expected, limit, absolute)
        if complaint and error is not None and rounded:
            off = off_by(result, expected)
            if off <= rounded:
                error, limit, complaint = off, rounded, ""
        if complaint:
            complaints.append(complaint)
        rows.append(_row(name, error, limit, "<", not complaint))
    _report(title, rows, complaints, function)


def _compare_arrays(
    name: str, result: Any, expected: Any, limit: float, absolute: bool
) -> tuple[float | None, str]:
    """Return an error, None where there is none, and what is wrong with it."""
    wanted = as_array(expected)
    if result is None:
        return None, f"{name} is missing, where shape {wanted.shape} is expected"
    try:
        got = as_array(result)
    except (ValueError, TypeError):
        return None, f"{name} came as {type(result).__name__}, which is no array"
    if got.dtype.kind not in "biufc":
        return None, f"{name} came as {type(result).__name__}, which holds no numbers"
    if wanted.size == got.size == 1 and not wanted.shape:
        got = got.reshape(())
    if got.shape != wanted.shape:
        return None, f"{name} has shape {got.shape}, expected {wanted.shape}"
    if absolute:
        off = np.abs(got - wanted.astype(float))
        error = float(off.max()) if off.size else 0.0
    else:
        error = rel_error(got, wanted)
    if error <= limit:  # nan is not
        return error, ""
    if not limit and not wanted.shape:
        return error, f"{name} is {got.item()}, expected {wanted.item()}"
    what = "the largest difference" if absolute else "relative error"
    return error, f"{name} has {what} {error:.1e}, expected {limit:.0e}"


def check_below(
    title: str,
    values: Mapping[str, tuple[Any, float]],
    *,
    function: str | None = None,
) -> None:
    """Check that numbers, such as a final loss, lie below their limits.

    Args:
        title: What is checked.
        values: Name -> (number, what it must be smaller than).
        function: As for ``check``.

    Raises:
        AssertionError: Naming each number that is not smaller, or is nan.

    Example:
        >>> check_below("training", {"final loss": (0.05, 0.1)})
        training
          final loss      0.05   below     0.1   pass
    """
    _compare(title, values, "<", "less than", function)


def check_at_least(
    title: str,
    values: Mapping[str, tuple[Any, float]],
    *,
    function: str | None = None,
) -> None:
    """Check that numbers, such as scores, reach their floors.

    Args:
        title: What is checked.
        values: Name -> (number, smallest number that passes).
        function: As for ``check``.

    Raises:
        AssertionError: Naming each number that is too small, or is nan.

    Example:
        >>> check_at_least("captions", {"BLEU-4": (0.25, 0.2)})
        captions
          BLEU-4      0.25   at least     0.2   pass
    """
    _compare(title, values, ">=", "at least", function)


def check_captions(
    title: str,
    captions: Any,
    expected: Sequence[Sequence[int]],
    words: Sequence[str],
    *,
    function: str | None = None,
) -> None:
    """Compare captions, word by word, up to each one's end.

    Args:
        title: What is checked.
        captions: (N, T) word indices, as ``sample`` returns them.
        expected: For each of N captions its word indices, up to and with ``<END>`` or
            to T words.
        words: The vocabulary, a word for each index.
        function: As for ``check``.

    Raises:
        AssertionError: Saying how many captions differ, and where the first one does.

    Example:
        >>> words = ["<NULL>", "<START>", "<END>", "red", "car"]
        >>> check_captions("greedy", np.array([[3, 4, 2, 0]]), [[3, 4, 2]], words)
        greedy
          caption 1, words that differ     0e+00   below       1   pass
    """
    _require_saved(title)
    try:
        found = as_array(captions)
    except (ValueError, TypeError):
        found = np.empty(0)
    lengths = {len(row) for row in expected}
    shape = (len(expected), max(lengths))
    if found.ndim != 2 or found.dtype.kind not in "iu" or found.shape[0] != shape[0]:
        came = f"{found.dtype} of shape {found.shape}"
        if not isinstance(captions, np.ndarray):
            came = type(captions).__name__
        row = _row("captions", None, 1, "<", False)
        complaint = f"captions came as {came}, integers of shape {shape} are expected"
        _report(title, [row], [complaint], function)
    rows, complaints = [], []
    for number, (caption, wanted) in enumerate(zip(found, expected, strict=True), 1):
        got = caption[: len(wanted)].tolist()
        off = [t for t, word in enumerate(wanted) if t >= len(got) or got[t] != word]
        name = f"caption {number}, words that differ"
        rows.append(_row(name, len(off), 1, "<", not off))
        if off:
            complaints.append(
                f"caption {number} differs from column {off[0]} on: "
                f"{_sentence(got, words)} came, {_sentence(wanted, words)} is expected"
            )
    if len(complaints) > 1:
        complaints[1:] = [f"{len(complaints)} of {len(expected)} captions differ"]
    starts = [k for k, word in enumerate(words) if word == "<START>"]
    if complaints and starts and np.all(found[:, 0] == starts[0]):
        complaints.append(
            "the first column holds <START>, but belongs to the first word that is "
            "chosen"
        )
    _report(title, rows, complaints, function)


def _sentence(indices: Iterable[int], words: Sequence[str]) -> str:
    known = range(len(words))
    return repr(" ".join(words[k] if k in known else str(k) for k in indices))


def _compare(
    title: str,
    values: Mapping[str, tuple[Any, float]],
    relation: str,
    words: str,
    function: str | None,
) -> None:
    _require_saved(title)
    rows, complaints = [], []
    for name, (number, limit) in values.items():
        if number is None:
            rows.append(_row(name, None, limit, relation, False))
            complaints.append(f"{name} is missing, expected {words} {limit:g}")
            continue
        value = as_number(number)
        passed = value < limit if relation == "<" else value >= limit
        rows.append(_row(name, value, limit, relation, passed))
        if not passed:
            complaints.append(f"{name} is {value:.4g}, expected {words} {limit:g}")
    _report(title, rows, complaints, function)


def _require_saved(title: str) -> None:
    """Insist that what is judged is what lies on disk."""
    complaint, note = saved_code.unsaved()
    if complaint:
        raise AssertionError(f"{title}: {complaint}")
    if note:
        print(note)


def _row(
    name: str, error: float | None, threshold: float, relation: str, passed: bool
) -> dict[str, Any]:
    if error is not None and not np.isfinite(error):
        error = None  # JSON has no nan
    return {
        "name": name,
        "error": error,
        "threshold": float(threshold),
        "relation": relation,
        "passed": bool(passed),
    }


def _report(
    title: str,
    rows: list[dict[str, Any]],
    complaints: Iterable[str],
    function: str | None,
) -> None:
    """Print a table of checks, hand it to the run's report, raise on complaints."""
    if not rows:
        raise AssertionError(
            f"{title}: there is nothing to compare, because no result came."
        )
    width = max(len(row["name"]) for row in rows)
    lines = [title]
    for row in rows:
        error = "-" if row["error"] is None else _short(row["error"], row["relation"])
        threshold = _short(row["threshold"], row["relation"])
        verdict = "pass" if row["passed"] else "FAIL"
        relation = "below" if row["relation"] == "<" else "at least"
        lines.append(
            f"  {row['name']:<{width}}  {error:>8}   {relation} {threshold:>7}"
            f"   {verdict}"
        )
    _publish("\n".join(lines), {"title": title, "rows": rows})
    complaints = list(complaints)
    if complaints:
        more = function or _named_in(title)
        raise AssertionError(
            f"{title}: "
            + "; ".join(complaints)
            + "."
            + (f"\nThis says more:  python -m cs231n.check {more}" if more else "")
        )


@cache
def _by_title() -> dict[str, list[table.Function]]:
    """Return every function by what titles call it; two may share a name."""
    found: dict[str, list[table.Function]] = {}
    for function in table.functions():
        found.setdefault(function.qualname, []).append(function)
    return found


def _named_in(title: str) -> str:
    """Find a function of the assignment in a title, as the check's command calls it."""
    said = set(re.findall(r"\w+(?:\.\w+)*", title))
    for name, functions in _by_title().items():
        if name not in said:
            continue
        variants = [f for f in functions if f.variant and f.variant in said]
        if variants:
            return variants[0].short
        used = [f for f in functions if f.module in sys.modules]
        chosen = (used or functions)[0]
        # The command tries all ways of a question, but one set of questions alone.
        own = {q.graded_as for q in table.questions() if chosen in q.functions}
        elsewhere = any(
            f in q.functions and f.name != chosen.name
            for q in table.questions()
            if q.graded_as not in own
            for f in functions
        )
        return chosen.name if elsewhere else chosen.short
    return ""


def _short(number: float, relation: str) -> str:
    """Errors as orders of magnitude, scores as plain numbers."""
    small = relation == "<" and (number == 0 or abs(number) < 1e-3)
    return f"{number:.0e}" if small else f"{number:.4g}"


def _shell() -> Any:
    """Return IPython's shell inside a notebook, else None."""
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return None
    shell = get_ipython()
    return shell if hasattr(shell, "kernel") else None


def _publish(text: str, data: dict[str, Any]) -> None:
    """Show ``text``; inside a notebook, attach ``data`` for report and hand-in."""
    shell = _shell()
    if shell is None:
        print(text)
        return
    from IPython.display import display

    profile = getattr(shell, "user_ns", {}).get("PROFILE", "full")
    data = data | {"answers": digests(), "profile": str(profile)}
    display({"text/plain": text, CHECKS_MIME: data}, raw=True)


if "IPython" in sys.modules and (shell := _shell()) is not None:
    saved_code.watch_cells(shell)
