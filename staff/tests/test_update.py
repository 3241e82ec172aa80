"""An update carries every answer, or changes nothing and says why."""

import errno
import functools
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cs231n.assignment import regions, stamp
from cs231n.support import files
from cs231n.tools.update import command as update
from cs231n.tools.update import merge
from staff.handout import archive as packing
from staff.tests.student_folder import (
    code,
    handout_files,
    prose,
    read_notebook,
    solved_module,
    tree,
)

RNN = "cs231n/rnn_layers.py"
NOTEBOOK = "LSTM_Captioning.ipynb"
ANSWER = "q2-gates"
POSIX = pytest.mark.skipif(os.name == "nt", reason="needs POSIX files")
# Of most tests a few files are the subject, and all others would be written, packed and
# compared for nothing.
PART = [
    *(RNN, NOTEBOOK, "conftest.py", "requirements.txt", "setup.py"),
    *("start_ipython_osx.sh", "cs231n/extras/adversarial.py", "cs231n/layer_utils.py"),
    *("cs231n/layers.py", "cs231n/optim.py", "cs231n/datasets/pictures.py"),
    "cs231n/support/device.py",
]
WHOLE = pytest.mark.parametrize("handed_out", ["whole"], indirect=True)


def stamped(files, version):
    files = {path: text for path, text in files.items() if path != stamp.STAMP}
    moved = stamp.read(handout_files()[stamp.STAMP]).moved
    return files | {stamp.STAMP: stamp.write(stamp.take(version, files, moved))}


@functools.cache
def part_of_it():
    """Return the part of the hand-out that most tests are about."""
    files = handout_files()
    version = stamp.read(files[stamp.STAMP]).version
    return stamped({path: files[path] for path in PART}, version)


@pytest.fixture
def handed_out(request):
    """Return a hand-out: a part of it, or all where a test is marked so."""
    return handout_files() if hasattr(request, "param") else part_of_it()


@pytest.fixture
def student(tmp_path, handed_out):
    """Return an unpacked hand-out."""
    folder = tmp_path / "my assignment – größe"
    folder.mkdir()
    packing.write(handed_out, folder)
    return folder


@pytest.fixture
def release(tmp_path, handed_out):
    """Return a function that makes the zip of a hand-out with some changes."""

    def make(changes=None, version="2026.2"):
        files = dict(handed_out)
        for path, change in (changes or {}).items():
            if change is None:
                del files[path]
            else:
                old = files.get(path, b"").decode()
                new = change(old)
                assert new != old
                files[path] = new.encode()
        path = tmp_path / "new hand-out.zip"
        packing.pack(stamped(files, version), path)
        return path

    return make


def run(student, new, *arguments):
    return update.main([str(new), "--root", str(student), *arguments])


def edit(path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def edit_notebook(path, change):
    whole, cells = read_notebook(path)
    change(whole, cells)
    path.write_text(json.dumps(whole), "utf-8")


def reworded(text):
    """Rewrite a module's given code, its prompts, and a signature."""
    return (
        text.replace('"""', '"""The second edition. ', 1)
        .replace("Walk the sequence backward.", "Walk backward, please.     ")
        .replace("def rnn_step_forward(", "def rnn_step_forward(  # new\n   ")
    )


def report(student, number=1):
    return (student / f"update-{number}" / update.REPORT).read_text("utf-8")


@WHOLE
def test_answers_of_all_modules_go_between_the_new_boxes(student, release, capsys):
    given = stamp.take("", handout_files()).given
    for path in given:
        (student / path).write_text(solved_module(path), "utf-8")
    before = tree(student)
    new = release({path: lambda t: t.replace('"""', '"""New. ', 1) for path in given})

    assert run(student, new) == 0

    for path in given:
        text = (student / path).read_text("utf-8")
        assert text == solved_module(path).replace('"""', '"""New. ', 1)
        for region in regions.find(text, path):
            assert region.name in report(student)
    assert "Look at this" not in report(student)
    with zipfile.ZipFile(student / "update-1" / update.BACKUP) as archive:
        saved = {name: archive.read(name) for name in archive.namelist()}
    assert saved == {path: before[path] for path in (*given, stamp.STAMP)}
    assert "From 2026.1 to 2026.2" in capsys.readouterr().out


def test_doing_it_twice_changes_nothing_more(student, release, capsys):
    (student / RNN).write_text(solved_module(RNN), "utf-8")
    new = release({RNN: reworded})
    assert run(student, new) == 0
    before = tree(student)

    assert run(student, new) == 0
    assert tree(student) == before
    assert "Up to date" in capsys.readouterr().out


def test_new_words_and_new_arguments_are_pointed_out(student, release):
    (student / RNN).write_text(solved_module(RNN), "utf-8")

    def change(text):
        text = text.replace(
            "Walk the sequence backward.", "Walk backward, please.     "
        )
        return text.replace("x: Array, prev_h: Array, Wx", "x: Array, h: Array, Wx", 1)

    assert run(student, release({RNN: change})) == 0
    said = report(student)
    assert f"{RNN}: the TODO of rnn_backward has new words" in said
    assert f"{RNN}: rnn_step_forward now begins with another line" in said
    assert said.count("read it again") == said.count("still fits") == 1


def test_a_dry_run_changes_nothing(student, release, capsys):
    before = tree(student)
    assert run(student, release({RNN: reworded}), "--dry-run") == 0
    assert tree(student) == before
    assert RNN in capsys.readouterr().out


def without(function):
    """Return a change that renames a function, so that its region is gone."""
    return lambda text: text.replace(f"def {function}(", f"def {function}_2(")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {RNN: without("rnn_backward")},
            "rnn_backward has no place in the new version",
        ),
        ({RNN: None}, "there is no cs231n/rnn_layers.py in it"),
        (
            {RNN: lambda text: text + "\n\n" + indented(text)},
            "cannot be placed, as that function has other places to write in now",
        ),
        ({RNN: lambda text: text.replace("\n    ", "\n      ")}, "columns in"),
    ],
    ids=["renamed", "file gone", "doubled", "moved inward"],
)
def test_an_answer_without_a_place_stops_the_update(
    student, release, change, words, capsys
):
    solved = regions.find(solved_module(RNN), RNN)
    body = {r.key: r.body for r in solved if r.owner == "rnn_backward"}
    text = (student / RNN).read_text("utf-8")
    (student / RNN).write_text(regions.fill(text, body, RNN), "utf-8")
    before = tree(student)

    assert run(student, release(change)) == 1

    said = capsys.readouterr()
    assert "Nothing was changed" in said.err
    assert words in said.err
    (line,) = [x for x in said.err.splitlines() if "your answer" in x]
    number = int(line.split(":")[1])
    assert (
        before[RNN].decode().splitlines()[number - 1]
        == (next(iter(body.values())).splitlines()[0])
    )
    assert tree(student) == before


