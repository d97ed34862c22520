"""Ways to a page: several addresses, redirects and where they may lead, proxies, and a turn to wait for."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from tests.agent.pages.serving import Named, fetcher, page, saying, served, trusted

from hopsight.agent.network import Address
from hopsight.agent.pages.connecting import ATTEMPT_S, MAX_ADDRESSES, in_turn
from hopsight.agent.pages.fetch import MAX_AT_ONCE
from hopsight.agent.pages.redirects import NotFollowedError, check_redirect
from hopsight.agent.profile.proxies import ProxyServer, ProxySettings

pytestmark = pytest.mark.anyio

MOVED = b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"


class Mapped(Named):
    """A machine whose way to any address leads to loopback; it notes the addresses and time limits."""

    def __init__(self, silent: frozenset[str] = frozenset(), **names: list[str]) -> None:
        super().__init__(**names)
        self.silent = silent
        self.tried: list[tuple[str, float]] = []

    async def open_tcp(self, address: Address, port: int, timeout_s: float) -> socket.socket:
        """Connect to loopback; silent ones cost no time here."""
        self.tried.append((address.host, timeout_s))
        if address.host in self.silent:
            raise OSError("no answer")
        return await super().open_tcp(Address("127.0.0.1"), port, timeout_s)


def through(port: int, scheme: str = "http", bypass: tuple[str, ...] = ()) -> ProxySettings:
    """Settings of a machine that goes everywhere through a proxy on loopback."""
    return ProxySettings(method="Environment", other=ProxyServer(scheme, "127.0.0.1", port), bypass=bypass)


@asynccontextmanager
async def proxied(asked: list[bytes], answer: bytes = b"") -> AsyncIterator[int]:
    """A proxy on loopback: it says ``answer``, or else connects to the port that is asked for."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(head)
        if answer:
            writer.write(answer)
            return
        target = head.split(b" ")[1].removeprefix(b"http://").partition(b"/")[0]
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", int(target.rpartition(b":")[2]))
        if head.startswith(b"CONNECT"):
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        else:
            far_writer.write(head)
        back = asyncio.create_task(copied(reader, far_writer))
        tasks.add(back)
        await copied(far_reader, writer)
        back.cancel()
        far_writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(await reader.readuntil(b"\r\n\r\n"), reader, writer)
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*tasks, return_exceptions=True)


async def copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One way of a connection through a proxy."""
    while piece := await reader.read(65_536):
        writer.write(piece)
        await writer.drain()


async def test_an_address_that_refuses_is_passed_over() -> None:
    """The page comes over IPv4 when IPv6 is refused, and the fetch says so without an address."""
    async with served(saying(page(b"x"))) as port:
        fetch = await fetcher(network=Named(site=["::1", "127.0.0.1"])).fetch(f"http://site.test:{port}/")
    (exchange,) = fetch.exchanges
    assert (exchange.status, exchange.address, fetch.error) == (200, "127.0.0.1", None)
    assert fetch.findings == ("an address was passed over (IPv6: connection refused)",)
    assert exchange.blocked_ms >= 0


async def test_addresses_that_all_refuse_are_an_error_of_each() -> None:
    """Without any connection the error has the reason of every family, and no address."""
    async with served(saying(page(b"x"))) as port:
        pass
    fetch = await fetcher(network=Named(site=["::1", "127.0.0.1"])).fetch(f"http://site.test:{port}/")
    assert not fetch.answered
    assert fetch.error == "IPv6: connection refused; IPv4: connection refused"


async def test_a_silent_address_leaves_time_for_the_next() -> None:
    """All but the last address have two seconds, the last has what the fetch has."""
    network = Mapped(frozenset({"192.0.2.1", "2001:db8::1"}), site=["192.0.2.1", "192.0.2.2", "2001:db8::1"])
    async with served(saying(page(b"x"))) as port:
        fetch = await fetcher(network=network).fetch(f"http://site.test:{port}/")
    assert network.tried == [("192.0.2.1", ATTEMPT_S), ("2001:db8::1", ATTEMPT_S), ("192.0.2.2", 10.0)]
    assert fetch.exchanges[0].address == "192.0.2.2"


async def test_a_real_silence_ends_in_time() -> None:
    """A connection whose handshake nobody answers is an error after its time, and leaves no socket open."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        filling = [socket.socket() for _ in range(4)]
        for one in filling:
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        with pytest.raises(OSError, match=r"no answer within 0\.2 s"):
            await Named().open_tcp(Address("127.0.0.1"), listening.getsockname()[1], 0.2)
        for one in filling:
            one.close()


