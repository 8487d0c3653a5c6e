"""Exactly once: the last request of each client and its response, kept as rows beside the data.

A request that was committed twice (its client or a new leader retried it) takes effect the first time only; the
second time it gets the first response. The record is staged with the effect, so both become durable in one
batch, and replay finds both or neither. Source: Ongaro's thesis (2014) §6.3.

The number of sessions is bounded. The one unused for longest, by its place in the raft log, goes first, so all
replicas drop the same one. A client whose session went is not protected any more: the bound must exceed the number
of clients that may still retry.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from cluster.machine.kv_requests import STALE, KvRequest, KvResponse
from cluster.machine.rows import SESSION_PREFIX, StagedRows, session_key

__all__ = ["Session", "Sessions"]

_STALE = KvResponse(False, None, STALE)


class Session(msgspec.Struct, frozen=True, array_like=True):
    """A client's last request: its number, its place in the log (`stamp`, unique and growing), its response."""

    sequence: int
    stamp: int
    response: KvResponse


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Session).decode


class Sessions:
    """All sessions of a replica; `stored` are the rows of the store at its opening, `sessions_max` the bound."""

    def __init__(
        self, rows: StagedRows, stored: Iterable[tuple[bytes, bytes]], sessions_max: int
    ) -> None:
        found = [(_decode(value), key[len(SESSION_PREFIX) :].decode()) for key, value in stored]
        found.sort(key=lambda pair: pair[0].stamp)
        self._rows = rows
        self._sessions_max = sessions_max
        self._by_client = {client: session for session, client in found}
        """Ordered by stamp: `record` moves a client to the end."""

    def answered(self, request: KvRequest) -> KvResponse | None:
        """Return the response if `request` was executed before, ``stale`` if a later one was, else None."""
        session = self._by_client.get(request.client)
        if session is None or request.sequence > session.sequence:
            return None
        return session.response if request.sequence == session.sequence else _STALE

    def record(self, request: KvRequest, response: KvResponse, stamp: int) -> None:
        """Stage `response` as the client's last one; drops the oldest session when there are too many."""
        by_client = self._by_client
        client = request.client
        session = Session(request.sequence, stamp, response)
        by_client.pop(client, None)
        by_client[client] = session
        self._rows.put(session_key(client), _encode(session))
        if len(by_client) > self._sessions_max:
            oldest = next(iter(by_client))
            del by_client[oldest]
            self._rows.delete(session_key(oldest))
