"""The specification's scenario A1' in all its variants, built from the example file, and what must hold besides the verdict; for any world."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import msgspec

from cluster.encryption.identity import full_node_id
from cluster.encryption.registry_rows import decode_row
from cluster.trace import Applied, HitPoint, Installed, SnapshotTaken, Started, Stopped
from harness.cli.options import known
from harness.scenario import After, FaultEntry, Scenario, load_scenario

__all__ = [
    "EXAMPLES",
    "FAULT_MODEL",
    "MODES",
    "POINT",
    "TARGETS",
    "VARIANTS",
    "check_equal_epoch_replay",
    "check_recoveries",
    "equal_epoch_replay",
    "events",
    "example",
    "fault_model",
]

EXAMPLES = Path(__file__).parents[2] / "examples"

MODES = ("every", "data", "snapshot")
TARGETS = ("leader", "follower", "all")
VARIANTS = list(itertools.product(MODES, ("kill", "power"), TARGETS, (False, True)))
POINT = "eng.after_apply_before_set_applied"
"""Where to strike: the effect is durable, the applied index is not, in every mode."""


FAULT_MODEL = sorted(path.stem for path in (EXAMPLES / "fault-model").glob("*.toml"))
"""The files of the rows whose right answer is not "survives"."""


def fault_model(name: str) -> tuple[Scenario, str]:
    """The scenario of such a row, and its right verdict as the head of its file says it."""
    text = (EXAMPLES / "fault-model" / f"{name}.toml").read_text()
    (right,) = re.findall(r"^# Right verdict: (valid|unknown)\.$", text, re.MULTILINE)
    return load_scenario(text, known()), {"valid": "true"}.get(right, right)


def example(name: str) -> Scenario:
    """The example file of that name."""
    return load_scenario((EXAMPLES / f"{name}.toml").read_text(), known())


def equal_epoch_replay(mode: str, action: str, target: str, again: bool) -> Scenario:
    """The scenario A1' for one variant."""
    base = example("a1-equal-epoch-replay")
    registered = After(f="register", delay_s=0.5)
    order = {"opcode": 3, "action": action}
    order["point"] = POINT
    acts = [("arm", [target], order), ("await-exit", [], {}), ("dump", [], {})]
    if again:
        acts += [("arm", ["down"], order), ("start", [], {})]
        acts += [("await-exit", [], {"timeout_s": 2.0}), ("dump", [], {})]
    faults = [FaultEntry(f=f, targets=to, value=value, when=registered) for f, to, value in acts]
    back = registered if target == "all" else After(f="write", nth=2)
    faults.append(FaultEntry(f="start", when=back))
    return msgspec.structs.replace(
        base,
        time_limit_s=20.0,
        options={**base.options, "durability": mode},
        stimuli={f"crash_points_hit/{POINT}": 1},
        faults=faults,
    )


def events(finished, kind):
    return [event for event in finished.trace if type(event) is kind]


def entry_of(finished, epoch):
    """The raft index of the registration with this epoch."""
    (index,) = {event.index for event in events(finished, Applied) if event.epoch_entry == epoch}
    return index


def check_disks(finished, index):
    """The first dump shows the new row under an applied index that does not cover it."""
    struck = [hit.node for hit in events(finished, HitPoint) if hit.index == index]
    dump = next(op for op in finished.history if op.f == "dump" and op.value.get("disks"))
    assert struck
    for node, disk in dump.value["disks"].items():
        assert node in struck
        store = disk["groups"]["0"]["store"]
        (row,) = store["rows"].values()
        assert decode_row(bytes.fromhex(row)).last_seen_epoch == 2
        assert store["applied"] < index


def check_replays(finished, index, mode):
    """Whatever a later life applied again up to `index` changed no row, unless its store was rebuilt from nothing."""
    again = [
        event
        for event in events(finished, Applied)
        if event.opcode == 3 and event.incarnation > 1 and event.index <= index
    ]
    assert index in {event.index for event in again}
    for event in again:
        if mode == "snapshot":
            assert event.decision in ("insert", "advance")
            continue
        assert event.decision == ("noop" if event.index == index else "noop_older")
        assert event.row_writes == 0
        assert event.row_after == event.row_before


def check_registry(finished):
    """At the end every node has the one row, first epoch 1, last epoch 2."""
    (read,) = [op for op in finished.history if op.f == "read-rows" and op.type == "ok"]
    assert sorted(read.value) == ["n1", "n2", "n3"]
    for seen in read.value.values():
        (row,) = [decode_row(bytes.fromhex(value)) for value in seen["rows"].values()]
        assert row.full_node_id == full_node_id("n1")
        assert (row.first_seen_epoch, row.last_seen_epoch) == (1, 2)


def check_quorum(finished):
    """While the one node was down, a client's write was acknowledged."""
    died_ns = next(event.at_ns for event in events(finished, Stopped) if event.cause != "stop")
    back_ns = max(event.at_ns for event in events(finished, Started) if event.incarnation > 1)
    invoked = {}
    between = []
    for op in finished.history:
        if op.f == "write" and op.type == "invoke":
            invoked[op.process] = op.time_ns
        elif op.f == "write" and op.type == "ok" and invoked[op.process] > died_ns:
            between.append(op.time_ns)
    assert between
    assert min(between) < back_ns


def check_equal_epoch_replay(finished, variant) -> None:
    """Read every promise of A1' off trace, history and disks once more. Raises AssertionError."""
    mode, _, target, _ = variant
    index = entry_of(finished, 2)
    check_disks(finished, index)
    check_replays(finished, index, mode)
    check_registry(finished)
    if target != "all":
        check_quorum(finished)


def check_recoveries(finished) -> None:
    """A4: whoever lost power is as a replica that nothing happened to meanwhile, at one applied index. Raises AssertionError."""
    told = {}
    """(group, index) -> what was told there: (node, incarnation, time, hash)."""
    for event in finished.trace:
        if isinstance(event, Applied | Installed | SnapshotTaken) and event.state_hash:
            said = (event.node, event.incarnation, event.at_ns, event.state_hash)
            told.setdefault((event.group, event.index), []).append(said)
    ends = [(end.node, end.at_ns) for end in events(finished, Stopped)]
    for loss in events(finished, Stopped):
        if loss.cause != "power":
            continue

        def undisturbed(node, until_ns, loss=loss):
            return node != loss.node and not any(
                one == node and loss.at_ns <= at_ns <= until_ns for one, at_ns in ends
            )

        agreed = any(
            node == loss.node and incarnation > loss.incarnation and check == other_check
            for said in told.values()
            for node, incarnation, at_ns, check in said
            for other, _, other_ns, other_check in said
            if undisturbed(other, max(at_ns, other_ns))
        )
        assert agreed, f"{loss.node} came back after life {loss.incarnation} and agreed with nobody"
