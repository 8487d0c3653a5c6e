"""What a keeper can do for its one node, on the host where both live: a table of acts.

The pieces are those of the local world (`cluster.worlds.local.site`, `cluster.worlds.real.nearby`) and of `cluster.worlds.host`:
here they are only called. Everything changed on the host stands in a list before it is done; what a keeper that was killed
has left is undone by its guard (`cluster.worlds.ssh.guard`), or repaired when the next one opens.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import tarfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec

from cluster.node.process_config import ProcessConfig
from cluster.worlds.errors import WorldFailed
from cluster.worlds.host.files import DirectoryTree
from cluster.worlds.host.limits import limit_open_files
from cluster.worlds.host.own_group import OwnGroup
from cluster.worlds.host.repairs import ChangeLog, changes_directory, repair
from cluster.worlds.local.leftovers import start_ticks
from cluster.worlds.local.process import NodeProcess
from cluster.worlds.local.site import LocalSite
from cluster.worlds.real.directories import Directories
from cluster.worlds.real.host import Host
from cluster.worlds.real.nearby import NearbyOptions, Surroundings
from cluster.worlds.ssh.abilities import lacking
from cluster.worlds.ssh.guard import Guard
from cluster.worlds.ssh.messages import Ended, Examined, Opened, OpenOrder, Piece, ToHarness
from cluster.worlds.ssh.own_links import OwnLinks
from cluster.worlds.ssh.tail import Tail
from cluster.worlds.world import DiskFault, FileDamage, Limits, LinkFault

__all__ = ["DISK", "HOME", "Keeping", "boot"]

HOME = Path("~/.reprise").expanduser()
"""Everything of ours on a host: ``bundles`` (the program, by hash) and ``runs`` (the folders of nodes)."""
DISK = "disk.tar.gz"
"""A node's disk on its way."""

_KEEPER = "keeper"
_TAIL_EVERY_S = 0.02
_REACH_TIMEOUT_S = 3.0
_PIECE_BYTES = 1 << 20

Send = Callable[[ToHarness], Awaitable[None]]


