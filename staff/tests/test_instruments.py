"""Check, public tests and notebook say the same of every way to write a function."""

import importlib
import sys
from collections import ChainMap, defaultdict
from contextlib import nullcontext
from functools import cache

import numpy as np
import pytest
import torch

from cs231n.tools.check import marks
from cs231n.tools.check.bench import Bench
from cs231n.tools.check.exercises import exercise
from cs231n.tools.check.gpu import cpu_for_gpu
from cs231n.tools.check.verdict import REMARKED, is_done
from staff.judging import driver
from staff.judging.instruments import Job, cells, instruments, question_of
from staff.mistakes import fingerprints
from staff.mistakes.bank import answers_of, answers_with, bank
from staff.mistakes.writings import loaded, rewritten, solved, sources, takers
from staff.questions import ROOT
from staff.tests.asked import FUNCTIONS, QUESTIONS

DATA = ROOT / "cs231n" / "datasets"
SEEDS = 200
RIGHT, WRONG = (True,) * 3, (False,) * 3  # what check, tests and notebook say


def writings_of(function):
    return [w for w, writing in bank()[0].items() if function.name in writing.bodies]


def slips_of(function):
    stored = {m.says for m in marks.records().functions[function.key].mistakes}
    return [s for s in bank()[1] if s.key == function.key and s.says in stored]


def job(functions, *answers):
    """Make a job of functions, with all these answers and helpers."""
    bodies, helpers = (ChainMap(*parts) for parts in zip(*answers, strict=True))
    texts = sources(dict(bodies), dict(helpers))
    files = {f"{m.replace('.', '/')}.py": t for m, t in texts.items()}
    return Job(tuple(functions), files)


def right_ways(function):
    """Yield the bank's writings: a name, a job, what each should say."""
    for writing in writings_of(function):
        wanted = wanted_of(function, writing)
        yield writing, job([function], answers_of(function.name, writing)), wanted


def mistakes(function, tier):
    """Yield the bank's mistakes, in all writings, those of care being accepted."""
    for slip in (s for s in slips_of(function) if s.tier == tier):
        for writing in slip.edits:
            asked = job([function], answers_with(slip, writing))
            yield f"{slip.says} ({writing})", asked, RIGHT if tier == "care" else WRONG


def wanted_of(function, writing):
    """Return what each of the three should say of a right way."""
    remark = bank()[0][writing].remarks.get(function.name, "")
    if "names a GPU" in remark and not torch.cuda.is_available():
        return (True, True, False)  # a notebook runs on the machine as it is
    return RIGHT


@pytest.fixture(scope="module")
def ask_all_three():
    with instruments(DATA) as ask:
        yield ask


def disagreements(chosen, ask):
    """Return what any of the three says that is not so."""
    found = {}
    for name, asked, wanted in chosen:
        said = ask(asked)
        if said.accepted != wanted:
            found[asked.functions[0].key, name] = said
    return found


# One right and one wrong way each, of functions whose notebooks need little time.
SOME = [
    "cs231n.classifiers.rnn.CaptioningRNN.sample",
    "cs231n.style_transfer_pytorch.tv_loss",
]


def test_some_of_the_bank_is_judged_alike_by_all_three(ask_all_three):
    chosen = []
    for key in SOME:
        chosen.append(next(right_ways(FUNCTIONS[key])))
        chosen.append(next(mistakes(FUNCTIONS[key], "asked")))
    assert disagreements(chosen, ask_all_three) == {}


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_a_loss_of_states_in_float32_is_accepted_by_all_three(cell, ask_all_three):
    name = "cs231n.classifiers.rnn.CaptioningRNN.loss"
    key = name if cell == "rnn" else f"{name}:lstm"
    answers = answers_of(f"cs231n.rnn_layers.{cell}_forward", "float32")
    said = ask_all_three(job([FUNCTIONS[key]], answers))
    assert said.accepted == RIGHT, said.said
    assert said.check == {key: REMARKED}


def test_what_does_not_parse_is_rejected_and_harms_nothing_after_it(ask_all_three):
    _, right, _ = next(right_ways(FUNCTIONS[SOME[-1]]))
    torn = Job(right.functions, dict.fromkeys(right.files, "def torn(:"))
    assert ask_all_three(torn).accepted == WRONG
    assert ask_all_three(right).accepted == RIGHT


OLD = """
def alone(x, by=2):
    return x * by

class Model:
    def loss(self):
        return helper() + super().__sizeof__()

def helper():
    return 1
"""
NEW = """
def alone(x, by=3):
    return other(x) * by

class Model:
    def loss(self):
        return helper() - super().__sizeof__()
    def more(self):
        return self.loss()

def helper():
    return 10

def other(x):
    return -x
"""


