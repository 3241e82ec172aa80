"""The update rules: stored values, formulas, memory and dtype."""

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cs231n import optim
from tests.strategies import LAYOUTS, laid_out, ramp, seeds

RULES = {
    "sgd": {"learning_rate": 1e-2},
    "sgd_momentum": {"learning_rate": 1e-2, "momentum": 0.9, "velocity": 0},
    "rmsprop": {"learning_rate": 1e-2, "decay_rate": 0.99, "epsilon": 1e-8, "cache": 0},
    "adam": {
        "learning_rate": 1e-3,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "m": 0,
        "v": 0,
        "t": 0,
    },
}
each_rule = pytest.mark.parametrize("name", RULES)


def test_adam_gives_the_stored_values():
    w, dw = ramp(-0.4, 0.6, 4, 5), ramp(-0.6, 0.4, 4, 5)
    m, v = ramp(0.6, 0.9, 4, 5), ramp(0.7, 0.5, 4, 5)
    config = {"learning_rate": 1e-2, "m": m, "v": v, "t": 5}
    next_w, new = optim.adam(w, dw, config)
    expected = [-0.40094747, -0.34836187, -0.29577703, -0.24319299, -0.19060977]
    np.testing.assert_allclose(next_w[0], expected, rtol=0, atol=6e-9)
    assert new is config
    assert config["t"] == 6
    np.testing.assert_allclose(
        config["m"], 0.9 * ramp(0.6, 0.9, 4, 5) + 0.1 * dw, rtol=1e-14
    )
    np.testing.assert_allclose(
        config["v"], 0.999 * ramp(0.7, 0.5, 4, 5) + 0.001 * dw**2, rtol=1e-14
    )


def plain(name, w, dw, config):
    """Take a step by the formula, in new arrays."""
    c = dict(config)
    rate = c["learning_rate"]
    if name == "sgd":
        return w - rate * dw, c
    if name == "sgd_momentum":
        c["velocity"] = c["momentum"] * c["velocity"] - rate * dw
        return w + c["velocity"], c
    if name == "rmsprop":
        c["cache"] = c["decay_rate"] * c["cache"] + (1 - c["decay_rate"]) * dw**2
        return w - rate * dw / (np.sqrt(c["cache"]) + c["epsilon"]), c
    c["t"] += 1
    c["m"] = c["beta1"] * c["m"] + (1 - c["beta1"]) * dw
    c["v"] = c["beta2"] * c["v"] + (1 - c["beta2"]) * dw**2
    step = rate * np.sqrt(1 - c["beta2"] ** c["t"]) / (1 - c["beta1"] ** c["t"])
    return w - step * c["m"] / (np.sqrt(c["v"]) + c["epsilon"]), c