def indented(text):
    start = text.index("def rnn_backward")
    return text[start : text.index("\n\n\n", start)] + "\n"


def two_places(*prompts, bodies=("    pass\n", "    pass\n")):
    """Return a function with two boxes."""
    bar, end = "    " + "#" * 84 + "\n", "    # END OF YOUR CODE #\n"
    boxes = [
        f"{bar}    # TODO(Q1): {prompt} #\n{bar}{body}{bar}{end}{bar}"
        for prompt, body in zip(prompts, bodies, strict=True)
    ]
    return f"def f():\n{''.join(boxes)}"


def test_of_two_places_each_answer_finds_its_own_or_none():
    yours = two_places("a", "b", bodies=("    x = 1\n", "    x = 2\n"))
    again = two_places("a", "b") + "\n\ndef g(): ...\n"
    merged = merge.merge_module(yours.encode(), again.encode(), "", "m.py")
    assert merged.content.decode() == f"{yours}\n\ndef g(): ...\n"

    swapped = two_places("b", "a").encode()
    with pytest.raises(merge.MergeError, match=r"(?s)m\.py:5: .*m\.py:12: "):
        merge.merge_module(yours.encode(), swapped, "", "m.py")


def test_a_region_that_is_gone_is_no_matter_while_nothing_is_in_it(student, release):
    (student / RNN).write_text(solved_module(RNN), "utf-8")
    text = (student / RNN).read_text("utf-8")
    stubs = {
        r.key: r.body
        for r in regions.find(handout_files()[RNN].decode(), RNN)
        if r.owner == "rnn_backward"
    }
    (student / RNN).write_text(regions.fill(text, stubs, RNN), "utf-8")

    assert run(student, release({RNN: without("rnn_backward")})) == 0
    assert "def rnn_backward_2(" in (student / RNN).read_text("utf-8")


def test_given_code_that_was_changed_is_kept_as_a_diff(student, release):
    (student / RNN).write_text(solved_module(RNN), "utf-8")
    edit(student / RNN, "import numpy as np\n", "import numpy as np\nimport math\n")
    yours = (student / RNN).read_bytes()

    assert run(student, release({RNN: reworded})) == 0

    diff = (student / "update-1" / f"{RNN}.diff").read_text("utf-8")
    assert "+import math" in diff.splitlines()
    assert "np.tanh" not in diff  # answers are carried, not different
    assert "you had changed code outside the boxes" in report(student)
    with zipfile.ZipFile(student / "update-1" / update.BACKUP) as archive:
        assert archive.read(RNN) == yours


def test_a_module_that_the_course_left_alone_stays_as_the_student_has_it(
    student, release
):
    (student / RNN).write_bytes(b"no longer Python, \xff nor UTF-8, nor with a box")
    yours = (student / RNN).read_bytes()

    assert run(student, release({"setup.py": lambda text: "# new\n" + text})) == 0
    assert (student / RNN).read_bytes() == yours
    assert (student / "setup.py").read_bytes().startswith(b"# new")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda b: b.replace(b"END OF YOUR CODE", b"end of my code", 1), f"{RNN}:"),
        (lambda b: b.decode().encode("utf-16-le"), f"{RNN}:1: this is not UTF-8"),
        (
            lambda b: b.replace(b"Letters", b"\xc4rger", 1),
            f"{RNN}:3: this is not UTF-8",
        ),
    ],
    ids=["box", "UTF-16", "bytes"],
)
def test_a_module_that_cannot_be_understood_stops_the_update(
    student, release, damage, words, capsys
):
    (student / RNN).write_bytes(damage((student / RNN).read_bytes()))
    before = tree(student)

    assert run(student, release({RNN: reworded})) == 1
    assert words in capsys.readouterr().err
    assert tree(student) == before


def test_windows_line_ends_and_a_byte_order_mark_are_no_change(student, release):
    solved = solved_module(RNN).replace("\n", "\r\n")
    (student / RNN).write_bytes(b"\xef\xbb\xbf" + solved.encode())
    path = student / "cs231n" / "layers.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    change = {
        RNN: lambda text: text.replace('"""', '"""New. ', 1),
        "cs231n/layers.py": lambda text: text + "# new\n",
    }

    assert run(student, release(change)) == 0
    assert (student / RNN).read_text("utf-8") == (
        solved_module(RNN).replace('"""', '"""New. ', 1)
    )
    assert path.read_text("utf-8").endswith("# new\n")
    assert "Look at this" not in report(student)


