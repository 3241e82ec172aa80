"""Few labels and many digits: losses by hand, and a study that repeats itself."""

import numpy as np
import pytest
import torch

from cs231n.embedded.digits import Digits
from cs231n.extras import semi_supervised
from cs231n.extras.semi_supervised import (
    ALONE,
    BOTH_TOO,
    CONSISTENCY_TOO,
    GENERATOR_TOO,
    METHODS,
    Discriminators,
    Noise,
    Pictures,
    feature_matching_loss,
    make_generators,
    real_or_drawn_loss,
    run_study,
)

pytestmark = pytest.mark.extra


def test_real_or_fake_by_hand():
    zeros = torch.zeros(3, 4, dtype=torch.float64)
    loss = real_or_drawn_loss(zeros, zeros)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(np.log(5 / 4) + np.log(5))
    one = torch.tensor([[0.0, -1000.0]])  # a single class that matters
    assert real_or_drawn_loss(one, one).item() == pytest.approx(2 * np.log(2))


def test_real_or_fake_far_out_is_finite_and_has_a_gradient():
    for size, expected in ((100.0, 0.0), (-100.0, 200.0 - 2 * np.log(10))):
        real = torch.full((2, 10), size, requires_grad=True)
        fake = torch.full((2, 10), -size, requires_grad=True)
        loss = real_or_drawn_loss(real, fake)
        loss.backward()
        assert loss.item() == pytest.approx(max(expected, 0), rel=0.05, abs=1e-6)
        if size < 0:
            assert real.grad.sum().item() == pytest.approx(-1, rel=1e-4)
            assert fake.grad.sum().item() == pytest.approx(1, rel=1e-4)


def test_feature_matching_compares_means():
    real = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    fake = torch.tensor([[2.0, 6.0]], requires_grad=True)
    loss = feature_matching_loss(real, fake)
    assert loss.item() == 4.5
    loss.backward()
    assert real.grad is None
    assert fake.grad.tolist() == [[0, 3]]
    assert feature_matching_loss(real, real.flip(0)).item() == 0


def test_losses_of_many_networks_are_the_means_of_each(rng):
    first, second = (torch.from_numpy(rng.normal(size=(3, 5, 4))) for _ in range(2))
    for loss in (real_or_drawn_loss, feature_matching_loss):
        each = torch.stack([loss(first[m], second[m]) for m in range(3)])
        torch.testing.assert_close(loss(first, second), each.mean())


@pytest.fixture
def toy(rng):
    """Ten kinds of pictures: a bright square each, in a place of its own."""
    labels = np.arange(200) % 10
    images = 0.2 * rng.random((200, 1, 28, 28))
    for image, label in zip(images, labels, strict=True):
        top, left = divmod(int(label), 4)
        image[0, 4 + 6 * top : 10 + 6 * top, 2 + 6 * left : 8 + 6 * left] = 1
    return Digits(images.astype(np.float32), labels.astype(np.int64))


def test_networks_side_by_side_do_not_touch_one_another(rng):
    torch.manual_seed(231)
    D = Discriminators(3).eval()
    x = torch.from_numpy(rng.normal(size=(3, 5, 196))).float()
    scores = D(x)
    assert scores.shape == (3, 5, 10)
    changed = x.clone()
    changed[1] += 1
    again = D(changed)
    assert torch.equal(again[[0, 2]], scores[[0, 2]])
    assert not torch.equal(again[1], scores[1])
    assert torch.equal(D(x), scores)  # nothing random when it does not learn
    fake = make_generators(2)(torch.rand(2, 7, 32))
    assert fake.shape == (2, 7, 196)
    assert fake.abs().max() <= 1


def test_noise_is_normal_new_each_time_and_for_training_only():
    torch.manual_seed(231)
    noise, zeros = Noise(0.3), torch.zeros(20, 50, 10)
    first, second = noise(zeros), noise(zeros)
    for added in (first, second):
        assert added.mean().abs() < 0.02
        assert added.std() == pytest.approx(0.3, rel=0.05)
    assert not torch.equal(first, second)
    wide = torch.ones(3, 20_000)  # more than the strip was cut for
    assert (noise(wide) - 1).std() == pytest.approx(0.3, rel=0.05)
    assert noise.eval()(wide) is wide


