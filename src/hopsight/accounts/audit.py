"""The log of changes: who did what, when, from where. Written in the transaction of the change itself."""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, insert, select

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


def events(
    connection: Connection, aids: Collection[int], *, first_s: int, last_s: int, after: int, limit: int
) -> list[AuditEvent]:
    """Events in these account groups, in the order in which they happened, behind ``after``."""
    table = schema.audit_events
    query = (
        select(table)
        .where(table.c.aid.in_(aids), table.c.time_s.between(first_s, last_s), table.c.event_id > after)
        .order_by(table.c.event_id)
        .limit(limit)
    )
    return [
        AuditEvent(
            event_id=row.event_id,
            time_s=row.time_s,
            aid=row.aid,
            uid=row.uid,
            who=row.who,
            ip_address=row.ip_address,
            event=row.event,
            resources=_resources.decode(row.resources),
        )
        for row in connection.execute(query)
    ]


_resources: Final = msgspec.json.Decoder(tuple[Resource, ...])
