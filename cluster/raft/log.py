"""The log of one peer in memory: the entries since the last compaction, and how much of it is on disk.

Here lives what is true of any log: contiguous indexes, terms that never fall, lookups, cutting a
conflicting tail, and the configurations that stand in it: a configuration is in force from the moment its
entry is here, and no longer than it is. What may be cut, sent or committed is decided elsewhere.

Three marks move through it, always ``offset <= stable <= offered <= last_index``:

* `offset` – the last compacted index; its term is kept, so that the entry behind it can be matched;
* `stable` – everything up to here is fsynced by this node (the leader's own vote for a commit);
* `offered` – everything up to here was handed out for writing.

Source of the conflict hint: etcd-io/raft `findConflictByTerm`, an idea of the paper's section 5.3
("the follower can include the term of the conflicting entry").
"""

from __future__ import annotations

from collections.abc import Sequence

from cluster.raft.configuration import NOBODY, Configuration, decode_configuration, is_configuration
from cluster.raft.errors import NotInLog
from cluster.raft.messages import Entry

__all__ = ["NO_TERM", "Log"]

NO_TERM = -1
"""Answer of `Log.term_at` for an index that the log does not hold."""


class Log:
    """Entries `first_index` ... `last_index`. A new log is wholly stable: it came from the disk."""

    __slots__ = (
        "_configurations",
        "_entries",
        "configuration",
        "last_index",
        "last_term",
        "offered",
        "offset",
        "offset_term",
        "stable",
    )

    def __init__(
        self,
        offset: int,
        offset_term: int,
        entries: Sequence[Entry],
        configuration: Configuration = NOBODY,
    ) -> None:
        """Take over what the disk held; `configuration` is the one at `offset`.

        Raises ValueError when `entries` are no log behind `offset`.
        """
        self._entries: list[Entry] = []
        self._configurations = [configuration]
        """The one at `offset` or before, and every later one; the last is in force."""
        self.configuration = configuration
        """The newest one, committed or not."""
        self.offset = self.last_index = offset
        self.offset_term = self.last_term = offset_term
        if entries:
            self.extend(entries)
        self.stable = self.offered = self.last_index

    @property
    def first_index(self) -> int:
        """The first index that the log still holds (one past the end when it is empty)."""
        return self.offset + 1

    def term_at(self, index: int) -> int:
        """Return the term of the entry at `index`, or NO_TERM when it is compacted or not there yet."""
        position = index - self.offset - 1
        if position >= 0:
            return self._entries[position].term if index <= self.last_index else NO_TERM
        return self.offset_term if position == -1 else NO_TERM

    def term_of(self, index: int) -> int:
        """Return the term of the entry at `index`. Raises NotInLog."""
        term = self.term_at(index)
        if term == NO_TERM:
            raise NotInLog(f"no entry {index} in the log {self.offset}..{self.last_index}")
        return term

    def slice(self, first: int, last: int) -> list[Entry]:
        """Return the entries `first` ... `last`, both included. Raises NotInLog."""
        if first <= self.offset or last > self.last_index:
            raise NotInLog(
                f"no entries {first}..{last} in the log {self.offset}..{self.last_index}"
            )
        return self._entries[first - self.offset - 1 : last - self.offset]

    def take(self, first: int, last: int, bytes_max: int) -> tuple[Entry, ...]:
        """Return entries from `first` up to `last` while their data fits in `bytes_max`; at least one.

        Returns nothing when `first` is past `last`.
        """
        base = self.offset + 1
        entries = self._entries[first - base : last - base + 1]
        if len(entries) > 1:
            size = 0
            for position, entry in enumerate(entries):
                size += len(entry.data)
                if size > bytes_max and position:
                    del entries[position:]
                    break
        return tuple(entries)

    def configuration_at(self, index: int) -> Configuration:
        """Return the configuration that is in force behind entry `index`, which is not before `offset`."""
        return next(
            (found for found in reversed(self._configurations) if found.index <= index),
            self._configurations[0],
        )

    def extend(self, entries: Sequence[Entry]) -> None:
        """Append `entries`. Raises ValueError when they do not continue the log, or a configuration is none."""
        found = []
        index = self.last_index
        term = self.last_term
        for entry in entries:
            index += 1
            if entry.index != index or entry.term < term:
                raise ValueError(
                    f"entry ({entry.index}, term {entry.term}) does not follow ({index - 1}, term {term})"
                )
            term = entry.term
            if is_configuration(entry.data):
                found.append(decode_configuration(entry.data, index))
        self._entries.extend(entries)
        self.last_index = index
        self.last_term = term
        if found:
            self._configurations += found
            self.configuration = found[-1]

    def cut(self, index: int) -> None:
        """Forget the entry at `index` and everything behind it, to write other entries there."""
        del self._entries[index - self.offset - 1 :]
        self.last_index = index - 1
        self.last_term = self._entries[-1].term if self._entries else self.offset_term
        self.offered = min(self.offered, self.last_index)
        self.stable = min(self.stable, self.last_index)
        if self.configuration.index >= index:
            kept = [found for found in self._configurations[1:] if found.index < index]
            self._configurations[1:] = kept
            self.configuration = self._configurations[-1]

    def stable_to(self, index: int, term: int) -> None:
        """Note that the entries up to (`index`, `term`) are fsynced, unless they were cut meanwhile."""
        if index > self.stable and self.term_at(index) == term:
            self.stable = index

    def compact(self, index: int) -> None:
        """Drop the entries up to `index`, keeping its term."""
        self.offset_term = self.term_of(index)
        del self._entries[: index - self.offset]
        self.offset = index
        behind = [found for found in self._configurations[1:] if found.index > index]
        self._configurations = [self.configuration_at(index), *behind]

    def restart(self, index: int, term: int, configuration: Configuration = NOBODY) -> None:
        """Start again, empty, behind the entry (`index`, `term`) that a snapshot covers, with its configuration."""
        self._configurations = [configuration]
        self.configuration = configuration
        self._entries.clear()
        self.offset = self.last_index = self.stable = self.offered = index
        self.offset_term = self.last_term = term

    def last_agreement(self, index: int, term: int) -> tuple[int, int]:
        """Return the last place (index, term) at or below `index` whose term is at most `term`.

        Two logs cannot agree behind it when the other one has `term` at `index`. The term is 0 when
        the place is compacted away.
        """
        index = min(index, self.last_index)
        while index > self.offset:
            found = self._entries[index - self.offset - 1].term
            if found <= term:
                return index, found
            index -= 1
        return index, self.offset_term if index == self.offset else 0
