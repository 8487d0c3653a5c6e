"""The trace file: every event whole, torn lines cut off by the next life, times of the run."""

from __future__ import annotations

import time

from cluster.node.trace_file import TraceFile
from cluster.trace import Applied, Committed
from cluster.worlds.real.trace_reader import TraceReader


def committed(index: int, node: str = "n1") -> Committed:
    return Committed(node=node, incarnation=1, index=index, term=1)


def applied(index: int, incarnation: int = 1, decision: str = "kv") -> Applied:
    return Applied(
        node="n1", incarnation=incarnation, index=index, term=1, opcode=0, digest=0, replay=False, decision=decision
    )  # fmt: skip


def test_events_are_read_as_they_were_written(tmp_path):
    """What a node emits is what the harness reads, stamped with the time since the run began."""
    began_ns = time.monotonic_ns()
    path = tmp_path / "trace.jsonl"
    trace = TraceFile(str(path), began_ns)
    trace(committed(1))
    trace(applied(1))
    trace.close()
    events = TraceReader([path]).read()

    assert [Committed, Applied] == [type(event) for event in events]
    assert 0 <= events[0].at_ns <= events[1].at_ns <= time.monotonic_ns() - began_ns


def test_a_torn_last_line_is_left_out_and_cut_off_by_the_next_life(tmp_path):
    """A process killed inside a write spoils nothing but the event it was writing."""
    path = tmp_path / "trace.jsonl"
    first = TraceFile(str(path), 0)
    first(committed(1))
    first.close()
    with path.open("ab") as file:
        file.write(b'["committed", 12, "n1"' + b" " * 200_000)
    reader = TraceReader([path])
    before = [event.index for event in reader.read()]
    second = TraceFile(str(path), 0)
    second(committed(2))
    second.close()

    assert before == [1]
    assert [event.index for event in reader.read()] == [2]


def test_a_file_with_nothing_but_a_torn_line_becomes_empty(tmp_path):
    """The next life of a node that died in its very first event starts a clean file."""
    path = tmp_path / "trace.jsonl"
    path.write_bytes(b'["started"')
    TraceFile(str(path), 0).close()

    assert path.read_bytes() == b""


def test_replays_are_recognised_over_lives(tmp_path):
    """An entry at or below the highest one ever applied by a data directory is a replay; a halted one was not applied."""
    path = tmp_path / "trace.jsonl"
    trace = TraceFile(str(path), 0)
    for event in (
        applied(1),
        applied(2),
        applied(3, decision="halt"),
        applied(2, 2),
        applied(3, 2),
    ):
        trace(event)
    trace.close()
    reader = TraceReader([path])

    assert [event.replay for event in reader.read()] == [False, False, False, True, False]
