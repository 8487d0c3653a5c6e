"""Wall clocks, clients, files, bad links and limits as faults: what they do in simulation, what is told, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.trace import Fault, Stopped
from harness.campaign.needs import WorldCannot, check_needs
from harness.campaign.outcome import Finished
from harness.campaign.simulate import simulate
from harness.checkers.checker import Run
from harness.checkers.wall_clocks import WallClocks
from harness.errors import UserMistake
from harness.operation import NEMESIS, Operation
from harness.scenario import At, FaultEntry, Scenario
from nemesis.partition import GRUDGES, minority_third, one_link, star

ORDER = ("n1", "n2", "n3", "n4", "n5")


def fault(f: str, *targets: str, after_s: float = 1.0, **value: Any) -> FaultEntry:
    return FaultEntry(f=f, targets=[*targets], value=value, when=At(time_s=after_s))


def run(*faults: FaultEntry, **fields: Any) -> Finished:
    scenario = Scenario(
        workload="set", seed=1, nodes=3, time_limit_s=4.0, faults=[*faults], **fields
    )
    check_needs(scenario)
    done = simulate(scenario)
    assert done.results["facts"]["harness_errors"] == 0
    return done


def told(done: Finished) -> list[tuple[str, str]]:
    return [(e.action, e.target) for e in done.trace if isinstance(e, Fault)]


def completed(done: Finished, f: str) -> dict[str, Any]:
    """The value of the one completion of `f`."""
    (value,) = [op.value for op in done.history if op.f == f][1::2]
    assert isinstance(value, dict)
    return value


def test_a_bumped_clock_is_seen_by_its_node_and_stays_until_it_is_reset() -> None:
    """Readings before and after differ by the jump; the verdict counts it and holds timestamps to their promise."""
    hour_ns = 3_600_000_000_000
    done = run(
        fault("bump-clock", "n2", offset_ns=-hour_ns),
        fault("reset-clock", "n2", after_s=2.0),
    )
    before, after = completed(done, "bump-clock")["readings"]

    assert abs(after["wall_ns"] - before["wall_ns"] + hour_ns) < 1_000_000_000
    assert after["stamp_ns"] > before["stamp_ns"]
    assert [action for action, _ in told(done)[:2]] == ["clock-set", "clock-right"]
    assert done.results["valid"] is True
    facts = done.results["facts"]
    assert (facts["clock_jumps"], facts["clock_steps_back"], facts["stamps_back"]) == (2, 1, 0)


def test_a_strobe_flickers_and_ends_right() -> None:
    """Every period the clock is wrong, then right again; the end of the run puts it right once more."""
    done = run(
        fault(
            "strobe-clock",
            "n1",
            offset_ns=5_000_000_000,
            period_ns=100_000_000,
            duration_ns=1_000_000_000,
        )
    )
    *acts, last = [action for action, _ in told(done) if action in ("clock-set", "clock-right")]

    assert len(acts) >= 6
    assert last == "clock-right"
    assert acts == ["clock-set", "clock-right"] * (len(acts) // 2)
    assert done.results["facts"]["clock_jumps"] == len(acts)


def reading(stamp_ns: int, wall_ns: int = 0, *, at_ns: int = 0, life: int = 1) -> dict[str, Any]:
    return {
        "node": "n1", "incarnation": life, "at_ns": at_ns, "wall_ns": wall_ns, "stamp_ns": stamp_ns
    }  # fmt: skip


def judged(*readings: dict[str, Any]) -> Any:
    told_so = Operation(
        process=NEMESIS, type="info", f="bump-clock", value={"readings": list(readings)}
    )
    return WallClocks().check(
        Run(nodes=("n1",), history=[told_so], trace=[], options={}, final_state={})
    )


JUMP_NS = 10_000_000_000


def test_a_timestamp_that_goes_back_is_convicted() -> None:
    """A node that stamps by its wall clock goes back with it: invalid, and the finding names both timestamps."""
    verdict = judged(reading(JUMP_NS, JUMP_NS), reading(1, 1))

    assert verdict.valid is False
    assert verdict.facts["stamps_back"] == 1
    assert "timestamp 1 after 10000000000" in verdict.evidence[0]["what"]


def test_another_life_may_begin_anywhere() -> None:
    """Timestamps are promised to grow in one life of a node."""
    assert judged(reading(JUMP_NS, JUMP_NS), reading(1, 1, life=2)).valid is True


def test_a_clock_that_never_jumped_proves_nothing() -> None:
    """Readings that follow the time that passed say that the fault reached nobody: unknown."""
    steady = judged(reading(1, 1), reading(2, 1 + JUMP_NS, at_ns=JUMP_NS))

    assert steady.valid == "unknown"
    assert judged().valid == "unknown"


def test_clients_are_cut_off_until_healed() -> None:
    """Without a duration a cut is one act; what it swallowed is counted when it is healed."""
    done = run(fault("cut-clients", "all"), fault("heal", after_s=2.0))

    assert told(done)[:3] == [("cut-clients", "n1 n2 n3"), ("dropped", "clients"), ("heal", "")]
    assert done.results["facts"]["packets_dropped"] > 0
    assert done.results["valid"] is True


def test_links_stay_bad_until_healed() -> None:
    """A scenario file may give a bad link any of its faults, and leaves it bad."""
    done = run(
        fault("degrade", "n1", loss_percent=40, jitter_ns=20_000_000, bandwidth_bps=1_000_000),
        fault("heal", after_s=3.0),
    )

    assert [action for action, _ in told(done)[:3]] == ["degrade", "dropped", "heal"]
    assert done.results["facts"]["packets_dropped"] > 0


def test_a_skew_may_stay() -> None:
    """A clock made wrong without a duration is right again when it is told so."""
    done = run(
        fault("skew", "n1", drift_ppm=100_000), fault("skew", "n1", after_s=2.0, drift_ppm=0)
    )

    assert told(done)[:2] == [("clock-rate", "n1"), ("clock-rate", "n1")]


def test_a_flipped_bit_in_the_log_is_refused_by_its_node() -> None:
    """The node with the damaged log refuses to start, which is forced, and the cluster goes on without it."""
    done = run(
        fault("kill", "n1"),
        fault("bitflip", "n1", path="g0/wal", count=300, seed=2),
        fault("start", "n1"),
    )

    assert len(completed(done, "bitflip")["damage"]["n1"]["bits"]) == 300
    assert ("disk-flip", "n1") in told(done)
    causes = [e.cause for e in done.trace if isinstance(e, Stopped) and e.node == "n1"]
    assert causes[:2] == ["kill", "error"]
    assert done.results["facts"]["errors_unforced"] == 0


def test_damage_to_a_running_node_is_no_pass() -> None:
    """What could not be done is a mistake of the scenario, and the verdict says so."""
    done = simulate(
        Scenario(workload="set", seed=1, nodes=3, time_limit_s=3.0, faults=[fault("wipe", "n1")])
    )

    assert done.results["valid"] == "unknown"
    assert done.results["facts"]["harness_errors"] == 1


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (fault("bitflip", path="g0"), "needs targets"),
        (fault("bitflip", "n1", path="g0", count=0), "count"),
        (fault("swap-disks", "n1", other="n9"), "other 'n9' is unknown"),
        (fault("truncate", "n1", bytes=3), "argument 'bytes' is unknown"),
        (fault("bump-clock", "n1"), "offset_ns"),
        (fault("bump-clock", "n1", offset_ns=10**20), "offset_ns"),
        (fault("strobe-clock", "n1", offset_ns=1, period_ns=0, duration_ns=1), "period_ns"),
        (fault("degrade", "n1", loss_percent=101), "loss_percent"),
        (fault("limit", "n1", cpu_percent=-1), "cpu_percent"),
    ],
    ids=lambda one: one if isinstance(one, str) else one.f,
)
def test_faults_that_make_no_sense_are_refused(entry: FaultEntry, words: str) -> None:
    """A wrong argument is found before the run, and the message names it."""
    with pytest.raises(UserMistake, match=words):
        run(entry)


def test_a_world_without_limits_is_told_so() -> None:
    """Simulated nodes have no processors to take away."""
    with pytest.raises(WorldCannot, match="cannot do limits"):
        run(fault("limit", "n1", cpu_percent=10))


@pytest.mark.parametrize("name", ["realtime", "clients", "packet"])
@pytest.mark.slow
def test_random_schedules_survive(name: str) -> None:
    """Nothing that a random schedule does to clocks, clients and links breaks a promise."""
    done = simulate(Scenario(workload="register", seed=5, nemesis=[name]))

    assert done.results["valid"] is True


def test_partial_partitions_have_their_shapes() -> None:
    """One link: two nodes; star: all but the first are deaf to each other; a minority third stands apart."""
    assert one_link(ORDER) == [("n1", "n2"), ("n2", "n1")]
    assert len(star(ORDER)) == 12
    assert not any("n1" in link for link in star(ORDER))
    assert {source for source, _ in minority_third(ORDER)} == {*ORDER}
    assert len(minority_third(ORDER)) == 8
    assert all(GRUDGES[name](("n1",)) == [] for name in GRUDGES)
