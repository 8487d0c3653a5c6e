"""What a seeded bug is: which parts of a replica it replaces, and when it shows. Data only."""

from __future__ import annotations

from typing import Any

import msgspec

from cluster.machine.parts import Parts

__all__ = ["Bug"]


class Bug(msgspec.Struct, frozen=True, kw_only=True):
    """`parts` maps fields of `Parts` to the wrong factory; `shows` says in words what a run needs to meet it."""

    id: str
    title: str
    shows: str
    parts: dict[str, Any]

    def planted_in(self, parts: Parts) -> Parts:
        """Return `parts` with this bug planted."""
        planted: Parts = msgspec.structs.replace(parts, **self.parts)
        return planted
