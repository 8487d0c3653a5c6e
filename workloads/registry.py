"""The writer registry under crashes: the seed of this project.

Writers (the nodes themselves, by identity) register under data-encryption keys with ever higher epochs, register again with
the same epoch, try smaller ones and identities that collide in 16 bits; now and then a key is written, which moves the
durable applied index. The leader refuses what would halt. At the very end, when everything is healed and read, one
poison entry may be proposed past the leader's check: every replica must halt at it, and halt again after a restart; one
of them may be struck down in the middle of its halt.

Operations: ``register`` {dek_id, full_node_id, epoch}, completed with the raft index and the decision; ``write``
[key, value]; ``read-rows``: every node's rows; ``propose_raw`` {dek_id, full_node_id, epoch}, or {payload} in hexadecimal:
the poison. A scenario file may list its own operations instead of the mixed load (`workloads.fixed`); there `writer`, a name, stands for its identity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from cluster.encryption.identity import full_node_id, node16
from cluster.encryption.payloads import Bootstrap, Registration
from cluster.machine.entries import encode_bootstrap_payload, encode_registration_payload
from cluster.node.requests import Reply, Request
from cluster.worlds.tape import Stream
from cluster.worlds.world import World
from harness.checkers.agreement import Agreement
from harness.checkers.availability import RECOVERY_LIMIT_NS, Availability
from harness.checkers.crash_facts import CrashFacts
from harness.checkers.durability import Durability
from harness.checkers.liveness import Liveness
from harness.checkers.registry_model import RegistryModel
from harness.checkers.restart_loop import RestartLoop
from harness.checkers.stats import Stats
from harness.checkers.unforced_errors import UnforcedErrors
from harness.errors import UserMistake
from harness.generator import (
    NOTHING,
    SECOND_NS,
    Context,
    Generator,
    Generatorish,
    clients,
    delay,
    generator,
    nemesis,
    once,
    phases,
    repeat,
    sleep,
    time_limit,
    until_ok,
)
from harness.operation import Operation
from harness.test import Workload
from workloads.fixed import Step, fixed_load, steps_from
from workloads.leader_line import LeaderLine

__all__ = ["COLLIDING", "RegistryClient", "swarm", "workload"]

_MS = 1_000_000
TIMEOUT_NS = 1000 * _MS

COLLIDING = ("n498", "n784")
"""Two names whose identities share their low 16 bits (specification §2.1)."""

POISONS = (
    "none",
    "rollback",
    "collision-less",
    "collision-equal",
    "collision-greater",
    "kek",
    "malformed",
)
"""What the end of a run may be; a draw picks one."""

HALT_STRIKES = ("none", "none", "kill-leader", "kill-follower", "power-leader", "power-follower")
"""How and who is struck at ``eng.halt`` when the poison arrives; a draw picks one."""

POISONED_DEK, POISONED_EPOCH = 9, 5
"""The row that a poison meets; the load never uses this key."""

LAST_WRITE = ["last", 0]
"""The write that shows, once everything is healed, that the cluster still serves."""

_ASK_AGAIN_NS = 200 * _MS

_REGISTRATIONS = ("register", "propose_raw")
_FIXED = (*_REGISTRATIONS, "write", "read-rows")


class RegistryClient:
    """Asks the inspection port to register, and clients' ordinary requests."""

    def __init__(
        self, line: LeaderLine | None = None, world: World | None = None, process: int = 0
    ) -> None:
        self._line = line
        self._world = world
        self._process = process
        self._sequence = 0

    async def open(self, world: World, node: str, process: int) -> RegistryClient:
        """See `Client`."""
        return RegistryClient(LeaderLine(world, node), world, process)

    async def invoke(self, operation: Operation) -> Operation:
        """See `Client`."""
        line, world = self._line, self._world
        assert line is not None
        assert world is not None
        if operation.f == "read-rows":
            return await self._read_rows(world, operation)
        reply = await line.ask(self._request(operation), TIMEOUT_NS)
        return _complete(operation, reply, line.node)

    def close(self) -> None:
        """See `Client`."""
        if self._line is not None:
            self._line.close()

    def _request(self, operation: Operation) -> Request:
        if operation.f == "write":
            self._sequence += 1
            key, value = operation.value
            return Request(
                "kv",
                {
                    "client": f"p{self._process}",
                    "sequence": self._sequence,
                    "op": "put",
                    "key": key,
                    "value": value,
                },
            )
        value = operation.value
        if "payload" in value:
            return Request("inspect.propose_raw", value)
        body = {
            "dek_id": value["dek_id"],
            "full_node_id": value["full_node_id"],
            "local_epoch": value["epoch"],
        }
        if operation.f == "register":
            return Request("inspect.register", body)
        payload = encode_registration_payload(Registration(**body))
        return Request("inspect.propose_raw", {"payload": payload.hex()})

    @staticmethod
    async def _read_rows(world: World, operation: Operation) -> Operation:
        rows = {}
        for node in world.nodes:
            state = await world.inspect(node)
            if state is not None:
                rows[node] = {"applied": state["applied"], "rows": state["rows"]}
        return operation.completed("ok" if rows else "fail", rows)


