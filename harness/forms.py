"""What values must look like before a checker of operations takes them: one table, by convention and f.

A convention (`harness.conventions`) says where the parts of a value stand; a form says what the whole is, so that a file made
elsewhere that is of another kind is refused by line, and no checker stumbles over it. Nothing here judges.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from harness.checkers.paired import Paired

__all__ = ["problem_with"]


class Form(msgspec.Struct, frozen=True):
    """What a value is, in words, and whether one is."""

    words: str
    fits: Callable[[Any], bool]


def _is_integer(value: Any) -> bool:
    return type(value) is int


def _is_list(value: Any) -> bool:
    return value is None or isinstance(value, list)


def _is_balances(value: Any) -> bool:
    return isinstance(value, dict) and all(
        balance is None or _is_integer(balance) for balance in value.values()
    )


def _is_levels(value: Any) -> bool:
    levels = value.values() if isinstance(value, dict) else [value]
    return all(level is None or _is_integer(level) for level in levels)


def _is_subkeys(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[1], list)


def _is_guarded(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and _is_integer(value[0])


def _is_accesses(value: Any) -> bool:
    """One write, or reads."""
    if not isinstance(value, list) or not all(
        isinstance(micro, list) and len(micro) == 3 for micro in value
    ):
        return False
    verbs = [micro[0] for micro in value]
    reads = all(verb in ("r", "read") for verb in verbs)
    return reads or (len(verbs) == 1 and verbs[0] in ("w", "write"))


def _is_moves(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(map(_is_move, value)))


def _is_move(micro: Any) -> bool:
    if not isinstance(micro, list) or not micro:
        return False
    if micro[0] == "send":
        return len(micro) == 3 and (not isinstance(micro[2], list) or _is_message(micro[2]))
    if micro[0] != "poll" or len(micro) > 2:
        return False
    polled = micro[1] if len(micro) == 2 else None
    return polled is None or (
        isinstance(polled, dict)
        and all(isinstance(pairs, list) and _are_messages(pairs) for pairs in polled.values())
    )


def _is_message(pair: Any) -> bool:
    return _are_messages([pair])


def _are_messages(pairs: list[Any]) -> bool:
    """One loop, for a poll may hand out a whole log."""
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2:
            return False
        offset = pair[0]
        if offset is not None and (type(offset) is not int or offset < 0):
            return False
    return True


ANY: Final = Form("", lambda _: True)
INTEGER: Final = Form("an integer", _is_integer)
LIST: Final = Form("a list", _is_list)
BALANCES: Final = Form("a map from accounts to integers", _is_balances)
LEVELS: Final = Form("an integer, or a map to integers", _is_levels)
SUBKEYS: Final = Form("a key and a list", _is_subkeys)
GUARDED: Final = Form("a token and a value", _is_guarded)
ACCESSES: Final = Form("one write or some reads", _is_accesses)
MOVES: Final = Form("a list of sends [send, key, value] and polls [poll, {key: [[offset, value] ...]}]", _is_moves)  # fmt: skip

_MOVING: Final = dict.fromkeys(("send", "poll", "txn"), (MOVES, MOVES))
_CHOOSING: Final = dict.fromkeys(("assign", "subscribe"), (LIST, ANY))

FORMS: Final[dict[str, dict[str, tuple[Form, Form]]]] = {
    "set": {"read": (ANY, LIST)},
    "queue": {"drain": (ANY, LIST)},
    "counter": {"add": (INTEGER, ANY), "read": (ANY, INTEGER)},
    "fenced-lock": {"acquire": (ANY, INTEGER), "write": (GUARDED, ANY)},
    "bank": {"read": (ANY, BALANCES)},
    "precedence": {"read": (ANY, LIST)},
    "sequential": {"read": (ANY, SUBKEYS)},
    "monotonic": {"inc": (ANY, LEVELS), "read": (ANY, LEVELS)},
    "versions": {"write": (ANY, INTEGER), "read": (ANY, INTEGER)},
    "long-fork": dict.fromkeys(("txn", "read", "write"), (ACCESSES, ACCESSES)),
    "kafka": {**_MOVING, **_CHOOSING},
}
"""Convention -> f -> form of what is asked, and of what is told."""


def problem_with(one: Paired, convention: str, *, keyed: bool) -> tuple[bool, str]:
    """Whether the fault is in the completion, and what it is, in words; nothing where the operation is well formed.

    `keyed`: values are [key, value], as the convention has checked.
    """
    asked, told = FORMS.get(convention, {}).get(one.f, (ANY, ANY))
    if not asked.fits(_behind_key(one.asked, keyed=keyed)):
        return False, f"gives what is not {asked.words}"
    ended = one.told is not None and told is MOVES
    if (one.ok or ended) and not told.fits(_behind_key(one.told, keyed=keyed)):
        return True, f"ends with what is not {told.words}"
    return False, ""


def _behind_key(value: Any, *, keyed: bool) -> Any:
    return value[1] if keyed and isinstance(value, list) and len(value) > 1 else value
