"""Scanning is the rule, only faster: whatever stands in a file, both come to the same events, or the rule refuses."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

from harness.columns import Events, events_from
from harness.formats import edn_scanned, jepsen_edn, jsonl
from harness.formats.scanning import NotScannable, scanned
from harness.formats.source import Source
from harness.history import HistoryDamaged

EDN = [
    "{:index 0, :time 5, :type :invoke, :process 0, :f :read, :value nil}",
    "{:index 1, :time 6, :type :ok, :process 0, :f :read, :value 3}",
    "{:index 1 :time 6 :type :ok :process 0 :f :read :value [3 nil]}",
    '{:index 2, :time 7, :type :fail, :process 1, :f :cas, :value ["a" :b], :error :timed-out}',
    '{:index 2, :time 7, :type :fail, :process 1, :f :cas, :value ["a" :b], :error "no \\"way\\""}',
    "{:index 3, :time 8, :type :info, :process :nemesis, :f :kill, :value #{n1}}",
    "{:type :ok, :f :read, :value 1.5, :process 0, :time 6, :index 9}",
    "{:index -1, :time 6, :type :ok, :process 7, :f :read-all, :value {:a [1 (2)]}}",
    "{:index 7, :time 9, :type :ok, :process 0, :f :read, :value 007}",
    "{:index 7, :time 9, :type :okay, :process 0, :f :read, :value 1}",
    "{:index 7, :time 9, :type :ok, :process -1, :f :read, :value 1}",
    "; a comment",
    "",
]
OURS = [
    '{"index":0,"time_ns":5,"process":3,"f":"write","value":["x",7]}',
    '{"index":1,"time_ns":6,"process":3,"type":"ok","f":"write","value":["x", 7],"node":"n1"}',
    '{"f":"read"}',
    '{"process":-1,"type":"info","f":"kill","value":{"n1":"a\\\\b"}}',
    '{"f":"read","value":"}","error":"x"}',
    '{"f":"read","value":1,"error":"\\q"}',
    '{"f":"read","value":[1,}',
    '{"value":1,"f":"read"}',
    '{"index":01,"f":"read"}',
]


def told(events: Events) -> list[tuple]:
    """Every event in full."""
    columns = (events.process, events.type, events.time_ns, events.index)
    return [
        (*numbers, events.fs[f], repr(events.values[value]))
        for *numbers, f, value in zip(
            *(column.tolist() for column in columns),
            events.f.tolist(),
            events.value.tolist(),
            strict=True,
        )
    ]


def source_of(lines: list[str]) -> Source:
    """A file of `lines`."""
    return Source(io.BytesIO("".join(f"{line}\n" for line in lines).encode()), Path("h"))


def compared(lines: list[str], scan, read) -> None:
    """Hold both ways against each other."""
    try:
        found = told(scan(source_of(lines)))
    except NotScannable:
        return
    assert found == told(events_from(read(source_of(lines))))


def scan_edn(source: Source) -> Events:
    """As `edn_scanned.read_events` does for a large file."""
    return scanned(
        source, b"nil", edn_scanned._shape_of, edn_scanned._read_line, edn_scanned._originals
    )


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(EDN), min_size=1, max_size=8))
def test_edn_is_scanned_as_it_is_read(lines: list[str]) -> None:
    """Lines of one order and of others, words, comments, errors: the same events."""
    compared(lines, scan_edn, jepsen_edn.read)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(OURS), min_size=1, max_size=8))
def test_jsonl_is_scanned_as_it_is_read(lines: list[str]) -> None:
    """Keys that are missing, strings with brackets, damage: the same events, or the rule decides."""
    compared(lines, jsonl._scanned, jsonl.read)


@pytest.mark.slow
def test_many_values_are_told_apart() -> None:
    """Tables grow over many blocks, and equal texts keep one number."""
    lines = [
        f"{{:index {n}, :time 1, :type :invoke, :process {n}, :f :write, :value {n % 50_000}}}"
        for n in range(120_000)
    ]

    events = scan_edn(source_of(lines))

    assert [events.values[code] for code in events.value.tolist()] == [
        n % 50_000 for n in range(120_000)
    ]
    assert len(events.values) == 50_002


@pytest.mark.slow
def test_damage_in_a_large_file_is_named_by_the_rule(tmp_path: Path, monkeypatch) -> None:
    """A line that cannot be scanned and is no operation is refused with its number, however large the file is."""
    monkeypatch.setattr(edn_scanned, "SCANNED_BYTES_MIN", 1)
    lines = [EDN[0]] * 10 + ["{:index 1, :time"] + [EDN[0]] * 10

    with pytest.raises(HistoryDamaged, match="line 11 "):
        edn_scanned.read_events(source_of(lines))
