"""Workloads on the key-value store: valid on a correct cluster with crashes, and what their clients ask and answer."""

import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from cluster.bugs.catalogue import CATALOGUE
from cluster.machine.kv_requests import KvResponse
from cluster.node.requests import Reply, ok, refused, unknown
from cluster.worlds.tape import Stream
from harness.campaign.simulate import simulate
from harness.cli.run import command
from harness.generator import new_context
from harness.operation import Operation
from harness.scenario import Scenario
from workloads.bank import BankClient
from workloads.catalogue import WORKLOADS
from workloads.key_value import INSISTING_MAX, KeyValueLine
from workloads.lock import LockClient
from workloads.queue import QueueClient
from workloads.session import SessionClient
from workloads.transactions import TransactionClient, first_key, logged

STORE = sorted(set(WORKLOADS) - {"registry", "register", "set"})
MAY_FAIL = {"cas", "transfer", "release", "write"}


def scenario(workload, **fields):
    return Scenario(workload=workload, seed=4, nodes=3, **{"time_limit_s": 2.0, **fields})


def generator_of(workload):
    offer = WORKLOADS[workload]
    return offer.make(offer.swarm(Stream("plan", 0), {"nodes": ("n1",)})).generator


class Script:
    """A world of one node whose replies are written down; it remembers what it was asked."""

    nodes = ("n1",)

    def __init__(self, *replies):
        self.node = "n1"
        self.asked = []
        self.slept_ns = 0
        self._replies = list(replies)

    def connect(self, node):
        return self

    async def call(self, request, timeout_ns):
        self.asked.append(request)
        return self._replies.pop(0)

    async def sleep(self, duration_ns):
        self.slept_ns += duration_ns

    def close(self):
        pass


def done(*results, index=5):
    return ok({"index": index, "result": KvResponse(True, list(results))})


def mismatch(place=0, found=None):
    return ok({"index": 5, "result": KvResponse(False, [place, found], "mismatch")})


LATE: Reply = unknown("DeadlineExceeded", "no answer")


def run(coroutine):
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits for something")


def ask(client_type, operation, *replies, insists=False):
    world = Script(*replies)
    client = client_type(KeyValueLine(world, "n1", 0, insists=insists))
    return run(client.invoke(operation)), world


@pytest.mark.parametrize("workload", STORE)
def test_a_correct_cluster_passes_with_crashes(workload):
    """The default faults; the run is valid, and all that must succeed now and then did."""
    results = simulate(scenario(workload, time_limit_s=3.0)).results
    assert results["valid"] is True, results["evidence"]
    counts = results["facts"]["operations"]
    assert all(row["ok"] for f, row in counts.items() if f not in MAY_FAIL)


@pytest.mark.parametrize("workload", STORE)
def test_a_run_in_which_nothing_was_written_is_unknown(workload):
    """A store that was never written to has kept no promise."""
    results = simulate(scenario(workload, time_limit_s=0.001, nemesis=["none"])).results
    assert results["valid"] == "unknown" or results["facts"]["acked_sync_writes"]


@pytest.mark.parametrize("workload", STORE)
def test_asking_a_load_changes_nothing(workload):
    """A generator may be asked, and the answer thrown away."""
    load = generator_of(workload)
    first, left = load.operation(new_context(1, Stream("test", 0)))
    same, again = load.operation(new_context(1, Stream("test", 0)))
    assert same == first
    assert again == left


def test_a_line_that_insists_asks_the_same_again():
    """The request that nobody answered is asked with its number until somebody does, and is one operation."""
    add = Operation(f="txn", value=[["append", 1, 7]])
    completed, world = ask(TransactionClient, add, LATE, LATE, done(None), insists=True)
    assert completed.type == "ok"
    assert len(world.asked) == 3
    assert [one.body["sequence"] for one in world.asked] == [1, 1, 1]


def test_a_line_that_does_not_insist_asks_once():
    """Without an answer nobody knows."""
    completed, world = ask(TransactionClient, Operation(f="txn", value=[["w", 1, 7]]), LATE)
    assert completed.type == "info"
    assert len(world.asked) == 1


def test_doubt_is_not_lifted_by_a_refusal():
    """That nobody leads now says nothing of the request that was asked before."""
    nobody = [refused("NotLeader", "another")] * 9
    replies = [LATE, *nobody * INSISTING_MAX]
    completed, world = ask(
        TransactionClient, Operation(f="txn", value=[["w", 1, 7]]), *replies, insists=True
    )
    assert completed.type == "info"
    assert world.slept_ns > 0


def test_a_first_refusal_is_definite():
    """What was refused before anything was in doubt has failed."""
    nobody = [refused("NotLeader", "another")] * 9
    completed, _ = ask(
        TransactionClient, Operation(f="txn", value=[["w", 1, 7]]), *nobody, insists=True
    )
    assert completed.type == "fail"


