"""What every page of administration does first and last: who may, what was sent, what was done.

How to write one::

    @post(f"{PATH}/rename", status_code=303)
    async def rename(request: Request[Any, Any, Any]) -> Answer:
        try:
            visitor, form = await posted(request)
            visitor.services.accounts.rename_agent(
                visitor.group.aid, form.one("agent"), form.one("name"), visitor.actor
            )
        except REFUSALS as error:
            return refusal(request.scope, error)
        return back(visitor, PATH, done="renamed")

    # What the page says for ``?done=``: never a text of the URL's.
    _DONE = {"renamed": "The agent is renamed"}

What cannot be undone is asked about first (``confirmation``). A secret is shown by the answer to the form
that made it (``show(..., secret=...)``), once, and stands in no URL.
"""

from typing import Any
from urllib.parse import urlencode

from litestar.connection import Request

from hopsight.errors import PermissionDeniedError
from hopsight.model.accounts import Role
from hopsight.server.api.acting import WRITERS
from hopsight.server.api.answers import Answer
from hopsight.server.web.admin.sections import sections_for
from hopsight.server.web.forms import Form, read_form, require_csrf, see_other
from hopsight.server.web.visitor import Visitor, see


async def administer(request: Request[Any, Any, Any], roles: frozenset[Role] = WRITERS) -> Visitor:
    """Find out who looks, and see that they may.

    Raises:
        PermissionDeniedError: their role in the account group is another.
        AuthenticationError, InvalidValueError: as ``see`` raises.
    """
    visitor = await see(request)
    if visitor.role not in roles:
        accepted = " or ".join(sorted(role.value for role in roles))
        raise PermissionDeniedError(
            f"Your role in the account group {visitor.group.name!r} is {visitor.role.value}; "
            f"accepted here: {accepted}"
        )
    return visitor


async def posted(request: Request[Any, Any, Any], roles: frozenset[Role] = WRITERS) -> tuple[Visitor, Form]:
    """Who sent a form, and the form.

    Raises:
        PermissionDeniedError: their role is another, or the form did not come from a page of ours.
        AuthenticationError, InvalidValueError: as ``see`` raises.
        HTTPException: the form is broken.
    """
    visitor = await administer(request, roles)
    form = await read_form(request)
    require_csrf(request, visitor)
    return visitor, form


def show(visitor: Visitor, template: str, *, path: str, status: int = 200, **context: Any) -> Answer:
    """Answer with a page of administration; ``path`` is its section's."""
    page = visitor.render(template, path=path, sections=sections_for(visitor.role), **context)
    page.status = status
    return page


def confirmation(  # each a part of one question
    visitor: Visitor,
    *,
    path: str,
    question: str,
    text: str,
    action: str,
    button: str,
    fields: dict[str, str],
) -> Answer:
    """Ask before something that cannot be undone.

    Args:
        visitor: who.
        path: the section; "Cancel" leads back to it.
        question: the heading.
        text: what will happen, in a sentence or two.
        action: the path that the form is posted to.
        button: what the button says: the verb and the thing.
        fields: what is posted, besides the token of the form.
    """
    return show(
        visitor,
        "admin/confirm.html",
        path=path,
        question=question,
        text=text,
        action=with_group(visitor, action),
        button=button,
        fields=fields,
    )


def with_group(visitor: Visitor, path: str, **parameters: str) -> str:
    """A link to a page of administration, about the same account group."""
    return f"{path}?{urlencode([('aid', str(visitor.group.aid)), *parameters.items()])}"


def back(visitor: Visitor, path: str, *, done: str, **parameters: str) -> Answer:
    """Lead the browser on to a page that says what was done."""
    return see_other(with_group(visitor, path, **parameters, done=done))