@each_rule
@given(
    shape=st.lists(st.integers(0, 4), max_size=3).map(tuple),
    seed=seeds,
    layouts=st.tuples(*[st.sampled_from(LAYOUTS[:-1])] * 2),
)
def test_five_steps_follow_the_formula(name, shape, seed, layouts):
    rng = np.random.default_rng(seed)
    w = laid_out(np.asarray(rng.normal(size=shape)), layouts[0])
    expected, plain_config = w.copy(), RULES[name]
    config = {}
    for _ in range(5):
        dw = np.asarray(rng.normal(size=shape))
        expected, plain_config = plain(name, expected, dw, plain_config)
        w, config = getattr(optim, name)(w, laid_out(dw, layouts[1]), config)
        np.testing.assert_allclose(w, expected, rtol=1e-11, atol=1e-13)
    assert config.keys() == plain_config.keys()
    for key, value in plain_config.items():
        np.testing.assert_allclose(config[key], value, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("size", [1, 32767, 32768, 32769, 70001])
def test_adam_treats_long_arrays_like_short_ones(size, rng):
    w, dw, m = rng.normal(size=(3, size))
    v = rng.random(size)
    config = RULES["adam"] | {"m": m, "v": v, "t": 3}
    expected, plain_config = plain("adam", w, dw, config)
    next_w, config = optim.adam(w, dw, config)
    np.testing.assert_allclose(next_w, expected, rtol=1e-13)
    np.testing.assert_allclose(config["v"], plain_config["v"], rtol=1e-13)


@each_rule
def test_defaults_are_filled_in_and_the_same_dictionary_returns(name):
    config = {}
    _, same = getattr(optim, name)(np.zeros((2, 3)), np.zeros((2, 3)), config)
    assert same is config
    assert config.keys() == RULES[name].keys()
    for key, value in RULES[name].items():
        if key == "t":
            assert config[key] == 1
        elif value == 0:
            np.testing.assert_array_equal(config[key], np.zeros((2, 3)))
        else:
            assert config[key] == value


@each_rule
@pytest.mark.parametrize("names", [("w", "dw"), ("x", "dx"), ("x", "dw")])
def test_arrays_go_by_the_names_of_every_edition(name, names, rng):
    rule, (w, dw) = getattr(optim, name), rng.normal(size=(2, 3))
    expected, _ = rule(w.copy(), dw, {"learning_rate": 0.5})
    by_name = dict(zip(names, (w.copy(), dw), strict=True))
    next_w, config = rule(**by_name, config={"learning_rate": 0.5})
    np.testing.assert_array_equal(next_w, expected)
    assert config["learning_rate"] == 0.5
    gradient = {names[1]: dw}
    next_w, _ = rule(w.copy(), **gradient, config={"learning_rate": 0.5})
    np.testing.assert_array_equal(next_w, expected)


@each_rule
@pytest.mark.parametrize(
    ("places", "names", "complaint"),
    [
        (0, "w x dw", "weights came as w and as x; give them once"),
        (0, "w dw dx", "gradients came as dw and as dx"),
        (1, "x dx", "weights came by position and as x"),
        (2, "dx", "gradients came by position and as dx"),
        (0, "dw", "weights are missing; give them once, in first place or as w or x"),
        (1, "", "gradients are missing; give them once, in second place or as dw or"),
        (0, "", "weights are missing"),
    ],
)
def test_arrays_given_twice_or_not_at_all_are_named(name, places, names, complaint):
    arrays = [np.ones(2)] * places
    with pytest.raises(TypeError, match=f"^{name}: the {complaint}"):
        getattr(optim, name)(*arrays, **{n: np.ones(2) for n in names.split()})
    with pytest.raises(TypeError, match="shape"):
        getattr(optim, name)(np.ones(2), np.ones(2), shape=2)


@each_rule
def test_help_shows_the_arguments_of_the_rule_itself(name):
    first = "x, dx" if name == "adam" else "w, dw"
    parameters = inspect.signature(getattr(optim, name)).parameters
    assert ", ".join(parameters) == f"{first}, config"
    assert parameters["config"].default is None


@each_rule
def test_no_settings_means_defaults_and_settings_of_its_own(name):
    w = np.ones(3)
    _, first = getattr(optim, name)(w.copy(), w, None)
    _, second = getattr(optim, name)(w.copy(), w)
    assert first is not second
    assert {k: np.ndim(v) for k, v in first.items()} == {
        k: np.ndim(v) for k, v in second.items()
    }


@each_rule
@pytest.mark.parametrize("layout", LAYOUTS[:-1])
def test_float32_stays_over_a_hundred_steps_and_the_gradient_is_not_touched(
    name, layout, rng
):
    w = laid_out(rng.normal(size=(5, 7)).astype(np.float32), layout)
    start, config = w.copy(), {}
    dw = rng.normal(size=w.shape).astype(np.float32)
    before = dw.copy()
    for _ in range(100):
        w, config = getattr(optim, name)(w, dw, config)
    assert w.dtype == np.float32
    state = [v for v in config.values() if isinstance(v, np.ndarray)]
    assert all(v.dtype == np.float32 for v in state)
    assert np.isfinite(w).all()
    # Against a gradient that never changes, each weight moves the other way.
    np.testing.assert_array_equal(np.sign(start - w), np.sign(dw))
    np.testing.assert_array_equal(dw, before)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e6])
def test_adams_first_step_is_the_learning_rate_whatever_the_gradient(size):
    w, _ = optim.adam(np.zeros(2), np.array([size, -size]), {"learning_rate": 0.5})
    np.testing.assert_allclose(w, [-0.5, 0.5], rtol=1e-3)


@each_rule
def test_zero_gradients_leave_the_weights(name):
    w, _ = getattr(optim, name)(np.arange(4.0), np.zeros(4))
    np.testing.assert_array_equal(w, np.arange(4.0))


@each_rule
def test_each_finds_the_bottom_of_a_bowl(name):
    w, config = np.array([3.0, -2.0]), {"learning_rate": 0.02}
    for _ in range(1500):
        w, config = getattr(optim, name)(w, w - [1.0, 2.0], config)
    np.testing.assert_allclose(w, [1, 2], atol=0.02)
