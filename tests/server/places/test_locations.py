"""Who and where: what the server fills in at ingest, over HTTP, from real files and names of networks."""

import json
import random
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from msgspec import structs
from tests.maxmind.written import database

from hopsight.accounts.agent_changes import Transfer
from hopsight.accounts.listings import NetworkName
from hopsight.model.agents import AgentInfo, Location
from hopsight.model.network_documents import NetworkProfileDocument, PathHop, Traceroute
from hopsight.model.sessions import ProbedNetworkSession
from hopsight.model.upload import (
    Enrolment,
    EnrolmentAnswer,
    MeasurementContext,
    NetworkProbeRecord,
    NetworkSessionRecord,
    UploadBatch,
    UserSessionRecord,
)
from hopsight.model.user_sessions import Coordinates
from hopsight.testing import (
    ROUND_ID,
    sample_network_probe_record,
    sample_session,
    sample_user_session_record,
)

pytestmark = pytest.mark.anyio

SECRET = "s" * 43
NETWORK = "0123456789ab"
HERE, THERE, PRIVATE = "1.1.1.7", "2.1.1.7", "10.0.0.9"
IPV6 = "2606:4700::7"
DATA = "/v6/endpoint-data"
GRAZ = {"latitude": 47.07, "longitude": 15.44, "location": "Graz, Austria"}
LINZ = {"latitude": 48.3, "longitude": 14.29, "location": "Linz, Austria"}

ASN = {
    "1.1.0.0/16": {"autonomous_system_number": 64500, "autonomous_system_organization": "Graz Net"},
    "2.1.0.0/16": {"autonomous_system_number": 64501, "autonomous_system_organization": "Linz Net"},
    "2606:4700::/32": {"autonomous_system_number": 64502, "autonomous_system_organization": "Six"},
}


def city(place: dict[str, Any]) -> dict[str, Any]:
    """A record of a file with cities."""
    town, country = place["location"].split(", ")
    return {
        "city": {"names": {"en": town}},
        "country": {"names": {"en": country}},
        "location": {"latitude": place["latitude"], "longitude": place["longitude"]},
    }


CITIES = {"1.1.0.0/16": city(GRAZ), "2.1.0.0/16": city(LINZ), "2606:4700::/32": city(LINZ)}


