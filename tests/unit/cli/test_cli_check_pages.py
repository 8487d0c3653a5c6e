"""What ``reprise check`` keeps and prints: pages, lines for several files, elle-cli's options; and ``reprise convert``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.cli import checking, main
from harness.cli.exits import Exit

SKEW = """\
{:index 0, :type :invoke, :process 0, :f :txn, :value [[:r :x nil] [:append :y 1]]}
{:index 1, :type :invoke, :process 1, :f :txn, :value [[:r :y nil] [:append :x 1]]}
{:index 2, :type :ok, :process 0, :f :txn, :value [[:r :x []] [:append :y 1]]}
{:index 3, :type :ok, :process 1, :f :txn, :value [[:r :y []] [:append :x 1]]}
{:index 4, :type :invoke, :process 0, :f :txn, :value [[:r :x nil] [:r :y nil]]}
{:index 5, :type :ok, :process 0, :f :txn, :value [[:r :x [1]] [:r :y [1]]]}
"""
STALE = (
    "0\t:invoke\t:write\t1\n0\t:ok\t:write\t1\n0\t:invoke\t:write\t2\n0\t:ok\t:write\t2\n"
    "1\t:invoke\t:read\tnil\n1\t:ok\t:read\t1\n"
)
FRESH = STALE.replace("read\t1", "read\t2")
BANK = '[{"type":"invoke","f":"read","process":0},{"type":"ok","f":"read","process":0,"value":{"a":7,"b":-2}}]'


@pytest.fixture
def file(tmp_path: Path):
    """``file(name, text)``: the path of a history."""

    def written(name: str, text: str) -> str:
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return written


def words(page: str) -> str:
    """The text of a page without markup and style."""
    bare = re.sub(r"<style\b.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", bare)


def test_page_says_what_broke_and_draws_it(file, tmp_path, capsys) -> None:
    """One page, which asks nobody for anything: verdict, sentences, the cycle, the operations in time, how it was judged."""
    out = tmp_path / "out"

    assert (
        main(["check", file("h.edn", SKEW), "--model", "list-append", "--out", str(out)])
        == Exit.INVALID
    )

    page = (out / "report.html").read_text()
    for sentence in (
        "Invalid 3 operations are not what they must be",
        "G2-item (also write-skew, G-update): a cycle of 2 transactions",
        "T0 comes before T1 (rw)",
        "How it was judged models strict-serializable",
    ):
        assert sentence in words(page)
    assert page.count('class="arrow rw"') == 2
    assert page.count('<g class="told">') == 4
    assert "process 1" in page
    assert not re.search(r"<script|(?:src|href)=.(?!data:|#)", page)
    assert (out / "G2-item/0.svg").read_text().startswith("<svg xmlns=")
    assert json.loads((out / "results.json").read_text())["valid"] is False
    assert f"report: {out}/report.html" in capsys.readouterr().out


def test_page_shows_operations_beside_those_that_no_order_explains(file, tmp_path) -> None:
    """Operations that no order explains are told from those that overlap them."""
    text = STALE.replace(
        "0\t:ok\t:write\t1", "2\t:invoke\t:read\tnil\n2\t:ok\t:read\tnil\n0\t:ok\t:write\t1"
    )

    main(["check", file("h.txt", text), "--model", "register", "--out", str(tmp_path / "out")])

    page = (tmp_path / "out/report.html").read_text()
    assert page.count('<g class="told">') == 3
    assert page.count('<g class="near">') == 1
    assert "judged by zones" in words(page)


def test_page_of_one_file_is_in_the_store(file, tmp_path) -> None:
    """Without a folder for it the page goes where pages of runs go, each to its own."""
    for _ in range(3):
        main(["check", file("h.txt", STALE), "-m", "register", "--store", str(tmp_path / "store")])

    assert len(list((tmp_path / "store/check-register").glob("*/report.html"))) == 3


def test_valid_page_is_no_conviction(file, tmp_path) -> None:
    """A page of what was found right has no findings, and says what was judged."""
    right = file("h.txt", STALE.replace("read\t1", "read\t2"))

    main(["check", right, "--model", "register", "--out", str(tmp_path / "out")])

    page = (tmp_path / "out/report.html").read_text()
    assert "3 operations are what they must be: linearizable registers." in words(page)
    assert 'id="findings"' not in page


def test_a_file_that_cannot_be_read_does_not_keep_the_others_from_being_judged(
    file, tmp_path, capsys
) -> None:
    """Its line says so, the reason stands on standard error, and the command does not pass."""
    good, missing = file("good.txt", FRESH), str(tmp_path / "missing")

    assert main(["check", missing, good, "--model", "register", "--json"]) == Exit.MISTAKE
    told = capsys.readouterr()
    first, second, results = told.out.splitlines()

    assert first == f"{missing}\tunreadable"
    assert second == f"{good}\ttrue"
    assert told.err == f"reprise: cannot read {missing}: No such file or directory\n"
    assert [one["valid"] for one in json.loads(results)["files"]] == ["unknown", True]


def test_a_wrong_model_ends_the_command_whatever_the_files(file, tmp_path, capsys) -> None:
    """What is wrong with the question is told once, not for each file."""
    path = file("h.txt", FRESH)

    assert main(["check", path, path, "--model", "regster"]) == Exit.MISTAKE
    assert capsys.readouterr().out == ""


def test_a_history_may_come_from_standard_input(file, tmp_path, capsys, monkeypatch) -> None:
    """It is called by its dash, and a damaged line of it by its number."""
    for text, status in ((FRESH, Exit.VALID), (FRESH + "1\t:what\n", Exit.MISTAKE)):
        with Path(file("h.txt", text)).open() as stream:
            monkeypatch.setattr("sys.stdin", stream)
            out = str(tmp_path / "page")
            assert main(["check", "-", "--model", "register", "--out", out]) == status
    told = capsys.readouterr()

    assert told.out.startswith("VALID  -: ")
    assert told.err.startswith("reprise: standard input: line 7 ")


def test_several_files_are_told_as_elle_cli_does(file, tmp_path, capsys) -> None:
    """File and verdict with a tab between them, the worst verdict as exit code, one object for all."""
    wrong, right = file("a.txt", STALE), file("b.txt", FRESH)
    out = str(tmp_path / "out")

    code = main(["check", right, wrong, "-m", "register", "--json", "-d", out])

    *lines, last = capsys.readouterr().out.splitlines()
    assert code == Exit.INVALID
    assert lines == [f"{right}\ttrue", f"{wrong}\tfalse"]
    assert [one["valid"] for one in json.loads(last)["files"]] == [True, False]
    assert (tmp_path / "out/a.txt/report.html").exists()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["-c", "snapshot-isolation"], Exit.VALID),
        (["-c", "snapshot-isolation", "-a", "G2-item"], Exit.INVALID),
        (["-c", "serializable", "-s", "1000", "-p", "svg"], Exit.INVALID),
        (["-c", "serializable", "-a", "G2-item-realtime"], Exit.MISTAKE),
        (["-g", "3"], Exit.MISTAKE),
        (["--initial", "0"], Exit.MISTAKE),
        (["--budget", "1s", "-s", "1000"], Exit.MISTAKE),
    ],
)
def test_options_of_elle_cli(file, options, expected) -> None:
    """elle-cli's options mean what they mean there, and are refused where they mean nothing."""
    assert main(["check", file("h.edn", SKEW), "-m", "list-append", *options]) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [([], Exit.INVALID), (["-n"], Exit.VALID), (["-n", "-o", "6"], Exit.INVALID)],
)
def test_options_of_a_bank(file, options, expected) -> None:
    """A bank may allow what is below zero, and know its total."""
    assert main(["check", file("h.json", BANK), "-m", "bank", "-f", "json", *options]) == expected


