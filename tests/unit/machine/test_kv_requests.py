"""Key-value requests as bytes, and everything that is none."""

import msgspec
import pytest

from cluster.machine.kv_requests import (
    BATCH_MAX,
    KvMalformed,
    KvRequest,
    decode_batch,
    decode_kv,
    decode_value,
    encode_batch,
    encode_kv,
    encode_value,
    kv_request,
)

REQUEST = KvRequest("c1", 7, "cas", "k", [1, {"a": None}], "old")


def test_round_trip():
    """A request and a batch come back as they went, behind their opcodes."""
    payload = encode_kv(REQUEST)
    batch = encode_batch([REQUEST, REQUEST])

    assert payload[0] == 0x00
    assert decode_kv(payload[1:]) == REQUEST
    assert batch[0] == 0x01
    assert decode_batch(batch[1:]) == [REQUEST, REQUEST]


def test_golden_request():
    """A put is this array, so that another program can write one."""
    payload = encode_kv(KvRequest("c1", 7, "put", "k", 5))

    assert payload == b"\x00\x96\xa2c1\x07\xa3put\xa1k\x05\xc0"


def test_truncation_and_extension():
    """Every truncation of a request and of a batch is malformed, and so is a byte too many."""
    for decode, data in (
        (decode_kv, encode_kv(REQUEST)[1:]),
        (decode_batch, encode_batch([REQUEST])[1:]),
    ):
        for length in range(len(data)):
            with pytest.raises(KvMalformed):
                decode(data[:length])
        with pytest.raises(KvMalformed):
            decode(data + b"\x00")


@pytest.mark.parametrize(
    "fields",
    [
        ["c", 0, "put", "k"],
        ["c", -1, "put", "k"],
        ["c", "1", "put", "k"],
        ["c", 1, "transaction", "k"],
        ["c", 1, "put", b"k"],
        [1, 1, "put", "k"],
        ["c", 1, "put"],
        ["c", 1, "put", "k", None, None, None],
        {"client": "c"},
        None,
    ],
)
def test_malformed_fields(fields):
    """A field of the wrong type, an unknown op, a field too few or too many are malformed."""
    with pytest.raises(KvMalformed):
        decode_kv(msgspec.msgpack.encode(fields))


def test_batch_bounds():
    """A batch holds at least one request and at most `BATCH_MAX`."""
    assert len(decode_batch(encode_batch([REQUEST] * BATCH_MAX)[1:])) == BATCH_MAX
    for count in (0, BATCH_MAX + 1):
        with pytest.raises(KvMalformed):
            decode_batch(encode_batch([REQUEST] * count)[1:])


def test_request_from_named_fields():
    """A client's named fields are checked like bytes of the log."""
    fields = {"client": "c", "sequence": 1, "op": "put", "key": "k", "value": 2}

    assert kv_request(fields) == KvRequest("c", 1, "put", "k", 2)
    with pytest.raises(KvMalformed):
        kv_request({**fields, "sequence": "1"})
    with pytest.raises(TypeError):
        kv_request({**fields, "valeu": 2})


@pytest.mark.parametrize(
    "value", [None, 0, -1, 2**63, 1.5, "x", b"y", [1, [2]], {"a": [None, True]}]
)
def test_values_round_trip(value):
    """Plain data goes into the store and comes out the same."""
    assert decode_value(encode_value(value)) == value


def test_values_of_different_types_differ():
    """1, 1.0 and True are different values, though Python takes them for equal."""
    assert len({encode_value(1), encode_value(1.0), encode_value(True)}) == 3
