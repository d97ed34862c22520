"""What a page looks at: account group, time range and filters, all in its URL, so that it can be shared."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from msgspec import Struct

from hopsight.errors import InvalidValueError
from hopsight.model.dimensions import FILTERS
from hopsight.model.query import Query
from hopsight.model.times import TimeRange, format_utc
from hopsight.server.api.filters import SearchFilter, resolve_filters
from hopsight.server.api.parameters import Parameters
from hopsight.server.api.time_ranges import parse_time_range

DEFAULT_WINDOW: Final = "24h"
WINDOWS: Final = ("1h", "6h", "24h", "7d", "30d")
"""What pages offer; any window, and ``from`` with ``to``, works."""
MAX_RANGE_S: Final = 366 * 86_400
MAX_CHIPS: Final = 50


class View(Struct, frozen=True, kw_only=True):
    """A look at an account group.

    Args:
        aid: account group.
        time_range: epoch seconds, inclusive.
        window: as it was asked for (``24h``); None: ``from`` and ``to`` were given.
        filters: keys of ``FILTERS`` with the values chosen, as they are in the URL.
    """

    aid: int
    time_range: TimeRange
    window: str | None
    filters: tuple[SearchFilter, ...] = ()

    def query(self, kind: str) -> Query:
        """The question to a store; filters that this kind does not take are left out."""
        taken = [each for each in self.filters if kind in FILTERS[each.key].kinds]
        return Query(
            kind=kind,
            aid=self.aid,
            first_round=self.time_range.start_s,
            last_round=self.time_range.end_s,
            filters=resolve_filters(kind, taken),
        )

    def url(self, path: str, **more: str) -> str:
        """A link to a page with the same look; ``more``: parameters of that page."""
        return f"{path}?{urlencode([*self._pairs(), *more.items()])}"

    def with_filter(self, key: str, value: str) -> "View":
        """The same, narrowed by one value more."""
        values = next((each.values for each in self.filters if each.key == key), ())
        others = tuple(each for each in self.filters if each.key != key)
        return self._replaced((*others, SearchFilter(key, tuple(dict.fromkeys((*values, value))))))

    def without_filter(self, key: str, value: str) -> "View":
        """The same, with one value less."""
        left = [
            SearchFilter(each.key, tuple(one for one in each.values if (each.key, one) != (key, value)))
            for each in self.filters
        ]
        return self._replaced(tuple(each for each in left if each.values))

    def at(self, window: str) -> "View":
        """The same, over another window up to now (the range itself is worked out when it is asked for)."""
        return View(aid=self.aid, time_range=self.time_range, window=window, filters=self.filters)

    def _replaced(self, filters: tuple[SearchFilter, ...]) -> "View":
        return View(aid=self.aid, time_range=self.time_range, window=self.window, filters=filters)

    @property
    def start_text(self) -> str:
        """The first moment, as a person reads and writes it."""
        return format_utc(self.time_range.start_s)

    @property
    def end_text(self) -> str:
        """The last moment likewise."""
        return format_utc(self.time_range.end_s)

    def time_pairs(self) -> list[tuple[str, str]]:
        """The parameters that say which time: a window, or its two ends."""
        if self.window is not None:
            return [("window", self.window)]
        return [("from", self.start_text.replace(" ", "T")), ("to", self.end_text.replace(" ", "T"))]

    def _pairs(self) -> list[tuple[str, str]]:
        time = self.time_pairs()
        chosen = [(each.key, value) for each in self.filters for value in each.values]
        return [("aid", str(self.aid)), *time, *chosen]


def parse_view(aid: int, parameters: Parameters, now_s: float) -> View:
    """Read the look that a URL asks for; without a range, the last 24 hours.

    Raises:
        InvalidValueError: a range or filter is wrong, or there is too much of either.
    """
    time_range = parse_time_range(parameters, now_s)
    window = parameters.one("window")
    if time_range is None:
        window = DEFAULT_WINDOW
        time_range = TimeRange(int(now_s) - 86_400, int(now_s))
    if time_range.end_s - time_range.start_s > MAX_RANGE_S:
        raise InvalidValueError("window", window or "from and to", f"at most {MAX_RANGE_S // 86_400} days")
    filters = [SearchFilter(key, tuple(values)) for key in FILTERS if (values := parameters.all(key))]
    _check_count(filters)
    return View(aid=aid, time_range=time_range, window=window, filters=tuple(filters))


def bucket_s_of(time_range: TimeRange, most: int = 120) -> int:
    """A bucket's length in seconds that people count in: at most ``most`` of them cover the range."""
    length_s = time_range.end_s - time_range.start_s
    for bucket_s in _BUCKETS_S:
        if length_s <= bucket_s * most:
            return bucket_s
    return _BUCKETS_S[-1]


_BUCKETS_S: Final = (60, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400, 604_800)


def _check_count(filters: Sequence[SearchFilter]) -> None:
    count = sum(len(each.values) for each in filters)
    if count > MAX_CHIPS:
        raise InvalidValueError("filters", f"{count} values", f"at most {MAX_CHIPS}")
