"""Hosts reached over SSH, a keeper on each; see `cluster.worlds.real.host`. What a node writes comes to its folder here while it lives.

When a keeper is lost its node is too (it ends with the lease at the latest): the life is over, and the world is told.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import tarfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from cluster.node.process_config import Address, ProcessConfig
from cluster.worlds.errors import WorldFailed, WorldMissing
from cluster.worlds.real.host import Ended as TellEnd
from cluster.worlds.real.host import Host
from cluster.worlds.ssh.clocks import HostClock, Translator
from cluster.worlds.ssh.crew import Listener, examined, on_each, open_keepers, why_not_links
from cluster.worlds.ssh.keeping import DISK, boot
from cluster.worlds.ssh.line import KeeperLine
from cluster.worlds.ssh.messages import Ended, Examined, Opened, OpenOrder, Piece
from cluster.worlds.ssh.places import Reach

__all__ = ["SshHost", "SshLife", "SshSite"]

_LOG = "node.log"
_TRACE = "trace.jsonl"
_REACH_TIMEOUT_S = 3.0
_PACK_TIMEOUT_S = 600.0


class SshLife:
    """Implements `Life`: a process that a keeper started."""

    def __init__(self, line: KeeperLine, ended: TellEnd) -> None:
        self.pid = 0
        self.exit_code: int | None = None
        self._line = line
        self._ended = ended
        self._gone = asyncio.Event()
        self._early: tuple[int, int] | None = None

    def begin(self, pid: int) -> None:
        """It lives, or lived: news of its end may have come before."""
        self.pid = pid
        if self._early is not None:
            asyncio.get_running_loop().call_soon(self.finish, *self._early)

    async def signal(self, number: signal.Signals) -> None:
        """See `Life`."""
        if self.exit_code is None:
            await self._line.ask("signal", number=int(number))

    async def wait(self, timeout_s: float | None = None) -> int | None:
        """See `Life`."""
        try:
            await asyncio.wait_for(self._gone.wait(), timeout_s)
        except TimeoutError:
            return None
        return self.exit_code

    def finish(self, exit_code: int, ended_ns: int) -> None:
        """It is gone; only the first call counts, and none before `begin`."""
        if self.pid == 0:
            self._early = (exit_code, ended_ns)
        elif self.exit_code is None:
            self.exit_code = exit_code
            self._ended(exit_code, ended_ns)
            self._gone.set()


class SshHost:
    """Implements `Host`: what the keeper of one node does, and what it tells. `ask` is for everything else."""

    def __init__(self, folder: Path, start_ns: int, lost: Callable[[str], None]) -> None:
        """`folder` is the node's in the run; `start_ns` is our clock when the run began; `lost` hears why the keeper is gone."""
        self.address: Address = ("", 0)
        self.home = ""
        self.parent = 0
        self.clock = HostClock(same=False)
        self._folder = folder
        self._start_ns = start_ns
        self._lost = lost
        self._is_lost = False
        self._listen: Address = ("", 0)
        self._line: KeeperLine | None = None
        self._life: SshLife | None = None
        self._translator: Translator | None = None
        self._loop = asyncio.get_running_loop()
        self.listener = Listener(self._hear, self._lose)

    def open(self, line: KeeperLine, examined: Examined, order: OpenOrder) -> None:
        """Take the node's place on the host of `line`. Blocks."""
        self._line = line
        self.clock = HostClock(same=examined.boot == boot())
        self._translator = Translator(self.clock, self._start_ns)
        line.follow_clock(self.clock)
        opened = msgspec.convert(line.call("open", **msgspec.to_builtins(order)), Opened)
        self.home, self.parent, self._listen = opened.home, opened.pid, opened.listen
        self.address = (line.address, opened.listen[1])

    async def start(self, config: ProcessConfig, ended: TellEnd) -> SshLife:
        """See `Host`. The node stamps with its own clock; its times are put right when they come."""
        config = msgspec.structs.replace(config, listen=self._listen, run_start_ns=0)
        (self._folder / "config.json").write_bytes(msgspec.json.format(msgspec.json.encode(config)))
        life = SshLife(self._there, ended)
        self._life = life
        life.begin(await self.ask("start", config=msgspec.to_builtins(config)))
        return life

    async def lose_power(self) -> None:
        """See `Host`."""
        await self.ask("lose_power")

    async def dump(self) -> dict[str, Any]:
        """See `Host`."""
        dump: dict[str, Any] = await self.ask("dump")
        return dump

    async def ask(self, act: str, **arguments: Any) -> Any:
        """Have the keeper do something. Raises WorldFailed."""
        return await self._there.ask(act, **arguments)

    async def fetch_disk(self) -> Path:
        """Bring the node's disk here, packed."""
        await self.ask("pack")
        return self._folder / DISK

    async def give_disk(self, packed: Path) -> None:
        """Put a packed disk in place of the node's."""
        await asyncio.to_thread(self._there.send_file, packed, DISK)
        await self.ask("unpack")

    def close(self) -> None:
        """End the node, undo everything on its host, bring its disk here. A second call does nothing. Blocks."""
        line, self._line = self._line, None
        if line is None:
            return
        try:
            if not self._is_lost:
                line.call("close")
                line.call("pack", _PACK_TIMEOUT_S)
                self._unpack()
                line.call("forget")
        finally:
            line.close()

    def _unpack(self) -> None:
        packed = self._folder / DISK
        if packed.exists():
            with tarfile.open(packed) as archive:
                archive.extractall(self._folder / "data", filter="data")
            packed.unlink()

    def _hear(self, message: Piece | Ended) -> None:
        assert self._translator is not None
        if isinstance(message, Ended):
            ended_ns = self._translator.moment(message.ended_ns) + self._start_ns
            self._in_loop(self._finish, message.exit_code, ended_ns)
        elif message.name == _TRACE:
            _append(self._folder / _TRACE, self._translator.lines(message.data))
        elif message.name in (_LOG, DISK):
            _append(self._folder / message.name, message.data)

    def _lose(self, why: str) -> None:
        self._in_loop(self._over, why)

    def _over(self, why: str) -> None:
        if self._is_lost or self._line is None:
            return
        self._is_lost = True
        self._finish(-signal.SIGKILL, self._loop_ns())
        self._lost(why)

    def _loop_ns(self) -> int:
        return round(self._loop.time() * 1e9)

    def _finish(self, exit_code: int, ended_ns: int) -> None:
        if self._life is not None:
            self._life.finish(exit_code, ended_ns)

    def _in_loop(self, act: Callable[..., None], *arguments: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(act, *arguments)

    @property
    def _there(self) -> KeeperLine:
        if self._line is None:
            raise WorldFailed("the world is not up: its hosts were left")
        return self._line


class SshSite:
    """Implements `Site`."""

    def __init__(
        self,
        reach: Reach,
        *,
        seed: int,
        power_disk: bool,
        wall_clocks: bool,
        start_ns: Callable[[], int],
        lost: Callable[[str], None],
    ) -> None:
        """`seed` decides what becomes of packets on bad links; `start_ns` says what our clock was when the run began; `lost` is called in the event loop with the reason why a keeper is gone."""
        self.hosts: dict[str, SshHost] = {}
        self.able: frozenset[str] = frozenset()
        """Of ``cut``, ``link-faults``, ``limits``: what can be done on every host; known after `open`."""
        self.clocks: dict[str, HostClock] = {}
        """Each node's clock as far as it is known, after `close` too."""
        self._reach = reach
        self._seed = seed
        self._power_disk = power_disk
        self._wall_clocks = wall_clocks
        self._start_ns = start_ns
        self._lost = lost

    async def open(self, cluster: str, folders: Mapping[str, Path]) -> Mapping[str, Host]:
        """See `Site`. Raises WorldMissing too."""
        self.hosts = {
            node: SshHost(folder, self._start_ns(), self._lost) for node, folder in folders.items()
        }
        return await asyncio.to_thread(self._open, cluster)

    def addresses(self) -> dict[str, str]:
        """The IPv4 address of each node."""
        return {node: host.address[0] for node, host in self.hosts.items()}

    def close(self) -> None:
        """See `Site`."""
        hosts, self.hosts = list(self.hosts.values()), {}
        on_each(SshHost.close, hosts)

    def _open(self, cluster: str) -> Mapping[str, Host]:
        hosts = self.hosts
        found: dict[str, Examined] = {}
        lines = open_keepers(self._reach, [host.listener for host in hosts.values()])
        places = dict(zip(hosts, lines, strict=True))

        def take(node: str) -> None:
            line = places[node]
            found[node] = examined(line)
            order = OpenOrder(
                cluster=cluster,
                node=node,
                address=line.address,
                port=self._reach.node_port,
                power_disk=self._power_disk,
                wall_clocks=self._wall_clocks,
                seed=self._seed,
            )
            hosts[node].open(line, found[node], order)

        try:
            on_each(take, list(hosts))
            _check_reach({node: host.address for node, host in hosts.items()}, places)
            on_each(lambda line: line.call("shut_door"), lines)
        except BaseException:
            for line in lines:
                line.close()
            self.hosts = {}
            raise
        self.clocks = {node: host.clock for node, host in hosts.items()}
        able = {word for word in ("cut", "link-faults") if not why_not_links(found, word)[0]}
        if not any("limits" in one.missing for one in found.values()):
            able.add("limits")
        self.able = frozenset(able)
        return dict(hosts)


def _check_reach(addresses: Mapping[str, Address], lines: Mapping[str, KeeperLine]) -> None:
    """Raise WorldMissing unless every node's port can be reached from here and from every other host."""
    everywhere = list(addresses.values())
    failures = [f"from here: {why}" for why in map(_unreached, everywhere) if why]
    told = on_each(lambda node: lines[node].call("reach", addresses=everywhere), list(lines))
    failures += [
        f"from {node}: {', '.join(whys)}" for node, whys in zip(lines, told, strict=True) if whys
    ]
    if failures:
        raise WorldMissing(
            f"nodes cannot be reached {'; '.join(failures)}: a firewall?",
            "--node-port PORT with a port that is open between all of them",
        )


def _unreached(address: Address) -> str:
    try:
        socket.create_connection(address, _REACH_TIMEOUT_S).close()
    except OSError as error:
        return f"{address[0]}:{address[1]} ({error})"
    return ""


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)
