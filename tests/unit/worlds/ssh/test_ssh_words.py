"""What the ssh world decides without a host: places, clocks, frames, files that grow, rules, and who may cut."""

from __future__ import annotations

import msgspec
import pytest

from cluster.trace import Appended, Committed, RoleChanged
from cluster.worlds.ssh.clocks import HostClock, Translator
from cluster.worlds.ssh.crew import why_not_links
from cluster.worlds.ssh.links import device_of, render_shut
from cluster.worlds.ssh.messages import Answer, Call, Examined, Frames, Piece, ToKeeper, framed
from cluster.worlds.ssh.places import Reach, parse_place
from cluster.worlds.ssh.tail import Tail
from harness.campaign.places import reach_of
from harness.campaign.runs import command_of
from harness.errors import UserMistake
from harness.scenario import Scenario
from harness.store import RunFolder

MS = 1_000_000


def nothing_known(_name):
    return {}


@pytest.mark.parametrize(
    ("written", "user", "host", "port"),
    [
        ("n1", "me", "n1", 22),
        ("root@n1", "root", "n1", 22),
        ("root@10.0.0.1:2222", "root", "10.0.0.1", 2222),
        ("n1:65535", "me", "n1", 65535),
    ],
)
def test_a_host_is_written_as_people_do(written, user, host, port):
    """User and port may be left out."""
    place = parse_place(written, "me", nothing_known)

    assert (place.user, place.host, place.port) == (user, host, port)


@pytest.mark.parametrize("written", ["", "a b", "@n1", "n1:", "n1:0", "n1:65536", "n1:x", "a@b@c"])
def test_what_is_no_host_is_refused(written):
    """Nothing is guessed from half an address."""
    with pytest.raises(ValueError, match="is no host; write host, user@host"):
        parse_place(written, "me", nothing_known)


def test_the_configuration_of_ssh_fills_what_is_left_open():
    """An alias of ~/.ssh/config stands for its address, user, port and keys; what is written out wins."""
    told = {"hostname": "10.0.0.9", "user": "ops", "port": "2200", "identityfile": ["/k"]}

    place = parse_place("db", "me", lambda _name: told)
    assert (place.user, place.host, place.port, place.keys) == ("ops", "10.0.0.9", 2200, ("/k",))
    assert parse_place("root@db:22", "me", lambda _name: told).shown == "root@10.0.0.9:22"


def test_the_narrowest_reading_of_a_clock_holds_until_drift_has_made_it_wide():
    """An offset is wrong by half the round trip at most, plus what clocks may drift in between."""
    clock = HostClock(same=False)
    clock.learn(0, 1_000 * MS + 5 * MS, 10 * MS)
    assert (clock.offset_ns, clock.uncertainty_ns) == (1_000 * MS, 5 * MS)
    clock.learn(20 * MS, 1_000 * MS + 21 * MS, 22 * MS)
    assert (clock.offset_ns, clock.uncertainty_ns) == (1_000 * MS, MS)
    later = 22 * MS + 20_000 * MS
    clock.learn(later - 4 * MS, later + 1_001 * MS - 2 * MS, later)
    assert clock.offset_ns == 1_001 * MS
    assert clock.uncertainty_ns == 2 * MS
    assert clock.here(1_501 * MS) == 500 * MS


def test_a_clock_that_is_ours_is_believed():
    """Hosts of one boot share CLOCK_MONOTONIC: there is nothing to be estimated."""
    clock = HostClock(same=True)
    clock.learn(0, 77, 10)

    assert (clock.offset_ns, clock.uncertainty_ns) == (0, 0)


def lines(*events):
    return b"".join(msgspec.json.encode(event) + b"\n" for event in events)


def role(at_ns, name):
    return RoleChanged(
        at_ns=at_ns, node="n1", incarnation=1, role=name, term=1, last_index=0, last_term=0
    )


def test_what_a_leader_commits_comes_after_what_others_made_durable():
    """Times are put into the run's; an effect that may seem too early by the uncertainty of two clocks is not."""
    clock = HostClock(same=False)
    clock.learn(0, 500 + 50, 100)
    translator = Translator(clock, start_ns=1_000)
    appended = Appended(at_ns=3_000, node="n1", incarnation=1, entries=(), durable=True)
    committed = Committed(at_ns=3_010, node="n1", incarnation=1, index=1, term=1)
    after = Appended(at_ns=3_020, node="n1", incarnation=1, entries=(), durable=True)

    told = translator.lines(lines(committed, role(2_900, "leader"), appended, committed, after))

    decoder = msgspec.json.Decoder(Committed | RoleChanged | Appended)
    assert [decoder.decode(line).at_ns for line in told.splitlines()] == [
        1_510, 1_510, 1_510, 1_610, 1_610
    ]  # fmt: skip
    assert translator.moment(3_015) == 1_610
    assert translator.moment(4_000) == 2_500


