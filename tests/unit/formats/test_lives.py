"""Processes that go on after info begin another life."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from harness.formats import edn_scanned, jepsen_edn
from harness.formats.lives import LIFE, lives
from harness.formats.source import Source
from harness.history import HistoryDamaged
from harness.operation import Operation


def source_of(text: str = "") -> Source:
    """A file of `text`."""
    return Source(io.BytesIO(text.encode()), Path("h"))


def lived(*events: tuple[int, str]) -> tuple[list[int], Source]:
    """The processes that events of (process, type) are told of, and the source with its notes."""
    source = source_of()
    told = lives(source, (Operation(process=who, type=kind, f="read") for who, kind in events))
    return [one.process for one in told], source


def test_processes_that_keep_the_law_stay() -> None:
    """Nothing is renamed, and nothing said, where nobody goes on; the nemesis may."""
    processes, source = lived(
        (0, "invoke"), (0, "info"), (1, "invoke"), (1, "ok"), (-1, "info"), (-1, "info")
    )

    assert processes == [0, 0, 1, 1, -1, -1]
    assert source.notes == []
    assert not source.goes_on


def test_each_life_has_its_number() -> None:
    """Every operation behind an info belongs to the next life, and the notes say so once."""
    processes, source = lived(
        (4, "invoke"), (4, "info"), (4, "invoke"), (4, "ok"), (4, "invoke"), (4, "info"),
        (5, "invoke"), (4, "invoke"), (4, "fail"), (5, "ok"),
    )  # fmt: skip

    second, third = 4 + LIFE, 4 + 2 * LIFE
    assert processes == [4, 4, second, second, second, second, 5, third, third, 5]
    assert len(source.notes) == 1
    assert source.goes_on


def test_numbers_that_could_meet_are_refused() -> None:
    """A file that numbers its processes so high itself cannot be renamed."""
    with pytest.raises(HistoryDamaged, match="names process 1000000"):
        lived((0, "invoke"), (0, "info"), (0, "invoke"), (LIFE, "invoke"))


@pytest.mark.parametrize("goes_on", [False, True])
def test_large_files_live_as_small_ones(goes_on: bool, monkeypatch) -> None:
    """A file that is scanned comes to the same processes."""
    monkeypatch.setattr(edn_scanned, "SCANNED_BYTES_MIN", 0)
    second = 0 if goes_on else 1
    kinds = [(0, "invoke"), (0, "info"), (second, "invoke"), (second, "ok")]
    text = "".join(
        f"{{:index {at}, :type :{kind}, :process {who}, :f :read, :value nil}}\n"
        for at, (who, kind) in enumerate(kinds)
    )

    events = edn_scanned.read_events(source_of(text))

    told = [one.process for one in jepsen_edn.read(source_of(text))]
    assert events.process.tolist() == told == [0, 0, *[LIFE if goes_on else 1] * 2]
