"""One small file per format: told by its beginning, read operation by operation.

The files in `golden` are written by hand from the descriptions of the formats, with every rule that a reader must know.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.formats.catalogue import FORMATS, detect, load_operations
from harness.operation import NEMESIS, Operation
from harness.values import Keyword, Unordered

GOLDEN = Path(__file__).parent / "golden"


def one(process, kind, f, value=None, *, index=-1, time_ns=-1, error="", node=""):
    return Operation(
        index=index,
        time_ns=time_ns,
        process=process,
        type=kind,
        f=f,
        value=value,
        error=error,
        node=node,
    )


def both(process, asked, got):
    return [one(process, "invoke", "txn", asked), one(process, "ok", "txn", got)]


ISOLATED = [Keyword("isolated"), {"n1": Unordered(["n2", "n3"])}]

EXPECTED = {
    "ours.jsonl": (
        "jsonl",
        [
            one(2, "invoke", "write", ["x", 7], index=0, time_ns=5),
            one(2, "ok", "write", ["x", 7], index=1, time_ns=6, node="n1"),
            one(NEMESIS, "info", "kill", "n1", index=2, time_ns=6),
            one(3, "invoke", "read", ["x", None], index=3, time_ns=7),
            one(3, "info", "read", ["x", None], index=4, time_ns=9, error="timed-out"),
        ],
    ),
    "jepsen.edn": (
        "edn",
        [
            one(0, "invoke", "write", 3, index=0, time_ns=3291485317),
            one(NEMESIS, "invoke", "start-partition", "majority", index=1, time_ns=3291592112),
            one(0, "ok", "write", 3, index=2, time_ns=3296209422),
            one(NEMESIS, "info", "start-partition", ISOLATED, index=3, time_ns=3296330021),
            one(1, "invoke", "cas", [3, 4], index=4, time_ns=3300000000),
            one(1, "fail", "cas", [3, 4], index=5, time_ns=3300000001, error='[:not-equal "n2"]'),
            one(1, "invoke", "read", index=6, time_ns=3300000002),
            one(1, "info", "read", index=7, time_ns=3300000003, error="timed-out"),
        ],
    ),
    "jepsen_old.edn": (
        "edn",
        [
            one(0, "invoke", "read", index=0, time_ns=10),
            one(0, "ok", "read", index=1, time_ns=20),
            one(1, "invoke", "txn", [["append", 9, 1], ["r", 8, None]], index=2, time_ns=30),
            one(1, "ok", "txn", [["append", 9, 1], ["r", 8, [1, 2]]], index=3, time_ns=40),
        ],
    ),
    "history.txt": (
        "text",
        [
            one(0, "invoke", "write", 3),
            one(NEMESIS, "info", "kill", "all"),
            one(0, "ok", "write", 3),
            one(1, "invoke", "cas", [3, 4]),
            one(1, "fail", "cas", [3, 4], error="not-equal"),
            one(2, "invoke", "read"),
            one(2, "info", "read", error="timed-out"),
        ],
    ),
    "etcd.log": (
        "text",
        [
            one(0, "invoke", "write", 4),
            one(1, "invoke", "read"),
            one(1, "ok", "read"),
            one(0, "info", "write", error="timed-out"),
            one(1, "invoke", "cas", [4, 2]),
            one(1, "fail", "cas", [4, 2]),
        ],
    ),
    "kv.txt": (
        "porcupine-kv",
        [
            one(0, "invoke", "get", ["0", None]),
            one(1, "invoke", "append", ["0", "x 1 0 y"]),
            one(0, "ok", "get", ["0", ""]),
            one(1, "ok", "append", ["0", "x 1 0 y"]),
        ],
    ),
    "elle.json": (
        "elle-json",
        [
            one(0, "invoke", "txn", [["append", 255, 8], ["r", 253, None]], index=0, time_ns=11),
            one(0, "ok", "txn", [["append", 255, 8], ["r", 253, [1, 3]]], index=1, time_ns=12),
            one(NEMESIS, "info", "kill", index=2, time_ns=13, error='{"code":5}'),
        ],
    ),
    "history.plume": (
        "plume",
        [
            one(1, "invoke", "txn", [["w", 2, 30]]),
            one(1, "fail", "txn", [["w", 2, 30]]),
            *both(0, [["w", 1, 10], ["r", 2, None]], [["w", 1, 10], ["r", 2, None]]),
            *both(0, [["r", 1, None]], [["r", 1, 10]]),
            *both(1, [["w", 2, 20]], [["w", 2, 20]]),
        ],
    ),
    "history.awdit": (
        "awdit",
        [
            *both(0, [["w", 1, 10], ["r", 2, None]], [["w", 1, 10], ["r", 2, 0]]),
            *both(0, [["r", 1, None]], [["r", 1, 10]]),
            *both(1, [["w", 2, 20]], [["w", 2, 20]]),
        ],
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_format_is_told_by_its_beginning(name: str) -> None:
    """A file needs no name for its format."""
    assert detect(GOLDEN / name) == EXPECTED[name][0]


@pytest.mark.parametrize("name", EXPECTED)
def test_golden_file_is_read(name: str) -> None:
    """Every operation of the file comes out as it is meant, and nothing is dropped."""
    operations, torn = load_operations(GOLDEN / name, EXPECTED[name][0])

    assert operations == EXPECTED[name][1]
    assert torn == ""


def test_every_format_has_a_golden_file() -> None:
    """No reader is without its file."""
    assert {name for name, _ in EXPECTED.values()} == set(FORMATS)


def test_every_golden_file_is_read() -> None:
    """No file lies about unread."""
    assert {path.name for path in GOLDEN.iterdir()} == set(EXPECTED)
