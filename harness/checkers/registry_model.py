"""The judge of the writer registry: every applied entry of every node against the reference model.

For each `Applied` and `Halted` fact this room asks what the fold of the committed log (`registry_fold`) says must
happen, given how far that node's store was ahead of the log, and names what is broken (specification §9.2):

I1 an equal-epoch replay changes nothing · I2 a rollback halts · I3 an identity collision halts · I4 rows are monotone ·
I7 rows equal the fold · I8 no encryption entry is skipped, a halt is final and comes again · I9 no halt without a cause ·
I10 a failing store decides nothing · I11 no poison through the front door.

The model is always the repaired behaviour, so a cluster that runs as the original halts on a replayed older
registration (HZ-1) and is convicted. Option ``expect_halt`` (``rollback``, ``collision``, ``malformed``, ``kek``) says
that the scenario poisons the cluster on purpose with ``propose_raw``: the run is valid when exactly that halt
happened, and unknown when the poison was never committed. It must halt so many voters that the others are no quorum
any more. More cannot be asked: whoever halts first is gone, what it said may be lost on the way, and half of an even
number of voters can then neither learn that the entry is committed nor elect anybody who would tell them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from cluster.encryption.identity import full_node_id, node16
from cluster.machine.entries import ENCRYPTION_OPCODES, OPCODE_REGISTRATION
from cluster.trace import (
    Applied,
    Event,
    Fault,
    Halted,
    HitPoint,
    Installed,
    Started,
    Stopped,
)
from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import LastCrash, finding, telling_first
from harness.checkers.memberships import members_at
from harness.checkers.registry_fold import (
    HALT_KINDS,
    Expectation,
    RegistryFold,
    Version,
    registry_folds,
)
from harness.checkers.replica_story import Story, corrupt_replicas

__all__ = ["RegistryModel"]

_INVARIANT_OF_KIND = {"rollback": "I2", "collision": "I3", "kek": "I8", "malformed": "I8"}

_FACTS = (
    "concurrent_registrations",
    "halts_expected",
    "halts_unexpected",
    "registrations_applied",
    "registrations_committed",
    "replayed_entries",
    "replayed_noops",
    "replayed_registrations",
    "rollbacks_halted",
    "collisions_halted",
)
_NOOPS = ("noop", "noop_older")


class RegistryModel:
    """See the module. `check` may be called for any number of runs."""

    name = "registry"

    def check(self, run: Run) -> Verdict:
        """See `Checker`; reads option ``expect_halt``."""
        return _Judgement(self.name, run).verdict()


class _Judgement:
    """The judgement of one run."""

    def __init__(self, checker: str, run: Run) -> None:
        self._checker = checker
        self._run = run
        self._facts: Counter[str] = Counter(dict.fromkeys(_FACTS, 0))
        self._evidence: list[dict[str, Any]] = []
        self._crashes = LastCrash()
        self._stories: dict[tuple[str, int], Story] = {}
        names = (*run.nodes, *run.options.get("writers", ()))
        self._writers = {full_node_id(name): name for name in names}
        self._halted_replicas: dict[tuple[str, int], str] = {}
        """(node, group) -> kind of the deterministic halt it made."""
        self._folds = dict(registry_folds(run.trace))
        self._facts["registrations_committed"] = sum(
            fold.registrations for fold in self._folds.values()
        )
        handlers: dict[type, Callable[[Any], None]] = {
            Applied: self._applied,
            Fault: self._fault,
            Halted: self._halted,
            HitPoint: self._hit,
            Installed: lambda event: self._story(event).installed(event),
            Started: self._started,
            Stopped: self._stopped,
        }
        for event in run.trace:
            handler = handlers.get(type(event))
            if handler is not None:
                handler(event)

    def verdict(self) -> Verdict:
        """Return the verdict, once every event was judged."""
        self._facts["concurrent_registrations"] = _concurrent_registrations(self._run)
        self._judge_final_state()
        missing = self._judge_expected_halts()
        if self._evidence:
            evidence = telling_first(self._evidence)
            return Verdict(valid=False, facts=dict(self._facts), evidence=evidence)
        if not missing and not self._facts["registrations_applied"] and not self._halted_replicas:
            missing = "no registration was applied by any node"
        if missing:
            evidence = [finding(self._checker, "stimulus", missing)]
            return Verdict(valid="unknown", facts=dict(self._facts), evidence=evidence)
        return Verdict(valid=True, facts=dict(self._facts))

    # -- events that only change the story -------------------------------------------------------

    def _story(self, event: Event) -> Story:
        place = (event.node, event.group)
        story = self._stories.get(place)
        if story is None:
            story = self._stories[place] = Story()
        return story

    def _fold(self, group: int) -> RegistryFold:
        fold = self._folds.get(group)
        if fold is None:
            fold = self._folds[group] = RegistryFold(())
        return fold

    def _hit(self, event: HitPoint) -> None:
        self._crashes.observe(event)
        self._story(event).hit(event)

    def _fault(self, event: Fault) -> None:
        if event.node:
            for group in self._folds:
                self._stories.setdefault((event.node, group), Story()).fault(event)

    def _stopped(self, event: Stopped) -> None:
        self._crashes.observe(event)
        for (node, group), story in self._stories.items():
            if node != event.node:
                continue
            if event.cause == "stop" and story.must_halt and not story.halted_at:
                index = story.poisoned_at
                what = f"{node} started again knowing entry {index} committed, at which it had halted, and lived on"
                self._broken("I8", what, node=node, group=group, index=index)
            story.stopped(event)

    def _started(self, event: Started) -> None:
        story = self._story(event)
        poisoned = story.poisoned_at
        if poisoned and story.stop_cause == "halt" and event.commit < poisoned:
            what = (
                f"{event.node} halted at entry {poisoned} and started again knowing only entry "
                f"{event.commit} committed: it does not halt inside its start"
            )
            self._broken("I8", what, event, index=poisoned)
        story.started(event)

    # -- judging one step --------------------------------------------------------------------------

    def _applied(self, event: Applied) -> None:
        story = self._story(event)
        self._judge_order(event, story)
        registration = event.opcode == OPCODE_REGISTRATION
        if story.is_replay(event):
            self._facts["replayed_entries"] += 1
            self._facts["replayed_registrations"] += registration
            self._facts["replayed_noops"] += event.decision in _NOOPS
        if event.decision == "halt":
            self._judge_halt(event, story)
            return
        self._facts["registrations_applied"] += registration
        error = story.store_error
        if error is not None and error.index == event.index:
            what = (
                f"{event.node} took decision {event.decision} at entry {event.index} although its store "
                f"failed there ({error.point})"
            )
            self._broken("I10", what, event)
        if event.opcode in ENCRYPTION_OPCODES:
            self._judge_decision(event, story)
        story.took(event)

    def _judge_order(self, event: Applied, story: Story) -> None:
        """Entries are applied one after the other, none twice, none after a halt (I8)."""
        index, applied = event.index, story.applied
        if story.halted_at:
            what = f"{event.node} went on to entry {index} after it had halted at {story.halted_at}"
            self._broken("I8", what, event)
        elif (
            index == applied + 1 or applied < 0 or (index <= applied and event.decision == "lease")
        ):
            return
        elif index > applied:
            what = f"{event.node} skipped from entry {applied} to {index}"
            self._broken("I8", what, event)
        else:
            what = f"{event.node} applied entry {index} again though its store already contained {applied}"
            self._broken("I27", what, event)

    def _judge_decision(self, event: Applied, story: Story) -> None:
        """An encryption entry that was not refused: compare decision, row before, row after and writes."""
        fold = self._fold(event.group)
        expected = fold.expectations.get(event.index)
        if expected is None:
            if fold.halt is None:
                what = f"{event.node} applied an encryption entry at {event.index} that nobody committed"
                self._broken("I7", what, event)
            return
        if expected.decision == "halt":
            self._not_halted(event, expected)
            return
        version = self._row_before(event, story, fold, expected)
        if version is None:
            return
        ahead = version.index >= event.index
        decision = "noop" if ahead else expected.decision
        wrote = event.decision in ("insert", "advance")
        if decision == "noop":
            if wrote or event.row_writes or event.row_after != event.row_before:
                what = (
                    f"{event.node} changed the row of {self._writer(event)} at entry {event.index} "
                    f"({event.decision}, {event.row_writes} writes), where epoch {event.epoch_entry} over "
                    f"epoch {version.last_epoch} must change nothing"
                )
                self._broken("I1", what, event)
        elif event.decision != decision or event.row_after != expected.after.row:
            what = (
                f"{event.node} answered entry {event.index} ({self._writer(event)}, epoch "
                f"{event.epoch_entry}) with {event.decision} and left row {event.row_after.hex() or 'none'}; "
                f"the model says {decision} and {expected.after.row.hex()}"
            )
            self._broken("I7", what, event)

    def _not_halted(self, event: Applied, expected: Expectation) -> None:
        kind = HALT_KINDS[expected.error_class]
        why = kind
        if expected.registration is not None:
            why = (
                f"{kind}: {self._writer(event)}, epoch {event.epoch_entry}, "
                f"row at epoch {expected.before.last_epoch}"
            )
        what = (
            f"{event.node} must halt at entry {event.index} ({why}), but decided {event.decision}"
        )
        self._broken(_INVARIANT_OF_KIND[kind], what, event)

    def _row_before(
        self, event: Applied, story: Story, fold: RegistryFold, expected: Expectation
    ) -> Version | None:
        """Return the version of the row that the node had, or None when it had one it must not have."""
        before = event.row_before
        if before == expected.before.row:
            return expected.before
        for version in fold.ahead(expected.key, event.index, story.horizon):
            if version.row == before:
                return version
        if story.row_corrupt and len(before) == 11:
            what = (
                f"{event.node} decided {event.decision} at entry {event.index} over a corrupt row"
            )
            self._broken("I10", what, event)
            return None
        older = before in (b"", *fold.rows_before(expected.key, event.index))
        what = (
            f"{event.node} had row {before.hex() or 'none'} for {self._writer(event)} in front of entry "
            f"{event.index}, where the log says {expected.before.row.hex() or 'none'}"
        )
        self._broken("I4" if older else "I7", what, event)
        return None

    # -- halts -------------------------------------------------------------------------------------

    def _halted(self, event: Halted) -> None:
        self._judge_halt(event, self._story(event))

    def _judge_halt(self, event: Applied | Halted, story: Story) -> None:
        if story.judged_halt and story.halted_at == event.index:
            return
        story.halted(event)
        story.judged_halt = True
        expected = self._fold(event.group).expectations.get(event.index)
        due = expected is not None and expected.error_class == event.error_class
        if due and expected is not None and expected.decision == "halt":
            self._rightly_halted(event, story)
            return
        cause = story.local_cause(event.index, event.error_class)
        if cause:
            self._facts["halts_expected"] += 1
            return
        self._facts["halts_unexpected"] += 1
        self._spurious(event, story, expected)

    def _rightly_halted(self, event: Applied | Halted, story: Story) -> None:
        kind = HALT_KINDS[event.error_class]
        self._facts["halts_expected"] += 1
        self._facts["rollbacks_halted"] += kind == "rollback"
        self._facts["collisions_halted"] += kind == "collision"
        self._halted_replicas[event.node, event.group] = kind
        story.poisoned_at = event.index
        if isinstance(event, Applied) and (event.row_writes or event.row_after != event.row_before):
            what = f"{event.node} halted at entry {event.index} ({kind}) but changed the row"
            self._broken(_INVARIANT_OF_KIND[kind], what, event)

    def _spurious(
        self, event: Applied | Halted, story: Story, expected: Expectation | None
    ) -> None:
        what = f"{event.node} halted at entry {event.index} ({event.error_class}) without a cause"
        if expected is None:
            self._broken("I9", what, event)
            return
        if expected.decision == "halt":
            what = (
                f"{event.node} halted at entry {event.index} with {event.error_class}, "
                f"where every replica must halt with {expected.error_class}"
            )
            self._broken("I9", what, event)
            return
        equal = False
        if isinstance(event, Applied):
            equal = event.epoch_entry == event.epoch_row
            replaying = "replaying" if story.is_replay(event) else "applying"
            what = (
                f"{event.node} halted at entry {event.index} ({event.error_class}) while {replaying} "
                f"the registration of {self._writer(event)} at epoch {event.epoch_entry} over a row at "
                f"epoch {event.epoch_row}; the model says no halt"
            )
        self._broken("I1" if equal else "I9", what, event)

    def _judge_expected_halts(self) -> str:
        """Compare the poison in the logs with what the scenario wants; returns the missing stimulus, if any."""
        wanted = self._run.options.get("expect_halt") or ""
        poisons = [(group, fold.halt) for group, fold in self._folds.items() if fold.halt]
        for group, poison in poisons:
            self._judge_poison(group, poison, wanted)
        if wanted and not poisons:
            return f"the poison ({wanted}) was never committed"
        return ""

    def _judge_poison(self, group: int, poison: Expectation, wanted: str) -> None:
        kind = HALT_KINDS[poison.error_class]
        fields: dict[str, Any] = {"group": group, "index": poison.index}
        if kind != wanted:
            what = (
                f"entry {poison.index} halts every replica ({kind}), and the scenario "
                f"{'expects ' + wanted if wanted else 'does not expect a halt'}"
            )
            self._broken("I11", what, **fields)
            return
        if not any(operation.f == "propose_raw" for operation in self._run.history):
            what = f"entry {poison.index} ({kind}) came in through the public API: nobody proposed it raw"
            self._broken("I11", what, **fields)
        halted = [
            node
            for (node, there), how in self._halted_replicas.items()
            if there == group and how == kind
        ]
        members = members_at(self._run.trace, group, poison.index, self._run.nodes)
        if members.has_without(halted):
            voters = [node for node in halted if node in members.voters]
            what = (
                f"entry {poison.index} ({kind}) was committed, but only {len(voters)} of {len(members.voters)} "
                f"voters halted at it, and the others can go on: {', '.join(sorted(voters)) or 'none'}"
            )
            self._broken(_INVARIANT_OF_KIND[kind], what, **fields)

    # -- the end of the run ------------------------------------------------------------------------

    def _judge_final_state(self) -> None:
        """The rows that a node shows at the end are the fold at its applied index (I7), none is gone (I4)."""
        corrupt = corrupt_replicas(self._run.trace)
        for node, groups in self._run.final_state.items():
            for state in groups.values():
                if state["recovering"] or (node, state["group"]) in corrupt:
                    continue
                fold = self._fold(state["group"])
                rows = fold.rows_at(state["applied"])
                want = sorted(version.row.hex() for version in rows.values())
                have = sorted(state["rows"].values())
                if want != have:
                    what = (
                        f"{node} ends at entry {state['applied']} with registry rows {have}, "
                        f"the log says {want}"
                    )
                    fields: dict[str, Any] = {
                        "node": node,
                        "group": state["group"],
                        "index": state["applied"],
                    }
                    self._broken("I7", what, **fields)

    # -- findings ----------------------------------------------------------------------------------

    def _writer(self, event: Applied) -> str:
        name = self._writers.get(event.full_node_id, f"{event.full_node_id:016x}")
        return f"{name} under key {event.dek_id}"

    def _broken(self, invariant: str, what: str, event: Event | None = None, **fields: Any) -> None:
        node = event.node if event is not None else fields.get("node", "")
        self._evidence.append(
            finding(
                self._checker,
                invariant,
                what + self._crashes.words(node),
                event,
                crash_point=self._crashes.of(node),
                **fields,
            )
        )


def _concurrent_registrations(run: Run) -> int:
    """How many ``register`` operations were invoked while another one of the same row was open."""
    open_rows: dict[int, tuple[int, int]] = {}
    concurrent = 0
    for operation in run.history:
        if operation.f != "register":
            continue
        if operation.type == "invoke":
            value = operation.value
            row = (value["dek_id"], node16(value["full_node_id"]))
            concurrent += row in open_rows.values()
            open_rows[operation.process] = row
        elif operation.type != "info":
            open_rows.pop(operation.process, None)
    return concurrent
