"""Network sessions (API.md section 3.1): the stored document is version 6's, and what version 7 adds to it.

A field that was not measured is absent, never zero: hence ``None`` with ``omit_defaults``.
``gc=False`` here and in the other structs that come by the thousand: frozen values cannot form cycles, and
looking for some cost the server about a fifth of its event loop's time in ingest.
"""

from typing import Annotated

from msgspec import Meta, Struct, field

from hopsight.model.ids import SESSION_ID_PATTERN, SESSION_ROUND_S, UUID_PATTERN
from hopsight.model.system import SystemMetrics
from hopsight.model.times import DATE_PATTERN

AgentId = Annotated[str, Meta(pattern=UUID_PATTERN, description="UUID in lower case")]
RoundId = Annotated[
    int,
    Meta(
        ge=0,
        le=253_402_300_740,
        multiple_of=SESSION_ROUND_S,
        description="epoch seconds at which the round starts",
    ),
]
DateTime = Annotated[str, Meta(pattern=DATE_PATTERN, description="UTC, YYYY-mm-dd HH:MM:SS")]
IpAddress = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f:.]{2,45}$(?!\n)", description="IPv4 or IPv6 address")]

# The texts of a session. Their patterns are published but not run: the server compares each of them with what
# it must be (``server.checks``), and running patterns besides took a third of the time of decoding a batch.
SessionIdText = Annotated[str, Meta(max_length=40, extra_json_schema={"pattern": SESSION_ID_PATTERN})]
AgentIdText = Annotated[str, Meta(max_length=36, extra_json_schema={"pattern": UUID_PATTERN})]
DateTimeText = Annotated[
    str,
    Meta(
        max_length=19,
        description="UTC, YYYY-mm-dd HH:MM:SS",
        extra_json_schema={"pattern": DATE_PATTERN},
    ),
]
IpAddressText = Annotated[
    str, Meta(max_length=45, description="IPv4 or IPv6 address", extra_json_schema={"format": "ip"})
]
Milliseconds = Annotated[float, Meta(ge=0, le=1e9, description="milliseconds")]
WholeMilliseconds = Annotated[int, Meta(ge=0, le=10**9, description="milliseconds, rounded")]
Percent = Annotated[float, Meta(ge=0, le=100, description="percent of the probes sent")]


class Destination(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the probes to one address found."""

    target: IpAddressText
    loss_percent: Percent | None = field(default=None, name="loss")
    latency_ms: WholeMilliseconds | None = field(default=None, name="latency")
    jitter_ms: WholeMilliseconds | None = field(default=None, name="jitter")
    avg_rtt_ms: Milliseconds | None = field(default=None, name="avgRtt")
    max_rtt_ms: Milliseconds | None = field(default=None, name="maxRtt")
    mean_dev_rtt_ms: Milliseconds | None = field(default=None, name="meanDevRtt")


class NetworkSession(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One item of ``networkSessions[]``."""

    user_session_id: SessionIdText
    agent_id: AgentIdText
    round_id: RoundId
    date: DateTimeText
    destination: Destination
    system_metrics: SystemMetrics | None = None


class ProbedNetworkSession(
    NetworkSession, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """A network session as it is sent and stored.

    Args:
        vpn: what the probes to the VPN's endpoint found in the same window, where there is one. Version 7's:
            version 6 has no such field, and hides it (as the next).
        proxy: likewise, of the proxy.
    """

    vpn: Destination | None = None
    proxy: Destination | None = None
