"""The pages of a night: what needs eyes first, in four forms that agree."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

from harness.campaign.night import Done, Ended, Outcome, RunLine
from harness.campaign.night_folder import NightFolder, open_night
from harness.campaign.night_plan import NightPlan, Step
from harness.checkers.checker import Valid
from reports.night_page import write_pages


def step(name: str) -> Step:
    """An entry that is to be valid."""
    return Step(
        name=name, kind="run", budget_s=90.0, expect="valid", keep_going=False, fresh=False, scenarios=()
    )  # fmt: skip


def done(store: Path, valid: Valid, words: str = "") -> Outcome:
    """An outcome with one run, whose report lies in `store`."""
    line = RunLine(
        world="sim", workload="set", seed=4, seeds=1, valid=valid, wall_s=2.0, words=words,
        report=str(store / "set" / "t" / "report.html"), command="./reprise replay store/set/t",
    )  # fmt: skip
    return Outcome(state="done", wall_s=2.0, runs=(line,))


PLAN = NightPlan(
    name="night", text="plan", steps=(step("fine"), step("<bad>"), step("broken"), step("left"))
)


def pages(store: Path) -> NightFolder:
    """A night in which one entry passed, one failed, one could not be done, and one is left."""
    night = open_night(store, "night", "plan", 100, "20260101T000000Z")
    with night.writing() as journal:
        journal.write(Done(0, done(store, True)))
        journal.write(Done(1, done(store, False, "set: element 3 & more \x00 was lost")))
        journal.write(Done(2, Outcome(state="failed", wall_s=1.0, words="no containers here")))
    write_pages(PLAN, night)
    return night


def test_the_index_shows_first_what_needs_eyes_and_links_every_report(tmp_path: Path) -> None:
    """Errors, then failures, then what is left, then what passed; names are escaped, links relative."""
    page = pages(tmp_path).index.read_text(encoding="utf-8")

    places = [page.index(name) for name in ("broken", "&lt;bad&gt;", ">left<", ">fine<")]
    assert places == sorted(places)
    assert page.count('href="../../../set/t/report.html"') == 2
    assert "http" not in page.replace("http-equiv", "")


def test_junit_counts_what_its_readers_count(tmp_path: Path) -> None:
    """One case an entry; a wrong verdict is a failure, what the harness could not do an error."""
    suite = ET.parse(pages(tmp_path).junit).getroot()[0]

    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4", "failures": "1", "errors": "1", "skipped": "1"
    }  # fmt: skip
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert "element 3 & more  was lost" in failure.get("message", "")


def test_the_summary_names_what_failed_and_where_its_report_is(tmp_path: Path) -> None:
    """One line an entry, the report below where something is wrong, the index at the end."""
    night = pages(tmp_path)
    lines = night.summary.read_text(encoding="utf-8").splitlines()

    assert lines[0].endswith("1 error, 1 failed, 1 unfinished, 1 passed")
    assert "no containers here" in lines[1]
    assert "invalid on sim where valid was expected" in lines[2]
    assert lines[3].strip() == f"report: {tmp_path / 'set' / 't' / 'report.html'}"
    assert lines[-1].strip() == f"index: {night.index}"


def test_later_nights_show_how_each_entry_did_before(tmp_path: Path) -> None:
    """The next night links the one before, and has its grade beside each entry."""
    earlier = pages(tmp_path)
    with earlier.writing() as journal:
        journal.write(Ended())
    night = open_night(tmp_path, "night", "plan", 200, "20260102T000000Z")
    write_pages(PLAN, night)
    page = night.index.read_text(encoding="utf-8")

    assert 'href="../20260101T000000Z/index.html"' in page
    assert '<i class="invalid" title="failed">f</i>' in page
    assert json.loads(night.results.read_bytes())["counts"] == {"unfinished": 4}
