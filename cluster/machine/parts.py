"""Which parts a replica is built of: the one place where a part can be replaced.

A node is handed a `Parts` and builds what it needs from the factories in it. The defaults are the system; a
seeded bug (`cluster.bugs`) is a `Parts` with one of them replaced, and nothing else in a node knows of bugs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from cluster.encryption.applier import EncryptionApplier, RowReplayGuard
from cluster.encryption.registry import WriterRegistryStore, writer_registry_for
from cluster.machine.machine import StateMachine
from cluster.probe import Probe
from cluster.storage.state_store import StateStore

__all__ = ["Parts"]


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """The factories of one replica's parts.

    `raft` None: the node's own consensus core; `replica` None: its own `Replica`, else a subclass of that; so with `journal` and
    `snapshots`, the files of snapshots.
    """

    registry: Callable[[StateStore | None, Probe, str], WriterRegistryStore] = writer_registry_for
    applier: Callable[[WriterRegistryStore, Probe, RowReplayGuard], EncryptionApplier] = (
        EncryptionApplier
    )
    machine: Callable[..., StateMachine] = StateMachine
    raft: Callable[..., Any] | None = None
    replica: Any = None
    journal: Any = None
    snapshots: Any = None
