"""Linearizability by small histories: what must pass, what must be convicted, and what is said about it."""

import pytest
from checker_traces import history, invariants, only

from harness.checkers.linearizability import Linearizability, calls_by_key, search
from harness.checkers.models import APPEND, REGISTER


def judged(*lines, model="register", steps_max=1_000_000):
    return Linearizability(model, steps_max).check(only(history(*lines)))


VALID = {
    "a read sees the write before it": (
        "0 invoke write [1,5]",
        "0 ok write [1,5]",
        "1 invoke read [1,null]",
        "1 ok read [1,5]",
    ),
    "the first read sees nothing": ("0 invoke read [1,null]", "0 ok read [1,null]"),
    "concurrent writes end in either order": (
        "0 invoke write [1,5]",
        "1 invoke write [1,6]",
        "0 ok write [1,5]",
        "1 ok write [1,6]",
        "2 invoke read [1,null]",
        "2 ok read [1,5]",
    ),
    "an indeterminate write takes effect late": (
        "0 invoke write [1,5]",
        "0 info write [1,5]",
        "1 invoke read [1,null]",
        "1 ok read [1,null]",
        "1 invoke read [1,null]",
        "1 ok read [1,5]",
    ),
    "an indeterminate write takes effect never": (
        "0 invoke write [1,5]",
        "1 invoke read [1,null]",
        "1 ok read [1,null]",
    ),
    "a failed write never happened": (
        "0 invoke write [1,5]",
        "0 fail write [1,5]",
        "1 invoke read [1,null]",
        "1 ok read [1,null]",
    ),
    "a compare-and-set between two writes": (
        "0 invoke write [1,5]",
        "0 ok write [1,5]",
        "0 invoke cas [1,[5,6]]",
        "0 ok cas [1,[5,6]]",
        "0 invoke read [1,null]",
        "0 ok read [1,6]",
    ),
    "the same value twice": (
        "0 invoke write [1,5]",
        "0 ok write [1,5]",
        "0 invoke write [1,6]",
        "1 invoke write [1,5]",
        "0 ok write [1,6]",
        "1 ok write [1,5]",
        "0 invoke read [1,null]",
        "0 ok read [1,5]",
        "0 invoke read [1,null]",
        "0 ok read [1,5]",
    ),
    "an indeterminate cas feeds another": (
        "0 invoke write [1,1]",
        "0 ok write [1,1]",
        "1 invoke cas [1,[1,2]]",
        "1 info cas [1,[1,2]]",
        "2 invoke cas [1,[2,3]]",
        "2 ok cas [1,[2,3]]",
        "3 invoke read [1,null]",
        "3 ok read [1,3]",
    ),
    "a value that is a list": (
        "0 invoke write [1,[1,2]]",
        "0 ok write [1,[1,2]]",
        "0 invoke read [1,null]",
        "0 ok read [1,[1,2]]",
    ),
}

INVALID = {
    "a stale read": (
        "0 invoke write [1,5]",
        "0 ok write [1,5]",
        "0 invoke write [1,6]",
        "0 ok write [1,6]",
        "1 invoke read [1,null]",
        "1 ok read [1,5]",
    ),
    "a value out of nowhere": ("0 invoke read [1,null]", "0 ok read [1,9]"),
    "a lost write": (
        "0 invoke write [1,5]",
        "0 ok write [1,5]",
        "1 invoke read [1,null]",
        "1 ok read [1,null]",
    ),
    "a failed write that is read": (
        "0 invoke write [1,5]",
        "0 fail write [1,5]",
        "1 invoke read [1,null]",
        "1 ok read [1,5]",
    ),
    "a compare-and-set from a value that was gone": (
        "0 invoke write [1,5]",
        "0 ok write [1,5]",
        "0 invoke write [1,6]",
        "0 ok write [1,6]",
        "0 invoke cas [1,[5,7]]",
        "0 ok cas [1,[5,7]]",
    ),
    "two compare-and-sets from one value": (
        "0 invoke write [1,5]",
        "0 ok write [1,5]",
        "0 invoke cas [1,[5,6]]",
        "1 invoke cas [1,[5,7]]",
        "0 ok cas [1,[5,6]]",
        "1 ok cas [1,[5,7]]",
    ),
    "a value read, gone and read again": (
        "0 invoke write [1,5]",
        "1 invoke write [1,6]",
        "0 ok write [1,5]",
        "1 ok write [1,6]",
        "2 invoke read [1,null]",
        "2 ok read [1,5]",
        "2 invoke read [1,null]",
        "2 ok read [1,6]",
        "2 invoke read [1,null]",
        "2 ok read [1,5]",
    ),
    "an indeterminate write that happened before its call": (
        "1 invoke read [1,null]",
        "1 ok read [1,5]",
        "0 invoke write [1,5]",
        "0 info write [1,5]",
    ),
}


@pytest.mark.parametrize("lines", VALID.values(), ids=VALID)
def test_a_linearizable_history_is_valid(lines):
    """Some order of the operations explains every answer."""
    verdict = judged(*lines)
    assert verdict.valid is True, verdict.evidence


@pytest.mark.parametrize("lines", INVALID.values(), ids=INVALID)
def test_a_history_without_an_order_is_convicted(lines):
    """No order explains the answers; the evidence names the key and the operations around."""
    verdict = judged(*lines)
    assert invariants(verdict) == ["I32"]
    assert verdict.evidence[0]["key"] == 1
    assert verdict.evidence[0]["operations"]


