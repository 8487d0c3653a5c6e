"""``reprise convert``: a history in another format, for the tools that read it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import click

from harness.cli.words import unknown_word
from harness.errors import UserMistake

__all__ = ["command"]

VIEWER: Final = "porcupine"
"""The one format that is no history: the data of Porcupine's page."""


@click.command(name="convert")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--to",
    required=True,
    metavar="F",
    help=f"edn, jsonl, plume, awdit, or {VIEWER}: the data of its viewer.",
)
@click.option(
    "-f",
    "--format",
    "format_name",
    default="auto",
    show_default=True,
    metavar="F",
    help="As for check.",
)
@click.option(
    "-m", "--model", metavar="M", help=f"{VIEWER}: where key, arguments and result stand."
)
@click.option("--independent", is_flag=True, help=f"{VIEWER}: values are [key, value].")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where it goes (default: standard output).",
)
def command(file: Path, **values: Any) -> int:
    """Write the history in FILE in another format: to Jepsen, Knossos and elle-cli as edn, to Plume and AWDIT, to Porcupine's viewer."""
    out: Path | None = values["out"]
    try:
        if out is None:
            _convert(file, values, sys.stdout.buffer)
            return 0
        with _whole(out) as opened:
            _convert(file, values, opened)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise UserMistake(f"cannot convert {file}: {where}{error.strerror}") from None
    return 0


@contextmanager
def _whole(out: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `out` once it is whole: half a history reads like a whole one. Devices are written to as they are."""
    if out.exists() and not out.is_file():
        with out.open("wb") as opened:
            yield opened
        return
    growing = out.with_name(f".{out.name}.part")
    try:
        with growing.open("wb") as opened:
            yield opened
        growing.replace(out)
    finally:
        growing.unlink(missing_ok=True)


def _convert(file: Path, values: dict[str, Any], out: BinaryIO) -> None:
    """Raises UserMistake for what was asked, HistoryDamaged for what cannot be read."""
    from harness.formats.catalogue import FORMATS, detect, load_operations, located
    from harness.formats.writers import WRITERS

    path = located(file)
    name = detect(path) if values["format_name"] == "auto" else values["format_name"]
    if name not in FORMATS:
        raise unknown_word("format", name, FORMATS)
    if values["to"] == VIEWER:
        _to_viewer(path, name, values, out)
        return
    if values["to"] not in WRITERS:
        raise unknown_word("format to write", values["to"], [*WRITERS, VIEWER])
    operations, _ = load_operations(path, name)
    try:
        WRITERS[values["to"]](operations, out)
    except TypeError as error:
        raise UserMistake(f"{path} cannot be written as {values['to']}: {error}") from None


def _to_viewer(path: Path, name: str, values: dict[str, Any], out: BinaryIO) -> None:
    from harness.conventions import CONVENTIONS, independent
    from harness.formats.catalogue import FORMATS, load_columns
    from harness.formats.porcupine_viewer import write
    from harness.judges import JUDGES

    if values["model"] is None:
        raise UserMistake(
            f"--to {VIEWER} needs --model, which says where key, arguments and result stand"
        )
    if values["model"] not in JUDGES:
        raise unknown_word("model (--model)", values["model"], JUDGES)
    convention = CONVENTIONS[JUDGES[values["model"]].convention]
    keyed = values["independent"] or FORMATS[name].keyed
    columns, _ = load_columns(path, name, independent(convention) if keyed else convention)
    write(columns, out)
