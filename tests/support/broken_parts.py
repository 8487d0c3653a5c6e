"""Parts of a node that cannot be built: a stand-in for a mistake in the program."""

from typing import Any, NoReturn

from cluster.machine.parts import Parts


def broken() -> Parts:
    """Parts whose state machine raises what nobody foresaw."""

    def machine(*_: Any) -> NoReturn:
        raise ZeroDivisionError("planted")

    return Parts(machine=machine)
