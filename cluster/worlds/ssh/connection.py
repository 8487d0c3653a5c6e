"""One SSH connection to one host, opened carefully: known host keys only, no key of ours sent twice, errors in one line.

The socket is ours, so that small messages leave at once (TCP_NODELAY: 8 ms for a command instead of 48). Attempts to connect
are repeated for some seconds, because hosts boot; nothing else ever is.
"""

from __future__ import annotations

import getpass
import logging
import shlex
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.worlds.errors import WorldFailed, WorldMissing
from cluster.worlds.ssh.places import HostPlace, Reach, parse_place

if TYPE_CHECKING:
    import paramiko

__all__ = ["HostConnection", "places_of"]

_CONNECT_S = 5.0
_GIVE_UP_S = 6.0
_COMMAND_S = 120.0
_PIECE_BYTES = 1 << 17
_SYSTEM_KEYS = Path("/etc/ssh/ssh_known_hosts")


def places_of(reach: Reach) -> list[HostPlace]:
    """Return where the hosts of `reach` are, given the user's ~/.ssh/config. Raises WorldMissing."""
    try:
        import paramiko  # noqa: PLC0415 - an extra
        import tenacity  # noqa: F401, PLC0415 - as above
    except ImportError as error:
        raise WorldMissing(str(error), "pip install 'reprise-harness[worlds]'") from None
    file = Path("~/.ssh/config").expanduser()
    config = paramiko.SSHConfig.from_path(str(file)) if file.is_file() else paramiko.SSHConfig()
    try:
        return [parse_place(written, getpass.getuser(), config.lookup) for written in reach.hosts]
    except ValueError as error:
        raise WorldMissing(str(error)) from None


class HostConnection:
    """An open connection; `close` it. Everything blocks."""

    def __init__(self, place: HostPlace, reach: Reach) -> None:
        """Connect to `place` with the key and the known hosts of `reach`. Raises WorldMissing with what to do."""
        self.place = place
        self._client = _client(reach)
        self._connect(reach)
        transport = self._client.get_transport()
        assert transport is not None
        self._transport = transport
        self.address: str = transport.getpeername()[0]
        """The host's IPv4 address as we reach it."""

    def run(self, script: str, data: bytes = b"") -> tuple[int, str]:
        """Run a script of sh(1) with `data` as its standard input; return exit code and what it said. Raises WorldFailed."""
        channel = self.open(script)
        try:
            channel.settimeout(_COMMAND_S)
            for start in range(0, len(data), _PIECE_BYTES):
                channel.sendall(data[start : start + _PIECE_BYTES])
            channel.shutdown_write()
            channel.set_combine_stderr(True)
            said = b""
            while piece := channel.recv(_PIECE_BYTES):
                said += piece
            return channel.recv_exit_status(), said.decode(errors="replace").strip()
        except (OSError, EOFError) as error:
            raise WorldFailed(
                f"{self.place.shown}: {str(error) or 'no end of a command'}"
            ) from error
        finally:
            channel.close()

    def open(self, script: str) -> paramiko.Channel:
        """Start a script of sh(1) and return its channel. Raises WorldFailed."""
        import paramiko  # noqa: PLC0415 - an extra

        try:
            channel = self._transport.open_session()
            channel.exec_command(f"exec sh -c {shlex.quote(script)}")
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise WorldFailed(f"{self.place.shown} runs no command: {error}") from error
        return channel

    def close(self) -> None:
        """Drop the connection; a second call does nothing."""
        self._client.close()

    def _connect(self, reach: Reach) -> None:
        import paramiko  # noqa: PLC0415 - an extra

        place = self.place
        try:
            sock = _socket(place)
            keys: Any = [reach.key] if reach.key else list(place.keys)
            self._client.connect(
                place.host,
                place.port,
                place.user,
                sock=sock,
                key_filename=keys or None,
                allow_agent=not reach.key,
                look_for_keys=not reach.key,
                timeout=_CONNECT_S,
                banner_timeout=_CONNECT_S,
                auth_timeout=2 * _CONNECT_S,
            )
        except _UnknownKeyError as unknown:
            raise WorldMissing(*_unknown(place, unknown, reach)) from None
        except paramiko.BadHostKeyException as other:
            raise WorldMissing(
                f"{place.shown} shows another host key ({other.key.fingerprint}) than the known one "
                f"({other.expected_key.fingerprint}): it was set up anew, or somebody stands between",
                f"ssh-keygen -R {shlex.quote(_name(place))}{_file(reach)} once you know which, and add the new one",
            ) from None
        except paramiko.PasswordRequiredException:
            raise WorldMissing(f"the key for {place.shown} has a passphrase", "ssh-add") from None
        except paramiko.AuthenticationException as error:
            raise WorldMissing(
                f"{place.shown} accepts no key of ours: {_one_line(error)}",
                f"ssh-copy-id -p {place.port} {place.user}@{place.host}, or another --ssh-key",
            ) from None
        except FileNotFoundError as error:
            raise WorldMissing(f"there is no key {error.filename}") from None
        except (paramiko.SSHException, OSError, EOFError, ValueError) as error:
            raise WorldMissing(f"{place.shown} cannot be reached: {_one_line(error)}") from None


