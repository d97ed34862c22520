"""Every text field of what leaves the machine, and what it may say: the map by which redaction goes.

A test sees that no field of ``model`` is missing here: a new field is plain only when somebody has said so.
"""

from collections.abc import Collection
from typing import Any, Final, Literal, TypeVar
from urllib.parse import urlsplit, urlunsplit

from msgspec import NODEFAULT, Struct, structs

from hopsight.agent.privacy.hidden import Hidden
from hopsight.model.agents import AgentInfo, Location
from hopsight.model.har import (
    Browser,
    Har,
    HarContent,
    HarEntry,
    HarLog,
    HarPage,
    HarRequest,
    HarResponse,
    HarTimings,
    NameValue,
    PageTimings,
)
from hopsight.model.network_documents import (
    Connect,
    Evidence,
    NetworkProfileDocument,
    PathHop,
    Ping,
    Proxy,
    ProxyProfile,
    Segment,
    Traceroute,
    Verdict,
    VpnProfile,
    WirelessProfile,
)
from hopsight.model.sessions import Destination, ProbedNetworkSession
from hopsight.model.states import AgentState
from hopsight.model.system import BytesSummary, FractionSummary, SystemMetrics
from hopsight.model.topology import NetworkProbe, NetworkProbeDetail
from hopsight.model.upload import (
    AgentStateRecord,
    MeasurementContext,
    NetworkProbeRecord,
    NetworkSessionRecord,
    UserSessionRecord,
    WebSessionRecord,
)
from hopsight.model.user_sessions import (
    Coordinates,
    PassiveTraffic,
    SessionDetail,
    SessionNetwork,
    UserSession,
)
from hopsight.model.web_sessions import WebPageDetail, WebSession

Role = Literal["plain", "text", "address", "url", "inside"]

FIELDS: Final[dict[type[Struct], dict[str, Role]]] = {
    NetworkSessionRecord: {"document": "inside", "visited_site": "text", "trigger": "plain"},
    UserSessionRecord: {
        "document": "inside",
        "detail": "inside",
        "destination_ip": "address",
        "trigger": "plain",
    },
    NetworkProbeRecord: {"document": "inside", "detail": "inside"},
    AgentStateRecord: {"document": "inside"},
    MeasurementContext: {
        "platform": "plain",
        "connection": "plain",
        "location": "plain",
        "gateway": "address",
        "proxy_target": "address",
        "vpn_target": "address",
        "network_id": "plain",
        "ssid": "text",
        "bssid": "text",
    },
    AgentInfo: {
        "computer_name": "text",
        "platform": "plain",
        "os_version": "plain",
        "kernel_version": "plain",
        "version": "plain",
        "agent_name": "text",
        "manufacturer": "plain",
        "model": "plain",
        "user_names": "text",
        "location": "inside",
    },
    Location: {"location_name": "plain"},
    ProbedNetworkSession: {
        "user_session_id": "plain",
        "agent_id": "plain",
        "date": "plain",
        "destination": "inside",
        "system_metrics": "inside",
        "vpn": "inside",
        "proxy": "inside",
    },
    Destination: {"target": "address"},
    SystemMetrics: {
        "cpu_utilization": "inside",
        "physical_memory_used_bytes": "inside",
    },
    FractionSummary: {},
    BytesSummary: {},
    UserSession: {
        "user_session_id": "plain",
        "agent_id": "plain",
        "date": "plain",
        "visited_site": "text",
        "protocol": "plain",
        "committed": "plain",
        "source_addr": "address",
        "org_name": "plain",
    },
    SessionDetail: {
        "network": "inside",
        "browser": "inside",
        "coordinates": "inside",
        "pages": "inside",
        "segments": "inside",
        "verdict": "inside",
        "passive": "inside",
        "flags": "text",
        "probe": "plain",
    },
    SessionNetwork: {
        "network_profile": "inside",
        "system_metrics": "inside",
        "gateway_ping": "inside",
        "ping": "inside",
        "traceroute": "inside",
        "connect": "inside",
        "errors": "text",
    },
    PassiveTraffic: {"name_from": "plain"},
    Ping: {"error": "text"},
    Connect: {"error": "text"},
    PathHop: {"ip_address": "address", "name": "text", "prefix": "text", "mpls": "plain"},
    Traceroute: {"destination": "address", "hops": "inside", "error": "text"},
    WirelessProfile: {"ssid": "text", "bssid": "text", "phy_mode": "plain", "vendor": "plain"},
    Proxy: {"proxy": "url", "bypass": "text"},
    ProxyProfile: {"method": "plain", "proxies": "inside", "pac_url": "url"},
    VpnProfile: {
        "interface_name": "text",
        "hardware_type": "plain",
        "ip_address": "address",
        "endpoint": "address",
    },
    NetworkProfileDocument: {
        "hardware_type": "plain",
        "type": "plain",
        "interface_name": "text",
        "ip_address": "address",
        "subnet_mask": "plain",
        "local_prefix": "address",
        "gateway": "address",
        "dns_servers": "address",
        "public_ip_address": "address",
        "public_ip_range": "text",
        "proxy_profile": "inside",
        "wireless_profile": "inside",
        "vpn_profile": "inside",
    },
    Segment: {
        "name": "plain",
        "state": "plain",
        "target": "address",
        "link": "plain",
        "ping": "inside",
        "evidence": "inside",
        "note": "text",
    },
    Evidence: {"metric": "plain", "unit": "plain"},
    Verdict: {"result": "plain", "summary": "text", "evidence": "inside"},
    NetworkProbe: {
        "network_probe_id": "plain",
        "agent_id": "plain",
        "date": "plain",
        "target": "address",
        "icmp_ping": "inside",
        "system_metrics": "inside",
    },
    NetworkProbeDetail: {"network_profile": "inside", "coordinates": "inside", "target_kind": "plain"},
    Browser: {"name": "plain", "version": "plain"},
    Coordinates: {"location": "plain"},
    HarPage: {"id": "plain", "title": "text", "started_date_time": "plain", "page_timings": "inside"},
    PageTimings: {},
    WebSessionRecord: {
        "document": "inside",
        "detail": "inside",
        "visited_site": "text",
        "destination_ip": "address",
        "trigger": "plain",
    },
    WebSession: {
        "user_session_id": "plain",
        "page_id": "plain",
        "agent_id": "plain",
        "date": "plain",
        "page_url": "url",
        "page_title": "text",
        "page_timings": "inside",
        "system_metrics": "inside",
    },
    WebPageDetail: {"har": "inside"},
    Har: {"log": "inside"},
    HarLog: {
        "version": "plain",
        "creator": "inside",
        "browser": "inside",
        "pages": "inside",
        "entries": "inside",
        "system_metrics": "inside",
    },
    HarEntry: {
        "pageref": "plain",
        "started_date_time": "plain",
        "request": "inside",
        "response": "inside",
        "timings": "inside",
        "server_ip_address": "address",
    },
    HarRequest: {
        "method": "plain",
        "url": "url",
        "http_version": "plain",
        "headers": "inside",
        "query_string": "inside",
    },
    HarResponse: {
        "status_text": "text",
        "http_version": "plain",
        "headers": "inside",
        "content": "inside",
        "redirect_url": "url",
    },
    HarContent: {"mime_type": "plain"},
    HarTimings: {},
    NameValue: {"name": "text", "value": "text"},
    AgentState: {
        "state_id": "plain",
        "agent_id": "plain",
        "date": "plain",
        "state": "plain",
        "reason": "text",
    },
}

