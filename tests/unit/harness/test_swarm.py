"""What the seed draws of the faults that a scenario names: which take part, and how often they strike."""

from __future__ import annotations

from collections import Counter

import pytest

from cluster.worlds.tape import Tape
from harness.campaign.capabilities import CAPABILITIES
from harness.campaign.needs import WorldCannot, check_needs
from harness.campaign.plan import INTERVALS_S, Plan, make_plan
from harness.scenario import Scenario
from nemesis.catalogue import NEMESES, REFUSED


def plan(*nemesis: str, seed: int = 0, world: str = "sim", **fields: object) -> Plan:
    """The plan of a scenario that names these nemeses."""
    scenario = Scenario(workload="set", nemesis=[*nemesis], seed=seed, world=world, **fields)  # type: ignore[arg-type]
    return make_plan(scenario, Tape(seed))


def test_one_nemesis_always_takes_part() -> None:
    """Nothing is drawn where nothing is left open."""
    for seed in range(20):
        drawn = plan("kill", seed=seed).drawn
        assert drawn["nemesis"] == ["kill"]
        assert "nemesis_interval_s" not in drawn


def test_of_several_each_seed_has_its_own_mix_and_pace() -> None:
    """Every mix but the empty one comes up, and every pace."""
    drawn = [plan("kill", "partition", "pause", seed=seed).drawn for seed in range(100)]
    mixes = Counter(tuple(one["nemesis"]) for one in drawn)

    assert len(mixes) == 7
    assert {pace for one in drawn for pace in one["nemesis_interval_s"].values()} == {*INTERVALS_S}
    assert all(list(one["nemesis_interval_s"]) == one["nemesis"] for one in drawn)


def test_a_scenario_may_say_the_pace() -> None:
    """``interval_s`` holds for all."""
    assert "nemesis_interval_s" not in plan("kill", "pause", options={"interval_s": 2.0}).drawn


def test_all_and_survivable_are_as_far_as_the_world_can() -> None:
    """Over many seeds everything that the world can do takes part, and nothing else; refusals only with ``all``."""
    for world in ("sim", "local"):
        able = {
            name for name, make in NEMESES.items()
            if make({"nodes": ("n1",), "opcode": 1}).needs <= CAPABILITIES[world]
        }  # fmt: skip
        for word, wanted in (("all", able), ("survivable", able - REFUSED)):
            seeds = [plan(word, seed=seed, world=world).drawn["nemesis"] for seed in range(40)]
            assert {name for names in seeds for name in names} == wanted


def test_what_is_named_is_asked_of_the_world_whatever_the_seed_draws() -> None:
    """A search does not find at its tenth seed that the world lacks something."""
    for seed in range(10):
        scenario = Scenario(workload="set", nemesis=["kill", "packet"], seed=seed, world="local")
        with pytest.raises(WorldCannot, match="link-faults"):
            check_needs(scenario)


def test_refusal_names_mounted_disks_where_they_would_do() -> None:
    """Who asks real nodes for failing disks is told of the option with which they can fail."""
    scenario = Scenario(workload="registry", world="docker", nemesis=("disk",))

    with pytest.raises(WorldCannot, match="can: sim; this one too with -o disk=mounted"):
        check_needs(scenario)