def _client(reach: Reach) -> paramiko.SSHClient:
    import paramiko  # noqa: PLC0415 - an extra

    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    client = paramiko.SSHClient()
    try:
        if reach.known_hosts:
            client.load_system_host_keys(reach.known_hosts)
        else:
            client.load_system_host_keys()
            if _SYSTEM_KEYS.is_file():
                client.load_system_host_keys(str(_SYSTEM_KEYS))
    except (OSError, paramiko.SSHException) as error:
        raise WorldMissing(f"the known hosts cannot be read: {_one_line(error)}") from None
    client.set_missing_host_key_policy(_refusing())
    return client


class _UnknownKeyError(Exception):
    def __init__(self, kind: str, fingerprint: str) -> None:
        super().__init__(kind, fingerprint)
        self.kind = kind
        self.fingerprint = fingerprint


def _refusing() -> Any:
    import paramiko  # noqa: PLC0415 - an extra

    class Refusing(paramiko.MissingHostKeyPolicy):
        def missing_host_key(
            self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
        ) -> None:
            raise _UnknownKeyError(key.get_name(), key.fingerprint)

    return Refusing()


def _socket(place: HostPlace) -> socket.socket:
    """A connected IPv4 socket: nodes have IPv4 addresses. Raises OSError after some seconds of trying."""
    import tenacity  # noqa: PLC0415 - an extra

    attempts = tenacity.Retrying(
        stop=tenacity.stop_after_delay(_GIVE_UP_S),
        wait=tenacity.wait_exponential(multiplier=0.2, max=1),
        retry=tenacity.retry_if_exception_type((ConnectionRefusedError, TimeoutError)),
        reraise=True,
    )
    return attempts(_connected, place)


def _connected(place: HostPlace) -> socket.socket:
    [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
        place.host, place.port, socket.AF_INET, socket.SOCK_STREAM
    )
    sock = socket.socket(family, kind, protocol)
    try:
        sock.settimeout(_CONNECT_S)
        sock.connect(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _unknown(place: HostPlace, unknown: _UnknownKeyError, reach: Reach) -> tuple[str, str]:
    """What to say of a host key that nobody knows, and the command that adds it."""
    file = shlex.quote(reach.known_hosts) if reach.known_hosts else "~/.ssh/known_hosts"
    return (
        f"the host key of {place.shown} is not known: {unknown.kind} {unknown.fingerprint}",
        f"ssh-keyscan -p {place.port} {place.host} >>{file} once you have compared it",
    )


def _name(place: HostPlace) -> str:
    """How known_hosts calls it."""
    return place.host if place.port == 22 else f"[{place.host}]:{place.port}"


def _file(reach: Reach) -> str:
    return f" -f {shlex.quote(reach.known_hosts)}" if reach.known_hosts else ""


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
