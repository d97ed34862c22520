"""Where the simulated people work and what they use: places, networks, sites; documentation addresses."""

from typing import Final

from msgspec import Struct


class Place(Struct, frozen=True, kw_only=True):
    """An office, or people working from home around one city.

    Args:
        name: as the API shows it; says that it is simulated.
        region: index into the round-trip times of a site.
        latitude: degrees.
        longitude: degrees.
        utc_offset_h: working hours follow local time.
        gateway: of an office; homes have their own.
        ssid: of an office.
    """

    name: str
    region: int
    latitude: float
    longitude: float
    utc_offset_h: int
    gateway: str
    ssid: str


class Site(Struct, frozen=True, kw_only=True):
    """A site that people visit.

    Args:
        host: its name.
        address: its address.
        provider: sites of one provider fail together.
        rtt_ms: from Europe, from America, from Asia, on a good line.
        weight: how much it is used.
    """

    host: str
    address: str
    provider: int
    rtt_ms: tuple[float, float, float]
    weight: int


class Access(Struct, frozen=True, kw_only=True):
    """How a machine is connected.

    Args:
        connection: as filters name it.
        rtt_ms: what the first mile adds.
        jitter_ms: what it varies by, on a quiet line.
        loss: share of packets that it loses, on a quiet line.
    """

    connection: str
    rtt_ms: float
    jitter_ms: float
    loss: float


PLACES: Final = (
    Place(
        name="SIMULATED Berlin office",
        region=0,
        latitude=52.52,
        longitude=13.40,
        utc_offset_h=1,
        gateway="10.10.0.1",
        ssid="SIMULATED-Berlin",
    ),
    Place(
        name="SIMULATED London office",
        region=0,
        latitude=51.51,
        longitude=-0.13,
        utc_offset_h=0,
        gateway="10.20.0.1",
        ssid="SIMULATED-London",
    ),
    Place(
        name="SIMULATED New York office",
        region=1,
        latitude=40.71,
        longitude=-74.01,
        utc_offset_h=-5,
        gateway="10.30.0.1",
        ssid="SIMULATED-New-York",
    ),
    Place(
        name="SIMULATED Singapore office",
        region=2,
        latitude=1.35,
        longitude=103.82,
        utc_offset_h=8,
        gateway="10.40.0.1",
        ssid="SIMULATED-Singapore",
    ),
)

OFFICE_WIRED: Final = Access(connection="Ethernet", rtt_ms=0.6, jitter_ms=0.3, loss=0.00005)
OFFICE_WIFI: Final = Access(connection="Wireless", rtt_ms=2.4, jitter_ms=1.6, loss=0.0008)
HOME_WIFI: Final = Access(connection="Wireless", rtt_ms=11.0, jitter_ms=3.5, loss=0.0025)
HOME_WIRED: Final = Access(connection="Ethernet", rtt_ms=8.0, jitter_ms=1.2, loss=0.0006)

# host, provider, (Europe, America, Asia) ms, weight
_SITES: Final = (
    ("mail.example.com", 0, (14, 22, 38), 10),
    ("calendar.example.com", 0, (14, 22, 38), 5),
    ("drive.example.com", 0, (15, 23, 39), 7),
    ("meet.example.com", 0, (17, 25, 44), 9),
    ("chat.example.net", 1, (12, 18, 33), 10),
    ("calls.example.net", 1, (12, 19, 35), 6),
    ("wiki.example.net", 1, (13, 19, 36), 5),
    ("crm.example.org", 2, (92, 12, 215), 7),
    ("support.example.org", 2, (94, 13, 217), 4),
    ("sales.example.org", 2, (93, 12, 216), 4),
    ("intranet.corp.example", 3, (6, 84, 168), 8),
    ("erp.corp.example", 3, (6, 85, 170), 6),
    ("build.corp.example", 3, (7, 86, 171), 4),
    ("vpn.corp.example", 3, (6, 84, 169), 2),
    ("code.example.dev", 4, (96, 68, 178), 6),
    ("packages.example.dev", 4, (21, 16, 47), 3),
    ("news.example.info", 5, (10, 74, 162), 4),
    ("weather.example.info", 5, (11, 75, 163), 2),
    ("travel.example.biz", 6, (28, 95, 11), 2),
    ("hr.example.biz", 6, (30, 97, 10), 3),
)

SITES: Final = tuple(
    Site(
        host=host,
        address=f"{('192.0.2', '198.51.100', '203.0.113')[index % 3]}.{10 + index}",
        provider=provider,
        rtt_ms=rtt_ms,
        weight=weight,
    )
    for index, (host, provider, rtt_ms, weight) in enumerate(_SITES)
)
PROVIDERS: Final = max(site.provider for site in SITES) + 1
