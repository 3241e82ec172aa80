"""Q5 in TensorFlow another way: PyTorch's networks and steps, by a process of its own.

There it computes with the same weights, in the order that its channels have.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from cs231n import gan_tf as q5
from cs231n.lab.fixed_weights_tensorflow import set_fixed_weights
from cs231n.support.gans.training_tensorflow import GANStep, in_training
from tests.test_gan_tensorflow import FAKE, REAL, STORED, loss_of

pytestmark = pytest.mark.q5_tensorflow
ROOT = Path(__file__).resolve().parents[2]
N, NOISE = 6, 4

# Reads the inputs and the weights of D and G, in Keras' shapes and order; writes what
# both make of them, then losses and outputs after two steps of each.
TWIN = """
import sys
import numpy as np, torch
from torch import nn
from cs231n import gan_pytorch as q5
from cs231n.support.gans.step import GANStep

given = np.load(sys.argv[1])
deep = bool(given["deep"])
D = q5.build_dc_classifier() if deep else q5.discriminator()
G = q5.build_dc_generator(4) if deep else q5.generator(4)
D, G = D.double(), G.double()
# Keras' batch normalization adds another small number to the variance.
for layer in G.modules():
    if hasattr(layer, "eps"):
        layer.eps = 1e-3

def channels_first(w, rows, side, channels):
    # Rows (or columns) that stand for maps: channels last -> channels first.
    order = np.arange(side * side * channels).reshape(side, side, channels)
    return w[order.transpose(2, 0, 1).ravel()] if rows else w

for name, model in (("D", D), ("G", G)):
    number, maps = 0, None
    for p in model.parameters():
        w = given[f"{name}{number}"]
        number += 1
        if w.ndim == 4:
            w = w.transpose(3, 2, 0, 1)
        if w.ndim == 2:
            w = w.T
        if deep and name == "D" and tuple(p.shape) == (1024, 1024):
            w = channels_first(w.T, True, 4, 64).T
        if deep and name == "G" and p.shape[0] == 6272:
            w = channels_first(w, True, 7, 128)
        p.data.copy_(torch.from_numpy(np.ascontiguousarray(w)))

x = torch.from_numpy(given["x"]).reshape(-1, 1, 28, 28)
noises = iter([torch.from_numpy(z) for z in given["noises"]])
z = torch.from_numpy(given["z"])
made = {"D": D(x), "G": G(z)}
solvers = [torch.optim.SGD(m.parameters(), 0.05) for m in (D, G)]
losses = q5.discriminator_loss, q5.generator_loss
step = GANStep((D, G), solvers, losses, lambda *_: next(noises), 4)
values = []
for _ in range(2):
    values += [step.train_discriminator(x), step.train_generator(len(x))]
made |= {"D after": D(x), "G after": G(z), "losses": torch.tensor(values)}
np.savez(sys.argv[2], **{k: v.detach().numpy() for k, v in made.items()})
"""


@pytest.mark.parametrize("deep", [False, True])
def test_networks_and_steps_are_those_of_pytorch(deep, rng, tmp_path):
    D = q5.dc_discriminator() if deep else q5.discriminator()
    G = q5.dc_generator(NOISE) if deep else q5.generator(NOISE)
    x = rng.uniform(-1, 1, size=(N, 784)).astype(np.float32)
    z, *noises = rng.uniform(-1, 1, size=(5, N, NOISE)).astype(np.float32)
    for model, inputs in ((D, x), (G, z)):
        set_fixed_weights(model, tf.constant(inputs))
        for weight in model.trainable_weights:
            weight.assign(0.3 * weight)  # or many pixels are as dark as can be
    given = {"x": x, "z": z, "noises": np.array(noises), "deep": np.array(deep)}
    for name, model in (("D", D), ("G", G)):
        for number, weight in enumerate(model.trainable_weights):
            given[f"{name}{number}"] = weight.numpy()
    files = tmp_path / "given.npz", tmp_path / "made.npz"
    np.savez(files[0], **{k: v.astype(float) for k, v in given.items()})
    subprocess.run([sys.executable, "-c", TWIN, *map(str, files)], cwd=ROOT, check=True)
    made = np.load(files[1])

    np.testing.assert_allclose(in_training(D, x), made["D"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(in_training(G, z), made["G"], rtol=1e-4, atol=1e-4)
    # Adam would make large steps of what rounding leaves of gradients that are zero.
    solvers = [tf.keras.optimizers.SGD(0.05) for _ in "DG"]
    step = GANStep(
        *((D, G), solvers, (q5.discriminator_loss, q5.generator_loss)),
        noise_size=NOISE,
        batch_size=N,
    )
    losses, feed = [], iter(noises)
    for _ in range(2):
        losses.append(step.train_discriminator(tf.constant(x), tf.constant(next(feed))))
        losses.append(step.train_generator(tf.constant(next(feed))))
    np.testing.assert_allclose(losses, made["losses"], rtol=1e-4)
    for model, inputs, name in ((D, x, "D after"), (G, z, "G after")):
        found = np.asarray(in_training(model, inputs))
        before = made[name.removesuffix(" after")]
        change = made[name] - before
        off = np.linalg.norm(found - before - change)
        assert off < 1e-2 * np.linalg.norm(change)  # a difference of float32 numbers


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("name", STORED)
def test_losses_are_those_that_the_course_stored(name, kind):
    loss = loss_of(name, *(tf.constant(scores, kind) for scores in (REAL, FAKE)))
    assert loss.dtype == kind
    assert float(loss) == pytest.approx(STORED[name], abs=1e-7)
