"""The guard around a run's generator: says everything that is wrong with what it hands out.

A generator is user code. Whatever it raises and every malformed item becomes one `GeneratorFailed`
that lists all problems, the context and the generator, so that its author need not run it twice.
"""

from __future__ import annotations

import reprlib
from typing import Any

import msgspec

from harness.errors import GeneratorFailed
from harness.generator.base import PENDING, Answer, Generator, Generatorish, Log, Sleep, generator
from harness.generator.context import Context
from harness.operation import NEMESIS, Operation

__all__ = ["validate"]

_INVOCATION_TYPES = {False: "invoke", True: "info"}
"""The type of an invocation, by whether the nemesis makes it."""

_brief = reprlib.Repr()
_brief.maxother = 300


class _Validate(msgspec.Struct, frozen=True, gc=False):
    inner: Generator

    def operation(self, context: Context) -> Answer:
        try:
            answer = self.inner.operation(context)
        except GeneratorFailed:
            raise
        except Exception as error:
            raise GeneratorFailed(
                f"the generator raised {type(error).__name__}: {error} when it was asked for an operation, "
                f"{_where(self.inner, context)}"
            ) from error
        if answer is None or answer is PENDING:
            return answer
        problems = _problems(answer, context)
        if problems:
            raise GeneratorFailed(
                f"the generator handed out {_brief.repr(answer)}: {'; '.join(problems)}; "
                f"{_where(self.inner, context)}"
            )
        item, left = answer
        return item, _Validate(left)

    def update(self, context: Context, event: Operation) -> Generator:
        try:
            inner = self.inner.update(context, event)
        except GeneratorFailed:
            raise
        except Exception as error:
            raise GeneratorFailed(
                f"the generator raised {type(error).__name__}: {error} when it was told of {event!r}, "
                f"{_where(self.inner, context)}"
            ) from error
        return self if inner is self.inner else _Validate(inner)


def validate(inner: Generatorish) -> Generator:
    """Return `inner` with a guard that raises GeneratorFailed for whatever is wrong with it."""
    return _Validate(generator(inner))


_ITEMS = (Operation, Sleep, Log)


def _problems(answer: Any, context: Context) -> list[str]:
    """List what is wrong with `answer`, which is neither None nor PENDING."""
    if type(answer) is not tuple or len(answer) != 2:
        return ["it should be None, PENDING or a tuple of an item and a generator"]
    item, left = answer
    problems = []
    if not (hasattr(left, "operation") and hasattr(left, "update")):
        problems.append("the second element should be a generator")
    if not isinstance(item, _ITEMS):
        return [*problems, "the first element should be an Operation, a Sleep or a Log"]
    if type(item.time_ns) is not int or item.time_ns < 0:
        problems.append(f"the time should be whole nanoseconds from 0 on, not {item.time_ns!r}")
    if type(item.process) is not int:
        problems.append(f"the process should be a number, not {item.process!r}")
    elif not context.is_free(item.process):
        problems.append(f"process {item.process} is not free")
    if isinstance(item, Operation):
        wanted = _INVOCATION_TYPES[item.process == NEMESIS]
        if item.type != wanted:
            problems.append(f"the type should be {wanted!r}, not {item.type!r}")
        if type(item.f) is not str or not item.f:
            problems.append(f"f should be a name, not {item.f!r}")
    elif isinstance(item, Sleep) and (type(item.duration_ns) is not int or item.duration_ns < 0):
        problems.append(f"the duration should be whole nanoseconds, not {item.duration_ns!r}")
    return problems


def _where(inner: Generator, context: Context) -> str:
    return (
        f"at {context.time_ns} ns with threads {context.free_threads()} of {context.all_threads()} free; "
        f"the generator was {_brief.repr(inner)}"
    )
