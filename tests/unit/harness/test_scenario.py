"""Scenario files: what they say, and the one line that a wrong one gets."""

from __future__ import annotations

import pytest

from harness.scenario import (
    After,
    At,
    FaultEntry,
    Known,
    Scenario,
    ScenarioError,
    dump_scenario,
    load_scenario,
    parse_concurrency,
)

KNOWN = Known(
    workloads=frozenset({"crash-replay", "register"}),
    worlds=frozenset({"sim", "local"}),
    nemeses=frozenset({"kill", "power"}),
    bugs=frozenset({"HZ-1"}),
    compats=frozenset({"original"}),
    faults=frozenset({"arm", "kill"}),
)

HEAD = 'workload = "register"\n'
FAULT = HEAD + '[[faults]]\nf = "arm"\n'


def test_a_full_scenario_is_read() -> None:
    """Every key arrives where it belongs."""
    text = """
        workload = "crash-replay"
        name = "nightly"
        world = "local"
        nodes = 3
        concurrency = "2n"
        rate = 50
        time_limit_s = 2.5
        seed = 7
        nemesis = ["kill", "power"]
        bug = "HZ-1"
        compat = "original"

        [options]
        keys = 4
        deep = { list = [1, 2.5, "x", true] }

        [stimuli]
        "crash_points_hit/apply.after_set" = 1

        [[faults]]
        f = "arm"
        targets = ["leader"]
        value = { point = "apply.after_set", nth = 3 }
        when = { kind = "after", f = "register", nth = 2, delay_s = 0.5 }

        [[faults]]
        f = "kill"
        when = { kind = "at", time_s = 3 }
    """

    assert load_scenario(text, KNOWN) == Scenario(
        workload="crash-replay",
        name="nightly",
        world="local",
        nodes=3,
        concurrency=6,
        rate=50.0,
        time_limit_s=2.5,
        seed=7,
        nemesis=["kill", "power"],
        bug="HZ-1",
        compat="original",
        options={"keys": 4, "deep": {"list": [1, 2.5, "x", True]}},
        stimuli={"crash_points_hit/apply.after_set": 1},
        faults=[
            FaultEntry(
                f="arm",
                targets=["leader"],
                value={"point": "apply.after_set", "nth": 3},
                when=After(f="register", nth=2, delay_s=0.5),
            ),
            FaultEntry(f="kill", when=At(time_s=3.0)),
        ],
    )


def test_only_the_workload_is_needed() -> None:
    """Everything else has a default."""
    assert load_scenario(HEAD, KNOWN) == Scenario(workload="register")