class Site:
    """A server, an agent of it, and what is asked of it."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.rng = random.Random(1)
        self.agent_id = ""

    def client(self, address: str) -> httpx.AsyncClient:
        """A client that comes from an address."""
        opened: httpx.AsyncClient = self.server.client("", client=(address, 5_000))
        return opened

    async def enrol(self, location: Location | None = None) -> None:
        """Let the agent in."""
        key = self.server.accounts.create_group_key(self.server.aid)
        info = AgentInfo(
            computer_name="c", platform="Linux", os_version="12", kernel_version="6", version="0"
        )
        info = structs.replace(info, location=location)
        asked = Enrolment(enrolment_id=str(uuid.UUID(int=1, version=4)), secret=SECRET, agent=info)
        async with self.client(HERE) as client:
            answer = await client.post(
                "/agent/v1/enrol",
                content=msgspec.json.encode(asked),
                headers={"Authorization": f"Bearer {key}"},
            )
        self.agent_id = msgspec.json.decode(answer.content, type=EnrolmentAnswer).agent_id

    async def upload(self, address: str = HERE, *records: Any, **context: Any) -> dict[str, Any]:
        """Send records in one context from an address; the answer. None given: one of each kind."""
        records = records or (self.session(), self.user_session(), self.probe())
        batch = UploadBatch(
            upload_id=str(uuid.UUID(int=self.rng.getrandbits(120), version=4)),
            contexts=[MeasurementContext(platform="Linux", **({"network_id": NETWORK} | context))],
            network_sessions=[each for each in records if isinstance(each, NetworkSessionRecord)],
            user_sessions=[each for each in records if isinstance(each, UserSessionRecord)],
            network_probes=[each for each in records if isinstance(each, NetworkProbeRecord)],
        )
        async with self.client(address) as client:
            answer = await client.post(
                "/agent/v1/upload", content=msgspec.json.encode(batch), auth=(self.agent_id, SECRET)
            )
        found: dict[str, Any] = answer.json()
        assert found["refused"] == []
        return found

    def session(self, round_id: int = ROUND_ID) -> NetworkSessionRecord:
        """A network session."""
        made: ProbedNetworkSession = sample_session(self.rng, round_id=round_id, agent_id=self.agent_id)
        return NetworkSessionRecord(document=made, context=0)

    def user_session(self, round_id: int = ROUND_ID, **profile: Any) -> UserSessionRecord:
        """A user session with a profile and a path."""
        made = sample_user_session_record(self.rng, round_id=round_id, agent_id=self.agent_id)
        hops = (
            PathHop(hop=1, ip_address="10.0.0.1"),
            PathHop(hop=2),
            PathHop(hop=3, ip_address="2.1.9.9"),
            PathHop(hop=4, ip_address="2606:4700:0::9"),
            PathHop(hop=5, ip_address="1.1.9.9", asn=1, prefix="1.1.9.0/24"),
            PathHop(hop=6, ip_address="9.9.9.9"),
        )
        network = structs.replace(
            made.detail.network,
            network_profile=NetworkProfileDocument(local_prefix="10.0.0.0", **profile),
            traceroute=Traceroute(destination="9.9.9.9", hops=hops),
        )
        return structs.replace(made, detail=structs.replace(made.detail, network=network))

    def probe(self) -> NetworkProbeRecord:
        """A probe of the gateway."""
        return sample_network_probe_record(self.rng, agent_id=self.agent_id, network_id=NETWORK)

    async def get(self, path: str, body: Any = None) -> Any:
        """A document, as a user; with a body: by POST."""
        async with self.server.client() as client:
            whole = f"{DATA}/{path}?window=1h"
            answer = await (client.get(whole) if body is None else client.post(whole, json=body))
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def at(self, location: str) -> list[int]:
        """How many records of each kind have a location."""
        asked = {"searchFilters": [{"key": "location", "values": [location]}]}
        lists = (
            ("user-sessions/network", "networkSessions"),
            ("user-sessions", "userSessions"),
            ("network-topology", "networkProbes"),
        )
        return [len((await self.get(path, asked))[key]) for path, key in lists]

    async def agent_place(self) -> Any:
        """Where the agent is, by version 6 (list, then itself), version 7 and the account group."""
        async with self.server.client() as client:
            paths = ("/v6/endpoint-agents", f"/v6/endpoint-agents/{self.agent_id}")
            places = [(await client.get(path)).json()["endpointAgents"][0].get("location") for path in paths]
            listed = (await client.get("/v7/endpoint/agents")).json()
            places.append(listed["agents"][0].get("location"))
            places.append((await client.get(f"/v7/endpoint/agents/{self.agent_id}")).json().get("location"))
            (group,) = (await client.get(f"/v6/account-groups/{self.server.aid}")).json()["accountGroups"]
        name = group["agents"][0].get("location")
        first = places[0]
        assert places == [first] * 4
        assert name == (first and first["locationName"])
        return first

    async def user_session_detail(self) -> dict[str, Any]:
        """The only user session there is, whole."""
        (listed,) = (await self.get("user-sessions"))["userSessions"]
        (found,) = (await self.get(f"user-sessions/{listed['userSessionId']}"))["userSessions"]
        return dict(found)

    async def probe_detail(self) -> dict[str, Any]:
        """The only network probe there is, whole."""
        (listed,) = (await self.get("network-topology"))["networkProbes"]
        (found,) = (await self.get(f"network-topology/{listed['networkProbeId']}"))["networkProbes"]
        return dict(found)


@pytest.fixture
async def make_site(make_server: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Makes sites with the files that are asked for."""

    async def make(*, asn: bool = False, cities: bool = False, location: Location | None = None) -> Site:
        for name, entries in (("asn", ASN), ("city", CITIES)):
            (tmp_path / name).write_bytes(database(entries, kind=name))
        server = make_server(
            asn_db=tmp_path / "asn" if asn else None, city_db=tmp_path / "city" if cities else None
        )
        site = Site(server)
        await site.enrol(location)
        return site

    return make


