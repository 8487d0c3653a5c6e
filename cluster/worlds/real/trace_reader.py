"""Reading the trace files that nodes write while they run, and putting one order on all of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from cluster.trace import Applied, Event

__all__ = ["TraceReader"]

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class TraceReader:
    """Reads each node's file on from where it stopped. A torn last line is left for later, or for ever."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._offsets = dict.fromkeys(files, 0)
        self._highest_applied: dict[tuple[str, int], int] = {}

    def read(self) -> list[Event]:
        """Return the events that came since the last call, file by file."""
        events: list[Event] = []
        for path, offset in self._offsets.items():
            if not path.exists():
                continue
            with path.open("rb") as file:
                file.seek(offset)
                data = file.read()
            whole = data.rfind(b"\n") + 1
            self._offsets[path] = offset + whole
            events += map(self._decode, data[:whole].splitlines())
        return events

    def _decode(self, line: bytes) -> Event:
        """Return the event of one line. `replay` is known only here: a node does not remember its earlier lives."""
        event = _decoder.decode(line)
        if type(event) is Applied:
            key = (event.node, event.group)
            highest = self._highest_applied.get(key, 0)
            if event.index <= highest:
                return msgspec.structs.replace(event, replay=True)
            if event.decision != "halt":
                self._highest_applied[key] = event.index
        return event
