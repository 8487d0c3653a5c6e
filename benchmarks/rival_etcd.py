"""A three-node etcd on loopback, and the leanest client that can load it: gRPC by hand over one HTTP/2 line.

grpcio and the JSON gateway cost the client (and the gateway the server) more than etcd's own work, on a
machine whose cores everybody shares; that would measure the client. Just enough of HTTP/2 is spoken here: requests
in literal headers, no dynamic header table, windows as wide as they go.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import struct
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

from cluster.worlds.local.ports import HOST, HeldPorts

__all__ = ["Etcd"]

_NODES = ("e1", "e2", "e3")
_DATA, _HEADERS, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0x0, 0x1, 0x4, 0x6, 0x7, 0x8
_ACK = _END_STREAM = 0x1
_END_HEADERS = 0x4
_WIDEST = 0x7FFFFFFF


class Etcd:
    """Debian's etcd-server with its defaults: heartbeat 100 ms, election timeout 1 s, every commit fsynced."""

    name = "etcd"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._processes: list[subprocess.Popen[bytes]] = []
        self._clients: HeldPorts | None = None
        self._peers: HeldPorts | None = None
        self._line: _GrpcLine | None = None

    @staticmethod
    def missing() -> str:
        """Why there is nothing to compare with; ``""``: there is."""
        return (
            "" if shutil.which("etcd") else "no etcd on this machine (apt-get install etcd-server)"
        )

    async def up(self) -> None:
        """Start three nodes and connect to the leader."""
        self._clients, self._peers = HeldPorts(_NODES), HeldPorts(_NODES)
        urls = {name: f"http://{HOST}:{port}" for name, (_, port) in self._peers.addresses.items()}
        members = ",".join(f"{name}={url}" for name, url in urls.items())
        self._directory.mkdir(parents=True)
        # etcd binds without SO_REUSEADDR, so its ports cannot be held for it.
        self._clients.release()
        self._peers.release()
        for name in _NODES:
            client = f"http://{HOST}:{self._clients.addresses[name][1]}"
            options = {
                "name": name,
                "data-dir": str(self._directory / name),
                "listen-client-urls": client,
                "advertise-client-urls": client,
                "listen-peer-urls": urls[name],
                "initial-advertise-peer-urls": urls[name],
                "initial-cluster": members,
                "logger": "zap",
                "log-outputs": str(self._directory / f"{name}.log"),
            }
            arguments = [
                word for option, value in options.items() for word in (f"--{option}", value)
            ]
            self._processes.append(
                subprocess.Popen(  # noqa: ASYNC220 - nothing else runs yet
                    ["etcd", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
            )
        address = await self._leader()
        loop = asyncio.get_running_loop()
        _, self._line = await loop.create_connection(_GrpcLine, *address)

    async def put(self, number: int, key: str, value: bytes) -> None:
        """Put once; returns when it is committed."""
        assert self._line is not None
        await self._line.put(key.encode(), value)

    async def down(self) -> None:
        """Stop the nodes."""
        if self._line is not None:
            self._line.close()
        for process in self._processes:
            process.send_signal(signal.SIGKILL)
            process.wait()

    async def _leader(self) -> tuple[str, int]:
        assert self._clients is not None
        for _ in range(200):
            for address in self._clients.addresses.values():
                if await asyncio.to_thread(_leads, address):
                    return address
            await asyncio.sleep(0.05)
        raise RuntimeError(f"etcd elected no leader; its logs are in {self._directory}")


def _leads(address: tuple[str, int]) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address[0]}:{address[1]}/metrics", timeout=1) as page:
            return b"\netcd_server_is_leader 1" in page.read()
    except OSError:
        return False


def _literal(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def _protobuf_bytes(field: int, data: bytes) -> bytes:
    length = len(data)
    assert length < 16384
    size = bytes([length]) if length < 128 else bytes([length & 0x7F | 0x80, length >> 7])
    return bytes([field << 3 | 2]) + size + data


def _http2(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


_PUT_HEADERS = b"".join(
    (
        b"\x83\x86",  # :method POST and :scheme http, from the static table
        b"\x04", _literal(b"/etcdserverpb.KV/Put"),  # :path
        b"\x01", _literal(b"localhost"),  # :authority
        b"\x0f\x10", _literal(b"application/grpc"),  # content-type
        b"\x00", _literal(b"te"), _literal(b"trailers"),
    )
)  # fmt: skip


class _GrpcLine(asyncio.Protocol):
    """Unary puts on one connection."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._rest = b""
        self._stream = 1
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._answered: set[int] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        no_table = struct.pack(">HI", 1, 0)
        wide = struct.pack(">HI", 4, _WIDEST)
        self._transport.write(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + _http2(_SETTINGS, 0, 0, no_table + wide)
            + _http2(_WINDOW_UPDATE, 0, 0, struct.pack(">I", _WIDEST - 65535))
        )

    async def put(self, key: bytes, value: bytes) -> None:
        stream, self._stream = self._stream, self._stream + 2
        message = _protobuf_bytes(1, key) + _protobuf_bytes(2, value)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[stream] = future
        self._transport.write(
            _http2(_HEADERS, _END_HEADERS, stream, _PUT_HEADERS)
            + _http2(_DATA, _END_STREAM, stream, b"\0" + struct.pack(">I", len(message)) + message)
        )
        await future

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        start = 0
        while len(data) - start >= 9:
            length = int.from_bytes(data[start : start + 3], "big")
            end = start + 9 + length
            if end > len(data):
                break
            kind, flags, stream = struct.unpack_from(">BBI", data, start + 3)
            self._frame(kind, flags, stream, data[start + 9 : end])
            start = end
        self._rest = data[start:]

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _DATA:
            self._answered.add(stream)
        elif kind in (_SETTINGS, _PING) and not flags & _ACK:
            self._transport.write(_http2(kind, _ACK, 0, payload if kind == _PING else b""))
        elif kind == _GOAWAY:
            raise RuntimeError(f"etcd closes the line: {payload!r}")
        if kind in (_DATA, _HEADERS) and flags & _END_STREAM:
            future = self._waiting.pop(stream)
            if stream in self._answered:
                self._answered.discard(stream)
                future.set_result(None)
            else:
                future.set_exception(RuntimeError(f"etcd refused a put: {payload!r}"))

    def close(self) -> None:
        self._transport.abort()
