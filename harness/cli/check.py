"""``reprise check``: histories made elsewhere, held against a model. Here are the options; `harness.cli.checking` does it."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final

import click
import msgspec

from harness.cli.words import DURATION, LIST
from harness.errors import UserMistake

__all__ = ["command"]

BUDGET_S: Final = 60.0

STANDARD_INPUT: Final = Path("-")


@click.command(name="check")
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)
)
@click.option(
    "-m", "--model", required=True, metavar="M", help="What the history must be; see below."
)
@click.option(
    "-f", "--format", "format_name", default="auto", show_default=True, metavar="F",
    help="jsonl, edn, json, log, text, elle-json, porcupine-kv, porcupine-json, plume, awdit, dbcop, cobra.",
)  # fmt: skip
@click.option(
    "-c", "--consistency-models", type=LIST, default=(), metavar="LIST",
    help="What transactions must satisfy (default: strict-serializable).",
)  # fmt: skip
@click.option(
    "-a", "--anomalies", type=LIST, default=(), metavar="LIST",
    help="Anomalies that transactions must not show either, such as G2-item.",
)  # fmt: skip
@click.option("--independent", is_flag=True, help="Values are [key, value]: each key alone.")
@click.option(
    "--initial", metavar="EDN", help="What registers hold before they are written (default: nil)."
)
@click.option(
    "--nil", type=click.Choice(["absent", "unknown"]),
    help="What a register's read of nil saw: no value, or nobody knows (default: as the format's own tool has it).",
)  # fmt: skip
@click.option(
    "-g", "--group-size", type=click.IntRange(0), help="long-fork: registers that a read asks for."
)
@click.option("-o", "--total-amount", type=int, help="bank: what all accounts hold together.")
@click.option(
    "-n", "--allow-negative-balances", is_flag=True, help="bank: accounts may be overdrawn."
)
@click.option(
    "--linearizable", is_flag=True, help="set-full: no read may miss an element once it is known."
)
@click.option(
    "--budget", "budget_s", type=DURATION, metavar="TIME",
    help="How long a search may take before it says unknown (default: 60s).",
)  # fmt: skip
@click.option(
    "-s", "--cycle-search-timeout", "budget_ms", type=click.IntRange(1), metavar="MS",
    help="The same in milliseconds, as elle-cli has it.",
)  # fmt: skip
@click.option(
    "-d", "--out", "--directory", "out", type=click.Path(path_type=Path), metavar="DIR",
    help="Where the report goes: DIR, or DIR/NAME for several files.",
)  # fmt: skip
@click.option(
    "--store", type=click.Path(path_type=Path), default=Path("store"), show_default=True, metavar="DIR",
    help="Where the report of one file goes without --out: DIR/check-MODEL/TIME.",
)  # fmt: skip
@click.option(
    "-p", "--plot-format", type=click.Choice(["svg"]), default="svg", help="Pictures are SVG."
)
@click.option(
    "--json",
    "--verbose",
    is_flag=True,
    help="End standard output with the results as one line of JSON.",
)
@click.option(
    "-t", "--plot-timeout", "-b", "--max-plot-bytes", "--max-transfer", "passed_over", type=int,
    expose_value=False, hidden=True, help="Of elle-cli, and nothing here: pictures are small and drawn at once.",
)  # fmt: skip
def command(files: tuple[Path, ...], json: bool, **values: Any) -> int:
    """Judge the histories in FILE..., made by Reprise, Jepsen, Knossos, Porcupine, elle-cli, Plume, AWDIT, dbcop or Cobra.

    A FILE may be the folder of a run, or - for standard input. Of one file verdict, findings and facts are told and a
    page is kept; of several, a line of file and verdict each, and who cannot be read is told and passed over.

    Linearizability: register, cas-register, multi-register, kv, append, set, queue (fifo-queue), unordered-queue,
    stack, counter, mutex, owner-mutex.
    Transactions: list-append, rw-register. Laws of their own (docs/checkers.md): set-full, total-queue, unique-ids,
    counter-bounds, bank, long-fork, fenced-lock, monotonic, sequential, causal-reverse, comments, kafka; causal,
    causal-convergence, causal-memory; session-guarantees, read-your-writes, monotonic-reads, monotonic-writes,
    writes-follow-reads, session-versions.
    """
    from harness.checkers.checker import merge_valid
    from harness.checkers.linearizable.compiled import tell_of_compiling
    from harness.cli.checking import check, judge_for, tell, told
    from harness.cli.exits import Exit, exit_for
    from harness.cli.guard import told_defect
    from harness.values import plain

    wish = _wish(values)
    if files.count(STANDARD_INPUT) > 1:
        raise UserMistake("standard input can be judged once: give - one time")
    judge_for(wish)
    tell_of_compiling(_compiling)
    everything: list[dict[str, Any]] = []
    worst = Exit.VALID
    for path in files:
        try:
            with _there(path) as file:
                checked = check(file, wish)
        except Exception as error:
            if len(files) == 1:
                raise
            mistake = isinstance(error, UserMistake)
            worst = max(worst, Exit.MISTAKE if mistake else Exit.INTERNAL)
            what = str(error) if mistake else told_defect(error)
            click.echo(f"reprise: {what}", err=True)
            everything.append({"valid": "unknown", "file": str(path), "error": what})
            click.echo(told(everything[-1]))
            continue
        checked.results["file"] = str(path)
        everything.append(checked.results)
        folder = _folder(path, values, files)
        page = _kept(checked, folder) if folder else None
        if len(files) > 1:
            click.echo(told(checked.results))
            continue
        tell(checked.results)
        if page is not None:
            click.echo(f"  report: {page}")
    valid = merge_valid([results["valid"] for results in everything])
    if json:
        found = everything[0] if len(files) == 1 else {"valid": valid, "files": everything}
        click.echo(msgspec.json.encode(found, enc_hook=plain).decode())
    return max(worst, exit_for(valid))


@cache
def _compiling() -> None:
    """Say once why nothing happens for a while."""
    click.echo(
        "reprise: compiling the judges for this machine, which only the first check of each kind waits for",
        err=True,
    )


@contextmanager
def _there(path: Path) -> Iterator[Path]:
    """`path`; what comes from standard input or a pipe is put into a file first, for it is read more than once."""
    given = path == STANDARD_INPUT
    if not given and (path.is_file() or path.is_dir() or not path.exists()):
        yield path
        return
    with TemporaryDirectory(prefix="reprise-") as folder:
        file = Path(folder) / "history"
        try:
            with file.open("wb") as copy, _stream(path) as stream:
                shutil.copyfileobj(stream, copy)
            yield file
        except UserMistake as mistake:
            name = "standard input" if given else str(path)
            raise UserMistake(str(mistake).replace(str(file), name)) from None


def _stream(path: Path) -> AbstractContextManager[BinaryIO]:
    """What comes from `path`. Raises UserMistake where that cannot be opened."""
    try:
        return nullcontext(sys.stdin.buffer) if path == STANDARD_INPUT else path.open("rb")
    except OSError as error:
        raise UserMistake(f"cannot read {path}: {error.strerror}") from None


def _kept(checked: Any, folder: Path) -> Path:
    """The page of `checked` in `folder`. Raises UserMistake where nothing can be written there."""
    from harness.cli.checking import keep

    try:
        return keep(checked, folder, shlex.join(["./reprise", *sys.argv[1:]]))
    except OSError as error:
        raise UserMistake(f"cannot keep a report in {folder}: {error.strerror}") from None


def _wish(values: dict[str, Any]) -> Any:
    """What was asked, as data. Raises UserMistake for an initial value that is no EDN, and for two budgets."""
    from harness.cli.checking import Wish

    if values["budget_s"] and values["budget_ms"]:
        raise UserMistake("--budget and --cycle-search-timeout are the same: give one of them")
    budget_s = values["budget_s"] or (values["budget_ms"] or BUDGET_S * 1000) / 1000
    settings = {
        "group_size": values["group_size"],
        "total": values["total_amount"],
        "negative_balances": values["allow_negative_balances"] or None,
        "linearizable": values["linearizable"] or None,
    }
    return Wish(
        model=values["model"],
        format_name=values["format_name"],
        independent=values["independent"],
        budget_s=budget_s,
        consistency_models=values["consistency_models"],
        anomalies=values["anomalies"],
        initial=_initial(values["initial"]),
        silent_nil=None if values["nil"] is None else values["nil"] == "unknown",
        settings={name: value for name, value in settings.items() if value is not None},
    )


def _initial(text: str | None) -> Any:
    if text is None:
        return None
    from harness.formats.edn import EdnDamaged, read_form

    try:
        value, end = read_form(text)
    except EdnDamaged as error:
        raise UserMistake(f"--initial {text!r} is no value: {error}") from None
    if text[end:].strip():
        raise UserMistake(f"--initial {text!r} is more than one value")
    return value


def _folder(path: Path, values: dict[str, Any], files: Sequence[Path]) -> Path | None:
    """Where the page of a file goes; None where several `files` were given and no folder for them.

    Files of one name, as in Jepsen's store, are told apart by their number in the command.
    """
    out: Path | None = values["out"]
    if len(files) > 1:
        alike = [one for one in files if one.name == path.name]
        number = f"{files.index(path) + 1}-" if len(alike) > 1 else ""
        return out / f"{number}{path.name}" if out else None
    if out:
        return out
    started = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    store: Path = values["store"]
    folder = store / f"check-{values['model']}" / f"{started}Z"
    taken = count(2)
    while folder.exists():
        folder = folder.with_name(f"{started}Z-{next(taken)}")
    return folder
