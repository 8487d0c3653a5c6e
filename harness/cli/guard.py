"""From an exception to one line and an exit code. The only place of the command line that catches.

The table of commands stands here too: name -> module and summary. Modules are imported when their command
is asked for, not before.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
import tempfile
import traceback
from typing import Final

import click

from harness.cli.exits import Exit
from harness.cli.words import unknown_word
from harness.errors import RunFailed, UserMistake
from harness.version import VERSION

__all__ = ["COMMANDS", "guarded", "told_defect"]

COMMANDS: Final[dict[str, str]] = {
    "run": "Run a workload, break the cluster meanwhile, and judge what survived.",
    "search": "Look for a failing seed among many, in simulation.",
    "explore": "Try every disk that a crash may leave, or every schedule of two crashes.",
    "replay": "Run a recorded run again and say whether it is byte-identical.",
    "shrink": "Make a failing run as small as it can be: a scenario, a test and a page.",
    "check": "Judge a history made elsewhere.",
    "bugs": "List the seeded bugs, or count how many of them are found.",
    "convert": "Write a history in the format of another tool.",
    "nightly": "Carry out a list of searches and runs, each with a time budget.",
    "report": "Render the page of a run, or the index of a store.",
    "image": "Build the image that containers of nodes are made of.",
    "doctor": "Say what this machine can do, world by world, and what to install.",
    "test": "Run the project's own tests.",
}
"""Every command and its summary; `harness.cli.<name>` holds it as `command`."""


_NO_ROOM: Final = frozenset({errno.EDQUOT, errno.ENOSPC})
_NO_RIGHT: Final = frozenset({errno.EACCES, errno.EROFS})
"""What no code of ours can mend: a full place, standard output included, and one that is forbidden or read-only."""


class _Commands(click.Group):
    """The group whose commands live in modules of their own, imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        if cmd_name not in COMMANDS:
            raise unknown_word("command", cmd_name, COMMANDS)
        command: click.Command = importlib.import_module(f"harness.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 valid, 1 invalid, 2 unknown, 254 wrong arguments, 255 internal error, "
    "130 interrupted.",
)
@click.version_option(VERSION, prog_name="reprise", message="%(prog)s %(version)s")
def _reprise() -> None:
    """Break a Raft cluster on purpose, replay it, and prove from the history what survived."""


def guarded(arguments: list[str]) -> int:
    """Run one command and return its exit code; never raises."""
    try:
        status = _reprise.main(arguments, prog_name="reprise", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except UserMistake as mistake:
        return _say(str(mistake), Exit.MISTAKE)
    except click.exceptions.NoArgsIsHelpError as bare:
        click.echo(bare.format_message(), err=True)
        return Exit.MISTAKE
    except click.ClickException as mistake:
        return _say(_usage(mistake), Exit.MISTAKE)
    except RunFailed as failure:
        return _say(str(failure), Exit.INTERNAL)
    except (KeyboardInterrupt, click.Abort):
        return _say("interrupted", Exit.INTERRUPTED)
    except (BrokenPipeError, SystemExit):
        # The reader of our output went away (`| head`): nobody is left to tell, and the interpreter's own
        # flush at exit must not complain either. Click makes an exit with 1 of it, which here means invalid.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.INTERNAL
    except OSError as failure:
        if failure.errno in _NO_RIGHT:
            return _say(f"cannot use {failure.filename}: {failure.strerror}", Exit.MISTAKE)
        if failure.errno not in _NO_ROOM:
            return _say(told_defect(failure), Exit.INTERNAL)
        return _say(f"nothing more can be written: {failure}", Exit.INTERNAL)
    except Exception as error:  # noqa: BLE001 - the last line of defence: told, kept in a file, exit 255
        return _say(told_defect(error), Exit.INTERNAL)
    return int(status or 0)


def _say(line: str, status: Exit) -> int:
    click.echo(f"reprise: {line}", err=True)
    return status


def _usage(mistake: click.ClickException) -> str:
    """Click's message as one line, with the way to the help of the command it came from."""
    line = " ".join(mistake.format_message().split())
    context = mistake.ctx if isinstance(mistake, click.UsageError) else None
    return f"{line} (see {context.command_path} --help)" if context else line


def told_defect(error: Exception) -> str:
    """Keep the traceback in a file of its own and return the line that names it."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="reprise-traceback-", suffix=".txt", delete=False, encoding="utf-8"
    ) as kept:
        traceback.print_exception(error, file=kept)
    text = " ".join(str(error).split())
    return f"internal error, {type(error).__name__}: {text} (traceback in {kept.name})"
