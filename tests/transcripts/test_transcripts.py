"""Transcripts: what a raft network does, command by command, as text that people review.

A `.txt` file here is a list of blocks. A block is one or more commands, a line ``----``, and everything that
happened because of them; an empty line ends it. Lines that begin with ``#`` tell the story. After a
deliberate change of the core, rewrite the effects with

    REPRISE_REWRITE_TRANSCRIPTS=1 python -m pytest tests/transcripts

and read the difference line by line before committing it: the text is the test.

Commands (nodes are n1 ...; a link is n1>n2, n1> or >n2):

add-nodes 3 [name=number ...]   start nodes; the names are fields of RaftConfig (append_bytes_max=10), or
                                spares=1: nodes behind them that wait to be added
campaign n1                     start an election
propose n1 a b c                propose entries in one go
change n1 +n4 ^n5 -n2           ask for learner n4, n5 as a voter, n2 gone, all at once
transfer n1 n2                  let n1 give leadership to n2
read n1 7                       ask for a read index for request 7
deliver [n1>n2 ...]             deliver what is on the links now, not what follows from it
drop [n1>n2 ...]                lose what is on the links now
repeat n1>n2                    duplicate what is on the link now
isolate n1 ... / heal           cut nodes off both ways: what is sent is lost; heal mends
stabilize                       deliver until nothing is left
wake n1 +150ms                  let time pass for everybody, then wake n1
run +300ms                      let time pass: nodes wake when due, messages arrive at once
compact n1 5                    snapshot the store at 5, drop the log up to there
refuse n1                       let n1 refuse the next snapshot that it should install
crash n1 [stage]                die now, or at that stage of the next Ready
restart n1 [applied]            start from disk; the store may lag behind
status                          one line for each node
members                         one line for each node: its configuration
log n1                          the entries that n1 holds
hide                            show nothing of what the commands before it in this block did
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from raft_network import MS, STAGES, Network, show, show_configuration, show_entries

from cluster.raft.core import Change, Raft
from cluster.raft.quorum import majority_value, vote_result

FOLDER = Path(__file__).parent
REWRITE = "REPRISE_REWRITE_TRANSCRIPTS"


class Stage:
    """One network of peers of one kind, and the commands that act on it."""

    def __init__(self, peer: type[Raft] = Raft) -> None:
        self.peer = peer
        self.network = Network(0)

    def run(self, lines: list[str]) -> list[str]:
        """Do the commands of a block and return what happened."""
        self.network.events.clear()
        for line in lines:
            name, *arguments = line.split()
            getattr(self, "do_" + name.replace("-", "_"))(*arguments)
        return self.network.events or ["nothing"]

    def do_add_nodes(self, size: str, *settings: str) -> None:
        pairs = (setting.split("=") for setting in settings)
        self.network = Network(
            int(size), peer=self.peer, **{name: int(value) for name, value in pairs}
        )
        self.network.record(f"started {' '.join(self.network.nodes)}")

    def do_campaign(self, name: str) -> None:
        self.network.raft(name).campaign(self.network.now_ns)
        self.network[name].work()

    def do_propose(self, name: str, *data: str) -> None:
        try:
            self.network.propose(name, *(item.encode() for item in data))
        except Exception as error:  # noqa: BLE001 - the refusal is the effect
            self.network.record(f"refused: {type(error).__name__}: {error}")

    def do_change(self, name: str, *words: str) -> None:
        named = {
            field: tuple(word[1:] for word in words if word[0] == sign)
            for sign, field in {"+": "adds", "^": "promotes", "-": "removes"}.items()
        }
        try:
            self.network.change(name, Change(**named))
        except Exception as error:  # noqa: BLE001 - the refusal is the effect
            self.network.record(f"refused: {type(error).__name__}: {error}")

    def do_transfer(self, name: str, target: str) -> None:
        try:
            self.network.raft(name).transfer(target, self.network.now_ns)
        except Exception as error:  # noqa: BLE001 - the refusal is the effect
            self.network.record(f"refused: {type(error).__name__}: {error}")
        self.network[name].work()

    def do_members(self) -> None:
        for name, node in self.network.nodes.items():
            if node.raft is not None:
                self.network.record(f"{name} {show_configuration(node.raft.configuration)}")

    def do_read(self, name: str, request: str) -> None:
        self.network[name].read(int(request))

    def do_deliver(self, *links: str) -> None:
        for link in links or ("",):
            self.network.deliver(link)

    def do_drop(self, *links: str) -> None:
        for link in links or ("",):
            for message in self.network.drop(link):
                self.network.record(f"lost: {show(message)}")

    def do_repeat(self, link: str) -> None:
        for message in self.network.take(link):
            self.network.messages += [message, message]
            self.network.record(f"twice: {show(message)}")

    def do_isolate(self, *names: str) -> None:
        self.network.isolate(*names)

    def do_heal(self) -> None:
        self.network.heal()

    def do_stabilize(self) -> None:
        self.network.stabilize()

    def do_wake(self, name: str, duration: str) -> None:
        self.network.now_ns += milliseconds(duration)
        self.network[name].wake()

    def do_run(self, duration: str) -> None:
        self.network.run(milliseconds(duration))

    def do_compact(self, name: str, index: str) -> None:
        self.network[name].compact(int(index))
        size = self.network[name].snapshots.size(int(index))
        self.network.record(f"{name} has a snapshot at {index} of {size} bytes")

    def do_refuse(self, name: str) -> None:
        self.network[name].refuse = True

    def do_crash(self, name: str, stage: str = "") -> None:
        if stage:
            assert stage in STAGES
            self.network[name].crash_at = stage
        else:
            self.network[name].crash()

    def do_restart(self, name: str, applied: str = "") -> None:
        self.network[name].start(int(applied) if applied else None)

    def do_status(self) -> None:
        for name, node in self.network.nodes.items():
            raft = node.raft
            if raft is None:
                self.network.record(f"{name} is down")
                continue
            self.network.record(
                f"{name} {raft.role} term {raft.term} leader {raft.leader or '-'} commit {raft.commit}"
                f" applied {raft.applied} log {raft.first_index}..{raft.last_index}/{raft.last_term}"
            )

    def do_log(self, name: str) -> None:
        raft = self.network.raft(name)
        self.network.record(show_entries(raft.slice(raft.first_index, raft.last_index)))

    def do_hide(self) -> None:
        self.network.events.clear()


def milliseconds(duration: str) -> int:
    assert duration.startswith("+")
    assert duration.endswith("ms")
    return int(duration[1:-2]) * MS


def replay(text: str, peer: type[Raft] = Raft) -> Iterator[str]:
    """Yield the lines of `text` with the effects as they are now."""
    stage = Stage(peer)
    commands: list[str] = []
    skipping = False
    for line in [*text.splitlines(), ""]:
        if line == "----":
            yield line
            yield from stage.run(commands)
            commands = []
            skipping = True
        elif line == "":
            assert not commands, f"commands without ----: {commands}"
            skipping = False
            yield line
        elif not skipping:
            if not line.startswith("#"):
                commands.append(line)
            yield line


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_transcript(path: Path) -> None:
    """The core does what the transcript says."""
    text = path.read_text()

    now = "\n".join(replay(text)).rstrip("\n") + "\n"

    if os.environ.get(REWRITE):
        path.write_text(now)
    assert now == path.read_text()


def test_there_are_transcripts() -> None:
    """The folder is found and its files are replayed, so that an empty run is no pass."""
    assert len(list(FOLDER.glob("*.txt"))) >= 10


def test_a_transcript_can_fail() -> None:
    """An effect that is not what happens is replaced by what happens, so the comparison fails."""
    text = "add-nodes 1\n----\nstarted n7\n"

    assert "started n1" in "\n".join(replay(text))


class ElectsWithTheNewHalf(Raft):
    """While joint, only the new voters count in an election."""

    def _count_votes(self, now_ns):
        if vote_result(self.configuration.voters, self._votes) == "won":
            self._votes = dict.fromkeys(self.configuration.members, True)
        super()._count_votes(now_ns)


class KeepsACutConfiguration(Raft):
    """A configuration outlives the entry that made it."""

    def _take_entries(self, entries, sender):
        before = self.log.configuration
        super()._take_entries(entries, sender)
        if before.index > self.log.configuration.index:
            self.log.configuration = before


class ReadsWithLearners(Raft):
    """A learner's word counts when a leader asks whether it still leads."""

    def _confirm_rounds(self):
        rounds = [progress.round for progress in self._progress.values()]
        confirmed = majority_value([self._round, *rounds])
        while self._rounds and self._rounds[0].round <= confirmed:
            done = self._rounds.popleft()
            self._answer_reads(done.reads, done.commit)


class KeepsQuietOnceRemoved(Raft):
    """A peer whose log says that it has no vote never campaigns, committed or not."""

    def _may_campaign(self):
        return self.configuration.has_vote(self.id)


class RefusesTransfers(Raft):
    """A voter that hears its leader refuses the election that this leader asked for."""

    def _on_higher_term(self, message, now_ns):
        return not getattr(message, "transfer", False) and super()._on_higher_term(message, now_ns)


@pytest.mark.parametrize(
    ("mutant", "name"),
    [
        (ElectsWithTheNewHalf, "member_joint_halves"),
        (KeepsACutConfiguration, "member_truncated"),
        (ReadsWithLearners, "member_read_index"),
        (KeepsQuietOnceRemoved, "member_removed_must_lead"),
        (RefusesTransfers, "transfer"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_transcript_convicts(mutant: type[Raft], name: str) -> None:
    """Mistakes too rare for the random networks change the transcript that is about them."""
    text = (FOLDER / f"{name}.txt").read_text()

    try:
        now = "\n".join(replay(text, mutant)).rstrip("\n") + "\n"
    except AssertionError:
        return  # The network's own checks noticed.
    assert now != text
