"""What handlers work with; made once by ``app.create_app`` and found at ``request.app.state.services``."""

import random

from msgspec import Struct

from hopsight.accounts.accounts import Accounts
from hopsight.clock import Clock
from hopsight.config import ServerConfig
from hopsight.server.limits import Limits
from hopsight.server.metrics import Metrics
from hopsight.storage.store import Store


class Services(Struct, frozen=True, kw_only=True):
    """One of each."""

    config: ServerConfig
    store: Store
    accounts: Accounts
    clock: Clock
    rng: random.Random
    limits: Limits
    metrics: Metrics
