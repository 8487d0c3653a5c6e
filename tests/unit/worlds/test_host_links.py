"""The ruleset of a matrix of links as text, and its counters read back. What the kernel makes of it: tests/real/test_host_network.py."""

from __future__ import annotations

import json

from cluster.worlds.host.links import Drops, Matrix, read_drops, render, render_removal
from cluster.worlds.host.links_rates import render_tree
from cluster.worlds.host.packet_queue import render_rules
from cluster.worlds.world import LinkFault

MS = 1_000_000
ADDRESSES = {"n1": "10.0.0.1", "n2": "10.0.0.2", "n3": "10.0.0.3"}


def rules(matrix: Matrix, family: str = "bridge") -> str:
    return render(matrix, "reprise_x", family)


def test_a_cut_names_one_direction() -> None:
    """A cut link is one pair of addresses, from first to second; the other direction stays."""
    text = rules(Matrix(addresses=ADDRESSES, cut=(("n1", "n2"),)))

    assert "elements = { 10.0.0.1 . 10.0.0.2 }" in text
    assert "10.0.0.2 . 10.0.0.1" not in text


def test_the_table_is_replaced_in_one_transaction() -> None:
    """The script declares, deletes and defines the table: there is no moment without it, and no error when it is new."""
    text = rules(Matrix(addresses=ADDRESSES))

    assert text.startswith(render_removal("reprise_x", "bridge") + "table bridge reprise_x {\n")


def test_clients_are_whoever_is_no_node() -> None:
    """A shut node is cut off from every address but those of nodes, in both directions."""
    text = rules(Matrix(addresses=ADDRESSES, shut=("n3",)))

    assert "elements = { 10.0.0.1, 10.0.0.2, 10.0.0.3 }" in text
    assert "elements = { 10.0.0.3 }" in text
    assert "ip daddr != @nodes ip saddr @shut drop" in text
    assert "ip saddr != @nodes ip daddr @shut drop" in text


def test_links_of_equal_loss_share_a_set() -> None:
    """Loss is rounded to a ten-thousandth and drawn before the lookup, so that an element counts what was dropped."""
    loss = {("n1", "n2"): 0.25, ("n2", "n1"): 0.25, ("n1", "n3"): 0.00001, ("n3", "n1"): 1.0}
    text = rules(Matrix(addresses=ADDRESSES, loss=loss))

    assert "numgen random mod 10000 < 2500 ip saddr . ip daddr @loss_2500 drop" in text
    assert "numgen random mod 10000 < 10000 ip saddr . ip daddr @loss_10000 drop" in text
    assert text.count("set loss_") == 2


def test_one_node_of_a_foreign_network_guards_itself() -> None:
    """Where the bridge is not ours, the same matrix holds at a node's own input and output."""
    text = rules(Matrix(addresses=ADDRESSES), "ip")

    assert "type filter hook input" in text
    assert "type filter hook output" in text
    assert "hook forward" not in text


def test_counters_are_told_by_link() -> None:
    """What the kernel lists becomes counts by names of nodes; sums go link by link."""
    matrix = Matrix(addresses=ADDRESSES, cut=(("n1", "n2"),), shut=("n3",))
    listing = {
        "nftables": [
            {"metainfo": {"version": "1.0.6"}},
            {"set": {"name": "cut", "elem": [counted({"concat": ["10.0.0.1", "10.0.0.2"]}, 3)]}},
            {
                "set": {
                    "name": "loss_100",
                    "elem": [counted({"concat": ["10.0.0.2", "10.0.0.3"]}, 4)],
                }
            },
            {"set": {"name": "shut", "elem": [counted("10.0.0.3", 5)]}},
            {"set": {"name": "nodes", "elem": ["10.0.0.1"]}},
        ]
    }
    drops = read_drops(json.dumps(listing), matrix)

    assert drops == Drops(cut={("n1", "n2"): 3}, loss={("n2", "n3"): 4}, shut={"n3": 5})
    assert (drops + drops).total() == 24


def counted(value: object, packets: int) -> object:
    return {"elem": {"val": value, "counter": {"packets": packets, "bytes": 0}}}


def test_only_bad_links_reach_the_queue() -> None:
    """One rule for each bad link; packets that met their fate pass, and so do all when nobody serves the queue."""
    text = render_rules("REPRISE-x", 7, {("10.0.0.1", "10.0.0.2"): LinkFault(delay_ns=MS)})

    assert text == (
        "*mangle\n:REPRISE-x - [0:0]\n"
        "-A REPRISE-x -s 10.0.0.1/32 -d 10.0.0.2/32 -m mark ! --mark 0x7e57"
        " -j NFQUEUE --queue-num 7 --queue-bypass\nCOMMIT\n"
    )


def test_bandwidth_is_a_class_for_each_peer() -> None:
    """What leaves for the slow peer is held to its rate; what goes elsewhere meets no filter."""
    text = render_tree("eth0", {"10.0.0.2": LinkFault(bandwidth_bps=8_000_000)}, netem=False)

    assert text.splitlines() == [
        "qdisc add dev eth0 root handle 7e57: htb",
        "class add dev eth0 parent 7e57: classid 7e57:10 htb rate 8000000bit burst 16384",
        "filter add dev eth0 parent 7e57: protocol ip prio 1 u32 match ip dst 10.0.0.2/32 flowid 7e57:10",
        "qdisc add dev eth0 parent 7e57:10 handle 10: pfifo limit 1000",
    ]


def test_netem_says_the_same_fault_in_its_own_words() -> None:
    """Ours is late by delay and up to jitter more, netem's by a mean and a deviation."""
    fault = LinkFault(
        delay_ns=10 * MS, jitter_ns=4 * MS, loss=0.1, duplication=0.02, reordering=0.3
    )
    text = render_tree("eth0", {"10.0.0.2": fault}, netem=True)

    assert text.splitlines()[-1] == (
        "qdisc add dev eth0 parent 7e57:10 handle 10: netem"
        " delay 12000us 2000us loss 10% duplicate 2% reorder 30%"
    )