async def test_one_family_may_be_asked_for() -> None:
    """Only its addresses are tried; without any the error says which family is missing."""
    names = Named(site=["::1", "127.0.0.1"], other=["::1"])
    async with served(saying(page(b"x"))) as port:
        over_ipv4 = await fetcher(network=names).fetch(f"http://site.test:{port}/", family=4)
        nowhere = await fetcher(network=names).fetch(f"http://other.test:{port}/", family=4)
    assert (over_ipv4.findings, over_ipv4.exchanges[0].address) == ((), "127.0.0.1")
    assert nowhere.error == "the name has no IPv4 address"


def test_both_families_come_before_second_addresses() -> None:
    """The best of each family first, and no more than a few."""
    found = [Address(f"192.0.2.{number}") for number in range(1, 9)] + [Address("2001:db8::1")]
    tried = [address.host for address in in_turn(found)]
    assert tried[:3] == ["192.0.2.1", "2001:db8::1", "192.0.2.2"]
    assert len(tried) == MAX_ADDRESSES


@pytest.mark.parametrize(
    ("start", "url", "followed"),
    [
        ("https://example.com/", "https://example.com/login", True),
        ("http://example.com/", "https://example.com/", True),
        ("https://example.com/", "https://www.example.com/", True),
        ("https://example.com/", "https://example.com.:8443/", True),
        ("https://www.example.com/", "https://example.com/", True),
        ("https://www.example.com/", "https://shop.example.com/", True),
        ("https://shop.example.com/", "https://example.com/", False),
        ("https://example.com/", "https://example.net/", False),
        ("https://example.com/", "https://notexample.com/", False),
        ("https://example.com/", "https://example.com.example.net/", False),
        ("https://intranet/", "https://www.intranet/", False),
        ("https://www.com/", "https://example.com/", False),
        ("https://192.0.2.1/", "https://192.0.2.1/x", True),
        ("https://192.0.2.1/", "https://1.192.0.2.1/", False),
        ("https://[2001:db8::1]/", "https://[2001:db8::1]:8443/", True),
        ("https://[2001:db8::1]/", "https://[::1]/", False),
        ("https://example.com/", "http://127.0.0.1/", False),
        ("https://example.com/", "ftp://example.com/", False),
        ("https://example.com/", "https://", False),
        ("https://example.com/", "https://[x/", False),
    ],
)
def test_redirects_stay_with_the_site(start: str, url: str, followed: bool) -> None:
    """The same host and what is below it is the site, all else is another's."""
    if followed:
        check_redirect(start, url)
        return
    with pytest.raises(NotFollowedError, match="not followed"):
        check_redirect(start, url)


async def test_a_redirect_to_another_site_is_the_page() -> None:
    """The redirect itself is the page, with the reason, and nobody else is asked."""
    asked: list[bytes] = []

    async def note(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head)
        writer.write(page(b"x"))

    async with served(note) as other, served(saying(MOVED % b"http://other.test:%d/" % other)) as port:
        fetch = await fetcher().fetch(f"http://site.test:{port}/")
    assert asked == []
    assert [exchange.status for exchange in fetch.exchanges] == [302]
    assert fetch.answered
    assert fetch.findings == ("redirected to another site: not followed",)


async def test_a_redirect_below_the_site_is_followed() -> None:
    """A site that sends to its www has two exchanges, and no error."""
    async with (
        served(saying(page(b"x"))) as below,
        served(saying(MOVED % b"http://www.site.test:%d/" % below)) as port,
    ):
        fetch = await fetcher().fetch(f"http://site.test:{port}/")
    assert [exchange.status for exchange in fetch.exchanges] == [302, 200]
    assert fetch.findings == ()


async def test_a_redirect_from_the_internet_does_not_lead_inside() -> None:
    """A public site whose name below it is an inner address ends with the redirect."""
    network = Mapped(site=["1.1.1.1"], inner=["10.0.0.1", "127.0.0.1"])
    async with served(saying(MOVED % b"http://inner.site.test/")) as port:
        fetch = await fetcher(network=network).fetch(f"http://site.test:{port}/")
    assert [exchange.status for exchange in fetch.exchanges] == [302]
    assert fetch.findings == ("redirected from the Internet to an inner address: not followed",)
    assert [host for host, _ in network.tried] == ["1.1.1.1"]


