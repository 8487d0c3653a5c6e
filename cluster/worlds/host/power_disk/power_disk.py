"""`PowerDisk`: the harness's end of a mounted disk that can lose its power. Starts the daemon and gives it orders.

A daemon ends with its harness, and takes its mount with it. What a killed daemon left (a mount that answers "transport
endpoint is not connected") is found in the mount table at the next start of any disk, by our type of file system and the dead
process that stands in its label, and unmounted.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

import msgspec

from cluster.ledger import LedgerRecord
from cluster.worlds.errors import WorldFailed, WorldMissing
from cluster.worlds.host.power_disk.device import DeviceFault
from cluster.worlds.host.power_disk.messages import (
    Fail,
    Heal,
    Ledger,
    Limit,
    PowerLoss,
    PowerOn,
    Reply,
    Request,
    Status,
    StatusReply,
)
from cluster.worlds.host.power_disk.socket_name import short_name
from cluster.worlds.local.leftovers import lists_directory, start_ticks

__all__ = [
    "FILE_SYSTEM",
    "PowerDisk",
    "remove_stale",
    "require_fuse",
    "require_mount",
    "unmount_stale",
]

FILE_SYSTEM = "fuse.reprise-power"
"""The type of our mounts in the mount table."""

_PRIVATE = "disk-"
"""What the names of private folders begin with; the harness's process id and its start follow."""
_INSTALL = "apt-get install -y fuse3"
_CONTAINER = "a container needs --device /dev/fuse --cap-add SYS_ADMIN"
_END_TIMEOUT_S = 5.0
_ORDER_TIMEOUT_S = 60.0
"""A power loss of many files takes its time; a daemon that does not answer for so long is broken."""


def require_fuse() -> None:
    """Raise WorldMissing, with the command that installs it, when this machine cannot have such disks."""
    if not Path("/dev/fuse").exists():
        raise WorldMissing(
            "disks that lose power are mounted with FUSE, and there is no /dev/fuse "
            f"({_CONTAINER})",
            "modprobe fuse",
        )
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise WorldMissing(
            "disks that lose power are mounted with FUSE, and this user may not open /dev/fuse",
            "chmod a+rw /dev/fuse, as root",
        )
    if shutil.which("fusermount3") is None:
        raise WorldMissing(
            "fusermount3 is missing: disks that lose power are mounted by it", _INSTALL
        )
    if importlib.util.find_spec("mfusepy") is None:
        raise WorldMissing(
            "the package mfusepy is missing", "pip install 'reprise-harness[worlds]'"
        )


def require_mount() -> None:
    """Raise WorldMissing unless such a disk can be mounted on this machine, found by mounting one. Takes some tenths of a second."""
    require_fuse()
    with tempfile.TemporaryDirectory(prefix="reprise-probe-") as folder:
        disk = PowerDisk(Path(folder, "source"), Path(folder, "mount"))
        try:
            disk.start()
        except WorldFailed as failure:
            reason = str(failure).rpartition(": ")[2]
            raise WorldMissing(f"{reason}; {_CONTAINER}", "sudo ./reprise ...") from None
        finally:
            disk.close()


def unmount_stale() -> list[str]:
    """Unmount what dead daemons left; returns the mount points."""
    stale = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, label = right.split(" ")[:2]
        if kind != FILE_SYSTEM:
            continue
        mount = left.split(" ")[4].encode().decode("unicode_escape")
        _, pid, started = label.split(":")
        if start_ticks(int(pid)) != int(started):
            _unmount(mount)
            stale.append(mount)
    return stale


def remove_stale() -> list[str]:
    """Remove the private folders of disks whose harness is dead (a socket, and what the daemon said); returns them."""
    stale = []
    for folder in sorted(lists_directory().glob(f"{_PRIVATE}*.*-*")):
        pid, _, started = folder.name.removeprefix(_PRIVATE).partition("-")[0].partition(".")
        if start_ticks(int(pid)) != int(started):
            shutil.rmtree(folder, ignore_errors=True)
            stale.append(str(folder))
    return stale


