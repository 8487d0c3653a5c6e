"""What a node writes on its host, followed piece by piece: its log as it comes, its trace in whole lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cluster.worlds.ssh.messages import Piece

__all__ = ["Tail"]

_PIECE_BYTES = 1 << 20


class Tail:
    """One growing file. Of a trace only whole lines are told: the next life cuts a torn one off."""

    def __init__(self, path: Path, *, lines: bool) -> None:
        self._path = path
        self._lines = lines
        self._told = 0

    def news(self) -> Iterator[Piece]:
        """Return what is new, at most a megabyte a piece."""
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return
        if size == self._told:
            return
        with self._path.open("rb") as file:
            file.seek(self._told)
            while data := file.read(_PIECE_BYTES):
                while self._lines and not data.endswith(b"\n"):
                    more = file.readline()
                    if not more:
                        data = data[: data.rfind(b"\n") + 1]
                        break
                    data += more
                if not data:
                    return
                self._told += len(data)
                yield Piece(self._path.name, data)
                file.seek(self._told)
