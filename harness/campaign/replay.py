"""Replaying a kept run from its tape, and saying whether it is the same run."""

from __future__ import annotations

from typing import Any

import msgspec

from harness.campaign.outcome import environment
from harness.campaign.simulate import simulate
from harness.errors import UserMistake
from harness.scenario import Known, load_scenario
from harness.store import RunFolder

__all__ = ["CannotReplay", "replay"]


class CannotReplay(UserMistake):
    """Only simulated runs can be replayed byte for byte."""


def replay(folder: RunFolder, known: Known) -> dict[str, Any]:
    """Run the folder's scenario on its tape again and compare fingerprint, history and trace.

    Returns ``identical``, both fingerprints, the verdict now, ``differs`` (what is not the same) and ``words``. Raises
    CannotReplay, NotARunFolder, ScenarioError, HistoryDamaged.
    """
    scenario = load_scenario(folder.scenario.read_text(encoding="utf-8"), known)
    if scenario.world != "sim":
        raise CannotReplay(
            f"{folder.path} ran on {scenario.world}, where time is real: it can be run again "
            f"(reprise run --scenario {folder.scenario}), not replayed byte for byte"
        )
    before = folder.read_results()
    finished = simulate(scenario, recorded=folder.read_tape())
    now = finished.results
    encoder = msgspec.json.Encoder()
    differs = [
        what
        for what, same in (
            ("fingerprint", before["fingerprint"] == now["fingerprint"]),
            ("verdict", before["valid"] == now["valid"]),
            ("history", folder.history.read_bytes() == encoder.encode_lines(finished.history)),
            ("trace", folder.trace.read_bytes() == encoder.encode_lines(finished.trace)),
        )
        if not same
    ]
    other = {
        name: [version, environment()[name]]
        for name, version in before["environment"].items()
        if environment().get(name) != version
    }
    return {
        "identical": not differs,
        "differs": differs,
        "fingerprint": now["fingerprint"],
        "fingerprint_before": before["fingerprint"],
        "valid": now["valid"],
        "other_environment": other,
        "words": _words(differs, other, now["fingerprint"]),
    }


def _words(differs: list[str], other: dict[str, list[str]], fingerprint: str) -> str:
    if not differs:
        return f"identical: fingerprint {fingerprint}, history and trace byte for byte"
    words = f"not the same run: {', '.join(differs)} differ"
    if other:
        changed = ", ".join(f"{name} was {old}, is {new}" for name, (old, new) in other.items())
        return f"{words}; it was made in another environment ({changed})"
    return f"{words}; the code has changed since, or something in it is not deterministic"
