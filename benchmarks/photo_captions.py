"""How well, how fast and in how much memory captioned photos are built and learned.

    python -m benchmarks.photo_captions learn --images FOLDER --annotations FILE
    python -m benchmarks.photo_captions build --photos 2000 --jobs 2
    python -m benchmarks.photo_captions reduce --photos 20000
    python -m benchmarks.photo_captions json --megabytes 100

``learn`` is five-fold: captions of photos that were not learned from, beside those that
the same model gives with the features of other photos. ``build`` draws a synthetic set
of photos of 320 by 240. ``reduce`` takes made-up features in place of the network's.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZE = (240, 320, 3)
ROWS = np.float32
BATCH = 50


def learn(args: argparse.Namespace) -> None:
    """Train on four fifths, caption the rest, and score true and wrong features."""
    from cs231n.datasets.captions import reading, words
    from cs231n.datasets.captions.photos import Photos
    from cs231n.embedded import networks
    from cs231n.image_utils import load_image
    from cs231n.lab.caption_metrics import bleu, cider

    photos = Photos(args.images)
    merged, _ = reading.read_all(args.annotations)
    said = {photos.find(n): c for n, c in merged.captions.items() if photos.find(n)}
    paths = sorted(said)[: args.photos]
    captions = [[words.tokens(c) for c in said[path]] for path in paths]
    network = networks.find(args.network)
    images = (load_image(photos.folder / path) for path in paths)
    maps, _ = networks.describe(images, network)
    order = np.random.default_rng(args.seed).permutation(len(paths))
    true, wrong, references, losses = [], [], [], []
    start = time.process_time()
    for fold in range(args.folds):
        unseen = order[fold::5]
        seen = np.setdiff1d(order, unseen)
        drawn = np.random.default_rng(fold).permutation(seen)
        judges = {"none": [], "held": drawn[: len(seen) // 10], "scored": unseen}
        judge = np.array(judges[args.choose], np.intp)
        seen = seen if args.choose != "held" else np.setdiff1d(seen, judge)
        features = networks.fit(maps[seen], network, 512).transform(maps)
        sample, loss = _trained(
            *((features[part], [captions[k] for k in part]) for part in (seen, judge)),
            args,
        )
        true += sample(features[unseen])
        wrong += sample(features[np.roll(unseen, 1)])
        references += [[" ".join(c) for c in captions[k]] for k in unseen]
        losses.append(loss)
        for name, given in (("true", true), ("shuffled", wrong)):
            print(
                f"{fold + 1} folds, {name:>8} features: BLEU-1 "
                f"{bleu(given, references)[0]:.3f}, BLEU-4 "
                f"{bleu(given, references)[3]:.3f}, CIDEr "
                f"{cider(given, references):.3f}, {len(set(given))} different",
                flush=True,
            )
    spent = time.process_time() - start
    print(f"loss {np.mean(losses):.1f}, {spent / args.folds:.0f} s of CPU a fold")


Part = tuple[np.ndarray, list[list[list[str]]]]  # features, and captions of each photo


def _trained(
    train: Part, judge: Part, args: argparse.Namespace
) -> tuple[Callable[[np.ndarray], list[str]], float]:
    """Return what captions features with an LSTM that learned from a part of them.

    If there is one to judge by, kept are the parameters with the lowest loss there.
    """
    from cs231n.captioning_solver import CaptioningSolver
    from cs231n.classifiers.rnn import CaptioningRNN
    from cs231n.coco_utils import decode_captions
    from cs231n.datasets.captions import words
    from cs231n.lab.caption_metrics import drop_tokens

    fitting = [
        [[c for c in several if 0 < len(c) <= words.WORDS] for several in captions]
        for _, captions in (train, judge)
    ]
    flat = [c for several in fitting[0] for c in several]
    vocabulary = words.vocabulary(flat, words.SIZE, args.min_count)
    data = {}
    for split, (features, _), kept in zip(
        ("train", "val"), (train, judge), fitting, strict=True
    ):
        data |= {
            f"{split}_captions": words.encode(
                [c for several in kept for c in several], vocabulary
            ),
            f"{split}_image_idxs": np.repeat(
                np.arange(len(kept)), np.array([*map(len, kept)], np.intp)
            ),
            f"{split}_features": features * args.scale,
            f"{split}_urls": np.array([""] * len(kept)),
        }
    per_epoch = max(1, len(data["train_captions"]) // BATCH)
    choosing = {
        "val_every": max(10, per_epoch),
        "val_size": min(500, len(data["val_captions"])),
        "keep_best": True,
    }
    np.random.seed(231)
    model = CaptioningRNN(
        words.indices(vocabulary),
        input_dim=train[0].shape[1],
        wordvec_dim=args.hidden,
        hidden_dim=args.hidden,
        cell_type="lstm",
    )
    solver = CaptioningSolver(
        model,
        data,
        update_rule="adam",
        num_epochs=args.epochs,
        batch_size=BATCH,
        optim_config={"learning_rate": args.learning_rate},
        lr_decay=0.95,
        verbose=False,
        **(choosing if judge[1] else {}),
    )
    solver.train()
    if args.no_unknown:
        model.params["b_vocab"][words.MARKS.index("<UNK>")] = -1e3

    def sample(given: np.ndarray) -> list[str]:
        rows = model.sample(given * args.scale, max_length=words.WORDS + 1)
        return [drop_tokens(c, unknown=True) for c in decode_captions(rows, vocabulary)]

    return sample, float(np.mean(solver.loss_history[-10:]))


def build(args: argparse.Namespace) -> None:
    """Build a synthetic set in processes of their own, and watch their memory."""
    from PIL import Image

    with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
        folder = Path(scratch)
        (folder / "photos").mkdir()
        rng = np.random.default_rng(231)
        lines = ["picture,caption"]
        for k in range(args.photos):
            coarse = rng.integers(0, 256, (12, 16, 3), np.uint8)
            picture = Image.fromarray(coarse).resize(SIZE[1::-1])
            picture.save(folder / "photos" / f"{k:06d}.jpg", quality=90)
            lines.append(f"{k:06d}.jpg,a picture of number {k % 50}")
        (folder / "captions.csv").write_text("\n".join(lines))
        command = [sys.executable, "-m", "cs231n.datasets", "build", "captions"]
        command += ["--images", str(folder / "photos"), "--name", "made"]
        command += ["--annotations", str(folder / "captions.csv")]
        command += ["--out", scratch, "--jobs", str(args.jobs)]
        start = time.perf_counter()
        with subprocess.Popen(command) as process:
            peak = _peak(process)
        wall = time.perf_counter() - start
        if process.returncode:
            sys.exit(f"The build ended with {process.returncode}.")
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = spent.ru_utime + spent.ru_stime
    print(
        f"{args.photos} photos in {wall:.0f} s; {cpu:.0f} s of CPU, so "
        f"{args.photos / cpu:.0f} photos a second a core; {peak:.0f} MB at most"
    )
    print(
        f"123,287 photos on two cores: {123_287 * cpu / args.photos / 7200:.1f} hours"
    )


def _peak(process: subprocess.Popen[bytes]) -> float:
    """Return the most megabytes that a process and its children held together.

    A page that several share counts once, in parts.
    """
    import psutil

    root, most = psutil.Process(process.pid), 0
    while process.poll() is None:
        total = 0
        try:
            family = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            break
        for one in family:
            try:
                total += one.memory_full_info().pss
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        most = max(most, total)
        time.sleep(0.5)
    return most / 1e6


def reduce(args: argparse.Namespace) -> None:
    """Build with made-up features, in this process: components and writing alone."""
    from cs231n.embedded import apart, networks, photo_captions, photo_look

    def in_process(work: Any, jobs: Any, _: int) -> Any:
        return (work(*job) for job in jobs)

    def describe(images: Any, _: Any) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(1)
        count = sum(1 for _ in images)
        return rng.random((count, 7048), ROWS), rng.random((count, 4096), ROWS)

    apart.in_process = in_process  # type: ignore[assignment]
    networks.describe = describe  # type: ignore[assignment]
    photo_look.load_image = lambda _: np.zeros((1, 1, 3), np.uint8)
    with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
        folder = Path(scratch)
        (folder / "photos").mkdir()
        lines = ["picture,caption"]
        for k in range(args.photos):
            (folder / "photos" / f"{k:06d}.jpg").touch()
            lines.append(f"{k:06d}.jpg,a picture of number {k % 50}")
        table = folder / "captions.csv"
        table.write_text("\n".join(lines))
        start = time.process_time()
        photo_captions.build(folder / "photos", [table], folder / "made", jobs=1)
        _say(time.process_time() - start, f"{args.photos} made-up photos")


def read_json(args: argparse.Namespace) -> None:
    """Read a synthetic file of COCO's kind."""
    with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
        file = Path(scratch, "captions_train2014.json")
        pictures = int(args.megabytes * 1e6 / 1000)
        names = [f"COCO_train2014_{k:012d}.jpg" for k in range(pictures)]
        url = "http://farm4.staticflickr.com/3153/2970773875_164f0c0b83_z.jpg"
        images = [
            {"license": 5, "file_name": n, "coco_url": url, "flickr_url": url, "id": k}
            | {"height": 480, "width": 640, "date_captured": "2013-11-14 11:18:45"}
            for k, n in enumerate(names)
        ]
        said = "A very clean and well decorated empty bathroom number"
        entries = [
            {"image_id": k % pictures, "id": k, "caption": f"{said} {k}"}
            for k in range(5 * pictures)
        ]
        file.write_text(json.dumps({"images": images, "annotations": entries}))
        size = file.stat().st_size / 1e6
        del images, entries, names
        # In a process of its own, whose peak is that of reading.
        code = (
            "import pathlib, psutil, re, sys, time\n"
            "from cs231n.datasets.captions import reading\n"
            "here = psutil.Process()\n"
            "before = here.memory_info().rss // 10**6\n"
            "one = reading.read(pathlib.Path(sys.argv[1]))\n"
            # What rusage calls the peak is inherited from whoever started this process.
            "told = pathlib.Path('/proc/self/status').read_text()\n"
            "most = int(re.search(r'VmHWM:\\s*(\\d+)', told)[1]) // 1000\n"
            "print(one.count(), 'captions,', before, 'MB before,', most, 'MB at most,',"
            " round(time.process_time()), 's of CPU')\n"
        )
        print(f"{size:.0f} MB:", end=" ", flush=True)
        subprocess.run([sys.executable, "-c", code, str(file)], check=True)


