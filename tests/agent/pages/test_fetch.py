"""Pages fetched from servers on loopback that behave, and that do not."""

import asyncio
import ssl

import msgspec
import pytest
import trustme
from tests.agent.pages.serving import fetcher, page, saying, served, trusted

from hopsight.agent.delivery.spool_batch import Spooled
from hopsight.agent.pages.answer import MAX_BODY_BYTES
from hopsight.agent.pages.archive import PAGE_ID, title_of, web_record
from hopsight.agent.pages.exchange import PageFetch
from hopsight.agent.pages.fetch import MAX_REDIRECTS
from hopsight.agent.privacy.redaction import Redaction
from hopsight.model.upload import WebSessionRecord
from hopsight.model.user_sessions import UserSession

pytestmark = pytest.mark.anyio


def record(fetch: PageFetch) -> WebSessionRecord:
    session = UserSession(
        user_session_id="00001-5b5d3b6c-0123456789abcdef",
        agent_id="a",
        round_id=60,
        date="1970-01-01 00:01:00",
        visited_site="site.test",
        number_of_pages=1,
    )
    return web_record(fetch, session, "127.0.0.1", None)


async def test_a_page_has_its_phases_and_title() -> None:
    """Over HTTP all phases but TLS are timed, and the title is read."""
    async with served(saying(page(b"<title>A &amp;\n B</title>"))) as port:
        fetch = await fetcher().fetch(f"http://site.test:{port}/")
    (exchange,) = fetch.exchanges
    assert fetch.error is None
    assert title_of(exchange) == "A & B"
    assert exchange.tls_ms == -1
    assert min(exchange.dns_ms, exchange.connect_ms, exchange.wait_ms, exchange.receive_ms) >= 0


async def test_tls_is_timed_apart_and_counted_once() -> None:
    """In the archive TLS is part of connect, and the total holds it once."""
    theirs, ours = trusted("site.test")
    async with served(saying(page(b"x")), theirs) as port:
        fetch = await fetcher(ours).fetch(f"https://site.test:{port}/")
    assert fetch.error is None
    entry = record(fetch).detail.har.log.entries[0]
    timings = entry.timings
    assert timings.ssl is not None
    assert timings.dns is not None
    assert timings.connect is not None
    assert timings.connect >= timings.ssl > 0
    parts = timings.dns + timings.connect + timings.send + timings.wait + timings.receive
    assert entry.time == pytest.approx(parts, abs=0.01)


async def test_a_certificate_that_nobody_vouches_for_is_an_error() -> None:
    """An untrusted certificate ends the fetch before anything is asked."""
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("site.test").configure_cert(theirs)
    async with served(saying(page(b"x")), theirs) as port:
        fetch = await fetcher().fetch(f"https://site.test:{port}/")
    assert fetch.error is not None
    assert "certificate" in fetch.error
    assert fetch.exchanges[0].status == 0
    assert fetch.exchanges[0].send_ms == -1


