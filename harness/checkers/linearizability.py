"""Linearizability of keys (I32): one order of each key's operations that respects time and the model.

Linearizability is local (Herlihy & Wing 1990), so every key is judged alone. The search is Wing & Gong's with Lowe's memory
of configurations: take a step whose call precedes every return still missing, go on, come back when stuck, never enter
the same configuration twice. A configuration is (state, definite steps taken, indeterminate steps taken); steps are in
order of their calls, so the taken ones are "all below `low`" and a short window of bits.

Three observations make it nearly free of choices on real histories, each without losing an order:

* a read that fits is taken at once: it changes nothing;
* a write that nobody will read, over a state that nobody will read any more, is taken at once: whatever follows it in
  some order is a write, so it can stand in front as well;
* a state that someone still has to read must not be left when nothing can produce it again.

A failed operation never happened; an indeterminate one may happen at any time after its call, or never. The search has
a budget of steps; beyond it the verdict is unknown and says how far it came.

Where somebody *knows* what became of indeterminate operations (`decided_by_log`), a history that could be explained is judged
once more with that: one that took effect counts as returned behind everything, one that never did not at all. A conviction
that needs this knowledge says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from harness.checkers.checker import Run, Valid, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, finding
from harness.checkers.models import INFINITY, MODELS, NOTHING, Call, Steps
from harness.operation import NEMESIS, Operation

__all__ = ["Knowledge", "Linearizability", "Outcome", "calls_by_key", "search"]

_FS = frozenset({"read", "write", "cas", "append"})
_SHOWN_BEFORE = 3
_SHOWN_STUCK_MAX = 8
"""Operations shown as evidence: some before the point where the search was stuck, some that had to come next."""


class Outcome(msgspec.Struct, frozen=True):
    """What a search found; the fields behind `steps` say where it came furthest when it is not valid.

    `valid` is ``"unknown"`` when the budget ran out. The longest order found takes all definite steps below `low` and
    those in `window` (a bit for each step from `low` on); `state` is the number of the state behind it, `stuck`
    are the steps that had to come next.
    """

    valid: Valid
    steps: int
    low: int = -1
    window: int = 0
    state: int = 0
    stuck: tuple[int, ...] = ()

    @property
    def taken(self) -> int:
        """How many definite steps the longest order takes."""
        return self.low + self.window.bit_count()

    def has_taken(self, step: int) -> bool:
        """Whether the longest order takes the definite `step`."""
        return step < self.low or bool(self.window >> (step - self.low) & 1)


class _Search:
    """One search; `run` may be called once."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        count = len(steps.states)
        self._interest = [0] * count
        """State -> steps not taken that need it."""
        self._demand = [0] * count
        """State -> definite steps not taken that need it."""
        self._producers = [0] * count
        """State -> steps not taken that lead to it."""
        self._outstanding = 0
        for step in range(len(steps.calls)):
            self._account(step, 1)

    def run(self, steps_max: int) -> Outcome:
        """Search until an order is found, none is left, or `steps_max` steps were tried."""
        if not self._outstanding:
            return Outcome(valid=True, steps=0)
        seen = set()
        tried = 0
        best = Outcome(valid=False, steps=0)
        mergeable = not self._steps.next_list
        taken: list[int] = []
        state, low, window, bound, open_steps = self._settle(0, 0, 0, taken)
        branches = self._branches(state, 0, bound, open_steps)
        best = self._best(best, state, low, window, open_steps)
        stack = [(state, low, window, 0, iter(branches), taken)]
        while stack:
            if not self._outstanding:
                return Outcome(valid=True, steps=tried)
            state, low, window, opened, choices, taken = stack[-1]
            step = next(choices, NOTHING)
            if step == NOTHING:
                stack.pop()
                for undone in taken:
                    self._account(undone, 1)
                continue
            tried += 1
            if tried > steps_max:
                return msgspec.structs.replace(best, valid="unknown", steps=tried)
            state, window, opened = self._take(step, state, low, window, opened)
            taken = [step]
            state, low, window, bound, open_steps = self._settle(state, low, window, taken)
            place = state if not mergeable or self._interest[state] else NOTHING
            configuration = (place, low, window, opened)
            if configuration in seen:
                for undone in taken:
                    self._account(undone, 1)
                continue
            seen.add(configuration)
            best = self._best(best, state, low, window, open_steps)
            branches = self._branches(state, opened, bound, open_steps)
            stack.append((state, low, window, opened, iter(branches), taken))
        return msgspec.structs.replace(best, steps=tried)

    def _account(self, step: int, change: int) -> None:
        """Count `step` as not taken any more (-1) or again (1)."""
        steps = self._steps
        need = steps.needs[step]
        if need >= 0:
            self._interest[need] += change
            if step < steps.definite:
                self._demand[need] += change
                self._outstanding += change
        lead = steps.leads[step]
        if lead >= 0:
            self._producers[lead] += change

    def _take(
        self, step: int, state: int, low: int, window: int, opened: int
    ) -> tuple[int, int, int]:
        """Take `step`, which fits; returns the new (state, window, opened)."""
        steps = self._steps
        self._account(step, -1)
        lead = steps.leads[step]
        state = lead if lead >= 0 else steps.next_list[state, steps.append[step]]
        if step < steps.definite:
            return state, window | 1 << (step - low), opened
        return state, window, opened | 1 << (step - steps.definite)

    def _settle(
        self, state: int, low: int, window: int, taken: list[int]
    ) -> tuple[int, int, int, int, list[int]]:
        """Take every step that costs nothing, adding it to `taken`.

        Returns the new (state, low, window), the earliest return among the definite steps left, and
        the definite steps that may come next.
        """
        steps = self._steps
        called, returned, needs, leads = steps.called, steps.returned, steps.needs, steps.leads
        interest = self._interest
        definite = steps.definite
        while True:
            bound = INFINITY
            open_steps = []
            postponed = False
            step, bit = low, 1
            while step < definite and called[step] < bound:
                if not window & bit:
                    need, lead = needs[step], leads[step]
                    unread = need < 0 <= lead and not interest[lead]
                    if (need == state and lead < 0) or (unread and not interest[state]):
                        window |= bit
                        taken.append(step)
                        self._account(step, -1)
                        if lead >= 0:
                            state = lead
                    else:
                        postponed = postponed or unread
                        open_steps.append(step)
                        bound = min(bound, returned[step])
                step += 1
                bit <<= 1
            if not postponed or interest[state]:
                break
        done = (~window & (window + 1)).bit_length() - 1
        return state, low + done, window >> done, bound, open_steps

    def _branches(self, state: int, opened: int, bound: int, open_steps: list[int]) -> list[int]:
        """Return the steps worth trying next: the definite ones that fit, then the indeterminate ones."""
        steps = self._steps
        needs, leads, append = steps.needs, steps.leads, steps.append
        demand = self._demand[state]
        stays = not demand or self._producers[state] > 0
        branches = []
        for step in open_steps:
            need, lead = needs[step], leads[step]
            if need >= 0 and need != state:
                continue
            if lead < 0 and (state, append[step]) not in steps.next_list:
                continue
            if stays or lead == state or demand == (need == state):
                branches.append(step)
        for step in range(steps.definite, len(steps.calls)):
            if steps.called[step] > bound:
                break
            need, lead = needs[step], leads[step]
            if opened >> (step - steps.definite) & 1 or (need >= 0 and need != state):
                continue
            useful = self._interest[lead] if lead >= 0 else (state, append[step]) in steps.next_list
            if useful and (stays or lead == state):
                branches.append(step)
        return branches

    def _best(
        self, best: Outcome, state: int, low: int, window: int, open_steps: list[int]
    ) -> Outcome:
        if low + window.bit_count() <= best.taken:
            return best
        return Outcome(
            valid=False, steps=0, low=low, window=window, state=state, stuck=tuple(open_steps)
        )


