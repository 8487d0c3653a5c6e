"""From the words of a command line to a checked request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from harness.cli import main
from harness.cli.options import Request, known, output_options, request_from, scenario_options
from harness.cli.scenarios import scenarios_from
from harness.cli.words import LIST, unknown_word
from harness.errors import UserMistake


@pytest.fixture
def request_of() -> Callable[..., Request]:
    """``request_of("registry", "--seed", "3")``: the request that ``reprise run`` would get."""

    @click.command()
    @click.argument("workload", required=False)
    @click.option("--world", "worlds", type=LIST, default=())
    @scenario_options
    @output_options
    def command(**values: Any) -> Request:
        return request_from(values)

    def parse(*arguments: str) -> Request:
        request: Request = command.main(list(arguments), standalone_mode=False)
        return request

    return parse


def test_nothing_said_is_nothing_set(request_of: Callable[..., Request]) -> None:
    """Without arguments neither workload nor seed nor world is decided here."""
    request = request_of()

    assert (request.workload, request.seed, request.worlds, request.changes) == (None, None, (), {})


def test_options_become_fields_of_the_scenario(request_of: Callable[..., Request]) -> None:
    """Every option that describes a scenario arrives in it, typed."""
    request = request_of(
        "registry", "--world", "local,sim", "--nodes", "3", "--time-limit", "1.5m", "--rate", "50", "--concurrency", "2n",
        "--nemesis", "kill,pause", "--seed", "7", "--bug", "B-S1", "--compat", "original", "-o", "keys=4", "-o", "fast=true",
    )  # fmt: skip
    scenario = request.scenario("registry", "sim", 7)

    assert request.worlds == ("local", "sim")
    assert (
        scenario.nodes,
        scenario.time_limit_s,
        scenario.rate,
        request.concurrency,
        scenario.seed,
    ) == (3, 90.0, 50.0, "2n", 7)
    assert (
        scenario.nemesis,
        scenario.bug,
        scenario.compat,
    ) == (["kill", "pause"], "B-S1", "original")
    assert scenario.options == {"keys": 4, "fast": True}


def test_clients_per_node_count_the_nodes_of_their_world(
    request_of: Callable[..., Request],
) -> None:
    """``2n`` is ten clients on the usual five simulated nodes, and six on the usual three processes."""
    request = request_of("registry", "--concurrency", "2n")

    scenarios = scenarios_from(request, workload=None, worlds=("sim", "local"))

    assert [(one.nodes, one.concurrency) for one in scenarios] == [(5, 10), (3, 6)]


def test_options_win_over_the_file(request_of: Callable[..., Request], tmp_path: Path) -> None:
    """A scenario file says everything, and an option changes one thing of it."""
    file = tmp_path / "scenario.toml"
    file.write_text('workload = "registry"\nseed = 5\nrate = 9.0\n[options]\nkeys = 1\nputs = 2\n')
    request = request_of("--scenario", str(file), "--rate", "70", "-o", "keys=8")
    scenario = request.scenario("registry", "sim", 5)

    assert (request.workload, request.seed, request.worlds) == ("registry", 5, ("sim",))
    assert (scenario.rate, scenario.options) == (70.0, {"keys": 8, "puts": 2})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["registri"], "no workload 'registri'; did you mean 'registry'?"),
        (["registry", "--world", "simm"], "no world 'simm'; did you mean 'sim'?"),
        (["registry", "--nemesis", "kil"], "did you mean 'kill'?"),
        (["registry", "--bug", "B-S0"], "bug: 'B-S0' is unknown"),
        (["registry", "--bug", ""], "no bug ''"),
        (["registry", "--concurrency", "3q"], "a multiple of the nodes such as 2n"),
        (["registry", "--nemesis", "none,kill"], "'none' means no faults"),
    ],
)
def test_unknown_names_are_refused(
    request_of: Callable[..., Request], arguments: list[str], words: str
) -> None:
    """A name that does not exist is a mistake of the user, told with what was probably meant."""
    with pytest.raises(UserMistake) as mistake:
        request_of(*arguments)

    assert words in str(mistake.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rate", "nan"], "rate: nan is not allowed; allowed: a number above 0.0"),
        (["--rate", "inf"], "rate: inf is not allowed; allowed: a number up to"),
        (["--time-limit", "99999999h"], "time_limit_s: 359999996400.0 is not allowed"),
        (["--concurrency", "9000n"], "concurrency: 45000 is not allowed"),
        (["-o", "heartbeat_ms=99999999"], "option heartbeat_ms: 99999999 is not allowed"),
        (["-o", f"interval_s=1{'0' * 30}.0"], "Expected float <= 10000000"),
    ],
)
def test_options_have_the_bounds_of_a_file(
    request_of: Callable[..., Request], arguments: list[str], words: str
) -> None:
    """What no scenario file may say cannot be said by an option either."""
    with pytest.raises(UserMistake) as mistake:
        scenarios_from(request_of("registry", *arguments), workload=None, worlds=("sim",))

    assert words in str(mistake.value)


def test_store_that_cannot_be_is_refused_before_the_work(
    request_of: Callable[..., Request], tmp_path: Path
) -> None:
    """A file in the way of the store is found when the request is read, not after the runs."""
    (tmp_path / "file").touch()

    with pytest.raises(UserMistake, match="file is no folder"):
        request_of("registry", "--store", str(tmp_path / "file" / "store"))


def test_workload_and_scenario_exclude_each_other(
    request_of: Callable[..., Request], tmp_path: Path
) -> None:
    """Two places that name the workload are one too many."""
    file = tmp_path / "scenario.toml"
    file.write_text('workload = "registry"\n')

    with pytest.raises(UserMistake, match="the scenario names its workload"):
        request_of("registry", "--scenario", str(file))


def test_refused_run_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that is refused has not made its store."""
    monkeypatch.chdir(tmp_path)

    assert main(["run", "registry", "--nemesis", "kil", "--store", "kept"]) == 254
    assert list(tmp_path.iterdir()) == []


def test_every_known_name_is_allowed(request_of: Callable[..., Request]) -> None:
    """What `known` lists can be asked for."""
    names = known()

    for bug in sorted(names.bugs):
        assert bug == request_of("registry", "--bug", bug).changes["bug"]


def test_unknown_word_without_a_near_one_lists_all() -> None:
    """Where nothing is near, the allowed names are the answer."""
    assert (
        str(unknown_word("world", "moon", ("sim", "local")))
        == "no world 'moon'. There are: local, sim"
    )


def test_a_wide_search_with_a_scenario_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file says all of a scenario, so nothing would be left for --wide to draw."""
    file, store = tmp_path / "scenario.toml", tmp_path / "store"
    file.write_text('workload = "set"\n', encoding="utf-8")

    command = ["search", "--scenario", str(file), "--wide", "--seeds", "1", "--store", str(store)]

    assert main(command) == 254
    assert "a --scenario file says everything" in capsys.readouterr().err
    assert not store.exists()
