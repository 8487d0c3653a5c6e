"""Pure generators: what a run does, and when. Start with `base`; the vocabulary is Jepsen's.

Here are names only, re-exported from `context`, `base`, `combine`, `pace`, `schedule`, `threads` and
`guard`.
"""

from __future__ import annotations

from harness.generator.base import (
    NOTHING,
    PENDING,
    SECOND_NS,
    Answer,
    Generator,
    Generatorish,
    Item,
    Log,
    Sleep,
    generator,
    numbered,
)
from harness.generator.combine import (
    any_of,
    concat,
    cycle,
    flip_flop,
    limit,
    mix,
    once,
    phases,
    process_limit,
    repeat,
    synchronize,
    then,
    until_ok,
)
from harness.generator.context import Context, RandomSource, new_context
from harness.generator.guard import validate
from harness.generator.pace import delay, log, sleep, stagger, time_limit
from harness.generator.schedule import (
    TOLD,
    after,
    at,
    found_nobody,
    in_order,
    when_told,
)
from harness.generator.threads import (
    clients,
    each_process,
    each_thread,
    nemesis,
    on_threads,
    reserve,
)

__all__ = [
    "NOTHING",
    "PENDING",
    "SECOND_NS",
    "TOLD",
    "Answer",
    "Context",
    "Generator",
    "Generatorish",
    "Item",
    "Log",
    "RandomSource",
    "Sleep",
    "after",
    "any_of",
    "at",
    "clients",
    "concat",
    "cycle",
    "delay",
    "each_process",
    "each_thread",
    "flip_flop",
    "found_nobody",
    "generator",
    "in_order",
    "limit",
    "log",
    "mix",
    "nemesis",
    "new_context",
    "numbered",
    "on_threads",
    "once",
    "phases",
    "process_limit",
    "repeat",
    "reserve",
    "sleep",
    "stagger",
    "synchronize",
    "then",
    "time_limit",
    "until_ok",
    "validate",
    "when_told",
]
