"""AS numbers from a file in the MaxMind format, which the test writes itself."""

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.maxmind.written import MARKER, Networks, database

from hopsight.errors import ConfigError
from hopsight.maxmind.asn import AsnDatabase, AsnEntry

ENTRIES: Networks = {
    "1.1.1.0/24": {"autonomous_system_number": 64500, "autonomous_system_organization": "One"},
    "8.0.0.0/9": {"asn": "AS64501"},
    "9.9.9.9/32": {"autonomous_system_number": 4294967295},
    "10.0.0.0/8": {"autonomous_system_number": 64502},
    "11.0.0.0/8": {"country": "ZZ"},
    "12.0.0.0/8": {"asn": "unknown"},
    "13.0.0.0/8": "no record at all",
    "2606:4700::/32": {"autonomous_system_number": 64503},
}


@pytest.fixture
def open_database(tmp_path: Path) -> Callable[[bytes], AsnDatabase]:
    """Writes a file and opens it."""

    def opened(content: bytes) -> AsnDatabase:
        path = tmp_path / "asn.mmdb"
        path.write_bytes(content)
        return AsnDatabase(path)

    return opened


def test_numbers_come_with_the_prefix_that_is_announced(
    open_database: Callable[[bytes], AsnDatabase],
) -> None:
    """Both spellings of the number are read, in both families."""
    database_ = open_database(database(ENTRIES))
    assert database_.find("1.1.1.77") == AsnEntry(64500, "1.1.1.0/24", "One")
    assert database_.find("8.8.8.8") == AsnEntry(64501, "8.0.0.0/9")
    assert database_.find("9.9.9.9") == AsnEntry(4294967295, "9.9.9.9/32")
    assert database_.find("2606:4700::1111") == AsnEntry(64503, "2606:4700::/32")
    database_.close()


@pytest.mark.parametrize(
    "address",
    ["10.1.1.1", "11.1.1.1", "12.1.1.1", "13.1.1.1", "200.1.1.1", "fe80::1", "fe80::1%eth0", "2a00::1"],
)
def test_what_is_not_public_or_not_known_has_no_number(
    open_database: Callable[[bytes], AsnDatabase], address: str
) -> None:
    """Private addresses are not looked up, even if a file has them; a record without number is none."""
    database_ = open_database(database(ENTRIES))
    assert database_.find(address) is None
    database_.close()


def test_a_file_of_ipv4_alone_serves_ipv4_alone(open_database: Callable[[bytes], AsnDatabase]) -> None:
    """IPv6 addresses are then not known, which is no error."""
    database_ = open_database(database(ENTRIES, ip_version=4))
    assert database_.find("1.1.1.1") == AsnEntry(64500, "1.1.1.0/24", "One")
    assert database_.find("2606:4700::1111") is None
    database_.close()


def test_a_missing_file_is_a_wrong_setting(tmp_path: Path) -> None:
    """The error names the setting, the file, and what is accepted."""
    with pytest.raises(ConfigError, match=r"asn-database.*none\.mmdb.*MaxMind.*No such file"):
        AsnDatabase(tmp_path / "none.mmdb")
    with pytest.raises(ConfigError, match="asn-database"):
        AsnDatabase(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a database", MARKER, MARKER + b"\xe0"])
def test_a_file_of_another_kind_is_a_wrong_setting(
    open_database: Callable[[bytes], AsnDatabase], content: bytes
) -> None:
    """What is not in the format is refused at start."""
    with pytest.raises(ConfigError, match=r"asn-database.*MaxMind"):
        open_database(content)


def test_damage_is_an_error_at_start_or_no_number_later(
    open_database: Callable[[bytes], AsnDatabase],
) -> None:
    """A file with any byte changed, or cut anywhere, never raises anything else."""
    good, rng = database(ENTRIES), random.Random(1)
    for _ in range(400):
        damaged = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            damaged[rng.randrange(len(good))] = rng.randrange(256)
        content = bytes(damaged[: rng.choice([len(good), rng.randrange(len(good))])])
        try:
            database_ = open_database(content)
        except ConfigError:
            continue
        for address in ("1.1.1.1", "8.8.8.8", "11.1.1.1", "2606:4700::1"):
            database_.find(address)
        database_.close()


def test_the_reader_is_not_loaded_without_a_file() -> None:
    """Agents without a database do not carry its reader."""
    program = "import sys, hopsight.agent.path.names; sys.exit('maxminddb' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
