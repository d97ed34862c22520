"""The audit log: every change, with who made it, when and from where."""

from collections.abc import Mapping
from typing import Any, Final

from litestar import get
from litestar.connection import Request
from msgspec import structs

from hopsight.accounts.audit import AuditEvent
from hopsight.errors import InvalidValueError
from hopsight.model.accounts import Role
from hopsight.model.query import PAGE_ITEMS
from hopsight.model.times import TimeRange, format_utc
from hopsight.server.api.acting import WRITERS, require_writer
from hopsight.server.api.answers import Answer
from hopsight.server.api.common_parameters import PLACE, TIMES
from hopsight.server.api.cursors import PARAMETER, PagePlace
from hopsight.server.api.description import Parameter, described
from hopsight.server.api.documents import Pages
from hopsight.server.api.record_pages import page_url, parse_place
from hopsight.server.api.time_ranges import parse_time_range
from hopsight.server.api.v6.asking import Asked, ask
from hopsight.server.api.v6.descriptions import COMMON, operation
from hopsight.server.api.v6.documents import AuditAnswer, AuditEventDocument, AuditResource
from hopsight.server.api.v6.rendering import render

PATH: Final = "/v6/audit/user-events/search"

_OF: Final = "audit-events"
_DEFAULT_S: Final = 24 * 3600
ALL_GROUPS: Final = "useAllPermittedAids"
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}
_ALL: Final = Parameter(
    name=ALL_GROUPS,
    meaning="`true`: of all account groups that you administer, whatever `aid` says; for organization admins"
    " with what was done to the organization itself",
    schema={"enum": ["true", "false"]},
)
_SEARCHED: Final = operation(
    "Changes in the account group, oldest first; of the last 24 h where no time range is given. For admins",
    "Audit log",
    403,
    parameters=(*COMMON, _ALL, *TIMES, PLACE),
    answer=AuditAnswer,
)


@get(PATH, opt=described(_SEARCHED))
async def search_user_events(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page."""
    asked = await ask(request)
    aids, org_ids = _scope(asked)
    now_s = asked.services.clock.now()
    range_ = parse_time_range(asked.parameters, now_s)
    place = parse_place(_OF, asked.parameters)
    if range_ is None:
        if place is not None:
            raise InvalidValueError(PARAMETER, "", "together with the from and to of pages.next")
        range_ = TimeRange(int(now_s) - _DEFAULT_S, int(now_s))
    number, after = (place.page, place.round_id) if place else (1, 0)
    found = asked.services.accounts.audit_events(
        aids,
        first_s=range_.start_s,
        last_s=range_.end_s,
        org_ids=org_ids,
        after=after,
        limit=PAGE_ITEMS + 1,
    )
    events, more = found[:PAGE_ITEMS], len(found) > PAGE_ITEMS
    pages = Pages(current=number, next=_next_url(asked, range_, events[-1], number) if more else None)
    names = {group.aid: group.name for group in asked.services.accounts.account_groups_of(asked.principal)}
    answer = AuditAnswer(
        audit_events=[_document(event, names) for event in events],
        from_=format_utc(range_.start_s),
        to=format_utc(range_.end_s),
        pages=pages,
    )
    return render(asked.scope, asked.format, answer)


def _scope(asked: Asked) -> tuple[list[int], list[int]]:
    """The account groups whose events are wanted, and the organizations whose own events are."""
    if not _wants_all(asked.parameters.one(ALL_GROUPS)):
        require_writer(asked)
        return [asked.aid], []
    writes = [aid for aid, role in sorted(asked.principal.roles.items()) if role in WRITERS]
    if not writes:
        # Says what is missing, in the words of all refusals.
        require_writer(asked)
    governed = {aid for aid, role in asked.principal.roles.items() if role is Role.ORG_ADMIN}
    groups = asked.services.accounts.account_groups_of(asked.principal)
    return writes, sorted({group.org_id for group in groups if group.aid in governed})


def _wants_all(given: str | None) -> bool:
    # Clients in Python send `True`.
    text = (given or "false").lower()
    if text not in _FLAGS:
        raise InvalidValueError(ALL_GROUPS, given, "true or false")
    return _FLAGS[text]


def _document(event: AuditEvent, names: Mapping[int, str]) -> AuditEventDocument:
    return AuditEventDocument(
        event=event.event,
        date=format_utc(event.time_s),
        user=event.who,
        uid=event.uid,
        ip_address=event.ip_address,
        aid=event.aid,
        account_group_name=None if event.aid is None else names.get(event.aid),
        resources=[AuditResource(**structs.asdict(each)) for each in event.resources],
    )


def _next_url(asked: Asked, range_: TimeRange, last: AuditEvent, number: int) -> str:
    place = PagePlace(of=_OF, page=number + 1, round_id=last.event_id, item_id="-")
    pairs = asked.parameters.without(frozenset({"window", "from", "to", PARAMETER}))
    for name, moment_s in ((b"from=", range_.start_s), (b"to=", range_.end_s)):
        pairs.append(name + format_utc(moment_s).replace(" ", "T").encode())
    return page_url(asked.scope, asked.services.config.public_url, pairs, place)


HANDLERS: Final = (search_user_events,)
