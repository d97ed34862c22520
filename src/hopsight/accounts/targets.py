"""Targets that the agents of an account group measure: all of them, or some. Changes are in the audit log."""

from collections import defaultdict
from collections.abc import Collection
from typing import Final

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from hopsight.accounts import organizations, schema
from hopsight.accounts.audit import Change, Resource
from hopsight.accounts.checks import checked_target
from hopsight.accounts.listings import ListedTarget
from hopsight.errors import ConflictError, InvalidValueError, NotFoundError
from hopsight.model.agents import Target

MAX_TARGETS: Final = 1_000
"""In one account group: what ``AgentConfiguration`` can carry."""
MAX_TARGET_AGENTS: Final = 1_000
"""Agents that one target may name."""

_table = schema.targets
_chosen = schema.target_agents


def add(connection: Connection, aid: int, target: Target, agent_ids: Collection[str], change: Change) -> int:
    """Add a target; its ID."""
    organizations.require_group(connection, aid)
    target = checked_target(target)
    same = {"aid": aid, "host": target.host, "port": target.port or 0, "protocol": target.protocol}
    if connection.execute(select(_table.c.target_id).filter_by(**same)).first() is not None:
        raise ConflictError(f"Account group {aid} has this target already")
    held = select(func.count()).select_from(_table).where(_table.c.aid == aid)
    if connection.execute(held).scalar_one() >= MAX_TARGETS:
        raise ConflictError(f"Account group {aid} has {MAX_TARGETS} targets already; delete some first")
    statement = insert(_table).values(**same, interval_s=target.interval_s).returning(_table.c.target_id)
    target_id = int(connection.execute(statement).scalar_one())
    _choose(connection, aid, target_id, agent_ids)
    organizations.note(connection, aid, "Endpoint target created", _resource(target_id, target), change)
    return target_id


def update_target(
    connection: Connection,
    target_id: int,
    change: Change,
    *,
    interval_s: int | None,
    agent_ids: Collection[str] | None,
) -> None:
    """Set how often a target is measured, or by whom (none: all); None leaves either as it is."""
    row = _require(connection, target_id)
    if interval_s is not None:
        checked_target(Target(host=row.host, interval_s=interval_s))
        statement = update(_table).where(_table.c.target_id == target_id)
        connection.execute(statement.values(interval_s=interval_s))
    if agent_ids is not None:
        connection.execute(delete(_chosen).where(_chosen.c.target_id == target_id))
        _choose(connection, row.aid, target_id, agent_ids)
    organizations.note(
        connection, row.aid, "Endpoint target updated", _resource(target_id, _target(row)), change
    )


def listing(connection: Connection, aid: int | None) -> list[ListedTarget]:
    """Targets by ID: all, or those of one account group."""
    query = select(_table).order_by(_table.c.target_id)
    choices = select(_chosen).order_by(_chosen.c.target_id, _chosen.c.agent_id)
    if aid is not None:
        query = query.where(_table.c.aid == aid)
        choices = choices.join(_table).where(_table.c.aid == aid)
    agent_ids: defaultdict[int, list[str]] = defaultdict(list)
    for choice in connection.execute(choices):
        agent_ids[choice.target_id].append(choice.agent_id)
    return [_listed(row, agent_ids[row.target_id]) for row in connection.execute(query)]


def remove(connection: Connection, target_id: int, change: Change) -> None:
    """Delete a target."""
    row = _require(connection, target_id)
    connection.execute(delete(_table).where(_table.c.target_id == target_id))
    organizations.note(
        connection, row.aid, "Endpoint target deleted", _resource(target_id, _target(row)), change
    )


def forget_agent(connection: Connection, agent_id: str, change: Change) -> None:
    """Take an agent out of the targets that name it; those that name nobody else go with it.

    Left without a name, they would be measured by all agents of the account group.
    """
    for row in connection.execute(lone(agent_id).order_by(_chosen.c.target_id)).all():
        remove(connection, row.target_id, change)
    connection.execute(delete(_chosen).where(_chosen.c.agent_id == agent_id))


def lone(agent_id: str) -> Select[tuple[int]]:
    """The targets that this agent measures, and no other."""
    others = select(_chosen.c.target_id).where(_chosen.c.agent_id != agent_id)
    return select(_chosen.c.target_id).where(
        _chosen.c.agent_id == agent_id, _chosen.c.target_id.not_in(others)
    )


def _require(connection: Connection, target_id: int) -> Row[tuple[object, ...]]:
    row = connection.execute(select(_table).where(_table.c.target_id == target_id)).first()
    if row is None:
        raise NotFoundError(f"There is no target {target_id}")
    return row


def _choose(connection: Connection, aid: int, target_id: int, agent_ids: Collection[str]) -> None:
    wanted = sorted(set(agent_ids))
    if not wanted:
        return
    if len(wanted) > MAX_TARGET_AGENTS:
        accepted = f"at most {MAX_TARGET_AGENTS}; a target that names none is measured by all"
        raise InvalidValueError("number of agents", len(wanted), accepted)
    agents = schema.agents
    query = select(agents.c.agent_id).where(
        agents.c.aid == aid, ~agents.c.deleted, agents.c.agent_id.in_(wanted)
    )
    known = set(connection.execute(query).scalars())
    for agent_id in wanted:
        if agent_id not in known:
            raise NotFoundError(f"Account group {aid} has no agent {agent_id}")
    connection.execute(
        insert(_chosen), [{"target_id": target_id, "agent_id": agent_id} for agent_id in wanted]
    )


def _listed(row: Row[tuple[object, ...]], agent_ids: list[str]) -> ListedTarget:
    return ListedTarget(target_id=row.target_id, aid=row.aid, target=_target(row), agent_ids=tuple(agent_ids))


def _target(row: Row[tuple[object, ...]]) -> Target:
    return Target(host=row.host, port=row.port or None, protocol=row.protocol, interval_s=row.interval_s)


def _resource(target_id: int, target: Target) -> list[Resource]:
    place = target.host if target.port is None else f"{target.host} port {target.port}"
    return [Resource(type="endpoint target", name=f"{place} ({target_id})")]
