"""What shrinking leaves behind, in the folder ``shrunk`` of the run: the small run as a run folder of its own, and what else a person needs.

RUN/shrunk/
    scenario.toml ... report.html    the smallest run, replayed and reported like any other
    passing/                         the closest run that passes, a run folder as well
    test_shrunk.py                   the same as a test: red until the failure is gone
    shrink.json                      what it was made from, and how; shrink.html is rendered from it
    answers.txt                      what has been tried: shrinking that was ended goes on from there
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import msgspec

from harness.campaign.outcome import Finished, keep
from harness.campaign.shrink_cause import Cause
from harness.campaign.shrink_sibling import Sibling
from harness.scenario import dump_scenario
from harness.store import NotARunFolder, RunFolder

__all__ = ["Shrunk", "ShrunkFolder", "summary_of"]

_TEST = '''"""The smallest run that was found to fail with {words!r}; written by ``reprise shrink``.

Red as long as the failure is there. Run it with ``./reprise test {name}``, or with pytest where Reprise is installed.
"""

from harness.campaign.shrink_cause import Cause, causes_of
from harness.campaign.simulate import simulate
from harness.cli.options import known
from harness.scenario import load_scenario

SCENARIO = {scenario}


def test_the_failure_is_gone():
    """What is left (operations: {operations}, faults: {faults}, nodes: {nodes}) no longer ends in this failure."""
    results = simulate(load_scenario(SCENARIO, known())).results

    assert {cause!r} not in causes_of(results), results["evidence"]
'''


class Shrunk(msgspec.Struct, frozen=True, kw_only=True):
    """How a run was shrunk. Sizes are (faults, operations, nodes); `complete`: nothing more can be left out, else time was over."""

    run: str
    cause: Cause
    before: tuple[int, int, int]
    after: tuple[int, int, int]
    complete: bool
    tried: int
    wall_s: float
    replays: int
    identical: int
    sibling: Sibling | None


class ShrunkFolder:
    """The folder of the shrunk run of `run`, made if need be. Layout only."""

    def __init__(self, run: RunFolder) -> None:
        path = run.path / "shrunk"
        path.mkdir(exist_ok=True)
        self.run = RunFolder(path)
        self.answers = path / "answers.txt"
        self.test = path / "test_shrunk.py"
        self.about = path / "shrink.json"
        self.page = path / "shrink.html"
        self.passing = path / "passing"

    def write(self, finished: Finished, shrunk: Shrunk, passing: Finished | None) -> None:
        """Put everything there but the pages; what an earlier shrinking left is replaced."""
        _keep_anew(finished, self.run)
        if passing is not None:
            self.passing.mkdir(exist_ok=True)
            _keep_anew(passing, RunFolder(self.passing))
        faults, operations, nodes = shrunk.after
        text = dump_scenario(finished.scenario)
        self.test.write_text(
            _TEST.format(
                words=shrunk.cause.words,
                name=self.test,
                scenario=_literal(text),
                cause=shrunk.cause,
                operations=operations,
                faults=faults,
                nodes=nodes,
            ),
            encoding="utf-8",
        )
        _write_whole(self.about, msgspec.json.format(msgspec.json.encode(shrunk), indent=2))

    def read(self) -> Shrunk:
        """Read what was written. Raises NotARunFolder when it is missing or damaged."""
        try:
            return msgspec.json.decode(self.about.read_bytes(), type=Shrunk)
        except FileNotFoundError:
            raise NotARunFolder(f"{self.about} is missing: the run was not shrunk") from None
        except msgspec.MsgspecError as error:
            raise NotARunFolder(f"{self.about} is damaged: {error}") from None


def _literal(text: str) -> str:
    """`text` as Python; in lines where it can be."""
    return repr(text) if "'''" in text or text.endswith("'") else f"r'''\n{text}'''"


def _keep_anew(finished: Finished, folder: RunFolder) -> None:
    """Keep a run where an earlier one may lie."""
    folder.history.unlink(missing_ok=True)
    command = f"./reprise replay {shlex.quote(str(folder.path))}"
    results = {**finished.results, "command": command, "started": ""}
    keep(msgspec.structs.replace(finished, results=results), folder)


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(content)
    temporary.replace(path)


def summary_of(shrunk: Shrunk, folder: ShrunkFolder) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    faults, operations, nodes = shrunk.after
    return {
        "run": shrunk.run,
        "cause": msgspec.to_builtins(shrunk.cause),
        "operations": operations,
        "faults": faults,
        "nodes": nodes,
        "before": dict(zip(("faults", "operations", "nodes"), shrunk.before, strict=True)),
        "complete": shrunk.complete,
        "tried": shrunk.tried,
        "wall_s": shrunk.wall_s,
        "replays": shrunk.replays,
        "identical": shrunk.identical,
        "sibling": shrunk.sibling.left_out if shrunk.sibling else None,
        "passing": str(folder.passing) if shrunk.sibling else None,
        "scenario": str(folder.run.scenario),
        "test": str(folder.test),
        "page": str(folder.page),
        "report": str(folder.run.report),
    }