@pytest.mark.parametrize(("initial", "expected"), [("1", Exit.VALID), ("3", Exit.INVALID)])
def test_registers_begin_with_what_is_said(file, initial, expected) -> None:
    """What registers hold before they are written can be said."""
    read = file("h.txt", "0\t:invoke\t:read\tnil\n0\t:ok\t:read\t1\n")

    assert main(["check", read, "-m", "register", "--initial", initial]) == expected


def test_keys_that_nobody_mentioned_are_suspected(file, capsys) -> None:
    """A read that asks for [key, nil] cannot be of one register: the line is named, and the option."""
    keyed = file("h.edn", "{:type :invoke, :process 0, :f :read, :value [7 nil]}\n")

    assert main(["check", keyed, "-m", "register"]) == Exit.MISTAKE
    assert re.search(r"line 1 .*--independent", capsys.readouterr().err)


@pytest.mark.parametrize("target", ["edn", "jsonl"])
def test_converted_history_is_the_same(file, tmp_path, target) -> None:
    """What was converted is judged as what it was made from."""
    out = tmp_path / f"converted.{target}"

    assert main(["convert", file("h.edn", SKEW), "--to", target, "--out", str(out)]) == 0
    assert main(["check", str(out), "-m", "list-append"]) == Exit.INVALID


