"""The page in a real browser: it draws, asks for nothing, reports no error, and follows gestures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from browser import Browser, Page
from synthetic_runs import synthetic_run

from harness.operation import Operation
from reports.columns import rows
from reports.index_page import IndexRow, render_index
from reports.page import ReportData, render

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture(scope="module")
def browser(require: Callable[[str, str], str]) -> Iterator[Browser]:
    """One Chromium for all tests of this module."""
    with Browser(require("chromium", "shows whether the report draws")) as running:
        yield running


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Callable[..., Page]:
    """``opened(html)``: the page in a tab of its own, when it says that it is done."""

    def open_page(html: str, **options: Any) -> Page:
        file = tmp_path / "report.html"
        file.write_text(html, encoding="utf-8")
        return browser.page(file, **options)

    return open_page


def window(page: Page) -> tuple[float, float]:
    """The stretch of time in view, in microseconds."""
    left, right = page.evaluate("[REPRISE.view.left, REPRISE.view.right]")
    return left, right


def middle(page: Page, title: str) -> tuple[float, float]:
    """The middle of a chart in the viewport, scrolled to."""
    x, y = page.evaluate(
        f"(() => {{ const chart = document.querySelector('canvas[aria-label=\"{title}\"]');"
        " chart.scrollIntoView({block: 'center', behavior: 'instant'});"
        " const box = chart.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
    )
    page.settle()
    return x, y


@pytest.mark.parametrize("valid", [True, False, "unknown"])
@pytest.mark.parametrize("dark", [False, True])
def test_page_draws_without_a_problem(opened: Callable[..., Page], valid: Any, dark: bool) -> None:
    """No error, no request but the file itself, and everything of the run is on the charts."""
    data = synthetic_run(valid)
    page = opened(render(data), dark=dark)
    counts = page.evaluate("REPRISE")

    assert page.problems == []
    assert len(page.requests) == 1
    assert (counts["lanes"], counts["threads"]) == (5, 11)
    assert len(rows(data.history, 0)) == counts["operations"] == counts["total"]
    assert (3 if valid is False else 0) == counts["findings"]


def test_clocks_are_drawn(opened: Callable[..., Page]) -> None:
    """A run whose nemesis set clocks wrong has a chart of their offsets, and a run without has none."""
    readings = [
        {"node": node, "at_ns": second * 10**9, "wall_ns": (second + offset) * 10**9}
        for node in ("n1", "n2")
        for second, offset in ((1, 0), (2, 7), (3, -2))
    ]
    value = {"nodes": ["n1", "n2"], "readings": readings}
    bump = Operation(process=-1, type="info", f="bump-clock", time_ns=3 * 10**9, value=value)
    data = synthetic_run(True)
    page = opened(render(msgspec.structs.replace(data, history=[*data.history, bump])))

    assert page.problems == []
    assert page.evaluate("REPRISE.clocks") == 2
    assert page.evaluate("document.querySelector('canvas[aria-label=\"Clock offsets\"]') !== null")
    assert opened(render(data)).evaluate("REPRISE.clocks") == 0


def test_charts_have_ink(opened: Callable[..., Page]) -> None:
    """Every canvas shows more than its background."""
    page = opened(render(synthetic_run(False)))
    inked = page.evaluate(
        "[...document.querySelectorAll('canvas')].map((chart) => {"
        " const pixels = chart.getContext('2d').getImageData(0, 0, chart.width, chart.height).data;"
        " return new Set(new Uint32Array(pixels.buffer)).size; })"
    )

    assert len(inked) == 5
    assert min(inked) > 5


def test_page_fits_the_width_it_is_made_for(opened: Callable[..., Page]) -> None:
    """At 1280 pixels nothing has to be scrolled sideways."""
    page = opened(render(synthetic_run(False)), width=1280)

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_wheel_zooms_around_the_pointer(opened: Callable[..., Page]) -> None:
    """Scrolling up shows less time, and what is under the pointer stays there."""
    page = opened(render(synthetic_run(True)))
    x, y = middle(page, "Replicas")
    page.mouse("mouseWheel", x, y, deltaX=0, deltaY=-400)
    left, right = window(page)

    assert right - left < 15_000_000 * 0.6
    assert left < 15_000_000 / 2 < right


def test_drag_zooms_and_double_click_resets(opened: Callable[..., Page]) -> None:
    """The stretch that was dragged over fills the charts; a double click shows the whole run again."""
    page = opened(render(synthetic_run(True)))
    x, y = middle(page, "Latency of operations")
    page.mouse("mousePressed", x, y, button="left", clickCount=1)
    page.mouse("mouseMoved", x + 100, y, button="left", buttons=1)
    page.mouse("mouseReleased", x + 100, y, button="left", clickCount=1)
    left, right = window(page)

    assert 0 < left < right < 15_000_000
    assert right - left < 15_000_000 / 5

    for count in (1, 2):
        page.mouse("mousePressed", x, y, button="left", clickCount=count)
        page.mouse("mouseReleased", x, y, button="left", clickCount=count)

    assert window(page) == (0, 15_000_000)


def test_shift_drag_moves_the_window(opened: Callable[..., Page]) -> None:
    """With shift held the charts are moved along the axis, not zoomed."""
    page = opened(render(synthetic_run(True)))
    page.evaluate("REPRISE.view.show(4e6, 8e6)")
    x, y = middle(page, "Latency of operations")
    page.mouse("mousePressed", x, y, button="left", clickCount=1, modifiers=8)
    page.mouse("mouseMoved", x + 120, y, button="left", buttons=1, modifiers=8)
    page.mouse("mouseReleased", x + 120, y, button="left", clickCount=1, modifiers=8)
    left, right = window(page)

    assert left < 4_000_000
    assert right - left == pytest.approx(4_000_000)


def test_finding_jumps_to_its_time(opened: Callable[..., Page]) -> None:
    """A click on a finding's time shows that stretch of the charts."""
    page = opened(render(synthetic_run(False)))
    page.evaluate("document.querySelector('#finding-1 .jump').click()")
    page.settle()
    left, right = window(page)

    assert left < 2_910_000 < right
    assert right - left < 15_000_000 / 10


