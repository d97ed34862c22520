"""What the checks of all kinds share: the row of the table, a batch's dimensions, numbers of a ping."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from hopsight.model.dimensions import Dimensions
from hopsight.model.network_documents import Ping
from hopsight.model.query import Record
from hopsight.server.checks import Sender, full_dimensions
from hopsight.server.places.atlas import Atlas
from hopsight.server.places.origins import NOWHERE, Origin

RecordCheck = Callable[[Any, Sender, "BatchDimensions"], Record | str]
"""From an item of an upload to what is stored; a text: why it cannot be."""


class KindCheck(Struct, frozen=True, kw_only=True):
    """How records of one kind are taken from a batch.

    Args:
        kind: a key of ``KINDS``.
        list_name: the field of ``UploadBatch`` that holds them.
        record: what an item of that list is.
        check: what becomes of an item of that list.
    """

    kind: str
    list_name: str
    record: type[Struct]
    check: RecordCheck


SiteKey = tuple[int, str | None, str | None, str, str | None]
"""Context, site as it was sent, address, trigger, verdict."""


class BatchDimensions(dict[SiteKey, Dimensions | str]):
    """The dimensions of a batch's records about sites, worked out when they are first asked for.

    A text stands for dimensions that there are none of, and says why. A dictionary, because asking it costs
    least, and it is asked for every record.

    Args:
        shared: what the records of each context have in common; a text: what is wrong with that context.
        origins: where they were made.
        atlas: knows of places.
    """

    def __init__(self, shared: Sequence[Dimensions | str], origins: Sequence[Origin], atlas: Atlas) -> None:
        super().__init__()
        self._shared = shared
        self._origins = origins
        self.atlas = atlas

    def __missing__(self, key: SiteKey) -> Dimensions | str:
        context, site, address, trigger, verdict = key
        common = self.of_context(context)
        if isinstance(common, str):
            return common
        made = full_dimensions(common, site, address, trigger, verdict)
        self[key] = made
        return made

    def of_context(self, context: int) -> Dimensions | str:
        """What the records of a context have in common; a text: why they cannot be taken."""
        if context >= len(self._shared):
            return f"context: {context} of {len(self._shared)}"
        return self._shared[context]

    def origin_of(self, context: int) -> Origin:
        """Where the records of a context were made."""
        return self._origins[context] if context < len(self._origins) else NOWHERE


class Numbers(NamedTuple):
    """What a store keeps of a record for charts; None: not measured."""

    loss_percent: float | None = None
    latency_ms: float | None = None
    jitter_ms: float | None = None


def numbers_of(ping: Ping | None, name: str) -> Numbers | str:
    """The numbers of a series of probes; a text: it contradicts itself (``name`` is its field)."""
    if ping is None:
        return Numbers()
    sent, received = ping.pkts_sent, ping.pkts_received
    if sent is not None and received is not None and received > sent:
        return f"{name}: more packets received than sent"
    known = sent is not None and received is not None and sent > 0
    loss_percent = 100 * (sent - received) / sent if known else None  # type: ignore[operator]
    return Numbers(loss_percent, ping.avg_rtt_ms, ping.mean_dev_rtt_ms)


encode = msgspec.json.Encoder().encode
