"""The workloads in the help of commands that take one: asked of the catalogue when somebody wants to read it, not before."""

from __future__ import annotations

import click

__all__ = ["WorkloadCommand"]


class WorkloadCommand(click.Command):
    """A command whose help ends with every workload and what it is about."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See `click.Command`."""
        from workloads.catalogue import WORKLOADS

        with formatter.section("Workloads"):
            formatter.write_dl([(name, offer.words) for name, offer in sorted(WORKLOADS.items())])
        super().format_epilog(ctx, formatter)
