"""Every kind of damage, in every format: refused, with the number of the line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.conventions import CONVENTIONS
from harness.errors import UserMistake
from harness.formats.catalogue import detect, load_columns, load_operations
from harness.history import HistoryDamaged

OURS = '{"index":0,"process":0,"f":"read"}\n'
EDN = "{:index 0, :time 1, :type :invoke, :process 0, :f :read, :value nil}\n"
TEXT = "0\t:invoke\t:read\tnil\n"
LOG = "INFO  jepsen.util - " + TEXT
JSON = '[{"type":"invoke","process":0,"f":"r"},\n'

DAMAGE = {
    "jsonl: no JSON": ("jsonl", OURS + "{nonsense\n" + OURS, 2, "malformed"),
    "jsonl: another type": ("jsonl", OURS + OURS + '{"f":"r","type":"maybe"}\n', 3, "maybe"),
    "jsonl: no f": ("jsonl", OURS + '{"process":1}\n', 2, "missing required field"),
    "jsonl: a line without anything": ("jsonl", OURS + "\n" + OURS, 2, "truncated"),
    "jsonl: no UTF-8": ("jsonl", OURS + OURS.replace("read", "\udcff"), 2, "no UTF-8"),
    "edn: another bracket": ("edn", EDN + "{:type :ok :value [1)}\n", 2, "closes"),
    "edn: inside a form of three lines": ("edn", EDN + "{:type\n:ok\n:f 1x}\n", 4, "no number"),
    "edn: no map": ("edn", EDN + EDN + "[1 2]\n", 3, "no operation"),
    "edn: another type": ("edn", EDN + EDN.replace(":invoke", ":maybe"), 2, ":type is :maybe"),
    "edn: type is a list": ("edn", EDN + EDN.replace(":invoke", "[1]"), 2, r":type is \[1\]"),
    "edn: no process": ("edn", EDN + "{:type :ok, :f :read}", 2, ":process is nil"),
    "edn: process below zero": ("edn", EDN.replace(":process 0", ":process -3"), 1, "-3"),
    "edn: no f": ("edn", EDN + "{:type :ok, :process 0}", 2, ":f is nil"),
    "edn: a time in words": ("edn", EDN + EDN.replace(":time 1", ":time :now"), 2, ":time is no"),
    "edn: file ends inside": ("edn", EDN + "\n{:type :ok", 3, "file does not end"),
    "edn: vector is not closed": ("edn", "[" + EDN + EDN, 3, "not closed"),
    "edn: more behind the vector": ("edn", "[" + EDN + "]\n" + EDN, 3, "behind the end"),
    "edn: no UTF-8": ("edn", EDN + EDN.replace("nil", '"\udcff"'), 2, "no UTF-8"),
    "edn: no UTF-8 in the third mebibyte": (
        "edn",
        EDN * 40_000 + EDN.replace("nil", "[\n1") + "\udcff]\n",
        40_003,
        "no UTF-8",
    ),
    "edn: no UTF-8 behind an open form": (
        "edn",
        EDN + "{:type\n" + ";" * (1 << 20) + "\n\udcff :ok}\n",
        4,
        "no UTF-8",
    ),
    "text: too few fields": ("text", TEXT + "0\t:ok\n", 2, "between tabs"),
    "text: a field of two": ("text", TEXT + "0\t:ok\t:read\t1 2\n", 2, "two values"),
    "text: another type": ("text", TEXT + TEXT.replace(":invoke", ":maybe"), 2, ":maybe"),
    "text: a half value": ("text", TEXT + "0\t:ok\t:cas\t[1\n", 2, "middle of a form"),
    "log: a half line": ("text", LOG + "INFO  x - y\nINFO  jepsen.util - 0\t:ok\n", 3, "tabs"),
    "kv: no key": ("porcupine-kv", EDN, 1, "without a :key"),
    "json: cut short": ("elle-json", JSON, 2, "JSON array"),
    "json: no UTF-8": ("elle-json", JSON + JSON[1:].replace("r", "\udcff"), 2, "no UTF-8"),
    "json: no operation": ("elle-json", JSON + '{"type":"ok"}]', 2, "without an f"),
    "json: no JSON": ("elle-json", JSON + "\n{,}]", 3, "JSON array"),
    "plume: another letter": ("plume", "w(1,1,0,0)\nx(1,1,0,0)\n", 2, "not of the form"),
    "plume: three fields": ("plume", "w(1,1,0)\n", 1, "not of the form"),
    "plume: goes on": ("plume", "w(1,1,0,0)\nw(1,2,0,1)\nw(1,3,0,0)\n", 3, "is over"),
    "plume: writes what is there": ("plume", "w(1,1,0,0)\nw(1,0,0,0)\n", 2, "begins with"),
    "awdit: another letter": ("awdit", "w 1 1\nz 1 1\n", 2, "neither"),
    "awdit: a word too much": ("awdit", "w 1 1 1\n", 1, "neither"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_line_is_named(damage: str, tmp_path: Path) -> None:
    """What cannot be understood is refused with file, line and reason."""
    name, text, line, words = DAMAGE[damage]
    path = tmp_path / "history"
    path.write_bytes(text.encode(errors="surrogateescape"))

    with pytest.raises(HistoryDamaged, match=rf"{re.escape(str(path))}: line {line} .*{words}"):
        load_operations(path, name)


def test_escape_that_is_none_is_found_in_columns_too(tmp_path: Path) -> None:
    """A value that stays text for a while is refused all the same, with its line."""
    path = tmp_path / "history.jsonl"
    path.write_text(OURS + OURS.replace('"f":"read"', r'"f":"read","value":"\q"'))

    with pytest.raises(HistoryDamaged, match=r"line 2 is no operation"):
        load_columns(path, "jsonl", CONVENTIONS["register"])


def test_unfinished_last_line_of_ours_is_dropped(tmp_path: Path) -> None:
    """A run that was killed leaves half a line: it is dropped and handed back."""
    path = tmp_path / "history.jsonl"
    path.write_text(OURS + '{"index":1,"pro')

    operations, source = load_operations(path, "jsonl")

    assert len(operations) == 1
    assert source.torn == '{"index":1,"pro'


@pytest.mark.parametrize("text", ["hello\n", "<html>", "{1 2}"])
def test_unknown_beginning_is_a_mistake(text: str, tmp_path: Path) -> None:
    """A file in none of the formats is refused with the names of all."""
    path = tmp_path / "history"
    path.write_text(text)

    with pytest.raises(UserMistake, match=r"no known format begins with .*jsonl, elle-json"):
        detect(path)
