"""Tests of version 7's agents: what the official SDK's models make of them, and who may change them."""

import random
import uuid
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.datastructures import State

from hopsight.model.accounts import Role
from hopsight.model.agents import AgentInfo
from hopsight.model.upload import Enrolment
from hopsight.server.api.answers import Answer
from hopsight.server.api.errors import describe_error
from hopsight.server.api.v7 import account_groups, endpoint_agents
from hopsight.server.api.v7.endpoint_agents import PATH
from hopsight.server.api.visits import Visit, begin_visit

pytestmark = pytest.mark.anyio

models = pytest.importorskip("thousandeyes_sdk.endpoint_agents.models")


def _enrol(server: Any, name: str) -> str:
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


def _client(server: Any, role: Role = Role.ACCOUNT_ADMIN) -> httpx.AsyncClient:
    """The handlers alone: what they answer, whatever stands before them."""
    services = server.app.services
    router = Litestar(
        route_handlers=[*endpoint_agents.HANDLERS, *account_groups.HANDLERS],
        state=State({"services": services}),
        exception_handlers={Exception: _pass_on},
        openapi_config=None,
        logging_config=None,
    )

    async def front(scope: Any, receive: Any, send: Any) -> None:
        begin_visit(scope, Visit(scope["path"]))
        try:
            await router(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - as the front does
            described = describe_error(error)
            assert described is not None
            await Answer(b"", status=described.status)(scope, receive, send)

    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=front),
        base_url="http://hopsight.test",
        headers={"Authorization": f"Bearer {server.tokens[role]}"},
    )


def _pass_on(_: Any, error: Exception) -> Any:
    raise error


async def test_pages_of_agents_follow_their_links(server: Any) -> None:
    """Pages of one agent hold each agent once, say how many there are, and read by the SDK's model."""
    ids = sorted(_enrol(server, name) for name in ("a", "b", "c"))
    found, url = [], f"{PATH}?max=1&expand=clients"
    async with _client(server) as client:
        while url:
            answer = models.ListEndpointAgentsResponse.from_json((await client.get(url)).text)
            assert answer.total_agents == 3
            assert answer.agents[0].platform.value == "mac"
            assert answer.agents[0].clients[0].user_profile.user_name == "Ann"
            found.append(answer.agents[0].id)
            url = answer.links.next.href if answer.links.next else ""
    assert found == ids


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"agentName": ["a", "b"]}, 2),
        ({"platform": ["mac"], "username": ["an"]}, 3),
        ({"osVersion": ["MACOS"], "computerName": ["c"]}, 1),
        ({"platform": ["linux"]}, 0),
    ],
)
async def test_filters_hold_together(server: Any, filters: dict[str, list[str]], count: int) -> None:
    """An agent is found that matches any value of every field."""
    for name in ("a", "b", "c"):
        _enrol(server, name)
    async with _client(server) as client:
        body = (await client.post(f"{PATH}/filter", json={"searchFilters": filters})).text
    assert models.FilterEndpointAgentsResponse.from_json(body).total_agents == count


@pytest.mark.parametrize("body", [{"searchFilters": {"nicModel": ["x"]}}, {"searchSort": []}, []])
async def test_what_is_not_stored_is_refused(server: Any, body: Any) -> None:
    """A filter on what we do not know is refused, not ignored."""
    async with _client(server) as client:
        assert (await client.post(f"{PATH}/filter", json=body)).status_code == 400


async def test_an_admin_changes_an_agent(server: Any) -> None:
    """Name and state are changed, and a deleted agent is seen only where deleted ones are asked for."""
    agent_id = _enrol(server, "a")
    url = f"{PATH}/{agent_id}"
    async with _client(server) as client:
        named = models.EndpointAgent.from_json((await client.patch(url, json={"name": "new"})).text)
        stopped = models.EndpointAgent.from_json((await client.post(f"{url}/disable")).text)
        started = models.EndpointAgent.from_json((await client.post(f"{url}/enable")).text)
        gone = await client.delete(url)
        after = [(await client.get(f"{url}{query}")).status_code for query in ("", "?includeDeleted=true")]
    assert (named.name, stopped.status.value, started.status.value) == ("new", "disabled", "enabled")
    assert (gone.status_code, gone.content, after) == (204, b"", [404, 200])


@pytest.mark.parametrize(
    ("method", "more"), [("PATCH", ""), ("DELETE", ""), ("POST", "/enable"), ("POST", "/disable")]
)
async def test_a_regular_user_changes_nothing(server: Any, method: str, more: str) -> None:
    """Who may only read is refused."""
    agent_id = _enrol(server, "a")
    async with _client(server, Role.USER) as client:
        answer = await client.request(method, f"{PATH}/{agent_id}{more}", json={"name": "new"})
    assert answer.status_code == 403
    assert server.accounts.agent(server.aid, agent_id).agent_name == "a"


@pytest.mark.parametrize("query", ["max=0", "max=1001", "max=x", "cursor=x", "expand=x", "includeDeleted=1"])
async def test_wrong_parameters_are_refused(server: Any, query: str) -> None:
    """A parameter with a value that is not taken is 400."""
    async with _client(server) as client:
        assert (await client.get(f"{PATH}?{query}")).status_code == 400


async def test_account_groups_read_by_the_sdk(server: Any) -> None:
    """The list and one group read by the SDK's models; users come where they are asked for."""
    administrative = pytest.importorskip("thousandeyes_sdk.administrative.models")
    async with _client(server) as client:
        listed = await client.get("/v7/account-groups")
        read = await client.get(f"/v7/account-groups/{server.aid}?expand=user")
        missing = await client.get("/v7/account-groups/1")
    groups = administrative.AccountGroups.from_json(listed.text)
    group = administrative.AccountGroupDetail.from_json(read.text)
    assert [each.aid for each in groups.account_groups] == [str(server.aid)]
    assert (group.account_group_name, len(group.users)) == ("Sandbox", 3)
    assert missing.status_code == 404
