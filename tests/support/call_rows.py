"""Columns of calls from rows small enough to read."""

import numpy as np

from harness.checkers.linearizable.calls import INFINITY, NIL, Calls


def calls(*rows, key=0):
    """Columns from (called, returned, kind, value[, value_to or items])."""
    rows = sorted(rows, key=lambda row: row[0])
    more = [row[4] if len(row) > 4 else NIL for row in rows]
    items = [one if isinstance(one, tuple) else () for one in more]
    keys = key if isinstance(key, list) else [key] * len(rows)
    return Calls(
        called=np.array([row[0] for row in rows], dtype=np.int64),
        returned=np.array([row[1] or INFINITY for row in rows], dtype=np.int64),
        key=np.array(keys, dtype=np.int64),
        kind=np.array([row[2] for row in rows], dtype=np.int64),
        value=np.array([row[3] for row in rows], dtype=np.int64),
        value_to=np.array([one if isinstance(one, int) else NIL for one in more], dtype=np.int64),
        begin=np.concatenate([[0], np.cumsum([len(one) for one in items])]).astype(np.int64),
        items=np.array([item for one in items for item in one], dtype=np.int64),
    )