# ------------------------------------------------------------------------- notebooks


def new_notebook(change):
    def changed(text):
        whole = json.loads(text)
        change(whole, {cell["id"]: cell for cell in whole["cells"]})
        return json.dumps(whole)

    return {NOTEBOOK: changed}


def some_code_cells():
    whole = json.loads(handout_files()[NOTEBOOK])
    return [c["id"] for c in whole["cells"] if c["cell_type"] == "code"]


def test_written_answers_go_below_the_new_question(student, release):
    path = student / NOTEBOOK

    def answer(_, cells):
        text = "".join(cells[ANSWER]["source"])
        cells[ANSWER]["source"] = f"{text}\n\nNo: a gate is a share."

    def ask_anew(_, cells):
        cells[ANSWER]["source"] = "**TODO(Q2):** Think again.\n\n*Your answer:*"

    edit_notebook(path, answer)
    assert run(student, release(new_notebook(ask_anew))) == 0

    _, cells = read_notebook(path)
    assert "".join(cells[ANSWER]["source"]) == (
        "**TODO(Q2):** Think again.\n\n*Your answer:*\n\nNo: a gate is a share."
    )
    assert ANSWER in report(student)


def test_a_rewritten_question_and_a_changed_one_leave_the_students(student, release):
    def answer(_, cells):
        cells[ANSWER]["source"] = "All mine, question and answer."

    def ask_anew(_, cells):
        cells[ANSWER]["source"] = "**TODO(Q2):** Think again.\n\n*Your answer:*"

    edit_notebook(student / NOTEBOOK, answer)
    assert run(student, release(new_notebook(ask_anew))) == 0

    _, cells = read_notebook(student / NOTEBOOK)
    assert "".join(cells[ANSWER]["source"]) == "All mine, question and answer."
    aside = (student / "update-1" / f"{NOTEBOOK}.new.txt").read_text("utf-8")
    assert "Think again." in aside
    assert "1 cells were changed by you and by the course" in report(student)


def test_cells_and_outputs_are_merged_by_id(student, release):
    ids = some_code_cells()
    untouched, mine, renewed, both, dropped, changed_and_dropped = ids[1:7]
    printed = {"output_type": "stream", "name": "stdout", "text": "ran"}

    def work(whole, cells):
        whole["metadata"]["kernelspec"] = {"name": "mine", "display_name": "Mine"}
        for number, cell_id in enumerate(ids, 1):
            cells[cell_id] |= {"execution_count": number, "outputs": [printed]}
        cells[mine]["source"] = "x = 'mine'"
        cells[both]["source"] = "x = 'mine too'"
        cells[changed_and_dropped]["source"] = "x = 'was changed'"
        at = whole["cells"].index(cells[mine])
        whole["cells"].insert(at + 1, code("x = 'added'", 99, id="added-1"))
        whole["cells"].insert(at + 2, prose("no id at all"))
        whole["cells"].insert(at + 3, code("x = 'a copy'", 98, id=mine))
        whole["cells"].insert(0, prose("on top", id="top"))

    def course(whole, cells):
        cells[renewed]["source"] = "x = 'renewed'"
        cells[both]["source"] = "x = 'the course'"
        whole["cells"].remove(cells[dropped])
        whole["cells"].remove(cells[changed_and_dropped])
        whole["cells"].insert(0, code("x = 'fresh'", id="fresh", metadata={}))

    edit_notebook(student / NOTEBOOK, work)
    assert run(student, release(new_notebook(course))) == 0

    whole, cells = read_notebook(student / NOTEBOOK)
    sources = ["".join(cell["source"]) for cell in whole["cells"]]
    assert len(cells) == len(whole["cells"])  # every cell has an id of its own
    assert cells[untouched]["outputs"] == [printed]
    assert cells[untouched]["execution_count"] == 2
    assert (cells[mine]["source"], cells[mine]["outputs"]) == ("x = 'mine'", [printed])
    assert (cells[renewed]["source"], cells[renewed]["outputs"]) == (
        "x = 'renewed'",
        [],
    )
    assert cells[both]["source"] == "x = 'mine too'"
    assert dropped not in cells
    assert "x = 'was changed'" in sources
    at = sources.index("x = 'mine'")
    assert sources[at + 1 : at + 4] == ["x = 'added'", "no id at all", "x = 'a copy'"]
    assert sources[:2] == ["on top", "x = 'fresh'"]
    assert whole["metadata"]["kernelspec"]["name"] == "mine"
    said = report(student)
    assert "the cell that you changed to “x = 'was changed'”" in said
    assert "1 cells were changed by you and by the course" in said
    aside = (student / "update-1" / f"{NOTEBOOK}.new.txt").read_text("utf-8")
    assert "x = 'the course'" in aside
    import nbformat

    nbformat.validate(nbformat.read(student / NOTEBOOK, as_version=4))