async def test_files_fill_in_what_they_know(make_site: Callable[..., Any]) -> None:
    """Organization, coordinates, range, AS numbers of public hops; and the filter finds the place."""
    site = await make_site(asn=True, cities=True)
    await site.upload()
    session = await site.user_session_detail()
    assert (session["sourceAddr"], session["orgName"]) == (HERE, "Graz Net")
    assert session["coordinates"] == GRAZ
    profile = session["network"]["networkProfile"]
    assert (profile["publicIpAddress"], profile["publicIpRange"]) == (HERE, "1.1.0.0-1.1.255.255")
    hops = [(hop.get("asn"), hop.get("prefix")) for hop in session["network"]["traceroute"]["hops"]]
    assert hops == [
        (None, None),
        (None, None),
        (64501, "2.1.0.0/16"),
        (64502, "2606:4700::/32"),
        (1, "1.1.9.0/24"),
        (None, None),
    ]
    probe = await site.probe_detail()
    assert probe["coordinates"] == GRAZ
    assert probe["networkProfile"]["publicIpRange"] == "1.1.0.0-1.1.255.255"
    assert await site.at("Graz, Austria") == [1, 1, 1]
    assert await site.at("Linz, Austria") == [0, 0, 0]


async def test_ipv6_is_filled_in_as_well(make_site: Callable[..., Any]) -> None:
    """An agent that comes by IPv6 has place, organization and range, too."""
    site = await make_site(asn=True, cities=True)
    await site.upload(IPV6)
    session = await site.user_session_detail()
    assert (session["orgName"], session["coordinates"]) == ("Six", LINZ)
    assert session["network"]["networkProfile"]["publicIpRange"] == (
        "2606:4700::-2606:4700:ffff:ffff:ffff:ffff:ffff:ffff"
    )


@pytest.mark.parametrize("address", [PRIVATE, "127.0.0.1", "203.0.113.9", "9.9.9.9", "fe80::1", "::1"])
async def test_of_private_and_unknown_addresses_nothing_is_said(
    make_site: Callable[..., Any], address: str
) -> None:
    """The fields are absent, not empty."""
    site = await make_site(asn=True, cities=True)
    await site.upload(address)
    session = await site.user_session_detail()
    assert "orgName" not in session
    assert "coordinates" not in session
    assert "publicIpRange" not in session["network"]["networkProfile"]
    assert "coordinates" not in await site.probe_detail()


async def test_without_files_and_names_records_are_kept_as_they_come(make_site: Callable[..., Any]) -> None:
    """Nothing is guessed."""
    site = await make_site()
    sent = site.user_session()
    await site.upload(HERE, sent)
    session = await site.user_session_detail()
    assert "orgName" not in session
    assert "coordinates" not in session
    profile = json.loads(msgspec.json.encode(sent.detail.network.network_profile))
    assert session["network"]["networkProfile"] == profile


async def test_a_location_that_the_agent_tells_is_in_the_details_too(make_site: Callable[..., Any]) -> None:
    """Alone, where nobody knows coordinates."""
    site = await make_site()
    await site.upload(HERE, location="My desk")
    assert (await site.user_session_detail())["coordinates"] == {"location": "My desk"}
    assert (await site.probe_detail())["coordinates"] == {"location": "My desk"}


async def test_a_location_is_the_agents_then_the_networks_then_the_files(
    make_site: Callable[..., Any],
) -> None:
    """The best name wins, for the filter and in the details; coordinates likewise, by themselves."""
    site = await make_site(asn=True, cities=True)
    site.server.accounts.networks.set(
        NetworkName(aid=site.server.aid, network_id=NETWORK, location="Lab", org_name="Ours")
    )
    await site.upload(HERE, site.user_session(), location="My desk")
    session = await site.user_session_detail()
    assert session["coordinates"] == GRAZ | {"location": "My desk"}
    assert session["orgName"] == "Ours"
    await site.upload(HERE, site.session(), site.probe())
    assert [await site.at(name) for name in ("My desk", "Lab", "Graz, Austria")] == [
        [0, 1, 0],
        [1, 0, 1],
        [0, 0, 0],
    ]
    assert (await site.probe_detail())["coordinates"] == GRAZ | {"location": "Lab"}


