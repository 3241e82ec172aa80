"""Checkpoints that an earlier version wrote: they load, and their runs go on.

Each file was written after the second epoch of four; its members were packed smaller.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cs231n.captioning_solver import CaptioningSolver
from cs231n.gan_pytorch import Flatten, Unflatten
from cs231n.support.gans.training import train_gan

FILES = Path(__file__).parent / "checkpoints"


class Line:
    """A model of two parameters that looks at features alone."""

    def __init__(self):
        self.params = {"w": np.full(3, 0.5, np.float32), "b": np.zeros(1)}

    def loss(self, features, captions):
        off = features @ self.params["w"] + self.params["b"] - captions[:, 0]
        grads = {"w": features.T @ off / len(off), "b": off.mean(keepdims=True)}
        return (off**2).mean() / 2, grads


def caption(**options):
    rng = np.random.default_rng(3)
    data = {}
    for split in ("train", "val"):
        data[f"{split}_captions"] = rng.integers(5, size=(12, 2))
        data[f"{split}_image_idxs"] = rng.integers(6, size=12)
        data[f"{split}_features"] = rng.normal(size=(6, 3)).astype(np.float32)
        data[f"{split}_urls"] = np.array(["scene"] * 6)
    solver = CaptioningSolver(
        Line(),
        data,
        update_rule="adam",
        optim_config={"learning_rate": np.float32(0.1), "epsilon": 1e-6},
        lr_decay=0.9,
        batch_size=4,
        val_every=4,
        feature_noise=0.1,
        verbose=False,
        **options,
    )
    np.random.seed(7)
    solver.train()
    return solver


def gan(**options):
    torch.manual_seed(7)
    D = nn.Sequential(nn.AvgPool2d(14), nn.Conv2d(1, 2, 2), Flatten(), nn.Linear(2, 1))
    G = nn.Sequential(
        *(nn.Linear(2, 4), nn.BatchNorm1d(4), Unflatten(-1, 1, 2, 2)),
        *(nn.Upsample(scale_factor=14), nn.Tanh(), Flatten()),
    )
    pictures = np.random.default_rng(3).random((3, 4, 1, 28, 28), np.float32)
    return train_gan(
        *(D, G, torch.optim.Adam(D.parameters(), 1e-2)),
        torch.optim.SGD(G.parameters(), 1e-2, momentum=0.5),
        lambda real, fake: ((real - 1) ** 2).mean() + (fake**2).mean(),
        lambda fake: ((fake - 1) ** 2).mean(),
        list(torch.from_numpy(pictures)),
        draw_noise=torch.randn,
        show_every=4,
        batch_size=4,
        noise_size=2,
        verbose=False,
        **options,
    )


@pytest.mark.parametrize("name", ["captions", "gan"])
def test_a_run_that_an_earlier_version_began_goes_on(name, tmp_path):
    train = {"captions": caption, "gan": gan}[name]
    file = shutil.copy(FILES / f"{name}.npz", tmp_path)
    resumed, whole = train(num_epochs=4, checkpoint=file), train(num_epochs=4)
    with np.load(FILES / f"{name}.npz") as before:
        key = "loss_history" if name == "captions" else "losses"
        assert before[key].shape[-1] == 6  # so the second half was computed just now
    if name == "captions":
        found = resumed.loss_history, resumed.val_loss_history
        expected = whole.loss_history, whole.val_loss_history
        assert resumed.epoch == 4
        for key, w in whole.model.params.items():
            np.testing.assert_allclose(resumed.model.params[key], w, rtol=1e-4)
    else:
        found = resumed.d_losses, resumed.g_losses, *(x for _, x in resumed.samples)
        expected = whole.d_losses, whole.g_losses, *(x for _, x in whole.samples)
        assert [t for t, _ in resumed.samples] == [0, 4, 8]
        assert resumed.epochs == 4
    for mine, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-4, atol=1e-6)
