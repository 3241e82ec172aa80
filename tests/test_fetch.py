"""Fetching data sets from a server that does everything wrong."""

import dataclasses
import gzip
import hashlib
import io
import itertools
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import types
import zipfile
from pathlib import Path

import pytest

from cs231n import datasets
from cs231n.datasets.fetching import download, fetch, http, inventory, registry
from cs231n.tools.data.command import main
from tests import data_files, data_server, fetch_worker
from tests.data_server import Way

ROOT = Path(__file__).resolve().parents[1]
KINDS = ["coco", "tiny", "cnn", "val", "squeeze", "squeeze_tf", "mnist", "cifar"]
KILLS = 60  # at random moments


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """All data sets, small: their folder, the archives, the table's entries."""
    folder = tmp_path_factory.mktemp("original")
    return folder, *data_files.everything(folder)


@pytest.fixture(scope="module")
def outcomes(tell):
    """Count what became of hostile cases; told at the end of the run."""
    counts = {}
    yield counts
    total = sum(counts.values())
    parts = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    tell(f"fetching: {total} hostile cases ({parts}), each then completed")


class Case:
    """One data set, one server, one empty data folder."""

    def __init__(self, made, server, folder, name, outcomes):
        self.original, _, entries = made
        self.server, self.folder, self.name = server, folder, name
        self.entries, self.outcomes = (
            {name: json.loads(json.dumps(entries[name]))},
            outcomes,
        )
        self.entry = self.entries[name]
        self.urls(lambda file: [f"{server.url}/{file}"])

    def urls(self, addresses):
        """Give every file the addresses that a function of its name returns."""
        for file in self.entry["files"]:
            file["urls"] = addresses(file["name"])

    @property
    def file(self):
        """The name of the first file."""
        return self.entry["files"][0]["name"]

    @property
    def target(self):
        return self.folder / self.entry["target"]

    def table(self):
        path = self.folder.with_suffix(".toml")
        return data_files.write_table(path, self.entries)

    def get(self, **kwargs):
        dataset = registry.load(self.table()).datasets[self.name]
        return fetch.get(dataset, say=lambda _: None, **kwargs)

    def require_whole(self):
        """Insist on the original, byte for byte, and on nothing else."""
        found = data_files.contents(self.target)
        assert found == data_files.contents(self.original / self.entry["target"])
        assert not list((self.folder / inventory.WORK).glob("*/"))

    def require_nothing(self):
        """Insist that loaders find nothing: all that is there is the work folder."""
        assert {path.name for path in self.folder.iterdir()} <= {inventory.WORK}
        assert datasets.find(self.entry["target"]) is None

    def require_error(self, match, **kwargs):
        with pytest.raises(fetch.FetchError, match=match):
            self.get(**kwargs)
        self.require_nothing()

    def mend(self):
        """Serve well from now on; the next run must complete."""
        self.server.ways.clear()
        assert self.get() == self.target
        self.require_whole()

    def settle(self, way, match, **kwargs):
        """Serve the first file in one way, expect an error, mend, complete."""
        self.server.ways[self.file] = way
        self.require_error(match, **kwargs)
        self.count("ended in a clear error")
        self.mend()

    def count(self, what):
        self.outcomes[what] = self.outcomes.get(what, 0) + 1


def be_patient(monkeypatch, **changes):
    """Change how long and how often servers are asked."""
    patience = dataclasses.replace(download.PATIENCE, **changes)
    monkeypatch.setattr(download, "PATIENCE", patience)


@pytest.fixture(autouse=True)
def _quick_and_direct(monkeypatch):
    be_patient(monkeypatch, pause=0)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("CS231N_OFFLINE", raising=False)


