"""Each of Raft's promises: an honest trace passes, and a trace with one planted lie is convicted by name."""

from checker_traces import TraceBuilder, invariants

from cluster.trace import Fault, Installed, RoleChanged
from harness.checkers.raft_invariants import RaftChecker, RaftInvariants


def judged(builder: TraceBuilder):
    return RaftChecker().check(builder.run())


def with_entries() -> TraceBuilder:
    """Entry 1 is the empty one of term 1; 2 and 3 are writes, all committed and applied."""
    builder = TraceBuilder()
    builder.put("a")
    builder.put("b")
    return builder


def test_an_honest_run_with_a_leader_change_is_valid():
    """A run in which leaders change and nodes restart keeps every promise."""
    builder = with_entries()
    builder.crash("n1", "eng.after_resolve")
    builder.start("n1", have=3, replay=False)
    builder.lead("n2", 2)
    builder.put("c")
    verdict = judged(builder)
    assert verdict.valid is True
    assert verdict.facts == {
        "forgetful_disks": 0,
        "forgetful_disks_refused": 0,
        "entries_committed": 5,
        "terms_with_leader": 2,
    }


def test_nothing_committed_is_no_pass():
    """A run in which no entry was committed is unknown."""
    assert judged(TraceBuilder(elect=False)).valid == "unknown"


def test_two_leaders_of_one_term_are_convicted():
    """A second node that becomes leader of a term breaks election safety."""
    builder = with_entries()
    builder.role("n2", "leader", 1, (4, 1))
    assert invariants(judged(builder)) == ["election safety"]


def test_a_violation_is_recorded_the_moment_it_happens():
    """`observe` adds the finding with the very event that breaks the promise."""
    builder = with_entries()
    builder.role("n2", "leader", 1, (4, 1))
    online = RaftInvariants()
    for event in builder.events[:-1]:
        online.observe(event)
    assert online.violations == []
    online.observe(builder.events[-1])
    assert [found["node"] for found in online.violations] == ["n2"]


def test_two_contents_under_one_index_and_term_are_convicted():
    """The same (index, term) with other bytes breaks log matching."""
    builder = with_entries()
    builder.append("n1", (4, 1, b"left"))
    builder.append("n2", (4, 1, b"right"))
    assert invariants(judged(builder)) == ["log matching"]


def test_two_histories_before_one_entry_are_convicted():
    """The same (index, term) behind another term breaks log matching."""
    builder = with_entries()
    builder.append("n2", (4, 2, b"x"), (5, 3, b"y"))
    builder.append("n3", (4, 1, b"z"), (5, 3, b"y"))
    assert invariants(judged(builder)) == ["log matching"]


def test_two_entries_committed_at_one_index_are_convicted():
    """Two nodes that know different entries committed at one index break state machine safety."""
    builder = with_entries()
    builder.append("n2", (4, 1, b"x"))
    builder.commit("n2", 4, 1)
    builder.role("n3", "follower", 2)
    builder.append("n3", (4, 2, b"y"))
    builder.commit("n3", 4, 2)
    assert invariants(judged(builder)) == ["state machine safety"]


def test_another_path_to_a_committed_tip_is_convicted():
    """A commit whose history contradicts what was committed below breaks state machine safety."""
    builder = with_entries()
    builder.role("n3", "follower", 2)
    builder.append("n3", (3, 2, b"other"), (4, 2, b"y"))
    builder.commit("n3", 4, 2)
    verdict = judged(builder)
    assert invariants(verdict) == ["state machine safety"]
    assert verdict.evidence[0]["index"] == 3


def test_two_digests_applied_at_one_index_are_convicted():
    """Applying another entry at an index than a peer did breaks state machine safety."""
    builder = with_entries()
    builder.propose(builder.put_data("c", 1))
    builder.apply("n1", 4)
    builder.apply("n2", 4, digest=1)
    assert invariants(judged(builder)) == ["state machine safety"]


def test_applying_something_else_than_committed_is_convicted():
    """The first replica that applies an entry is compared with the committed bytes."""
    builder = with_entries()
    builder.propose(builder.put_data("c", 1))
    builder.apply("n1", 4, digest=1)
    assert invariants(judged(builder)) == ["state machine safety"]


