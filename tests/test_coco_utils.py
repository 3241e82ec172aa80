"""Loading captioned pictures, drawing minibatches, decoding captions."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from cs231n import coco_utils, datasets
from cs231n.captioning_solver import CaptioningSolver
from cs231n.coco_utils import (
    BASE_DIR,
    decode_captions,
    load_coco_data,
    sample_coco_minibatch,
)
from cs231n.datasets.readers import coco
from cs231n.support import folders
from tests import coco_files

KEYS = {
    *("train_captions", "train_image_idxs", "train_features", "train_urls"),
    *("val_captions", "val_image_idxs", "val_features", "val_urls"),
    *("idx_to_word", "word_to_idx"),
}


@pytest.fixture
def folder(tmp_path):
    return coco_files.write(tmp_path / "coco")


@pytest.fixture
def data(folder):
    return load_coco_data(folder)


@pytest.fixture
def no_data_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "search_path", lambda: [tmp_path / "nowhere"])


def test_base_dir_lies_beside_the_module():
    place = Path(coco_utils.__file__).parent / "datasets" / "coco_captioning"
    assert Path(BASE_DIR) == place
    assert isinstance(BASE_DIR, str)


def test_load_returns_what_the_files_hold(data):
    truth = coco_files.arrays()
    assert set(data) == KEYS
    for split in ("train", "val"):
        for name in ("captions", "image_idxs", "features", "urls"):
            np.testing.assert_array_equal(
                data[f"{split}_{name}"], truth[f"{split}_{name}"]
            )
        assert data[f"{split}_captions"].dtype == np.int32
        assert data[f"{split}_features"].dtype == np.float32
        assert data[f"{split}_urls"].dtype.kind == "U"
    assert data["idx_to_word"] == coco_files.WORDS
    assert data["word_to_idx"]["cat"] == 6


def test_further_datasets_and_vocabulary_entries_are_kept(tmp_path):
    content = coco_files.arrays() | {"test_captions": np.ones((2, 17), np.int32)}
    vocabulary = {"idx_to_word": coco_files.WORDS, "word_to_idx": {}, "made": "today"}
    vocabulary["word_to_idx"] = {w: n for n, w in enumerate(coco_files.WORDS)}
    data = load_coco_data(coco_files.write(tmp_path, content, vocabulary))
    assert set(data) == KEYS | {"test_captions", "made"}


def test_wide_features(tmp_path):
    content = coco_files.arrays(width=32)
    coco_files.write(tmp_path, content, suffix="")
    with pytest.raises(FileNotFoundError, match=r"train2014_vgg16_fc7_pca\.h5"):
        load_coco_data(tmp_path)
    data = load_coco_data(tmp_path, pca_features=False)
    assert data["train_features"].shape == (5, 32)


def test_missing_wide_features_are_answered_with_the_small_ones(folder):
    with pytest.raises(FileNotFoundError, match="pca_features=True"):
        load_coco_data(folder, pca_features=False)


def test_max_train_consumes_one_randint_and_leaves_val_whole(folder, data):
    np.random.seed(231)
    rows = np.random.randint(12, size=6)
    state = np.random.get_state()[1:3]

    np.random.seed(231)
    small = load_coco_data(folder, max_train=6)
    np.testing.assert_array_equal(np.random.get_state()[1], state[0])
    assert np.random.get_state()[2] == state[1]

    for name in ("train_captions", "train_image_idxs"):
        np.testing.assert_array_equal(small[name], data[name][rows])
    for name in KEYS - {"train_captions", "train_image_idxs"}:
        np.testing.assert_array_equal(small[name], data[name])


def test_loading_everything_consumes_no_random_numbers(folder):
    np.random.seed(231)
    before = np.random.get_state()[1:3]
    load_coco_data(folder)
    load_coco_data(folder, max_train=3, rng=np.random.default_rng(0))
    after = np.random.get_state()[1:3]
    np.testing.assert_array_equal(after[0], before[0])
    assert after[1] == before[1]


def test_a_generator_makes_the_draw_repeatable(folder):
    def draw(seed, **kwargs):
        rng = np.random.default_rng(seed)
        return load_coco_data(folder, 12, rng=rng, **kwargs)["train_captions"]

    np.testing.assert_array_equal(draw(1), draw(1))
    assert not np.array_equal(draw(1), draw(2))


@pytest.mark.parametrize("seed", [None, 5])
def test_without_replacement_no_picture_comes_twice(folder, data, seed):
    # Two captions of one picture cannot both be learned by heart.
    rng = None if seed is None else np.random.default_rng(seed)
    rows = {
        tuple(row) for row in np.c_[data["train_image_idxs"], data["train_captions"]]
    }
    there = np.unique(data["train_image_idxs"])
    seen = set()
    for _ in range(50):
        drawn = load_coco_data(folder, len(there), rng=rng, replace=False)
        pictures = drawn["train_image_idxs"]
        assert sorted(pictures) == there.tolist()
        pairs = {tuple(row) for row in np.c_[pictures, drawn["train_captions"]]}
        assert pairs <= rows
        seen |= pairs
    assert seen == rows  # every caption has its turn
    few = load_coco_data(folder, 2, rng=rng, replace=False)["train_image_idxs"]
    assert len(set(few.tolist())) == 2
    wanted = len(there) + 1
    with pytest.raises(
        ValueError, match=f"max_train is {wanted}, but there are {wanted - 1} pic"
    ):
        load_coco_data(folder, wanted, rng=rng, replace=False)


@pytest.fixture
def scenes(tmp_path):
    """A folder of drawn scenes: 100 pictures, which a draw of ten often shows twice."""
    content = coco_files.arrays(train=500, pictures=(100, 3))
    content["train_image_idxs"] = np.repeat(np.arange(100, dtype=np.int32), 5)
    folder = coco_files.write(tmp_path / "scenes", content)
    (folder / folders.RECORD).write_text("{}", "utf-8")
    return folder


@pytest.mark.parametrize("draws", ["globally", "with a generator"])
def test_few_captions_of_drawn_scenes_are_of_different_pictures(scenes, draws):
    pictures = load_coco_data(scenes)["train_image_idxs"]
    changed = 0
    for seed in range(40):
        if draws == "globally":
            np.random.seed(seed)
            rng, rows = None, np.random.randint(500, size=10)
            after = np.random.rand()
            np.random.seed(seed)
        else:
            rng = np.random.default_rng(seed)
            rows = np.random.default_rng(seed).choice(500, size=10)
        drawn = load_coco_data(scenes, 10, rng=rng)["train_image_idxs"]
        if rng is None:  # and what follows is drawn as it always was
            assert np.random.rand() == after
        assert len(set(drawn.tolist())) == 10
        came_before = [p in pictures[rows[:n]] for n, p in enumerate(pictures[rows])]
        kept = ~np.array(came_before)
        np.testing.assert_array_equal(drawn[kept], pictures[rows][kept])
        changed += not kept.all()
    assert 5 < changed < 35  # both kinds of draws were met


def test_captions_that_replace_others_are_drawn_from_all(scenes):
    seen = set()
    for seed in range(400):
        np.random.seed(seed)
        rows = np.random.randint(500, size=10)
        np.random.seed(seed)
        drawn = load_coco_data(scenes, 10)["train_image_idxs"]
        seen |= set(drawn[drawn != rows // 5].tolist())
    assert len(seen) > 70


@pytest.mark.parametrize("wanted", [11, 100, 700])
def test_many_captions_of_drawn_scenes_may_share_pictures(scenes, wanted):
    data = load_coco_data(scenes)
    np.random.seed(1)
    rows = np.random.randint(500, size=wanted)
    np.random.seed(1)
    drawn = load_coco_data(scenes, wanted)
    for name in ("train_captions", "train_image_idxs"):
        np.testing.assert_array_equal(drawn[name], data[name][rows])


def test_few_captions_of_other_data_are_drawn_as_they_always_were(scenes):
    (scenes / folders.RECORD).unlink()
    data = load_coco_data(scenes)
    shared = 0
    for seed in range(40):
        np.random.seed(seed)
        rows = np.random.randint(500, size=10)
        np.random.seed(seed)
        drawn = load_coco_data(scenes, 10)
        for name in ("train_captions", "train_image_idxs"):
            np.testing.assert_array_equal(drawn[name], data[name][rows])
        shared += len(set(drawn["train_image_idxs"].tolist())) < 10
    assert shared > 5


def test_more_than_there_is_may_be_drawn_with_replacement(folder):
    assert len(load_coco_data(folder, max_train=np.int64(40))["train_captions"]) == 40


@pytest.mark.parametrize("bad", [0, -1, 2.5, "50", True])
def test_bad_max_train(folder, bad):
    with pytest.raises(ValueError, match=r"max_train is .* whole number"):
        load_coco_data(folder, max_train=bad)


@pytest.mark.parametrize("name", [BASE_DIR, "cs231n/datasets/coco_captioning"])
def test_the_default_is_found_on_the_search_path(tmp_path, monkeypatch, capsys, name):
    coco_files.write(tmp_path / "coco_captioning")
    monkeypatch.setattr(datasets, "search_path", lambda: [tmp_path])
    assert load_coco_data(name)["train_captions"].shape == (12, 17)
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("no_data_on_disk")
@pytest.mark.parametrize("args", [(), ("cs231n/datasets/coco_captioning",)])
def test_without_data_the_drawn_scenes_are_used(folder, monkeypatch, capsys, args):
    monkeypatch.setattr("cs231n.embedded.captions.ensure", lambda: folder)
    assert load_coco_data(*args)["train_captions"].shape == (12, 17)
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "drawn scenes" in said


@pytest.mark.usefixtures("no_data_on_disk")
def test_a_folder_that_was_asked_for_must_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*typo"):
        load_coco_data(tmp_path / "typo")


FILES = [
    "coco2014_captions.h5",
    "train2014_vgg16_fc7_pca.h5",
    "val2014_vgg16_fc7_pca.h5",
    "train2014_urls.txt",
    "val2014_urls.txt",
    "coco2014_vocab.json",
]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name} is missing; fetch"):
        load_coco_data(folder)


@pytest.mark.parametrize("name", FILES[:3])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_truncated_h5_is_named(folder, name, kept):
    file = folder / name
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(OSError, match=rf"{name} \(.* bytes\) is no whole HDF5 file"):
        load_coco_data(folder)


def test_a_text_file_with_other_bytes_is_named(folder):
    (folder / "val2014_urls.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"val2014_urls\.txt is no text file"):
        load_coco_data(folder)


def swap(name, value):
    """Return a change of the content: one entry replaced, or removed by None."""

    def change(content):
        array = content.pop(name)
        if value is not None:
            content[name] = value(array)

    return change


def with_entry(value):
    def change(array):
        array = array.copy()
        array.flat[3] = value
        return array

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swap("train_captions", None), "no dataset 'train_captions'"),
        (swap("val_image_idxs", None), "no dataset 'val_image_idxs'"),
        (swap("val_features", None), "val2014_vgg16_fc7_pca.h5 has no .*'features'"),
        (swap("train_captions", with_entry(9)), "word index 9, .* 9 words, 0 to 8"),
        (swap("val_captions", with_entry(-1)), "val_captions has word index -1"),
        (swap("train_image_idxs", with_entry(5)), "picture 5, .* 5 train features"),
        (swap("val_image_idxs", with_entry(-2)), "val_image_idxs has picture -2"),
        (swap("train_urls", lambda u: u[:2]), "has 2 train URLs"),
        (swap("val_image_idxs", lambda a: a[:4]), "has 7 rows and val_image_idxs 4"),
        (
            swap("val_captions", lambda a: a[0]),
            r"shape \(17,\) .* integers with 2 axes",
        ),
        (swap("train_captions", lambda a: a * 1.0), "dtype float64; integers"),
        (swap("train_features", lambda a: a.astype(int)), "floats with 2 axes"),
        (swap("val_features", lambda a: a[:, 1:]), "have 8 numbers .* and .* 7"),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path, change, message):
    content = coco_files.arrays()
    change(content)
    coco_files.write(tmp_path, content)
    with pytest.raises(ValueError, match=message):
        load_coco_data(tmp_path)


def test_a_split_without_captions_is_named(tmp_path):
    coco_files.write(tmp_path, coco_files.arrays(val=0))
    with pytest.raises(ValueError, match="val_captions is empty"):
        load_coco_data(tmp_path)


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ([], "must hold an object"),
        ({"idx_to_word": coco_files.WORDS}, "must hold an object"),
        (
            {
                "idx_to_word": coco_files.WORDS,
                "word_to_idx": {w: n for n, w in enumerate(coco_files.WORDS[::-1])},
            },
            r"idx_to_word\[0\] is '<NULL>', for which word_to_idx has 8",
        ),
        (
            {
                "idx_to_word": coco_files.WORDS,
                "word_to_idx": {w: n for n, w in enumerate([*coco_files.WORDS, "x"])},
            },
            "9 words in idx_to_word, 10 in word_to_idx",
        ),
        ({"idx_to_word": [["a"]], "word_to_idx": {}}, r"idx_to_word\[0\]"),
    ],
)
def test_a_vocabulary_that_disagrees_is_named(tmp_path, vocabulary, message):
    coco_files.write(tmp_path, vocabulary=vocabulary)
    with pytest.raises(ValueError, match=rf"coco2014_vocab\.json .*{message}"):
        load_coco_data(tmp_path)


@pytest.mark.parametrize("content", [b'{"idx_to_word": ["<NU', b"", b"\xff\xfe{"])
def test_a_vocabulary_that_does_not_parse_is_named(folder, content):
    (folder / "coco2014_vocab.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"vocab\.json is no (whole JSON|text) file"):
        load_coco_data(folder)


CAPTION = [1, 4, 3, 6, 2, 0, 0]


@pytest.mark.parametrize("as_dict", [False, True])
@pytest.mark.parametrize("make", [list, np.array, lambda c: np.array(c, np.int32)])
def test_decode(make, as_dict):
    words = coco_files.WORDS
    vocabulary = dict(enumerate(words)) if as_dict else words
    assert decode_captions(make(CAPTION), vocabulary) == "<START> a <UNK> cat <END>"
    both = decode_captions(make([CAPTION, [0, 4, 0, 5, 7, 0, 0]]), vocabulary)
    assert both == ["<START> a <UNK> cat <END>", "a red boat"]
    assert decode_captions(make([CAPTION]), vocabulary) == ["<START> a <UNK> cat <END>"]


def test_decode_stops_after_the_end_whatever_follows():
    assert decode_captions([4, 6, 2, 5, 999], coco_files.WORDS) == "a cat <END>"


def test_decode_of_nothing():
    assert decode_captions([], coco_files.WORDS) == ""
    assert decode_captions(np.zeros((3, 2), int), coco_files.WORDS) == ["", "", ""]
    assert decode_captions(np.zeros((0, 5), int), coco_files.WORDS) == []


@pytest.mark.parametrize("index", [9, -1])
@pytest.mark.parametrize("vocabulary", [coco_files.WORDS, dict(enumerate("abc"))])
def test_decode_names_an_unknown_index(index, vocabulary):
    with pytest.raises(IndexError, match=rf"word index {index}, .* among the"):
        decode_captions([[0, index]], vocabulary)


def test_decode_refuses_other_shapes_and_types():
    with pytest.raises(ValueError, match=r"shape \(1, 2, 3\)"):
        decode_captions(np.zeros((1, 2, 3), int), coco_files.WORDS)
    with pytest.raises(ValueError, match=r"shape \(\)"):
        decode_captions(np.array(4), coco_files.WORDS)
    with pytest.raises(ValueError, match="different lengths"):
        decode_captions([[1, 2], [1]], coco_files.WORDS)
    with pytest.raises(TypeError, match="dtype float64"):
        decode_captions([1.0, 2.0], coco_files.WORDS)


@pytest.mark.parametrize(("split", "rows"), [("train", 12), ("val", 7)])
def test_a_minibatch_is_one_choice_and_what_belongs_to_it(data, split, rows):
    np.random.seed(7)
    chosen = np.random.choice(rows, 20)
    following = np.random.rand()

    np.random.seed(7)
    captions, features, urls = sample_coco_minibatch(data, batch_size=20, split=split)
    assert np.random.rand() == following
    pictures = data[f"{split}_image_idxs"][chosen]
    np.testing.assert_array_equal(captions, data[f"{split}_captions"][chosen])
    np.testing.assert_array_equal(features, data[f"{split}_features"][pictures])
    np.testing.assert_array_equal(urls, data[f"{split}_urls"][pictures])


def test_a_minibatch_has_100_captions_of_the_training_split(data):
    captions, features, urls = sample_coco_minibatch(data)
    assert (captions.shape, features.shape, urls.shape) == ((100, 17), (100, 8), (100,))
    assert {str(url).split("/")[2] for url in urls} == {"train"}


def test_a_generator_makes_minibatches_repeatable(data):
    np.random.seed(1)
    before = np.random.get_state()[2]

    def draw(seed):
        rng = np.random.default_rng(seed)
        return sample_coco_minibatch(data, 30, rng=rng)[0]

    np.testing.assert_array_equal(draw(1), draw(1))
    assert not np.array_equal(draw(1), draw(2))
    assert np.random.get_state()[2] == before


def test_changing_a_minibatch_leaves_the_data_alone(data):
    before = data["train_features"].copy()
    captions, features, _ = sample_coco_minibatch(data)
    captions[:] = 0
    features[:] = 0
    np.testing.assert_array_equal(data["train_features"], before)
    assert data["train_captions"].any()


def test_bad_minibatches_are_named(data):
    with pytest.raises(ValueError, match=r"no split 'test'.*\['train', 'val'\]"):
        sample_coco_minibatch(data, split="test")
    with pytest.raises(ValueError, match="batch_size is 0"):
        sample_coco_minibatch(data, batch_size=0)
    data["train_image_idxs"] = data["train_image_idxs"] + 5
    with pytest.raises(IndexError, match="5 rows of features"):
        sample_coco_minibatch(data)


@pytest.fixture(params=["contiguous", "chunked", "compressed", "big-endian"])
def any_layout(request, tmp_path):
    """A folder whose feature files are laid out in one of HDF5's ways."""
    folder = coco_files.write(tmp_path / "coco")
    options = {
        "contiguous": {},
        "chunked": {"chunks": (2, 3)},
        "compressed": {"chunks": True, "compression": "gzip", "shuffle": True},
        "big-endian": {"dtype": ">f4"},
    }[request.param]
    for split in ("train", "val"):
        features = coco_files.arrays()[f"{split}_features"]
        with h5py.File(folder / f"{split}2014_vgg16_fc7_pca.h5", "w") as file:
            file.create_dataset("features", data=features, **options)
    return folder


