"""The audit log for people: what was changed, by whom and from where, the newest first."""

from typing import Any, Final

from litestar import get
from litestar.connection import Request
from msgspec import Struct

from hopsight.accounts.audit import AuditEvent, Words
from hopsight.errors import InvalidValueError
from hopsight.model.accounts import Role
from hopsight.model.times import format_utc
from hopsight.server.api.acting import WRITERS
from hopsight.server.api.answers import Answer
from hopsight.server.web.admin.door import administer, show
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.view import WINDOWS
from hopsight.server.web.visitor import Visitor

PATH: Final = "/admin/audit"
PAGE_EVENTS: Final = 100
"""Events on one page."""
ALL: Final = "useAllPermittedAids"
"""As in the API: of all account groups that the visitor administers."""

_BEFORE: Final = "before"
_MAX_WORD_CHARS: Final = 200
_MAX_ID_DIGITS: Final = 15


class Row(Struct, frozen=True, kw_only=True):
    """An event as it is shown; ``time`` is UTC."""

    time: str
    event: str
    resources: tuple[str, ...]
    who: str
    address: str
    group: str


@get(PATH)
async def read_audit(request: Request[Any, Any, Any]) -> Answer:
    """Show a page of it to administrators."""
    try:
        return _page(await administer(request))
    except REFUSALS as error:
        return refusal(request.scope, error)


def _page(visitor: Visitor) -> Answer:
    words = _words(visitor)
    everywhere = visitor.parameters.one(ALL) == "true"
    aids, org_ids = _scope(visitor) if everywhere else ([visitor.group.aid], [])
    before = _before(visitor.parameters.one(_BEFORE))
    range_ = visitor.view.time_range
    found = visitor.services.accounts.newest_audit_events(
        aids,
        words,
        first_s=range_.start_s,
        last_s=range_.end_s,
        org_ids=org_ids,
        before=before,
        limit=PAGE_EVENTS + 1,
    )
    shown = found[:PAGE_EVENTS]
    more = {name: text for name, text in words._asdict().items() if text}
    if everywhere:
        more[ALL] = "true"
    names = {group.aid: group.name for group in visitor.groups}
    older = visitor.view.url(PATH, **more, before=str(shown[-1].event_id)) if len(found) > len(shown) else ""
    return show(
        visitor,
        "admin/audit.html",
        path=PATH,
        rows=[_row(event, names) for event in shown],
        words=words,
        everywhere=everywhere,
        all_parameter=ALL,
        more=more,
        windows=WINDOWS,
        older=older,
        newest=visitor.view.url(PATH, **more) if before is not None else "",
    )


def _scope(visitor: Visitor) -> tuple[list[int], list[int]]:
    """The account groups, and the organizations of which events of no account group are told."""
    roles = visitor.principal.roles
    writes = [aid for aid, role in sorted(roles.items()) if role in WRITERS]
    governed = {group.org_id for group in visitor.groups if roles[group.aid] is Role.ORG_ADMIN}
    return writes, sorted(governed)


def _words(visitor: Visitor) -> Words:
    given = Words(*((visitor.parameters.one(name) or "").strip() for name in Words._fields))
    for name, text in given._asdict().items():
        if len(text) > _MAX_WORD_CHARS:
            raise InvalidValueError(name, f"({len(text)} characters)", f"at most {_MAX_WORD_CHARS}")
    return given


def _before(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_ID_DIGITS):
        raise InvalidValueError(_BEFORE, text[:20], "the number that the link to older events has")
    return int(text)


def _row(event: AuditEvent, names: dict[int, str]) -> Row:
    group = "the organization" if event.aid is None else names.get(event.aid, str(event.aid))
    return Row(
        time=format_utc(event.time_s),
        event=event.event,
        resources=tuple(f"{each.type}: {each.name}" for each in event.resources),
        who=event.who,
        address=event.ip_address or "",
        group=group,
    )


HANDLERS: Final[list[Any]] = [read_audit]
