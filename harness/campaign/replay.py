"""Replaying a kept run from its tape, and saying whether it is the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from harness.campaign.outcome import environment
from harness.campaign.simulate import simulate
from harness.errors import UserMistake
from harness.scenario import Known, load_scenario
from harness.store import NotARunFolder, RunFolder

__all__ = ["CannotReplay", "replay"]


class CannotReplay(UserMistake):
    """Only simulated runs can be replayed byte for byte."""


def replay(folder: RunFolder, known: Known) -> dict[str, Any]:
    """Run the folder's scenario on its tape again and compare fingerprint, history and trace.

    Returns ``identical``, both fingerprints, the verdict now, ``differs`` (what is not the same) and ``words``. Raises
    CannotReplay, NotARunFolder, ScenarioError, HistoryDamaged.
    """
    scenario = load_scenario(folder.read_scenario(), known)
    if scenario.world != "sim":
        raise CannotReplay(
            f"{folder.path} ran on {scenario.world}, where time is real: it can be run again "
            f"(reprise run --scenario {folder.scenario}), not replayed byte for byte"
        )
    before = folder.read_results()
    history, trace = _bytes(folder.history), _bytes(folder.trace)
    finished = simulate(scenario, recorded=folder.read_tape())
    now = finished.results
    encoder = msgspec.json.Encoder()
    differs = [
        what
        for what, same in (
            ("fingerprint", before.get("fingerprint") == now["fingerprint"]),
            ("verdict", before["valid"] == now["valid"]),
            ("history", history == encoder.encode_lines(finished.history)),
            ("trace", trace == encoder.encode_lines(finished.trace)),
        )
        if not same
    ]
    other = {
        name: [version, environment().get(name, "gone")]
        for name, version in before.get("environment", {}).items()
        if environment().get(name, "gone") != version
    }
    return {
        "identical": not differs,
        "differs": differs,
        "fingerprint": now["fingerprint"],
        "fingerprint_before": before.get("fingerprint"),
        "valid": now["valid"],
        "other_environment": other,
        "words": _words(differs, other, now["fingerprint"]),
    }


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotARunFolder(
            f"{path} cannot be read, and there is nothing to compare with: {error.strerror}"
        ) from None


def _words(differs: list[str], other: dict[str, list[str]], fingerprint: str) -> str:
    if not differs:
        return f"identical: fingerprint {fingerprint}, history and trace byte for byte"
    words = f"not the same run: {', '.join(differs)} differ"
    if other:
        changed = ", ".join(f"{name} was {old}, is {new}" for name, (old, new) in other.items())
        return f"{words}; it was made in another environment ({changed})"
    return f"{words}; the code has changed since, or something in it is not deterministic"
