"""Posting to webhooks that administrators gave: to no address of this machine, with a limit in time."""

import ipaddress
import socket
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from hopsight.server.alerts.messages import NotTakenError

TIMEOUT_S: Final = 10.0
_OK: Final = range(200, 300)
_GONE: Final = 410


class WebhookClient:
    """Posts messages. What the answer says is not read: its status counts.

    Args:
        allow_local: whether loopback and link-local addresses may be posted to.
    """

    def __init__(self, *, allow_local: bool) -> None:
        self._allow_local = allow_local

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        """Post once, follow no redirection.

        Raises:
            NotTakenError: it was not taken.
        """
        host = URL(url).host or ""
        self._check_literal(host)
        connector = aiohttp.TCPConnector(resolver=_Resolver(allow_local=self._allow_local))
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
                session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                if answer.status not in _OK:
                    raise NotTakenError(f"{host} answered {answer.status}", permanent=answer.status == _GONE)
        except TimeoutError:
            raise NotTakenError(f"{host} did not answer within {TIMEOUT_S:g} s") from None
        except aiohttp.ClientError as error:
            raise NotTakenError(f"{host} cannot be reached ({type(error).__name__})") from None

    def _check_literal(self, host: str) -> None:
        # An address needs no resolver, so the one below does not see it.
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return
        if not self._allow_local and is_local(address):
            raise NotTakenError(f"{host} is an address of this machine or link", permanent=True)


class _Resolver(AbstractResolver):
    """Leaves out addresses that may not be posted to, of those that will be connected to."""

    def __init__(self, *, allow_local: bool) -> None:
        self._allow_local = allow_local
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if self._allow_local:
            return found
        allowed = [each for each in found if not is_local(ipaddress.ip_address(each["host"].split("%")[0]))]
        if not allowed:
            raise NotTakenError(f"{host} is an address of this machine or link", permanent=True)
        return allowed

    async def close(self) -> None:
        await self._inner.close()


def is_local(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is of this machine or link, or is none that one posts to."""
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(
        mapped.is_loopback or mapped.is_link_local or mapped.is_unspecified or mapped.is_multicast
        or getattr(mapped, "is_reserved", False)
    )  # fmt: skip
