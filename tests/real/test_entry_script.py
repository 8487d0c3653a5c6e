"""The entry script makes its environment once, from anywhere, also when several start at the same moment.

Tried on a small checkout with a small command line and an installer that only writes down what it was asked for.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.real, pytest.mark.slow]

SCRIPT = Path(__file__).parents[2] / "reprise"

UV = f"""#!/bin/sh
echo "$@" >>"$INSTALLER_LOG"
[ -z "${{INSTALLER_FAILS-}}" ] || exit 7
if [ "$1" = venv ]; then
    for folder in "$@"; do :; done
    {sys.executable} -m venv --without-pip "$folder"
fi
"""

OLD_PYTHON = "#!/bin/sh\necho 3.10\n"
PYTHON_WITHOUT_VENV = "#!/bin/sh\ncase $2 in *ensurepip*) exit 1;; esac\necho 3.12\n"


class Checkout:
    """A small checkout and a machine of its own: `programs` is all that stands on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "check out"
        self.programs = folder / "programs"
        self.log = folder / "installer.log"
        cli = self.root / "harness" / "cli"
        cli.mkdir(parents=True)
        (cli / "__main__.py").write_text("import os, sys\nprint(os.getcwd(), sys.argv[1:])\n")
        (cli.parent / "__init__.py").touch()
        (cli / "__init__.py").touch()
        shutil.copy(SCRIPT, self.root / "reprise")
        for lock in ("requirements.lock", "requirements-dev.lock"):
            (self.root / lock).write_text(f"# {lock}\n")
        self.programs.mkdir()
        for name in (
            "basename",
            "readlink",
            "ln",
            "mv",
            "cp",
            "rm",
            "cmp",
            "sleep",
            "ps",
        ):
            (self.programs / name).symlink_to(shutil.which(name) or "/bin/false")
        self.program("uv", UV)

    def program(self, name: str, text: str) -> None:
        """Put a program on the PATH."""
        (self.programs / name).write_text(text)
        (self.programs / name).chmod(0o755)

    def command(
        self, *arguments: str, script: Path | None = None, shell: str = "/bin/sh"
    ) -> list[str]:
        """The command that starts the script."""
        return [shell, str(script or self.root / "reprise"), *arguments]

    def environment(self, **more: str) -> dict[str, str]:
        """What the script sees of the machine."""
        return {"PATH": str(self.programs), "INSTALLER_LOG": str(self.log), **more}

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Start the script and wait for it."""
        return subprocess.run(
            self.command(*arguments),
            env=self.environment(**more),
            capture_output=True,
            text=True,
            check=False,
        )

    def installed(self) -> list[str]:
        """What the installer was asked for, so far."""
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A fresh one."""
    return Checkout(tmp_path)


def test_first_start_installs_and_the_next_does_not(checkout: Checkout) -> None:
    """The environment is made once; arguments arrive as they were given."""
    first = checkout.run("run", "a b")
    asked = checkout.installed()
    second = checkout.run("run", "a b")

    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout == second.stdout == f"{Path.cwd()} ['run', 'a b']\n"
    assert second.stderr == ""
    assert [line.split()[0] for line in asked] == ["venv", "pip"]
    assert checkout.installed() == asked


def test_changed_lock_installs_again(checkout: Checkout) -> None:
    """A new lock is installed into the environment that is there."""
    checkout.run()
    (checkout.root / "requirements.lock").write_text("click==9\n")
    checkout.run()

    assert [line.split()[0] for line in checkout.installed()] == ["venv", "pip", "pip"]


def test_tests_have_tools_of_their_own(checkout: Checkout) -> None:
    """`reprise test` installs the development lock, other commands never do."""
    checkout.run("--version")
    checkout.run("test")

    assert [line.split("/")[-1] for line in checkout.installed() if line.startswith("pip")] == [
        "requirements.lock",
        "requirements-dev.lock",
    ]


