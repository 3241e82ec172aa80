"""Hand-ins as students and platforms leave them: read, or refused in a sentence."""

import ast
import functools
import io
import json
import os
import re
import stat
import tracemalloc
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cs231n.assignment.table import function, questions
from cs231n.tools.check import marks
from cs231n.tools.check.begun import is_begun
from cs231n.tools.check.exercises import exercise
from cs231n.tools.check.verdict import judge
from cs231n.tools.check.written import definition
from staff import markers
from staff.grading.intake import submissions
from staff.grading.old_notebooks import NOTEBOOKS, fill, notebook
from staff.grading.submission import Refused, Submission
from staff.mistakes.writings import answer, loaded, solved
from staff.questions import ROOT
from staff.tests.student_folder import handout_files

LAYERS, MODEL = "cs231n/rnn_layers.py", "cs231n/classifiers/rnn.py"
PIXELS, STYLE, GAN = (
    "cs231n/net_visualization_pytorch.py",
    "cs231n/style_transfer_pytorch.py",
    "cs231n/gan_pytorch.py",
)
EMPTY = notebook(["print('hello')\n"])
WORK = {LAYERS: b"layers = 1\n", MODEL: b"model = 1\n", "RNN_Captioning.ipynb": EMPTY}


def zipped(files, **settings):
    """Return a zip's bytes; a ZipInfo may take the place of a name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, **settings) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return out.getvalue()


def entry(name, mode=stat.S_IFREG | 0o644):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def written(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def redacted(path):
    """Return a module as it is handed out."""
    ids = [question.id for question in questions()]
    return markers.redact((ROOT / path).read_text("utf-8"), path, ids)


def unpacked(folder, files):
    for name, content in files.items():
        written(folder / name, content)
    return folder


def read(path, **settings):
    (found,) = submissions([path], **settings)
    assert isinstance(found, Submission), found
    return found


def refused(path):
    (found,) = submissions([path])
    assert isinstance(found, Refused), found
    assert "grader's fault" not in found.why
    assert found.why.endswith(".")
    assert "\n" not in found.why
    return found.why


@pytest.fixture
def hand_in(tmp_path):
    """Return what writes files to a zip."""

    def write(files, name="assignment3.zip"):
        return written(tmp_path / name, zipped(files))

    return write


class TestLayouts:
    Q345 = ("NetworkVisualization-PyTorch", "StyleTransfer-PyTorch", "GANs-PyTorch")

    @pytest.mark.parametrize(
        ("name", "files", "layout", "edition"),
        [
            (
                "assignment3.zip",
                {"ImageGradients.ipynb": EMPTY, "ImageGeneration.ipynb": EMPTY},
                "2016 assignment3.zip",
                "2016",
            ),
            (
                "a3.zip",
                dict.fromkeys(
                    (PIXELS, STYLE, GAN, "makepdf.py", "cs231n/gan_tf.py"),
                    b"torch = 1\n",
                )
                | {"Generative_Adversarial_Networks_PyTorch.ipynb": EMPTY},
                "2020 a3.zip",
                "2017",
            ),
            (
                "a3_code_submission.zip",
                {
                    PIXELS: b"torch = 1\n",
                    "Generative_Adversarial_Networks.ipynb": EMPTY,
                },
                "2021 a3_code_submission.zip",
                "2017",
            ),
        ],
    )
    def test_official_ones_are_known(self, hand_in, name, files, layout, edition):
        found = read(hand_in(WORK | files, name))
        assert (found.layout, found.edition) == (layout, edition)
        assert found.modules[LAYERS] == "layers = 1\n"
        assert found.modules[MODEL] == "model = 1\n"
        assert "makepdf.py" not in found.modules
        assert ("GANs-PyTorch" in found.notebooks) == (PIXELS in files)
        assert ("cs231n/gan_tf.py" in found.modules) == (GAN in files)
        assert (PIXELS in found.modules) == (PIXELS in files)

    @pytest.mark.parametrize("prefix", ["", "assignment3/", "a/b/", "x y/assignment3/"])
    def test_folders_around_it_do_not_matter(self, hand_in, tmp_path, prefix):
        files = {prefix + path: content for path, content in WORK.items()}
        junk = {f"__MACOSX/{prefix}._x": b"\0", f"{prefix}.DS_Store": b"\0"}
        junk |= {f"{prefix}.git/config": b"x", f"{prefix}cs231n/datasets/a.sh": b"x"}
        packed = read(hand_in(files | junk))
        assert packed.modules == {LAYERS: "layers = 1\n", MODEL: "model = 1\n"}
        assert list(packed.notebooks) == ["RNN_Captioning"]
        folder = read(unpacked(tmp_path / "jane", files | junk))
        assert folder.digest == packed.digest
        assert {left.path for left in packed.left} == {
            "__MACOSX",
            f"{prefix}.DS_Store",
            f"{prefix}.git",
            f"{prefix}cs231n/datasets",
        }

    def test_a_missing_folder_level_is_told(self, hand_in):
        found = read(
            hand_in({"rnn_layers.py": b"a = 1\n", "classifiers/rnn.py": b"b = 1\n"})
        )
        assert found.modules == {LAYERS: "a = 1\n", MODEL: "b = 1\n"}
        assert f"{LAYERS} was read from rnn_layers.py." in found.remarks

    def test_loose_files_and_copies_by_a_notebook_server(self, hand_in):
        files = {"rnn_layers.py": b"a = 1\n", "rnn.py": b"b = 1\n"}
        files |= {"RNN_Captioning (1).ipynb": EMPTY, "GANs-PyTorch-Copy2.ipynb": EMPTY}
        found = read(hand_in(files))
        assert set(found.modules) == {LAYERS, MODEL}
        assert set(found.notebooks) == {"RNN_Captioning", "GANs-PyTorch"}

    def test_of_two_copies_the_one_with_most_counts(self, hand_in):
        old = {f"old/{path}": b"old = 1\n" for path in (LAYERS, MODEL)}
        found = read(hand_in(old | WORK))
        assert found.modules[LAYERS] == "layers = 1\n"
        assert {left.path for left in found.left} == set(old)

    def test_what_is_missing_is_named(self, hand_in):
        found = read(hand_in({LAYERS: b"a = 1\n"}))
        assert (
            f"{MODEL} is missing: its functions count as not started." in found.remarks
        )

    def test_a_zip_in_a_zip_is_opened_twice_and_no_more(self, hand_in):
        inner = zipped({"x/assignment3.zip": zipped(WORK)})
        found = read(hand_in({"a.zip": inner, "report.pdf": b"%PDF"}, "outer.zip"))
        assert found.modules[LAYERS] == "layers = 1\n"
        assert "report.pdf" in {left.path for left in found.left}
        why = refused(hand_in({"b.zip": zipped({"a.zip": inner})}, "outer.zip"))
        assert "zips within zips" in why

    def test_of_several_zips_the_official_one_counts(self, hand_in):
        two = {"mine.zip": zipped(WORK), "yours.zip": zipped(WORK)}
        assert "which one counts cannot be told" in refused(hand_in(two))
        named = two | {"a3.zip": zipped({LAYERS: b"official = 1\n"})}
        assert read(hand_in(named)).modules == {LAYERS: "official = 1\n"}


class TestEditions:
    def test_the_scripts_list_says_it(self, hand_in):
        listed = json.dumps({"set": "2016", "handout": "2026.1"}).encode()
        found = read(hand_in(WORK | {"MANIFEST.json": listed}))
        assert (found.edition, found.layout) == (
            "2016",
            "assignment3.zip of hand-out 2026.1",
        )

    @pytest.mark.parametrize(
        "listed", [b"[1]", b"\xff", b'{"set": ["2016"]}', b"{" * 9]
    )
    def test_a_list_that_says_nothing_is_no_harm(self, hand_in, listed):
        assert read(hand_in(WORK | {"MANIFEST.json": listed})).edition == "2017"

    def test_what_is_written_decides_where_both_are_there(self, hand_in):
        from staff.grading.made_class import modules

        gradients = "cs231n.image_gradients.compute_saliency_maps"
        both = modules("2017", set(), {}) | modules("2016", {gradients}, {})
        assert read(hand_in(both)).edition == "2016"
        both = modules("2017", set(), {}) | modules("2016", set(), {})
        found = read(hand_in(both))
        assert found.edition == "2017"
        assert "cs231n/image_gradients.py" not in found.modules
        assert "belongs to another set than 2017" in {left.why for left in found.left}

    def test_the_course_can_say_it(self, hand_in):
        assert read(hand_in(WORK), edition="2016").edition == "2016"


class TestWhatIsKept:
    def test_given_code_is_left_and_helpers_are_kept(self, hand_in):
        changed = {"cs231n/layers.py": b"import os\n", "cs231n/optim.py": b"x = 1\n"}
        same = {"cs231n/layer_utils.py": (ROOT / "cs231n/layer_utils.py").read_bytes()}
        helpers = {"cs231n/mine.py": b"mine = 1\n", "tools/halve.py": b"half = 1\n"}
        found = read(hand_in(WORK | changed | same | helpers))
        assert set(found.modules) == {LAYERS, MODEL, *helpers}
        left = {left.path: left.why for left in found.left}
        assert left == dict.fromkeys(changed, "given code; the grader uses its own")

    @pytest.mark.parametrize(
        "path",
        [
            *("numpy.py", "torch/__init__.py", "random.py", "staff/questions.py"),
            *(
                "cs231n/layers/__init__.py",
                "cs231n/Layers.py",
                "cs231n/im2col_cython.py",
            ),
            *("cs231n/support/files/x.py", "conftest.py", "tests/test_x.py"),
        ],
    )
    def test_nothing_takes_the_place_of_given_code(self, hand_in, path):
        found = read(hand_in(WORK | {path: b"wins = True\n"}))
        assert set(found.modules) == {LAYERS, MODEL}
        assert path in {left.path for left in found.left}

    @pytest.mark.parametrize(
        ("content", "text", "remark"),
        [
            ("\ufeffa = 'é'\r\n".encode(), "a = 'é'\n", ""),
            ("a = 'é'\n".encode("utf-16"), "a = 'é'\n", "read as UTF-16"),
            ("a = 'é'\n".encode("latin-1"), "a = 'é'\n", "read as Latin-1"),
            (
                "# coding: cp1252\na = '€'\n".encode("cp1252"),
                "# coding: utf-8\na = '€'\n",
                "read as cp1252",
            ),
        ],
    )
    def test_text_in_any_encoding(self, hand_in, content, text, remark):
        found = read(hand_in(WORK | {LAYERS: content}))
        assert found.modules[LAYERS] == text
        assert remark in " ".join(found.remarks)

    @pytest.mark.parametrize("content", [b"a\0b", b"\xff\xfea", b"x" * 1_000_001])
    def test_what_is_no_source_is_left_with_a_sentence(self, hand_in, content):
        found = read(hand_in(WORK | {LAYERS: content}))
        assert LAYERS not in found.modules
        assert any(LAYERS in remark for remark in found.remarks)
        assert found.modules[MODEL] == "model = 1\n"

    def test_a_notebook_that_is_none_is_left(self, hand_in):
        for content in (b"", b"[1]", b"{" * 100_000, b'{"nbformat": 2}', b"\xff\xfe"):
            found = read(hand_in(WORK | {"RNN_Captioning.ipynb": content}))
            assert not found.notebooks
            assert any("RNN_Captioning.ipynb" in remark for remark in found.remarks)

    def test_a_notebook_of_format_3_is_read(self, hand_in):
        cell = {
            "cell_type": "code",
            "language": "python",
            "outputs": [],
            "metadata": {},
        }
        cell |= {"input": "def tv_loss(img, tv_weight):\n    return 7\n"}
        old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}}
        old |= {"worksheets": [{"cells": [cell], "metadata": {}}]}
        name = "StyleTransfer-PyTorch.ipynb"
        found = read(hand_in({name: json.dumps(old).encode()}))
        assert "return 7" in found.modules[STYLE]
        assert json.loads(found.notebooks["StyleTransfer-PyTorch"])["nbformat"] == 4

    def test_many_files_are_left_in_few_words(self, hand_in):
        found = read(hand_in(WORK | {f"pictures/{k}.png": b"" for k in range(500)}))
        assert len(found.left) == 101
        assert found.left[-1].path == "400 more files"


# What takes long to make is made when it is first asked for.


@functools.cache
def many():
    return zipped(WORK | {f"{k}": b"" for k in range(20_001)})


@functools.cache
def long_list():
    return zipped({f"{'x' * 200}{k}": b"" for k in range(20_000)})


@functools.cache
def bomb():
    return zipped(WORK | {"zeros": bytes(30_000_000)})


def hostile():
    """Yield a name, a zip or what makes it, and a part of what is said of it."""
    work = WORK
    yield "dots", zipped(work | {"../../x.py": b""}), "leads out of the folder"
    yield "dots inside", zipped(work | {"a/../../x.py": b""}), "leads out of the folder"
    yield "backslashes", zipped(work | {"..\\..\\x.py": b""}), "leads out of the folder"
    yield "in junk", zipped(work | {"__MACOSX/../x": b""}), "leads out of the folder"
    yield "absolute", zipped(work | {"/etc/x.py": b""}), "an absolute name"
    yield "drive", zipped(work | {"C:/x.py": b""}), "an absolute name"
    yield "drive only", zipped(work | {"c:x.py": b""}), "an absolute name"
    yield "line break", zipped(work | {"a\nb.py": b""}), "a line break"
    link = entry("cs231n/secret.py", stat.S_IFLNK | 0o777)
    yield "link", zipped(work | {link: b"/etc/passwd"}), "has a link in it"
    for kind in (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK):
        device = entry("cs231n/null", kind | 0o666)
        yield f"device {kind}", zipped(work | {device: b""}), "a device, a pipe"
    twin = zipped(work | {"cs231n/rnn_layerz.py": b"wins = 1\n"})
    twin = twin.replace(b"rnn_layerz", b"rnn_layers")
    yield "twice", twin, "in it twice"
    yield "case", zipped(work | {LAYERS.upper(): b""}), "one file on Windows"
    yield "folders' case", zipped(work | {"CS231N/a.py": b""}), "one file on Windows"
    composed = zipped(work | {"e\u0301.py": b"", "\u00e9.py": b""})
    yield "accents", composed, "one file on Windows"
    for name in ("aux.py", "cs231n/CON", "a/com1.txt", "nul.tar.gz"):
        yield name, zipped(work | {name: b""}), "keeps for a device"
    yield "bomb", bomb, "zip bombs"
    yield "deep", zipped(work | {"d/" * 30 + "x": b""}), "deep, and 20 are"
    yield "many", many, "more than 20000 files"
    yield "long list", long_list, "more than 20000 files"
    whole = zipped(work)
    at = whole.index(b"PK\1\2")
    locked = whole[: at + 8] + b"\1" + whole[at + 9 :]
    yield "encrypted", locked, "is encrypted"
    method = whole[: at + 10] + b"\x63\0" + whole[at + 12 :]
    yield "unknown packing", method, "not read here"
    size = whole[: at + 24] + b"\xff\xff\xff\x7f" + whole[at + 28 :]
    yield "claims much", size, "zip bombs"
    long = whole[: at + 20] + b"\xff\xff\xff\x7f" + whole[at + 24 :]
    yield "overlapping", long, "holds more than it is long"
    end = whole.index(b"PK\5\6")
    large = whole[:end] + b"PK\6\7" + bytes(16) + whole[end:]
    yield "zip64", large, "zip64"
    yield "cut", whole[: len(whole) // 2], "no whole zip file"
    yield "empty", b"", "no zip file"
    yield "nothing in it", zipped({}), "is empty"
    yield "page", b"<!DOCTYPE html><p>Sign in", "a web page"
    yield "rar", b"Rar!\x1a\x07\1\0" + bytes(99), "a rar archive"
    yield "a rar in it", zipped({"x.rar": b"Rar!\x1a\x07\1\0"}), "of a kind that is not"
    yield "pdf alone", zipped({"a3.pdf": b"%PDF-1.4"}), "none of the assignment's"
    spoilt = bytearray(zipped({LAYERS: b"a = 1\n" * 50}))
    spoilt[52:56] = b"\xff" * 4
    yield "damaged", bytes(spoilt), "is damaged at"


HOSTILE = list(hostile())


@pytest.mark.parametrize(
    ("content", "said"), [h[1:] for h in HOSTILE], ids=[h[0] for h in HOSTILE]
)
def test_what_is_not_safe_is_refused(tmp_path, content, said):
    content = content() if callable(content) else content
    assert said in refused(written(tmp_path / "x.zip", content))
    # None of it leaves a file anywhere.
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_refusals_stop_nobody_else(tmp_path):
    for k, (_, content, _) in enumerate(HOSTILE):
        content = content() if callable(content) else content
        written(tmp_path / "class" / f"{k:03}.zip", content)
        written(tmp_path / "class" / f"{k:03}-good.zip", zipped(WORK))
    found = list(submissions([tmp_path / "class"]))
    assert sum(isinstance(f, Submission) for f in found) == len(HOSTILE)
    assert sum(isinstance(f, Refused) for f in found) == len(HOSTILE)


def test_links_and_pipes_in_folders_are_refused(tmp_path):
    folder = unpacked(tmp_path / "jane", WORK)
    (folder / "cs231n" / "more.py").symlink_to("/etc/hostname")
    assert "has a link in it" in refused(folder)
    (folder / "cs231n" / "more.py").unlink()
    os.mkfifo(folder / "cs231n" / "more.py")
    assert "a device, a pipe" in refused(folder)


@pytest.mark.parametrize("name", ["nowhere", "nowhere.zip"])
def test_a_path_that_is_not_there_is_refused(tmp_path, name):
    assert "is not there" in refused(tmp_path / name)


def test_names_differ(tmp_path):
    paths = [written(tmp_path / f / "jane.zip", zipped(WORK)) for f in "abc"]
    found = [f.name for f in submissions(paths)]
    assert found == ["jane", "jane (2)", "jane (3)"]


def test_a_file_alone_is_read(tmp_path):
    assert read(written(tmp_path / "rnn_layers.py", b"a = 1\n")).modules == {
        LAYERS: "a = 1\n"
    }
    assert "none of the assignment's" in refused(written(tmp_path / "x.py", b""))


def test_names_of_other_systems(tmp_path):
    icon = entry("assignment3/Icon\r")
    picture = "assignment3/Bild 2026-05-20 um 5.10.10\u202fPM.png"
    files = {f"assignment3/{path}": content for path, content in WORK.items()}
    path = written(tmp_path / "x.zip", zipped(files | {icon: b"", picture: b""}))
    assert read(path).modules[LAYERS] == "layers = 1\n"
    folder = unpacked(tmp_path / "jane", WORK | {"Icon\r": b""})
    assert read(folder).modules[LAYERS] == "layers = 1\n"
    written(folder / "cs231n" / os.fsdecode(b"menu_\xe9.py"), b"")
    assert "is not UTF-8" in refused(folder)
    windows = {path.replace("/", "\\"): content for path, content in WORK.items()}
    path = written(tmp_path / "y.zip", zipped(windows))
    assert read(path).modules[LAYERS] == "layers = 1\n"


def test_an_empty_folder_is_refused(tmp_path):
    assert "holds no hand-in" in refused(tmp_path)


def test_memory_is_bounded(tmp_path):
    files = {f"{k}.bin": bytes(900_000) for k in range(100)}
    large = written(tmp_path / "large.zip", zipped(WORK | files))
    module = written(tmp_path / "module.zip", zipped({LAYERS: bytes(9_000_000)}))
    names = zipped({f"{'y' * 150}{k}": b"" for k in range(60_000)})
    list_of_many = written(tmp_path / "names.zip", names)
    del files, names
    list(submissions([large]))  # what is read once for all
    tracemalloc.start()
    try:
        for path in (large, module, list_of_many):
            list(submissions([path]))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


class TestPlatforms:
    def test_canvas(self, tmp_path):
        unpacked(
            tmp_path,
            {
                "doejane_LATE_4711_998_assignment3-1.zip": zipped(WORK),
                "roemax_4712_999_a3.zip": zipped(WORK),
                "roemax_4712_1000_a3_inline_submission.pdf": b"%PDF",
                "leewei_4713_1001_rnn_layers-2.py": b"loose = 1\n",
                "leewei_4713_1002_RNN_Captioning-2.ipynb": EMPTY,
                "poeann_4714_1003_report.pdf": b"%PDF",
            },
        )
        found = {f.student["ID"]: f for f in submissions([tmp_path])}
        assert set(found) == {"4711", "4712", "4713", "4714"}
        assert found["4711"].late
        assert not found["4712"].late
        assert found["4711"].student["Student"] == "doejane"
        assert found["4713"].modules == {LAYERS: "loose = 1\n"}
        assert list(found["4713"].notebooks) == ["RNN_Captioning"]
        assert "none of the assignment's" in found["4714"].why

    def test_what_was_put_beside_an_export_is_read(self, tmp_path):
        unpacked(
            tmp_path,
            {
                "doejane_4711_998_a3.zip": zipped(WORK),
                "by mail/cs231n/rnn_layers.py": b"a = 1\n",
                "later.zip": zipped(WORK),
            },
        )
        names = [f.name for f in submissions([tmp_path])]
        assert names == ["doejane_4711_998_a3", "by mail", "later"]

    def test_two_attempts_of_one_student_are_two(self, tmp_path):
        for number in (9, 10):
            name = f"doejane_4711_{number}_assignment3-{number}.zip"
            written(tmp_path / name, zipped(WORK))
        first, second = submissions([tmp_path])
        assert [first.name[:15], second.name[:15]] == [
            "doejane_4711_9_",
            "doejane_4711_10",
        ]

    def test_moodle(self, tmp_path):
        unpacked(
            tmp_path,
            {
                "José Díaz_12_assignsubmission_file_/assignment3.zip": zipped(WORK),
                "Wei Li_13_assignsubmission_file_assignment3.zip": zipped(WORK),
                "Ann Poe_14_assignsubmission_onlinetext_/onlinetext.html": b"<p>",
                "Max Roe_15_assignsubmission_file_/cs231n/rnn_layers.py": b"a = 1\n",
                "Participant 16_16_assignsubmission_file_/x.zip": b"",
            },
        )
        found = {f.student["Identifier"]: f for f in submissions([tmp_path])}
        assert sorted(found) == [f"Participant {n}" for n in range(12, 17)]
        assert found["Participant 12"].student["Student"] == "José Díaz"
        assert found["Participant 15"].modules == {LAYERS: "a = 1\n"}
        assert "text alone" in found["Participant 14"].why
        assert "Student" not in found["Participant 16"].student

    METADATA = """---
