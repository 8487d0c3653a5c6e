"""Plain values as generators, and the guard around them: exact lists of operations on imaginary systems."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import pytest
from generator_runs import Draws, fs, imperfect, perfect, perfect_info, quick, rows, two_threads

from harness.errors import GeneratorFailed
from harness.generator import (
    NOTHING,
    PENDING,
    any_of,
    generator,
    limit,
    new_context,
    numbered,
    repeat,
    validate,
)
from harness.generator.base import _needed_arguments
from harness.operation import NEMESIS, Operation


class Callables:
    """Whatever can be called, bound and unbound."""

    def method(self, one: Any, two: Any = 2) -> None:
        """One argument is needed."""

    @staticmethod
    def static(*many: Any) -> None:
        """Any number."""

    def __call__(self, *, named: Any) -> None:
        """One, by name."""


class TestPlainValues:
    """What None, dicts, lists and functions do."""

    def test_none_gives_nothing(self) -> None:
        """None is exhausted from the start."""
        assert quick(None) == []

    def test_a_dict_is_one_operation_with_the_rest_filled_in(self) -> None:
        """Time, process and type of a dict come from the context."""
        assert quick({"f": "write", "value": 2}) == [
            Operation(time_ns=0, process=0, type="invoke", f="write", value=2)
        ]

    def test_a_dict_may_name_its_process_and_its_time(self) -> None:
        """What the dict gives is not filled in."""
        assert rows(quick({"f": "read", "process": 1, "time_ns": 7})) == [(7, 1, "read", None)]

    def test_the_nemesis_begins_its_operations_as_info(self) -> None:
        """A dict that the nemesis takes has the type info."""
        (operation,) = quick({"f": "kill", "process": NEMESIS})

        assert operation == Operation(time_ns=0, process=NEMESIS, type="info", f="kill")

    def test_a_dict_waits_for_its_process(self) -> None:
        """A dict whose process is busy is pending."""
        context = two_threads().busy(0, 1)

        assert generator({"f": "read", "process": 1}).operation(context) is PENDING

    def test_what_nobody_can_ever_serve_is_exhausted(self) -> None:
        """Without threads, or when the process is gone, pending would be for ever."""
        nobody = two_threads().restricted(0)
        process_gone = two_threads().renumbered(0)

        assert generator({"f": "read"}).operation(nobody) is None
        assert generator(lambda: {"f": "read"}).operation(nobody) is None
        assert generator({"f": "read", "process": 0}).operation(process_gone) is None

    def test_a_dict_with_a_wrong_key_is_refused(self) -> None:
        """A misspelt key is named at once, with what is allowed."""
        with pytest.raises(GeneratorFailed, match="allowed are f, value, process, time_ns, type"):
            generator({"f": "read", "vlue": 3})

    def test_a_list_is_everything_in_turn(self) -> None:
        """A list gives all of its first element, then all of its second."""
        assert fs(quick([{"f": "a"}, [{"f": "b"}, None, {"f": "c"}], [], ({"f": "d"},)])) == [
            "a",
            "b",
            "c",
            "d",
        ]

    def test_an_unusable_value_is_refused(self) -> None:
        """A value that can stand for no generator is named, with what is allowed."""
        with pytest.raises(GeneratorFailed, match="3 cannot be used as a generator: it is a int"):
            generator(3)

    def test_threads_take_turns(self) -> None:
        """Operations rotate over the free threads, the nemesis among them, so that none starves."""
        taken = rows(quick(limit(6, repeat({"f": "read"}))))

        assert [process for _, process, *_ in taken] == [0, 1, -1, 0, 1, -1]

    def test_no_free_thread_is_pending(self) -> None:
        """Without a free thread nothing can be told."""
        context = two_threads().busy(0, 0).busy(0, 1).busy(0, NEMESIS)

        assert generator({"f": "read"}).operation(context) is PENDING


class TestFunctions:
    """Functions make generators until they return None."""

    def test_a_function_is_called_again_when_its_generator_is_used_up(self) -> None:
        """Each call's list is used up before the next call."""
        calls: list[int] = []

        def two() -> Any:
            calls.append(len(calls))
            return [{"f": "w", "value": len(calls)}, {"f": "r"}] if len(calls) <= 2 else None

        assert [row[2:] for row in rows(quick(two))] == [
            ("w", 1),
            ("r", None),
            ("w", 2),
            ("r", None),
        ]

    def test_a_function_may_take_the_context(self) -> None:
        """A function of one argument sees time, threads and chance."""

        def roll(context: Any) -> Any:
            return {"f": "write", "value": [context.time_ns, context.random.below(100)]}

        made = rows(perfect(limit(3, roll), new_context(1, Draws(5, 6, 7, 8, 9))))

        assert [value for *_, value in made] == [[0, 5], [0, 6], [10, 7]]

    def test_defaults_of_a_function_are_no_arguments(self) -> None:
        """A closure over a default value counts as a function of nothing."""
        assert fs(quick(limit(1, lambda name="read": {"f": name}))) == ["read"]

    def test_a_function_of_two_arguments_is_refused(self) -> None:
        """Nobody could say what the second argument is."""
        with pytest.raises(GeneratorFailed, match="needs 2 arguments"):
            generator(lambda one, two: {"f": one, "value": two})

    @pytest.mark.parametrize(
        "call",
        [
            lambda: None,
            lambda one: one,
            lambda one, two=2: (one, two),
            lambda one, *more, key, **rest: (one, more, key, rest),
            Callables().method,
            Callables.method,
            Callables.static,
            Callables(),
            partial(Callables.method, 1),
        ],
    )
    def test_arguments_are_counted_as_a_signature_counts_them(self, call: Any) -> None:
        """The short way that functions and methods take knows the same arguments."""
        parameters = inspect.signature(call).parameters.values()

        assert _needed_arguments(call) == sum(one.default is one.empty for one in parameters)

    def test_a_builtin_that_hides_its_arguments_is_refused(self) -> None:
        """It is named at once, not when the run has begun."""
        with pytest.raises(GeneratorFailed, match="does not say which arguments"):
            generator(dict)

    def test_a_function_that_only_makes_empty_generators_is_stopped(self) -> None:
        """A function that never comes to an operation is an error, not an endless loop."""
        with pytest.raises(GeneratorFailed, match="1000 generators in a row"):
            quick(lambda: [None])

    def test_numbered_never_repeats_a_number(self) -> None:
        """Each number is made once, also when asking is repeated."""
        counting = numbered(lambda n: {"f": "write", "value": n} if n < 5 else None, 2)
        counting.operation(two_threads())

        assert [value for *_, value in rows(quick(counting))] == [2, 3, 4]


