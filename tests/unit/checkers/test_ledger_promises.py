"""Judging exported ledgers: a missing sync is named without asking the node, and a disk that lies convicts no node."""

import zlib

from checker_traces import TraceBuilder, history

from cluster.ledger import LedgerPart, LedgerRecord
from harness.checkers.checker import Run
from harness.checkers.durability import Durability
from harness.checkers.ledger_promises import PROMISES, LedgerJudgement, Synced

STORE = [
    ("mkdir", "g0", {}),
    ("fsync_dir", "", {}),
    ("mkdir", "g0/store", {}),
    ("fsync_dir", "g0", {}),
    ("create", "g0/store/db-wal", {"file": 1}),
    ("fsync_dir", "g0/store", {}),
]
ROW = ("write", "g0/store/db-wal", {"file": 1, "length": 4, "data": b"row1"})
SYNC = ("fsync", "g0/store/db-wal", {"file": 1})


def mark(point: str, index: int) -> tuple[str, str, dict[str, str]]:
    """A crash point passed with this entry in hand."""
    return "mark", point, {"source": f"g0/{index}"}


def part(*operations, image=None) -> LedgerPart:
    """One part: a whole ledger of these operations."""
    records = [LedgerRecord(n, o, path, **more) for n, (o, path, more) in enumerate(operations, 1)]
    return LedgerPart(records, image)


def judged(*parts: LedgerPart) -> LedgerJudgement:
    """The judgement of one node's ledger."""
    judgement = LedgerJudgement("durability")
    judgement.read("n1", parts)
    return judgement


def test_the_sync_behind_an_entry_is_named():
    """With the fsync in front of the mark the promise is kept, and the record says by what."""
    found = judged(part(*STORE, ROW, SYNC, mark("reg.after_set", 7)))
    assert (found.promises, found.broken) == (1, [])
    assert found.synced(0, 7) == [Synced("n1", 8, "g0/store/db-wal")]
    assert found.synced(0, 8) == []


def test_a_missing_sync_is_named_by_file_and_range():
    """One finding for each crash point, with the entry in hand; what the node claims itself plays no part."""
    points = [mark("reg.after_set", 7), mark("reg.after_set", 8), mark("reg.after_return", 8)]
    found = judged(part(*STORE, ROW, *points, SYNC))
    assert [(one["crash_point"], one["index"], one["durable_id"]) for one in found.broken] == [
        ("reg.after_set", 7, "D1"),
        ("reg.after_return", 8, "D1"),
    ]
    assert found.broken[0]["invariant"] == "I12"
    assert found.broken[0]["missing"] == "g0/store/db-wal: bytes 0..4 not fsynced"
    assert found.synced(0, 7) == []


def test_what_lies_elsewhere_is_no_part_of_a_promise():
    """Un-synced bytes of the store do not touch what the log promised."""
    assert judged(part(*STORE, ROW, mark("wal.after_fsync", 0))).broken == []
    assert judged(part(*STORE, ROW, mark("reg.mid_set", 7))).promises == 0


def test_every_durable_write_is_promised_somewhere():
    """D1 to D9 but for the sidecar's D2, which this system does not have."""
    assert sorted({durable_id for durable_id, _ in PROMISES.values()}) == [
        "D1", "D3", "D4", "D5", "D6", "D7", "D8", "D9",
    ]  # fmt: skip


def test_an_image_is_compared_by_content():
    """The right bytes are right; other bytes of the same size are a fault of the disk, and no node's."""
    power = ("power_off", "", {})
    here = {"g0/": (0, 0), "g0/store/": (0, 0)}
    right = {**here, "g0/store/db-wal": (4, zlib.crc32(b"row1"))}
    wrong = {**here, "g0/store/db-wal": (4, zlib.crc32(b"row2"))}
    assert judged(part(*STORE, ROW, SYNC, power, image=right)).differences == []
    found = judged(part(*STORE, ROW, SYNC, power, image=wrong))
    assert found.broken == []
    assert "other bytes than those that were synced" in found.differences[0]["what"]
    assert found.images == 1


def test_a_ledger_that_forgot_compares_nothing():
    """What is not known is counted apart, and neither a pass nor a conviction."""
    records = part(*STORE, ROW, mark("reg.after_set", 7)).records[3:]
    found = judged(LedgerPart(records, {}))
    assert (found.images, found.not_compared, found.promises) == (0, 1, 0)


def run(ledgers) -> Run:
    """A run of one acknowledged write, entry 2, whose nodes kept these ledgers."""
    builder = TraceBuilder()
    builder.put("1", 5)
    plain = builder.run(history("0 invoke write [1,5]", "0 ok write [1,5]"), None)
    return Run(
        nodes=plain.nodes,
        history=plain.history,
        trace=plain.trace,
        options=plain.options,
        final_state=plain.final_state,
        ledgers=ledgers,
    )


def test_the_verdict_rests_on_the_ledgers():
    """Kept promises are counted, a broken one is invalid, a lying disk unknown."""
    kept = part(*STORE, ROW, SYNC, mark("eng.after_resolve", 2))
    verdict = Durability().check(run({"n1": [kept]}))
    assert verdict.valid is True
    assert verdict.facts["acked_synced_by_ledger"] == verdict.facts["acked_sync_writes"] == 1
    broken = part(*STORE, ROW, mark("eng.after_resolve", 2))
    assert Durability().check(run({"n1": [broken]})).valid is False
    lying = part(*STORE, ROW, ("power_loss", "", {}), image={})
    assert Durability().check(run({"n1": [lying]})).valid == "unknown"
