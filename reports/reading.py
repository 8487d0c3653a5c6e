"""From the files of a run folder to `ReportData`; the one room here that reads.

A run that was killed has a history and perhaps no trace: what is there is shown. Without results.json there is
nothing to show a verdict of, and `harness.store.NotARunFolder` says so, as it does of files that are damaged.
"""

from __future__ import annotations

from typing import Any

from harness.store import RunFolder
from reports.page import ReportData

__all__ = ["read_run", "write_report"]


def read_run(folder: RunFolder) -> ReportData:
    """Read a run. Raises NotARunFolder, and HistoryDamaged for a history that cannot be read."""
    results: dict[str, Any] = {"started": folder.start_time, **folder.read_results()}
    return ReportData(
        results=results,
        history=folder.read_history().operations if folder.history.exists() else (),
        trace=folder.read_trace() if folder.trace.exists() else (),
        scenario=folder.read_scenario(),
    )


def write_report(folder: RunFolder) -> None:
    """Render the page of a run into its folder; a page that is there is replaced."""
    from reports.page import render  # noqa: PLC0415 - jinja2 only where a page is made

    folder.report.write_text(render(read_run(folder)), encoding="utf-8")
