"""What may be asked of a node, and what it answers. Data only.

Kinds of requests (`Request.kind`) and their `body`:

========================  ==========================================================================
``kv``                    ``client``, ``sequence``, ``op`` (put, delete, cas, append), ``key``, ``value``, ``expected``
``get``                   ``key``; linearizable, any node answers; with ``stale`` it answers from its own state, once
                          that has applied the index ``at_least``
``txn``                   ``operations``, a list of ``[op, key, value]`` (`MicroOperation`), done all or none;
                          ``client``, ``sequence``; with ``r`` and ``compare`` alone it is a linearizable read that any
                          node answers and that wants neither
``status``                nothing; role, term, leader, applied, commit, configuration of the group; ``wall_ns`` and ``stamp_ns``, the wall
                          clock's reading and a timestamp later than all that this life gave before
``membership.change``     ``adds`` (learners), ``promotes``, ``removes``: lists of names, all at once; and ``expected_index``,
                          which the present configuration must have
``membership.transfer``   ``target``: the voter that is to lead
``admin.<Method>``        the public admin surface of the encryption design; mutators stay closed
``inspect.state``         nothing; live state O6 of one group
``inspect.register``      ``dek_id``, ``full_node_id``, ``local_epoch``; passes the leader's check
``inspect.propose_raw``   ``payload`` in hexadecimal; skips gate and check
``inspect.snapshot``      nothing; starts a local snapshot
``crash.arm``             the fields of `CrashOrder`
``crash.disarm``          nothing
``link.cut``              the fields of `cluster.node.process_config.Cuts`, in place of earlier ones
``link.heal``             nothing
``clock.rate``            ``drift_ppm``: how much faster the node's monotonic clock runs from now on
========================  ==========================================================================

What is replied to ``kv`` and ``txn`` holds ``index``, the log index that the ``result`` (`KvResponse`) speaks of; what is
replied to ``get`` holds ``index`` and ``value``.

``inspect.*`` and ``crash.*`` are answered only by a node that was started with them; ``link.*`` and ``clock.*`` go with
``crash.*``, and are carried out by the shell of a real process: the node knows nothing of them.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = ["CrashOrder", "Reply", "Request", "Status", "ok", "refused", "unknown"]

Status = Literal["ok", "refused", "unknown"]


class Request(msgspec.Struct, frozen=True, array_like=True):
    """What a client asks one node: `kind` names the call, `body` its arguments."""

    kind: str
    body: dict[str, Any]
    group: int = 0


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """What came back.

    `status`: ``ok``; ``refused`` (definite: it had no effect); ``unknown`` (it may have had one: timeout, connection
    lost after sending, node died). `code` is the admin status word (``FailedPrecondition`` ...) or an error class,
    `message` words for people, `leader` a hint, `value` the result.
    """

    status: Status
    value: Any = None
    code: str = ""
    message: str = ""
    leader: str = ""

    @property
    def definite(self) -> bool:
        """Whether the outcome is known."""
        return self.status != "unknown"


class CrashOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Arms a crash point: strike at the `nth` matching pass from now on.

    `opcode` -1 and `role` ``""`` match everything. `action`: ``kill``, ``power``, ``stall`` (for `stall_ns`), and for
    points that name a failure of the store ``error``.
    """

    point: str
    nth: int = 1
    opcode: int = -1
    role: str = ""
    action: Literal["kill", "power", "stall", "error"] = "kill"
    stall_ns: int = 0
    group: int = 0


def ok(value: Any = None) -> Reply:
    """It took effect."""
    return Reply(status="ok", value=value)


def refused(code: str, message: str, *, leader: str = "") -> Reply:
    """It certainly had no effect."""
    return Reply(status="refused", code=code, message=message, leader=leader)


def unknown(code: str, message: str) -> Reply:
    """Nobody knows."""
    return Reply(status="unknown", code=code, message=message)