@pytest.mark.parametrize("target", ["plume", "awdit"])
def test_transactions_are_converted_for_isolation_checkers(file, tmp_path, target) -> None:
    """Registers go to Plume and AWDIT: nil is what was never written, and a crashed write that was read happened."""
    text = (
        "{:process 0, :type :invoke, :f :txn, :value [[:r :x nil] [:w :y 7]]}\n"
        "{:process 0, :type :ok, :f :txn, :value [[:r :x nil] [:w :y 7]]}\n"
        "{:process 1, :type :invoke, :f :txn, :value [[:w :x 9]]}\n"
        "{:process 1, :type :info, :f :txn, :value [[:w :x 9]]}\n"
        "{:process 0, :type :invoke, :f :txn, :value [[:r :x nil]]}\n"
        "{:process 0, :type :ok, :f :txn, :value [[:r :x 9]]}\n"
    )
    out = tmp_path / "converted"

    assert main(["convert", file("h.edn", text), "--to", target, "--out", str(out)]) == 0
    assert main(["check", str(out), "-f", target, "-m", "rw-register"]) == Exit.VALID
    assert len(re.findall("^w", out.read_text(), re.MULTILINE)) == (2 if target == "plume" else 4)


def test_what_a_format_cannot_say_is_refused(file, capsys) -> None:
    """Lists are no registers, and a register is no transaction."""
    assert main(["convert", file("h.edn", SKEW), "--to", "plume"]) == Exit.MISTAKE
    assert main(["convert", file("h.txt", STALE), "--to", "awdit"]) == Exit.MISTAKE
    assert main(["convert", file("h.txt", STALE), "--to", "word"]) == Exit.MISTAKE
    assert "history has a write" in capsys.readouterr().err


def test_viewer_of_porcupine_gets_its_data(file, tmp_path) -> None:
    """The page of Porcupine takes one object with a bar for each operation."""
    out = tmp_path / "data.json"

    main(
        ["convert", file("h.txt", STALE), "--to", "porcupine", "-m", "register", "--out", str(out)]
    )

    assert len(json.loads(out.read_text())["Partitions"][0]["History"]) == 3


def test_converted_file_is_whole_or_not_there(file, tmp_path) -> None:
    """A file may be converted in its own place, and what was there stays where a conversion is refused."""
    path = file("h.edn", SKEW)

    assert main(["convert", path, "--to", "jsonl", "--out", path]) == 0
    converted = Path(path).read_bytes()
    assert converted.startswith(b"{")
    assert main(["convert", path, "--to", "plume", "--out", path]) == Exit.MISTAKE
    assert Path(path).read_bytes() == converted
    assert [one.name for one in tmp_path.iterdir()] == ["h.edn"]


