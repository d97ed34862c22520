"""Places from a file in the MaxMind format, which the test writes itself."""

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.maxmind.written import database

from hopsight.errors import ConfigError
from hopsight.maxmind.asn import AsnDatabase
from hopsight.maxmind.city import CityDatabase, _place
from hopsight.model.user_sessions import Coordinates

ENTRIES: dict[str, Any] = {
    "1.1.1.0/24": {
        "city": {"names": {"de": "Laibach", "en": "Ljubljana"}},
        "country": {"iso_code": "SI", "names": {"en": "Slovenia"}},
        "location": {"latitude": 46.0552778, "longitude": 14.5144444},
        "subdivisions": [{"names": {"en": "Ljubljana"}}, {"names": {"en": "no more"}}],
    },
    "2.1.0.0/16": {"country": {"names": {"de": "Slowenien"}}},
    "3.1.0.0/16": {"city": "Graz", "region": "Styria", "country": "AT", "lat": "47.07", "lng": "15.44"},
    "4.1.0.0/16": {"location": {"latitude": 91.0, "longitude": 14.0}, "country": {"name": "Nowhere"}},
    "5.1.0.0/16": {"location": {"latitude": 0.0, "longitude": -180.0}},
    "6.1.0.0/16": {"registered_country": {"names": {"en": "elsewhere"}}},
    "7.1.0.0/16": {"city": "Skofja Loka", "state1": "Gorenjska", "state2": "", "country_code": "SI"},
    "8.1.0.0/16": {"country": {"iso_code": "SI"}, "subdivisions": []},
    "10.0.0.0/8": {"country": {"names": {"en": "private"}}},
    "2606:4700::/32": {"country": {"names": {"en": "Slovenia"}}},
}


def opened(path: Path, content: bytes) -> CityDatabase:
    """Write a file and open it."""
    path.write_bytes(content)
    return CityDatabase(path, "--city-db")


def test_places_have_names_and_coordinates_in_either_shape(tmp_path: Path) -> None:
    """City, region and country, each name once, in English where there is any; 0 degrees are a place, too."""
    cities = opened(tmp_path / "city.mmdb", database(ENTRIES, kind="GeoLite2-City"))
    graz = Coordinates(latitude=47.07, longitude=15.44, location="Graz, Styria, AT")
    assert cities.find("1.1.1.7") == Coordinates(
        latitude=46.0552778, longitude=14.5144444, location="Ljubljana, Slovenia"
    )
    assert cities.find("2.1.0.1") == Coordinates(location="Slowenien")
    assert cities.find("3.1.0.1") == graz
    assert cities.find("4.1.0.1") == Coordinates(location="Nowhere")
    assert cities.find("5.1.0.1") == Coordinates(latitude=0.0, longitude=-180.0)
    assert cities.find("7.1.0.1") == Coordinates(location="Skofja Loka, Gorenjska, SI")
    assert cities.find("8.1.0.1") == Coordinates(location="SI")
    assert cities.find("2606:4700::1") == Coordinates(location="Slovenia")
    for unknown in ("6.1.0.1", "9.1.1.1", "10.1.1.1", "fe80::1", "2a00::1"):
        assert cities.find(unknown) is None
    cities.close()


def test_files_of_the_other_kind_are_told_by_what_is_in_them(tmp_path: Path) -> None:
    """AS numbers are no places, nor the other way round; a file of networks of one's own is taken."""
    numbers, cities = tmp_path / "asn.mmdb", tmp_path / "city.mmdb"
    numbers.write_bytes(database({"1.1.1.0/24": {"autonomous_system_number": 64500}}, kind="GeoLite2-ASN"))
    cities.write_bytes(database(ENTRIES, kind="GeoLite2-City"))
    with pytest.raises(ConfigError, match=r"--city-db.*cities or countries.*type GeoLite2-ASN"):
        CityDatabase(numbers, "--city-db")
    with pytest.raises(ConfigError, match=r"--asn-db.*AS numbers.*type GeoLite2-City"):
        AsnDatabase(cities, "--asn-db", mapped=False)
    small = {"198.51.0.0/16": {"asn": 64500}}
    numbers.write_bytes(database(small))
    AsnDatabase(numbers, "--asn-db", mapped=False).close()


@pytest.mark.parametrize("share", [0, 1, 50, 90, 99])
def test_a_truncated_file_is_a_wrong_setting(tmp_path: Path, share: int) -> None:
    """Whatever part of it is there."""
    whole = database(ENTRIES)
    with pytest.raises(ConfigError, match=r"--city-db.*MaxMind"):
        opened(tmp_path / "city.mmdb", whole[: len(whole) * share // 100])


def test_what_is_no_file_is_a_wrong_setting(tmp_path: Path) -> None:
    """A directory, a device, nothing at all."""
    for path in (tmp_path, Path("/dev/zero"), tmp_path / "none.mmdb"):
        with pytest.raises(ConfigError, match=r"--city-db"):
            CityDatabase(path, "--city-db")


def test_damage_is_an_error_at_start_or_no_place_later(tmp_path: Path) -> None:
    """A file with any byte changed, also while it is open, never raises anything else."""
    good, rng, path = database(ENTRIES), random.Random(2), tmp_path / "city.mmdb"
    for _ in range(200):
        damaged = bytearray(good)
        damaged[rng.randrange(len(good))] = rng.randrange(256)
        try:
            cities = opened(path, bytes(damaged))
        except ConfigError:
            continue
        for address in ("1.1.1.1", "3.1.1.1", "2606:4700::1"):
            cities.find(address)
        path.write_bytes(good[: rng.randrange(len(good))])
        for address in ("1.1.1.1", "3.1.1.1", "2606:4700::1"):
            cities.find(address)
        cities.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["city", "names", "en", "location", "latitude", "longitude", "subdivisions", "lat"]
            ),
            inside,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_whatever_a_record_holds_the_place_is_one_that_documents_can_carry(record: Any) -> None:
    """Names that can be shown, and coordinates on earth, both or none."""
    place = _place(record)
    if place is None:
        return
    assert (place.latitude is None) == (place.longitude is None)
    assert place.latitude is None or (abs(place.latitude) <= 90 and abs(place.longitude or 0) <= 180)
    assert place.location is None or (0 < len(place.location) <= 255 and "\x00" not in place.location)
    assert place != Coordinates()
