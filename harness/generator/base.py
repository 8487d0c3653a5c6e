"""What a generator is, and the plain values that serve as one.

A generator says which operations a run performs, and when. It is an immutable value with two
methods:

* `operation(context)` returns None when it is exhausted, `PENDING` when it cannot tell yet (try
  again after something happened), or a pair: the next item, and the generator that is left once the
  item was dispatched. Asking changes nothing: whoever asks may throw the answer away and ask again
  later.
* `update(context, event)` returns the generator after an invocation or completion took place
  anywhere in the run.

What no thread of its context could ever serve is exhausted: pending would be for ever.

Plain values stand for generators wherever one is expected (`generator` converts):

* None: nothing, ever;
* a dict such as ``{"f": "write", "value": 3}``: that operation once; `process`, `time_ns` and
  `type` are filled in from the context (``info`` for the nemesis, ``invoke`` for clients) unless
  they are given;
* a list or tuple: everything of its first element, then of its second ...; only the current one is
  updated;
* a function of nothing or of the context: what it returns is used up as a generator, then it is
  called again, until it returns None.

Semantics and vocabulary are those of Jepsen's pure generators, with one simplification: a pending
generator has no successor state, it just stays as it is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum
from types import FunctionType, MethodType
from typing import Any, Final, Protocol, TypeAlias, cast

import msgspec

from harness.errors import GeneratorFailed
from harness.generator.context import Context
from harness.operation import NEMESIS, Kind, Operation

__all__ = [
    "NOTHING",
    "PENDING",
    "SECOND_NS",
    "Answer",
    "Generator",
    "Generatorish",
    "Item",
    "Log",
    "Pending",
    "Sleep",
    "generator",
    "numbered",
    "retimed",
]

SECOND_NS: Final = 1_000_000_000

EMPTY_MAKES_MAX: Final = 1_000
"""How often in a row a function may make a generator that has nothing."""


class Pending(Enum):
    """The type of `PENDING`."""

    PENDING = "pending"


PENDING: Final = Pending.PENDING


class Sleep(msgspec.Struct, frozen=True):
    """Keeps the thread of `process` busy for `duration_ns`; not in the history."""

    time_ns: int
    process: int
    duration_ns: int


class Log(msgspec.Struct, frozen=True):
    """A line for the run's log; keeps nobody busy; not in the history."""

    time_ns: int
    process: int
    message: str


Item: TypeAlias = Operation | Sleep | Log


class Generator(Protocol):
    """See the head of this module."""

    def operation(self, context: Context) -> Answer:
        """Return None, PENDING or (item, what is left)."""

    def update(self, context: Context, event: Operation) -> Generator:
        """Return the generator after `event`, an operation just invoked or completed."""


Answer: TypeAlias = tuple[Item, Generator] | Pending | None

Generatorish: TypeAlias = Any
"""A Generator or one of the plain values that stand for one: None, dict, list, tuple, function."""


class _Nothing(msgspec.Struct, frozen=True, gc=False):
    """The exhausted generator."""

    def operation(self, context: Context) -> Answer:
        return None

    def update(self, context: Context, event: Operation) -> Generator:
        return self


NOTHING: Final[Generator] = _Nothing()


class _Template(msgspec.Struct, frozen=True, gc=False):
    """One operation, with what the context fills in left open."""

    f: str
    value: Any = None
    process: int | None = None
    time_ns: int | None = None
    type: Kind | None = None

    def operation(self, context: Context) -> Answer:
        process = self.process
        if process is None:
            process = context.some_free_process()
            if process is None:
                return PENDING if context.all else None
        elif not context.is_free(process):
            return PENDING if context.has(process) else None
        operation = Operation(
            time_ns=context.time_ns if self.time_ns is None else self.time_ns,
            process=process,
            type=self.type or ("info" if process == NEMESIS else "invoke"),
            f=self.f,
            value=self.value,
        )
        return operation, NOTHING

    def update(self, context: Context, event: Operation) -> Generator:
        return self


class _Sequence(msgspec.Struct, frozen=True, gc=False):
    """Everything of `head`, then of `others[position]` and of those behind it."""

    head: Generator
    others: tuple[Generator, ...]
    position: int = 0

    def operation(self, context: Context) -> Answer:
        head, others, position = self.head, self.others, self.position
        while True:
            answer = head.operation(context)
            if answer is PENDING:
                return PENDING
            if answer is not None:
                item, left = answer
                if position == len(others):
                    return item, left
                return item, _Sequence(left, others, position)
            if position == len(others):
                return None
            head = others[position]
            position += 1

    def update(self, context: Context, event: Operation) -> Generator:
        head = self.head.update(context, event)
        return self if head is self.head else _Sequence(head, self.others, self.position)