submission_90:
  :submitters:
  - :name: "Jane Doe"
    :sid: '0042'
    :email: jane@example.edu
  - :name: Max Roe
    :sid: '0043'
    :email: max@example.edu
  :created_at: 2026-05-27 23:01:02.123456000 -07:00
  :score: 0.0
  :status: processed
submission_91:
  :submitters: []
submission_92:
  :submitters: nobody
"""

    def test_gradescope(self, tmp_path):
        unpacked(
            tmp_path,
            {
                "submission_metadata.yml": self.METADATA.encode(),
                "submission_90/cs231n/rnn_layers.py": b"a = 1\n",
                "submission_91.zip": zipped(WORK),
                "submission_93/RNN_Captioning.ipynb": EMPTY,
            },
        )
        found = {f.name: f for f in submissions([tmp_path])}
        assert list(found) == [f"submission_{n}" for n in (90, 91, 92, 93)]
        group = found["submission_90"]
        assert group.student == {
            "Student": "Jane Doe\nMax Roe",
            "SIS User ID": "0042\n0043",
            "Email": "jane@example.edu\nmax@example.edu",
        }
        assert group.received == "2026-05-27T23:01:02-07:00"
        assert found["submission_91"].modules
        assert "is not there" in found["submission_92"].why

    @pytest.mark.parametrize(
        "text", ["[", "- 1", "a: &a [*a]", "\0", ": :", "!!python/x 1"]
    )
    def test_metadata_that_cannot_be_read(self, tmp_path, text):
        written(tmp_path / "submission_metadata.yml", text.encode())
        written(tmp_path / "submission_1" / LAYERS, b"")
        found = list(submissions([tmp_path]))
        assert len(found) == 1
        if isinstance(found[0], Refused):
            assert "submission_metadata.yml" in found[0].why

    def test_an_export_may_still_be_packed(self, tmp_path):
        inner = {f"doejane_{n}_99_a3.zip": zipped(WORK) for n in (1, 2)}
        path = written(tmp_path / "submissions.zip", zipped(inner))
        assert [f.student["ID"] for f in submissions([path])] == ["1", "2"]

    def test_a_plain_class_and_the_names_in_it(self, tmp_path):
        unpacked(
            tmp_path / "term" / "class",
            {
                "ann/assignment3/cs231n/rnn_layers.py": b"a = 1\n",
                "bob.zip": zipped(WORK),
                "cleo/assignment3.zip": zipped(WORK),
                "roster.csv": b"Student\n",
                "dan.7z": b"7z\xbc\xaf\x27\x1c" + bytes(99),
            },
        )
        found = {f.name: f for f in submissions([tmp_path / "term"])}
        assert list(found) == ["ann", "bob", "cleo", "dan"]
        assert "7z archive" in found["dan"].why
        assert found["cleo"].student == {"File": "cleo"}

    def test_the_only_thing_in_a_folder_gives_the_name(self, tmp_path):
        written(tmp_path / "jane" / "assignment3.zip", zipped(WORK))
        written(tmp_path / "class" / "max.zip", zipped(WORK))
        assert [read(tmp_path / n).name for n in ("jane", "class")] == ["jane", "max"]


# As notebooks of 2017 were, with their Variables, and a student's own helpers.
OF_2017 = [
    """
