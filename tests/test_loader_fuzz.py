"""Every loader against damaged files: right data come, or words on what is wrong."""

import collections
import ctypes
import importlib.util
import multiprocessing
import queue
import signal
import time

import pytest

from cs231n import data_utils
from tests import loader_cases

PER_LOADER = 100
LIMIT = 1200.0  # seconds: for a process that waits and does not work, see loader_cases
FINE = {"loaded", "told", "loaded, saying so"}
LATER = {  # loaders of questions that a hand-out may lack
    "CIFAR-10": hasattr(data_utils, "load_CIFAR10"),
    "models": hasattr(data_utils, "load_models"),
    "TinyImageNet": hasattr(data_utils, "load_tiny_imagenet"),
    "CNN of 2016": importlib.util.find_spec("cs231n.classifiers.pretrained_cnn"),
    "MNIST": importlib.util.find_spec("cs231n.embedded.digits"),
}


@pytest.fixture(scope="module")
def context():
    if "forkserver" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system cannot fork, and a crash would take the tests along")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.loader_cases", "cs231n.coco_utils"])
    return context


@pytest.fixture(scope="module")
def outcomes(tell):
    counts = collections.Counter()
    yield counts
    parts = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    tell(f"loaders: {counts.total()} damaged files ({parts})")


@pytest.mark.parametrize("name", loader_cases.LOADERS)
def test_damage_loads_right_or_is_told(context, outcomes, tmp_path, name):
    if not LATER.get(name, True):
        pytest.skip(f"there is no loader for {name} here")
    now, results = context.Array(ctypes.c_char, 256), context.Queue()
    process = context.Process(
        target=loader_cases.run, args=([name], PER_LOADER, tmp_path, 231, now, results)
    )
    process.start()
    found, last = [], time.monotonic()
    while len(found) < PER_LOADER:
        try:
            found.append(results.get(timeout=0.2))
            last = time.monotonic()
        except queue.Empty:
            if not process.is_alive() and results.empty():
                break
            if time.monotonic() - last > LIMIT:
                process.kill()
                pytest.fail(f"{now.value.decode()} does not end")
    process.join()
    came = now.value.decode()
    assert process.exitcode != -signal.SIGPROF, f"{came} does not end"
    assert process.exitcode == 0, f"{came} ended the process"
    assert len(found) == PER_LOADER
    outcomes.update(what for _, what, _ in found)
    assert [row for row in found if row[1] not in FINE] == []


def test_the_check_notices_what_it_should(tmp_path):
    def answer(load, right):
        return loader_cases._try(load, tmp_path, right)[0]

    def raising(error):
        def load(_):
            raise error

        return load

    right = loader_cases.shapes([1, "a"])
    assert answer(lambda _: [1, "b"], right) == "loaded"
    assert answer(lambda _: [1], right) == "wrong shapes"
    assert answer(lambda _: print("a note") or [1], right) == "loaded, saying so"
    assert answer(raising(ValueError("x")), right) == "unclear"
    assert answer(raising(ValueError("a.h5 is damaged; fetch it again.")), 0) == "told"
    for error in (MemoryError(), KeyError("x"), RecursionError("too deep")):
        assert answer(raising(error), right) == "wrong error"