@pytest.fixture
def start(made, tmp_path, monkeypatch, outcomes):
    """Return a function that starts a case for a data set."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("CS231N_DATA_DIR", str(folder))
    monkeypatch.setattr(datasets, "search_path", lambda: [folder])
    with data_server.serving(made[1]) as server:
        yield lambda name="coco": Case(made, server, folder, name, outcomes)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_data_set_arrives_whole_and_is_recorded(start, name):
    case = start(name)
    assert case.get() == case.target
    case.require_whole()
    asked = len(case.server.asked)
    assert case.get() == case.target  # nothing is fetched twice
    assert len(case.server.asked) == asked == len(case.entry["files"])

    dataset = registry.load(case.table()).datasets[name]
    assert inventory.verify(dataset) == inventory.State(case.target)
    # One byte that no structure shows; recorded or published hashes do.
    files = [p for p in [case.target, *case.target.rglob("*")] if p.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    assert inventory.verify(dataset).problem


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    ("way", "match"),
    [
        (Way(status=404), "answered 404"),
        (Way(status=403), "answered 403"),
        (Way(status=503), "answered 503"),
        (Way(page=True), "a web page instead"),
        (Way(page=True, typed=False), "a web page instead|are right"),
    ],
    ids=["404", "403", "503", "page", "untyped page"],
)
def test_what_is_no_file_is_told(start, name, way, match):
    start(name).settle(way, match)


@pytest.mark.parametrize("name", ["coco", "val", "cifar"])
def test_the_next_address_is_tried(start, name):
    case = start(name)
    url = case.server.url
    case.server.ways["refused"] = Way(status=403)
    case.server.ways["moved"] = Way(page=True)
    case.urls(
        lambda file: [
            *("http://127.0.0.1:1/nobody", f"{url}/refused", f"{url}/gone"),
            *(f"{url}/moved", f"{url}/{file}"),
        ]
    )
    case.get()
    case.require_whole()
    case.count("arrived from another address")


def test_redirects_are_followed_and_circles_left(start):
    case = start("val")
    case.server.ways["old"] = Way(redirect=f"{case.server.url}/older")
    case.server.ways["older"] = Way(redirect=f"/{case.file}")
    case.server.ways["circle"] = Way(redirect="/circle")
    case.server.ways["disk"] = Way(redirect="file:///etc/passwd")
    url = case.server.url
    case.urls(lambda _: [f"{url}/circle", f"{url}/disk"])
    case.require_error("redirects in circles.*file:///etc/passwd")
    case.count("ended in a clear error")
    case.urls(lambda _: [f"{url}/old"])
    case.get()
    case.require_whole()


@pytest.mark.parametrize("way", [Way(stall=0), Way(stall=1000)], ids=["0", "1000"])
def test_a_server_that_falls_silent_is_left(start, monkeypatch, way):
    be_patient(monkeypatch, stall=0.15)
    start("val").settle(way, r"no answer within 0.15 s|connection")


def test_a_trickle_is_left(start, monkeypatch):
    be_patient(monkeypatch, slow=1e9, tries=1, most=10**6)
    # Each block takes half a minute, by a clock that nothing else moves.
    ticks = itertools.count(step=download.PATIENCE.stall)
    clock = types.SimpleNamespace(monotonic=lambda: next(ticks), sleep=time.sleep)
    monkeypatch.setattr(http, "time", clock)
    monkeypatch.setattr(http, "_BLOCK", 1 << 16)
    case = start("squeeze")
    case.get()
    # Each connection brings something, so it goes on for as long as it pays. One that
    # waited for the end of the trickle would be the only one.
    assert len(case.server.asked) > 3
    case.require_whole()


@pytest.mark.parametrize("name", ["coco", "val", "cnn"])
@pytest.mark.parametrize(
    "tenth",
    [
        k if k in {0, 5, 9} else pytest.param(k, marks=pytest.mark.slow)
        for k in range(10)
    ],
)
@pytest.mark.parametrize("kind", ["once", "always", "no ranges", "no length"])
def test_a_cut_at_every_tenth(start, name, tenth, kind):
    case = start(name)
    size = len(case.server.files[case.file])
    cut = size * tenth // 10
    if kind == "once":  # the rest comes with the second connection
        case.server.ways[case.file] = Way(cut=cut, cuts=1)
        case.get()
        case.require_whole()
        asked = [part for _, part in case.server.asked]
        assert asked == [None, f"bytes={cut}-" if cut else None]
        case.count("arrived in parts")
    elif kind == "always":  # and is waited for across runs
        way = Way(cut=cut)
        case.server.ways[case.file] = way
        case.require_error("connection")
        case.count("ended in a clear error")
        case.server.asked.clear()
        case.mend()
        assert case.server.asked == [(case.file, f"bytes={cut}-" if cut else None)]
    elif kind == "no ranges":
        case.settle(Way(cut=cut, ranges=False), "connection")
    else:  # only hash or structure can tell that something is missing
        case.settle(Way(cut=cut, length=False), ".")


def test_crumbs_are_not_gathered_for_ever(start, monkeypatch):
    be_patient(monkeypatch, most=5)

    class Crumbs(Way):  # each connection brings 100 bytes
        def __getattribute__(self, name):
            if name == "cut":
                return len([1 for _ in case.server.asked]) * 100
            return super().__getattribute__(name)

    case = start("val")
    case.settle(Crumbs(), "the connection")
    assert [part for _, part in case.server.asked[:5]] == [
        *(None, "bytes=100-", "bytes=200-", "bytes=300-", "bytes=400-")
    ]
    assert case.server.asked[5] == (case.file, "bytes=500-")


@pytest.mark.parametrize("name", ["coco", "val"])
def test_what_comes_in_chunks_without_a_length(start, name):
    case = start(name)
    case.server.ways[case.file] = Way(chunked=True, pieces=7)
    case.get()
    case.require_whole()
    case.target.unlink() if case.target.is_file() else shutil.rmtree(case.target)
    case.settle(Way(chunked=True, pieces=7, cut=999), "connection")


@pytest.mark.parametrize("name", ["coco", "val", "cifar"])
def test_a_file_that_changes_between_connections_is_not_sewn_together(start, name):
    case = start(name)
    good = case.server.files[case.file]
    size = len(good)
    case.server.files[case.file] = bytes(size)
    case.server.ways[case.file] = Way(cut=size // 2, version='"old"')
    case.require_error("connection")
    case.server.files[case.file] = good
    case.server.ways[case.file] = Way(version='"new"')
    case.get()
    case.require_whole()
    assert case.server.asked[-1][1] == f"bytes={size // 2}-"
    case.count("arrived in parts")


@pytest.mark.parametrize("name", ["coco", "val"])
@pytest.mark.parametrize(
    "way", [Way(version=None), Way(ignores=True)], ids=["unversioned", "wrong part"]
)
def test_parts_that_do_not_fit_are_fetched_anew(start, name, way):
    case = start(name)
    good = case.server.files[case.file]
    if way.version is None:  # nothing says that the file changed
        case.server.files[case.file] = bytes(len(good))
    case.server.ways[case.file] = Way(cut=len(good) // 2, version=way.version)
    case.require_error("connection")
    case.server.files[case.file] = good
    case.server.ways[case.file] = way
    case.get()
    case.require_whole()
    assert case.server.asked[-1][1] is None
    case.count("arrived in parts")


@pytest.mark.parametrize("name", ["coco", "val"])
def test_parts_of_one_run_that_do_not_fit_are_fetched_anew(start, name):
    case = start(name)
    half = len(case.server.files[case.file]) // 2
    case.server.ways[case.file] = Way(cut=half, cuts=1, ignores=True)
    case.get()
    case.require_whole()
    assert [part for _, part in case.server.asked] == [None, f"bytes={half}-", None]
    case.count("arrived in parts")


def test_a_server_with_less_than_is_here_is_asked_anew(start):
    case = start("coco")
    good = case.server.files[case.file]
    case.server.files[case.file] = good + bytes(9)
    case.server.ways[case.file] = Way(cut=len(good) + 3)
    case.require_error("connection")
    case.server.files[case.file] = good
    case.mend()


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("where", [0.0, 0.3, 0.6, 0.95])
def test_a_wrong_byte(start, name, where):
    case = start(name)
    good = case.server.files[case.file]
    bad = bytearray(good)
    bad[int(where * len(bad))] ^= 0xFF
    case.server.files[case.file] = bytes(bad)
    if name == "cnn" and where > 0.2:
        # No hash is published, and the structure is right: as far as anybody knows
        # this is the data set. Its hash is recorded.
        case.get()
        assert case.target.read_bytes() == bad
        return
    if (name in ("coco", "tiny") and where == 0.0) or (
        name == "squeeze_tf" and where > 0.5
    ):
        # In what is said of a member that is not used: what comes out is whole.
        case.get()
        case.require_whole()
        return
    case.require_error("not the published file|is no whole|is missing")
    case.count("ended in a clear error")
    case.server.files[case.file] = good
    case.mend()


@pytest.mark.parametrize("name", ["val", "squeeze", "mnist", "cifar"])
def test_a_wrong_hash(start, name):
    case = start(name)
    file = case.entry["files"][-1]
    right = file["hash"]
    flipped = "1" if right[-1] == "0" else "0"
    file["hash"] = right[:-1] + flipped
    case.require_error(f"not the published file: its hash is not {file['hash']}")
    case.count("ended in a clear error")
    file["hash"] = right
    case.mend()


@pytest.mark.parametrize("name", ["coco", "tiny"])
def test_another_archive_of_the_right_format(start, name):
    case = start(name)
    other = "tiny" if name == "coco" else "coco"
    good = case.server.files[case.file]
    case.server.files[case.file] = case.server.files[start(other).file]
    case.require_error("There is no folder coco|wnids.txt is missing")
    case.count("ended in a clear error")
    case.server.files[case.file] = good
    case.mend()


def rezipped(good, *, without=(), add=()):
    """Return a zip archive without some members and with others."""
    content = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(good)) as old,
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for member in old.infolist():
            if Path(member.filename).name not in without:
                new.writestr(member, old.read(member))
        for name, data, mode in add:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(info, data)
    return content.getvalue()


LINK, DEVICE = 0o120777, 0o020666


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"add": [("../evil", b"x", 0)]}, "leads out"),
        ({"add": [("coco_captioning/../../evil", b"x", 0)]}, "leads out"),
        ({"add": [("/tmp/evil-of-a-test", b"x", 0)]}, "leads out"),
        ({"add": [("coco_captioning/..\\evil", b"x", 0)]}, "leads out"),
        ({"add": [("C:/evil", b"x", 0)]}, "leads out"),
        ({"add": [("coco_captioning//evil", b"x", 0)]}, "leads out"),
        ({"add": [("coco_captioning/a", b"/etc", LINK)]}, "link or a device"),
        ({"add": [("elsewhere", b"..", LINK)]}, "link or a device"),
        ({"add": [("coco_captioning/a", b"", DEVICE)]}, "link or a device"),
        ({"add": [("coco_captioning/COCO2014_vocab.json", b"{}", 0)]}, "twice"),
        ({"add": [("coco_captioning/zeros", bytes(20_000_000), 0)]}, "at most"),
        ({"without": ["coco2014_vocab.json"]}, "vocab.json is missing"),
        ({"without": ["val2014_vgg16_fc7_pca.h5"]}, "pca.h5 is missing"),
        ({"without": ["train2014_urls.txt"]}, "urls.txt is missing"),
    ],
)
def test_a_hostile_zip(start, tmp_path, change, match):
    case = start("coco")
    good = case.server.files[case.file]
    case.server.files[case.file] = rezipped(good, **change)
    case.require_error(match)
    assert not list(tmp_path.rglob("*evil*"))
    assert not Path("/tmp/evil-of-a-test").exists()
    case.count("ended in a clear error")
    case.server.files[case.file] = good
    case.mend()


def test_a_zip_that_lies_about_its_sizes(start):
    # The header announces a few bytes, the data are 20 MB: zipfile reads no more than
    # was announced, and then the checksum is wrong.
    case = start("coco")
    good = case.server.files[case.file]
    size = 20_000_000
    bad = rezipped(good, add=[("coco_captioning/zeros", bytes(size), 0)])
    bad = bad.replace(size.to_bytes(4, "little"), (100).to_bytes(4, "little"))
    case.server.files[case.file] = bad
    case.require_error("is no whole zip")
    case.count("ended in a clear error")
    case.server.files[case.file] = good
    case.mend()


def tar_with(good, **changes):
    content = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(good)) as old,
        tarfile.open(fileobj=content, mode="w:gz") as new,
    ):
        for member in old:
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
        info = tarfile.TarInfo(changes.pop("name"))
        data = changes.pop("data", b"")
        info.size = len(data)
        for key, value in changes.items():
            setattr(info, key, value)
        new.addfile(info, io.BytesIO(data))
    return content.getvalue()


@pytest.mark.parametrize(
    ("member", "match"),
    [
        ({"name": "../evil", "data": b"x"}, "leads out"),
        ({"name": "/tmp/evil-of-a-test", "data": b"x"}, "leads out"),
        (
            {"name": "cifar-10-batches-py/a", "type": tarfile.SYMTYPE, "linkname": "/"},
            "link or a device",
        ),
        (
            {"name": "cifar-10-batches-py/a", "type": tarfile.LNKTYPE, "linkname": "x"},
            "link or a device",
        ),
        ({"name": "cifar-10-batches-py/a", "type": tarfile.FIFOTYPE}, "link or a dev"),
        ({"name": "cifar-10-batches-py/test_batch", "data": b"x"}, "twice"),
        ({"name": "zeros", "data": bytes(20_000_000)}, "at most"),
    ],
)
def test_a_hostile_tar(start, tmp_path, member, match):
    case = start("cifar")
    good = case.server.files[case.file]
    bad = tar_with(good, **member)
    file = case.entry["files"][0]
    right, file["hash"] = file["hash"], f"md5:{hashlib.md5(bad).hexdigest()}"
    case.server.files[case.file] = bad
    case.require_error(match)
    assert not list(tmp_path.rglob("*evil*"))
    case.count("ended in a clear error")
    file["hash"] = right
    case.server.files[case.file] = good
    case.mend()


def test_a_gzip_bomb(start):
    case = start("mnist")
    good = case.server.files[case.file]
    bad = gzip.compress(bytes(30_000_000), mtime=0)
    file = case.entry["files"][0]
    right, file["hash"] = file["hash"], f"md5:{hashlib.md5(bad).hexdigest()}"
    case.server.files[case.file] = bad
    case.require_error("at most")
    case.count("ended in a clear error")
    file["hash"] = right
    case.server.files[case.file] = good
    case.mend()


def test_offline_every_attempt_is_an_error_and_what_is_here_is_used(start, monkeypatch):
    case = start("val")
    monkeypatch.setenv("CS231N_OFFLINE", "1")
    for name in KINDS:
        other = start(name)
        other.require_error("CS231N_OFFLINE is set; unset it")
        other.count("ended in a clear error")
    assert case.server.asked == []
    monkeypatch.setenv("CS231N_OFFLINE", "0")
    case.mend()
    monkeypatch.setenv("CS231N_OFFLINE", "1")
    assert case.get() == case.target


@pytest.mark.parametrize("name", ["coco", "val", "mnist"])
def test_a_damaged_data_set_is_replaced_and_put_aside(start, name):
    case = start(name)
    shutil.copytree(case.original, case.folder, dirs_exist_ok=True)
    for path in case.folder.iterdir():
        if path != case.target:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    files = [p for p in [case.target, *sorted(case.target.rglob("*"))] if p.is_file()]
    files[0].write_bytes(files[0].read_bytes()[:-500])
    case.get()
    aside = case.target.with_name(case.target.name + inventory.DAMAGED)
    assert aside.exists()
    case.require_whole()
    dataset = registry.load(case.table()).datasets[name]
    assert inventory.remove_leftovers(dataset, say=lambda _: None) > 0
    assert {p.name for p in case.folder.iterdir()} == {inventory.WORK, case.target.name}


def test_a_damaged_copy_that_is_read_first_is_named(start, tmp_path, monkeypatch):
    case = start("val")
    first = tmp_path / "first"
    first.mkdir()
    (first / case.entry["target"]).write_bytes(b"half")
    monkeypatch.setattr(datasets, "search_path", lambda: [first, case.folder])
    with pytest.raises(fetch.FetchError, match=r"first.* is read before .*damaged"):
        case.get()


def test_force_fetches_what_is_here(start):
    case = start("val")
    case.get()
    case.get(force=True)
    assert len(case.server.asked) == 2
    assert not list(case.folder.glob("*.toml"))


def test_too_little_room_is_said_before_the_download(start, monkeypatch):
    case = start("coco")
    case.entry["bytes"] = [10**9, 2 * 10**9]
    usage = shutil.disk_usage(case.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**8))
    case.require_error("needs about 3,000 MB .* has 100 MB left; make room")
    case.count("ended in a clear error")
    assert case.server.asked == []
    monkeypatch.undo()


@pytest.fixture
def tiny_disk(start, monkeypatch):
    """A data folder on a disk of its own of 64 KB."""
    del start  # its search path is replaced below
    folder = Path(os.environ["CS231N_DATA_DIR"]).with_name("disk")
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"a small disk cannot be made here ({error})")
    if done.returncode:
        pytest.skip(f"a small disk cannot be made here ({done.stderr.strip()})")
    data = folder / "data"
    data.mkdir()
    monkeypatch.setenv("CS231N_DATA_DIR", str(data))
    monkeypatch.setattr(datasets, "search_path", lambda: [data])
    yield data
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("name", ["coco", "tiny", "squeeze"])
@pytest.mark.parametrize("used", [0, 12_000, 24_000, 40_000])
def test_a_full_disk(start, tiny_disk, name, used):
    case = start(name)
    case.folder = tiny_disk
    # Archive and data together never fit; where it ends depends on what else is there.
    (tiny_disk.parent / "other").write_bytes(bytes(used))
    before = len(list(tiny_disk.iterdir()))
    assert before == 0
    table = data_files.write_table(tiny_disk.parents[1] / "t.toml", case.entries)
    dataset = registry.load(table).datasets[name]
    with pytest.raises(fetch.FetchError, match=r"the disk of .* is full; make room"):
        fetch.get(dataset, say=lambda _: None)
    case.require_nothing()
    case.count("ended in a clear error")
    subprocess.run(
        ["mount", "-o", "remount,size=20m", str(tiny_disk.parent)], check=True
    )
    assert fetch.get(dataset, say=lambda _: None) == case.target
    case.require_whole()


@pytest.fixture(scope="module")
def processes():
    """Start processes quickly, from one that has everything imported."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system cannot fork")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(fetch_worker.PRELOAD)
    return context


