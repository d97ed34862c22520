"""What operators' programs ask: is it well, and what has it counted."""

import asyncio
from typing import Any, Final

import msgspec
from litestar import Request, get

from hopsight.errors import StoreUnavailableError
from hopsight.model.dimensions import NETWORK_SESSIONS
from hopsight.server.api.answers import Answer
from hopsight.server.metrics import EXPOSITION_TYPE
from hopsight.server.services import Services

NO_ACCOUNT_GROUP: Final = 0
READY_WITHIN_S: Final = 5.0


@get("/healthz")
async def healthz(request: Request[Any, Any, Any]) -> Answer:
    """200 when store and accounts answer, else 503 with the reason."""
    return await _state_of(request.app.state.services)


@get("/livez")
async def livez() -> Answer:
    """200 as long as the process answers at all, whatever its databases do: else it wants a restart."""
    return Answer(b'{"status":"ok"}')


@get("/readyz")
async def readyz(request: Request[Any, Any, Any]) -> Answer:
    """200 when requests may be sent here: store and accounts answer in time, and it is not about to stop."""
    services: Services = request.app.state.services
    if services.draining.is_on:
        return _unavailable("The server is about to stop")
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            return await _state_of(services)
    except TimeoutError:
        return _unavailable(f"The store does not answer within {READY_WITHIN_S:g} s")


async def _state_of(services: Services) -> Answer:
    try:
        await services.store.last_round(NETWORK_SESSIONS, NO_ACCOUNT_GROUP)
        services.accounts.account_group(NO_ACCOUNT_GROUP)
    except StoreUnavailableError as error:
        return _unavailable(str(error))
    return Answer(b'{"status":"ok"}')


def _unavailable(reason: str) -> Answer:
    return Answer(msgspec.json.encode({"status": "unavailable", "reason": reason}), status=503)


@get("/metrics")
async def metrics(request: Request[Any, Any, Any]) -> Answer:
    """Counts for Prometheus; nothing of what was measured, and of no tenant."""
    services: Services = request.app.state.services
    return Answer(services.metrics.expose(), EXPOSITION_TYPE.encode())


HANDLERS: Final[list[Any]] = [healthz, livez, readyz, metrics]
