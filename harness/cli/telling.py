"""What a run came to, told to a person or to a program. Words only; nothing is decided here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

__all__ = ["VERDICT_WORDS", "finish", "tell", "tell_carried", "tell_json"]

VERDICT_WORDS: Final[dict[Any, str]] = {True: "VALID", False: "INVALID", "unknown": "UNKNOWN"}

_FACTS: Final = (
    ("registrations_committed", "registrations committed"),
    ("replayed_registrations", "registrations replayed after a restart"),
    ("replayed_noops", "of them without any effect"),
    ("acked_sync_writes", "acknowledged synced writes"),
    ("lost_sync_writes", "of them lost"),
    ("rollbacks_halted", "replicas that halted at a rollback"),
    ("collisions_halted", "replicas that halted at an identity collision"),
    ("halts_unexpected", "halts without a cause"),
    ("crash_points_hit", "crash points hit"),
    ("kills", "kills"),
    ("power_losses", "power losses"),
    ("restarts", "restarts"),
    ("snapshots", "snapshots taken"),
    ("installs", "snapshots installed"),
    ("leader_changes", "changes of leader"),
)

FINDINGS_SHOWN = 3
CAUSES_SHOWN = 10


def finish(summary: Mapping[str, Any], *, quiet: bool) -> None:
    """Render the pages of the summary's runs, and of what a search has reached, and tell what it came to; `quiet` leaves the words to the page."""
    from harness.store import open_run
    from reports.coverage_page import write_coverage_page
    from reports.reading import write_report

    folder = open_run(Path(summary["run"]))
    write_report(folder)
    write_coverage_page(folder)
    for group in summary.get("causes", []):
        if group["run"] not in ("", summary["run"]):
            write_report(open_run(Path(group["run"])))
    if not quiet:
        tell(summary)


def tell_carried(summary: Mapping[str, Any]) -> None:
    """Print whether a failure that was carried to another world came again there, how alike the runs are, and where the report is."""
    wanted = _cause_words(summary["cause"])
    others = [_cause_words(cause) for cause in summary["causes_there"]]
    came = "came again" if summary["again"] else "did not come again"
    seeds = f", seed {summary['seed']} of {summary['seeds']} tried" if "seeds" in summary else ""
    lines = [f"{summary['world']}: {wanted}: {came}{seeds}"]
    if not summary["again"]:
        verdict = VERDICT_WORDS[summary["valid"]].lower()
        lines.append(f"  the run is {verdict}" + (f": {', '.join(others)}" if others else ""))
    lines += [
        f"  what happened is {summary['likeness']:.0%} alike",
        f"  report: {summary['report']}",
        f"  again:  {summary['command']}",
    ]
    click.echo("\n".join(lines))


def _cause_words(cause: Mapping[str, Any]) -> str:
    after = f", after {cause['code_point']}" if cause["code_point"] else ""
    return f"{cause['checker']}: {cause['anomaly']}{after}"


def tell(summary: Mapping[str, Any]) -> None:
    """Print verdict, facts, first findings and where the report is."""
    lines = [_headline(summary)]
    facts = summary["facts"]
    for name, words in _FACTS:
        if name in facts:
            value = facts[name]
            amount = sum(value.values()) if isinstance(value, Mapping) else value
            kinds = f" (at {len(value)} different points)" if isinstance(value, Mapping) else ""
            lines.append(f"  {amount:>8,}  {words}{kinds}")
    evidence = summary["evidence"]
    lines += [
        f"  ! {finding['checker']}: {finding['what']}" for finding in evidence[:FINDINGS_SHOWN]
    ]
    if len(evidence) > FINDINGS_SHOWN:
        lines.append(f"  ! and {len(evidence) - FINDINGS_SHOWN} more in the report")
    lines += _causes(summary.get("causes", []))
    if "coverage" in summary:
        cells = ", ".join(f"{count:,} {kind}" for kind, count in summary["cells"].items())
        lines.append(f"  reached: cells of {cells or 'no kind'}: {summary['coverage']}")
    lines.append(f"  report: {summary['report']}")
    if summary["valid"] is not True:
        lines.append(f"  again:  {summary['command']}")
    click.echo("\n".join(lines))


def _causes(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines that say why runs of a search were not valid, one a cause."""
    lines = [
        f"  {group['runs']:>8,}  not valid because of {group['cause']}; first: seed {group['seed']}"
        for group in groups[:CAUSES_SHOWN]
    ]
    if len(groups) > CAUSES_SHOWN:
        lines.append(f"  {'':>8}  and {len(groups) - CAUSES_SHOWN} more causes")
    return lines


def tell_json(results: Mapping[str, Any]) -> None:
    """Print `results` as one line of JSON."""
    click.echo(msgspec.json.encode(results).decode())


def _headline(summary: Mapping[str, Any]) -> str:
    word = VERDICT_WORDS[summary["valid"]]
    where = f"{summary['workload']} on {summary['world']}"
    if "seeds" not in summary:
        return f"{word}  {where}, seed {summary['seed']}"
    failed, seeds = len(summary["seeds_not_valid"]), summary["seeds"]
    rest = "all valid" if summary["valid"] is True else "each valid by itself"
    if failed:
        rest = f"{failed} not valid; shown: seed {summary['seed']}"
    cut_short = "; interrupted" if summary["interrupted"] else ""
    spent = f"{seeds} seed{'s'[: seeds != 1]} in {summary['wall_s']:.1f} s"
    return f"{word}  {where}: {spent}, {rest}{cut_short}"
