"""The specification's scenario A1' in all its variants, built from the example file; any world can run them."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec

from harness.cli.options import known
from harness.scenario import After, FaultEntry, Scenario, load_scenario

__all__ = ["MODES", "POINT", "TARGETS", "VARIANTS", "equal_epoch_replay", "example"]

EXAMPLES = Path(__file__).parents[2] / "examples"

MODES = ("every", "data", "snapshot")
TARGETS = ("leader", "follower", "all")
VARIANTS = list(itertools.product(MODES, ("kill", "power"), TARGETS, (False, True)))
POINT = "eng.after_apply_before_set_applied"
"""Where to strike: the effect is durable, the applied index is not, in every mode."""


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
