"""One question to a store, as a value; and its answer."""

from typing import Final

from msgspec import Struct

from hopsight.model.dimensions import Dimensions

PAGE_ITEMS: Final = 1000
"""Items on one page (API.md section 1)."""


class Filter(Struct, frozen=True):
    """``column`` (a field of ``Dimensions``) is one of ``values``, both in the stored spelling."""

    column: str
    values: tuple[str, ...]


class Cursor(Struct, frozen=True, array_like=True):
    """The place of a record in the order of its kind and account group."""

    round_id: int
    record_id: str


class Query(Struct, frozen=True, kw_only=True):
    """Records of one kind and account group, in order of round, then ID.

    Args:
        kind: a key of ``KINDS``.
        aid: account group.
        first_round: epoch seconds, inclusive.
        last_round: epoch seconds, inclusive.
        filters: all of them must hold.
        after: start behind this place.
        skip: and then leave out this many (``page=n``, deprecated: costs time in proportion).
        limit: at most this many records.
    """

    kind: str
    aid: int
    first_round: int
    last_round: int
    filters: tuple[Filter, ...] = ()
    after: Cursor | None = None
    skip: int = 0
    limit: int = PAGE_ITEMS


class PageOf(Struct, frozen=True):
    """The answer: encoded documents in order, and the place of the last if there are more behind it."""

    bodies: list[bytes]
    next: Cursor | None


class Record(Struct, frozen=True, kw_only=True, gc=False):
    """What a store keeps of one record.

    Args:
        aid: account group.
        round_id: epoch seconds at which its round starts.
        record_id: unique within ``(kind, aid, round_id)``; contains both.
        dimensions: what it can be filtered by.
        loss_percent: for charts; None when not measured (as the next two).
        latency_ms: average RTT.
        jitter_ms: deviation of the RTTs.
        body: the encoded document.
        detail: what else is kept of it, encoded; a store may compress it. Only ``Store.get`` gives it back.
    """

    aid: int
    round_id: int
    record_id: str
    dimensions: Dimensions
    loss_percent: float | None
    latency_ms: float | None
    jitter_ms: float | None
    body: bytes
    detail: bytes | None = None
