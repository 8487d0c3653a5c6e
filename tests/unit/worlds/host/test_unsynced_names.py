"""The rules for names, by example: what the simulated disk does not have (hard links, two directories, inodes that come back)."""

from __future__ import annotations

import random

from cluster.worlds.host.power_disk.unsynced_names import UnsyncedNames

ROOT, OTHER, FILE, SECOND = 1, 2, 10, 11


def inodes(names):
    """Directory -> name -> inode, for what is there."""
    return {
        directory: {name: link.inode for name, link in entries.items() if link is not None}
        for directory, entries in names.items()
    }


def outcomes(names, count=200):
    return [inodes(names.survivors(random.Random(seed).randrange)) for seed in range(count)]


def test_a_synced_directory_has_nothing_to_lose():
    """After a sync no change is remembered, and what was removed is handed back to be let go."""
    names = UnsyncedNames()
    names.created(ROOT, "a", FILE)
    names.removed(ROOT, "a", FILE)

    assert [link.inode for link in names.synced(ROOT)] == [FILE]
    assert names.clean
    assert names.survivors(None) == {}


def test_a_sync_of_one_directory_leaves_another_alone():
    """Each directory is synced for itself."""
    names = UnsyncedNames()
    names.created(ROOT, "a", FILE)
    names.created(OTHER, "b", SECOND)
    names.synced(OTHER)

    assert names.entries() == {ROOT: ["a"]}


def test_hard_links_stand_side_by_side():
    """Two names of one file are kept or lost each for itself; a rename of one does not take the other."""
    names = UnsyncedNames()
    names.created(ROOT, "a", FILE)
    names.synced(ROOT)
    names.created(ROOT, "b", FILE)
    names.moved((ROOT, "b"), (ROOT, "c"), FILE, None)
    seen = outcomes(names)

    assert inodes(names.now()) == {ROOT: {"c": FILE}}
    assert inodes(names.survivors(None)) == {ROOT: {}}
    assert {ROOT: {"b": FILE}} in seen
    assert {ROOT: {"c": FILE}} in seen
    assert all(len(entries[ROOT]) < 2 for entries in seen)


def test_a_move_between_directories_is_one_change():
    """The file is in the old directory or in the new one, never in both and never in none."""
    names = UnsyncedNames()
    names.moved((ROOT, "a"), (OTHER, "b"), FILE, None)
    seen = outcomes(names)

    assert {ROOT: {"a": FILE}, OTHER: {}} in seen
    assert {ROOT: {}, OTHER: {"b": FILE}} in seen
    assert all(len(entries[ROOT]) + len(entries[OTHER]) == 1 for entries in seen)


def test_either_directory_makes_a_move_durable():
    """A sync of source or target carries the move, and what was done before it in both, but not what came behind."""
    for synced in (ROOT, OTHER):
        names = UnsyncedNames()
        names.created(ROOT, "before", 20)
        names.created(OTHER, "before", 21)
        names.moved((ROOT, "a"), (OTHER, "b"), FILE, None)
        names.created(ROOT, "behind", 22)
        names.created(OTHER, "behind", 23)
        names.synced(synced)

        assert names.entries() == {OTHER + ROOT - synced: ["behind"]}


def test_directories_never_end_inside_each_other():
    """Moves between directories are kept up to one of them: no outcome puts two directories into each other."""
    names = UnsyncedNames()
    first, second = 30, 31
    names.moved((ROOT, "x"), (second, "x"), first, None)
    names.moved((second, "x"), (ROOT, "x"), first, None)
    names.moved((ROOT, "y"), (first, "y"), second, None)

    for entries in outcomes(names):
        holds = {
            directory: set(entries.get(directory, {}).values()) for directory in (first, second)
        }
        assert not (second in holds[first] and first in holds[second])


def test_what_a_rename_replaced_comes_back():
    """An un-synced rename over a file: the old file or the new one, and after the sync the old one is let go."""
    names = UnsyncedNames()
    replaced = names.link(ROOT, "a", FILE)
    names.moved((ROOT, "new"), (ROOT, "a"), SECOND, replaced)

    assert inodes(names.survivors(None)) == {ROOT: {"a": FILE, "new": SECOND}}
    assert all(entries[ROOT]["a"] in {FILE, SECOND} for entries in outcomes(names))
    assert names.synced(ROOT) == [replaced]


def test_a_directory_that_is_gone_has_sent_on_what_was_moved_out_of_it():
    """A move out of it is durable where it went, and what was removed in it is let go."""
    names = UnsyncedNames()
    names.created(OTHER, "a", FILE)
    names.created(OTHER, "b", SECOND)
    names.removed(OTHER, "b", SECOND)
    names.moved((OTHER, "a"), (ROOT, "a"), FILE, None)
    gone = names.directory_gone(OTHER)

    assert [link.inode for link in gone] == [SECOND]
    assert names.clean


def test_a_doomed_directory_stays_unsynced():
    """After a failed sync later ones answer success and make nothing durable, until the power goes."""
    names = UnsyncedNames()
    names.created(ROOT, "a", FILE)
    names.doom(ROOT)
    names.synced(ROOT)
    assert names.entries() == {ROOT: ["a"]}
    names.lost_power()
    names.created(ROOT, "b", FILE)
    names.synced(ROOT)

    assert names.clean
