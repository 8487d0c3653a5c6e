"""Keepers on all hosts of a run: opened side by side, all or none; and what they must find there, asked before a run begins."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec

from cluster.worlds.docker.wheels import ImagePython
from cluster.worlds.errors import WorldFailed, WorldMissing
from cluster.worlds.ssh.bundles import Bundles, find_python, upload
from cluster.worlds.ssh.connection import HostConnection, places_of
from cluster.worlds.ssh.line import Hear, KeeperLine
from cluster.worlds.ssh.messages import Ended, Examined, Piece
from cluster.worlds.ssh.places import HostPlace, Reach

__all__ = ["Listener", "examine", "examined", "on_each", "open_keepers", "why_not_links"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Listener(msgspec.Struct, frozen=True):
    """Who hears what a keeper says, and that it is lost. Both are called in a thread of the line."""

    hear: Hear
    lost: Callable[[str], None]


def on_each(act: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return what `act` makes of each item, all at once. Raises the first failure, when all have ended."""
    with ThreadPoolExecutor(max_workers=max(1, len(items))) as pool:
        futures = [pool.submit(act, item) for item in items]
    return [future.result() for future in futures]


def open_keepers(reach: Reach, listeners: Sequence[Listener]) -> list[KeeperLine]:
    """Return a keeper for each listener, on the first hosts of `reach`. Raises WorldMissing and WorldFailed; then none is left."""
    places = places_of(reach)
    if len(places) < len(listeners):
        raise WorldMissing(
            f"{len(listeners)} nodes need as many hosts, and --hosts names {len(places)}"
        )
    opened: list[KeeperLine] = []
    kinds = _Kinds()

    def open_one(number: int) -> KeeperLine:
        line = _open(places[number], reach, kinds, listeners[number])
        opened.append(line)
        return line

    try:
        lines = on_each(open_one, range(len(listeners)))
        _check_apart(lines)
    except BaseException:
        for line in opened:
            line.close()
        raise
    return lines


def examine(reach: Reach, nodes: int) -> list[Examined]:
    """Reach the hosts of `nodes` nodes, bring them what they need, and return what they can do. Nothing stays running."""
    lines = open_keepers(reach, [Listener(_hear_nothing, _lose_nothing)] * nodes)
    try:
        return on_each(examined, lines)
    finally:
        for line in lines:
            line.close()


def examined(line: KeeperLine) -> Examined:
    """What the host at the other end of `line` can do. Blocks."""
    found = msgspec.convert(line.call("examine"), Examined)
    return msgspec.structs.replace(found, address=line.address)


def why_not_links(examined: Mapping[str, Examined], word: str) -> tuple[str, str]:
    """Return why the kernels of these hosts, by node, cannot do `word` (``cut``, ``link-faults``) to links, and the remedy.

    Two empty words when they can.
    """
    addresses = {found.address for found in examined.values()}
    for node, found in examined.items():
        if word in found.missing:
            reason, remedy = found.missing[word]
            return f"on the host of {node}, {reason}", remedy
        if found.client in addresses:
            return (
                f"the harness runs on a node's host ({found.client}), and would be cut off with it",
                "run it on a machine that is none of the hosts",
            )
    return "", ""


class _Kinds:
    """Bundles by kind of host, each made once."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._made: dict[ImagePython, Bundles] = {}

    def bundles(self, python: ImagePython) -> Bundles:
        with self._guard:
            if python not in self._made:
                self._made[python] = Bundles.make(python)
            return self._made[python]


def _open(place: HostPlace, reach: Reach, kinds: _Kinds, listener: Listener) -> KeeperLine:
    connection = HostConnection(place, reach)
    try:
        python = find_python(connection)
        bundles = kinds.bundles(python.fits)
        upload(connection, python, bundles)
        return KeeperLine(connection, python, bundles, listener.hear, listener.lost)
    except BaseException:
        connection.close()
        raise


def _check_apart(lines: Sequence[KeeperLine]) -> None:
    """Raise WorldMissing when two nodes would live on one host: they are told apart by their addresses."""
    seen: dict[str, str] = {}
    for line in lines:
        if line.address in seen:
            raise WorldMissing(
                f"{seen[line.address]} and {line.place.written} are one host, {line.address}: a node each needs its own"
            )
        seen[line.address] = line.place.written


def _hear_nothing(message: Piece | Ended) -> None:
    raise WorldFailed(f"a keeper that keeps nothing said {type(message).__name__}")


def _lose_nothing(_why: str) -> None:
    """Whoever asks such a keeper something hears it himself."""
