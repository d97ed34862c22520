"""The settings file: what it may say, and what wins over it."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from hopsight.cli.settings import default_map
from hopsight.errors import ConfigError


def sample_app() -> typer.Typer:
    """A command line in miniature: a command with options, and a group with a command in it."""
    app = typer.Typer(rich_markup_mode=None)

    @app.command()
    def serve(
        port: int = typer.Option(1, envvar="HOPSIGHT_TEST_PORT"),
        data: str = typer.Option("here"),
        target: list[str] = typer.Option([]),  # noqa: B008 - typer's way
    ) -> None:
        typer.echo(f"{port} {data} {target}")

    group = typer.Typer()
    app.add_typer(group, name="admin")

    @group.command()
    def make(data: str = typer.Option("here")) -> None:
        typer.echo(f"made in {data}")

    watch = typer.Typer()
    app.add_typer(watch, name="watch")

    @watch.callback(invoke_without_command=True)
    def watching(
        context: typer.Context,
        redact: list[str] = typer.Option([]),  # noqa: B008 - typer's way
        data: str = typer.Option("here"),
    ) -> None:
        if context.invoked_subcommand is None:
            typer.echo(f"watching {data} without {redact}")

    @watch.command()
    def look(data: str = typer.Option("here")) -> None:
        typer.echo(f"looking at {data}")

    @app.callback()
    def root(context: typer.Context, config: Path | None = None) -> None:
        context.default_map = default_map(context.command, config)  # type: ignore[arg-type]

    return app


def run(tmp_path: Path, settings: str, *words: str, env: dict[str, str] | None = None) -> str:
    """Run the miniature with a settings file; its output."""
    path = tmp_path / "hopsight.toml"
    path.write_text(settings)
    result = CliRunner().invoke(
        sample_app(), ["--config", str(path), *words], env=env, catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return result.output.strip()


def test_a_top_level_key_holds_for_every_command(tmp_path: Path) -> None:
    """One `data` serves commands and the commands of groups alike."""
    assert run(tmp_path, 'data = "/d"', "serve") == "1 /d []"
    assert run(tmp_path, 'data = "/d"', "admin", "make") == "made in /d"


def test_a_table_holds_for_its_command_and_wins(tmp_path: Path) -> None:
    """The nearer setting counts."""
    settings = 'data = "/d"\n[serve]\ndata = "/s"\ntarget = ["a", "b"]'
    assert run(tmp_path, settings, "serve") == "1 /s ['a', 'b']"
    assert run(tmp_path, settings, "admin", "make") == "made in /d"


def test_a_group_that_does_something_by_itself_has_settings(tmp_path: Path) -> None:
    """Its table is for itself and for the commands in it."""
    settings = '[watch]\ndata = "/w"\nredact = ["ssid"]\n[watch.look]\ndata = "/l"'
    assert run(tmp_path, settings, "watch") == "watching /w without ['ssid']"
    assert run(tmp_path, settings, "watch", "look") == "looking at /l"
    assert run(tmp_path, '[watch]\ndata = "/w"', "watch", "look") == "looking at /w"


def test_there_is_a_section_for_privacy(tmp_path: Path) -> None:
    """What stands in it holds as if it stood at the top."""
    assert run(tmp_path, '[privacy]\nredact = ["ssid"]', "watch") == "watching here without ['ssid']"


def test_variables_win_over_the_file_and_flags_over_both(tmp_path: Path) -> None:
    """Flags win over variables, which win over the file, which wins over defaults."""
    env = {"HOPSIGHT_TEST_PORT": "3"}
    assert run(tmp_path, "", "serve").startswith("1 ")
    assert run(tmp_path, "[serve]\nport = 2", "serve").startswith("2 ")
    assert run(tmp_path, "[serve]\nport = 2", "serve", env=env).startswith("3 ")
    assert run(tmp_path, "[serve]\nport = 2", "serve", "--port", "4", env=env).startswith("4 ")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('prot = "x"', "'prot'.*accepted: data, port, redact, target"),
        ('[serve]\nprot = "x"', r"\[serve\].*'prot'.*accepted: data, port, target"),
        ("serve = 3", r"a table, \[serve\]"),
        ('[privacy]\ndata = "x"', r"\[privacy\].*'data'.*accepted: redact, passive"),
        ('redact = ["a"]\n[privacy]\nredact = ["b"]', "once: at the top or in"),
        ("port = ", "TOML"),
        ("[admin.make]\nport = 2", r"\[make\] of \[admin\].*'port'.*accepted: data"),
    ],
)
def test_a_wrong_key_is_named_with_what_is_accepted(tmp_path: Path, settings: str, message: str) -> None:
    """A misspelt setting stops the start instead of being ignored."""
    with pytest.raises(ConfigError, match=message):
        run(tmp_path, settings, "serve")


def test_a_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    """A chosen file that cannot be read is an error, not an empty one."""
    command = typer.main.get_command(sample_app())
    with pytest.raises(ConfigError, match="No such file"):
        default_map(command, tmp_path / "absent.toml")  # type: ignore[arg-type]
