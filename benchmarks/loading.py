"""How fast histories are read, and how much room one takes as columns.

Writes a register history of N operations (two events each) from ten clients on a hundred keys, once as history.jsonl with keys,
once as EDN without, and once as EDN of list-append transactions, then reads each from the page cache: histories of registers straight
into columns, transactions operation by operation. Times are of this process' CPU, the best of the rounds; bytes are those of the
columns and of their tables. The last figures are of ``reprise check`` on 100,000 operations in a new process, start and page
included: wall time, and CPU time of the process. The first round compiles the scanner where that was not done before.

    python benchmarks/loading.py [--json] [--operations N] [--rounds N]
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.columns import Columns
from harness.conventions import CONVENTIONS, independent
from harness.formats import jepsen_edn, jsonl
from harness.formats.catalogue import load_columns, load_operations
from harness.operation import Operation

CLIENTS = 10
KEYS = 100
CHECKED_OPERATIONS = 100_000


def history(count: int, value_of: Callable[[str, int, int | None], Any]) -> Iterator[Operation]:
    """Both ends of `count` reads and unique writes, interleaved; `value_of(f, key, value)` shapes their values."""
    draw = random.Random(1)  # noqa: S311 - the same history every time
    state: dict[int, int] = {}
    busy: dict[int, tuple[str, int, int | None]] = {}
    index = begun = 0
    while begun < count or busy:
        process = draw.randrange(CLIENTS)
        if process in busy:
            f, key, value = busy.pop(process)
            kind = "ok"
            if value is None:
                value = state.get(key)
            else:
                state[key] = value
        elif begun < count:
            begun += 1
            f, key = draw.choice(("read", "write")), draw.randrange(KEYS)
            value = begun if f == "write" else None
            busy[process] = f, key, value
            kind = "invoke"
        else:
            continue
        yield Operation(
            index=index,
            time_ns=index * 1_000,
            process=process,
            type="ok" if kind == "ok" else "invoke",
            f=f,
            value=value_of(f, key, value),
        )
        index += 1


def keyed(_f: str, key: int, value: int | None) -> Any:
    """``["r7", 5]``."""
    return [f"r{key}", value]


def bare(_f: str, _key: int, value: int | None) -> Any:
    """``5``."""
    return value


def transaction(f: str, key: int, value: int | None) -> Any:
    """``[["append", 7, 5], ["r", 8, [5]]]``."""
    read = ["r", key + 1, None if value is None else [value]]
    return [["append", key, value], read] if f == "write" else [read]


def table_bytes(columns: Columns) -> int:
    """Bytes of the tables behind the codes."""
    tables = (columns.fs, columns.keys, columns.values)
    return sum(sys.getsizeof(table) + sum(map(sys.getsizeof, table)) for table in tables)


def best(rounds: int, work: Callable[[], Any]) -> tuple[float, Any]:
    """The shortest CPU time of `work`, and what it returned."""
    found, shortest_s = None, float("inf")
    for _ in range(rounds):
        found = None
        gc.collect()
        began_s = time.process_time()
        found = work()
        shortest_s = min(shortest_s, time.process_time() - began_s)
    return shortest_s, found


def measure(folder: Path, count: int, rounds: int) -> dict[str, Any]:
    """All figures."""
    ours, edn, append = (folder / name for name in ("h.jsonl", "h.edn", "append.edn"))
    with ours.open("wb") as file:
        jsonl.write(history(count, keyed), file)
    with edn.open("wb") as file:
        jepsen_edn.write(history(count, bare), file)
    with append.open("wb") as file:
        transactions = history(max(1, count // 4), transaction)
        jepsen_edn.write((as_transaction(one) for one in transactions), file)
    convention = independent(CONVENTIONS["register"])
    columns_s, (columns, _) = best(rounds, lambda: load_columns(ours, "jsonl", convention))
    size = (columns.nbytes + table_bytes(columns)) / len(columns)
    del columns
    bare_convention = CONVENTIONS["register"]
    edn_s, _ = best(rounds, lambda: load_columns(edn, "edn", bare_convention))
    append_s, (operations, _) = best(rounds, lambda: load_operations(append, "edn"))
    return {
        "operations": count,
        "jsonl_to_columns_s": round(columns_s, 2),
        "column_bytes_per_operation": round(size, 1),
        "edn_to_columns_s": round(edn_s, 2),
        "edn_append_events_per_s": round(len(operations) / append_s),
        **checked(folder, rounds),
    }


def checked(folder: Path, rounds: int) -> dict[str, float]:
    """Wall and CPU time of ``reprise check`` on `CHECKED_OPERATIONS` of registers and of transactions, the best of the rounds."""
    registers, lists = folder / "checked.jsonl", folder / "lists.edn"
    with registers.open("wb") as file:
        jsonl.write(history(CHECKED_OPERATIONS, keyed), file)
    with lists.open("wb") as file:
        jepsen_edn.write(appends(CHECKED_OPERATIONS), file)
    asked = {
        "check_100k": [str(registers), "--model", "register", "--independent"],
        "check_100k_transactions": [str(lists), "--model", "list-append"],
    }
    found = {}
    for name, arguments in asked.items():
        command = [sys.executable, "-m", "harness.cli", "check", *arguments, "--out", str(folder)]
        wall_s = cpu_s = float("inf")
        for _ in range(rounds):
            began_s, before = time.perf_counter(), children_s()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            wall_s = min(wall_s, time.perf_counter() - began_s)
            cpu_s = min(cpu_s, children_s() - before)
        found |= {f"{name}_s": round(wall_s, 2), f"{name}_cpu_s": round(cpu_s, 2)}
    return found


def children_s() -> float:
    """CPU time of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def appends(count: int) -> Iterator[Operation]:
    """Both ends of `count` serializable transactions that append to lists and read them, from ten clients; keys go out of use."""
    draw = random.Random(1)  # noqa: S311 - the same history every time
    lists: dict[int, list[int]] = {}
    last: dict[int, int] = {}
    busy: dict[int, list[list[Any]]] = {}
    index = begun = 0
    while begun < count or busy:
        process = draw.randrange(CLIENTS)
        if process not in busy and begun == count:
            continue
        if process in busy:
            kind, value = "ok", []
            for f, key, item in busy.pop(process):
                if f == "append":
                    lists.setdefault(key, []).append(item)
                value.append([f, key, item if f == "append" else list(lists.get(key, ()))])
        else:
            begun += 1
            kind, value = "invoke", []
            for _ in range(draw.randint(1, 4)):
                key = begun // 100 * 3 + draw.randrange(5)
                if draw.random() < 0.5:
                    last[key] = last.get(key, 0) + 1
                    value.append(["append", key, last[key]])
                else:
                    value.append(["r", key, None])
            busy[process] = value
        yield Operation(
            index=index,
            time_ns=index * 1_000,
            process=process,
            type="ok" if kind == "ok" else "invoke",
            f="txn",
            value=value,
        )
        index += 1


def as_transaction(one: Operation) -> Operation:
    """The same event as a transaction."""
    return Operation(
        index=one.index,
        time_ns=one.time_ns,
        process=one.process,
        type=one.type,
        f="txn",
        value=one.value,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How fast histories are read.")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reprise-loading-") as folder:
        result = measure(Path(folder), options.operations, options.rounds)
    print(
        f"history.jsonl to columns: {result['operations']:,} operations in {result['jsonl_to_columns_s']} s"
    )
    print(f"  {result['column_bytes_per_operation']} bytes each, tables included")
    print(
        f"history.edn to columns: {result['operations']:,} operations in {result['edn_to_columns_s']} s"
    )
    print(f"EDN, list-append: {result['edn_append_events_per_s']:,} lines/s")
    for name, words in (("check_100k", "register"), ("check_100k_transactions", "list-append")):
        wall_s, cpu_s = result[f"{name}_s"], result[f"{name}_cpu_s"]
        print(
            f"reprise check, {words}, {CHECKED_OPERATIONS:,} operations: {wall_s} s ({cpu_s} s CPU)"
        )
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
