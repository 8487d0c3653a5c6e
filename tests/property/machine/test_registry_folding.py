"""The registry against a naive model: any sequence of registrations folds to the same rows.

The model is written from the specification's table in plain Python and shares nothing with the applier.
"""

from hypothesis import given
from hypothesis import strategies as st
from machine_lab import Lab

from cluster.encryption.registry_rows import decode_key, decode_row

NODES = [0x10000, 0x20000, 0x1_0001, 0x2_0001]
"""Two pairs that share their low 16 bits."""

EVENTS = st.lists(
    st.tuples(st.integers(1, 2), st.sampled_from(NODES), st.integers(0, 4)), max_size=25
)


class Model:
    """Rows as (dek, low bits) -> [node, first, last]."""

    def __init__(self):
        self.rows = {}

    def apply(self, dek_id, node, epoch):
        """Return whether a new entry halts; folds it if not."""
        row = self.rows.setdefault((dek_id, node & 0xFFFF), [node, epoch, epoch])
        if row[0] != node or epoch < row[2]:
            return True
        row[2] = epoch
        return False


def rows_of(machine):
    found = {}
    for key, value in machine.registry_rows():
        row = decode_row(value)
        found[decode_key(key)] = [row.full_node_id, row.first_seen_epoch, row.last_seen_epoch]
    return found


@given(EVENTS)
def test_folding_equals_the_model(events):
    """Until the first halt every row equals the model's; the halt comes exactly where the model wants it."""
    lab, model = Lab(), Model()
    for dek_id, node, epoch in events:
        halts = model.apply(dek_id, node, epoch)
        outcome = lab.register(epoch, node=node, dek_id=dek_id)

        assert outcome.halt == halts
        assert rows_of(lab.machine) == model.rows
        if halts:
            break


@given(EVENTS, st.data())
def test_replay_over_newer_rows_ends_in_the_same_state(events, data):
    """Replaying any suffix that was applied before, from any index, halts nowhere and changes no byte."""
    lab, model = Lab(), Model()
    applied = []
    for event in events:
        if model.apply(*event):
            break
        applied.append(event)
        lab.register(event[2], node=event[1], dek_id=event[0])
    written = dict(lab.platter.written)
    start = data.draw(st.integers(0, len(applied)))

    after = Lab(lab.platter.after("power"), applied=start)
    outcomes = [
        after.register(epoch, node=node, dek_id=dek_id) for dek_id, node, epoch in applied[start:]
    ]

    assert all(outcome.decision in {"noop", "noop_older"} for outcome in outcomes)
    assert all(outcome.row_writes == 0 for outcome in outcomes)
    assert after.platter.written == written
    assert after.machine.state_hash() == lab.machine.state_hash()


@given(EVENTS)
def test_rows_are_monotone(events):
    """The owner and the first epoch of a row never change, its last epoch never falls, no row disappears."""
    lab = Lab()
    before = {}
    for dek_id, node, epoch in events:
        if lab.register(epoch, node=node, dek_id=dek_id).halt:
            lab = Lab(
                lab.platter, applied=lab.machine.applied
            )  # an operator's restart behind the poison
        now = rows_of(lab.machine)
        for key, (owner, first, last) in before.items():
            assert now[key][:2] == [owner, first]
            assert now[key][2] >= last
        before = now