def test_link_from_elsewhere_finds_its_checkout(checkout: Checkout, tmp_path: Path) -> None:
    """Through a chain of links, in a folder that has a `harness` of its own, the checkout's code runs."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "harness").mkdir(parents=True)
    (elsewhere / "harness" / "__init__.py").write_text("raise SystemExit('a stranger')")
    (elsewhere / "first").symlink_to("../check out/reprise")
    (elsewhere / "second").symlink_to("first")
    run = subprocess.run(
        checkout.command("doctor", script=elsewhere / "second"),
        cwd=elsewhere, env=checkout.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (run.returncode, run.stdout) == (0, f"{elsewhere} ['doctor']\n")


def test_python_path_of_the_user_is_not_ours(checkout: Checkout, tmp_path: Path) -> None:
    """A `harness` that the user keeps on PYTHONPATH for something else changes nothing."""
    stranger = tmp_path / "theirs" / "harness"
    stranger.mkdir(parents=True)
    (stranger / "__init__.py").write_text("raise SystemExit('a stranger')")

    assert checkout.run("doctor", PYTHONPATH=str(stranger.parent)).returncode == 0


def test_moved_checkout_takes_its_environment_along(checkout: Checkout, tmp_path: Path) -> None:
    """What was installed in one place works in another."""
    checkout.run()
    checkout.root.rename(tmp_path / "moved")
    checkout.root = tmp_path / "moved"

    assert checkout.run().returncode == 0


def test_concurrent_first_starts_install_once(checkout: Checkout) -> None:
    """Whoever comes second waits for the first and finds everything there."""
    running = [
        subprocess.Popen(checkout.command(str(number)), env=checkout.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for number in range(4)
    ]  # fmt: skip
    outputs = [process.communicate()[0] for process in running]

    assert [process.returncode for process in running] == [0, 0, 0, 0]
    assert [f"['{number}']" in output for number, output in enumerate(outputs)] == [True] * 4
    assert [line.split()[0] for line in checkout.installed()] == ["venv", "pip"]


def test_killed_installer_blocks_nobody(checkout: Checkout) -> None:
    """A turn that was taken by a process that is gone is taken over."""
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    (checkout.root / ".venv.installing").symlink_to(str(gone.pid))

    assert checkout.run().returncode == 0
    assert not (checkout.root / ".venv.installing").is_symlink()


def test_failed_installation_is_told_and_tried_again(checkout: Checkout) -> None:
    """Nothing half made is taken for an environment, and the exit code is no verdict."""
    failed = checkout.run(INSTALLER_FAILS="yes")

    assert failed.returncode == 254
    assert failed.stderr.endswith(
        "reprise: could not install requirements.lock; the reason stands above\n"
    )
    assert not (checkout.root / ".venv.installing").is_symlink()
    assert checkout.run().returncode == 0


@pytest.mark.parametrize(
    ("python", "words"),
    [
        (
            None,
            "needs Python 3.11 or newer (found: none); install it (Debian, Ubuntu: apt install python3 python3-venv)",
        ),
        (OLD_PYTHON, "needs Python 3.11 or newer (found: 3.10);"),
        (
            PYTHON_WITHOUT_VENV,
            "Python 3.12 has no venv module; install it (Debian, Ubuntu: apt install python3-venv)",
        ),
    ],
)
def test_missing_python_is_one_line(checkout: Checkout, python: str | None, words: str) -> None:
    """Without uv, what is missing is said together with the command that installs it."""
    (checkout.programs / "uv").unlink()
    if python is not None:
        checkout.program("python3", python)
    run = checkout.run()

    assert run.returncode == 254
    assert words in run.stderr.splitlines()[-1]


def test_strict_shell_runs_it(checkout: Checkout, require: Callable[[str, str], str]) -> None:
    """No word of the script belongs to bash."""
    shell = require("dash", "is the strictest of the common shells")
    run = subprocess.run(
        checkout.command(shell=shell),
        env=checkout.environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0
