"""What handlers work with; made once by ``app.create_app`` and found at ``request.app.state.services``."""

import asyncio
import random
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from hopsight.accounts.accounts import Accounts
from hopsight.clock import Clock
from hopsight.config import ServerConfig
from hopsight.server.draining import Draining
from hopsight.server.limits import Limits
from hopsight.server.live import Hub
from hopsight.server.metrics import Metrics
from hopsight.server.networks import Networks
from hopsight.server.password_work import PasswordWork
from hopsight.server.picture_work import PictureWork
from hopsight.server.places.atlas import Atlas
from hopsight.server.reports.shelf import Shelf
from hopsight.server.single_sign_on import SingleSignOn
from hopsight.storage.store import Store

if TYPE_CHECKING:
    # Its library is an extra.
    from hopsight.server.shared.link import Link

MAX_UPLOADS: Final = 32
MAX_TRIALS: Final = 4


class Services(Struct, frozen=True, kw_only=True):
    """One of each; slots bound the uploads and tests of rules at once; ``link``: to other servers, if any."""

    config: ServerConfig
    store: Store
    accounts: Accounts
    clock: Clock
    rng: random.Random
    limits: Limits
    link: "Link | None"
    live: Hub
    draining: Draining
    metrics: Metrics
    networks: Networks
    atlas: Atlas
    upload_slots: asyncio.Semaphore
    trial_slots: asyncio.Semaphore
    password_work: PasswordWork
    picture_work: PictureWork
    single_sign_on: SingleSignOn | None
    reports: Shelf
