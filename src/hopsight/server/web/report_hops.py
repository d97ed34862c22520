"""The routers of a report: on the ways of its newest sessions, and of those in its longest outages."""

from collections.abc import Sequence
from typing import Final

from msgspec import structs

from hopsight.model.aggregates import Summary
from hopsight.model.query import Query
from hopsight.server.places.atlas import Atlas
from hopsight.server.reports.document import Hops
from hopsight.server.reports.hops import report_hops
from hopsight.server.reports.outages import Run
from hopsight.server.services import Services
from hopsight.server.web.paths import newest_of, read_traces
from hopsight.server.web.report_outages import within

NEWEST: Final = 300
OUTAGES: Final = 5
OF_AN_OUTAGE: Final = 40
"""Sessions that are looked at of each of the longest ``OUTAGES``: its first ones."""


async def read_hops(
    services: Services, query: Query, summary: Summary, outages: Sequence[Run], *, names: bool
) -> Hops:
    """The routers of a report.

    Args:
        services: the store, and who announces what.
        query: sessions of the report.
        summary: what they come to, in buckets.
        outages: the longest first.
        names: whether local addresses and first hops are told.
    """
    longest = outages[:OUTAGES]
    asked = [structs.replace(within(query, run), limit=OF_AN_OUTAGE) for run in longest]
    traces, looked_at = await read_traces(services, newest_of(query, summary, NEWEST), *asked)
    routers, left_out = report_hops(traces, lambda address: _provider(services.atlas, address), names=names)
    return Hops(
        sessions_looked_at=looked_at,
        newest=NEWEST,
        outages=len(longest),
        of_an_outage=OF_AN_OUTAGE,
        traces=len(traces),
        left_out=left_out,
        routers=tuple(routers),
    )


def _provider(atlas: Atlas, address: str) -> str | None:
    found = atlas.network_of(address)
    if found is None:
        return None
    return f"AS{found.asn} {found.organization}" if found.organization else f"AS{found.asn}"
