"""Check, public tests and notebook say the same of every way to write a function."""

from collections import defaultdict

import numpy as np
import pytest
import torch

from cs231n.assignment.table import functions
from cs231n.tools.check import marks
from cs231n.tools.check.bench import Bench
from cs231n.tools.check.exercises import exercise
from cs231n.tools.check.verdict import is_done
from staff.judging.instruments import Job, cells, opinions, question_of
from staff.mistakes import fingerprints
from staff.mistakes.bank import answers_of, answers_with, bank
from staff.mistakes.writings import rewritten, sources, takers
from staff.questions import ROOT

DATA = ROOT / "cs231n" / "datasets"
FUNCTIONS = {f.key: f for f in functions()}
SEEDS = 200


def writings_of(function):
    return [w for w, writing in bank()[0].items() if function.name in writing.bodies]


def slips_of(function):
    stored = {m.says for m in marks.records().functions[function.key].mistakes}
    return [s for s in bank()[1] if s.key == function.key and s.says in stored]


def job(function, answers):
    texts = sources(*answers)
    return Job(function, {f"{m.replace('.', '/')}.py": t for m, t in texts.items()})


def cases(function):
    """Yield what the bank knows of a function: a name, a job, whether it is right."""
    for writing in writings_of(function):
        yield writing, job(function, answers_of(function.name, writing)), True
    for slip in slips_of(function):
        for writing in slip.edits:
            name = f"{slip.says} ({writing})"
            yield name, job(function, answers_with(slip, writing)), slip.tier == "care"


# With states in float32, finite differences of the forward pass have too few digits for
# the limits of its backward pass and of the model, in the notebooks of every edition.
COARSE = {
    f"cs231n.{name}"
    for name in (
        "rnn_layers.rnn_backward",
        "rnn_layers.lstm_backward",
        "rnn_layers.rnn_step_backward",
        "rnn_layers.lstm_step_backward",
    )
}


def wanted_of(name, function, right):
    """Return what each of the three should say."""
    if not right:
        return (False, False, False)
    if name == "float32" and function.key in COARSE:
        return (True, False, False)
    remark = bank()[0][name].remarks.get(function.name, "") if name in bank()[0] else ""
    if "names a GPU" in remark and not torch.cuda.is_available():
        return (True, True, False)  # a notebook runs on the machine as it is
    return (True, True, True)


def disagreements(chosen, description=""):
    """Return what any of the three says that is not so."""
    found = {}
    answers = opinions([j for _, j, _ in chosen], DATA, description)
    for (name, asked, right), said in zip(chosen, answers, strict=True):
        if said.accepted != wanted_of(name, asked.function, right):
            found[asked.function.key, name] = said
    return found


# One right and one wrong way each, of functions whose notebooks need little time.
SOME = [
    "cs231n.classifiers.rnn.CaptioningRNN.sample",
    "cs231n.style_transfer_pytorch.tv_loss",
]


def test_some_of_the_bank_is_judged_alike_by_all_three():
    chosen = []
    for key in SOME:
        mine = list(cases(FUNCTIONS[key]))
        chosen += [next(c for c in mine if c[2]), next(c for c in mine if not c[2])]
    assert disagreements(chosen) == {}


@pytest.mark.slow
@pytest.mark.parametrize("way", ["right", "wrong"])
@pytest.mark.parametrize("key", FUNCTIONS)
def test_all_of_the_bank_is_judged_alike_by_all_three(key, way, tell):
    chosen = [c for c in cases(FUNCTIONS[key]) if c[2] == (way == "right")]
    assert disagreements(chosen) == {}
    tell(
        f"{FUNCTIONS[key].short}: {len(chosen)} {way} ways "
        f"{'accepted' if way == 'right' else 'rejected'} by check, tests and notebook"
    )


def test_every_function_has_cells_that_judge_it():
    for function in functions():
        found = cells(function)
        plain = function.short.partition(":")[0].rpartition(".")[2]
        assert any(plain in cell for cell in found), function.key
        notebook = (
            ROOT / "staff" / "notebooks" / f"{question_of(function).notebooks[0]}.py"
        ).read_text("utf-8")
        assert sum(map(len, found)) < len(notebook)


# How far right is from wrong


def gap(function):
    """Return how far results are from right ones: in limits, the worst of outputs."""
    records = marks.records()
    how, bench = exercise(function.key), Bench(function, records)
    best = np.inf
    for way in how.ways:
        stored = bench.record.right["own" if way == "sample" else way]
        try:
            with np.errstate(all="ignore"):
                found = how.run(bench, way)
        except Exception:  # whatever wrong code raises is far from right
            continue
        best = min(best, max(distance(found, stored, how).values()))
    return best


def distance(found, stored, how):
    away = {}
    for name, accepted in stored.items():
        seen = marks.mark(name, found[name]) if name in found else None
        gaps = [
            np.abs(np.subtract(seen.along, m.along)).max() / max(m.size, 1e-12)
            for m in accepted
            if seen and seen.shape == m.shape
        ]
        nearest = min(gaps, default=np.inf)
        away[name] = (nearest if np.isfinite(nearest) else np.inf) / how.limit(name)
    return away


@pytest.mark.slow
def test_right_and_wrong_ways_lie_far_apart(tell):
    """Print, for every function, how near the nearest right and wrong ways come."""
    tell(
        f"{'function':<33}{'right ways':>11}{'farthest':>10}"
        f"{'mistakes':>10}{'nearest':>10}   (in limits)"
    )
    counted = defaultdict(int)
    for function in functions():
        right, wrong = [0.0], []
        for writing in writings_of(function):
            with rewritten(*answers_of(function.name, writing)):
                right.append(gap(function))
        for slip in (s for s in slips_of(function) if s.tier == "asked"):
            for writing in slip.edits:
                with rewritten(*answers_with(slip, writing)):
                    wrong.append(gap(function))
        assert max(right) < 0.5, function.key
        assert min(wrong) > 5, function.key
        counted["right"] += len(right)
        counted["wrong"] += len(wrong)
        tell(
            f"{function.short:<33}{len(right):>11}{max(right):>10.1e}"
            f"{len(wrong):>10}{min(wrong):>10.1e}"
        )
    tell(f"{counted['right']} right ways, {counted['wrong']} wrong ones")


@pytest.mark.slow
@pytest.mark.parametrize("key", FUNCTIONS)
def test_no_seed_rejects_what_is_right_or_passes_what_is_wrong(key):
    function = FUNCTIONS[key]
    near = {function.module, *takers()[function.module]}
    needed = [f for f in functions() if f.module in near]
    records = [
        marks.Records(seed, {f.key: fingerprints.right(f, seed) for f in needed})
        for seed in range(SEEDS)
    ]
    ways = [({}, {}), *(answers_of(function.name, w) for w in writings_of(function))]
    for answers in ways:
        with rewritten(*answers):
            rejected = [r.seed for r in records if not is_done(function, r)]
        assert rejected == [], answers
    for slip in (s for s in slips_of(function) if s.tier == "asked"):
        for writing in slip.edits:
            with rewritten(*answers_with(slip, writing)):
                passed = [r.seed for r in records if is_done(function, r)]
            assert passed == [], (slip.says, writing)
