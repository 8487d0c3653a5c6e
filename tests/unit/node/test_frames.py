"""The byte format of lines: what is cut out of a stream is what was put in, or the line is refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.node.frames import (
    FRAME_BYTES_MAX,
    Answer,
    Ask,
    FrameDamaged,
    FrameReader,
    FrameTooLarge,
    Goodbye,
    Hello,
    PeerWord,
    decode_answer,
    decode_ask,
    decode_hello,
    decode_peer_word,
    frame,
)
from cluster.node.requests import Reply, Request
from cluster.raft.messages import Append, Entry, VoteReply

HELLO = Hello(version=1, kind="peer", cluster="c", node="n1", incarnation=2, to="n2")


def body_of(data: bytes) -> bytes:
    (body,) = FrameReader().feed(data)
    return body


def test_every_kind_of_word_comes_out_as_it_went_in():
    """A word of each kind survives its frame."""
    append = Append("n1", "n2", 3, 4, 3, 4, (Entry(5, 3, b"\x00data"),))
    ask = Ask(7, Request("kv", {"key": "k", "value": [1, None, "x"]}, 1))
    answer = Answer(7, Reply(status="ok", value={"index": 9}))

    assert decode_hello(body_of(frame(HELLO))) == HELLO
    assert PeerWord(1, append) == decode_peer_word(body_of(frame(PeerWord(1, append))))
    assert ask == decode_ask(body_of(frame(ask)))
    assert answer == decode_answer(body_of(frame(answer)))
    assert Goodbye("no") == decode_answer(body_of(frame(Goodbye("no"))))


@given(st.lists(st.binary(max_size=300), max_size=8), st.lists(st.integers(1, 400)))
def test_a_stream_may_be_cut_anywhere(values, cuts):
    """However TCP cuts the stream into pieces, the same bodies come out in order."""
    frames = [
        frame(Ask(number, Request("kv", {"v": value}))) for number, value in enumerate(values)
    ]
    stream = b"".join(frames)
    reader = FrameReader()
    bodies = []
    for cut in [*cuts, len(stream)]:
        piece, stream = stream[:cut], stream[cut:]
        bodies += reader.feed(piece)
    bodies += reader.feed(stream)

    assert values == [decode_ask(body).request.body["v"] for body in bodies]


@given(st.data())
def test_a_flipped_bit_is_noticed(data):
    """One flipped bit in checksum or body ends the line instead of changing a word."""
    whole = bytearray(frame(HELLO))
    bit = data.draw(st.integers(8 * 4, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8

    with pytest.raises(FrameDamaged, match="checksum"):
        FrameReader().feed(bytes(whole))


def test_a_frame_over_the_limit_is_refused_before_it_is_collected():
    """A head that announces more than the limit ends the line at once: nobody's memory fills up."""
    head = struct.pack(">II", FRAME_BYTES_MAX + 1, 0)

    with pytest.raises(FrameDamaged, match="are allowed"):
        FrameReader().feed(head)


def test_a_word_at_the_limit_passes_and_one_above_it_is_not_sent():
    """The longest body goes through; a longer one is the caller's mistake, and nothing is sent."""
    room = FRAME_BYTES_MAX - (len(frame(Goodbye("x" * 70_000))) - 8 - 70_000)

    assert len(body_of(frame(Goodbye("x" * room)))) == FRAME_BYTES_MAX
    with pytest.raises(FrameTooLarge):
        frame(Goodbye("x" * (room + 1)))


@pytest.mark.parametrize(
    ("decode", "word"),
    [
        (decode_hello, Goodbye("no")),
        (decode_peer_word, Ask(1, Request("kv", {}))),
        (decode_ask, PeerWord(0, VoteReply("n1", "n2", 1, False, True))),
        (decode_answer, HELLO),
    ],
)
def test_a_whole_frame_with_the_wrong_word_is_damage(decode, word):
    """A word that does not belong on this line is refused as damage of the line."""
    with pytest.raises(FrameDamaged, match="no word that belongs here"):
        decode(body_of(frame(word)))
