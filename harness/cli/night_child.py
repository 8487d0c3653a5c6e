"""What an entry of a night does, in a process of its own: whatever happens to it happens to no other entry.

The process leads a session, so that Ctrl-C reaches the night alone, which ends it in order; and it ends with the night, also
when that was killed. What it prints goes to the entry's log. Each run that is done leaves its line in the entry's folder; why
it could not go on stands in ``error.txt``.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import click
import msgspec

from harness.campaign.night import run_line
from harness.campaign.night_folder import read_runs, remembering, write_run
from harness.campaign.night_plan import Step
from harness.campaign.places import PLACES, prepare
from harness.campaign.runs import run_real, run_seed, run_seeds
from harness.campaign.search import Memory
from harness.cli.starting import start_time_now
from harness.errors import HarnessError
from harness.scenario import Scenario
from harness.store import Store, open_run
from reports.reading import write_report

__all__ = ["ERROR_FILE", "LOG_FILE", "carry_out"]

ERROR_FILE = "error.txt"
LOG_FILE = "log.txt"


def carry_out(step: Step, seed: int, store: Path, folder: Path) -> None:
    """Do what `step` asks for, but for the runs that `folder` says are done. Exits with 0, or with 1 and an ``error.txt``.

    `seed` is the first seed of a step that names none.
    """
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_night, daemon=True).start()
    log = os.open(folder / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    try:
        done = read_runs(folder)
        for number, scenario in enumerate(step.scenarios):
            if number not in done:
                seeded = msgspec.structs.replace(scenario, seed=seed) if step.fresh else scenario
                summary = _carried_out(step, seeded, store, folder)
                write_report(open_run(Path(summary["run"])))
                write_run(folder, number, run_line(summary))
    except KeyboardInterrupt:
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - the end of this process; the night is told
        traceback.print_exc()
        words = (
            str(error) if isinstance(error, HarnessError) else f"{type(error).__name__}: {error}"
        )
        (folder / ERROR_FILE).write_text(words, encoding="utf-8")
        sys.exit(1)


def _end_with_night() -> None:
    night = multiprocessing.parent_process()
    if night is not None:
        night.join()
        os._exit(1)


def _carried_out(step: Step, scenario: Scenario, store: Path, folder: Path) -> dict[str, Any]:
    start_time = start_time_now()
    runs = Store(store)
    if scenario.world in PLACES:
        prepare(scenario, click.echo)
        return run_real(scenario, runs, start_time)
    if step.kind == "run":
        return run_seed(scenario, runs, start_time)
    with remembering(folder) as (briefs, spent_s, remember):
        return run_seeds(
            scenario,
            runs,
            start_time,
            seeds=None,
            budget_s=step.budget_s,
            jobs=os.cpu_count() or 1,
            stop_at_first=not step.keep_going,
            progress=lambda _done, _failed: None,
            memory=Memory(briefs, spent_s, remember),
        )