def test_nothing_done_is_no_pass():
    """Failed and indeterminate operations alone prove nothing."""
    assert judged().valid == "unknown"
    assert judged("0 invoke write [1,5]", "0 fail write [1,5]").valid == "unknown"
    assert judged("0 invoke write [1,5]", "0 info write [1,5]").valid == "unknown"


def test_keys_are_judged_apart():
    """A violation on one key names that key; the others are counted."""
    good = VALID["a read sees the write before it"]
    bad = [line.replace("[1,", "[2,") for line in INVALID["a stale read"]]
    verdict = judged(*good, *bad)
    assert [found["key"] for found in verdict.evidence] == [2]
    assert verdict.facts["keys_judged"] == 2
    assert verdict.facts["operations_judged"] == 5


def test_the_evidence_names_what_is_late():
    """When a value must stay because somebody still reads it, the sentence names that reader."""
    what = judged(*INVALID["a stale read"]).evidence[0]["what"]
    assert what == (
        "key 1: after 1 of 3 operations the value can be 5, and then write 6 of process 0 fits nowhere "
        "before it returned; read 5 of process 1 still needs that value"
    )


def test_the_evidence_shows_the_operations_around():
    """Each shown operation says who did what, when, and how it ended."""
    verdict = judged(*INVALID["a stale read"], "3 invoke write [1,9]")
    shown = verdict.evidence[0]["operations"]
    assert [(one["f"], one["value"], one["type"]) for one in shown] == [
        ("write", 5, "ok"),
        ("write", 6, "ok"),
        ("read", 5, "ok"),
    ]
    read = shown[2]
    assert (read["process"], read["invoked_index"], read["completed_index"]) == (1, 4, 5)
    assert (read["invoked_ns"], read["completed_ns"]) == (4000, 5000)


def test_a_value_never_written_is_called_so():
    """A value that no operation could have produced is named."""
    assert "9 was never written" in judged(*INVALID["a value out of nowhere"]).evidence[0]["what"]


def test_the_budget_ends_in_unknown():
    """A search that runs out of steps says how far it came, and is no pass."""
    verdict = judged(*INVALID["two compare-and-sets from one value"], steps_max=0)
    assert verdict.valid == "unknown"
    assert "gave up" in verdict.evidence[0]["what"]
    assert "of 3 operations" in verdict.evidence[0]["what"]


def test_appends_in_the_order_that_reads_show_are_valid():
    """Lists grow in one order, and every read is a prefix of it."""
    lines = (
        '0 invoke append [1,"a"]',
        '1 invoke append [1,"b"]',
        '0 ok append [1,"a"]',
        '1 ok append [1,"b"]',
        "2 invoke read [1,null]",
        '2 ok read [1,["b","a"]]',
        '0 invoke append [1,"c"]',
        '0 info append [1,"c"]',
        "2 invoke read [1,null]",
        '2 ok read [1,["b","a"]]',
        '3 invoke append [1,"d"]',
        '3 ok append [1,"d"]',
    )
    verdict = judged(*lines, model="append")
    assert verdict.valid is True, verdict.evidence


@pytest.mark.parametrize(
    "read",
    ['["a"]', '["a","b"]', "null", '["b","a","a"]'],
    ids=["lost", "swapped", "empty", "twice"],
)
def test_a_list_that_appends_do_not_explain_is_convicted(read):
    """A read that misses, reorders or repeats appended elements has no order."""
    lines = (
        '0 invoke append [1,"b"]',
        '0 ok append [1,"b"]',
        '0 invoke append [1,"a"]',
        '0 ok append [1,"a"]',
        "2 invoke read [1,null]",
        f"2 ok read [1,{read}]",
    )
    assert judged(*lines, model="append").valid is False


def _steps(lines, model):
    (calls,) = calls_by_key(history(*lines)).values()
    return model(calls)


def sequential(count):
    """A long history of one client: write and read in turn."""
    lines = []
    for value in range(count):
        lines += [f"0 invoke write [1,{value}]", f"0 ok write [1,{value}]"]
        lines += ["0 invoke read [1,null]", f"0 ok read [1,{value}]"]
    return lines


def test_a_sequential_history_needs_one_step_for_each_write():
    """The search makes no choices where there are none."""
    outcome = search(_steps(sequential(100), REGISTER), 1000)
    assert outcome.valid is True
    assert outcome.steps <= 100


def test_many_indeterminate_writes_cost_nothing():
    """Writes that nobody read and that may never have happened are not tried."""
    lines = [f"{process} invoke write [1,{process}]" for process in range(2, 200)]
    lines += sequential(50)
    outcome = search(_steps(lines, REGISTER), 200)
    assert outcome.valid is True


def test_many_concurrent_unread_writes_cost_nothing():
    """Concurrent writes of which one is read are put in order without search."""
    lines = [f"{process} invoke write [1,{process}]" for process in range(100)]
    lines += [f"{process} ok write [1,{process}]" for process in range(100)]
    lines += ["0 invoke read [1,null]", "0 ok read [1,17]"]
    outcome = search(_steps(lines, REGISTER), 100)
    assert outcome.valid is True


def test_a_stale_list_far_back_is_found_at_once():
    """The append model follows the one order that reads show."""
    lines = []
    for value in range(100):
        lines += [f"0 invoke append [1,{value}]", f"0 ok append [1,{value}]"]
    lines += ["1 invoke read [1,null]", f"1 ok read [1,{list(range(99))}]"]
    outcome = search(_steps(lines, APPEND), 200)
    assert outcome.valid is False
