"""A cycle as a picture: its transactions on a circle, its dependencies as arrows; one self-contained SVG, or DOT for Graphviz.

What stands in a box is cut off where the box ends; the sentences beside the picture (`anomalies.explain`) are complete.
Colours follow the page they stand on through ``currentColor``; kinds of arrows are told by their words, not by colour alone.
"""

from __future__ import annotations

import math
from html import escape

from harness.checkers.transactions.anomalies import Anomaly, Step, label
from harness.checkers.transactions.graph import KIND_NAMES
from harness.checkers.transactions.transactions import Transactions

__all__ = ["dot", "drawn", "picture"]

_BOX_WIDTH = 190
_BOX_HEIGHT = 44
_RADIUS_MIN = 130
_LETTERS_MAX = 30
_STEPS_MAX = 20
_COLOURS = ("#7a3db8", "#1c6fb8", "#b8431c", "#6b6b6b", "#6b6b6b", "#2d7d46")
"""By kind of dependency, as `KIND_NAMES`."""


def drawn(anomaly: Anomaly, transactions: Transactions) -> dict[str, str]:
    """Return an anomaly's pictures as fields of evidence, ``svg`` and ``dot``; none where it has no cycle, or one too long."""
    if not 0 < len(anomaly.steps) <= _STEPS_MAX:
        return {}
    return {"svg": picture(anomaly, transactions), "dot": dot(anomaly, transactions)}


def dot(anomaly: Anomaly, transactions: Transactions) -> str:
    """Return the graph of an anomaly in the language of Graphviz."""
    lines = [f"digraph {_quoted(anomaly.name)} {{", "  node [shape=box]"]
    for row in anomaly.transactions:
        told = _quoted("\n".join((_head(row, transactions), _words(row, transactions))))
        lines.append(f"  {label(row)} [label={told}]")
    lines += [
        f"  {label(step.source)} -> {label(step.target)} "
        f'[label="{KIND_NAMES[step.kind]}", color="{_COLOURS[step.kind]}"]'
        for step in anomaly.steps
    ]
    return "\n".join([*lines, "}"])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _head(row: int, transactions: Transactions) -> str:
    return f"{label(row)} of process {transactions.process[row]}"


def _words(row: int, transactions: Transactions) -> str:
    begin, end = transactions.begin[row : row + 2].tolist()
    done = [transactions.micro_operation(position) for position in range(begin, end)]
    return ", ".join(f"{f} {key} {value}" for f, key, value in done)


def picture(anomaly: Anomaly, transactions: Transactions) -> str:
    """Return the SVG of an anomaly; one that is no cycle shows its transactions alone."""
    rows = anomaly.transactions
    radius = max(_RADIUS_MIN, len(rows) * _BOX_WIDTH / math.pi / 1.5)
    width, height = 2 * radius + _BOX_WIDTH + 20, 2 * radius + _BOX_HEIGHT + 20
    places = {
        row: (
            width / 2 + radius * math.sin(2 * math.pi * number / len(rows)),
            height / 2 - radius * math.cos(2 * math.pi * number / len(rows)),
        )
        for number, row in enumerate(rows)
    }
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'font-family="sans-serif" font-size="12" role="img">'
        ),
        f"<title>{escape(anomaly.name)}</title>",
        (
            '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" '
            'markerHeight="8" orient="auto"><path d="M0 0L10 5L0 10z" fill="currentColor"/></marker></defs>'
        ),
    ]
    parts += [_arrow(step, places) for step in anomaly.steps]
    parts += [_box(row, places[row], transactions) for row in rows]
    return "".join([*parts, "</svg>"])


def _arrow(step: Step, places: dict[int, tuple[float, float]]) -> str:
    """An arrow from box to box, bent to the outside so that there and back stay apart."""
    (x1, y1), (x2, y2) = places[step.source], places[step.target]
    bend_x, bend_y = (x1 + x2) / 2 + (y1 - y2) * 0.25, (y1 + y2) / 2 + (x2 - x1) * 0.25
    x1, y1 = _border(x1, y1, bend_x, bend_y)
    x2, y2 = _border(x2, y2, bend_x, bend_y)
    at_x, at_y = (x1 + 2 * bend_x + x2) / 4, (y1 + 2 * bend_y + y2) / 4
    colour, name = _COLOURS[step.kind], KIND_NAMES[step.kind]
    return (
        f'<g color="{colour}"><path d="M{x1:.1f} {y1:.1f}Q{bend_x:.1f} {bend_y:.1f} {x2:.1f} {y2:.1f}" '
        f'fill="none" stroke="currentColor" marker-end="url(#tip)"/>'
        f'<text x="{at_x:.1f}" y="{at_y:.1f}" text-anchor="middle" fill="currentColor">{name}</text></g>'
    )


def _border(x: float, y: float, toward_x: float, toward_y: float) -> tuple[float, float]:
    """Return where the way from the middle of a box leaves it."""
    across, down = toward_x - x, toward_y - y
    scale = max(abs(across) / (_BOX_WIDTH / 2), abs(down) / (_BOX_HEIGHT / 2), 1e-9)
    return x + across / scale, y + down / scale


def _box(row: int, place: tuple[float, float], transactions: Transactions) -> str:
    x, y = place[0] - _BOX_WIDTH / 2, place[1] - _BOX_HEIGHT / 2
    words = _words(row, transactions)
    if len(words) > _LETTERS_MAX:
        words = words[: _LETTERS_MAX - 1] + "…"
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="6" '
        'fill="none" stroke="currentColor"/>'
        f'<text x="{x + 8:.1f}" y="{y + 18:.1f}" fill="currentColor" font-weight="bold">{escape(_head(row, transactions))}</text>'
        f'<text x="{x + 8:.1f}" y="{y + 35:.1f}" fill="currentColor">{escape(words)}</text>'
    )