async def test_an_https_page_is_fetched_through_a_tunnel() -> None:
    """The proxy is asked to connect, TLS is with the site itself, and the proxy's address is not told."""
    asked: list[bytes] = []
    theirs, ours = trusted("site.test")
    async with served(saying(page(b"<title>T</title>")), theirs) as port, proxied(asked) as proxy:
        fetch = await fetcher(ours, proxies=through(proxy)).fetch(f"https://site.test:{port}/")
    (exchange,) = fetch.exchanges
    assert (fetch.error, exchange.status, exchange.address, exchange.proxied) == (None, 200, None, True)
    assert asked[0].startswith(b"CONNECT site.test:%d HTTP/1.1\r\n" % port)
    assert exchange.connect_ms >= 0
    assert exchange.tls_ms > 0


async def test_an_http_page_is_asked_of_the_proxy() -> None:
    """The proxy hears the whole URL, and the page's host."""
    asked: list[bytes] = []
    async with served(saying(page(b"x"))) as port, proxied(asked) as proxy:
        fetch = await fetcher(proxies=through(proxy)).fetch(f"http://site.test:{port}/")
    assert (fetch.error, fetch.exchanges[0].status) == (None, 200)
    assert asked[0].startswith(b"GET http://site.test:%d/ HTTP/1.1\r\nHost: site.test:%d\r\n" % (port, port))


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_wants_a_password_is_no_page(scheme: str) -> None:
    """What the proxy itself answers is an error, and not the site's page."""
    answer = b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n"
    async with proxied([], answer) as proxy:
        fetch = await fetcher(proxies=through(proxy)).fetch(f"{scheme}://site.test/")
    assert not fetch.answered
    assert fetch.error is not None
    assert "proxy" in fetch.error


async def test_what_the_proxy_is_not_for_is_fetched_directly() -> None:
    """An exception in the settings goes past the proxy; one that is no HTTP proxy is not tried at all."""
    asked: list[bytes] = []
    async with served(saying(page(b"x"))) as port, proxied(asked) as proxy:
        url = f"http://site.test:{port}/"
        past = await fetcher(proxies=through(proxy, bypass=("*.test",))).fetch(url)
        never = await fetcher(proxies=through(proxy, scheme="socks5")).fetch(url)
    assert (past.error, past.exchanges[0].proxied) == (None, False)
    assert never.error == "the way is through a socks5 proxy: not fetched"
    assert asked == []


async def test_slow_pages_do_not_pile_up() -> None:
    """No more than a few are fetched at once, and one that gets no turn in its time says so."""
    open_now = most = 0

    async def hang(_: bytes, __: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0.4)

    async with served(hang) as port:
        slow = fetcher(timeout_s=0.3)
        urls = [f"http://site.test:{port}/"] * (MAX_AT_ONCE + 1)
        fetches = await asyncio.gather(*(slow.fetch(url) for url in urls))
        await asyncio.sleep(0.3)
    assert most == MAX_AT_ONCE
    errors = [fetch.error for fetch in fetches]
    assert errors.count("no whole page within 0.3 s") == MAX_AT_ONCE
    assert errors.count("too many pages are slow: not fetched") == 1


async def test_every_connection_goes_through_the_door() -> None:
    """The door sees each connection of a fetch, redirects and all: so it is known as the agent's own."""
    network = Mapped()
    async with served(saying(MOVED % b"/again")) as port:
        fetch = await fetcher(network=network).fetch(f"http://site.test:{port}/")
    assert len(network.tried) == len(fetch.exchanges) == 6


async def test_odd_urls_are_sent_as_ascii() -> None:
    """A redirect with spaces and letters beyond ASCII is asked for in percent signs."""
    asked: list[bytes] = []

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head.split(b"\r\n")[0])
        writer.write(page(b"x") if len(asked) > 1 else MOVED % "/a b/\xe9?q=%20".encode("latin-1"))

    async with served(serve) as port:
        fetch = await fetcher().fetch(f"http://site.test:{port}/")
    assert fetch.error is None
    assert asked[1] == b"GET /a%20b/%C3%A9?q=%20 HTTP/1.1"
    assert msgspec.json.encode(fetch.exchanges[1].url)
