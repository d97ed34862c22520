"""The shape of the code, held by tests: who may import whom, how big things may grow, where the doors are.

Every import counts, also those inside functions and under ``TYPE_CHECKING``: that is where cycles hide.
"""

import ast
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "hopsight"
MODULES = {
    ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}

MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 500

# Package -> what it may import besides itself. Anything not named here may be imported by wiring alone.
MAY_IMPORT = {
    "errors": set[str](),
    "clock": set[str](),
    "durable": set[str](),
    "locks": set[str](),
    "pinning": {"errors"},
    "trust": {"errors"},
    "model": {"errors"},
    "config": {"errors", "model"},
    "maxmind": {"errors", "model"},
    "storage": {"errors", "clock", "locks", "trust", "model"},
    "accounts": {"errors", "clock", "durable", "locks", "model"},
    "agent": {"errors", "clock", "config", "durable", "trust", "model", "maxmind", "hopsight"},
    "simulation": {"errors", "clock", "model", "agent", "hopsight"},
    "server": {
        "errors",
        "clock",
        "config",
        "durable",
        "pinning",
        "trust",
        "maxmind",
        "model",
        "storage",
        "accounts",
        "hopsight",
    },
    "testing": {"errors", "clock", "config", "model", "agent", "server", "storage", "accounts"},
}
# The wiring of the server: the only modules of it that may know which stores there are.
SERVER_WIRING = {"hopsight.server.run"}

# Reading time, or waiting, anywhere else would make a test depend on the real clock.
CLOCK_CALLS = {
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "monotonic"),
    ("time", "monotonic_ns"),
    ("time", "perf_counter"),
    ("time", "sleep"),
    ("asyncio", "sleep"),
    ("datetime", "now"),
    ("datetime", "utcnow"),
}

# Where a broad `except Exception` is right: a fault in one round, duty or request must not end the program.
BROAD_EXCEPTS = {"hopsight.agent.rounds", "hopsight.agent.supervision", "hopsight.server.front"}


def imports_of(name: str) -> Iterator[str]:
    """Every one of our modules that ``name`` imports, however late."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("hopsight"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hopsight"):
            assert node.module is not None
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


def part_of(module: str) -> str:
    """The top-level part of the package that a module belongs to."""
    return module.split(".")[1] if "." in module else module


@pytest.mark.parametrize("name", [name for name in MODULES if part_of(name) in MAY_IMPORT])
def test_parts_import_only_what_they_may(name: str) -> None:
    """No module reaches for a part of the package that it has no business with."""
    part = part_of(name)
    strays = {
        module
        for module in imports_of(name)
        if part_of(module) != part and part_of(module) not in MAY_IMPORT[part]
    }
    assert not strays


def test_agent_and_server_share_the_model_alone() -> None:
    """Agent and server never import each other."""
    for name in MODULES:
        other = {"agent": "server", "server": "agent"}.get(part_of(name))
        assert not [module for module in imports_of(name) if part_of(module) == other], name


def test_the_server_knows_stores_only_by_their_contract() -> None:
    """Backends are chosen in the wiring; everything else asks the protocol."""
    for name in MODULES:
        if part_of(name) == "server" and name not in SERVER_WIRING:
            stores = {module for module in imports_of(name) if part_of(module) == "storage"}
            assert stores <= {"hopsight.storage.store"}, name


def test_dialects_do_not_import_each_other() -> None:
    """The API's versions, and our own, are folders of thin handlers over what they share."""
    for name in MODULES:
        for dialect, other in permutations(("v6", "v7", "hopsight"), 2):
            if f".api.{dialect}." in f"{name}.":
                assert not [module for module in imports_of(name) if f".api.{other}." in f"{module}."], name


def test_probes_do_not_import_each_other() -> None:
    """A way of measuring stands alone in its file; a private file of a probe is part of it."""
    for name in MODULES:
        if ".agent.probes." not in name:
            continue
        own = name.rsplit(".", 1)[1].split("_")[0]
        siblings = {
            module
            for module in imports_of(name)
            if ".agent.probes." in module and module.rsplit(".", 1)[1].split("_")[0] != own
        }
        assert not siblings, name


def test_there_is_no_cycle() -> None:
    """Imports go one way, late and type-only ones included."""
    graph = {name: {module for module in imports_of(name) if module != name} for name in MODULES}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name in done:
            return
        for module in sorted(graph.get(name, ())):
            visit(module, (*path, name))
        done.add(name)

    for name in MODULES:
        visit(name, ())


@pytest.mark.parametrize("name", MODULES)
def test_files_and_functions_stay_small(name: str) -> None:
    """A file or function that has outgrown its ceiling wants to be two."""
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < MAX_FUNCTION_LINES, node.name


@pytest.mark.parametrize("name", MODULES)
def test_modules_say_what_they_are(name: str) -> None:
    """Every module has a docstring."""
    assert ast.get_docstring(TREES[name])


@pytest.mark.parametrize("name", MODULES)
def test_only_the_clock_reads_the_time(name: str) -> None:
    """Time comes in through a door, so that tests can hold it."""
    if name == "hopsight.clock":
        return
    calls = {
        (node.func.value.id, node.func.attr)
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
    }
    allowed = {("asyncio", "sleep")} if name == "hopsight.testing" else set()
    assert not (calls & CLOCK_CALLS) - allowed


@pytest.mark.parametrize("name", MODULES)
def test_only_settings_read_the_environment(name: str) -> None:
    """The command line reads variables; nobody else looks at the environment behind its back."""
    reads = [
        node
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    ]
    assert not reads or name.startswith("hopsight.cli")


@pytest.mark.parametrize("name", MODULES)
def test_errors_are_caught_by_name(name: str) -> None:
    """A broad except stands in three places, and nowhere else."""
    broad = [
        handler.lineno
        for handler in ast.walk(TREES[name])
        if isinstance(handler, ast.ExceptHandler)
        and (handler.type is None or getattr(handler.type, "id", "") in {"Exception", "BaseException"})
    ]
    assert len(broad) <= (1 if name in BROAD_EXCEPTS else 0), broad
