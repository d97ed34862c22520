"""Networks (API.md section 3.6)."""

from typing import Any, Final

from litestar import get
from litestar.connection import Request

from hopsight.model.query import PAGE_ITEMS
from hopsight.server.api.answers import Answer
from hopsight.server.api.common_parameters import PLACE
from hopsight.server.api.cursors import PARAMETER, PagePlace
from hopsight.server.api.description import described
from hopsight.server.api.documents import Pages
from hopsight.server.api.record_pages import page_url, parse_place
from hopsight.server.api.v6.asking import Asked, ask
from hopsight.server.api.v6.descriptions import COMMON, operation
from hopsight.server.api.v6.documents import PrivateNetwork, PrivateNetworksAnswer
from hopsight.server.api.v6.rendering import render
from hopsight.server.networks import Network

PATH: Final = "/v6/endpoint-data/networks"

_OF: Final = "networks"
_LISTED: Final = operation(
    "Networks that agents of the account group were on in the last 30 days, in order of ID",
    "Networks",
    parameters=(*COMMON, PLACE),
    answer=PrivateNetworksAnswer,
)


@get(PATH, opt=described(_LISTED))
async def list_networks(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page."""
    asked = await ask(request)
    place = parse_place(_OF, asked.parameters)
    after = place.item_id if place else ""
    networks = asked.services.networks
    left = [network_id for network_id in await networks.ids(asked.aid) if network_id > after]
    number = place.page if place else 1
    following = _next_url(asked, left[PAGE_ITEMS - 1], number) if len(left) > PAGE_ITEMS else None
    found = await networks.described(asked.aid, left[:PAGE_ITEMS])
    answer = PrivateNetworksAnswer(
        private_networks=[_document(network) for network in found],
        pages=Pages(current=number, next=following),
    )
    return render(asked.scope, asked.format, answer)


def _document(network: Network) -> PrivateNetwork:
    return PrivateNetwork(
        network_id=network.network_id,
        network_name=network.name,
        local_prefix=network.local_prefix,
        public_ip_range=network.public_ip_range,
    )


def _next_url(asked: Asked, last: str, number: int) -> str:
    place = PagePlace(of=_OF, page=number + 1, round_id=0, item_id=last)
    pairs = asked.parameters.without(frozenset({PARAMETER}))
    return page_url(asked.scope, asked.services.config.public_url, pairs, place)


HANDLERS: Final = (list_networks,)
