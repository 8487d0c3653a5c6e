"""How long a run waits for its cluster before the last reads."""

from __future__ import annotations

from typing import Any

from tiny_world import TinyWorld

from harness.operation import NEMESIS, Operation
from nemesis.catch_up import LIMIT_NS, CatchUpNemesis

MS = 1_000_000
NODES = ("n1", "n2", "n3")


class Cluster(TinyWorld):
    """Three nodes of which one leads from `led_ns` on; `applied` says how far each is from when on, `down` who does not run."""

    capabilities: frozenset[str] = frozenset()
    nodes = NODES

    def __init__(
        self,
        *,
        led_ns: int = 0,
        commit: int = 9,
        applied: dict[str, tuple[int, int]] | None = None,
        down: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.led_ns = led_ns
        self.commit = commit
        self.applied = applied or {}
        self.down = down

    def running(self, node: str) -> bool:
        return node not in self.down

    async def inspect(self, node: str, group: int = 0) -> dict[str, Any] | None:
        index, at_ns = self.applied.get(node, (9, 0))
        leads = node == "n1" and self.now_ns() >= self.led_ns
        return {
            "role": "leader" if leads else "follower",
            "term": 2,
            "commit": self.commit,
            "last_index": 9,
            "applied": index if self.now_ns() >= at_ns else 0,
        }


def waited(world: Cluster) -> tuple[int, list[str]]:
    """How long it took, and who was behind at the end."""
    nemesis = CatchUpNemesis()
    ended: list[Operation] = []

    async def main() -> None:
        asked = Operation(process=NEMESIS, type="info", f="catch-up")
        ended.append(await nemesis.invoke(world, asked))  # type: ignore[arg-type]  # a tiny world is enough

    world.kernel.run(main())
    return world.now_ns(), ended[0].value["behind"]


def test_whoever_has_all_is_not_waited_for() -> None:
    """A healthy cluster costs no time."""
    assert waited(Cluster()) == (0, [])


def test_it_waits_for_an_election() -> None:
    """Nobody has anything to catch up with before there is a leader."""
    assert waited(Cluster(led_ns=250 * MS)) == (300 * MS, [])


def test_it_waits_for_who_was_away() -> None:
    """Until the last has applied all of the leader's log."""
    assert waited(Cluster(applied={"n3": (9, 1_000 * MS)})) == (1_000 * MS, [])


def test_it_gives_up_and_names_who_is_behind() -> None:
    """After as long as the cluster may take to recover."""
    assert waited(Cluster(applied={"n2": (8, 0)})) == (LIMIT_NS, ["n2"])


def test_what_the_leader_has_not_committed_keeps_everybody_waiting() -> None:
    """Its own last entry included: before that it does not know what is committed."""
    assert waited(Cluster(commit=8)) == (LIMIT_NS, [*NODES])


def test_who_does_not_run_is_not_waited_for() -> None:
    """A node whose right answer was to refuse stays down."""
    assert waited(Cluster(down=("n3",), applied={"n3": (0, 0)})) == (0, [])


def test_without_a_quorum_nothing_is_waited_for() -> None:
    """Nobody will lead, however long it takes."""
    assert waited(Cluster(down=("n1", "n3"), led_ns=LIMIT_NS)) == (0, [])
