"""What all tests share: needs that a machine may lack, and the rule that under CI nothing may be skipped.

A test that needs more than Python asks for it by name through the `require` fixture and is skipped, visibly and
with the reason, where it is missing. With REPRISE_REQUIRE=all in the environment every skip is a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

REQUIRE_ALL = os.environ.get("REPRISE_REQUIRE") == "all"


def _program(name: str) -> Callable[[], str | None]:
    return lambda: shutil.which(name)


def _fuse() -> str | None:
    return shutil.which("fusermount3") if Path("/dev/fuse").exists() else None


def _namespaces() -> str | None:
    programs = ("ip", "iptables", "nft", "nsenter", "tc")
    return shutil.which("ip") if os.geteuid() == 0 and all(map(shutil.which, programs)) else None


def _loop(program: str) -> Callable[[], str | None]:
    able = os.geteuid() == 0 and Path("/dev/loop-control").exists()
    return lambda: shutil.which(program) if able else None


NEEDS: dict[str, Callable[[], str | None]] = {
    "chromium": _program("chromium"),
    "compose": _program("docker-compose"),
    "dash": _program("dash"),
    "docker": _program("docker"),
    "ext4": _loop("mkfs.ext4"),
    "fuse": _fuse,
    "namespaces": _namespaces,
    "xfs": _loop("mkfs.xfs"),
}
"""Name of a need -> where it is found, or None."""


@pytest.fixture(scope="session")
def require() -> Callable[[str, str], str]:
    """``require("chromium", "draws the report")``: the path of the program, or a skip with that reason."""

    def found(need: str, reason: str) -> str:
        where = NEEDS[need]()
        if where is None:
            pytest.skip(f"{need} is missing: it {reason}")
        return where

    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one where everything is required."""
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """As above, for a module that skips itself while it is collected."""
    report = yield
    if REQUIRE_ALL and report.skipped:
        _fail(report)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"REPRISE_REQUIRE=all allows no skip, but: {reason}"
