"""The disk-image oracle: a correct node comes back from every legal disk, and a missing sync or a wrong order does not stay hidden."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cluster.bugs.catalogue import CATALOGUE
from harness.campaign.images import Covered, explore_images
from harness.scenario import Scenario


def explored(scenario: Scenario, *, bound: int = 512, passes: int = 3, **options: Any) -> Covered:
    """A short run of three nodes, developed."""
    short = msgspec.structs.replace(scenario, nodes=3, time_limit_s=2.5, rate=40.0, options=options)
    return explore_images(short, bound=bound, passes=passes, progress=lambda *_: None)


def test_every_image_of_a_short_run_starts():
    """One seed, as a taste; its set of images is complete."""
    covered = explored(Scenario(workload="set", seed=1), passes=1)

    assert covered.valid is True, covered.findings
    assert covered.complete == covered.photographs > 40
    assert covered.boots == 3 * covered.images


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["data", "every", "snapshot"])
@pytest.mark.parametrize("workload", ["registry", "set"])
def test_every_image_starts(workload, durability):
    """Four seeds of each mode: no image is refused or has lost anything, and almost every crash point was photographed."""
    points: dict[str, int] = {}
    for seed in range(4):
        covered = explored(Scenario(workload=workload, seed=seed), durability=durability)
        assert covered.valid is True, (seed, covered.findings[:2])
        points |= covered.points

    assert len(points) >= (32 if workload == "registry" else 27)


BUGS = {
    "B-S10": ("registry", "I5", "a row without fsync"),
    "R-A8": ("set", "D5", "a segment whose directory is not fsynced"),
    "R-A4": ("set", "D5", "entries acknowledged before their fsync"),
    "R-A3": ("set", "D5", "a vote sent before its fsync"),
    "R-A11": ("set", "D5", "a state that is not written"),
    "R-B1": ("set", "I5", "an applied index without its effect"),
    "R-B6": ("set", "I5", "a replay from the wrong place"),
    "R-B12": ("set", "L1", "a legal disk that is refused"),
    "R-C1": ("set", "L1", "a log cut before its snapshot"),
    "R-C2": ("set", "L1", "a received snapshot without a record"),
    "R-C4": ("set", "L1", "a record before its snapshot"),
    "P50": ("set", "L1", "a snapshot purged before the log names the next"),
}
"""Bug -> workload, the law that its images break, and what is wrong."""


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_of_the_disk_is_found_without_luck(bug):
    """Two seeds are enough, where a search draws power losses until one strikes in the right moment."""
    workload, law, _ = BUGS[bug]
    replay = CATALOGUE[bug].replay
    options = {} if replay == "any" else {"durability": replay.split()[0]}
    found = {
        finding["invariant"]
        for seed in range(2)
        for finding in explored(
            Scenario(workload=workload, seed=seed, bug=bug), bound=32, **options
        ).findings
    }

    assert law in found