def _complete(operation: Operation, reply: Reply, node: str) -> Operation:
    if reply.status == "ok":
        if operation.f == "write":
            return operation.completed("ok", node=node)
        done = {"index": reply.value["index"], "decision": reply.value["decision"]}
        return operation.completed("ok", {**operation.value, **done}, node=node)
    return operation.completed(
        "fail" if reply.definite else "info", error=f"{reply.code}: {reply.message}", node=node
    )


OPTIONS: dict[str, Any] = {
    "poison": Literal[
        "none",
        "rollback",
        "collision-less",
        "collision-equal",
        "collision-greater",
        "kek",
        "malformed",
    ],
    "halt_strike": Literal[
        "none", "kill-leader", "kill-follower", "power-leader", "power-follower"
    ],
    "writer_count": Annotated[int, msgspec.Meta(ge=1)],
    "operations": list[Step],
    "deks": Annotated[int, msgspec.Meta(ge=1, le=POISONED_DEK - 1)],
    "put_percent": Annotated[int, msgspec.Meta(ge=0, le=100)],
}


def swarm(draw: Stream, options: Mapping[str, Any]) -> dict[str, Any]:
    """Draw what the scenario left open: how the run ends, how many rows, and how often keys are written."""
    return {
        "poison": POISONS[draw.below(len(POISONS))],
        "halt_strike": HALT_STRIKES[draw.below(len(HALT_STRIKES))],
        "writer_count": (1, 3, 6)[draw.below(3)],
        "deks": 1 + draw.below(3),
        "put_percent": (5, 15, 40)[draw.below(3)],
        **options,
    }


def _registration(f: str, dek_id: int, writer: str, epoch: int) -> dict[str, Any]:
    identity = full_node_id(writer)
    return {"f": f, "value": {"dek_id": dek_id, "full_node_id": identity, "epoch": epoch}}


CALM_NS = 4 * SECOND_NS
"""Until then epochs only rise: the first crashes meet replays, and nothing that looks like one."""