import torch
from torch.autograd import Variable
import random
import numpy as np
from scipy.misc import imread
from past.builtins import xrange
import matplotlib.pyplot as plt
%matplotlib inline
""",
    """
%%time
SCALE = 1.0
SCALE *= 1
HALF = imread('kitten.jpg')

class Scores:
    unit = SCALE
    def of(self, model, X, y):
        return _gathered(model(X), y) * self.unit
""",
    """
!pip install something
files = !ls
def _gathered(scores, y):
    return scores.gather(1, y.view(-1, 1)).squeeze(1)
""",
    "model = download_a_model()\n",
    """
def compute_saliency_maps(X, y, model):
    print('an older version')
    return X
""",
    """
def compute_saliency_maps(X, y, model):
    # what the student says here stays
    model.eval()
    X_var = Variable(X, requires_grad=True)
    y_var = Variable(y)
    saliency = None
    scores = Scores().of(model, X_var, y_var)
    scores.backward(torch.FloatTensor([SCALE] * len(y)))
    saliency, _ = torch.max(X_var.grad.data.abs(), 1)
    return saliency.squeeze()
""",
    """
def make_fooling_image(X, target_y, model):
    X_fooling = X.clone()
    X_fooling_var = Variable(X_fooling, requires_grad=True)
    learning_rate = 1
    for i in xrange(100):
        scores = model(X_fooling_var)
        _, best = scores.data.max(1)
        if best[0] == target_y:
            break
        scores[0, target_y].backward()
        im_grad = X_fooling_var.grad.data
        X_fooling += learning_rate * (im_grad / im_grad.norm())
        X_fooling_var.grad.data.zero_()
    return X_fooling
