"""The verdict in words: one word, one sentence, what it rests on, and the command that repeats it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

from harness.verdict import OWN, Stimulus
from reports.findings import Card
from reports.phrases import fact_name

__all__ = ["headline", "reproduce", "stimuli", "verdict_word"]

_WORDS: Final[dict[Any, str]] = {True: "valid", False: "invalid", "unknown": "unknown"}


def verdict_word(valid: Any) -> str:
    """``valid``, ``invalid`` or ``unknown``; any other value is a KeyError."""
    return _WORDS[valid]


def stimuli(results: Mapping[str, Any]) -> list[Stimulus]:
    """The stimuli of results.json, missing ones first."""
    found = [
        Stimulus(fact=one["fact"], needed=one["needed"], seen=one["seen"])
        for one in results.get("stimuli", ())
    ]
    return sorted(found, key=lambda stimulus: stimulus.met)


def headline(
    results: Mapping[str, Any], found: Sequence[Card], total: int, needed: Sequence[Stimulus]
) -> str:
    """The sentence under the verdict: what a reader must know if there is time for one sentence only."""
    missing = [fact_name(stimulus.fact) for stimulus in needed if not stimulus.met]
    checkers = results.get("checkers", {})
    if results["valid"] is True:
        judges = [name for name in checkers if name not in OWN]
        passed = f"{_counted(len(judges), 'checker')} found nothing wrong"
        if needed:
            passed += (
                f", and {_counted(len(needed), 'required stimulus', 'required stimuli')} happened"
            )
        return f"{passed}."
    if results["valid"] is False:
        failed = [name for name, checker in checkers.items() if checker.get("valid") is False]
        if not found:
            return f"Convicted by {', '.join(failed) or 'a checker'}, which kept no evidence."
        where = f" on {found[0].node}" if found[0].node else ""
        when = f" at {found[0].at}" if found[0].at else ""
        convicting = sum(len(checkers[name].get("evidence", ())) for name in failed) or total
        return f"{_counted(convicting, 'finding')} by {', '.join(failed)}; the first{when}{where}."
    if missing:
        return f"Nothing was proved: the run needed {', '.join(missing)}, and did not get {'it' if len(missing) == 1 else 'them'}."
    reason = found[0].what.rstrip(".") if found else "a checker could not decide"
    return f"Nothing was proved: {reason}."


def reproduce(results: Mapping[str, Any]) -> str:
    """The command that runs the same again; the results' own ``command`` wins. Empty without a workload."""
    if results.get("command"):
        return str(results["command"])
    if not results.get("workload"):
        return ""
    words = ["./reprise", "run", str(results["workload"])]
    nodes = results.get("nodes")
    options = {
        "--world": results.get("world"),
        "--nodes": len(nodes) if isinstance(nodes, (list, tuple)) else None,
        "--seed": results.get("seed"),
        "--bug": results.get("bug"),
        "--compat": results.get("compat"),
    }
    for option, value in options.items():
        if value not in (None, ""):
            words += (option, str(value))
    return shlex.join(words)


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