def test_hover_explains(opened: Callable[..., Page]) -> None:
    """The pointer over a replica says what it was, in words."""
    page = opened(render(synthetic_run(False)))
    x, _ = middle(page, "Replicas")
    top = page.evaluate(
        "document.querySelector('canvas[aria-label=\"Replicas\"]').getBoundingClientRect().top"
    )
    page.mouse("mouseMoved", x + 300, top + 15)
    said = page.evaluate("document.getElementById('tip').innerText")

    assert "n1 follower, term 2" in said
    assert "applied index" in said

    page.mouse("mouseMoved", 5, 5)

    assert page.evaluate("document.getElementById('tip').hidden")


def test_keys_move_and_zoom(opened: Callable[..., Page]) -> None:
    """Without a mouse the same stretches can be reached."""
    page = opened(render(synthetic_run(True)))
    page.evaluate("document.getElementById('stage').focus()")
    for key in ("+", "+", "ArrowRight"):
        page.command(
            "Input.dispatchKeyEvent",
            {"type": "keyDown", "key": key, "text": key if len(key) == 1 else ""},
        )
    page.settle()
    left, right = window(page)

    assert right - left == pytest.approx(15_000_000 * 0.36)
    assert left > (15_000_000 - (right - left)) / 2


def test_large_history_draws(opened: Callable[..., Page]) -> None:
    """A hundred thousand operations of two thousand processes arrive packed, and share the rows of fifty threads."""
    history = [
        Operation(index=2 * number + end, time_ns=number * 100_000 + end * (50_000 + 997 * (number % 4_001)),
                  process=number % 50 + 50 * (number // 2_500), type=("invoke", "ok")[end], f="write", value=number)
        for number in range(100_000) for end in (0, 1)
    ]  # fmt: skip
    page = opened(render(ReportData(results={"valid": True}, history=history)))
    counts = page.evaluate("REPRISE")

    assert page.problems == []
    assert (counts["operations"], counts["total"]) == (100_000, 100_000)
    assert counts["threads"] == 50


def test_index_opens(opened: Callable[..., Page]) -> None:
    """The index of a store is a page without problems, too."""
    row = IndexRow(
        verdict="invalid", workload="registry", world="sim", seed="7", duration="15.000 s", name="registry",
        started="20261124T031001.000Z", remark="n3 halted", link="registry/20261124T031001.000Z/report.html",
    )  # fmt: skip
    page = opened(
        render_index(
            [row, msgspec.structs.replace(row, verdict="valid", remark="", link="")], "store"
        )
    )

    assert page.problems == []
    assert page.evaluate(
        "[...document.querySelectorAll('td .word')].map((word) => word.innerText)"
    ) == ["invalid", "valid"]