def test_frames_arrive_whole_however_they_were_cut():
    """Bytes come in any portions; what is no frame is refused, not waited for."""
    said = [Call(1, "start", {"config": {"a": 1}}), Piece("disk.tar.gz", b"\0" * 300)]
    data = b"".join(map(framed, said))

    frames = Frames(ToKeeper)
    assert [m for at in range(len(data)) for m in frames.feed(data[at : at + 1])] == said
    with pytest.raises(ValueError, match="no frame: b'bash: python3"):
        list(Frames(ToKeeper).feed(b"bash: python3: command not found\n"))
    with pytest.raises(msgspec.ValidationError):
        list(Frames(ToKeeper).feed(framed(Answer(1))))


def test_of_a_trace_only_whole_lines_are_told(tmp_path):
    """A torn last line waits; the next life may cut it off."""
    file = tmp_path / "trace.jsonl"
    tail = Tail(file, lines=True)
    assert list(tail.news()) == []
    file.write_bytes(b"one\ntw")
    assert list(tail.news()) == [Piece("trace.jsonl", b"one\n")]
    assert list(tail.news()) == []
    file.write_bytes(b"one\ntwo\nthree\n")
    assert list(tail.news()) == [Piece("trace.jsonl", b"two\nthree\n")]


def test_a_log_is_told_as_it_comes(tmp_path):
    """Half a line of a log is news too; a big one comes in pieces."""
    file = tmp_path / "node.log"
    tail = Tail(file, lines=False)
    file.write_bytes(b"ha")
    assert [piece.data for piece in tail.news()] == [b"ha"]
    file.write_bytes(b"ha" + b"x" * (3 << 20))
    assert [len(piece.data) for piece in tail.news()] == [1 << 20] * 3


def test_rules_against_clients_name_the_port_and_spare_the_nodes():
    """SSH stays: only what goes from and to the node's port, and not between nodes."""
    script = render_shut("ip t", ["10.0.0.2", "10.0.0.1"], 7000)

    assert "tcp dport 7000 ip saddr != { 10.0.0.1, 10.0.0.2 } drop" in script
    assert "tcp sport 7000 ip daddr != { 10.0.0.1, 10.0.0.2 } drop" in script
    assert script.startswith("table ip t\ndelete table ip t\n")


def test_kernels_cut_where_every_user_may_and_the_harness_is_elsewhere():
    """One host without the right, or a harness on a node's host, and nodes cut their own links."""
    able = Examined(boot="b", address="10.0.0.1", client="10.0.0.99", missing={})
    unable = msgspec.structs.replace(able, missing={"cut": ("nft is missing", "install it")})
    beside = msgspec.structs.replace(able, client="10.0.0.1")

    assert why_not_links({"n1": able, "n2": unable}, "link-faults") == ("", "")
    assert why_not_links({"n1": able, "n2": unable}, "cut") == (
        "on the host of n2, nft is missing", "install it"
    )  # fmt: skip
    assert "would be cut off" in why_not_links({"n1": beside}, "cut")[0]


def test_the_way_to_a_peer_is_read_from_its_route():
    """Behind a gateway or on the same wire: the device is what counts."""
    assert device_of("10.0.0.2 dev eth0 src 10.0.0.1 uid 0 \\    cache ") == "eth0"
    assert device_of("10.9.0.2 via 10.0.0.1 dev ens3 src 10.0.0.7 uid 0") == "ens3"


def test_the_environment_says_how_hosts_are_reached_where_options_do_not():
    """A night has no options of its own: it reads what a shell exports."""
    environment = {"REPRISE_HOSTS": "a,b", "REPRISE_SSH_KEY": "k", "REPRISE_NODE_PORT": "7000"}

    assert reach_of(environment) == Reach(hosts=("a", "b"), key="k", node_port=7000)
    assert reach_of({}) == Reach()
    with pytest.raises(UserMistake, match="REPRISE_NODE_PORT: 'x' is no port"):
        reach_of({"REPRISE_NODE_PORT": "x"})


def test_the_command_that_repeats_a_run_names_its_hosts(tmp_path):
    """A scenario does not hold hosts; the command does, with the key."""
    folder = RunFolder(tmp_path)
    reach = Reach(hosts=("root@a", "root@b"), key="/k")

    command = command_of(Scenario(workload="registry", world="ssh"), folder, reach)

    assert command.endswith("--hosts root@a,root@b --ssh-key /k")
