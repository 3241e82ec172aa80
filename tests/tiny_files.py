"""A very small TinyImageNet for tests: three classes of one colour each."""

import numpy as np
from PIL import Image

WNIDS = ["n02", "n00", "n01"]  # the order of labels is not that of names
LEVELS = {"n02": (200, 10, 30), "n00": (10, 200, 30), "n01": (90, 90, 90)}


def write_picture(file, colour, side=64, gray=False):
    """Save a picture of one colour, its upper left quarter a little darker."""
    pixels = np.zeros((side, side, 3), np.uint8) + np.array(colour, np.uint8)
    pixels[: side // 2, : side // 2] -= 8
    image = Image.fromarray(pixels)
    file.parent.mkdir(parents=True, exist_ok=True)
    (image.convert("L") if gray else image).save(file, format="JPEG", quality=100)


def write_folder(folder, train=3, val=2, test=2, annotated=True):
    """Write every file of the data set; pictures of the third class are gray."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "wnids.txt").write_text("".join(f"{w}\n" for w in WNIDS))
    (folder / "words.txt").write_text("n00\tfrog, toad\nn01\tstone\nn99\tghost\n")
    lines = {"val": [], "test": []}
    for wnid in WNIDS:
        colour, gray = LEVELS[wnid], wnid == "n01"
        names = [f"{wnid}_{i}.JPEG" for i in range(train)]
        for name in names:
            write_picture(folder / "train" / wnid / "images" / name, colour, gray=gray)
        boxes = "".join(f"{name}\t0\t0\t63\t63\n" for name in names)
        (folder / "train" / wnid / f"{wnid}_boxes.txt").write_text(boxes)
        for split, size in (("val", val), ("test", test)):
            for _ in range(size):
                name = f"{split}_{len(lines[split])}.JPEG"
                write_picture(folder / split / "images" / name, colour, gray=gray)
                lines[split].append(f"{name}\t{wnid}\t0\t0\t63\t63\n")
    for split in ["val", *["test"] * annotated]:
        file = folder / split / f"{split}_annotations.txt"
        file.write_text("".join(lines[split]))
    return folder
