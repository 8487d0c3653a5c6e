"""A `Test`: everything a run needs, finished and immutable; a `Workload`: what ``workloads/*.py``
contribute.

A workload module exports ``def workload(options: Mapping[str, Any]) -> Workload``. `arrange` puts
load, faults, the healing after them and the final generator into the one order that all tests
share, so that no workload repeats it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from harness.checkers.checker import Checker
from harness.client import Client, Nemesis
from harness.generator import (
    NOTHING,
    SECOND_NS,
    Generator,
    Generatorish,
    after,
    any_of,
    at,
    clients,
    in_order,
    nemesis,
    phases,
    stagger,
    time_limit,
    when_told,
)
from harness.scenario import THERE, After, At, FaultEntry, InOrder, OnEvent
from harness.triggers import Trigger, told

__all__ = ["Test", "Workload", "arrange", "exact_faults", "triggers_of"]


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """What clients do, and what it must satisfy.

    `client` is the prototype whose `open` makes the real ones. `generator` is the load, unpaced and
    unlimited (`arrange` adds rate and time limit); `final_generator` runs at the end, when every
    fault is healed. `stimuli` are facts with the smallest value at which a pass counts (see
    `harness.verdict`). `options` are the workload's options with all defaults filled in; checkers
    see them.
    """

    name: str
    client: Client
    generator: Generator
    final_generator: Generator = NOTHING
    epilogue: Generator = NOTHING
    checkers: tuple[Checker, ...] = ()
    stimuli: Mapping[str, int] = {}
    options: Mapping[str, Any] = {}


class Test(msgspec.Struct, frozen=True, kw_only=True):
    """One run, ready to go.

    `generator` is complete: nothing is added to it but validation. Client thread i talks to
    ``nodes[i % len(nodes)]``. `time_limit_ns` is when the load ends; `overtime_ns` after that the
    run is declared stuck. Of each of `triggers` the generator is told when it came about.
    """

    __test__ = False  # not a test case, whatever pytest thinks of the name

    name: str
    workload: str
    nodes: tuple[str, ...]
    concurrency: int
    client: Client
    nemesis: Nemesis
    generator: Generator
    checkers: tuple[Checker, ...] = ()
    options: Mapping[str, Any] = {}
    stimuli: Mapping[str, int] = {}
    time_limit_ns: int
    overtime_ns: int = 300 * SECOND_NS
    triggers: tuple[Trigger, ...] = ()


def arrange(
    workload: Workload,
    *,
    rate_hz: float,
    time_limit_ns: int,
    faults: Generatorish = None,
    exact: Generatorish = None,
    healing: Generatorish = None,
) -> Generator:
    """Return the whole of a test: load and faults until the limit, `healing`, the final generator,
    the epilogue.

    `rate_hz` is operations per second of all clients together. `faults` and `healing` are
    operations of the nemesis; `exact` (see `exact_faults`) sees every event of the run. Each part
    begins when everything of the one before has completed.
    """
    load = clients(stagger(round(SECOND_NS / rate_hz), workload.generator))
    return phases(
        time_limit(time_limit_ns, any_of(load, nemesis(faults), exact)),
        nemesis(healing),
        clients(workload.final_generator),
        workload.epilogue,
    )


def exact_faults(entries: Sequence[FaultEntry]) -> Generator:
    """Return the faults of a scenario, each at its moment; those of one moment in the order of the file.

    The operation's value is the entry's, with the targets under ``"targets"``.
    """
    moments: dict[At | After | OnEvent | InOrder, list[FaultEntry]] = {}
    for entry in entries:
        moments.setdefault(entry.when, []).append(entry)
    triggers = triggers_of(entries)
    return any_of(*[_at_its_moment(when, triggers, faults) for when, faults in moments.items()])


def triggers_of(entries: Sequence[FaultEntry]) -> tuple[OnEvent, ...]:
    """Return the triggers that faults wait for, each once: what `Test.triggers` must hold for `exact_faults` of them."""
    return tuple(dict.fromkeys([one.when for one in entries if isinstance(one.when, OnEvent)]))


def _at_its_moment(
    when: At | After | OnEvent | InOrder,
    triggers: Sequence[OnEvent],
    entries: Sequence[FaultEntry],
) -> Generator:
    if isinstance(when, OnEvent):
        return when_told(
            told(triggers.index(when)),
            lambda node: _operations(entries, node),
            delay_ns=round(when.delay_s * SECOND_NS),
        )
    operations = _operations(entries, "")
    if isinstance(when, At):
        return at(round(when.time_s * SECOND_NS), operations)
    delay_ns = round(when.delay_s * SECOND_NS)
    if isinstance(when, InOrder):
        counts = (when.invoked, when.completed, when.begun, when.done)
        return in_order(counts, operations, delay_ns=delay_ns)
    return after(when.f, when.type, when.nth, operations, delay_ns=delay_ns)


def _operations(entries: Sequence[FaultEntry], there: str) -> Generator:
    """The operations of faults of one moment; `there` is the node at which it came about."""
    return nemesis(
        [
            {
                "f": entry.f,
                "value": {
                    "targets": [there if target == THERE else target for target in entry.targets],
                    **entry.value,
                },
            }
            for entry in entries
        ]
    )
