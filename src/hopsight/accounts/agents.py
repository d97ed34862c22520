"""Agents: how they are let in, and what is known of them."""

import hmac
import uuid
from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, false, func, insert, select

from hopsight.accounts import organizations, schema
from hopsight.accounts.audit import Change, Resource
from hopsight.accounts.credentials import digest_of
from hopsight.errors import ConflictError
from hopsight.model.accounts import AgentPrincipal
from hopsight.model.agents import Agent, AgentInfo, Location
from hopsight.model.upload import Enrolment, EnrolmentAnswer

ENROLLED: Final = "Endpoint agent enrolled"
"""The one event whose address is not that of an administrator, but the agent's."""

_TAKEN: Final = "This enrolment ID is taken; enrol again with a new one"

_table = schema.agents
_columns = (
    _table.c.agent_id,
    _table.c.aid,
    _table.c.agent_name,
    _table.c.info,
    _table.c.enabled,
    _table.c.deleted,
    _table.c.created_s,
    _table.c.last_seen_s,
    _table.c.public_ip,
    _table.c.given_name,
    _table.c.network_id,
)
"""What ``_agent`` takes apart, in its order."""


class _StoredInfo(AgentInfo, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The same without its limits: what is stored was checked, and checking takes most of reading it."""

    computer_name: str
    platform: str
    os_version: str
    kernel_version: str
    version: str
    agent_name: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    total_memory_bytes: int | None = None
    user_names: tuple[str, ...] = ()
    location: Location | None = None


_info_decoder = msgspec.json.Decoder(_StoredInfo)


def described(info: AgentInfo) -> dict[str, str]:
    """The columns that an agent's own words fill."""
    return {
        "info": msgspec.json.encode(info).decode(),
        "agent_name": info.agent_name or info.computer_name,
        "computer_name": info.computer_name,
    }


def enrolled(connection: Connection, aid: int, enrolment: Enrolment) -> EnrolmentAnswer | None:
    """The answer to an enrolment that was made before.

    It tells the account group where the agent is now: it may have been transferred since.

    Raises:
        ConflictError: that one had another secret or account group, or its agent was deleted or erased since.
    """
    row = connection.execute(select(_table).where(_table.c.enrolment_id == enrolment.enrolment_id)).first()
    if row is None:
        _refuse_erased(connection, enrolment.enrolment_id)
        return None
    # One message for all: whoever guesses an enrolment ID learns no more than that.
    belongs = aid == row.aid or aid in _former_aids(connection, row.agent_id, row.aid)
    same = hmac.compare_digest(row.secret_digest, digest_of(enrolment.secret)) and belongs
    if not same or row.deleted:
        raise ConflictError(_TAKEN)
    return EnrolmentAnswer(agent_id=row.agent_id, aid=row.aid)


def _refuse_erased(connection: Connection, enrolment_id: str) -> None:
    table = schema.erased_enrolments
    known = select(table.c.digest).where(table.c.digest == digest_of(enrolment_id))
    if connection.execute(known).first() is not None:
        raise ConflictError(_TAKEN)


def enrol(
    connection: Connection, aid: int, enrolment: Enrolment, change: Change, most: int
) -> EnrolmentAnswer:
    """Add an agent to account group ``aid``, which may have ``most``."""
    public_ip, now_s = change.by.ip_address, change.now_s
    held = select(func.count()).select_from(_table).where(_table.c.aid == aid, ~_table.c.deleted)
    if connection.execute(held).scalar_one() >= most:
        raise ConflictError(f"Account group {aid} has {most} agents already; delete some first")
    agent_id = str(uuid.uuid4())
    connection.execute(
        insert(_table).values(
            agent_id=agent_id,
            aid=aid,
            enrolment_id=enrolment.enrolment_id,
            secret_digest=digest_of(enrolment.secret),
            enabled=True,
            deleted=False,
            created_s=now_s,
            last_seen_s=now_s,
            public_ip=public_ip,
            **described(enrolment.agent),
        )
    )
    named = f"{described(enrolment.agent)['agent_name']} ({agent_id})"
    organizations.note(connection, aid, ENROLLED, [Resource(type="endpoint agent", name=named)], change)
    return EnrolmentAnswer(agent_id=agent_id, aid=aid)


def has_id(agent_id: str) -> ColumnElement[bool]:
    """Whether an agent is this one; with a NUL, which no database takes, it is none."""
    return false() if "\0" in agent_id else _table.c.agent_id == agent_id


def principal_of(connection: Connection, agent_id: str) -> tuple[bytes, AgentPrincipal] | None:
    """The digest of an agent's secret, and who it is; None: unknown or deleted."""
    query = (
        select(_table.c.secret_digest, _table.c.aid, _table.c.enabled, schema.account_groups.c.org_id)
        .join_from(_table, schema.account_groups)
        .where(has_id(agent_id), ~_table.c.deleted)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    principal = AgentPrincipal(
        agent_id=agent_id,
        aid=row.aid,
        org_id=row.org_id,
        enabled=row.enabled,
        former_aids=_former_aids(connection, agent_id, row.aid),
    )
    return row.secret_digest, principal


def _former_aids(connection: Connection, agent_id: str, aid: int) -> tuple[int, ...]:
    table = schema.former_groups
    query = select(table.c.aid).where(table.c.agent_id == agent_id, table.c.aid != aid)
    return tuple(connection.execute(query.order_by(table.c.aid)).scalars())


def page(
    connection: Connection,
    aid: int,
    *,
    deleted: bool,
    agent_name: str | None,
    computer_name: str | None,
    after: str | None,
    limit: int,
) -> list[Agent]:
    """Agents of an account group by ID, behind ``after``."""
    matching = _matching(aid, deleted=deleted, agent_name=agent_name, computer_name=computer_name)
    query = select(*_columns).where(*matching)
    if after is not None:
        query = query.where(_table.c.agent_id > after)
    return [_agent(row) for row in connection.execute(query.order_by(_table.c.agent_id).limit(limit))]


def count(
    connection: Connection, aid: int, *, deleted: bool, agent_name: str | None, computer_name: str | None
) -> int:
    """How many agents of an account group match."""
    matching = _matching(aid, deleted=deleted, agent_name=agent_name, computer_name=computer_name)
    return connection.execute(select(func.count()).select_from(_table).where(*matching)).scalar_one()


def _matching(
    aid: int, *, deleted: bool, agent_name: str | None, computer_name: str | None
) -> list[ColumnElement[bool]]:
    found = [_table.c.aid == aid, _table.c.deleted.is_(deleted)]
    if agent_name is not None:
        found.append(_table.c.agent_name == agent_name)
    if computer_name is not None:
        found.append(_table.c.computer_name == computer_name)
    return found


def find(connection: Connection, aid: int, agent_id: str) -> Agent | None:
    """One agent, deleted or not."""
    query = select(*_columns).where(_table.c.aid == aid, has_id(agent_id))
    row = connection.execute(query).first()
    return None if row is None else _agent(row)


def names(connection: Connection, aid: int, agent_ids: Collection[str]) -> dict[str, str]:
    """Names of agents by ID, of deleted ones too; those that there are not are left out."""
    query = select(_table.c.agent_id, _table.c.agent_name).where(
        _table.c.aid == aid, _table.c.agent_id.in_(agent_ids)
    )
    return {row.agent_id: row.agent_name for row in connection.execute(query)}


def _agent(row: Sequence[Any]) -> Agent:
    # Taken apart at once: by name it takes longer than the database does.
    (agent_id, aid, agent_name, info, enabled, deleted) = row[:6]
    (created_s, last_seen_s, public_ip, given_name, network_id) = row[6:]
    return Agent(
        agent_id=agent_id,
        aid=aid,
        agent_name=agent_name,
        info=_info_decoder.decode(info),
        enabled=enabled,
        deleted=deleted,
        created_s=created_s,
        last_seen_s=last_seen_s,
        public_ip=public_ip,
        given_name=given_name,
        network_id=network_id,
    )
