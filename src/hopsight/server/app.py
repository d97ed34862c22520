"""The server put together: the front, the router behind it, and the services that handlers find."""

import asyncio
import random
from typing import TYPE_CHECKING, NoReturn

from litestar import Litestar
from litestar.connection import Request
from litestar.datastructures import State

from hopsight.accounts.accounts import Accounts
from hopsight.clock import Clock
from hopsight.config import ServerConfig
from hopsight.errors import ConfigError
from hopsight.server import agent_api, operations
from hopsight.server.api import openapi
from hopsight.server.api.hopsight import routes as own
from hopsight.server.api.v6 import routes as v6
from hopsight.server.api.v7 import routes as v7
from hopsight.server.draining import Draining
from hopsight.server.front import Front
from hopsight.server.limits import Limits, MemoryLimits
from hopsight.server.live import Hub
from hopsight.server.metrics import Metrics
from hopsight.server.networks import Networks
from hopsight.server.password_work import PasswordWork
from hopsight.server.picture_work import PictureWork
from hopsight.server.places.atlas import Atlas
from hopsight.server.reports.shelf import Shelf
from hopsight.server.services import MAX_TRIALS, MAX_UPLOADS, Services
from hopsight.server.single_sign_on import SingleSignOn
from hopsight.server.web import (
    account,
    agents,
    alerts,
    live,
    networks,
    overview,
    pages,
    paths,
    provider_sign_in,
    report,
    rule_pages,
    session,
    sign_in,
    window_pages,
)
from hopsight.server.web.admin import routes as administration
from hopsight.server.web.export import routes as export
from hopsight.storage.store import Store

if TYPE_CHECKING:
    from hopsight.server.shared.link import Link


def create_app(
    config: ServerConfig, store: Store, accounts: Accounts, clock: Clock, rng: random.Random
) -> Front:
    """Wire one server; handlers find what they work with at ``request.app.state.services``.

    Raises:
        ConfigError: a file or address that a setting names is wrong.
    """
    metrics = Metrics()
    limits, link = _limits(config, accounts, clock, metrics)
    services = Services(
        config=config,
        store=store,
        accounts=accounts,
        clock=clock,
        rng=rng,
        limits=limits,
        link=link,
        live=Hub(store, clock, metrics),
        draining=Draining(),
        metrics=metrics,
        networks=Networks(store, clock),
        atlas=Atlas.open(config, accounts, clock),
        upload_slots=asyncio.Semaphore(MAX_UPLOADS),
        trial_slots=asyncio.Semaphore(MAX_TRIALS),
        password_work=PasswordWork(),
        picture_work=PictureWork(),
        single_sign_on=SingleSignOn.open(config, clock),
        reports=Shelf(config, clock),
    )
    programs = [*v6.HANDLERS, *v7.HANDLERS, *own.HANDLERS, *agent_api.HANDLERS, *operations.HANDLERS]
    people = [*pages.HANDLERS, *overview.HANDLERS, *session.HANDLERS, *sign_in.HANDLERS, *account.HANDLERS]
    people += [*provider_sign_in.HANDLERS, *alerts.HANDLERS]
    people += [*rule_pages.HANDLERS, *window_pages.HANDLERS]
    people += [*agents.HANDLERS, *networks.HANDLERS, *paths.HANDLERS, *administration.HANDLERS]
    people += [*live.HANDLERS]
    people += [*export.HANDLERS, *report.HANDLERS]
    router = Litestar(
        route_handlers=[*programs, *openapi.HANDLERS, *people],
        state=State({"services": services, "openapi": openapi.encode_description(programs)}),
        exception_handlers={Exception: _pass_on},
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    return Front(router, services)


def _limits(
    config: ServerConfig, accounts: Accounts, clock: Clock, metrics: Metrics
) -> "tuple[Limits, Link | None]":
    memory = MemoryLimits(clock, requests_per_minute=config.rate_limit)
    if config.shared is None:
        return memory, None
    try:
        # Late, for those who need it: its library is an extra.
        from hopsight.server.shared.opening import share  # noqa: PLC0415
    except ImportError:
        accepted = "an installation with its client: pip install 'hopsight[server,redis]'"
        raise ConfigError("--shared", "redis://...", accepted) from None
    shared = share(config.shared, memory, accounts, clock, metrics.shared())
    return shared.limits, shared.link


def _pass_on(_: Request, error: Exception) -> NoReturn:  # type: ignore[type-arg]
    # The front answers every error, in the shape of the dialect that was asked.
    raise error
