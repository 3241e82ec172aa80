"""Unpacking: whole archives come out whole, damaged ones with one kind of error."""

import gzip

import numpy as np
import pytest

from cs231n.datasets.fetching.unpack import ArchiveError, unpack
from tests import data_files
from tests.loader_cases import damage

CASES = 120  # of each kind


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("original")
    coco, cifar = data_files.coco(folder), data_files.cifar10(folder, rows=1)
    lines = (coco / "coco2014_vocab.json").read_bytes()
    return {
        "zip": (data_files.zipped(coco), coco.name, data_files.contents(coco)),
        "tar": (data_files.tarred(cifar), cifar.name, data_files.contents(cifar)),
        "gzip": (gzip.compress(lines, mtime=0), "lines", {"": lines}),
    }


@pytest.mark.parametrize("kind", ["zip", "tar", "gzip"])
def test_whole_archives_come_out_whole(archives, tmp_path, kind):
    content, top, right = archives[kind]
    (tmp_path / "a").write_bytes(content)
    unpack(tmp_path / "a", kind, tmp_path / "out", top, 10**6)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {top}
    assert data_files.contents(tmp_path / "out" / top) == right
    exact = sum(len(data) for data in right.values())
    with pytest.raises(ArchiveError, match=r"a would unpack to .* at most"):
        unpack(tmp_path / "a", kind, tmp_path / "less", top, exact - 1)


@pytest.mark.parametrize("kind", ["zip", "tar", "gzip"])
def test_damaged_archives_raise_one_kind_of_error(archives, tmp_path, tell, kind):
    content, top, right = archives[kind]
    refused = 0
    for number in range(CASES):
        rng = np.random.default_rng([231, number])
        place = tmp_path / str(number)
        place.mkdir()
        bad, _ = damage(content, rng)
        (place / "a").write_bytes(bad)
        try:
            unpack(place / "a", kind, place / "out" / "deep", top, 10**6)
        except ArchiveError:
            refused += 1
        else:
            # zip and gzip have checksums; tar is trusted for its published hash.
            found = data_files.contents(place / "out" / "deep" / top)
            assert kind == "tar" or found.items() <= right.items()
        assert {p.name for p in place.iterdir()} <= {"a", "out"}
        assert {p.name for p in place.glob("out/*")} <= {"deep"}
    assert refused > CASES / 2
    tell(f"archives: {refused} of {CASES} damaged {kind} files refused")
