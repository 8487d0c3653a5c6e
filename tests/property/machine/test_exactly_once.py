"""Exactly once against a naive model: any interleaving of requests and retries."""

from hypothesis import given
from hypothesis import strategies as st
from machine_lab import Lab

STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 5), st.integers(0, 1), st.booleans()),
    max_size=30,
)


@given(STEPS)
def test_appends_and_retries(steps):
    """Each (client, sequence) is executed once, if it is newer than the client's last one, also across restarts."""
    lab = Lab()
    last: dict[str, int] = {}
    lists: dict[str, list[list[object]]] = {"k0": [], "k1": []}
    for client, sequence, key, restart in steps:
        name = f"k{key}"
        response = lab.ask(
            "append", name, [client, sequence], client=client, sequence=sequence
        ).result
        if sequence > last.get(client, 0):
            last[client] = sequence
            lists[name].append([client, sequence])
        assert response.ok == (sequence == last[client])
        if restart:
            assert lab.machine.flush() is None
            lab = Lab(lab.platter.after("power"))
        assert (lab.machine.read(name) or []) == lists[name]
