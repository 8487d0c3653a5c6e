"""``reprise bugs``: what is listed, and what a score says and costs."""

from __future__ import annotations

import json

import msgspec
import pytest

from cluster.bugs.catalogue import CATALOGUE, PENDING
from harness.campaign.score import BugScore, look_for
from harness.cli import bugs as bugs_command
from harness.cli.guard import guarded


def score_of(**found):
    """A stand-in for the search: bug id -> whether it is found, in one seed."""

    def look(bug_id, _budget_s):
        return BugScore(
            id=bug_id, found=found[bug_id.replace("-", "_")], seeds=1, seed=0, cpu_s=0.5
        )

    return look


def test_the_list_names_every_bug(capsys):
    """Each with what is broken, and what is not planted with what it waits for."""
    assert guarded(["bugs", "list"]) == 0
    shown = capsys.readouterr().out
    for bug in CATALOGUE.values():
        assert f"{bug.title} ({bug.source})" in shown
    assert all(one.waits_for in shown for one in PENDING)


def test_the_list_as_json_holds_the_scenarios(capsys):
    """A program gets the rows of the catalogue as they are, without code."""
    assert guarded(["bugs", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    rows = {row["id"]: row for row in listed["bugs"]}
    assert rows.keys() == CATALOGUE.keys()
    assert rows["K-9"]["way"]["workload"] == "set"
    assert "parts" not in rows["K-9"]


@pytest.mark.parametrize(("second", "status"), [(True, 0), (False, 1)])
def test_a_missed_bug_is_an_exit_of_one(second, status, capsys, monkeypatch, tmp_path):
    """The sum goes to standard output as JSON and into a file of the store."""
    monkeypatch.setattr("harness.campaign.score.look_for", score_of(K_9=True, K_13=second))
    asked = ["bugs", "score", "--only", "K-9,K-13", "--jobs", "1", "--store", str(tmp_path)]
    assert guarded([*asked, "--json", "--quiet"]) == status
    told = json.loads(capsys.readouterr().out)
    assert (told["total"], told["found"], told["median_seeds"]) == (2, 1 + second, 1)
    assert told["cpu_s"] == 1.0
    [kept] = (tmp_path / "scores").iterdir()
    assert json.loads(kept.read_text()) == told


def test_an_unknown_bug_is_a_mistake(capsys):
    """With the nearest name."""
    assert guarded(["bugs", "score", "--only", "K-99"]) == 254
    assert "no bug 'K-99'" in capsys.readouterr().err


def test_a_conviction_for_another_reason_does_not_count(monkeypatch):
    """A bug is found when one of the checkers that must catch it says so, not by any other."""
    bug = CATALOGUE["K-9"]
    assert look_for("K-9", None).found
    way = msgspec.structs.replace(bug.way, seeds=1)
    other = msgspec.structs.replace(bug, caught_by=("clocks",), way=way)
    monkeypatch.setitem(CATALOGUE, "K-9", other)
    missed = look_for("K-9", None)
    assert (missed.found, missed.seeds, missed.checkers) == (False, 1, ())


def test_the_score_is_kept_under_the_version_of_the_code():
    """The name says which commit it is of, or which version."""
    assert bugs_command._code_version()
