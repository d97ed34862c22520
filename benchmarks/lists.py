"""The lists that are measured beside each other: one row each, and what a page of it asks the store."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, cast

from msgspec import Struct

from hopsight.storage.store import Store

RANGE: Final = "window=12h"
"""The time range asked for: as much as network topology gives at once."""


class ListRow(Struct, frozen=True, kw_only=True):
    """One list.

    Args:
        name: in the table.
        path: of the route.
        items: key of its items in an answer.
        ranged: takes a time range.
        posted: JSON to POST; None: it is a GET.
        calls: what one page asks the store, with a time range where it takes one.
        calls_without_range: the same for the last round; None: it takes no time range.
        calls_again: the same as ``calls`` for a page that was asked for before; None: the same.
    """

    name: str
    path: str
    items: str
    ranged: bool = True
    posted: str | None = None
    calls: tuple[str, ...] = ("page",)
    calls_without_range: tuple[str, ...] | None = ("last_round", "page")
    calls_again: tuple[str, ...] | None = None

    @property
    def target(self) -> str:
        """Path and query of its first page."""
        return f"{self.path}?{RANGE}" if self.ranged else self.path

    def count(self, page: bytes) -> int:
        """How many items an answer has."""
        return len(json.loads(page)[self.items])


def _of_accounts(name: str, path: str, items: str) -> ListRow:
    return ListRow(name=name, path=path, items=items, ranged=False, calls=(), calls_without_range=None)


def _of_networks(name: str, path: str, items: str) -> ListRow:
    # What was read of a network is kept: only the first page after a start reads each of its networks.
    return ListRow(
        name=name,
        path=path,
        items=items,
        ranged=False,
        calls=("last_round", "last_round", "count_by", "page for each", "get for each"),
        calls_without_range=None,
        calls_again=("last_round", "count_by"),
    )


_DATA: Final = "/v6/endpoint-data"
_RESULTS: Final = "/v7/endpoint/test-results"

STANDARD: Final = ListRow(
    name="network sessions", path=f"{_DATA}/user-sessions/network", items="networkSessions"
)
"""The list that the others are compared with."""
LISTS: Final = (
    STANDARD,
    ListRow(name="user sessions", path=f"{_DATA}/user-sessions", items="userSessions"),
    ListRow(name="web sessions", path=f"{_DATA}/user-sessions/web", items="webSessions"),
    ListRow(name="network topology", path=f"{_DATA}/network-topology", items="networkProbes"),
    _of_networks("networks", f"{_DATA}/networks", "privateNetworks"),
    _of_accounts("endpoint agents", "/v6/endpoint-agents", "endpointAgents"),
    ListRow(
        name="v7 networks of real-user tests",
        path=f"{_RESULTS}/real-user-tests/networks/filter",
        items="results",
        posted="{}",
    ),
    ListRow(
        name="v7 real-user tests", path=f"{_RESULTS}/real-user-tests/filter", items="results", posted="{}"
    ),
    ListRow(
        name="v7 pages of real-user tests",
        path=f"{_RESULTS}/real-user-tests/pages/filter",
        items="results",
        posted="{}",
    ),
    ListRow(
        name="v7 topologies",
        path=f"{_RESULTS}/local-networks/topologies/filter",
        items="results",
        posted="{}",
    ),
    _of_networks("v7 local networks", f"{_RESULTS}/local-networks", "localNetworks"),
    _of_accounts("v7 agents", "/v7/endpoint/agents", "agents"),
)


class CountedStore:
    """A store in front of another, that counts what it is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.calls: Counter[str] = Counter()

    def as_store(self) -> Store:
        """Itself, as whoever needs a store takes it: every method goes through."""
        return cast("Store", self)

    def taken(self) -> dict[str, int]:
        """What it was asked since the last time."""
        found = dict(self.calls)
        self.calls.clear()
        return found

    def __getattr__(self, name: str) -> Any:
        asked: Callable[..., Any] = getattr(self._store, name)
        self.calls[name] += 1
        return asked


def expected_calls(calls: tuple[str, ...], items: int) -> dict[str, int]:
    """``calls`` as counts; what is done ``for each`` is done as often as the page has items."""
    counted: Counter[str] = Counter()
    for call in calls:
        counted[call.removesuffix(" for each")] += items if call.endswith(" for each") else 1
    return dict(counted)
