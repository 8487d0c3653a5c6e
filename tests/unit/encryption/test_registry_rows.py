"""Registry rows as bytes: golden values, and shapes that are not rows."""

import pytest

from cluster.encryption.registry_rows import (
    RegistryKeyMalformed,
    RegistryRow,
    RegistryValueMalformed,
    decode_index,
    decode_key,
    decode_row,
    encode_index,
    encode_row,
    index_key,
    is_registry_key,
    registry_key,
)

KEY = bytes.fromhex("21656e6372797074696f6e7c777269746572737c 12345678 7c abcd")
ROW = RegistryRow(0x1122334455660A0B, 1, 3)
VALUE = bytes.fromhex("1122334455660a0b 0001 0003")


def test_golden_key():
    """The key of key 0x12345678 and node 0xABCD is that of the specification."""
    assert registry_key(0x12345678, 0xABCD) == KEY
    assert decode_key(KEY) == (0x12345678, 0xABCD)


def test_golden_value():
    """The row value is that of the specification."""
    assert encode_row(ROW) == VALUE
    assert decode_row(VALUE) == ROW


def test_separators_inside_ids():
    """A key whose ids contain the separator byte is read by offset."""
    key = registry_key(0x7C7C7C7C, 0x7C7C)

    assert decode_key(key) == (0x7C7C7C7C, 0x7C7C)


@pytest.mark.parametrize(
    "key", [b"", KEY[:-1], KEY + b"\x00", b"?" + KEY[1:], KEY[:24] + b"x" + KEY[25:]]
)
def test_other_keys(key):
    """Wrong length, prefix or separator make no registry key."""
    assert not is_registry_key(key)
    with pytest.raises(RegistryKeyMalformed):
        decode_key(key)


@pytest.mark.parametrize("length", [0, 11, 13])
def test_row_of_another_length(length):
    """A row value has 12 bytes or is malformed."""
    with pytest.raises(RegistryValueMalformed):
        decode_row(bytes(length))


def test_side_record():
    """The side record stands under the same ids and holds the index as a big-endian u64."""
    assert index_key(KEY) == b"!encryption|windex|" + KEY[20:]
    assert encode_index(258) == bytes.fromhex("0000000000000102")
    assert decode_index(encode_index(2**64 - 1)) == 2**64 - 1


@pytest.mark.parametrize("length", [0, 7, 9])
def test_side_record_of_another_length(length):
    """A side record has 8 bytes or is malformed."""
    with pytest.raises(RegistryValueMalformed):
        decode_index(bytes(length))


def test_side_record_is_no_row():
    """A side record's key is not taken for a registry key."""
    assert not is_registry_key(index_key(KEY))
