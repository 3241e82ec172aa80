"""What leaving COCO's features on disk costs: ``python -m benchmarks.coco_on_disk``.

Writes synthetic files of COCO's size into a temporary folder (400,135 captions, 82,783
pictures), then trains from memory and from disk in turn, in one process. Memory is
measured in processes of their own, one for each way.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from cs231n.coco_utils import load_coco_data, sample_coco_minibatch

TRAIN, VAL = (400_135, 82_783), (195_954, 40_504)
WAYS = ("memory", "disk", "gzip on disk")


def write(folder: Path, pictures: float, width: int, gzip: bool = True) -> None:
    """Write the files of ``coco_captioning/``, all pictures or a part of them."""
    from benchmarks.captioning import Sizes, make_captions

    rng = np.random.default_rng(231)
    for name in ("plain", "gzip"):
        (folder / name).mkdir()
    words = ["<NULL>", "<START>", "<END>", "<UNK>", *(f"w{k}" for k in range(4, 1004))]
    vocabulary = {
        "idx_to_word": words,
        "word_to_idx": {w: k for k, w in enumerate(words)},
    }
    with h5py.File(folder / "plain" / "coco2014_captions.h5", "w") as file:
        for split, (captions, there) in (("train", TRAIN), ("val", VAL)):
            rows, there = int(captions * pictures), int(there * pictures)
            made = make_captions(rng, rows, Sizes())
            file[f"{split}_captions"] = made.astype(np.int32)
            file[f"{split}_image_idxs"] = rng.integers(there, size=rows, dtype=np.int32)
            # Sparse, as features behind a ReLU: so they compress as such files do.
            features = np.maximum(rng.standard_normal((there, width), np.float32), 0)
            for kind, options in (
                ("plain", {}),
                ("gzip", {"chunks": (256, width), "compression": "gzip"}),
            )[: 1 + gzip]:
                path = folder / kind / f"{split}2014_vgg16_fc7_pca.h5"
                with h5py.File(path, "w") as out:
                    out.create_dataset("features", data=features, **options)
            url = "http://farm4.staticflickr.com/3153/2970773875_164f0c0b83_z.jpg\n"
            (folder / "plain" / f"{split}2014_urls.txt").write_text(url * there)
    (folder / "plain" / "coco2014_vocab.json").write_text(json.dumps(vocabulary))
    for file in (folder / "plain").iterdir():
        if not (folder / "gzip" / file.name).exists():
            (folder / "gzip" / file.name).hardlink_to(file)


def load(folder: Path, way: str) -> dict[str, Any]:
    place = folder / ("gzip" if way.startswith("gzip") else "plain")
    return load_coco_data(place, in_memory=way == "memory")


def memory(folder: Path, way: str) -> dict[str, float]:
    """Load, draw 200 minibatches, and return megabytes; called in a fresh process."""
    start = time.perf_counter()
    data = load(folder, way)
    seconds = time.perf_counter() - start
    for _ in range(200):
        sample_coco_minibatch(data, 100)
    status = Path("/proc/self/status").read_text().splitlines()
    facts = dict(line.split(":", 1) for line in status)
    return {
        "load s": seconds,
        "own MB": int(facts["RssAnon"].split()[0]) / 1e3,
        "peak MB": int(facts["VmHWM"].split()[0]) / 1e3,
    }


def forget(folder: Path) -> None:
    """Ask the system to drop its copies of the feature files."""
    for file in folder.rglob("*pca.h5"):
        with file.open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=float, default=1.0, help="part of COCO")
    parser.add_argument("--width", type=int, default=512, help="numbers in a feature")
    parser.add_argument("--rounds", type=int, default=5, help="0: only memory")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--memory", nargs=2, metavar=("FOLDER", "WAY"))
    args = parser.parse_args(argv)
    if args.memory:
        print(json.dumps(memory(Path(args.memory[0]), args.memory[1])))
        return 0
    from benchmarks.harness import threads  # brings torch, so not for the above

    with tempfile.TemporaryDirectory() as name, threads(1):
        folder = Path(name)
        write(folder, args.pictures, args.width, "gzip on disk" in args.ways)
        for way in args.ways:
            command = [sys.executable, "-m", "benchmarks.coco_on_disk", "--memory"]
            done = subprocess.run(
                [*command, name, way], check=True, capture_output=True, text=True
            )
            print(way, {k: round(v, 2) for k, v in json.loads(done.stdout).items()})
        if not args.rounds:
            return 0
        forget(folder)
        data = {way: load(folder, way) for way in args.ways}
        start = time.perf_counter()
        for _ in range(100):
            sample_coco_minibatch(data["disk"], 100)
        print(
            f"first 100 minibatches from a cold disk: "
            f"{(time.perf_counter() - start) * 10:.2f} ms each"
        )
        compare(data, args.rounds, args.width)
    return 0


def compare(data: dict[str, dict[str, Any]], rounds: int, width: int) -> None:
    """Print milliseconds of a minibatch and of a training step, and the ratios.

    CPU time, the system's included: the files are in its cache by then.
    """
    from benchmarks.captioning import Sizes, make_model
    from cs231n.captioning_solver import CaptioningSolver
    from cs231n.classifiers.rnn import CaptioningRNN

    sizes = Sizes(D=width)
    for batch in (25, 100):
        times = {way: [] for way in data}
        for _ in range(rounds):
            for way, source in data.items():
                start = time.process_time()
                for _ in range(50):
                    sample_coco_minibatch(source, batch)
                times[way].append((time.process_time() - start) / 50)
        report(f"minibatch of {batch}", times)
        for cell in ("rnn", "lstm"):
            times = {way: [] for way in data}
            for _ in range(rounds):
                for way, source in data.items():
                    model = make_model(CaptioningRNN, cell, sizes)
                    small = {**source}
                    small["train_captions"] = small["train_captions"][: 8 * batch]
                    solver = CaptioningSolver(
                        model,
                        small,
                        update_rule="adam",
                        num_epochs=1,
                        batch_size=batch,
                        optim_config={"learning_rate": 1e-3},
                        verbose=False,
                    )
                    np.random.seed(231)
                    start = time.process_time()
                    solver.train()
                    times[way].append((time.process_time() - start) / 8)
            report(f"{cell} step of {batch}", times)


def report(what: str, times: dict[str, list[float]]) -> None:
    medians = {way: statistics.median(values) for way, values in times.items()}
    base = medians["memory"]
    said = ", ".join(
        f"{way} {1e3 * seconds:.3g} ms (speed {base / seconds:.2f})"
        for way, seconds in medians.items()
    )
    print(f"{what}: {said}")


if __name__ == "__main__":
    sys.exit(main())
