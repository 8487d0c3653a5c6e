"""The processes of a search are gone when the search is, however it ended."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from harness.cli.exits import Exit

pytestmark = [pytest.mark.real, pytest.mark.slow]

GONE_S = 20.0
"""How long workers may take to notice, on a busy machine."""


def searching(store: Path) -> subprocess.Popen[bytes]:
    """A search that has run its first seeds."""
    arguments = ["registry", "--budget", "1h", "--jobs", "2", "--store", str(store)]
    search = subprocess.Popen(
        [sys.executable, "-P", "-m", "harness.cli", "search", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert search.stderr is not None
    assert search.stderr.readline().startswith(b"searching registry"), "no seed was run"
    return search


@pytest.mark.parametrize("asked", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_workers_end_with_their_search(tmp_path: Path, asked: signal.Signals) -> None:
    """Whatever ended it, nobody holds its standard output a moment later; one that could still speak tells what it has."""
    with searching(tmp_path / "store") as search:
        assert search.stdout is not None
        assert search.stderr is not None
        try:
            search.send_signal(asked)
            ready, _, _ = select.select([search.stdout], [], [], GONE_S)
            assert ready, "somebody still holds the pipe"
            told = search.stdout.read().splitlines()
            if asked == signal.SIGKILL:
                assert told == []
            else:
                assert search.wait(GONE_S) == Exit.INTERRUPTED
                assert told[0].endswith(b"; interrupted")
                assert Path(told[-1].split()[-1].decode()).parent.is_relative_to(tmp_path)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(search.pid, signal.SIGKILL)
