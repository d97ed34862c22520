"""Wi-Fi links from the kernel's messages: there is no Wi-Fi hardware here, so the messages are made.

The bytes were written by a C program with the names of ``linux/nl80211.h``, ``linux/genetlink.h`` and
``linux/if_link.h``: what is read here by number was written there by name. Little-endian.
"""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopsight.agent.profile import nl80211, wireless
from hopsight.agent.profile.nl80211 import WirelessAnswers, ask_wireless, read_answers, request
from hopsight.agent.profile.wireless import channel_of, quality_of, read_wireless, wireless_profile
from hopsight.agent.profile.wireless_elements import element, manufacturer
from hopsight.agent.sockets.netlink import Link, read_link
from hopsight.agent.sockets.netlink_messages import attribute, attributes, messages, number, signed
from hopsight.model.network_documents import WirelessProfile

INTERFACE = bytes.fromhex(
    "0701000008000300030000000a000400776c616e3000000008000500020000000a00060002000000000100001b003400"
    "496e7465726e657420666f7220746865206d617373657300080026009e09000008009f0001000000"
)
STATION = bytes.fromhex(
    "1301000008000300030000000a0006004cbabaf4fafa000008002e000700000058001580080001001400000008000200"
    "87d6120005000700c600000005000d00c40000002000088006000100140500000800050014050000050002000f000000"
    "0400040014000e80060001000a000000080005000a000000"
)
STATION_VHT = bytes.fromhex(
    "130100000a0006004cbabaf4fafa00002800158005000d00d10000001c00088006000100db21000008000500db210000"
    "0500060009000000"
)
STATION_HE = bytes.fromhex(
    "130100000a0006004cbabaf4fafa00002800158005000d00d10000001c00088006000100ea2e000008000500ea2e0000"
    "05000d0009000000"
)
STATION_EHT = bytes.fromhex(
    "130100000a0006004cbabaf4fafa00002800158005000d00d10000001c00088006000100987000000800050098700000"
    "0500130009000000"
)
CELL_OTHER = bytes.fromhex(
    "2201000008000300030000002c002f800a0001001020304050600000080002003c1400000800070044e4ffff0b000600"
    "00056f7468657200"
)
CELL_OURS = bytes.fromhex(
    "2201000008000300030000005c002f800a0001004cbabaf4fafa0000080002009e09000008000700fae7ffff08000900"
    "01000000340006000017496e7465726e657420666f7220746865206d617373657303010bdd120050f204104a00011010"
    "210005436973636f"
)
SURVEY_OTHER = bytes.fromhex("33010000080003000300000014005480080001008509000005000200a5000000")
SURVEY_IN_USE = bytes.fromhex("33010000080003000300000018005480080001009e090000050002009e00000004000300")
ASK_STATION = bytes.fromhex("110100000800030003000000")
LINK_GRE = bytes.fromhex(
    "00000a030900000000000000000000000900030067726531000000001800128008000100677265000c00028008000700c6336407"
)
LINK_SIT = bytes.fromhex(
    "00000a030900000000000000000000000900030073697431000000001800128008000100736974000c00028008000300c6336407"
)
LINK_WIREGUARD = bytes.fromhex(
    "00000a030900000000000000000000000800030077673000140012800e000100776972656775617264000000"
)

# The API's own sample (spec/samples/network-topology-detail.json).
SAMPLE = WirelessProfile(
    ssid="Internet for the masses",
    bssid="4c:ba:ba:f4:fa:fa",
    channel=11,
    rssi=-58,
    noise=-98,
    quality=84,
    phy_mode="802.11n",
    tx_rate=130.0,
    vendor="Cisco",
)


def answers(
    interface: bytes = INTERFACE,
    stations: tuple[bytes, ...] = (STATION,),
    cells: tuple[bytes, ...] = (CELL_OTHER, CELL_OURS),
    surveys: tuple[bytes, ...] = (SURVEY_OTHER, SURVEY_IN_USE),
) -> WirelessAnswers:
    return read_answers(interface=[interface], stations=stations, cells=cells, surveys=surveys)


def test_the_link_is_what_the_kernel_says() -> None:
    """Interface, access point, cached cell and survey make the profile of the API's sample."""
    assert wireless_profile(answers()) == SAMPLE


def test_what_is_asked_is_one_interface() -> None:
    """The request is the header's: command, version, and the interface's index."""
    assert request(17, attribute(3, (3).to_bytes(4, "little"))) == ASK_STATION