def test_files_may_not_grow(start, processes):
    case = start("squeeze")
    for largest in (0, 100, 10_000, 1_000_000, 4_000_000):
        run = processes.Process(
            target=fetch_worker.get,
            args=(case.table(), case.name, case.folder),
            kwargs={"largest": largest},
        )
        run.start()
        run.join(60)
        assert run.exitcode == 3
        case.require_nothing()
        case.count("ended in a clear error")
    case.mend()


def test_two_processes_fetch_once(start, processes):
    for name in ("coco", "val", "mnist"):
        case = start(name)
        case.server.asked.clear()
        for file in case.entry["files"]:
            case.server.ways[file["name"]] = Way(pieces=10, pause=0.01)
        runs = [
            processes.Process(
                target=fetch_worker.get, args=(case.table(), name, case.folder)
            )
            for _ in range(3)
        ]
        for run in runs:
            run.start()
        for run in runs:
            run.join(60)
        assert [run.exitcode for run in runs] == [0, 0, 0]
        assert len(case.server.asked) == len(case.entry["files"])
        found = data_files.contents(case.target)
        assert found == data_files.contents(case.original / case.entry["target"])
        case.count("arrived for several processes at once")


def test_who_waits_takes_over_from_who_is_killed(start, processes):
    case = start("coco")
    case.server.ways[case.file] = Way(pieces=40, pause=0.02)
    arguments = (case.table(), case.name, case.folder)
    first, second = (
        processes.Process(target=fetch_worker.get, args=arguments) for _ in range(2)
    )
    first.start()
    while not case.server.asked:
        time.sleep(0.01)
    second.start()
    time.sleep(0.2)
    first.kill()
    second.join(60)
    assert second.exitcode == 0
    case.require_whole()
    case.count("survived kill -9")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("coco", marks=pytest.mark.slow),
        *("val", "mnist"),
        pytest.param("cifar", marks=pytest.mark.slow),
    ],
)
def test_kill_9_at_random_moments(start, processes, name):
    chance = random.Random(f"kills of {name}")
    case = start(name)
    for file in case.entry["files"]:
        case.server.ways[file["name"]] = Way(pieces=8, pause=0.004)
    table = case.table()

    def run():
        process = processes.Process(
            target=fetch_worker.get, args=(table, name, case.folder)
        )
        process.start()
        return process

    begun = time.monotonic()
    process = run()
    process.join(60)
    lasts = time.monotonic() - begun
    assert process.exitcode == 0
    kills = 0
    while kills < KILLS // 4:
        shutil.rmtree(case.folder)
        case.folder.mkdir()
        process = run()
        time.sleep(chance.uniform(0, lasts))
        process.kill()
        process.join(60)
        if process.exitcode == 0:
            continue  # it was faster
        kills += 1
        if case.target.exists():
            found = data_files.contents(case.target)
            assert found == data_files.contents(case.original / case.entry["target"])
        else:
            case.require_nothing()
        if kills % 3 == 0:  # killed again while it takes up what was left
            process = run()
            time.sleep(chance.uniform(0, lasts))
            process.kill()
            process.join(60)
        assert case.get() == case.target
        case.require_whole()
        case.count("survived kill -9")


