"""Signing in and out: e-mail and password, or a token that is pasted, against a session in a cookie.

The form is bound to a cookie of its own, so that no other site can sign somebody in as somebody else.
"""

from typing import Any, Final

from litestar import get, post
from litestar.connection import Request
from litestar.exceptions import HTTPException
from litestar.types import Scope

from hopsight.accounts.browser_sessions import Device
from hopsight.accounts.credentials import new_secret
from hopsight.errors import PermissionDeniedError
from hopsight.server.api.answers import Answer
from hopsight.server.api.parameters import Parameters
from hopsight.server.api.visits import header
from hopsight.server.auth import admit, source_address
from hopsight.server.services import Services
from hopsight.server.web import cookies
from hopsight.server.web.csrf import csrf_token
from hopsight.server.web.forms import Form, check_csrf, read_form, see_other
from hopsight.server.web.password_gate import check_password, check_token
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.rendering import render
from hopsight.server.web.returning import checked_next
from hopsight.server.web.signed_in import recognize

_PATH: Final = "/sign-in"
_WRONG: Final = "E-mail address or password is wrong"
_WRONG_TOKEN: Final = "This token is not known"  # noqa: S105 - no token
_NO_COOKIE: Final = (
    "This form is too old, or your browser keeps no cookies for this site; allow them, and try again"
)
_FORBIDDEN: Final = 403


class _NotAcceptedError(Exception):
    """The form comes back, with what is wrong."""


@get(_PATH)
async def show_sign_in(request: Request[Any, Any, Any]) -> Answer:
    """The form; who is signed in goes on to ``next`` at once, and so does a program that shows a token."""
    scope, services = request.scope, _services(request)
    try:
        wanted = checked_next(Parameters(scope["query_string"]).one("next") or "/")
        if recognize(scope, services) is not None:
            return see_other(wanted)
        if header(scope, b"authorization"):
            return see_other(f"/?aid={(await admit(scope, services)).login_aid}")
    except REFUSALS as error:
        return refusal(scope, error)
    return sign_in_form(scope, services, wanted)


@post(_PATH)
async def sign_in(request: Request[Any, Any, Any]) -> Answer:
    """Begin a session, under an ID that nobody knew before, and go to ``next``."""
    scope, services = request.scope, _services(request)
    try:
        form = await read_form(request)
    except HTTPException as error:
        return refusal(scope, error)
    wanted, email = checked_next(form.one("next")), form.one("email")
    try:
        _require_own_form(request)
        secret = await _begin(scope, services, form)
    except PermissionDeniedError:
        return sign_in_form(scope, services, wanted, email, message=_NO_COOKIE, status=_FORBIDDEN)
    except _NotAcceptedError as error:
        return sign_in_form(scope, services, wanted, email, message=str(error), status=_FORBIDDEN)
    except HTTPException as error:
        page = sign_in_form(scope, services, wanted, email, message=error.detail, status=error.status_code)
        retry = (error.headers or {}).get("Retry-After", "")
        return _with_headers(page, ((b"retry-after", retry.encode()),) if retry else ())
    except REFUSALS as error:
        return refusal(scope, error)
    config = services.config
    return see_other(
        wanted,
        cookies.write_cookie(scope, config, cookies.SESSION, secret),
        cookies.forget_cookie(scope, config, cookies.SIGN_IN, _PATH),
    )


@post("/sign-out")
async def sign_out(request: Request[Any, Any, Any]) -> Answer:
    """End the session of this browser; nothing to end is fine, too."""
    scope, services = request.scope, _services(request)
    try:
        known = recognize(scope, services)
        if known is not None:
            await read_form(request)
            check_csrf(request, known.csrf)
            services.accounts.sign_ins.end(cookies.read_cookie(scope, cookies.SESSION))
    except REFUSALS as error:
        return refusal(scope, error)
    return see_other("/", cookies.forget_cookie(scope, services.config, cookies.SESSION))


def device_of(scope: Scope) -> Device:
    """Where a request comes from, for the list of somebody's sessions."""
    browser = "".join(char if char.isprintable() else "?" for char in header(scope, b"user-agent"))
    return Device(ip_address=source_address(scope) or None, browser=browser or None)


async def _begin(scope: Scope, services: Services, form: Form) -> str:
    sign_ins = services.accounts.sign_ins
    replaced, token = cookies.read_cookie(scope, cookies.SESSION) or None, form.one("token").strip()
    if token:
        known = await check_token(scope, services, token)
        secret = sign_ins.begin_by_token(token, device_of(scope), replaced) if known else None
        if secret is None:
            raise _NotAcceptedError(_WRONG_TOKEN)
        return secret
    stored = await check_password(scope, services, form.one("email"), form.one("password"))
    secret = None if stored is None else sign_ins.begin_by_password(stored, device_of(scope), replaced)
    if secret is None:
        raise _NotAcceptedError(_WRONG)
    return secret


def _require_own_form(request: Request[Any, Any, Any]) -> None:
    bound_to = cookies.read_cookie(request.scope, cookies.SIGN_IN)
    if not bound_to:
        raise PermissionDeniedError(_NO_COOKIE)
    check_csrf(request, csrf_token(bound_to))


def sign_in_form(
    scope: Scope,
    services: Services,
    wanted: str,
    email: str = "",
    *,
    message: str = "",
    status: int = 200,
) -> Answer:
    """The page of the form, with what was wrong before; bound to its cookie."""
    bound_to = cookies.read_cookie(scope, cookies.SIGN_IN)
    kept = bool(bound_to)
    if not kept:
        bound_to = new_secret()
    page = render(
        scope,
        "sign_in.html",
        csrf=csrf_token(bound_to),
        wanted=wanted,
        typed=email,
        message=message,
        has_provider=services.single_sign_on is not None,
        simulated=services.config.simulated,
    )
    page.status = status
    if kept:
        return page
    cookie = cookies.write_cookie(scope, services.config, cookies.SIGN_IN, bound_to, _PATH)
    return _with_headers(page, ((b"set-cookie", cookie),))


def _with_headers(page: Answer, more: tuple[tuple[bytes, bytes], ...]) -> Answer:
    return Answer(page.body, page.content_type, status=page.status, headers=page.headers + more)


def _services(request: Request[Any, Any, Any]) -> Services:
    services: Services = request.app.state.services
    return services


HANDLERS: Final[list[Any]] = [show_sign_in, sign_in, sign_out]
