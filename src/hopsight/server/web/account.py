"""One's own account: the password, tokens, and where one is signed in."""

from datetime import UTC, datetime
from typing import Any, Final

from litestar import get, post
from litestar.connection import Request
from litestar.exceptions import HTTPException
from msgspec import Struct

from hopsight.accounts.browser_sessions import BrowserSession
from hopsight.accounts.passwords import MIN_CHARS, checked_password
from hopsight.errors import InvalidValueError, NotFoundError
from hopsight.server.api.answers import Answer
from hopsight.server.web import cookies
from hopsight.server.web.admin.user_forms import number, token_rows
from hopsight.server.web.forms import Form, read_form, require_csrf, see_other
from hopsight.server.web.password_gate import check_password
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.sign_in import device_of
from hopsight.server.web.visitor import Visitor, see

PATH: Final = "/account"

_DONE: Final = {
    "password": "Your password is changed; everywhere else you are signed out",
    "session": "That session is over",
    "token": "The token is deleted",
    "others": "Everywhere else you are signed out",
}
_OTHERS: Final = "others"
_MAX_ID_DIGITS: Final = 15


class Row(Struct, frozen=True, kw_only=True):
    """A session as it is shown; times are UTC, to the minute."""

    session_id: int
    is_this: bool
    began: str
    seen: str
    address: str | None
    browser: str | None


@get(PATH)
async def show_account(request: Request[Any, Any, Any]) -> Answer:
    """The page."""
    try:
        visitor = await see(request)
        return _page(visitor, done=_DONE.get(visitor.parameters.one("done") or "", ""))
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(f"{PATH}/password")
async def change_password(request: Request[Any, Any, Any]) -> Answer:
    """Set one's own password; whoever has one shows it first.

    All sessions end, and this browser gets a new one.
    """
    try:
        visitor = await see(request)
        form = await read_form(request)
        require_csrf(request, visitor)
    except REFUSALS as error:
        return refusal(request.scope, error)
    try:
        return await _change(visitor, form)
    except InvalidValueError as error:
        return _page(visitor, message=str(error), status=400)
    except HTTPException as error:
        return _page(visitor, message=error.detail, status=error.status_code)
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(f"{PATH}/sessions")
async def end_session(request: Request[Any, Any, Any]) -> Answer:
    """End one of one's sessions, or all but this one."""
    try:
        visitor = await see(request)
        form = await read_form(request)
        require_csrf(request, visitor)
        ended, uid = form.one("session"), visitor.principal.uid
        sign_ins = visitor.services.accounts.sign_ins
        if ended == _OTHERS:
            sign_ins.end_others(uid, visitor.session_id)
            return see_other(f"{PATH}?done=others")
        if not (ended.isascii() and ended.isdigit() and len(ended) <= _MAX_ID_DIGITS):
            raise NotFoundError(f"You have no session {ended[:_MAX_ID_DIGITS]!r}")
        sign_ins.end_session(uid, int(ended))
    except REFUSALS as error:
        return refusal(request.scope, error)
    return see_other(f"{PATH}?done=session")


@post(f"{PATH}/tokens")
async def make_token(request: Request[Any, Any, Any]) -> Answer:
    """Make a token of one's own; this answer alone shows it."""
    try:
        visitor = await see(request)
        await read_form(request)
        require_csrf(request, visitor)
        principal = visitor.principal
        _, token = visitor.services.accounts.add_token(principal.org_id, principal.uid, visitor.actor)
        return _page(visitor, done="The token is made", secret=token)
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(f"{PATH}/tokens/delete")
async def delete_token(request: Request[Any, Any, Any]) -> Answer:
    """Delete a token of one's own; sessions that were begun with it end."""
    try:
        visitor = await see(request)
        form = await read_form(request)
        require_csrf(request, visitor)
        principal = visitor.principal
        token_id = number("token", form.one("token"))
        visitor.services.accounts.remove_token(principal.org_id, principal.uid, token_id, visitor.actor)
    except REFUSALS as error:
        return refusal(request.scope, error)
    return see_other(f"{PATH}?done=token")


async def _change(visitor: Visitor, form: Form) -> Answer:
    services, email = visitor.services, visitor.principal.email
    sign_ins = services.accounts.sign_ins
    password = checked_password(form.one("new"), email=email)
    if password != form.one("repeated"):
        raise InvalidValueError("new password", "(not shown)", "the same in both fields")
    if sign_ins.password_of(email) is not None:
        stored = await check_password(visitor.scope, services, email, form.one("current"))
        if stored is None:
            raise HTTPException(status_code=403, detail="The current password is wrong")
    async with services.password_work.turn():
        hashed = await services.password_work.hash(password)
    sign_ins.set_password(email, hashed, visitor.actor)
    made = sign_ins.password_of(email)
    if visitor.session_id is None or made is None:
        return see_other(f"{PATH}?done=password")
    secret = sign_ins.begin_by_password(made, device_of(visitor.scope))
    location = f"{PATH}?done=password"
    if secret is None:
        return see_other(location)
    return see_other(location, cookies.write_cookie(visitor.scope, services.config, cookies.SESSION, secret))


def _page(
    visitor: Visitor, *, message: str = "", done: str = "", status: int = 200, secret: str = ""
) -> Answer:
    principal = visitor.principal
    tokens = visitor.services.accounts.tokens_of(principal.org_id, principal.uid, visitor.actor)
    sign_ins = visitor.services.accounts.sign_ins
    sessions = sign_ins.sessions_of(visitor.principal.uid)
    page = visitor.render(
        "account.html",
        path=PATH,
        message=message,
        done=done,
        has_password=sign_ins.password_of(visitor.principal.email) is not None,
        min_chars=MIN_CHARS,
        tokens=token_rows(tokens),
        secret=secret,
        rows=[_row(session, visitor.session_id) for session in sessions],
    )
    page.status = status
    return page


def _row(session: BrowserSession, own_id: int | None) -> Row:
    return Row(
        session_id=session.session_id,
        is_this=session.session_id == own_id,
        began=_minute(session.created_s),
        seen=_minute(session.last_seen_s),
        address=session.ip_address,
        browser=session.browser,
    )


def _minute(time_s: int) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M}"


HANDLERS: Final[list[Any]] = [show_account, change_password, end_session, make_token, delete_token]
