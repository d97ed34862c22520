"""Include and exclude lists."""

import pytest

from hopsight.agent.passive.sites import SiteFilter
from hopsight.errors import ConfigError


def admits(address: str, name: str | None, *others: str, include: str = "", exclude: str = "") -> bool:
    chosen = SiteFilter.parse(include.split(), exclude.split())
    return chosen.admits(address, name, others)


def test_without_lists_everything_is_admitted() -> None:
    """No include list means all."""
    assert admits("192.0.2.1", "www.example.com")
    assert admits("2001:db8::1", None)


def test_an_include_list_admits_nothing_else() -> None:
    """By exact name, by ending, by network and by address; an ending is not the name itself."""
    lists = "www.example.com *.Example.org 192.0.2.0/24 2001:db8::/32 198.51.100.7"
    assert admits("203.0.113.1", "WWW.example.com.", include=lists)
    assert admits("203.0.113.1", "a.b.example.org", include=lists)
    assert not admits("203.0.113.1", "example.org", include=lists)
    assert not admits("203.0.113.1", "notexample.org", include=lists)
    assert admits("192.0.2.200", None, include=lists)
    assert admits("2001:db8::5", "other.example", include=lists)
    assert admits("198.51.100.7", None, include=lists)
    assert not admits("198.51.100.8", None, include=lists)


def test_exclude_wins() -> None:
    """What both lists name is not watched."""
    assert not admits("192.0.2.1", "a.example.com", include="*.example.com", exclude="a.example.com")
    assert not admits("192.0.2.1", "a.example.com", include="*.example.com", exclude="192.0.2.0/28")
    assert admits(
        "192.0.2.99", "b.example.com", include="*.example.com", exclude="192.0.2.0/28 a.example.com"
    )


def test_any_known_name_of_an_address_excludes_it() -> None:
    """When several sites share an address, the one that must not be seen decides."""
    assert not admits("192.0.2.1", "cdn.example", "bank.example", exclude="bank.example")
    assert not admits("192.0.2.1", "cdn.example", "bank.example", include="bank.example")


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "*",
        "*.",
        "a..b",
        "http://a.example",
        "a.example:443",
        "192.0.2.1/24",
        "192.0.2.300",
        "a b",
        "*.*.example",
    ],
)
def test_a_wrong_entry_is_named_with_what_is_accepted(entry: str) -> None:
    """The message says which list, which entry, and what would be right."""
    with pytest.raises(ConfigError, match=r"passive_exclude.*\*\.example\.com.*192\.0\.2\.0/24") as raised:
        SiteFilter.parse([], ["good.example", entry])
    assert raised.value.value == entry