@pytest.mark.parametrize("where", ["nowhere", "in the metadata"])
def test_cells_whose_ids_a_tool_dropped_are_known_by_their_texts(
    student, release, where
):
    mine, renewed = some_code_cells()[2:4]

    def colab(whole, cells):
        whole["nbformat_minor"] = 0
        cells[mine]["source"] = "x = 'mine'"
        text = "".join(cells[ANSWER]["source"])
        cells[ANSWER]["source"] = [f"{text}\n", "\n", "My words."]
        for cell in whole["cells"]:
            cell_id = cell.pop("id")
            if where != "nowhere":
                cell["metadata"]["id"] = cell_id

    def course(_, cells):
        cells[renewed]["source"] = "x = 'renewed'"

    edit_notebook(student / NOTEBOOK, colab)
    count = len(json.loads(handout_files()[NOTEBOOK])["cells"])
    assert run(student, release(new_notebook(course))) == 0

    whole, cells = read_notebook(student / NOTEBOOK)
    assert whole["nbformat_minor"] == 5
    assert "".join(cells[ANSWER]["source"]).endswith("*Your answer:*\n\nMy words.")
    assert cells[renewed]["source"] == "x = 'renewed'"
    sources = ["".join(cell["source"]) for cell in whole["cells"]]
    assert "x = 'mine'" in sources
    # Without an id, the cell that was changed cannot be told from one that was added.
    assert len(sources) == count + (where == "nowhere")


def test_a_notebook_that_the_course_left_alone_keeps_every_byte(student, release):
    (student / NOTEBOOK).write_bytes(b"not even JSON")
    assert run(student, release({RNN: reworded})) == 0
    assert (student / NOTEBOOK).read_bytes() == b"not even JSON"


def test_a_notebook_that_cannot_be_read_stops_the_update(student, release, capsys):
    (student / NOTEBOOK).write_bytes(b"not even JSON")
    before = tree(student)

    assert run(student, release(new_notebook(lambda w, _: w["cells"].pop()))) == 1
    assert f"{NOTEBOOK} cannot be read as a notebook" in capsys.readouterr().err
    assert tree(student) == before


# ------------------------------------------------------------------------ other files


def test_files_of_both_sides(student, release):
    def put(name, text):
        (student / name).parent.mkdir(parents=True, exist_ok=True)
        (student / name).write_text(text, "utf-8")

    put("cs231n/mine.py", "x = 1\n")  # added by the student
    put("cs231n/taken.py", "x = 'mine'\n")  # added by both
    edit(student / "requirements.txt", "numpy", "# numpy")  # changed by both
    edit(student / "conftest.py", "import", "# mine\nimport")  # by the student alone
    edit(student / "cs231n/optim.py", "import", "# mine\nimport")  # and dropped
    (student / "cs231n/support/device.py").unlink()  # lost by the student
    before = tree(student)
    change = {
        "cs231n/taken.py": lambda _: "x = 'the course'\n",
        "cs231n/fresh/new.py": lambda _: "x = 2\n",
        "requirements.txt": lambda text: text + "# new\n",
        "cs231n/optim.py": None,
        "cs231n/layer_utils.py": None,
    }

    assert run(student, release(change)) == 0

    after = tree(student)
    for name in ("cs231n/mine.py", "conftest.py", "cs231n/optim.py"):
        assert after[name] == before[name]
    assert after["cs231n/taken.py"] == b"x = 'the course'\n"
    assert after["cs231n/fresh/new.py"] == b"x = 2\n"
    assert (
        after["cs231n/support/device.py"] == handout_files()["cs231n/support/device.py"]
    )
    assert "cs231n/layer_utils.py" not in after
    assert after["requirements.txt"].endswith(b"# new\n")
    said = report(student)
    assert "cs231n/optim.py is in the hand-out no longer; yours stays." in said
    for name, line in [("cs231n/taken.py", "'mine'"), ("requirements.txt", "# numpy")]:
        assert line in after[f"update-1/{name}.diff"].decode()
        assert f"{name}: you and the course have changed it" in said
    with zipfile.ZipFile(student / "update-1" / update.BACKUP) as archive:
        archive.extractall(student)
    restored = tree(student)
    assert {k: restored[k] for k in before} == before


def test_backups_never_take_the_place_of_one_another(student, release):
    (student / "update-1").mkdir()
    (student / "update-2").write_text("a file of mine")
    assert run(student, release({RNN: reworded})) == 0
    assert (student / "update-3" / update.BACKUP).exists()
    assert run(student, release({RNN: lambda text: text + "# 3\n"}, "2026.3")) == 0
    assert (student / "update-4" / update.BACKUP).exists()
    assert list((student / "update-1").iterdir()) == []
    assert (student / "update-2").read_text() == "a file of mine"


@POSIX
def test_scripts_stay_executable_and_other_files_get_usual_permissions(
    student, release
):
    script = "start_ipython_osx.sh"
    change = {script: lambda text: text + "# new\n", RNN: reworded}
    assert run(student, release(change)) == 0
    assert (student / script).stat().st_mode & stat.S_IXUSR
    assert stat.S_IMODE((student / RNN).stat().st_mode) == 0o666 & ~umask()
    assert stat.S_IMODE((student / "update-1").stat().st_mode) == 0o755


def umask():
    value = os.umask(0)
    os.umask(value)
    return value


@POSIX
def test_nothing_is_written_through_a_link_out_of_the_folder(
    student, release, tmp_path, capsys
):
    elsewhere = tmp_path / "big disk"
    shutil.move(student / "cs231n" / "datasets", elsewhere)
    (student / "cs231n" / "datasets").symlink_to(elsewhere)
    outside = tree(elsewhere)

    assert run(student, release({RNN: reworded})) == 0  # nothing to write there
    change = {"cs231n/datasets/pictures.py": lambda text: text + "# new\n"}
    assert run(student, release(change, "2026.3")) == 1
    assert "cs231n/datasets is a link out of this folder" in capsys.readouterr().err
    assert tree(elsewhere) == outside


