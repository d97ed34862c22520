"""The overview: who has a bad day, since when, and whose fault it is; and the ranks behind it."""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from litestar import get
from litestar.connection import Request
from msgspec import Struct

from hopsight.errors import InvalidValueError
from hopsight.model.aggregates import Group, GroupOrder
from hopsight.model.dimensions import USER_SESSIONS
from hopsight.model.times import format_utc
from hopsight.server.api.answers import Answer
from hopsight.server.web.filter_bar import added_filter, read_filter_bar
from hopsight.server.web.names import names_of
from hopsight.server.web.overview_numbers import (
    RankRow,
    overview_charts,
    rank_rows,
    verdict_shares,
)
from hopsight.server.web.refusals import REFUSALS, refusal
from hopsight.server.web.view import WINDOWS, View, bucket_s_of
from hopsight.server.web.visitor import Visitor, see

PATH: Final = "/"
RANKS_PATH: Final = "/ranks"
SHOWN: Final = 8
MOST: Final = 200
TREND_BUCKETS: Final = 48
ORDERS: Final[dict[str, GroupOrder]] = {
    "latency": "latency", "loss": "loss", "jitter": "jitter", "sessions": "records",
}  # fmt: skip


class Ranked(Struct, frozen=True):
    """A dimension that groups are ranked by: the filter's key, the store's column, the heading.

    Args:
        pages: where each value has a page of its own; None: nowhere.
    """

    key: str
    column: str
    title: str
    pages: str | None = None


RANKED: Final = (
    Ranked("agentId", "agent_id", "Agents", "/agents/"),
    Ranked("visitedSite", "visited_site", "Sites"),
    Ranked("networkId", "network_id", "Networks", "/networks/"),
    Ranked("ssid", "ssid", "Wi-Fi networks"),
    Ranked("bssid", "bssid", "Access points"),
    Ranked("gateway", "gateway", "Gateways"),
    Ranked("vpnTarget", "vpn_target", "VPN endpoints"),
    Ranked("location", "location", "Locations"),
)


async def answer_overview(request: Request[Any, Any, Any]) -> Answer:
    """Show it to whoever has signed in; others sign in first."""
    return await _answer(request, _overview)


@get(RANKS_PATH)
async def read_ranks(request: Request[Any, Any, Any]) -> Answer:
    """Show one rank at length."""
    return await _answer(request, _ranks)


async def _answer(request: Request[Any, Any, Any], page: Callable[[Visitor], Any]) -> Answer:
    try:
        visitor = await see(request)
        path = request.scope["path"]
        added = added_filter(visitor, USER_SESSIONS, path, _more(visitor, path))
        if added is not None:
            return Answer(b"", b"text/plain", status=303, headers=((b"location", added.encode()),))
        found: Answer = await page(visitor)
    except REFUSALS as error:
        return refusal(request.scope, error)
    return found


def _more(visitor: Visitor, path: str) -> dict[str, str]:
    """What the URLs of a page have beside the view, where it is not what goes without saying."""
    names = ("by", "order") if path == RANKS_PATH else ("order",)
    return {name: text for name in names if (text := visitor.parameters.one(name))}


async def _overview(visitor: Visitor) -> Answer:
    view, store = visitor.view, visitor.services.store
    query = view.query(USER_SESSIONS)
    bucket_s = bucket_s_of(view.time_range)
    summary = await store.summarize(query, bucket_s)
    order = order_of(visitor)
    ranks = []
    if summary.whole.records:
        for ranked in RANKED:
            rows = await _rows(visitor, ranked, SHOWN, order)
            if rows:
                more = view.url(RANKS_PATH, by=ranked.key, order=order)
                ranks.append((f"{ranked.title}, worst first", rows, more))
    newest = None if summary.whole.records else await store.last_round(USER_SESSIONS, view.aid)
    return visitor.render(
        "overview.html",
        path=PATH,
        whole=summary.whole,
        charts=overview_charts(summary, view.time_range, bucket_s),
        ranks=ranks,
        shares=verdict_shares(await store.count_by(query, "verdict"), view, PATH),
        windows=WINDOWS,
        more=_more(visitor, PATH),
        bar=await read_filter_bar(visitor, USER_SESSIONS, PATH, _more(visitor, PATH)),
        order=order,
        orders=ORDERS,
        bucket_minutes=bucket_s // 60,
        newest=None if newest is None else _around(view, newest),
    )


async def _ranks(visitor: Visitor) -> Answer:
    ranked, order = ranked_by(visitor), order_of(visitor)
    return visitor.render(
        "ranks.html",
        path=RANKS_PATH,
        ranked=ranked,
        all_ranked=RANKED,
        rows=await _rows(visitor, ranked, MOST, order),
        most=MOST,
        order=order,
        orders=ORDERS,
        windows=WINDOWS,
        more=_more(visitor, RANKS_PATH),
        bar=await read_filter_bar(visitor, USER_SESSIONS, RANKS_PATH, _more(visitor, RANKS_PATH)),
    )


def ranked_by(visitor: Visitor) -> Ranked:
    """The dimension that the URL's ``by`` names.

    Raises:
        InvalidValueError: nothing is ranked by that.
    """
    by = visitor.parameters.one("by") or RANKED[0].key
    ranked = next((each for each in RANKED if each.key == by), None)
    if ranked is None:
        raise InvalidValueError("by", by, ", ".join(each.key for each in RANKED))
    return ranked


def order_of(visitor: Visitor) -> str:
    """The URL's ``order``.

    Raises:
        InvalidValueError: there is no such order.
    """
    order = visitor.parameters.one("order") or "latency"
    if order not in ORDERS:
        raise InvalidValueError("order", order, ", ".join(ORDERS))
    return order


async def read_rank(
    visitor: Visitor, ranked: Ranked, most: int, order: str
) -> tuple[list[Group], dict[str, str]]:
    """The groups of a rank, and what people call those that have a name beside their value."""
    groups = await visitor.services.store.rank(
        visitor.view.query(USER_SESSIONS),
        ranked.column,
        bucket_s=bucket_s_of(visitor.view.time_range, TREND_BUCKETS),
        order=ORDERS[order],
        limit=most,
    )
    values = [group.value for group in groups if group.value is not None]
    return groups, await names_of(visitor, ranked.column, values)


async def _rows(visitor: Visitor, ranked: Ranked, most: int, order: str) -> list[RankRow]:
    view, pages = visitor.view, ranked.pages
    groups, labels = await read_rank(visitor, ranked, most, order)
    return rank_rows(
        groups,
        lambda value: labels.get(value, value),
        lambda value: view.with_filter(ranked.key, value).url(PATH),
        None if pages is None else lambda value: view.url(pages + quote(value, safe="")),
    )


def _around(view: View, round_id: int) -> tuple[str, str]:
    """The last range with data: when, and the link to a day up to then."""
    start, end = (format_utc(at).replace(" ", "T") for at in (round_id - 86_400 + 60, round_id + 60))
    return format_utc(round_id), f"{PATH}?aid={view.aid}&from={start}&to={end}"


HANDLERS: Final[list[Any]] = [read_ranks]