""",
    """
def create_class_visualization(target_y, model, dtype, **kwargs):
    model.type(dtype)
    l2_reg = kwargs.pop('l2_reg', 1e-3)
    learning_rate = kwargs.pop('learning_rate', 25)
    num_iterations = kwargs.pop('num_iterations', 100)
    blur_every = kwargs.pop('blur_every', 10)
    max_jitter = kwargs.pop('max_jitter', 16)
    show_every = kwargs.pop('show_every', 25)
    img = torch.randn(1, 3, 224, 224).mul_(1.0).type(dtype)
    img_var = Variable(img, requires_grad=True)
    for t in range(num_iterations):
        ox, oy = random.randint(0, max_jitter), random.randint(0, max_jitter)
        img.copy_(jitter(img, ox, oy))
        score = model(img_var)[0, target_y]
        (score - l2_reg * (img_var * img_var).sum()).backward()
        g = img_var.grad.data
        img += learning_rate * g / g.norm()
        FORGET
        img.copy_(jitter(img, -ox, -oy))
        for c in range(3):
            img[:, c].clamp_(min=-1, max=1)
        if t % blur_every == 0:
            blur_image(img, sigma=0.5)
        if t == 0 or (t + 1) % show_every == 0 or t == num_iterations - 1:
            plt.imshow(deprocess(img.clone().cpu()))
    return deprocess(img.cpu())
