"""Small data sets in the exact original layouts, and a table of their addresses."""

import gzip
import hashlib
import io
import json
import pickle
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from tests import coco_files

CNN = {"filters": [2, 3], "first_filter": 5, "hidden": 4, "classes": 2, "flat": 12}


def coco(folder):
    """Write ``coco_captioning/``; return its path."""
    folder = folder / "coco_captioning"
    coco_files.write(folder, coco_files.arrays(width=32), suffix="")
    coco_files.write(folder)
    for split in ("train", "val"):
        (folder / f"{split}2014_images.txt").write_text("coco/images/a.jpg\n")
    return folder


def tiny_imagenet(folder, classes=("n01", "n02"), train=3, val=2, test=2):
    """Write ``tiny-imagenet-100-A/``, one picture in grayscale; return its path."""
    folder = folder / "tiny-imagenet-100-A"
    rng = np.random.default_rng(1)

    def picture(path, gray=False):
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (64, 64) if gray else (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(path, quality=30)

    folder.mkdir(parents=True)
    (folder / "wnids.txt").write_text("".join(f"{wnid}\n" for wnid in classes))
    words = "".join(f"{wnid}\tthing {wnid}, object\n" for wnid in (*classes, "n99"))
    (folder / "words.txt").write_text(words)
    for wnid in classes:
        place = folder / "train" / wnid
        names = [f"{wnid}_{k}.JPEG" for k in range(train)]
        for k, name in enumerate(names):
            picture(place / "images" / name, gray=k == 1)
        boxes = "".join(f"{name}\t0\t0\t62\t62\n" for name in names)
        (place / f"{wnid}_boxes.txt").write_text(boxes)
    lines = {"val": [], "test": []}
    for split, count in (("val", val), ("test", test)):
        for k in range(count * len(classes)):
            picture(folder / split / "images" / f"{split}_{k}.JPEG")
            wnid = classes[k % len(classes)]
            lines[split].append(f"{split}_{k}.JPEG\t{wnid}\t0\t0\t62\t62\n")
    for split, text in lines.items():
        (folder / split / f"{split}_annotations.txt").write_text("".join(text))
    return folder


def pretrained_model(folder):
    """Write a tiny ``pretrained_model.h5``, one weight transposed; return its path."""
    from cs231n.datasets.readers.pretrained_cnn import shapes

    rng = np.random.default_rng(2)
    file = folder / "pretrained_model.h5"
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(file, "w") as stream:
        for name, shape in shapes(**CNN).items():
            array = rng.random(shape, dtype=np.float32)
            stream[name] = array.T if name == "W3" else array
    return file


def imagenet_val(folder, pictures=3):
    """Write a small ``imagenet_val_25.npz``; return its path."""
    file = folder / "imagenet_val_25.npz"
    folder.mkdir(parents=True, exist_ok=True)
    names = {k: f"class {k}" for k in range(1000)}
    X = np.arange(pictures, dtype=np.uint8)[:, None, None, None] * 10
    np.savez_compressed(
        file,
        X=np.broadcast_to(X, (pictures, 224, 224, 3)),
        y=np.arange(pictures),
        label_map=np.array(names, dtype=object),
    )
    return file


def squeezenet(folder):
    """Write weights of torchvision's network under a name that fits their hash."""
    import torch
    import torchvision

    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = torchvision.models.squeezenet1_1(weights=None).state_dict()
    content = io.BytesIO()
    torch.save(state, content)
    digits = hashlib.sha256(content.getvalue()).hexdigest()[:8]
    file = folder / f"squeezenet1_1-{digits}.pth"
    file.write_bytes(content.getvalue())
    return file


def squeezenet_tf(folder):
    """Write what tells the course's checkpoint: its checksums, and some data."""
    from cs231n.datasets.readers.squeezenet_tf import checksums

    folder = folder / "squeezenet_tf2"
    folder.mkdir(parents=True)
    numbers = [number for pair in checksums().values() for number in pair]
    index = b"".join(number.to_bytes(4, "little") for number in numbers)
    (folder / "squeezenet.ckpt.index").write_bytes(index)
    (folder / "squeezenet.ckpt.data-00000-of-00001").write_bytes(b"weights")
    return folder


def mnist(folder, train=6, test=4):
    """Write the four files of MNIST as torchvision has them; return the folder."""
    rng = np.random.default_rng(3)
    raw = folder / "MNIST_data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for stem, count in (("train", train), ("t10k", test)):
        images = rng.integers(0, 256, (count, 28, 28), np.uint8)
        labels = rng.integers(0, 10, count, np.uint8)
        for part, array in (("images-idx3", images), ("labels-idx1", labels)):
            head = np.array([0x800 + array.ndim, *array.shape], ">u4").tobytes()
            (raw / f"{stem}-{part}-ubyte").write_bytes(head + array.tobytes())
    return folder / "MNIST_data"


def cifar10(folder, rows=4):
    """Write ``cifar-10-batches-py/`` as Python 2 pickled it; return its path."""
    rng = np.random.default_rng(4)
    folder = folder / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"):
        batch = {
            "batch_label": name,
            "data": rng.integers(0, 256, (rows, 3072), np.uint8),
            "labels": rng.integers(0, 10, rows).tolist(),
        }
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    meta = {"label_names": [f"class {k}" for k in range(10)]}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    return folder


def zipped(folder, inside=True):
    """Return a zip archive of a folder, or of the files in it, as the course's are."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        top = folder.parent if inside else folder
        if inside:
            archive.writestr(f"{folder.name}/", "")
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(top).as_posix())
        archive.writestr(f"__MACOSX/._{folder.name}", "what macOS puts beside it")
    return content.getvalue()


def tarred(folder):
    """Return a gzipped tar archive of a folder."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        archive.add(folder, folder.name)
    return content.getvalue()


def everything(folder):
    """Make all data sets, small.

    Returns:
        files: What a server should serve, by name.
        entries: The table's entries, by data set, with names for addresses.
    """
    entry = {"title": "small", "licence": "ours", "bytes": [0, 0]}
    files, entries = {}, {}

    def add(name, path, check, expect, file, content, **kwargs):
        files[file] = content
        entries[name] = {
            **entry,
            "target": path.name,
            "check": check,
            "expect": expect,
            "files": [{"name": file, "urls": [file], **kwargs}],
        }

    limit = 10_000_000
    path = coco(folder)
    expect = {
        "train_captions": [12, 17],
        "val_captions": [7, 17],
        "train_features": [5, 8],
        "val_features": [3, 8],
        "train_wide_features": [5, 32],
        "val_wide_features": [3, 32],
        "words": len(coco_files.WORDS),
    }
    file = "coco_captioning.zip"
    add("coco", path, "coco", expect, file, zipped(path), unpack="zip", limit=limit)

    path = tiny_imagenet(folder)
    expect = {"classes": 2, "train": 6, "val": 4, "test": 4}
    file = "tiny-imagenet-100-A.zip"
    add(
        *("tiny", path, "tiny_imagenet", expect, file, zipped(path)),
        unpack="zip",
        limit=limit,
    )

    path = pretrained_model(folder)
    add("cnn", path, "pretrained_cnn", CNN, path.name, path.read_bytes())

    path = imagenet_val(folder)
    content = path.read_bytes()
    known = f"sha256:{hashlib.sha256(content).hexdigest()}"
    add(
        *("val", path, "imagenet_val", {"pictures": 3}, path.name, content),
        hash=known,
        size=len(content),
    )

    path = squeezenet(folder)
    known = f"sha256-prefix:{path.stem.rpartition('-')[2]}"
    expect = {"parameters": 1_235_496}
    add(
        *("squeeze", path, "squeezenet", expect, path.name, path.read_bytes()),
        hash=known,
    )

    path = squeezenet_tf(folder)
    add(
        *("squeeze_tf", path, "squeezenet_tf", {"data_bytes": 7}),
        *("squeezenet_tf2.zip", zipped(path, inside=False)),
        unpack="zip",
        limit=limit,
    )
    entries["squeeze_tf"]["files"][0]["path"] = "."

    path = mnist(folder)
    parts = []
    for part in sorted((path / "MNIST" / "raw").iterdir()):
        content = gzip.compress(part.read_bytes(), mtime=0)
        files[f"{part.name}.gz"] = content
        parts.append(
            {
                "name": f"{part.name}.gz",
                "urls": [f"{part.name}.gz"],
                "path": f"MNIST/raw/{part.name}",
                "hash": f"md5:{hashlib.md5(content).hexdigest()}",
                "unpack": "gzip",
                "limit": part.stat().st_size,
            }
        )
    entries["mnist"] = {
        **entry,
        "target": path.name,
        "check": "mnist",
        "files": parts,
        "expect": {"train": 6, "test": 4},
    }

    path = cifar10(folder)
    content = tarred(path)
    known = f"md5:{hashlib.md5(content).hexdigest()}"
    add(
        *("cifar", path, "cifar10", {"rows": 4}, "cifar-10-python.tar.gz", content),
        unpack="tar",
        limit=limit,
        hash=known,
    )
    entries["cifar"]["contents"] = {
        p.name: f"md5:{hashlib.md5(p.read_bytes()).hexdigest()}" for p in path.iterdir()
    }
    return files, entries


def write_table(path, entries, groups=None):
    """Write entries as a table of data sets."""
    lines = []

    def pairs(table):
        for key, value in table.items():
            if not isinstance(value, dict) and key != "files":
                lines.append(f"{json.dumps(key)} = {json.dumps(value)}")

    lines.append("[groups]")
    pairs(groups or {})
    for name, entry in entries.items():
        lines.append(f"[{name}]")
        pairs(entry)
        for key in ("expect", "contents"):
            lines.append(f"[{name}.{key}]")
            pairs(entry.get(key, {}))
        for file in entry["files"]:
            lines.append(f"[[{name}.files]]")
            pairs(file)
    Path(path).write_text("\n".join(lines) + "\n", "utf-8")
    return Path(path)


def contents(path):
    """Return the bytes of every file below a path, by name."""
    if path.is_file():
        return {"": path.read_bytes()}
    return {
        p.relative_to(path).as_posix(): p.read_bytes()
        for p in path.rglob("*")
        if p.is_file()
    }
