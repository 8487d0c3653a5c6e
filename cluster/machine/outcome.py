"""What applying one entry came to. Data only, and how it is told to the trace."""

from __future__ import annotations

from typing import Any

import msgspec

from cluster.trace import Applied

__all__ = ["Outcome"]


class Outcome(msgspec.Struct, frozen=True):
    """The result of one entry.

    `decision` is a word of `cluster.trace.Applied`, ``halt`` exactly if `halt`: then the applied index stayed below
    `index`, and `error_class` and `message` say why. `error_class` is also set for ``rejected``. `result` is a
    `KvResponse` for one request, a list of them for a batch, else None. The other fields are those of `Applied`.
    """

    index: int
    opcode: int
    decision: str
    result: Any = None
    state_hash: int = 0
    error_class: str = ""
    message: str = ""
    halt: bool = False
    dek_id: int = 0
    full_node_id: int = 0
    epoch_entry: int = -1
    epoch_row: int = -1
    row_index: int = 0
    row_before: bytes = b""
    row_after: bytes = b""
    row_writes: int = 0

    def event(
        self, *, node: str, incarnation: int, group: int, term: int, replay: bool, digest: int
    ) -> Applied:
        """Return the trace event; `digest` is zlib.crc32 of the entry's data."""
        return Applied(
            node=node,
            incarnation=incarnation,
            group=group,
            index=self.index,
            term=term,
            opcode=self.opcode,
            digest=digest,
            replay=replay,
            decision=self.decision,
            error_class=self.error_class,
            dek_id=self.dek_id,
            full_node_id=self.full_node_id,
            epoch_entry=self.epoch_entry,
            epoch_row=self.epoch_row,
            row_index=self.row_index,
            row_before=self.row_before,
            row_after=self.row_after,
            row_writes=self.row_writes,
            state_hash=self.state_hash,
        )
