"""The log of changes: who did what, when, from where. Written in the transaction of the change itself."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, insert

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
