"""What shrinking has found out already, in a file: whether a candidate fails alike. Killed at any moment, it goes on from there.

Shrinking is deterministic given the answers, so the answers are all its memory: one line each, appended; a torn last line is
dropped. The first line says for which cause and which code they hold; those of anything else are thrown away.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import msgspec

from harness.campaign.outcome import environment
from harness.scenario import Scenario

__all__ = ["Answers", "code_version"]

_CODE = ("cluster", "harness", "nemesis", "workloads")
_LINE = 35
"""Length of a line: 32 characters of digest, a space, 0 or 1, the end of the line."""


def code_version() -> str:
    """Return a digest of the code that decides what a run does, and of what it stands on."""
    digest = blake2b(msgspec.json.encode(environment()), digest_size=16)
    root = Path(__file__).parents[2]
    for package in _CODE:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


class Answers:
    """The answers in `path`, which hold for `about` (cause, code) only; the file is made when there is none."""

    def __init__(self, path: Path, about: str) -> None:
        head = f"{blake2b(about.encode(), digest_size=16).hexdigest()} #\n"
        self.known: dict[str, bool] = {}
        kept = _lines(path)
        if kept[:1] == [head]:
            self.known = {line[:32]: line[33] == "1" for line in kept[1:]}
        else:
            kept = [head]
        path.write_text("".join(kept), encoding="ascii")
        self._file = path.open("a", encoding="ascii", buffering=1)

    def of(self, scenario: Scenario) -> bool | None:
        """Return what is known of `scenario`: True, False, or None for nothing."""
        return self.known.get(_digest(scenario))

    def note(self, scenario: Scenario, *, alike: bool) -> None:
        """Remember an answer."""
        digest = _digest(scenario)
        self.known[digest] = alike
        self._file.write(f"{digest} {int(alike)}\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _digest(scenario: Scenario) -> str:
    return blake2b(msgspec.json.encode(scenario), digest_size=16).hexdigest()


def _lines(path: Path) -> list[str]:
    """The whole lines of the file; none where there is no file, or something else in it."""
    try:
        lines = path.read_text(encoding="ascii").splitlines(keepends=True)
    except (FileNotFoundError, UnicodeDecodeError):
        return []
    return [line for line in lines if len(line) == _LINE and line.endswith("\n")]