async def test_a_redirect_loop_ends() -> None:
    """After five redirects no more is asked."""
    async with served(saying(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")) as port:
        fetch = await fetcher().fetch(f"http://site.test:{port}/")
    assert len(fetch.exchanges) == MAX_REDIRECTS + 1
    assert fetch.error is not None
    assert "redirects" in fetch.error


async def test_a_slow_server_is_not_waited_for() -> None:
    """What takes too long is an error, with the phases until then."""

    async def sleep(_: bytes, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)

    async with served(sleep) as port:
        fetch = await fetcher(timeout_s=0.1).fetch(f"http://site.test:{port}/")
        await asyncio.sleep(0.3)
    assert fetch.error is not None
    assert "within" in fetch.error
    assert fetch.exchanges[0].send_ms >= 0
    assert fetch.exchanges[0].wait_ms == -1


async def test_a_reset_is_an_error() -> None:
    """A connection that is reset is told, not raised."""

    async def reset(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with served(reset) as port:
        fetch = await fetcher().fetch(f"http://site.test:{port}/")
    assert fetch.error


async def test_a_huge_body_is_cut() -> None:
    """No more than two MiB of a body are read."""
    async with served(saying(page(b"x" * (MAX_BODY_BYTES + 1)))) as port:
        fetch = await fetcher().fetch(f"http://site.test:{port}/")
    assert fetch.error is None
    assert fetch.exchanges[0].truncated
    assert fetch.exchanges[0].body_bytes == MAX_BODY_BYTES


async def test_what_is_not_html_has_no_title() -> None:
    """A title is looked for in HTML only."""
    async with served(saying(page(b"<title>x</title>", b"Content-Type: text/plain"))) as port:
        fetch = await fetcher().fetch(f"http://site.test:{port}/")
    assert record(fetch).document.page_title is None


async def test_chunks_are_put_together() -> None:
    """A chunked body is counted and read without its framing."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with served(saying(head + b"9\r\n<title>ab\r\n9\r\nc</title>\r\n0\r\n\r\n")) as port:
        fetch = await fetcher().fetch(f"http://site.test:{port}/")
    assert fetch.error is None
    assert title_of(fetch.exchanges[0]) == "abc"
    assert fetch.exchanges[0].body_bytes == 18


async def test_what_is_not_http_is_an_error() -> None:
    """A server of another protocol is an error, not a crash."""
    async with served(saying(b"220 mail ready\r\n")) as port:
        fetch = await fetcher().fetch(f"http://site.test:{port}/")
    assert fetch.error is not None


async def test_secrets_are_not_in_the_archive() -> None:
    """Cookies and credentials in a redirect do not get into the record, and are not sent."""
    asked: list[bytes] = []

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head)
        if len(asked) == 1:
            lines = b"HTTP/1.1 302 Found\r\nSet-Cookie: hidden1\r\nLocation: http://u:hidden2@site.test:%d/b"
            writer.write(lines % port + b"\r\nContent-Length: 0\r\n\r\n")
        else:
            writer.write(page(b"x"))

    async with served(serve) as port:
        fetch = await fetcher().fetch(f"http://site.test:{port}/")
    told = record(fetch)
    encoded = msgspec.json.encode(told)
    assert len(fetch.exchanges) == 2
    assert b"hidden" not in encoded + b"".join(asked)
    assert told.document.page_id == PAGE_ID
    assert told.document.page_url.endswith("/b")
    assert msgspec.json.decode(encoded, type=WebSessionRecord) == told
    assert fetch.exchanges[0].total_ms > 0


async def test_a_site_that_is_hidden_is_hidden_where_it_sends_to_another() -> None:
    """With the visited site redacted, neither it nor the site that its redirect names is told."""
    moved = b"HTTP/1.1 302 Found\r\nLocation: https://hidden.example/\r\nContent-Length: 0\r\n\r\n"
    async with served(saying(moved)) as port:
        fetch = await fetcher().fetch(f"http://hidden.test:{port}/")
    made = msgspec.structs.replace(record(fetch), visited_site="hidden.test")
    assert b"hidden" in msgspec.json.encode(made)
    assert b"hidden" not in msgspec.json.encode(Redaction(("visited-site",)).record(made))


async def test_redacted_urls_leave_no_trace_of_a_page() -> None:
    """Neither a path, a query nor a title is told once they are redacted, and the page is spooled as such."""
    moved = b"HTTP/1.1 302 Found\r\nLocation: /hidden?hidden=hidden\r\nContent-Length: 0\r\n\r\n"

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(moved if head.startswith(b"GET / ") else page(b"<title>hidden</title>"))

    async with served(serve) as port:
        fetch = await fetcher().fetch(f"http://site.test:{port}/")
    told = Redaction(("url-path", "url-query")).record(record(fetch))
    spooled = Spooled()
    spooled.add(1, told)
    assert spooled.web_sessions == [told]
    assert len(fetch.exchanges) == 2
    assert b"hidden" not in msgspec.json.encode(told)
