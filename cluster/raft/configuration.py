"""Who belongs to the cluster: configurations, what leads from one to the next, and their bytes in the log.

Pure values and functions; when a configuration may change is decided in `membership`. A configuration is in force
from the moment its entry stands in a log, committed or not, and no longer than it stands there (thesis section 4.1), so
the log keeps them (`log`).

A change of one voter goes in one step: majorities of both configurations always have a member in common. A change of
several goes through a *joint* configuration, in which a majority of the new voters and one of the old (`outgoing`) must
agree to everything; it is left as soon as it is committed (thesis section 4.3; etcd-io/raft `confchange` draws the same line).
*Learners* get the log and vote for nothing.

An entry with a configuration holds ``0x02`` and the msgpack array ``[voters, outgoing, learners]``: all of it, not the
difference, so a peer that begins anywhere in the log knows it too. No other entry begins with that byte.
"""

from __future__ import annotations

import msgspec

from cluster.raft.errors import ChangeRefused

__all__ = [
    "NOBODY",
    "Change",
    "Configuration",
    "configuration_after",
    "decode_configuration",
    "encode_configuration",
    "is_configuration",
]

_MARK = b"\x02"

_Names = tuple[str, ...]


class Configuration(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Members by their part; `index` is the entry that made it so, 0 for the first configuration of a cluster."""

    voters: tuple[str, ...] = ()
    outgoing: tuple[str, ...] = ()
    """The voters before; only while joint."""
    learners: tuple[str, ...] = ()
    index: int = 0

    @property
    def members(self) -> tuple[str, ...]:
        """Everybody, each once: whom the leader replicates to, itself included."""
        leaving = [name for name in self.outgoing if name not in self.voters]
        return (*self.voters, *leaving, *self.learners)

    def has_vote(self, name: str) -> bool:
        """Whether `name` counts in elections and commitment."""
        return name in self.voters or name in self.outgoing


NOBODY = Configuration()
"""What a peer knows that waits to be added to a cluster."""


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for: new learners, learners that become voters, members that leave. All at once."""

    adds: tuple[str, ...] = ()
    promotes: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()


def configuration_after(configuration: Configuration, change: Change) -> Configuration:
    """Return what `change` makes of a configuration that is not joint; joint itself when several voters change.

    `index` is left 0. Raises ChangeRefused for a change that makes no sense.
    """
    _check(configuration, change)
    leaving = change.removes
    voters = (
        *(name for name in configuration.voters if name not in leaving),
        *change.promotes,
    )
    if not voters:
        raise ChangeRefused("nobody would be left to vote")
    learners = (
        *(name for name in configuration.learners if name not in (*leaving, *change.promotes)),
        *change.adds,
    )
    moved = len(change.promotes) + sum(1 for name in configuration.voters if name in leaving)
    return Configuration(voters, configuration.voters if moved > 1 else (), learners)


def _check(configuration: Configuration, change: Change) -> None:
    """Raise ChangeRefused unless every name stands where it must, once."""
    named = (*change.adds, *change.promotes, *change.removes)
    if not named:
        raise ChangeRefused("the change names nobody")
    if len(set(named)) < len(named) or "" in named:
        raise ChangeRefused(f"a name stands twice, or is empty: {', '.join(named)}")
    for name in change.adds:
        if name in configuration.members:
            raise ChangeRefused(f"{name} is a member already")
    for name in change.promotes:
        if name not in configuration.learners:
            raise ChangeRefused(f"{name} is no learner")
    for name in change.removes:
        if name not in configuration.members:
            raise ChangeRefused(f"{name} is no member")


def encode_configuration(configuration: Configuration) -> bytes:
    """Return the data of the entry that brings `configuration` into force; its `index` is the entry's."""
    names = (configuration.voters, configuration.outgoing, configuration.learners)
    return _MARK + msgspec.msgpack.encode(names)


def is_configuration(data: bytes) -> bool:
    """Whether the data of an entry is a configuration."""
    return data[:1] == _MARK


def decode_configuration(data: bytes, index: int) -> Configuration:
    """Return the configuration that entry `index` holds. Raises ValueError when it is none."""
    try:
        voters, outgoing, learners = _names(data[1:])
    except msgspec.DecodeError as error:
        raise ValueError(f"entry {index} holds no configuration: {error}") from error
    return Configuration(voters, outgoing, learners, index)


_names = msgspec.msgpack.Decoder(tuple[_Names, _Names, _Names]).decode
