"""The simulated agents: who they are, where they sit, how they are connected."""

import hashlib
import hmac
import uuid
from typing import Final

from msgspec import Struct

from hopsight import __version__
from hopsight.model.agents import AgentInfo, Location
from hopsight.model.upload import Enrolment, MeasurementContext
from hopsight.simulation.draws import draws_of, uniform
from hopsight.simulation.world import (
    HOME_WIFI,
    HOME_WIRED,
    OFFICE_WIFI,
    OFFICE_WIRED,
    PLACES,
    SITES,
    Access,
    Place,
)

MARK: Final = "SIMULATED"
VPN_RTT_MS: Final = 9.0
_VPN_ENDPOINT: Final = "203.0.113.250"
_GIB: Final = 1 << 30
_ACCESS_POINTS: Final = 6
_MIB_CHOICES: Final = (8, 16, 16, 32)

# name, operating system, kernel, manufacturer, model
_MACHINES: Final = (
    ("Windows", "Windows 11 Enterprise 24H2", "10.0.26100", "Contoso", "Book 14"),
    ("Windows", "Windows 11 Enterprise 24H2", "10.0.26100", "Contoso", "Desk 3"),
    ("Mac", "macOS 15.6", "24.6.0", "Fabrikam", "Notebook 13"),
    ("Linux", "Debian GNU/Linux 12", "6.1.0-39-amd64", "Contoso", "Book 14"),
)


class SimulatedAgent(Struct, frozen=True, kw_only=True):
    """One agent of the fleet.

    Args:
        index: from 0; with the seed, all that it is made from.
        place: where its owner works.
        access: how it is connected.
        at_home: works from home.
        bad_air: sits under the one bad access point.
        extra_rtt_ms: its own line, and the VPN when it uses one.
        offset_ms: when in a minute it measures.
        favourites: indexes of ``SITES``, as often as each is used.
        starts_h: local hour at which its day starts, and ``ends_h`` when it ends.
        cpu: its load at rest, 0..1.
        memory_bytes: installed.
        info: what it says of itself.
        context: what its records have in common.
    """

    index: int
    place: Place
    access: Access
    at_home: bool
    bad_air: bool
    extra_rtt_ms: float
    offset_ms: int
    favourites: tuple[int, ...]
    starts_h: float
    ends_h: float
    cpu: float
    memory_bytes: int
    info: AgentInfo
    context: MeasurementContext


def agent_at(seed: int, index: int) -> SimulatedAgent:
    """The agent of this place in the fleet; the same for the same seed."""
    draw = draws_of(seed, "agent")(b"%d" % index)
    place = PLACES[draw[0] % len(PLACES)]
    at_home, wired, vpn = draw[1] % 3 == 0, draw[2] % 4 == 0, draw[3] % 2 == 0
    access = (HOME_WIRED if wired else HOME_WIFI) if at_home else (OFFICE_WIRED if wired else OFFICE_WIFI)
    access_point = draw[4] % _ACCESS_POINTS
    memory_bytes = _MIB_CHOICES[draw[5] % len(_MIB_CHOICES)] * _GIB
    machine = _MACHINES[draw[6] % len(_MACHINES)]
    starts_h = uniform(draw[7], 7, 10)
    return SimulatedAgent(
        index=index,
        place=place,
        access=access,
        at_home=at_home,
        bad_air=not at_home and not wired and place is PLACES[0] and access_point == 0,
        extra_rtt_ms=uniform(draw[8], 0.1, 4) + (VPN_RTT_MS if at_home and vpn else 0),
        offset_ms=draw[9] % 45_000,
        favourites=_favourites(draw[10]),
        starts_h=starts_h,
        # One in eight machines is never switched off.
        ends_h=starts_h + (24 if draw[11] % 8 == 0 else uniform(draw[12], 7, 11)),
        cpu=uniform(draw[13], 0.02, 0.12),
        memory_bytes=memory_bytes,
        info=_info(index, place, machine, memory_bytes, at_home=at_home),
        context=_context(
            index, place, access, machine[0], access_point, at_home=at_home, vpn=at_home and vpn
        ),
    )


def enrolment_of(agent: SimulatedAgent, account_group_key: str, seed: int) -> Enrolment:
    """Its enrolment: made from the key, so that only those who have the key can be this agent."""

    def derived(purpose: str) -> bytes:
        message = f"hopsight simulate {purpose} {seed} {agent.index}"
        return hmac.digest(account_group_key.encode(), message.encode(), hashlib.sha256)

    return Enrolment(
        enrolment_id=str(uuid.UUID(bytes=derived("enrolment")[:16], version=4)),
        secret=derived("secret").hex(),
        agent=agent.info,
    )


def _favourites(number: int) -> tuple[int, ...]:
    """Everybody uses what is popular; and a few things more than others do."""
    popular = [index for index, site in enumerate(SITES) for _ in range(site.weight)]
    own = [(number >> shift) % len(SITES) for shift in (0, 8, 16)]
    return tuple(popular + own * 8)


def _info(
    index: int, place: Place, machine: tuple[str, str, str, str, str], memory_bytes: int, *, at_home: bool
) -> AgentInfo:
    platform, os_version, kernel_version, manufacturer, model = machine
    location = _home_of(place) if at_home else place.name
    return AgentInfo(
        computer_name=f"{MARK}-PC-{index:05d}",
        agent_name=f"{MARK}-{index:05d}",
        platform=platform,
        os_version=os_version,
        kernel_version=kernel_version,
        version=f"{__version__} ({MARK.lower()})",
        manufacturer=manufacturer,
        model=model,
        total_memory_bytes=memory_bytes,
        user_names=(f"{MARK.lower()}-user-{index:05d}",),
        location=Location(location_name=location, latitude=place.latitude, longitude=place.longitude),
    )


def _context(
    index: int, place: Place, access: Access, platform: str, access_point: int, *, at_home: bool, vpn: bool
) -> MeasurementContext:
    wireless = access.connection == "Wireless"
    home_ssid, home_bssid = (
        f"{MARK}-Home-{index:05d}",
        f"02:51:{_hex(index >> 16)}:{_hex(index >> 8)}:{_hex(index)}:01",
    )
    office_bssid = f"02:0f:{_hex(PLACES.index(place))}:00:00:{_hex(access_point)}"
    gateway = f"192.168.{index % 250}.1" if at_home else place.gateway
    network = hashlib.sha256(f"{gateway} {home_ssid if at_home else place.ssid}".encode()).hexdigest()[:12]
    return MeasurementContext(
        platform=platform,
        connection=access.connection,
        location=_home_of(place) if at_home else place.name,
        gateway=gateway,
        vpn_target=_VPN_ENDPOINT if vpn else None,
        network_id=network,
        ssid=(home_ssid if at_home else place.ssid) if wireless else None,
        bssid=(home_bssid if at_home else office_bssid) if wireless else None,
    )


def _home_of(place: Place) -> str:
    return place.name.replace("office", "homes")


def _hex(number: int) -> str:
    return f"{number & 0xFF:02x}"
