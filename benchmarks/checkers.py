"""How long the checkers of whole objects take for one long valid history each, and what they find when one answer in it is a lie.

Histories come from the honest objects of `tests/support/object_histories.py`: ten clients at once, and one operation in a hundred crashes.
The time is processor time of the checker alone, from operations to verdict, the best of three, the cyclic
collector off as in `reprise check`.

    python benchmarks/checkers.py [--operations N] [--models LIST] [--json]
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

sys.path.pop(0)  # this folder holds a coverage.py, which others take for the package of that name
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from long_histories import LONG, long_history
from object_checkers import check

CLIENTS = 10
REPEATED = 3


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


def main() -> None:
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--operations", type=int, default=100_000)
    parser.add_argument("--models", default=",".join(LONG))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    lines = []
    for model in arguments.models.split(","):
        lines.append(measure(model, arguments.operations))
        line = lines[-1]
        print(
            f"{model:>20}: {line['operations']:,} operations, {line['valid']} in {line['s']:.3f} s, "
            f"with a lie {line['lie_valid']} in {line['lie_s']:.3f} s",
            file=sys.stderr if arguments.json else sys.stdout,
            flush=True,
        )
    if arguments.json:
        print(json.dumps({"models": lines}))


if __name__ == "__main__":
    main()
