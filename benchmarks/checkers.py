"""How long the checkers of whole objects take for one long valid history each, and what they find when one answer in it is a lie.

Histories come from the honest objects of `tests/support/object_histories.py`: ten clients at once, and one operation in a hundred crashes.
The time is processor time of the checker alone, from operations to verdict, the best of three, the cyclic
collector off as in `reprise check`.

With `--check` whole commands are measured instead, for every model of ``reprise check``: a valid history as `history.jsonl`
(`tests/support/checked_files.py`) is judged in a new process, start, page and end included; processor and wall time, the best of two.

    python benchmarks/checkers.py [--check] [--operations N] [--models LIST] [--json]
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
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from checked_files import write_file
from long_histories import LONG, long_history
from object_checkers import check

from harness.judges import JUDGES

CLIENTS = 10
REPEATED = 3
COMMANDS = 2
"""How often each command is run."""


def measure(model: str, operations: int) -> dict[str, Any]:
    """Judge one long history, and the same with a lie near its end."""
    rng = random.Random(model)  # noqa: S311 - histories, no secrets
    valid, lying = (
        long_history(rng, model, operations, clients=CLIENTS, lie=lie) for lie in (False, True)
    )
    gc.disable()
    seconds = []
    for _ in range(REPEATED):
        began_s = time.process_time()
        verdict = check(model, valid)
        seconds.append(time.process_time() - began_s)
    began_s = time.process_time()
    convicted = check(model, lying)
    gc.enable()
    return {
        "model": model,
        "operations": sum(one.type == "invoke" for one in valid),
        "valid": verdict.valid,
        "s": round(min(seconds), 3),
        "lie_valid": convicted.valid,
        "lie_s": round(time.process_time() - began_s, 3),
    }


def measure_command(model: str, operations: int) -> dict[str, Any]:
    """Run ``reprise check`` on one long valid history."""
    wall_s = cpu_s = float("inf")
    with tempfile.TemporaryDirectory(prefix="reprise-checkers-") as folder:
        file = Path(folder) / "history.jsonl"
        asked = write_file(file, model, operations)
        command = [sys.executable, "-m", "harness.cli", "check", str(file), *asked]
        command += ["--out", folder, "--json"]
        for _ in range(COMMANDS):
            began_s, before_s = time.perf_counter(), children_s()
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            wall_s = min(wall_s, time.perf_counter() - began_s)
            cpu_s = min(cpu_s, children_s() - before_s)
    if done.returncode not in (0, 1, 2):
        raise SystemExit(f"{model}: {done.stderr}")
    results = json.loads(done.stdout.splitlines()[-1])
    return {
        "model": model,
        "operations": results["operations"],
        "valid": results["valid"],
        "s": round(wall_s, 2),
        "cpu_s": round(cpu_s, 2),
    }


def children_s() -> float:
    """Processor time of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="whole commands, for every model")
    parser.add_argument("--operations", type=int, default=100_000)
    parser.add_argument("--models", default="")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    measured = measure_command if arguments.check else measure
    models = (
        arguments.models.split(",") if arguments.models else (JUDGES if arguments.check else LONG)
    )
    lines = []
    for model in models:
        line = measured(model, arguments.operations)
        lines.append(line)
        print(
            in_words(line),
            file=sys.stderr if arguments.json else sys.stdout,
            flush=True,
        )
    if arguments.json:
        print(json.dumps({"models": lines}))


def in_words(line: dict[str, Any]) -> str:
    """One line of the table."""
    more = f"with a lie {line['lie_valid']} in {line['lie_s']:.3f} s" if "lie_s" in line else ""
    more = more or f"{line['cpu_s']:.2f} s of processor time"
    return f"{line['model']:>20}: {line['operations']:,} operations, {line['valid']} in {line['s']:.3f} s, {more}"


if __name__ == "__main__":
    main()
