"""The document of a report, as it is signed: what it holds, and its bytes.

Whoever reads one a year from now has only this document: it carries its units in its names, and its method
and limits in words. Fields are written in the order below, without white space, those that are None as null.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from hopsight.errors import InvalidValueError

SCHEMA: Final = "hopsight-report/1"
"""What a document of this shape calls itself; another shape has another number."""
MAX_DOCUMENT_BYTES: Final = 1 << 20


class Figures(Struct, rename="camel", frozen=True, kw_only=True):
    """What some sessions come to; None: not measured.

    Args:
        sessions: how many there are.
        agents: how many agents made them.
        latency_p50_ms: median of the sessions' mean round-trip times.
        latency_p95_ms: 95th percentile of them, nearest rank.
        jitter_p50_ms: median of the sessions' standard deviations of round-trip times.
        loss_percent: mean of the sessions' losses.
        sessions_with_loss: how many lost any probe.
        sessions_with_latency: how many had any answer: the sample count of the percentiles.
    """

    sessions: int
    agents: int
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    jitter_p50_ms: float | None
    loss_percent: float | None
    sessions_with_loss: int
    sessions_with_latency: int


class Stretch(Struct, rename="camel", frozen=True, kw_only=True):
    """A stretch of time from ``start`` (UTC); as long as the list that it is in says."""

    start: str
    figures: Figures


class Named(Struct, rename="camel", frozen=True, kw_only=True):
    """What one site or agent comes to."""

    name: str
    figures: Figures


class GivenFilter(Struct, rename="camel", frozen=True, kw_only=True):
    """A filter that all sessions passed; None: its values are left out."""

    key: str
    values: tuple[str, ...] | None
    count: int


class Outage(Struct, rename="camel", frozen=True, kw_only=True):
    """A time in which a site was out, by the rule in ``Outages``.

    Args:
        site: which.
        start: UTC, the start of its first bucket.
        end: UTC, the end of its last bucket.
        length_s: between the two.
        mean_loss_percent: of the sessions in it.
        all_lost: whether every probe of every session in it was lost.
        sessions: measured in it.
        agents: that measured in it.
        agents_affected: whose own mean loss in it was at the limit or over.
        affected: their names, as many as are listed.
    """

    site: str
    start: str
    end: str
    length_s: int
    mean_loss_percent: float | None
    all_lost: bool
    sessions: int
    agents: int
    agents_affected: int
    affected: tuple[str, ...]


class Outages(Struct, rename="camel", frozen=True, kw_only=True):
    """The rule, and what it found.

    Args:
        limit_percent: mean loss of a bucket from which it counts.
        bucket_s: length of a bucket.
        min_agents: fewest agents affected (1 where a site had but one agent in the period).
        sites_per_stretch: most sites looked at in each stretch of ``stretch_s``: those with the most loss.
        stretch_s: seconds.
        not_examined: times over the limit that were left out, for there were too many: none is longer than
            those in ``periods``.
        periods: in order of start.
    """

    limit_percent: float
    bucket_s: int
    min_agents: int
    sites_per_stretch: int
    stretch_s: int
    not_examined: int
    periods: tuple[Outage, ...]


class ReportHop(Struct, rename="camel", frozen=True, kw_only=True):
    """A router on the ways.

    Args:
        hop: number at which it mostly is.
        address: ``local`` for what is left out.
        name: of the address, by reverse look-up; None: none, or left out.
        provider: who announces the address, with its AS number; None: not known.
        sessions: whose traces went through it.
        agents: that made them.
        loss_percent: mean loss of those sessions, to their destinations; None: not measured.
        other_loss_percent: the same of the sessions that did not go through it; None: there is none.
        rtt_p50_ms: median of the lowest round-trip times to it.
        added_p50_ms: median of what it adds to the hop that answered before it.
        last_of_lossy: sessions with loss in whose trace it was the last to answer.
    """

    hop: int
    address: str
    name: str | None
    provider: str | None
    sessions: int
    agents: int
    loss_percent: float | None
    other_loss_percent: float | None
    rtt_p50_ms: float | None
    added_p50_ms: float | None
    last_of_lossy: int


class Hops(Struct, rename="camel", frozen=True, kw_only=True):
    """Routers in order of their place.

    Args:
        sessions_looked_at: for their traces: the ``newest`` of the period, and of each of the longest
            ``outages`` the first ``of_an_outage``.
        traces: how many of them have one.
        left_out: routers beyond those listed, those with the fewest sessions.
        routers: the others.
    """

    sessions_looked_at: int
    newest: int
    outages: int
    of_an_outage: int
    traces: int
    left_out: int
    routers: tuple[ReportHop, ...]


class Signer(Struct, rename="camel", frozen=True, kw_only=True):
    """Whose signature is to be expected: it says nothing of who that is.

    Args:
        public_key: SubjectPublicKeyInfo, DER, base64.
        fingerprint: SHA-256 of the DER, lower-case hex.
    """

    public_key: str
    fingerprint: str


class Report(Struct, rename="camel", frozen=True, kw_only=True):
    """A report, whole.

    Args:
        schema: ``SCHEMA``.
        software: what made it, with its version.
        simulated: True: nothing was measured.
        organization: who it is from, and which of its account groups.
        created: UTC.
        start: UTC, inclusive (as ``end``).
        filters: that all sessions passed.
        names_shown: whether agents and local addresses have their names.
        left_out: what the document does not show, in sentences.
        whole: over all.
        bucket_s: length of the stretches of ``over_time``.
        over_time: stretches without sessions are left out: they are gaps.
        worst_hours: hours with the most loss, then with the slowest 95th percentile.
        sites_total: sites in all; ``sites`` has those with the most loss.
        agents_total: likewise.
        verdicts: segment at fault, and of how many sessions.
        method: how it was measured, and what is not claimed, in sentences.
        signer: None: a preview.
    """

    schema: Literal["hopsight-report/1"] = SCHEMA
    software: str
    simulated: bool
    organization: str
    account_group: str
    created: str
    start: str
    end: str
    filters: tuple[GivenFilter, ...]
    names_shown: bool
    left_out: tuple[str, ...]
    whole: Figures
    bucket_s: Annotated[int, Meta(ge=1)]
    over_time: tuple[Stretch, ...]
    worst_hours: tuple[Stretch, ...]
    sites_total: int
    sites: tuple[Named, ...]
    agents_total: int
    agents: tuple[Named, ...]
    verdicts: dict[str, int]
    outages: Outages
    hops: Hops
    method: tuple[str, ...]
    signer: Signer | None = None


def encode_report(report: Report) -> bytes:
    """The document's bytes: the same for the same report."""
    return _encode(report)


def decode_report(content: bytes) -> Report:
    """Read a document.

    Raises:
        InvalidValueError: it is none of this schema.
    """
    try:
        return _decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidValueError("report", str(error), f"a document of the schema {SCHEMA}") from None


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Report).decode
