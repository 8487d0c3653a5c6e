"""One order for events of machines whose clocks differ. Pure: readings in, times out.

Nodes stamp events with the monotonic clock of their own host. How far that is from ours is estimated as in NTP (RFC 5905
§8): we ask, it answers what it reads, and its reading belongs to somewhere between the two moments of ours; the middle is
wrong by at most half the round trip. The estimate in force is the narrowest of the last ones, widened by what clocks may have
drifted since. Hosts that share our boot share our clock, and nothing is estimated.

An error of the estimate can put an effect before its cause. One pair matters: a leader commits what others have made durable
before. So what a leader says from its commit on is put later by twice the uncertainty, which no checker can tell from a
slower leader, while those who acknowledged stay where they are.
"""

from __future__ import annotations

from collections import deque

import msgspec

from cluster.trace import Committed, Event, RoleChanged, Started

__all__ = ["HostClock", "Translator"]

_READINGS = 32
_DRIFT_PPM = 100
"""How much two machines' clocks drift apart at most while no reading comes; quartz does half of it."""
_MILLION = 1_000_000

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()


class HostClock:
    """The monotonic clock of one host as seen from here. All times are nanoseconds."""

    def __init__(self, *, same: bool) -> None:
        """`same`: the host shares this machine's clock."""
        self.offset_ns = 0
        """How far its clock is ahead of ours."""
        self.uncertainty_ns = 0
        self._same = same
        self._readings: deque[tuple[int, int, int]] = deque(maxlen=_READINGS)

    def learn(self, sent_ns: int, host_ns: int, received_ns: int) -> None:
        """Take a reading: asked at `sent_ns` and answered at `received_ns` of our clock, it read `host_ns`."""
        if self._same:
            return
        half_ns = (received_ns - sent_ns + 1) // 2
        self._readings.append((half_ns, received_ns, host_ns - (sent_ns + half_ns)))
        self.uncertainty_ns, self.offset_ns = min(
            (half + (received_ns - at) * _DRIFT_PPM // _MILLION, offset)
            for half, at, offset in self._readings
        )

    def here(self, host_ns: int) -> int:
        """Return what our clock read when the host's read `host_ns`."""
        return host_ns - self.offset_ns


class Translator:
    """The trace of one node, all lives, from its host's clock to the time of the run."""

    def __init__(self, clock: HostClock, start_ns: int) -> None:
        """`start_ns` is our clock when the run began."""
        self._clock = clock
        self._start_ns = start_ns
        self._last_ns = 0
        self._leads = False

    def lines(self, lines: bytes) -> bytes:
        """Return whole lines of a trace file with times of the run, none before the one in front of it."""
        return b"".join(self._line(line) for line in lines.splitlines())

    def moment(self, host_ns: int) -> int:
        """Return the time of the run at which the host's clock read `host_ns`, after everything translated so far."""
        self._last_ns = max(self._last_ns, self._clock.here(host_ns) - self._start_ns)
        return self._last_ns

    def _line(self, line: bytes) -> bytes:
        event = _decoder.decode(line)
        if isinstance(event, RoleChanged):
            self._leads = event.role == "leader"
        elif isinstance(event, Started):
            self._leads = False
        effect = self._leads and isinstance(event, Committed)
        later_ns = 2 * self._clock.uncertainty_ns if effect else 0
        msgspec.structs.force_setattr(event, "at_ns", self.moment(event.at_ns + later_ns))
        return _encoder.encode(event) + b"\n"