def _say(seconds: float, what: str) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"{what}: {seconds:.0f} s of CPU, {peak:.0f} MB at most")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, help="for scratch files")
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("learn", help=learn.__doc__)
    verb.set_defaults(run=learn)
    verb.add_argument("--images", type=Path, required=True)
    verb.add_argument("--annotations", type=Path, nargs="+", required=True)
    verb.add_argument("--network", default="squeezenet")
    verb.add_argument("--photos", type=int, help="the first ones alone")
    verb.add_argument("--folds", type=int, default=5, help="of five, how many to run")
    verb.add_argument("--epochs", type=int, default=12)
    verb.add_argument("--hidden", type=int, default=128)
    verb.add_argument("--learning-rate", type=float, default=5e-3)
    verb.add_argument("--min-count", type=int, default=2)
    verb.add_argument("--scale", type=float, default=1.0, help="of the features")
    verb.add_argument("--seed", type=int, default=0)
    verb.add_argument(
        "--no-unknown",
        action="store_true",
        help="rule <UNK> out when captions are written, as the notebook does",
    )
    verb.add_argument(
        "--choose",
        choices=["none", "held", "scored"],
        default="none",
        help="parameters by a loss: on a tenth of the training photos that is held out,"
        " or, to see what that pretends, on the photos that are scored",
    )
    verb = verbs.add_parser("build", help=build.__doc__)
    verb.set_defaults(run=build)
    verb.add_argument("--photos", type=int, default=2000)
    verb.add_argument("--jobs", type=int, default=2)
    verb = verbs.add_parser("reduce", help=reduce.__doc__)
    verb.set_defaults(run=reduce)
    verb.add_argument("--photos", type=int, default=20_000)
    verb = verbs.add_parser("json", help=read_json.__doc__)
    verb.set_defaults(run=read_json)
    verb.add_argument("--megabytes", type=float, default=100)
    args = parser.parse_args(argv)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    args.run(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
