"""From ``hopsight.toml`` to defaults of options.

A top-level key holds for every command that has an option of its name; a table holds for the command it is
named after, and wins. Keys are the options' long names, with ``-`` or ``_``. ``[privacy]`` is a section for
what is not to be told: its keys hold as if they stood at the top level.
"""

from pathlib import Path
from typing import Any, Final

import typer.core

from hopsight.config import read_settings_file
from hopsight.errors import ConfigError

Command = typer.core.TyperGroup | typer.core.TyperCommand

FILE_NAME = "hopsight.toml"
PRIVACY: Final = "privacy"
PRIVACY_KEYS: Final = ("redact", "passive", "passive_include", "passive_exclude")


def default_map(root: Command, chosen: Path | None) -> dict[str, Any]:
    """Read the settings file that applies, if any, as the ``default_map`` of the command line library.

    Raises:
        ConfigError: a chosen file cannot be read, or a key in it is no setting.
    """
    path = chosen if chosen is not None else _found()
    if path is None:
        return {}
    table = _with_privacy_on_top(read_settings_file(path), str(path))
    return _defaults_of(root, table, {}, str(path))


def _with_privacy_on_top(table: dict[str, Any], where: str) -> dict[str, Any]:
    section = table.get(PRIVACY)
    if not isinstance(section, dict):
        return table
    for key in section:
        if _canonical(key) not in PRIVACY_KEYS:
            accepted = ", ".join(name.replace("_", "-") for name in PRIVACY_KEYS)
            raise ConfigError(f"key in [{PRIVACY}] of {where}", key, accepted)
        if key in table:
            raise ConfigError(f"key in {where}", key, f"once: at the top or in [{PRIVACY}]")
    return {key: value for key, value in table.items() if key != PRIVACY} | section


def _found() -> Path | None:
    import platformdirs

    for directory in (platformdirs.user_config_path("hopsight"), platformdirs.site_config_path("hopsight")):
        if (directory / FILE_NAME).is_file():
            return directory / FILE_NAME
    return None


def _defaults_of(
    command: Command, table: dict[str, Any], inherited: dict[str, Any], where: str
) -> dict[str, Any]:
    subcommands = _subcommands(command)
    own = {key: value for key, value in table.items() if key not in subcommands}
    for name, value in table.items():
        if name in subcommands and not isinstance(value, dict):
            raise ConfigError(f"{name} in {where}", value, f"a table, [{name}]")
    settings = {_canonical(key): value for key, value in own.items()}
    _check_known(command, own, where)
    passed_on = inherited | settings
    # A group may have options of its own, and do something by itself.
    names = _own_option_names(command)
    return {name: value for name, value in passed_on.items() if name in names} | {
        name: _defaults_of(subcommand, table.get(name, {}), passed_on, f"[{name}] of {where}")
        for name, subcommand in subcommands.items()
    }


def _check_known(command: Command, own: dict[str, Any], where: str) -> None:
    known = _option_names(command)
    for key in own:
        if _canonical(key) not in known:
            names = ", ".join(sorted(name.replace("_", "-") for name in known))
            raise ConfigError(f"key in {where}", key, names)


def _option_names(command: Command) -> set[str]:
    """The options of a command and of all below it."""
    names = _own_option_names(command)
    for subcommand in _subcommands(command).values():
        names |= _option_names(subcommand)
    return names


def _own_option_names(command: Command) -> set[str]:
    """The options of a command; those that only act once cannot be settings."""
    return {
        parameter.name
        for parameter in command.params
        if parameter.param_type_name == "option"
        and parameter.name
        and parameter.name != "config"
        and parameter.expose_value
        and not parameter.is_eager
    }


def _subcommands(command: Command) -> dict[str, Command]:
    return getattr(command, "commands", {})


def _canonical(key: str) -> str:
    return key.replace("-", "_")
