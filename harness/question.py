"""What is asked of `reprise check`: one file, and how its history is to be understood.

A `Question` loads the history as its judge needs it, as operations or in columns, and holds it against the model's convention first, so
that a judge sees what a run can have produced. Nothing here judges; what had to be understood in a way of its own stands in `notes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.checkers.checker import Verdict
from harness.columns import NIL, OK, Columns, columns_of, held_columns_of, pairs_of, rises
from harness.conventions import CONVENTIONS, UNCOMPARED, Convention, independent
from harness.formats.catalogue import FORMATS, load_columns, load_operations, refused_at
from harness.formats.source import Source
from harness.idle import passed
from harness.operation import NEMESIS, Operation

__all__ = ["Question"]


class Question:
    """A history to be judged. `consistency_models` is empty where none was named; `anomalies` are forbidden beyond them.

    `initial` is what registers hold before they are written, `silent_nil` whether reads of nil say nothing (None: as the format has it),
    `settings` are arguments of the checker, by name.
    """

    def __init__(
        self,
        path: Path,
        *,
        format_name: str,
        convention: str,
        keyed: bool,
        budget_s: float,
        consistency_models: Sequence[str] = (),
        anomalies: Sequence[str] = (),
        initial: Any = None,
        silent_nil: bool | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = path
        self.format_name = format_name
        self.format = FORMATS[format_name]
        self.keyed = keyed or self.format.keyed
        self.budget_s = budget_s
        self.consistency_models = tuple(consistency_models)
        self.anomalies = tuple(anomalies)
        self.initial = initial
        self._silent_nil = self.format.silent_nil if silent_nil is None else silent_nil
        self.settings = settings or {}
        self.torn = ""
        """What was dropped behind the last whole operation, once the history is loaded."""
        self.goes_on = False
        """Whether processes go on after info, once the history is loaded."""
        self.notes: list[str] = []
        """How the file had to be understood, once the history is loaded."""
        self.convention = convention
        known = CONVENTIONS[convention]
        self._convention = independent(known) if self.keyed else known

    @cached_property
    def columns(self) -> Columns:
        """The history in columns. Raises HistoryDamaged naming the line."""
        compared = self.convention not in UNCOMPARED
        found, source = load_columns(
            self.path, self.format_name, self._convention, compared=compared
        )
        self._take(source, found)
        return found

    @cached_property
    def operations(self) -> list[Operation]:
        """The history as operations of clients, which pair and fit the convention. Raises HistoryDamaged."""
        return [one for one in self._held(held_columns_of) if one.process != NEMESIS]

    @cached_property
    def transactions(self) -> list[Operation]:
        """All operations, of which only pairs are looked at: whoever takes the values apart will find fault with them."""
        return self._held(pairs_of)

    @cached_property
    def refused(self) -> npt.NDArray[np.int64] | None:
        """Rows of compare-and-sets that failed because they saw another value; None where the format does not say so."""
        if not self.format.refusals:
            return None
        events = self._held(columns_of)
        ends = [
            place
            for place, one in enumerate(events)
            if one.f == "cas" and one.type == "fail" and not one.error
        ]
        return np.flatnonzero(np.isin(self.columns.returned, ends))

    @cached_property
    def silent(self) -> npt.NDArray[np.int64] | None:
        """Rows of reads of nil where they say nothing, which the notes tell; None where nil is what was seen."""
        if not self._silent_nil:
            return None
        reads = [code for code, name in enumerate(self.columns.fs) if name == "read"]
        told = np.isin(self.columns.f, reads) & (self.columns.result == NIL)
        rows = np.flatnonzero(told)
        if len(rows):
            self.notes.append(
                f"reads of nil say nothing, as Knossos has it ({len(rows):,}); with --nil absent they saw that there is no value"
            )
        return rows

    @property
    def tolerated(self) -> tuple[str, ...]:
        """Anomalies of transactions over registers that convict nobody in this format unless they are asked for."""
        return tuple(one for one in self.format.tolerated if one not in self.anomalies)

    def idle(self, verdict: Verdict) -> Verdict:
        """`verdict`, which passes where something ended ok and nothing was at stake (see `idle`); the notes say so."""
        if not (self.columns.type == OK).any():
            return verdict
        verdict, missing = passed(verdict)
        told = [f"nothing could have gone wrong: {what}" for what in missing]
        self.notes += [one for one in told if one not in self.notes]
        return verdict

    def refusing(self) -> AbstractContextManager[None]:
        """Turns a `Misfit` inside the block into a HistoryDamaged that names the line."""
        return refused_at(self.path, self.format_name)

    def _held(self, held: Callable[[list[Operation], Convention], Columns]) -> list[Operation]:
        found, source = load_operations(self.path, self.format_name)
        with self.refusing():
            self.columns = held(found, self._convention)
        self._take(source, self.columns)
        return found

    def _take(self, source: Source, columns: Columns) -> None:
        """Keep what is to be said of a history that was loaded."""
        self.torn = source.torn
        self.goes_on = source.goes_on
        self.notes = [*source.notes]
        if not rises(columns):
            self.notes.append("indexes stand twice in the file; the order of its lines counts")
