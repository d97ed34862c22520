"""Version 7's agents: pages, filters, who may change them, and what is refused."""

import random
import uuid
from typing import Any

import pytest

from hopsight.model.accounts import Role
from hopsight.model.agents import AgentInfo
from hopsight.model.upload import Enrolment

pytestmark = pytest.mark.anyio

PATH = "/v7/endpoint/agents"


def enrol(server: Any, name: str) -> str:
    """An agent of the account group; its ID."""
    info = AgentInfo(
        computer_name=name,
        platform="Darwin",
        os_version="macOS 14",
        kernel_version="23",
        version="1",
        user_names=("Ann",),
    )
    key = server.accounts.create_group_key(server.aid)
    wish = Enrolment(
        enrolment_id=str(uuid.UUID(int=random.Random(name).getrandbits(128))), secret="s" * 43, agent=info
    )
    return str(server.accounts.enrol(key, wish, None).agent_id)


async def test_pages_of_agents_follow_their_links(server: Any) -> None:
    """Pages of one agent hold each agent once, and say how many there are on all."""
    ids = sorted(enrol(server, name) for name in ("a", "b", "c"))
    found, url = [], f"{PATH}?max=1&expand=clients"
    async with server.client() as client:
        while url:
            answer = (await client.get(url)).json()
            assert answer["totalAgents"] == 3
            agent = answer["agents"][0]
            assert agent["platform"] == "mac"
            assert agent["clients"] == [{"userProfile": {"userName": "Ann"}}]
            found.append(agent["id"])
            url = answer["_links"].get("next", {}).get("href")
    assert found == ids


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({}, 3),
        ({"agentName": ["a"]}, 1),
        ({"agentName": ["a", "b"]}, 2),
        ({"platform": ["mac"], "username": ["an"]}, 3),
        ({"osVersion": ["MACOS"], "computerName": ["c"]}, 1),
        ({"platform": ["linux"]}, 0),
        ({"id": ["00000000-0000-4000-8000-000000000000"]}, 0),
    ],
)
async def test_filters_hold_together(server: Any, filters: dict[str, list[str]], count: int) -> None:
    """An agent is found that matches any value of every field."""
    for name in ("a", "b", "c"):
        enrol(server, name)
    async with server.client() as client:
        answer = (await client.post(f"{PATH}/filter", json={"searchFilters": filters})).json()
    assert (answer["totalAgents"], len(answer["agents"])) == (count, count)


async def test_agents_of_all_account_groups(server: Any) -> None:
    """``useAllPermittedAids`` shows those of every account group of the user, and of no other."""
    mine = enrol(server, "a")
    theirs = server.accounts.create_account_group("Elsewhere")
    key = server.accounts.create_group_key(theirs)
    info = AgentInfo(computer_name="b", platform="Linux", os_version="1", kernel_version="1", version="1")
    wish = Enrolment(enrolment_id=str(uuid.UUID(int=1)), secret="s" * 43, agent=info)
    server.accounts.enrol(key, wish, None)
    async with server.client() as client:
        answer = (await client.get(f"{PATH}?useAllPermittedAids=true")).json()
    assert [agent["id"] for agent in answer["agents"]] == [mine]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"searchFilters": {"nicModel": ["x"]}}, "nicModel"),
        ({"thresholdFilter": {}}, "thresholdFilter"),
        ({"searchSort": []}, "searchSort"),
        ([], "object"),
    ],
)
async def test_what_is_not_stored_is_refused(server: Any, body: Any, word: str) -> None:
    """A filter on what we do not know is refused by its name, not ignored."""
    async with server.client() as client:
        answer = await client.post(f"{PATH}/filter", json=body)
    assert answer.status_code == 400
    assert word in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "more"), [("PATCH", ""), ("DELETE", ""), ("POST", "/enable"), ("POST", "/disable")]
)
async def test_a_regular_user_changes_nothing(server: Any, method: str, more: str) -> None:
    """Who may only read is refused."""
    agent_id = enrol(server, "a")
    async with server.client(server.tokens[Role.USER]) as client:
        answer = await client.request(method, f"{PATH}/{agent_id}{more}", json={"name": "new"})
    assert answer.status_code == 403
    assert server.accounts.agent(server.aid, agent_id).agent_name == "a"


@pytest.mark.parametrize("query", ["max=0", "max=1001", "max=x", "cursor=x", "expand=x", "includeDeleted=1"])
async def test_wrong_parameters_are_refused(server: Any, query: str) -> None:
    """A parameter with a value that is not taken is 400, and named."""
    async with server.client() as client:
        answer = await client.get(f"{PATH}?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == query.partition("=")[0]


async def test_a_connection_string_is_new_each_time(server: Any) -> None:
    """Keys are kept hashed and cannot be shown again: each answer has another, and each is in the log."""
    async with server.client(server.tokens[Role.ACCOUNT_ADMIN]) as client:
        answers = [(await client.get(f"{PATH}/connection-string")).json() for _ in range(2)]
    assert answers[0]["connectionString"] != answers[1]["connectionString"]
    assert len(server.accounts.group_keys(server.aid)) == 2


async def test_connection_strings_are_bounded(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks over and over is told to delete some."""
    monkeypatch.setattr("hopsight.server.connection_strings.MAX_KEYS", 1)
    async with server.client(server.tokens[Role.ACCOUNT_ADMIN]) as client:
        statuses = [(await client.get(f"{PATH}/connection-string")).status_code for _ in range(2)]
    assert statuses == [200, 409]
