"""The judge of disk images, on images made by hand: each law has an image that breaks it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cluster.encryption.identity import full_node_id, node16
from cluster.encryption.payloads import Registration
from cluster.encryption.registry_rows import RegistryRow, encode_row, registry_key
from cluster.machine.entries import encode_entry, encode_registration_payload
from cluster.trace import Appended, Applied, Committed
from harness.checkers.images import ImageJudge, ImageSeen, Promised, Woken

WRITER = full_node_id("w")
KEY = (1, node16(WRITER))
LIFE: dict[str, Any] = {"node": "n1", "incarnation": 1}


def registered(epoch: int) -> bytes:
    registration = Registration(dek_id=1, full_node_id=WRITER, local_epoch=epoch)
    return encode_entry(7, encode_registration_payload(registration))


def row(epoch: int) -> str:
    return encode_row(RegistryRow(WRITER, 1, epoch)).hex()


ROW_KEY = registry_key(*KEY).hex()
ENTRIES = ((1, 1, b""), (2, 1, registered(1)), (3, 1, registered(2)), (4, 1, b""))
TRACE = [
    Appended(**LIFE, entries=ENTRIES, durable=True),
    Committed(**LIFE, index=4, term=1),
    *[
        Applied(**LIFE, index=index, term=1, opcode=0, digest=0, replay=False, decision="kv", state_hash=index * 11)
        for index in range(1, 5)
    ],
]  # fmt: skip
PROMISED = Promised(
    term=1,
    vote_term=1,
    vote="n2",
    snapshot=0,
    up_to=4,
    entries={index: (1, index) for index in range(1, 5)},
    rows={KEY: 3},
)
STATE = {
    "term": 1,
    "applied": 4,
    "last_index": 4,
    "snapshot_index": 0,
    "state_hash": 44,
    "rows": {ROW_KEY: row(2)},
    "recovering": False,
}


def image(**changes: Any) -> ImageSeen:
    """A right image; `changes` are of its log, its store (``store_``), its dump, or its starts."""
    log = {
        "term": 1,
        "vote": "n2",
        "commit": 4,
        "snapshot_index": 0,
        "entries": [[index, 1, index] for index in range(1, 5)],
    }
    store = {"applied": 4, "rows": {ROW_KEY: row(2)}, "state_hash": 44}
    dump: dict[str, Any] = {"log": log, "snapshots": [], "store": store}
    first = Woken(how="the crash", refusal="", halted_at=None, state=STATE)
    parts: dict[str, Any] = {"first": first, "again": [first]}
    for name, value in changes.items():
        place, field = (store, name[6:]) if name.startswith("store_") else (log, name)
        if name in parts:
            parts[name] = value
        elif name in dump:
            dump[name] = value
        else:
            place[field] = value
    return ImageSeen(node="n1", group=0, point="reg.after_set", words="", dump=dump, **parts)


def woken(**changes: Any) -> Woken:
    """A start that went otherwise."""
    right = image().first
    fields = {name: changes.pop(name) for name in ("refusal", "halted_at") if name in changes}
    return msgspec.structs.replace(right, **fields, state={**STATE, **changes})


def broken(seen: ImageSeen, promised: Promised = PROMISED) -> list[str]:
    """The laws that an image breaks."""
    return [found["invariant"] for found in ImageJudge(TRACE).judge(promised, seen)]


def test_a_right_image_is_right():
    """Nothing is found on it."""
    assert broken(image()) == []


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"first": woken(refusal="it refused: LogDamaged: x")}, "L1"),
        ({"first": woken(refusal="it halted: x", halted_at=(0, 3))}, "L1"),
        ({"again": [woken(refusal="it refused: x")]}, "L1"),
        ({"term": 0}, "D5"),
        ({"vote": "n3"}, "D5"),
        ({"vote": ""}, "D5"),
        ({"entries": [[1, 1, 1], [2, 1, 2], [3, 1, 3], [4, 1, 9]]}, "D5"),
        ({"store_state_hash": 45}, "I5"),
        ({"store_rows": {}}, "I5"),
        ({"store_rows": {ROW_KEY: row(1)}}, "I5"),
        ({"store_rows": {ROW_KEY: "00"}}, "I5"),
        ({"store_rows": {ROW_KEY: row(2), registry_key(7, 7).hex(): row(2)}}, "I5"),
        ({"first": woken(state_hash=45), "again": []}, "I5"),
        ({"again": [woken(applied=3)]}, "I5"),
        ({"store": {"unreadable": "StoreRefused: x"}}, "I26"),
        ({"snapshot_index": 2, "entries": [[3, 1, 3], [4, 1, 4]]}, "I26"),
        (
            {"snapshot_index": 2, "entries": [[3, 1, 3], [4, 1, 4]], "snapshots": [{"index": 2, "usable": False}]},
            "I26",
        ),
        ({"store_applied": 5}, "I26"),
    ],
)  # fmt: skip
def test_each_law_can_be_broken(changes: dict[str, Any], law: str):
    """One thing is wrong, and its law is named."""
    assert broken(image(**changes)) == [law]


def test_a_missing_entry_is_lost():
    """The log ends before what was vouched for; the store, ahead of it, has no log that covers it either."""
    assert broken(image(entries=[[1, 1, 1], [2, 1, 2], [3, 1, 3]])) == ["D5", "I26"]


def test_a_later_term_may_replace():
    """A log of a later term may differ from where it differs, and be shorter behind."""
    seen = image(term=2, entries=[[1, 1, 1], [2, 1, 2], [3, 2, 8]], store_applied=2, store_rows={ROW_KEY: row(1)}, store_state_hash=22)  # fmt: skip

    assert broken(seen, msgspec.structs.replace(PROMISED, rows={})) == []


def test_a_row_may_be_ahead_and_never_behind_its_claim():
    """At applied 2 the row of entry 3 may be there; once it was claimed durable it must."""
    behind = image(store_applied=2, store_rows={ROW_KEY: row(1)}, store_state_hash=22)
    ahead = image(store_applied=2)
    unclaimed = msgspec.structs.replace(PROMISED, rows={})

    assert broken(ahead) == []
    assert broken(behind, unclaimed) == []
    assert broken(behind) == ["I5"]


def test_a_snapshot_and_the_log_behind_it_cover():
    """Entries in front of a whole snapshot are not missed."""
    covered = {"entries": [[3, 1, 3], [4, 1, 4]], "snapshots": [{"index": 2, "usable": True}]}

    assert broken(image(snapshot_index=2, **covered)) == []


def test_a_halt_where_all_must_halt_is_right():
    """An epoch that goes back halts every replica, and every start halts again."""
    entries = (*ENTRIES, (5, 1, registered(1)))
    trace = [
        Appended(**LIFE, entries=entries, durable=True),
        Committed(**LIFE, index=5, term=1),
        *TRACE[2:],
    ]
    halted = woken(refusal="it halted: x", halted_at=(0, 5))
    judge = ImageJudge(trace)

    assert judge.judge(PROMISED, image(first=halted, again=[halted])) == []
    assert judge.judge(PROMISED, image(first=halted))[0]["invariant"] == "L1"
