"""The scenarios of `soak.py`, part by part, and what each must come to. Nothing is run here."""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Callable, Iterator

import msgspec
from appendix_a import (
    EXAMPLES,
    MODES,
    VARIANTS,
    check_equal_epoch_replay,
    check_recoveries,
    equal_epoch_replay,
    example,
)

from cluster.node.crash_points import CATALOGUE, FAILURE_POINTS
from cluster.worlds.tape import Stream
from harness.campaign.outcome import Finished
from harness.cli.options import known
from harness.scenario import At, FaultEntry, Scenario, load_scenario

FAULT_MODEL = EXAMPLES / "fault-model"

NEMESES = (
    "clients", "clock", "crash-replay", "disk", "kill", "membership", "packet", "partition", "pause", "power", "realtime",
    "snapshot",
)  # fmt: skip
"""The random faults; `disk` also fails fsyncs, which its node must not survive and its cluster must."""
WORKLOADS = ("registry", "register", "append", "set", "bank")
TOGETHER = 4
"""Nemeses of one run."""
LOCAL_LACKS = ("clients", "packet")

NODES = ("n1", "n2", "n3")
POINTS = tuple(
    point
    for point in CATALOGUE
    if point.split(".")[0] in ("wal", "eng", "reg", "snap", "inst")
    and point not in FAILURE_POINTS
    and point != "eng.halt"
)
POINTS_A_RUN = 5
STORIES = 2
"""For each point: on a slow machine the first may wait in vain."""
STRIKE_NS = 5_000_000_000
"""How long a point may take to strike: a story ends when it does."""
SLACK_S = 15.0
"""For stories that took longer than their time; the nemesis does one after the other."""
STRETCH = 1.5
"""How much slower than in its file, which simulated nodes can follow, A5 goes on real ones."""
VARIANT_S = 60.0
"""The end of a variant of A1' at the latest: its faults wait for operations, and a slow machine starts a node in ten seconds."""
POINT_S = 4.0
INSTALL_S = 7.0
"""Time for one story of a crash point; one of a received snapshot leaves a follower behind first."""

BUGS = ("B-S1", "B-S1b", "B-S1c", "B-S7", "B-S10", "original")
HALTS = ("a2-rollback-halts", "a3-collision-less", "a3-collision-equal", "a3-collision-greater")


class Case(msgspec.Struct, frozen=True):
    """A scenario, the verdict it must come to (`true`, `false`, `unknown`), and what must hold besides: raises AssertionError."""

    scenario: Scenario
    right: str
    check: Callable[[Finished], None] | None = None


def runs(options: argparse.Namespace) -> Iterator[Case]:
    """`--runs` scenarios of `--seconds` each: workload and faults are drawn from the seed."""
    possible = [one for one in NEMESES if options.world == "docker" or one not in LOCAL_LACKS]
    for number in range(options.runs):
        seed = options.first_seed + number
        draw = Stream("soak", seed)
        first = possible[number % len(possible)]
        others = [one for one in possible if one != first]
        chosen = [first, *(others.pop(draw.below(len(others))) for _ in range(TOGETHER - 1))]
        workload = WORKLOADS[number % len(WORKLOADS)]
        yield Case(
            Scenario(
                workload=workload,
                name="soak",
                world=options.world,
                nodes=3 + 2 * draw.below(2),
                concurrency=5,
                rate=20.0,
                time_limit_s=options.seconds,
                seed=seed,
                nemesis=sorted(chosen),
                options={"disk": "mounted", "interval_s": 3.0},
            ),
            "true",
        )


def power_losses(options: argparse.Namespace) -> Iterator[Case]:
    """One run in which nodes lose their power one after the other, all of them every tenth time."""
    faults = [
        FaultEntry(
            f="power-loss",
            targets=["all"] if number % 10 == 9 else [NODES[number % len(NODES)]],
            value={"duration_ns": 50_000_000},
            when=At(time_s=2.0 + number * options.gap),
        )
        for number in range(options.count)
    ]
    yield Case(
        Scenario(
            workload="registry",
            name="soak-power",
            world=options.world,
            nodes=len(NODES),
            rate=30.0,
            time_limit_s=SLACK_S + options.count * options.gap,
            seed=options.first_seed,
            options={"disk": "mounted", "poison": "none"},
            stimuli={"power_losses": options.count, "ledger_images": options.count},
            faults=faults,
        ),
        "true",
    )


def points(options: argparse.Namespace) -> Iterator[Case]:
    """A4: power losses at every crash point of the durable writes D1 to D9, a few points a run; some replays are struck again.

    The disk is compared with its ledger at each, and the node's state with that of the others once it is back.
    """
    families = (
        [point for point in POINTS if not point.startswith("inst.")],
        [point for point in POINTS if point.startswith("inst.")],
    )
    for family, pause_s in zip(families, (POINT_S, INSTALL_S), strict=True):
        for number in range(0, len(family), POINTS_A_RUN):
            chosen = family[number : number + POINTS_A_RUN]
            scenario = _points(options.world, options.first_seed + number, chosen, pause_s)
            yield Case(scenario, "true", check_recoveries)


