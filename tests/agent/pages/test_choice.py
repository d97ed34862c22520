"""Which targets have a page."""

import pytest

from hopsight.agent.pages.choice import page_url
from hopsight.model.agents import Target


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("app.example.com", None, "https://app.example.com/"),
        ("app.example.com", 443, "https://app.example.com/"),
        ("app.example.com", 80, "http://app.example.com/"),
        ("app.example.com", 22, None),
        ("192.0.2.1", None, None),
        ("2001:db8::1", None, None),
        ("192.0.2.1", 80, "http://192.0.2.1/"),
        ("2001:db8::1", 443, "https://[2001:db8::1]/"),
    ],
)
def test_sites_have_pages_and_gateways_have_none(host: str, port: int | None, url: str | None) -> None:
    """Names, and addresses whose port says that they speak HTTP."""
    assert page_url(Target(host=host, port=port)) == url
