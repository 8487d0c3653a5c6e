"""What a run has reached, as cells: made of traces written by hand."""

from __future__ import annotations

from cluster.trace import (
    Appended,
    Applied,
    Committed,
    Event,
    Fault,
    HitPoint,
    RoleChanged,
    Started,
    Stopped,
)
from harness.campaign.coverage import CRASH, ENTRY, RAFT, cells_of

NODES = ("n1", "n2", "n3")


def started(node: str, **fields: int) -> Started:
    """A node that opens its group, empty unless `fields` say otherwise."""
    about = {
        "have": 0,
        "snapshot_index": 0,
        "last_index": 0,
        "commit": 0,
        "row_horizon": 0,
        "torn_bytes": 0,
    }
    return Started(node=node, incarnation=1, restored=False, **{**about, **fields})


def role(node: str, name: str, term: int, last_index: int = 0, last_term: int = 0) -> RoleChanged:
    return RoleChanged(
        node=node, incarnation=1, role=name, term=term, last_index=last_index, last_term=last_term
    )


def appended(node: str, *entries: tuple[int, int]) -> Appended:
    listed = tuple((index, term, b"") for index, term in entries)
    return Appended(node=node, incarnation=1, entries=listed, durable=True)


def hit(node: str, point: str = "wal.after_fsync", role_name: str = "follower") -> HitPoint:
    return HitPoint(
        node=node, incarnation=1, point=point, action="kill", index=1, opcode=3, role=role_name
    )


def serving() -> list[Event]:
    """Three nodes; n1 leads and has replicated one entry."""
    return [
        *[started(node) for node in NODES],
        role("n1", "leader", 1),
        *[appended(node, (1, 1)) for node in NODES],
        *[Committed(node=node, incarnation=1, index=1, term=1) for node in NODES],
    ]


def test_a_cell_is_told_once_and_in_its_turn() -> None:
    """A second time adds nothing."""
    cells = cells_of([*serving(), hit("n2"), hit("n2")])

    assert cells == [
        *cells_of(serving()),
        (CRASH, "wal.after_fsync", "kill", "follower", "serving", 3),
    ]


def test_the_phase_of_a_strike_is_what_the_node_was_doing() -> None:
    """Replaying until all that it knew committed when it started is applied again, electing without a leader, else serving."""
    leaderless = [*serving(), role("n1", "follower", 2), hit("n2")]
    replaying = [*serving(), Stopped(node="n2", incarnation=1, cause="kill", exit_code=-9),
                 started("n2", last_index=1, commit=1), hit("n2")]  # fmt: skip

    assert {cell[4] for cell in cells_of(leaderless) if cell[0] == CRASH} == {"electing"}
    assert {cell[4] for cell in cells_of(replaying) if cell[0] == CRASH} == {"replaying"}


def test_a_log_is_told_by_how_it_stands_to_the_best() -> None:
    """The best, shorter, of an older term, or with more entries of an older term: the last must lose some of them."""
    found = {}
    for log, entries in {
        "best": ((2, 2),),
        "shorter": (),
        "older": ((2, 1),),
        "apart": ((2, 1), (3, 1)),
    }.items():
        trace = [*serving(), appended("n1", (2, 2)), appended("n2", (1, 2 if log in ("best", "shorter") else 1)),
                 *[appended("n2", entry) for entry in entries], role("n2", "follower", 2)]  # fmt: skip
        last = cells_of(trace)[-1]
        found[log] = last[5]

    assert found == {log: log for log in found}


def test_a_node_that_lost_entries_and_one_that_did_not_are_in_two_situations() -> None:
    """What the disk kept is part of a start."""
    down = Stopped(node="n3", incarnation=1, cause="power", exit_code=-9)
    kept, lost = (
        {cell[1] for cell in cells_of([*serving(), down, started("n3", last_index=length)])}
        for length in (1, 0)
    )

    assert "started none lost none" in kept
    assert lost - kept == {"started none lost few"}


def test_what_overwrites_a_log_is_a_cell_and_what_goes_on_is_none() -> None:
    """Appends are frequent; only those that cut something off are rare."""
    trace = serving()
    before = set(cells_of(trace))

    assert set(cells_of([*trace, appended("n2", (2, 1))])) == before
    [cell] = set(cells_of([*trace, appended("n2", (1, 2))])) - before
    assert cell[:3] == (RAFT, "overwritten", "few")


def test_what_became_of_an_entry_is_a_cell() -> None:
    """By opcode, decision, error, whether it was applied before, and role."""
    applied = Applied(
        node="n1", incarnation=1, index=1, term=1, opcode=3, digest=0, replay=True, decision="noop"
    )

    assert (ENTRY, 3, "noop", "", "replayed", "leader") in cells_of([*serving(), applied])


def test_faults_are_cells_by_situation_and_dropped_packets_are_not() -> None:
    """How many packets a fault dropped is an amount, not a place."""
    before = set(cells_of(serving()))
    cut, dropped = (
        set(cells_of([*serving(), Fault(node="n1", incarnation=0, action=action, target="n1")]))
        - before
        for action in ("pause", "dropped")
    )

    assert [cell[1] for cell in cut] == ["fault pause"]
    assert dropped == set()