def test_changed_code_reaches_whoever_has_imported_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "students_module.py").write_text(OLD)
    module = importlib.import_module("students_module")
    alone, model = module.alone, module.Model()
    size = model.loss() - 1
    (tmp_path / "students_module.py").write_text(NEW)
    driver.change("students_module.py")
    assert (alone(5), module.alone(5)) == (-15, -15)
    assert model.loss() == model.more() == 10 - size
    assert isinstance(module.Model(), type(model))
    driver.change("nobody_imported_this.py")
    assert "nobody_imported_this" not in sys.modules


@pytest.mark.slow
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_all_right_ways_are_accepted_by_all_three(question, ask_all_three, tell):
    """Judge each way of writing in all functions at once, then where it fails alone."""
    at_once, alone = defaultdict(list), []
    for function in question.functions:
        for name, asked, wanted in right_ways(function):
            if wanted == RIGHT:
                at_once[name].append(function)
            else:
                alone.append((name, asked, wanted))
        alone += mistakes(function, "care")
    for name, together in at_once.items():
        answers = [answers_of(function.name, name) for function in together]
        whole = [(name, job(together, *answers), RIGHT)]
        if disagreements(whole, ask_all_three):
            alone += whole
            alone += [
                (name, job([function], answer), RIGHT)
                for function, answer in zip(together, answers, strict=True)
            ]
    assert disagreements(alone, ask_all_three) == {}
    tell(
        f"{question.id}: {sum(map(len, at_once.values()))} right ways accepted by "
        f"check, tests and notebook; of {len(alone)} more each says what it should"
    )


@pytest.mark.slow
@pytest.mark.parametrize("key", FUNCTIONS)
def test_all_wrong_ways_are_rejected_by_all_three(key, ask_all_three, tell):
    chosen = list(mistakes(FUNCTIONS[key], "asked"))
    assert disagreements(chosen, ask_all_three) == {}
    tell(
        f"{FUNCTIONS[key].short}: {len(chosen)} wrong ways rejected by check, tests "
        "and notebook"
    )


def test_every_function_has_cells_that_judge_it():
    for function in FUNCTIONS.values():
        found = cells((function,))
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
    # What goes before is right, so other ways say nothing.
    for way in ("own", *how.narrow):
        stored = bench.record.right[way]
        anywhere = cpu_for_gpu(lambda: None) if how.gpu else nullcontext()
        try:
            with np.errstate(all="ignore"), anywhere:
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
    for function in FUNCTIONS.values():
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


@cache
def right_of(key, seed):
    """Return what is right of a function, whatever stands in its place by now."""
    module = FUNCTIONS[key].module
    with loaded({name: solved(name) for name in {module, *takers()[module]}}):
        return fingerprints.right(FUNCTIONS[key], seed)


class OnDemand(dict):
    """Records by key, of which few are asked for: each is made then."""

    def __init__(self, keys, seed):
        super().__init__(dict.fromkeys(keys))
        self.seed = seed

    def __getitem__(self, key):
        return right_of(key, self.seed) if key in self else super().__getitem__(key)

    def get(self, key, default=None):
        return self[key] if key in self.keys() else default


def records_of(function, seed):
    """Return what is right of a function, and of those that it may call, for a seed."""
    near = {function.module, *takers()[function.module]}
    keys = [f.key for f in FUNCTIONS.values() if f.module in near]
    return marks.Records(seed, OnDemand(keys, seed))


@pytest.mark.parametrize(
    ("key", "seed", "mistake"),
    [
        # Every caption's last word was <NULL>.
        ("cs231n.classifiers.rnn.CaptioningRNN.loss", 158, "last timestep"),
        # No caption had <NULL> before its end.
        ("cs231n.classifiers.rnn.CaptioningRNN.sample:lstm", 31, "<NULL> could never"),
        # The way to the other class went straight on: old gradients changed nothing.
        ("cs231n.net_visualization_pytorch.make_fooling_image", 73, "earlier steps"),
        # The class had the number 1.
        ("cs231n.image_generation.class_visualization_step", 5, "number were sent"),
        # All scores were positive.
        ("cs231n.gan_pytorch.discriminator", 13, "leaky ReLU followed"),
    ],
)
def test_no_draw_hides_a_mistake_by_chance(key, seed, mistake):
    function = FUNCTIONS[key]
    records = records_of(function, seed)
    slip = next(s for s in slips_of(function) if mistake in s.says)
    with rewritten(*answers_with(slip, "edit")):
        assert not is_done(function, records)


@pytest.mark.slow
@pytest.mark.parametrize("key", FUNCTIONS)
def test_no_seed_rejects_what_is_right_or_passes_what_is_wrong(key):
    function = FUNCTIONS[key]
    records = [records_of(function, seed) for seed in range(SEEDS)]
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