class PowerDisk:
    """One disk: `source` holds the files (in ``source/files``), `mount` is where programs see them.

    `owner` (user, group) gets the root of the mount: a node that is not root needs that. Without it the root belongs to
    whoever starts the disk. Orders are plain calls and return when they are carried out; all raise WorldFailed when the daemon
    does not answer.
    """

    def __init__(self, source: Path, mount: Path, *, owner: tuple[int, int] | None = None) -> None:
        self.source = source.absolute()
        self.mount = mount.absolute()
        self._owner = owner
        self._process: subprocess.Popen[str] | None = None
        self._private: Path | None = None

    def start(self) -> None:
        """Mount; both directories are made where they are missing. Raises WorldMissing and WorldFailed, in one line."""
        require_fuse()
        unmount_stale()
        remove_stale()
        if os.path.ismount(self.mount):
            raise WorldFailed(f"{self.mount} is a mount point already; a disk needs one of its own")
        self.mount.mkdir(parents=True, exist_ok=True)
        whose = f"{_PRIVATE}{os.getpid()}.{start_ticks(os.getpid())}-"
        self._private = Path(tempfile.mkdtemp(prefix=whose, dir=lists_directory()))
        with (self._private / "said").open("wb") as said:
            self._process = subprocess.Popen(
                self._command(self._private),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            self._process.wait(_END_TIMEOUT_S)
            reason = self._said()
            self.close()
            raise WorldFailed(f"{self.mount}: no disk that can lose its power: {reason}")

    def power_loss(self, seed: int | None = None) -> None:
        """Lose the power and get it back; `seed` draws which un-synced sectors and names stay (None: none).

        Programs that have files open on it must be dead: their handles are. A disk that a crash point took the power from only
        gets it back.
        """
        self._order(PowerLoss(seed))

    def power_on(self) -> None:
        """Give the power back that a crash point took; does nothing otherwise."""
        self._order(PowerOn())

    def fault(self, fault: DeviceFault) -> None:
        """Let the device fail from now on, besides whatever fails already."""
        self._order(Fail(fault))

    def heal(self) -> None:
        """Switch every fault off and lift its limit; what a failed fsync dropped stays dropped until the next power loss."""
        self._order(Heal())

    def limit(self, room_bytes: int) -> None:
        """Let all files have so many bytes together and no more, whatever they have now; 0, and `heal`, lift that."""
        self._order(Limit(room_bytes))

    def ledger(self, since: int = 0) -> list[LedgerRecord]:
        """The records behind number `since`, oldest first. See `recorder`."""
        return msgspec.json.decode(self._order(Ledger(since)), type=list[LedgerRecord])

    def status(self) -> StatusReply:
        """Whether the power is off, and how often it was lost."""
        return msgspec.json.decode(self._order(Status()), type=StatusReply)

    def close(self) -> None:
        """Unmount and end the daemon; the files stay in `source`. A second call does nothing."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(_END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
            assert process.stdout is not None
            process.stdout.close()
            if os.path.ismount(self.mount) or _is_dead(self.mount):
                _unmount(str(self.mount))
        if self._private is not None:
            shutil.rmtree(self._private)
            self._private = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _command(self, private: Path) -> list[str]:
        places = ["--source", str(self.source), "--mount", str(self.mount)]
        owner = [] if self._owner is None else ["--owner", *map(str, self._owner)]
        module = [sys.executable, "-m", "cluster.worlds.host.power_disk"]
        return [*module, *places, "--control", str(private / "control"), *owner]

    def _said(self) -> str:
        """The last thing that the daemon said on standard error."""
        assert self._private is not None
        lines = (self._private / "said").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "the daemon ended without a word"

    def _order(self, request: Request) -> bytes:
        """Give an order; returns the JSON of its answer."""
        if self._private is None:
            raise WorldFailed(f"{self.mount}: the disk is not started")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(_ORDER_TIMEOUT_S)
                with short_name(self._private / "control") as name:
                    line.connect(name)
                line.sendall(msgspec.json.encode(request) + b"\n")
                with line.makefile("rb") as answer:
                    reply = msgspec.json.decode(answer.readline(), type=Reply)
        except (OSError, msgspec.DecodeError) as error:
            raise WorldFailed(
                f"{self.mount}: the daemon of the disk does not answer: {error}"
            ) from error
        if reply.error:
            raise WorldFailed(f"{self.mount}: {reply.error}")
        return bytes(reply.value)


def _unmount(mount: str) -> None:
    """Take a mount away even if somebody uses it. Raises WorldFailed."""
    done = subprocess.run(
        ["fusermount3", "-u", "-z", mount], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise WorldFailed(f"{mount}: cannot be unmounted: {done.stderr.strip()}")


def _is_dead(mount: Path) -> bool:
    """Whether a mount point's daemon is gone ("transport endpoint is not connected")."""
    try:
        mount.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
