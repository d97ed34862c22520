"""Agents that have no data for a reason: asleep, offline, disabled, stopped, or not ours any more."""

from typing import Final

import msgspec
from msgspec import structs

from hopsight.accounts.accounts import Accounts
from hopsight.model.dimensions import AGENT_STATES
from hopsight.model.query import Query
from hopsight.model.states import AgentState
from hopsight.storage.store import Store

REACH_BACK_S: Final = 86_400
"""How long a state may be: agents cut longer ones."""
_AWAY: Final = frozenset({"asleep", "offline", "disabled", "stopped"})
_states: Final = msgspec.json.Decoder(AgentState)
_PAGE: Final = 1_000


async def excused_agents(store: Store, accounts: Accounts, aid: int, round_id: int) -> frozenset[str]:
    """Agents of an account group of which it is known that they could not measure in a round."""
    excused = set()
    query = Query(kind=AGENT_STATES, aid=aid, first_round=round_id - REACH_BACK_S, last_round=round_id)
    while True:
        page = await store.page(query)
        for state in map(_states.decode, page.bodies):
            if state.state in _AWAY and state.end_ms >= round_id * 1_000:
                excused.add(state.agent_id)
        if page.next is None:
            break
        query = structs.replace(query, after=page.next)
    return frozenset(excused | _shut_out(accounts, aid))


def _shut_out(accounts: Accounts, aid: int) -> set[str]:
    found = set()
    for deleted in (False, True):
        after = None
        while page := accounts.agents(aid, deleted=deleted, after=after, limit=_PAGE):
            found |= {agent.agent_id for agent in page if deleted or not agent.enabled}
            after = page[-1].agent_id
    return found
