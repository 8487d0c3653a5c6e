"""Operations: the one kind of thing that a history holds.

Jepsen's words. An operation is invoked by a *process* and completes as ``ok`` (it took effect), ``fail``
(it certainly did not) or ``info`` (nobody knows). A process whose operation ends ``info`` never
invokes again; its thread goes on as process + concurrency. The nemesis is process ``-1``; its
operations are ``info`` at both ends.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = ["NEMESIS", "Kind", "Operation"]

NEMESIS = -1

Kind = Literal["invoke", "ok", "fail", "info"]


class Operation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event of a history.

    `index` counts events from 0 (-1 before the history gave it one), `time_ns` is nanoseconds since the start of the
    run, `f` names what is done, `value` is plain data (JSON types; lists, not tuples), `error` says in words why it did not
    end ``ok``, `node` the node that answered or was asked last.
    """

    index: int = -1
    time_ns: int = -1
    process: int = 0
    type: Kind = "invoke"
    f: str
    value: Any = None
    error: str = ""
    node: str = ""

    def completed(
        self, kind: Kind, value: Any = None, *, error: str = "", node: str = ""
    ) -> Operation:
        """Return the completion of this invocation: same process and f; `value` None keeps the invoked one."""
        return Operation(
            process=self.process,
            type=kind,
            f=self.f,
            value=self.value if value is None else value,
            error=error,
            node=node or self.node,
        )
