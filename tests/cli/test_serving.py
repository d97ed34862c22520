"""Options of the server: what they take, and what they say to the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopsight.cli.serving import parse_duration, parse_listen, server_config
from hopsight.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8480", ("127.0.0.1", 8480)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("[::1]:65535", ("::1", 65535)),
        ("localhost:80", ("localhost", 80)),
    ],
)
def test_an_address_is_host_and_port(text: str, address: tuple[str, int]) -> None:
    """An IPv6 address stands in brackets."""
    assert parse_listen(text) == address


@pytest.mark.parametrize("text", ["", "8480", ":8480", "::1:8480", "host:", "host:65536", "host:x", "a b:1"])
def test_what_is_no_address_is_said(text: str) -> None:
    """The error names the option and what it takes."""
    with pytest.raises(ConfigError, match=r"--listen.*HOST:PORT"):
        parse_listen(text)


@given(number=st.integers(min_value=1, max_value=99_999), unit=st.sampled_from("mhdw"))
def test_a_duration_is_a_number_and_a_unit(number: int, unit: str) -> None:
    """Minutes, hours, days, weeks."""
    assert parse_duration(f"{number}{unit}") == number * {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}[unit]


@pytest.mark.parametrize("text", ["", "90", "d", "0d", "-1d", "1.5d", "90 d", "100000d", "1y"])
def test_what_is_no_duration_is_said(text: str) -> None:
    """Nothing is guessed: a wrong unit could delete what somebody wanted to keep."""
    with pytest.raises(ConfigError, match="--keep"):
        parse_duration(text)


@pytest.mark.parametrize("url", ["hopsight.example", "ftp://x", "http://", "http://x?y", "http://x y"])
def test_a_public_url_is_one(url: str) -> None:
    """It goes into links: what is no URL is refused at the start."""
    with pytest.raises(ConfigError, match="--public-url"):
        server_config(None, "127.0.0.1:1", url, "1d")


def test_a_public_url_ends_without_a_slash() -> None:
    """Links append paths to it."""
    config = server_config(None, "127.0.0.1:1", "https://hopsight.example/te/", "1d")
    assert config.public_url == "https://hopsight.example/te"
