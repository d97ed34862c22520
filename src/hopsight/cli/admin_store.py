"""``hopsight admin store``: the tables of a ClickHouse store."""

from typing import TYPE_CHECKING, Annotated

import typer

from hopsight.cli.admin_options import JsonOption, group
from hopsight.cli.output import print_json, print_listing, print_result

if TYPE_CHECKING:
    from hopsight.storage.clickhouse.address import Address

store = group("The tables of a ClickHouse store: make them, bring them up to date, look at them.")

UrlOption = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="HOPSIGHT_STORE",
        metavar="URL",
        help="clickhouse://USER:PASSWORD@HOST:PORT/DATABASE, as for the server.",
        show_default=False,
    ),
]


@store.command("init")
def init_store(url: UrlOption, json: JsonOption = False) -> None:
    """Make the database and its tables; what is there already stays as it is."""
    _bring_up_to_date(url, json=json)


@store.command("migrate")
def migrate_store(url: UrlOption, json: JsonOption = False) -> None:
    """Bring tables of an earlier version up to date, while servers of that version go on using them."""
    _bring_up_to_date(url, json=json)


@store.command("status")
def store_status(url: UrlOption, json: JsonOption = False) -> None:
    """Show what there is: versions, the cluster, records, bytes and days of each table."""
    import asyncio

    from msgspec import structs

    from hopsight.clock import SystemClock
    from hopsight.storage.clickhouse.management import look_at_tables

    status, sizes = asyncio.run(look_at_tables(_address(url), SystemClock()))
    rows = [structs.asdict(each) for each in sizes]
    if json:
        print_json({**structs.asdict(status), "usable": status.is_usable, "tables": rows})
        return
    cluster = "" if status.shards is None else f", {status.shards} shard(s) of {status.replicas} replica(s)"
    typer.echo(f"ClickHouse {status.server}{cluster}")
    if not status.version:
        typer.echo("There are no tables of ours: hopsight admin store init makes them.")
        return
    advice = "" if status.is_usable else "; run hopsight admin store migrate"
    typer.echo(f"Tables of version {status.version}, this program knows {status.known}{advice}.")
    print_listing("tables", rows, as_json=False)


def _bring_up_to_date(url: str, *, json: bool) -> None:
    import asyncio

    from hopsight.clock import SystemClock
    from hopsight.storage.clickhouse.management import prepare_tables

    done = asyncio.run(prepare_tables(_address(url), SystemClock()))
    sentence = f"Done: {', '.join(done)}." if done else "The tables are up to date already."
    print_result({"steps": done}, sentence, as_json=json)


def _address(url: str) -> "Address":
    from hopsight.cli.serving import require_server

    require_server()
    from hopsight.errors import ConfigError
    from hopsight.storage.clickhouse.address import ACCEPTED, parse

    scheme, _, rest = url.partition(":")
    if scheme != "clickhouse":
        raise ConfigError("store", f"{scheme}:...", f"{ACCEPTED}; an SQLite file looks after itself")
    return parse(rest)
