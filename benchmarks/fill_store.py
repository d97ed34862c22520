"""Fill a store with the week of sessions that ``bench_dashboard`` and ``bench_scale`` ask of.

``bench_scale`` copies what the embedded store holds to ClickHouse. Tens of millions are there sooner if each
store is filled beside the other: the same seed makes the same sessions. ``--store sqlite:FILE`` or ``clickhouse://``.
"""

import argparse
import asyncio
from pathlib import Path
from typing import Final

from benchmarks.bench_dashboard import a_week
from benchmarks.report import progress

from hopsight.clock import SystemClock
from hopsight.model.dimensions import USER_SESSIONS
from hopsight.storage import open_store
from hopsight.storage.clickhouse.address import parse
from hopsight.storage.clickhouse.management import prepare_tables

BATCH: Final = 10_000
TOLD_EACH: Final = 1_000_000


async def fill(url: str, sessions: int, seed: int) -> None:
    """Make its tables if it is ClickHouse, and add the sessions."""
    scheme, _, rest = url.partition(":")
    if scheme == "clickhouse":
        await prepare_tables(parse(rest), SystemClock())
    store = open_store(url, Path(), SystemClock())
    stored = 0
    try:
        for batch in a_week(sessions, seed, BATCH):
            await store.add(USER_SESSIONS, batch)
            stored += len(batch)
            if stored % TOLD_EACH < BATCH:
                progress(f"{scheme}: {stored:,} of {sessions:,}")
    finally:
        await store.close()


def main() -> None:
    """Fill the store that is named."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--store",
        required=True,
        help="sqlite:FILE, or clickhouse://USER:PASSWORD@HOST:PORT/DATABASE?merge_ms=0",
    )
    options.add_argument("--sessions", type=int, required=True, help="how many")
    options.add_argument("--seed", type=int, default=1, help="of the data (default: 1)")
    arguments = options.parse_args()
    asyncio.run(fill(arguments.store, arguments.sessions, arguments.seed))


if __name__ == "__main__":
    main()
