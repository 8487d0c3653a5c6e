"""Random lives of whole networks: safety after every act, progress after the end of the troubles.

`raft_chaos` says what may happen. Once the tape comes from Hypothesis, which shrinks a failure to few acts, and
once from seeds, which go further in less time.
"""

import random
from itertools import chain, count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raft_chaos import Chaos


def tape(numbers):
    """Draw from a list, and then from a sequence that splits no vote for ever."""
    source = chain(numbers, (number * 123_456_789 for number in count(1)))
    return lambda bound: next(source) % bound


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.sampled_from([3, 5]), st.lists(st.integers(0, 2**16), max_size=500))
def test_tape(size, numbers):
    """A network of three or five keeps its promises under any sequence of troubles."""
    chaos = Chaos(size, tape(numbers))

    for _ in range(len(numbers) // 2):
        chaos.act()

    chaos.recover()


@pytest.mark.slow
@pytest.mark.parametrize("block", range(4))
def test_seeds(block):
    """Two hundred and forty seeds of six hundred acts each keep all promises."""
    done = 0
    for seed in range(block * 60, block * 60 + 60):
        chaos = Chaos((1, 3, 4, 5)[seed % 4], random.Random(seed).randrange)
        for _ in range(600):
            chaos.act()
        done += chaos.network.safety.commit
        chaos.recover()

    assert done > 300, "the networks did too little to prove anything"


def test_a_run_is_its_tape():
    """The same numbers give the same run, event by event."""

    def events(seed):
        chaos = Chaos(3, random.Random(seed).randrange)
        for _ in range(300):
            chaos.act()
        return chaos.network.events

    assert events(7) == events(7)
    assert events(7) != events(8)


def test_every_kind_of_trouble_happens():
    """The random networks do see crashes, installs, rejections, reads answered and reads lost."""
    seen = []
    for seed in range(30):
        chaos = Chaos(3, random.Random(seed).randrange)
        for _ in range(600):
            chaos.act()
        chaos.recover()
        seen += chaos.network.events

    for words in ("crashed", "installs snapshot", "rejects", "may answer read", "lost read"):
        assert any(words in event for event in seen), words
