"""How an anomaly is told: sentences, data, picture; and what it means for consistency models."""

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from transaction_histories import at_once, one_by_one, verdict

from harness.checkers.checker import Run
from harness.checkers.transactions.judge import Isolation, find_anomalies
from harness.checkers.transactions.lattice import (
    ANOMALIES,
    MODELS,
    canonical,
    forbidden_by,
    ruled_out,
)
from harness.checkers.transactions.picture import picture
from harness.checkers.transactions.transactions import load
from harness.checkers.transactions.versions import Writes
from harness.columns import Misfit
from harness.errors import UserMistake
from harness.operation import Operation

FRACTURED = [
    ("ok", [["append", "x", 1], ["append", "y", 1]]),
    ("ok", [["r", "x", [1]], ["r", "y", []]]),
]
NAMED_ELSEWHERE = [
    "PL-1",
    "PL-2",
    "PL-2+",
    "PL-2.99",
    "PL-2L",
    "PL-3",
    "PL-3U",
    "PL-CS",
    "PL-FCV",
    "PL-MSR",
    "PL-SI",
    "PL-SS",
    "causal-cerone",
    "conflict-serializable",
    "consistent-view",
    "cursor-stability",
    "forward-consistent-view",
    "monotonic-atomic-view",
    "monotonic-snapshot-read",
    "monotonic-view",
    "parallel-snapshot-isolation",
    "prefix",
    "read-atomic",
    "read-committed",
    "read-uncommitted",
    "repeatable-read",
    "serializable",
    "snapshot-isolation",
    "strict-serializable",
    "strong-serializable",
    "ROLA",
    "strong-PL-1",
    "strong-PL-2",
    "strong-session-PL-1",
    "strong-session-PL-2",
    "strong-session-read-committed",
    "strong-session-read-uncommitted",
    "strong-session-serializable",
    "strong-session-snapshot-isolation",
    "strong-snapshot-isolation",
    "update-serializable",
]


def test_cycle_is_told_in_sentences():
    """Every edge of a cycle is a sentence with its two micro-operations; the last one begins with but."""
    (finding,) = verdict(at_once(*FRACTURED)).evidence

    assert finding["what"].splitlines() == [
        "G-single (also prefix-cycle, G-monotonic, G-update, monotonic-atomic-view-cycle): a cycle of 2 transactions",
        "T0 comes before T1 (wr): T0 appended 1 to key 'x', and T1 read key 'x' as [1], which shows it",
        "but T1 comes before T0 (rw): T1 read key 'y' as [], and T0 appended 1 to key 'y' only behind what was read",
    ]


def test_real_time_is_told_in_sentences():
    """An edge of real time says who returned before whom."""
    stale = [FRACTURED[0], ("ok", [["r", "x", []]]), ("ok", [["r", "x", [1]]])]
    (finding,) = verdict(one_by_one(*stale)).evidence

    assert "(realtime): T0 had returned before T1 was called" in finding["what"]


def test_cycle_is_told_as_data():
    """The evidence holds the operations, and for every edge its kind, key, value and micro-operations."""
    (finding,) = verdict(at_once(*FRACTURED)).evidence

    assert [operation["name"] for operation in finding["operations"]] == ["T0", "T1"]
    assert finding["operations"][1]["value"] == [["r", "x", [1]], ["r", "y", []]]
    assert finding["operations"][1]["completed_index"] == 3
    steps = [{**step, "why": ""} for step in finding["steps"]]
    assert steps == [
        {"type": "wr", "from": "T0", "to": "T1", "why": "", "key": "x", "from_micro_operation": 0, "to_micro_operation": 0, "value": [1]},
        {"type": "rw", "from": "T1", "to": "T0", "why": "", "key": "y", "from_micro_operation": 1, "to_micro_operation": 1, "value": []},
    ]  # fmt: skip


def test_long_lists_show_their_end():
    """A sentence shows the end of a long list, where versions differ."""
    ended = [("ok", [["append", "x", number]]) for number in range(20)]
    ended.append(("ok", [["r", "x", [*range(20), 77]]]))
    (finding,) = verdict(at_once(*ended)).evidence

    assert "[... 13, 14, 15, 16, 17, 18, 19, 77]" in finding["what"]


