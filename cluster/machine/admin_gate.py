"""The public admin surface of encryption at this stage: what each method answers.

Mutators pass leadership, then the gate, then the checks of their arguments (design §6.2). The gate is closed at
this stage, so every mutator of every caller is refused before its arguments are looked at, and nothing reachable
from outside puts an encryption entry into the log. Reads answer where there is something to read. Every answer
here is definite: nothing was proposed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from cluster.encryption.identity import full_node_id

__all__ = ["METHODS", "MUTATORS", "AdminAnswer", "AdminCaller", "answer_admin"]

MUTATORS = (
    "BootstrapEncryption",
    "RotateDEK",
    "RegisterEncryptionWriter",
    "EnableStorageEnvelope",
    "EnableRaftEnvelope",
)


class AdminCaller(msgspec.Struct, frozen=True, kw_only=True):
    """The node that was asked: its name, whether a quorum confirms it as leader, and the leader it knows."""

    node: str
    leads: bool
    leader: str = ""


class AdminAnswer(msgspec.Struct, frozen=True):
    """A gRPC status word, words for people, and the response of a method that answered ``OK``."""

    code: str
    message: str = ""
    value: dict[str, Any] | None = None
    definite: bool = True


def answer_admin(method: str, asked: AdminCaller) -> AdminAnswer:
    """Return what `method` answers; ``Unimplemented`` for a name that is none of `METHODS`."""
    answer = _ANSWERS.get(method)
    if answer is None:
        return AdminAnswer("Unimplemented", f"no admin method {method!r}; {', '.join(METHODS)}")
    return answer(asked)


def _mutator(asked: AdminCaller) -> AdminAnswer:
    return _not_leader(asked) or AdminAnswer("FailedPrecondition", "proposer not configured")


def _sidecar(asked: AdminCaller) -> AdminAnswer:
    return _not_leader(asked) or AdminAnswer("FailedPrecondition", "this node has no sidecar")


def _capability(asked: AdminCaller) -> AdminAnswer:
    value = {
        "encryption_capable": False,
        "sidecar_present": False,
        "full_node_id": full_node_id(asked.node),
        "local_epoch": 0,
    }
    return AdminAnswer("OK", value=value)


def _not_leader(asked: AdminCaller) -> AdminAnswer | None:
    if asked.leads:
        return None
    hint = f"the leader is {asked.leader}" if asked.leader else "no known leader"
    return AdminAnswer("FailedPrecondition", f"not the leader; {hint}")


_ANSWERS: dict[str, Callable[[AdminCaller], AdminAnswer]] = {
    "GetCapability": _capability,
    "GetSidecarState": _sidecar,
    "ResyncSidecar": _sidecar,
    **dict.fromkeys(MUTATORS, _mutator),
}

METHODS = tuple(_ANSWERS)
