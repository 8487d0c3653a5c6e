"""Whether a run is a function of its seed: some runs are carried out twice, and where the two part is found.

Two runs that should be one and are not have the same beginning. To find its end the run is made once more and *watched*: every draw and
every event of the trace is a step, with the place in our code that asked for it, and is held against what the first run
drew and told. The first step that differs is what somebody has to look at: what asks there, or what led there, hangs on something that
is not on the tape: a clock, an address, the order of a set, what an earlier run left behind. A watched run costs a
multiple of a plain one, so only runs whose fingerprints differ are watched.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec

from cluster.trace import Event
from cluster.worlds.tape import Stream, Tape
from harness.campaign.attempt import Attempt, finish
from harness.campaign.outcome import Finished
from harness.campaign.plan import make_plan
from harness.campaign.simulate import simulate_plan
from harness.errors import RunFailed
from harness.operation import Operation

__all__ = ["NotDeterministic", "check_itself", "first_difference", "is_checked", "watched"]

WATCHED_MAX: Final = 3
"""So many runs are watched: chance may let the first ones be equal to the run that was not."""

_ROOT: Final = Path(__file__).resolve().parents[2]
_ROOMS: Final = ("cluster", "harness", "nemesis", "workloads")
_ASKED_THROUGH: Final = (
    "cluster/worlds/tape.py",
    "cluster/worlds/sim/recorder.py",
    "harness/campaign/self_check.py",
)
"""Files whose frames say nothing of who drew or what happened."""


class NotDeterministic(RunFailed):
    """The same seed gave two different runs: nothing that this simulator says can be trusted until that is mended."""


class Step(msgspec.Struct, frozen=True):
    """Something that a watched run did: a draw from `stream`, or an event of the trace (then `stream` is empty).

    `where` is the place in the code that asked for it, as ``file:line in function``.
    """

    stream: str
    value: int | Event
    where: str

    @property
    def words(self) -> str:
        """What was done, as a person reads it."""
        return f"{self.stream} drew {self.value}" if self.stream else _event_words(self.value)


def is_checked(share: float) -> Callable[[int], bool]:
    """Return which attempts are carried out twice: the first and then evenly, so that their share is `share` (0 to 1)."""

    def checked(number: int) -> bool:
        if share <= 0:
            return False
        return number == 0 or int(number * share) != int((number - 1) * share)

    return checked


def check_itself(attempt: Attempt, first: Finished) -> None:
    """Carry out `attempt` again. Raises NotDeterministic, with the first difference, when that is not the run `first`."""
    before, now = (one.results["fingerprint"] for one in (first, finish(attempt)))
    if before == now:
        return
    told = f"seed {attempt.scenario.seed} ran twice and gave {before} and {now}"
    for _ in range(WATCHED_MAX):
        difference = first_difference(attempt, first)
        if difference is not None:
            raise NotDeterministic(f"{told}; {difference}")
    raise NotDeterministic(f"{told}; watched {WATCHED_MAX} times, it was the first of them")


def first_difference(attempt: Attempt, first: Finished) -> str | None:
    """Watch `attempt` and say where it parts from the run `first`; None when it does not."""
    again, steps = watched(attempt)
    left = {name: iter(drawn) for name, drawn in first.draws.items()}
    events = iter(first.trace)
    for number, step in enumerate(steps):
        before = next(left.get(step.stream, iter(())) if step.stream else events, None)
        if before != step.value:
            expected = Step(step.stream, before, "").words if before is not None else "nothing more"
            return f"they part at step {number}, {step.where}: {step.words}; before: {expected}"
    missing = next(events, None)
    if missing is not None:
        return f"they part at the end: it is over; before: {_event_words(missing)}"
    if again.results["fingerprint"] == first.results["fingerprint"]:
        return None
    for one, other in zip(again.history, first.history, strict=False):
        if one != other:
            return f"they draw and tell the same; operation {_words(one)}; before: {_words(other)}"
    return "they draw, tell and do the same, and messages arrive at other moments"


def watched(attempt: Attempt) -> tuple[Finished, list[Step]]:
    """Carry out `attempt` and return it with its steps."""
    steps: list[Step] = []
    tape = _WatchedTape(steps, attempt.scenario.seed, attempt.recorded)

    def observe(event: Event) -> None:
        steps.append(Step("", event, _where(sys._getframe(1))))  # noqa: SLF001 - where we were asked from

    plan = make_plan(attempt.scenario, tape)
    finished = simulate_plan(plan, tape, observers=(observe,))
    return finished, steps


class _WatchedTape(Tape):
    """A tape that notes who draws."""

    def __init__(self, steps: list[Step], seed: int, recorded: Mapping[str, Sequence[int]]) -> None:
        super().__init__(seed, recorded)
        self._steps = steps

    def make_stream(self, name: str, recorded: Sequence[int]) -> Stream:
        """See `Tape`."""
        return _WatchedStream(self._steps, name, self.seed, recorded)


class _WatchedStream(Stream):
    """A stream that notes each draw as a step."""

    __slots__ = ("_steps",)

    def __init__(self, steps: list[Step], name: str, seed: int, recorded: Sequence[int]) -> None:
        super().__init__(name, seed, recorded)
        self._steps = steps

    def below(self, bound: int) -> int:
        """See `Stream`."""
        value = super().below(bound)
        where = _where(sys._getframe(1))  # noqa: SLF001 - where we were asked from
        self._steps.append(Step(self.name, value, where))
        return value


def _where(frame: FrameType | None) -> str:
    """The innermost place of our own code that stands behind `frame`."""
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(_ROOT):
            name = path.relative_to(_ROOT).as_posix()
            if name not in _ASKED_THROUGH:
                return f"{name}:{frame.f_lineno} in {frame.f_code.co_name}"
        frame = frame.f_back
    return ""


def _event_words(event: object) -> str:
    return f"the event {event}"


def _words(operation: Operation) -> str:
    return msgspec.json.encode(operation).decode()
