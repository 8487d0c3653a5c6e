"""The oracle that reads off a ledger what a power loss leaves: it must tell synced from un-synced, or it would agree with any disk."""

import zlib

from cluster.ledger import LedgerRecord
from harness.checkers.ledger_image import LedgerImage, compare


def taken(*operations) -> LedgerImage:
    """The image behind `operations`: (operation, path, further fields)."""
    image = LedgerImage()
    for number, (operation, path, fields) in enumerate(operations, 1):
        image.take(LedgerRecord(number, operation, path, **fields))
    assert image.inexact == ""
    return image


def left(*operations) -> dict[str, bytes | None]:
    """What `operations` leave: the content that each path must have, None for a directory."""
    known = {zlib.crc32(content): content for content in CONTENTS}
    return {
        path: None if path.endswith("/") else known[check]
        for path, (_, check) in taken(*operations).surviving().items()
    }


CONTENTS = (b"", b"0123456789", b"0123", b"0123456789\0\0\0\0\0", b"012xy56789", b"\0\0\0ab", b"ab")
TEN = b"0123456789"
FILE = ("create", "a", {"file": 1})
WRITE = ("write", "a", {"file": 1, "length": 10, "data": TEN})
OVER = ("write", "a", {"file": 1, "offset": 3, "length": 2, "data": b"xy"})
FSYNC = ("fsync", "a", {"file": 1})
NAMED = ("fsync_dir", "", {})
OFF = ("power_off", "", {})


def test_bytes_need_an_fsync_and_names_one_of_their_directory():
    """Each sync counts for its own, and only for what came before it."""
    assert left(FILE, WRITE, FSYNC) == {}
    assert left(FILE, WRITE, NAMED) == {"a": b""}
    assert left(FILE, WRITE, FSYNC, NAMED) == {"a": TEN}
    assert left(FILE, FSYNC, NAMED, WRITE) == {"a": b""}


def test_bytes_that_were_overwritten_come_back_until_an_fsync():
    """A file of the same size is not the same file."""
    assert left(FILE, WRITE, FSYNC, NAMED, OVER) == {"a": TEN}
    assert left(FILE, WRITE, FSYNC, NAMED, OVER, FSYNC) == {"a": b"012xy56789"}


def test_a_gap_is_zeros():
    """The record of a write behind the end begins at the end; its data stand last."""
    gap = ("write", "a", {"file": 1, "offset": 0, "length": 5, "data": b"ab"})
    assert left(FILE, gap, FSYNC, NAMED) == {"a": b"\0\0\0ab"}


def test_a_rename_counts_once_its_directory_is_synced():
    """Before that the old name is there, and nothing else."""
    rename = ("rename", "b", {"source": "a"})
    assert left(FILE, WRITE, FSYNC, NAMED, rename) == {"a": TEN}
    assert left(FILE, WRITE, FSYNC, NAMED, rename, NAMED) == {"b": TEN}


def test_a_directory_takes_its_files_along():
    """A swap of directories shows the old or the new, with everything below it."""
    made = [("mkdir", "d", {}), ("create", "d/a", {"file": 1}), ("fsync_dir", "d", {}), NAMED]
    swap = ("rename", "e", {"source": "d"})
    assert left(*made, swap) == {"d/": None, "d/a": b""}
    assert left(*made, swap, NAMED) == {"e/": None, "e/a": b""}


def test_a_lost_name_does_not_come_back():
    """What a power loss took is not made durable by a sync in the next life."""
    assert left(FILE, WRITE, OFF, NAMED) == {}
    assert left(FILE, WRITE, NAMED, OFF, FSYNC) == {"a": b""}


def test_a_file_below_a_directory_without_a_durable_name_is_gone():
    """Every directory above must be there too."""
    inside = ("create", "d/a", {"file": 1})
    made = [("mkdir", "d", {}), inside, ("fsync_dir", "d", {})]
    assert left(*made) == {}
    assert left(*made, NAMED) == {"d/": None, "d/a": b""}


def test_a_truncation_may_shrink_or_grow():
    """The record says which bytes changed; the size before says the direction."""
    shrink = ("truncate", "a", {"file": 1, "offset": 4, "length": 6})
    grow = ("truncate", "a", {"file": 1, "offset": 10, "length": 5})
    assert left(FILE, WRITE, shrink, FSYNC, NAMED) == {"a": b"0123"}
    assert left(FILE, WRITE, grow, FSYNC, NAMED) == {"a": TEN + bytes(5)}


def test_what_a_failed_sync_lost_stays_lost_until_the_power_was():
    """A later fsync does not bring it back; in the next life fsyncs count again."""
    failed = ("fsync_failed", "a", {"file": 1})
    assert left(FILE, NAMED, WRITE, failed, FSYNC) == {"a": b""}
    assert left(FILE, NAMED, WRITE, failed, OFF, WRITE, FSYNC) == {"a": TEN}
    name_failed = ("fsync_dir_failed", "", {})
    assert left(FILE, name_failed, NAMED) == {}
    assert left(FILE, name_failed, OFF, ("create", "a", {"file": 2}), NAMED) == {"a": b""}


def test_the_name_of_a_lock_is_durable_at_once():
    """It is no data."""
    assert left(FILE, ("no_data", "a", {})) == {"a": b""}


def test_what_is_unsynced_is_said_by_file_and_range_and_by_name():
    """Only what is there and below the path counts; a name that is gone loses nothing."""
    made = [("mkdir", "d", {}), ("create", "d/a", {"file": 1}), ("create", "e", {"file": 2})]
    write = ("write", "d/a", {"file": 1, "offset": 0, "length": 10, "data": TEN})
    image = taken(*made, write)
    assert image.unsynced("d") == [
        ".: entry d not fsynced", "d/a: bytes 0..10 not fsynced", "d: entry a not fsynced",
    ]  # fmt: skip
    synced = [("fsync", "d/a", {"file": 1}), ("fsync_dir", "d", {}), NAMED]
    assert taken(*made, write, *synced).unsynced("d") == []
    assert taken(*made, write, *synced, ("unlink", "d/a", {})).unsynced("d") == []
    assert taken(*made, write).unsynced("f/g") == []


def test_an_image_says_when_it_cannot_know():
    """Missing records, drawn survivors, moves between directories and work written back leave doubt."""
    reasons = []
    for number, operation, fields in (
        (2, "mark", {"path": "reg.after_set"}),
        (1, "power_loss", {"path": "", "source": "drawn"}),
        (1, "written_back", {"path": "a"}),
        (1, "fsync", {"path": "a", "file": 9}),
    ):
        image = LedgerImage()
        image.take(LedgerRecord(number, operation, **fields))
        reasons.append(image.inexact.split(" ")[0])
    assert reasons == ["records", "a", "some", "record"]
    image = LedgerImage()
    for number, (operation, path, fields) in enumerate(
        [("mkdir", "d", {}), FILE, ("rename", "d/a", {"source": "a"})], 1
    ):
        image.take(LedgerRecord(number, operation, path, **fields))
    assert image.inexact == "a moved to another directory"


def test_a_comparison_names_every_path_that_differs():
    """Missing, foreign, of another size, of other bytes: one line each."""
    found = {"a": (1, 5), "b": (2, 5), "c": (1, 6), "d/": (0, 0)}
    owed = {"a": (1, 5), "b": (1, 5), "c": (1, 5), "e": (1, 1)}
    assert compare(found, owed) == [
        "b: has 2 bytes, not 1",
        "c: has other bytes than those that were synced",
        "d/: should not be there",
        "e: is missing",
    ]
