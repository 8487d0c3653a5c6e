"""The disk-image oracle: every image that a power loss may leave at every crash point of one simulated run, booted and judged.

One seed is run and watched. Each crash point of each node is photographed at its 1st, 2nd, 4th, 8th ... pass: what is on the
disk, what of it is un-synced, and what the node has let others rely on. Then `cluster.worlds.sim.images` lists the images, a
real node of the same parts is woken alone on each, killed and woken again, and `harness.checkers.images` judges. The answer
says what was covered, and what was not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from cluster.machine.parts import Parts
from cluster.node.config import NodeConfig
from cluster.node.crash_points import CATALOGUE, FAILURE_POINTS
from cluster.node.dump import dump_disk
from cluster.raft.messages import Message
from cluster.storage.sim_disk import SimDisk
from cluster.worlds.sim.alone import wake_alone
from cluster.worlds.sim.images import Image, legal_images
from cluster.worlds.sim.watched import WatchedWorld
from cluster.worlds.tape import Tape
from harness.campaign.images_promises import Promises
from harness.campaign.plan import make_plan
from harness.campaign.simulate import simulate_plan
from harness.checkers.images import ImageJudge, ImageSeen, Promised, Woken
from harness.scenario import Scenario

__all__ = ["POINTS", "Covered", "Photograph", "explore_images"]

POINTS = tuple(point for point in CATALOGUE if point not in FAILURE_POINTS)
"""Where a crash may strike; points that stand for a failing store are none."""

FINDINGS_MAX = 20
"""Findings kept; one missing fsync shows in thousands of images."""


class Photograph(msgspec.Struct, frozen=True, kw_only=True):
    """One node at one pass of one crash point. `config` is that of the life to come."""

    node: str
    group: int
    point: str
    nth: int
    disk: SimDisk
    config: NodeConfig
    promised: Promised


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """What was tried. `images` were booted; `complete` counts the photographs of which every legal image was."""

    points: dict[str, int]
    """Crash point -> photographs of it."""
    photographs: int
    complete: int
    choices_max: int
    """The most un-synced sectors and entries that one photograph had."""
    combinations: int
    images: int
    boots: int
    findings: Sequence[dict[str, Any]]
    findings_found: int

    @property
    def valid(self) -> Any:
        """False with a finding; unknown when nothing was booted: a pass must be earned."""
        return not self.findings if self.images else "unknown"

    @property
    def missed(self) -> list[str]:
        """Crash points that the run never passed."""
        return [point for point in POINTS if point not in self.points]


class _Photographer:
    """See `Watcher`: photographs each point of each node at the passes that are powers of two."""

    def __init__(self, passes: int) -> None:
        self.photographs: list[Photograph] = []
        self.promises = Promises()
        self._last = 1 << (passes - 1)
        self._passed: dict[tuple[str, int, str], int] = {}

    def passed(self, node: str, group: int, point: str, disk: SimDisk, config: NodeConfig) -> None:
        if point in FAILURE_POINTS:
            return
        place = (node, group, point)
        nth = self._passed[place] = self._passed.get(place, 0) + 1
        if nth > self._last or nth & (nth - 1):
            return
        self.photographs.append(
            Photograph(
                node=node,
                group=group,
                point=point,
                nth=nth,
                disk=disk.image(),
                config=msgspec.structs.replace(
                    config,
                    incarnation=config.incarnation + 1,
                    force_restore_on_start=False,
                    watched_points=(),
                ),
                promised=self.promises.of(node, group),
            )
        )

    def said(self, group: int, message: Message) -> None:
        self.promises.said(group, message)


def explore_images(
    scenario: Scenario,
    *,
    bound: int,
    passes: int,
    progress: Callable[[int, int, int], None],
) -> Covered:
    """Run `scenario` with its seed and boot what a crash could leave.

    At most `bound` combinations of un-synced sectors and entries for each photograph, and `passes` photographs of each point
    of each node. `progress` hears how many
    photographs are done, how many there are, and how many findings.
    """
    tape = Tape(scenario.seed)
    plan = make_plan(scenario, tape)
    photographer = _Photographer(passes)

    def make_world(*arguments: Any, **options: Any) -> WatchedWorld:
        return WatchedWorld(*arguments, watcher=photographer, **options)

    finished = simulate_plan(
        plan, tape, observers=(photographer.promises.observe,), make_world=make_world
    )
    judge = ImageJudge(finished.trace)
    # A tape of its own: what is drawn here is no part of the run.
    below = Tape(scenario.seed).stream("images").below
    return _develop(
        photographer.photographs,
        judge=judge,
        parts=plan.parts,
        bound=bound,
        below=below,
        progress=progress,
    )


def _develop(
    photographs: Sequence[Photograph],
    *,
    judge: ImageJudge,
    parts: Parts,
    bound: int,
    below: Callable[[int], int],
    progress: Callable[[int, int, int], None],
) -> Covered:
    points: dict[str, int] = {}
    findings: list[dict[str, Any]] = []
    counts = dict.fromkeys(("complete", "choices_max", "combinations", "images", "boots"), 0)
    found = 0
    for done, photograph in enumerate(photographs, 1):
        points[photograph.point] = points.get(photograph.point, 0) + 1
        album, images = legal_images(photograph.disk, bound, below)
        for image in images:
            seen = _boot(photograph, image, parts)
            counts["boots"] += 1 + len(seen.again)
            problems = judge.judge(photograph.promised, seen)
            found += len(problems)
            findings += problems[: FINDINGS_MAX - len(findings)]
        counts["complete"] += album.complete
        counts["choices_max"] = max(counts["choices_max"], album.choices)
        counts["combinations"] += album.tried
        counts["images"] += album.images
        progress(done, len(photographs), found)
    return Covered(
        points=points,
        photographs=len(photographs),
        findings=findings,
        findings_found=found,
        **counts,
    )


def _boot(photograph: Photograph, image: Image, parts: Parts) -> ImageSeen:
    """Wake a node on the image, end it, and wake it again; what stands on the image is read before."""
    group = photograph.group
    dump = dump_disk(image.disk)["groups"].get(str(group), {"log": {"unreadable": "no directory"}})
    disk = image.disk
    first = _wake(disk, photograph.config, parts, group, "the crash")
    powerless = disk.image()
    powerless.power_loss(None)
    later = msgspec.structs.replace(
        photograph.config, incarnation=photograph.config.incarnation + 1
    )
    again = [
        _wake(disk, later, parts, group, "a kill"),
        _wake(powerless, later, parts, group, "a power loss"),
    ]
    return ImageSeen(
        node=photograph.node,
        group=group,
        point=photograph.point,
        words=f"pass {photograph.nth} of it, {image.words}",
        dump=dump,
        first=first,
        again=again,
    )


def _wake(disk: SimDisk, config: NodeConfig, parts: Parts, group: int, how: str) -> Woken:
    awake = wake_alone(disk, config, parts)
    return Woken(
        how=how,
        refusal=awake.refusal,
        halted_at=awake.halted_at,
        state=awake.states.get(group, {}),
    )
