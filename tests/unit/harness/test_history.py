"""The journal while a run goes on, the history file afterwards, and what makes a history well-formed."""

from __future__ import annotations

import gc
import io
from pathlib import Path

import msgspec
import pytest

from harness.history import (
    CHUNK_OPERATIONS,
    FLUSH_NS,
    HistoryDamaged,
    HistoryInvalid,
    Journal,
    load_history,
    pair,
)
from harness.operation import NEMESIS, Operation


class Clock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


def read(process: int = 0, kind: str = "invoke") -> Operation:
    """One end of a read."""
    return Operation(process=process, type=kind, f="read")  # type: ignore[arg-type]


def numbered(*operations: Operation) -> list[Operation]:
    """The operations with indexes and times 0, 1, 2 ..."""
    return [msgspec.structs.replace(one, index=n, time_ns=n) for n, one in enumerate(operations)]


class TestJournal:
    """Nothing completed is lost but the last chunk."""

    def test_record_gives_index_and_time(self) -> None:
        """Indexes count from 0; everything else stays."""
        journal = Journal()
        one = Operation(process=3, type="ok", f="w", value=[1], error="e", node="n1")
        journal.record(read(), 5)

        recorded = journal.record(one, 7)

        assert recorded == msgspec.structs.replace(one, index=1, time_ns=7)
        assert journal.operations[1] is recorded

    def test_a_full_chunk_is_written(self) -> None:
        """Without a clock the number of operations decides."""
        file = io.BytesIO()
        journal = Journal(file)
        for n in range(CHUNK_OPERATIONS - 1):
            journal.record(read(n), n)
        assert file.getvalue() == b""

        journal.record(read(), 0)

        assert file.getvalue().count(b"\n") == CHUNK_OPERATIONS

    def test_an_old_chunk_is_written(self) -> None:
        """With a clock half a second is enough, also when nothing more is recorded."""
        file, clock = io.BytesIO(), Clock()
        journal = Journal(file, clock)
        journal.record(read(), 0)
        clock.now_ns = FLUSH_NS - 1
        journal.flush_if_due()
        assert file.getvalue() == b""
        assert journal.wait_ns() == 1

        clock.now_ns = FLUSH_NS
        journal.flush_if_due()

        assert file.getvalue().count(b"\n") == 1
        assert journal.wait_ns() is None

    def test_close_writes_the_rest(self) -> None:
        """What is left at the end is written, once."""
        file = io.BytesIO()
        journal = Journal(file)
        journal.record(read(), 0)

        journal.close()
        journal.close()

        assert file.getvalue() == b'{"index":0,"time_ns":0,"f":"read"}\n'

    def test_a_journal_without_a_file_only_collects(self) -> None:
        """Simulated seeds that nobody will read cost no encoding."""
        journal = Journal()
        for n in range(CHUNK_OPERATIONS + 1):
            journal.record(read(n), n)
        journal.close()

        assert len(journal.operations) == CHUNK_OPERATIONS + 1
        assert journal.wait_ns() is None

    def test_a_value_that_is_no_plain_data_is_named(self) -> None:
        """The error says which operation holds it, not only that there is one."""
        journal = Journal(io.BytesIO())
        journal.record(read(), 0)
        journal.record(Operation(f="write", value=object()), 1)

        with pytest.raises(HistoryInvalid, match=r"operation 1 \(invoke 'write' of process 0\)"):
            journal.close()

    def test_harness_errors_are_counted_and_noted(self) -> None:
        """The number goes to the facts, the words to the notes."""
        journal = Journal()
        journal.harness_error(4, "the client raised")
        journal.note(5, "healed")

        assert journal.facts == {"harness_errors": 1}
        assert journal.notes == [(4, "the client raised"), (5, "healed")]


