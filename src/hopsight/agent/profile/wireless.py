"""From the kernel's answers about a Wi-Fi link to the API's ``wirelessProfile`` (API.md 3.3).

Numbers of attributes are those of ``linux/nl80211.h``; those of elements are IEEE 802.11's.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from msgspec import structs

from hopsight.agent.profile.nl80211 import Station, WirelessAnswers, ask_wireless
from hopsight.agent.profile.wireless_elements import element, manufacturer
from hopsight.agent.sockets.netlink_messages import attributes, number, signed
from hopsight.model.network_documents import WirelessProfile

_BSS_BSSID, _BSS_FREQUENCY, _BSS_ELEMENTS, _BSS_SIGNAL_MBM, _BSS_STATUS = 1, 2, 6, 7, 9
_BSS_ASSOCIATED: Final = 1
_STA_SIGNAL, _STA_TX_BITRATE, _STA_SIGNAL_AVG, _STA_RX_BITRATE = 7, 8, 13, 14
_SURVEY_FREQUENCY, _SURVEY_NOISE, _SURVEY_IN_USE = 1, 2, 3
_RATE_100KBIT, _RATE_MCS, _RATE32_100KBIT, _RATE_VHT, _RATE_HE, _RATE_EHT = 1, 2, 5, 6, 13, 19
_GENERATIONS: Final = (
    (_RATE_EHT, "802.11be"), (_RATE_HE, "802.11ax"), (_RATE_VHT, "802.11ac"), (_RATE_MCS, "802.11n"),
)  # fmt: skip
_MAX_100KBIT: Final = 10_000_000
_RATES_OF_B_MBIT: Final = {1.0, 2.0, 5.5, 11.0}

_SSID_ELEMENT: Final = 0
_MAC_BYTES: Final = 6
_MAX_TEXT_CHARS: Final = 255
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

_PROC_WIRELESS: Final = Path("/proc/net/wireless")
_MAX_FILE_BYTES: Final = 65_536
_WEAKEST_DBM, _STRONGEST_DBM = -200, 0
_PROC_FIELDS: Final = 4

Ask = Callable[[str], WirelessAnswers | None]


def read_wireless(
    interface: str, ask: Ask = ask_wireless, proc_wireless: Path = _PROC_WIRELESS
) -> WirelessProfile | None:
    """The link that an interface has now; None: it has none, or nobody can say.

    Nothing is scanned for and nothing is sent.
    """
    answers = ask(interface)
    found = wireless_profile(answers) if answers is not None else None
    if found is not None and found.rssi is not None:
        return found
    return _with_levels(found, interface, proc_wireless)


def wireless_profile(answers: WirelessAnswers) -> WirelessProfile | None:
    """The link as nl80211 tells it; None: the interface is not connected."""
    cell = next((one for one in answers.cells if number(one.get(_BSS_STATUS)) == _BSS_ASSOCIATED), {})
    bssid = cell.get(_BSS_BSSID, b"")
    station = _access_point(answers.stations, bssid)
    if station is None and not bssid:
        return None
    info = station.info if station is not None else {}
    elements = cell.get(_BSS_ELEMENTS, b"")
    frequency_mhz = answers.frequency_mhz or number(cell.get(_BSS_FREQUENCY))
    rssi_dbm = _signal(info, cell)
    return WirelessProfile(
        ssid=_text(answers.ssid or element(elements, _SSID_ELEMENT) or b""),
        bssid=_mac(bssid or (station.mac if station is not None else b"")),
        channel=channel_of(frequency_mhz),
        rssi=rssi_dbm,
        noise=_noise(answers.surveys, frequency_mhz),
        quality=quality_of(rssi_dbm),
        phy_mode=_phy_mode(info, frequency_mhz),
        tx_rate=_rate_mbit(_rate(info, _STA_TX_BITRATE)),
        vendor=_text(manufacturer(elements)),
    )


def channel_of(frequency_mhz: int | None) -> int | None:
    """The channel that has this frequency in its middle; None: it is none of Wi-Fi's."""
    if frequency_mhz is None:
        return None
    special = {2484: 14, 5935: 2}
    bands = (
        (2412, 2472, 2407, 5), (4910, 4980, 4000, 5), (5005, 5930, 5000, 5), (5955, 7115, 5950, 5),
        (58_320, 69_120, 56_160, 2160),
    )  # fmt: skip
    for lowest, highest, base, step in bands:
        if lowest <= frequency_mhz <= highest and (frequency_mhz - base) % step == 0:
            return (frequency_mhz - base) // step
    return special.get(frequency_mhz)


