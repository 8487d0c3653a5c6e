"""Plans of nights: what a file may say, and that what is wrong is found before the night begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.campaign.night_plan import Surroundings, load_plan
from harness.cli.options import known
from harness.cli.scenarios import USUAL
from harness.errors import UserMistake

EXAMPLES = Path(__file__).parents[3] / "examples"


def read(name: str) -> str:
    """The text of an example."""
    return (EXAMPLES / name).read_text(encoding="utf-8")


ABOUT = Surroundings(known=known(), usual=USUAL, read=read)


def entry(text: str) -> str:
    """A plan with one entry that says `text`."""
    return f'name = "night"\n[[entries]]\nname = "one"\nbudget = "1m"\n{text}\n'


def test_the_example_is_a_quarter_of_an_hour() -> None:
    """The plan in `examples/` can be loaded, and its budgets fit into fifteen minutes and a half."""
    plan = load_plan(read("nightly.toml"), ABOUT)

    assert 600 < sum(step.budget_s for step in plan.steps) <= 930


def test_a_workload_gets_the_usual_size_and_the_changes() -> None:
    """What an entry does not say of its scenario is what `run` and `search` would take."""
    [step] = load_plan(entry('search = "set"\nscenario = { nodes = 3 }'), ABOUT).steps
    [scenario] = step.scenarios

    assert (scenario.workload, scenario.world, scenario.nodes) == ("set", "sim", 3)
    assert scenario.time_limit_s == USUAL["sim"]["time_limit_s"]
    assert step.fresh


def test_a_scenario_file_keeps_its_seed_and_goes_through_its_worlds() -> None:
    """The same file in each world of the list; no fresh seed where the file has one."""
    text = entry('run = "a2-rollback-halts.toml"\nworlds = ["sim", "local"]')
    [step] = load_plan(text, ABOUT).steps

    assert [scenario.world for scenario in step.scenarios] == ["sim", "local"]
    assert not step.fresh


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "night"', "missing required field entries"),
        (entry(""), "entries[0] 'one': it needs one of search and run, and only one"),
        (entry('search = "set"\nworlds = ["local"]'), "a search runs in simulation"),
        (entry('search = "sett"'), "did you mean 'set'?"),
        (entry('search = "set"\nexpect = "fine"'), "entries[0].expect: Invalid enum value 'fine'"),
        (entry('search = "set"\nbudgets = 3'), "unknown field budgets"),
        (entry('search = "set"\nscenario = { rat = 3 }'), "did you mean 'rate'?"),
        (entry('search = "set"\nscenario = { rate = "fast" }'), "scenario: rate: Expected float"),
        (entry('search = "set"\nscenario = { options = { keyz = 3 } }'), "no option 'keyz'"),
        (entry('run = "set"\nworlds = ["mars"]'), "world: 'mars' is unknown"),
        (entry('run = "set"\nworlds = ["local"]\nscenario = { nemesis = ["disk"] }'), "cannot do"),
        (entry('run = "set"').replace("1m", "soon"), "budget: 'soon' is no duration"),
        (entry('run = "set"') + entry('run = "set"').partition("\n")[2], "two entries named 'one'"),
    ],
)
def test_a_wrong_plan_is_refused_in_one_line(text: str, words: str) -> None:
    """The line says which entry, what stood there, and where it can be known what was meant."""
    with pytest.raises(UserMistake) as mistake:
        load_plan(text, ABOUT)

    assert words in str(mistake.value)
    assert "\n" not in str(mistake.value)
