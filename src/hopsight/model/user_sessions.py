"""User sessions (API.md sections 3.2 and 3.3): the list item is the stored document, the rest its detail."""

from typing import Annotated, Final

from msgspec import Meta, Struct, field

from hopsight.model.agents import Text
from hopsight.model.har import Browser, HarPage
from hopsight.model.network_documents import (
    MAX_LISTED,
    Connect,
    NetworkProfileDocument,
    PacketCount,
    Ping,
    Port,
    Segment,
    Traceroute,
    Verdict,
)
from hopsight.model.sessions import (
    AgentIdText,
    DateTimeText,
    IpAddressText,
    Milliseconds,
    RoundId,
    SessionIdText,
)
from hopsight.model.system import SystemMetrics

SITE_PROTOCOLS: Final = {80: "http", 443: "https"}
"""What ``protocol`` says of a port; any other is ``tcp``, and a session without a port is ``icmp``."""


class UserSession(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One item of ``userSessions[]``.

    Args:
        committed: when the server stored it: written there, whatever the agent says.
        source_addr: public address of the agent: written there, too.
        org_name: who that address belongs to, when the operator gives a database. Written there.
        experience_score: 0 to 1 (``docs/score.md``); absent on no data, never 0 for it. Written there.
    """

    user_session_id: SessionIdText
    agent_id: AgentIdText
    round_id: RoundId
    date: DateTimeText
    visited_site: Annotated[str, Meta(min_length=1, max_length=253)]
    number_of_pages: Annotated[int, Meta(ge=0, le=10_000)]
    protocol: Text | None = None
    port: Port | None = None
    committed: DateTimeText | None = None
    source_addr: IpAddressText | None = None
    org_name: Text | None = None
    experience_score: Annotated[float, Meta(ge=0, le=1)] | None = None


class SessionNetwork(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """``network`` of a user session (API.md 3.3)."""

    network_profile: NetworkProfileDocument | None = None
    system_metrics: SystemMetrics | None = None
    gateway_ping: Ping | None = None
    ping: Ping | None = None
    traceroute: Traceroute | None = None
    connect: Connect | None = None
    icmp_blocked: bool | None = None
    errors: Annotated[tuple[Text, ...], Meta(max_length=MAX_LISTED)] = ()


class PassiveTraffic(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the kernel said of real connections as they closed; nothing was sent for it. Ours.

    Args:
        connections: how many closed in the round.
        failed: those that never were established.
        min_rtt_ms: lowest RTT that any of them saw: the base latency.
        smoothed_rtt_ms: median of their last smoothed RTTs: delayed acknowledgements are in it.
        retransmits: segments sent again. Lost bare acknowledgements are in no count.
        bytes_sent: acknowledged by the other end.
        name_from: ``dns`` (a resolver's answer seen), ``reverse`` or ``address``.
    """

    connections: PacketCount
    failed: PacketCount | None = None
    min_rtt_ms: Milliseconds | None = field(default=None, name="minRtt")
    smoothed_rtt_ms: Milliseconds | None = field(default=None, name="smoothedRtt")
    retransmits: PacketCount | None = None
    segments_sent: Annotated[int, Meta(ge=0, le=2**62)] | None = None
    bytes_sent: Annotated[int, Meta(ge=0, le=2**62)] | None = None
    bytes_received: Annotated[int, Meta(ge=0, le=2**62)] | None = None
    name_from: Text | None = None


class Coordinates(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Where the endpoint was."""

    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    location: Text | None = None


class SessionDetail(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What is kept of a user session besides its list item.

    Args:
        network: as the API has it.
        browser: what fetched the pages; absent where nothing did.
        coordinates: where the endpoint was.
        pages: what was fetched, in short; each has an archive of its own.
        segments: the way, from the device to the destination. Ours (as all below).
        verdict: absent where nothing was probed.
        passive: for a session that was watched, not probed.
        flags: what a reader of the numbers should know.
        probe: which code measured.
    """

    network: SessionNetwork
    browser: Browser | None = None
    coordinates: Coordinates | None = None
    pages: Annotated[tuple[HarPage, ...], Meta(max_length=100)] = ()
    segments: Annotated[tuple[Segment, ...], Meta(max_length=MAX_LISTED)] = ()
    verdict: Verdict | None = None
    passive: PassiveTraffic | None = None
    flags: Annotated[tuple[Text, ...], Meta(max_length=MAX_LISTED)] = ()
    probe: Text | None = None


def site_protocol(port: int | None) -> str:
    """The API's ``protocol`` of a session: by its port."""
    return "icmp" if port is None else SITE_PROTOCOLS.get(port, "tcp")
