"""The history: what was invoked, what came of it, in the order in which it happened; on disk and
back.

`Journal` writes while the run goes on, `load_history` reads, `pair` matches invocations with
completions and refuses what no run can have produced. Nothing here judges.

The file ``history.jsonl`` is one operation a line, JSON with the keys of `Operation` (defaults left
out):

    {"index":4,"time_ns":1200,"process":2,"f":"write","value":["x",7]}
    {"index":5,"time_ns":3400,"process":2,"type":"ok","f":"write","value":["x",7],"node":"n1"}

It is only appended to, in chunks of whole lines, so a harness that is killed loses its last chunk
at most, and a line that was being written is recognised by its missing newline. Lines rather than
frames: a history must be readable with ``grep`` when everything else is broken.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from harness.errors import HarnessError, UserMistake
from harness.operation import NEMESIS, Operation

__all__ = [
    "History",
    "HistoryDamaged",
    "HistoryInvalid",
    "Journal",
    "load_history",
    "pair",
]

CHUNK_OPERATIONS = 1_024
"""So many operations are written at once at most."""

FLUSH_NS = 500_000_000
"""So long an operation waits for its chunk to be written at most."""


class HistoryDamaged(UserMistake):
    """A history file cannot be read; the text names the file and the line."""


class HistoryInvalid(HarnessError):
    """A history that no run can have produced.

    A process did two things at once, or went on after a crash.
    """


class Journal:
    """Collects the operations of a run that is going on, and the facts about the harness itself.

    `operations` is the history so far, `notes` are lines of the run's log as (time_ns, text),
    `facts` counts what the harness has to say of itself (``harness_errors``); `first_error` is
    what the first of these errors was. With a `file`
    everything is written to it in chunks: when `CHUNK_OPERATIONS` have gathered, when `FLUSH_NS` of
    `clock` have passed, and at `close`. Without a clock (simulated time passes too quickly to be
    asked) only the first and the last.
    """

    def __init__(
        self, file: BinaryIO | None = None, clock: Callable[[], int] | None = None
    ) -> None:
        self.operations: list[Operation] = []
        self.notes: list[tuple[int, str]] = []
        self.facts: dict[str, int] = {"harness_errors": 0}
        self.first_error = ""
        self._file = file
        self._clock = clock
        self._written = 0
        self._flushed_ns = clock() if clock else 0

    def record(self, operation: Operation, time_ns: int) -> Operation:
        """Append `operation` as having happened at `time_ns`; return it with its index and time."""
        operations = self.operations
        recorded = Operation(
            index=len(operations),
            time_ns=time_ns,
            process=operation.process,
            type=operation.type,
            f=operation.f,
            value=operation.value,
            error=operation.error,
            node=operation.node,
        )
        operations.append(recorded)
        self.flush_if_due()
        return recorded

    def note(self, time_ns: int, text: str) -> None:
        """Put a line into the run's log."""
        self.notes.append((time_ns, text))

    def harness_error(self, time_ns: int, text: str) -> None:
        """Count and note a defect of the harness or the workload."""
        self.facts["harness_errors"] += 1
        self.first_error = self.first_error or text
        self.notes.append((time_ns, text))

    def wait_ns(self) -> int | None:
        """How long the caller may wait before it calls `flush_if_due`; None: nothing is due."""
        if self._clock is None or self._file is None or self._written == len(self.operations):
            return None
        return max(0, self._flushed_ns + FLUSH_NS - self._clock())

    def flush_if_due(self) -> None:
        """Write the chunk when it is full or old enough."""
        if self._file is None:
            return
        full = len(self.operations) - self._written >= CHUNK_OPERATIONS
        if full or self.wait_ns() == 0:
            self._flush()

    def close(self) -> None:
        """Write what is left. The file stays open: it belongs to the caller."""
        if self._file is not None:
            self._flush()

    def _flush(self) -> None:
        assert self._file is not None
        chunk = self.operations[self._written :]
        self._file.write(_encode_lines(chunk))
        self._file.flush()
        self._written += len(chunk)
        if self._clock is not None:
            self._flushed_ns = self._clock()


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A history read from a file. `torn` is the unfinished last line that was dropped (empty.

    None).
    """

    operations: list[Operation]
    torn: str = ""


def load_history(path: Path) -> History:
    """Read ``history.jsonl``.

    Raises HistoryDamaged for a line that is no operation, and OSError.
    """
    content = path.read_bytes()
    whole, newline, torn = content.rpartition(b"\n")
    with _without_collector():
        try:
            operations = _decoder.decode_lines(whole + newline)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise _damage(path, whole) from None
    return History(operations=operations, torn=torn.decode(errors="replace"))


def pair(operations: Sequence[Operation]) -> list[int]:
    """Match invocations with completions: entry i is the position of the other end of operation i,
    or -1.

    An invocation without the other end is one that never completed. Raises HistoryInvalid unless
    indexes rise and times never fall (unknown ones, -1, aside); every process does one thing at a
    time, completes what it invoked, and never invokes again after ``info``. The nemesis' operations
    are ``info`` at both ends, in turn.
    """
    others = [-1] * len(operations)
    under_way: dict[int, int] = {}
    crashed: dict[int, int] = {}
    index, time_ns = -1, -1
    for position, operation in enumerate(operations):
        if operation.index <= index and operation.index != -1:
            raise HistoryInvalid(f"index {operation.index} follows index {index}")
        if operation.time_ns < time_ns and operation.time_ns != -1:
            raise HistoryInvalid(f"{_place(operation)} happened before the one in front of it")
        index, time_ns = max(index, operation.index), max(time_ns, operation.time_ns)
        process = operation.process
        begun = under_way.pop(process, None)
        begins = begun is None if process == NEMESIS else operation.type == "invoke"
        if begins:
            if begun is not None:
                first = _place(operations[begun])
                raise HistoryInvalid(f"{_place(operation)} was invoked while {first} was under way")
            if process in crashed:
                first = _place(operations[crashed[process]])
                raise HistoryInvalid(f"{_place(operation)} was invoked after {first} crashed it")
            under_way[process] = position
            continue
        if begun is None:
            raise HistoryInvalid(f"{_place(operation)} completes what was never invoked")
        if operations[begun].f != operation.f:
            first = _place(operations[begun])
            raise HistoryInvalid(f"{_place(operation)} completes {first}, which is another f")
        if operation.type == "info" and process != NEMESIS:
            crashed[process] = position
        others[begun], others[position] = position, begun
    return others


def _place(operation: Operation) -> str:
    return f"operation {operation.index} ({operation.type} {operation.f!r} of process {operation.process})"


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Operation)


def _encode_lines(operations: list[Operation]) -> bytes:
    """Encode a chunk. Raises HistoryInvalid naming the operation whose value is not plain data."""
    try:
        return _encoder.encode_lines(operations)
    except (TypeError, ValueError, OverflowError):
        for operation in operations:
            try:
                _encoder.encode(operation)
            except (TypeError, ValueError, OverflowError) as error:
                raise HistoryInvalid(f"{_place(operation)} holds no plain data: {error}") from None
        raise


def _damage(path: Path, whole: bytes) -> HistoryDamaged:
    """Find the line that is at fault."""
    for number, line in enumerate(whole.split(b"\n"), 1):
        try:
            _decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return HistoryDamaged(f"{path}: line {number} is no operation: {error}")
    raise AssertionError("lines that decode one by one decode together")


@contextmanager
def _without_collector() -> Iterator[None]:
    """Load in bulk without the cyclic collector, which would walk millions of live objects again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