def test_nothing_but_what_is_known_already_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four questions, none of which begins a scan (33) or needs a privilege; all about the interface."""
    asked: list[tuple[int, int]] = []

    def exchange(_: int, kind: int, flags: int, body: bytes) -> list[tuple[int, bytes]]:
        asked.append((body[0], flags))
        if kind == 16:
            return [(16, bytes(4) + attribute(1, (28).to_bytes(2, "little")))]
        return {5: [(28, INTERFACE)], 17: [(28, STATION)]}.get(body[0], [])

    monkeypatch.setattr(nl80211, "exchange", exchange)
    found = ask_wireless("lo")
    assert asked == [(3, 0), (5, 0), (17, 0x300), (32, 0x300), (50, 0x300)]
    assert found is not None
    assert wireless_profile(found) == msgspec.structs.replace(SAMPLE, noise=None, vendor=None)


@pytest.mark.parametrize(
    ("station", "phy_mode", "tx_rate"),
    [(STATION_VHT, "802.11ac", 866.7), (STATION_HE, "802.11ax", 1201.0), (STATION_EHT, "802.11be", 2882.4)],
)
def test_generations_are_told_by_their_rates(station: bytes, phy_mode: str, tx_rate: float) -> None:
    """The kind of the rate's index says by which generation frames go."""
    found = wireless_profile(answers(stations=(station,)))
    assert found is not None
    assert (found.phy_mode, found.tx_rate, found.rssi) == (phy_mode, tx_rate, -47)


@pytest.mark.parametrize(
    ("hundred_kbit", "frequency_mhz", "phy_mode"),
    [(110, 2412, "802.11b"), (540, 2412, "802.11g"), (540, 5180, "802.11a"), (9, 60_480, "802.11ad")],
)
def test_plain_rates_tell_the_old_generations(hundred_kbit: int, frequency_mhz: int, phy_mode: str) -> None:
    """Without an index it is one of the old ones: by band and rate."""
    rate = attribute(8, attribute(5, hundred_kbit.to_bytes(4, "little")))
    station = bytes(4) + attribute(6, bytes(6)) + attribute(21, rate)
    interface = bytes(4) + attribute(38, frequency_mhz.to_bytes(4, "little"))
    found = wireless_profile(answers(interface, (station,), (), ()))
    assert found is not None
    assert found.phy_mode == phy_mode


def test_cached_cells_stand_in_for_what_stations_do_not_tell() -> None:
    """A driver that lists no station: name, address, channel and power are those of the associated cell."""
    found = wireless_profile(answers(bytes(4), (), surveys=()))
    assert found == WirelessProfile(
        ssid=SAMPLE.ssid, bssid=SAMPLE.bssid, channel=11, rssi=-62, quality=76, vendor="Cisco"
    )


def test_direct_links_to_neighbours_are_not_the_access_point() -> None:
    """Of several stations, the one with the cell's address counts; without a cell none does."""
    neighbour = bytes(4) + attribute(6, bytes(6)) + attribute(21, attribute(7, b"\xff"))
    found = wireless_profile(answers(stations=(neighbour, STATION)))
    assert found is not None
    assert found.rssi == -58
    assert wireless_profile(answers(stations=(neighbour, STATION), cells=())) is None


def test_an_interface_without_a_link_has_no_profile(tmp_path: Path) -> None:
    """Not associated, no such interface, no Wi-Fi at all: None, and no error."""
    assert wireless_profile(answers(stations=(), cells=(CELL_OTHER,))) is None
    assert read_wireless("lo", proc_wireless=tmp_path / "none") is None
    assert read_wireless("no such thing", proc_wireless=tmp_path / "none") is None


@pytest.mark.parametrize(
    ("frequency_mhz", "channel"),
    [
        (2412, 1), (2472, 13), (2484, 14), (4920, 184), (5180, 36), (5885, 177), (5935, 2), (5955, 1),
        (7115, 233), (58_320, 1), (2413, None), (0, None), (None, None),
    ],
)  # fmt: skip
def test_channels_of_frequencies(frequency_mhz: int | None, channel: int | None) -> None:
    """Each band counts in its own way; what is no channel has no number."""
    assert channel_of(frequency_mhz) == channel


@pytest.mark.parametrize(("rssi", "quality"), [(-58, 84), (-38, 100), (-100, 0), (-120, 0), (None, None)])
def test_quality_is_the_samples(rssi: int | None, quality: int | None) -> None:
    """Both of the API's samples, and the ends."""
    assert quality_of(rssi) == quality


PROC = """Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE
 face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22
 wlan0: 0000   52.  -58.  {noise}.       0      0      0      0      0        0
 wlan1: 0000   30   40    0        0      0      0      0      0        0
"""


def test_without_nl80211_the_old_file_tells_powers(tmp_path: Path) -> None:
    """``/proc/net/wireless`` gives what it has in dBm; other units, and noise that is not known, nothing."""
    path = tmp_path / "wireless"
    path.write_text(PROC.format(noise="-95"))
    assert read_wireless("wlan0", lambda _: None, path) == WirelessProfile(rssi=-58, noise=-95, quality=84)
    assert read_wireless("wlan1", lambda _: None, path) is None
    assert read_wireless("wlan2", lambda _: None, path) is None
    path.write_text(PROC.format(noise="-256"))
    silent = answers(stations=(bytes(4) + attribute(6, bytes.fromhex("4cbabaf4fafa")),), cells=())
    found = read_wireless("wlan0", lambda _: silent, path)
    assert found is not None
    assert (found.ssid, found.rssi, found.noise) == (SAMPLE.ssid, -58, -98)


