"""Events, values and times in words. Nothing here decides what is shown; callers do.

One table maps each kind of trace event to its sentence, so that a new kind is one line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from cluster.trace import (
    Appended,
    Applied,
    Armed,
    Committed,
    Event,
    FalseClaim,
    Fault,
    Halted,
    HitPoint,
    Installed,
    Passed,
    Reconfigured,
    RoleChanged,
    SnapshotTaken,
    Started,
    Stopped,
    Transferred,
)

__all__ = [
    "ROLES",
    "compact",
    "duration_phrase",
    "event_phrase",
    "fact_amount",
    "fact_name",
    "offset_phrase",
    "start_phrase",
    "time_phrase",
]

VALUE_LENGTH_MAX: Final = 120

ROLES: Final = {"pre_candidate": "pre-candidate"}
"""Roles whose word for people differs from the word in the trace."""

_DECISIONS: Final = {
    "noop_entry": "empty entry",
    "configuration": "change of membership",
    "kv": "key-value write",
    "lease": "lease",
    "rejected": "rejected",
    "insert": "row inserted",
    "advance": "row advanced",
    "noop": "equal epoch, nothing changed",
    "noop_older": "older replay, nothing changed",
    "keys": "keys changed",
    "halt": "refused: halt",
}


def time_phrase(time_ns: int) -> str:
    """``8.214 s``; negative (unknown) times give an empty string."""
    return "" if time_ns < 0 else f"{time_ns / 1e9:,.3f} s"


def duration_phrase(duration_ns: int) -> str:
    """A length of time with three digits and the unit that keeps it short: ``340 µs``, ``1.25 s``."""
    for unit_ns, unit in ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")):
        if duration_ns >= unit_ns:
            amount = duration_ns / unit_ns
            return f"{amount:.3g} {unit}" if amount < 1_000 else f"{amount:,.0f} {unit}"
    return f"{duration_ns} ns"


def offset_phrase(offset_ns: int) -> str:
    """A distance in time with its sign: ``−340 µs``, ``+1.25 s``."""
    sign = "±" if offset_ns == 0 else "−" if offset_ns < 0 else "+"
    return sign + duration_phrase(abs(offset_ns))


def start_phrase(started: str) -> str:
    """A start time as the store writes it (``20261124T221408.217Z``) for people; any other text as it is."""
    match = re.fullmatch(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(?:\.\d+)?Z(-\d+)?", started)
    if match is None:
        return started
    year, month, day, hour, minute, second, again = match.groups()
    number = f", number {again[1:]} of that moment" if again else ""
    return f"{year}-{month}-{day} {hour}:{minute}:{second} UTC{number}"


def compact(value: Any) -> str:
    """`value` as short JSON, cut at a length that fits a line; nothing for None."""
    if value is None:
        return ""
    text = msgspec.json.encode(value, enc_hook=repr).decode()
    return text if len(text) <= VALUE_LENGTH_MAX else text[: VALUE_LENGTH_MAX - 1] + "…"


def fact_name(name: str) -> str:
    """``lost_sync_writes`` -> ``lost sync writes``; the unit of a time goes to its value."""
    return name.removesuffix("_ns").replace("_", " ")


def fact_amount(name: str, value: Any) -> str:
    """The value of the fact `name`: numbers with separators, times (``_ns``) with a unit."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value if isinstance(value, str) else compact(value)
    if name.endswith("_ns"):
        return duration_phrase(int(value)) if value >= 0 else "never"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def event_phrase(event: Event) -> str:
    """One sentence, without node and time, for any event of the trace."""
    return _PHRASES[type(event)](event)


def _started(event: Started) -> str:
    words = f"started (start {event.incarnation}): applied index on disk {event.have:,}, log ends at {event.last_index:,}"
    if event.restored:
        words += f", store rebuilt from the snapshot at {event.snapshot_index:,}"
    if event.torn_bytes:
        words += f", {event.torn_bytes:,} bytes of a torn log tail cut off"
    return words


def _applied(event: Applied) -> str:
    words = "replayed" if event.replay else "applied"
    words += f" entry {event.index:,}: {_DECISIONS.get(event.decision, event.decision)}"
    if event.epoch_entry >= 0:
        row = "no row" if event.epoch_row < 0 else f"row epoch {event.epoch_row}"
        words += f" (entry epoch {event.epoch_entry}, {row}, {event.row_writes} row writes)"
    return words + (f", {event.error_class}" if event.error_class else "")


def _appended(event: Appended) -> str:
    first, last = event.entries[0][0], event.entries[-1][0]
    span = f"entry {first:,}" if first == last else f"entries {first:,} to {last:,}"
    return f"wrote {span} to its log" + (", durable" if event.durable else ", not yet durable")


def _stopped(event: Stopped) -> str:
    words = f"process gone: {event.cause} (exit code {event.exit_code})"
    # A halt was told by its own event; what the process prints about it is for machines.
    return words + (f": {event.message}" if event.message and event.cause != "halt" else "")


def _reconfigured(event: Reconfigured) -> str:
    words = f"voters {', '.join(event.voters) or 'unknown'}"
    if event.outgoing:
        words += f", together with {', '.join(event.outgoing)}"
    if event.learners:
        words += f"; learners {', '.join(event.learners)}"
    how = "applied" if event.applied else "goes by"
    return f"{how} the configuration of entry {event.index:,}: {words}"


def _hit(event: HitPoint) -> str:
    at = f" with entry {event.index:,} in hand" if event.index else ""
    return f"crash point {event.point} struck: {event.action}{at}"


_PHRASES: Final[dict[type, Callable[[Any], str]]] = {
    Started: _started,
    RoleChanged: lambda event: f"became {ROLES.get(event.role, event.role)} of term {event.term:,}",
    Appended: _appended,
    Committed: lambda event: f"knows entries up to {event.index:,} committed",
    Applied: _applied,
    Halted: lambda event: f"halted at entry {event.index:,}: {event.error_class}: {event.message}",
    SnapshotTaken: lambda event: f"snapshot at {event.index:,} ({event.size_bytes:,} bytes)",
    Reconfigured: _reconfigured,
    Transferred: lambda event: f"was asked by the leader to lead, and does in term {event.term:,}",
    Installed: lambda event: f"installed the leader's snapshot at {event.index:,}",
    Armed: lambda event: f"crash point {event.point} armed: {event.action}",
    HitPoint: _hit,
    Passed: lambda event: f"passed {event.point} as {ROLES.get(event.role, event.role)}",
    FalseClaim: lambda event: (
        f"claimed {event.durable_id} durable below {event.path}, but: {event.missing}"
    ),
    Stopped: _stopped,
    Fault: lambda event: " ".join(
        ["fault:", event.action, *([str(event.amount)] if event.amount else []), event.target]
    ).rstrip(),
}
