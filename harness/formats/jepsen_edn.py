"""Histories of Jepsen, Knossos and elle-cli in EDN: ``history.edn``, old and new.

One map per operation, in any order of keys, one a line or all in one vector, plain or as a record
(``#jepsen.history.Op{...}``); or, as in the oldest of Knossos' examples, one vector ``[0 :invoke :write 3]`` per operation, with
its error behind the value. Keys that an `Operation` has no place for (``:exception``, ``:clock-offsets``) are passed over;
``:type`` must be there. Without an ``:f`` a list of micro-operations is a transaction, as in elle-cli; for operations without
``:process`` see `unnamed`. A process that is a keyword injects faults.

Most lines of a history look the same but for their numbers. So the first operation of each order of keys gives a
*shape*, one expression for the whole map, and what fits a known shape is cut by it; everything else goes through
`edn.read_form`, which is the rule. A shape covers words, numbers, plain strings and vectors of such, so that cutting
cannot differ from reading. Runs of transactions are read faster still (`edn_lines`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, Final

from harness.formats.edn import EdnDamaged, EdnUnfinished, atoms, read_form, skip_blank, write_form
from harness.formats.edn_lines import Run, no_run, run_at
from harness.formats.source import LINE_BYTES_MAX, Source
from harness.formats.unnamed import UNNAMED, named
from harness.operation import NEMESIS, Kind, Operation
from harness.values import Keyword, Tagged

__all__ = [
    "FIELD",
    "cut",
    "micro_operations",
    "operation_of",
    "operations",
    "read",
    "with_results",
    "write",
]

Make = Callable[[Mapping[str, Any]], Operation]

SHAPES_MAX: Final = 16
"""So many orders of keys are remembered; a history has two or three."""

POSITIONS: Final = ("process", "type", "f", "value", "error")
"""What stands where in an operation that is a vector; the last ones may be missing."""

MINIMUM: Final = 3

_SCALAR: Final = r'(?:[^\s,;"\\()\[\]{}#]++|"[^"\\]*+")'
_FLAT: Final = r'(?:[^\[\](){}"\\#;]++|"[^"\\]*+")*+'
_VECTOR: Final = rf"\[{_FLAT}(?:\[{_FLAT}(?:\[{_FLAT}\]{_FLAT})*+\]{_FLAT})*+\]"
FIELD: Final = rf"({_SCALAR}|{_VECTOR})"
"""What `cut` makes a value of."""

_parts = re.compile(r'[\[\]]|"[^"]*+"|[^\s,\[\]"]++').findall
"""Brackets, strings and words of a vector that a shape has cut out."""

_KINDS: Final[dict[Any, Kind]] = {"invoke": "invoke", "ok": "ok", "fail": "fail", "info": "info"}


def read(source: Source) -> Iterator[Operation]:
    """The operations of `source`. Raises HistoryDamaged naming the line."""
    return named(source, operations(source, operation_of, run_at))


def operations(
    source: Source, make: Make, run_at: Callable[[str, int], Run] = no_run
) -> Iterator[Operation]:
    """Every map of `source`, made an operation by `make`, which raises EdnDamaged where it is none.

    What `run_at` can read at once (see `edn_lines`) is left to it.
    """
    forms = _Forms(make)
    rest, source.line = "", 1
    enclosed = ""
    for block in source.blocks():
        text = rest + source.text(block, rest.count("\n"))
        if len(text) > LINE_BYTES_MAX:
            raise source.damage(f"begins a form longer than {LINE_BYTES_MAX:,} characters")
        counted = position = single = 0
        while True:
            begin = skip_blank(text, position)
            source.line += text.count("\n", counted, begin)
            counted = position = begin
            if begin == len(text):
                break
            if text[begin] in "[(" and not enclosed:
                inside = skip_blank(text, begin + 1)
                if inside == len(text):
                    break
                if text[inside] not in "{[(#])":
                    enclosed = "none"
                    continue
                enclosed, position = {"[": "]", "(": ")"}[text[begin]], begin + 1
                continue
            if text[begin] == enclosed:
                enclosed, position = "closed", begin + 1
                continue
            if enclosed == "closed":
                raise source.damage("stands behind the end of the history")
            if begin >= single and enclosed in ("", "none"):
                run = run_at(text, begin)
                single = run.end
                for operation in run.operations:
                    yield operation
                    source.line += 1
                if run.operations:
                    enclosed, counted = "none", run.end
                    position = run.end
                    continue
            try:
                operation, position = forms.next(text, begin)
            except EdnUnfinished:
                break
            except EdnDamaged as error:
                source.line += text.count("\n", begin, error.position)
                raise source.damage(str(error)) from None
            enclosed = enclosed or "none"
            yield operation
        rest = text[position:]
    if rest:
        raise source.damage("begins a form that the file does not end")
    if enclosed in ("]", ")"):
        raise source.damage("is the last, and the history is not closed")


class _Forms:
    """Cuts one operation after the other out of a text, by shapes where it can."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._shapes: dict[tuple[str, ...], re.Pattern[str]] = {}
        self._keys: tuple[str, ...] = ()
        """Of the shape that fitted last."""

    def next(self, text: str, begin: int) -> tuple[Operation, int]:
        """The operation that begins at `begin`, and the position behind it. Raises EdnDamaged."""
        tried = self._shapes.get(self._keys)
        found = tried.match(text, begin) if tried else None
        if found is None:
            for keys, shape in self._shapes.items():
                found = shape.match(text, begin)
                if found is not None:
                    self._keys = keys
                    break
        if found is not None:
            values = [cut(field) for field in found.groups()]
            return self._made(dict(zip(self._keys, values, strict=True)), begin), found.end()
        form, end = read_form(text, begin)
        fields = form.value if isinstance(form, Tagged) else form
        if isinstance(fields, list) and MINIMUM <= len(fields) <= len(POSITIONS):
            return self._made(dict(zip(POSITIONS, fields, strict=False)), begin), end
        if not isinstance(fields, dict):
            raise EdnDamaged(f"holds {write_form(form)[:40]}, which is no operation", begin)
        self._learn(tuple(fields))
        return self._made(fields, begin), end

    def _made(self, fields: Mapping[str, Any], begin: int) -> Operation:
        try:
            return self._make(fields)
        except EdnDamaged as error:
            error.position = begin
            raise

    def _learn(self, keys: tuple[Any, ...]) -> None:
        """Make a shape of this order of keys."""
        if keys in self._shapes or len(self._shapes) == SHAPES_MAX:
            return
        if keys and all(type(key) is Keyword for key in keys):
            fields = r"[\s,]++".join([rf":{re.escape(key)}[\s,]*+{FIELD}" for key in keys])
            record = r"(?:\#(?:jepsen\.history|knossos\.op)\.Op\s*+)?"
            self._shapes[keys] = re.compile(record + r"\{" + fields + r"\}")