LEFT_OUT: Final[dict[str, dict[type[Struct], tuple[str, ...]]]] = {
    "user-names": {AgentInfo: ("user_names",)},
    "dns-servers": {NetworkProfileDocument: ("dns_servers",)},
    "local-addresses": {NetworkProfileDocument: ("ip_address", "subnet_mask", "local_prefix")},
    "public-address": {NetworkProfileDocument: ("public_ip_address", "public_ip_range")},
    "proxy": {ProxyProfile: ("proxies", "pac_url")},
}
"""Redaction -> fields that nothing stands in for."""

_OF_A_HOP: Final = ("name", "prefix", "asn", "mpls")

StructT = TypeVar("StructT", bound=Struct)


def written_again(value: StructT, hidden: Hidden, names: Collection[str]) -> StructT:
    """A copy of a struct and all in it, without what is hidden; itself when nothing changes."""
    kind = type(value)
    changes: dict[str, Any] = {}
    for field, role in FIELDS[kind].items():
        before = getattr(value, field)
        if role == "plain" or before is None:
            continue
        after = _again(before, role, hidden, names)
        if after is not before:
            changes[field] = after
    gone = [field for name in names for field in LEFT_OUT.get(name, {}).get(kind, ())]
    if isinstance(value, PathHop) and value.hop in hidden.hops:
        gone += _OF_A_HOP
    changes |= {field.name: _default(field) for field in structs.fields(kind) if field.name in gone}
    return structs.replace(value, **changes) if changes else value


def without_parts(url: str, names: Collection[str]) -> str:
    """A URL without user and password; without path and query where those are not to be told."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if not parts.scheme or not parts.netloc:
        # ``HOST:PORT``, ``<direct>``: neither path nor query; credentials end at the last @.
        return url.rpartition("@")[2]
    return urlunsplit(
        (
            parts.scheme,
            parts.netloc.rpartition("@")[2],
            "" if "url-path" in names else parts.path,
            "" if "url-query" in names else parts.query,
            "" if "url-query" in names else parts.fragment,
        )
    )


def _again(value: Any, role: Role, hidden: Hidden, names: Collection[str]) -> Any:
    if isinstance(value, tuple | list):
        items = [_again(item, role, hidden, names) for item in value]
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else type(value)(items)
    if role == "inside":
        return written_again(value, hidden, names)
    if role == "address":
        return hidden.in_place_of(value)
    if role == "url":
        return hidden.scrub(without_parts(value, names))
    return hidden.scrub(value)


def _default(field: structs.FieldInfo) -> Any:
    if field.default_factory is not NODEFAULT:
        return field.default_factory()
    return field.default
