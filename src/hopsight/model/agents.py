"""Agents as they introduce themselves, and as the server knows them (API.md section 3.7)."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from hopsight.model.sessions import AgentId

# No control characters anywhere: they have no place in names, and XML 1.0 cannot carry them.
PRINTABLE = r"^[^\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]*$(?!\n)"
Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=PRINTABLE)]
Text = Annotated[str, Meta(max_length=255, pattern=PRINTABLE)]


class Location(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Where an agent is, as its operator configured it; a name alone is fine."""

    location_name: Name
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None


class AgentInfo(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What an agent says of its machine, at enrolment and whenever it changes."""

    computer_name: Name
    platform: Text
    os_version: Text
    kernel_version: Text
    version: Text
    agent_name: Name | None = None
    manufacturer: Text | None = None
    model: Text | None = None
    total_memory_bytes: Annotated[int, Meta(ge=0, le=2**62)] | None = None
    user_names: Annotated[tuple[Name, ...], Meta(max_length=32)] = ()
    location: Location | None = None


class Target(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """A site that agents measure.

    Args:
        host: name or IP address.
        port: for TCP; None: 443 is tried, and its refusal tells as much as its answer.
        protocol: ``auto`` (ICMP, TCP beside it when ICMP is silent), ``icmp`` or ``tcp``.
        interval_s: measured in one round of so many seconds, at a phase of each agent's own.
    """

    host: Annotated[str, Meta(min_length=1, max_length=253, pattern=r"^[0-9A-Za-z_.:%-]+$(?!\n)")]
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    protocol: Literal["auto", "icmp", "tcp"] = "auto"
    interval_s: Annotated[int, Meta(ge=60, le=86_400, multiple_of=60)] = 60


class Agent(Struct, frozen=True, kw_only=True, gc=False):
    """An agent as the server knows it.

    Args:
        given_name: by an administrator, wins over its own.
        network_id: where it measured last.
    """

    agent_id: AgentId
    aid: int
    agent_name: str
    info: AgentInfo
    enabled: bool
    deleted: bool
    created_s: int
    last_seen_s: int
    public_ip: str | None
    given_name: str | None = None
    network_id: str | None = None
