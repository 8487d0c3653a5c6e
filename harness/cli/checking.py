"""What ``reprise check`` does with one file: ask, judge, tell, and keep the page.

The command (`harness.cli.check`) knows the options; here a `Wish` of plain values comes in, and results go out as the one object that
``--json`` prints.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from harness.cli.telling import VERDICT_WORDS
from harness.cli.words import unknown_word
from harness.errors import UserMistake

if TYPE_CHECKING:
    from harness.columns import Columns
    from harness.judges import Judge
    from harness.question import Question
    from reports.check_page import Shown
    from reports.drawings import Bar

__all__ = ["Checked", "Wish", "check", "judge_for", "keep", "tell", "told"]

FINDINGS_SHOWN: Final = 5
NAMES_SHOWN: Final = 4
NEAR_MAX: Final = 16
"""Operations beside a finding that its picture shows."""

_SETTINGS: Final = {
    "group_size": "--group-size",
    "total": "--total-amount",
    "negative_balances": "--allow-negative-balances",
    "linearizable": "--linearizable",
}


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked of each file; `settings` are arguments of the model's checker, by name, those that were given."""

    model: str
    format_name: str = "auto"
    independent: bool = False
    budget_s: float = 60.0
    consistency_models: tuple[str, ...] = ()
    anomalies: tuple[str, ...] = ()
    initial: Any = None
    silent_nil: bool | None = None
    settings: Mapping[str, Any] = {}


class Checked(msgspec.Struct, frozen=True):
    """The results of one file, and the history that they speak of."""

    results: dict[str, Any]
    columns: Any


def check(path: Path, wish: Wish) -> Checked:
    """Judge one file. Raises UserMistake for what cannot be judged as asked, HistoryDamaged for what cannot be read."""
    from harness.columns import without_collector

    with without_collector():
        checked = _judged(path, wish)
        gc.freeze()  # what lives now lives to the end; to look through it again took a third of the time
        return checked


def _judged(path: Path, wish: Wish) -> Checked:
    began_s = time.perf_counter()
    try:
        judge = judge_for(wish)
        question = _question(path, wish, judge)
        verdict = judge.ask(question)
    except OSError as error:
        raise UserMistake(f"cannot read {path}: {error.strerror or error}") from None
    except RecursionError:
        raise UserMistake(f"{path} holds values that are nested too deeply") from None
    results = {
        "valid": verdict.valid,
        "file": str(path),
        "format": question.format_name,
        "model": wish.model,
        "words": judge.words,
        "operations": len(question.columns),
        "torn": question.torn,
        "notes": question.notes,
        "facts": verdict.facts,
        "evidence": verdict.evidence,
        "wall_s": round(time.perf_counter() - began_s, 3),
    }
    return Checked(results, question.columns)


def judge_for(wish: Wish) -> Judge:
    """Check what is asked of every file. Raises UserMistake naming what is allowed."""
    from harness.checkers.transactions.lattice import called, forbidden_by
    from harness.formats.catalogue import FORMATS
    from harness.judges import JUDGES

    if wish.model not in JUDGES:
        raise unknown_word("model", wish.model, JUDGES)
    judge = JUDGES[wish.model]
    if (wish.consistency_models or wish.anomalies) and not judge.transactions:
        raise UserMistake(f"the model {wish.model} knows no consistency models; transactions do")
    forbidden_by(wish.consistency_models)
    called(wish.anomalies)
    for name in wish.settings:
        if name not in judge.settings:
            raise UserMistake(f"the model {wish.model} takes no {_SETTINGS[name]}")
    if wish.initial is not None and not judge.initial:
        raise UserMistake(f"the model {wish.model} takes no --initial; registers do")
    if wish.silent_nil is not None and not judge.nil:
        raise UserMistake(f"the model {wish.model} takes no --nil; registers do")
    if wish.format_name not in {"auto", "json", *FORMATS}:
        raise unknown_word("format", wish.format_name, ["auto", "json", *FORMATS])
    return judge


def _question(path: Path, wish: Wish, judge: Judge) -> Question:
    """What is asked of one file. Raises UserMistake where its format cannot be told, and OSError."""
    from harness.formats.catalogue import detect, located
    from harness.question import Question

    path = located(path)
    name = wish.format_name
    if name in {"auto", "json"}:
        name = detect(path)
        if wish.format_name == "json" and "json" not in name:
            raise UserMistake(f"{path} is no JSON: it looks like {name}")
    return Question(
        path,
        format_name=name,
        convention=judge.convention,
        keyed=wish.independent,
        budget_s=wish.budget_s,
        consistency_models=wish.consistency_models,
        anomalies=wish.anomalies,
        initial=wish.initial,
        silent_nil=wish.silent_nil,
        settings=wish.settings,
    )


def told(results: Mapping[str, Any]) -> str:
    """``file<TAB>true``, as elle-cli and Knossos print it; ``unreadable`` for a file that cannot be judged."""
    valid = "unreadable" if "error" in results else results["valid"]
    return f"{results['file']}\t{valid if isinstance(valid, str) else str(valid).lower()}"


