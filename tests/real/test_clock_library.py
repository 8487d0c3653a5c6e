"""Wrong wall clocks, seen by real programs: jumps and drift while they run, and waits that stay as long as they are.

Method: a Python program answers questions about its clocks, line by line, while the test writes the clock file; waits with
deadlines on the wall clock are made by the C library itself, through ctypes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.worlds.errors import WorldMissing
from cluster.worlds.host.clock_library import ClockFile, built_library, environment

pytestmark = [pytest.mark.real, pytest.mark.slow]

SECOND = 1_000_000_000
HOUR = 3600 * SECOND

PROGRAM = """
import ctypes, datetime, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
class Spec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]
def soon(ns):
    until = time.time_ns() + ns
    return ctypes.byref(Spec(until // 10**9, until % 10**9))
def took(wait):
    began = time.monotonic_ns()
    wait()
    return time.monotonic_ns() - began
def semaphore():
    room = ctypes.create_string_buffer(64)
    libc.sem_init(room, 0, 0)
    libc.sem_timedwait(room, soon(50_000_000))
def condition():
    lock, room = ctypes.create_string_buffer(128), ctypes.create_string_buffer(128)
    libc.pthread_mutex_lock(lock)
    libc.pthread_cond_timedwait(room, lock, soon(50_000_000))
def mutex():
    lock = ctypes.create_string_buffer(128)
    libc.pthread_mutex_lock(lock)
    libc.pthread_mutex_timedlock(lock, soon(50_000_000))
def sleep_until():
    libc.clock_nanosleep(time.CLOCK_REALTIME, 1, soon(50_000_000), None)
def event():
    threading.Event().wait(0.05)
def coarse():
    return time.clock_gettime_ns(5)
for line in sys.stdin:
    print(eval(line), flush=True)
"""


class Program:
    """A running program that answers with integers."""

    def __init__(self, folder: Path) -> None:
        library = built_library(folder / "cache")
        self.clock = ClockFile(folder / "clock")
        self._popen = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment(library, folder / "clock")},
            text=True,
        )

    def ask(self, expression: str) -> int:
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._popen.stdin.write(f"{expression}\n")
        self._popen.stdin.flush()
        return int(self._popen.stdout.readline())

    def close(self) -> None:
        self._popen.communicate()
        self.clock.close()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    started = Program(tmp_path)
    yield started
    started.close()


def ahead_s(program: Program, expression: str = "time.time_ns()") -> float:
    return (program.ask(expression) - time.time_ns()) / SECOND


def test_the_wall_clock_jumps_both_ways_while_the_program_runs(program: Program) -> None:
    """An offset is seen at once, forward and back, and zeros put the clock right."""
    assert ahead_s(program) == pytest.approx(0, abs=0.5)
    program.clock.set(5 * HOUR, 0)
    assert ahead_s(program) == pytest.approx(5 * 3600, abs=0.5)
    program.clock.set(-7 * HOUR, 0)
    assert ahead_s(program) == pytest.approx(-7 * 3600, abs=0.5)
    program.clock.set(0, 0)
    assert ahead_s(program) == pytest.approx(0, abs=0.5)


def test_every_way_to_ask_the_time_gives_the_same(program: Program) -> None:
    """clock_gettime, gettimeofday, time, timespec_get and the coarse clock agree."""
    program.clock.set(HOUR, 0)
    seconds = "ctypes.c_long(libc.time(None)).value"
    of_day = "(lambda s: (libc.gettimeofday(ctypes.byref(s), None), s.seconds)[1])(Spec())"
    standard = "(lambda s: (libc.timespec_get(ctypes.byref(s), 1), s.seconds)[1])(Spec())"

    assert ahead_s(program, "coarse()") == pytest.approx(3600, abs=0.5)
    for expression in (seconds, of_day, standard):
        assert program.ask(expression) - time.time() == pytest.approx(3600, abs=1.5)


def test_a_clock_that_drifts_runs_at_another_rate(program: Program) -> None:
    """At half as fast again, a fifth of a second gains a tenth."""
    program.clock.set(HOUR, 500_000)
    gap, now = "time.time_ns() - time.monotonic_ns()", "time.monotonic_ns()"
    gap_ns, began_ns = program.ask(gap), program.ask(now)
    while program.ask(now) - began_ns < SECOND // 5:
        pass
    gained = (program.ask(gap) - gap_ns) / (program.ask(now) - began_ns)

    assert gained == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    "wait", ["event", "semaphore", "condition", "mutex", "sleep_until"], ids=str
)
def test_waits_are_as_long_as_ever(program: Program, wait: str) -> None:
    """Relative waits, and deadlines that the program took from its wrong clock, end after their 50 ms."""
    for offset_ns in (HOUR, -HOUR):
        program.clock.set(offset_ns, 0)
        assert SECOND // 25 < program.ask(f"took({wait})") < SECOND // 2


def test_the_monotonic_clock_is_the_machines(program: Program) -> None:
    """Nothing but the wall clock is wrong."""
    program.clock.set(HOUR, 500_000)

    assert ahead_s(
        program, "time.monotonic_ns() + " + str(time.time_ns() - time.monotonic_ns())
    ) == (pytest.approx(0, abs=0.5))


def test_any_program_that_is_linked_dynamically_sees_it(tmp_path: Path) -> None:
    """date(1) tells the wrong time too."""
    library = built_library(tmp_path)
    clock = ClockFile(tmp_path / "clock")
    clock.set(-HOUR, 0)
    env = {**os.environ, **environment(library, tmp_path / "clock")}
    said = subprocess.run(["date", "+%s"], env=env, capture_output=True, text=True, check=True)
    clock.close()

    assert int(said.stdout) - time.time() == pytest.approx(-3600, abs=2)


def test_the_library_is_built_once(tmp_path: Path) -> None:
    """A second call finds what the first one built."""
    library = built_library(tmp_path)
    built_ns = library.stat().st_mtime_ns

    assert built_library(tmp_path) == library
    assert library.stat().st_mtime_ns == built_ns
    assert [path.name for path in tmp_path.iterdir()] == [library.name]


def test_a_machine_without_compiler_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what is missing, and the command that helps."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WorldMissing, match="need a C compiler") as caught:
        built_library(tmp_path / "cache")
    missing: Any = caught.value

    assert missing.remedy == "apt-get install gcc libc6-dev"
