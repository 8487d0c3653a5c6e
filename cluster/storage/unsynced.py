"""`Unsynced`: what of a tree of files would not survive a power loss, kept by path.

Here lives the bookkeeping behind `Disk.unsynced` for disks that do not know it anyway: the real disk
and the recorder. (`sim_disk` keeps its own, tied to its inodes, because it is on the hot path.)
"""

from __future__ import annotations

from cluster.storage.disk import Lines

__all__ = ["TrackedFile", "Unsynced", "below_or_at", "step_towards"]


def below_or_at(at: str, path: str) -> bool:
    """Whether `at` is `path` or lies below it."""
    return not path or at == path or at.startswith(f"{path}/")


def step_towards(directory: str, path: str) -> str:
    """The entry of `directory` through which `path` is reached; ``""`` when it lies elsewhere."""
    if not directory:
        return path.split("/", 1)[0]
    if not path.startswith(f"{directory}/"):
        return ""
    return path[len(directory) + 1 :].split("/", 1)[0]


class TrackedFile:
    """A file, whatever it is called now; `path` is ``None`` once it has no name."""

    __slots__ = ("end", "first", "path")

    def __init__(self, path: str) -> None:
        self.path: str | None = path
        self.first = 0
        self.end = 0


class Unsynced:
    """See the module. Told of every operation after it has happened."""

    def __init__(self) -> None:
        self._files: dict[str, TrackedFile] = {}
        self._dirty: dict[TrackedFile, None] = {}
        self._entries: dict[str, dict[str, None]] = {}
        """Directory -> names whose entries are not durable. Invariant: no empty dict inside."""

    @property
    def clean(self) -> bool:
        """Whether everything would survive."""
        return not self._dirty and not self._entries

    def file(self, path: str) -> TrackedFile:
        """The file that is called `path` now."""
        found = self._files.get(path)
        if found is None:
            found = self._files[path] = TrackedFile(path)
        return found

    def wrote(self, file: TrackedFile, first: int, end: int) -> None:
        """Bytes `first` to `end` changed. A file without a name will not be missed."""
        if file.path is None:
            return
        if file not in self._dirty:
            self._dirty[file] = None
            file.first, file.end = first, end
        else:
            file.first = min(file.first, first)
            file.end = max(file.end, end)

    def synced(self, file: TrackedFile) -> None:
        """The file was fsynced."""
        self._dirty.pop(file, None)

    def changed(self, path: str) -> None:
        """The entry `path` was created or removed."""
        directory, _, name = path.rpartition("/")
        self._entries.setdefault(directory, {})[name] = None

    def directory_synced(self, path: str) -> None:
        """The directory was fsynced."""
        self._entries.pop(path, None)

    def moved(self, source: str, target: str) -> None:
        """A file or directory has a new name in the same directory."""
        self.changed(source)
        self.changed(target)
        self._forget(target)
        for at in [at for at in self._files if below_or_at(at, source)]:
            file = self._files.pop(at)
            file.path = target + at[len(source) :]
            self._files[file.path] = file
        for at in [at for at in self._entries if below_or_at(at, source)]:
            self._entries[target + at[len(source) :]] = self._entries.pop(at)

    def removed(self, path: str) -> None:
        """A file or directory is gone."""
        self.changed(path)
        self._forget(path)

    def lines(self, path: str) -> Lines:
        """See `Disk.unsynced`."""
        if self.clean:
            return []
        found = [
            f"{file.path}: bytes {file.first}..{file.end} not fsynced"
            for file in self._dirty
            if file.path is not None and below_or_at(file.path, path)
        ]
        for directory, names in self._entries.items():
            step = "" if below_or_at(directory, path) else step_towards(directory, path)
            found += [
                f"{directory or '.'}: entry {name} not fsynced"
                for name in names
                if below_or_at(directory, path) or name == step
            ]
        return sorted(found)

    def _forget(self, path: str) -> None:
        for at in [at for at in self._files if below_or_at(at, path)]:
            file = self._files.pop(at)
            file.path = None
            self._dirty.pop(file, None)
        for at in [at for at in self._entries if below_or_at(at, path)]:
            del self._entries[at]
