"""The style of the project, as tests: what a reviewer should not have to say twice.

Rules that ruff or mypy know are theirs (tests/test_quality.py). Here stand sizes, words, and purity: everything in
`cluster`, `nemesis`, `workloads`, `harness` is deterministic unless it stands in `EDGES` with its reason.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import cluster
import harness
import nemesis
import reports
import workloads
from harness.version import VERSION

ROOT = Path(__file__).parents[1]
PACKAGES = ("cluster", "harness", "nemesis", "reports", "workloads")

MODULE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70

EDGES = {
    "cluster/client.py": "a client of real processes speaks over sockets",
    "cluster/node/lines.py": "the frames of a real connection",
    "cluster/node/main.py": "a real process begins here",
    "cluster/node/server.py": "the asyncio shell around the node",
    "cluster/node/trace_file.py": "a real process keeps its trace in a file of its own",
    "cluster/storage/mounted_disk.py": "real files",
    "cluster/storage/real_disk.py": "real files",
    "cluster/storage/undo_file.py": "real files",
    "cluster/storage/vfs.py": "SQLite wants file names made by os.path and the constants of os",
    "cluster/ask.py": "a question from a shell to a running cluster",
    "cluster/node/by_hand.py": "a person starts a real process",
    "cluster/worlds/docker/": "containers, the daemon, programs that build images",
    "cluster/worlds/host/clock_library.py": "builds the library; tells it when a drift began",
    "cluster/worlds/host/files.py": "real files",
    "cluster/worlds/host/limits.py": "limits of real processes and disks",
    "cluster/worlds/host/packet_queue.py": "starts the daemon that holds packets",
    "cluster/worlds/host/packet_queue_daemon.py": "packets of the kernel, in real time",
    "cluster/worlds/host/programs.py": "runs programs of the host",
    "cluster/worlds/host/repairs.py": "knows the process that a change of the host belongs to",
    "cluster/worlds/host/loop_disk.py": "mounts real file systems",
    "cluster/worlds/host/power_disk/__main__.py": "a real process begins here",
    "cluster/worlds/host/power_disk/backing.py": "real files",
    "cluster/worlds/host/power_disk/control.py": "a socket and a thread beside FUSE's loop",
    "cluster/worlds/host/power_disk/operations.py": "what FUSE calls",
    "cluster/worlds/host/power_disk/power_disk.py": "starts and ends a daemon",
    "cluster/worlds/host/power_disk/socket_name.py": "a descriptor of a folder, for a name that is short",
    "cluster/worlds/host/power_disk/volume.py": "real files, and the numbers of errors and flags in os",
    "cluster/worlds/local/": "real processes, ports and time",
    "cluster/worlds/real/": "what worlds of real processes share: real time, signals, lines",
    "cluster/worlds/ssh/": "connections, and the process that keeps a node on its host",
    "cluster/worlds/tape.py": "random.Random, seeded: the one source of all draws",
    "harness/campaign/": "runs many seeds, in many processes, and says how long they took",
    "harness/cli/": "the command line",
}
"""Where time, randomness, processes and sockets may be touched, and why."""

IMPURE_MODULES = frozenset(
    ["asyncio", "datetime", "multiprocessing", "os", "random", "secrets", "socket", "subprocess", "tempfile",
     "threading", "time", "uuid"]
)  # fmt: skip

ORDER_FREE = frozenset(["all", "any", "frozenset", "len", "max", "min", "set", "sorted", "sum"])
"""Calls whose result does not depend on the order in which they see the elements."""

FORBIDDEN_NAMES = re.compile(r"\b(utils?|helpers?|misc|common)\b", re.IGNORECASE)


def sources(*folders: str) -> list[Path]:
    """The Python files below `folders`, sorted."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name(path: Path) -> str:
    """The path as it is spoken of."""
    return path.relative_to(ROOT).as_posix()


def is_pure(path: Path) -> bool:
    """Whether a file must be deterministic."""
    return name(path).split("/")[0] != "reports" and not any(
        name(path) == edge or (edge.endswith("/") and name(path).startswith(edge)) for edge in EDGES
    )


PURE = [path for path in sources(*PACKAGES) if is_pure(path)]


def test_modules_are_small_rooms() -> None:
    """No module is longer than 600 lines."""
    long = [
        name(path)
        for path in sources(*PACKAGES)
        if len(path.read_text().splitlines()) > MODULE_LINES_MAX
    ]

    assert long == []