@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        ("coco", False),
        pytest.param("val", False, marks=pytest.mark.slow),
        pytest.param("coco", True, marks=pytest.mark.slow),
        ("val", True),
    ],
)
def test_kill_9_before_every_file_operation(start, processes, name, damaged):
    case = start(name)
    table = case.table()
    good = data_files.contents(case.original / case.entry["target"])

    def run(**kwargs):
        shutil.rmtree(case.folder)
        case.folder.mkdir()
        if damaged:
            case.target.mkdir() if "" not in good else case.target.touch()
        process = processes.Process(
            target=fetch_worker.get, args=(table, name, case.folder), kwargs=kwargs
        )
        process.start()
        process.join(60)
        return process.exitcode

    counted = processes.Value("i", 0)
    assert run(counted=counted) == 0
    assert counted.value > 20
    # All of the last ones, where names change, and every sixth of the others.
    last = counted.value - 20
    for operation in range(1, counted.value + 1):
        if operation % 6 and operation < last:
            continue
        assert run(die_at=operation) == -9, operation
        if case.target.exists() and data_files.contents(case.target) != good:
            assert damaged  # still what was there before
            assert not data_files.contents(case.target).get("")
        assert case.get() == case.target
        assert data_files.contents(case.target) == good
        assert not list((case.folder / inventory.WORK).glob("*/"))
        case.count("survived kill -9")


