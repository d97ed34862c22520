"""A program to be killed: asks the store at argv[1] about everything, for ever: chunks are made of it."""

import asyncio
import sys
from pathlib import Path

from hopsight.model.dimensions import NETWORK_SESSIONS
from hopsight.model.query import Query
from hopsight.storage import sqlite_columns
from hopsight.storage.sqlite import SqliteStore
from hopsight.testing import ROUND_ID

EVERYTHING = Query(kind=NETWORK_SESSIONS, aid=7625, first_round=0, last_round=ROUND_ID * 2)


async def main() -> None:
    """One line for each answer."""
    vars(sqlite_columns).update(FEW_ROWS=0, SETTLED_S=0, FILLS=1)
    store = SqliteStore(Path(sys.argv[1]))
    while True:
        found = await store.summarize(EVERYTHING, 1 << 22)
        print(found.whole.records, flush=True)  # noqa: T201


asyncio.run(main())
