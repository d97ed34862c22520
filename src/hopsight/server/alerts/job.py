"""Alerts beside serving: rounds are looked at as they fall due, and who wants to know is told."""

import random

from hopsight.accounts.accounts import Accounts
from hopsight.clock import Clock
from hopsight.config import ServerConfig
from hopsight.server.alerts.engine import AlertEngine, watch
from hopsight.server.alerts.notifier import Notifier, Post
from hopsight.storage.store import Store


async def keep_watch(
    store: Store, accounts: Accounts, clock: Clock, rng: random.Random, config: ServerConfig, url: str
) -> None:
    """Hold rules against rounds until cancelled; ``url``: where people reach this server."""
    notifier = Notifier(accounts, clock, rng, _post(config), config.public_url or url)
    try:
        await watch(AlertEngine(store, accounts, clock), clock, notifier.tell)
    finally:
        await notifier.close()


def _post(config: ServerConfig) -> Post:
    async def post(url: str, body: bytes, headers: dict[str, str]) -> None:
        # Late, for those who need it: the library behind it is large.
        from hopsight.server.alerts.webhooks import WebhookClient  # noqa: PLC0415

        await WebhookClient(allow_local=config.local_webhooks).post(url, body, headers)

    return post