# ---------------------------------------------------------------- what is no hand-out


def zipped(path, entries):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def altered(release, change):
    """Return a release of which one entry was changed afterwards."""
    with zipfile.ZipFile(release()) as archive:
        entries = [[name, archive.read(name)] for name in archive.namelist()]
    return change(entries) or entries


BAD = {
    "no zip": (lambda _, path: path.write_text("hello"), "is no whole zip file"),
    "half a zip": (
        lambda release, path: path.write_bytes(release().read_bytes()[:5000]),
        "is no whole zip file",
    ),
    "another zip": (lambda _, path: zipped(path, [("a/b.py", "x")]), "is no hand-out"),
    "a changed file": (
        lambda release, path: zipped(
            path, altered(release, lambda e: e[-1].__setitem__(1, b"x") or e)
        ),
        "has been changed in",
    ),
    "a lost file": (
        lambda release, path: zipped(path, altered(release, lambda e: e[:-1])),
        "is missing from",
    ),
    "two hand-outs": (
        lambda release, path: zipped(
            path, altered(release, lambda e: [*e, (f"x/{stamp.STAMP}", "{}")])
        ),
        "2 times",
    ),
    **{
        name: (
            lambda release, path, name=name: zipped(
                path, altered(release, lambda e: [*e, (name, "x")])
            ),
            "leads astray",
        )
        for name in (
            "../evil.py",
            "/etc/evil.py",
            "a/../../evil.py",
            "C:/evil.py",
            "a\\..\\evil.py" if os.name != "nt" else "a/../evil.py",
            "a//evil.py",
            "evil\n.py",
            "nul:stream",
        )
    },
}


@pytest.mark.parametrize("bad", BAD, ids=[name.encode().hex() for name in BAD])
def test_what_is_no_whole_hand_out_is_refused(student, release, tmp_path, bad, capsys):
    make, words = BAD[bad]
    path = tmp_path / "bad.zip"
    make(release, path)
    before, around = tree(student), sorted(tmp_path.rglob("*"))

    assert run(student, path) == 1
    assert words in capsys.readouterr().err
    assert tree(student) == before
    assert sorted(tmp_path.rglob("*")) == around


def test_names_that_the_stamp_itself_leads_astray_are_refused(
    student, tmp_path, capsys
):
    files = stamped({"../../evil.py": b"x = 1\n"}, "2026.2")
    path = zipped(tmp_path / "bad.zip", [(stamp.STAMP, files[stamp.STAMP])])
    assert run(student, path) == 1
    assert "leads astray" in capsys.readouterr().err


def test_links_and_names_twice_in_a_zip_are_refused(student, release, capsys):
    path = release()
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("assignment3/link.py")
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert run(student, path) == 1
    assert "a link" in capsys.readouterr().err

    path = release()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"assignment3/{RNN.upper()}", "x")
    assert run(student, path) == 1
    assert "twice" in capsys.readouterr().err


def test_a_zip_that_would_fill_the_disk_is_refused(
    student, release, capsys, monkeypatch
):
    monkeypatch.setattr(stamp, "LARGEST", 50_000)
    assert run(student, release({RNN: reworded})) == 1
    assert "would unpack to more" in capsys.readouterr().err


def test_a_missing_path_is_told(student, tmp_path, capsys):
    assert run(student, tmp_path / "nowhere.zip") == 1
    assert "nowhere.zip cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("flat", [True, False])
def test_a_zip_may_have_a_folder_around_it_or_not(student, release, tmp_path, flat):
    with zipfile.ZipFile(release({RNN: reworded})) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    cut = len("assignment3/") if flat else 0
    path = zipped(
        tmp_path / "again.zip",
        [(name[cut:] if flat else f"deep/{name}", text) for name, text in entries],
    )
    assert run(student, path) == 0
    assert "The second edition." in (student / RNN).read_text("utf-8")


def test_an_unpacked_hand_out_will_do_unless_somebody_worked_in_it(
    student, release, tmp_path, capsys
):
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(release({RNN: reworded})) as archive:
        archive.extractall(folder)
    folder /= "assignment3"
    edit(folder / RNN, "raise NotImplementedError", "pass  #")
    assert run(student, folder) == 1
    assert f"{RNN} has been changed in assignment3" in capsys.readouterr().err
    edit(folder / RNN, "pass  #", "raise NotImplementedError")
    (folder / "cs231n" / "__pycache__").mkdir()  # is not in the stamp, so not taken
    (folder / "cs231n" / "__pycache__" / "x.pyc").touch()
    assert run(student, folder) == 0
    assert not (student / "cs231n" / "__pycache__").exists()
    assert run(student, student / "cs231n") == 1
    assert "is no hand-out" in capsys.readouterr().err


def test_without_its_stamp_a_folder_needs_the_old_hand_out(
    student, handed_out, release, tmp_path, capsys
):
    (student / RNN).write_text(solved_module(RNN), "utf-8")
    (student / stamp.STAMP).unlink()
    new = release({RNN: reworded})
    before = tree(student)
    assert run(student, new) == 1
    assert "--old OLD.zip" in capsys.readouterr().err
    assert tree(student) == before

    old = tmp_path / "old.zip"
    packing.pack(handed_out, old)
    assert run(student, new, "--old", str(old)) == 0
    assert "np.tanh" in (student / RNN).read_text("utf-8")
    assert (student / stamp.STAMP).exists()


