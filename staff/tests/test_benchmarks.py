"""The benchmark harness: honest order, right medians, rivals that agree first."""

import json
import random
import time
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import captioning, convolution, frameworks, gans, visualization
from benchmarks.__main__ import IMPORT, _groups, main
from benchmarks.harness import (
    TARGETS,
    Protocol,
    Result,
    Row,
    import_seconds,
    measure,
    measure_imports,
    summary,
    surroundings,
    table,
    threads,
    ways,
)
from cs231n.support.kernels import compiled


class Clock:
    """A clock that moves only when work says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def work(self, *durations):
        """Return work that takes these seconds, one after another, again and again."""
        calls = iter(range(10**6))

        def run():
            self.now += durations[next(calls) % len(durations)]

        return run


def brief(clock, rounds=5):
    return Protocol(rounds, 0.0, clock, random.Random(231))


def test_the_result_is_the_median_of_the_rounds():
    clock = Clock()
    # Two calls go into the warm-up, the other five are timed.
    ours = clock.work(90, 90, 3, 1, 4, 100, 5)
    result = measure(Row("row", ours, {"rival": clock.work(2)}), brief(clock))
    assert result.seconds == {"ours": 4, "rival": 2}
    assert result.ratio("rival") == 2


def test_each_round_has_everybody_in_a_random_order():
    calls = []
    names = ["ours", "a", "b"]
    work = {name: (lambda name=name: calls.append(name)) for name in names}
    row = Row("row", work["ours"], {"a": work["a"], "b": work["b"]})
    measure(row, brief(Clock(), rounds=50))
    timed = calls[2 * len(names) :]
    rounds = [tuple(timed[k : k + 3]) for k in range(0, len(timed), 3)]
    assert len(rounds) == 50
    assert all(sorted(r) == sorted(names) for r in rounds)
    assert len(set(rounds)) == 6  # all the orders there are


def test_fast_work_is_repeated_to_fill_a_block():
    clock, count = Clock(), [0]
    work = clock.work(0.003)

    def counted():
        count[0] += 1
        work()

    measure(Row("row", counted), Protocol(3, 0.01, clock))
    assert count[0] == 2 + 3 * 4


def test_threads_of_a_rival_get_a_rest_that_is_not_timed(monkeypatch):
    clock, rests = Clock(), []
    monkeypatch.setattr(time, "sleep", rests.append)
    # Two calls go into the warm-up; of the other six each second one is timed.
    ours = clock.work(90, 90, 50, 1, 50, 2, 50, 3)
    result = measure(Row("row", ours), replace(brief(clock, 3), rest=0.1))
    assert result.seconds == {"ours": 2}
    assert rests == [0.1] * 3


def test_a_slow_rival_is_seen_to_be_slower():
    numbers = np.ones(20_000)

    def slow():
        for _ in range(10):
            np.sqrt(numbers)

    row = Row("row", lambda: np.sqrt(numbers), {"slow": slow})
    result = measure(row, Protocol(rounds=5, block_seconds=0.005))
    assert result.ratio("slow") < 0.5
    turned = measure(Row("row", slow, {"fast": row.ours}), Protocol(5, 0.005))
    assert turned.ratio("fast") > 2


def test_nothing_is_timed_when_results_differ():
    def disagree():
        raise AssertionError("dx differs")

    def never():
        pytest.fail("was called")

    with pytest.raises(AssertionError, match="dx differs"):
        measure(Row("row", never, agree=disagree), brief(Clock()))


def test_targets_are_ratios_with_slack_if_asked():
    result = Result("row", {"ours": 1.1, "torch": 1.0}, {"torch": 1.0})
    assert not result.within()
    assert result.within(1.25)
    assert result.facts()["met"] is False
    assert Result("row", {"ours": 9.0}, {}, seconds_goal=0.1).within()  # times never


def test_the_table_says_what_was_met():
    results = [
        Result("fast", {"ours": 2e-6, "torch": 1e-3, "other": 1.0}, {"torch": 0.5}),
        Result("slow", {"ours": 1.5, "torch": 1.0}, {"torch": 1.2}),
        Result("alone", {"ours": 0.2}, {}, seconds_goal=0.3),
    ]
    lines = [line.split() for line in table(results).splitlines()]
    assert lines[1:] == [
        ["fast", "2", "us", "torch", "1", "ms", "0.002", "<=", "0.5", "yes"],
        ["other", "1", "s", "2e-06"],
        ["slow", "1.5", "s", "torch", "1", "s", "1.50", "<=", "1.2", "NO"],
        ["alone", "200", "ms", "<=", "300", "ms", "yes"],
    ]


def test_one_line_counts_what_was_met():
    met = Result("fast", {"ours": 1.0, "a": 2.0, "b": 4.0}, {"a": 0.5, "b": 0.3})
    half = Result("half", {"ours": 1.0, "a": 2.0, "b": 4.0}, {"a": 0.4, "b": 0.3})
    slow = Result("slow", {"ours": 0.4}, {}, seconds_goal=0.3)
    assert summary([met]) == "2 targets met, 0 missed."
    assert summary([met, half, slow]) == "3 targets met, 2 missed: half; slow."
    assert summary([Result("free", {"ours": 1.0}, {})]) == (
        "Nothing of this has a target."
    )


@pytest.mark.slow
def test_every_target_is_of_a_row_and_a_rival_that_there_are():
    rows = {row.name: row for make in _groups(False).values() for row in make()}
    peers = {name: set(row.peers) for name, row in rows.items()} | {IMPORT: {"numpy"}}
    peers |= {name: {"torch"} for name, *_ in frameworks.STEPS.values()}
    compiled_too = compiled.kernels() is not None
    for name, targets in TARGETS.items():
        if compiled_too or not name.endswith("compiled"):
            assert targets.keys() <= peers[name]


def test_threads_are_set_and_given_back():
    import torch

    before = torch.get_num_threads()
    with threads(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_the_surroundings_name_the_kernel():
    facts = surroundings(1)
    assert facts["clock"] == "CPU time"
    assert surroundings(2)["clock"] == "wall time"
    assert facts["numpy"] == np.__version__
    assert "(" in facts["blas"]


def test_imports_are_timed_in_processes_of_their_own():
    result = measure_imports(
        "row", {"ours": "json", "nothing": "sys"}, {}, Protocol(rounds=1)
    )
    assert result.seconds["ours"] > 0
    assert import_seconds("sys") < 5


@pytest.mark.parametrize("group", convolution.GROUPS)
def test_rivals_in_convolution_agree_too(group):
    for row in convolution.GROUPS[group](True):
        if row.agree is not None:
            row.agree()


def test_a_convolution_that_is_slightly_off_is_noticed(monkeypatch):
    right = convolution.conv_backward_fast

    def slightly_off(dout, cache):
        dx, dw, db = right(dout, cache)
        return dx, dw * 1.001, db

    monkeypatch.setattr(convolution, "conv_backward_fast", slightly_off)
    row = next(convolution.GROUPS["conv"](True))
    with pytest.raises(AssertionError, match="differs from torch's"):
        row.agree()


def test_rows_are_measured_with_numpy_alone_and_with_the_kernels():
    seen = []
    for name, wrap in ways():
        wrap(lambda name=name: seen.append((name, compiled.kernels() is None)))()
    assert seen[0] == ("NumPy", True)
    assert seen[1:] == ([("compiled", False)] if compiled.kernels() else [])


def test_a_row_may_ask_for_fewer_rounds():
    clock = Clock()
    row = Row("row", clock.work(1), rounds=2)
    measure(row, brief(clock, rounds=9))
    assert clock.now == 2 + 2  # the warm-up, then two blocks


def test_peak_memory_is_told(monkeypatch, capsys):
    monkeypatch.setattr(convolution, "CONVS", convolution.SMALL_CONVS)
    monkeypatch.setattr(convolution, "PretrainedCNN", lambda: _Nothing)
    convolution.peak_memory()
    assert "conv small, fast, NumPy: " in capsys.readouterr().out


class _Nothing:
    loss = staticmethod(lambda *_: None)


@pytest.mark.parametrize("group", captioning.GROUPS)
def test_rivals_agree_before_they_are_timed(group):
    rows = list(captioning.GROUPS[group](captioning.SMALL))
    assert rows
    for row in rows:
        if row.peers:
            row.agree()
        else:
            row.ours()


@pytest.mark.parametrize("group", visualization.GROUPS)
def test_the_courses_loops_agree_before_they_are_timed(group):
    (row,) = visualization.GROUPS[group](True)
    row.agree()


def test_a_wrong_loop_is_noticed(monkeypatch):
    right = visualization.compute_saliency_maps
    monkeypatch.setattr(
        visualization,
        "compute_saliency_maps",
        lambda X, y, model: 1.01 * right(X, y, model),
    )
    (row,) = visualization.saliency(1, 64)
    with pytest.raises(AssertionError, match="results differ"):
        row.agree()


@pytest.mark.parametrize(
    ("group", "function"),
    [
        ("rnn", "rnn_backward"),
        ("lstm", "lstm_backward"),
        ("affine", "temporal_affine_backward"),
        ("softmax", "temporal_softmax_loss"),
        ("embedding", "word_embedding_backward"),
    ],
)
def test_a_result_that_is_slightly_off_is_noticed(group, function, monkeypatch):
    right = getattr(captioning, function)

    def slightly_off(*args):
        results = right(*args)
        if isinstance(results, tuple):
            return *results[:-1], results[-1] * 1.001
        return results * 1.001

    monkeypatch.setattr(captioning, function, slightly_off)
    *_, row = captioning.GROUPS[group](captioning.SMALL)
    with pytest.raises(AssertionError, match="differs from torch's"):
        row.agree()


def test_a_model_that_is_slightly_off_is_noticed(monkeypatch):
    right = captioning.FastCaptioningRNN.loss

    def slightly_off(self, *args):
        loss, grads = right(self, *args)
        return loss, grads | {"Wh": grads["Wh"] * 1.001}

    monkeypatch.setattr(captioning.FastCaptioningRNN, "loss", slightly_off)
    with pytest.raises(AssertionError, match="Wh differs"):
        next(captioning.solver_step(captioning.SMALL)).agree()


def test_a_result_of_zeros_is_noticed():
    with pytest.raises(AssertionError, match="dx differs"):
        captioning.assert_close(np.zeros(3), np.ones(3), "dx")


def test_captions_are_like_those_of_coco(rng):
    sizes = captioning.Sizes()
    captions = captioning.make_captions(rng, 5000, sizes)
    assert captions.shape == (5000, 17)
    assert np.all(captions[:, 0] == captioning.START)
    live = captions[:, 1:] != captioning.NULL
    assert live.mean() == pytest.approx(0.73, abs=0.01)
    assert np.all(live[:, 1:] <= live[:, :-1])  # no holes
    assert np.all((captions == captioning.END).sum(axis=1) == 1)
    assert 0 <= captions.min() < captions.max() < sizes.V
    at_once = captions[:100, :-1][live[:100]]
    assert 300 < len(np.unique(at_once)) < 420


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_finished_captions_end_after_about_twelve_words(cell, rng):
    sizes = captioning.Sizes()
    model = captioning.make_model(captioning.CaptioningRNN, cell, sizes)
    captioning.finish_captions(model, rng)
    captions = model.sample(rng.normal(size=(50, sizes.D)), 30)
    lengths = (captions != captioning.NULL).sum(axis=1)
    assert 10 < lengths.mean() < 14
    assert lengths.max() < 30
    assert len(np.unique(lengths)) > 3


def test_the_command_runs_everything_small(tmp_path, capsys):
    report = tmp_path / "report.json"
    modules = (captioning, convolution, gans, visualization)
    groups = [name for module in modules for name in module.GROUPS]
    assert main(["--quick", "--only", *groups, "--json", str(report), "--gate"]) == 0
    written = json.loads(report.read_text("utf-8"))
    printed = capsys.readouterr().out
    assert "the ratios mean nothing" in printed
    assert written["quick"] is True
    for row in written["rows"]:
        assert row["name"] in printed
        assert row["seconds"]["ours"] > 0
        assert row["ratios"].keys() == row["seconds"].keys() - {"ours"}


def test_a_clock_that_has_not_moved_is_no_division_by_zero():
    row = Row("short", lambda: None, {"peer": lambda: None})
    assert measure(row, brief(lambda: 1.0)).ratio("peer") == 1


def test_a_clock_that_goes_on_in_steps_lets_nothing_take_minutes():
    calls = []

    def work():
        calls.append(0)

    def clock():
        return len(calls) // 8 * 0.01  # a call takes a little more than a millisecond

    measure(Row("short", work), Protocol(3, 0.03, clock))
    assert 3 * 8 <= len(calls) < 200


def test_the_command_times_imports(capsys):
    assert main(["--quick", "--only", "imports"]) == 0
    assert "import cs231n.rnn_layers" in capsys.readouterr().out


def test_the_gate_closes_on_ratios(monkeypatch, capsys):
    def late(_):
        yield Row(
            "late",
            lambda: time.sleep(0.01),
            {"torch": lambda: None},
            targets={"torch": 1},
        )

    monkeypatch.setitem(captioning.GROUPS, "late", late)
    arguments = ["--only", "late", "--rounds", "1", "--threads", "2"]
    assert main(arguments) == 0
    assert main([*arguments, "--gate"]) == 1
    said = capsys.readouterr().out
    assert "More than 1.25 times their target: late" in said
    assert said.splitlines()[-1] == "0 targets met, 1 missed: late."


def test_an_unknown_group_is_named(capsys):
    assert main(["--only", "rnn", "gru"]) == 2
    assert "There is no group gru; choose of products, rnn" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--threads", "0"], ["--rounds", "-1"]])
def test_numbers_must_be_positive(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert "too few; take 1 or more" in capsys.readouterr().err