class Keeping:
    """One keeper's node. Acts take and return what MessagePack can hold; they raise WorldFailed and WorldMissing."""

    def __init__(self, send: Send) -> None:
        """`send` tells the harness."""
        self._send = send
        self._node = ""
        self._folder = Path()
        self._site: LocalSite | None = None
        self._host: Host | None = None
        self._surroundings: Surroundings | None = None
        self._directories: Directories | None = None
        self._life: NodeProcess | None = None
        self._door: asyncio.Server | None = None
        self._changes: ChangeLog | None = None
        self._links: OwnLinks | None = None
        self._group: OwnGroup | None = None
        self._guard: Guard | None = None
        self._mounted = False
        self._tails: list[Tail] = []
        self._telling = asyncio.Lock()
        self._endings: set[asyncio.Task[None]] = set()
        self.acts: dict[str, Callable[..., Awaitable[Any]]] = {
            "clock": self.clock,
            "close": self.close,
            "cut_clients": self.cut_clients,
            "damage": self.damage,
            "disk_fault": self.disk_fault,
            "disk_heal": self.disk_heal,
            "drops": self.drops,
            "dump": self.dump,
            "examine": self.examine,
            "forget": self.forget,
            "limit": self.limit,
            "links": self.links,
            "lose_power": self.lose_power,
            "open": self.open,
            "pack": self.pack,
            "reach": self.reach,
            "read_clock": self.read_clock,
            "shut_door": self.shut_door,
            "signal": self.signal,
            "start": self.start,
            "unpack": self.unpack,
        }
        """Name -> act."""

    # -- before and after a run ---------------------------------------------------------------------------

    async def read_clock(self) -> int:
        """CLOCK_MONOTONIC of this host; whoever asks is alive."""
        return time.monotonic_ns()

    async def examine(self) -> Examined:
        """What this host can do. Nothing is changed; a library may be built."""
        return Examined(
            boot=boot(),
            client=os.environ.get("SSH_CONNECTION", "").partition(" ")[0],
            missing=await asyncio.to_thread(lacking),
        )

    async def open(self, **order: Any) -> Opened:
        """Repair what dead keepers left, and give the node its folder and port."""
        wanted = msgspec.convert(order, OpenOrder)
        repair(changes_directory())
        _remove_dead_runs()
        self._node = wanted.node
        self._folder = HOME / "runs" / f"{wanted.cluster}-{wanted.node}"
        self._folder.mkdir(parents=True, mode=0o700)
        (self._folder / _KEEPER).write_text(f"{os.getpid()} {start_ticks(os.getpid())}")
        self._tails = [
            Tail(self._folder / "node.log", lines=False),
            Tail(self._folder / "trace.jsonl", lines=True),
        ]
        self._mounted = wanted.power_disk
        self._surroundings = Surroundings(
            NearbyOptions(power_disk=wanted.power_disk, wall_clocks=wanted.wall_clocks)
        )
        listen = (_bindable(wanted.address), wanted.port)
        self._site = LocalSite(self._surroundings, listen=listen)
        folders = {wanted.node: self._folder}
        label = f"{wanted.cluster}-{wanted.node}"
        try:
            self._host = (await self._site.open(label, folders))[wanted.node]
        except OSError as error:
            raise WorldFailed(
                f"port {wanted.port} of {wanted.address} cannot be had: {error}"
            ) from error
        self._door = await asyncio.start_server(_hang_up, *self._host.address)
        self._directories = Directories(folders)
        self._changes = ChangeLog(changes_directory(), label)
        short = f"{crc32(label.encode()):08x}"
        self._links = OwnLinks(wanted.node, short, self._changes, seed=wanted.seed)
        self._group = OwnGroup(f"reprise_{short}", self._changes)
        self._guard = Guard()
        return Opened(home=str(self._folder), listen=self._host.address, pid=os.getpid())

    async def reach(self, addresses: list[tuple[str, int]]) -> list[str]:
        """Try to connect to `addresses`; return those that cannot be reached, and why. Until nodes start, keepers listen there."""
        told = await asyncio.gather(*(_unreached(host, port) for host, port in addresses))
        return [why for why in told if why]

    async def shut_door(self) -> None:
        """Listen no longer in the node's place: who connects is refused until the node serves."""
        if self._door is not None:
            self._door.close()
            self._door = None

    async def close(self) -> None:
        """End the node and undo everything. Safe in any state, twice too."""
        await self.shut_door()
        with ExitStack() as each:
            if self._site is not None:
                each.callback(self._site.close)
            if self._changes is not None:
                each.callback(self._changes.close)
            if self._links is not None:
                each.callback(self._links.close)
            self._mounted = False
        if self._guard is not None:
            self._guard.dismiss()

    async def forget(self) -> None:
        """Remove the node's folder; it was closed before."""
        if self._host is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder)

    # -- the node -----------------------------------------------------------------------------------------

    async def start(self, config: dict[str, Any]) -> int:
        """Start the node; its process id."""
        life = await self._there.start(msgspec.convert(config, ProcessConfig), self._ended)
        assert isinstance(life, NodeProcess)
        self._life = life
        return life.pid

    async def signal(self, number: int) -> None:
        """Send its process a signal."""
        if self._life is not None:
            await self._life.signal(signal.Signals(number))

    async def lose_power(self) -> None:
        """See `Host`."""
        await self._there.lose_power()

    async def dump(self) -> dict[str, Any]:
        """See `Host`."""
        return await self._there.dump()

    def _ended(self, exit_code: int, ended_ns: int) -> None:
        ending = asyncio.get_running_loop().create_task(self._tell_end(exit_code, ended_ns))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    async def _tell_end(self, exit_code: int, ended_ns: int) -> None:
        await self.tell_news()
        await self._send(Ended(exit_code, ended_ns))

    async def follow(self) -> None:
        """Tell the harness what the node writes, as long as this task lives."""
        while True:
            await self.tell_news()
            await asyncio.sleep(_TAIL_EVERY_S)

    async def tell_news(self) -> None:
        """Tell what the node has written since the last time."""
        async with self._telling:
            for tail in self._tails:
                for piece in tail.news():
                    await self._send(piece)

    # -- faults -------------------------------------------------------------------------------------------

    async def links(
        self,
        addresses: dict[str, str],
        cut: list[tuple[str, str]],
        faults: list[tuple[str, str, dict[str, Any]]],
    ) -> None:
        """Let these links be cut, and these bad, in place of what held before."""
        assert self._links is not None
        bad = {
            (source, target): msgspec.convert(fault, LinkFault) for source, target, fault in faults
        }
        pairs = [(source, target) for source, target in cut]
        await asyncio.to_thread(self._links.apply, addresses, pairs, bad)

    async def drops(self) -> int:
        """How many packets were dropped on links so far."""
        assert self._links is not None
        return await asyncio.to_thread(self._links.drops)

    async def cut_clients(self, nodes: list[str], *, shut: bool) -> None:
        """Drop what goes between this node's port and whoever has none of the addresses `nodes`; or no longer."""
        assert self._links is not None
        if shut:
            await asyncio.to_thread(self._links.shut_out, nodes, self._there.address[1])
        else:
            await asyncio.to_thread(self._links.let_in)

    async def clock(self, offset_ns: int, drift_ppm: int) -> None:
        """Set the node's wall clock wrong."""
        self._around.clocks.set(self._node, offset_ns, drift_ppm)

    async def limit(self, **limits: Any) -> None:
        """Limit the process that lives: open files, and processor and memory where this user can."""
        assert self._group is not None
        wanted = msgspec.convert(limits, Limits)
        if self._life is not None and self._life.exit_code is None:
            limit_open_files(self._life.pid, wanted.open_files)
            await asyncio.to_thread(self._group.apply, self._life.pid, wanted)

    async def damage(self, **damage: Any) -> dict[str, Any]:
        """Damage the disk of the node, which is down; any kind but a swap."""
        assert self._directories is not None
        self._power_on()
        wanted = msgspec.convert(damage, FileDamage)
        return await asyncio.to_thread(self._directories.damage, [self._node], wanted)

    async def disk_fault(self, **fault: Any) -> None:
        """Let the mounted disk fail."""
        self._around.disks.fault(self._node, msgspec.convert(fault, DiskFault))

    async def disk_heal(self) -> None:
        """Let the mounted disk work."""
        self._around.disks.of(self._node).heal()

    # -- the disk on its way ------------------------------------------------------------------------------

    async def pack(self) -> None:
        """Send the disk of the node, which is down, as pieces of the file `DISK`."""
        if not (self._folder / "data").exists():
            return
        self._power_on()
        packed = self._folder / DISK
        await asyncio.to_thread(_pack, self._folder / "data", packed)
        with packed.open("rb") as file:
            while data := file.read(_PIECE_BYTES):
                await self._send(Piece(DISK, data))
        packed.unlink()

    async def unpack(self) -> None:
        """Put the disk that came as pieces in place of the node's."""
        self._power_on()
        await asyncio.to_thread(_unpack, self._folder / DISK, self._folder / "data")

    def take(self, piece: Piece) -> None:
        """Keep a piece of the file `DISK`."""
        if piece.name == DISK:
            with (self._folder / DISK).open("ab") as file:
                file.write(piece.data)

    def _power_on(self) -> None:
        if self._mounted:
            self._around.disks.of(self._node).power_on()

    @property
    def _there(self) -> Host:
        if self._host is None:
            raise WorldFailed("the node has no place here: it was not opened")
        return self._host

    @property
    def _around(self) -> Surroundings:
        if self._surroundings is None:
            raise WorldFailed("the node has no place here: it was not opened")
        return self._surroundings