def test_reads_of_a_transaction_are_put_into_it():
    """The completion has what was read, and what was written as it was asked; the store's keys are strings."""
    asked = Operation(f="txn", value=[["r", 3, None], ["append", 3, 9]])
    completed, world = ask(TransactionClient, asked, done([1], None))
    assert completed.value == [["r", 3, [1]], ["append", 3, 9]]
    assert world.asked[0].body["operations"] == [["r", "3", None], ["append", "3", 9]]
    assert logged(completed) == ("txn", "", [["r", "3", None], ["append", "3", 9]], None)


def test_a_transaction_that_reads_is_not_looked_for_in_the_log():
    """It makes no entry and needs no session."""
    asked = Operation(f="txn", value=[["r", 3, None]])
    completed, world = ask(TransactionClient, asked, done(None))
    assert "client" not in world.asked[0].body
    assert logged(completed) is None


def test_keys_are_given_up_together():
    """All keys in use are used about equally often before others take their place."""
    assert [first_key(number, 2, 10) for number in (0, 19, 20, 39, 40)] == [0, 0, 2, 2, 4]


def test_a_transfer_compares_what_it_read():
    """Both balances are written only if both are as they were; an account never written holds its opening balance."""
    asked = Operation(f="transfer", value={"from": "a0", "to": "a1", "amount": 3})
    completed, world = ask(BankClient, asked, done(None, 12), done(None, None, None, None))
    assert completed.type == "ok"
    assert world.asked[1].body["operations"] == [
        ["compare", "a0", None],
        ["compare", "a1", 12],
        ["w", "a0", 7],
        ["w", "a1", 15],
    ]


@pytest.mark.parametrize(
    ("replies", "error"),
    [((done(2, 12),), "overdrawn"), ((done(5, 12), mismatch()), "mismatch")],
)
def test_a_transfer_that_cannot_be_made_fails(replies, error):
    """One that would overdraw is not asked, one whose balances changed is refused; both certainly moved nothing."""
    asked = Operation(f="transfer", value={"from": "a0", "to": "a1", "amount": 3})
    completed, _ = ask(BankClient, asked, *replies)
    assert (completed.type, completed.error) == ("fail", error)


def test_a_lock_is_granted_with_the_next_token():
    """Holder and fence must be as they were read."""
    completed, world = ask(LockClient, Operation(f="acquire"), done(None, 4), done(*[None] * 4))
    assert (completed.type, completed.value) == ("ok", 5)
    assert world.asked[1].body["operations"][:2] == [
        ["compare", "lock", None],
        ["compare", "fence", 4],
    ]


@pytest.mark.parametrize(
    ("f", "value", "replies", "error"),
    [
        ("acquire", None, (done(3, 4),), "held with token 3"),
        ("release", None, (done(None, 4),), "free"),
        ("write", [3, 1], (mismatch(0, 4),), "mismatch"),
        ("release", 3, (mismatch(0, 4),), "mismatch"),
    ],
)
def test_what_a_lock_refuses(f, value, replies, error):
    """A held lock is not granted, a free one not taken away, and who has lost it neither writes nor releases."""
    completed, _ = ask(LockClient, Operation(f=f, value=value), *replies)
    assert (completed.type, completed.error, completed.value) == ("fail", error, value)


def test_a_dequeue_of_nothing_is_an_answer():
    """An empty queue is no failure: that it was empty is what the operation found."""
    assert ask(QueueClient, Operation(f="dequeue"), done(None))[0].type == "ok"
    assert ask(QueueClient, Operation(f="dequeue"), done(8))[0].value == 8


def test_a_session_names_what_it_has_seen():
    """Each read wants at least the index of the newest answer that its process had."""
    world = Script(ok({"index": 7, "value": 1}), ok({"index": 9, "value": 2}))
    client = SessionClient(KeyValueLine(world, "n1", 0))
    for _ in range(2):
        read = run(client.invoke(Operation(f="read", value=["s0", None])))
        assert read.type == "ok"
    assert [one.body["at_least"] for one in world.asked] == [0, 7]


def test_every_workload_can_be_told_its_options():
    """What a swarm draws is what the workload says it has, so a scenario can fix each of them."""
    for name, offer in WORKLOADS.items():
        drawn = offer.swarm(Stream("plan", 1), {})
        if name != "registry":
            assert set(drawn) == set(offer.options), name
            for option, value in drawn.items():
                msgspec.convert(value, offer.options[option])


def test_documentation_and_help_name_every_workload():
    """docs/workloads.md has a row for each, and what each is about is a whole sentence."""
    page = (Path(__file__).parents[3] / "docs/workloads.md").read_text()
    shown = CliRunner().invoke(command, ["--help"]).output
    for name, offer in WORKLOADS.items():
        assert f"| `{name}` |" in page
        assert offer.words.split()[0] in shown
        assert sys.modules[offer.make.__module__].__doc__.split("\n")[0] == f"{offer.words}."
    for bug in CATALOGUE:
        if bug.startswith("K-"):
            assert f"| {bug} |" in page
