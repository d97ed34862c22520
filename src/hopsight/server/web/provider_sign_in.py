"""Signing in with an identity provider, there and back again: it says who somebody is, and makes no users."""

from typing import Any, Final

from litestar import get
from litestar.connection import Request
from litestar.types import Scope

from hopsight.accounts.credentials import new_secret
from hopsight.errors import AuthenticationError, NotFoundError
from hopsight.server.api.answers import Answer
from hopsight.server.api.links import origin
from hopsight.server.api.parameters import Parameters
from hopsight.server.services import Services
from hopsight.server.single_sign_on import CALLBACK, ProviderError, SingleSignOn
from hopsight.server.web import cookies
from hopsight.server.web.forms import see_other
from hopsight.server.web.password_gate import count_wrong, refuse_locked_out
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.returning import START, checked_next
from hopsight.server.web.sign_in import device_of, sign_in_form

_PATH: Final = "/sign-in"
_FORBIDDEN: Final = 403


@get("/sign-in/provider")
async def begin_at_provider(request: Request[Any, Any, Any]) -> Answer:
    """Lead the browser to the provider, with a secret of its own to come back with."""
    scope, services = request.scope, _services(request)
    try:
        single, wanted = _single_sign_on(services), Parameters(scope["query_string"]).one("next") or START
        refuse_locked_out(scope, services)
    except REFUSALS as error:
        return refusal(scope, error)
    wanted, secret = checked_next(wanted), new_secret()
    try:
        location = await single.begin(secret, wanted, origin(scope, services.config.public_url))
    except ProviderError as error:
        return sign_in_form(scope, services, wanted, message=str(error), status=503)
    cookie = cookies.write_cookie(scope, services.config, cookies.PROVIDER, secret, _PATH)
    return see_other(location, cookie)


@get(CALLBACK)
async def come_back(request: Request[Any, Any, Any]) -> Answer:
    """Begin a session for whom the provider vouches, if that is a user of this server."""
    scope, services = request.scope, _services(request)
    try:
        single, given = _single_sign_on(services), Parameters(scope["query_string"])
        state, code, said = given.one("state") or "", given.one("code") or "", given.one("error")
        refuse_locked_out(scope, services)
    except REFUSALS as error:
        return refusal(scope, error)
    secret, wanted = cookies.read_cookie(scope, cookies.PROVIDER), START
    try:
        wanted = checked_next(single.wanted_of(secret, state))
        session = await _begin(scope, services, code if said is None else "")
    except AuthenticationError as error:
        await count_wrong(scope, services)
        page = sign_in_form(scope, services, wanted, message=str(error), status=_FORBIDDEN)
        forgotten = cookies.forget_cookie(scope, services.config, cookies.PROVIDER, _PATH)
        headers = (*page.headers, (b"set-cookie", forgotten))
        return Answer(page.body, page.content_type, status=page.status, headers=headers)
    except REFUSALS as error:
        return refusal(scope, error)
    return see_other(
        wanted,
        cookies.write_cookie(scope, services.config, cookies.SESSION, session),
        cookies.forget_cookie(scope, services.config, cookies.PROVIDER, _PATH),
    )


async def _begin(scope: Scope, services: Services, code: str) -> str:
    if not code:
        raise ProviderError("The identity provider did not sign you in")
    secret, base = cookies.read_cookie(scope, cookies.PROVIDER), origin(scope, services.config.public_url)
    email = await _single_sign_on(services).email_of(secret, code, base)
    replaced = cookies.read_cookie(scope, cookies.SESSION) or None
    session = services.accounts.sign_ins.begin_by_email(email, device_of(scope), replaced)
    if session is None:
        raise AuthenticationError("This server has no user with your address; whoever runs it can make one")
    return session


def _single_sign_on(services: Services) -> SingleSignOn:
    if services.single_sign_on is None:
        raise NotFoundError("This server knows no identity provider")
    return services.single_sign_on


def _services(request: Request[Any, Any, Any]) -> Services:
    services: Services = request.app.state.services
    return services


HANDLERS: Final[list[Any]] = [begin_at_provider, come_back]
