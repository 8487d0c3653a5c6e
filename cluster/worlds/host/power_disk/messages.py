"""What the harness and the daemon of a mounted disk say to each other: JSON, one request or reply a line. Data only.

(What programs on the mount can say and ask stands in `cluster.storage.mounted_disk`.)
"""

from __future__ import annotations

import msgspec

from cluster.worlds.host.power_disk.device import DeviceFault

__all__ = [
    "Fail",
    "Heal",
    "Ledger",
    "Limit",
    "PowerLoss",
    "PowerOn",
    "Reply",
    "Request",
    "Status",
    "StatusReply",
]


class PowerLoss(msgspec.Struct, frozen=True, tag="power_loss"):
    """Lose the power and get it back; `seed` draws what stays of un-synced work (None: nothing)."""

    seed: int | None = None


class PowerOn(msgspec.Struct, frozen=True, tag="power_on"):
    """Give power back to a disk that a crash point took it from."""


class Fail(msgspec.Struct, frozen=True, tag="fail"):
    """Let the device fail from now on, too."""

    fault: DeviceFault


class Heal(msgspec.Struct, frozen=True, tag="heal"):
    """Switch every fault of the device off, and give it all the room there is."""


class Limit(msgspec.Struct, frozen=True, tag="limit"):
    """Let all files have so many bytes together and no more; 0: as many as there is room for."""

    room_bytes: int


class Ledger(msgspec.Struct, frozen=True, tag="ledger"):
    """Tell the records behind number `since`."""

    since: int = 0


class Status(msgspec.Struct, frozen=True, tag="status"):
    """Tell how the disk is."""


Request = PowerLoss | PowerOn | Fail | Heal | Limit | Ledger | Status


class StatusReply(msgspec.Struct, frozen=True):
    """`off`: a crash point took the power. `losses` counts power losses, `written_back` how often un-synced
    work was too much to be remembered.
    """

    off: bool
    losses: int
    written_back: int


class Reply(msgspec.Struct, frozen=True):
    """`error` is ``""`` when the request was carried out; `value` is JSON of what was asked for."""

    error: str = ""
    value: msgspec.Raw = msgspec.Raw(b"null")
