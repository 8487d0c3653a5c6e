"""``reprise image``: the image that containers of nodes are made of."""

from __future__ import annotations

import time

import click

__all__ = ["command"]


@click.command(name="image")
@click.option(
    "--base",
    metavar="IMAGE",
    envvar="REPRISE_BASE_IMAGE",
    default="",
    help="Build on this image, which has Python; usually the official one, or one made of this "
    "machine's Debian packages where no registry answers. [env: REPRISE_BASE_IMAGE]",
)
def command(base: str) -> int:
    """Build the node image, unless the one that is there is up to date, and print its name."""
    from cluster.worlds.docker.daemon import connect
    from cluster.worlds.docker.image import node_image
    from cluster.worlds.errors import WorldFailed, WorldMissing
    from harness.cli.exits import Exit
    from harness.errors import RunFailed, UserMistake

    started_s = time.monotonic()
    built = []

    def say(line: str) -> None:
        built.append(line)
        click.echo(f"reprise: {line}", err=True)

    try:
        tag = node_image(connect(), base, say)
    except WorldMissing as missing:
        remedy = f"; try: {missing.remedy}" if missing.remedy else ""
        raise UserMistake(f"{missing}{remedy}") from None
    except WorldFailed as failure:
        raise RunFailed(str(failure)) from failure
    took_s = time.monotonic() - started_s
    click.echo(f"{tag} {'built' if built else 'is up to date'} ({took_s:.1f} s)")
    return Exit.VALID
