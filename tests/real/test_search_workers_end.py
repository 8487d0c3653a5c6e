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

pytestmark = [pytest.mark.real, pytest.mark.slow]

GONE_S = 20.0
"""How long workers may take to notice, on a busy machine."""


def test_workers_of_a_killed_search_end(tmp_path: Path) -> None:
    """After SIGKILL nobody holds the search's standard output any more: every worker has ended by itself."""
    arguments = ["registry", "--budget", "1h", "--jobs", "2", "--store", str(tmp_path / "store")]
    search = subprocess.Popen(
        [sys.executable, "-P", "-m", "harness.cli", "search", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert search.stdout is not None
    assert search.stderr is not None
    with search:
        try:
            assert search.stderr.readline().startswith(b"searching registry"), "no seed was run"
            search.kill()
            ready, _, _ = select.select([search.stdout], [], [], GONE_S)
            assert ready, "somebody still holds the pipe"
            assert search.stdout.read() == b""
        finally:
            with suppress(ProcessLookupError):
                os.killpg(search.pid, signal.SIGKILL)
