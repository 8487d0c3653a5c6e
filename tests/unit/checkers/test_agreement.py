"""Replica agreement: equal hashes pass, one different hash is convicted, no comparison is no pass."""

from checker_traces import TraceBuilder, invariants

from cluster.trace import Installed, SnapshotTaken
from harness.checkers.agreement import Agreement


def judged(builder: TraceBuilder, states=None):
    return Agreement().check(builder.run((), states))


def test_equal_hashes_are_valid():
    """Every hash is compared with the first one told for its index."""
    builder = TraceBuilder()
    builder.put()
    builder.emit(SnapshotTaken, "n1", index=2, size_bytes=10, state_hash=2001)
    builder.emit(Installed, "n3", index=2, state_hash=2001)
    verdict = judged(builder, {"n2": builder.state("n2")})
    assert verdict.valid is True, verdict.evidence
    assert verdict.facts == {"hashes_compared": 7, "snapshot_hashes_compared": 2}


def test_a_different_state_at_one_index_is_convicted():
    """I6: equal applied index, equal state."""
    builder = TraceBuilder()
    index = builder.propose(builder.put_data("x", 1))
    builder.apply("n1", index)
    builder.apply("n2", index, state_hash=7)
    verdict = judged(builder)
    assert invariants(verdict) == ["I6"]
    assert (verdict.evidence[0]["node"], verdict.evidence[0]["index"]) == ("n2", 2)


def test_a_replay_that_ends_elsewhere_is_convicted():
    """I6: a later life of the same node is another witness."""
    builder = TraceBuilder(("n1",))
    index = builder.put()
    builder.crash("n1", "eng.after_resolve")
    builder.start("n1", have=1, replay=False)
    builder.apply("n1", index, state_hash=7)
    verdict = judged(builder)
    assert invariants(verdict) == ["I6"]
    assert verdict.evidence[0]["crash_point"] == "eng.after_resolve"


def test_a_snapshot_with_another_state_is_convicted():
    """I25: a snapshot at an index has the state at that index."""
    builder = TraceBuilder()
    builder.put()
    builder.emit(SnapshotTaken, "n1", index=2, size_bytes=10, state_hash=9)
    builder.emit(Installed, "n3", index=2, state_hash=8)
    assert invariants(judged(builder)) == ["I25", "I25"]


def test_a_different_final_state_is_convicted():
    """I6: the state inspected at the end counts too."""
    builder = TraceBuilder()
    builder.put()
    assert invariants(judged(builder, {"n2": builder.state("n2", state_hash=5)})) == ["I6"]


def test_a_replica_with_a_damaged_row_has_no_say_until_its_store_is_rebuilt():
    """A row damaged on purpose makes that replica's state differ; after a restore it counts again."""
    builder = TraceBuilder()
    builder.hit("n3", "reg.row_corrupt", "error", 1)
    index = builder.propose(builder.put_data("x", 1))
    builder.apply("n3", index, state_hash=666)
    builder.apply("n1", index)
    builder.apply("n2", index)
    odd = {"n3": builder.state("n3", state_hash=666)}
    verdict = judged(builder, odd)
    assert verdict.valid is True
    assert verdict.facts["hashes_compared"] == 3  # two at entry 1, one at entry 2
    builder.stop("n3", "kill")
    builder.start("n3", have=0, restored=True, replay=False)
    builder.apply("n3", index, state_hash=667)
    verdict = judged(builder)
    assert [(found["node"], found["index"]) for found in verdict.evidence] == [("n3", 2)]


def test_a_recovering_node_is_not_compared_at_the_end():
    """While rows are ahead of the applied index, the hash of a state says nothing."""
    builder = TraceBuilder()
    builder.put()
    state = builder.state("n2", recovering=True, state_hash=5)
    assert judged(builder, {"n2": state}).valid is True


def test_without_a_comparison_there_is_no_pass():
    """One replica alone agrees with nobody; hashes told while recovering or halting are none."""
    builder = TraceBuilder(elect=False)
    index = builder.propose(builder.put_data("x", 1))
    builder.apply("n1", index)
    builder.apply("n2", index, state_hash=0)
    builder.apply("n3", index, decision="halt", error_class="StoreFailed", state_hash=77)
    verdict = judged(builder)
    assert verdict.valid == "unknown"
    assert verdict.facts["hashes_compared"] == 0
