"""Files that nobody should hand in: each is refused in one line, or judged as unknown; never a traceback."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from harness.cli import main
from harness.cli.exits import Exit

WORD = struct.Struct("<Q")
DBCOP = WORD.pack(0) * 5 + WORD.pack(0) * 3
REFUSED = {
    "nothing": b"",
    "blanks": b" \n\n\t\n",
    "random bytes": bytes(range(256)) * 4,
    "zeros": b"\0" * 100,
    "an ELF file": b"\x7fELF\x02\x01\x01" + b"\0" * 60,
    "a page": b"<!doctype html><p>hello",
    "no UTF-8": b"{:type :invoke, :process 0, :f :read, :value \xff}\n",
    "deep EDN": b"{:type :invoke :process 0 :f :read :value " + b"[" * 100_000,
    "deep JSON": b'{"process":0,"f":"read","value":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    "deep array": b'[{"type":"invoke","process":0,"f":"read","value":' + b"[" * 100_000,
    "deep operations": b'{"ClientId":0,"Call":1,"Input":' + b"[" * 100_000,
    "deep values": b"{:type :invoke, :process 0, :f :txn, :value "
    + b"[" * 900
    + b"]" * 900
    + b"}\n",
    "a huge integer": b"{:type :invoke, :process 0, :f :write, :value " + b"9" * 10_000 + b"}\n",
    "a huge process": b"{:type :invoke, :process " + b"9" * 30 + b", :f :read, :value nil}\n",
    "a huge time": b'{"time_ns":' + b"9" * 30 + b',"process":0,"f":"read"}\n',
    "an unknown escape": b'{:type :invoke, :process 0, :f :write, :value "\\q"}\n',
    "an f that is no model's": b"{:type :invoke, :process 0, :f :nonsense, :value nil}\n",
    "half a vector": b"[{:type :invoke, :process 0, :f :read, :value nil}",
    "a second invocation": b"{:type :invoke, :process 0, :f :read}\n" * 2,
    "on after info": b'{"process":0,"f":"read"}\n{"process":0,"type":"info","f":"read"}\n{"process":0,"f":"read"}\n',
    "a million processes that go on": b"{:type :invoke, :process 0, :f :read}\n{:type :info, :process 0, :f :read}\n"
    b"{:type :invoke, :process 0, :f :read}\n{:type :invoke, :process 1000000, :f :read}\n",
    "completions alone": b"{:type :ok, :process 0, :f :read, :value 1}\n",
    "nobody's completion": b"{:type :invoke, :f :read}\n{:type :invoke, :f :read}\n{:type :ok, :f :read}\n",
    "dbcop: a length of everything": DBCOP + WORD.pack((1 << 64) - 1),
    "dbcop: cut short": DBCOP + WORD.pack(1) + WORD.pack(1) + WORD.pack(1) + b"\1",
    "operations without an input": b'{"ClientId":0,"Call":1,"Return":2}',
    "operations that return early": b'{"ClientId":0,"Input":{"op":"get","key":"x"},"Call":9,"Return":2}',
    "a plume of words": b"w(1,1,0,0)\nw(1;1)\n",
}
MODELS = ("register", "rw-register", "kv", "bank", "set-full")


@pytest.mark.parametrize("name", REFUSED)
def test_file_is_refused_in_one_line(name: str, tmp_path: Path, capsys) -> None:
    """Whatever the model, one line says what is wrong with the file, and the exit code is that of a mistake."""
    path = tmp_path / "history"
    path.write_bytes(REFUSED[name])
    for model in MODELS:
        code = main(["check", str(path), "--model", model])

        said = capsys.readouterr().err.strip()
        assert code == Exit.MISTAKE, (model, said)
        assert len(said.splitlines()) == 1
        assert "internal" not in said
        assert str(path) in said


@pytest.mark.parametrize("model", MODELS)
def test_history_without_clients_proves_nothing(model: str, tmp_path: Path) -> None:
    """Where only the nemesis did anything, the verdict is unknown."""
    path = tmp_path / "history.edn"
    path.write_text("{:type :info, :process :nemesis, :f :kill, :value nil}\n" * 2)

    assert main(["check", str(path), "--model", model]) == Exit.UNKNOWN


def test_folder_without_a_history_is_a_mistake(tmp_path: Path, capsys) -> None:
    """A folder is a run, or it is refused with what was looked for."""
    assert main(["check", str(tmp_path), "--model", "register"]) == Exit.MISTAKE
    assert "history.edn" in capsys.readouterr().err


def test_run_folder_is_judged(tmp_path: Path) -> None:
    """The folder of a run stands for the history in it."""
    (tmp_path / "history.jsonl").write_text(
        '{"process":0,"f":"write","value":["k",1]}\n{"process":0,"type":"ok","f":"write","value":["k",1]}\n'
    )

    assert main(["check", str(tmp_path), "--model", "register", "--independent"]) == Exit.VALID