def test_features_left_on_disk_give_the_same_minibatches(any_layout, monkeypatch):
    monkeypatch.setattr(coco, "_COPIED", 64)  # copy two rows at a time
    loaded = load_coco_data(any_layout)
    on_disk = load_coco_data(any_layout, in_memory=False)
    assert isinstance(on_disk["train_features"], np.memmap)
    assert type(loaded["train_features"]) is np.ndarray
    for split, size in (("train", 50), ("val", 1)):
        for seed in range(3):
            np.random.seed(seed)
            batch = sample_coco_minibatch(loaded, size, split)
            np.random.seed(seed)
            other = sample_coco_minibatch(on_disk, size, split)
            for one, two in zip(batch, other, strict=True):
                np.testing.assert_array_equal(one, two)
                assert one.dtype == two.dtype
                assert type(one) is type(two) is np.ndarray
            other[1][...] = 0  # a copy: the file is not written to
    again = load_coco_data(any_layout)["train_features"]
    np.testing.assert_array_equal(again, loaded["train_features"])


def test_features_on_disk_that_are_no_such_thing(folder):
    with h5py.File(folder / "val2014_vgg16_fc7_pca.h5", "w") as file:
        file["features"] = np.arange(3)
    with pytest.raises(ValueError, match="floats with 2 axes are wanted"):
        load_coco_data(folder, in_memory=False)
    with h5py.File(folder / "val2014_vgg16_fc7_pca.h5", "w") as file:
        file["features"] = np.zeros((0, 8), np.float32)
    with pytest.raises(ValueError, match="0 val features"):
        load_coco_data(folder, in_memory=False)


def test_another_number_of_urls_is_told(tmp_path, capsys):
    content = coco_files.arrays()
    content["train_urls"] = [*content["train_urls"], "scene://train/5"]
    load_coco_data(coco_files.write(tmp_path, content))
    said = capsys.readouterr().out
    assert "has 6 train URLs for 5 pictures" in said


class LengthFromFeatures:
    """A model that guesses how many words a caption has, to have something to train."""

    def __init__(self):
        self.params = {"w": np.zeros(8, np.float32)}

    def loss(self, features, captions):
        off = features @ self.params["w"] - (captions != 0).sum(axis=1)
        return (off**2).mean(), {"w": 2 * off @ features / len(off)}


def test_the_solver_trains_from_disk_to_the_same_numbers(folder):
    histories = []
    for in_memory in (True, False):
        data = load_coco_data(folder, in_memory=in_memory)
        np.random.seed(3)
        solver = CaptioningSolver(
            *(LengthFromFeatures(), data),
            num_epochs=4,
            batch_size=5,
            update_rule="adam",
            verbose=False,
        )
        solver.train()
        histories.append((solver.loss_history, solver.validation_loss()))
    assert histories[0] == histories[1]
    assert len(set(histories[0][0])) == 8
