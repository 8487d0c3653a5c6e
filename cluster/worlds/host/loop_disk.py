"""`LoopDisk`: a real file system whose power is cut by the kernel itself, to hold our model of a power loss against.

An image in memory is formatted with ext4 or xfs and mounted through a loop device. Both file systems know an ioctl that shuts them
down at once, without writing their log back (it is how their own crash tests work: xfstests' ``godown``); mounting
again replays the journal. What the kernel's own write-back had stored until then stays, so of un-synced work more may be left than
`PowerDisk` leaves; of synced work nothing may be missing.

Needs root, ``mkfs.ext4`` or ``mkfs.xfs``, and loop devices. An image carries its harness in its name, so that the next
start unmounts and removes what a dead one left.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import struct
from pathlib import Path
from typing import Literal, Self

from cluster.worlds.errors import WorldMissing
from cluster.worlds.host.programs import Here, missing_programs
from cluster.worlds.local.leftovers import start_ticks

__all__ = ["FileSystem", "LoopDisk", "remove_stale", "require_loop_disks"]

FileSystem = Literal["ext4", "xfs"]

_IMAGES = Path("/dev/shm")  # noqa: S108 - memory is the point; the name below is ours alone
_PREFIX = "reprise-disk"
_SIZE_BYTES = 320 << 20
"""As small as xfs allows; the image is sparse."""
_SHUT_DOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN: ``_IOR('X', 125, __u32)``."""
_WITHOUT_LOG = struct.pack("=I", 2)
"""Drop what stands in memory, the log included."""
_MAKE: dict[FileSystem, list[str]] = {
    "ext4": ["mkfs.ext4", "-q", "-F"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
}
_PACKAGES: dict[FileSystem, str] = {"ext4": "e2fsprogs", "xfs": "xfsprogs"}

_numbers = itertools.count()


class LoopDisk:
    """One file system, mounted at `mount` between `start` and `close`. All raise WorldFailed with what a program said."""

    def __init__(self, mount: Path, file_system: FileSystem) -> None:
        self.mount = mount.absolute()
        own = f"{_PREFIX}-{os.getpid()}-{start_ticks(os.getpid())}-{next(_numbers)}"
        self._image = _IMAGES / own
        self._file_system = file_system
        self._run = Here()
        self._mounted = False
        self._cut = False

    def start(self) -> None:
        """Format and mount. Raises WorldMissing with the command that installs what is missing."""
        require_loop_disks(self._file_system)
        remove_stale()
        self.mount.mkdir(parents=True, exist_ok=True)
        with self._image.open("wb") as image:
            image.truncate(_SIZE_BYTES)
        try:
            self._run([*_MAKE[self._file_system], str(self._image)])
            self._attach()
        except BaseException:
            self.close()
            raise

    def power_loss(self) -> None:
        """Cut the power and bring the file system up again. Programs that have files open on it must be dead."""
        self.cut()
        self._detach()
        self._attach()

    def cut(self) -> None:
        """Cut the power: from now on nothing reaches the image, and every operation fails with EIO. Twice is once."""
        if self._cut:
            return
        root = os.open(self.mount, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(root, _SHUT_DOWN, _WITHOUT_LOG)
        finally:
            os.close(root)
        self._cut = True

    def close(self) -> None:
        """Unmount and remove the image. A second call does nothing."""
        if self._mounted:
            self._detach()
        self._image.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _attach(self) -> None:
        self._run(["mount", "-o", "loop", str(self._image), str(self.mount)])
        self._mounted = True
        self._cut = False

    def _detach(self) -> None:
        self._run(["umount", str(self.mount)])
        self._mounted = False


def require_loop_disks(*file_systems: FileSystem) -> None:
    """Raise WorldMissing, with the command that helps, when this machine cannot have such disks (none named: all)."""
    for name in file_systems or _MAKE:
        if missing_programs([_MAKE[name][0]]):
            raise WorldMissing(
                f"{_MAKE[name][0]} is missing", f"apt-get install -y {_PACKAGES[name]}"
            )
    if os.geteuid() != 0 or not Path("/dev/loop-control").exists():
        raise WorldMissing("mounting an image needs root and loop devices")


def remove_stale() -> list[str]:
    """Unmount and remove the images of dead harnesses; returns the images."""
    stale = []
    mounts = _mounted_images()
    for image in sorted(_IMAGES.glob(f"{_PREFIX}-*-*-*")):
        pid, started = map(int, image.name.split("-")[2:4])
        if start_ticks(pid) != started:
            for mount in mounts.get(str(image), ()):
                Here()(["umount", "-l", mount])
            image.unlink(missing_ok=True)
            stale.append(str(image))
    return stale


def _mounted_images() -> dict[str, list[str]]:
    """Image -> where it is mounted through a loop device."""
    found: dict[str, list[str]] = {}
    for line in Path("/proc/self/mounts").read_text().splitlines():
        device, mount = line.split(" ")[:2]
        backing = Path("/sys/block", Path(device).name, "loop", "backing_file")
        if device.startswith("/dev/loop") and backing.exists():
            found.setdefault(backing.read_text().strip(), []).append(mount)
    return found
