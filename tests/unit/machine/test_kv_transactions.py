"""Transactions over several keys: what each micro-operation does, all or nothing, once, and as bytes."""

import msgspec
import pytest
from machine_lab import Lab, LabProbe

from cluster.machine.kv_requests import (
    MICRO_OPERATIONS_MAX,
    KvMalformed,
    KvRequest,
    KvResponse,
    MicroOperation,
    decode_batch,
    decode_kv,
    encode_batch,
    encode_kv,
    kv_request,
    micro_operations,
    only_looks,
)
from cluster.machine.transactions import RESULT_BYTES_MAX


@pytest.fixture
def lab():
    """A replica with nothing in it."""
    return Lab()


def txn(lab, *operations, **fields):
    return lab.ask("txn", "", [list(one) for one in operations], **fields).result


def test_results_stand_in_the_order_of_the_operations(lab):
    """Each micro-operation has its result, and sees what those before it did."""
    response = txn(
        lab,
        ["r", "x", None],
        ["w", "x", 1],
        ["r", "x", None],
        ["append", "l", 7],
        ["append", "l", 8],
        ["r", "l", None],
        ["take", "l", None],
        ["add", "n", 5],
        ["add", "n", -2],
        ["delete", "x", None],
        ["r", "x", None],
    )

    assert response == KvResponse(True, [None, None, 1, None, None, [7, 8], 7, 5, 3, None, None])
    assert [lab.machine.read(key) for key in ("x", "l", "n")] == [None, [8], 3]


def test_a_comparison_that_fails_undoes_everything(lab):
    """Nothing of a transaction happens whose compare found another value; the response says which and what."""
    lab.put("a", 1)

    response = txn(lab, ["w", "b", 2], ["compare", "a", 0], ["w", "c", 3])

    assert response == KvResponse(False, [1, 1], "mismatch")
    assert [lab.machine.read(key) for key in "abc"] == [1, None, None]
    assert txn(lab, ["compare", "b", None], ["compare", "a", 1], ["w", "a", 2]).ok


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (["append", "text", 1], "not_a_list"),
        (["take", "text", None], "not_a_list"),
        (["add", "text", 1], "not_a_number"),
        (["add", "most", 1], "too_large"),
        (["compare", "one", True], "mismatch"),
    ],
)
def test_what_cannot_be_done_ends_the_transaction(lab, operation, error):
    """An operation on a value of another kind is an error of the whole, the same on every replica."""
    for key, value in (("text", "t"), ("most", 2**63 - 1), ("one", 1)):
        lab.put(key, value)

    response = txn(lab, ["w", "other", 1], operation)

    assert (response.ok, response.error) == (False, error)
    assert lab.machine.read("other") is None


def test_an_empty_queue_gives_nothing(lab):
    """Taking from no list and from an empty one results in None and changes nothing."""
    assert txn(lab, ["take", "q", None]).value == [None]
    txn(lab, ["append", "q", 1], ["take", "q", None])
    assert txn(lab, ["take", "q", None]).value == [None]
    assert lab.machine.read("q") == []


