"""Hostile submissions: each attack is stopped, and works where its defence is off."""

import contextlib
import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from staff.grading.judge import judge
from staff.grading.judging import package as write_package
from staff.grading.sandbox import workers
from staff.grading.sandbox.plan import DEFENCES, LEVELS, Limits
from staff.grading.submission import Submission
from staff.tests.red_team.attacks import ATTACKS
from staff.tests.red_team.cheats import CHEATS, RIGHT, WRONG, Cheat
from staff.tests.red_team.stage import Stage, try_out

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the attacks are written for Linux"
)

SMALL = Limits(
    cpu_seconds=1,
    wall_seconds=2,
    memory_bytes=96 << 20,
    processes=8,
    file_bytes=2 << 20,
    open_files=64,
    output_bytes=256 << 10,
    frame_bytes=1 << 20,
)
AS_ROOT = os.geteuid() == 0
HASTY = dataclasses.replace(SMALL, wall_seconds=1)  # for what only waits
# Where a defence is off, nothing but its absence shall decide.
PATIENT = dataclasses.replace(SMALL, wall_seconds=30)


@pytest.fixture(scope="module")
def spent(tell):
    """Return a list for the seconds that workers compute; say what all of it took."""
    before, workers_ = os.times(), []
    yield workers_
    own = sum(os.times()[:4]) - sum(before[:4])
    tell(
        f"red team: {own + sum(workers_):.0f} s of CPU in this process, its servers "
        f"and their workers ({sum(workers_):.0f} s)"
    )


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    (folder / "cs231n").mkdir()
    (folder / "cs231n" / "__init__.py").touch()
    return folder


@pytest.fixture(scope="module")
def server(package, spent):
    """Return what makes a server for a level and the defences that are off."""
    del spent  # which ends later, when servers have ended
    os.environ["RED_TEAM_SECRET"] = "not for students"
    program = Path(__file__).with_name("red_team")
    with contextlib.ExitStack() as stack:
        made = {}

        def make(level, off=(), waits=False):
            key = level, off, waits
            if key not in made:
                limits = PATIENT if off else HASTY if waits else SMALL
                if "frames" in off:
                    limits = dataclasses.replace(limits, frame_bytes=1 << 63)
                made[key] = stack.enter_context(
                    workers.Server(
                        package,
                        level=level,
                        limits=limits,
                        weaken=[d for d in off if d in DEFENCES],
                        program=program,
                        preload=(),
                    )
                )
            return made[key]

        yield make
    del os.environ["RED_TEAM_SECRET"]


@pytest.fixture
def attempt(server, package, tmp_path, spent):
    """Return what tries an attack out and tells whether it worked."""

    def tried(attack, level, off=()):
        stage = Stage(tmp_path / f"host-{level}-{len(off)}", package)
        try:
            seen = try_out(
                server(level, off, waits=attack.off == ("wall",)),
                stage,
                attack.source,
                seconds=attack.seconds,
                twice=attack.twice,
            )
            spent.append(seen.cpu)
            return bool(attack.worked(seen)), seen
        finally:
            stage.close()

    return tried


@pytest.mark.parametrize("level", LEVELS)
def test_levels(level):
    """Name what this machine lacks; what is there is used by the tests below."""
    if level in workers.lacking():
        pytest.skip(f"no level {level} here: {workers.lacking()[level]}")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name.replace(" ", "-"))
def test_an_attack_is_stopped_and_works_without_its_defence(attack, attempt, tell):
    here = workers.available()
    for level in here:
        worked, seen = attempt(attack, level)
        if level in attack.stopped:
            assert not worked, (level, seen)
        elif not (AS_ROOT and "privileges" in attack.off):
            # A root without its capabilities may do less than an ordinary account.
            assert worked, (level, "does more than it says", seen)
    assert attack.shown in here or attack.shown in workers.lacking()
    for level in {attack.shown, *attack.proven}:
        if level in here:
            worked, seen = attempt(attack, level, attack.off)
            assert worked, f"{level}: it shows nothing, for it fails anyway: {seen}"
    stopped = " ".join(f"{n if n in attack.stopped else '-':<10}" for n in LEVELS)
    tell(f"red team: {attack.name:<52} {stopped} off: {', '.join(attack.off) or '-'}")