def test_functions_fit_on_a_screen() -> None:
    """No function, in code or in tests, is longer than 70 lines."""
    long = [
        f"{name(path)}:{node.lineno} {node.name}"
        for path in sources(*PACKAGES, "tests", "benchmarks", "examples")
        for node in ast.walk(tree(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES_MAX
    ]

    assert long == []


def test_modules_open_with_their_law() -> None:
    """Every module that holds anything begins with a docstring."""
    silent = [
        name(path)
        for path in sources(*PACKAGES, "benchmarks", "examples")
        if tree(path).body and ast.get_docstring(tree(path)) is None
    ]

    assert silent == []


def test_tests_say_what_they_show() -> None:
    """Every test has a docstring."""
    silent = [
        f"{name(path)}:{node.lineno} {node.name}"
        for path in sources("tests")
        for node in ast.walk(tree(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.name.startswith("test_")
        and ast.get_docstring(node) is None
    ]

    assert silent == []


def test_test_files_have_names_of_their_own() -> None:
    """No two test files share a name, so that a name in an error says which."""
    names = [path.name for path in sources("tests") if path.name.startswith("test_")]

    assert sorted(set(names)) == sorted(names)


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """(line, top module) of every import of a file."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module.split(".")[0]


def test_what_decides_touches_nothing() -> None:
    """Pure modules import no clock, randomness, process, thread or socket."""
    touching = [
        f"{name(path)}:{line} imports {module}"
        for path in PURE
        for line, module in imported(path)
        if module in IMPURE_MODULES
    ]

    assert touching == []


def test_edges_exist() -> None:
    """Every edge that is allowed for is there: the list does not outlive its reasons."""
    assert [edge for edge in EDGES if not (ROOT / edge).exists()] == []


class SetIteration(ast.NodeVisitor):
    """Finds iterations over sets whose order could reach a result.

    Known to be sets: literals, comprehensions, calls of set and frozenset, and names or attributes of self that are
    assigned one of these anywhere in the file.
    """

    def __init__(self, module: ast.Module) -> None:
        self.found: list[int] = []
        self._free: set[ast.AST] = set()
        self._names = {
            spelled
            for node in ast.walk(module)
            if isinstance(node, (ast.Assign, ast.AnnAssign))
            and node.value
            and self._is_set(node.value)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if (spelled := self._spelled(target))
        }
        self.visit(module)

    def _spelled(self, node: ast.AST) -> str:
        return ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""

    def _is_set(self, node: ast.AST) -> bool:
        if isinstance(node, (ast.Set, ast.SetComp)):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return node.func.id in {"set", "frozenset"}
        return bool(self._spelled(node)) and self._spelled(node) in getattr(self, "_names", ())

    def visit_For(self, node: ast.For) -> None:
        if self._is_set(node.iter):
            self.found.append(node.lineno)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        called = node.func.id if isinstance(node.func, ast.Name) else ""
        if called in ORDER_FREE:
            self._free.update(node.args)
        elif called in {
            "list",
            "tuple",
            "enumerate",
            "iter",
            "next",
            "zip",
            "map",
            "filter",
            "dict",
        } and any(self._is_set(argument) for argument in node.args):
            self.found.append(node.lineno)
        self.generic_visit(node)

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp | ast.DictComp) -> None:
        if node not in self._free and any(self._is_set(part.iter) for part in node.generators):
            self.found.append(node.lineno)
        self.generic_visit(node)

    visit_ListComp = visit_GeneratorExp = visit_DictComp = _comprehension  # noqa: N815 - ast names them


def test_nothing_depends_on_the_order_of_a_set() -> None:
    """Pure modules never iterate over a set where the order could matter: it changes with every process."""
    iterating = [f"{name(path)}:{line}" for path in PURE for line in SetIteration(tree(path)).found]

    assert iterating == []


@pytest.mark.parametrize(
    "code",
    [
        "for x in {1, 2}: pass",
        "names = set(y)\n[x for x in names]",
        "list({x for x in y})",
        "self.a = set()\nfor x in self.a: pass",
    ],
)
def test_set_iteration_is_seen(code: str) -> None:
    """The rule above sees the ways in which it is usually broken."""
    assert SetIteration(ast.parse(code)).found != []


@pytest.mark.parametrize(
    "code",
    [
        "sorted({1, 2})",
        "any(x for x in {1, 2})",
        "{x for x in {1, 2}}",
        "for x in sorted(set(y)): pass",
    ],
)
def test_order_free_use_of_a_set_is_allowed(code: str) -> None:
    """Uses whose result is the same in every order are no finding."""
    assert SetIteration(ast.parse(code)).found == []


def test_every_module_has_a_subject() -> None:
    """No module is called utils, helpers, misc or common: such a room has no law."""
    nameless = [
        name(path)
        for path in sources(*PACKAGES)
        if FORBIDDEN_NAMES.search(path.stem.replace("_", " "))
    ]

    assert nameless == []


def test_nothing_is_left_for_later() -> None:
    """No TO-DO marker stands in the tree: what is missing is an issue or a sentence in the documentation."""
    marker = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
    left = [
        f"{name(path)}:{number}"
        for path in [
            *sources(*PACKAGES, "tests", "benchmarks", "examples"),
            *sorted((ROOT / "reports/assets").iterdir()),
        ]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if marker.search(line)
    ]

    assert left == []


def test_markdown_has_one_title() -> None:
    """Every Markdown file has exactly one heading of the first level, and it comes first."""
    files = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md"))
    wrong = []
    for path in files:
        text = re.sub(
            r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
        )
        if len(re.findall(r"^# ", text, re.MULTILINE)) != 1 or not text.startswith("# "):
            wrong.append(name(path))

    assert wrong == []


def test_version_is_said_once() -> None:
    """pyproject.toml and harness.version agree."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["version"] == VERSION


def test_imports_come_from_the_checkout() -> None:
    """The packages under test are ours: on package indexes there are others called cluster, harness, reports."""
    strangers = [
        package.__name__
        for package in (cluster, harness, nemesis, reports, workloads)
        if Path(package.__path__[0]).parent != ROOT
    ]

    assert strangers == []


def test_locks_name_the_same_versions() -> None:
    """What a user gets is what the tests ran with: each line of the small lock stands in the large one."""
    small, large = (
        {line for line in (ROOT / lock).read_text().splitlines() if not line.startswith("#")}
        for lock in ("requirements.lock", "requirements-dev.lock")
    )

    assert set() == small - large
