"""No test hangs on which tests ran before it: each has seeds of its own."""

import random
import zlib

import numpy as np
import pytest
import torch


@pytest.fixture(scope="module")
def drawn():
    """What a fixture draws that several tests share."""
    return np.random.rand()


def seed_of(request):
    name = request.node.nodeid.encode()
    return zlib.crc32(name, request.config.getoption("seed"))


@pytest.mark.parametrize("time", ["first", "again"])
def test_every_generator_begins_with_the_tests_own_seed(time, request, rng):
    seed = seed_of(request)
    assert random.random() == random.Random(seed).random(), time
    assert np.random.rand() == np.random.RandomState(seed).rand()
    assert rng.random() == np.random.default_rng(seed).random()
    wanted = torch.rand(3, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(torch.rand(3), wanted)


def test_fixtures_draw_after_seeding(request, drawn):
    assert drawn == np.random.RandomState(seed_of(request)).rand()
