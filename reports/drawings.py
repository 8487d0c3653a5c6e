"""Pictures of what a history was convicted of, as SVG: a cycle of transactions, and operations on a line of time.

Both are drawn from the data of a finding, so that a page can be made from results alone. Kinds are told by words and shapes, colours
come from the page (``currentColor`` and its variables). What does not fit into a box is cut off; the title of the box has all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import msgspec

from reports.phrases import compact

__all__ = ["BARS_MAX", "Bar", "cycle", "in_words", "timeline"]

BARS_MAX: Final = 60
"""Operations of one picture."""

NODES_MAX: Final = 16
"""Transactions of one circle that can be told apart."""

_BOX: Final = (176, 40)
_LANE: Final = 34
_WIDTH: Final = 960
_LEFT: Final = 96
_LETTERS: Final = 26


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One operation: from event `begin` to event `end` (-1: it never returned), on the lane of its process.

    `told` says whether the finding names it; others are its surroundings.
    """

    label: str
    process: int
    begin: int
    end: int
    told: bool = True


def timeline(bars: Sequence[Bar]) -> str:
    """The operations as bars, one lane a process, events at equal distances; nothing where there are none."""
    shown = sorted(bars, key=lambda bar: (not bar.told, bar.begin))[:BARS_MAX]
    if not shown:
        return ""
    events = sorted({bar.begin for bar in shown} | {bar.end for bar in shown if bar.end >= 0})
    rank = {event: place for place, event in enumerate(events)}
    lanes = {process: lane for lane, process in enumerate(sorted({bar.process for bar in shown}))}
    unit = (_WIDTH - _LEFT - 20) / max(len(events), 1)
    height = len(lanes) * _LANE + 30
    parts = [
        f'<svg class="window" viewBox="0 0 {_WIDTH} {height}" role="img" font-size="12">',
        "<title>The operations on a line of time</title>",
    ]
    for process, lane in lanes.items():
        y = lane * _LANE + 22
        parts.append(
            f'<text x="4" y="{y + 4}" class="lane">process {process}</text>'
            f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y}" y2="{y}" class="rail"/>'
        )
    for bar in shown:
        y = lanes[bar.process] * _LANE + 22
        x1 = _LEFT + rank[bar.begin] * unit + 3
        x2 = _LEFT + (rank[bar.end] if bar.end >= 0 else len(events)) * unit + 3
        until = f"to {bar.end}" if bar.end >= 0 else "on, for it never returned"
        room = max(1, int((x2 - x1 - 6) / 6.4))
        dashes = "" if bar.end >= 0 else ' stroke-dasharray="4 3"'
        parts.append(
            f'<g class="{"told" if bar.told else "near"}"><title>{escape(bar.label)}, from event {bar.begin} {until}</title>'
            f'<rect x="{x1:.1f}" y="{y - 12}" width="{max(x2 - x1, 4):.1f}" height="24" rx="5"{dashes}/>'
            f'<text x="{x1 + 5:.1f}" y="{y + 4}">{escape(_cut(bar.label, room))}</text></g>'
        )
    return "".join([*parts, "</svg>"])


