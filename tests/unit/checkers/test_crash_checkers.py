"""Checkers of lives and deaths: the facts of crashes, restart loops, and the committed log itself."""

import pytest
from checker_traces import ROLLBACK, TraceBuilder, invariants, registration

from cluster.encryption.payloads import encode_registration
from cluster.machine.entries import encode_entry
from cluster.machine.kv_requests import KvRequest, encode_batch
from cluster.trace import Fault, Installed, SnapshotTaken
from harness.checkers.committed_log import UNKNOWN, committed_logs, encryption_entries, kv_requests
from harness.checkers.crash_facts import CrashFacts
from harness.checkers.evidence import LastCrash
from harness.checkers.restart_loop import RestartLoop


def test_crash_facts_count_what_happened():
    """Every death, start, snapshot and fault is counted; the verdict is always valid."""
    builder = TraceBuilder()
    builder.crash("n2", "reg.after_set", "kill")
    builder.start("n2", have=1)
    builder.crash("n3", "wal.torn_tail", "power")
    builder.start("n3", have=1, restored=True, snapshot_index=1, torn_bytes=7, replay=False)
    builder.lead("n2", 2)
    builder.emit(SnapshotTaken, "n1", index=2, size_bytes=1, state_hash=0)
    builder.emit(Installed, "n3", index=2, state_hash=0)
    builder.emit(Fault, "n1", action="cut", target="n1 from n2")
    verdict = CrashFacts().check(builder.run())
    assert verdict.valid is True
    facts = verdict.facts
    assert facts["crash_points_hit"] == {"reg.after_set": 1, "wal.torn_tail": 1}
    assert facts["faults"] == {"cut": 1}
    for name in ("kills", "power_losses", "restores", "snapshots", "installs", "leader_changes"):
        assert facts[name] == 1, name
    assert facts["torn_tails_cut"] == 1
    assert facts["restarts"] == 2
    assert facts["halts"] == facts["clean_stops"] == 0


def looping(times: int, cause: str = "halt") -> TraceBuilder:
    """n2 halts at entry 2 `times` times in a row."""
    builder = TraceBuilder()
    builder.propose(builder.register_data("n1", 1))
    for attempt in range(times):
        if attempt:
            builder.start("n2", have=1, replay=False)
        if cause == "halt":
            builder.apply("n2", 2, decision="halt", error_class=ROLLBACK)
        else:
            builder.stop("n2", cause, 1)
    return builder


@pytest.mark.parametrize("cause", ["halt", "error"])
def test_three_failing_lives_at_one_entry_are_a_loop(cause):
    """L4: the third failure in a row at the same place is convicted, and told once."""
    assert RestartLoop().check(looping(2, cause).run()).valid is True
    verdict = RestartLoop().check(looping(5, cause).run())
    assert invariants(verdict) == ["L4"]
    assert verdict.facts == {"starts": 7, "failing_starts_in_a_row": 5}


def test_a_wanted_halt_may_come_again_and_again():
    """The halt that a scenario asks for is no loop; another kind of halt is."""
    assert RestartLoop().check(looping(4).run(expect_halt="rollback")).valid is True
    assert RestartLoop().check(looping(4).run(expect_halt="collision")).valid is False


def test_an_injected_failure_excuses_a_loop():
    """A node whose store is broken on purpose fails until it is repaired."""
    builder = looping(1)
    builder.hit("n2", "reg.row_corrupt", "error", 2)
    for _ in range(4):
        builder.start("n2", have=1, replay=False)
        builder.apply("n2", 2, decision="halt", error_class="RegistryValueMalformed")
    assert RestartLoop().check(builder.run()).valid is True


def test_a_life_that_ends_otherwise_breaks_the_row():
    """A kill between two failures starts the count anew."""
    builder = looping(2)
    builder.start("n2", have=1, replay=False)
    builder.stop("n2", "kill")
    builder.start("n2", have=1, replay=False)
    builder.apply("n2", 2, decision="halt", error_class=ROLLBACK)
    assert RestartLoop().check(builder.run()).valid is True


def test_no_start_at_all_is_no_pass():
    """Where nothing ever started, nothing looped."""
    builder = TraceBuilder(elect=False)
    builder.events.clear()
    assert RestartLoop().check(builder.run()).valid == "unknown"


def test_the_last_crash_point_is_remembered_by_node():
    """A death that a crash point caused keeps the point's name; a later kill from outside replaces it."""
    builder = TraceBuilder()
    builder.crash("n2", "reg.after_set")
    builder.start("n2", have=0)
    crashes = LastCrash()
    for event in builder.events:
        crashes.observe(event)
    assert (crashes.of("n1"), crashes.of("n2")) == ("", "reg.after_set")
    builder.stop("n2", "power")
    crashes.observe(builder.events[-1])
    assert crashes.of("n2") == "power"
    builder.stop("n3", "stop")
    crashes.observe(builder.events[-1])
    assert crashes.of("n3") == ""