def quality_of(rssi_dbm: int | None) -> int | None:
    """Percent: none at -100 dBm, all of it from -50 dBm on, even steps between."""
    return min(100, max(0, 2 * (rssi_dbm + 100))) if rssi_dbm is not None else None


def _access_point(stations: Iterable[Station], bssid: bytes) -> Station | None:
    """Of those that a client talks with, its access point: the others are direct links to neighbours."""
    known = list(stations)
    named = [station for station in known if station.mac == bssid]
    if named:
        return named[0]
    return known[0] if len(known) == 1 and len(known[0].mac) == _MAC_BYTES else None


def _signal(info: dict[int, bytes], cell: dict[int, bytes]) -> int | None:
    """The strength of what was received last: averages lag a whole window behind."""
    for measured in (signed(info.get(_STA_SIGNAL)), signed(info.get(_STA_SIGNAL_AVG))):
        if _is_power(measured):
            return measured
    hundredths = signed(cell.get(_BSS_SIGNAL_MBM))
    seen = round(hundredths / 100) if hundredths is not None else None
    return seen if _is_power(seen) else None


def _noise(surveys: Iterable[dict[int, bytes]], frequency_mhz: int | None) -> int | None:
    """Of the channel in use."""
    known = list(surveys)
    in_use = [one for one in known if _SURVEY_IN_USE in one]
    same = [one for one in known if number(one.get(_SURVEY_FREQUENCY)) == frequency_mhz]
    for survey in (*in_use, *(same if frequency_mhz is not None else ())):
        noise = signed(survey.get(_SURVEY_NOISE))
        if _is_power(noise):
            return noise
    return None


def _is_power(dbm: int | None) -> bool:
    return dbm is not None and _WEAKEST_DBM <= dbm < _STRONGEST_DBM


def _phy_mode(info: dict[int, bytes], frequency_mhz: int | None) -> str | None:
    """The newest generation of the two directions: frames of management go by the oldest."""
    rates = [_rate(info, _STA_TX_BITRATE), _rate(info, _STA_RX_BITRATE)]
    for kind, name in _GENERATIONS:
        if any(kind in rate for rate in rates):
            return name
    rate_mbit = _rate_mbit(rates[0])
    if rate_mbit is None or frequency_mhz is None:
        return None
    if frequency_mhz > 50_000:  # noqa: PLR2004 - MHz: the 60 GHz band has one legacy generation
        return "802.11ad"
    if frequency_mhz > 3_000:  # noqa: PLR2004 - MHz: between the two bands
        return "802.11a"
    return "802.11b" if rate_mbit in _RATES_OF_B_MBIT else "802.11g"


def _rate(info: dict[int, bytes], kind: int) -> dict[int, bytes]:
    return attributes(info.get(kind, b""))


def _rate_mbit(rate: dict[int, bytes]) -> float | None:
    hundred_kbit = number(rate.get(_RATE32_100KBIT)) or number(rate.get(_RATE_100KBIT))
    return hundred_kbit / 10 if hundred_kbit and hundred_kbit <= _MAX_100KBIT else None


def _with_levels(
    found: WirelessProfile | None, interface: str, proc_wireless: Path
) -> WirelessProfile | None:
    """What ``/proc/net/wireless`` adds: powers alone, and only those told in dBm."""
    try:
        with proc_wireless.open("rb") as file:
            lines = file.read(_MAX_FILE_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return found
    for line in lines:
        name, _, rest = line.strip().partition(":")
        fields = [field.rstrip(".") for field in rest.split()]
        if name != interface or len(fields) < _PROC_FIELDS:
            continue
        rssi, noise = (_whole(field) for field in fields[2:4])
        if _is_power(rssi):
            known = noise if _is_power(noise) else None
            start = found or WirelessProfile()
            return structs.replace(start, rssi=rssi, noise=start.noise or known, quality=quality_of(rssi))
    return found


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?[0-9]{1,4}", text) else None


def _mac(packed: bytes) -> str | None:
    return packed.hex(":") if len(packed) == _MAC_BYTES else None


def _text(raw: bytes | None) -> str | None:
    """A name is up to 32 bytes of anything: what is no text is written as hexadecimal escapes."""
    if not raw or not any(raw):
        # Networks that hide their name beacon zeros.
        return None
    return _UNPRINTABLE.sub("?", raw.decode("utf-8", "backslashreplace"))[:_MAX_TEXT_CHARS]