def command(*words):
    return main([str(word) for word in words])


def test_the_command_gets_verifies_and_cleans(start, capsys):
    case = start("val")
    table = ("--registry", case.table())
    assert command("list", *table) == 0
    assert "can be had" in capsys.readouterr().out
    assert command("verify", *table) == 0
    assert command("verify", "val", *table) == 1  # named, so it should be here
    assert command("get", "val", *table) == 0
    assert f"val: whole, in {case.target}" in capsys.readouterr().out
    assert command("get", "val", *table) == 0
    assert len(case.server.asked) == 1
    assert command("verify", "val", *table) == 0
    assert command("where", *table) == 0
    assert str(case.target) in capsys.readouterr().out
    case.target.write_bytes(case.target.read_bytes()[:-9])
    assert command("verify", *table) == 1
    assert "DAMAGED" in capsys.readouterr().out
    assert command("list", *table) == 0
    assert "is here" in capsys.readouterr().out
    assert command("get", "val", *table) == 0
    assert command("clean", "val", *table) == 0
    case.require_nothing()
    assert command("clean", "val", *table) == 0


def test_clean_leaves_what_it_did_not_fetch_and_who_is_at_work(start, capsys):
    case = start("val")
    table = ("--registry", case.table())
    shutil.copy(case.original / case.entry["target"], case.target)
    assert command("verify", "val", *table) == 0
    assert "hashes recorded" in capsys.readouterr().out
    assert command("clean", "val", *table) == 1
    assert "not fetched by this command" in capsys.readouterr().err
    assert case.target.exists()

    case.target.unlink()
    case.server.ways[case.file] = Way(pieces=20, pause=0.02)
    thread = threading.Thread(target=case.get)
    thread.start()
    while not case.server.asked:
        time.sleep(0.01)
    assert command("clean", *table) == 0
    thread.join()
    assert "another process is at it" in capsys.readouterr().out
    case.require_whole()