def _points(world: str, seed: int, chosen: list[str], pause_s: float) -> Scenario:
    """Stories of power losses at the `chosen` points, one every `pause_s`."""
    faults = [
        FaultEntry(
            f="crash-point",
            value={
                "point": point,
                "action": "power",
                "nth": 1,
                "opcode": -1,
                "target": "follower",
                "again": point.startswith(("reg.", "eng.")),
                "wait_ns": STRIKE_NS,
                "order": list(NODES),
            },
            when=At(time_s=3.0 + place * pause_s),
        )
        for place, point in enumerate(chosen * STORIES)
    ]
    return Scenario(
        workload="registry",
        name="soak-points",
        world=world,
        nodes=len(NODES),
        rate=30.0,
        time_limit_s=SLACK_S + len(faults) * pause_s,
        seed=seed,
        options={
            "disk": "mounted",
            "poison": "none",
            "loss_percent": 0,
            "snapshot_threshold": 8,
            "log_entries_kept": 0,
            "put_percent": 15,
        },
        stimuli={
            **{f"crash_points_hit/{point}": 1 for point in chosen},
            "ledger_images": len(chosen),
        },
        faults=faults,
    )


def variants(options: argparse.Namespace) -> Iterator[Case]:
    """A1' in its 36 variants, A2' and A3' in every replay mode."""
    for variant in VARIANTS:
        scenario = msgspec.structs.replace(equal_epoch_replay(*variant), time_limit_s=VARIANT_S)
        stimuli = {**scenario.stimuli, "replayed_registrations": 1}

        def check(finished: Finished, variant: tuple[str, str, str, bool] = variant) -> None:
            check_equal_epoch_replay(finished, variant)

        yield Case(_on_mounted_disks(scenario, options, stimuli=stimuli), "true", check)
    for name, mode in itertools.product(HALTS, MODES):
        scenario = example(name)
        drawn = {**scenario.options, "durability": mode}
        yield Case(_on_mounted_disks(scenario, options, options=drawn), "true")


def a5(options: argparse.Namespace) -> Iterator[Case]:
    """A5: the snapshot window, by power and by kill, in every replay mode."""
    base = example("a5-snapshot-window")
    stretch = 1.0 if options.world == "sim" else STRETCH
    for action, mode in itertools.product(("power", "kill"), MODES):
        faults = [
            msgspec.structs.replace(
                fault,
                value={**fault.value, "action": action, "wait_ns": STRIKE_NS},
                when=At(time_s=fault.when.time_s * stretch),
            )
            for fault in base.faults
        ]
        stimuli = dict(base.stimuli)
        if action == "kill":
            stimuli["kills"] = stimuli.pop("power_losses")
        changes = {
            "faults": faults,
            "stimuli": stimuli,
            "options": {**base.options, "durability": mode},
            "time_limit_s": base.time_limit_s * stretch,
        }
        yield Case(
            _on_mounted_disks(base, options, **changes),
            "true",
            check_recoveries,
        )


def _on_mounted_disks(scenario: Scenario, given: argparse.Namespace, **changes: object) -> Scenario:
    """`scenario`, changed, in the world that is `given`; on disks with a ledger where that is a world of real nodes."""
    changed = msgspec.structs.replace(scenario, world=given.world, seed=given.first_seed, **changes)
    if given.world == "sim":
        return changed
    return msgspec.structs.replace(changed, options={**changed.options, "disk": "mounted"})


def fault_model(options: argparse.Namespace) -> Iterator[Case]:
    """The files of the fault model, each with the verdict that its head names."""
    for path in sorted(FAULT_MODEL.glob("*.toml")):
        text = path.read_text()
        (right,) = re.findall(r"^# Right verdict: (valid|unknown)\.$", text, re.MULTILINE)
        scenario = msgspec.structs.replace(
            load_scenario(text, known()), world=options.world, seed=options.first_seed
        )
        yield Case(scenario, {"valid": "true"}.get(right, right))


def bugs(options: argparse.Namespace) -> Iterator[Case]:
    """The seeded bugs of the registry and the original behaviour: the main job must convict each of them."""
    for bug in BUGS:
        original = bug == "original"
        yield Case(
            Scenario(
                workload="registry",
                name=f"soak-{bug}",
                world=options.world,
                nodes=3,
                rate=30.0,
                time_limit_s=options.seconds,
                seed=options.first_seed,
                nemesis=["crash-replay"],
                bug="" if original else bug,
                compat="original" if original else "",
                options={
                    "disk": "mounted",
                    "durability": "data",
                    "poison": "collision-equal" if bug == "B-S7" else "rollback",
                    "halt_strike": "none",
                    "deks": 1,
                    "writer_count": 3,
                    "put_percent": 5,
                },
            ),
            "false",
        )


PARTS = {
    "runs": runs,
    "power-losses": power_losses,
    "points": points,
    "variants": variants,
    "a5": a5,
    "fault-model": fault_model,
    "bugs": bugs,
}
