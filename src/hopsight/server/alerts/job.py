"""Alerts beside serving: rounds are looked at as they fall due, and who wants to know is told."""

import asyncio
import random

from hopsight.accounts.accounts import Accounts
from hopsight.clock import Clock
from hopsight.config import ServerConfig
from hopsight.server.alerts.doors import doors_of
from hopsight.server.alerts.engine import AlertEngine, watch
from hopsight.server.alerts.notifier import Notifier
from hopsight.server.alerts.providers import Providers
from hopsight.server.places.atlas import Atlas
from hopsight.storage.store import Store


async def keep_watch(
    store: Store,
    accounts: Accounts,
    clock: Clock,
    rng: random.Random,
    config: ServerConfig,
    url: str,
    atlas: Atlas,
) -> None:
    """Hold rules against rounds until cancelled; ``url``: where people reach this server.

    Not where data is simulated: who makes it says when a round of it is due.
    """
    notifier = Notifier(accounts, clock, rng, doors_of(config, clock), config.public_url or url)
    try:
        async with asyncio.TaskGroup() as both:
            if not config.simulated:
                providers = Providers(accounts, atlas, clock)
                engine = AlertEngine(store, accounts, clock, providers_of=providers.of)
                both.create_task(watch(engine, clock, notifier.tell))
            both.create_task(notifier.run())
    finally:
        await notifier.close()