class TestAnswers:
    """How an imaginary system's answers change what follows."""

    def test_perfect_threads_work_side_by_side(self) -> None:
        """Three threads do four operations of 10 ns in 10 ns."""
        assert rows(perfect(limit(4, repeat({"f": "r"})))) == [
            (0, 0, "r", None),
            (0, 1, "r", None),
            (0, -1, "r", None),
            (10, 0, "r", None),
        ]

    def test_crashed_processes_get_new_numbers(self) -> None:
        """A thread whose operation ends info goes on as process + concurrency."""
        context = new_context(2, Draws())
        taken = rows(perfect_info(limit(7, repeat({"f": "r"})), context))

        assert [(time, process) for time, process, *_ in taken] == [
            (0, 0),
            (0, 1),
            (0, -1),
            (10, 2),
            (10, 3),
            (10, -1),
            (20, 4),
        ]

    def test_imperfect_systems_complete_everything(self) -> None:
        """Fail, info and ok follow each other; only info renames the process."""
        one_client = new_context(1, Draws())
        done = imperfect([{"f": "r", "value": n} for n in range(4)], one_client)
        nemesis_left_out = [
            (op.time_ns, op.process, op.type, op.value)
            for op in done
            if isinstance(op, Operation) and op.process != NEMESIS
        ]

        assert nemesis_left_out == [
            (0, 0, "invoke", 0),
            (10, 0, "fail", 0),
            (10, 0, "invoke", 2),
            (20, 0, "info", 2),
        ]


class TestValidate:
    """The guard names everything that is wrong."""

    class Bad:
        """A generator that hands out what it is told to."""

        def __init__(self, answer: Any) -> None:
            self.answer = answer

        def operation(self, context: Any) -> Any:
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        def update(self, context: Any, event: Any) -> Any:
            raise ValueError("no updates")

    def test_a_sound_answer_passes(self) -> None:
        """What is right is handed on unchanged."""
        assert fs(quick(validate(limit(2, repeat({"f": "read"}))))) == ["read", "read"]

    def test_all_problems_of_an_operation_are_listed(self) -> None:
        """Time, process, type and f are complained of in one error."""
        bad = Operation(time_ns=-5, process=7, type="ok", f="")

        with pytest.raises(GeneratorFailed) as caught:
            validate(self.Bad((bad, NOTHING))).operation(two_threads())

        text = str(caught.value)
        assert "the time should be whole nanoseconds from 0 on, not -5" in text
        assert "process 7 is not free" in text
        assert "the type should be 'invoke', not 'ok'" in text
        assert "f should be a name, not ''" in text

    def test_an_answer_of_the_wrong_shape_is_refused(self) -> None:
        """An operation without its successor is no answer."""
        with pytest.raises(GeneratorFailed, match="a tuple of an item and a generator"):
            validate(self.Bad(Operation(f="read"))).operation(two_threads())

    def test_both_halves_of_an_answer_are_checked(self) -> None:
        """A successor that is no generator and an item that is no operation are both named."""
        with pytest.raises(GeneratorFailed, match=r"second element .*; the first element"):
            validate(self.Bad(("read", 3))).operation(two_threads())

    def test_a_dead_process_is_not_free(self) -> None:
        """The former process of a thread cannot invoke, though its thread is free."""
        context = two_threads().renumbered(0)
        old = Operation(time_ns=0, process=0, f="read")

        with pytest.raises(GeneratorFailed, match="process 0 is not free"):
            validate(self.Bad((old, NOTHING))).operation(context)

    def test_exceptions_name_generator_and_context(self) -> None:
        """An exception becomes a GeneratorFailed that says where it happened; the cause is kept."""
        with pytest.raises(GeneratorFailed, match=r"KeyError: 'x' when .* at 0 ns") as caught:
            validate(self.Bad(KeyError("x"))).operation(two_threads())

        assert isinstance(caught.value.__cause__, KeyError)

    def test_exceptions_of_updates_name_the_event(self) -> None:
        """An exception in update says which event it was told of."""
        event = Operation(process=0, type="ok", f="read")

        with pytest.raises(GeneratorFailed, match="no updates when it was told of Operation"):
            validate(self.Bad(None)).update(two_threads(), event)

    def test_any_of_hands_its_guards_errors_on_unchanged(self) -> None:
        """An error already made clear is not wrapped twice."""

        def empty() -> list[Any]:
            return []

        inner = any_of(empty, {"f": "read"})

        with pytest.raises(GeneratorFailed, match=r"^the function"):
            validate(inner).operation(two_threads())
