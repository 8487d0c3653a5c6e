"""The `Checker` protocol, the `Verdict` algebra, and nothing that judges.

`valid` is True, False or ``"unknown"``; merging takes the worst (False before unknown before True, as in
Jepsen). A checker that raises yields ``unknown``, never a pass. `facts` are numbers the verdict rests on
(summed or kept by name in the results), `evidence` is a list of plain dicts, each one finding: at
least ``{"checker", "what"}`` and where known ``{"node", "group", "index", "crash_point", "epoch_entry",
"epoch_row", "time_ns", "operations"}``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from cluster.ledger import LedgerPart
from cluster.trace import Event
from harness.operation import Operation

__all__ = ["Checker", "Run", "Valid", "Verdict", "check_safely", "merge_valid"]

Valid = bool | Literal["unknown"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one checker says of one run."""

    valid: Valid
    facts: dict[str, Any] = {}
    evidence: list[dict[str, Any]] = []


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What checkers are given: the whole run, finished.

    `history` is in index order; `trace` in time order; `options` are the workload's options; `final_state` maps
    node -> group -> the node's last inspected state (see `cluster.node.inspection`), nodes that
    could not be asked are missing. `ledgers` maps node -> the exported ledger of its disk, for disks that keep one.
    """

    nodes: tuple[str, ...]
    history: Sequence[Operation]
    trace: Sequence[Event]
    options: Mapping[str, Any]
    final_state: Mapping[str, Any]
    ledgers: Mapping[str, Iterable[LedgerPart]] = {}


class Checker(Protocol):
    """Judges a finished run."""

    name: str

    def check(self, run: Run) -> Verdict:
        """Return the verdict; must not change anything. May raise: `check_safely` turns that into unknown."""


def merge_valid(valids: Sequence[Valid]) -> Valid:
    """Return the worst of `valids`; nothing at all is ``"unknown"``: a pass must be earned."""
    if any(valid is False for valid in valids):
        return False
    if not valids or any(valid == "unknown" for valid in valids):
        return "unknown"
    return True


def check_safely(checker: Checker, run: Run) -> Verdict:
    """Run `checker`; when it raises, the verdict is unknown and the evidence says what happened."""
    try:
        return checker.check(run)
    except Exception as error:  # noqa: BLE001 - the harness is at fault, and the verdict must say so
        what = f"the checker itself failed: {type(error).__name__}: {error}"
        return Verdict(valid="unknown", evidence=[{"checker": checker.name, "what": what}])
