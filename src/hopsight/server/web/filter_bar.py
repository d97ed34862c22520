"""The filters of a view as chips with counts, and the values that one more may have."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from hopsight.errors import InvalidValueError
from hopsight.model.dimensions import FILTERS
from hopsight.server.api.filters import SearchFilter
from hopsight.server.web.names import names_of
from hopsight.server.web.visitor import Visitor

MAX_VALUES: Final = 200
MAX_LINKS: Final = 12


class Chip(Struct, frozen=True, kw_only=True):
    """A value that is, or may be, filtered by.

    Args:
        key: of the filter.
        value: as it is in the URL.
        label: what people call it.
        count: records that have it, under all filters of the view.
        url: takes the filter away, or adds it.
    """

    key: str
    value: str
    label: str
    count: int
    url: str


class FilterBar(Struct, frozen=True, kw_only=True):
    """For the macro ``looks``: chips of the filters there are; keys; the chosen key and its values."""

    chips: list[Chip]
    keys: list[str]
    key: str | None
    values: list[Chip]

    @property
    def links(self) -> list[Chip]:
        """The most frequent values."""
        return self.values[:MAX_LINKS]


def filter_keys(kind: str) -> list[str]:
    """The filters that a kind takes, by name."""
    return sorted(key for key, row in FILTERS.items() if kind in row.kinds)


def chosen_key(visitor: Visitor, kind: str) -> str | None:
    """The key whose values are asked for.

    Raises:
        InvalidValueError: this kind has no such filter.
    """
    key = visitor.parameters.one("filterKey")
    keys = filter_keys(kind)
    if key is not None and key not in keys:
        raise InvalidValueError("filterKey", key, ", ".join(keys))
    return key


def added_filter(visitor: Visitor, kind: str, path: str, more: Mapping[str, str]) -> str | None:
    """Where the form that adds a filter leads; None: it was sent without a value, or not at all.

    Raises:
        InvalidValueError: this kind has no such filter.
    """
    key, value = chosen_key(visitor, kind), (visitor.parameters.one("filterValue") or "").strip()
    return visitor.view.with_filter(key, value).url(path, **more) if key and value else None


async def read_filter_bar(visitor: Visitor, kind: str, path: str, more: Mapping[str, str]) -> FilterBar:
    """Count each filtered dimension once, and the values of the chosen key.

    Raises:
        InvalidValueError: this kind has no such filter.
    """
    view, key = visitor.view, chosen_key(visitor, kind)
    chips: list[Chip] = []
    for each in view.filters:
        chips += await _chips_of(visitor, kind, each, path, more)
    values: list[Chip] = []
    if key is not None:
        column = FILTERS[key].column
        counts = await visitor.services.store.count_by(view.query(kind), column)
        largest = _largest(counts)
        labels = await names_of(visitor, column, [value for value, _ in largest])
        values = [
            Chip(
                key=key,
                value=value,
                label=labels.get(value, value),
                count=count,
                url=view.with_filter(key, value).url(path, **more),
            )
            for value, count in largest
        ]
    return FilterBar(chips=chips, keys=filter_keys(kind), key=key, values=values)


async def _chips_of(
    visitor: Visitor, kind: str, chosen: SearchFilter, path: str, more: Mapping[str, str]
) -> list[Chip]:
    view, row = visitor.view, FILTERS[chosen.key]
    counts: Mapping[str | None, int] = {}
    if kind in row.kinds:
        counts = await visitor.services.store.count_by(view.query(kind), row.column)
    stored = {value: row.normalize(value) for value in chosen.values}
    labels = await names_of(visitor, row.column, list(stored.values()))
    return [
        Chip(
            key=chosen.key,
            value=value,
            label=labels.get(stored[value], value),
            count=counts.get(stored[value], 0),
            url=view.without_filter(chosen.key, value).url(path, **more),
        )
        for value in chosen.values
    ]


def _largest(counts: Mapping[str | None, int]) -> Sequence[tuple[str, int]]:
    known = [(value, count) for value, count in counts.items() if value is not None]
    return sorted(known, key=lambda each: (-each[1], each[0]))[:MAX_VALUES]
