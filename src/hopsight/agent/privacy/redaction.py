"""What does not leave the machine: taken out of records before they are spooled (``docs/agent.md``).

A secret is a value, not a field: whatever is to be hidden in one field is hidden wherever else the same
record says it, in an error's text, too. Where something must stand in its place, or where an operator must be
able to tell that two things are the same without knowing which, it is a *pseudonym*: a keyed hash. The key is
made on the machine and never leaves it, so nobody else can try which name gives that hash.
"""

import ipaddress
import secrets as system_secrets
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from msgspec import Struct

from hopsight.agent.delivery.identity import write_private
from hopsight.agent.privacy.fields import written_again
from hopsight.agent.privacy.hidden import KEY_BYTES, Hidden, Pseudonyms
from hopsight.agent.privacy.pages import without_page_parts
from hopsight.errors import ConfigError, HopsightError
from hopsight.model.agents import AgentInfo
from hopsight.model.network_documents import NetworkProfileDocument, PathHop, Segment, Traceroute
from hopsight.model.upload import (
    MeasurementContext,
    NetworkProbeRecord,
    NetworkSessionRecord,
    UserSessionRecord,
    WebSessionRecord,
)

REDACTIONS: Final = {
    "ssid": "name of the Wi-Fi network; a pseudonym",
    "bssid": "address of the Wi-Fi access point; a pseudonym",
    "user-names": "users who are logged on; left out",
    "computer-name": "the computer's name; a pseudonym",
    "visited-site": "host name (or address) of what is measured or visited; a pseudonym",
    "destination": "its address, and name, prefix and AS of the last hop; a pseudonym, the rest left out",
    "dns-servers": "addresses of the name servers; left out",
    "local-addresses": "own address, subnet, gateway and private hops; pseudonyms, own address left out",
    "public-address": "what the agent knows of its public address; left out (the server sees it anyway)",
    "proxy": "proxies and where they are configured; left out, their addresses pseudonyms",
    "vpn": "the tunnel's name and addresses; pseudonyms",
    "path": "addresses of hops; pseudonyms, their names, prefixes, AS numbers and labels left out",
    "url-path": "path of every URL; left out",
    "url-query": "query of every URL; left out",
}
"""What may be asked for, and what becomes of it."""

KEY_NAME: Final = "redaction.key"

StructT = TypeVar("StructT", bound=Struct)


