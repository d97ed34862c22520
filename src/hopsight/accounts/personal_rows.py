"""The rows that name an agent or a user: found by the schema itself, so that a new table is not forgotten."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    String,
    Table,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from hopsight.accounts import schema, targets
from hopsight.accounts.agents import ENROLLED
from hopsight.accounts.alerts import forget_address, forget_in_filters, rows_with_address
from hopsight.accounts.audit import Resource
from hopsight.accounts.browser_sessions import LOCKED_OUT
from hopsight.accounts.credentials import digest_of

ERASED: Final = "erased"
"""What stands in the log for a name that was erased."""

_SECRET: Final = frozenset({"digest", "secret_digest", "password_hash", "secrets"})
_JSON: Final = frozenset({"info", "resources"})
_USER: Final = "user"
_UID: Final = re.compile(r" \((\d+)\)$")
_events: Final = schema.audit_events
_resources: Final = msgspec.json.Decoder(list[Resource])

AuditRow = Row[tuple[Any, ...]]


class Subject(Struct, frozen=True, kw_only=True):
    """Whose data it is about.

    Args:
        agent_ids: agents.
        email: address of a user of this server, lower case; None: none.
        uids: the IDs that this user has, or had before being deleted.
    """

    agent_ids: tuple[str, ...] = ()
    email: str | None = None
    uids: frozenset[int] = frozenset()


def sha256(text: str) -> str:
    """The digest of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def user_of(connection: Connection, email: str) -> Subject:
    """The user with this address, and the IDs under which the log has it."""
    table = schema.users
    uids = set(connection.execute(select(table.c.uid).where(table.c.email == email)).scalars())
    uids |= set(connection.execute(select(_events.c.uid).where(_events.c.who == email)).scalars())
    alone = Subject(email=email)
    for row in _events_of(connection, alone):
        for each in _resources.decode(row.resources):
            number = _UID.search(each.name)
            if number is not None and _names_user(each, alone):
                uids.add(int(number[1]))
    return Subject(email=email, uids=frozenset(uids - {None}))


def count(connection: Connection, subject: Subject) -> dict[str, int]:
    """How many rows each table has of the subject; those that name two of its agents count twice."""
    counts: Counter[str] = Counter()
    for table in schema.metadata.sorted_tables:
        counts[table.name] = 0
        for condition in _conditions(table, subject):
            query = select(func.count()).select_from(table).where(condition)
            counts[table.name] += connection.execute(query).scalar_one()
    counts[_events.name] = len(_events_of(connection, subject))
    for agent_id in subject.agent_ids:
        counts[schema.targets.name] += connection.execute(
            select(func.count()).select_from(targets.lone(agent_id).subquery())
        ).scalar_one()
    if subject.email is not None:
        counts.update(table.name for table, _ in rows_with_address(connection, subject.email))
    return dict(counts)


def homes_of(connection: Connection, subject: Subject) -> list[tuple[int | None, int | None]]:
    """The organizations and account groups in whose log it belongs what is done with the subject's data."""
    agents, members, groups = schema.agents, schema.memberships, schema.account_groups
    aids: set[int] = set()
    for agent_id in subject.agent_ids:
        aids |= set(connection.execute(select(agents.c.aid).where(agents.c.agent_id == agent_id)).scalars())
    held = select(members.c.aid).where(members.c.uid.in_(subject.uids))
    aids |= set(connection.execute(held).scalars())
    query = select(groups.c.org_id, groups.c.aid).where(groups.c.aid.in_(aids)).order_by(groups.c.aid)
    return [(row.org_id, row.aid) for row in connection.execute(query)] or [(None, None)]


