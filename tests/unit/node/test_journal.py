"""The journal: what a restart reads is what raft wrote last, whatever was rewritten in between."""

import pytest

from cluster.node.journal import Journal, Recovered
from cluster.probe import Crash, SilentProbe
from cluster.raft.messages import Entry, HardState, SnapshotMeta
from cluster.storage.sim_disk import SimDisk
from cluster.storage.wal import LogDamaged


def journal_on(disk: SimDisk) -> Journal:
    """Open the journal of `disk`, as a start does."""
    return Journal.open(disk, "wal", SilentProbe(), 1 << 20)


def entries(first: int, last: int, term: int) -> list[Entry]:
    """Entries `first` ... `last` of `term`, their data naming both."""
    return [Entry(index, term, b"%d/%d" % (index, term)) for index in range(first, last + 1)]


def recovered_after(*writes: list[Entry]) -> Recovered:
    """What a restart finds after these writes."""
    disk = SimDisk()
    journal = journal_on(disk)
    for written in writes:
        journal.write(written, HardState(written[-1].term, "n1", 0), sync=True)
    disk.power_loss(None)
    return journal_on(disk).recovered


def test_entries_come_back_in_order():
    """Entries of several writes come back as one log, with the newest hard state."""
    found = recovered_after(entries(1, 3, 1), entries(4, 4, 1), entries(5, 6, 2))
    assert found.entries == [*entries(1, 4, 1), *entries(5, 6, 2)]
    assert found.hard_state == HardState(2, "n1", 0)


def test_a_rewritten_entry_drops_what_stood_behind_it():
    """An entry at an existing index replaces it and everything behind it, and the log goes on from there."""
    found = recovered_after(entries(1, 5, 1), entries(3, 3, 2), entries(4, 4, 2))
    assert found.entries == [*entries(1, 2, 1), *entries(3, 4, 2)]


def test_a_log_may_be_rewritten_from_its_first_entry():
    """A rewrite of the first entry leaves nothing of the old log."""
    found = recovered_after(entries(4, 6, 1), entries(4, 4, 3))
    assert found.entries == entries(4, 4, 3)


def test_a_gap_is_damage():
    """An entry that does not continue the log means that records are missing: the log is refused."""
    with pytest.raises(LogDamaged, match="jumps from entry 2 to 4"):
        recovered_after(entries(1, 2, 1), entries(4, 4, 1))


def test_a_reset_begins_the_log_anew():
    """Behind a received snapshot the log restarts, at any index."""
    disk = SimDisk()
    journal = journal_on(disk)
    journal.write(entries(1, 3, 1), None, sync=True)
    meta = SnapshotMeta(index=9, term=2, voters=("n1",))
    journal.reset(meta)
    journal.write(entries(10, 11, 2), None, sync=True)
    found = journal_on(disk).recovered
    assert found.snapshot == meta
    assert found.entries == entries(10, 11, 2)


def write_one_by_one(journal: Journal, count: int) -> None:
    """Write entries 1 ... `count`, each with the commit index that covers it."""
    for index in range(1, count + 1):
        journal.write(entries(index, index, 1), HardState(1, "n1", index), sync=True)


class DiesAtWrite(SilentProbe):
    """Kills at the nth frame that is written."""

    def __init__(self, nth: int) -> None:
        self.left = nth

    def reach(self, point: str) -> None:
        if point == "wal.after_write_before_fsync":
            self.left -= 1
            if self.left == 0:
                raise Crash(point, "kill")


@pytest.mark.parametrize("nth", range(1, 60))
def test_the_commit_index_on_disk_never_speaks_of_entries_that_are_not(nth):
    """Whatever frame a kill strikes at, the head of a new segment included, commit stays within the log."""
    disk = SimDisk()
    journal = Journal.open(disk, "wal", DiesAtWrite(nth), 256)
    with pytest.raises(Crash):
        write_one_by_one(journal, 60)
    disk.kill()
    found = journal_on(disk).recovered
    assert found.hard_state.commit <= (found.entries[-1].index if found.entries else 0)
