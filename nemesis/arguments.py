"""What an exact fault of a scenario file may say, operation by operation; everything else is refused before a run starts.

Without this a fault on a node that does not exist, or with a misspelt argument, would be found when its moment comes, or
never: a run in which nothing was broken looks like one that survived.

A fault names its `targets` as a person does, or it is one of a random schedule written down again: then it has the drawn
`target` and `order` among its arguments. Which of the two an operation understands stands in `ARGUMENTS`.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from typing import Annotated, Literal

import msgspec

from cluster.node.config import Durability
from cluster.node.requests import CrashOrder
from harness.errors import UserMistake
from harness.scenario import SECONDS_MAX, THERE, FaultEntry
from nemesis.crash_replay import STRIKE_WAIT_NS
from nemesis.exact import AWAIT_EXIT_S, crash_order
from nemesis.partition import GRUDGES
from nemesis.targets import DOWN, TARGETS

__all__ = ["ARGUMENTS", "check_fault"]

_OFFSET_MAX_NS = 10 * 365 * 86_400 * 1_000_000_000
"""Ten years: a wall clock that is further off is told from a monotonic one no more."""

Nanoseconds = Annotated[int, msgspec.Meta(ge=0, le=SECONDS_MAX * 1_000_000_000)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
OffsetNanoseconds = Annotated[int, msgspec.Meta(ge=-_OFFSET_MAX_NS, le=_OFFSET_MAX_NS)]
DriftPpm = Annotated[int, msgspec.Meta(ge=-500_000, le=500_000)]
Period = Annotated[int, msgspec.Meta(ge=1_000_000, le=SECONDS_MAX * 1_000_000_000)]
Times = Annotated[int, msgspec.Meta(ge=1, le=1_000)]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
Target = Literal["one", "minority", "majority", "all", "leader", "follower"]


class _Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """No arguments."""


class _Wait(msgspec.Struct, forbid_unknown_fields=True):
    timeout_s: Annotated[float, msgspec.Meta(ge=0, le=SECONDS_MAX)] = AWAIT_EXIT_S


class _Strike(msgspec.Struct, forbid_unknown_fields=True):
    duration_ns: Nanoseconds = 0


class _Drawn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    target: Target
    order: list[str]


class _DrawnStrike(_Drawn, kw_only=True):
    duration_ns: Nanoseconds = 0


class _RestartLoop(_Drawn, kw_only=True):
    times: Times
    power: bool = False
    pause_ns: Nanoseconds = 0


class _RestartLoopThese(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    times: Times
    power: bool = False
    pause_ns: Nanoseconds = 0


class _Reconfigure(_Drawn, kw_only=True):
    durability: Durability = "data"
    snapshot_threshold: Count = 0
    log_entries_kept: Count = 0
    power: bool = False


class _ReconfigureThese(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    durability: Durability = "data"
    snapshot_threshold: Count = 0
    log_entries_kept: Count = 0
    power: bool = False


class _CrashPoint(_Drawn, kw_only=True):
    point: str
    action: str
    nth: int
    opcode: int
    again: bool
    stall_ns: Nanoseconds = 0
    wait_ns: Nanoseconds = STRIKE_WAIT_NS


class _Degrade(_Drawn, kw_only=True):
    delay_ns: Nanoseconds
    loss_percent: Percent
    duplication_percent: Percent
    jitter_ns: Nanoseconds = 0
    reordering_percent: Percent = 0
    bandwidth_bps: Count = 0
    duration_ns: Nanoseconds


class _DegradeThese(_Strike, kw_only=True):
    delay_ns: Nanoseconds = 0
    loss_percent: Percent = 0
    duplication_percent: Percent = 0
    jitter_ns: Nanoseconds = 0
    reordering_percent: Percent = 0
    bandwidth_bps: Count = 0


class _DiskFault(_Drawn, kw_only=True):
    kind: Literal["eio", "full", "slow"]
    path: str
    extra_ns: Nanoseconds
    duration_ns: Nanoseconds


class _Skew(_Drawn, kw_only=True):
    drift_ppm: DriftPpm
    duration_ns: Nanoseconds


class _SkewThese(_Strike, kw_only=True):
    drift_ppm: DriftPpm


class _Bump(_DrawnStrike, kw_only=True):
    offset_ns: OffsetNanoseconds
    drift_ppm: DriftPpm = 0


class _BumpThese(_Strike, kw_only=True):
    offset_ns: OffsetNanoseconds
    drift_ppm: DriftPpm = 0


class _Strobe(_Drawn, kw_only=True):
    offset_ns: OffsetNanoseconds
    period_ns: Period
    duration_ns: Nanoseconds


class _StrobeThese(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    offset_ns: OffsetNanoseconds
    period_ns: Period
    duration_ns: Nanoseconds


class _Path(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    path: str = ""


class _Truncate(_Path, kw_only=True):
    count: Annotated[int, msgspec.Meta(ge=1, le=2**53)] = 1


class _BitFlip(_Truncate, kw_only=True):
    seed: Count = 0


class _Swap(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    other: str


class _OpenFiles(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    open_files: Count = 0


class _Room(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    disk_bytes: Count = 0


class _Limits(_OpenFiles, kw_only=True):
    cpu_percent: Count = 0
    memory_bytes: Count = 0


class _Newcomer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    order: list[str]


class _Leaving(_Drawn, kw_only=True):
    kill: bool = False


class _LeavingThese(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    kill: bool = False


class _Grudge(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    grudge: str
    around_leader: bool
    order: list[str]


Shape = type[msgspec.Struct]

ARGUMENTS: dict[str, tuple[Shape | None, Shape | None]] = {
    "add-learner": (_Newcomer, _Nothing),
    "arm": (None, CrashOrder),
    "await-exit": (_Wait, None),
    "bitflip": (None, _BitFlip),
    "bump-clock": (_Bump, _BumpThese),
    "catch-up": (_Nothing, None),
    "crash-point": (_CrashPoint, None),
    "cut-clients": (_DrawnStrike, _Strike),
    "degrade": (_Degrade, _DegradeThese),
    "disarm": (_Nothing, None),
    "disk-fault": (_DiskFault, None),
    "dump": (_Nothing, None),
    "heal": (_Nothing, None),
    "join": (_Newcomer, _Nothing),
    "keep": (None, _Path),
    "kill": (_DrawnStrike, _Strike),
    "limit": (None, _Limits),
    "limit-disk": (None, _Room),
    "limit-files": (None, _OpenFiles),
    "partition": (None, _Nothing),
    "pause": (_DrawnStrike, _Strike),
    "power-loss": (_DrawnStrike, _Strike),
    "promote": (_Newcomer, _Nothing),
    "reconfigure": (_Reconfigure, _ReconfigureThese),
    "remove": (_Leaving, _LeavingThese),
    "replace": (_Drawn, _Nothing),
    "reset-clock": (_Nothing, _Nothing),
    "restart-loop": (_RestartLoop, _RestartLoopThese),
    "resume": (_Nothing, _Nothing),
    "settle-membership": (_Nothing, None),
    "skew": (_Skew, _SkewThese),
    "snapshot": (_Drawn, None),
    "stale": (None, _Path),
    "start": (_Nothing, _Nothing),
    "start-partition": (_Grudge, None),
    "stop-partition": (_Nothing, None),
    "strobe-clock": (_Strobe, _StrobeThese),
    "swap-disks": (None, _Swap),
    "transfer": (_Drawn, _Nothing),
    "truncate": (None, _Truncate),
    "wipe": (None, _Path),
}
"""Operation -> the shape of its arguments without targets, and with targets; None where it must have some, or none."""


def check_fault(fault: FaultEntry, nodes: Sequence[str]) -> None:
    """Raise UserMistake when `fault` cannot be done to a cluster of `nodes`."""
    without, with_targets = ARGUMENTS[fault.f]
    shape = with_targets if fault.targets else without
    if shape is None or (shape is _DrawnStrike and "target" not in fault.value):
        needs = "takes no targets" if fault.targets else "needs targets"
        raise UserMistake(f"{fault.f} {needs}")
    for target in fault.targets:
        _check_word(f"{fault.f}: target", target, [*nodes, *TARGETS, DOWN, THERE])
    for name in fault.value:
        _check_word(f"{fault.f}: argument", name, shape.__struct_fields__)
    if fault.f in ("arm", "crash-point"):
        fields = CrashOrder.__struct_fields__
        crash_order({name: value for name, value in fault.value.items() if name in fields})
    try:
        arguments = msgspec.convert(fault.value, shape)
    except msgspec.ValidationError as error:
        raise UserMistake(f"{fault.f}: {error}") from None
    if isinstance(arguments, _Drawn | _Grudge | _Newcomer) and sorted(arguments.order) != sorted(
        nodes
    ):
        raise UserMistake(f"{fault.f}: order must hold every node once: {', '.join(nodes)}")
    if isinstance(arguments, _Swap):
        _check_word(f"{fault.f}: other", arguments.other, nodes)
    if isinstance(arguments, _Grudge):
        _check_word(f"{fault.f}: grudge", arguments.grudge, GRUDGES)


def _check_word(what: str, word: str, allowed: Collection[str]) -> None:
    if word in allowed:
        return
    near = difflib.get_close_matches(word, allowed, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UserMistake(f"{what} {word!r} is unknown; {hint}allowed: {', '.join(allowed) or 'none'}")