async def test_a_name_holds_for_records_from_then_on_and_needs_no_file(
    make_site: Callable[..., Any],
) -> None:
    """Named, renamed and unnamed while the server runs; what was kept before stays as it is."""
    site = await make_site()
    names = site.server.accounts.networks
    where: dict[str, Any] = {"latitude": -33.45, "longitude": -70.66}
    await site.upload(PRIVATE, site.session())
    names.set(NetworkName(aid=site.server.aid, network_id=NETWORK, location="Santiago", **where))
    await site.upload(PRIVATE)
    names.set(NetworkName(aid=site.server.aid, network_id=NETWORK, location="Valparaiso"))
    await site.upload(PRIVATE, site.session())
    names.remove(site.server.aid, NETWORK)
    await site.upload(PRIVATE, site.session())
    await site.upload(PRIVATE, site.session(), network_id="f" * 12)
    assert await site.at("Santiago") == [1, 1, 1]
    assert await site.at("Valparaiso") == [1, 0, 0]
    assert len((await site.get("user-sessions/network"))["networkSessions"]) == 5
    assert (await site.user_session_detail())["coordinates"] == where | {"location": "Santiago"}


async def test_what_the_agent_says_is_not_replaced(make_site: Callable[..., Any]) -> None:
    """Its own organization, coordinates, address and range, though files know others."""
    site = await make_site(asn=True, cities=True)
    sent = site.user_session(public_ip_address=THERE, public_ip_range="2.1.1.0-2.1.1.255")
    own = Coordinates(latitude=1.0, longitude=2.0, location="Own")
    sent = structs.replace(
        sent,
        document=structs.replace(sent.document, org_name="Own Net"),
        detail=structs.replace(sent.detail, coordinates=own),
    )
    await site.upload(HERE, sent)
    session = await site.user_session_detail()
    assert session["orgName"] == "Own Net"
    assert session["coordinates"] == {"latitude": 1.0, "longitude": 2.0, "location": "Own"}
    profile = session["network"]["networkProfile"]
    assert (profile["publicIpAddress"], profile["publicIpRange"]) == (THERE, "2.1.1.0-2.1.1.255")


async def test_records_that_waited_are_not_placed_where_they_came_from(
    make_site: Callable[..., Any],
) -> None:
    """An agent that measured in Linz and uploads from Graz: by the address it had, or not at all."""
    site = await make_site(asn=True, cities=True)
    before = ROUND_ID - 1_800
    await site.upload(HERE, site.session(before))
    assert await site.at("Graz, Austria") == [0, 0, 0]
    await site.upload(HERE, site.session(before), site.user_session(before, public_ip_address=THERE))
    assert await site.at("Linz, Austria") == [1, 1, 0]
    session = await site.user_session_detail()
    assert session["coordinates"] == LINZ
    assert session["network"]["networkProfile"]["publicIpRange"] == "2.1.0.0-2.1.255.255"
    assert (session["sourceAddr"], session["orgName"]) == (HERE, "Graz Net")


async def test_agents_are_told_their_range(make_site: Callable[..., Any]) -> None:
    """With their configuration and with each upload; nothing where it is not known."""
    site = await make_site(asn=True)
    told = await site.upload(HERE, site.session())
    assert (told["publicAddress"], told["publicIpRange"]) == (HERE, "1.1.0.0-1.1.255.255")
    assert "publicIpRange" not in await site.upload(PRIVATE, site.session())
    for address, expected in ((HERE, "1.1.0.0-1.1.255.255"), ("9.9.9.9", None), (PRIVATE, None)):
        async with site.client(address) as client:
            answer = await client.get("/agent/v1/configuration", auth=(site.agent_id, SECRET))
        assert answer.json().get("publicIpRange") == expected


