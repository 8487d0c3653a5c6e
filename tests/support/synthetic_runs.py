"""Runs made by hand for the report: what a five-node cluster could have told, without running one.

`synthetic_run(valid)` gives the same data for the same arguments. The story: n1 leads, n3 dies at a crash point between
apply and the durable applied index, comes back and replays; n1 is cut off and n2 takes over; n4 is paused; n5 loses power.
"""

from __future__ import annotations

import random
from typing import Any

from cluster.trace import (
    Applied,
    Armed,
    Event,
    Fault,
    Halted,
    HitPoint,
    RoleChanged,
    SnapshotTaken,
    Started,
    Stopped,
)
from harness.operation import NEMESIS, Operation
from reports.page import ReportData

NODES = ("n1", "n2", "n3", "n4", "n5")
SECOND = 1_000_000_000
END = 15 * SECOND
SCENARIO = 'workload = "crash-replay"\nworld = "sim"\nseed = 4711\nnemesis = ["crash-replay", "partition"]\n'

_FACTS: dict[str, Any] = {
    "replayed_noops": 4,
    "replayed_entries": 37,
    "halts_expected": 0,
    "halts_unexpected": 0,
    "rollbacks_halted": 0,
    "crash_points_hit": {"eng.after_apply_before_set_applied": 1, "reg.after_set": 2},
    "kills": 3,
    "power_losses": 1,
    "acked_sync_writes": 118,
    "lost_sync_writes": 0,
    "snapshots": 9,
    "restores": 1,
    "restarts": 4,
    "leader_changes": 2,
    "hashes_compared": 1_840,
}


def synthetic_run(valid: Any, *, operations: int = 1_700) -> ReportData:
    """The run that ended `valid`: True, False (n3 halts on its replay) or ``"unknown"`` (nothing was replayed)."""
    trace = _trace(halting=valid is False, crashing=valid != "unknown")
    history = _history(operations)
    return ReportData(results=_results(valid), history=history, trace=trace, scenario=SCENARIO)


