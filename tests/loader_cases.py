"""Loaders, the files they read, and what becomes of both when a file is damaged.

A row of LOADERS is a name, a function that writes small valid files into a folder and
returns those that may be damaged, and a function that loads them. Everything a loader
returns is reduced to its shapes: a damaged file must load to the same shapes, or raise
one of ERRORS with a sentence that says more than a word.
"""

import io
import os
import pickle
import resource
import shutil
import signal
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from cs231n import datasets
from tests import coco_files, data_files

ERRORS = (ValueError, OSError, pickle.UnpicklingError)
MEMORY = 6 << 30  # bytes of address space; an absurd allocation fails at once
LIMIT = 60.0  # seconds of work, however long those take on a busy machine


def _files(folder):
    return sorted(p for p in folder.rglob("*") if p.is_file())


def _coco(folder, **kwargs):
    from cs231n.coco_utils import load_coco_data, sample_coco_minibatch

    data = load_coco_data(folder / "coco_captioning", **kwargs)
    rng = np.random.default_rng(0)
    batches = [sample_coco_minibatch(data, 5, s, rng=rng) for s in ("train", "val")]
    return {**data, "batches": batches}


def write_coco(folder):
    coco_files.write(folder / "coco_captioning")
    return _files(folder)


def write_chunked_coco(folder):
    """The same with features in compressed chunks."""
    coco_files.write(folder / "coco_captioning")
    for split in ("train", "val"):
        file = folder / "coco_captioning" / f"{split}2014_vgg16_fc7_pca.h5"
        features = coco_files.arrays()[f"{split}_features"]
        with h5py.File(file, "w") as stream:
            stream.create_dataset(
                "features", data=features, chunks=(2, 8), compression="gzip"
            )
    return sorted(folder.rglob("*pca.h5"))


def write_imagenet_val(folder):
    data_files.imagenet_val(folder, pictures=2)
    return _files(folder)


def load_imagenet_val(folder):
    from cs231n import data_utils

    datasets.search_path = lambda: [folder]
    return data_utils.load_imagenet_val()


def write_pickle(folder):
    value = {"a": np.arange(6.0).reshape(2, 3), "b": ["text", 3, None, b"x"]}
    for protocol in range(6):
        (folder / f"{protocol}.pkl").write_bytes(pickle.dumps(value, protocol))
    return _files(folder)


def load_pickles(folder):
    from cs231n.data_utils import load_pickle

    for file in _files(folder):
        value = load_pickle(file)
        # What a pickle of unknown content holds is its reader's to judge.
        assert isinstance(value, object)


def write_pictures(folder):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    for ending in ("png", "jpg", "gif", "bmp"):
        Image.fromarray(pixels).save(folder / f"a.{ending}")
    return _files(folder)


def load_pictures(folder):
    from cs231n.image_utils import load_image

    # A header may say another size, and nothing in the file contradicts it.
    return [load_image(file).ndim for file in _files(folder)]


def load_pictures_by_url(folder):
    from cs231n.image_utils import image_from_url

    pictures = [image_from_url(file.as_uri()) for file in _files(folder)]
    return [(p.ndim, p.shape[2], p.dtype) for p in pictures]


def write_squeezenet(folder):
    data_files.squeezenet(folder)
    return _files(folder)


def load_squeezenet(folder):
    from cs231n.datasets.readers import squeezenet

    (file,) = _files(folder)
    return sum(w.numel() for w in squeezenet.read(file).parameters())


def write_checkpoint(folder):
    _solver(folder).train()
    return _files(folder)


def load_checkpoint(folder):
    solver = _solver(folder)
    solver.load_checkpoint(folder / "run.npz")
    return {**solver.model.params, "losses": np.array(solver.loss_history)}


def _solver(folder):
    from cs231n.captioning_solver import CaptioningSolver

    class Model:
        def __init__(self):
            self.params = {"w": np.ones((2, 3), np.float32), "b": np.ones(3)}

        def loss(self, features, captions):
            del features, captions
            return 1.0, {name: 0 * w for name, w in self.params.items()}

    data = coco_files.arrays()
    data["train_urls"] = np.array(data["train_urls"])
    return CaptioningSolver(
        *(Model(), data),
        update_rule="adam",
        num_epochs=1,
        batch_size=4,
        checkpoint=folder / "run.npz",
        verbose=False,
    )


def write_cifar(folder):
    data_files.cifar10(folder)
    return _files(folder)[1:]  # without batches.meta, which nobody reads


def load_cifar(folder):
    from cs231n.data_utils import load_CIFAR10

    return load_CIFAR10(folder / "cifar-10-batches-py")


def write_models(folder):
    for number in range(3):
        model = {"model": {"W": np.ones((2, number + 1)), "b": [1.0]}}
        (folder / f"{number}.pkl").write_bytes(pickle.dumps(model))
    return _files(folder)


def load_models(folder):
    from cs231n.data_utils import load_models

    # As for pickles; and a file that is left out is told in a line.
    assert isinstance(load_models(folder), dict)