def test_cycle_is_drawn():
    """The picture is well-formed and has a box for each transaction and an arrow for each edge."""
    transactions = load(
        at_once(
            ("ok", [["append", "<x>", 1], ["append", "y", 1]]),
            ("ok", [["r", "<x>", [1]], ["r", "y", []]]),
        )
    )
    found = find_anomalies(transactions, Writes(transactions), ("",), "unknown").anomalies
    drawn = ET.fromstring(picture(found[0], transactions))
    tags = [element.tag.rpartition("}")[2] for element in drawn.iter()]

    assert tags.count("rect") == 2
    assert tags.count("g") == 2
    assert "append <x> 1" in "".join(drawn.itertext())


def test_evidence_brings_its_pictures():
    """A finding of a cycle comes with its SVG, and with the graph for whoever has Graphviz."""
    (finding,) = verdict(at_once(*FRACTURED)).evidence

    assert finding["svg"].startswith("<svg ")
    assert finding["dot"].splitlines() == [
        'digraph "G-single" {',
        "  node [shape=box]",
        '  T0 [label="T0 of process 0\\nappend x 1, append y 1"]',
        '  T1 [label="T1 of process 1\\nr x [1], r y []"]',
        '  T0 -> T1 [label="wr", color="#1c6fb8"]',
        '  T1 -> T0 [label="rw", color="#b8431c"]',
        "}",
    ]


@pytest.mark.parametrize("second", [["w", "x", 2, 1], ["r", "x", 1, 2]])
def test_versions_that_contradict_each_other_are_refused(second):
    """One number for two values, or two numbers for one, is no report of a store: the later event is named."""
    with pytest.raises(Misfit, match=r"event 3 reports .* they contradict each other"):
        verdict(at_once(("ok", [["w", "x", 1, 1]]), ("ok", [second])))


def test_versions_of_what_was_overwritten_at_once_do_not_count():
    """A transaction that writes a key twice may have one number for both."""
    ended = [("ok", [["w", "x", 1, 1], ["w", "x", 2, 1]]), ("ok", [["r", "x", 2, 1]])]

    assert verdict(at_once(*ended)).valid is True


def test_checker_judges_a_run():
    """As a checker, the judge reads the run's history and uses the models it was made for."""
    run = Run(nodes=(), history=at_once(*FRACTURED), trace=(), options={}, final_state={})

    judged = Isolation().check(run)
    assert judged.valid is False
    assert judged.facts["isolation_anomalies"]["G-single"] == 1
    assert all(name.startswith("isolation_") for name in judged.facts)
    assert Isolation(["PL-2"]).check(run).valid is True


@pytest.mark.parametrize("name", NAMED_ELSEWHERE)
def test_models_of_other_tools_are_known(name):
    """Every name that elle-cli knows is known here."""
    assert canonical(name) in MODELS


def test_unknown_models_are_refused():
    """A model that nobody knows is a mistake of the user, and the known ones are listed."""
    with pytest.raises(UserMistake, match="snapshot-isolation"):
        forbidden_by(["serialisable"])


@pytest.mark.parametrize(
    ("anomaly", "weakest"),
    [
        ("G0", ["read-uncommitted"]),
        ("G1a", ["read-committed"]),
        ("G1c", ["read-committed"]),
        ("G-single", ["consistent-view", "parallel-snapshot-isolation", "repeatable-read"]),
        ("G-nonadjacent", ["repeatable-read", "snapshot-isolation"]),
        ("G2-item", ["repeatable-read"]),
        ("lost-update", ["cursor-stability", "update-atomic"]),
        ("G-cursor", ["cursor-stability", "parallel-snapshot-isolation"]),
        ("G-monotonic", ["monotonic-view", "parallel-snapshot-isolation", "repeatable-read"]),
        ("G-update", ["update-serializable"]),
        ("write-skew", ["repeatable-read"]),
        ("future-read", ["read-committed"]),
        ("dirty-update", ["read-committed"]),
        ("cyclic-versions", ["read-uncommitted"]),
        ("GSIa", ["snapshot-isolation"]),
        ("GSIb", ["forward-consistent-view"]),
        ("GSIb-realtime", ["strong-snapshot-isolation"]),
        ("prefix-cycle", ["prefix", "repeatable-read"]),
        ("read-atomic-cycle-process", ["strong-session-read-atomic"]),
        ("causal-cycle-process", ["strong-session-causal-cerone"]),
        ("G-nonadjacent-item-process", ["strong-session-snapshot-isolation"]),
        ("internal", ["read-atomic", "repeatable-read"]),
        ("G0-process", ["strong-session-read-uncommitted"]),
        ("G-single-realtime", ["strong-snapshot-isolation"]),
        ("G2-item-realtime", ["strict-serializable"]),
        ("G2-item-process", ["strong-session-serializable"]),
    ],
)
def test_anomaly_rules_out_the_weakest_models_first(anomaly, weakest):
    """The weakest models that an anomaly rules out stand first, all stronger ones fall with them."""
    fallen = ruled_out([anomaly])

    assert sorted(fallen.weakest) == weakest
    assert ("strict-serializable" in (*fallen.weakest, *fallen.also)) is True


