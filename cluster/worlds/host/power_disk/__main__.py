"""The daemon of one mounted disk: ``python -m cluster.worlds.host.power_disk --source DIR --mount DIR --control SOCKET``.

It says ``ready`` on standard output once the mount answers, and ends when standard input does, on SIGTERM, or when somebody
unmounts it. Exit code 0: unmounted; 1: it could not mount, and the last line on standard error says why.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
from pathlib import Path

__all__ = ["main"]


def main() -> int:
    """Serve until the end; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cluster.worlds.host.power_disk")
    parser.add_argument("--source", required=True, type=Path, help="where the files lie")
    parser.add_argument("--mount", required=True, help="where programs see them")
    parser.add_argument("--control", required=True, help="path of the socket for orders")
    parser.add_argument("--owner", type=int, nargs=2, metavar=("UID", "GID"), help="of the root")
    arguments = parser.parse_args()
    try:
        from cluster.worlds.host.power_disk.operations import Operations, serve  # noqa: PLC0415 - may be missing
    except (ImportError, OSError) as error:
        return _failed(str(error))
    from cluster.worlds.host.power_disk.backing import Backing  # noqa: PLC0415
    from cluster.worlds.host.power_disk.control import Control  # noqa: PLC0415
    from cluster.worlds.host.power_disk.device import Device  # noqa: PLC0415
    from cluster.worlds.host.power_disk.recorder import Recorder  # noqa: PLC0415
    from cluster.worlds.host.power_disk.volume import Volume  # noqa: PLC0415
    from cluster.worlds.local.leftovers import start_ticks  # noqa: PLC0415

    os.umask(0)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    backing = Backing(arguments.source)
    if arguments.owner:
        os.chown(backing.files, *arguments.owner)
    control = Control(arguments.control)
    volume = Volume(backing, Recorder(), Device())
    operations = Operations(volume, lambda: control.begin(operations))
    try:
        serve(
            operations, arguments.mount, f"reprise-power:{os.getpid()}:{start_ticks(os.getpid())}"
        )
    except RuntimeError as error:
        return _failed(f"FUSE could not mount (code {error})")
    return 0


def _failed(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
