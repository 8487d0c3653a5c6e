"""Entry data: the proposal frame, the opcode, the lease, and what is a no-op."""

import pytest

from cluster.encryption.payloads import (
    Bootstrap,
    Registration,
    Rotation,
    decode_bootstrap,
    decode_registration,
    decode_rotation,
)
from cluster.machine.entries import (
    ENCRYPTION_OPCODES,
    NO_OPCODE,
    OPCODE_REGISTRATION,
    LeaseMalformed,
    body_of,
    decode_lease,
    encode_bootstrap_payload,
    encode_entry,
    encode_lease_payload,
    encode_registration_payload,
    encode_rotation_payload,
    opcode_of,
    proposal_id_of,
)

REGISTRATION = Registration(0x12345678, 0x1122334455660A0B, 3)
ENTRY = bytes.fromhex("01 0000000000000007 03 01 12345678 1122334455660a0b 0003")


def test_golden_entry():
    """Proposal 7 with a registration has the bytes of the specification."""
    assert encode_entry(7, encode_registration_payload(REGISTRATION)) == ENTRY


def test_parts_of_an_entry():
    """Proposal id, opcode and body come back out."""
    assert proposal_id_of(ENTRY) == 7
    assert opcode_of(ENTRY) == OPCODE_REGISTRATION
    assert decode_registration(body_of(ENTRY)) == REGISTRATION


@pytest.mark.parametrize(
    "data", [b"", b"\x01", ENTRY[:9], b"\x00" + ENTRY[1:], b"\x02" + ENTRY[1:]]
)
def test_no_opcode(data):
    """Empty data, a frame without a payload and a foreign first byte are no-ops."""
    assert opcode_of(data) == NO_OPCODE


def test_golden_lease():
    """The lease of 1,700,000,000,000 ms has the bytes of the specification."""
    payload = encode_lease_payload(1_700_000_000_000)

    assert payload == bytes.fromhex("02 0000018bcfe56800")
    assert decode_lease(payload[1:]) == 1_700_000_000_000


@pytest.mark.parametrize("length", [0, 7, 9])
def test_lease_of_another_length(length):
    """A lease of any other length is malformed."""
    with pytest.raises(LeaseMalformed):
        decode_lease(bytes(length))


def test_encryption_range():
    """The opcodes 0x03 to 0x07 belong to encryption, and no others."""
    assert list(ENCRYPTION_OPCODES) == [3, 4, 5, 6, 7]


def test_golden_bootstrap_and_rotation_payloads():
    """Bootstrap and rotation carry their opcode in front of their payload."""
    bootstrap = Bootstrap(1, b"\xaa\xbb", 2, b"\xcc", (Registration(1, 5, 0),))
    rotation = Rotation(1, 3, 1, b"\xdd\xee", Registration(3, 0x1122334455660A0B, 4))

    assert encode_bootstrap_payload(bootstrap)[0] == 0x04
    assert decode_bootstrap(encode_bootstrap_payload(bootstrap)[1:]) == bootstrap
    assert encode_rotation_payload(rotation) == bytes.fromhex(
        "05 01 01 00000003 01 00000002 ddee 00000003 1122334455660a0b 0004"
    )
    assert decode_rotation(encode_rotation_payload(rotation)[1:]) == rotation
