"""A history in columns: pairing, codes, parts of values, and what is refused."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from harness.columns import (
    ABSENT,
    FAIL,
    INFO,
    NEVER,
    NIL,
    OK,
    Columns,
    Misfit,
    columns,
    events_from,
)
from harness.conventions import CONVENTIONS, independent
from harness.operation import NEMESIS, Operation


def history(*lines: str) -> list[Operation]:
    """``"0 invoke write 5"`` ... as operations; times are ten times the index."""
    found = []
    for index, line in enumerate(lines):
        process, kind, f, *value = line.split()
        found.append(
            Operation(
                index=index,
                time_ns=index * 10,
                process=int(process),
                type=kind,  # type: ignore[arg-type]
                f=f,
                value=eval(" ".join(value)) if value else None,
            )
        )
    return found


def made(*lines: str, convention: str = "register", keyed: bool = False) -> Columns:
    known = CONVENTIONS[convention]
    return columns(events_from(history(*lines)), independent(known) if keyed else known)


REGISTER = (
    "0 invoke write 5",
    "1 invoke read",
    "-1 info kill 'n1'",
    "1 ok read 5",
    "0 ok write 5",
    "1 invoke cas [5,6]",
    "1 fail cas [5,6]",
    "-1 info kill 'n1'",
    "0 invoke read",
    "0 info read",
    "2 invoke write 7",
)


def test_operations_are_paired() -> None:
    """A row is an operation in order of its call; the nemesis has none, and what crashed never returns."""
    found = made(*REGISTER)

    assert found.process.tolist() == [0, 1, 1, 0, 2]
    assert found.called.tolist() == [0, 1, 5, 8, 10]
    assert found.returned.tolist() == [4, 3, 6, NEVER, NEVER]
    assert found.type.tolist() == [OK, OK, FAIL, INFO, INFO]
    assert [found.fs[code] for code in found.f] == ["write", "read", "cas", "read", "write"]


def test_times_and_indexes_are_those_of_the_file() -> None:
    """Both ends keep their own; the end of a crash is known, that of silence is not."""
    found = made(*REGISTER)

    assert found.called_ns.tolist() == [0, 10, 50, 80, 100]
    assert found.returned_ns.tolist() == [40, 30, 60, 90, -1]
    assert found.called_index.tolist() == [0, 1, 5, 8, 10]
    assert found.returned_index.tolist() == [4, 3, 6, 9, -1]


def test_values_are_codes() -> None:
    """Equal values have equal codes, wherever they stand; what is not there is ABSENT."""
    found = made(*REGISTER)

    def value(column: np.ndarray) -> list[object]:
        return ["-" if code == ABSENT else found.values[code] for code in column]

    assert value(found.argument) == [5, "-", 5, "-", 7]
    assert value(found.second) == ["-", "-", 6, "-", "-"]
    assert value(found.result) == ["-", 5, "-", "-", "-"]
    assert found.values[NIL] is None


def test_reading_nothing_is_not_reading_not() -> None:
    """A read of None has the code NIL; a read that crashed has no result."""
    found = made("0 invoke read", "0 ok read None", "0 invoke read", "0 info read")

    assert found.result.tolist() == [NIL, ABSENT]


def test_keys_are_taken_apart() -> None:
    """With [key, value] every key has its code, and the value is what stands behind it."""
    found = made(
        "0 invoke write ['a',1]",
        "1 invoke read [(1,2),None]",
        "1 ok read [(1,2),1]",
        keyed=True,
    )

    assert [found.keys[code] for code in found.key] == ["a", (1, 2)]
    assert [found.values[code] for code in found.argument[:1]] == [1]
    assert found.argument[0] == found.result[1]


def test_true_is_not_one() -> None:
    """Values that Python takes for equal and a database does not have two codes; lists are compared by content."""
    found = made(
        "0 invoke write True",
        "1 invoke write 1",
        "2 invoke write [1,{'a':[2]}]",
        "3 invoke write [1,{'a':[2]}]",
        "4 invoke write [1,{'a':[3]}]",
    )

    codes = found.argument.tolist()
    assert len(set(codes)) == 4
    assert codes[2] == codes[3]


def test_empty_history_has_no_rows() -> None:
    """Nothing in, nothing out; also where only the nemesis did something."""
    assert len(made()) == 0
    assert len(made("-1 info kill", "-1 info kill")) == 0


@pytest.mark.parametrize(
    ("lines", "position", "words"),
    [
        (["0 invoke read", "0 invoke read"], 1, "has another under way"),
        (["0 invoke read", "1 ok read"], 1, "completes what was never invoked"),
        (["0 invoke read", "0 ok read", "0 ok read"], 2, "completes what was never invoked"),
        (["0 invoke read", "0 info read", "0 invoke read"], 2, "process that crashed"),
        (["0 invoke read", "0 info read", "0 ok read"], 2, "process that crashed"),
        (["0 invoke read", "0 ok write 1"], 1, "completes an operation with another f"),
        (["0 invoke enqueue 1"], 0, "none of the operations of this model: read, write, cas"),
        (["0 invoke cas 5"], 0, "is expected"),
        (["0 invoke cas [5]"], 0, "is expected"),
        (["0 invoke read", "0 ok read 1", "1 ok read", "1 ok read"], 2, "never invoked"),
    ],
)
def test_what_no_run_can_have_produced_is_refused(
    lines: list[str], position: int, words: str
) -> None:
    """The first event at fault is named, with the reason."""
    with pytest.raises(Misfit, match=words) as raised:
        made(*lines)

    assert raised.value.position == position


def test_indexes_rise() -> None:
    """An event whose index is not above those before it is in the wrong place; unknown ones are passed over."""
    events = [
        Operation(index=index, process=process, f="read")
        for process, index in enumerate((3, -1, 7, 5))
    ]

    with pytest.raises(Misfit, match="index that does not rise") as raised:
        columns(events_from(events), CONVENTIONS["register"])

    assert raised.value.position == 3


def test_numbers_have_63_bits() -> None:
    """A number that no column holds is refused where it stands, not cut."""
    events = [Operation(process=1, f="read"), Operation(process=2, f="read", time_ns=1 << 64)]

    with pytest.raises(Misfit, match="63 bits") as raised:
        events_from(events)

    assert raised.value.position == 1


def test_words_have_no_parts() -> None:
    """A string is no [key, value], although Python could take its letters apart."""
    with pytest.raises(Misfit, match="is expected"):
        made("0 invoke write 'ab'", keyed=True)


def test_key_is_missing() -> None:
    """A value that is no [key, value] does not fit a history of many keys."""
    with pytest.raises(Misfit, match="is expected"):
        made("0 invoke write 5", keyed=True)


def test_collector_is_on_again() -> None:
    """Loading leaves the cyclic collector as it was."""
    assert gc.isenabled()
    made(*REGISTER)
    assert gc.isenabled()


def test_rows_are_small() -> None:
    """A row takes less than 100 bytes, so that a million operations with their values stay under 200 each."""
    lines = [f"{process} invoke write {process}" for process in range(100)]
    found = made(*lines)

    assert found.nbytes / len(found) < 100


def test_nemesis_may_do_as_it_likes() -> None:
    """Its operations are no rows and no reason to refuse."""
    found = made("-1 info kill", "-1 info start", "-1 info stop")

    assert NEMESIS not in found.process.tolist()
