"""``reprise report``: the page of a run, or the index of a store."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command(name="report")
@click.argument("path", type=click.Path(path_type=Path), default=Path("store/latest"))
def command(path: Path) -> int:
    """Render the page of the run at PATH (default: store/latest) and print where it is.

    Where PATH is a store, the index of its runs is rendered.
    """
    from harness.store import Store, open_run
    from reports.index_page import write_index
    from reports.reading import write_report

    store = Store(path)
    if not (path / "scenario.toml").exists() and store.runs():
        click.echo(write_index(store))
        return 0
    run = open_run(path)
    write_report(run)
    click.echo(str(run.report))
    return 0
