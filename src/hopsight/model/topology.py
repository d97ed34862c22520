"""Network topology (API.md section 3.5): probes to the local infrastructure, and the profile around them."""

import re
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from hopsight.model.network_documents import NetworkProfileDocument, Ping
from hopsight.model.sessions import AgentIdText, DateTimeText, IpAddressText
from hopsight.model.system import SystemMetrics
from hopsight.model.user_sessions import Coordinates

TOPOLOGY_ROUND_S: Final = 300
"""Length of a round of network topology."""

TargetKind = Literal["gateway", "proxy", "vpn"]

# A machine may probe gateway, proxy and VPN in one round; the gateway's probe has the plain ID of the API.
NETWORK_PROBE_ID_PATTERN: Final = r"^[0-9]{5,18}:[0-9a-f]{12}:[0-9]{1,11}:[0-9a-f]{8}(-proxy|-vpn)?$(?!\n)"
NETWORK_ID_PATTERN: Final = r"^[0-9a-f]{12}$(?!\n)"
_NETWORK_PROBE_ID: Final = re.compile(NETWORK_PROBE_ID_PATTERN, re.ASCII)

TopologyRoundId = Annotated[int, Meta(ge=0, le=253_402_300_500, multiple_of=TOPOLOGY_ROUND_S)]


class NetworkProbe(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One item of ``networkProbes[]``."""

    network_probe_id: Annotated[str, Meta(max_length=64)]
    agent_id: AgentIdText
    round_id: TopologyRoundId
    date: DateTimeText
    target: IpAddressText
    icmp_ping: Ping | None = None
    icmp_blocked: bool | None = None
    system_metrics: SystemMetrics | None = None


class NetworkProbeDetail(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the detail adds. ``target_kind`` is ours."""

    network_profile: NetworkProfileDocument | None = None
    coordinates: Coordinates | None = None
    target_kind: TargetKind = "gateway"


def network_probe_id(aid: int, network_id: str, round_id: int, agent_id: str, target_kind: TargetKind) -> str:
    """``{aid}:{networkId}:{roundId}:{first 8 of agentId}``, and ``-proxy`` or ``-vpn`` for those."""
    suffix = "" if target_kind == "gateway" else f"-{target_kind}"
    return f"{aid:05d}:{network_id}:{round_id}:{agent_id[:8]}{suffix}"


def is_network_probe_id(text: str) -> bool:
    """Whether a text has the shape of such an ID."""
    return _NETWORK_PROBE_ID.fullmatch(text) is not None
