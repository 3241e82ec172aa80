"""The notebooks' pictures: each arrives as a PNG with its description."""

import IPython.display
import numpy as np
import pytest

from cs231n.lab import captions
from cs231n.support import figures


@pytest.fixture
def shown(monkeypatch):
    """Return the list that collects what would be displayed."""
    pictures = []
    monkeypatch.setattr(IPython.display, "display", pictures.append)
    return pictures


class Parrot:
    """A model that captions every picture alike."""

    def sample(self, features):
        return np.tile([4, 5, 2, 0], (len(features), 1))


@pytest.fixture
def data():
    urls = np.array(["scene://?one", "scene://?two", "scene://?three"])
    return {
        "train_captions": np.array([[1, 4, 2, 0], [1, 5, 2, 0]]),
        "train_image_idxs": np.array([0, 2]),
        "train_features": np.zeros((3, 2), np.float32),
        "train_urls": urls,
        "idx_to_word": ["<NULL>", "<START>", "<END>", "<UNK>", "red", "car"],
    }


def test_samples_are_shown_beside_true_captions(data, monkeypatch):
    texts = []
    monkeypatch.setattr(
        captions, "image_from_url", lambda _: np.zeros((6, 8, 3), np.uint8)
    )
    monkeypatch.setattr(
        captions, "show_pictures", lambda _, said, **__: texts.extend(said)
    )
    np.random.seed(1)
    captions.show_samples(Parrot(), data, "train")
    assert len(texts) == 2
    for text in texts:
        said, truth = text.splitlines()
        assert said == "model: red car <END>"
        assert truth in {"truth: <START> red <END>", "truth: <START> car <END>"}


def test_a_grid_is_a_png_with_a_description(shown):
    images = [np.full((6, 8, 3), 40 * n, np.uint8) for n in range(4)]
    figures.show_pictures(images, list("abcd"), alt="Four grays.")
    (picture,) = shown
    assert picture.data.startswith(b"\x89PNG")
    assert picture.alt == "Four grays."


def test_curves_may_be_losses_or_pairs(shown):
    curves = {"each": [3.0, 2.0, 1.0], "some": [(0, 3.0), (2, 1.5)], "none": []}
    figures.plot_losses(curves, "Losses", alt="Two falling curves.")
    assert len(shown) == 1


def test_a_figure_without_a_description_is_refused(shown):
    with pytest.raises(ValueError, match="came without a description"):
        figures.plot_losses({"each": [1.0]}, "Losses", alt=" ")
    assert shown == []
