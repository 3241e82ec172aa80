"""Where a disk refuses permissions and syncing, all that writes still does its work."""

import errno
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from cs231n.assignment import stamp
from cs231n.datasets.fetching import inventory
from cs231n.embedded import captions, maps, tiny_folder
from cs231n.support import files
from cs231n.tools.submission import command as submission
from cs231n.tools.update import command as update
from staff.handout import archive as packing
from staff.handout import build
from staff.tests.student_folder import handout_files, unpack
from tests.odd_disks import refuse_modes_and_syncs


@pytest.fixture(params=["EPERM", "ENOTSUP"])
def odd(request, monkeypatch):
    return refuse_modes_and_syncs(monkeypatch, getattr(errno, request.param))


def test_a_hand_in_is_made(tmp_path, odd):
    folder = unpack(tmp_path / "mine")
    assert submission.main(["--root", str(folder), "--no-checks"]) == 0
    assert (folder / "assignment3.zip").exists()
    assert "fsync" in odd


def test_an_update_is_made(tmp_path, odd):
    folder = unpack(tmp_path / "mine")
    changed = dict(handout_files()) | {"LICENSE": b"Another one.\n"}
    del changed[stamp.STAMP]
    changed |= {stamp.STAMP: stamp.write(stamp.take("2026.2", changed))}
    packing.pack(changed, tmp_path / "new.zip")
    odd.clear()
    assert update.main([str(tmp_path / "new.zip"), "--root", str(folder)]) == 0
    assert (folder / "LICENSE").read_text() == "Another one.\n"
    assert {"chmod", "fsync"} <= set(odd)


def test_a_hand_out_is_made(tmp_path, odd):
    build.build({"a.sh": b"true\n"}, tmp_path / "out", tmp_path / "out.zip")
    assert (tmp_path / "out" / "a.sh").exists()
    assert "chmod" in odd


@pytest.mark.parametrize(("code", "goes_on"), [("ENOLCK", True), ("EIO", False)])
def test_data_sets_change_where_a_disk_knows_no_locks(
    tmp_path, code, goes_on, monkeypatch
):
    fcntl = pytest.importorskip("fcntl", reason="locks are others there")

    def refuse(*_):
        raise OSError(getattr(errno, code), code)

    monkeypatch.setattr(fcntl, "flock", refuse)
    done = []
    told = nullcontext() if goes_on else pytest.raises(OSError, match=code)
    with told, inventory.only_one(SimpleNamespace(name="x"), tmp_path, print):
        done.append("changed")
    assert bool(done) == goes_on


def test_data_are_built(tmp_path, odd, monkeypatch):
    monkeypatch.setattr(tiny_folder, "LABELS", tiny_folder.LABELS[:3])
    tiny_folder.build(tmp_path / "tiny", tiny_folder.Sizes(1, 1, 1))

    def look(images, model, *, progress, total):  # noqa: ARG001
        pictures = np.array([image[::40, ::40].ravel() for image in images])
        return pictures / np.float32(255), np.zeros((total, 4096), np.float32)

    columns = np.ones(6 * 8 * 3, np.float32)
    monkeypatch.setattr(maps, "feature_maps", look)
    monkeypatch.setattr(captions, "column_weights", lambda: columns)
    for module in (captions, maps):
        monkeypatch.setattr(module, "load_model", lambda *_: (None, "embedded"))
    captions.build(tmp_path / "scenes", 3, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scenes", "tiny"]
    assert {"chmod", "fsync"} <= set(odd)


def test_folders_that_are_held_for_a_moment_are_waited_for(tmp_path, monkeypatch):
    """As by a virus scanner, which looks at what was just written."""
    monkeypatch.setattr(tiny_folder, "LABELS", tiny_folder.LABELS[:3])
    act, waited = files.os.replace, []

    def replace(source, target):
        if (source, target) not in waited:
            waited.append((source, target))
            raise PermissionError(errno.EACCES, "in use")
        return act(source, target)

    monkeypatch.setattr(files.os, "replace", replace)
    for seed in (1, 2):
        folder = tmp_path / "tiny"
        tiny_folder.build(folder, tiny_folder.Sizes(1, 1, 1), seed=seed)
    # To its name; and the second time, the first one out of the way before that.
    assert len([target for _, target in waited if target.suffix != ".npz"]) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
