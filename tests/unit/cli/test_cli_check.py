"""``reprise check`` as its users see it: verdicts, exit codes, the line of JSON, and every mistake in one line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from object_histories import CONVICTED

from harness.cli import main
from harness.cli.exits import Exit
from harness.judges import JUDGES

STALE = (
    "0\t:invoke\t:write\t1\n0\t:ok\t:write\t1\n"
    "0\t:invoke\t:write\t2\n0\t:ok\t:write\t2\n"
    "1\t:invoke\t:read\tnil\n1\t:ok\t:read\t1\n"
)
FRESH = STALE.replace(":ok\t:read\t1", ":ok\t:read\t2")
SKEW = """\
{:index 0, :type :invoke, :process 0, :f :txn, :value [[:r :x nil] [:append :y 1]]}
{:index 1, :type :invoke, :process 1, :f :txn, :value [[:r :y nil] [:append :x 1]]}
{:index 2, :type :ok, :process 0, :f :txn, :value [[:r :x []] [:append :y 1]]}
{:index 3, :type :ok, :process 1, :f :txn, :value [[:r :y []] [:append :x 1]]}
{:index 4, :type :invoke, :process 0, :f :txn, :value [[:r :x nil] [:r :y nil]]}
{:index 5, :type :ok, :process 0, :f :txn, :value [[:r :x [1]] [:r :y [1]]]}
"""
SET = """\
{"process":0,"f":"add","value":["k",1]}
{"process":0,"type":"ok","f":"add","value":["k",1]}
{"process":0,"f":"read","value":["k",null]}
{"process":0,"type":"ok","f":"read","value":["k",[1]]}
"""


@pytest.fixture
def file(tmp_path: Path):
    """``file(text)``: the path of a history."""

    def written(text: str) -> str:
        path = tmp_path / "history"
        path.write_text(text)
        return str(path)

    return written


def test_valid_history(file, capsys) -> None:
    """A history with an order ends with 0 and says what the verdict rests on."""
    assert main(["check", file(FRESH), "--model", "register"]) == Exit.VALID

    output = capsys.readouterr().out
    assert re.match(r"VALID  \S+: linearizable registers, 3 operations \(text\) in \d", output)
    assert "3  operations judged" in output


def test_stale_read_is_convicted(file, capsys) -> None:
    """A read of an overwritten value ends with 1, and the finding names it."""
    assert main(["check", file(STALE), "--model", "register"]) == Exit.INVALID

    output = capsys.readouterr().out
    assert "! no order explains these 3 operations:" in output
    assert "read() -> 1 of process 1, from event 4 to 5" in output


WRONG = {
    "register": ("write 1", "read 2"),
    "cas-register": ("write 1", "cas [2 3]"),
    "kv": ('put ["k" "a"]', 'append ["k" "b"]', 'get ["k" "ba"]'),
    "append": ("append 1", "append 2", "read [2 1]"),
    "set": ("add 1", "read #{1 2}"),
    "queue": ("enqueue 1", "enqueue 2", "dequeue 2"),
    "fifo-queue": ("enqueue 1", "enqueue 2", "dequeue 2"),
    "unordered-queue": ("enqueue 1", "enqueue 2", "dequeue 2", "dequeue 2"),
    "stack": ("push 1", "push 2", "pop 1"),
    "counter": ("add 1", "add 1", "read 3"),
    "multi-register": ("txn [[:write :x 1]]", "txn [[:read :x 2]]"),
    "mutex": ("acquire nil", "acquire nil"),
    "owner-mutex": ("acquire nil", "release nil"),
    "set-full": ("add 1", "read #{1}", "read #{}"),
}
READS = ("read", "get", "dequeue", "pop")


def one_after_the_other(lines) -> str:
    """``"read 2"`` ... as a history: each operation of a process of its own, reads asked without their result."""
    text = ""
    for process, line in enumerate(lines):
        f, value = line.split(" ", 1)
        asked = value
        if f in READS:
            asked = '["k" nil]' if value.startswith('["k"') else "nil"
        text += f"{process}\t:invoke\t:{f}\t{asked}\n{process}\t:ok\t:{f}\t{value}\n"
    return text


@pytest.mark.parametrize(
    "model",
    [pytest.param(one, marks=pytest.mark.slow if one == "kv" else ()) for one in WRONG],
)
def test_every_model_convicts(model: str, file, capsys) -> None:
    """What the model forbids ends with 1 and a finding; with the last answer left out it is no more invalid."""
    lines = WRONG[model]
    keys = ["--independent"] if model == "kv" else []

    assert main(["check", file(one_after_the_other(lines)), "--model", model, *keys]) == 1
    assert "  ! " in capsys.readouterr().out
    assert main(["check", file(one_after_the_other(lines[:-1])), "--model", model, *keys]) == 0


def test_every_model_is_convicted_once() -> None:
    """No model of operations is without its history; transactions have their own tests."""
    models = {name for name, judge in JUDGES.items() if not judge.transactions}

    assert set(WRONG) | set(CONVICTED) == models


def test_nothing_judged_is_unknown(file, capsys) -> None:
    """A history in which nothing is known to have happened earns no pass."""
    lone = "0\t:invoke\t:write\t1\n"

    assert main(["check", file(lone), "--model", "register"]) == Exit.UNKNOWN
    assert capsys.readouterr().out.startswith("UNKNOWN")


def test_results_are_one_line_of_json(file, capsys) -> None:
    """With --json the last line holds verdict, format, facts, evidence and time."""
    assert main(["check", file(STALE), "--model", "cas-register", "--json"]) == Exit.INVALID

    results = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert results["valid"] is False
    assert results["format"] == "text"
    assert results["operations"] == 3
    assert results["facts"]["keys_judged"] == 1
    assert results["evidence"][0]["checker"] == "linearizable"
    assert results["wall_s"] >= 0


def test_consistency_models_are_asked(file, capsys) -> None:
    """Write skew breaks serializability and not snapshot isolation."""
    skew = file(SKEW)

    assert main(["check", skew, "--model", "list-append"]) == Exit.INVALID
    assert "G2-item" in capsys.readouterr().out
    weaker = ["check", skew, "--model", "list-append", "--consistency-models", "snapshot-isolation"]
    assert main(weaker) == Exit.VALID


def test_keys_are_judged_alone(file, capsys) -> None:
    """With --independent a set of each key is a set of its own."""
    assert main(["check", file(SET), "--model", "set-full", "--independent"]) == Exit.VALID
    assert "1  elements stable" in capsys.readouterr().out


def test_format_may_be_named(file, capsys) -> None:
    """Where the beginning of a file says too little, --format says it; a wrong one is refused by line."""
    assert main(["check", file(FRESH), "--model", "register", "--format", "text"]) == Exit.VALID
    wrong = ["check", file(FRESH), "--model", "register", "--format", "plume"]
    assert main(wrong) == Exit.MISTAKE
    assert "line 1 is not of the form" in capsys.readouterr().err


def test_dropped_line_is_told(file, capsys) -> None:
    """An unfinished last line is dropped and said."""
    torn = file(SET + '{"process":0,"f":"re')

    assert main(["check", torn, "--model", "set-full", "--independent"]) == Exit.VALID
    assert "dropped: an unfinished last line" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        (FRESH, ["--model", "registr"], "no model 'registr'; did you mean 'register'?"),
        (FRESH, ["--model", "register", "--format", "ednn"], "did you mean 'edn'?"),
        (FRESH, ["--model", "set-full"], "line 1 (invoke write of process 0) is none of the operations"),
        (FRESH + "1\t:ok\t:read\t1\n", ["--model", "register"], "line 7 (ok read of process 1)"),
        (FRESH, ["--model", "register", "--independent"], "line 1 (invoke write of process 0) has"),
        (FRESH, ["--model", "register", "--consistency-models", "x"], "knows no consistency"),
        (SKEW, ["--model", "list-append", "--consistency-models", "nix"], "nix"),
        ("r(1,1,0,0)\n", ["--model", "rw-register", "--consistency-models", "strict-serializable"],
         "does not say what came first"),
        ("0\t:invoke\t:read\tnil\n0\t:ok\t:read\t0\n1\t:invoke\t:add\t:x\n",
         ["--model", "counter"], "line 3 (add) holds an amount that is no integer"),
        (SKEW.replace("[:append :y 1]]", "[:append :y 1 :v]]"), ["--model", "list-append"],
         "a reported version is a number"),
        ("", ["--model", "register"], "is empty: there is no history in it"),
        ("hello", ["--model", "register"], "no known format begins with 'hello'"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(file, capsys, text: str, arguments: list[str], words: str) -> None:
    """What cannot be judged ends with 254, one line that says why, and no verdict."""
    assert main(["check", file(text), *arguments]) == Exit.MISTAKE

    output = capsys.readouterr()
    assert words in output.err
    assert output.err.count("\n") == 1
    assert output.out == ""


def test_missing_file_is_a_mistake(tmp_path: Path, capsys) -> None:
    """A path where nothing is ends with 254."""
    assert main(["check", str(tmp_path / "nix"), "--model", "register"]) == Exit.MISTAKE
    assert "No such file" in capsys.readouterr().err


def test_report_that_cannot_be_kept_is_a_mistake(file, tmp_path: Path, capsys) -> None:
    """A report that is to go where a file stands ends with 254 and one line."""
    taken = tmp_path / "taken"
    taken.write_text("")

    arguments = ["check", file(FRESH), "--model", "register", "--out", str(taken)]
    assert main(arguments) == Exit.MISTAKE
    assert f"cannot keep a report in {taken}: File exists" in capsys.readouterr().err


def test_one_operation_is_told_as_one(file, capsys) -> None:
    """A conviction of a single operation does not speak of several."""
    text = "1\t:invoke\t:read\tnil\n1\t:ok\t:read\t7\n"

    assert main(["check", file(text), "--model", "register"]) == Exit.INVALID
    assert "! no order explains this operation:" in capsys.readouterr().out


def test_viewer_asks_for_a_model(file, capsys) -> None:
    """Without a model nobody knows what Porcupine's viewer is to show."""
    assert main(["convert", file(FRESH), "--to", "porcupine"]) == Exit.MISTAKE
    assert "--to porcupine needs --model" in capsys.readouterr().err


@pytest.mark.parametrize("model", JUDGES)
def test_documentation_names_every_model(model: str) -> None:
    """docs/check.md and --help know every model of the table."""
    root = Path(__file__).parents[3]
    help_text = (root / "harness/cli/check.py").read_text()

    assert f"`{model}`" in (root / "docs/check.md").read_text()
    assert model in help_text


@pytest.mark.slow
def test_simulation_needs_no_columns() -> None:
    """Everything that a simulated run loads does without numpy."""
    script = (
        "import sys\nimport harness.campaign.runs, harness.campaign.simulate, workloads.catalogue\n"
        "assert 'numpy' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", script], check=True)
