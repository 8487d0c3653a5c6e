"""What a search tries next, with nothing run."""

from __future__ import annotations

from collections import Counter

from cluster.worlds.tape import Tape
from harness.campaign.attempt import Attempt
from harness.campaign.coverage import Cell
from harness.campaign.steering import ARCHIVE_MAX, Steering, altered
from harness.campaign.widths import widened
from harness.scenario import SURVIVABLE, At, FaultEntry, Scenario

PLAN = {"plan": [1, 2], "swarm": [3]}


def fresh(number: int) -> Attempt:
    return Attempt(number, Scenario(workload="set", seed=number))


def steering(seed: int = 0) -> Steering:
    return Steering(Tape(seed).stream("steering"))


def cells(*names: str) -> list[Cell]:
    return [("raft", name) for name in names]


def tried(search: Steering, count: int) -> list[Attempt]:
    """The next attempts, fresh ones left out."""
    attempts = [search.attempt(fresh(10_000 + number)) for number in range(count)]
    return [attempt for attempt in attempts if attempt.how != "fresh"]


def test_nothing_is_followed_before_something_was_reached() -> None:
    """An empty archive leaves everything fresh."""
    assert tried(steering(), 50) == []


def test_what_is_tried_again_is_the_scenario_and_the_plan() -> None:
    """Under the number and the seed of the attempt itself, so that all else is drawn anew."""
    search = steering()
    search.took(Attempt(7, Scenario(workload="set", nodes=3, seed=7)), cells("a"), PLAN)

    again = [attempt for attempt in tried(search, 50) if attempt.how == "again"]

    assert again
    for attempt in again:
        assert attempt.scenario == Scenario(workload="set", nodes=3, seed=attempt.number)
        assert (attempt.like, attempt.recorded) == (7, PLAN)


def test_one_side_of_a_scenario_is_altered_at_a_time() -> None:
    """Fields and options that belong together come together, and options that the other lacks go."""
    one = Scenario(
        workload="set", nodes=3, nemesis=["kill"], options={"interval_s": 0.1, "loss_percent": 5}
    )
    other = Scenario(
        workload="set", rate=40.0, concurrency=2, options={"loss_percent": 1, "heartbeat_ms": 30}
    )

    sides = [altered(one, other, side) for side in range(4)]

    assert [side.nodes for side in sides] == [5, 3, 3, 3]
    assert [(side.rate, side.concurrency) for side in sides] == [
        (20.0, 5),
        (40.0, 2),
        (20.0, 5),
        (20.0, 5),
    ]
    assert sides[2].options == {"interval_s": 0.1, "loss_percent": 1, "heartbeat_ms": 30}
    assert (sides[3].nemesis, sides[3].options) == ([], {"loss_percent": 5})


def test_what_all_runs_reach_is_not_followed() -> None:
    """Rare cells lead back to their runs, frequent ones do not."""
    search = steering()
    for number in range(20):
        reached = cells("frequent", f"rare {number}") if number == 4 else cells("frequent")
        search.took(fresh(number), reached, PLAN)

    assert {attempt.like for attempt in tried(search, 50)} == {4}


def test_cells_that_were_tried_often_step_back() -> None:
    """Over many attempts every rare cell has its turn."""
    search = steering()
    for number in range(10):
        search.took(fresh(number), cells(f"rare {number}"), PLAN)

    turns = Counter(attempt.like for attempt in tried(search, 400))

    assert set(turns) == set(range(10))
    assert max(turns.values()) < 3 * min(turns.values())


def test_the_way_that_brings_more_is_taken_more_often_and_none_is_given_up() -> None:
    """What a way brought long ago counts less than what it brings now."""
    search = steering()
    shares = []
    for fertile in ("fresh", "again"):
        for number in range(300):
            attempt = search.attempt(fresh(number))
            opened = (
                cells(*[f"{fertile} {number} {one}" for one in range(9)])
                if attempt.how == fertile
                else []
            )
            search.took(attempt, opened, PLAN)
        ways = Counter(search.attempt(fresh(number)).how for number in range(500))
        shares.append({way: ways[way] / 500 for way in ("fresh", "again", "altered")})

    assert all(share > 0.1 for ways in shares for share in ways.values())
    assert shares[0]["fresh"] > 0.45 > shares[1]["fresh"]
    assert shares[0]["again"] < 0.35 < shares[1]["again"]


def test_a_run_without_a_plan_is_counted_and_never_followed() -> None:
    """A failing run would only fail again, and the runs of an earlier process left no plan."""
    search = steering()
    assert search.took(fresh(1), cells("a", "b"), None) == cells("a", "b")
    search.remember(2, cells("c"))

    assert tried(search, 50) == []
    assert search.took(fresh(3), cells("a", "c"), None) == []
    assert search.runs_by_cell() == {("raft", "a"): 2, ("raft", "b"): 1, ("raft", "c"): 2}


def test_the_archive_has_an_upper_bound() -> None:
    """The oldest runs go first."""
    search = steering()
    for number in range(ARCHIVE_MAX + 50):
        search.took(fresh(number), cells(f"rare {number}"), PLAN)

    assert min(attempt.like for attempt in tried(search, 300)) >= 50


def test_equal_searches_try_the_same() -> None:
    """The draws of the search decide, and the order of attempts."""

    def attempts() -> list[Attempt]:
        search, made = steering(seed=5), []
        for number in range(60):
            made.append(search.attempt(fresh(number)))
            search.took(made[-1], cells(f"rare {number % 17}"), PLAN)
        return made

    assert attempts() == attempts()
    assert {attempt.how for attempt in attempts()} == {"fresh", "again", "altered"}


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
