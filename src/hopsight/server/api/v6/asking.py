"""What every resource of version 6 that needs credentials finds out first."""

from typing import Any

from litestar.connection import Request
from litestar.types import Scope

from hopsight.server.api import asking
from hopsight.server.api.formats import Format, choose_format
from hopsight.server.api.parameters import Parameters
from hopsight.server.api.visits import header, visit_of
from hopsight.server.auth import admit, choose_account_group
from hopsight.server.services import Services


class Asked(asking.Asked, frozen=True, kw_only=True):
    """A request whose sender we know, and how to answer it."""

    format: Format


async def ask(request: Request[Any, Any, Any]) -> Asked:
    """Credentials first, so that whoever has none learns nothing else; then format and account group."""
    services: Services = request.app.state.services
    scope = request.scope
    principal = await admit(scope, services)
    parameters = Parameters(scope["query_string"])
    return Asked(
        scope=scope,
        services=services,
        principal=principal,
        format=format_of(scope, parameters),
        aid=choose_account_group(principal, parameters.one("aid")),
        parameters=parameters,
    )


def format_of(scope: Scope, parameters: Parameters) -> Format:
    """The format that a request wants.

    Raises:
        InvalidValueError: ``format`` is wrong.
        HTTPException: 406.
    """
    return choose_format(visit_of(scope).suffix, header(scope, b"accept"), parameters.one("format"))