def write_tiny_imagenet(folder):
    data_files.tiny_imagenet(folder, train=2, val=1, test=1)
    return _files(folder)


def load_tiny_imagenet(folder):
    from cs231n.data_utils import load_tiny_imagenet

    data = load_tiny_imagenet(folder / "tiny-imagenet-100-A")
    data["class_names"] = len(data["class_names"])
    return data


def write_cnn(folder):
    data_files.pretrained_model(folder)
    return _files(folder)


def load_cnn(folder):
    from cs231n.datasets.readers import pretrained_cnn

    # The reader alone: the network's own sizes make a file of 46 MB.
    (file,) = _files(folder)
    read = pretrained_cnn.read(file, pretrained_cnn.shapes(**data_files.CNN))
    return {name: w.astype(np.float32) for name, w in read.items()}  # as it does


def write_mnist(folder):
    data_files.mnist(folder)
    return [file for file in _files(folder) if "train" in file.name]


def load_mnist(folder):
    from cs231n.embedded import digits

    digits.FULL = (4, 2)
    datasets.search_path = lambda: [folder]
    return [(d.images, d.labels) for d in digits.load_digits()]


LOADERS = {
    "coco": (write_coco, _coco),
    "coco on disk": (write_coco, lambda folder: _coco(folder, in_memory=False)),
    "chunked coco": (write_chunked_coco, _coco),
    "chunked coco on disk": (
        write_chunked_coco,
        lambda folder: _coco(folder, in_memory=False),
    ),
    "imagenet_val": (write_imagenet_val, load_imagenet_val),
    "pickle": (write_pickle, load_pickles),
    "picture": (write_pictures, load_pictures),
    "picture by URL": (write_pictures, load_pictures_by_url),
    "squeezenet": (write_squeezenet, load_squeezenet),
    "checkpoint": (write_checkpoint, load_checkpoint),
    "CIFAR-10": (write_cifar, load_cifar),
    "models": (write_models, load_models),
    "TinyImageNet": (write_tiny_imagenet, load_tiny_imagenet),
    "CNN of 2016": (write_cnn, load_cnn),
    "MNIST": (write_mnist, load_mnist),
}


def shapes(value):
    """Reduce what a loader returned to what must not change unnoticed."""
    if isinstance(value, np.ndarray):
        kind = "text" if value.dtype.kind == "U" else value.dtype.str
        return ("array", value.shape, kind)
    if isinstance(value, dict):
        return {str(key): shapes(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        flat = [shapes(item) for item in value]
        return flat if any(x != flat[0] for x in flat) else [len(flat), *flat[:1]]
    return type(value).__name__ if isinstance(value, str) else value


def damage(content, rng):
    """Cut a file, or change a few of its bytes, most often near an end of it."""
    size = len(content)
    if rng.random() < 0.4:
        return content[: rng.integers(size)], "cut"
    changed = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        span = min(size, int(rng.choice([64, 512, 4096, size])))
        place = int(rng.integers(span))
        place = place if rng.random() < 0.7 else size - 1 - place
        changed[place] ^= int(rng.integers(1, 256))
    return bytes(changed), "flipped"


def run(names, per_loader, folder, seed, now, results):
    """Damage files and load them; meant for a process of its own.

    Args:
        names: Rows of LOADERS.
        per_loader: Cases for each of them.
        folder: Where to write.
        seed: Decides all damage.
        now: A shared array that says which case is being tried.
        results: A queue that receives (case, what came of it, details).
    """
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 (to the end)
    for name in names:
        write, load = LOADERS[name]
        place = Path(folder) / name.replace(" ", "_")
        place.mkdir(parents=True)
        files = write(place)
        with redirect_stdout(io.StringIO()):
            right = shapes(load(place))
        good = {file: file.read_bytes() for file in files}
        for number in range(per_loader):
            rng = np.random.default_rng([seed, sum(name.encode()), number])
            file = files[number % len(files)]
            content, how = damage(good[file], rng)
            case = f"{name} {file.name} {how} #{number}"
            now.value = case.encode()[:200]
            file.write_bytes(content)
            # Ends this process if the case takes so long, of its own time.
            signal.setitimer(signal.ITIMER_PROF, LIMIT)
            results.put((case, *_try(load, place, right)))
            file.write_bytes(good[file])
        shutil.rmtree(place)
    now.value = b""


def _try(load, place, right):
    """Load, and say what came of it: loaded, told, or what should not be."""
    said = io.StringIO()
    try:
        with warnings.catch_warnings(), redirect_stdout(said):
            warnings.simplefilter("error")
            found = shapes(load(place))
    except ERRORS as error:
        clear = len(str(error).split()) >= 5
        return ("told", "") if clear else ("unclear", repr(error))
    except BaseException as error:
        return "wrong error", f"{type(error).__module__}.{error!r}"[:300]
    if found == right:
        return "loaded", ""
    if "\n" in said.getvalue():  # not silent
        return "loaded, saying so", said.getvalue()
    return "wrong shapes", f"{found} instead of {right}"
