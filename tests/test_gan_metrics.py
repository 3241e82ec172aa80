"""Numbers for drawn digits: known answers for made clouds of points and pictures."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cs231n.embedded import digit_classifier, digit_reader
from cs231n.embedded.digit_classifier import (
    DigitClassifier,
    load_digit_classifier,
    train_digit_classifier,
)
from cs231n.embedded.digits import Digits
from cs231n.lab.gan_metrics import (
    Judge,
    frechet_distance,
    mode_coverage,
    precision_and_recall,
)
from tests import apple_gpu

pytestmark = pytest.mark.q5


def test_modes_are_classes_that_the_classifier_is_sure_of():
    sure, unsure = np.eye(4), np.full((4, 4), 0.25)
    assert mode_coverage(sure) == (4, 1.0)
    assert mode_coverage(unsure) == (0, 0.25)
    rare = np.eye(4)[[0] * 199 + [1] * 2 + [2]]
    assert mode_coverage(rare)[0] == 1  # a hundredth of 202 is more than 2
    assert mode_coverage(rare[1:])[0] == 1
    assert mode_coverage(np.eye(4)[[0] * 98 + [1, 2]])[0] == 3


def test_frechet_distances_of_clouds_that_differ_in_one_way(rng):
    cloud = rng.normal(size=(500, 3))
    assert frechet_distance(cloud, cloud) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(cloud, cloud[::-1] + np.array([3, 0, 4])) == pytest.approx(
        25
    )
    variance = cloud.var(axis=0).sum()
    middle = cloud.mean(axis=0)
    wider = middle + 3 * (cloud - middle)
    assert frechet_distance(cloud, wider) == pytest.approx(4 * variance)
    point = np.repeat(middle[None], 7, axis=0)
    assert frechet_distance(cloud, point) == pytest.approx(variance)
    assert frechet_distance(wider, cloud) == pytest.approx(
        frechet_distance(cloud, wider)
    )


def test_precision_and_recall_of_clouds_that_miss_something(rng):
    left, right = (
        rng.normal(size=(60, 2)),
        rng.normal(size=(60, 2)) + np.array([100, 0]),
    )
    both = np.concatenate([left, right])
    assert precision_and_recall(both, both) == (1, 1)
    assert precision_and_recall(left, right) == (0, 0)
    precision, recall = precision_and_recall(both, left)
    assert (precision, recall) == (1, 0.5)
    precision, recall = precision_and_recall(left, both)
    assert (precision, recall) == (0.5, 1)


@pytest.fixture
def toy_digits(rng):
    """Ten kinds of pictures that a classifier can tell apart: a bright row each."""
    labels = np.arange(400) % 10
    images = 0.1 * rng.random((400, 1, 28, 28))
    for image, label in zip(images, labels, strict=True):
        image[0, 4 + 2 * label : 6 + 2 * label, 4:24] = 1
    return Digits(images.astype(np.float32), labels.astype(np.int64))


@pytest.fixture
def classifier():
    torch.manual_seed(231)
    return DigitClassifier().eval()


def test_a_judge_finds_real_pictures_like_themselves(toy_digits, classifier):
    judge = Judge(classifier, toy_digits.images)
    quality = judge(toy_digits.images.reshape(400, 784))
    assert quality.frechet == pytest.approx(0, abs=1e-6)
    assert (quality.precision, quality.recall) == (1, 1)
    noise = np.random.default_rng(1).random((400, 784))
    worse = judge(noise)
    assert worse.frechet > quality.frechet + 0.1
    assert worse.recall < 0.5


def test_a_judge_needs_no_float64_on_the_device(toy_digits, classifier):
    expected = Judge(classifier, toy_digits.images)(0.5 * toy_digits.images)
    with apple_gpu.imitated():
        judge = Judge(apple_gpu.moved(classifier), toy_digits.images)
        quality = judge(0.5 * toy_digits.images)
    assert quality.frechet == pytest.approx(expected.frechet, rel=1e-5)
    assert quality.confidence == pytest.approx(expected.confidence, rel=1e-5)


def test_a_judge_says_what_it_wants(toy_digits, classifier):
    judge = Judge(classifier, toy_digits.images)
    with pytest.raises(
        ValueError, match="There are 399 pictures to judge and 400 real"
    ):
        judge(toy_digits.images[:399])
    with pytest.raises(ValueError, match="give numbers from 0 to 1"):
        judge(2 * toy_digits.images - 1)
    with pytest.raises(ValueError, match=r"shape \(400, 700\)"):
        judge(np.zeros((400, 700)))


def test_the_classifier_learns_and_is_kept(toy_digits, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CS231N_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(digit_classifier.datasets, "search_path", lambda: [tmp_path])
    monkeypatch.setattr(digit_classifier, "_EPOCHS", 1)
    monkeypatch.setattr(
        digit_classifier, "load_digits", lambda **_: (toy_digits, toy_digits)
    )
    torch.manual_seed(3)
    state = torch.get_rng_state()
    model = load_digit_classifier()
    assert torch.equal(torch.get_rng_state(), state)
    assert "reads 100.0% of digits it never saw" in capsys.readouterr().out
    assert not model.training
    assert not any(weight.requires_grad for weight in model.parameters())

    monkeypatch.setattr(digit_classifier, "train_digit_classifier", None)
    again = load_digit_classifier(verbose=False)
    x = torch.from_numpy(toy_digits.images[:5])
    assert torch.equal(model(x), again(x))


def test_a_damaged_classifier_is_trained_again_and_a_bad_one_refused(
    toy_digits, tmp_path, monkeypatch
):
    file = tmp_path / digit_classifier.FILE
    file.write_bytes(b"PK no zip")
    monkeypatch.setenv("CS231N_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(digit_classifier.datasets, "search_path", lambda: [tmp_path])
    monkeypatch.setattr(
        digit_classifier, "load_digits", lambda **_: (toy_digits, toy_digits)
    )
    seeds = []

    def train(*arguments):
        seed = arguments[2]
        seeds.append(seed)
        model = DigitClassifier().eval()
        model.accuracy = 0.5 if seed != 233 else best
        return model

    monkeypatch.setattr(digit_classifier, "train_digit_classifier", train)
    best = 0.97
    with pytest.raises(RuntimeError, match=r"reads 97\.0% of the held-out digits"):
        load_digit_classifier(verbose=False)
    best = 0.99
    assert load_digit_classifier(verbose=False).accuracy == 0.99
    assert seeds == [231, 232, 233] * 2


def test_the_same_seed_trains_the_same_classifier(toy_digits, monkeypatch):
    monkeypatch.setattr(digit_classifier, "_EPOCHS", 0.05)
    monkeypatch.setattr(digit_classifier, "_BATCH", 20)
    models = [
        train_digit_classifier(toy_digits, toy_digits, seed, verbose=False)
        for seed in (1, 1, 2)
    ]
    x = torch.from_numpy(toy_digits.images[:3])
    first, same, other = (model(x) for model in models)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_the_reader_without_a_framework_sees_what_the_classifier_sees(toy_digits, rng):
    model = DigitClassifier()
    for value in model.state_dict().values():  # no running average is 0 or 1 any more
        if value.is_floating_point():
            value.copy_(torch.from_numpy(rng.uniform(0.1, 0.3, size=value.shape)))
    model.eval()
    weights = {key: value.numpy() for key, value in model.state_dict().items()}
    reader = digit_reader.DigitReader(weights, accuracy=1.0)
    images = toy_digits.images[:130]  # more than one block
    for found, wanted in zip(reader.look(images), model.look(images), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    flat = reader.look(images.reshape(130, 784))
    assert np.array_equal(flat[0], reader.look(images)[0])


def test_the_reader_takes_what_is_stored_and_has_it_trained_otherwise(
    tmp_path, monkeypatch
):
    asked = []

    def train(command, **_):
        asked.append(command[1:])
        model = DigitClassifier()
        model.accuracy = digit_reader.ENOUGH
        digit_classifier._write(model, tmp_path / digit_reader.FILE)

    monkeypatch.setattr(
        digit_reader.datasets,
        "find",
        lambda _: next(
            iter(file for file in [tmp_path / digit_reader.FILE] if file.is_file()),
            None,
        ),
    )
    monkeypatch.setattr(digit_reader.subprocess, "run", train)
    assert digit_reader.load_digit_reader(verbose=False).accuracy == digit_reader.ENOUGH
    assert asked == [["-m", "cs231n.embedded.digit_classifier"]]
    digit_reader.load_digit_reader(verbose=False)
    assert len(asked) == 1
    (tmp_path / digit_reader.FILE).write_bytes(b"damaged")
    monkeypatch.setattr(
        digit_reader.subprocess,
        "run",
        lambda *_, **__: SimpleNamespace(stderr="Traceback\nOSError: disk full\n"),
    )
    with pytest.raises(RuntimeError, match=r"\(OSError: disk full\)"):
        digit_reader.load_digit_reader(verbose=False)
