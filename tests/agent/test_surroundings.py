"""What a round knows of its surroundings: targets, the network, where it meets the Internet, its proxies."""

from pathlib import Path

import msgspec
import pytest

from hopsight.agent import surroundings as module
from hopsight.agent.machine import read_agent_info
from hopsight.agent.network import Address
from hopsight.agent.profile import here as profile_here
from hopsight.agent.profile.profile import NetworkProfile
from hopsight.agent.profile.proxies import ProxyServer, ProxySettings
from hopsight.agent.surroundings import Surroundings
from hopsight.agent.system_network import SystemNetwork
from hopsight.clock import SystemClock
from hopsight.config import AgentConfig
from hopsight.model.agents import Target
from hopsight.model.upload import AgentConfiguration

HOME = NetworkProfile(
    connection="Wireless", interface="wlan0", local_prefix="192.168.1.0", gateway="192.168.1.1"
)
CAFE = msgspec.structs.replace(HOME, local_prefix="10.0.0.0", gateway="10.0.0.1")


class Names(SystemNetwork):
    """A network whose names the test makes up; one that is not there means no answer."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.names: dict[str, str] = {}

    async def resolve(self, host: str, timeout_s: float) -> list[Address]:
        """One address, or none in time."""
        if host not in self.names:
            raise OSError(f"no answer within {timeout_s:g} s")
        return [Address(self.names[host])]


class Place:
    """Where the machine is; it may be carried about."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **config: object) -> None:
        self.here = HOME
        self.network = Names()
        self.variables: object = None

        def read(_: object, variables: object, proxy_addresses: object) -> NetworkProfile:
            self.variables = variables
            return msgspec.structs.replace(self.here, proxy_addresses=proxy_addresses)

        monkeypatch.setattr(module, "read_profile", read)
        settings = msgspec.structs.replace(AgentConfig(data=tmp_path), **config)
        self.surroundings = Surroundings(
            settings,
            self.network,
            "http://127.0.0.1:8480",
            lambda: read_agent_info(agent_name="a", location="b"),
        )


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    """A machine at home."""
    return Place(monkeypatch, tmp_path)


def test_targets_are_distinct_and_the_given_ones_come_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of the same host and port the first counts; without any, gateway, name servers and server do."""
    given = Place(monkeypatch, tmp_path, targets=("Example.com:443",)).surroundings
    asked = (Target(host="example.com.", port=443, protocol="tcp"), Target(host="example.com", port=80))
    found = given.targets(AgentConfiguration(targets=asked))
    assert [(target.host, target.port) for target in found] == [("Example.com", 443), ("example.com", 80)]
    assert given.targets(AgentConfiguration(targets=asked, enabled=False)) == ()
    default = Place(monkeypatch, tmp_path).surroundings.targets(AgentConfiguration())
    assert [target.host for target in default] == ["192.168.1.1", "127.0.0.1"]


def test_the_public_address_belongs_to_the_network_on_which_it_was_seen(place: Place) -> None:
    """Kept from look to look; gone with the network, until the server says it again."""
    place.surroundings.look()
    before = place.surroundings.profile().network_id
    place.surroundings.saw_public_address("84.255.241.1", "84.255.241.0-84.255.241.255")
    known = place.surroundings.profile()
    assert (known.public_address, known.public_ip_range) == ("84.255.241.1", "84.255.241.0-84.255.241.255")
    assert known.network_id != before
    assert place.surroundings.look() == known
    place.here = CAFE
    assert place.surroundings.look().public_address is None
    place.here = HOME
    assert place.surroundings.look().public_ip_range is None
    place.surroundings.saw_public_address("84.255.241.1", "84.255.241.0-84.255.241.255")
    assert place.surroundings.look() == known


def test_what_the_server_said_before_the_first_look_holds(place: Place) -> None:
    """An agent asks what to measure before it looks around: the very first records have their network."""
    place.surroundings.saw_public_address("84.255.241.1")
    assert place.surroundings.look().public_address == "84.255.241.1"


def test_an_address_that_changes_within_its_range_is_the_same_network(place: Place) -> None:
    """Uploads tell the range as the configuration does: not even for a moment is it another network."""
    place.surroundings.look()
    place.surroundings.saw_public_address("84.255.241.1", "84.255.241.0-84.255.241.255")
    before = place.surroundings.profile()
    place.surroundings.saw_public_address("84.255.241.9", "84.255.241.0-84.255.241.255")
    after = place.surroundings.profile()
    assert (after.public_address, after.network_id) == ("84.255.241.9", before.network_id)


def test_a_server_that_sees_both_families_sees_one_network(place: Place) -> None:
    """Connections come now by one, now by the other: the local prefix's family says which counts."""
    place.surroundings.look()
    place.surroundings.saw_public_address("2001:db8:1:2::10")
    by_ipv6 = place.surroundings.profile()
    assert by_ipv6.public_address == "2001:db8:1:2::10"
    place.surroundings.saw_public_address("84.255.241.1", "84.255.241.0-84.255.241.255")
    by_ipv4 = place.surroundings.profile()
    place.surroundings.saw_public_address("2001:db8:1:2::10")
    assert place.surroundings.profile() == by_ipv4
    assert by_ipv4.network_id != by_ipv6.network_id