def search(steps: Steps, steps_max: int) -> Outcome:
    """Search for an order of one key's steps; gives up after trying `steps_max` steps."""
    return _Search(steps).run(steps_max)


def calls_by_key(history: Sequence[Operation]) -> dict[Any, list[Call]]:
    """Return each key's calls in order of their invocation, failed ones left out; keys in order of appearance."""
    found: dict[Any, list[Call]] = {}
    pending: dict[int, tuple[int, Operation]] = {}
    for position, operation in enumerate(history):
        process = operation.process
        if process == NEMESIS or operation.f not in _FS:
            continue
        if operation.type == "invoke":
            pending[process] = (position, operation)
            found.setdefault(operation.value[0], [])
            continue
        called, invoked = pending.pop(process)
        if operation.type == "fail":
            continue
        key, argument = invoked.value
        if operation.type == "ok":
            call = Call(invoked, operation, called, position, argument, operation.value[1])
        else:
            call = Call(invoked, operation, called, INFINITY, argument, None)
        found[key].append(call)
    for called, invoked in pending.values():
        key, argument = invoked.value
        found[key].append(Call(invoked, None, called, INFINITY, argument, None))
    for calls in found.values():
        calls.sort(key=_called)
    return found


def _called(call: Call) -> int:
    return call.called


Knowledge = Callable[[Run], Mapping[int, bool]]
"""From a run to the positions of invocations of which it is known whether they took effect."""


def _told(calls: Sequence[Call], decided: Mapping[int, bool], behind_all: int) -> list[Call]:
    """Return the calls with what is known of indeterminate ones; `behind_all` is a position behind the history."""
    told = []
    for call in calls:
        took_effect = decided.get(call.called) if call.returned == INFINITY else None
        if took_effect is None:
            told.append(call)
        elif took_effect:
            told.append(msgspec.structs.replace(call, returned=behind_all + call.called))
    return told


