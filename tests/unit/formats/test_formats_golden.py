"""One small file per format: told by its beginning, read operation by operation.

The files in `golden` are written by hand from the descriptions of the formats, with every rule that a reader must know.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.formats.catalogue import FORMATS, detect, load_operations
from harness.operation import NEMESIS, Operation
from harness.values import Keyword, Symbol, Unordered

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

X = Symbol("x")

EXPECTED = {
    "operations.json": (
        "porcupine-json",
        [
            one(0, "invoke", "put", ["x", "1"], time_ns=10),
            one(1, "invoke", "get", ["x", None], time_ns=20),
            one(0, "ok", "put", ["x", "1"], time_ns=30),
            one(1, "ok", "get", ["x", "1"], time_ns=30),
            one(1, "invoke", "get", ["y", None], time_ns=40),
            one(1, "ok", "get", ["y", None], time_ns=50),
            one(0, "invoke", "put", ["y", "7"], time_ns=60),
            one(0, "info", "put", ["y", "7"], time_ns=70),
            one(2, "invoke", "put", ["y", None], time_ns=80),
            one(2, "ok", "put", ["y", None], time_ns=90),
        ],
    ),
    "knossos_vectors.edn": (
        "edn",
        [
            one(0, "invoke", "write", 3),
            one(NEMESIS, "info", "start", "Cut off {n1 #{n2"),
            one(0, "ok", "write", 3),
            one(71, "invoke", "cas", [3, 4]),
            one(71, "fail", "cas", [3, 4], error="conn-lost"),
        ],
    ),
    "elle_by_hand.edn": (
        "edn",
        [
            one(1, "invoke", "txn", [["r", X, None], ["append", X, 1]], index=1),
            one(1, "ok", "txn", [["r", X, []], ["append", X, 1]], index=2),
            one(2, "invoke", "txn", [["r", X, None]], index=1),
            one(2, "ok", "txn", [["r", X, [1]]], index=2),
        ],
    ),
    "nobody.edn": (
        "edn",
        [
            one(0, "invoke", "read"),
            one(1, "invoke", "write", 4),
            one(1, "ok", "write", 4),
            one(0, "ok", "read", Unordered([4])),
        ],
    ),
    "jepsen.log": (
        "log",
        [
            one(0, "invoke", "read"),
            one(NEMESIS, "info", "kill", "#object[java.lang.Object 0x1]"),
            one(0, "info", "read", error='#error{java.net.Timeout "x'),
        ],
    ),
    "hints.log": (
        "log",
        [
            one(3, "invoke", "write", 54),
            one(4, "invoke", "read"),
            one(3, "ok", "write", 54),
            one(4, "fail", "read", error="timed-out"),
        ],
    ),
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
        "log",
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
    operations, source = load_operations(GOLDEN / name, EXPECTED[name][0])

    assert operations == EXPECTED[name][1]
    assert source.torn == ""


BINARY = {
    "history.bincode": (
        "dbcop",
        [
            *both(0, [["w", 1, 7], ["r", 2, None]], [["w", 1, 7], ["r", 2, None]]),
            one(0, "invoke", "txn", [["w", 2, 9]]),
            one(0, "fail", "txn", [["w", 2, 9]]),
            one(1, "invoke", "txn", [["w", 1, 8]]),
            one(1, "fail", "txn", [["w", 1, 8]]),
            *both(1, [["r", 1, None]], [["r", 1, 7]]),
        ],
    ),
    "cobra": (
        "cobra",
        [
            *both(0, [["w", 1, 70], ["r", 2, None]], [["w", 1, 70], ["r", 2, None]]),
            *both(1, [["r", 2, None]], [["r", 2, 71]]),
            *both(2, [["r", 1, None]], [["r", 1, 70]]),
            *both(2, [["w", 2, 71]], [["w", 2, 71]]),
        ],
    ),
}


@pytest.mark.parametrize("name", BINARY)
def test_binary_format_is_told_and_read(name: str) -> None:
    """Formats of bytes are told and read like others; sessions stand in the order of their numbers."""
    path = GOLDEN.parent / "binary" / name

    assert detect(path) == BINARY[name][0]
    assert load_operations(path, detect(path))[0] == BINARY[name][1]


def test_every_format_has_a_golden_file() -> None:
    """No reader is without its file."""
    told = {name for name, _ in EXPECTED.values()} | {name for name, _ in BINARY.values()}
    assert told == set(FORMATS)


def test_every_golden_file_is_read() -> None:
    """No file lies about unread."""
    assert {path.name for path in GOLDEN.iterdir()} == set(EXPECTED)