STEP = "cs231n.rnn_layers.rnn_step_forward"


@pytest.fixture(scope="module")
def earned(tmp_path_factory, spent):
    """Return what judges a module: the points of its first function."""
    folder = tmp_path_factory.mktemp("handout")
    write_package(folder)
    with contextlib.ExitStack() as stack:
        servers = {}

        def points(cheat, level=""):
            level = level or workers.available()[0]
            if level not in servers:
                server = workers.Server(folder, level=level)
                servers[level] = stack.enter_context(server)
            modules = {"cs231n/rnn_layers.py": cheat.source} | cheat.beside
            submission = Submission("a", "2017 assignment3.zip", "2017", modules)
            judged = judge(
                submission, b"secret", lambda _: servers[level], only=(STEP,)
            )
            assert [check.function for check in judged.checks]
            assert judged.isolation == level
            spent.append(judged.cpu)
            return sum(check.points for check in judged.checks)

        yield points


@pytest.fixture(scope="module")
def naive(tmp_path_factory, spent):
    """Return what judges a module in its own process; its word is an exit status."""
    del spent  # which ends later, when those processes have ended
    program = Path(__file__).with_name("red_team") / "naive.py"
    with contextlib.ExitStack() as stack:
        warm = {}

        def passes(cheat):
            folder = tmp_path_factory.mktemp("naive")
            for name, source in {"student.py": cheat.source, **cheat.beside}.items():
                (folder / name).write_text(source)
            # What is named as a package has to be there before that is imported.
            before = () if cheat.beside else ("numpy",)
            before += ("torch",) if cheat.against == "torch" else ()
            if before not in warm:
                command = [sys.executable, str(program), *before]
                pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
                process = subprocess.Popen(command, text=True, **pipes)
                warm[before] = stack.enter_context(process)
            warm[before].stdin.write(f"{folder}\t{cheat.against}\n")
            warm[before].stdin.flush()
            status = int(warm[before].stdout.readline())
            if cheat.against == "output":
                return b"passed" in (folder / "said").read_bytes()
            return status == 0

        yield passes


AGAINST = sorted({cheat.against for cheat in CHEATS})


def test_right_and_wrong_are_told_apart_by_both_judges(earned, naive):
    assert earned(Cheat("right", RIGHT)) > 0
    assert earned(Cheat("wrong", WRONG)) == 0
    for against in AGAINST:
        assert naive(Cheat("right", RIGHT, against)), against
        assert not naive(Cheat("wrong", WRONG, against)), against


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda c: c.name.replace(" ", "-"))
def test_a_cheat_earns_nothing_and_fools_a_judge_in_its_own_process(
    cheat, earned, naive, tell
):
    assert naive(cheat), "it fools nobody, so it shows nothing"
    assert earned(cheat) == 0
    tell(f"red team: {cheat.name:<52} the judge outside, tried at the strongest level")


# One that looks for what is right, and one that forges what is sent.
EVERYWHERE = ("finds the expected values", "forges answers on every descriptor")


@pytest.mark.parametrize("level", LEVELS)
def test_cheats_earn_nothing_at_any_level(level, earned):
    if level not in workers.available():
        pytest.skip(f"no level {level} here: {workers.lacking()[level]}")
    assert earned(Cheat("right", RIGHT), level) > 0
    chosen = [cheat for cheat in CHEATS if cheat.name.startswith(EVERYWHERE)]
    assert len(chosen) == len(EVERYWHERE)
    for cheat in chosen:
        assert earned(cheat, level) == 0, cheat.name


def test_there_are_enough_attacks():
    assert len(ATTACKS) >= 45
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
