"""Crashes raised inside the file callbacks of SQLite, at every kind of call, thousands of times.

Goal: whatever moment a simulated node dies at, nothing acknowledged is lost, what is found is the state
after some batch, and SQLite leaves nothing behind: no error in C code, no connection, no write to
a dead disk.

Method: a disk that raises `Crash` at the nth call. Each life opens the store of the life before,
compares it with the model, and writes batches until it dies; then the process is killed or the power
goes, at random.
"""

from __future__ import annotations

import random
import sys
from collections import Counter

import apsw
import pytest

from cluster.probe import Crash, SilentProbe
from cluster.storage import vfs
from cluster.storage.directories import make_directories
from cluster.storage.sim_disk import SimDisk
from cluster.storage.sqlite_store import SqliteStore

KEYS = 20


def expected_rows(applied):
    """The rows after batch number `applied`: the last KEYS batches have written one key each."""
    first = max(1, applied - KEYS + 1)
    return {b"k%d" % (n % KEYS): b"%d" % n * 30 for n in range(first, applied + 1)}


def one_life(deadly, disk, draw, last, acknowledged):
    """Live until the deadline; return (last batch begun, last batch acknowledged, the deadline)."""
    doomed, deadline = deadly(disk, draw.randrange(1, 60 if draw.random() < 0.9 else 500))
    store = None
    try:
        store = SqliteStore.open(doomed, "store", SilentProbe())
        applied = store.applied_index()
        assert acknowledged <= applied <= last
        assert dict(store.scan(b"k")) == expected_rows(applied)
        last = applied
        while True:
            last += 1
            sync = draw.random() < 0.5
            row = (b"k%d" % (last % KEYS), b"%d" % last * 30)
            store.batch([row], applied_index=last, sync=sync)
            if sync:
                acknowledged = last
    except Crash:
        if draw.random() < 0.5:
            disk.kill()
        else:
            disk.power_loss(draw.randrange)
        if store is not None:
            store.abandon()
    return last, acknowledged, deadline


def many_lives(count, deadly, monkeypatch):
    """Return how often which call was the deadly one."""
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    draw = random.Random(count)
    disk = SimDisk()
    make_directories(disk, "store")
    last = acknowledged = 0
    dead_calls = Counter()
    deaths = 0
    for _ in range(count):
        last, acknowledged, deadline = one_life(deadly, disk, draw, last, acknowledged)
        dead_calls += deadline.calls_of_the_dead
        deaths += deadline.left == 0
    assert unraisable == []
    assert apsw.connections() == []
    assert len(vfs._openings) == 0
    assert dead_calls == Counter()
    assert deaths == count
    return acknowledged


def test_300_crashes_inside_callbacks(deadly, monkeypatch):
    """The quick variant: 300 lives, none of which loses or leaks anything."""
    assert many_lives(300, deadly, monkeypatch) > 300


@pytest.mark.slow
def test_10_000_crashes_inside_callbacks(deadly, monkeypatch):
    """The same for 10,000 lives."""
    assert many_lives(10_000, deadly, monkeypatch) > 10_000


def test_a_creation_may_die_at_every_call(deadly):
    """Whatever a power loss leaves of a store that was being created, the next opening makes one."""
    calls = 0
    for seed in range(8):
        for calls in range(1, 100):
            disk = SimDisk()
            make_directories(disk, "store")
            doomed, deadline = deadly(disk, calls)
            try:
                SqliteStore.open(doomed, "store", SilentProbe()).abandon()
            except Crash:
                disk.power_loss(random.Random(seed).randrange)
            store = SqliteStore.open(disk, "store", SilentProbe())
            assert store.scan(b"") == []
            store.close()
            if deadline.left:
                break
    assert 15 < calls < 99
