"""Tests of the agents' list and of one agent, over HTTP."""

import random
import uuid
from typing import Any

import pytest

from hopsight.model.agents import AgentInfo, Location
from hopsight.model.upload import Enrolment
from hopsight.server.api.v6.endpoint_agents import PATH

pytestmark = pytest.mark.anyio

INFO = AgentInfo(
    computer_name="windows machine",
    platform="Windows",
    os_version="Microsoft Windows 10 Enterprise",
    kernel_version="10.0.18362",
    version="0.191.0",
    agent_name="test-agent-1",
    manufacturer="LENOVO",
    model="20HR000FUS",
    total_memory_bytes=16 << 30,
    user_names=("pzielinski",),
    location=Location(location_name="London, England, UK", latitude=51.5, longitude=-0.25),
)
BARE = AgentInfo(computer_name="c <&> d", platform="Linux", os_version="", kernel_version="", version="1")


def enrol(server: Any, info: AgentInfo = INFO, seed: int = 1, aid: int | None = None) -> str:
    """Let an agent in, as the ingest does; its ID."""
    rng = random.Random(seed)
    key = server.accounts.create_group_key(aid or server.aid)
    wish = Enrolment(enrolment_id=str(uuid.UUID(int=rng.getrandbits(128))), secret=f"{seed:043}", agent=info)
    return str(server.accounts.enrol(key, wish, "13.227.74.44").agent_id)


async def test_an_agent_reads_as_in_the_published_sample(server: Any, client: Any) -> None:
    """The list and the detail hold the same object; all fields that we know, under their published names."""
    agent_id = enrol(server)
    expected = {
        "agentId": agent_id,
        "agentName": "test-agent-1",
        "computerName": "windows machine",
        "osVersion": "Microsoft Windows 10 Enterprise",
        "kernelVersion": "10.0.18362",
        "manufacturer": "LENOVO",
        "model": "20HR000FUS",
        "totalMemory": "16384 MB",
        "status": "enabled",
        "deleted": False,
        "version": "0.191.0",
        "createdTime": "2017-03-26 11:58:00",
        "lastSeen": "2017-03-26 11:58:00",
        "numberOfClients": 1,
        "publicIP": "13.227.74.44",
        "location": {"latitude": 51.5, "longitude": -0.25, "locationName": "London, England, UK"},
        "clients": [{"userProfile": {"userName": "pzielinski"}}],
        "agentType": "enterprise",
    }
    listed, detail = [(await client.get(path)).json() for path in (PATH, f"{PATH}/{agent_id}")]
    assert listed == {"endpointAgents": [expected], "pages": {"current": 1}}
    assert detail == {"endpointAgents": [expected]}
    assert (await client.get(f"{PATH}/{agent_id.upper()}.json")).json() == detail


async def test_what_an_agent_did_not_tell_is_absent(server: Any, client: Any) -> None:
    """No nulls; and odd names travel through XML."""
    agent_id = enrol(server, BARE)
    agent = (await client.get(f"{PATH}/{agent_id}")).json()["endpointAgents"][0]
    assert not agent.keys() & {"manufacturer", "model", "totalMemory", "location"}
    assert agent["clients"] == []
    xml = (await client.get(f"{PATH}/{agent_id}.xml")).text
    assert "<computerName>c &lt;&amp;&gt; d</computerName>" in xml
    assert "<clients></clients>" in xml


async def test_lists_are_narrowed_by_name_and_by_deletion(server: Any, client: Any) -> None:
    """Names compare exactly; a deleted agent is in the other list, and still found by its ID."""
    first, second = enrol(server), enrol(server, BARE, seed=2)
    server.accounts.delete_agent(server.aid, second)

    async def listed(query: str) -> list[str]:
        return [agent["agentId"] for agent in (await client.get(PATH + query)).json()["endpointAgents"]]

    assert await listed("") == [first] == await listed("?deleted=false") == await listed("?deleted=")
    assert await listed("?deleted=true") == [second]
    assert await listed("?agentName=test-agent-1&computerName=windows+machine") == [first]
    assert await listed("?agentName=test-agent") == [] == await listed("?computerName=Windows%20machine")
    assert await listed("?deleted=true&computerName=c+%3C%26%3E+d") == [second]
    assert (await client.get(f"{PATH}/{second}")).json()["endpointAgents"][0]["deleted"] is True


async def test_a_disabled_agent_says_so(server: Any, client: Any) -> None:
    """Status is a word."""
    agent_id = enrol(server)
    server.accounts.set_agent_enabled(server.aid, agent_id, enabled=False)
    assert (await client.get(PATH)).json()["endpointAgents"][0]["status"] == "disabled"


async def test_agents_of_another_account_group_are_not_there(server: Any, client: Any) -> None:
    """Neither in the list nor by ID."""
    other = server.accounts.create_account_group("Theirs", server.accounts.create_organization("Other"))
    agent_id = enrol(server, aid=other)
    assert (await client.get(PATH)).json()["endpointAgents"] == []
    assert (await client.get(f"{PATH}/{agent_id}")).status_code == 404
    assert (await client.get(f"{PATH}/{agent_id}?aid={other}")).status_code == 400


async def test_agents_come_a_thousand_a_page(server: Any, client: Any) -> None:
    """Following next yields each once; page numbers work too."""
    there = {enrol(server, BARE, seed=seed) for seed in range(1_001)}
    first = (await client.get(PATH + "?computerName=c+%3C%26%3E+d&page=1")).json()
    second = (await client.get(first["pages"]["next"])).json()
    assert [len(page["endpointAgents"]) for page in (first, second)] == [1_000, 1]
    assert {agent["agentId"] for page in (first, second) for agent in page["endpointAgents"]} == there
    assert second["pages"] == {"current": 2}
    assert (await client.get(PATH + "?page=2")).json()["endpointAgents"] == second["endpointAgents"]
    assert (await client.get(PATH + "?page=3")).json()["endpointAgents"] == []


async def test_the_account_group_shows_its_agents_in_short(server: Any, client: Any) -> None:
    """With what is true of ours among the published fields."""
    agent_id = enrol(server)
    group = (await client.get(f"/v6/account-groups/{server.aid}")).json()["accountGroups"][0]
    assert group["agents"] == [
        {
            "agentId": agent_id,
            "agentName": "test-agent-1",
            "location": "London, England, UK",
            "publicIpAddress": "13.227.74.44",
            "publicIpAddresses": ["13.227.74.44"],
            "enabled": 1,
            "lastSeen": "2017-03-26 11:58:00",
            "agentType": "Endpoint",
        }
    ]
