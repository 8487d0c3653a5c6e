"""``reprise bugs``: the seeded bugs, and how many of them the harness finds.

``list`` prints the catalogue; ``score`` looks for every bug in simulation and keeps what it came to in the store, one file
for each version of the code.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from harness.cli.exits import Exit
from harness.cli.options import check_store, output_options, store_option
from harness.cli.telling import tell_json
from harness.cli.words import DURATION, LIST, unknown_word
from harness.version import VERSION

if TYPE_CHECKING:
    from cluster.bugs.bug import Bug
    from harness.campaign.score import BugScore, Score

__all__ = ["command"]

_ROOT: Final = Path(__file__).parents[2]


@click.group(name="bugs")
def command() -> None:
    """The seeded bugs, and how many of them the harness finds."""


@command.command(name="list")
@click.option("--json", is_flag=True, help="One line of JSON instead of a table.")
def list_bugs(json: bool) -> int:
    """Print every bug: what is broken, where that was seen, who must catch it."""
    from cluster.bugs.catalogue import CATALOGUE, PENDING

    if json:
        tell_json(
            {
                "bugs": [_row(bug) for bug in CATALOGUE.values()],
                "pending": msgspec.to_builtins(PENDING),
            }
        )
        return Exit.VALID
    width = max(len(bug_id) for bug_id in CATALOGUE)
    for bug in CATALOGUE.values():
        how = f"{bug.way.workload}, {bug.way.seeds} seeds" if bug.way else "no scenario"
        click.echo(f"{bug.id:<{width}}  {bug.title} ({bug.source})")
        click.echo(f"{'':<{width}}    shows: {bug.shows}")
        click.echo(f"{'':<{width}}    caught by {', '.join(bug.caught_by) or 'its test'}; {how}")
    click.echo(f"\n{len(CATALOGUE)} bugs; {len(PENDING)} more wait for what is not built yet:")
    for waiting in PENDING:
        click.echo(f"{waiting.id:<{width}}  {waiting.title}: {waiting.waits_for}")
    return Exit.VALID


@command.command(name="score")
@click.option("--only", type=LIST, metavar="IDS", help="These bugs alone.")
@click.option(
    "--budget", "budget_s", type=DURATION, help="CPU time for each bug at most, beside its seeds."
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=os.cpu_count() or 1,
    metavar="N",
    help="Processes; as many as there are cores.",
)
@store_option
@output_options
def score_bugs(
    *,
    only: tuple[str, ...] | None,
    budget_s: float | None,
    jobs: int,
    store: Path,
    json: bool,
    quiet: bool,
) -> int:
    """Look for every bug in simulation; exit 1 when one is missed."""
    from harness.campaign.score import score
    from harness.cli.progress import progress

    check_store(store)
    bugs = _chosen(only)
    total = sum(bug.way is not None for bug in bugs)
    done = 0
    with progress("looking for bugs", total, quiet=quiet) as bar:

        def tell(one: BugScore) -> None:
            nonlocal done
            done += 1
            if not one.found:
                bar.say(f"{one.id} was not found in {one.seeds} seeds ({one.cpu_s:.1f} s)")
            bar.at(done, one.id)

        result = score(bugs, budget_s=budget_s, jobs=jobs, progress=tell)
    kept = _keep(result, store)
    if not (json and quiet):
        _print(result, kept)
    if json:
        tell_json(msgspec.to_builtins(result))
    return Exit.VALID if result.found == result.total else Exit.INVALID


def _chosen(only: tuple[str, ...] | None) -> list[Bug]:
    """Return the bugs named, or all. Raises UserMistake for a name that nobody knows."""
    from cluster.bugs.catalogue import CATALOGUE

    for bug_id in only or ():
        if bug_id not in CATALOGUE:
            raise unknown_word("bug", bug_id, CATALOGUE)
    return [CATALOGUE[bug_id] for bug_id in only or CATALOGUE]


def _row(bug: Bug) -> dict[str, Any]:
    """Everything of a bug but its code."""
    return {
        name: msgspec.to_builtins(getattr(bug, name))
        for name in bug.__struct_fields__
        if name != "parts"
    }


def _print(result: Score, kept: Path) -> None:
    for one in result.bugs:
        word = f"seed {one.seed}" if one.found else "MISSED"
        first, _, _ = one.what.partition("\n")
        click.echo(f"{one.id:<8} {word:<9} {one.seeds:>4} seeds {one.cpu_s:>7.1f} s  {first}")
    share = 100 * result.found / result.total if result.total else 0
    click.echo(f"{result.found} of {result.total} found ({share:.0f} %), {result.cpu_s:.0f} CPU s")
    if result.median_seeds is not None:
        click.echo(
            f"to detection: median {result.median_seeds:g} seeds, {result.median_cpu_s:.1f} s; "
            f"worst {result.worst_seeds} seeds, {result.worst_cpu_s:.1f} s"
        )
    click.echo(f"kept in {kept}")


def _keep(result: Score, store: Path) -> Path:
    """Write the score into the store, under the version of the code that it is of."""
    folder = store / "scores"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_code_version()}.json"
    unfinished = path.with_suffix(".tmp")
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    unfinished.replace(path)
    return path


def _code_version() -> str:
    """The commit of the code, marked when files differ from it; the version where there is no repository."""
    try:
        described = subprocess.run(
            [
                "git",
                "-C",
                str(_ROOT),
                "describe",
                "--always",
                "--dirty",
                "--abbrev=12",
                "--exclude=*",
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return VERSION
    return described.stdout.strip()