class _Function(msgspec.Struct, frozen=True):
    """What `make` returns, again and again, until it returns None."""

    make: Callable[[Context], Generatorish]

    def operation(self, context: Context) -> Answer:
        if not context.free:
            # What it would make could not be taken, and its draws would be wasted.
            return PENDING if context.all else None
        for _ in range(EMPTY_MAKES_MAX):
            made = self.make(context)
            if made is None:
                return None
            answer = generator(made).operation(context)
            if answer is PENDING:
                return PENDING
            if answer is not None:
                item, left = answer
                return item, self if left is NOTHING else _Sequence(left, (self,))
        name = getattr(self.make, "__name__", repr(self.make))
        raise GeneratorFailed(
            f"the function {name} made {EMPTY_MAKES_MAX} generators in a row that have nothing; "
            "let it return None to end"
        )

    def update(self, context: Context, event: Operation) -> Generator:
        return self


class _Numbered(msgspec.Struct, frozen=True):
    """`make(number)`, then `make(number + 1)` ... Ends with a `make` that is None or has nothing."""

    make: Callable[[int], Generatorish]
    number: int

    def operation(self, context: Context) -> Answer:
        made = self.make(self.number)
        if made is None:
            return None
        rest = _Numbered(self.make, self.number + 1)
        answer = generator(made).operation(context)
        if answer is None or answer is PENDING:
            return answer
        item, left = answer
        return item, rest if left is NOTHING else _Sequence(left, (rest,))

    def update(self, context: Context, event: Operation) -> Generator:
        return self


def generator(what: Generatorish) -> Generator:
    """Return `what` as a generator. Raises GeneratorFailed for a value that can stand for none."""
    kind = type(what)
    if kind is dict:
        return _template(what)
    if what is None:
        return NOTHING
    if kind is list or kind is tuple:
        elements = tuple([generator(element) for element in what])
        return _Sequence(elements[0], elements[1:]) if elements else NOTHING
    if hasattr(what, "operation") and hasattr(what, "update"):
        return cast("Generator", what)
    if callable(what):
        return _function(what)
    raise GeneratorFailed(
        f"{what!r} cannot be used as a generator: it is a {kind.__name__}, and allowed are None, dict, "
        "list, tuple, a function, or anything with operation(context) and update(context, event)"
    )


def numbered(make: Callable[[int], Generatorish], start: int = 0) -> Generator:
    """Return the generator of `make(start)`, then `make(start + 1)` ... until one has nothing.

    The pure way to write every value only once: ``numbered(lambda n: {"f": "write", "value": n})``.
    """
    return _Numbered(make, start)


def retimed(item: Item, time_ns: int) -> Item:
    """Return `item` at another time."""
    if type(item) is Operation:
        return Operation(
            time_ns=time_ns, process=item.process, type=item.type, f=item.f, value=item.value
        )
    return msgspec.structs.replace(item, time_ns=time_ns)


def _template(fields: dict[str, Any]) -> Generator:
    try:
        return _Template(**fields)
    except TypeError:
        allowed = ", ".join(_Template.__struct_fields__)
        raise GeneratorFailed(
            f"{fields!r} is no operation: `f` is needed, and allowed are {allowed}"
        ) from None


def _function(call: Callable[..., Generatorish]) -> Generator:
    try:
        needed = _needed_arguments(call)
    except ValueError:
        raise GeneratorFailed(
            f"{call!r} cannot be used as a generator: it does not say which arguments it needs"
        ) from None
    if not needed:
        return _Function(lambda _context: call())
    if needed == 1:
        return _Function(call)
    raise GeneratorFailed(
        f"the function {call!r} cannot be used as a generator: it needs {needed} arguments, "
        "and allowed are none or the context"
    )


_UNUSUAL = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS


def _needed_arguments(call: Callable[..., Any]) -> int:
    """How many arguments `call` cannot do without. Raises ValueError when it does not say.

    Functions and methods become generators all the time; `inspect.signature` is for whatever else can be called.
    """
    function = call.__func__ if isinstance(call, MethodType) else call
    if type(function) is FunctionType and not function.__dict__:
        code = function.__code__
        if not (code.co_kwonlyargcount or code.co_flags & _UNUSUAL):
            bound = function is not call
            return code.co_argcount - len(function.__defaults__ or ()) - bound
    parameters = inspect.signature(call).parameters.values()
    return sum(one.default is one.empty for one in parameters)