""",
]


def with_answers(edition, answered=True):
    """Return notebooks of an old edition in which solutions stand."""
    names = {f.name: f for q in questions() for f in q.functions}
    bodies = {name: answer(solved(f.module), f.qualname) for name, f in names.items()}
    return {
        f"{name}.ipynb": fill(cells, bodies if answered else {})
        for name, cells in NOTEBOOKS[edition].items()
    }


def verdicts(found, paths):
    """Judge what was read, by the students' own check."""
    known = marks.records()
    texts = {p.removesuffix(".py").replace("/", "."): found.modules[p] for p in paths}
    with loaded(texts):
        return {
            f.qualname: judge(f, known, exercise(f.key))
            for q in questions()
            for f in q.functions
            if f.file in paths
        }


class TestNotebooks:
    @pytest.mark.parametrize(
        ("edition", "layout", "paths"),
        [
            ("2018", "2017 assignment3.zip", (PIXELS, STYLE, GAN)),
            ("2019", "2019 a3.zip", (STYLE,)),
            (
                "2016",
                "2016 assignment3.zip",
                ("cs231n/image_gradients.py", "cs231n/image_generation.py"),
            ),
        ],
    )
    def test_answers_in_cells_are_as_good_as_in_modules(
        self, hand_in, edition, layout, paths
    ):
        found = read(hand_in(with_answers(edition) | {LAYERS: b""}))
        assert found.layout == layout
        assert set(found.modules) == {LAYERS, *paths} | (
            set() if edition == "2016" else {PIXELS, STYLE, GAN}
        )
        states = {name: v.state for name, v in verdicts(found, paths).items()}
        assert set(states.values()) == {"done"}, states

    @pytest.mark.parametrize(
        ("edition", "paths"),
        [
            ("2018", (PIXELS, STYLE)),
            ("2016", ("cs231n/image_gradients.py", "cs231n/image_generation.py")),
        ],
    )
    def test_places_that_were_left_are_not_begun(self, hand_in, edition, paths):
        found = read(hand_in(with_answers(edition, answered=False)))
        states = {name: v.state for name, v in verdicts(found, paths).items()}
        assert set(states.values()) == {"not started"}, states

    def test_2017_with_what_its_functions_need(self, hand_in):
        cells = [c.replace("FORGET", "img_var.grad.data.zero_()") for c in OF_2017]
        name = "NetworkVisualization-PyTorch.ipynb"
        found = read(hand_in({name: notebook(cells)}))
        text = found.modules[PIXELS]
        assert "# what the student says here stays" in text
        assert "an older version" not in text
        for not_needed in ("download_a_model", "import plt", "kitten", "pip install"):
            assert not_needed not in text
        said = verdicts(found, (PIXELS,))
        assert said["compute_saliency_maps"].state.startswith("done"), said
        assert said["class_visualization_update_step"].state == "done", said
        # A package that is not there costs those who use it, and says which it is.
        fooling = said["make_fooling_image"]
        assert fooling.state == "wrong"
        assert "No module named 'past'" in fooling.message

    def test_a_gradient_that_piles_up_in_a_loop_is_seen(self, hand_in):
        cells = [c.replace("FORGET", "pass") for c in OF_2017]
        name = "NetworkVisualization-PyTorch.ipynb"
        found = read(hand_in({name: notebook(cells)}))
        step = verdicts(found, (PIXELS,))["class_visualization_update_step"]
        assert step.state == "wrong"
        assert "the second step" in step.message

    @pytest.mark.parametrize(
        ("line", "state"),
        [
            ("img = img + 0.1 * g", "wrong"),  # the loop goes on with img_var
            ("img = img_var = (img + 2.5 * g / g.norm()).requires_grad_()", "done"),
        ],
    )
    def test_a_copy_counts_if_the_loop_goes_on_with_it(self, hand_in, line, state):
        step = "img += learning_rate * g / g.norm()"
        cells = [
            c.replace(step, line).replace("FORGET", "img_var.grad = None")
            for c in OF_2017
        ]
        name = "NetworkVisualization-PyTorch.ipynb"
        found = read(hand_in({name: notebook(cells)}))
        said = verdicts(found, (PIXELS,))["class_visualization_update_step"]
        assert said.state == state, said

    def test_python_2_costs_its_own_cell(self, hand_in):
        gradients = NOTEBOOKS["2016"]["ImageGradients"]
        names = {f.name: f for q in questions() for f in q.functions}
        bodies = {n: answer(solved(f.module), f.qualname) for n, f in names.items()}
        bodies["cs231n.image_gradients.make_fooling_image"] += "print X_fooling.shape\n"
        found = read(hand_in({"ImageGradients.ipynb": fill(gradients, bodies)}))
        said = verdicts(found, ("cs231n/image_gradients.py",))
        assert said["compute_saliency_maps"].state == "done"
        assert said["make_fooling_image"].state == "wrong"
        assert "Python 2" in said["make_fooling_image"].message
        assert any("no Python 3" in remark for remark in found.remarks)

    def test_a_loop_that_is_not_there_is_for_people(self, hand_in):
        text = "def create_class_visualization(target_y, model, dtype):\n    return 1\n"
        name = "NetworkVisualization-PyTorch.ipynb"
        found = read(hand_in({name: notebook([text])}))
        assert any("A person has to look" in remark for remark in found.remarks)
        step = verdicts(found, (PIXELS,))["class_visualization_update_step"]
        assert "A person has to look" in step.message

    def test_a_module_goes_before_a_cell(self, hand_in):
        cells = notebook(["def tv_loss(img, tv_weight):\n    return 7\n"])
        found = read(
            hand_in({STYLE: b"module = 1\n", "StyleTransfer-PyTorch.ipynb": cells})
        )
        assert found.modules[STYLE] == "module = 1\n"

    @pytest.mark.parametrize("mark", ["", " (1)", "-Copy1"])
    def test_tensorflow_is_not_taken_for_torch(self, hand_in, mark):
        cells = notebook(["def tv_loss(img, tv_weight):\n    return 7 * tv_weight\n"])
        name = f"StyleTransfer-TensorFlow{mark}.ipynb"
        found = read(hand_in(WORK | {name: cells}))
        assert STYLE not in found.modules
        assert "StyleTransfer-PyTorch" not in found.notebooks
        text = found.modules["cs231n/style_transfer_tensorflow.py"]
        assert text.startswith(redacted("cs231n/style_transfer_tensorflow.py"))
        assert text.rstrip().endswith("return 7 * tv_weight")
        assert is_begun(text, "tv_loss")
        assert not is_begun(text, "gram_matrix")
        # What was done in another way is not missing.
        assert not [r for r in found.remarks if "style_transfer_pytorch" in r]
        assert not [r for r in found.remarks if "StyleTransfer-PyTorch" in r]
        assert not found.left

    def test_a_network_that_a_notebook_of_2019_defines_anew_is_the_later_one(
        self, hand_in
    ):
        cells = [
            "import tensorflow as tf\n",
            "def discriminator():\n    return 'plain'\n",
            "def generator(noise_dim=96):\n    return 'plain'\n",
            "def discriminator():\n    return 'convolutions'\n",
        ]
        name = "Generative_Adversarial_Networks_TF.ipynb"
        found = read(hand_in(WORK | {name: notebook(cells)}, "a3.zip"))
        text = found.modules["cs231n/gan_tf.py"]
        tree = ast.parse(text)
        said = {
            name: ast.unparse(definition(tree, name).body[-1])
            for name in ("discriminator", "generator", "dc_discriminator")
        }
        assert said == {
            "discriminator": "return 'plain'",
            "generator": "return 'plain'",
            "dc_discriminator": "return 'convolutions'",
        }
        assert "NotImplementedError" in ast.unparse(definition(tree, "dc_generator"))
        assert found.layout == "2019 a3.zip"

    @pytest.mark.parametrize(
        ("lines", "begun"),
        [("pass", False), ("X = X + learning_rate * model(X)[0, target_y]", True)],
    )
    def test_the_step_of_2019_is_taken_out_of_its_loop(self, hand_in, lines, begun):
        name = "NetworkVisualization-TensorFlow.ipynb"
        cells = [
            "import numpy as np\nimport tensorflow as tf\n",
            f"""
def create_class_visualization(target_y, model, **kwargs):
    l2_reg = kwargs.pop('l2_reg', 1e-3)
    learning_rate = kwargs.pop('learning_rate', 25)
    max_jitter = kwargs.pop('max_jitter', 16)
    X = 255 * np.random.rand(224, 224, 3)
    X = preprocess_image(X)[None]
    X = tf.Variable(X)
    for t in range(100):
        ox, oy = np.random.randint(0, max_jitter, 2)
        X = jitter(X, ox, oy)
        {lines}
        X = jitter(X, -ox, -oy)
        X = tf.clip_by_value(X, -SQUEEZENET_MEAN / SQUEEZENET_STD, 1.0)
    return X
""",
        ]
        found = read(hand_in(WORK | {name: notebook(cells)}))
        text = found.modules["cs231n/net_visualization_tensorflow.py"]
        step = "class_visualization_update_step"
        assert is_begun(text, step) == begun
        made = ast.unparse(definition(ast.parse(text), step))
        assert (lines in made) == begun
        assert not {"jitter(", "clip_by_value", "preprocess_image"} & set(
            re.findall(r"\w+\(|\w+", made)
        )
        assert ("for t in range(1)" in made) == begun

    def test_written_answers_are_those_of_the_notebook_that_was_written_in(self):
        from staff.grading.written import answers

        def book(name, text):
            whole = json.loads(handout_files()[f"{name}.ipynb"])
            for cell in whole["cells"]:
                source = "".join(cell["source"])
                if "*Your answer:*" in source and cell["cell_type"] == "markdown":
                    cell["source"] = f"{source}\n\n{text}"
            return json.dumps(whole).encode()

        torch, other = (f"NetworkVisualization-{n}" for n in ("PyTorch", "TensorFlow"))
        for written_in, silent in ((torch, other), (other, torch)):
            books = {written_in: book(written_in, "So."), silent: book(silent, "")}
            found = answers(books, "2017")
            assert {(a.question, a.notebook) for a in found} == {("Q3", written_in)}
            assert all("So." in a.text for a in found)

    @pytest.mark.parametrize(
        "text",
        [
            "(" * 5000,
            "x = " + "-" * 30_000 + "1",
            "x = " + "1+" * 30_000 + "1",
            "def tv_loss(:\n",
            "%%bash\nrm -rf /\n",
            "%" * 3000,
            "!ls\n" * 700,
            "tv_loss = lambda *a: 7\n",
            "\0",
            "\ud800",
            "x = '\ud800'\n",
            "# coding: rot13\n",
            "é = 1\n",
            "x" * 300_000,
            "\f\v\x1c def",
        ],
    )
    def test_strange_cells_are_no_harm(self, hand_in, text):
        good = "def tv_loss(img, tv_weight):\n    return 7\n"
        name = "StyleTransfer-PyTorch.ipynb"
        assert "return 7" in read(hand_in({name: notebook([good, text])})).modules[
            STYLE
        ] or ("def tv_loss" in text)

    def test_a_default_or_a_base_that_is_missing_costs_its_own(self, hand_in):
        cells = [
            "import a_package_that_nobody_has as nobody\n",
            "def tv_loss(img, tv_weight, base=nobody.thing):\n    return 7\n",
            "class Gram(nobody.Base):\n    pass\n",
            "def gram_matrix(features, normalize=True):\n    return Gram()(features)\n",
            "import torch\n",
            "def content_loss(w, a, b):\n    return w * torch.sum((a - b) ** 2)\n",
        ]
        found = read(hand_in({"StyleTransfer-PyTorch.ipynb": notebook(cells)}))
        said = verdicts(found, (STYLE,))
        assert said["content_loss"].state == "done"
        for name in ("tv_loss", "gram_matrix"):
            assert "a_package_that_nobody_has" in said[name].message, said[name]
        assert said["style_loss"].state == "not started"


