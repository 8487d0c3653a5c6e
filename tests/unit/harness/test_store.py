"""Run folders: layout, the newest, several harnesses at once, and folders that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.trace import Applied, Event, Stopped
from harness.errors import UserMistake
from harness.history import Journal
from harness.operation import Operation
from harness.store import NotARunFolder, RunFolder, Store, open_run

START = "20260102T030405.678Z"


def finished(store: Store, name: str = "register", start: str = START) -> RunFolder:
    """A run with its scenario written."""
    folder = store.create(name, start)
    folder.write_scenario('workload = "register"\n')
    return folder


class TestFolders:
    """Creating and finding runs."""

    def test_a_run_lies_under_its_test_and_its_start(self, tmp_path: Path) -> None:
        """The layout is STORE/<test name>/<start time>/."""
        folder = finished(Store(tmp_path / "store"))

        assert folder.path == tmp_path / "store" / "register" / START
        assert (folder.test_name, folder.start_time) == ("register", START)
        assert folder.scenario.read_text() == 'workload = "register"\n'
        assert folder.node("n1") == folder.path / "nodes" / "n1"
        assert folder.node("n1").is_dir()

    def test_runs_of_one_instant_get_folders_of_their_own(self, tmp_path: Path) -> None:
        """Nobody writes into another one's run."""
        store = Store(tmp_path)
        first, second, third = (finished(store) for _ in range(3))

        assert [one.start_time for one in (first, second, third)] == [
            START,
            f"{START}-2",
            f"{START}-3",
        ]

    def test_latest_points_at_the_newest(self, tmp_path: Path) -> None:
        """The link is relative, so that a store can be moved, and nothing else is left behind."""
        store = Store(tmp_path / "store")
        finished(store)
        second = finished(store, "bank", "20270102T030405.678Z")

        assert store.latest().path == second.path
        assert (tmp_path / "store" / "latest").readlink() == Path("bank") / second.start_time
        assert sorted(one.name for one in (tmp_path / "store").iterdir()) == [
            "bank",
            "latest",
            "register",
        ]

    def test_a_store_can_be_moved(self, tmp_path: Path) -> None:
        """After a move everything is found again."""
        finished(Store(tmp_path / "old"))
        (tmp_path / "old").rename(tmp_path / "new")

        assert Store(tmp_path / "new").latest().test_name == "register"

    def test_runs_are_listed_newest_first(self, tmp_path: Path) -> None:
        """The start time orders them, whatever test they belong to; the link is not counted."""
        store = Store(tmp_path)
        finished(store, "b", "20260101T000000.000Z")
        finished(store, "a", "20260103T000000.000Z")
        finished(store, "c", "20260102T000000.000Z")
        store.create("unborn", "20260104T000000.000Z")

        assert [one.test_name for one in store.runs()] == ["a", "c", "b"]

    def test_an_empty_store_has_no_runs(self, tmp_path: Path) -> None:
        """Asking for the newest says that there is none."""
        store = Store(tmp_path / "nowhere")

        assert store.runs() == []
        with pytest.raises(NotARunFolder, match="there is no such folder"):
            store.latest()

    @pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "latest", "a b"])
    def test_a_name_that_cannot_be_a_folder_is_refused(self, tmp_path: Path, name: str) -> None:
        """Nothing is created for it."""
        with pytest.raises(UserMistake, match="cannot name a folder"):
            Store(tmp_path / "store").create(name, START)

        assert not (tmp_path / "store").exists()

    def test_a_folder_without_a_scenario_is_no_run(self, tmp_path: Path) -> None:
        """The error says what is missing."""
        with pytest.raises(NotARunFolder, match=r"it holds no scenario\.toml"):
            open_run(tmp_path)

    def test_a_run_is_opened_through_the_link(self, tmp_path: Path) -> None:
        """The real folder is what one gets."""
        folder = finished(Store(tmp_path))

        assert open_run(tmp_path / "latest").path == folder.path


class TestFiles:
    """What is in a run folder."""

    def test_history_comes_back(self, tmp_path: Path) -> None:
        """A journal writes into the folder, and the folder reads it."""
        folder = finished(Store(tmp_path))
        with folder.open_history() as file:
            journal = Journal(file)
            journal.record(Operation(f="read"), 3)
            journal.close()

        assert folder.read_history().operations == journal.operations

    def test_trace_comes_back(self, tmp_path: Path) -> None:
        """Events of all kinds, bytes included, are read as they were written."""
        events: list[Event] = [
            Applied(
                at_ns=5,
                node="n1",
                incarnation=1,
                index=7,
                term=2,
                opcode=3,
                digest=9,
                replay=True,
                decision="noop",
                row_before=b"\x00\xff",
            ),
            Stopped(at_ns=6, node="n1", incarnation=1, cause="kill", exit_code=-9),
        ]
        folder = finished(Store(tmp_path))
        folder.write_trace(events)

        assert folder.read_trace() == events

    def test_results_come_back(self, tmp_path: Path) -> None:
        """Plain data, readable by people."""
        folder = finished(Store(tmp_path))
        folder.write_results({"valid": "unknown", "facts": {"kills": 3}})

        assert folder.read_results() == {"valid": "unknown", "facts": {"kills": 3}}
        assert '\n  "valid": "unknown"' in folder.results.read_text()
        assert not list(folder.path.glob(".*"))

    def test_a_run_that_did_not_end_says_so(self, tmp_path: Path) -> None:
        """No results are not the same as bad results."""
        folder = finished(Store(tmp_path))

        with pytest.raises(NotARunFolder, match="it did not end"):
            folder.read_results()

    def test_damaged_results_are_named(self, tmp_path: Path) -> None:
        """The file at fault is in the message."""
        folder = finished(Store(tmp_path))
        folder.results.write_text("{")

        with pytest.raises(NotARunFolder, match=r"results\.json is damaged"):
            folder.read_results()