class Linearizability:
    """See the module. `model` names one of `models.MODELS`; `steps_max` bounds the search of each key.

    `knows` says what is known of indeterminate operations from elsewhere; by default nothing is.
    """

    name = "linearizable"

    def __init__(
        self,
        model: str = "register",
        steps_max: int = 1_000_000,
        *,
        knows: Knowledge | None = None,
    ) -> None:
        self._model = MODELS[model]
        self._steps_max = steps_max
        self._knows = knows

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``keys_judged``, ``operations_judged``, ``search_steps``.

        With knowledge also ``decided_by_log``: the indeterminate operations that it decided.
        """
        by_key = calls_by_key(run.history)
        verdict = self._judged(by_key)
        if self._knows is None:
            return verdict
        decided = self._knows(run)
        facts = {**verdict.facts, "decided_by_log": len(decided)}
        if verdict.valid is not True or not decided:
            return msgspec.structs.replace(verdict, facts=facts)
        behind_all = len(run.history)
        told = {key: _told(calls, decided, behind_all) for key, calls in by_key.items()}
        informed = self._judged(told)
        if informed.valid is True:
            return msgspec.structs.replace(verdict, facts=facts)
        note = "only with what the log says of indeterminate operations: "
        evidence = [{**found, "what": note + found["what"]} for found in informed.evidence]
        return msgspec.structs.replace(informed, facts=facts, evidence=evidence)

    def _judged(self, by_key: Mapping[Any, Sequence[Call]]) -> Verdict:
        """Judge the calls of every key."""
        evidence: list[dict[str, Any]] = []
        valids: list[Valid] = []
        facts = {"keys_judged": 0, "operations_judged": 0, "search_steps": 0}
        for key, calls in by_key.items():
            steps = self._model(calls)
            outcome = search(steps, self._steps_max)
            facts["keys_judged"] += 1
            facts["operations_judged"] += steps.definite
            facts["search_steps"] += outcome.steps
            valids.append(outcome.valid)
            if outcome.valid is False:
                evidence.append(self._stuck(key, steps, outcome))
            elif outcome.valid == "unknown":
                what = (
                    f"key {key}: gave up after {outcome.steps} steps with {outcome.taken} of "
                    f"{steps.definite} operations in order"
                )
                evidence.append(finding(self.name, "I32", what))
        evidence = evidence[:EVIDENCE_MAX]
        if False in valids:
            return Verdict(valid=False, facts=facts, evidence=evidence)
        if "unknown" in valids:
            return Verdict(valid="unknown", facts=facts, evidence=evidence)
        if not facts["operations_judged"]:
            what = "no operation on any key is known to have taken effect"
            evidence = [finding(self.name, "stimulus", what)]
            return Verdict(valid="unknown", facts=facts, evidence=evidence)
        return Verdict(valid=True, facts=facts)

    def _stuck(self, key: Any, steps: Steps, outcome: Outcome) -> dict[str, Any]:
        """Explain with the operations around the point behind which no order leads."""
        first = min(outcome.stuck, key=lambda step: steps.returned[step])
        last_call = steps.calls[first]
        what = (
            f"key {key}: after {outcome.taken} of {steps.definite} operations the value can be "
            f"{steps.states[outcome.state]}, and then {_in_words(last_call)} fits nowhere before it returned"
        )
        need = steps.needs[first]
        never = need > 0 and need not in steps.leads and not steps.next_list
        if never:
            what += f"; {steps.states[need]} was never written"
        shown = {*range(max(0, first - _SHOWN_BEFORE), first), *outcome.stuck[:_SHOWN_STUCK_MAX]}
        late = [
            step
            for step in range(outcome.low, steps.definite)
            if steps.needs[step] == outcome.state and not outcome.has_taken(step)
        ]
        if late and not never:
            what += f"; {_in_words(steps.calls[late[-1]])} still needs that value"
            shown.add(late[-1])
        return finding(
            self.name,
            "I32",
            what,
            key=key,
            time_ns=last_call.invoked.time_ns,
            operations=[_as_data(steps.calls[step]) for step in sorted(shown)],
        )


def _in_words(call: Call) -> str:
    value = call.result if call.invoked.f == "read" else call.argument
    return f"{call.invoked.f} {value!r} of process {call.invoked.process}"


def _as_data(call: Call) -> dict[str, Any]:
    completed = call.completed
    return {
        "process": call.invoked.process,
        "f": call.invoked.f,
        "value": call.result if call.invoked.f == "read" else call.argument,
        "type": "info" if completed is None else completed.type,
        "invoked_index": call.called,
        "completed_index": -1 if completed is None or completed.type != "ok" else call.returned,
        "invoked_ns": call.invoked.time_ns,
        "completed_ns": -1 if completed is None else completed.time_ns,
        "node": call.invoked.node if completed is None else completed.node,
    }
