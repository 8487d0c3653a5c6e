"""The command that a run is told to be repeated with repeats that run, not one of the usual size."""

from __future__ import annotations

from pathlib import Path

from harness.campaign.runs import command_of
from harness.scenario import Scenario
from harness.store import RunFolder

FOLDER = RunFolder(Path("/a store/registry/20260102T030405.678Z"))


def test_simulated_run_is_replayed() -> None:
    """In simulation the folder says everything; a path with spaces survives the shell."""
    command = command_of(Scenario(workload="registry"), FOLDER)

    assert command == "./reprise replay '/a store/registry/20260102T030405.678Z'"


def test_run_on_processes_is_repeated_by_its_scenario() -> None:
    """Nodes, rate and time limit stand in the file; a command line that leaves them out starts another run."""
    command = command_of(Scenario(workload="registry", world="local", nodes=1), FOLDER)

    assert (
        command == "./reprise run --scenario '/a store/registry/20260102T030405.678Z/scenario.toml'"
    )