def test_a_leader_without_a_committed_entry_is_convicted():
    """A new leader whose log is shorter than what was committed breaks leader completeness."""
    builder = with_entries()
    builder.role("n3", "leader", 2, (3, 2))
    verdict = judged(builder)
    assert invariants(verdict) == ["leader completeness"]
    assert verdict.evidence[0]["index"] == 3


def test_a_leader_with_another_entry_at_a_committed_index_is_convicted():
    """A new leader of equal length whose entry differs from the committed one breaks leader completeness."""
    builder = with_entries()
    only_two = ("n1", "n2")
    builder.role("n3", "follower", 2)
    builder.append("n3", (4, 2, b"mine"))
    builder.propose(builder.put_data("c", 1), only_two)
    builder.role("n3", "leader", 3, (5, 3))
    assert invariants(judged(builder)) == ["leader completeness"]


def test_a_leader_must_hold_what_later_terms_committed():
    """The newest commit of any earlier term counts, not the first."""
    builder = with_entries()
    builder.lead("n2", 2)
    builder.put("c")
    builder.role("n3", "leader", 3, (5, 3))
    verdict = judged(builder)
    assert invariants(verdict) == ["leader completeness"]
    assert verdict.evidence[0]["index"] == 5


def test_a_late_leader_of_an_old_term_is_no_violation():
    """A leader of a term older than the commit need not hold the entry: its election only became known late."""
    builder = with_entries()
    builder.lead("n2", 5)
    builder.role("n3", "leader", 4, (4, 4))
    found = judged(builder).evidence
    assert [finding["invariant"] for finding in found] == [
        "persistence"
    ]  # its term went back, nothing else


def test_a_leader_that_died_before_telling_its_entries_is_no_violation():
    """Entries written and never told of are unknown, not missing."""
    builder = TraceBuilder()
    entry = (2, 1, builder.put_data("a", 1))
    builder.log.append(entry)
    for node in ("n1", "n2"):
        builder.append(node, entry)
        builder.commit(node, 2)
    builder.stop("n3", "kill")
    builder.start("n3", have=1, replay=False, last_index=2, commit=1)
    builder.role("n3", "candidate", 2, (2, 1))
    builder.role("n3", "leader", 2, (3, 2))
    assert judged(builder).valid is True


def test_a_leader_that_overwrites_its_log_is_convicted():
    """A leader only appends."""
    builder = with_entries()
    builder.append("n1", (3, 1, builder.log[2][2]))
    assert invariants(judged(builder)) == ["leader append-only"]


def test_a_follower_may_overwrite_its_uncommitted_tail():
    """A follower that drops an uncommitted entry for the new leader's breaks nothing."""
    builder = with_entries()
    builder.append("n3", (4, 1, b"never committed"))
    builder.lead("n2", 2)
    assert judged(builder).valid is True


def test_a_commit_index_that_goes_back_is_convicted():
    """Within one life the commit index never falls."""
    builder = with_entries()
    builder.commit("n2", 2)
    assert invariants(judged(builder)) == ["commit monotone"]


def test_a_commit_index_may_start_low_after_a_restart():
    """The commit index is a hint on disk: a new life may know less."""
    builder = with_entries()
    builder.crash("n2", "eng.before_apply", "power")
    builder.start("n2", have=1, replay=False, commit=1)
    builder.commit("n2", 2)
    assert judged(builder).valid is True


def test_a_durable_committed_entry_that_is_gone_is_convicted():
    """A log that ends before a committed entry the node had fsynced has lost it; the crash point is named."""
    builder = with_entries()
    builder.crash("n3", "wal.after_fsync", "power")
    builder.start("n3", have=2, replay=False, last_index=2, commit=2)
    verdict = judged(builder)
    assert invariants(verdict) == ["persistence"]
    assert verdict.evidence[0]["crash_point"] == "wal.after_fsync"
    assert "wal.after_fsync" in verdict.evidence[0]["what"]


def test_an_entry_that_was_never_durable_may_be_gone():
    """A power loss may take an entry that was written but not fsynced."""
    builder = with_entries()
    entry = (4, 1, builder.put_data("c", 1))
    for node in ("n1", "n2"):
        builder.append(node, entry)
    builder.append("n3", entry, durable=False)
    builder.log.append(entry)
    builder.commit("n1", 4)
    builder.crash("n3", "wal.after_write_before_fsync", "power")
    builder.start("n3", have=3, replay=False, last_index=3, commit=3)
    assert judged(builder).valid is True


