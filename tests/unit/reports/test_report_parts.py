"""The rooms of the report: faults as spans, replicas as lanes, the history as columns, evidence as cards."""

from __future__ import annotations

import base64
import zlib
from array import array
from typing import Any, get_args

import pytest

from cluster.trace import (
    Applied,
    Event,
    Fault,
    Halted,
    HitPoint,
    RoleChanged,
    Started,
    Stopped,
)
from harness.operation import NEMESIS, Operation
from reports import columns as columns_room
from reports import lanes as lanes_room
from reports.bands import bands
from reports.columns import Row, columns, rows
from reports.facts import singles, tables
from reports.findings import Context, cards
from reports.lanes import Span, lanes
from reports.phrases import (
    _PHRASES,
    compact,
    duration_phrase,
    event_phrase,
    offset_phrase,
    start_phrase,
)

MS = 1_000_000


def at(kind: Any, ms: int, node: str = "n1", incarnation: int = 1, **fields: Any) -> Any:
    """An event at a millisecond."""
    return kind(at_ns=ms * MS, node=node, incarnation=incarnation, **fields)


def started(ms: int, incarnation: int = 1, have: int = 0, **fields: Any) -> Started:
    """A start of n1."""
    rest = {
        "snapshot_index": 0,
        "restored": False,
        "last_index": have,
        "commit": have,
        "row_horizon": 0,
        "torn_bytes": 0,
    }
    return at(Started, ms, incarnation=incarnation, have=have, **rest, **fields)


def applied(ms: int, index: int, node: str = "n1", **fields: Any) -> Applied:
    """n1 applies an entry."""
    rest = {"term": 1, "opcode": 0, "digest": 0, "replay": False, "decision": "kv"}
    return at(Applied, ms, node, index=index, **{**rest, **fields})


def role(ms: int, name: str, term: int) -> RoleChanged:
    """n1 changes its role."""
    return at(RoleChanged, ms, role=name, term=term, last_index=0, last_term=0)


class TestBands:
    """Faults of the trace as spans of time."""

    def test_cut_lasts_until_it_is_healed(self) -> None:
        """A clean split is told by its sides."""
        trace = [
            at(Fault, 10, "", action="cut", target="n1>n2 n1>n3 n2>n1 n3>n1"),
            at(Fault, 30, "", action="heal", target=""),
        ]
        (band,) = bands(trace, [], 100 * MS)

        assert (
            band.kind,
            band.start_us,
            band.end_us,
            band.target,
        ) == ("network", 10_000, 30_000, "n1 | n2 n3")

    def test_one_way_cut_is_told_by_its_links(self) -> None:
        """What is no clean split is told link by link."""
        (band,) = bands([at(Fault, 10, "", action="cut", target="n1>n2")], [], 20 * MS)

        assert band.target == "n1 → n2"

    def test_process_is_down_until_it_starts(self) -> None:
        """Death opens a band and the node's next start closes it; what nobody undid lasts to the end."""
        trace: list[Event] = [
            at(Stopped, 5, cause="kill", exit_code=-9),
            started(9, 2),
            at(Stopped, 12, cause="power", exit_code=-9),
        ]

        assert [(band.label, band.start_us, band.end_us) for band in bands(trace, [], 20 * MS)] == [
            ("kill", 5_000, 9_000),
            ("power", 12_000, 20_000),
        ]

    def test_resume_ends_the_pause_of_its_node_only(self) -> None:
        """Two nodes may be paused at once."""
        trace = [
            at(Fault, 1, "n1", action="pause", target="n1"),
            at(Fault, 2, "n2", action="pause", target="n2"),
            at(Fault, 3, "n1", action="resume", target="n1"),
        ]

        assert [(band.target, band.end_us) for band in bands(trace, [], 9 * MS)] == [
            ("n1", 3_000),
            ("n2", 9_000),
        ]

    def test_clean_stop_is_no_fault(self) -> None:
        """The end of a run stops every node, and hurts none."""
        assert bands([at(Stopped, 5, cause="stop", exit_code=0)], [], 9 * MS) == []

    def test_struck_crash_point_is_a_moment(self) -> None:
        """A crash point has a time and no length."""
        hit = at(
            HitPoint, 4, point="reg.after_set", action="kill", index=3, opcode=3, role="leader"
        )
        (band,) = bands([hit], [], 9 * MS)

        assert (band.kind, band.start_us, band.end_us) == ("crash points", 4_000, 4_000)

    def test_without_a_trace_the_nemesis_tells(self) -> None:
        """A run against a foreign system has only its history."""
        history = [
            Operation(
                time_ns=2 * MS, process=NEMESIS, type="info", f="start-partition", value=["n1"]
            ),
            Operation(time_ns=6 * MS, process=NEMESIS, type="info", f="stop-partition"),
        ]
        (band,) = bands([], history, 9 * MS)

        assert (
            band.kind,
            band.label,
            band.start_us,
            band.end_us,
        ) == ("network", "partition", 2_000, 6_000)


