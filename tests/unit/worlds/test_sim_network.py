"""The simulated network: the fate of a message is a draw of its own link, and faults end with `heal`."""

from cluster.worlds.sim.network import LinkModel, Network
from cluster.worlds.tape import FRACTION_STEPS, Tape

STEADY = LinkModel(delay_min_ns=100, delay_max_ns=100)
WILD = LinkModel(delay_min_ns=100, delay_max_ns=200, loss=0.25, duplication=0.25)


def arrivals_with(model: LinkModel, fate: float) -> tuple[int, ...]:
    """What becomes of a message whose fate is drawn as `fate`, in [0, 1)."""
    tape = Tape(0, {"network.fate/a>b": [int(fate * FRACTION_STEPS)]})
    return Network(model, tape).arrivals("a", "b", 1000)


def test_a_link_without_chances_draws_nothing():
    """A link that neither loses nor duplicates nor spreads delivers after its delay, off the tape."""
    tape = Tape(0)
    assert Network(STEADY, tape).arrivals("a", "b", 1000) == (1100,)
    assert tape.draws() == {}


def test_low_fates_lose_and_high_fates_duplicate():
    """A fate below the loss loses the message, one in the uppermost part duplicates it."""
    assert arrivals_with(WILD, 0.0) == ()
    assert arrivals_with(WILD, 0.2499) == ()
    assert len(arrivals_with(WILD, 0.25)) == 1
    assert len(arrivals_with(WILD, 0.7499)) == 1
    assert len(arrivals_with(WILD, 0.75)) == 2
    assert len(arrivals_with(WILD, 0.9999)) == 2


def test_the_shares_of_fates_are_those_of_the_model():
    """Over many messages a quarter is lost, a quarter comes twice, and delays fill their range."""
    network = Network(WILD, Tape(7))
    fates = [network.arrivals("a", "b", 0) for _ in range(4000)]
    assert abs(sum(not times for times in fates) - 1000) < 100
    assert abs(sum(len(times) == 2 for times in fates) - 1000) < 100
    times = [time for arrived in fates for time in arrived]
    assert min(times) >= 100
    assert max(times) < 200
    assert len(set(times)) == 100


def test_draws_of_one_link_do_not_depend_on_other_links():
    """What happens on one link is the same whether another link is used or not."""
    alone, busy = Network(WILD, Tape(3)), Network(WILD, Tape(3))
    expected = [alone.arrivals("a", "b", at) for at in range(20)]
    found = []
    for at in range(20):
        busy.arrivals("b", "a", at)
        found.append(busy.arrivals("a", "b", at))
    assert found == expected


def test_an_ordered_link_never_lets_a_message_overtake():
    """On an ordered link arrivals rise strictly, whatever the delays drawn."""
    model = LinkModel(delay_min_ns=0, delay_max_ns=1000, ordered=True)
    network = Network(model, Tape(1))
    times = [network.arrivals("a", "b", at)[0] for at in range(0, 500, 5)]
    assert times == sorted(set(times))


def test_a_cut_is_one_way_and_heals():
    """A cut drops one direction only, replaces the cut before, and is gone after `heal`."""
    network = Network(STEADY, Tape(0))
    network.cut([("a", "b")])
    assert network.arrivals("a", "b", 0) == ()
    assert network.arrivals("b", "a", 0) == (100,)
    network.cut([("b", "a")])
    assert network.arrivals("a", "b", 0) == (100,)
    network.heal()
    assert network.arrivals("b", "a", 0) == (100,)


def test_a_link_of_its_own_lasts_until_heal():
    """A model given to one link holds for that link only, and `heal` gives it the common one again."""
    network = Network(STEADY, Tape(0))
    network.set_link("a", "b", LinkModel(delay_min_ns=500, delay_max_ns=500))
    assert network.arrivals("a", "b", 0) == (500,)
    assert network.arrivals("b", "a", 0) == (100,)
    network.heal()
    assert network.arrivals("a", "b", 0) == (100,)
