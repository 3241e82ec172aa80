"""What threads cost beside other work: ``python -m benchmarks.beside_work``.

Each kind of step runs in a process of its own, for each choice of threads, first on the
machine as it is and then with a loop beside it that keeps one core busy. The first step
warms up and is not counted.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

CHOICES = (("1", "ACTIVE"), ("2", "ACTIVE"), ("2", "PASSIVE"))
"""Threads, and how torch's wait for one another."""


def captioner() -> Callable[[], object]:
    """Return a training step of the LSTM captioner, 100 captions, with Adam."""
    from benchmarks.captioning import Sizes, make_captions
    from cs231n import optim
    from cs231n.classifiers.rnn import CaptioningRNN

    sizes, N = Sizes(), 100
    rng = np.random.default_rng(231)
    words = {"<NULL>": 0, "<START>": 1, "<END>": 2}
    words |= {f"w{k}": k for k in range(3, sizes.V)}
    model = CaptioningRNN(words, sizes.D, sizes.W, sizes.H, "lstm", np.float32)
    captions = make_captions(rng, N, sizes)
    features = rng.standard_normal((N, sizes.D)).astype(np.float32)
    states: dict[str, dict[str, object]] = {name: {} for name in model.params}

    def step() -> None:
        _, grads = model.loss(features, captions)
        for name, w in model.params.items():
            model.params[name], states[name] = optim.adam(w, grads[name], states[name])

    return step


def visualization() -> Callable[[], object]:
    """Return a step of a class visualization: one picture, forward and backward."""
    import torch

    from cs231n.classifiers.squeezenet import load_squeezenet
    from cs231n.net_visualization_pytorch import class_visualization_update_step

    model = load_squeezenet("embedded", "cpu", verbose=False).requires_grad_(False)
    picture = torch.randn(1, 3, 224, 224, requires_grad=True)
    return lambda: class_visualization_update_step(picture, model, 76, 1e-3, 25.0)


def dcgan() -> Callable[[], object]:
    """Return an iteration of the convolutional GAN: both networks, 128 pictures."""
    import torch

    from cs231n import gan_pytorch as gan

    D, G = gan.build_dc_classifier(128), gan.build_dc_generator()
    D_solver, G_solver = gan.get_optimizer(D), gan.get_optimizer(G)
    real = torch.rand(128, 1, 28, 28) * 2 - 1

    def step() -> None:
        fake = G(gan.sample_noise(128, gan.NOISE_DIM)).view(real.shape)
        D_solver.zero_grad()
        gan.discriminator_loss(D(real), D(fake.detach())).backward()
        D_solver.step()
        G_solver.zero_grad()
        gan.generator_loss(D(fake)).backward()
        G_solver.step()

    return step


def painting() -> Callable[[], object]:
    """Return a step of style transfer: one picture of 192 x 256, all three losses."""
    import torch

    from cs231n.classifiers.squeezenet import load_squeezenet
    from cs231n.lab.painting import make_objective
    from cs231n.style_transfer_pytorch import extract_features, gram_matrix

    cnn = load_squeezenet("embedded", "cpu", verbose=False).features
    layers, weights = [1, 4, 6, 7], [300_000.0, 1_000.0, 15.0, 3.0]
    content, style = torch.randn(2, 1, 3, 192, 256)
    with torch.no_grad():
        target = extract_features(content, cnn)[3]
        feats = extract_features(style, cnn)
        grams = [gram_matrix(feats[layer]) for layer in layers]
    objective = make_objective(cnn, 3, 5e-2, target, layers, weights, grams, 5e-2)
    picture = content.clone().requires_grad_()
    optimizer = torch.optim.Adam([picture], lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        torch.stack([*objective(picture).values()]).sum().backward()
        optimizer.step()

    return step


def dream() -> Callable[[], object]:
    """Return a step of a dream of the network of 2016, in NumPy, at 192 x 256."""
    from cs231n.classifiers.pretrained_cnn import PretrainedCNN
    from cs231n.image_generation import deepdream

    model = PretrainedCNN()
    rng = np.random.default_rng(231)
    model.forward(rng.standard_normal((8, 3, 64, 64), np.float32), mode="train")
    X = rng.standard_normal((1, 3, 192, 256), np.float32)
    return lambda: deepdream(
        X, 6, model, learning_rate=1e-3, num_iterations=1, show_every=0
    )


def inversion() -> Callable[[], object]:
    """Return a step of an inversion of that network's features, at 64 x 64."""
    from cs231n.classifiers.pretrained_cnn import PretrainedCNN
    from cs231n.image_generation import invert_features

    model = PretrainedCNN()
    rng = np.random.default_rng(231)
    X = rng.standard_normal((8, 3, 64, 64), np.float32)
    model.forward(X, mode="train")
    target, _ = model.forward(X[:1], end=3, mode="test")
    return lambda: invert_features(target, 3, model, num_iterations=1, show_every=0)


STEPS = {
    step.__name__: step
    for step in (captioner, visualization, dcgan, painting, dream, inversion)
}


def measure(name: str, seconds: float) -> float:
    """Return the median wall time of a kind of step, in milliseconds."""
    step = STEPS[name]()
    step()
    times: list[float] = []
    while sum(times) < seconds or len(times) < 5:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


@contextmanager
def busy() -> Iterator[None]:
    """Keep one core busy for a while."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as loop:
        try:
            yield
        finally:
            loop.kill()


def _apart(name: str, threads: str, waiting: str, seconds: float) -> float:
    limits = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads
    )
    command = [sys.executable, "-m", "benchmarks.beside_work", "--step", name]
    done = subprocess.run(
        [*command, "--seconds", str(seconds)],
        env={**os.environ, **limits, "OMP_WAIT_POLICY": waiting},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


def main() -> None:
    """Measure all and print a table, or one step for the process that asks."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.beside_work", description=__doc__
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="for each number")
    parser.add_argument("--step", choices=STEPS, help="measure this one, here")
    parser.add_argument("--only", nargs="+", choices=STEPS, help="these, not all")
    args = parser.parse_args()
    if args.step:
        print(f"{measure(args.step, args.seconds):.1f}")
        return
    print("| step | threads | waiting | idle, ms | busy, ms |")
    print("| --- | --- | --- | --- | --- |")
    for name in args.only or STEPS:
        for threads, waiting in CHOICES:
            asked = (name, threads, waiting, args.seconds)
            idle = _apart(*asked)
            with busy():
                beside = _apart(*asked)
            print(f"| {name} | {threads} | {waiting} | {idle:.0f} | {beside:.0f} |")


if __name__ == "__main__":
    main()
