"""What every test stands on: a seeded generator, one thread, no network, no window."""

import os

# BLAS and OpenMP read these when they are loaded, so they come before any import.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.pop("CS231N_CAPTIONS", None)  # tests are of the usual data

import functools  # noqa: E402
import gc  # noqa: E402
import importlib.util  # noqa: E402
import ipaddress  # noqa: E402
import random  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
import warnings  # noqa: E402
import zlib  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import hypothesis  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import threadpoolctl  # noqa: E402

from cs231n.assignment.table import questions  # noqa: E402

# The same inputs on every run, nothing written beside the tests, no stopwatch.
REPEATABLE = {"deadline": None, "derandomize": True, "database": None}
hypothesis.settings.register_profile("repeatable", **REPEATABLE, max_examples=30)
# Asked for with --hypothesis-profile.
hypothesis.settings.register_profile("thorough", **REPEATABLE, max_examples=500)
hypothesis.settings.load_profile("repeatable")

# A shell starts what goes on in the background ("make test &") deaf to Ctrl-C, and
# programs that tests start and interrupt would be as deaf, and never end.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer ``--seed``."""
    parser.addoption(
        "--seed",
        type=int,
        default=0,
        help="draw all random inputs anew: what passes by luck fails with some seed",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Give each question of the table its marker: ``-m q1``, ``-m q3_2016``.

    Raises:
        pytest.UsageError: If TensorFlow is asked for and not there.
    """
    for question in questions():
        config.addinivalue_line("markers", f"{question.marker}: {question.title}")
    if _of_tensorflow(config) and importlib.util.find_spec("tensorflow") is None:
        raise pytest.UsageError(
            "TensorFlow is not installed here; say make test TENSORFLOW=1, or install "
            "requirements-tensorflow.txt in an environment of its own."
        )


def _of_tensorflow(config: pytest.Config) -> bool:
    """Tell whether ``-m`` asks for tests in TensorFlow, which run by themselves."""
    words = config.getoption("markexpr")
    return "tensorflow" in words and "not tensorflow" not in words


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say what is not among these tests."""
    if _of_tensorflow(config):
        return None
    return "tests in TensorFlow run by themselves: -m tensorflow"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Keep tests in TensorFlow and all others apart, so no process has both.

    A file that is named on the command line is taken all the same.
    """
    if collection_path.suffix != ".py":
        return None
    named = {
        Path(word.partition("::")[0]).resolve()
        for word in config.invocation_params.args
        if not str(word).startswith("-")
    }
    if collection_path in named:
        return None
    in_tensorflow = collection_path.stem.endswith("_tensorflow")
    return True if in_tensorflow != _of_tensorflow(config) else None


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out what takes minutes, or is of the site, unless ``-m`` speaks of it.

    Files whose names end in ``_tensorflow`` get the marker of that name. What students
    write may warn, as the check lets it: old names that still work cost no points. The
    staff's tests and notebooks are strict with our answers.
    """
    of_students = {"extra", *(question.marker for question in questions())}
    for item in items:
        if item.path.stem.endswith("_tensorflow"):
            item.add_marker("tensorflow")
        marks = {mark.name for mark in item.iter_markers()}
        if _is_public(item.path) and marks & of_students:
            item.add_marker(pytest.mark.filterwarnings("ignore"))
    asked = config.getoption("markexpr")
    for item in items:
        apart = [
            mark
            for mark in ("slow", "browser", "site")
            if item.get_closest_marker(mark)
        ]
        if apart and not any(mark in asked for mark in apart):
            reason = f"{apart[0]}; ask with -m {apart[0]}"
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """Collect no garbage while tests are collected: all that is made there stays.

    It is not frozen afterwards, as Hypothesis looks for what refers to generators of
    random numbers, and would find nothing. It is looked through less often instead: as
    often as usual takes a tenth of a run.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.set_threshold(50_000, 20, 50)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[object]:
    """Let students' files warn where a public test imports them."""
    if not (isinstance(collector, pytest.Module) and _is_public(collector.path)):
        return (yield)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (yield)


@functools.cache  # it is asked for every test
def _is_public(path: Path) -> bool:
    """Tell whether a test is handed out."""
    return path.resolve().parent == Path(__file__).resolve().parent / "tests"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Let ``-n auto`` mean every core, and one more, as some wait for what they began.

    Each has one thread. Three on two cores take seven eighths of the time of two.
    """
    return (os.cpu_count() or 1) + 1


_TOLD = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return a function that takes a line for the end of the run: what was counted."""
    return request.config.stash.setdefault(_TOLD, []).append


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand over what was told, where this is a worker of pytest-xdist's."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["told"] = session.config.stash.get(_TOLD, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker hands over."""
    told = getattr(node, "workeroutput", {}).get("told", [])
    node.config.stash.setdefault(_TOLD, []).extend(told)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the lines that tests told."""
    for line in config.stash.get(_TOLD, []):
        terminalreporter.write_line(line)


def _seed(item: pytest.Item) -> int:
    """Return a test's own seed: the same on every run with the same ``--seed``."""
    return zlib.crc32(item.nodeid.encode(), item.config.getoption("seed"))


@pytest.hookimpl(tryfirst=True)  # before fixtures, which may draw, too
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Seed the generators of whole libraries, so that no test depends on others.

    Without it what a test draws hangs on which tests its worker ran before.
    """
    seed = _seed(item)
    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].random.set_seed(seed)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Give each test a generator of its own, the same one on every run."""
    return np.random.default_rng(_seed(request.node))


@pytest.fixture(autouse=True)
def _any_device(request: pytest.FixtureRequest) -> Iterator[None]:
    """Judge answers that name a GPU on the CPU, where there is no GPU."""
    marks = {mark.name for mark in request.node.iter_markers()}
    with_torch = {q.marker for q in questions() if q.framework == "torch"}
    if not marks & with_torch:
        yield
        return
    from cs231n.tools.check.gpu import cpu_for_gpu

    with cpu_for_gpu(lambda: None):
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    with threadpoolctl.threadpool_limits(1):
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Refuse every connection that would leave this machine."""
    resolve, connect = socket.getaddrinfo, socket.socket.connect

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        _refuse_unless_local(host)
        return resolve(host, *args, **kwargs)

    def connect_locally(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _refuse_unless_local(address[0])
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        patch.setattr(socket.socket, "connect", connect_locally)
        yield


def _refuse_unless_local(host: str | bytes | None) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return
    try:
        local = ipaddress.ip_address(name).is_loopback
    except ValueError:
        local = False
    if not local:
        raise ConnectionRefusedError(f"tests run offline, and {name} is elsewhere")