def test_a_durable_entry_overwritten_without_a_sync_may_be_gone():
    """What was fsynced counts up to the place where something un-synced was written over it."""
    builder = TraceBuilder()
    builder.append("n3", (2, 1, b"old"), (3, 1, b"older"))
    data = builder.put_data("a", 1)
    builder.role("n3", "follower", 2)
    builder.append("n3", (2, 2, data), durable=False)
    for node in ("n1", "n2"):
        builder.role(node, "follower", 2)
        builder.append(node, (2, 2, data))
        builder.commit(node, 2, 2)
    builder.crash("n3", "wal.after_write_before_fsync", "power")
    builder.start("n3", have=1, replay=False, last_index=1, commit=1)
    assert judged(builder).valid is True


def test_what_a_restart_lost_is_not_missed_again():
    """A log that came back shorter is judged by what it holds from then on."""
    builder = with_entries()
    for _ in range(2):
        builder.stop("n3", "power")
        builder.start("n3", have=2, replay=False, last_index=2, commit=2)
    assert invariants(judged(builder)) == ["persistence"]


def test_a_commit_index_below_an_installed_snapshot_is_convicted():
    """A snapshot makes everything it covers committed."""
    builder = with_entries()
    builder.emit(Installed, "n3", index=3, state_hash=0)
    builder.commit("n3", 2)
    assert invariants(judged(builder)) == ["commit monotone"]


def test_a_term_that_goes_back_over_a_restart_is_convicted():
    """A node that acted durably in a term never comes back in an older one."""
    builder = with_entries()
    builder.lead("n2", 4)
    builder.stop("n1", "power")
    builder.start("n1", have=4, replay=False)
    builder.role("n1", "follower", 3)
    assert invariants(judged(builder)) == ["persistence"]


def test_an_installed_snapshot_replaces_the_log():
    """After a snapshot the log goes on behind it, whatever stood there before."""
    builder = with_entries()
    builder.lead("n2", 2)
    builder.emit(Installed, "n3", index=4, state_hash=0)
    builder.append("n3", (5, 2, b"z"))
    builder.append("n1", (5, 2, b"z"))
    builder.role("n3", "candidate", 3, (5, 2))
    builder.role("n3", "leader", 3, (6, 3))
    assert judged(builder).valid is True


def test_groups_do_not_mix():
    """Another node may lead the same term of another group."""
    builder = with_entries()
    fields = {"role": "leader", "term": 1, "last_index": 1, "last_term": 1}
    builder.emit(RoleChanged, "n2", group=1, **fields)
    assert judged(builder).valid is True
    builder.emit(RoleChanged, "n3", group=1, **fields)
    assert invariants(judged(builder)) == ["election safety"]


def forgetful() -> TraceBuilder:
    """n2 acknowledged three entries, and a copy of its disk from before the third was put back."""
    builder = with_entries()
    builder.crash("n2", "eng.after_resolve")
    builder.emit(Fault, "n2", action="disk-stale", target="")
    builder.start("n2", have=2, last_index=2)
    return builder


def test_a_disk_that_was_put_back_is_no_broken_promise_and_no_pass():
    """What hands took from a disk is outside the model: unknown, with what was forgotten, unless somebody refuses it."""
    verdict = judged(forgetful())
    assert verdict.valid == "unknown"
    (found,) = verdict.evidence
    assert found["invariant"] == "outside the fault model"
    assert (found["node"], found["index"]) == ("n2", 3)
    assert verdict.facts["forgetful_disks"] == 1


def test_a_forgetful_disk_that_is_refused_is_right():
    """The node that finds out what its disk forgot ends with an error: as it must be."""
    builder = forgetful()
    builder.stop("n2", "error", 1)
    verdict = judged(builder)
    assert verdict.valid is True
    assert (verdict.facts["forgetful_disks"], verdict.facts["forgetful_disks_refused"]) == (1, 1)


def test_damage_excuses_one_disk_and_one_start():
    """Another node that forgets, or the same one once more without new damage, breaks the promise of raft."""
    for node in ("n2", "n3"):
        builder = forgetful()
        builder.append("n2", (3, 1, builder.put_data("b", 1)))
        builder.crash(node, "eng.after_resolve")
        builder.start(node, have=1, last_index=1)
        assert "persistence" in invariants(judged(builder))
