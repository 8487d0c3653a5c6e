"""The oracle that reads off a ledger what a power loss leaves: it must tell synced from un-synced, or it would agree with any disk."""

from ledger_image import surviving

from cluster.storage.ledger import LedgerRecord


def image(*operations):
    records = [
        LedgerRecord(number, operation, path, **fields)
        for number, (operation, path, fields) in enumerate(operations, 1)
    ]
    return surviving(records)


FILE = ("create", "a", {"file": 1})
WRITE = ("write", "a", {"file": 1, "length": 10})
FSYNC = ("fsync", "a", {"file": 1})
NAMED = ("fsync_dir", "", {})


def test_bytes_need_an_fsync_and_names_one_of_their_directory():
    """Each sync counts for its own, and only for what came before it."""
    assert image(FILE, WRITE, FSYNC) == {}
    assert image(FILE, WRITE, NAMED) == {"a": 0}
    assert image(FILE, WRITE, FSYNC, NAMED) == {"a": 10}
    assert image(FILE, FSYNC, NAMED, WRITE) == {"a": 0}


def test_a_rename_counts_once_its_directory_is_synced():
    """Before that the old name is there, and nothing else."""
    rename = ("rename", "b", {"source": "a"})
    assert image(FILE, WRITE, FSYNC, NAMED, rename) == {"a": 10}
    assert image(FILE, WRITE, FSYNC, NAMED, rename, NAMED) == {"b": 10}


def test_a_lost_name_does_not_come_back():
    """What a power loss took is not made durable by a sync in the next life."""
    assert image(FILE, WRITE, ("power_off", "", {}), NAMED) == {}


def test_a_file_below_a_directory_without_a_durable_name_is_gone():
    """Every directory above must be there too."""
    inside = ("create", "d/a", {"file": 1})
    made = [("mkdir", "d", {}), inside, ("fsync_dir", "d", {})]
    assert image(*made) == {}
    assert image(*made, NAMED) == {"d/a": 0}


def test_a_truncation_may_shrink_or_grow():
    """The record says which bytes changed; the size before says the direction."""
    shrink = ("truncate", "a", {"file": 1, "offset": 4, "length": 6})
    grow = ("truncate", "a", {"file": 1, "offset": 10, "length": 5})
    assert image(FILE, WRITE, shrink, FSYNC, NAMED) == {"a": 4}
    assert image(FILE, WRITE, grow, FSYNC, NAMED) == {"a": 15}
