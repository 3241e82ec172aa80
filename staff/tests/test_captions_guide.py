"""The guide to captions of one's own photos: its commands, typed, do what it says."""

import json
import re
import shlex

import numpy as np
import pytest
from PIL import Image

from cs231n.coco_utils import load_coco_data, sample_coco_minibatch
from cs231n.embedded.captions import photo_features
from cs231n.image_utils import image_from_url, load_image
from cs231n.lab.captions import kind_of
from cs231n.tools.data import command
from staff.questions import ROOT

GUIDE = "docs/captions.md"
PAGES = (GUIDE, "README.md", "staff/student/README.md")
BUILD = "python -m cs231n.datasets build captions "
SENTENCES = (
    "A dog runs on the grass.",
    "The dog plays, in a park!",
    "Two boats at sea",
    "a boat and a dog",
    "People sit on a beach.",
)


def consoles(page):
    """Return the lines of a page that are to be typed."""
    text = (ROOT / page).read_text("utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def builds(page):
    """Return the commands of a page that build a data set, by its name."""
    lines = [line for line in consoles(page) if line.startswith(BUILD)]
    return {n[1]: line for line in lines if (n := re.search(r"--name (\S+)", line))}


def photo(file, rng):
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((80, 60)).save(file)


def write(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")


# Each lays small files out as the guide shows them, and returns the names of the photos
# to learn from and to try; none where a draw decides.


def coco2017(folder, rng):
    names = {}
    for part, first in (("train", 9), ("val", 139)):
        numbers = range(first, first + 4)
        made = {
            "images": [{"id": n, "file_name": f"{n:012d}.jpg"} for n in numbers],
            "annotations": [
                {"id": 10 * n + k, "image_id": n, "caption": sentence}
                for n in numbers
                for k, sentence in enumerate(SENTENCES)
            ],
        }
        names[part] = {f"{part}2017/{n:012d}.jpg" for n in numbers}
        for name in names[part]:
            photo(folder / "coco" / name, rng)
        file = folder / "coco" / "annotations" / f"captions_{part}2017.json"
        write(file, json.dumps(made))
    return names["train"], names["val"]


def flickr8k(folder, rng):
    names = [f"{1000 + n}_693b08cb0e.jpg" for n in range(6)]
    for name in names:
        photo(folder / "Flicker8k_Dataset" / name, rng)
    lines = [f"{name}#{k}\t{s}\n" for name in names for k, s in enumerate(SENTENCES)]
    write(folder / "Flickr8k_text" / "Flickr8k.token.txt", "".join(lines))
    for part, listed in (("train", names[:4]), ("dev", names[4:])):
        file = folder / "Flickr8k_text" / f"Flickr_8k.{part}Images.txt"
        write(file, "".join(f"{name}\n" for name in listed))
    return set(names[:4]), set(names[4:])


def holiday(folder, rng):
    names = [f"beach/IMG_{n:04d}.jpg" for n in range(8)]
    for name in names:
        photo(folder / "holiday" / name, rng)
    lines = [f'{name},"{sentence}"\n' for name in names for sentence in SENTENCES[:2]]
    write(folder / "holiday" / "captions.csv", "picture,caption\n" + "".join(lines))
    return set(), set()


EXAMPLES = {"coco2017": coco2017, "flickr8k": flickr8k, "holiday": holiday}


def test_the_guide_has_an_example_of_each_and_other_pages_have_no_others():
    assert builds(GUIDE).keys() == EXAMPLES.keys()
    for page in PAGES:
        found = builds(page)
        assert found
        assert found.keys() <= EXAMPLES.keys()
        typed = "\n".join(consoles(page))
        for name in found:
            assert f"CAPTIONS={name}" in typed


@pytest.mark.parametrize(
    ("page", "name"), [(page, name) for page in PAGES for name in builds(page)]
)
def test_a_documented_command_builds_what_the_notebooks_can_use(
    page, name, tmp_path, monkeypatch, rng
):
    data_folder = tmp_path / "data"
    monkeypatch.setenv("CS231N_DATA_DIR", str(data_folder))
    monkeypatch.chdir(tmp_path)
    parted = EXAMPLES[name](tmp_path, rng)
    words = shlex.split(builds(page)[name])
    assert words[:3] == ["python", "-m", "cs231n.datasets"]
    assert command.main(words[3:]) == 0

    monkeypatch.setenv("CS231N_CAPTIONS", name)
    data = load_coco_data()
    assert kind_of(data) == "photos"
    urls = set(data["train_urls"].tolist()), set(data["val_urls"].tolist())
    if all(parted):
        assert urls == parted
    assert all(urls)
    images = tmp_path / words[words.index("--images") + 1]
    for url in urls[0] | urls[1]:
        np.testing.assert_array_equal(image_from_url(url), load_image(images / url))
    captions, features, _ = sample_coco_minibatch(data, 3)
    assert captions.shape == (3, 17)
    assert np.isfinite(features).all()
    # A photo of one's own is seen as those of the data set were.
    seen = photo_features(load_image(images / data["val_urls"][0]), data_folder / name)
    np.testing.assert_allclose(seen[0], data["val_features"][0], rtol=1e-3, atol=1e-3)


def test_every_option_in_the_guide_exists(capsys):
    with pytest.raises(SystemExit):
        command.main(["build", "captions", "--help"])
    known = capsys.readouterr().out
    text = (ROOT / GUIDE).read_text("utf-8")
    for option in set(re.findall(r"--[a-z]+(?:-[a-z]+)*", text)) - {"--captions"}:
        assert option in known or option == "--help"
