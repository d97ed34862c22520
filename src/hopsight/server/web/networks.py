"""Networks that agents are on: how each one does, and what is in it."""

from collections.abc import Sequence
from typing import Any, Final

from litestar import get
from litestar.connection import Request
from msgspec import Struct, structs

from hopsight.errors import InvalidValueError, NotFoundError
from hopsight.model.aggregates import Group, GroupOrder, Measures, Summary
from hopsight.model.dimensions import USER_SESSIONS
from hopsight.server.api.answers import Answer
from hopsight.server.web.charts import spark_path
from hopsight.server.web.overview import PATH as OVERVIEW
from hopsight.server.web.overview_numbers import overview_charts, rank_rows, verdict_shares
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.view import WINDOWS, View, bucket_s_of
from hopsight.server.web.visitor import Visitor, see

PATH: Final = "/networks"
MOST: Final = 100
MOST_WITHIN: Final = 50
_TREND_BUCKETS: Final = 48
_ORDERS: Final[dict[str, GroupOrder]] = {
    "latency": "latency",
    "loss": "loss",
    "sessions": "records",
}
WITHIN: Final = (
    ("Agents", "agent_id", "agentId"),
    ("Access points", "bssid", "bssid"),
    ("Gateways", "gateway", "gateway"),
    ("Sites", "visited_site", "visitedSite"),
)


class NetworkRow(Struct, frozen=True, kw_only=True):
    """A network: what people call it, and what its sessions come to.

    Args:
        label: as an admin named it; else by its addresses.
        addresses: the latter; empty: they are the label.
        url: its page.
        overview_url: the overview narrowed to it.
    """

    network_id: str
    label: str
    addresses: str
    url: str
    overview_url: str
    measures: Measures
    spark: str


@get(PATH)
async def list_networks(request: Request[Any, Any, Any]) -> Answer:
    """All networks of an account group, worst first."""
    try:
        return await _list(await see(request))
    except REFUSALS as error:
        return refusal(request.scope, error)


@get(f"{PATH}/{{networkId:str}}")
async def read_network(request: Request[Any, Any, Any]) -> Answer:
    """One of them."""
    try:
        return await _read(await see(request), request.path_params["networkId"])
    except REFUSALS as error:
        return refusal(request.scope, error)


async def _list(visitor: Visitor) -> Answer:
    order = order_of(visitor)
    groups = await read_networks(visitor, order)
    points = await _ranked(visitor, "bssid", _ORDERS[order], MOST_WITHIN)
    return visitor.render(
        "networks.html",
        path=PATH,
        rows=await _network_rows(visitor, groups),
        points=rank_rows(points, str, lambda bssid: visitor.view.with_filter("bssid", bssid).url(OVERVIEW)),
        unknown=sum(group.measures.records for group in groups if group.value is None),
        order=order,
        orders=list(_ORDERS),
        most=MOST,
        windows=WINDOWS,
    )


def order_of(visitor: Visitor) -> str:
    """The URL's ``order``.

    Raises:
        InvalidValueError: there is no such order.
    """
    order = visitor.parameters.one("order") or "latency"
    if order not in _ORDERS:
        raise InvalidValueError("order", order, ", ".join(_ORDERS))
    return order


async def read_networks(visitor: Visitor, order: str) -> list[Group]:
    """The networks that agents measured from."""
    return await _ranked(visitor, "network_id", _ORDERS[order], MOST)


async def _read(visitor: Visitor, network_id: str) -> Answer:
    visitor = narrowed_to(visitor, network_id)
    view, store = visitor.view, visitor.services.store
    query = view.query(USER_SESSIONS)
    bucket_s = bucket_s_of(view.time_range)
    summary = await store.summarize(query, bucket_s)
    await check_known(visitor, network_id, summary)
    names = await names_of_networks(visitor, [network_id])
    ranks = []
    for title, column, key in WITHIN:
        groups = await read_within(visitor, column)
        labels = _agent_names(visitor, groups) if column == "agent_id" else {}
        rows = rank_rows(
            groups,
            lambda value, labels=labels: labels.get(value, value),  # type: ignore[misc]
            lambda value, key=key: _url_within(view, key, value),  # type: ignore[misc]
        )
        ranks.append((f"{title}, slowest first", rows))
    return visitor.render(
        "network.html",
        path=f"{PATH}/{network_id}",
        overview_url=view.url(OVERVIEW),
        network_id=network_id,
        name=names[network_id],
        whole=summary.whole,
        charts=overview_charts(summary, view.time_range, bucket_s)[:2],
        shares=verdict_shares(await store.count_by(query, "verdict"), view, OVERVIEW),
        ranks=ranks,
        windows=WINDOWS,
        back=view.without_filter("networkId", network_id).url(PATH),
    )


async def check_known(visitor: Visitor, network_id: str, summary: Summary) -> None:
    """Refuse a network that nothing was measured from, now or before.

    Raises:
        NotFoundError: it is one.
    """
    known = await visitor.services.networks.ids(visitor.group.aid)
    if not summary.whole.records and network_id not in known:
        raise NotFoundError(f"There is no network {network_id!r} in this account group")


def _url_within(view: View, key: str, value: str) -> str:
    """An agent has a page of its own; all else is a look at the overview."""
    return view.url(f"/agents/{value}") if key == "agentId" else view.with_filter(key, value).url(OVERVIEW)


def narrowed_to(visitor: Visitor, network_id: str) -> Visitor:
    """The same visitor, looking at one network alone, whatever networks the view is filtered by."""
    view = visitor.view
    for each in view.filters:
        if each.key == "networkId":
            for value in each.values:
                view = view.without_filter(each.key, value)
    return structs.replace(visitor, view=view.with_filter("networkId", network_id))


async def read_within(visitor: Visitor, column: str) -> list[Group]:
    """What is in the network that the visitor looks at, slowest first."""
    return await _ranked(visitor, column, "latency", MOST_WITHIN)


async def _ranked(visitor: Visitor, column: str, order: GroupOrder, most: int) -> list[Group]:
    return await visitor.services.store.rank(
        visitor.view.query(USER_SESSIONS),
        column,
        bucket_s=bucket_s_of(visitor.view.time_range, _TREND_BUCKETS),
        order=order,
        limit=most,
    )


async def _network_rows(visitor: Visitor, groups: Sequence[Group]) -> list[NetworkRow]:
    names = await names_of_networks(visitor, [group.value for group in groups if group.value is not None])
    return [
        NetworkRow(
            network_id=group.value,
            label=names[group.value][0],
            addresses=names[group.value][1],
            url=visitor.view.url(f"{PATH}/{group.value}"),
            overview_url=visitor.view.with_filter("networkId", group.value).url(OVERVIEW),
            measures=group.measures,
            spark=spark_path(group.trend),
        )
        for group in groups
        if group.value is not None
    ]


async def names_of_networks(visitor: Visitor, network_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """What people call networks, and their addresses where that is something else."""
    services, aid = visitor.services, visitor.group.aid
    given = services.accounts.networks.by_id(aid)
    names = {}
    for network in await services.networks.described(aid, network_ids):
        named = given.get(network.network_id)
        by_admin = None if named is None else named.location or named.org_name
        names[network.network_id] = (by_admin or network.name, network.name if by_admin else "")
    return names


def _agent_names(visitor: Visitor, groups: Sequence[Group]) -> dict[str, str]:
    ids = [group.value for group in groups if group.value is not None]
    return visitor.services.accounts.agent_names(visitor.group.aid, ids)


HANDLERS: Final[list[Any]] = [list_networks, read_network]
