"""What the reference fold knows of a row's past: its versions, and who made which bytes."""

import pytest

from cluster.encryption.identity import node16
from cluster.encryption.payloads import Registration
from harness.checkers.committed_log import EncryptionEntry
from harness.checkers.registry_fold import RegistryFold

WRITER = 0x0123_4567_89AB_CDEF
KEY = (1, node16(WRITER))


def registration(index: int, epoch: int) -> EncryptionEntry:
    """The entry at `index` that registers the writer with `epoch`."""
    return EncryptionEntry(index, 3, Registration(dek_id=1, full_node_id=WRITER, local_epoch=epoch))


@pytest.fixture
def fold() -> RegistryFold:
    """A row inserted at 2, confirmed at 4, advanced at 5 and 8."""
    return RegistryFold(
        [registration(2, 1), registration(4, 1), registration(5, 2), registration(8, 3)]
    )


def test_bytes_lead_to_the_entry_that_made_them(fold):
    """Each version's bytes are attributed to its entry; an empty row to none, unknown bytes to nobody."""
    versions = fold.versions[KEY]
    assert [fold.made_by(KEY, version.row) for version in versions] == [2, 5, 8]
    assert fold.made_by(KEY, b"") == 0
    assert fold.made_by(KEY, b"x" * 12) is None
    assert fold.made_by((2, 7), versions[0].row) is None


@pytest.mark.parametrize(
    ("index", "horizon", "expected"),
    [
        (0, 9, [2, 5, 8]),
        (2, 8, [2, 5, 8]),
        (3, 8, [5, 8]),
        (3, 7, [5]),
        (6, 7, []),
        (9, 9, []),
        (5, 4, []),
    ],
)
def test_a_store_that_is_ahead_holds_the_versions_up_to_its_horizon(fold, index, horizon, expected):
    """Both ends belong to the range in which a store ahead of the log may stand."""
    assert [version.index for version in fold.ahead(KEY, index, horizon)] == expected
    assert fold.ahead((2, 7), index, horizon) == []


def test_rows_before_an_entry_leave_its_own_out(fold):
    """The past of an entry ends in front of it."""
    rows = [version.row for version in fold.versions[KEY]]
    assert fold.rows_before(KEY, 5) == rows[:1]
    assert fold.rows_before(KEY, 6) == rows[:2]
    assert fold.rows_before(KEY, 1) == []