def test_pictures_are_halved_and_moved(toy, rng):
    pictures = Pictures(toy, rng)
    still = pictures.still.reshape(-1, 14, 14)
    small = 2 * toy.images[:, 0].reshape(200, 14, 2, 14, 2).mean((2, 4)) - 1
    np.testing.assert_allclose(still, small, atol=1e-6)
    moved = pictures(np.zeros((1, 400), dtype=int))[0].reshape(-1, 14, 14)
    kinds = np.unique(moved.numpy().reshape(400, -1), axis=0)
    assert len(kinds) == 9
    inside = still[0, 1:-1, 1:-1]
    places = {
        (i, j)
        for m in moved
        for i in range(3)
        for j in range(3)
        if torch.equal(m[i : i + 12, j : j + 12], inside)
    }
    assert len(places) == 9


def study_of(toy, **changed):
    arguments = {"labels": (10, 20), "runs": 3, "steps": 4, "verbose": False}
    return run_study(toy, toy, **(arguments | changed))


def test_a_study_repeats_itself_and_leaves_torchs_numbers_alone(toy):
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first, same, other = study_of(toy), study_of(toy), study_of(toy, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert tuple(first.accuracies) == METHODS
    for method in METHODS:
        assert first.accuracies[method].shape == (2, 3)
        assert np.array_equal(first.accuracies[method], same.accuracies[method])
    assert any(
        not np.array_equal(first.accuracies[m], other.accuracies[m]) for m in METHODS
    )


def test_a_method_with_fewer_runs_has_the_first_of_them(toy):
    few = {ALONE: 3, GENERATOR_TOO: 2}
    study = study_of(toy, runs=few, methods=(ALONE, GENERATOR_TOO))
    whole = study_of(toy, methods=(ALONE, GENERATOR_TOO))
    assert study.accuracies[ALONE].shape == (2, 3)
    assert study.accuracies[GENERATOR_TOO].shape == (2, 2)
    assert np.array_equal(study.accuracies[ALONE], whole.accuracies[ALONE])
    assert study.table().count("±") == 4


def test_each_method_has_the_losses_that_its_name_says(toy, monkeypatch):
    asked = set()
    for name in ("_unlabelled_loss", "real_or_drawn_loss", "feature_matching_loss"):
        loss = getattr(semi_supervised, name)

        def recorded(*scores, name=name, loss=loss):
            asked.add(name)
            return loss(*scores)

        monkeypatch.setattr(semi_supervised, name, recorded)
    of_a_gan = {"real_or_drawn_loss", "feature_matching_loss"}
    expected = {
        ALONE: set(),
        GENERATOR_TOO: of_a_gan,
        CONSISTENCY_TOO: {"_unlabelled_loss"},
        BOTH_TOO: of_a_gan | {"_unlabelled_loss"},
    }
    assert tuple(expected) == METHODS
    for method, losses in expected.items():
        asked.clear()
        study_of(toy, methods=(method,))
        assert asked == losses, method


def test_what_can_be_learned_is_learned(toy):
    study = study_of(toy, steps=80)  # after 60 all are at 1.0
    for method in METHODS:
        assert study.mean(method).min() > 0.8, method


def test_studies_that_make_no_sense_are_refused(toy):
    for labels in ((5,), (15,), (210,), (0,)):
        with pytest.raises(ValueError, match=f"{labels[0]} labels cannot be had"):
            study_of(toy, labels=labels)
    with pytest.raises(ValueError, match="take 2 or more"):
        study_of(toy, runs=1)
    with pytest.raises(ValueError, match="'and a generator' has 0 runs"):
        study_of(toy, runs={ALONE: 3}, methods=(ALONE, GENERATOR_TOO))
