"""What questions ask about combinations of dimensions: read once, and then only what is new of it."""

# ruff: noqa: S608 - what is formatted into statements are names from KINDS and Dimensions, never values

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Final, NamedTuple

import apsw
import numpy as np

from hopsight.model.query import Query
from hopsight.storage.aggregates import Dims
from hopsight.storage.sqlite_query import matching

KNOWN_BYTES: Final = 32 << 20
"""Most memory for what is known, but for what was asked for last."""
_VALUE_BYTES: Final = 150
"""Of a value or an agent's ID with its place in a dictionary, about."""


class _State(NamedTuple):
    """Of a dimension table: how often rows were removed, and the highest number."""

    removed: int
    last: int


class _Known(NamedTuple):
    state: _State
    dims: Dims
    values: dict[str | None, int]
    agents: dict[str, int]

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        named = len(self.values) + len(self.agents)
        return self.dims.agent.nbytes + self.dims.group.nbytes + _VALUE_BYTES * named


class DimsReader:
    """Reads them through one connection, inside transactions that the caller holds."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._known: OrderedDict[Hashable, _Known] = OrderedDict()

    def read(self, table: str, query: Query, column: str | None) -> Dims:
        """What a question by a field of ``Dimensions`` asks about all combinations that there are."""
        key = table, query.aid, query.filters, column
        state = self._state(table)
        known = self._known.pop(key, None)
        if known is None or known.state.removed != state.removed:
            nothing = np.empty(0, dtype=np.int64)
            known = _Known(_State(state.removed, -1), Dims(nothing, nothing, ()), {}, {})
        if known.state != state:
            found = matching(
                self._connection, table, query, ("agent_id", column or "agent_id"), behind=known.state.last
            )
            known = _extended(known, state, found, is_grouped=column is not None)
        self._known[key] = known
        while sum(each.size for each in self._known.values()) > KNOWN_BYTES and len(self._known) > 1:
            self._known.popitem(last=False)
        return known.dims

    def _state(self, table: str) -> _State:
        highest = f"SELECT coalesce(max(dim), -1) FROM {table}_dim"
        state: Any = self._connection.execute(
            f"SELECT times, ({highest}) FROM {table}_dim_removed"
        ).fetchone()
        return _State(*state)


def _extended(known: _Known, state: _State, found: list[tuple[Any, ...]], *, is_grouped: bool) -> _Known:
    """With what was found behind it."""
    values, agents = known.values, known.agents
    more = state.last + 1 - len(known.dims.agent)
    agent = np.concatenate([known.dims.agent, np.zeros(more, dtype=np.int64)])
    group = np.concatenate([known.dims.group, np.full(more, -1, dtype=np.int64)])
    for dim, agent_id, value in found:
        agent[dim] = agents.setdefault(agent_id, len(agents))
        group[dim] = values.setdefault(value, len(values)) if is_grouped else 0
    return _Known(state, Dims(agent, group, tuple(values)), values, agents)