class TestLanes:
    """What a replica was, and when."""

    def test_roles_follow_each_other(self) -> None:
        """Every change of role or term begins a span; before the first start a node is down."""
        trace: list[Event] = [started(1), role(2, "candidate", 1), role(3, "leader", 1)]
        (lane,) = lanes(trace, ["n1"], 10 * MS)

        assert [
            Span(0, 1_000, "down", 0),
            Span(1_000, 2_000, "follower", 0),
            Span(2_000, 3_000, "candidate", 1),
            Span(3_000, 10_000, "leader", 1),
        ] == lane.spans

    def test_halted_stays_halted_until_the_next_start(self) -> None:
        """Neither the exit of the process nor a late change of role hides a halt."""
        trace: list[Event] = [
            started(0),
            at(Halted, 2, index=7, opcode=3, error_class="LocalEpochRollback", message="older"),
            role(3, "follower", 2),
            at(Stopped, 4, cause="halt", exit_code=78),
            started(8, 2),
        ]
        (lane,) = lanes(trace, ["n1"], 10 * MS)

        assert [(span.state, span.start_us) for span in lane.spans] == [
            ("follower", 0),
            ("halted", 2_000),
            ("follower", 8_000),
        ]

    def test_paused_node_has_its_role_again(self) -> None:
        """After a pause the node is what it was, or what it became meanwhile."""
        trace: list[Event] = [
            started(0),
            role(1, "leader", 1),
            at(Fault, 2, "n1", action="pause", target="n1"),
            role(3, "follower", 2),
            at(Fault, 4, "n1", action="resume", target="n1"),
        ]
        (lane,) = lanes(trace, ["n1"], 9 * MS)

        assert [span.state for span in lane.spans][-3:] == ["leader", "paused", "follower"]

    def test_applied_line_ends_with_the_process(self) -> None:
        """The line has a gap while the node is down, goes on at what the disk holds, and a refused entry is no step."""
        trace: list[Event] = [
            started(0),
            applied(1, 1),
            applied(2, 2, decision="halt"),
            at(Stopped, 3, cause="kill", exit_code=-9),
            started(5, 2, have=1),
        ]
        (lane,) = lanes(trace, ["n1"], 9 * MS)

        assert lane.applied == [0, 0, 1_000, 1, 3_000, -1, 5_000, 1]

    def test_long_line_is_thinned_at_its_steps_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A thinned line keeps the ends of every life and every step back."""
        monkeypatch.setattr(lanes_room, "APPLIED_POINTS_MAX", 10)
        trace: list[Event] = [started(0), *(applied(ms, ms) for ms in range(1, 60))]
        trace += [
            at(Stopped, 60, cause="kill", exit_code=-9),
            started(61, 2, have=40),
            applied(62, 41),
        ]
        (lane,) = lanes(trace, ["n1"], 99 * MS)
        points = list(zip(lane.applied[::2], lane.applied[1::2], strict=True))

        assert len(points) < 20
        assert [point for point in points if 59_000 <= point[0] <= 61_000] == [
            (59_000, 59),
            (60_000, -1),
            (61_000, 40),
        ]

    def test_groups_have_lanes_of_their_own(self) -> None:
        """A process that dies takes all its groups along."""
        trace: list[Event] = [
            started(0),
            started(0, group=1),
            at(Stopped, 5, cause="kill", exit_code=-9),
        ]
        found = lanes(trace, ["n1", "n2"], 9 * MS)

        assert [(lane.node, lane.group, lane.spans[-1].state) for lane in found] == [
            ("n1", 0, "down"),
            ("n1", 1, "down"),
            ("n2", 0, "down"),
        ]


class TestColumns:
    """The history, paired and laid out."""

    def test_invocation_and_completion_make_one_row(self) -> None:
        """The row shows what was asked, what came back, and why it failed."""
        history = [
            Operation(index=0, time_ns=1 * MS, process=1, f="read", value=["x", None]),
            Operation(
                index=1,
                time_ns=3 * MS,
                process=1,
                type="fail",
                f="read",
                value=["x", 3],
                error="NotLeader",
                node="n2",
            ),
        ]

        assert [
            Row(
                start_us=1_000,
                end_us=3_000,
                process=1,
                f="read",
                type="fail",
                node="n2",
                text='["x",null] → ["x",3] (NotLeader)',
            )
        ] == rows(history, 9 * MS)

    def test_operation_that_never_ended_lasts_to_the_end(self) -> None:
        """Nobody knows what became of it."""
        (row,) = rows([Operation(time_ns=1 * MS, f="write", value=1)], 9 * MS)

        assert (row.type, row.end_us) == ("info", 9_000)

    def test_large_history_is_packed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Beyond the limit the columns are deflated arrays, and texts are kept for what did not end ok."""
        monkeypatch.setattr(columns_room, "JSON_ROWS_MAX", 2)
        made = [_row(number, "fail" if number == 1 else "ok") for number in range(3)]
        data = columns(made)
        starts = array("d", zlib.decompress(base64.b64decode(data["start"])))

        assert (
            data["packed"],
            starts.tolist(),
            data["texts"],
        ) == (True, [0.0, 10.0, 20.0], {1: "1"})

    def test_huge_history_is_thinned_and_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only operations that ended ok are left out, and the total stays known."""
        monkeypatch.setattr(columns_room, "ROWS_MAX", 10)
        made = [_row(number, "info" if number % 10 == 1 else "ok") for number in range(100)]
        data = columns(made)

        assert data["total"] == 100
        assert data["type"].count(2) == 10
        assert data["count"] <= 20


def _row(number: int, kind: str) -> Row:
    return Row(
        start_us=10 * number,
        end_us=10 * number + 5,
        process=0,
        f="write",
        type=kind,
        node="",
        text=str(number),
    )


class TestCards:
    """Evidence, with what happened around it."""

    def test_card_shows_the_entry_on_every_node(self) -> None:
        """What any node did with the finding's entry is told; routine of other entries is not."""
        trace: list[Event] = [
            started(0),
            applied(1, 5),
            applied(2, 5, "n2"),
            applied(3, 6),
            applied(4, 6, "n2"),
        ]
        evidence = [
            {"checker": "registry", "what": "wrong", "node": "n1", "index": 5, "time_ns": 1 * MS}
        ]
        (card,) = cards(evidence, Context(history=[], trace=trace))

        assert [(line.who, line.here) for line in card.lines] == [
            ("n1", False),
            ("n1", True),
            ("n2", False),
        ]

    def test_findings_of_one_kind_share_a_card(self) -> None:
        """What differs in node and time only is told once, with the other places."""
        evidence = [
            {
                "checker": "registry",
                "what": f"{node} halted",
                "node": node,
                "index": 5,
                "time_ns": ms * MS,
            }
            for node, ms in (("n1", 1), ("n2", 2), ("n1", 3))
        ]
        (card,) = cards(evidence, Context(history=[], trace=[]))

        assert (card.what, [other.node for other in card.others]) == ("n1 halted", ["n2", "n1"])

    def test_named_operations_are_shown(self) -> None:
        """Operations may be named by index or given as data; the last one dates a finding without a time."""
        history = [Operation(index=0, time_ns=1 * MS, f="write", value=1)]
        given = {"index": 1, "time_ns": 4 * MS, "type": "ok", "f": "read", "value": 2}
        (card,) = cards(
            [{"what": "stale", "operations": [0, given]}], Context(history=history, trace=[])
        )

        assert (
            card.at_us,
            [line.text for line in card.lines],
        ) == (4_000, ["invoke write 1", "ok read 2"])

    def test_repeated_evidence_says_how_often(self) -> None:
        """A checker that folds equal findings into one says how many there were."""
        once, often = cards(
            [{"what": "x", "times": 1}, {"what": "y", "times": 7}], Context(history=[], trace=[])
        )

        assert (once.times, often.times, often.more) == (1, 7, [])

    def test_unknown_fields_of_evidence_are_shown(self) -> None:
        """A checker may say more than the page knows."""
        (card,) = cards(
            [{"what": "x", "missing_fsync": "n1/wal", "empty": ""}], Context(history=[], trace=[])
        )

        assert card.more == [("missing fsync", '"n1/wal"')]


