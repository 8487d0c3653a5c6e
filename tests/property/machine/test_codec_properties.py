"""Codecs against hypothesis: what was written is read back, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machine_lab import reader

from cluster.encryption import payloads
from cluster.encryption.errors import EncryptionApplyError
from cluster.encryption.payloads import Bootstrap, Registration, Rotation
from cluster.encryption.registry_rows import (
    RegistryRow,
    decode_key,
    decode_row,
    encode_row,
    registry_key,
)
from cluster.machine.entries import body_of, encode_entry, opcode_of, proposal_id_of
from cluster.machine.kv_requests import KvRequest, decode_kv, encode_kv
from cluster.machine.snapshot_stream import (
    SnapshotError,
    SnapshotHeader,
    encode_dump,
    encode_header,
    restore_pairs,
)

U16 = st.integers(0, 2**16 - 1)
U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
BYTES = st.binary(max_size=40)
TEXT = st.text("ab|é", max_size=5)
REGISTRATIONS = st.builds(Registration, U32, U64, U16)
BOOTSTRAPS = st.builds(
    Bootstrap, U32, BYTES, U32, BYTES, st.lists(REGISTRATIONS, max_size=4).map(tuple)
)
ROTATIONS = st.one_of(
    st.builds(Rotation, st.just(0x01), U32, st.sampled_from([1, 2]), BYTES, REGISTRATIONS),
    st.builds(
        Rotation,
        st.sampled_from([0x04, 0x05]),
        U32,
        st.sampled_from([1, 2]),
        st.just(b""),
        REGISTRATIONS,
    ),
)
ANY_PAYLOAD = st.one_of(
    REGISTRATIONS.map(lambda v: (payloads.encode_registration, payloads.decode_registration, v)),
    BOOTSTRAPS.map(lambda v: (payloads.encode_bootstrap, payloads.decode_bootstrap, v)),
    ROTATIONS.map(lambda v: (payloads.encode_rotation, payloads.decode_rotation, v)),
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXT | BYTES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
REQUESTS = st.builds(
    KvRequest,
    TEXT,
    st.integers(1, 2**63),
    st.sampled_from(["get", "put", "delete", "cas", "append"]),
    TEXT,
    PLAIN,
    PLAIN,
)


@given(ANY_PAYLOAD)
def test_encryption_payloads_round_trip(case):
    """Whatever can be written is read back the same."""
    encode, decode, value = case

    assert decode(encode(value)) == value


@given(ANY_PAYLOAD, st.data())
def test_encryption_payloads_are_strict(case, data):
    """No proper prefix of a payload and no extension of it is a payload."""
    encode, decode, value = case
    encoded = encode(value)

    with pytest.raises(EncryptionApplyError):
        decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])
    with pytest.raises(EncryptionApplyError):
        decode(encoded + data.draw(st.binary(min_size=1, max_size=20)))


@given(st.binary(max_size=60))
def test_foreign_bytes_decode_to_themselves_or_halt(data):
    """Bytes that a decoder accepts are exactly those that the encoder writes; all others are marked errors."""
    for encode, decode in (
        (payloads.encode_registration, payloads.decode_registration),
        (payloads.encode_bootstrap, payloads.decode_bootstrap),
        (payloads.encode_rotation, payloads.decode_rotation),
    ):
        try:
            value = decode(b"\x01" + data)
        except EncryptionApplyError:
            continue
        assert encode(value) == b"\x01" + data


@given(U32, U16, U64, U16, U16)
def test_rows_round_trip(dek_id, node16, full, first, last):
    """Keys and values of rows are read back the same."""
    row = RegistryRow(full, first, last)

    assert decode_key(registry_key(dek_id, node16)) == (dek_id, node16)
    assert decode_row(encode_row(row)) == row


@given(U64, st.binary(min_size=1, max_size=20))
def test_frames_round_trip(proposal_id, payload):
    """A framed payload comes back with its proposal id, opcode and body."""
    data = encode_entry(proposal_id, payload)

    assert (proposal_id_of(data), opcode_of(data), body_of(data)) == (
        proposal_id,
        payload[0],
        payload[1:],
    )


@given(REQUESTS)
def test_requests_round_trip(request):
    """A key-value request comes back the same."""
    assert decode_kv(encode_kv(request)[1:]) == request


@given(U64, U64, st.lists(st.tuples(BYTES, BYTES), max_size=8), U64, st.integers(1, 40))
def test_snapshot_streams_round_trip(ceiling_ms, cutover, pairs, last_commit_ts, most):
    """Header and rows come back the same, however little a read gives."""
    header = SnapshotHeader(ceiling_ms, cutover)
    stream = encode_header(header) + b"".join(encode_dump(pairs, last_commit_ts))

    restored, rows = restore_pairs(reader(stream, most))

    assert (restored, list(rows)) == (header, pairs)


@given(st.binary(max_size=60), st.sampled_from([b"", b"EKVTHLC1", b"EKVTHLC2", b"EKVPBBL1"]))
def test_foreign_streams_are_refused_by_name(data, start):
    """Foreign bytes are either a stream or one of the named errors."""
    try:
        _, rows = restore_pairs(reader(start + data))
        list(rows)
    except SnapshotError:
        pass
