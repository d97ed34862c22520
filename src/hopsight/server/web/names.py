"""What people call the values that records carry."""

from collections.abc import Sequence

from hopsight.server.web.visitor import Visitor


async def names_of(visitor: Visitor, column: str, values: Sequence[str]) -> dict[str, str]:
    """Names of agents and networks of the visitor's account group; of all else the value is the name."""
    services, aid = visitor.services, visitor.group.aid
    if column == "agent_id":
        return services.accounts.agent_names(aid, values)
    if column == "network_id":
        return {each.network_id: each.name for each in await services.networks.described(aid, values)}
    return {}