class _Load:
    """The load's memory: the highest epoch ever asked for, by (dek, writer).

    Not part of any verdict: it only makes the operations interesting.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.writers = (COLLIDING[0], *options["nodes"])[: options["writer_count"]]
        self.deks = options["deks"]
        self.put_percent = options["put_percent"]
        self.epochs: dict[tuple[int, str], int] = {}

    def operation(self, context: Context) -> Generatorish:
        draw = context.random.below
        if draw(100) < self.put_percent:
            return {"f": "write", "value": [f"k{draw(4)}", draw(1000)]}
        dek, writer = 1 + draw(self.deks), self.writers[draw(len(self.writers))]
        if draw(20) == 0:
            return _registration("register", dek, COLLIDING[1], draw(4))
        epoch = self.epochs.get((dek, writer), -1)
        kind = draw(10 if context.time_ns >= CALM_NS else 7)
        if epoch < 0 or kind < 7:
            epoch += 1 + (draw(3) if kind == 0 else 0)
            self.epochs[dek, writer] = epoch
        elif kind == 9 and epoch > 0:
            epoch -= 1
        return _registration("register", dek, writer, epoch)


def _fixed(raw: Sequence[Any]) -> Generator:
    """The operations that a scenario file lists. Raises UserMistake."""
    steps = []
    for step in steps_from(raw, _FIXED):
        value = step.value
        if step.f in _REGISTRATIONS:
            try:
                made = _registration(step.f, value["dek_id"], value["writer"], value["epoch"])
            except (KeyError, TypeError):
                wanted = "dek_id, writer and epoch"
                raise UserMistake(
                    f"options.operations: {step.f} wants {wanted}, not {value!r}"
                ) from None
            value = made["value"]
        steps.append(Step(step.f, value, step.delay_s))
    return fixed_load(steps)


def _last_write() -> Generator:
    """One write, asked for until it succeeds or nobody can hope for it any more.

    Without it a cluster that is dead after the last fault would not be noticed: rows can be read from its nodes.
    """
    again = repeat({"f": "write", "value": LAST_WRITE})
    return time_limit(RECOVERY_LIMIT_NS + SECOND_NS, delay(_ASK_AGAIN_NS, until_ok(again)))


def _poison(poison: str) -> dict[str, Any]:
    """The entry that must halt everybody once n498 has registered under key 9 with epoch 5."""
    first, second = COLLIDING
    if poison == "rollback":
        return _registration("propose_raw", POISONED_DEK, first, POISONED_EPOCH - 1)
    if poison.startswith("collision"):
        ahead = {"less": -1, "equal": 0, "greater": 1}[poison.removeprefix("collision-")]
        return _registration("propose_raw", POISONED_DEK, second, POISONED_EPOCH + ahead)
    payload = encode_bootstrap_payload(Bootstrap(8, b"storage", 9, b"raft", ()))
    if poison == "malformed":
        payload = payload[:-1]
    return {"f": "propose_raw", "value": {"payload": payload.hex()}}


def _ending(poison: str, halt_strike: str) -> Generatorish:
    """The end of the run: a known row, the entry that must halt everybody, and two restarts of all."""
    if poison == "none":
        return NOTHING
    armed = None
    if halt_strike != "none":
        action, target = halt_strike.split("-")
        armed = {"f": "arm", "value": {"targets": [target], "point": "eng.halt", "action": action}}
    restart = [sleep(2 * SECOND_NS), {"f": "start"}]
    return phases(
        nemesis(armed),
        clients(once(_registration("register", POISONED_DEK, COLLIDING[0], POISONED_EPOCH))),
        clients(once(_poison(poison))),
        nemesis([*restart, *restart, sleep(SECOND_NS)]),
    )


def workload(options: Mapping[str, Any]) -> Workload:
    """Return the workload. Raises UserMistake for fixed operations that make no sense.

    Options: `poison` (one of `POISONS`), `halt_strike` (one of `HALT_STRIKES`), `writer_count` and `deks`,
    `put_percent`; or `operations`, which replace the mixed load.
    """
    poison = str(options["poison"])
    expected = "" if poison == "none" else poison.split("-", maxsplit=1)[0]
    load = _Load(options)
    operations = options.get("operations")
    fixed = None if operations is None else _fixed(operations)
    poisoned = any(step["f"] == "propose_raw" for step in operations or ())
    read_rows = once({"f": "read-rows"})
    return Workload(
        name="registry",
        client=RegistryClient(),
        generator=fixed or generator(load.operation),
        final_generator=read_rows if poisoned else phases(_last_write(), read_rows),
        epilogue=generator(_ending(poison, options["halt_strike"])),
        checkers=(
            RegistryModel(),
            Durability(),
            Agreement(),
            RestartLoop(),
            Availability(aside=("read-rows",)),
            Liveness(),
            CrashFacts(),
            Stats(("propose_raw", "write")),
            UnforcedErrors(),
        ),
        stimuli={"registrations_committed": 1},
        options={
            **options,
            "expect_halt": expected,
            "writers": [COLLIDING[0], *options["nodes"], COLLIDING[1]],
        },
    )


assert node16(full_node_id(COLLIDING[0])) == node16(full_node_id(COLLIDING[1]))