def test_one_failure_does_not_stop_the_others(start, capsys):
    case = start("coco")
    other = start("val")
    case.entries |= other.entries
    case.server.ways[case.file] = Way(status=404)
    table = ("--registry", case.table())
    assert command("get", "coco", "val", *table) == 1
    said = capsys.readouterr()
    assert "answered 404" in said.err
    assert "Not fetched: coco." in said.err
    assert other.target.exists()


def test_a_stopped_command_says_how_to_go_on(start, capsys, monkeypatch):
    case = start("val")

    def stop(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "download", stop)
    assert command("get", "val", "--registry", case.table()) == 130
    assert "Stopped; the same command goes on" in capsys.readouterr().err
    case.require_nothing()


def test_wrong_commands_are_told(start, capsys, tmp_path):
    table = ("--registry", start("val").table())
    assert command("get", "mnits", *table) == 2
    assert "no data set 'mnits'; choose of val" in capsys.readouterr().err
    assert command("get", *table) == 2
    assert command("list", "--registry", tmp_path / "none.toml") == 2
    for words in ([], ["fetch"]):
        with pytest.raises(SystemExit, match="2"):
            main(words)


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    ("script", "names"),
    [
        ("get_coco_captioning.sh", ["coco_captioning"]),
        *(
            pytest.param(f"get_{name}.sh", [name], marks=pytest.mark.slow)
            for name in (
                *("tiny_imagenet_a", "pretrained_model"),
                *("imagenet_val", "squeezenet_tf"),
            )
        ),
        (
            "get_assignment3_data.sh",
            ["coco_captioning", "squeezenet", "imagenet_val"],
        ),
        ("get_datasets.sh", ["coco_captioning", "squeezenet", "imagenet_val"]),
    ],
)
def test_the_classic_scripts(start, made, script, names):
    kinds = {
        "coco_captioning": "coco",
        "tiny_imagenet_a": "tiny",
        "pretrained_model": "cnn",
        "imagenet_val": "val",
        "squeezenet_tf": "squeeze_tf",
        "squeezenet": "mnist",  # loading weights would cost seconds
    }
    cases = [start(kinds[name]) for name in names]
    entries = {n: c.entry for n, c in zip(names, cases, strict=True)}
    groups = {"assignment3": names}
    table = cases[0].folder.with_suffix(".toml")
    data_files.write_table(table, entries, groups)
    place = ROOT / "cs231n" / "datasets"
    assert os.access(place / script, os.X_OK)
    assert b"\r" not in (place / script).read_bytes()

    def run(**variables):
        return subprocess.run(
            [f"./{script}", "--registry", str(table)],
            cwd=place,
            env={**os.environ, "PYTHON": sys.executable, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    done = run(CS231N_OFFLINE="1")
    assert done.returncode == 1
    assert done.stderr.count("CS231N_OFFLINE is set; unset it") == len(names)
    cases[0].require_nothing()
    done = run()
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for case in cases:
        case.require_whole()
    del made
