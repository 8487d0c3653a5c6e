"""What each world can do, known without starting it; and which nemeses that lets take part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.scenario import ALL_NEMESES, SURVIVABLE, Scenario
from nemesis.catalogue import NEMESES, REFUSED

__all__ = ["CAPABILITIES", "named_nemeses", "offered"]

_PROCESSES = frozenset(
    {"kill", "power", "pause", "cut", "crash-points", "inspect", "disk-dump", "membership"}
)

_NEARBY = ("local", "docker")
"""Worlds whose mounted disks are on this machine."""

CAPABILITIES: dict[str, frozenset[str]] = {
    "sim": _PROCESSES
    | {"link-faults", "clock-rate", "disk-faults", "cut-clients", "file-faults", "realtime"},
    "local": _PROCESSES | {"clock-rate", "file-faults", "limit-files", "realtime"},
    "docker": _PROCESSES
    | {
        "clock-rate",
        "cut-clients",
        "file-faults",
        "limit-files",
        "limits",
        "link-faults",
        "realtime",
    },
    "ssh": _PROCESSES
    | {
        "clock-rate",
        "cut-clients",
        "file-faults",
        "limit-files",
        "limits",
        "link-faults",
        "realtime",
    },
}
"""World -> what it can do, known without starting it; each world states the same of itself once it is up.

What hosts lack of it is found when they are reached (`harness.campaign.places`).
"""


def offered(scenario: Scenario) -> frozenset[str]:
    """Return what the world of `scenario` can do to it: mounted disks can fail, and those on this machine can be made small."""
    able = CAPABILITIES[scenario.world]
    if scenario.options.get("disk") == "mounted":
        able |= {"disk-faults"} | ({"limit-disk"} if scenario.world in _NEARBY else set())
    return able


def named_nemeses(scenario: Scenario, about: Mapping[str, Any]) -> list[str]:
    """Return the nemeses that `scenario` names, with the words for many of them spelled out, as far as its world can.

    `about` is what the factories of nemeses are told.
    """
    able = [name for name, make in NEMESES.items() if make(about).needs <= offered(scenario)]
    many = {ALL_NEMESES: able, SURVIVABLE: [name for name in able if name not in REFUSED]}
    spelled = [one for name in scenario.nemesis for one in many.get(name, [name])]
    return list(dict.fromkeys(spelled))