class TestLoading:
    """From the file back."""

    def test_what_was_written_is_read(self, tmp_path: Path) -> None:
        """The operations come back equal."""
        path = tmp_path / "history.jsonl"
        with path.open("wb") as file:
            journal = Journal(file)
            journal.record(Operation(process=2, f="cas", value=["k", [1, None]]), 3)
            journal.record(Operation(process=2, type="info", f="cas", error="zeitüber\n"), 9)
            journal.close()

        history = load_history(path)

        assert history.operations == journal.operations
        assert history.torn == ""

    def test_text_that_is_no_text_is_named(self, tmp_path: Path) -> None:
        """A line with bytes that are no UTF-8 is damage like any other."""
        path = tmp_path / "history.jsonl"
        path.write_bytes(b'{"index":0,"f":"read"}\n{"index":1,"f":"\xff"}\n')

        with pytest.raises(HistoryDamaged, match="line 2 is no operation"):
            load_history(path)

    def test_a_torn_last_line_is_dropped_and_said(self, tmp_path: Path) -> None:
        """A line without its newline was being written when the harness died."""
        path = tmp_path / "history.jsonl"
        path.write_bytes(b'{"index":0,"f":"read"}\n{"index":1,"f":"rea')

        history = load_history(path)

        assert [one.index for one in history.operations] == [0]
        assert history.torn == '{"index":1,"f":"rea'

    def test_an_empty_file_is_an_empty_history(self, tmp_path: Path) -> None:
        """A harness killed before its first chunk left a file with nothing in it."""
        path = tmp_path / "history.jsonl"
        path.write_bytes(b"")

        assert load_history(path).operations == []

    @pytest.mark.parametrize(
        ("line", "problem"),
        [
            (b"{oops}", "malformed"),
            (b'{"f":3}', "Expected `str`"),
            (b'{"f":"read","type":"okay"}', "okay"),
            (b'{"index":1}', "missing required field `f`"),
        ],
    )
    def test_a_damaged_line_is_named(self, tmp_path: Path, line: bytes, problem: str) -> None:
        """The error says which line of which file, and what is wrong there."""
        path = tmp_path / "history.jsonl"
        path.write_bytes(b'{"f":"read"}\n' + line + b'\n{"f":"read"}\n')

        with pytest.raises(HistoryDamaged, match=r"history\.jsonl: line 2 .*") as caught:
            load_history(path)

        assert problem in str(caught.value)

    def test_the_collector_is_as_before(self, tmp_path: Path) -> None:
        """Loading turns the garbage collector off and on again, or leaves it off."""
        path = tmp_path / "history.jsonl"
        path.write_bytes(b'{"f":"read"}\n')
        assert gc.isenabled()

        load_history(path)
        assert gc.isenabled()

        gc.disable()
        try:
            load_history(path)
            assert not gc.isenabled()
        finally:
            gc.enable()


class TestPairing:
    """Invocations and completions."""

    def test_the_two_ends_find_each_other(self) -> None:
        """Each end knows the position of the other; what never completed has none."""
        history = numbered(read(0), read(1), read(1, "ok"), read(2), read(0, "fail"))

        assert pair(history) == [4, 2, 1, -1, 0]

    def test_nemesis_operations_alternate(self) -> None:
        """Info begins and info ends them."""
        history = numbered(
            read(NEMESIS, "info"), read(0), read(NEMESIS, "info"), read(NEMESIS, "info")
        )

        assert pair(history) == [2, -1, 0, -1]

    def test_a_filtered_history_is_fine(self) -> None:
        """Indexes may be sparse as long as they rise, and unknown indexes and times are let be."""
        sparse = [Operation(index=4, f="r"), Operation(index=9, type="ok", f="r")]
        unknown = [Operation(f="r"), Operation(type="ok", f="r")]

        assert pair(sparse) == pair(unknown) == [1, 0]

    @pytest.mark.parametrize(
        ("operations", "problem"),
        [
            (
                numbered(read(3), read(3)),
                "operation 1 .* was invoked while operation 0 .* was under way",
            ),
            (
                numbered(read(3), read(3, "info"), read(3)),
                "operation 2 .* was invoked after operation 1 .* crashed it",
            ),
            (numbered(read(3, "ok")), "operation 0 .* completes what was never invoked"),
            (
                numbered(read(3), Operation(process=3, type="ok", f="write")),
                "operation 1 .* completes operation 0 .*, which is another f",
            ),
            ([Operation(index=1, f="r"), Operation(index=1, process=1, f="r")], "index 1 follows"),
            (
                [
                    Operation(index=0, time_ns=5, f="r"),
                    Operation(index=1, time_ns=4, process=1, f="r"),
                ],
                "operation 1 .* happened before",
            ),
        ],
    )
    def test_what_no_run_can_have_produced_is_refused(
        self, operations: list[Operation], problem: str
    ) -> None:
        """The error names the operations concerned."""
        with pytest.raises(HistoryInvalid, match=problem):
            pair(operations)
