"""A program to be killed: adds batches to the store at argv[1], seeded by argv[2]; prints what is kept."""

import asyncio
import random
import sys
from pathlib import Path

from hopsight.model.dimensions import NETWORK_SESSIONS, Dimensions
from hopsight.storage.sqlite import SqliteStore
from hopsight.testing import ROUND_ID, sample_record


async def add_for_ever(store: SqliteStore, rng: random.Random) -> None:
    """Add batches one after the other, each line of output one acknowledged batch."""
    while True:
        batch = [
            sample_record(
                rng,
                round_id=ROUND_ID + 60 * rng.randrange(100),
                dimensions=Dimensions(agent_id=str(rng.randrange(50))),
            )
            for _ in range(rng.randrange(1, 60))
        ]
        await store.add(NETWORK_SESSIONS, batch)
        print(*(f"{record.round_id}/{record.record_id}" for record in batch), flush=True)  # noqa: T201


async def main() -> None:
    """Add from several tasks at once, so that batches share commits."""
    store = SqliteStore(Path(sys.argv[1]))
    await asyncio.gather(*(add_for_ever(store, random.Random(f"{sys.argv[2]}/{task}")) for task in range(4)))


asyncio.run(main())
