"""The data of Porcupine's viewer: what its page finds where."""

from __future__ import annotations

import io
import json

from harness.columns import columns_of
from harness.conventions import CONVENTIONS, independent
from harness.formats.porcupine_viewer import viewer_data, write
from harness.operation import Operation


def one(process, kind, f, value):
    return Operation(process=process, type=kind, f=f, value=value)


HISTORY = [
    one(0, "invoke", "write", ["y", 1]),
    one(1, "invoke", "cas", ["x", [1, 2]]),
    one(1, "fail", "cas", ["x", [1, 2]]),
    one(0, "ok", "write", ["y", 1]),
    one(2, "invoke", "read", ["x", None]),
    one(1, "invoke", "cas", ["y", [1, 2]]),
    one(2, "ok", "read", ["x", None]),
]
COLUMNS = columns_of(HISTORY, independent(CONVENTIONS["register"]))


def test_every_key_is_a_partition() -> None:
    """Bars stand under their key and say what was asked and what came of it; what failed is left out."""
    partitions = viewer_data(COLUMNS)["Partitions"]

    bars = [[bar["Description"] for bar in one["History"]] for one in partitions]
    assert bars == [["write('y', 1)", "cas('y', 1, 2)"], ["read('x') -> None"]]


def test_times_are_places_in_the_history() -> None:
    """A bar reaches from call to return; one that never returned ends behind all others."""
    bars = [bar for one in viewer_data(COLUMNS)["Partitions"] for bar in one["History"]]

    assert [(bar["ClientId"], bar["Start"], bar["End"]) for bar in bars] == [
        (0, 0, 3),
        (1, 5, 7),
        (2, 4, 6),
    ]


def test_no_order_is_claimed() -> None:
    """Linearizations stay empty, as do annotations."""
    data = viewer_data(COLUMNS)

    assert data["Annotations"] == []
    assert all(one["PartialLinearizations"] == [] for one in data["Partitions"])
    assert all(one["Largest"] == {} for one in data["Partitions"])


def test_it_is_written_as_json() -> None:
    """The file is the data, as one object."""
    file = io.BytesIO()

    write(COLUMNS, file)

    assert json.loads(file.getvalue()) == viewer_data(COLUMNS)


def test_empty_history_has_no_partition() -> None:
    """Nothing happened, nothing is shown."""
    assert viewer_data(columns_of([], CONVENTIONS["register"]))["Partitions"] == []