def test_every_key_is_written() -> None:
    """A later change of a default must not change what an old file means."""
    written = dump_scenario(Scenario(workload="register"))

    assert [line.split(" = ")[0] for line in written.splitlines()] == list(
        Scenario.__struct_fields__
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x", "the scenario is not TOML: Expected '=' after a key"),
        ("nodes = 3", "workload: this key is missing and needed"),
        (HEAD + "noodes = 3", "noodes: there is no such key; did you mean 'nodes'? allowed: bug,"),
        ('workload = "regster"', "workload: 'regster' is unknown; did you mean 'register'?"),
        (HEAD + 'world = "mars"', "world: 'mars' is unknown; allowed: local, sim"),
        (HEAD + 'nemesis = ["power", "kil"]', "nemesis[1]: 'kil' is unknown; did you mean 'kill'?"),
        (HEAD + 'nemesis = "kill"', "nemesis: 'kill' is not allowed; allowed: a list"),
        (HEAD + 'bug = "HZ-2"', "bug: 'HZ-2' is unknown; did you mean 'HZ-1'? allowed: HZ-1"),
        (HEAD + 'compat = "old"', "compat: 'old' is unknown; allowed: original"),
        (HEAD + 'nodes = "a"', "nodes: 'a' is not allowed; allowed: a whole number"),
        (HEAD + "nodes = true", "nodes: True is not allowed; allowed: a whole number"),
        (HEAD + "nodes = 0", "nodes: 0 is not allowed; allowed: a whole number from 1"),
        (HEAD + "nodes = 100", "nodes: 100 is not allowed; allowed: a whole number up to 99"),
        (HEAD + "rate = 0", "rate: 0 is not allowed; allowed: a number above 0"),
        (HEAD + "rate = nan", "rate: nan is not allowed; allowed: a number above 0"),
        (HEAD + "rate = inf", "rate: inf is not allowed; allowed: a number up to 1000000"),
        (HEAD + "seed = 1.5", "seed: 1.5 is not allowed; allowed: a whole number"),
        (HEAD + 'concurrency = "2m"', "concurrency: '2m' is not allowed; allowed are a number"),
        (HEAD + 'nodes = []\nconcurrency = "2n"', "nodes: [] is not allowed"),
        (HEAD + "options = 3", "options: 3 is not allowed; allowed: a table"),
        (HEAD + "[options]\na = [2020-01-01]", "options.a[0]: 2020-01-01 is a date; allowed: text"),
        (HEAD + '[stimuli]\na = 1\n"b.c" = -1', "stimuli.b.c: -1 is not allowed; allowed: a whole"),
        (HEAD + '[stimuli]\na = "x"', "stimuli.a: 'x' is not allowed; allowed: a whole number"),
        (HEAD + "faults = [3]", "faults[0]: 3 is not allowed; allowed: a table"),
        (FAULT, "faults[0].when: this key is missing and needed"),
        (FAULT + "when = 3", "faults[0].when: 3 is not allowed; allowed: a table"),
        (FAULT + 'when = {f = "x"}', "faults[0].when.kind: this key is missing and needed (one of"),
        (
            FAULT + 'when = {kind = "aftr", f = "x"}',
            "faults[0].when.kind: 'aftr' is unknown; did you mean 'after'? allowed: after, at",
        ),
        (
            FAULT + 'when = {kind = "after", f = "x", type = "okay"}',
            "faults[0].when.type: 'okay' is unknown; did you mean 'ok'? allowed: fail, info, invoke",
        ),
        (
            FAULT + 'when = {kind = "at", time = 1}',
            "faults[0].when.time: there is no such key; did you mean 'time_s'? allowed: kind, time_s",
        ),
        (
            FAULT + 'when = {kind = "at", time_s = -1}',
            "faults[0].when.time_s: -1 is not allowed; allowed: a number from 0",
        ),
        (
            FAULT + 'when = {kind = "event", event = "pont"}',
            "faults[0].when.event: 'pont' is unknown; did you mean 'point'? allowed: applied",
        ),
        (
            FAULT + 'when = {kind = "event", event = "point"}',
            "faults[0].when.point: this key is missing and needed with the event 'point'",
        ),
        (
            FAULT + 'when = {kind = "event", event = "halted", point = "x"}',
            "faults[0].when.point: the event 'halted' has no such key; it has: none",
        ),
        (
            FAULT + 'when = {kind = "event", event = "halted", after = {even = "x"}}',
            "faults[0].when.after.even: there is no such key; did you mean 'event'?",
        ),
        (
            FAULT
            + 'when = {kind = "event", event = "halted", after = {event = "halted", cause = "x"}}',
            "faults[0].when.after.cause: the event 'halted' has no such key",
        ),
        (
            FAULT + 'when = {kind = "event", event = "halted", after = 3}',
            "faults[0].when.after: 3 is not allowed; allowed: a table",
        ),
        (
            FAULT + 'whn = {kind = "at", time_s = 1}',
            "faults[0].whn: there is no such key; did you mean 'when'? allowed: f, targets, value",
        ),
        (
            HEAD + '[[faults]]\nf = "amr"\nwhen = {kind = "at", time_s = 1}',
            "faults[0].f: 'amr' is unknown; did you mean 'arm'? allowed: arm, kill",
        ),
        (
            FAULT + 'when = {kind = "at", time_s = 1}\nvalue = {t = 07:30:00}',
            "faults[0].value.t: 07:30:00 is a time; allowed: text",
        ),
    ],
)
def test_a_wrong_scenario_gets_one_line(text: str, line: str) -> None:
    """It names the key, what stood there, what is allowed, and what was probably meant."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario(text, KNOWN)

    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "number"), [("7", 7), ("1n", 5), ("3n", 15)])
def test_concurrency_may_be_a_multiple_of_the_nodes(text: str, number: int) -> None:
    """As in Jepsen, 3n is three clients for each node."""
    assert parse_concurrency(text, 5) == number


@pytest.mark.parametrize("text", ["", "0", "0n", "n", "-1", "1.5", "2 n", "٣"])
def test_other_spellings_of_concurrency_are_refused(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ScenarioError, match=r"^concurrency: "):
        parse_concurrency(text, 5)


def test_an_option_that_toml_cannot_hold_is_refused() -> None:
    """TOML has no null."""
    with pytest.raises(ScenarioError, match="no way to write None"):
        dump_scenario(Scenario(workload="register", options={"a": None}))
