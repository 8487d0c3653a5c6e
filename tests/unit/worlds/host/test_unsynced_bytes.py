"""The rules for bytes: what is remembered, how it is packed, and where it ends."""

from __future__ import annotations

from cluster.storage.power_loss import surviving_content
from cluster.worlds.host.power_disk.unsynced_bytes import UnsyncedBytes

FILE = 7


def append(content, unsynced, data):
    unsynced.changing(FILE, (len(content), len(content) + len(data), len(content), b""))
    content += data


def overwrite(content, unsynced, offset, data):
    end = offset + len(data)
    unsynced.changing(FILE, (offset, end, len(content), bytes(content[offset:end])))
    content[offset:end] = data


def test_appends_in_a_row_are_one_record():
    """A log that is never synced costs one record, and is undone whole."""
    content, unsynced = bytearray(b"old"), UnsyncedBytes()
    for number in range(1000):
        append(content, unsynced, b"line %d\n" % number)

    assert unsynced.files()[FILE] == [(3, len(content), 3, b"")]
    assert surviving_content(content, unsynced.files()[FILE], None) == b"old"


def test_an_overwrite_between_appends_keeps_them_apart():
    """Only what follows on directly is packed: everything else is undone step by step."""
    content, unsynced = bytearray(b"old"), UnsyncedBytes()
    append(content, unsynced, b"abc")
    overwrite(content, unsynced, 0, b"NEW")
    append(content, unsynced, b"def")

    assert len(unsynced.files()[FILE]) == 3
    assert surviving_content(content, unsynced.files()[FILE], None) == b"old"
    assert unsynced.range(FILE) == (0, 9)


def test_too_much_counts_as_written_back():
    """Beyond the bounds the older half is durable: the state left is one that the file went through."""
    content, unsynced = bytearray(b"0000"), UnsyncedBytes(records_max=4)
    for number in range(1, 6):
        overwrite(content, unsynced, number % 4, b"%d" % number)

    assert unsynced.written_back == 1
    assert surviving_content(content, unsynced.files()[FILE], None) == b"0123"


def test_bytes_held_are_bounded_too():
    """One record larger than the bound is written back at once, and the file is clean."""
    content, unsynced = bytearray(bytes(100)), UnsyncedBytes(replaced_bytes_max=50)
    overwrite(content, unsynced, 0, bytes(60))

    assert unsynced.clean
    assert unsynced.written_back == 1


def test_a_failed_sync_dooms_what_was_unsynced():
    """Later syncs of the file answer success and make nothing durable; a clean file is not doomed."""
    content, unsynced = bytearray(b"old"), UnsyncedBytes()
    unsynced.doom(FILE)
    overwrite(content, unsynced, 0, b"NEW")
    unsynced.synced(FILE)
    assert unsynced.clean
    overwrite(content, unsynced, 0, b"xxx")
    unsynced.doom(FILE)
    unsynced.synced(FILE)

    assert surviving_content(content, unsynced.files()[FILE], None) == b"NEW"


def test_a_file_that_is_gone_leaves_nothing_to_its_inode():
    """The next file with that number begins clean, doomed or not."""
    unsynced = UnsyncedBytes()
    unsynced.changing(FILE, (0, 3, 0, b""))
    unsynced.doom(FILE)
    unsynced.gone(FILE)
    unsynced.changing(FILE, (0, 3, 0, b""))
    unsynced.synced(FILE)

    assert unsynced.clean
