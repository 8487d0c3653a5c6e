"""Ways to make a course smaller, as data: each pass takes a course and yields smaller ones, the boldest first. Pure.

Whoever runs them (`shrink`) takes the first that still fails alike and asks the pass again. Every candidate is smaller by
its own measure (fewer parts, fewer nodes, calmer surroundings, less time, shorter numbers), so this ends. Sources: delta
debugging (Zeller & Hildebrandt 2002), whose chunks these are; Hypothesis, which lowers what cannot be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import msgspec

from harness.campaign.shrink_course import Course
from harness.scenario import At, FaultEntry
from workloads.exact import ExactStep

__all__ = ["LAST", "PASSES", "Pass", "Sweep", "singles_left_out", "with_seeds"]

Pass = Callable[[Course], Iterator[Course]]
One = TypeVar("One")

CALM: dict[str, Any] = {
    "loss_percent": 0,
    "duplication_percent": 0,
    "delay_min_ms": 1,
    "delay_max_ms": 1,
    "poison": "none",
    "halt_strike": "none",
    "insists": False,
    "log_entries_kept": 0,
    "snapshot_threshold": 64,
    "durability": "data",
}
"""Option -> the value with the least to think about; one that a workload does not have is left alone."""

GAPS_S = (0.05, 0.2, 0.5, 1.0)
"""What a pause between two things of a course may be cut down to."""

DIGITS = (1, 2, 3, 4)
"""Digits behind the point of a second, of moments that a person can read."""

LOWER: dict[str, tuple[Any, ...]] = {
    "again": (False,),
    "nth": (1,),
    "around_leader": (False,),
    "grudge": ("isolate-one", "halves"),
    "stall_ns": (0,),
    "duration_ns": (100_000_000, 500_000_000, 1_000_000_000),
}
"""Argument of a fault -> values that say less, the least first."""


def _with_calm(course: Course, names: Sequence[str]) -> Course:
    calm = {name: CALM[name] for name in names}
    options = {**course.scenario.options, **calm}
    return msgspec.structs.replace(
        course, scenario=msgspec.structs.replace(course.scenario, options=options)
    )


def calmer(course: Course) -> Iterator[Course]:
    """Surroundings and configuration without what does not matter: all at once, then the links, then one by one."""
    options = course.scenario.options
    loud = [name for name, value in CALM.items() if name in options and options[name] != value]
    links = [name for name in loud if name.startswith(("loss", "duplication", "delay"))]
    groups = [loud, links, *[[name] for name in loud if name != "delay_min_ms"]]
    for group in groups:
        if group:
            yield _with_calm(course, group)


class Sweep(msgspec.Struct, frozen=True):
    """What can be left out part by part: how many parts a course has, and the course without a stretch of them."""

    count: Callable[[Course], int]
    without: Callable[[Course, slice], Course]


def _without_window(course: Course, gone: slice) -> Course:
    """Leave out everything, operations and faults, of a stretch of time."""
    moments = sorted([*map(_order, course.steps), *map(_order, course.faults)])[gone]
    low, high = moments[0], moments[-1]
    steps = tuple([one for one in course.steps if not low <= _order(one) <= high])
    faults = tuple([one for one in course.faults if not low <= _order(one) <= high])
    return msgspec.structs.replace(course, steps=steps, faults=faults)


def _without_faults(course: Course, gone: slice) -> Course:
    return msgspec.structs.replace(course, faults=_without(course.faults, gone))


def _without_steps(course: Course, gone: slice) -> Course:
    return msgspec.structs.replace(course, steps=_without(course.steps, gone))


WINDOWS = Sweep(lambda course: len(course.steps) + len(course.faults), _without_window)
FAULTS = Sweep(lambda course: len(course.faults), _without_faults)
STEPS = Sweep(lambda course: len(course.steps), _without_steps)


def fewer_nodes(course: Course) -> Iterator[Course]:
    """A cluster of fewer nodes; faults that meant only nodes that are gone go with them."""
    scenario = course.scenario
    if scenario.options.get("spares"):
        yield _of_nodes(course, scenario.nodes, spares=0)
        return
    for nodes in (1, 2, 3, 4):
        if nodes < scenario.nodes:
            yield _of_nodes(course, nodes, spares=0)


def fewer_clients(course: Course) -> Iterator[Course]:
    """Fewer clients: one for all, then without gaps in their numbers, then each operation asked by the client before."""
    used = sorted({step.client for step in course.steps})
    numbers = {client: place for place, client in enumerate(used)}
    if len(used) > 1:
        yield _with_clients(course, dict.fromkeys(used, 0))
    if course.scenario.concurrency > max(1, len(used)):
        yield _with_clients(course, numbers)
    for client in used[1:]:
        merged = {one: 0 if one == client else one for one in used}
        yield _with_clients(course, merged)


def shorter_values(course: Course) -> Iterator[Course]:
    """Transactions of fewer micro-operations: a list of lists is one, and may lose any of its parts but the last."""
    for place, step in enumerate(course.steps):
        parts = step.value
        if (
            isinstance(parts, list)
            and len(parts) > 1
            and all(isinstance(one, list) for one in parts)
        ):
            for gone in range(len(parts) - 1, -1, -1):
                shorter = msgspec.structs.replace(step, value=parts[:gone] + parts[gone + 1 :])
                yield msgspec.structs.replace(course, steps=_put(course.steps, place, shorter))


def plainer_faults(course: Course) -> Iterator[Course]:
    """Faults that say less: struck once, not again, for a short time, of the simplest shape."""
    for place, fault in enumerate(course.faults):
        for name, values in LOWER.items():
            now = fault.value.get(name)
            for value in values:
                if now is None or now == value:
                    break
                if isinstance(value, int) and not isinstance(value, bool) and now < value:
                    break
                plainer = msgspec.structs.replace(fault, value={**fault.value, name: value})
                yield msgspec.structs.replace(course, faults=_put(course.faults, place, plainer))


def less_time(course: Course) -> Iterator[Course]:
    """Shorter pauses: all of them, then each by itself."""
    moments = sorted(
        {0.0, *[s.at_s for s in course.steps if not s.last], *map(_at_s, course.faults)}
    )
    gaps = [(before, after) for before, after in pairwise(moments)]
    for gap_s in GAPS_S:
        if any(after - before > gap_s + 1e-6 for before, after in gaps):
            yield _moved(course, _squeezed(moments, gap_s))
    for number, (before, after) in enumerate(gaps):
        for gap_s in GAPS_S:
            if after - before > 1.5 * gap_s:
                less_s = after - before - gap_s
                late = moments[number + 1 :]
                yield _moved(course, {one: one - less_s for one in late})
                break


def rounder(course: Course) -> Iterator[Course]:
    """Moments with few digits: all of them, then each by itself."""
    moments = sorted({*[step.at_s for step in course.steps], *map(_at_s, course.faults)})
    for digits in DIGITS:
        yield _if_new(
            course, _moved(course, {one: round(one, digits) for one in moments}, last=True)
        )
    for one in moments:
        for digits in DIGITS:
            if round(one, digits) == one:
                break
            yield _moved(course, {one: round(one, digits)}, last=True)


def same_seed_zero(course: Course) -> Iterator[Course]:
    """The seed 0, where the seed does not matter."""
    if course.scenario.seed:
        yield _with_seed(course, 0)


PASSES: tuple[Pass | Sweep, ...] = (
    calmer,
    WINDOWS,
    FAULTS,
    STEPS,
    fewer_nodes,
    fewer_clients,
    shorter_values,
    plainer_faults,
    less_time,
)
"""In the order in which they are tried: what makes the runs after it cheaper comes first."""

LAST: tuple[Pass, ...] = (less_time, rounder, same_seed_zero)
"""What only makes the result nicer to read."""


def singles_left_out(course: Course) -> Iterator[tuple[str, Course]]:
    """What was left out, in words, and the course without it: every single fault and operation."""
    for place, fault in enumerate(course.faults):
        without = _without_faults(course, slice(place, place + 1))
        yield f"the fault {fault.f} at {_at_s(fault):g} s", without
    for place, step in enumerate(course.steps):
        when = "after the healing" if step.last else f"at {step.at_s:g} s"
        without = _without_steps(course, slice(place, place + 1))
        yield f"the operation {step.f} {when}", without


def with_seeds(course: Course, seeds: int) -> Iterator[Course]:
    """The course as it is, and under so many other seeds."""
    yield course
    for further in range(1, seeds):
        yield _with_seed(course, further)


def _without(items: tuple[One, ...], gone: slice) -> tuple[One, ...]:
    return items[: gone.start] + items[gone.stop :]


def _put(items: tuple[One, ...], place: int, item: One) -> tuple[One, ...]:
    return (*items[:place], item, *items[place + 1 :])


def _at_s(fault: FaultEntry) -> float:
    assert isinstance(fault.when, At), "a course has moments only"
    return fault.when.time_s


def _order(part: ExactStep | FaultEntry) -> tuple[bool, float]:
    """Where a step or a fault stands in the course: last steps behind everything."""
    return (part.last, part.at_s) if isinstance(part, ExactStep) else (False, _at_s(part))


def _squeezed(moments: Sequence[float], gap_s: float) -> dict[float, float]:
    """Moment -> moment, with no pause longer than `gap_s`."""
    moved, now = {0.0: 0.0}, 0.0
    for before, after in pairwise(moments):
        now += min(after - before, gap_s)
        moved[after] = now
    return moved


def _moved(course: Course, moved: Mapping[float, float], *, last: bool = False) -> Course:
    """The course with its moments (those of last steps only with `last`) as `moved` says, back in order."""
    steps = [
        msgspec.structs.replace(step, at_s=moved.get(step.at_s, step.at_s))
        if last or not step.last
        else step
        for step in course.steps
    ]
    faults = [
        msgspec.structs.replace(fault, when=At(time_s=moved.get(_at_s(fault), _at_s(fault))))
        for fault in course.faults
    ]
    return msgspec.structs.replace(
        course, steps=tuple(sorted(steps, key=_order)), faults=tuple(sorted(faults, key=_order))
    )


def _if_new(course: Course, changed: Course) -> Course:
    """`changed`; where nothing changed it is the course itself, which nobody tries."""
    return course if changed == course else changed


def _with_clients(course: Course, clients: Mapping[int, int]) -> Course:
    steps = tuple(
        [msgspec.structs.replace(step, client=clients[step.client]) for step in course.steps]
    )
    concurrency = max(clients.values(), default=0) + 1
    scenario = msgspec.structs.replace(course.scenario, concurrency=concurrency)
    return msgspec.structs.replace(course, scenario=scenario, steps=steps)


def _with_seed(course: Course, seed: int) -> Course:
    return msgspec.structs.replace(
        course, scenario=msgspec.structs.replace(course.scenario, seed=seed)
    )


def _of_nodes(course: Course, nodes: int, *, spares: int) -> Course:
    left = {f"n{number}" for number in range(1, nodes + spares + 1)}
    options = {name: value for name, value in course.scenario.options.items() if name != "spares"}
    faults = []
    for fault in course.faults:
        targets = [one for one in fault.targets if not _gone(one, left)]
        value = dict(fault.value)
        if "order" in value:
            value["order"] = [one for one in value["order"] if one in left]
        if targets or not fault.targets:
            faults.append(msgspec.structs.replace(fault, targets=targets, value=value))
    scenario = msgspec.structs.replace(course.scenario, nodes=nodes, options=options)
    return msgspec.structs.replace(course, scenario=scenario, faults=tuple(faults))


def _gone(target: str, left: set[str]) -> bool:
    """Whether a target is the name of a node that is no more; a word such as ``leader`` is not."""
    return target[:1] == "n" and target[1:].isdigit() and target not in left