def test_names_may_be_anything() -> None:
    """What is no text is written so that the server takes it; a hidden name is none."""
    cell = {1: bytes(6), 9: b"\1\0\0\0", 6: b"\0\4a\xff\n\x7f"}
    found = wireless_profile(WirelessAnswers(cells=(cell,)))
    assert found is not None
    assert found.ssid == r"a\xff??"
    hidden = wireless_profile(WirelessAnswers(cells=(cell | {6: b"\0\4\0\0\0\0"},)))
    assert hidden is not None
    assert hidden.ssid is None


bodies = st.lists(st.binary(max_size=200) | st.sampled_from([INTERFACE, STATION, CELL_OURS, SURVEY_IN_USE]))


@given(interface=bodies, stations=bodies, cells=bodies, surveys=bodies)
def test_any_bytes_make_a_profile_or_none(
    interface: list[bytes], stations: list[bytes], cells: list[bytes], surveys: list[bytes]
) -> None:
    """Nothing that comes raises, and what is made of it is a document that the server takes."""
    found = wireless_profile(
        read_answers(interface=interface, stations=stations, cells=cells, surveys=surveys)
    )
    assert msgspec.json.decode(msgspec.json.encode(found), type=WirelessProfile | None) == found


@given(
    cut=st.integers(0, 300), flips=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4)
)
def test_damaged_messages_make_a_profile_or_none(cut: int, flips: list[tuple[int, int]]) -> None:
    """Cut short or changed anywhere: never an error, never a value out of the model's bounds."""

    def damaged(message: bytes) -> bytes:
        changed = bytearray(message[:cut])
        for place, value in flips:
            if place < len(changed):
                changed[place] = value
        return bytes(changed)

    found = wireless_profile(
        read_answers(
            interface=[damaged(INTERFACE)],
            stations=[damaged(STATION)],
            cells=[damaged(CELL_OURS)],
            surveys=[damaged(SURVEY_IN_USE)],
        )
    )
    assert msgspec.json.decode(msgspec.json.encode(found), type=WirelessProfile | None) == found


@given(st.binary(max_size=200))
def test_any_bytes_are_taken_apart(data: bytes) -> None:
    """Headers, attributes, elements, links: what is cut short ends the list, nothing raises."""
    list(messages(data))
    for payload in attributes(data).values():
        number(payload)
        signed(payload)
    element(data, 0)
    manufacturer(b"\xdd" + bytes([len(data)]) + data)
    manufacturer(b"\xdd" + bytes([min(255, len(data) + 4)]) + bytes.fromhex("0050f204") + data)
    read_link(data)


def test_what_is_cut_short_is_left_out() -> None:
    """Half a value is none: neither of attributes nor of elements."""
    assert attributes(attribute(7, b"abc")[:-2]) == {}
    assert element(b"\0\5abc", 0) is None
    assert manufacturer(b"\xdd\x0a" + bytes.fromhex("0050f204") + b"\x10\x21\0\5ab") is None


def test_the_noise_is_that_of_the_channel_in_use() -> None:
    """As the driver marks it; else as the interface's frequency says; another channel's says nothing."""
    in_use, elsewhere = {1: b"\x6c\x09\0\0", 2: b"\x9e", 3: b""}, {1: b"\x9e\x09\0\0", 2: b"\xa5"}
    cell = {1: bytes(6), 9: b"\1\0\0\0"}

    def noise(frequency_mhz: int | None, *surveys: dict[int, bytes]) -> int | None:
        given = WirelessAnswers(cells=(cell,), frequency_mhz=frequency_mhz, surveys=surveys)
        found = wireless_profile(given)
        return found.noise if found is not None else None

    assert noise(2462, elsewhere, in_use) == -98
    assert noise(2462, elsewhere) == -91
    assert noise(2437, elsewhere) is None
    assert noise(None, elsewhere) is None


def test_attributes_survive_their_flags() -> None:
    """The bits for nesting and byte order are no part of a type; padding is no part of a payload."""
    assert attributes(attribute(0x8000 | 21, b"abc") + attribute(0x4000 | 7, b"")) == {21: b"abc", 7: b""}


@pytest.mark.parametrize(
    ("message", "link"),
    [
        (LINK_GRE, Link(kind="gre", remote="198.51.100.7")),
        (LINK_SIT, Link(kind="sit", remote="198.51.100.7")),
        (LINK_WIREGUARD, Link(kind="wireguard")),
    ],
)
def test_links_tell_their_kind_and_other_end(message: bytes, link: Link) -> None:
    """Tunnels of the kernel's own say where they go; WireGuard does not, to an unprivileged process."""
    assert read_link(message) == link


def test_powers_out_of_range_are_none() -> None:
    """A driver that says 0 or +20 dBm says nothing."""
    station = bytes(4) + attribute(6, bytes(6)) + attribute(21, attribute(7, b"\x14"))
    found = wireless_profile(answers(stations=(station,), cells=()))
    assert found is not None
    assert (found.rssi, found.quality) == (None, None)
    assert wireless._noise([{2: b"\x00", 3: b""}], None) is None