class TestPhrases:
    """Words for people."""

    @pytest.mark.parametrize(
        ("duration_ns", "words"),
        [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_500, "1.5 µs"),
            (2_340_000, "2.34 ms"),
            (9_999_999, "10 ms"),
            (4_000_000_000_000, "4,000 s"),
        ],
    )
    def test_durations_have_three_digits(self, duration_ns: int, words: str) -> None:
        """The unit is chosen so that the number stays short."""
        assert words == duration_phrase(duration_ns)

    def test_offsets_have_a_sign(self) -> None:
        """Before is minus, after is plus."""
        assert [offset_phrase(ns) for ns in (-5 * MS, 0, 2_000 * MS)] == ["−5 ms", "±0 ns", "+2 s"]

    def test_start_times_are_readable(self) -> None:
        """The store's names become dates, other words stay."""
        assert start_phrase("20261124T221408.217Z") == "2026-11-24 22:14:08 UTC"
        second = "2026-11-24 22:14:08 UTC, number 2 of that moment"
        assert start_phrase("20261124T221408.217Z-2") == second
        assert start_phrase("yesterday") == "yesterday"

    def test_long_values_are_cut(self) -> None:
        """A value never fills the page."""
        assert len(compact("x" * 500)) == 120

    def test_every_kind_of_event_has_a_sentence(self) -> None:
        """A new kind of event is not forgotten."""
        assert set(_PHRASES) == set(get_args(Event))

    def test_registration_tells_both_epochs(self) -> None:
        """The one sentence that the page is about."""
        event = applied(1, 66, replay=True, decision="noop", epoch_entry=3, epoch_row=3)

        assert (
            event_phrase(event)
            == "replayed entry 66: equal epoch, nothing changed (entry epoch 3, row epoch 3, 0 row writes)"
        )


class TestFacts:
    """Facts as values and tables."""

    def test_values_have_units_and_separators(self) -> None:
        """A time is told in its unit, a zero is marked as nothing."""
        facts = singles(
            {"acked_sync_writes": 1_200, "healed_at_ns": 7 * MS, "kills": 0, "seen": 3},
            without=["seen"],
        )

        assert [(fact.name, fact.value, fact.nothing) for fact in facts] == [
            ("acked sync writes", "1,200", False),
            ("healed at", "7 ms", False),
            ("kills", "0", True),
        ]

    def test_nested_facts_become_columns(self) -> None:
        """A table of tables has a column for each inner name, and holes stay empty."""
        (table,) = tables(
            {
                "operations": {
                    "read": {"ok": 3, "latency_ns": {"0.5": 2 * MS}},
                    "write": {"ok": 1},
                },
                "none": {},
            }
        )

        assert table.heads == ["ok", "latency 0.5"]
        assert table.rows == [["read", "3", "2 ms"], ["write", "1", ""]]
