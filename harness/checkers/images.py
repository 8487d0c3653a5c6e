"""Whether a node comes back from one disk image that a crash may have left, with everything that was relied on.

Judged of each image (invariants of the specification; L1 is "it starts"):

* L1: the node starts. The fault model has no crash after which a correct node refuses; where the log holds an entry at which
  every replica must halt, it may halt at that one again.
* D5: term and vote are those it told others of, and the entries that it acknowledged are in its log. An entry that is
  missing is excused where the log shows that a later term replaced it or one in front of it.
* I26: a whole snapshot and a log without a gap behind it cover the durable applied index.
* I5: at durable applied index `a` the store has the state that every replica had at `a`; registry rows may be ahead of it by
  entries of the log, never behind. A row that was claimed durable in this life is not older than that claim.
* recovery ends in a state that the cluster had at its applied index, and is idempotent: killed, or its power lost, right after
  it, it comes to the same state again.

I24 speaks of a sidecar file, which the cluster does not have; its part about epochs of rows is the last sentence of I5.

The images are read by the cluster's dump of a stopped disk, and made and booted by the campaign; no code of the node runs here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cluster.encryption.identity import node16
from cluster.encryption.registry_rows import (
    RegistryKeyMalformed,
    RegistryValueMalformed,
    decode_key,
    decode_row,
)
from cluster.trace import Applied, Event
from harness.checkers.evidence import finding
from harness.checkers.registry_fold import RowKey, Version, registry_folds

__all__ = ["ImageJudge", "ImageSeen", "Promised", "Woken"]

SAME_AFTERWARDS = ("term", "applied", "last_index", "snapshot_index", "state_hash", "rows")
"""What of a node's state must not depend on how often it recovered."""


class Promised(msgspec.Struct, frozen=True, kw_only=True):
    """What others may rely on of one group of one node at one moment.

    `entries`: index -> (term, crc of the data) of the log as far as it was acknowledged or told durable, up to `up_to`; no
    entry stands at or below `snapshot`. `vote` is who got the vote in `vote_term`. `rows`: row -> index of its newest durable
    version in this life.
    """

    term: int
    vote_term: int
    vote: str
    snapshot: int
    up_to: int
    entries: Mapping[int, tuple[int, int]]
    rows: Mapping[RowKey, int]


class Woken(msgspec.Struct, frozen=True, kw_only=True):
    """A start: `how` the node had ended before, `refusal` in words or empty, and the live state it came to.

    `halted_at` is (group, index) of the entry at which it halted.
    """

    how: str
    refusal: str
    halted_at: tuple[int, int] | None
    state: Mapping[str, Any]


class ImageSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One image. `words` say which one it is, `dump` what stands on it, `first` and `again` how starts on it went."""

    node: str
    group: int
    point: str
    words: str
    dump: Mapping[str, Any]
    first: Woken
    again: Sequence[Woken]


class ImageJudge:
    """Judges images of one finished run, whose whole trace is known."""

    name = "images"

    def __init__(self, trace: Sequence[Event]) -> None:
        self._hashes: dict[tuple[int, int], int] = {}
        """(group, index) -> hash of the state after it, as the first replica told it."""
        for event in trace:
            if type(event) is Applied and event.state_hash:
                self._hashes.setdefault((event.group, event.index), event.state_hash)
        self._folds = registry_folds(trace)

    def judge(self, promised: Promised, seen: ImageSeen) -> list[dict[str, Any]]:
        """Return what is wrong with the image, empty when nothing is."""
        found: list[dict[str, Any]] = []

        def wrong(invariant: str, what: str) -> None:
            text = f"{seen.node} at {seen.point}, {seen.words}: {what}"
            about = {"node": seen.node, "group": seen.group, "crash_point": seen.point}
            found.append({**finding(self.name, invariant, text), **about})

        if seen.first.refusal and not self._must_halt(seen.first):
            wrong("L1", f"the node does not start: {seen.first.refusal}")
            return found
        unreadable = [
            f"{part}: {content['unreadable']}"
            for part, content in seen.dump.items()
            if isinstance(content, Mapping) and "unreadable" in content
        ]
        if unreadable:
            wrong("I26", f"the node started on what nobody can read: {'; '.join(unreadable)}")
            return found
        problems = [
            *_hard_state(promised, seen.dump["log"]),
            *_entries(promised, seen.dump["log"]),
            *_recoverable(seen.dump),
            *self._store(promised, seen),
            *self._awake(seen),
        ]
        for invariant, what in problems:
            wrong(invariant, what)
        return found

    def _store(self, promised: Promised, seen: ImageSeen) -> list[tuple[str, str]]:
        """I5."""
        store = seen.dump["store"]
        applied = store["applied"]
        fold = self._folds.get(seen.group)
        rows = _decoded(store["rows"])
        if rows is None or fold is None:
            return [("I5", "a registry row or its key is malformed")] if rows is None else []
        until = max(_last_index(seen.dump["log"]), applied)
        problems = [
            ("I5", what)
            for key in dict.fromkeys([*fold.versions, *rows])
            if (
                what := _row_problem(
                    key,
                    rows.get(key, b""),
                    now=fold.row_at(key, applied),
                    ahead=fold.ahead(key, applied + 1, until),
                    floor=promised.rows.get(key, 0),
                )
            )
        ]
        at_applied = all(
            rows.get(key, b"") == fold.row_at(key, applied).row for key in fold.versions
        )
        known = self._hashes.get((seen.group, applied))
        if not problems and at_applied and known not in (None, store["state_hash"]):
            what = f"the store says applied {applied} and holds another state than the cluster had there"
            problems.append(("I5", what))
        return problems

    def _must_halt(self, woken: Woken) -> bool:
        """Whether it halted, and that was right."""
        if woken.halted_at is None:
            return False
        group, index = woken.halted_at
        fold = self._folds.get(group)
        return fold is not None and fold.halt is not None and fold.halt.index == index

    def _awake(self, seen: ImageSeen) -> list[tuple[str, str]]:
        """The state after recovery, and after another one."""
        if seen.first.refusal:
            halts = all(self._must_halt(again) for again in seen.again)
            return [] if halts else [("L1", "it halts once, and after another crash not again")]
        state = seen.first.state
        known = self._hashes.get((seen.group, state["applied"]))
        problems: list[tuple[str, str]] = []
        if not state["recovering"] and known not in (None, state["state_hash"]):
            what = (
                f"recovery came to another state at {state['applied']} than the cluster had there"
            )
            problems.append(("I5", what))
        for again in seen.again:
            if again.refusal:
                what = f"it starts once, and after {again.how} not again: {again.refusal}"
                problems.append(("L1", what))
                continue
            changed = [name for name in SAME_AFTERWARDS if state[name] != again.state[name]]
            if changed:
                words = ", ".join(
                    f"{name} {state[name]} and {again.state[name]}" for name in changed
                )
                problems.append(("I5", f"recovery is not idempotent, after {again.how}: {words}"))
        return problems


def _hard_state(promised: Promised, log: Mapping[str, Any]) -> list[tuple[str, str]]:
    """D5, term and vote."""
    if log["term"] < promised.term:
        return [("D5", f"term {log['term']}; it has told others of term {promised.term}")]
    if log["term"] == promised.vote_term and log["vote"] != promised.vote:
        voted = log["vote"] or "nobody"
        what = f"in term {promised.vote_term} it voted for {promised.vote}; the disk says {voted}"
        return [("D5", what)]
    return []


def _entries(promised: Promised, log: Mapping[str, Any]) -> list[tuple[str, str]]:
    """D5, the log."""
    there = {index: (term, crc) for index, term, crc in log["entries"]}
    base = max(log["snapshot_index"], promised.snapshot)
    if log["snapshot_index"] < promised.snapshot and min(there, default=0) > promised.snapshot + 1:
        return [("D5", f"the log begins at {min(there)}, behind snapshot {promised.snapshot}")]
    for index in range(base + 1, promised.up_to + 1):
        if index not in there:
            what = f"entry {index} is missing; the node has vouched for everything up to {promised.up_to}"
            return [("D5", what)]
        wanted = promised.entries.get(index)
        if wanted is not None and there[index] != wanted:
            if log["term"] > wanted[0]:
                return []  # A later term replaced it, and everything behind it with it.
            return [("D5", f"entry {index} is not the one that the node has vouched for")]
    return []


def _recoverable(dump: Mapping[str, Any]) -> list[tuple[str, str]]:
    """I26."""
    log, applied = dump["log"], dump["store"]["applied"]
    indexes = [entry[0] for entry in log["entries"]]
    usable = [one["index"] for one in dump["snapshots"] if one["usable"]]
    bases = [index for index in usable if index <= log["snapshot_index"]]
    for base in sorted([*bases, *([] if log["snapshot_index"] else [0])], reverse=True):
        behind = [index for index in indexes if index > base]
        whole = behind == list(range(base + 1, base + 1 + len(behind)))
        if whole and base + len(behind) >= max(applied, log["snapshot_index"]):
            return []
    what = (
        f"no whole snapshot with a log behind it covers applied {applied}: usable snapshots "
        f"{usable or 'none'}, the log names {log['snapshot_index']} and holds "
        f"{f'{indexes[0]} to {indexes[-1]}' if indexes else 'nothing'}"
    )
    return [("I26", what)]


def _last_index(log: Mapping[str, Any]) -> int:
    last: int = log["entries"][-1][0] if log["entries"] else log["snapshot_index"]
    return last


def _row_problem(
    key: RowKey, row: bytes, *, now: Version, ahead: Sequence[Version], floor: int
) -> str:
    """What is wrong with the bytes of one row, or nothing; `now` is the row at the applied index."""
    fitting = [version for version in (now, *ahead) if version.row == row]
    if not fitting:
        there, wanted = (raw.hex() or "absent" for raw in (row, now.row))
        return f"row {key} is {there}; at the applied index the log made it {wanted}"
    if fitting[-1].index < floor:
        return f"row {key} is older than its version of entry {floor}, which was claimed durable"
    return ""


def _decoded(rows: Mapping[str, str]) -> dict[RowKey, bytes] | None:
    """Rows by their key; None when one is malformed."""
    found: dict[RowKey, bytes] = {}
    try:
        for key, value in rows.items():
            dek_id, short_id = decode_key(bytes.fromhex(key))
            raw = bytes.fromhex(value)
            if node16(decode_row(raw).full_node_id) != short_id:
                return None
            found[dek_id, short_id] = raw
    except (RegistryKeyMalformed, RegistryValueMalformed):
        return None
    return found
