"""A run's own folder, judged again by ``reprise check`` with the model that its workload's page names, has the same verdict."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main
from harness.cli.exits import Exit
from workloads.catalogue import WORKLOADS

MODELS = {
    "register": {"linearizable": ["register", "--independent"]},
    "cas-register": {"linearizable": ["cas-register", "--independent"]},
    "set": {"set": ["set-full", "--linearizable"]},
    "append": {"isolation": ["list-append"]},
    "wr": {"isolation": ["rw-register"]},
    "bank": {"bank": ["bank"]},
    "counter": {"counter": ["counter-bounds"], "linearizable": ["counter"]},
    "queue": {"linearizable": ["queue"], "total-queue": ["total-queue"]},
    "lock": {"linearizable": ["mutex"], "fenced-lock": ["fenced-lock"]},
    "long-fork": {"long-fork": ["long-fork"], "isolation": ["rw-register"]},
    "session": {
        "session": ["session-guarantees", "--independent"],
        "causal": ["causal-convergence", "--independent"],
    },
}
"""Workload -> its checker -> model, and options, of ``reprise check``."""


CONVICTED = {
    "cas-register": ("K-2", "16"),
    "set": ("K-9", "0"),
    "append": ("K-6", "0"),
    "wr": ("K-3", "10"),
    "bank": ("K-7", "7"),
    "counter": ("K-8", "0"),
    "queue": ("K-12", "0"),
    "lock": ("K-2", "0"),
    "session": ("K-11", "2"),
}
"""Workload -> a seeded bug, and a seed that shows it."""


def made(folder: Path, capsys: pytest.CaptureFixture, *asked: str):
    """The results of a run, and its folder."""
    main(["run", *asked, "--time-limit", "3", "--store", str(folder), "--json", "--quiet"])
    results = json.loads(capsys.readouterr().out.splitlines()[-1])
    return results, str((folder / "latest").resolve())


def again(run: str, folder: Path, capsys: pytest.CaptureFixture, asked: list[str]):
    """What ``reprise check`` says of a run."""
    code = main(["check", run, "--model", *asked, "--out", str(folder / "page"), "--json"])
    said = capsys.readouterr()
    assert code in (Exit.VALID, Exit.INVALID, Exit.UNKNOWN), said.err
    return json.loads(said.out.splitlines()[-1])["valid"]


def test_every_workload_of_clients_has_a_model() -> None:
    """Only the registry is judged by more than its history."""
    assert {*MODELS, "registry"} == {*WORKLOADS}


@pytest.mark.slow
@pytest.mark.parametrize("workload", MODELS)
def test_a_run_judged_again_has_the_same_verdict(workload: str, tmp_path: Path, capsys) -> None:
    """Each checker's verdict in the run is that of its model on the run's history."""
    results, run = made(tmp_path, capsys, workload, "--seed", "1")

    for checker, asked in MODELS[workload].items():
        assert again(run, tmp_path, capsys, asked) == results["checkers"][checker]["valid"]


@pytest.mark.slow
@pytest.mark.parametrize("workload", CONVICTED)
def test_a_convicted_run_is_convicted_again(workload: str, tmp_path: Path, capsys) -> None:
    """So it is where a seeded bug was convicted; verdicts that did not convict stay too."""
    bug, seed = CONVICTED[workload]
    results, run = made(tmp_path, capsys, workload, "--bug", bug, "--seed", seed)
    verdicts = {checker: results["checkers"][checker]["valid"] for checker in MODELS[workload]}

    assert False in verdicts.values()
    for checker, asked in MODELS[workload].items():
        assert again(run, tmp_path, capsys, asked) == verdicts[checker]
