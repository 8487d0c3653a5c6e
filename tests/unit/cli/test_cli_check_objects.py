"""``reprise check`` with the models of whole objects: each convicts, each passes, each refuses by line what is of another form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from object_histories import CONVICTED, one_by_one

from harness.cli import main
from harness.cli.exits import Exit


@pytest.fixture
def file(tmp_path: Path):
    """``file(bytes or text)``: the path of a history."""

    def written(content: bytes | str) -> str:
        path = tmp_path / "history"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return written


@pytest.mark.parametrize("model", CONVICTED)
def test_object_model_convicts(model: str, file, capsys) -> None:
    """What the model forbids ends with 1 and a finding that names its operations; without that it is valid."""
    good, bad = CONVICTED[model]

    assert main(["check", file(one_by_one(good)), "--model", model]) == Exit.VALID
    assert main(["check", file(one_by_one(good + bad)), "--model", model, "--json"]) == 1
    first, *_ = json.loads(capsys.readouterr().out.splitlines()[-1])["evidence"]
    assert first["what"]
    assert first["operations"]


@pytest.mark.parametrize("model", CONVICTED)
def test_object_model_earns_its_pass(model: str, file, capsys) -> None:
    """A history in which nothing ended is unknown."""
    invoked = one_by_one(CONVICTED[model][0]).splitlines()[0]

    assert main(["check", file(invoked + b"\n"), "--model", model]) == Exit.UNKNOWN
    assert "  ! " in capsys.readouterr().out


STRANGE = {
    "set-full": ("read", "null", "7", "a list"),
    "total-queue": ("drain", "null", "7", "a list"),
    "counter-bounds": ("read", "null", '"x"', "an integer"),
    "bank": ("read", "null", "[1, 2]", "a map from accounts to integers"),
    "long-fork": ("txn", '[["r", "x"]]', "null", "one write or some reads"),
    "monotonic": ("read", "null", '"x"', "an integer, or a map to integers"),
    "sequential": ("read", '"k"', '["k"]', "a key and a list"),
    "causal-reverse": ("read", "null", "7", "a list"),
    "session-versions": ("read", "null", '"x"', "an integer"),
    "fenced-lock": ("write", "[1]", "[1]", "a token and a value"),
    "kafka": ("poll", '[["poll"]]', '[["poll", [1]]]', "a list of sends"),
}


@pytest.mark.parametrize("model", STRANGE)
def test_other_forms_are_refused_by_line(model: str, file, capsys) -> None:
    """A value that is no such thing as the model judges is a mistake in one line of the file."""
    f, asked, told, words = STRANGE[model]
    line = f'{{"process":0,"type":"%s","f":"{f}","value":%s}}\n'

    strange = file(line % ("invoke", asked) + line % ("ok", told))
    assert main(["check", strange, "--model", model]) == Exit.MISTAKE
    error = capsys.readouterr().err
    assert words in error
    assert "line 1 " in error or "line 2 " in error
    assert error.count("\n") == 1


def test_jepsen_and_elle_files_are_judged(file) -> None:
    """Keywords, maps with numbers for keys, and sets of EDN mean what they mean in JSON."""
    bank = (
        "{:type :invoke, :process 0, :f :read, :value nil}\n"
        "{:type :ok, :process 0, :f :read, :value {0 5, 1 5}}\n"
        "{:type :invoke, :process 0, :f :read, :value nil}\n"
        "{:type :ok, :process 0, :f :read, :value {0 5, 1 4}}\n"
    )
    comments = (
        "{:type :invoke, :process 0, :f :write, :value 1}\n{:type :ok, :process 0, :f :write, :value 1}\n"
        "{:type :invoke, :process 0, :f :write, :value 2}\n{:type :ok, :process 0, :f :write, :value 2}\n"
        "{:type :invoke, :process 1, :f :read, :value nil}\n{:type :ok, :process 1, :f :read, :value #{2}}\n"
    )
    kafka = (
        "{:type :invoke, :process 0, :f :send, :value [[:send 5 7]]}\n"
        "{:type :ok, :process 0, :f :send, :value [[:send 5 [0 7]]]}\n"
        "{:type :invoke, :process 1, :f :poll, :value [[:poll]]}\n"
        "{:type :ok, :process 1, :f :poll, :value [[:poll {5 [[0 7] [1 7]]}]]}\n"
    )

    assert main(["check", file(bank), "--model", "bank"]) == Exit.INVALID
    assert main(["check", file(comments), "--model", "comments"]) == Exit.INVALID
    assert main(["check", file(kafka), "--model", "kafka"]) == Exit.INVALID


def test_causality_goes_across_keys(file, capsys) -> None:
    """With --independent the keys of causal consistency are judged together, and those of a counter alone."""
    lines = ['0 write ["x", 1]', '0 write ["y", 1]', '1 read ["y", 1]', '1 read ["x", null]']

    across = ["check", file(one_by_one(lines, keyed=True)), "--independent", "--model"]
    assert main([*across, "causal"]) == Exit.INVALID
    assert "is in its causal past" in capsys.readouterr().out
    assert main([*across, "session-guarantees"]) == Exit.UNKNOWN

    counters = ['0 add ["a", 1]', '1 read ["a", 1]', '0 add ["b", 2]', '1 read ["b", 1]']
    alone = ["check", file(one_by_one(counters, keyed=True)), "--independent", "--model"]
    assert main([*alone, "counter-bounds"]) == Exit.INVALID
    assert "! key 'b': the counter was read as 1 when it was at least 2" in capsys.readouterr().out
