"""The errors of `harness`, split by who is at fault; nothing else lives here.

Every error of this package derives from `HarnessError`. Its text is one line for people. What
happens to nodes and networks is no error: it is a `Reply`, an operation of type ``fail`` or
``info``, or a finding.
"""

from __future__ import annotations

__all__ = ["GeneratorFailed", "HarnessError", "RunFailed", "RunStuck", "UserMistake"]


class HarnessError(Exception):
    """The harness or a workload written for it is wrong: a defect to be mended, never a verdict."""


class UserMistake(HarnessError):
    """What was asked for cannot be done as asked: a wrong scenario, folder or file.

    Exit code 254.
    """


class GeneratorFailed(HarnessError):
    """A generator raised, or handed out something that is no operation.

    The text lists every problem.
    """


class RunFailed(HarnessError):
    """A run could not be carried out, and nothing is known about the system under test.

    The text says why in one line; the tail of a node's log may follow. Exit code 255.
    """


class RunStuck(HarnessError):
    """A run stopped getting on.

    A generator pending with nothing under way, or a call that never ended.
    """
