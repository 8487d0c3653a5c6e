"""Small histories with known verdicts, in every format: read, judged, and their anomalies named (index.toml)."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from harness.cli import main
from harness.cli.exits import exit_for
from harness.formats.catalogue import FORMATS, detect

FOLDER = Path(__file__).parent
INDEX = tomllib.loads((FOLDER / "index.toml").read_text())["history"]
NAMES = [f"{entry['file']} {' '.join(entry.get('options', []))}".strip() for entry in INDEX]


@pytest.mark.parametrize("entry", INDEX, ids=NAMES)
def test_history_is_judged_right(
    entry: dict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """The verdict, the exit code and the anomalies are those that the index knows."""
    path = FOLDER / "histories" / entry["file"]
    options = [*entry.get("options", []), "--out", str(tmp_path), "--json"]

    code = main(["check", str(path), "--model", entry["model"], *options])

    results = json.loads(capsys.readouterr().out.splitlines()[-1])
    facts = results["facts"]
    named = {
        *facts.get("anomalies", {}),
        *facts.get("anomalies_implied", ()),
        *(finding.get("invariant") for finding in results["evidence"]),
    }
    assert results["valid"] == entry["valid"]
    assert code == exit_for(entry["valid"])
    assert set(entry.get("anomalies", ())) <= named
    assert (tmp_path / "report.html").exists()


def test_index_knows_every_file() -> None:
    """No file lies there unjudged, and every format has some."""
    named = {entry["file"] for entry in INDEX}
    files = [
        path.relative_to(FOLDER / "histories")
        for path in (FOLDER / "histories").rglob("*")
        if path.is_file()
    ]

    assert [
        str(path) for path in files if str(path) not in named and str(path.parent) not in named
    ] == []
    assert {detect(FOLDER / "histories" / name) for name in named} == set(FORMATS)
    assert len(files) >= 60
