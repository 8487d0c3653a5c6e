"""``reprise nightly``: a list of searches and runs, one after the other, and one page in the morning.

Each entry is a process of its own with a time budget (`night_child`); what it came to goes into the night's journal, so that
a night that was killed goes on where it stopped when the same command is given again. The pages are written after every
entry: also a night that nobody started again has them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from harness.cli.exits import Exit
from harness.cli.options import output_options, store_option

if TYPE_CHECKING:
    from harness.campaign.night import Outcome
    from harness.campaign.night_folder import NightFolder
    from harness.campaign.night_plan import NightPlan, Step
    from harness.cli.progress import Progress

__all__ = ["command"]

SEARCH_GRACE_S: Final = 120.0
"""A search ends by itself: how long after its budget it may take to keep the run that is worth looking at."""
ENDING_GRACE_S: Final = 30.0
"""How long an entry that is asked to end may take to undo what it did."""

_EXITS: Final[dict[str, Exit]] = {
    "error": Exit.INTERNAL,
    "failed": Exit.INVALID,
    "unknown": Exit.UNKNOWN,
    "passed": Exit.VALID,
}


@click.command(name="nightly")
@click.argument("plan", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@store_option
@output_options
def command(plan: Path, store: Path, json: bool, quiet: bool) -> int:
    """Carry out PLAN, a list of searches and runs with a time budget each; goes on with a night that was killed.

    Ends with an index page, JUnit XML and a text summary in STORE/nights, and the exit code of the worst entry.
    """
    from harness.campaign.night_folder import open_night
    from harness.cli.options import check_store, read_text
    from harness.cli.progress import progress

    check_store(store)
    checked = _checked(plan, read_text(plan))
    now = datetime.now(UTC)
    start_time = now.strftime("%Y%m%dT%H%M%SZ")
    night = open_night(store, checked.name, checked.text, int(now.timestamp()), start_time)
    with night.writing() as journal, progress("night", len(checked.steps), quiet=quiet) as bar:
        _work(checked, night, journal, store, bar)
    return _told(checked, night, json=json, quiet=quiet)


def _checked(plan: Path, text: str) -> NightPlan:
    from harness.campaign.night_plan import Surroundings, load_plan
    from harness.cli.options import known, read_text
    from harness.cli.scenarios import USUAL

    about = Surroundings(
        known=known(), usual=USUAL, read=lambda name: read_text(plan.parent / name)
    )
    return load_plan(text, about)


def _work(plan: NightPlan, night: NightFolder, journal: Any, store: Path, bar: Progress) -> None:
    """Do what is left to do. After Ctrl-C the pages say how far it came."""
    from harness.campaign.night import Begun, Done, Ended, Stopped, given_up, grade
    from reports.night_page import write_pages

    progress = night.progress()
    if progress.attempts:
        bar.say(
            f"night: going on with {night.path}, {len(progress.outcomes)} of {len(plan.steps)} done"
        )
    for number, step in enumerate(plan.steps):
        if number in progress.outcomes:
            continue
        bar.at(number, step.name)
        outcome = given_up(progress.attempts.get(number, 0))
        try:
            if outcome is None:
                journal.write(Begun(number))
                outcome = _outcome(step, progress.began_s, store, night.step(number))
        except KeyboardInterrupt:
            journal.write(Stopped(number))
            write_pages(plan, night)
            raise
        journal.write(Done(number, outcome))
        write_pages(plan, night)
        bar.say(f"{step.name}: {grade(step, outcome)} in {outcome.wall_s:.1f} s")
    journal.write(Ended())
    write_pages(plan, night)
    bar.at(len(plan.steps), "done")


def _outcome(step: Step, seed: int, store: Path, folder: Path) -> Outcome:
    """Let a process carry out `step` within its budget, and say what came of it. However this ends, the process does too."""
    from harness.campaign.night import Outcome, took_s
    from harness.campaign.night_folder import read_runs
    from harness.cli.night_child import ERROR_FILE, carry_out

    began_s = time.monotonic()
    limit_s = step.budget_s + (SEARCH_GRACE_S if step.kind == "search" else 0.0)
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=carry_out, args=(step, seed, store.absolute(), folder))
    process.start()
    try:
        process.join(limit_s)
        late = process.exitcode is None
    finally:
        _end(process)
    found = read_runs(folder)
    runs = tuple(found[number] for number in sorted(found))
    wall_s = round(took_s(step, time.monotonic() - began_s, runs), 3)
    error = folder / ERROR_FILE
    if late:
        words = f"its time was over after {step.budget_s:g} s; {len(runs)} of {len(step.scenarios)} runs were done"
        return Outcome(state="late", wall_s=wall_s, runs=runs, words=words)
    if process.exitcode:
        ended = f"its process ended with {process.exitcode}; see {folder / 'log.txt'}"
        words = error.read_text(encoding="utf-8") if error.exists() else ended
        return Outcome(state="failed", wall_s=wall_s, runs=runs, words=words)
    return Outcome(state="done", wall_s=wall_s, runs=runs)


def _end(process: Any) -> None:
    """Ask the process to end, if it has not, then insist. It leads a session, and has heard no Ctrl-C."""
    if process.exitcode is None:
        os.kill(process.pid, signal.SIGINT)
        process.join(ENDING_GRACE_S)
    if process.exitcode is None:
        process.kill()
        process.join()


def _told(plan: NightPlan, night: NightFolder, *, json: bool, quiet: bool) -> int:
    """Tell what the night came to, and return its exit code."""
    from harness.campaign.night import grade, worst
    from harness.cli.telling import tell_json

    outcomes = night.progress().outcomes
    grades = [grade(step, outcomes[number]) for number, step in enumerate(plan.steps)]
    if not (json and quiet):
        click.echo(night.summary.read_text(encoding="utf-8"), nl=False)
    if json:
        tell_json(_json_of(night))
    return _EXITS[worst(grades)]


def _json_of(night: NightFolder) -> Any:
    import msgspec

    return msgspec.json.decode(night.results.read_bytes())
