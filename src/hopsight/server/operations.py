"""What operators' programs ask: is it well, and what has it counted."""

from typing import Any, Final

import msgspec
from litestar import Request, get

from hopsight.errors import StoreUnavailableError
from hopsight.model.dimensions import NETWORK_SESSIONS
from hopsight.server.api.answers import Answer
from hopsight.server.metrics import EXPOSITION_TYPE
from hopsight.server.services import Services

NO_ACCOUNT_GROUP: Final = 0


@get("/healthz")
async def healthz(request: Request[Any, Any, Any]) -> Answer:
    """200 when store and accounts answer, else 503 with the reason."""
    services: Services = request.app.state.services
    try:
        await services.store.last_round(NETWORK_SESSIONS, NO_ACCOUNT_GROUP)
        services.accounts.account_group(NO_ACCOUNT_GROUP)
    except StoreUnavailableError as error:
        return Answer(msgspec.json.encode({"status": "unavailable", "reason": str(error)}), status=503)
    return Answer(b'{"status":"ok"}')


@get("/metrics")
async def metrics(request: Request[Any, Any, Any]) -> Answer:
    """Counts for Prometheus; nothing of what was measured, and of no tenant."""
    services: Services = request.app.state.services
    return Answer(services.metrics.expose(), EXPOSITION_TYPE.encode())


HANDLERS: Final[list[Any]] = [healthz, metrics]