def cycle(steps: Sequence[Mapping[str, Any]], operations: Sequence[Mapping[str, Any]]) -> str:
    """The dependencies `steps` as arrows between transactions on a circle; nothing where there are too many."""
    names = list(dict.fromkeys(name for step in steps for name in (step["from"], step["to"])))
    if not names or len(names) > NODES_MAX:
        return ""
    words = {one.get("name"): in_words(one.get("value")) for one in operations}
    width, height = _BOX
    radius = max(110.0, len(names) * width / math.pi / 1.6)
    centre_x, centre_y = radius * 1.15 + width / 2 + 12, radius + height / 2 + 22
    turn = 2 * math.pi / len(names)
    places = {
        name: (
            centre_x + radius * 1.15 * math.sin(turn * number),
            centre_y - radius * math.cos(turn * number),
        )
        for number, name in enumerate(names)
    }
    parts = [
        f'<svg class="cycle" viewBox="0 0 {2 * centre_x:.0f} {2 * centre_y:.0f}" role="img" font-size="12">',
        f"<title>A cycle of {len(names)} transactions</title>",
    ]
    parts += [_arrow(step, places) for step in steps]
    for name, (x, y) in places.items():
        text = words.get(name, "")
        parts.append(
            f'<g class="told"><title>{escape(f"{name}: {text}")}</title>'
            f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width}" height="{height}" rx="7"/>'
            f'<text x="{x:.1f}" y="{y - 4:.1f}" text-anchor="middle" font-weight="700">{escape(name)}</text>'
            f'<text x="{x:.1f}" y="{y + 12:.1f}" text-anchor="middle">{escape(_cut(text, _LETTERS))}</text></g>'
        )
    return "".join([*parts, "</svg>"])


def _arrow(step: Mapping[str, Any], places: Mapping[str, tuple[float, float]]) -> str:
    """An arrow from box to box, bent so that there and back stay apart, with the kind of the dependency."""
    (x1, y1), (x2, y2) = places[step["from"]], places[step["to"]]
    bend_x, bend_y = (x1 + x2) / 2 + (y1 - y2) * 0.2, (y1 + y2) / 2 + (x2 - x1) * 0.2
    x1, y1 = _border(x1, y1, bend_x, bend_y)
    x2, y2 = _border(x2, y2, bend_x, bend_y)
    word = str(step["type"])
    if step.get("key") is not None:
        word += f" on {_key(step['key'])}"
    way = math.atan2(y2 - bend_y, x2 - bend_x)
    head = " ".join(
        f"{x2 - 10 * math.cos(way + turn):.1f},{y2 - 10 * math.sin(way + turn):.1f}"
        for turn in (-0.4, 0.4)
    )
    return (
        f'<g class="arrow {escape(str(step["type"]))}"><title>{escape(str(step.get("why", word)))}</title>'
        f'<path d="M{x1:.1f} {y1:.1f}Q{bend_x:.1f} {bend_y:.1f} {x2:.1f} {y2:.1f}" fill="none" '
        f'stroke="currentColor" stroke-width="1.6"/><polygon points="{x2:.1f},{y2:.1f} {head}" fill="currentColor"/>'
        f"{_beside((x1 + 2 * bend_x + x2) / 4, (y1 + 2 * bend_y + y2) / 4, places, word)}</g>"
    )


def _beside(x: float, y: float, places: Mapping[str, tuple[float, float]], word: str) -> str:
    """A word at a point of an arrow, on the side away from the middle of all `places`, so that no two share one."""
    out_x = x - sum(place for place, _ in places.values()) / len(places)
    out_y = y - sum(place for _, place in places.values()) / len(places)
    if abs(out_x) > abs(out_y):
        x, y = x + math.copysign(6, out_x), y + 4
        anchor = "start" if out_x > 0 else "end"
    else:
        y, anchor = y + (14 if out_y > 0 else -5), "middle"
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor">{escape(word)}</text>'


def in_words(value: Any) -> str:
    """A transaction as ``r x [1], append y 2``; any other value as compact data."""
    if not isinstance(value, list) or not all(
        isinstance(one, list) and len(one) > 2 for one in value
    ):
        return compact(value)
    return ", ".join(f"{one[0]} {_key(one[1])} {compact(one[2])}" for one in value)


def _key(key: Any) -> str:
    """A key without the quotes that a word has as data."""
    text = key if isinstance(key, str) else compact(key)
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] == "'" else text


def _border(x: float, y: float, toward_x: float, toward_y: float) -> tuple[float, float]:
    """Where the way from the middle of a box leaves it."""
    across, down = toward_x - x, toward_y - y
    scale = max(abs(across) / (_BOX[0] / 2), abs(down) / (_BOX[1] / 2), 1e-9)
    return x + across / scale, y + down / scale


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: max(letters - 1, 0)]}…"