def cut(field: str) -> Any:
    """The value of one field that a shape has cut out."""
    if field[0] != "[":
        return field[1:-1] if field[0] == '"' else atoms[field]
    plain = '"' not in field and "," not in field
    if plain and "[" not in field[1:]:
        return [atoms[word] for word in field[1:-1].split()]
    parts = field.replace("[", " [ ").replace("]", " ] ").split() if plain else _parts(field)
    items: list[Any] = []
    around = [items]
    for part in parts:
        if part == "[":
            items = []
            around[-1].append(items)
            around.append(items)
        elif part == "]":
            around.pop()
            items = around[-1]
        else:
            items.append(part[1:-1] if part[0] == '"' else atoms[part])
    value: list[Any] = items[0]
    return value


def operation_of(fields: Mapping[str, Any]) -> Operation:
    """The operation that a map describes. Raises EdnDamaged saying what is missing or wrong."""
    get = fields.get
    process, f, error, kind = get("process"), get("f"), get("error", ""), _kind(get("type"))
    value = get("value")
    if f is None and _is_micro_operations(value):
        f = "txn"
    if not isinstance(f, str) or not f:
        raise EdnDamaged(f"holds an operation whose :f is {write_form(f)}", 0)
    if type(process) is Keyword:
        process = NEMESIS
    elif process is None:
        process = UNNAMED
    elif type(process) is not int or process < 0:
        raise EdnDamaged(f"holds an operation whose :process is {write_form(process)}", 0)
    index, time_ns, node = get("index", -1), get("time", -1), get("node")
    if type(index) is not int or type(time_ns) is not int:
        raise EdnDamaged("holds an operation whose :index or :time is no integer", 0)
    if not isinstance(error, str):
        error = "" if error is None else write_form(error)
    return Operation(
        index=index,
        time_ns=time_ns,
        process=process,
        type=kind,
        f=str(f),
        value=with_results(value) if f == "txn" else value,
        error=error,
        node=node if isinstance(node, str) else "",
    )


def _is_micro_operations(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(micro, list) and micro and isinstance(micro[0], str) for micro in value
    )


def with_results(value: Any) -> Any:
    """A transaction whose reads have a place for what they see, also where ``[:r :x]`` was written without one."""
    if not isinstance(value, list) or not any(
        isinstance(micro, list) and len(micro) == 2 and micro[0] == "r" for micro in value
    ):
        return value
    return [
        [*micro, None] if isinstance(micro, list) and len(micro) == 2 and micro[0] == "r" else micro
        for micro in value
    ]


def _kind(word: Any) -> Kind:
    try:
        return _KINDS[word]
    except (KeyError, TypeError):
        raise EdnDamaged(f"holds an operation whose :type is {write_form(word)}", 0) from None


def micro_operations(value: Any) -> Any:
    """The value of a transaction with the first word of each micro-operation as a keyword."""
    if not isinstance(value, list):
        return value
    return [
        [Keyword(micro[0]), *micro[1:]]
        if isinstance(micro, list) and micro and type(micro[0]) is str
        else micro
        for micro in value
    ]


def _keyed(value: Any) -> Any:
    """A map with keywords for keys where they are strings."""
    if not isinstance(value, dict):
        return value
    return {Keyword(key) if type(key) is str else key: item for key, item in value.items()}


_TO_KEYWORDS: Final[dict[str, Callable[[Any], Any]]] = {
    "txn": micro_operations,
    "transfer": _keyed,
}
"""What JSON can only say with strings, by f: where Jepsen's checkers expect keywords."""


def write(operations: Iterator[Operation], file: BinaryIO) -> None:
    """Write one map a line. Raises TypeError for values that are no plain data."""
    for operation in operations:
        process = ":nemesis" if operation.process == NEMESIS else operation.process
        value = operation.value
        to_keywords = _TO_KEYWORDS.get(operation.f)
        if to_keywords is not None:
            value = to_keywords(value)
        line = (
            f"{{:index {operation.index}, :time {operation.time_ns}, :type :{operation.type}, "
            f":process {process}, :f :{operation.f}, :value {write_form(value)}"
        )
        if operation.error:
            line += f", :error {write_form(operation.error)}"
        if operation.node:
            line += f", :node {write_form(operation.node)}"
        file.write(f"{line}}}\n".encode())
