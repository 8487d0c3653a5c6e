"""The specification's scenario A1' in all its variants, built from the example file; any world can run them."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import msgspec

from harness.cli.options import known
from harness.scenario import After, FaultEntry, Scenario, load_scenario

__all__ = [
    "FAULT_MODEL",
    "MODES",
    "POINT",
    "TARGETS",
    "VARIANTS",
    "equal_epoch_replay",
    "example",
    "fault_model",
]

EXAMPLES = Path(__file__).parents[2] / "examples"

MODES = ("every", "data", "snapshot")
TARGETS = ("leader", "follower", "all")
VARIANTS = list(itertools.product(MODES, ("kill", "power"), TARGETS, (False, True)))
POINT = "eng.after_apply_before_set_applied"
"""Where to strike: the effect is durable, the applied index is not, in every mode."""


FAULT_MODEL = sorted(path.stem for path in (EXAMPLES / "fault-model").glob("*.toml"))
"""The files of the rows whose right answer is not "survives"."""


def fault_model(name: str) -> tuple[Scenario, str]:
    """The scenario of such a row, and its right verdict as the head of its file says it."""
    text = (EXAMPLES / "fault-model" / f"{name}.toml").read_text()
    (right,) = re.findall(r"^# Right verdict: (valid|unknown)\.$", text, re.MULTILINE)
    return load_scenario(text, known()), {"valid": "true"}.get(right, right)


def example(name: str) -> Scenario:
    """The example file of that name."""
    return load_scenario((EXAMPLES / f"{name}.toml").read_text(), known())


def equal_epoch_replay(mode: str, action: str, target: str, again: bool) -> Scenario:
    """The scenario A1' for one variant."""
    base = example("a1-equal-epoch-replay")
    registered = After(f="register", delay_s=0.5)
    order = {"opcode": 3, "action": action}
    order["point"] = POINT
    acts = [("arm", [target], order), ("await-exit", [], {}), ("dump", [], {})]
    if again:
        acts += [("arm", ["down"], order), ("start", [], {})]
        acts += [("await-exit", [], {"timeout_s": 2.0}), ("dump", [], {})]
    faults = [FaultEntry(f=f, targets=to, value=value, when=registered) for f, to, value in acts]
    back = registered if target == "all" else After(f="write", nth=2)
    faults.append(FaultEntry(f="start", when=back))
    return msgspec.structs.replace(
        base,
        time_limit_s=20.0,
        options={**base.options, "durability": mode},
        stimuli={f"crash_points_hit/{POINT}": 1},
        faults=faults,
    )
