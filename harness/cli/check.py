"""``reprise check``: a history made elsewhere, held against a model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from harness.cli.words import DURATION, LIST, unknown_word
from harness.errors import UserMistake

if TYPE_CHECKING:
    from harness.judges import Judge, Question

__all__ = ["command"]

BUDGET_S: Final = 60.0
FINDINGS_SHOWN: Final = 5
NAMES_SHOWN: Final = 4
_WORDS: Final[dict[Any, str]] = {True: "VALID", False: "INVALID", "unknown": "UNKNOWN"}


@click.command(name="check")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--model", required=True, metavar="M", help="What the history must be; see below.")
@click.option(
    "--format", "format_name", default="auto", show_default=True, metavar="F",
    help="jsonl, edn, text, elle-json, porcupine-kv, plume, awdit.",
)  # fmt: skip
@click.option(
    "--consistency-models", type=LIST, default=(), metavar="LIST",
    help="What transactions must satisfy (default: strict-serializable).",
)  # fmt: skip
@click.option("--independent", is_flag=True, help="Values are [key, value]: each key alone.")
@click.option(
    "--budget", "budget_s", type=DURATION, default=BUDGET_S, metavar="TIME",
    help="How long a search may take before it says unknown (default: 60s).",
)  # fmt: skip
@click.option(
    "--json", is_flag=True, help="End standard output with the results as one line of JSON."
)
def command(json: bool, **values: Any) -> int:
    """Judge the history in FILE, made by Reprise, Jepsen, Porcupine, elle-cli, Plume or AWDIT.

    Linearizability: register, cas-register, multi-register, kv, append, set, queue, stack, counter, mutex.
    Transactions: list-append, rw-register. Laws of their own (docs/checkers.md): set-full, total-queue, unique-ids,
    counter-bounds, bank, long-fork, fenced-lock, monotonic, sequential, causal-reverse, comments, kafka; causal,
    causal-convergence, causal-memory; session-guarantees, read-your-writes, monotonic-reads, monotonic-writes,
    writes-follow-reads, session-versions.
    """
    from harness.cli.exits import exit_for
    from harness.cli.telling import tell_json

    results = _results(values)
    _tell(results)
    if json:
        tell_json(results)
    return exit_for(results["valid"])


def _results(values: Mapping[str, Any]) -> dict[str, Any]:
    began_s = time.perf_counter()
    question, judge = _question(values)
    try:
        verdict = judge.ask(question)
    except OSError as error:
        raise _unreadable(question.path, error) from None
    return {
        "valid": verdict.valid,
        "file": str(question.path),
        "format": question.format_name,
        "model": values["model"],
        "words": judge.words,
        "operations": len(question.columns),
        "torn": question.torn,
        "facts": verdict.facts,
        "evidence": verdict.evidence,
        "wall_s": round(time.perf_counter() - began_s, 3),
    }


def _question(values: Mapping[str, Any]) -> tuple[Question, Judge]:
    """Check what was asked. Raises UserMistake naming what is allowed."""
    from harness.formats.catalogue import FORMATS, detect
    from harness.judges import JUDGES, Question

    path, model, format_name = values["file"], values["model"], values["format_name"]
    if model not in JUDGES:
        raise unknown_word("model", model, JUDGES)
    judge = JUDGES[model]
    if values["consistency_models"] and not judge.transactions:
        raise UserMistake(f"the model {model} knows no consistency models; transactions do")
    if format_name == "auto":
        try:
            format_name = detect(path)
        except OSError as error:
            raise _unreadable(path, error) from None
    if format_name not in FORMATS:
        raise unknown_word("format", format_name, [*FORMATS, "auto"])
    question = Question(
        path,
        format_name=format_name,
        convention=judge.convention,
        keyed=values["independent"],
        budget_s=values["budget_s"],
        consistency_models=values["consistency_models"],
    )
    return question, judge


def _unreadable(path: Path, error: OSError) -> UserMistake:
    return UserMistake(f"cannot read {path}: {error.strerror or error}")


def _tell(results: Mapping[str, Any]) -> None:
    """Print verdict, time, facts and the first findings."""
    how = f"{results['operations']:,} operations ({results['format']}) in {results['wall_s']:.2f} s"
    lines = [f"{_WORDS[results['valid']]}  {results['file']}: {results['words']}, {how}"]
    lines += [f"  {_told(fact, value)}" for fact, value in results["facts"].items()]
    if results["torn"]:
        lines.append(f"  dropped: an unfinished last line, {results['torn'][:40]!r}")
    evidence = results["evidence"]
    for finding in evidence[:FINDINGS_SHOWN]:
        first, *more = finding["what"].split("\n")
        lines += [f"  ! {first}", *(f"    {line}" for line in more)]
    if len(evidence) > FINDINGS_SHOWN:
        lines.append(f"  ! showing {FINDINGS_SHOWN} of {len(evidence)} findings; --json has all")
    click.echo("\n".join(lines))


def _told(fact: str, value: Any) -> str:
    words = fact.replace("_", " ")
    if isinstance(value, Mapping):
        return f"{words}: {', '.join(f'{count} {name}' for name, count in value.items()) or 'none'}"
    if isinstance(value, list):
        shown = [str(name) for name in value[:NAMES_SHOWN]]
        if len(value) > NAMES_SHOWN:
            shown.append(f"and {len(value) - NAMES_SHOWN} more")
        return f"{words}: {', '.join(shown) or 'none'}"
    return f"{value:>8,}  {words}" if type(value) is int else f"{words}: {value}"
