"""Where agents are: told as where their records are from."""

from collections.abc import Mapping, Sequence

from msgspec import structs

from hopsight.accounts.listings import NetworkName
from hopsight.model.agents import Agent, Location
from hopsight.model.user_sessions import Coordinates
from hopsight.server.places.atlas import Atlas
from hopsight.server.places.origins import merged, place_named, public


def located(agents: Sequence[Agent], atlas: Atlas) -> list[Agent]:
    """The agents with what the server knows of their places, where they do not say that themselves.

    A place without a name is none: the API has no agents with coordinates alone.
    """
    names = {aid: atlas.names_of(aid) for aid in {agent.aid for agent in agents}}
    return [_located(agent, names[agent.aid], atlas) for agent in agents]


def _located(agent: Agent, names: Mapping[str, NetworkName], atlas: Atlas) -> Agent:
    own = agent.info.location
    name = names.get(agent.network_id) if agent.network_id else None
    if name is None and not atlas.knows_places:
        return agent
    place = merged(
        None if own is None else _place(own),
        place_named(name),
        atlas.place_of(public(agent.public_ip) if agent.public_ip else None),
    )
    if place is None or place.location is None:
        return agent
    location = Location(location_name=place.location, latitude=place.latitude, longitude=place.longitude)
    return structs.replace(agent, info=structs.replace(agent.info, location=location))


def _place(location: Location) -> Coordinates:
    return Coordinates(
        latitude=location.latitude, longitude=location.longitude, location=location.location_name
    )
