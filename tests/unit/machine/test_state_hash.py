"""The state hash: what it depends on, and what it does not."""

from cluster.machine.state_hash import StateHash, row_hash
from cluster.storage.state_store import APPLIED_INDEX_KEY

A = (b"kv|a", b"1")
B = (b"kv|b", b"2")
ROW = (b"!encryption|writers|x", b"3")
SESSION = (b"!session|c", b"4")


def test_golden_row():
    """The hash of a row is `b2sum -l 64` of ``4:kv|a1``; it never changes between versions."""
    assert row_hash(b"kv|a", b"1") == 0x73973CA9FCEC0A48


def test_key_and_value_are_kept_apart():
    """Moving a byte from value to key gives another row."""
    assert row_hash(b"kv|a", b"1") != row_hash(b"kv|a1", b"")
    assert row_hash(b"kv|1", b"2:x") != row_hash(b"kv|12", b":x")


def test_empty_state():
    """No rows have the hash 0."""
    assert StateHash([]).value() == 0


def test_order_does_not_count():
    """The same rows in another order give the same hash, and rows of all three families count."""
    assert StateHash([A, B, ROW, SESSION]).value() == StateHash([SESSION, ROW, B, A]).value()
    assert len({StateHash(rows).value() for rows in ([A], [B], [ROW], [SESSION])}) == 4


def test_changes_equal_a_fresh_start():
    """Noting changes gives the hash of the state they lead to."""
    noted = StateHash([A, B])
    noted.note_put(b"kv|a", b"9")
    noted.note_put(b"kv|c", b"8")
    noted.note_delete(b"kv|b")
    noted.note_delete(b"kv|missing")

    assert noted.value() == StateHash([(b"kv|a", b"9"), (b"kv|c", b"8")]).value()


def test_local_rows_are_left_out():
    """Meta keys and side records do not count."""
    local = [(APPLIED_INDEX_KEY, bytes(8)), (b"!encryption|windex|x", bytes(8))]

    assert StateHash([A, *local]).value() == StateHash([A]).value()
