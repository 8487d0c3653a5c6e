"""What the machine can do, told world by world."""

from __future__ import annotations

import json

import pytest

from harness.cli import doctor, main


def test_worlds_of_this_version_work_here(capsys: pytest.CaptureFixture[str]) -> None:
    """On a machine that runs the tests, sim and local work; docker may be missing; hosts of ssh are reached when they are named."""
    assert main(["doctor", "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert [found[world]["state"] for world in ("sim", "local", "ssh")] == [
        "works",
        "works",
        "works",
    ]
    assert found["docker"]["state"] == "works" or found["docker"]["install"]


def test_missing_thing_comes_with_its_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing is followed by the one command that installs it; it does not fail the worlds."""
    monkeypatch.setattr(doctor.shutil, "which", lambda _program: None)

    assert main(["doctor"]) == 0

    output = capsys.readouterr().out
    assert "missing" in output
    assert "apt-get install -y chromium" in output


def test_broken_world_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A world that does not work here makes the examination fail."""

    def refuse(*_arguments: object) -> None:
        raise OSError("no loopback")

    monkeypatch.setattr(doctor.socket.socket, "bind", refuse)

    assert main(["doctor"]) == 254