def tell(results: Mapping[str, Any]) -> None:
    """Print verdict, time, facts and the first findings."""
    how = f"{results['operations']:,} operations ({results['format']}) in {results['wall_s']:.2f} s"
    lines = [f"{VERDICT_WORDS[results['valid']]}  {results['file']}: {results['words']}, {how}"]
    lines += [f"  {_fact(fact, value)}" for fact, value in results["facts"].items()]
    lines += [f"  note: {note}" for note in results["notes"]]
    if results["torn"]:
        lines.append(f"  dropped: an unfinished last line, {results['torn'][:40]!r}")
    evidence = results["evidence"]
    for finding in evidence[:FINDINGS_SHOWN]:
        first, *more = finding["what"].split("\n")
        lines += [f"  ! {first}", *(f"    {line}" for line in more)]
    if len(evidence) > FINDINGS_SHOWN:
        lines.append(f"  ! showing {FINDINGS_SHOWN} of {len(evidence)} findings; --json has all")
    click.echo("\n".join(lines))


def _fact(fact: str, value: Any) -> str:
    words = fact.replace("_", " ")
    if isinstance(value, Mapping):
        return f"{words}: {', '.join(f'{count} {name}' for name, count in value.items()) or 'none'}"
    if isinstance(value, list):
        shown = [str(name) for name in value[:NAMES_SHOWN]]
        if len(value) > NAMES_SHOWN:
            shown.append(f"and {len(value) - NAMES_SHOWN} more")
        return f"{words}: {', '.join(shown) or 'none'}"
    return f"{value:>8,}  {words}" if type(value) is int else f"{words}: {value}"


def keep(checked: Checked, folder: Path, command: str) -> Path:
    """Write ``report.html``, ``results.json`` and a picture for each cycle into `folder`; returns the page."""
    from harness.values import plain
    from reports.check_page import FINDINGS_MAX, render_check
    from reports.drawings import cycle

    results = checked.results
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*/[0-9]*.svg"):
        old.unlink()
    evidence = results["evidence"][:FINDINGS_MAX]
    shown = [_shown(found, checked.columns) for found in evidence]
    page = folder / "report.html"
    page.write_text(render_check(results, shown, command), encoding="utf-8")
    encoded = msgspec.json.encode(results, enc_hook=plain)
    (folder / "results.json").write_bytes(msgspec.json.format(encoded, indent=2) + b"\n")
    counts: dict[str, int] = {}
    for found in evidence:
        operations = [one for one in found.get("operations", ()) if isinstance(one, Mapping)]
        picture = cycle(found["steps"], operations) if found.get("steps") else ""
        if picture:
            name = str(found.get("invariant", "cycle"))
            number = counts[name] = counts.get(name, -1) + 1
            (folder / name).mkdir(exist_ok=True)
            drawn = picture.replace(
                "<svg ", '<svg xmlns="http://www.w3.org/2000/svg" fill="#fff" ', 1
            )
            (folder / name / f"{number}.svg").write_text(drawn, encoding="utf-8")
    return page


def _shown(found: Mapping[str, Any], columns: Columns) -> Shown:
    """The operations that a finding names, as rows of the history, and those that overlap them."""
    import numpy as np

    from harness.columns import NEVER
    from reports.check_page import Shown

    named: dict[int, str] = {}
    for one in found.get("operations", ()):
        if isinstance(one, Mapping):
            rows = np.flatnonzero(columns.called == one.get("called", one.get("invoked_index", -1)))
            label = f"{one.get('name', '')} {_value_in_words(one)}".strip()
        else:
            rows = np.flatnonzero((columns.returned_index == one) | (columns.returned == one))
            label = ""
        if len(rows):
            named[int(rows[0])] = label
    if not named:
        return Shown()
    rows = np.array(sorted(named))
    known = (columns.returned < NEVER) & np.isin(columns.key, columns.key[rows])
    overlaps = np.zeros(len(columns), bool)
    for row in rows[:NEAR_MAX]:
        end = columns.returned[row] if columns.returned[row] < NEVER else columns.called[row]
        overlaps |= (columns.called <= end) & (columns.returned >= columns.called[row])
    near = np.flatnonzero(known & overlaps)
    chosen = dict.fromkeys([*named, *near[: NEAR_MAX + len(rows)].tolist()])
    return Shown([_bar(columns, row, named.get(row)) for row in chosen])


def _value_in_words(operation: Mapping[str, Any]) -> str:
    from reports.drawings import in_words

    words = operation.get("words", "")
    return str(words) if words else in_words(operation.get("value"))


def _bar(columns: Columns, row: int, label: str | None) -> Bar:
    from harness.columns import NEVER
    from harness.rows import in_words
    from reports.drawings import Bar

    returned = int(columns.returned[row])
    return Bar(
        label=label or in_words(columns, row),
        process=int(columns.process[row]),
        begin=int(columns.called[row]),
        end=returned if returned < NEVER else -1,
        told=label is not None,
    )
