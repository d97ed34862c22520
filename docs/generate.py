"""Write the reference pages from the code; ``--check`` says which are stale instead, and exits 1.

Run by ``make docs``; a test runs the check.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import typer.main

from hopsight.cli.main import app
from hopsight.cli.settings import Command
from hopsight.model.dimensions import FILTERS
from hopsight.model.kinds import KINDS
from hopsight.server import agent_api
from hopsight.server.api.hopsight import routes as own
from hopsight.server.api.openapi import encode_description
from hopsight.server.api.v6 import routes as v6
from hopsight.server.api.v7 import routes as v7

sys.path.insert(0, str(Path(__file__).parents[1]))

from docs.field_page import field_page
from docs.resource_pages import resource_pages

REFERENCE = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/generate.py from the code: change that, then run `make docs`. -->"

FILTERS_INTRODUCTION = """\
The keys that `searchFilters` of a POST takes, and `hopsight sessions --filter`. A record must match every key
given, and one of the values of each. Enumerated values and host names compare without regard to case,
everything else exactly. A value that no record has matches nothing, and is no error; an unknown key is
refused (400)."""

API_INTRODUCTION = """\
Everything that a server answers to programs. Its own `/docs` shows the same with every field, and
`/openapi.json` is for machines. The groups other than `Hopsight` and `Agents` are the compatible version 6:
JSON or XML, also with the suffix `.json` or `.xml`. `Hopsight` is our own API: JSON; credentials, roles,
limits, time ranges, pages and errors are those of version 6.

A list without `window` or `from` is of the last round. A user session has the ID of the network session of
the same measurement. A state of an agent belongs to the round in which it starts; a time range has those
that start in it and those of the day before that reach into it, and so a page may be short, even empty, and
have a `next`."""

COMMANDS_INTRODUCTION = """\
Every option is also a key of `hopsight.toml` (its long name without dashes in front; top level for all
commands, in a table like `[server]` for one), and where named, a variable. Flags win over variables, which
win over the file. The file is `--config FILE`, else `hopsight.toml` in the user's settings directory, else in
the system's."""


def filters_page() -> str:
    """The table of filter keys, and which list takes which."""
    lines = [
        "# Filters",
        NOTE,
        "",
        FILTERS_INTRODUCTION,
        "",
        "| key | meaning | " + " | ".join(f"`{kind.list_key}`" for kind in KINDS.values()) + " |",
        "|---|---|" + "---|" * len(KINDS),
    ]
    for row in FILTERS.values():
        takes = " | ".join("yes" if kind in row.kinds else "" for kind in KINDS)
        lines.append(f"| `{row.key}` | {row.meaning} | {takes} |")
    return "\n".join(lines) + "\n"


def command_page() -> str:
    """Every command with its arguments and options, variables included."""
    lines = [
        "# Command line and settings",
        NOTE,
        "",
        COMMANDS_INTRODUCTION,
        "",
        "Exit status: 0 done, 1 it failed (one line on stderr says why), 2 wrong usage, 130 interrupted.",
    ]
    for words, command in commands(cast(Command, typer.main.get_command(app)), ("hopsight",)):
        lines += ["", f"## `{' '.join(words)}`", "", (command.help or "").split("\f")[0].strip(), ""]
        lines += list(options_table(command))
    return "\n".join(lines) + "\n"


def commands(command: Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Command]]:
    """A command line's commands that do something, depth first."""
    inner = getattr(command, "commands", {})
    if not inner or getattr(command, "invoke_without_command", False):
        yield words, command
    for name, subcommand in inner.items():
        if not subcommand.hidden:
            yield from commands(subcommand, (*words, name))


def options_table(command: Command) -> Iterator[str]:
    """One row for each argument and option of a command that is not hidden."""
    yield "| option | variable | default | meaning |"
    yield "|---|---|---|---|"
    for parameter in command.params:
        if getattr(parameter, "hidden", False) or parameter.name == "help":
            continue
        if parameter.param_type_name == "argument":
            name = (parameter.name or "").upper()
        else:
            name = ", ".join(parameter.opts + parameter.secondary_opts)
        variable = parameter.envvar if isinstance(parameter.envvar, str) else ""
        meaning = (getattr(parameter, "help", None) or "").replace("|", "\\|")
        yield f"| `{name}` | {f'`{variable}`' if variable else ''} | {default_of(parameter)} | {meaning} |"


def default_of(parameter: object) -> str:
    """A default as a reader would write it; nothing where there is none worth a word."""
    default = getattr(parameter, "default", None)
    if default is None or callable(default) or default in ((), [], False, "") or "Sentinel" in repr(default):
        return ""
    return f"`{getattr(default, 'value', default)}`"


def api_page() -> str:
    """Every operation that programs may ask for, by group."""
    described = json.loads(
        encode_description([*v6.HANDLERS, *v7.HANDLERS, *own.HANDLERS, *agent_api.HANDLERS])
    )
    groups: dict[str, list[str]] = {}
    for path, item in described["paths"].items():
        for method, operation in item.items():
            parameters = ", ".join(f"`{each['name']}`" for each in operation["parameters"])
            row = f"| {method.upper()} | `{path}` | {operation['summary']} | {parameters} |"
            groups.setdefault(operation["tags"][0], []).append(row)
    lines = ["# HTTP API", NOTE, "", API_INTRODUCTION]
    for group, rows in groups.items():
        heading = [
            "",
            f"## {group}",
            "",
            "| method | path | what it does | parameters |",
            "|---|---|---|---|",
        ]
        lines += heading + rows
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "filters.md": filters_page,
    "commands.md": command_page,
    "api.md": api_page,
}


def pages() -> dict[str, str]:
    """Every page by its name below ``reference``."""
    made = {name: make() for name, make in PAGES.items()} | {"fields.md": field_page(NOTE)}
    return made | resource_pages([*v6.HANDLERS, *v7.HANDLERS, *own.HANDLERS], NOTE)


def main() -> int:
    """Write or check the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="say which pages are stale, write nothing")
    check = parser.parse_args().check
    stale = []
    written = pages()
    gone = {path.relative_to(REFERENCE).as_posix() for path in REFERENCE.rglob("*.md")} - set(written)
    for name in sorted(gone):
        stale.append(name)
        if not check:
            (REFERENCE / name).unlink()
    for name, text in written.items():
        path = REFERENCE / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    print(
        "\n".join(f"{'stale' if check else 'written'}: {name}" for name in stale) or "all pages are current"
    )
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
