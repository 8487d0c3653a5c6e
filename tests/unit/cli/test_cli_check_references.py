"""What files of other tools may leave out, what is refused in them, and what an idle history is worth."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main
from harness.cli.exits import Exit


@pytest.fixture
def results(tmp_path: Path, capsys: pytest.CaptureFixture):
    """``results(text, model, *options)``: exit code, and what ``--json`` says or the one line of a mistake."""

    def asked(text: str, model: str, *options: str):
        path = tmp_path / "history"
        path.write_text(text)
        code = main(["check", str(path), "-m", model, "--out", str(tmp_path), "--json", *options])
        said = capsys.readouterr()
        if code == Exit.MISTAKE:
            return code, said.err.strip()
        return code, json.loads(said.out.splitlines()[-1])

    return asked


TOLD = """{:type :ok, :process 1, :value [[:append :x 1]]}
{:type :info, :process :nemesis, :f :kill}
{:type :ok, :process 2, :value [[:r :x [1]]]}
"""


def test_completions_alone_are_told_as_such(results) -> None:
    """Transactions without invocations are judged, and a note says when they count as invoked."""
    code, found = results(TOLD, "list-append", "-c", "serializable")

    assert code == Exit.VALID
    assert found["operations"] == 2
    assert any("completions alone" in note for note in found["notes"])


def test_invocations_behind_completions_alone_are_refused(results) -> None:
    """A history tells all of its invocations or none; the line at fault is named."""
    code, said = results(
        TOLD + "{:type :invoke, :process 1, :value [[:r :x nil]]}\n", "list-append"
    )

    assert code == Exit.MISTAKE
    assert "line 4 is an invocation" in said


@pytest.mark.parametrize(
    ("second", "code"),
    [("[[:r 1 nil] [:r 0 nil]]", Exit.INVALID), ("[[:r 0 nil] [:r 1 nil]]", Exit.MISTAKE)],
)
def test_completions_find_who_asked_for_them(results, second: str, code: int) -> None:
    """Of several reads without a process each ends as the one with its keys, and equal ones are refused."""
    events = [
        "{:type :invoke, :f :read, :value [[:r 0 nil] [:r 1 nil]]}",
        f"{{:type :invoke, :f :read, :value {second}}}",
        "{:type :ok, :f :read, :value [[:r 0 1] [:r 1 nil]]}",
        "{:type :ok, :f :read, :value [[:r 1 1] [:r 0 nil]]}",
    ]

    assert results("\n".join(events), "long-fork")[0] == code


def test_transactions_of_another_kind_are_refused(results) -> None:
    """Registers are no lists: the model that fits is named."""
    told = TOLD.replace(":append", ":w").replace("[1]]", "1]")

    code, said = results(told, "list-append")
    assert code == Exit.MISTAKE
    assert "of the model rw-register, not of list-append" in said
    assert results(told, "rw-register")[0] == Exit.VALID


def test_unknown_anomalies_are_refused(results) -> None:
    """A name that nobody knows cannot be looked for, and no pass may come of that."""
    code, said = results(TOLD, "list-append", "-a", "G1,G7")

    assert code == Exit.MISTAKE
    assert "there is no anomaly 'G7'" in said


@pytest.mark.parametrize(
    ("ended", "code", "notes"),
    [
        ("ok", Exit.VALID, ["nothing could have gone wrong: the counter was never read"]),
        ("info", Exit.UNKNOWN, []),
    ],
)
def test_idle_histories_pass_where_something_happened(results, ended, code, notes) -> None:
    """Nobody read the counter: valid with a note where an addition ended ok, unknown where nothing did."""
    add = "{:type :invoke, :process 0, :f :add, :value 1}\n{:type :TYPE, :process 0, :f :add, :value 1}"

    found, said = results(add.replace("TYPE", ended), "counter-bounds")
    assert found == code
    assert said["notes"] == notes


def test_idle_keys_pass_one_by_one(results) -> None:
    """Of independent counters one that nobody read says nothing against the others."""
    events = [
        "{:type :invoke, :process 0, :f :add, :value [7 1]}",
        "{:type :ok, :process 0, :f :add, :value [7 1]}",
        "{:type :invoke, :process 0, :f :read, :value [8 nil]}",
        "{:type :ok, :process 0, :f :read, :value [8 0]}",
    ]

    code, found = results("\n".join(events), "counter-bounds", "--independent")
    assert code == Exit.VALID
    assert len(found["notes"]) == 1
