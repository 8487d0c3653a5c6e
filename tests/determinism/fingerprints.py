"""Write what identifies the runs of the first N seeds: one line for each workload and seed, run twice in this process.

    PYTHONHASHSEED=1 python tests/determinism/fingerprints.py N

A line holds workload, seed, fingerprint, and a hash of history, trace and tape as they would be kept. Equal programs
print equal lines, whatever the hash seed: `test_fingerprints` compares them.
"""

import io
import sys
from hashlib import blake2b
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from harness.campaign.simulate import simulate
from harness.history import Journal
from harness.scenario import Scenario

WORKLOADS = ("registry", "append", "register", "bank", "registry", "lock", "set", "session")
"""By seed: the registry is a quarter of all runs."""


def line_of(seed):
    workload = WORKLOADS[seed % len(WORKLOADS)]
    finished = simulate(Scenario(workload=workload, seed=seed))
    history = io.BytesIO()
    journal = Journal(history)
    for operation in finished.history:
        journal.record(operation, operation.time_ns)
    journal.close()
    digest = blake2b(history.getvalue(), digest_size=16)
    digest.update(msgspec.msgpack.encode(finished.trace))
    digest.update(msgspec.msgpack.encode(finished.draws))
    return f"{workload} {seed} {finished.results['fingerprint']} {digest.hexdigest()}"


def main(seeds):
    for seed in range(seeds):
        first, second = line_of(seed), line_of(seed)
        sys.stdout.write(f"{first}\n")
        if second != first:
            sys.exit(f"the second run in one process differs:\n{first}\n{second}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
