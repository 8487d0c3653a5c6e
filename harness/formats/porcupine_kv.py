"""Porcupine's key-value logs: one map a line, with the key in a field of its own.

    {:process 0, :type :invoke, :f :append, :key "0", :value "x 0 0 y"}
    {:process 0, :type :ok, :f :append, :key "0", :value "x 0 0 y"}

Values are strings, ``append`` joins them, and ``get`` of a key that nobody wrote is ``""``. The operations handed
out hold ``[key, value]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.formats.edn import EdnDamaged
from harness.formats.jepsen_edn import operation_of, operations
from harness.formats.source import Source
from harness.operation import Operation

__all__ = ["read"]


def read(source: Source) -> Iterator[Operation]:
    """The operations of `source`. Raises HistoryDamaged naming the line."""
    return operations(source, _operation)


def _operation(fields: Mapping[str, Any]) -> Operation:
    if "key" not in fields:
        raise EdnDamaged("holds an operation without a :key", 0)
    return operation_of({**fields, "value": [fields["key"], fields.get("value")]})