def boot() -> str:
    """Tells this machine's monotonic clock from all others: its boot, and the namespace of clocks where there are such."""
    namespace = Path("/proc/self/ns/time")
    clocks = str(namespace.readlink()) if namespace.is_symlink() else ""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + clocks


def _bindable(address: str) -> str:
    """`address` if this host has it; one behind NAT listens on every address it has."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return "0.0.0.0"  # noqa: S104 - nobody else can reach the node otherwise
    return address


async def _hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _unreached(host: str, port: int) -> str:
    try:
        async with asyncio.timeout(_REACH_TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        return f"{host}:{port} ({str(error) or 'no answer'})"
    writer.close()
    return ""


def _remove_dead_runs() -> None:
    """Remove the folders of keepers that were killed; until now a person could look at them."""
    runs = HOME / "runs"
    for mark in runs.glob(f"*/{_KEEPER}"):
        pid, started = map(int, mark.read_text().split())
        if start_ticks(pid) != started:
            shutil.rmtree(mark.parent)


def _pack(directory: Path, packed: Path) -> None:
    with tarfile.open(packed, "w:gz", compresslevel=1) as tar:
        tar.add(directory, arcname=".")


def _unpack(packed: Path, directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    tree = DirectoryTree(directory, directory.parent / "kept")
    tree.remove("")
    with tarfile.open(packed) as tar:
        tar.extractall(directory)  # noqa: S202 - our own, of another node of this run
    packed.unlink()
    tree.files()
