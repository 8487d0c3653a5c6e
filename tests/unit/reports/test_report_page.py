"""The page as HTML: what a reader must be able to find in it without a script."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from synthetic_runs import synthetic_run

from harness.store import NotARunFolder, RunFolder, Store
from reports.index_page import index_rows, render_index, write_index
from reports.page import ReportData, render
from reports.reading import read_run, write_report


def words(page: str) -> str:
    """The text of the page without markup, style and script."""
    bare = re.sub(r"<(style|script)\b.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", bare)


def embedded(page: str) -> Any:
    """The data of the charts."""
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_invalid_run_says_what_broke_first() -> None:
    """Verdict, first finding, place, crash point and both epochs stand in this order, and the command repeats the run."""
    page = words(render(synthetic_run(False)))
    wanted = ["Invalid", "3 findings by registry, restart-loop; the first at 2.910 s on n3", "./reprise run crash-replay --world sim",
              "--seed 4711 --bug B-S1", "What broke", "n3 halted while replaying its own registration at entry 66",
              "eng.after_apply_before_set_applied", "equal: a replay changes nothing", "What the verdict rests on"]  # fmt: skip
    places = [page.find(sentence) for sentence in wanted]

    assert -1 not in places
    assert sorted(places) == places


def test_valid_run_says_what_the_pass_rests_on() -> None:
    """A pass names its stimuli, and has no section of findings."""
    page = render(synthetic_run(True))

    assert "7 checkers found nothing wrong, and 3 required stimuli happened." in words(page)
    assert "met, 1 needed" in words(page)
    assert 'id="findings"' not in page


def test_unknown_run_says_what_is_missing() -> None:
    """Nothing that did not happen is passed over."""
    page = words(render(synthetic_run("unknown")))

    assert (
        "Nothing was proved: the run needed replayed noops, crash points hit, restarts, and did not get them."
        in page
    )
    assert page.count("missing, 1 needed") == 3


def test_page_asks_nobody_for_anything() -> None:
    """No address but the empty icon and the names of XML stands in the page."""
    page = render(synthetic_run(False))

    assert re.findall(r"(?:src|href)=\"(?!#|data:,)[^\"]*\"|https?://", page) == []


def test_hostile_words_stay_words() -> None:
    """Text from the system under test can neither end the data block nor start an element."""
    hostile = "</script><script>alert(1)</script><!--"
    data = synthetic_run(False, operations=5)
    results = {**data.results, "workload": hostile}
    results["checkers"] = {
        "registry": {"valid": False, "evidence": [{"what": hostile, "node": hostile}]}
    }
    history = [msgspec.structs.replace(operation, value=hostile) for operation in data.history]
    page = render(ReportData(results=results, history=history, trace=data.trace))

    assert "<script>alert" not in page
    assert hostile in embedded(page)["operations"]["texts"][0]


def test_bare_results_make_a_page() -> None:
    """A verdict alone is enough: what is missing is not shown."""
    page = words(render(ReportData(results={"valid": "unknown"})))

    assert "Nothing was proved: a checker could not decide." in page
    assert "This run kept no facts." in page
    assert "No checker judged this run." in page


def test_page_is_the_same_every_time() -> None:
    """Equal data gives equal bytes."""
    assert render(synthetic_run(False)) == render(synthetic_run(False))


def test_harness_failure_is_not_counted_as_a_checker() -> None:
    """The harness's own entries among the checkers earn no praise."""
    results = {
        "valid": True,
        "checkers": {
            "harness": {"valid": True},
            "stimuli": {"valid": True},
            "agreement": {"valid": True},
        },
    }

    assert "1 checker found nothing wrong" in words(render(ReportData(results=results)))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three runs: valid, invalid, and one that never ended."""
    store = Store(tmp_path / "store")
    for number, valid in enumerate((True, False, None)):
        data = synthetic_run(valid, operations=20)
        run = store.create("crash-replay", f"20261124T03100{number}.000Z")
        run.write_scenario(data.scenario)
        run.history.write_bytes(msgspec.json.Encoder().encode_lines(data.history))
        if valid is not None:
            run.write_trace(data.trace)
            run.write_results(dict(data.results))
    return store


def run_named(store: Store, number: int) -> RunFolder:
    """The run that was made as `number`."""
    return next(run for run in store.runs() if run.start_time == f"20261124T03100{number}.000Z")


def test_run_folder_becomes_a_page(store: Store) -> None:
    """Rendering from the files gives what rendering from memory gives."""
    run = run_named(store, 1)
    write_report(run)
    data = synthetic_run(False, operations=20)

    assert data.trace == read_run(run).trace
    assert embedded(render(data)) == embedded(run.report.read_text())


def test_unfinished_run_has_no_page(store: Store) -> None:
    """Without results there is no verdict to show."""
    with pytest.raises(NotARunFolder, match=r"no results\.json"):
        write_report(run_named(store, 2))


def test_index_lists_the_newest_first(store: Store) -> None:
    """Every run is there, also one that never ended; only rendered ones are linked."""
    write_report(run_named(store, 1))
    found = index_rows(store)

    assert [row.verdict for row in found] == ["unfinished", "invalid", "valid"]
    assert [row.link for row in found] == ["", "crash-replay/20261124T031001.000Z/report.html", ""]


def test_index_says_what_a_run_without_results_was_to_be(store: Store) -> None:
    """Workload, world and seed of a run that never ended stand in its scenario; where that is damaged nothing is said."""
    for start, text in (("1", 'workload = "set"\nworld = "local"\nseed = 7\n'), ("2", "workload")):
        store.create("set", f"20261124T05100{start}.000Z").write_scenario(text)
    damaged, begun, *_ = index_rows(store)

    assert (begun.verdict, begun.workload, begun.world, begun.seed) == (
        "unfinished",
        "set",
        "local",
        "7",
    )
    assert (damaged.verdict, damaged.workload) == ("unfinished", "")


def test_index_says_why_a_run_failed(store: Store) -> None:
    """The first finding of a failed run stands in its line."""
    page = Path(write_index(store)).read_text()

    assert "n3 halted while replaying" in words(page)
    assert "3 runs in store" in words(page)


def test_index_says_why_a_run_proved_nothing(store: Store) -> None:
    """Unknown needs its reason as much as invalid does."""
    run = store.create("crash-replay", "20261124T041000.000Z")
    run.write_scenario("")
    run.write_results(dict(synthetic_run("unknown", operations=20).results))

    assert index_rows(store)[0].remark.startswith("No registration was replayed")


def test_unknown_is_headed_by_its_reason() -> None:
    """Whoever reads one sentence learns what was missing, not that something was."""
    data = synthetic_run("unknown", operations=20)
    results = {**data.results, "stimuli": []}
    page = words(render(ReportData(results=results, history=data.history, trace=data.trace)))

    assert "Nothing was proved: No registration was replayed: nothing can be said" in page


def test_empty_index_is_a_page() -> None:
    """A store without runs says so."""
    assert "No run yet." in words(render_index([], "store"))
