"""A connection to a page's server: its addresses in turn, or the proxy before it."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

from hopsight.agent.network import Address, Family, PageNetwork
from hopsight.agent.pages.answer import read_headers, read_line
from hopsight.agent.pages.exchange import Exchange
from hopsight.agent.profile.proxies import ProxyServer
from hopsight.clock import Clock

MAX_ADDRESSES: Final = 4
ATTEMPT_S: Final = 2.0
"""How long an address may stay silent while there are others."""

_STATUS_CHARS: Final = 3


def in_turn(addresses: Sequence[Address], family: Family | None = None) -> list[Address]:
    """Which addresses are tried: the best of each family first, then the others; a few.

    Raises:
        OSError: there is none (of that family, if one is asked for).
    """
    wanted = [address for address in addresses if family in {None, address.family}]
    if not wanted:
        raise OSError("the name has no address" if family is None else f"the name has no IPv{family} address")
    first = {address.family: address for address in reversed(wanted)}
    best = sorted(first.values(), key=wanted.index)
    return [*best, *(address for address in wanted if address not in best)][:MAX_ADDRESSES]


class Connector:
    """Connects past addresses that do not answer.

    Args:
        network: the door to it.
        clock: times the attempts.
        timeout_s: for the last address; the others get ``ATTEMPT_S`` at most.
    """

    def __init__(self, network: PageNetwork, clock: Clock, timeout_s: float) -> None:
        self._network = network
        self._clock = clock
        self._timeout_s = timeout_s

    async def connect(self, addresses: Sequence[Address], port: int, exchange: Exchange) -> socket.socket:
        """Connect to the first address that answers, and time it.

        Raises:
            OSError: none did; says why of each.
        """
        began_s = self._clock.monotonic()
        failed: list[str] = []
        for number, address in enumerate(addresses, start=1):
            timeout_s = self._timeout_s if number == len(addresses) else min(ATTEMPT_S, self._timeout_s)
            attempt_s = self._clock.monotonic()
            try:
                opened = await self._network.open_tcp(address, port, timeout_s)
            except OSError as error:
                # The family, not the address: redaction does not know all addresses of a name.
                failed.append(f"IPv{address.family}: {error.strerror or error}")
                continue
            exchange.connect_ms = _ms(self._clock.monotonic() - attempt_s)
            if failed:
                exchange.blocked_ms = _ms(attempt_s - began_s)
                exchange.unanswered = tuple(failed)
            exchange.address = address.host
            return opened
        raise OSError("; ".join(failed))


async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    """Have a proxy connect to a host (``CONNECT``, RFC 9110 section 9.3.6).

    Raises:
        OSError: it did not.
    """
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    writer.write(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode("ascii"))
    await writer.drain()
    status = (await read_line(reader)).partition(" ")[2][:_STATUS_CHARS]
    await read_headers(reader)
    if not status.startswith("2"):
        raise OSError(f"the proxy does not connect ({status or 'no answer'})")


def check_proxy(proxy: ProxyServer) -> None:
    """See that a proxy is one that can be gone through.

    Raises:
        OSError: it is not.
    """
    if proxy.scheme != "http":
        raise OSError(f"the way is through a {proxy.scheme} proxy: not fetched")


def _ms(seconds: float) -> float:
    return round(seconds * 1_000, 3)
