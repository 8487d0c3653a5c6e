"""Whatever can stand in a scenario is written so that it reads back as the same."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.operation import Kind
from harness.scenario import (
    NO_NEMESIS,
    After,
    At,
    FaultEntry,
    Known,
    Scenario,
    dump_scenario,
    load_scenario,
)
from harness.toml_writer import dumps

names = st.text(min_size=1, max_size=8)
nemeses = st.lists(names, max_size=3).filter(
    lambda chosen: NO_NEMESIS not in chosen or len(chosen) == 1
)
scalars = (
    st.text(max_size=12)
    | st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.floats(allow_nan=False)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
tables = st.dictionaries(st.text(max_size=6), values, max_size=4)
seconds = st.floats(0, 10_000_000)
kinds: st.SearchStrategy[Kind] = st.sampled_from(["invoke", "ok", "fail", "info"])
moments = st.builds(At, time_s=seconds) | st.builds(
    After, f=names, type=kinds, nth=st.integers(1, 99), delay_s=seconds
)
entries = st.builds(
    FaultEntry, f=names, when=moments, targets=st.lists(names, max_size=3), value=tables
)
scenarios = st.builds(
    Scenario,
    workload=names,
    name=names,
    world=names,
    nodes=st.integers(1, 99),
    concurrency=st.integers(1, 10_000),
    rate=st.floats(0, 1_000_000, exclude_min=True),
    time_limit_s=st.floats(0, 10_000_000, exclude_min=True),
    seed=st.integers(0, 2**64),
    nemesis=nemeses,
    bug=st.text(max_size=5),
    compat=st.text(max_size=5),
    options=tables,
    stimuli=st.dictionaries(names, st.integers(0, 10**9), max_size=3),
    faults=st.lists(entries, max_size=3),
)


def everything_in(scenario: Scenario) -> Known:
    """What must be known for this scenario to be accepted."""
    return Known(
        workloads=frozenset({scenario.workload}),
        worlds=frozenset({scenario.world}),
        nemeses=frozenset(scenario.nemesis),
        bugs=frozenset({scenario.bug}),
        compats=frozenset({scenario.compat}),
        faults=frozenset(entry.f for entry in scenario.faults),
    )


@given(scenarios)
def test_a_scenario_reads_back_as_itself(scenario: Scenario) -> None:
    """Writing and reading is the identity."""
    written = dump_scenario(scenario)

    assert load_scenario(written, everything_in(scenario)) == scenario


@given(st.dictionaries(st.text(max_size=8), values, max_size=6))
def test_toml_of_ours_is_toml(document: dict[str, Any]) -> None:
    """The standard library reads what our writer writes, key order included."""
    read = tomllib.loads(dumps(document))

    assert read == document
