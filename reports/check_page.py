"""`render_check`: what was found in a history made elsewhere, as one self-contained HTML page without a script.

The page is made from the results of ``reprise check`` and from the operations around each finding (`Shown`), which the caller looks
up, for only it has the history. Look and words are those of the page of a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from reports.drawings import Bar, cycle, timeline
from reports.facts import singles, tables
from reports.page import environment
from reports.verdicts import verdict_word

__all__ = ["FINDINGS_MAX", "Shown", "render_check"]

FINDINGS_MAX: Final = 25
"""Findings on one page; results.json has all."""

_STYLE: Final = Path(__file__).parent / "assets" / "report.css"
_HOW: Final = ("judged_by", "models", "search_steps", "search_complete", "orders_tried")
"""Facts that say how the verdict was come to."""


class Shown(msgspec.Struct, frozen=True):
    """The operations of one finding, and those beside it."""

    bars: Sequence[Bar] = ()


class _Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding as the template shows it."""

    number: int
    name: str
    lead: str
    sentences: list[str]
    pictures: list[str]


def render_check(results: Mapping[str, Any], shown: Sequence[Shown], command: str) -> str:
    """The page. `results` is the object that ``--json`` prints, `shown` goes with its evidence, `command` repeats the check."""
    evidence = results["evidence"]
    facts = {
        name: ", ".join(map(str, value)) or "none" if isinstance(value, list) else value
        for name, value in results["facts"].items()
    }
    context = {
        "verdict": verdict_word(results["valid"]),
        "title": f"{Path(results['file']).name} as {results['model']}",
        "headline": _headline(results),
        "about": _about(results),
        "command": command,
        "notes": [
            *results["notes"],
            *(
                [f"dropped: an unfinished last line, {results['torn'][:60]!r}"]
                if results["torn"]
                else []
            ),
        ],
        "findings": [
            _finding(number, found, shown[number - 1] if number <= len(shown) else Shown())
            for number, found in enumerate(evidence[:FINDINGS_MAX], 1)
        ],
        "total": len(evidence),
        "how": singles({name: facts[name] for name in _HOW if name in facts}),
        "facts": singles(facts, without=_HOW),
        "tables": tables(facts),
        "style": _STYLE.read_text(encoding="utf-8"),
    }
    return environment().get_template("check.html").render(context)


def _headline(results: Mapping[str, Any]) -> str:
    """What was held against what, and what came of it, in one sentence."""
    count = f"{results['operations']:,} operations"
    if results["valid"] is True:
        return f"{count} are what they must be: {results['words']}."
    first = (
        str(results["evidence"][0]["what"]).split("\n", 1)[0].rstrip(":.")
        if results["evidence"]
        else "nothing was found"
    )
    if results["valid"] is False:
        return f"{count} are not what they must be ({results['words']}): {first}."
    return f"Nothing was proved about {count} ({results['words']}): {first}."


def _about(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The chips under the verdict."""
    return [
        ("file", results["file"]),
        ("format", results["format"]),
        ("model", results["model"]),
        ("operations", f"{results['operations']:,}"),
        ("findings", f"{len(results['evidence']):,}"),
        ("time", f"{results['wall_s']:.2f} s"),
    ]


def _finding(number: int, found: Mapping[str, Any], shown: Shown) -> _Finding:
    lead, *sentences = str(found["what"]).split("\n")
    operations = [one for one in found.get("operations", ()) if isinstance(one, Mapping)]
    cycles = [found["steps"]] if found.get("steps") else list(found.get("cycles", ()))
    pictures = [picture for steps in cycles[:3] if (picture := cycle(steps, operations))]
    window = timeline(shown.bars)
    return _Finding(
        number=number,
        name=str(found.get("invariant", "")),
        lead=lead,
        sentences=sentences,
        pictures=[*pictures, *([window] if window else [])],
    )
