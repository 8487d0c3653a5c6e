"""Where hosts are, as users write it: ``user@host:port``, with what ~/.ssh/config says of a name. Words in, data out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

__all__ = ["HostPlace", "Reach", "parse_place"]

_PORT = 22
_WORDS = re.compile(
    r"(?:(?P<user>[^@\s]+)@)?(?P<host>\[[0-9a-fA-F:.]+\]|[^@:\[\]\s]+)(?::(?P<port>\d{1,5}))?"
)

Lookup = Callable[[str], Mapping[str, Any]]
"""A name -> what the user's SSH configuration says of it (keys in lower case, as `paramiko.SSHConfig.lookup` gives them)."""


class HostPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A host and who we are there."""

    written: str
    """As the user wrote it."""
    host: str
    user: str
    port: int
    keys: tuple[str, ...] = ()
    """Files of private keys that the SSH configuration names."""

    @property
    def shown(self) -> str:
        """In words for a message."""
        return f"{self.user}@{self.host}:{self.port}"


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """How the hosts of a run are reached, as the command line says it."""

    hosts: tuple[str, ...] = ()
    """``user@host:port`` each, of n1, n2 ... in this order."""
    key: str = ""
    """A file with a private key; ``""``: the agent's, and those in ~/.ssh."""
    known_hosts: str = ""
    """A file of host keys; ``""``: the user's and the system's."""
    node_port: int = 0
    """Where nodes listen on every host; 0: any free port."""


def parse_place(written: str, user: str, lookup: Lookup) -> HostPlace:
    """Return the place that is `written`; what it leaves open is what `lookup` says, else port 22 and `user`.

    Raises ValueError that says what is wrong.
    """
    found = _WORDS.fullmatch(written)
    port = int(found["port"] or 0) if found else 0
    if found is None or port > 65535 or (found["port"] and not port):
        raise ValueError(f"{written!r} is no host; write host, user@host or user@host:port")
    alias = found["host"].strip("[]")
    told = lookup(alias)
    return HostPlace(
        written=written,
        host=str(told.get("hostname", alias)),
        user=found["user"] or str(told.get("user", user)),
        port=port or int(told.get("port", _PORT)),
        keys=tuple(told.get("identityfile", ())),
    )
