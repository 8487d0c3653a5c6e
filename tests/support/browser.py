"""A headless Chromium, driven over a pair of pipes by its own protocol: no driver, no socket, no package.

`Browser` starts one; `Page` is one tab, which keeps everything that went wrong in it (`problems`) and every
address it asked for (`requests`). Commands wait for their answers; every wait has the same deadline.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any, Self

ANSWER_S = 30.0

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


class Browser:
    """A running Chromium; use it as a context manager."""

    def __init__(self, program: str) -> None:
        self._profile = tempfile.mkdtemp(prefix="reprise-browser-")
        commands, self._commands = _pipe()
        self._answers, answers = _pipe()
        self._process = os.posix_spawn(
            program,
            [program, *_FLAGS, f"--user-data-dir={self._profile}", "about:blank"],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                (os.POSIX_SPAWN_DUP2, commands, 3),
                (os.POSIX_SPAWN_DUP2, answers, 4),
            ],
        )
        os.close(commands)
        os.close(answers)
        self._unread = b""
        self._number = 0
        self._pages: dict[str, Page] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        os.close(self._commands)
        os.close(self._answers)
        shutil.rmtree(self._profile, ignore_errors=True)

    def page(
        self, file: Path, *, width: int = 1280, height: int = 1000, dark: bool = False
    ) -> Page:
        """Open `file` in a new tab and return when the page says that it is done."""
        target = self.command("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self.command("Target.attachToTarget", {"targetId": target, "flatten": True})
        page = self._pages[attached["sessionId"]] = Page(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.command(f"{domain}.enable", {})
        page.command(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.command("Emulation.setEmulatedMedia", {"features": [scheme]})
        page.command("Page.navigate", {"url": file.as_uri()})
        page.evaluate(
            "new Promise((done) => { const look = () => window.DONE ? done(true)"
            " : requestAnimationFrame(look); look(); })"
        )
        return page

    def command(self, method: str, parameters: dict[str, Any], session: str = "") -> dict[str, Any]:
        """Send one command and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + ANSWER_S
        while True:
            answer = self._receive(deadline, method)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            if answer.get("sessionId") in self._pages:
                self._pages[answer["sessionId"]].observe(answer)

    def _receive(self, deadline: float, method: str) -> dict[str, Any]:
        while b"\0" not in self._unread:
            ready, _, _ = select.select(
                [self._answers], [], [], max(0.0, deadline - time.monotonic())
            )
            chunk = os.read(self._answers, 1 << 20) if ready else b""
            if not chunk:
                raise TimeoutError(f"Chromium did not answer {method}")
            self._unread += chunk
        message, self._unread = self._unread.split(b"\0", 1)
        return json.loads(message)


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self.problems: list[str] = []
        self.requests: list[str] = []

    def command(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Send a command to this tab."""
        return self._browser.command(method, parameters, self._session)

    def observe(self, event: dict[str, Any]) -> None:
        """Keep what an event says about errors and requests."""
        method, parameters = event["method"], event["params"]
        if method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in {"error", "warning"}:
            self.problems.append(json.dumps(parameters["args"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.problems.append(parameters["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])

    def evaluate(self, script: str) -> Any:
        """The value of an expression; a promise is waited for, an exception is raised here."""
        answer = self.command(
            "Runtime.evaluate", {"expression": script, "returnByValue": True, "awaitPromise": True}
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def settle(self) -> None:
        """Return when what gestures asked for has been drawn."""
        self.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))"
        )

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """One mouse event (``mouseMoved``, ``mousePressed``, ``mouseReleased``, ``mouseWheel``) in the viewport."""
        self.command("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **more})
        self.settle()

    def screenshot(self, file: Path, selector: str = "") -> None:
        """Save a picture of the whole page, or of one element."""
        box = self.evaluate(
            f"(({{left, top, width, height}}) => ({{x: left + scrollX, y: top + scrollY, width, height, scale: 1}}))"
            f"(document.querySelector({json.dumps(selector or 'html')}).getBoundingClientRect())"
        )
        answer = self.command(
            "Page.captureScreenshot", {"clip": box, "captureBeyondViewport": True}
        )
        file.write_bytes(base64.b64decode(answer["data"]))


def _pipe() -> tuple[int, int]:
    """Two ends with high numbers: the child's 3 and 4 must not be among them."""
    low = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low)
    for end in low:
        os.close(end)
    return high[0], high[1]
