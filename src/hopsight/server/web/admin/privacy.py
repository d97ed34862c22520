"""Privacy for organization admins: what agents say of people, how long it stays, what there is of one person.

Giving out and erasing stay with the command line: both databases are written anew for it, which takes minutes
and much of the disk, and the proof that it was done is a salt that must be seen once and filed.
"""

import shlex
from typing import Any, Final

from litestar import get, post
from litestar.connection import Request

from hopsight.errors import InvalidValueError
from hopsight.model.alerts import DAY_S
from hopsight.server.api.answers import Answer
from hopsight.server.web.admin.door import administer, posted, show
from hopsight.server.web.admin.privacy_numbers import MAX_AGENTS, Found, find_person, group_privacy
from hopsight.server.web.admin.sections import ORG_ADMINS
from hopsight.server.web.admin.users import organization_groups, status_of
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.visitor import Visitor

PATH: Final = "/admin/privacy"

_MAX_NAME_CHARS: Final = 254


@get(PATH)
async def read_privacy(request: Request[Any, Any, Any]) -> Answer:
    """Show what holds for all."""
    try:
        return _page(await administer(request, ORG_ADMINS))
    except REFUSALS as error:
        return refusal(request.scope, error)


@post(PATH)
async def look_for_person(request: Request[Any, Any, Any]) -> Answer:
    """Show what there is of one person; by a form, so that the name is in no URL and no log of addresses."""
    try:
        visitor, form = await posted(request, ORG_ADMINS)
        name = form.one("person").strip()
        try:
            found = await _find(visitor, name)
        except InvalidValueError as error:
            return _page(visitor, name=name[:_MAX_NAME_CHARS], message=str(error), status=status_of(error))
        return _page(visitor, name=name, found=found)
    except REFUSALS as error:
        return refusal(request.scope, error)


async def _find(visitor: Visitor, name: str) -> Found:
    if not 0 < len(name) <= _MAX_NAME_CHARS:
        accepted = f"the name that agents report, or an e-mail address; 1 to {_MAX_NAME_CHARS} characters"
        raise InvalidValueError("person", f"({len(name)} characters)", accepted)
    services, aids = visitor.services, [group.aid for group in organization_groups(visitor)]
    return await find_person(services.accounts, services.store, aids, visitor.group.org_id, name)


def _page(
    visitor: Visitor, *, name: str = "", found: Found | None = None, message: str = "", status: int = 200
) -> Answer:
    accounts, groups = visitor.services.accounts, organization_groups(visitor)
    who = f"--user {shlex.quote(name)}" if not name.startswith("-") else f"--user={shlex.quote(name)}"
    if found is not None and found.shared:
        who += " --include-shared"
    commands = (
        f"hopsight admin export {who} --output person.jsonl",
        f"hopsight admin erase {who} --dry-run",
        f"hopsight admin erase {who}",
    )
    return show(
        visitor,
        "admin/privacy.html",
        path=PATH,
        rows=[group_privacy(accounts, group.aid, group.name) for group in groups],
        keep_days=visitor.services.config.keep_s / DAY_S,
        name=name,
        found=found,
        commands=commands,
        max_agents=MAX_AGENTS,
        message=message,
        status=status,
    )


HANDLERS: Final[list[Any]] = [read_privacy, look_for_person]
