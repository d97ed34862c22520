"""What every resource that needs credentials finds out first."""

from typing import Any

from litestar.connection import Request
from litestar.types import Scope
from msgspec import Struct

from hopsight.model.accounts import Principal
from hopsight.server.api.parameters import Parameters
from hopsight.server.auth import admit, choose_account_group
from hopsight.server.services import Services


class Asked(Struct, frozen=True, kw_only=True):
    """A request whose sender we know.

    Args:
        scope: the request's ASGI scope.
        services: what to answer it with.
        principal: who asks.
        aid: the account group that it is about.
        parameters: those of its query.
    """

    scope: Scope
    services: Services
    principal: Principal
    aid: int
    parameters: Parameters


async def ask(request: Request[Any, Any, Any]) -> Asked:
    """Credentials first, so that whoever has none learns nothing else; then the account group."""
    services: Services = request.app.state.services
    scope = request.scope
    principal = await admit(scope, services)
    parameters = Parameters(scope["query_string"])
    return Asked(
        scope=scope,
        services=services,
        principal=principal,
        aid=choose_account_group(principal, parameters.one("aid")),
        parameters=parameters,
    )
