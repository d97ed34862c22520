"""Who looks at a page, and what every page of theirs needs to know."""

from typing import Any

from litestar.connection import Request
from litestar.types import Scope
from msgspec import Struct

from hopsight.accounts.audit import Actor
from hopsight.errors import InvalidValueError
from hopsight.model.accounts import AccountGroup, Principal, Role
from hopsight.server.api.answers import Answer
from hopsight.server.api.links import origin
from hopsight.server.api.parameters import Parameters
from hopsight.server.auth import choose_account_group, source_address
from hopsight.server.services import Services
from hopsight.server.web.navigation import navigation_for
from hopsight.server.web.rendering import render
from hopsight.server.web.signed_in import identify
from hopsight.server.web.view import View, parse_view


class Visitor(Struct, frozen=True, kw_only=True):
    """A signed-in user and what their page is about.

    Args:
        scope: the request's ASGI scope.
        services: what to answer it with.
        principal: who it is.
        groups: all account groups that they may see.
        group: the one that the page is about.
        view: account group, time and filters.
        parameters: those of the query.
        origin: how the browser calls this server.
        csrf: what forms on their page must send back (``web.forms`` says how).
        session_id: their session; None: they showed a token, as programs do.
    """

    scope: Scope
    services: Services
    principal: Principal
    groups: list[AccountGroup]
    group: AccountGroup
    view: View
    parameters: Parameters
    origin: str
    csrf: str
    session_id: int | None

    @property
    def actor(self) -> Actor:
        """Them, as the audit log will name them."""
        address = source_address(self.scope) or None
        return Actor(who=self.principal.email, uid=self.principal.uid, ip_address=address)

    @property
    def role(self) -> Role:
        """What they may do in the account group."""
        return self.principal.roles[self.group.aid]

    @property
    def newest_round(self) -> int | None:
        """The newest round that this process knows of, in epoch seconds: what the page is as new as."""
        return self.services.live.newest(self.group.aid)

    def render(self, template: str, *, path: str, **context: Any) -> Answer:
        """Answer with a page; ``path`` is its own, marked in the navigation."""
        return render(
            self.scope,
            template,
            visitor=self,
            email=self.principal.email,
            view=self.view,
            group=self.group,
            groups=self.groups,
            path=path,
            navigation=navigation_for(self.role),
            simulated=self.services.config.simulated,
            origin=self.origin,
            **context,
        )


async def see(request: Request[Any, Any, Any]) -> Visitor:
    """Find out who looks, and at what.

    Raises:
        AuthenticationError: nobody has signed in.
        InvalidValueError: a parameter is wrong, or the account group is none of theirs.
    """
    scope = request.scope
    services: Services = request.app.state.services
    known = await identify(scope, services)
    principal = known.principal
    parameters = Parameters(scope["query_string"])
    aid = choose_account_group(principal, parameters.one("aid"))
    groups = services.accounts.account_groups_of(principal)
    group = next((group for group in groups if group.aid == aid), None)
    if group is None:
        # Deleted between the two questions above.
        raise InvalidValueError("aid", aid, "the ID of an account group of yours")
    return Visitor(
        scope=scope,
        services=services,
        principal=principal,
        groups=groups,
        group=group,
        view=parse_view(aid, parameters, services.clock.now()),
        parameters=parameters,
        origin=origin(scope, services.config.public_url),
        csrf=known.csrf,
        session_id=known.session_id,
    )