def test_results_are_bounded(lab):
    """A transaction whose results exceed the bound is refused and has no effect."""
    lab.put("big", "x" * (RESULT_BYTES_MAX // 2))

    assert txn(lab, ["r", "big", None]).ok
    response = txn(lab, ["r", "big", None], ["r", "big", None], ["w", "k", 1])
    assert response == KvResponse(False, None, "too_large")
    assert lab.machine.read("k") is None


def test_a_retry_gets_the_first_answer(lab):
    """The session keeps what was read: the same request again changes nothing and answers the same."""
    first = txn(lab, ["add", "n", 1], ["r", "x", None], client="c", sequence=1)
    lab.put("x", 9, client="other")

    again = txn(lab, ["add", "n", 1], ["r", "x", None], client="c", sequence=1)

    assert again == first == KvResponse(True, [1, None])
    assert lab.machine.read("n") == 1


@pytest.mark.parametrize("kind", ["kill", "power"])
def test_a_crash_leaves_all_or_nothing(kind):
    """Whenever the batch of the transaction is struck, its keys and its session are all there or all missing."""
    lab = Lab()
    lab.put("a", 10)
    lab.machine.flush()
    before = lab.platter.after(kind)
    txn(lab, ["add", "a", -4], ["add", "b", 4], client="t", sequence=1)
    unflushed = Lab(lab.platter.after(kind))
    assert [unflushed.machine.read(key) for key in "ab"] == [10, None]
    lab.machine.flush()
    flushed = Lab(lab.platter.after(kind))
    assert [flushed.machine.read(key) for key in "ab"] == [6, 4]
    again = txn(flushed, ["add", "a", -4], ["add", "b", 4], client="t", sequence=1)
    assert again.value == [6, 4]
    assert flushed.machine.read("a") == 6
    assert before.synced != lab.platter.synced


def test_looking_at_a_state(lab):
    """A transaction that only looks is answered at once and leaves no trace."""
    lab.put("a", 1)
    state = lab.machine.state_hash()

    looked = lab.machine.look(micro_operations([["r", "a"], ["compare", "a", 1], ["r", "b"]]))

    assert looked == KvResponse(True, [1, None, None])
    assert lab.machine.state_hash() == state


def test_which_transactions_only_look():
    """Reads and comparisons look; everything else changes something."""
    looking = micro_operations([["r", "a"], ["compare", "b", 1]])

    assert only_looks(looking)
    for op, value in (("w", 1), ("append", 1), ("add", 1), ("take", None), ("delete", None)):
        assert not only_looks((*looking, MicroOperation(op, "c", value)))


def test_golden_transaction():
    """A transaction is this array, so that another program can write one."""
    payload = encode_kv(KvRequest("c", 1, "txn", "", [["r", "x"], ["w", "y", 5]]))

    assert payload == b"\x00\x96\xa1c\x01\xa3txn\xa0\x92\x92\xa1r\xa1x\x93\xa1w\xa1y\x05\xc0"
    operations = micro_operations(decode_kv(payload[1:]).value)
    assert operations == (MicroOperation("r", "x"), MicroOperation("w", "y", 5))


def test_named_micro_operations_become_three_fields():
    """However a client spells them, the log has operation, key and value."""
    request = kv_request(
        {
            "client": "c",
            "sequence": 1,
            "op": "txn",
            "key": "",
            "value": micro_operations([["r", "x"]]),
        }
    )

    assert request.value == [["r", "x", None]]


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        [["r", "x"]] * (MICRO_OPERATIONS_MAX + 1),
        [["r"]],
        [["r", "x", 1]],
        [["take", "x", 1]],
        [["delete", "x", 1]],
        [["add", "x", 1.5]],
        [["add", "x", True]],
        [["add", "x"]],
        [["rename", "x", 1]],
        [["w", 1, 1]],
        [["w", "x", 1, 1]],
        [7],
    ],
)
def test_malformed_transactions(value):
    """What is no list of micro-operations is no request, alone and in a batch, and its entry is rejected whole."""
    request = KvRequest("c", 1, "txn", "", value)
    with pytest.raises(KvMalformed):
        decode_kv(encode_kv(request)[1:])
    with pytest.raises(KvMalformed):
        decode_batch(encode_batch([KvRequest("c", 1, "put", "k", 1), request])[1:])
    lab = Lab()
    outcome = lab.apply(encode_batch([KvRequest("c", 1, "put", "k", 1), request]))
    assert (outcome.decision, outcome.error_class) == ("rejected", "KvMalformed")
    assert lab.machine.read("k") is None


def test_many_operations_are_one_batch():
    """A transaction that touches every key it may becomes durable at one claim."""
    probe = LabProbe()
    lab = Lab(probe=probe)
    txn(lab, *[["w", f"k{number}", number] for number in range(MICRO_OPERATIONS_MAX)])
    assert probe.claims == []
    lab.machine.flush()
    assert [claim[0] for claim in probe.claims] == ["D3"]


def test_values_are_plain_data():
    """Results are what clients can decode, whatever was stored."""
    lab = Lab()
    txn(lab, ["w", "x", {"a": [None, True]}])
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(txn(lab, ["r", "x", None]))) == [
        True,
        [{"a": [None, True]}],
        "",
    ]