def test_an_answer_without_a_range_keeps_that_of_its_address(place: Place) -> None:
    """Uploads tell the address alone: the same one keeps its range; a local server tells nothing."""
    place.surroundings.look()
    place.surroundings.saw_public_address("84.255.241.1", "84.255.241.0-84.255.241.255")
    place.surroundings.saw_public_address("84.255.241.1")
    assert place.surroundings.profile().public_ip_range == "84.255.241.0-84.255.241.255"
    place.surroundings.saw_public_address(None)
    place.surroundings.saw_public_address("127.0.0.1")
    assert place.surroundings.profile().public_address == "84.255.241.1"
    place.surroundings.saw_public_address("198.51.100.1")
    assert place.surroundings.profile().public_ip_range is None
    document = place.surroundings.document()
    assert (document.public_ip_address, document.public_ip_range) == ("198.51.100.1", None)


@pytest.mark.anyio
async def test_proxies_are_found_by_name_and_stay_where_they_were(place: Place) -> None:
    """Resolved once a look; a name server's silence changes nothing; an address needs no resolving."""
    named = ProxySettings(
        method="System",
        https=ProxyServer("http", "proxy.example", 3128),
        http=ProxyServer("http", "192.0.2.9", 80),
        other=ProxyServer("socks5", "silent.example", 1080),
    )
    place.here = msgspec.structs.replace(HOME, proxies=named)
    place.network.names = {"proxy.example": "192.0.2.8"}
    assert (await place.surroundings.look_around()).proxy == "192.0.2.8"
    assert place.surroundings.context().proxy_target == "192.0.2.8"
    place.network.names = {"silent.example": "192.0.2.7"}
    found = await place.surroundings.look_around()
    assert found.proxy_addresses == {"proxy.example": "192.0.2.8", "silent.example": "192.0.2.7"}
    assert found.proxy_to("mail.example", 25) == ("192.0.2.7", 1080)
    place.here = HOME
    assert (await place.surroundings.look_around()).proxy_addresses == {}


def test_the_environment_comes_from_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the command line read of it, and nothing behind its back."""
    place = Place(monkeypatch, tmp_path, proxy_variables={"https_proxy": "http://192.0.2.8:3128"})
    place.surroundings.look()
    assert place.variables == {"https_proxy": "http://192.0.2.8:3128"}


def test_other_systems_are_read_by_their_own_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """What they say, with the addresses and the environment that are read in the same way everywhere."""
    said = NetworkProfile(
        connection="Wireless",
        interface="lo",
        gateway="127.0.0.9",
        proxies=ProxySettings(method="PAC", pac_url="http://wpad.example/proxy.pac"),
    )
    monkeypatch.setattr(profile_here, "platform_profile", lambda _: said)
    found = profile_here.read_profile(Names(), {}, {})
    assert found == msgspec.structs.replace(
        said, address="127.0.0.1", netmask="255.0.0.0", local_prefix="127.0.0.0"
    )
    with_environment = profile_here.read_profile(Names(), {"http_proxy": "192.0.2.8:1"}, {"a": "192.0.2.1"})
    assert with_environment.proxy == "192.0.2.8"
    assert with_environment.proxy_addresses == {"a": "192.0.2.1"}
