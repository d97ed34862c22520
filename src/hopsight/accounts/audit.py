"""The log of changes: who did what, when, from where. Written in the transaction of the change itself."""

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, Select, and_, insert, or_, select

from hopsight.accounts import schema

SELF: Final = "command line"
"""Who is told of what is done with ``hopsight admin``: whoever may read the server's files."""


class Actor(Struct, frozen=True, kw_only=True):
    """Who changes something.

    Args:
        who: e-mail address, or ``SELF``.
        uid: None: not a user.
        ip_address: None: from the server's own machine.
    """

    who: str
    uid: int | None = None
    ip_address: str | None = None


class Change(NamedTuple):
    """Who changes something, and when."""

    by: Actor
    now_s: int


class Resource(Struct, frozen=True, kw_only=True):
    """One thing that a change is about: what kind of thing, and its name or ID."""

    type: str
    name: str


class AuditEvent(Struct, frozen=True, kw_only=True):
    """One change, as it was recorded."""

    event_id: int
    time_s: int
    aid: int | None
    uid: int | None
    who: str
    ip_address: str | None
    event: str
    resources: tuple[Resource, ...]


CONSOLE: Final = Actor(who=SELF)


def record(
    connection: Connection,
    by: Actor,
    event: str,
    resources: Sequence[Resource],
    *,
    now_s: int,
    org_id: int | None = None,
    aid: int | None = None,
) -> None:
    """Add an event, in the words of the vendor's log (``Endpoint agent renamed``); never with a secret."""
    connection.execute(
        insert(schema.audit_events).values(
            time_s=now_s,
            org_id=org_id,
            aid=aid,
            uid=by.uid,
            who=by.who,
            ip_address=by.ip_address,
            event=event,
            resources=msgspec.json.encode(list(resources)).decode(),
        )
    )


class Scope(NamedTuple):
    """Which events are wanted: those in ``aids`` (None: all there are), and of ``org_ids`` those in none."""

    aids: Collection[int] | None
    org_ids: Collection[int] = ()


class Words(NamedTuple):
    """What an event is to have in it, each anywhere, in any case of ASCII letters; empty: anything."""

    who: str = ""
    event: str = ""
    resource: str = ""


def events(
    connection: Connection, scope: Scope, *, first_s: int, last_s: int, after: int, limit: int
) -> list[AuditEvent]:
    """Events in the order in which they happened, behind ``after``."""
    table = schema.audit_events
    query = (
        select(table)
        .where(table.c.time_s.between(first_s, last_s), table.c.event_id > after)
        .order_by(table.c.event_id)
        .limit(limit)
    )
    return [_event(row) for row in connection.execute(_within(query, scope))]


def newest(
    connection: Connection,
    scope: Scope,
    words: Words,
    *,
    first_s: int,
    last_s: int,
    before: int | None,
    limit: int,
) -> list[AuditEvent]:
    """Events that have these words, the newest first, older than ``before``."""
    table = schema.audit_events
    query = (
        select(table)
        .where(
            table.c.time_s.between(first_s, last_s),
            table.c.who.icontains(words.who, autoescape=True),
            table.c.event.icontains(words.event, autoescape=True),
            # Resources are JSON: what is looked for is spelled as it is there.
            table.c.resources.icontains(msgspec.json.encode(words.resource).decode()[1:-1], autoescape=True),
        )
        .order_by(table.c.event_id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(table.c.event_id < before)
    return [_event(row) for row in connection.execute(_within(query, scope))]


def _within(query: Select[Any], scope: Scope) -> Select[Any]:
    if scope.aids is None:
        return query
    table = schema.audit_events
    of_no_group = and_(table.c.aid.is_(None), table.c.org_id.in_(scope.org_ids))
    return query.where(or_(table.c.aid.in_(scope.aids), of_no_group))


def _event(row: Row[Any]) -> AuditEvent:
    return AuditEvent(
        event_id=row.event_id,
        time_s=row.time_s,
        aid=row.aid,
        uid=row.uid,
        who=row.who,
        ip_address=row.ip_address,
        event=row.event,
        resources=_resources.decode(row.resources),
    )


_resources: Final = msgspec.json.Decoder(tuple[Resource, ...])