def _history(operations: int) -> list[Operation]:
    dice = random.Random(7)
    history: list[Operation] = []
    threads = [(0, process) for process in range(10)]
    crashed = 0
    for number in range(operations):
        at, process = threads.pop(0)
        key = f"k{dice.randrange(6)}"
        f, value = dice.choice(
            (("read", [key, None]), ("write", [key, number]), ("cas", [key, [number, number + 1]]))
        )
        if number % 19 == 3:
            f, value = "register", {"dek_id": 1, "epoch": number // 19}
        start = at + dice.randrange(20_000_000)
        slow = 5 * SECOND < start < 6.4 * SECOND
        length = int(dice.lognormvariate(14.6, 0.6)) + (dice.randrange(SECOND) if slow else 0)
        kind, error = "ok", ""
        if slow and dice.random() < 0.5:
            kind, error = dice.choice((("info", "no answer within 1 s"), ("fail", "NotLeader")))
        elif f == "cas" and dice.random() < 0.4:
            kind, error = "fail", "the value was another"
        node = NODES[process % 5]
        invoked = Operation(time_ns=start, process=process, f=f, value=value, node=node)
        result = [key, number - 3] if f == "read" else value
        history.append(invoked)
        history.append(
            Operation(
                time_ns=start + length,
                process=process,
                type=kind,
                f=f,
                value=result,
                error=error,
                node=node,
            )
        )
        if kind == "info":
            crashed += 1
            process = 10 * crashed + process
        threads.append((start + length + dice.randrange(130_000_000), process))
        threads.sort()
    for at, f, target in ((2.0, "arm", "n3"), (2.9, "start", ""), (5.0, "start-partition", "n1"), (6.4, "stop-partition", ""),
                          (8.0, "pause", "n4"), (9.3, "resume", ""), (10.6, "power-loss", "n5"), (11.7, "start", "")):  # fmt: skip
        start = int(at * SECOND)
        history += (
            Operation(time_ns=start, process=NEMESIS, type="info", f=f, value={"target": target}),
            Operation(
                time_ns=start + 60_000_000,
                process=NEMESIS,
                type="info",
                f=f,
                value={"target": target, "nodes": [target]},
            ),
        )
    history = [operation for operation in history if operation.time_ns < END]
    history.sort(key=lambda operation: operation.time_ns)
    return [
        Operation(index=index, **{name: getattr(operation, name) for name in
                  ("time_ns", "process", "type", "f", "value", "error", "node")})
        for index, operation in enumerate(history)
    ]  # fmt: skip


def _trace(*, halting: bool, crashing: bool) -> list[Event]:
    events: list[Event] = []

    def add(kind: Any, at_s: float, node: str, incarnation: int = 1, **fields: Any) -> None:
        events.append(
            kind(at_ns=round(at_s * SECOND), node=node, incarnation=incarnation, **fields)
        )

    def started(at_s: float, node: str, incarnation: int, have: int, snapshot: int = 0) -> None:
        add(Started, at_s, node, incarnation, have=have, snapshot_index=snapshot, restored=snapshot > 0,
            last_index=have + 3, commit=have + 1, row_horizon=have, torn_bytes=0)  # fmt: skip

    def role(at_s: float, node: str, name: str, term: int) -> None:
        add(RoleChanged, at_s, node, role=name, term=term, last_index=0, last_term=0)

    for node in NODES:
        started(0.001, node, 1, 0)
    role(0.31, "n1", "pre_candidate", 0)
    role(0.32, "n1", "candidate", 1)
    role(0.34, "n1", "leader", 1)
    for node in NODES[1:]:
        role(0.35, node, "follower", 1)
    down = {"n3": (2.4, 2.9), "n5": (10.6, 11.7)} if crashing else {}
    if halting:
        down["n3"] = (2.4, END / SECOND)
    for index in range(1, 481):
        at_s = 0.4 + index * 0.03
        for place, node in enumerate(NODES):
            begin, end = down.get(node, (99.0, 99.0))
            behind = (5.0 < at_s < 6.4 and node == "n1") or (8.0 < at_s < 9.3 and node == "n4")
            if not begin <= at_s < end and not behind:
                add(Applied, at_s + place * 0.002, node, index=index, term=1, opcode=0, digest=index, replay=False, decision="kv", state_hash=index)  # fmt: skip
        if index % 120 == 0:
            add(SnapshotTaken, at_s, "n2", index=index, size_bytes=40_960, state_hash=index)
    _faults(add, started, role, halting=halting, crashing=crashing)
    events.sort(key=lambda event: event.at_ns)
    return events


def _faults(add: Any, started: Any, role: Any, *, halting: bool, crashing: bool) -> None:
    point = "eng.after_apply_before_set_applied"
    if crashing:
        add(Armed, 2.0, "n3", point=point, action="kill")
        add(HitPoint, 2.4, "n3", point=point, action="kill", index=66, opcode=3, role="follower")
        add(Stopped, 2.4001, "n3", cause="kill", exit_code=-9)
        registration = {"index": 66, "term": 1, "opcode": 3, "digest": 9, "replay": True, "dek_id": 1, "full_node_id": 77, "epoch_entry": 3, "epoch_row": 3}  # fmt: skip
        for start in range(3 if halting else 1):
            at_s = 2.9 + 1.5 * start
            started(at_s, "n3", 2 + start, 65)
            if halting:
                add(Applied, at_s + 0.01, "n3", 2 + start, decision="halt", error_class="LocalEpochRollback", **registration)  # fmt: skip
                add(Halted, at_s + 0.0101, "n3", 2 + start, index=66, opcode=3, error_class="LocalEpochRollback", message="entry epoch 3 is not above row epoch 3")  # fmt: skip
                add(Stopped, at_s + 0.02, "n3", 2 + start, cause="halt", exit_code=78)
            else:
                add(Applied, at_s + 0.01, "n3", 2, decision="noop", **registration)
        add(
            HitPoint,
            10.6,
            "n5",
            point="reg.after_set",
            action="power",
            index=340,
            opcode=3,
            role="follower",
        )
        add(Stopped, 10.6001, "n5", cause="power", exit_code=-9)
        started(11.7, "n5", 2, 240, 240)
    add(Fault, 5.0, "", 0, action="cut", target="n1>n2 n1>n3 n1>n4 n1>n5 n2>n1 n3>n1 n4>n1 n5>n1")
    add(Fault, 6.4, "", 0, action="heal", target="")
    add(Fault, 8.0, "n4", 0, action="pause", target="n4")
    add(Fault, 9.3, "n4", 0, action="resume", target="n4")
    role(5.6, "n2", "pre_candidate", 1)
    role(5.65, "n2", "candidate", 2)
    role(5.7, "n2", "leader", 2)
    for node in ("n4", "n5") if halting else ("n3", "n4", "n5"):
        role(5.71, node, "follower", 2)
    role(6.42, "n1", "follower", 2)


def _results(valid: Any) -> dict[str, Any]:
    facts = dict(_FACTS)
    checkers: dict[str, Any] = {
        "linearizable": {"valid": True, "facts": {"keys": 6, "steps": 12_431}},
        "registry": {"valid": True, "facts": {"registrations_committed": 47, "replayed_noops": 4}},
        "durability": {"valid": True, "facts": {"acked_sync_writes": 118, "lost_sync_writes": 0}},
        "agreement": {"valid": True, "facts": {"hashes_compared": 1_840}},
        "raft": {"valid": True, "facts": {"terms": 2, "leaders": 2}},
        "availability": {"valid": True, "facts": {"progress_after_heal_ms": 231}},
        "stats": {"valid": True, "facts": {"ok": 812, "fail": 63, "info": 25}},
    }
    if valid is False:
        facts.update(halts_unexpected=3, replayed_noops=0)
        checkers["registry"] = {
            "valid": False,
            "facts": {"registrations_committed": 47, "replayed_noops": 0, "halts_unexpected": 3},
            "evidence": [_halt_evidence(2.91), _halt_evidence(4.41)],
        }
        checkers["restart-loop"] = {
            "valid": False,
            "facts": {"starts_in_a_row": 3},
            "evidence": [{"what": "n3 halted at entry 66 at 3 starts in a row: it will never come back by itself.",
                          "invariant": "L4", "node": "n3", "index": 66, "time_ns": 5_910_100_000, "operations": [40, 41]}],
        }  # fmt: skip
    elif valid == "unknown":
        facts.update(
            replayed_noops=0,
            replayed_entries=0,
            kills=0,
            power_losses=0,
            restarts=0,
            crash_points_hit={},
        )
        checkers["registry"] = {"valid": "unknown", "facts": {}, "evidence": [
            {"what": "No registration was replayed: nothing can be said about equal epochs.", "invariant": "stimulus"}]}  # fmt: skip
    return {
        "valid": valid,
        "workload": "crash-replay",
        "world": "sim",
        "seed": 4_711,
        "nodes": list(NODES),
        "duration_ns": END,
        "fingerprint": "9c1f04b7",
        "started": "2026-11-24 03:12:09",
        "bug": "B-S1" if valid is False else "",
        "facts": facts,
        "checkers": checkers,
        "stimuli": [
            _stimulus(facts, name) for name in ("replayed_noops", "crash_points_hit", "restarts")
        ],
    }


def _stimulus(facts: dict[str, Any], name: str) -> dict[str, Any]:
    seen = facts[name]
    seen = sum(seen.values()) if isinstance(seen, dict) else seen
    return {"fact": name, "needed": 1, "seen": seen, "met": seen >= 1}


def _halt_evidence(at_s: float) -> dict[str, Any]:
    return {
        "invariant": "I1",
        "what": "n3 halted while replaying its own registration at entry 66, after a crash at "
        "eng.after_apply_before_set_applied: the entry's epoch 3 equals the row's epoch 3, so the replay must change nothing.",
        "node": "n3",
        "group": 0,
        "index": 66,
        "crash_point": "eng.after_apply_before_set_applied",
        "epoch_entry": 3,
        "epoch_row": 3,
        "time_ns": round(at_s * SECOND) + 100_000,
    }
