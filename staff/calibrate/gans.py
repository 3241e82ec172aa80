"""What Q5's checks of training depend on: GANs, the study, the judge of digits."""

from typing import Any

import numpy as np

RUNS = 6  # of the notebook's study
# Iterations, as the notebook GANs-PyTorch has them.
ITERATIONS = {"vanilla": 1000, "least squares": 1000, "convolutional": 400}
ADDED = 0.03  # to the accuracy of labels alone, by the GAN
SAVED = 0.5  # of the next best Fréchet distance, by the convolutional GAN

Line = dict[str, Any]


def measure_study(seeds: list[int]) -> list[Line]:
    """Train the study's networks: one run of two methods for each seed.

    Args:
        seeds: Each chooses labelled digits and weights.
    """
    from cs231n.embedded.digits import load_digits
    from cs231n.extras.semi_supervised import ALONE, GENERATOR_TOO, run_study

    train, held_out = load_digits(verbose=False)
    study = run_study(
        *(train, held_out, (20, 50), max(len(seeds), 2), (ALONE, GENERATOR_TOO)),
        seed=seeds[0],
        verbose=False,
    )
    return [
        {
            "seed": seed,
            **{m: values[:, k].tolist() for m, values in study.accuracies.items()},
        }
        for k, seed in enumerate(seeds)
    ]


def measure_gans(seeds: list[int]) -> list[Line]:
    """Train the three GANs and judge a thousand digits of each.

    Args:
        seeds: Of weights, noise and order; one after another.
    """
    return [_measure_gan(seed) for seed in seeds]


def _measure_gan(seed: int) -> Line:
    import torch

    from cs231n import gan_pytorch as q5
    from cs231n.embedded.digit_classifier import load_digit_classifier
    from cs231n.embedded.digits import load_digits
    from cs231n.lab.gan_metrics import Judge
    from cs231n.support.gans.training import Batches, draw, train_gan

    train, held_out = load_digits(verbose=False)
    judge = Judge(load_digit_classifier(verbose=False), held_out.images[:1000])
    loader = Batches(train.images, train.labels)
    line: Line = {"seed": seed}
    for name, iterations in ITERATIONS.items():
        torch.manual_seed(seed)
        if name == "convolutional":
            D = q5.build_dc_classifier(128).apply(q5.initialize_weights)
            G = q5.build_dc_generator().apply(q5.initialize_weights)
        else:
            D, G = q5.discriminator(), q5.generator()
        least_squares = name == "least squares"
        train_gan(
            *(D, G, q5.get_optimizer(D), q5.get_optimizer(G)),
            q5.ls_discriminator_loss if least_squares else q5.discriminator_loss,
            q5.ls_generator_loss if least_squares else q5.generator_loss,
            loader,
            draw_noise=q5.sample_noise,
            num_epochs=max(1, round(iterations / len(loader))),
            verbose=False,
        )
        torch.manual_seed(seed)
        noise = q5.sample_noise(1000, q5.NOISE_DIM)
        quality = judge(q5.deprocess_img(draw(G, noise)))
        line[name] = {"modes": quality.modes, "frechet": quality.frechet}
    return line


def measure_classifier(seeds: list[int]) -> list[Line]:
    """Train the classifier that judges drawn digits, once for each seed.

    Args:
        seeds: Of weights, order and changes.
    """
    from cs231n.embedded.digit_classifier import train_digit_classifier
    from cs231n.embedded.digits import load_digits

    train, held_out = load_digits(verbose=False)
    models = [train_digit_classifier(train, held_out, s, verbose=False) for s in seeds]
    return [
        {"seed": s, "accuracy": m.accuracy} for s, m in zip(seeds, models, strict=True)
    ]


def failures_of_gans(lines: list[Line]) -> float:
    """Return the share of seeds with which the notebook's check would have failed.

    Args:
        lines: What measure_gans found.
    """
    failed = 0
    for line in lines:
        best = line["convolutional"]
        others = min(line[name]["frechet"] for name in ("vanilla", "least squares"))
        failed += best["modes"] < 10 or 1 - best["frechet"] / others < SAVED
    return failed / len(lines)


def failures_of_study(lines: list[Line], draws: int = 10_000) -> float:
    """Return the share of studies in which the GAN would have added too little.

    Args:
        lines: What measure_study found, one run each.
        draws: Studies of RUNS runs that are drawn from them, with replacement.
    """
    from cs231n.extras.semi_supervised import ALONE, GENERATOR_TOO

    rng = np.random.default_rng(231)
    chosen = rng.integers(len(lines), size=(draws, RUNS))
    gains = np.array(
        [np.subtract(line[GENERATOR_TOO], line[ALONE]) for line in lines]
    )  # (runs, 2)
    return float((gains[chosen].mean(axis=1) < ADDED).any(axis=1).mean())


def failures_of_classifier(lines: list[Line]) -> float:
    """Return the share of seeds with which one training reads too few digits.

    Args:
        lines: What measure_classifier found.
    """
    from cs231n.embedded.digit_reader import ENOUGH

    return float(np.mean([line["accuracy"] < ENOUGH for line in lines]))
