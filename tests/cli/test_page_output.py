"""What people and scripts see of a page, of real servers on loopback."""

import json
import subprocess
import sys

import msgspec
import pytest
from tests.agent.pages.serving import Named, fetcher, page, saying, served, trusted

from hopsight.cli.page_output import page_line, page_text

pytestmark = pytest.mark.anyio


async def test_the_phases_of_a_page_are_shown() -> None:
    """Text and JSON have each phase in ms, the title, and the bytes."""
    theirs, ours = trusted("site.test")
    async with served(saying(page(b"<title>A page</title>")), theirs) as port:
        fetch = await fetcher(ours).fetch(f"https://site.test:{port}/")
    line = page_line(fetch)
    assert line is not None
    (exchange,) = line.exchanges
    assert (line.title, exchange.status, exchange.bytes, exchange.blocked) == ("A page", 200, 21, None)
    phases = (exchange.dns, exchange.connect, exchange.tls, exchange.first_byte, exchange.content)
    assert exchange.total == pytest.approx(sum(phase or 0.0 for phase in phases), abs=0.01)
    assert set(msgspec.to_builtins(exchange)) >= {"dns", "connect", "tls", "firstByte", "content", "total"}
    heading, names, row = page_text("site.test", fetch).splitlines()
    assert heading == "page of site.test: A page"
    assert names.split()[:6] == ["URL", "STATUS", "DNS", "CONNECT", "TLS", "FIRST"]
    assert row.split()[:2] == [f"https://site.test:{port}/", "200"]


async def test_phases_that_did_not_happen_are_a_dash() -> None:
    """A page whose connection was refused shows how far it came, and why no further."""
    async with served(saying(b"")) as port:
        pass
    fetch = await fetcher(network=Named()).fetch(f"http://site.test:{port}/")
    line = page_line(fetch)
    assert line is not None
    assert (line.exchanges[0].status, line.exchanges[0].first_byte, line.exchanges[0].tls) == (None,) * 3
    *_, row, finding = page_text("site.test", fetch).splitlines()
    assert row.split()[1] == "-"
    assert row.split()[3:7] == ["-"] * 4
    assert finding == "  IPv4: connection refused"
    assert page_line(None) is None


def test_measure_fetches_where_it_is_asked_to() -> None:
    """``measure --fetch`` has a page for a name, none for an address without a port, and none unasked."""
    command = [sys.executable, "-m", "hopsight", "measure", "localhost", "127.0.0.1", "--json", "--ipv4"]
    command += ["--count", "2", "--interval", "0.05", "--timeout", "0.3"]
    pages = [
        {line["target"]: line["page"] for line in map(json.loads, done.stdout.splitlines())}
        for done in (
            subprocess.run([*command, *words], capture_output=True, text=True, timeout=60, check=True)
            for words in (["--fetch"], [])
        )
    ]
    assert pages[0]["localhost"]["exchanges"][0]["url"] == "https://localhost/"
    assert pages[0]["localhost"]["exchanges"][0]["dns"] >= 0
    assert pages[0]["127.0.0.1"] is None
    assert pages[1] == {"localhost": None, "127.0.0.1": None}
