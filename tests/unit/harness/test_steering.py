"""What a search tries next, with nothing run."""

from __future__ import annotations

from collections import Counter

from cluster.worlds.tape import Tape
from harness.campaign.attempt import Attempt, packed, unpacked
from harness.campaign.coverage import Cell
from harness.campaign.steering import TAPES_MAX, Steering
from harness.campaign.widths import widened
from harness.scenario import SURVIVABLE, At, FaultEntry, Scenario

TAPE = {"plan": [1, 2], "network.delay/n1>n2": [3, 4], "generator": [5]}


def fresh(number: int) -> Attempt:
    return Attempt(number, Scenario(workload="set", seed=number))


def steering(seed: int = 0, **percents: int) -> Steering:
    return Steering(Tape(seed).stream("steering"), **percents)


def cells(*names: str, at_event: int = 0) -> dict[Cell, int]:
    return {("raft", name): at_event for name in names}


def test_nothing_is_followed_before_something_was_reached() -> None:
    """An empty archive leaves everything fresh."""
    assert steering(fresh_percent=0).attempt(fresh(3)) == fresh(3)


def test_a_branch_repeats_a_run_up_to_the_event_of_its_rare_cell() -> None:
    """With its scenario and tape, under the number and the seed of the attempt itself."""
    search = steering(fresh_percent=0, branch_percent=100)
    search.took(
        Attempt(7, Scenario(workload="set", nodes=3, seed=7)), cells("a", at_event=41), packed(TAPE)
    )

    attempt = search.attempt(fresh(20))

    assert attempt == Attempt(
        20, Scenario(workload="set", nodes=3, seed=20), "branch", 7, packed(TAPE), 42
    )


def test_again_keeps_the_plan_and_nothing_else() -> None:
    """Every other stream is drawn anew, from the first draw on."""
    search = steering(fresh_percent=0, branch_percent=0)
    search.took(fresh(7), cells("a"), packed(TAPE))

    attempt = search.attempt(fresh(20))

    assert (attempt.how, attempt.until, attempt.like) == ("again", None, 7)
    assert unpacked(attempt.tape) == {"plan": [1, 2]}


def test_what_all_runs_reach_is_not_followed() -> None:
    """Rare cells lead back to their runs, frequent ones do not."""
    search = steering(fresh_percent=0, branch_percent=100)
    for number in range(20):
        reached = cells("frequent", f"rare {number}") if number == 4 else cells("frequent")
        search.took(fresh(number), reached, packed(TAPE))

    assert {search.attempt(fresh(100 + number)).like for number in range(30)} == {4}


def test_cells_that_were_tried_often_step_back() -> None:
    """Over many attempts every rare cell has its turn."""
    search = steering(fresh_percent=0, branch_percent=100)
    for number in range(10):
        search.took(fresh(number), cells(f"rare {number}"), packed(TAPE))

    turns = Counter(search.attempt(fresh(100 + number)).like for number in range(200))

    assert set(turns) == set(range(10))
    assert max(turns.values()) < 3 * min(turns.values())


def test_a_run_without_a_tape_is_counted_and_never_followed() -> None:
    """A failing run would only fail again, and the runs of an earlier process left no tape."""
    search = steering(fresh_percent=0)
    assert search.took(fresh(1), cells("a", "b"), b"") == [("raft", "a"), ("raft", "b")]
    search.remember(2, cells("c"))

    assert search.attempt(fresh(3)) == fresh(3)
    assert search.took(fresh(3), cells("a", "c"), b"") == []
    assert search.runs_by_cell() == {("raft", "a"): 2, ("raft", "b"): 1, ("raft", "c"): 2}


def test_the_archive_has_an_upper_bound() -> None:
    """The oldest tapes go first."""
    search = steering(fresh_percent=0, branch_percent=100)
    for number in range(TAPES_MAX + 50):
        search.took(fresh(number), cells(f"rare {number}"), packed(TAPE))

    assert min(search.attempt(fresh(9_000 + number)).like for number in range(2_000)) == 50


def test_equal_searches_try_the_same() -> None:
    """The draws of the search decide, and the order of attempts."""

    def tried() -> list[Attempt]:
        search, attempts = steering(seed=5), []
        for number in range(60):
            attempts.append(search.attempt(fresh(number)))
            search.took(attempts[-1], cells(f"rare {number % 17}", at_event=number), packed(TAPE))
        return attempts

    assert tried() == tried()
    assert {attempt.how for attempt in tried()} == {"fresh", "branch", "again"}


def drawn(seed: int, said: frozenset[str] = frozenset(), **fields: object) -> Scenario:
    scenario = Scenario(workload="set", **fields)  # type: ignore[arg-type]
    return widened(scenario, said, Tape(seed).stream("widths"))


def test_what_nobody_said_differs_from_seed_to_seed() -> None:
    """Nodes, load, timeouts, loss, and faults: of every kind, or storms of one or two."""
    scenarios = [drawn(seed) for seed in range(200)]

    assert {one.nodes for one in scenarios} == {3, 5}
    assert len({(one.concurrency, one.rate) for one in scenarios}) == 9
    assert len({one.options["election_timeout_ms"] for one in scenarios}) == 3
    storms = [one for one in scenarios if one.nemesis != [SURVIVABLE]]
    assert 60 < len(storms) < 140
    assert {len(one.nemesis) for one in storms} == {1, 2}
    assert all(one.options["interval_s"] < 1 for one in storms)


def test_what_was_said_stays_and_changes_nothing_else() -> None:
    """Every other draw of the seed is the same."""
    for seed in range(20):
        free = drawn(seed)
        said = drawn(
            seed, frozenset({"nodes"}), nodes=7, nemesis=["kill"], options={"heartbeat_ms": 50}
        )
        assert (said.nodes, said.nemesis, said.options["heartbeat_ms"]) == (7, ["kill"], 50)
        assert "election_timeout_ms" not in said.options
        assert (said.rate, said.concurrency, said.options["loss_percent"]) == (
            free.rate,
            free.concurrency,
            free.options["loss_percent"],
        )


def test_exact_faults_are_left_alone() -> None:
    """Random faults cannot stand beside them."""
    faults = [FaultEntry(f="kill", when=At(time_s=1.0))]

    assert all(drawn(seed, faults=faults).nemesis == [] for seed in range(20))
