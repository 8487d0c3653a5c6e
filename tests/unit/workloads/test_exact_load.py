"""The exact load: every operation at its moment, by its client, and once."""

from __future__ import annotations

import pytest

from cluster.worlds.tape import Stream
from harness.campaign.simulate import simulate
from harness.cli.options import known
from harness.errors import UserMistake
from harness.generator import PENDING, Context, new_context
from harness.scenario import Scenario, dump_scenario, load_scenario
from workloads.exact import exact_load, spelled

RAW = [
    {"f": "write", "at_s": 0.5, "client": 1, "value": ["k", 1]},
    {"f": "read", "at_s": 0.2, "client": 1, "value": ["k", {}]},
    {"f": "read", "at_s": 0.3, "client": 0, "value": ["k", {}]},
    {"f": "read", "at_s": 7.0, "client": 0, "value": ["k", {}], "last": True},
]


@pytest.fixture
def context() -> Context:
    return new_context(2, Stream("test", 0))


def test_steps_come_in_order_of_their_moments(context: Context) -> None:
    """However the file lists them; the context's time is not theirs."""
    moments = []
    load = exact_load(RAW, 2, last=False)
    while (answer := load.operation(context)) is not None:
        assert answer is not PENDING
        operation, load = answer
        moments.append((operation.time_ns, operation.process, operation.f))

    assert moments == [
        (200_000_000, 1, "read"),
        (300_000_000, 0, "read"),
        (500_000_000, 1, "write"),
    ]


def test_a_busy_client_keeps_nobody_else_waiting(context: Context) -> None:
    """Its step waits for it; those of others come first."""
    load = exact_load(RAW, 2, last=False)
    operation, left = load.operation(context.busy(0, 1))
    assert (operation.process, operation.value) == (0, ["k", None])

    assert left.operation(context.busy(0, 1)) is PENDING


def test_last_steps_count_from_the_first_of_them(context: Context) -> None:
    """Healing takes as long as it takes."""
    operation, left = exact_load(RAW, 2, last=True).operation(context.at(9_000_000_000))

    assert operation.time_ns == 9_000_000_000
    assert left.operation(context) is None


@pytest.mark.parametrize(
    "value", [None, 3, "x", ["r", 1, None], {"a": None, "b": [None, {"c": 1}]}]
)
def test_nothing_can_be_spelled(context: Context, value: object) -> None:
    """A value with holes goes through a scenario file and comes back."""
    raw = (
        [{"f": "f", "at_s": 0.0, "value": spelled(value)}]
        if value is not None
        else [{"f": "f", "at_s": 0.0}]
    )
    operation, _ = exact_load(raw, 2, last=False).operation(context)

    assert operation.value == value


@pytest.mark.parametrize(
    ("step", "says"),
    [({"f": "read", "at_s": 0.0, "client": 2}, "client 2"), ({"f": "read", "at_s": -1.0}, "at_s")],
)
def test_what_makes_no_sense_is_refused(step: dict[str, object], says: str) -> None:
    """In one line that names the place."""
    with pytest.raises(UserMistake, match=f"exact_operations.*{says}"):
        exact_load([step], 2, last=False)


def test_a_listed_load_is_all_that_clients_do() -> None:
    """Nothing of the workload's own load or last reads is left."""
    scenario = Scenario(
        workload="register", nemesis=["none"], nodes=3, concurrency=2, time_limit_s=2.0,
        options={"exact_operations": [
            {"f": "write", "at_s": 0.6, "client": 1, "value": ["r0", 5]},
            {"f": "read", "at_s": 0.0, "value": ["r0", {}], "last": True},
        ]},
    )  # fmt: skip
    invoked = [one for one in simulate(scenario).history if one.type == "invoke"]

    assert [(one.f, one.process, one.value) for one in invoked] == [
        ("write", 1, ["r0", 5]),
        ("read", 0, ["r0", None]),
    ]
    assert invoked[0].time_ns == 600_000_000


def test_a_list_of_operations_is_written_one_a_line() -> None:
    """A person can read the file, and it says the same when it is read back."""
    scenario = Scenario(workload="register", options={"exact_operations": RAW[:2]})
    text = dump_scenario(scenario)

    assert '\n  { f = "read", at_s = 0.2, client = 1, value = ["k", {}] },\n' in text
    assert load_scenario(text, known()) == scenario
