"""``hopsight admin store copy``: records from one store to another."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hopsight.cli.admin_options import JsonOption
from hopsight.cli.data_directory import DataOption, data_directory
from hopsight.cli.output import print_listing

if TYPE_CHECKING:
    from hopsight.storage.copying import Copied
    from hopsight.storage.store import Store

SourceArgument = Annotated[
    str,
    typer.Argument(metavar="SOURCE", help="As --store: sqlite (in --data), sqlite:PATH, clickhouse://..."),
]
TargetArgument = Annotated[
    str, typer.Argument(metavar="TARGET", help="Likewise; what it holds besides stays as it is.")
]
TrustOption = Annotated[
    bool,
    typer.Option(
        "--trust-counts",
        help="Do not compare hours of which both have equally many records: a quick second run.",
    ),
]


def copy_records(
    source: SourceArgument,
    target: TargetArgument,
    trust_counts: TrustOption = False,
    json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Copy all records, and compare every round by its digest. Broken off, it goes on when run again.

    The server of the source may go on meanwhile: stop it at the end, and run this once more for what came
    since.
    """
    from hopsight.cli.serving import require_server

    require_server()
    import asyncio

    from msgspec import structs

    rows = asyncio.run(_copy(source, target, data_directory(data), trust_counts=trust_counts))
    print_listing("kinds", [structs.asdict(row) for row in rows], as_json=json)


async def _copy(source: str, target: str, data: Path, *, trust_counts: bool) -> "list[Copied]":
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from hopsight.storage.copying import copy_store

    async with _opened(source, data) as ours, _opened(target, data) as theirs:
        with Progress(console=Console(stderr=True)) as progress:
            tasks: dict[str, TaskID] = {}

            def tell(kind: str, done: int, total: int) -> None:
                if kind not in tasks:
                    tasks[kind] = progress.add_task(kind, total=total)
                progress.update(tasks[kind], completed=done)

            return await copy_store(ours, theirs, tell, trust_counts=trust_counts)


@asynccontextmanager
async def _opened(url: str, data: Path) -> "AsyncIterator[Store]":
    from hopsight.clock import SystemClock
    from hopsight.errors import ConfigError
    from hopsight.storage import ACCEPTED, open_store, store_file

    file = store_file(url, data)
    if url.startswith("memory:"):
        raise ConfigError("store", url, f"{ACCEPTED}; but what is in memory: ends with this command")
    if file is not None and not file.parent.is_dir():
        raise ConfigError("store", file, "a file in a directory that exists")
    if url.startswith("clickhouse:") and "merge_ms=" not in url:
        # Pauses between inserts are for many small uploads: here nobody else would fill them.
        url += f"{'&' if '?' in url else '?'}merge_ms=0"
    store = open_store(url, data, SystemClock())
    try:
        await store.check()
        yield store
    finally:
        await store.close()
