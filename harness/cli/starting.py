"""When a command began, as the folders of its runs are called."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["start_time_now"]


def start_time_now() -> str:
    """This moment in UTC, to the millisecond: ``20261129T220159.897Z``."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3] + "Z"