def test_files_of_one_name_keep_pages_of_their_own(file, tmp_path) -> None:
    """Jepsen calls every history history.edn: the page of one does not take the place of another's."""
    for name, text in (("a", SKEW), ("b", SKEW.replace("[:r :x [1]]", "[:r :x [1 7]]"))):
        (tmp_path / name).mkdir()
        file(f"{name}/history.edn", text)
    out = tmp_path / "out"
    files = [str(tmp_path / name / "history.edn") for name in "ab"]

    main(["check", *files, "-m", "list-append", "-d", str(out)])

    assert sorted(one.name for one in out.iterdir()) == ["1-history.edn", "2-history.edn"]


def test_file_is_no_folder_of_logs(file, capsys) -> None:
    """Cobra writes a folder: one file is refused, not judged as nothing."""
    assert main(["check", file("h.edn", SKEW), "-m", "rw-register", "-f", "cobra"]) == Exit.MISTAKE
    assert "no folder with logs of Cobra" in capsys.readouterr().err


def test_a_defect_of_the_judge_costs_one_file_only(file, tmp_path, capsys, monkeypatch) -> None:
    """The traceback is kept, the other files are judged, and the command says that something is wrong with Reprise."""
    good, strange = file("good.txt", FRESH), file("strange.txt", FRESH)
    right = checking.check

    def failing(path, wish):
        if path.name == "strange.txt":
            raise AssertionError("two and two")
        return right(path, wish)

    monkeypatch.setattr(checking, "check", failing)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    assert main(["check", strange, good, "--model", "register"]) == Exit.INTERNAL
    told = capsys.readouterr()
    assert told.out.splitlines() == [f"{strange}\tunreadable", f"{good}\ttrue"]
    assert told.err.startswith("reprise: internal error, AssertionError: two and two (traceback in")


@pytest.mark.parametrize("name", ["a.txt", "a.awdit"])
def test_a_last_line_that_does_not_end_is_noted(file, capsys, tmp_path, name) -> None:
    """Where a line that was cut short can still be read, the verdict says that it may have been."""
    text, model = {
        "a.txt": (STALE, "register"),
        "a.awdit": ("w 1 12\n=====\nr 1 12\n", "rw-register"),
    }[name]
    for cut in (text, text.removesuffix("\n")):
        main(["check", file(name, cut), "--model", model, "--out", str(tmp_path / "out")])
    whole, unended = capsys.readouterr().out.split("  report: ")[:2]

    assert "does not end" not in whole
    assert f"note: line {text.count(chr(10))}, the last, does not end" in unended


@pytest.mark.parametrize("text", ["{:process 0, :type :invoke, :f :read}\n", FRESH])
def test_a_byte_order_mark_is_no_part_of_a_history(file, text, tmp_path) -> None:
    """Editors of one system put it there."""
    asked = ["-m", "register", "--out", str(tmp_path / "out")]
    marked, plain = file("marked", "\ufeff" + text), file("plain", text)

    assert main(["check", marked, *asked]) == main(["check", plain, *asked]) != Exit.MISTAKE


def test_reads_of_registers_are_no_lists(file, capsys) -> None:
    """Also where nobody wrote: a value that is no list was not read from one."""
    ends = '"type":"{}","f":"txn","process":0,"value":[["r",1,{}]]'
    lines = "{" + ends.format("invoke", "null") + "}\n{" + ends.format("ok", "5") + "}\n"

    assert main(["check", file("r.json", lines), "-m", "list-append"]) == Exit.MISTAKE
    assert "transactions of the model rw-register, not of list-append" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["[]", "{:process 0, :type :invoke, :f :add, :value 1}\n"])
def test_a_counter_without_operations_is_no_pass(file, text, tmp_path) -> None:
    """Nothing took effect: unknown."""
    asked = ["-m", "counter", "--out", str(tmp_path / "out")]

    assert main(["check", file("c.edn", text), *asked]) == Exit.UNKNOWN