def test_stronger_models_forbid_more():
    """Whatever rules out a model rules out the strongest one too, and is forbidden by the models it rules out."""
    for anomaly in ANOMALIES:
        fallen = ruled_out([anomaly])
        for model in (*fallen.weakest, *fallen.also):
            assert anomaly in forbidden_by([model])
        assert anomaly in forbidden_by(["strict-serializable"])


def test_worse_classes_rule_out_more():
    """Each class of cycles rules out all that a milder one does, and more order rules out less."""
    classes = ["G0", "G1c", "G-single", "G-nonadjacent", "G2-item"]
    endings = ["", "-process", "-realtime"]

    def fallen(name):
        found = ruled_out([name])
        return {*found.weakest, *found.also}

    for ending in endings:
        for worse, milder in pairwise(classes):
            assert fallen(worse + ending) >= fallen(milder + ending)
    for name in classes:
        for less, more in pairwise(endings):
            assert fallen(name + less) >= fallen(name + more)


@pytest.mark.parametrize(
    "value",
    [
        [["r", "x"]],
        [["cas", "x", 1]],
        [["append", "x", 1], ["w", "x", 2]],
        [["w", "x", None]],
        [["w", "x", 1, "a"]],
        [7],
        None,
    ],
)
def test_what_is_no_transaction_is_refused(value):
    """A value that cannot be judged is refused, and the error says which event of the history has it."""
    fine = at_once(("ok", [["r", "x", None]]))
    with pytest.raises(Misfit, match="event 2 ") as refused:
        load([*fine, Operation(process=7, type="invoke", f="txn", value=value)])
    assert refused.value.position == 2


def test_keys_and_values_may_be_anything():
    """Keys and values are told apart by what they are, lists and texts included; the words show them as they were."""
    ended = [
        ("ok", [["append", ["k", 1], "a"]]),
        ("ok", [["r", ["k", 1], ["a", "b"]]]),
    ]
    (finding,) = verdict(at_once(*ended)).evidence

    assert "nobody ever appended 'b'" in finding["what"]


@pytest.mark.parametrize("far", [10**6, 10**12, 10**30])
def test_values_may_lie_far_apart(far):
    """Values that no table could hold are found as well."""
    ended = [
        ("ok", [["append", "x", far], ["append", "y", -far]]),
        ("ok", [["append", "x", 1], ["r", "y", [-far]]]),
        ("ok", [["r", "x", [far, 1, 7]]]),
    ]
    (finding,) = verdict(at_once(*ended)).evidence

    assert finding["invariant"] == "phantom"


def test_many_rivals_are_not_all_named():
    """Of many transactions that lost an update the first ones are named, and how many more there were."""
    ended = [("ok", [["r", "x", []], ["append", "x", number]]) for number in range(13)]
    told = [finding["what"] for finding in verdict(at_once(*ended)).evidence]

    assert any("T9 and 3 more all read key 'x' as []" in what for what in told)


@pytest.mark.parametrize("result", ["ab", 0, {"a": 1}])
def test_reads_of_lists_give_lists(result):
    """A read of an appended key that gave no list is a mistake of the user, whatever else could be iterated."""
    with pytest.raises(Misfit, match=r"event 3 .* gives a list"):
        load(at_once(("ok", [["append", "x", 1]]), ("ok", [["r", "x", result]])))