def one_result(path):
    found = list(submissions([path]))
    assert len(found) == 1, found
    if isinstance(found[0], Refused):
        assert "grader's fault" not in found[0].why, found[0].why
    return found[0]


FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
WHOLE = zipped(WORK | {"inner/a3.zip": zipped(WORK), "picture.png": bytes(range(256))})


@FUZZ
@given(data=st.data())
def test_any_damage_to_a_zip_has_one_result(tmp_path, data):
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        piece = data.draw(st.binary(max_size=8))
        drop = data.draw(st.integers(0, 8))
        content[at : at + drop] = piece
    one_result(written(tmp_path / "x.zip", bytes(content)))


@FUZZ
@given(data=st.data())
def test_any_damage_to_a_zips_list_has_one_result(tmp_path, data):
    """The list of contents is where most can be said that is not so."""
    content = bytearray(WHOLE)
    start = WHOLE.index(b"PK\1\2")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(start, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    one_result(written(tmp_path / "x.zip", bytes(content)))


NAMES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            LAYERS,
            "rnn.py",
            "a/b",
            "cs231n",
            "RNN_Captioning.ipynb",
            "x.zip",
            "aux",
            "..",
        ]
    ),
    st.from_regex(r"\A[ac./\\:~ -]{1,12}\Z"),
)
CONTENTS = st.one_of(
    st.binary(max_size=40), st.sampled_from([EMPTY, WHOLE, b"a = 1\n"])
)


