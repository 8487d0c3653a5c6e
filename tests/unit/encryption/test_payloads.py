"""Encryption payloads: golden bytes of the specification, and what the decoders refuse."""

import pytest

from cluster.encryption.errors import EncryptionApplyError
from cluster.encryption.payloads import (
    BOOTSTRAP_ROWS_MAX,
    PURPOSE_RAFT,
    PURPOSE_STORAGE,
    Bootstrap,
    FsmWireMalformed,
    FsmWireSubtagError,
    FsmWireVersionError,
    Registration,
    Rotation,
    decode_bootstrap,
    decode_registration,
    decode_rotation,
    encode_bootstrap,
    encode_registration,
    encode_rotation,
)

FULL = 0x1122334455660A0B

REGISTRATION = Registration(0x12345678, FULL, 3)
REGISTRATION_HEX = "01 12345678 1122334455660a0b 0003"

BOOTSTRAP = Bootstrap(
    1, b"\xaa\xbb", 2, b"\xcc", (Registration(1, FULL, 0), Registration(2, FULL, 0))
)
BOOTSTRAP_HEX = (
    "01 00000001 00000002 aabb 00000002 00000001 cc 00000002 "
    "00000001 1122334455660a0b 0000 00000002 1122334455660a0b 0000"
)

ROTATIONS = [
    (
        Rotation(0x01, 3, PURPOSE_STORAGE, b"\xdd\xee", Registration(3, FULL, 4)),
        "01 01 00000003 01 00000002 ddee 00000003 1122334455660a0b 0004",
    ),
    (
        Rotation(0x04, 1, PURPOSE_STORAGE, b"", Registration(1, FULL, 0)),
        "01 04 00000001 01 00000000 00000001 1122334455660a0b 0000",
    ),
    (
        Rotation(0x05, 2, PURPOSE_RAFT, b"", Registration(2, FULL, 0)),
        "01 05 00000002 02 00000000 00000002 1122334455660a0b 0000",
    ),
]

GOLDEN = [
    (encode_registration, decode_registration, REGISTRATION, REGISTRATION_HEX),
    (encode_bootstrap, decode_bootstrap, BOOTSTRAP, BOOTSTRAP_HEX),
    *((encode_rotation, decode_rotation, value, text) for value, text in ROTATIONS),
]


@pytest.mark.parametrize(("encode", "decode", "value", "text"), GOLDEN)
def test_golden_bytes(encode, decode, value, text):
    """Each payload has exactly the bytes of the specification, both ways."""
    assert bytes.fromhex(text) == encode(value)
    assert value == decode(bytes.fromhex(text))


@pytest.mark.parametrize(("encode", "decode", "value", "text"), GOLDEN)
def test_every_truncation_and_extension_is_malformed(encode, decode, value, text):
    """A payload that lacks any number of bytes, or has one too many, is refused."""
    data = bytes.fromhex(text)
    for length in range(len(data)):
        with pytest.raises(FsmWireMalformed):
            decode(data[:length])
    with pytest.raises(FsmWireMalformed):
        decode(data + b"\x00")


@pytest.mark.parametrize(("encode", "decode", "value", "text"), GOLDEN)
@pytest.mark.parametrize("version", [0, 2, 255])
def test_unknown_version(encode, decode, value, text, version):
    """A payload of another version is refused as such, whatever follows."""
    with pytest.raises(FsmWireVersionError, match=str(version)):
        decode(bytes([version]) + bytes.fromhex(text)[1:])


@pytest.mark.parametrize("sub_tag", [0x00, 0x02, 0x03, 0x06, 0xFF])
def test_reserved_and_unknown_sub_tags(sub_tag):
    """Reserved rotation sub-tags are refused like unknown ones."""
    data = bytearray(encode_rotation(ROTATIONS[0][0]))
    data[1] = sub_tag

    with pytest.raises(FsmWireSubtagError):
        decode_rotation(bytes(data))


@pytest.mark.parametrize("purpose", [0, 3, 255])
def test_unknown_purpose(purpose):
    """A rotation for neither storage nor raft is malformed."""
    data = bytearray(encode_rotation(ROTATIONS[0][0]))
    data[6] = purpose

    with pytest.raises(FsmWireMalformed, match="purpose"):
        decode_rotation(bytes(data))


@pytest.mark.parametrize("sub_tag", [0x04, 0x05])
def test_cutover_carries_no_key(sub_tag):
    """A cutover with a wrapped key is malformed."""
    rotation = Rotation(sub_tag, 1, PURPOSE_STORAGE, b"k", Registration(1, FULL, 0))

    with pytest.raises(FsmWireMalformed, match="wrapped"):
        decode_rotation(encode_rotation(rotation))


def test_bootstrap_row_count_is_bounded_before_rows_are_read():
    """A count above the bound is refused by the count alone, the bound itself by its missing rows."""
    head = encode_bootstrap(Bootstrap(1, b"", 2, b"", ()))[:-4]

    with pytest.raises(FsmWireMalformed, match="at most"):
        decode_bootstrap(head + (BOOTSTRAP_ROWS_MAX + 1).to_bytes(4, "big"))
    with pytest.raises(FsmWireMalformed, match="0 bytes follow"):
        decode_bootstrap(head + BOOTSTRAP_ROWS_MAX.to_bytes(4, "big"))


def test_bootstrap_of_most_rows():
    """A bootstrap with as many rows as allowed is decoded."""
    row = Registration(1, FULL, 0)
    bootstrap = Bootstrap(1, b"", 2, b"", (row,) * BOOTSTRAP_ROWS_MAX)

    assert bootstrap == decode_bootstrap(encode_bootstrap(bootstrap))


@pytest.mark.parametrize("error", [FsmWireMalformed, FsmWireVersionError, FsmWireSubtagError])
def test_decode_errors_halt(error):
    """Every decode error carries the mark that halts a replica."""
    assert issubclass(error, EncryptionApplyError)
