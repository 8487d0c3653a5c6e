"""Which names of a tree are durable: changes of directories, in order, until their directory is synced.

Pure: directories and files are numbers (inodes), nothing here knows where they lie. The rules are those of
`cluster.storage.power_loss`, and beyond them what that model does not have:

* A *link* is one name of one file, with a number that it keeps through renames. Two hard links of a file
  are two links, so "what a change leads to never ends with two names" holds for links.
* A rename between two directories is one change of both. It is atomic, and durable once either directory
  is synced, together with everything that was done in both before it; such renames reach the disk in
  the order they were made. Journaling file systems keep that order too, and without it two directories
  could end up inside each other.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from cluster.storage.power_loss import Below, change_entries

__all__ = ["Change", "Link", "Names", "UnsyncedNames"]


class Link(msgspec.Struct, frozen=True, gc=False):
    """One name of a file or directory, whatever it is called now; `inode` is what it leads to."""

    number: int
    inode: int


class Change(msgspec.Struct, frozen=True, gc=False):
    """One change: `link` loses the name `gone` in `source` and gets the name `come` in `target`.

    Either name may be ``""`` (a creation, a removal); then both directories are the same. `replaced` is the link that
    had the name `come` before.
    """

    number: int
    source: int
    gone: str
    target: int
    come: str
    link: Link
    replaced: Link | None = None

    @property
    def between(self) -> bool:
        """Whether two directories change at once."""
        return self.source != self.target


Place = tuple[int, str]
"""A directory, and a name in it."""

Names = dict[int, dict[str, Link | None]]
"""Directory -> name -> what it leads to (None: nothing)."""


class UnsyncedNames:
    """See the module. Told of every change right after it has happened."""

    def __init__(self) -> None:
        self._changes: dict[int, Change] = {}
        """By number, oldest first."""
        self._links: dict[int, dict[str, Link]] = {}
        """Directory -> name -> the link that has it now, for names that a change mentions."""
        self._doomed: dict[int, None] = {}
        self._numbers = 0

    @property
    def clean(self) -> bool:
        """Whether every name is durable."""
        return not self._changes

    def link(self, directory: int, name: str, inode: int) -> Link:
        """The link that is called `name` in `directory` now and leads to `inode`."""
        names = self._links.setdefault(directory, {})
        found = names.get(name)
        if found is None or found.inode != inode:
            found = names[name] = Link(self._next(), inode)
        return found

    def created(self, directory: int, name: str, inode: int) -> None:
        """A file or directory was made there, or a hard link to one."""
        self._links.setdefault(directory, {}).pop(name, None)
        link = self.link(directory, name, inode)
        self._add((directory, ""), (directory, name), link)

    def removed(self, directory: int, name: str, inode: int) -> int:
        """A name is gone; returns the number of the change."""
        link = self.link(directory, name, inode)
        del self._links[directory][name]
        return self._add((directory, name), (directory, ""), link)

    def moved(self, old: Place, new: Place, inode: int, replaced: Link | None) -> None:
        """A name became another one, perhaps in another directory, perhaps over `replaced`."""
        link = self.link(*old, inode)
        del self._links[old[0]][old[1]]
        self._links.setdefault(new[0], {})[new[1]] = link
        self._add(old, new, link, replaced)

    def take_back(self, number: int) -> Link:
        """Forget the newest change, a removal: it was half of a rename. Returns what was removed."""
        return self._changes.pop(number).link

    def no_data(self, directory: int, name: str) -> None:
        """The name, just created, is no data: it counts as durable."""
        mine = [c for c in self._changes.values() if (directory, name) in _places(c)]
        if len(mine) == 1 and not mine[0].gone:
            del self._changes[mine[0].number]

    def doom(self, directory: int) -> None:
        """A sync of the directory failed: later ones make nothing durable, until a power loss."""
        if any(directory in (c.source, c.target) for c in self._changes.values()):
            self._doomed[directory] = None

    def synced(self, directory: int) -> list[Link]:
        """The directory was synced; returns the links that are gone for good now."""
        if directory in self._doomed:
            return []
        return self._settle(self._reached(directory))

    def directory_gone(self, directory: int) -> list[Link]:
        """The directory itself is gone for good; returns the links that are gone with it.

        What was moved out of it before has arrived where it went: its removal would not be durable otherwise.
        """
        self._doomed.pop(directory, None)
        gone = self.synced(directory)
        self._links.pop(directory, None)
        return gone

    def lost_power(self) -> None:
        """Everything that is left is durable."""
        self._changes.clear()
        self._links.clear()
        self._doomed.clear()

    def entries(self) -> dict[int, list[str]]:
        """Directory -> its names that are not durable, in the order in which they changed."""
        found: dict[int, dict[str, None]] = {}
        for change in self._changes.values():
            for directory, name in _places(change):
                found.setdefault(directory, {})[name] = None
        return {directory: list(names) for directory, names in found.items()}

    def now(self) -> Names:
        """What every name that a change mentions leads to now."""
        return self._outcome(lambda _: True)

    def survivors(self, below: Below | None) -> Names:
        """What every name that a change mentions leads to after a power loss (None: nothing un-synced stays)."""
        if below is None:
            return self._outcome(lambda _: False)
        lost_between = False

        def kept(change: Change) -> bool:
            nonlocal lost_between
            stays = bool(below(2))
            if change.between:
                lost_between = lost_between or not stays
                return not lost_between
            return stays

        return self._outcome(kept)

    # -- inside ---------------------------------------------------------------------------------------

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    def _add(self, old: Place, new: Place, link: Link, replaced: Link | None = None) -> int:
        number = self._next()
        self._changes[number] = Change(number, *old, *new, link, replaced)
        return number

    def _reached(self, directory: int) -> list[Change]:
        """The changes that a sync of `directory` makes durable; see the head of the module."""
        until = {directory: self._numbers}
        between_until = 0
        while True:
            reached = [
                change
                for change in self._changes.values()
                if change.number <= until.get(change.source, 0)
                or change.number <= until.get(change.target, 0)
                or (change.between and change.number <= between_until)
            ]
            grown = False
            for change in reached:
                if not change.between:
                    continue
                between_until = max(between_until, change.number)
                for side in (change.source, change.target):
                    if until.get(side, 0) < change.number:
                        until[side] = change.number
                        grown = True
            if not grown:
                return reached

    def _settle(self, changes: list[Change]) -> list[Link]:
        """Forget `changes`, which are durable now; returns what they removed."""
        for change in changes:
            del self._changes[change.number]
        still = self.entries()
        for change in changes:
            for directory, name in _places(change):
                if name not in still.get(directory, ()):
                    self._links.get(directory, {}).pop(name, None)
        gone = [change.replaced if change.come else change.link for change in changes]
        return [link for link in gone if link is not None]

    def _outcome(self, kept: Callable[[Change], bool]) -> Names:
        """What the names lead to when of all changes those that `kept` picks have happened."""
        durable: Names = {}
        for change in self._changes.values():
            if change.gone:
                durable.setdefault(change.source, {}).setdefault(change.gone, change.link)
            if change.come:
                durable.setdefault(change.target, {}).setdefault(change.come, change.replaced)
        entries = {
            directory: {name: link for name, link in names.items() if link is not None}
            for directory, names in durable.items()
        }
        for change in self._changes.values():
            if kept(change):
                _carry_out(entries, change)
        return {
            directory: {name: entries[directory].get(name) for name in names}
            for directory, names in durable.items()
        }


def _places(change: Change) -> list[Place]:
    """Directory and name on both sides, as far as there is a name."""
    sides = [(change.source, change.gone), (change.target, change.come)]
    return [(directory, name) for directory, name in sides if name]


def _carry_out(entries: dict[int, dict[str, Link]], change: Change) -> None:
    target = change.link if change.come else None
    if change.between:
        leaving = entries[change.source]
        for name in [name for name, link in leaving.items() if link == change.link]:
            del leaving[name]
        change_entries(entries[change.target], ("", change.come, target))
    else:
        change_entries(entries[change.source], (change.gone, change.come, target))