# ------------------------------------------------------------- what cuts an update off


def outcome(student):
    """Return the files of the assignment, without backups and drafts of them."""
    return {
        path: content
        for path, content in tree(student).items()
        if not path.startswith(("update-", ".update-"))
    }


CHANGES = {
    RNN: reworded,
    "cs231n/fresh.py": lambda _: "x = 1\n",
    "cs231n/layers.py": lambda text: text + "# new\n",
    "cs231n/layer_utils.py": None,
    **new_notebook(lambda _, cells: cells[ANSWER].update(source="New.")),
}


@pytest.fixture
def worked(student):
    (student / RNN).write_text(solved_module(RNN), "utf-8")
    edit_notebook(
        student / NOTEBOOK,
        lambda _, cells: cells[some_code_cells()[3]].update(source="x = 'mine'"),
    )
    return student


@pytest.fixture
def merged_once(monkeypatch):
    """Merge each pair of texts once: what is tried out is how files are written."""

    def remembering(merge_them):
        known = {}

        def merged(*texts):
            key = repr(texts)
            if key not in known:
                known[key] = merge_them(*texts)
            return known[key]

        return merged

    for name in ("merge_module", "merge_notebook"):
        monkeypatch.setattr(merge, name, remembering(getattr(merge, name)))


@POSIX
@pytest.mark.usefixtures("merged_once")
def test_being_killed_anywhere_loses_nothing_and_starting_again_does_the_rest(tmp_path):
    few = {path: handout_files()[path] for path in CHANGES if path in handout_files()}
    worked, whole, new = tmp_path / "old", tmp_path / "whole", tmp_path / "new.zip"
    packing.write(stamped(few, "2026.1"), worked)
    (worked / RNN).write_text(solved_module(RNN), "utf-8")
    changed = {
        path: change(few.get(path, b"").decode()).encode()
        for path, change in CHANGES.items()
        if change is not None
    }
    packing.pack(stamped(changed, "2026.2"), new)
    shutil.copytree(worked, whole)
    old = outcome(worked)
    assert run(whole, new) == 0
    wanted = outcome(whole)

    seen = []
    for k in range(400):
        folder = tmp_path / f"killed-{k}"
        shutil.copytree(worked, folder)
        status = update_until_step(k, new, folder)
        left = outcome(folder)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            assert left == wanted
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        if left == old:
            seen.append("old")
        else:  # every file is the old one or the new one, and the old ones are saved
            seen.append("between")
            for path in old.keys() | wanted.keys():
                assert left.get(path) in (old.get(path), wanted.get(path)), path
            (backup,) = folder.glob("update-*/before.zip")
            with zipfile.ZipFile(backup) as archive:
                for name in archive.namelist():
                    assert archive.read(name) == old[name]
        assert run(folder, new) == 0
        assert outcome(folder) == wanted
    assert list(dict.fromkeys(seen)) == ["old", "between"]
    assert seen.count("between") >= len(CHANGES)


