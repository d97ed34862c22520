"""Local networks: what version 6 calls network topology, and networks."""

from typing import Any, Final, Literal

import msgspec
from litestar import get, post
from litestar.connection import Request
from msgspec import Struct, field

from hopsight.errors import InvalidValueError
from hopsight.model.dimensions import NETWORK_PROBES
from hopsight.model.query import PAGE_ITEMS, Cursor
from hopsight.model.system import SystemMetrics
from hopsight.model.topology import NetworkProbe, NetworkProbeDetail, is_network_probe_id
from hopsight.model.user_sessions import Coordinates
from hopsight.server.api.answers import Answer
from hopsight.server.api.common_parameters import ACCOUNT_GROUP
from hopsight.server.api.cursors import PagePlace
from hopsight.server.api.description import described
from hopsight.server.api.stored import read_stored
from hopsight.server.api.v7.asking import Asked, answer, ask, link_to, self_links
from hopsight.server.api.v7.cursors import PARAMETER, format_cursor, parse_cursor
from hopsight.server.api.v7.descriptions import (
    BODY_STATUSES,
    CURSOR,
    RECORD_PARAMETERS,
    operation,
    path_parameter,
)
from hopsight.server.api.v7.documents import Link, Links
from hopsight.server.api.v7.filters import SEARCHES
from hopsight.server.api.v7.network_parts import NetworkPing, NetworkProfile, network_ping, network_profile
from hopsight.server.api.v7.real_user_test_documents import instant
from hopsight.server.api.v7.records import filter_records, results_answer

PATH: Final = "/v7/endpoint/test-results/local-networks"

_TAG: Final = "Local networks"
_OF: Final = "local-networks"
_ACCEPTED: Final = "aid:networkId:roundId:first 8 of agentId, then -proxy or -vpn for those"

TopologyType = Literal["gateway", "proxy", "vpn"]


class Topology(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One probe of a gateway, proxy or VPN endpoint."""

    network_topology_id: str
    agent_id: str
    round_id: int
    date: str
    target: str
    type: TopologyType
    icmp_ping: NetworkPing | None = None
    is_icmp_blocked: bool | None = None
    system_metrics: SystemMetrics | None = None


class TopologyDetail(Topology, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """One probe, with the network profile."""

    coordinates: Coordinates | None = None
    network_profile: NetworkProfile | None = None


class TopologyDetailResults(Struct, frozen=True, kw_only=True):
    """One probe."""

    results: list[TopologyDetail]
    links: Links = field(name="_links")


class LocalNetwork(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """A network that agents were on."""

    network_id: str
    network_name: str
    local_prefix: str | None = None
    public_ip_range: str | None = None


class LocalNetworks(Struct, rename="camel", frozen=True, kw_only=True):
    """Networks of an account group."""

    local_networks: list[LocalNetwork]
    links: Links = field(name="_links")


_probes: Final = msgspec.json.Decoder(NetworkProbe).decode
_details: Final = msgspec.json.Decoder(NetworkProbeDetail).decode

_FILTERED: Final = operation(
    "Probes of gateways, proxies and VPN endpoints of a time range, or of the last round of 300 s",
    _TAG,
    *BODY_STATUSES,
    parameters=RECORD_PARAMETERS,
    body=SEARCHES[NETWORK_PROBES],
    answer=results_answer(Topology, "LocalNetworkTopologyResults"),
)
_READ: Final = operation(
    "One probe, with the network profile",
    _TAG,
    404,
    parameters=(path_parameter("networkTopologyId", "ID of the probe"), ACCOUNT_GROUP),
    answer=TopologyDetailResults,
)
_LISTED: Final = operation(
    "Networks that agents of the account group were on in the last 30 days, in order of ID",
    _TAG,
    parameters=(ACCOUNT_GROUP, CURSOR),
    answer=LocalNetworks,
)


def _topology(body: bytes) -> Topology:
    return Topology(**_fields(_probes(body)))


def _fields(probe: NetworkProbe) -> dict[str, Any]:
    return {
        "network_topology_id": probe.network_probe_id,
        "agent_id": probe.agent_id,
        "round_id": probe.round_id,
        "date": instant(probe.date),
        "target": probe.target,
        "type": _type(probe.network_probe_id),
        "icmp_ping": network_ping(probe.icmp_ping),
        "is_icmp_blocked": probe.icmp_blocked,
        "system_metrics": probe.system_metrics,
    }


def _type(probe_id: str) -> TopologyType:
    # The ID says it: the gateway's is plain, the others have it behind them.
    kinds: tuple[TopologyType, ...] = ("proxy", "vpn")
    return next((kind for kind in kinds if probe_id.endswith(f"-{kind}")), "gateway")


@post(f"{PATH}/topologies/filter", status_code=200, opt=described(_FILTERED))
async def filter_local_network_topologies(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page."""
    return await filter_records(request, NETWORK_PROBES, _topology)


@get(f"{PATH}/topologies/{{networkTopologyId:str}}", opt=described(_READ))
async def read_local_network_topology(request: Request[Any, Any, Any]) -> Answer:
    """Answer with one, whole."""
    asked = await ask(request)
    text = request.path_params["networkTopologyId"]
    if not is_network_probe_id(text):
        raise InvalidValueError("networkTopologyId", text, _ACCEPTED)
    record = await read_stored(asked, NETWORK_PROBES, Cursor(int(text.split(":")[2]), text))
    detail = _details(record.detail or b"{}")
    found = TopologyDetail(
        **_fields(_probes(record.body)),
        coordinates=detail.coordinates,
        network_profile=network_profile(detail.network_profile),
    )
    links = self_links(asked, f"{PATH}/topologies/{text}")
    return answer(asked, TopologyDetailResults(results=[found], links=links))


@get(PATH, opt=described(_LISTED))
async def list_local_networks(request: Request[Any, Any, Any]) -> Answer:
    """Answer with them; ``_links.next`` (ours: the vendor's has no pages) when there are more than a page."""
    asked = await ask(request)
    text = asked.parameters.one(PARAMETER)
    after = parse_cursor(text, _OF).place.item_id if text else ""
    networks = asked.services.networks
    left = [network_id for network_id in await networks.ids(asked.aid) if network_id > after]
    found = await networks.described(asked.aid, left[:PAGE_ITEMS])
    documents = [
        LocalNetwork(
            network_id=each.network_id,
            network_name=each.name,
            local_prefix=each.local_prefix,
            public_ip_range=each.public_ip_range,
        )
        for each in found
    ]
    following = _next(asked, left[PAGE_ITEMS - 1]) if len(left) > PAGE_ITEMS else None
    return answer(
        asked,
        LocalNetworks(local_networks=documents, links=Links(self_=link_to(asked, PATH), next=following)),
    )


def _next(asked: Asked, last: str) -> Link:
    cursor = format_cursor(PagePlace(of=_OF, page=2, round_id=0, item_id=last))
    pairs = [*asked.parameters.without(frozenset({PARAMETER})), f"{PARAMETER}={cursor}".encode()]
    return link_to(asked, PATH, pairs)


HANDLERS: Final = (filter_local_network_topologies, read_local_network_topology, list_local_networks)