def test_a_failure_does_not_hide_the_kill_that_follows():
    """An injected failure of the store does not end a life; the death that comes later is named instead."""
    builder = TraceBuilder()
    crashes = LastCrash()
    builder.hit("n2", "reg.get_error", "error", 2)
    builder.stop("n2", "halt", 78)
    for event in builder.events:
        crashes.observe(event)
    assert crashes.words("n2") == ", after a failure at reg.get_error"
    builder.stop("n2", "power")
    crashes.observe(builder.events[-1])
    assert crashes.words("n2") == ", after a power loss"


def test_the_committed_log_holds_what_a_commit_covers():
    """A commit covers every entry in front of it, and nothing behind it."""
    builder = TraceBuilder()
    builder.put("a", 1)
    builder.append("n1", (3, 1, builder.put_data("b", 2)))
    log = committed_logs(builder.events)[0]
    assert log.commit == 2
    assert [(index, request.key) for index, request in kv_requests(log)] == [(2, "a")]


def test_batches_and_malformed_requests_are_read_as_replicas_do():
    """A batch holds several requests; bytes that are none changed nothing."""
    builder = TraceBuilder()
    requests = [KvRequest("c1", number, "put", "a", number) for number in (1, 2)]
    builder.propose(encode_entry(1, encode_batch(requests)))
    builder.propose(encode_entry(2, bytes([0, 0xC1])))
    log = committed_logs(builder.events)[0]
    assert list(kv_requests(log)) == [(2, requests[0]), (2, requests[1])]


def test_an_entry_whose_writer_died_before_telling_is_filled_in():
    """A committed entry that only another node told of, later, is still found."""
    builder = TraceBuilder()
    second, third = ((index, 1, builder.put_data("a", index)) for index in (2, 3))
    builder.log += [second, third]
    builder.stop("n2", "kill")
    builder.start("n2", have=1, replay=False, last_index=2)
    builder.append("n2", third)
    builder.commit("n2", 3)
    builder.append("n1", second, third)
    log = committed_logs(list(builder.events))[0]
    assert [index for index, _ in kv_requests(log)] == [2, 3]


def test_a_tail_that_disagrees_with_the_commit_is_forgotten():
    """An entry that was replaced behind the trace's back is not taken for the history of the next."""
    builder = TraceBuilder()
    builder.append("n3", (2, 1, b"old"))
    builder.stop("n3", "kill")
    for node in ("n1", "n2"):
        builder.append(node, (2, 2, b"new"))
        builder.commit(node, 2, 2)
    builder.start("n3", have=1, replay=False, last_index=2)
    builder.append("n3", (3, 2, b"next"))
    log = committed_logs(builder.events)[0]
    assert log.entries[3, 2] == (b"next", UNKNOWN)


def test_a_candidate_makes_its_tail_certain_again():
    """When every node died behind an entry, the next candidate's word names the entry in front of its own."""
    builder = TraceBuilder()
    builder.append("n2", (2, 1, builder.put_data("a", 1)))
    for node in builder.nodes:
        builder.stop(node, "kill")
        builder.start(node, have=1, replay=False, last_index=2, commit=1)
    builder.role("n2", "candidate", 2, (2, 1))
    builder.role("n2", "leader", 2, (3, 2))
    for node in ("n2", "n3"):
        builder.append(node, (3, 2, b""))
        builder.commit(node, 3, 2)
    log = committed_logs(builder.events)[0]
    assert [index for index, _ in kv_requests(log)] == [2]


def test_a_tail_that_may_have_been_replaced_is_not_believed():
    """After a restart only what agrees with the commit is certain; the rest is unknown, never guessed."""
    builder = TraceBuilder()
    builder.put("a", 1)
    builder.append("n3", (3, 1, b"old"))
    builder.stop("n3", "kill")
    builder.start("n3", have=1, replay=False, last_index=3)
    builder.append("n3", (4, 2, b"new"))
    log = committed_logs(builder.events)[0]
    assert log.entries[4, 2] == (b"new", UNKNOWN)


@pytest.mark.parametrize(
    ("payload", "error_class"),
    [
        (bytes([3]) + encode_registration(registration("n1", 1)), ""),
        (bytes([3, 1, 2]), "FsmWireMalformed"),
        (bytes([3, 9]) + bytes(14), "FsmWireVersionError"),
        (bytes([5, 1, 2]) + bytes(30), "FsmWireSubtagError"),
        (bytes([6]), "UnknownEncryptionOpcode"),
        (bytes.fromhex("04010000000100000002aabb0000000200000001cc00000000"), "KekNotConfigured"),
    ],
    ids=["registration", "short", "version", "sub-tag", "opcode", "bootstrap"],
)
def test_encryption_entries_say_what_every_replica_must_do(payload, error_class):
    """Each committed entry of the encryption range either registers or names the halt it must cause."""
    builder = TraceBuilder()
    builder.propose(encode_entry(1, payload))
    (entry,) = encryption_entries(committed_logs(builder.events)[0])
    assert entry.error_class == error_class
    assert (entry.registration is None) == bool(error_class)
