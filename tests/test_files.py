"""Files that are whole or absent."""

import errno
import os
import stat
from types import SimpleNamespace

import pytest

from cs231n.support import files
from cs231n.support.files import replacing
from tests.odd_disks import refuse_modes_and_syncs


def test_a_file_appears_whole_and_nothing_else_does(tmp_path):
    path = tmp_path / "deep" / "er" / "notes.txt"
    with replacing(path) as draft:
        assert draft.parent == path.parent
        assert draft.suffix == ".txt"
        draft.write_text("all of it")
        assert not path.exists()
    assert path.read_text() == "all of it"
    assert list(path.parent.iterdir()) == [path]


def test_an_old_file_is_replaced_and_its_name_may_be_a_string(tmp_path):
    path = tmp_path / "notes"
    path.write_text("old")
    with replacing(str(path)) as draft:
        draft.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt(), ValueError()]
)
def test_what_goes_wrong_leaves_the_old_file_and_no_other(tmp_path, error):
    path = tmp_path / "notes.txt"
    path.write_text("old")
    with pytest.raises(type(error)), replacing(path) as draft:  # noqa: PT012
        draft.write_text("hal")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_at_the_last_moment_leaves_no_draft(tmp_path, step, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "broken disk")

    path = tmp_path / "notes.txt"
    monkeypatch.setattr(os, step, fail)
    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="broken disk"), replacing(path) as draft:
        draft.write_text("all of it")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", ["EPERM", "EACCES", "EINVAL", "ENOTSUP", "ENOSYS"])
def test_a_disk_without_permissions_and_syncing_will_do(tmp_path, code, monkeypatch):
    """As on mounted drives of Windows, or of a cloud."""
    asked = refuse_modes_and_syncs(monkeypatch, getattr(errno, code))
    path = tmp_path / "notes.txt"
    with replacing(path) as draft:
        draft.write_text("all of it")
    assert path.read_text() == "all of it"
    assert asked == ["fsync", "chmod"]
    assert list(tmp_path.iterdir()) == [path]


def held(monkeypatch, name, times, error):
    """Let another program hold what ``os`` wants, so many times."""
    act, left = getattr(os, name), [times]

    def tried(*args, **kwargs):
        left[0] -= 1
        if left[0] >= 0:
            raise error
        return act(*args, **kwargs)

    monkeypatch.setattr(os, name, tried)
    return left


@pytest.mark.parametrize(
    "error", [PermissionError(errno.EACCES, "in use"), OSError(errno.EBUSY, "busy")]
)
def test_a_file_that_is_held_for_a_moment_is_waited_for(tmp_path, error, monkeypatch):
    path = tmp_path / "notes.txt"
    path.write_text("old")
    left = held(monkeypatch, "replace", 3, error)
    with replacing(path) as draft:
        draft.write_text("new")
    assert left == [-1]
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_waited_for_like_a_file(tmp_path, monkeypatch):
    (tmp_path / "draft").mkdir()
    held(monkeypatch, "replace", 2, PermissionError(errno.EACCES, "in use"))
    files.replace(tmp_path / "draft", tmp_path / "data")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_file_that_stays_held_is_given_up_after_two_seconds(tmp_path, monkeypatch):
    clock = [0.0]
    watch = SimpleNamespace(
        monotonic=lambda: clock[0],
        sleep=lambda seconds: clock.__setitem__(0, clock[0] + seconds),
    )
    monkeypatch.setattr(files, "time", watch)
    left = held(monkeypatch, "replace", 10**6, PermissionError(errno.EACCES, "in use"))
    path = tmp_path / "notes.txt"
    path.write_text("old")
    with pytest.raises(PermissionError, match="in use"), replacing(path) as draft:
        draft.write_text("new")
    assert 2 <= clock[0] < 2.1
    assert 10**6 - left[0] > 20
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_other_errors_are_not_tried_again(tmp_path, monkeypatch):
    left = held(monkeypatch, "replace", 5, OSError(errno.ENOSPC, "No space left"))
    with pytest.raises(OSError, match="No space"), replacing(tmp_path / "a") as draft:
        draft.write_text("new")
    assert left == [4]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_permissions_are_those_of_any_new_file(tmp_path, umask, mode):
    old = os.umask(umask)
    try:
        with replacing(tmp_path / "notes.txt") as draft:
            draft.write_text("x")
        assert os.umask(umask) == umask  # and the process keeps its own
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "notes.txt").stat().st_mode) == mode