async def test_names_of_one_account_group_do_not_reach_another(make_site: Callable[..., Any]) -> None:
    """Not even by late records of an agent that was transferred: they are kept, and placed, where it was."""
    site = await make_site()
    accounts = site.server.accounts
    other = accounts.create_account_group("Other", 1)
    accounts.networks.set(NetworkName(aid=other, network_id=NETWORK, location="Secret"))
    accounts.networks.set(NetworkName(aid=site.server.aid, network_id=NETWORK, location="Lab"))
    accounts.transfer_agents([Transfer(site.agent_id, site.server.aid, other)])
    await site.upload(HERE, site.session())
    assert await site.at("Lab") == [1, 0, 0]
    assert await site.at("Secret") == [0, 0, 0]


def told(place: dict[str, Any]) -> dict[str, Any]:
    """A place as agents have it."""
    return {"locationName": place["location"]} | {key: place[key] for key in ("latitude", "longitude")}


async def test_an_agent_without_a_location_has_that_of_its_network_or_address(
    make_site: Callable[..., Any],
) -> None:
    """By where it measures now, also after a restart of the server; in both versions and its group."""
    site = await make_site(cities=True)
    assert await site.agent_place() == told(GRAZ)
    await site.upload(THERE, site.session())
    assert await site.agent_place() == told(LINZ)
    accounts = site.server.accounts
    accounts.networks.set(NetworkName(aid=site.server.aid, network_id=NETWORK, location="Lab"))
    assert await site.agent_place() == told(LINZ) | {"locationName": "Lab"}
    accounts.flush()
    assert await site.agent_place() == told(LINZ) | {"locationName": "Lab"}
    await site.upload(PRIVATE, site.session())
    assert await site.agent_place() == {"locationName": "Lab"}
    await site.upload(PRIVATE, site.session(), network_id="f" * 12)
    assert await site.agent_place() is None


async def test_an_agents_own_location_stays_and_only_gains_coordinates(
    make_site: Callable[..., Any],
) -> None:
    """Its name is its own, and its coordinates where it has any."""
    named = await make_site(cities=True, location=Location(location_name="My desk"))
    assert await named.agent_place() == told(GRAZ) | {"locationName": "My desk"}
    own = Location(location_name="My desk", latitude=1.0, longitude=2.0)
    whole = await make_site(cities=True, location=own)
    assert await whole.agent_place() == {"locationName": "My desk", "latitude": 1.0, "longitude": 2.0}


async def test_an_agent_is_where_its_newest_record_is_from(make_site: Callable[..., Any]) -> None:
    """Wherever in a batch that is, and whatever else of the last minutes comes with it."""
    site = await make_site()
    newest, older = site.session(), structs.replace(site.session(ROUND_ID - 60), context=1)
    batch = UploadBatch(
        upload_id=str(uuid.UUID(int=1, version=4)),
        contexts=[MeasurementContext(network_id=NETWORK), MeasurementContext(network_id="f" * 12)],
        network_sessions=[
            older,
            newest,
            structs.replace(older, document=site.session(ROUND_ID - 60).document),
        ],
    )
    site.server.accounts.networks.set(NetworkName(aid=site.server.aid, network_id=NETWORK, location="Lab"))
    async with site.client(PRIVATE) as client:
        content = msgspec.json.encode(batch)
        await client.post("/agent/v1/upload", content=content, auth=(site.agent_id, SECRET))
    assert await site.agent_place() == {"locationName": "Lab"}


async def test_records_that_waited_do_not_move_their_agent(make_site: Callable[..., Any]) -> None:
    """It is where it measures now, not where it was an hour ago."""
    site = await make_site()
    accounts = site.server.accounts
    for network_id, location in ((NETWORK, "Lab"), ("f" * 12, "Road")):
        accounts.networks.set(NetworkName(aid=site.server.aid, network_id=network_id, location=location))
    await site.upload(HERE, site.session())
    await site.upload(HERE, site.session(ROUND_ID - 3_600), network_id="f" * 12)
    await site.upload(HERE, site.session(), network_id="no network ID")
    assert await site.agent_place() == {"locationName": "Lab"}