def update_until_step(k, new, folder):
    """Update in a child process that is killed at its k-th step on the disk."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    left = k

    def counted(act):
        def step(*args, **kwargs):
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return act(*args, **kwargs)

        return step

    try:
        for name in ("mkdir", "fsync", "replace", "rename", "unlink"):
            setattr(os, name, counted(getattr(os, name)))
        os._exit(run(folder, new))
    finally:
        os._exit(99)


@pytest.mark.parametrize("k", range(6))
def test_a_file_that_cannot_be_replaced_puts_everything_back(
    worked, release, monkeypatch, capsys, k
):
    """As on Windows, where a file that Jupyter holds open cannot be replaced."""
    monkeypatch.setattr(files, "PATIENCE", 0)
    new, before = release(CHANGES), tree(worked)
    calls, act = [], Path.replace

    def replace(self, target):
        if "update-1" in self.parts:  # drafts are made in a folder of another name
            calls.append(target)
            if len(calls) == k + 1:
                raise PermissionError(errno.EACCES, "in use", str(target))
        return act(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    if k == len(CHANGES):  # one file is removed, and the stamp is replaced too
        assert run(worked, new) == 0
        return
    assert run(worked, new) == 1
    said = capsys.readouterr().err
    assert "everything is as it was" in said
    assert tree(worked) == before


def test_what_cannot_be_put_back_is_named_and_the_backup_stays(
    worked, release, monkeypatch, capsys
):
    monkeypatch.setattr(files, "PATIENCE", 0)
    new, before, act = release(CHANGES), tree(worked), Path.replace

    def replace(self, target):
        if "update-1" in self.parts and target.name == "handout.json":
            raise PermissionError(errno.EACCES, "in use", str(target))
        if target == worked / RNN and "update-1" not in self.parts:
            raise PermissionError(errno.EACCES, "in use", str(target))
        return act(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    assert run(worked, new) == 1
    said = capsys.readouterr().err
    assert f"{RNN} could not be put back; unpack update-1/before.zip" in said
    with zipfile.ZipFile(worked / "update-1" / update.BACKUP) as archive:
        archive.extractall(worked)
    after = tree(worked)
    assert {path: after[path] for path in before} == before


@POSIX
def test_a_full_disk_changes_nothing(worked, release, tmp_path, capsys):
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        student = place / "assignment3"
        shutil.copytree(worked, student)
        with (place / "filler").open("wb") as file:
            left = shutil.disk_usage(place).free
            file.write(b"x" * (left - 100_000))
        before = tree(student)
        big = {"cs231n/big.py": lambda _: "x = 1\n" * 50_000, RNN: reworded}

        assert run(student, release(big)) == 1
        assert "No space left on device" in capsys.readouterr().err
        assert tree(student) == before
    finally:
        subprocess.run(["umount", str(place)], check=True)


@POSIX
def test_a_read_only_folder_is_told_and_left(worked, release, tmp_path, capsys):
    place = tmp_path / "fixed"
    place.mkdir()
    mount = ["mount", "--bind", str(worked), str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        fixed = ["mount", "-o", "remount,bind,ro", str(place)]
        subprocess.run(fixed, check=True)
        before = tree(worked)
        assert run(place, release(CHANGES)) == 1
        assert "Read-only file system" in capsys.readouterr().err
        assert tree(worked) == before
    finally:
        subprocess.run(["umount", str(place)], check=True)


@WHOLE
def test_the_command_runs_in_the_hand_out_itself(worked, release):
    command = [sys.executable, "-m", "cs231n.update", str(release(CHANGES))]
    done = subprocess.run(
        command, cwd=worked, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "update-1/before.zip" in done.stdout
    assert "np.tanh" in (worked / RNN).read_text("utf-8")


# ------------------------------------------------------- answers that nothing frames


def framed(line):
    text = line.strip()
    return text.startswith("#") and text.endswith("#")


def solved_without_frames(wanted):
    """Return a solved module without the lines of its boxes, or of one of them."""
    text = solved_module(RNN)
    (region,) = (r for r in regions.find(text, RNN) if r.owner == wanted)
    lines = text.splitlines(keepends=True)
    top = region.first - 1
    while framed(lines[top - 1]):
        top -= 1
    gone = {*range(top, region.first), *range(region.last, region.last + 3)}
    return "".join(line for n, line in enumerate(lines) if n not in gone)


def test_a_box_whose_lines_were_deleted_is_named_and_nothing_is_changed(
    student, release, capsys
):
    (student / RNN).write_text(solved_without_frames("rnn_forward"), "utf-8")
    before = tree(student)

    assert run(student, release({RNN: reworded})) == 1

    said = capsys.readouterr().err
    assert "the box of rnn_forward is gone" in said
    assert "put the comment lines above and below it back" in said
    assert said.count("is gone") == 1
    assert tree(student) == before


def test_every_box_that_is_damaged_or_gone_is_named_at_once(student, release, capsys):
    text = solved_module(RNN)
    text = re.sub(r"(?m)^ *# +END OF YOUR CODE +#\n", "", text)  # of all
    text = text[: text.index("def rnn_backward")]  # and the last functions are gone
    (student / RNN).write_text(text, "utf-8")
    before = tree(student)

    assert run(student, release({RNN: reworded})) == 1
    said = capsys.readouterr().err.splitlines()
    for region in regions.find(handout_files()[RNN].decode(), RNN):
        (line,) = (s for s in said if re.search(rf"(in|:) {region.name}\b", s))
        assert (
            "no END OF YOUR CODE belongs"
            if f"def {region.name}(" in text
            else "is gone, with its box"
        ) in line
    assert tree(student) == before


def test_first_lines_of_a_module_that_is_no_python_are_not_called_other_ones(
    student, release
):
    text = solved_module(RNN)
    (student / RNN).write_text(
        text.replace("import numpy", "import (numpy", 1), "utf-8"
    )
    assert run(student, release({RNN: reworded})) == 0
    assert "now begins with another line" not in report(student)
    assert "you had changed code outside the boxes" in report(student)


@pytest.mark.parametrize("knows", [True, False], ids=["new stamp", "old stamp"])
def test_a_module_without_any_box_names_every_answer(student, release, capsys, knows):
    text = solved_module(RNN)
    lines = [line for line in text.splitlines(keepends=True) if not framed(line)]
    (student / RNN).write_text("".join(lines), "utf-8")
    if not knows:
        path = student / stamp.STAMP
        facts = json.loads(path.read_bytes())
        for key in ("places", "lines", "says", "extra"):
            del facts[key]
        path.write_text(json.dumps(facts))
    before = tree(student)

    assert run(student, release({RNN: reworded})) == 1
    said = capsys.readouterr().err
    for region in regions.find(text, RNN):
        assert f"the box of {region.name} is gone" in said
    assert tree(student) == before


def test_a_function_that_only_the_new_version_has_is_no_box_that_is_gone(
    student, release
):
    new = release({RNN: lambda t: t + "\n\n" + indented(t).replace("rnn_", "gru_")})
    path = student / stamp.STAMP
    facts = json.loads(path.read_bytes())
    del facts["places"]
    path.write_text(json.dumps(facts))
    (student / RNN).write_text(solved_module(RNN), "utf-8")
    assert run(student, new) == 0
    assert "def gru_backward" in (student / RNN).read_text("utf-8")


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_answers_are_found_whatever_ends_the_lines(student, release, end):
    (student / RNN).write_bytes(solved_module(RNN).replace("\n", end).encode())
    assert run(student, release({RNN: reworded})) == 0
    text = (student / RNN).read_text("utf-8")
    assert "np.tanh" in text
    assert "NotImplementedError" not in text
    assert "Look at this" not in report(student) or "you had changed" not in report(
        student
    )


def test_an_answer_outside_its_box_is_named_and_nothing_is_changed(
    student, release, capsys
):
    edit(
        student / RNN,
        '    raise NotImplementedError("rnn_forward: your code goes here.")\n',
        "",
    )
    edit(
        student / RNN, "    return h, cache\n", "    h = mine(x)\n    return h, cache\n"
    )
    before = tree(student)

    assert run(student, release({RNN: reworded})) == 1
    said = capsys.readouterr().err
    assert "in rnn_forward nothing of yours stands between the boxes" in said
    assert "'h = mine(x)' does outside" in said
    assert tree(student) == before


def test_code_outside_the_boxes_is_named_by_its_function(student, release):
    (student / RNN).write_text(solved_module(RNN), "utf-8")
    edit(
        student / RNN,
        "def rnn_forward(",
        "def helper(x):\n    return x\n\n\ndef rnn_f(",
    )
    edit(student / RNN, "def rnn_f(", "def rnn_forward(")
    assert run(student, release({RNN: reworded})) == 0
    assert "you had changed code outside the boxes (in helper)" in report(student)


def test_a_conflict_that_is_not_settled_stops_the_update(student, release, capsys):
    edit(
        student / RNN,
        '    raise NotImplementedError("rnn_forward: your code goes here.")\n',
        "<<<<<<< HEAD\n    x = 1\n=======\n    x = 2\n>>>>>>> theirs\n",
    )
    before = tree(student)
    assert run(student, release({RNN: reworded})) == 1
    assert "git has left two versions here; keep one" in capsys.readouterr().err
    assert tree(student) == before


def test_a_notebook_without_metadata_is_carried(student, release):
    edit_notebook(student / NOTEBOOK, lambda whole, _: whole.pop("metadata"))
    change = new_notebook(lambda _, cells: cells[ANSWER].update(source="New."))
    assert run(student, release(change)) == 0
    assert "kernelspec" in read_notebook(student / NOTEBOOK)[0]["metadata"]


@WHOLE
def test_a_reader_that_stops_reading_is_not_told_that_nothing_was_changed(
    worked, release
):
    words = f"'{sys.executable}' -m cs231n.update '{release(CHANGES)}'"
    for command in (f"{words} | head -1", f"{words} > /dev/full"):
        folder = worked.with_name(f"copy of {len(command)}")
        shutil.copytree(worked, folder)
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {command}"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "The second edition" in (folder / RNN).read_text("utf-8")


def test_what_an_update_left_that_was_killed_is_cleared_away(worked, release):
    left = worked / ".update-abc123"
    (left / "new").mkdir(parents=True)
    (left / "new" / "x.py").write_text("x")
    new = release(CHANGES)
    assert run(worked, new, "--dry-run") == 0
    assert left.exists()
    assert run(worked, new) == 0
    assert not left.exists()
    left.mkdir()
    assert run(worked, new) == 0  # up to date
    assert not left.exists()


def test_the_tag_of_extra_exercises_is_kept_and_comes_back(student, release):
    _, given = read_notebook(student / NOTEBOOK)
    mine = next(
        c["id"]
        for c in given.values()
        if stamp.is_extra(c) and c["cell_type"] == "code"
    )

    def work(whole, cells):
        for cell in whole["cells"]:
            cell["metadata"] = {}  # as tools do that drop tags
        cells[mine]["source"] = "x = 'mine'"

    edit_notebook(student / NOTEBOOK, work)
    change = new_notebook(lambda _, cells: cells[ANSWER].update(source="New."))
    assert run(student, release(change)) == 0
    _, cells = read_notebook(student / NOTEBOOK)
    assert cells[mine]["source"] == "x = 'mine'"
    for cell_id, cell in given.items():
        assert stamp.is_extra(cells[cell_id]) is stamp.is_extra(cell)


EXTRA = "cs231n/extras/adversarial.py"
FORMER = "cs231n/adversarial.py"


@pytest.fixture
def former(student, handed_out):
    """Put the file of an extra where an earlier hand-out had it."""
    (student / EXTRA).rename(student / FORMER)
    files = {
        {EXTRA: FORMER}.get(path, path): content for path, content in handed_out.items()
    }
    (student / stamp.STAMP).write_bytes(stamped(files, "2026.0")[stamp.STAMP])
    return student


def test_answers_of_a_file_that_moved_are_carried_to_its_new_place(former, release):
    mine = solved_module(EXTRA)
    (former / FORMER).write_text(mine, "utf-8")

    assert run(former, release({EXTRA: lambda t: t.replace('"""', '"""New. ', 1)})) == 0

    assert not (former / FORMER).exists()
    text = (former / EXTRA).read_text("utf-8")
    assert text == mine.replace('"""', '"""New. ', 1)
    said = report(former)
    for region in regions.find(text, EXTRA):
        assert region.name in said.partition("Look at this")[0]
    with zipfile.ZipFile(former / "update-1" / update.BACKUP) as archive:
        assert archive.read(FORMER).decode() == mine


def test_a_file_that_moved_and_was_not_touched_moves_along(former, release):
    assert run(former, release()) == 0
    assert not (former / FORMER).exists()
    assert (former / EXTRA).read_bytes() == handout_files()[EXTRA]


def test_a_file_of_ones_own_at_the_new_place_of_another_is_never_lost(
    former, release, capsys
):
    (former / FORMER).write_text(solved_module(EXTRA), "utf-8")
    (former / EXTRA).write_text("mine = 1\n", "utf-8")
    before = tree(former)
    assert run(former, release()) == 1
    assert "has no place in the new version" in capsys.readouterr().err
    assert tree(former) == before