def rows_of(connection: Connection, subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every row of the subject with its table, and the targets that name its agents."""
    for table in schema.metadata.sorted_tables:
        for condition in _conditions(table, subject):
            for row in connection.execute(select(table).where(condition).order_by(*table.primary_key)):
                yield table.name, _told(row)
    named = select(schema.targets).join(schema.target_agents)
    for agent_id in subject.agent_ids:
        found = named.where(schema.target_agents.c.agent_id == agent_id)
        for row in connection.execute(found.order_by(schema.targets.c.target_id)):
            yield schema.targets.name, _told(row)
    if subject.email is not None:
        for owner, row in rows_with_address(connection, subject.email):
            yield owner.name, _told(row)
    for row in _events_of(connection, subject):
        yield _events.name, _told(row)


def erase(connection: Connection, subject: Subject) -> None:
    """Remove the rows whose keys are the subject's, and its names from the log."""
    for agent_id in subject.agent_ids:
        _remember(connection, agent_id)
        forget_in_filters(connection, agent_id)
        lone = list(connection.execute(targets.lone(agent_id)).scalars())
        connection.execute(delete(schema.targets).where(schema.targets.c.target_id.in_(lone)))
        for table in _tables_with("agent_id"):
            connection.execute(delete(table).where(table.c.agent_id == agent_id))
    if subject.email is not None:
        forget_address(connection, subject.email)
    for table in _tables_with("uid"):
        connection.execute(delete(table).where(table.c.uid.in_(subject.uids)))
    for row in _events_of(connection, subject):
        _scrub(connection, row, subject)


def _tables_with(column: str) -> Iterator[Table]:
    # Those that refer to others before the others.
    for table in reversed(schema.metadata.sorted_tables):
        if column in table.c and table is not _events:
            yield table


def _remember(connection: Connection, agent_id: str) -> None:
    agents, erased = schema.agents, schema.erased_enrolments
    query = select(agents.c.enrolment_id).where(agents.c.agent_id == agent_id)
    enrolment_id = connection.execute(query).scalar_one_or_none()
    if enrolment_id is not None:
        connection.execute(insert(erased).values(digest=digest_of(enrolment_id)))


def _conditions(table: Table, subject: Subject) -> Iterator[ColumnElement[bool]]:
    """What holds of the rows that name the subject, wherever in the row; the log is looked at apart."""
    if table is _events:
        return
    texts = [column for column in table.c if isinstance(column.type, String)]
    if texts:
        for agent_id in subject.agent_ids:
            yield or_(*(column.icontains(agent_id, autoescape=True) for column in texts))
    if "uid" in table.c and subject.uids:
        yield table.c.uid.in_(subject.uids)


def _events_of(connection: Connection, subject: Subject) -> list[AuditRow]:
    """The events that the subject made, or that name it, by ID."""
    conditions = [_events.c.resources.icontains(each, autoescape=True) for each in subject.agent_ids]
    if subject.email is not None:
        conditions += [_events.c.who == subject.email, _events.c.uid.in_(subject.uids)]
        texts = [subject.email, *(f" ({uid})" for uid in subject.uids)]
        conditions += [_events.c.resources.icontains(text, autoescape=True) for text in texts]
    found: dict[int, AuditRow] = {}
    for condition in conditions:
        for row in connection.execute(select(_events).where(condition)):
            if _is_by(row, subject) or any(
                _names(each, subject) for each in _resources.decode(row.resources)
            ):
                found[row.event_id] = row
    return [found[event_id] for event_id in sorted(found)]


def _is_by(row: AuditRow, subject: Subject) -> bool:
    return subject.email is not None and (row.who == subject.email or row.uid in subject.uids)


def _names(resource: Resource, subject: Subject) -> bool:
    return any(each in resource.name for each in subject.agent_ids) or _names_user(resource, subject)


def _names_user(resource: Resource, subject: Subject) -> bool:
    # As they are written: `address (ID)`. The address may have been another at the time.
    if subject.email is None or resource.type != _USER:
        return False
    whole, begun = resource.name == subject.email, resource.name.startswith(f"{subject.email} (")
    return whole or begun or any(resource.name.endswith(f" ({uid})") for uid in subject.uids)


def _scrub(connection: Connection, row: AuditRow, subject: Subject) -> None:
    resources = _resources.decode(row.resources)
    kept = [Resource(type=each.type, name=ERASED) if _names(each, subject) else each for each in resources]
    values: dict[str, Any] = {"resources": msgspec.json.encode(kept).decode()}
    if _is_by(row, subject):
        values |= {"who": ERASED, "uid": None, "ip_address": None}
    elif row.event in {ENROLLED, LOCKED_OUT} and kept != resources:
        values["ip_address"] = None
    connection.execute(update(_events).where(_events.c.event_id == row.event_id).values(**values))


def _told(row: AuditRow) -> dict[str, Any]:
    told = {name: value for name, value in row._mapping.items() if name not in _SECRET}  # noqa: SLF001 - public all the same
    return {name: msgspec.Raw(value.encode()) if name in _JSON else value for name, value in told.items()}