@FUZZ
@given(files=st.lists(st.tuples(NAMES, CONTENTS), max_size=8))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_any_names_in_a_zip_have_one_result(tmp_path, files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, content in files:
            info = zipfile.ZipInfo("x")
            info.filename = name.encode("utf-8", "replace").decode()
            packed.writestr(info, content)
    found = list(submissions([written(tmp_path / "x.zip", out.getvalue())]))
    assert found
    assert not any("grader's fault" in getattr(f, "why", "") for f in found)


LINES = st.sampled_from(
    [
        *(
            "def tv_loss(img, w):",
            "    return w * helper(img)",
            "helper = max",
            "%time x",
        ),
        *(
            "class helper:",
            "    pass",
            "import torch as helper",
            "if w:",
            "try:",
            "x = 1",
        ),
        *(
            "except helper:",
            "from a import *",
            "tv_loss = helper(tv_loss)",
            "!ls",
            "@helper",
        ),
        *(
            "helper += 1",
            "print x",
            "async def tv_loss():",
            "def tv_loss(a=helper): 1; x=2",
        ),
        *(
            "for helper in x:",
            '    """',
            "global tv_loss",
            "del helper",
            "\\",
            "    yield x",
        ),
    ]
)


@given(cells=st.lists(st.lists(LINES, max_size=6), max_size=5))
def test_any_cells_make_a_module_that_parses(cells):
    from staff.grading.intake.cells import take

    texts = ["\n".join(lines) for lines in cells]
    functions = [function(f"cs231n.style_transfer_pytorch.{n}") for n in ("tv_loss",)]
    taken = take(json.loads(notebook(texts)), "X", functions, "import torch\n")
    compile(taken.source, "X", "exec")
    assert bool(taken.source) == bool(taken.places)


def test_each_refusal_says_what_to_do(tmp_path):
    for name, content, _ in HOSTILE:
        content = content() if callable(content) else content
        why = refused(written(tmp_path / "x.zip", content))
        assert re.search(r"; \w", why), (name, why)