class Redaction:
    """What one agent does not tell.

    Args:
        names: keys of ``REDACTIONS``.
        key: for pseudonyms; None: one that is forgotten with this process.

    Raises:
        ConfigError: a name is none of ours.
    """

    def __init__(self, names: Collection[str] = (), key: bytes | None = None) -> None:
        for name in names:
            if name not in REDACTIONS:
                raise ConfigError("redaction", name, ", ".join(REDACTIONS))
        self.names = tuple(name for name in REDACTIONS if name in names)
        self._pseudonyms = Pseudonyms(key or system_secrets.token_bytes(KEY_BYTES))

    def record(self, record: StructT) -> StructT:
        """A copy of a record (of any kind) without what it must not tell."""
        return self._without(without_page_parts(record, self.names), self._hidden_in(record))

    def context(self, context: MeasurementContext) -> MeasurementContext:
        """A copy of a context without what it must not tell."""
        hidden = Hidden(self._pseudonyms)
        if "ssid" in self.names:
            hidden.name("ssid", context.ssid)
        if "bssid" in self.names:
            hidden.name("bssid", context.bssid)
        for name, address in (
            ("local-addresses", context.gateway),
            ("proxy", context.proxy_target),
            ("vpn", context.vpn_target),
        ):
            if name in self.names:
                hidden.address(address)
        return self._without(context, hidden)

    def info(self, info: AgentInfo) -> AgentInfo:
        """A copy of what the agent says of its machine, without what it must not tell."""
        hidden = Hidden(self._pseudonyms)
        if "computer-name" in self.names:
            hidden.name("computer", info.computer_name)
        if "user-names" in self.names:
            for user in info.user_names:
                hidden.name("user", user)
        return self._without(info, hidden)

    def _without(self, value: StructT, hidden: Hidden) -> StructT:
        # URLs lose their credentials whether anybody asked for it or not.
        return written_again(value, hidden, self.names)

    def _hidden_in(self, record: Struct) -> Hidden:
        hidden = Hidden(self._pseudonyms)
        if not self.names:
            return hidden
        if isinstance(record, NetworkSessionRecord):
            self._hide_site(hidden, record.visited_site, record.document.destination.target)
        elif isinstance(record, UserSessionRecord):
            network = record.detail.network
            self._hide_site(hidden, record.document.visited_site, record.destination_ip)
            if network.traceroute is not None:
                self._hide_path(hidden, network.traceroute)
            self._hide_profile(hidden, network.network_profile)
            self._hide_segments(hidden, record.detail.segments)
        elif isinstance(record, WebSessionRecord):
            self._hide_site(hidden, record.visited_site, record.destination_ip)
            for entry in record.detail.har.log.entries:
                self._hide_site(hidden, _host_of(entry.request.url), entry.server_ip_address)
                # A redirect that was not followed leads to somebody whom no request names.
                self._hide_site(hidden, _host_of(entry.response.redirect_url), None)
        elif isinstance(record, NetworkProbeRecord):
            self._hide_profile(hidden, record.detail.network_profile)
            self._hide_target(hidden, record.detail.target_kind, record.document.target)
        return hidden

    def _hide_site(self, hidden: Hidden, site: str | None, address: str | None) -> None:
        if "visited-site" in self.names:
            hidden.site(site)
        if "destination" in self.names:
            hidden.address(address)

    def _hide_path(self, hidden: Hidden, path: Traceroute) -> None:
        if "destination" in self.names:
            hidden.address(path.destination)
            self._hide_hops(hidden, (hop for hop in path.hops if hop.ip_address == path.destination))
        if "path" in self.names:
            self._hide_hops(hidden, (hop for hop in path.hops if hop.ip_address != path.destination))
        if "local-addresses" in self.names:
            self._hide_hops(hidden, (hop for hop in path.hops if is_private(hop.ip_address)))

    def _hide_hops(self, hidden: Hidden, hops: Iterable[PathHop]) -> None:
        for hop in hops:
            hidden.address(hop.ip_address)
            if hop.name != hop.ip_address:
                hidden.name("hop", hop.name)
            hidden.hops.add(hop.hop)

    def _hide_segments(self, hidden: Hidden, segments: Iterable[Segment]) -> None:
        for segment in segments:
            self._hide_target(hidden, segment.name, segment.target)

    def _hide_target(self, hidden: Hidden, kind: str, target: str | None) -> None:
        names = {
            "device": "local-addresses",
            "lan": "local-addresses",
            "gateway": "local-addresses",
            "proxy": "proxy",
            "vpn": "vpn",
            "provider": "path",
            "destination": "destination",
        }
        if names[kind] in self.names:
            hidden.address(target)

    def _hide_profile(self, hidden: Hidden, profile: NetworkProfileDocument | None) -> None:
        if profile is None:
            return
        for name, addresses in (
            ("local-addresses", (profile.ip_address, profile.local_prefix, profile.gateway)),
            ("dns-servers", profile.dns_servers),
            ("public-address", (profile.public_ip_address,)),
        ):
            if name in self.names:
                for address in addresses:
                    hidden.address(address)
        if "public-address" in self.names:
            hidden.name("range", profile.public_ip_range)
        self._hide_links(hidden, profile)

    def _hide_links(self, hidden: Hidden, profile: NetworkProfileDocument) -> None:
        wireless, vpn, proxies = profile.wireless_profile, profile.vpn_profile, profile.proxy_profile
        if wireless is not None and "ssid" in self.names:
            hidden.name("ssid", wireless.ssid)
        if wireless is not None and "bssid" in self.names:
            hidden.name("bssid", wireless.bssid)
        if vpn is not None and "vpn" in self.names:
            hidden.name("vpn", vpn.interface_name)
            hidden.address(vpn.ip_address)
            hidden.address(vpn.endpoint)
        if proxies is not None and "proxy" in self.names:
            for proxy in proxies.proxies:
                hidden.url("proxy", proxy.proxy)
            hidden.url("proxy", proxies.pac_url)


def open_redaction(names: Collection[str], directory: Path) -> Redaction:
    """The redactions of an agent, with the key that its directory keeps: the same pseudonyms after a restart.

    Raises:
        ConfigError: a name is none of ours.
        HopsightError: the key cannot be read or written.
    """
    if not names:
        return Redaction()
    path = directory / KEY_NAME
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = b""
    except OSError as error:
        raise HopsightError(f"Cannot read {path}: {error.strerror}") from None
    if len(key) != KEY_BYTES:
        key = system_secrets.token_bytes(KEY_BYTES)
        write_private(path, key)
    return Redaction(names, key)


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def is_private(address: str | None) -> bool:
    """Whether an address is of a network of one's own (or no address at all)."""
    if address is None:
        return False
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False
