"""What a round needs to know of its surroundings: what to measure now, and in which context."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Final
from urllib.parse import urlsplit

from msgspec import structs

from hopsight.agent.machine import platform_name
from hopsight.agent.network import IPV4, IPV6, Address, Family, Network
from hopsight.agent.profile.here import read_profile
from hopsight.agent.profile.profile import NetworkProfile, profile_document
from hopsight.agent.profile.proxies import is_address
from hopsight.agent.states.attachment import is_loopback
from hopsight.agent.targets import parse_target
from hopsight.config import AgentConfig
from hopsight.errors import InvalidValueError
from hopsight.model.agents import AgentInfo, Target
from hopsight.model.network_documents import NetworkProfileDocument
from hopsight.model.upload import AgentConfiguration, MeasurementContext

MAX_TARGETS: Final = 1_000
"""Most targets of one round."""
_RESOLVE_TIMEOUT_S: Final = 2.0
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Surroundings:
    """Read anew at the start of each round: a laptop travels.

    ``look`` and what calls it block for a few milliseconds; they may run in a thread.

    Args:
        config: the targets given to this agent, and the name of its place.
        network: asked for routes.
        server_url: the Hopsight server is a target where none is configured.
        read_info: reads what this machine is.
    """

    def __init__(
        self, config: AgentConfig, network: Network, server_url: str, read_info: Callable[[], AgentInfo]
    ) -> None:
        self._config = config
        self._network = network
        self._server_url = server_url
        self._read_info = read_info
        self._info = read_info()
        self._profile = NetworkProfile(connection="Other")
        self._looked = False
        self._public: dict[Family, tuple[str, str | None]] = {}
        self._proxy_addresses: dict[str, str] = {}
        # Looks are taken in a thread, while the server's answers come in on the event loop.
        self._changing = threading.Lock()
        self._given = [parse_target(text) for text in config.targets]

    def targets(self, configuration: AgentConfiguration) -> tuple[Target, ...]:
        """Look around, and say what to measure: nothing while the agent is disabled."""
        self._info = self._read_info()
        profile = self.look()
        if not configuration.enabled:
            return ()
        wanted = [*self._given, *configuration.targets]
        if not wanted:
            wanted = default_targets(profile.gateway, profile.dns_servers, self._server_url)
        return distinct(wanted)

    def look(self) -> NetworkProfile:
        """Read the network profile now."""
        found = read_profile(self._network, self._config.proxy_variables, self._proxy_addresses)
        with self._changing:
            if self._looked and found.attachment != self._profile.attachment:
                # Where the last network met the Internet says nothing of this one.
                self._public.clear()
            self._looked = True
            self._profile = self._with_public(found)
            return self._profile

    async def look_around(self) -> NetworkProfile:
        """Read the network profile now, without blocking, and where its proxies are."""
        await asyncio.to_thread(self.look)
        await self.find_proxies()
        return self._profile

    def profile(self) -> NetworkProfile:
        """The network at the last look."""
        return self._profile

    def document(self) -> NetworkProfileDocument:
        """The same, as the API has it."""
        return profile_document(self._profile)

    def saw_public_address(self, address: str | None, ip_range: str | None = None) -> None:
        """Take in where the server saw this agent come from; nothing, when it does not say.

        Forgotten when the network changes. An upload's answer has no range: the known one stays with its
        address.
        """
        if address is None or is_loopback(address):
            # A server on this machine sees nothing of any network.
            return
        with self._changing:
            family = Address(address).family
            known_address, known_range = self._public.get(family, (None, None))
            kept = known_range if address == known_address else None
            self._public[family] = (address, ip_range or kept)
            self._profile = self._with_public(self._profile)

    async def find_proxies(self) -> None:
        """Resolve the proxies that are known by name: what their addresses are asked for by, from then on."""
        servers = self._profile.proxies.servers if self._profile.proxies is not None else ()
        found: dict[str, str] = {}
        for host in dict.fromkeys(server.host for server in servers if not is_address(server.host)):
            try:
                found[host] = (await self._network.resolve(host, _RESOLVE_TIMEOUT_S))[0].host
            except OSError:
                # Name servers that do not answer now: it will be where it was.
                found |= {host: self._proxy_addresses[host]} if host in self._proxy_addresses else {}
        with self._changing:
            self._proxy_addresses = found
            self._profile = structs.replace(self._profile, proxy_addresses=found)

    def context(self) -> MeasurementContext:
        """What the records of this round have in common."""
        return self._profile.context(platform_name(), self._config.location)

    def info(self) -> AgentInfo:
        """What this machine was at the last look."""
        return self._info

    def _with_public(self, profile: NetworkProfile) -> NetworkProfile:
        # A server with both families sees now one, now the other: the network stays the same all the time.
        own: Family = IPV6 if ":" in (profile.local_prefix or "") else IPV4
        other: Family = IPV4 if own == IPV6 else IPV6
        address, ip_range = self._public.get(own) or self._public.get(other) or (None, None)
        return structs.replace(profile, public_address=address, public_ip_range=ip_range)


def check_targets(texts: Sequence[str]) -> None:
    """See that all given targets can be measured.

    Raises:
        InvalidValueError: one is no target, or there are too many.
    """
    if len(texts) > MAX_TARGETS:
        raise InvalidValueError("number of targets", len(texts), f"at most {MAX_TARGETS}")
    for text in texts:
        parse_target(text)


def default_targets(gateway: str | None, dns_servers: Iterable[str], server_url: str) -> list[Target]:
    """The default gateway, the DNS servers and the Hopsight server itself, each host once."""
    found = [] if gateway is None else [Target(host=gateway)]
    for address in dns_servers:
        if address not in {target.host for target in found}:
            # Without port 53: many name servers refuse TCP there, and a named port that refuses is a fault.
            found.append(Target(host=address))
    return [*found, server_target(server_url)]


def server_target(url: str) -> Target:
    """The Hopsight server itself, as a target.

    Raises:
        InvalidValueError: the URL names no host.
    """
    parts = urlsplit(url)
    if not parts.hostname:
        raise InvalidValueError("server URL", url, "http://HOST[:PORT] or https://HOST[:PORT]")
    return Target(host=parts.hostname, port=parts.port or _DEFAULT_PORTS.get(parts.scheme))


def distinct(targets: Sequence[Target]) -> tuple[Target, ...]:
    """Each host and port once, the first of its kind; at most ``MAX_TARGETS``."""
    seen: dict[tuple[str, int | None], Target] = {}
    for target in targets:
        seen.setdefault((target.host.lower().rstrip("."), target.port), target)
    return tuple(seen.values())[:MAX_TARGETS]
