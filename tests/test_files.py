"""Files that are whole or absent."""

import errno
import os
import stat

import pytest

from cs231n.files import replacing


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
