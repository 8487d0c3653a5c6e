"""The store: where runs are kept, one folder each, and how to find them again.

    STORE/<test name>/<start time>/
        scenario.toml  history.jsonl  trace.jsonl  tape.msgpack  results.json  report.html
        plots/  nodes/<node>/
    STORE/latest -> <test name>/<start time>

Only layout lives here: nobody else builds a path of the store by hand. Everything that appears
there appears whole: files by write and rename, the link by rename, a folder by an exclusive mkdir,
so that several harnesses may share a store. The start time is given by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec

from cluster.trace import Event
from harness.errors import UserMistake
from harness.history import History, load_history

__all__ = ["NotARunFolder", "RunFolder", "Store", "open_run"]

SAME_START_MAX = 1_000
"""So many runs of one test may start at the same time."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*\Z")
_LATEST = "latest"

_trace_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class NotARunFolder(UserMistake):
    """A path was given for a run, and no run is there; the text says what is missing."""


class RunFolder:
    """One run on disk. `path` is absolute."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.scenario = path / "scenario.toml"
        self.history = path / "history.jsonl"
        self.trace = path / "trace.jsonl"
        self.results = path / "results.json"
        self.report = path / "report.html"
        self.plots = path / "plots"
        self.tape = path / "tape.msgpack"

    @property
    def test_name(self) -> str:
        """The name of the test."""
        return self.path.parent.name

    @property
    def start_time(self) -> str:
        """The start time, as it was given; with a suffix when several runs had the same."""
        return self.path.name

    def node(self, node: str) -> Path:
        """Return the folder for the logs and data of `node`, made if need be."""
        folder = self.path / "nodes" / node
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def read_scenario(self) -> str:
        """Read ``scenario.toml``. Raises NotARunFolder when it is no text."""
        try:
            return self.scenario.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise NotARunFolder(f"{self.scenario} is damaged: {error}") from None

    def write_scenario(self, text: str) -> None:
        """Put ``scenario.toml`` there: from now on the folder is a run."""
        _write_whole(self.scenario, text.encode())

    def open_history(self) -> BinaryIO:
        """Open ``history.jsonl`` for a `Journal`."""
        return self.history.open("ab")

    def read_history(self) -> History:
        """Read ``history.jsonl``. Raises HistoryDamaged, FileNotFoundError."""
        return load_history(self.history)

    def write_trace(self, events: Sequence[Event]) -> None:
        """Put ``trace.jsonl`` there: one event a line."""
        _write_whole(self.trace, msgspec.json.Encoder().encode_lines(events))

    def read_trace(self) -> list[Event]:
        """Read ``trace.jsonl``. Raises FileNotFoundError, and NotARunFolder when it is damaged."""
        try:
            return _trace_decoder.decode_lines(self.trace.read_bytes())
        except msgspec.MsgspecError as error:
            raise NotARunFolder(f"{self.trace} is damaged: {error}") from None

    def write_tape(self, draws: dict[str, list[int]]) -> None:
        """Put ``tape.msgpack`` there: the draws of the run by stream."""
        _write_whole(self.tape, msgspec.msgpack.encode(draws))

    def read_tape(self) -> dict[str, list[int]]:
        """Read ``tape.msgpack``. Raises NotARunFolder when it is missing or damaged."""
        try:
            return msgspec.msgpack.decode(self.tape.read_bytes(), type=dict[str, list[int]])
        except (FileNotFoundError, msgspec.MsgspecError) as error:
            raise NotARunFolder(f"{self.tape}: the tape cannot be read: {error}") from None

    def write_results(self, results: dict[str, Any]) -> None:
        """Put ``results.json`` there."""
        encoded = msgspec.json.format(msgspec.json.encode(results), indent=2)
        _write_whole(self.results, encoded + b"\n")

    def read_results(self) -> dict[str, Any]:
        """Read ``results.json``. Raises NotARunFolder when the run never came to its results, or they are damaged."""
        try:
            found = msgspec.json.decode(self.results.read_bytes(), type=dict[str, Any])
            msgspec.convert(found, _Results)
        except FileNotFoundError:
            raise NotARunFolder(
                f"{self.path}: the run has no results.json; it did not end (reprise check judges the history that it left)"
            ) from None
        except msgspec.MsgspecError as error:
            raise NotARunFolder(f"{self.results} is damaged: {error}") from None
        return found


class _Results(msgspec.Struct):
    """What whoever reads results may rely on; the rest of them comes and goes."""

    valid: bool | Literal["unknown"]
    facts: dict[str, Any] = {}
    checkers: dict[str, dict[str, Any]] = {}
    stimuli: list[dict[str, Any]] = []
    evidence: list[dict[str, Any]] = []
    environment: dict[str, str] = {}
    duration_ns: int = 0


class Store:
    """A folder of runs; made when the first run is."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def create(self, test_name: str, start_time: str) -> RunFolder:
        """Make the folder of a new run, and point ``latest`` at it.

        A second run of the same start time gets ``-2`` behind it, and so on. Raises UserMistake for
        a name that cannot be a folder's, and for a store that cannot be written.
        """
        for what, name in (("test name", test_name), ("start time", start_time)):
            if not _NAME.match(name) or name == _LATEST:
                raise UserMistake(
                    f"the {what} {name!r} cannot name a folder of the store; allowed are letters, digits "
                    f"and . _ + - (not at the front), but not {_LATEST!r}"
                )
        try:
            path = self._fresh_folder(self.root / test_name, start_time)
            self._point_latest_at(path)
        except OSError as error:
            raise UserMistake(f"cannot keep a run in {self.root}: {error}") from None
        return RunFolder(path)

    def runs(self) -> list[RunFolder]:
        """Return all runs, the newest first."""
        scenarios = self.root.glob("*/*/scenario.toml")
        folders = [scenario.parent for scenario in scenarios if not _is_link(scenario.parent)]
        folders.sort(key=lambda folder: (folder.name, folder.parent.name), reverse=True)
        return [RunFolder(folder) for folder in folders]

    def latest(self) -> RunFolder:
        """Return the newest run. Raises NotARunFolder when there is none."""
        return open_run(self.root / _LATEST)

    def _fresh_folder(self, parent: Path, start_time: str) -> Path:
        parent.mkdir(parents=True, exist_ok=True)
        for number in range(1, SAME_START_MAX + 1):
            path = parent / (start_time if number == 1 else f"{start_time}-{number}")
            try:
                path.mkdir()
            except FileExistsError:
                continue
            return path
        raise UserMistake(f"{parent} already holds {SAME_START_MAX} runs started at {start_time}")

    def _point_latest_at(self, path: Path) -> None:
        # The temporary link is named after the run, so two harnesses never share one.
        temporary = self.root / f".{_LATEST}-{path.parent.name}-{path.name}"
        temporary.symlink_to(path.relative_to(self.root))
        temporary.replace(self.root / _LATEST)


def open_run(path: Path) -> RunFolder:
    """Return the run at `path` (links are followed). Raises NotARunFolder saying why it is none."""
    resolved = path.resolve()
    if not resolved.exists():
        raise NotARunFolder(f"{path}: there is no such folder")
    if not (resolved / "scenario.toml").is_file():
        raise NotARunFolder(f"{path} is no run folder: it holds no scenario.toml")
    return RunFolder(resolved)


def _is_link(folder: Path) -> bool:
    return folder.is_symlink() or folder.parent.is_symlink()


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, also for a reader at this moment."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(content)
    temporary.replace(path)
