"""The URL of a ClickHouse store: every part of it, and that no message repeats its password."""

from pathlib import Path

import pytest

from hopsight.errors import ConfigError
from hopsight.storage import open_store
from hopsight.storage.clickhouse.address import Address, parse
from hopsight.testing import FakeClock


def test_all_parts_are_read() -> None:
    """Several hosts, escaped credentials, IPv6 and every option."""
    options = "cluster=main&quorum=2&tls=true&merge_ms=0&ca_file=/ca.pem"
    found = parse(f"//us%40er:p%3Aw@ch1:9001,[::1]:9002,ch3/db?{options}")
    assert found == Address(
        hosts=("ch1:9001", "[::1]:9002", "ch3:8443"),
        tls=True,
        user="us@er",
        password="p:w",
        database="db",
        cluster="main",
        quorum=2,
        merge_ms=0,
        ca_file=Path("/ca.pem"),
    )


def test_what_is_left_out_is_as_clickhouse_has_it() -> None:
    """The user is `default`, without a password; the port is that of HTTP."""
    found = parse("//localhost/hopsight")
    assert (found.hosts, found.user, found.password, found.tls) == (("localhost:8123",), "default", "", False)
    assert (found.cluster, found.quorum) == (None, None)


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "//",
        "//u:SECRET@host",
        "//u:SECRET@host/",
        "//u:SECRET@host/a-b",
        "//u:SECRET@host/db;drop",
        "//u:SECRET@/db",
        "//u:SECRET@host:0/db",
        "//u:SECRET@host:http/db",
        "//u:SECRET@host:1:2/db",
        "//u:SECRET@ho'st/db",
        "//u:SECRET@host,/db",
        "//u:SECRET@host/db?cluster=a'b",
        "//u:SECRET@host/db?quorum=0",
        "//u:SECRET@host/db?tls=yes",
        "//u:SECRET@host/db?merge_ms=-1",
        "//u:SECRET@host/db?ca_file=/ca.pem",
        "//u:SECRET@host/db?tls=true&ca_file=",
        "//u:SECRET@host/db?other=1",
        "//u:SECRET@[::1/db",
    ],
)
def test_a_wrong_part_is_named_and_the_password_is_not(rest: str) -> None:
    """Each is refused with what would be right."""
    with pytest.raises(ConfigError) as caught:
        parse(rest)
    assert "SECRET" not in str(caught.value)
    assert caught.value.accepted


def test_a_scheme_that_is_none_of_ours_is_told_without_the_rest(tmp_path: object) -> None:
    """A misspelt scheme does not bring the password into the message."""
    with pytest.raises(ConfigError) as caught:
        open_store("clikhouse://u:SECRET@host/db", tmp_path, FakeClock())  # type: ignore[arg-type]
    assert "SECRET" not in str(caught.value)
