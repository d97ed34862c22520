"""What each page offers to take away: the links of its menu; what they lead to is in ``web.export``. Pure."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from hopsight.server.web.view import View

PATH: Final = "/export"
REPORT_PATH: Final = "/report"


class Offer(Struct, frozen=True):
    """Something of a page: what people call it, its table and its picture; None: it has none.

    Args:
        given: parameters of its own.
    """

    label: str
    table: str | None = None
    picture: str | None = None
    given: tuple[tuple[str, str], ...] = ()


class Download(Struct, frozen=True, kw_only=True):
    """A line of the menu: what it is, and the links: format and URL."""

    label: str
    links: list[tuple[str, str]]


OFFERS: Final[Mapping[str, tuple[Offer, ...]]] = {
    "overview": (
        Offer("Everything drawn", None, "view"),
        Offer("Over time", "series"),
        Offer("Whose fault", "verdicts", "verdicts"),
        Offer("Latency", None, "latency"),
        Offer("Loss", None, "loss"),
        Offer("Jitter", None, "jitter"),
        Offer("Sessions", None, "sessions"),
        Offer("Agents", None, "agents"),
    ),
    "ranks": (Offer("This rank", "rank"),),
    "agents": (Offer("Agents", "agents"),),
    "agent": (
        Offer("Everything drawn", None, "view"),
        Offer("Over time", "timeline"),
        Offer("Latency", None, "latency"),
        Offer("Loss", None, "loss"),
        Offer("States", "states", "states"),
        Offer("CPU and memory", "machine"),
        Offer("CPU", None, "cpu"),
        Offer("Memory", None, "memory"),
        Offer("Where it was", "whereabouts"),
        Offer("Newest sessions", "sessions"),
    ),
    "networks": (Offer("Networks", "networks"),),
    "network": (
        Offer("Everything drawn", None, "view"),
        Offer("Over time", "series"),
        Offer("Whose fault", "verdicts", "verdicts"),
        Offer("Latency", None, "latency"),
        Offer("Loss", None, "loss"),
        Offer("Agents", "ranks", None, (("by", "agentId"),)),
        Offer("Access points", "ranks", None, (("by", "bssid"),)),
        Offer("Gateways", "ranks", None, (("by", "gateway"),)),
        Offer("Sites", "ranks", None, (("by", "visitedSite"),)),
    ),
    "paths": (Offer("Graph", None, "graph"), Offer("Routers", "nodes"), Offer("Links", "edges")),
    "session": (
        Offer("The way", "segments"),
        Offer("Probes", "probes"),
        Offer("Path", "hops", "path"),
        Offer("Pages", "pages"),
        Offer("Waterfall", "requests", "waterfall"),
    ),
    "last-round": (Offer("Sessions", "sessions"),),
    "alerts": (
        Offer("Incidents", "incidents"),
        Offer("Rules", "rules"),
        Offer("Maintenance", "maintenance"),
    ),
    "incident": (
        Offer("Its metric over time", "metric", "metric"),
        Offer("Agents", "agents"),
        Offer("What happened", "events"),
    ),
}

REPORTED: Final[Mapping[str, str | None]] = {
    "overview": None,
    "ranks": None,
    "agents": None,
    "agent": "agentId",
    "networks": None,
    "network": "networkId",
    "paths": None,
}
"""Pages whose view a report can be of, and the filter that stands for what a page of one is about."""


def downloads_of(view: View, page: str, *, without: tuple[str, ...] = (), **more: str) -> list[Download]:
    """The menu of a page.

    Args:
        view: what it looks at.
        page: a key of ``OFFERS``.
        without: tables and pictures that there is nothing for.
        more: parameters of the page itself; ``of``: what it is about.
    """
    downloads = []
    for offer in OFFERS[page]:
        names = (("CSV", offer.table, "csv"), ("PNG", offer.picture, "png"))
        links = [
            (label, view.url(f"{PATH}/{page}/{name}.{kind}", **dict(offer.given), **more))
            for label, name, kind in names
            if name is not None and name not in without
        ]
        if links:
            downloads.append(Download(label=offer.label, links=links))
    if page in REPORTED:
        key = REPORTED[page]
        reported = view if key is None else view.with_filter(key, more["of"])
        downloads.append(Download(label="To print, and sign", links=[("Report", reported.url(REPORT_PATH))]))
    return downloads
