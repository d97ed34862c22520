"""Messages about incidents until somebody was told: written with what they tell of, in one transaction.

A row refers to its rule and to one of the rule's recipients. It goes when it was told or given up, or when
its rule or recipient goes, and stays over restarts. Who wants to send claims rows for a while: what a process
that died had claimed is told by another one later, maybe for the second time.
"""

import uuid
from collections.abc import Collection
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, and_, case, delete, exists, func, insert, or_, select, tuple_, update

from hopsight.accounts.alert_listings import OutboxMessage, Waiting
from hopsight.accounts.alert_recipients import addresses_of
from hopsight.accounts.alert_tables import alert_rules, incident_events, outbox
from hopsight.accounts.database import Database
from hopsight.model.alerts import AlertRule

MAX_WAITING: Final = 1_000
"""Messages of an account group that wait; what is beyond is told to nobody, and the incident says so."""
LEASE_S: Final = 120
"""For so long a claim holds: longer than any try takes."""
MAX_WAIT_S: Final = 6 * 3_600
"""No try is put off by more. What seems to be was put off before the clock was set back: it is due."""

_rules: Final = msgspec.json.Decoder(AlertRule)
_messages: Final = msgspec.json.Decoder(OutboxMessage)


class Outbox:
    """The messages of all account groups; raises as ``Accounts`` does."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, now_s: int, *, most: int, busy: Collection[tuple[int, str, str]]) -> list[Waiting]:
        """Take what is due: one message for each recipient, the oldest first.

        Args:
            now_s: epoch seconds.
            most: so many at most.
            busy: ``address`` of those that get nothing now.
        """
        query = _due(now_s)
        with self._database.read() as connection:
            if most <= 0 or not _free(connection, query, busy):
                return []
        with self._database.write(changes_rights=False) as connection:
            taken = _free(connection, query, busy)[:most]
            mine = outbox.c.outbox_id.in_(taken)
            claimed = {"claimed_until_s": now_s + LEASE_S, "tries": outbox.c.tries + 1}
            connection.execute(update(outbox).where(mine).values(**claimed))
            rows = connection.execute(select(outbox).where(mine).order_by(outbox.c.outbox_id))
            return [_waiting(row) for row in rows]

    def finish(self, waiting: Waiting, event: str, text: str, now_s: int) -> None:
        """Forget a message, and note in its incident what became of it."""
        with self._database.write(changes_rights=False) as connection:
            if self._forget(connection, waiting):
                note = {"time_s": now_s, "event": event, "text": text}
                connection.execute(insert(incident_events).values(incident_id=waiting.incident_id, **note))

    def drop(self, waiting: Waiting) -> None:
        """Forget a message: nobody is there any more to be told."""
        with self._database.write(changes_rights=False) as connection:
            self._forget(connection, waiting)

    def put_off(self, waiting: Waiting, due_s: int) -> None:
        """Try again from then on, epoch seconds."""
        values = {"due_s": due_s, "claimed_until_s": 0}
        with self._database.write(changes_rights=False) as connection:
            found = outbox.c.outbox_id == waiting.outbox_id
            connection.execute(update(outbox).where(found).values(**values))

    def release(self, waiting: Collection[Waiting]) -> None:
        """Give back what was claimed and not tried to the end."""
        mine = outbox.c.outbox_id.in_([each.outbox_id for each in waiting])
        values = {"claimed_until_s": 0, "tries": outbox.c.tries - 1}
        with self._database.write(changes_rights=False) as connection:
            connection.execute(update(outbox).where(mine).values(**values))

    def next_due_s(self) -> int | None:
        """When the next message is due that nobody has claimed, epoch seconds; None: there is none."""
        due_s, claimed_until_s = outbox.c.due_s, outbox.c.claimed_until_s
        due = case((due_s > claimed_until_s, due_s), else_=claimed_until_s)
        with self._database.read() as connection:
            return connection.execute(select(func.min(due))).scalar_one_or_none()

    def count(self, aid: int) -> int:
        """How many messages of an account group wait."""
        with self._database.read() as connection:
            return _count(connection, aid)

    @staticmethod
    def _forget(connection: Connection, waiting: Waiting) -> bool:
        found = delete(outbox).where(outbox.c.outbox_id == waiting.outbox_id)
        return bool(connection.execute(found).rowcount)


def enqueue(connection: Connection, aid: int, rule_id: int, incident_id: int, message: OutboxMessage) -> int:
    """Write a message to everybody that the rule tells now, and say how many there was no room for."""
    found = select(alert_rules.c.document).where(alert_rules.c.rule_id == rule_id)
    document = connection.execute(found).scalar_one_or_none()
    recipients = [] if document is None else addresses_of(_rules.decode(document))
    if not recipients:
        return 0
    room = max(0, MAX_WAITING - _count(connection, aid))
    encoded = msgspec.json.encode(message).decode()
    for channel, recipient in recipients[:room]:
        row = {"delivery_id": str(uuid.uuid4()), "aid": aid, "rule_id": rule_id, "incident_id": incident_id}
        row |= {"channel": channel, "recipient": recipient, "document": encoded}
        row |= {"tries": 0, "due_s": message.time_s, "claimed_until_s": 0}
        connection.execute(insert(outbox).values(**row))
    return len(recipients[room:])


def drop_former(connection: Connection, rule_id: int, rule: AlertRule) -> None:
    """Forget what waits for recipients that a rule has no more."""
    kept = tuple_(outbox.c.channel, outbox.c.recipient).in_(addresses_of(rule))
    connection.execute(delete(outbox).where(outbox.c.rule_id == rule_id, ~kept))


def _due(now_s: int) -> Any:
    """The oldest message that may be tried, for each recipient; those not tried yet come first."""
    earlier = outbox.alias()
    table = outbox.c
    # Nobody is told that an incident is over before they were told of it.
    blocked = exists().where(
        and_(
            earlier.c.incident_id == table.incident_id,
            earlier.c.rule_id == table.rule_id,
            earlier.c.channel == table.channel,
            earlier.c.recipient == table.recipient,
            earlier.c.outbox_id < table.outbox_id,
        )
    )
    first = func.min(table.outbox_id)
    return (
        select(first.label("outbox_id"), table.rule_id, table.channel, table.recipient)
        .where(or_(table.due_s <= now_s, table.due_s > now_s + MAX_WAIT_S))
        .where(or_(table.claimed_until_s <= now_s, table.claimed_until_s > now_s + LEASE_S))
        .where(~blocked)
        .group_by(table.rule_id, table.channel, table.recipient)
        # What is new first: many receivers that are down must not take turns before one that is well.
        .order_by(func.min(table.tries), first)
    )


def _free(connection: Connection, query: Any, busy: Collection[tuple[int, str, str]]) -> list[int]:
    return [
        row.outbox_id
        for row in connection.execute(query)
        if (row.rule_id, row.channel, row.recipient) not in busy
    ]


def _count(connection: Connection, aid: int) -> int:
    counted = select(func.count()).select_from(outbox).where(outbox.c.aid == aid)
    return int(connection.execute(counted).scalar_one())


def _waiting(row: Any) -> Waiting:
    return Waiting(
        outbox_id=row.outbox_id,
        delivery_id=row.delivery_id,
        aid=row.aid,
        rule_id=row.rule_id,
        incident_id=row.incident_id,
        channel=row.channel,
        recipient=row.recipient,
        message=_messages.decode(row.document),
        tries=row.tries,
    )
