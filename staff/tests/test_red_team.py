"""Hostile submissions: each attack is stopped, and works where its defence is off."""

import contextlib
import dataclasses
import os
import sys
from pathlib import Path

import pytest

from staff.grading.sandbox import workers
from staff.grading.sandbox.plan import DEFENCES, LEVELS, Limits
from staff.tests.red_team.attacks import ATTACKS
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
# Where a defence is off, nothing but its absence shall decide.
PATIENT = dataclasses.replace(SMALL, wall_seconds=30)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    (folder / "cs231n").mkdir()
    (folder / "cs231n" / "__init__.py").touch()
    return folder


@pytest.fixture(scope="module")
def server(package):
    """Return what makes a server for a level and the defences that are off."""
    os.environ["RED_TEAM_SECRET"] = "not for students"
    program = Path(__file__).with_name("red_team")
    with contextlib.ExitStack() as stack:
        made = {}

        def make(level, off=()):
            if (level, off) not in made:
                limits = PATIENT if off else SMALL
                if "frames" in off:
                    limits = dataclasses.replace(limits, frame_bytes=1 << 63)
                made[level, off] = stack.enter_context(
                    workers.Server(
                        package,
                        level=level,
                        limits=limits,
                        weaken=[d for d in off if d in DEFENCES],
                        program=program,
                        preload=(),
                    )
                )
            return made[level, off]

        yield make
    del os.environ["RED_TEAM_SECRET"]


@pytest.fixture
def attempt(server, package, tmp_path):
    """Return what tries an attack out and tells whether it worked."""

    def tried(attack, level, off=()):
        stage = Stage(tmp_path / f"host-{level}-{len(off)}", package)
        try:
            seen = try_out(
                server(level, off),
                stage,
                attack.source,
                seconds=attack.seconds,
                twice=attack.twice,
            )
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
    worked, seen = attempt(attack, "limits", attack.off)
    assert worked, f"it works nowhere, so it shows nothing: {seen}"
    for level in attack.proven:
        if level in here:
            worked, seen = attempt(attack, level, attack.off)
            assert worked, f"{level}: another defence stops it: {seen}"
    stopped = " ".join(f"{n if n in attack.stopped else '-':<10}" for n in LEVELS)
    tell(f"red team: {attack.name:<52} {stopped} off: {', '.join(attack.off) or '-'}")


def test_there_are_enough_attacks():
    assert len(ATTACKS) >= 45
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
