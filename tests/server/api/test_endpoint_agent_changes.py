"""Changes of agents over the API, and the log of them."""

import uuid
from typing import Any

import pytest
from lxml import etree

from hopsight.accounts.user_changes import UserWish
from hopsight.model.accounts import Role
from hopsight.model.agents import AgentInfo
from hopsight.model.upload import Enrolment

pytestmark = pytest.mark.anyio

PATH = "/v6/endpoint-agents"
AUDIT = "/v6/audit/user-events/search"
SECRET = "s" * 43
WEEK_S = 7 * 86_400
INFO = AgentInfo(computer_name="laptop", platform="Linux", os_version="12", kernel_version="6", version="0")


def enrol(server: Any, number: int = 1, aid: int | None = None) -> str:
    """An agent of an account group; its ID."""
    key = server.accounts.create_group_key(server.aid if aid is None else aid)
    enrolment_id = str(uuid.UUID(int=number, version=4))
    agent_id: str = server.accounts.enrol(
        key, Enrolment(enrolment_id=enrolment_id, secret=SECRET, agent=INFO), None
    ).agent_id
    return agent_id


@pytest.fixture
def admin(server: Any) -> Any:
    """An account admin's client."""
    return server.client(server.tokens[Role.ACCOUNT_ADMIN])


async def test_a_given_name_wins_over_what_the_agent_calls_itself(server: Any, admin: Any) -> None:
    """Renamed once, an agent keeps the name whatever it says later."""
    agent_id = enrol(server)
    async with admin as client:
        answer = await client.post(f"{PATH}/{agent_id}", json={"newAgentName": "reception"})
        assert answer.status_code == 200
        assert answer.json()["endpointAgents"][0]["agentName"] == "reception"
        server.accounts.agent_seen(agent_id, None, INFO)
        for _ in range(2):
            found = (await client.get(f"{PATH}?agentName=reception")).json()["endpointAgents"]
            assert [agent["agentId"] for agent in found] == [agent_id]
            server.accounts.flush()


async def test_a_disabled_agent_is_known_and_told_so(server: Any, admin: Any) -> None:
    """It may ask what to do, and is told to do nothing, until it is enabled; empty bodies of any type do."""
    agent_id = enrol(server)
    async with admin as client:
        for step, enabled in (("disable", False), ("enable", True)):
            answer = await client.post(f"{PATH}/{agent_id}/{step}", headers={"Content-Type": "text/html"})
            expected = "enabled" if enabled else "disabled"
            assert answer.json()["endpointAgents"][0]["status"] == expected
            principal = server.accounts.authenticate_agent(agent_id, SECRET)
            assert principal is not None
            assert principal.enabled is enabled


async def test_a_deleted_agent_is_hidden_and_comes_back_within_a_week(server: Any, admin: Any) -> None:
    """Only ``deleted=true`` lists it; it is shut out; with its secret it is let in again after a restore."""
    agent_id = enrol(server)
    async with admin as client:
        assert (await client.delete(f"{PATH}/{agent_id}")).json()["endpointAgents"][0]["deleted"] is True
        assert (await client.get(PATH)).json()["endpointAgents"] == []
        assert len((await client.get(f"{PATH}?deleted=true")).json()["endpointAgents"]) == 1
        assert server.accounts.authenticate_agent(agent_id, SECRET) is None
        for path in (f"/{agent_id}/enable", f"/{agent_id}/disable"):
            assert (await client.post(PATH + path)).status_code == 404
        server.clock.now_s += WEEK_S
        assert (await client.post(f"{PATH}/{agent_id}/restore")).status_code == 200
        assert server.accounts.authenticate_agent(agent_id, SECRET) is not None
        assert (await client.post(f"{PATH}/{agent_id}/restore")).status_code == 409


async def test_after_a_week_a_deleted_agent_is_gone(server: Any, admin: Any) -> None:
    """The answer says why."""
    agent_id = enrol(server)
    async with admin as client:
        await client.delete(f"{PATH}/{agent_id}")
        server.clock.now_s += WEEK_S + 1
        answer = await client.post(f"{PATH}/{agent_id}/restore")
        assert answer.status_code == 409
        assert "7 days" in answer.text


async def test_agents_are_transferred_all_or_none(server: Any) -> None:
    """A line that cannot be done leaves everything as it was; then both move, with their secrets."""
    other = server.accounts.create_account_group("Other", 1)
    server.accounts.create_user("both@example.com", Role.ACCOUNT_ADMIN, [server.aid, other])
    agents = [enrol(server, number) for number in (1, 2)]
    lines = [f"{agent_id},{server.aid},{other}" for agent_id in agents]
    async with server.client(server.accounts.create_token("both@example.com")) as client:
        for content_type in ("text/csv", "text/plain"):
            text = "\n".join(["machine_id,from_aid,to_aid", *lines, f"{uuid.uuid4()},{server.aid},{other}"])
            answer = await client.post(
                f"{PATH}/transfer", content=text, headers={"Content-Type": content_type}
            )
            assert answer.status_code == 404
            assert len((await client.get(PATH)).json()["endpointAgents"]) == 2
        text = "\r\n".join(lines)
        answer = await client.post(f"{PATH}/transfer", content=text, headers={"Content-Type": "text/csv"})
        assert answer.json() == {"endpointAgentsTransfer": {"machineCount": 2}}
        assert (await client.get(PATH)).json()["endpointAgents"] == []
        assert len((await client.get(f"{PATH}?aid={other}")).json()["endpointAgents"]) == 2
    principal = server.accounts.authenticate_agent(agents[0], SECRET)
    assert principal is not None
    assert principal.aid == other


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ("", 400, "number of lines"),
        ("machine_id,from_aid,to_aid", 400, "number of lines"),
        ("x,7625,7625", 400, "line 1"),
        ("3fde6422-f119-40e1-ae32-d08a1243c038,7625", 400, "line 1"),
        ("\n3fde6422-f119-40e1-ae32-d08a1243c038,7625,", 400, "line 2"),
        ("\n\n3fde6422-f119-40e1-ae32-d08a1243c038,7625,9", 400, "line 3, to_aid"),
        ("3fde6422-f119-40e1-ae32-d08a1243c038,x,7625", 400, "line 1, from_aid"),
        ("3fde6422-f119-40e1-ae32-d08a1243c038,9,7625", 400, "/v6/account-groups lists them"),
        ("\n".join(["3fde6422-f119-40e1-ae32-d08a1243c038,7625,7625"] * 2), 400, "line 2"),
        ("\n".join(["3fde6422-f119-40e1-ae32-d08a1243c038,7625,7625"] * 2), 400, "once"),
        (
            "\n".join(f"{uuid.UUID(int=n, version=4)},7625,7625" for n in range(10_001)),
            400,
            "number of lines",
        ),
        ('"', 400, "line 1"),
        ("x" * (1 << 20) + "x", 413, ""),
    ],
)
async def test_a_wrong_transfer_names_what_is_wrong(admin: Any, body: str, status: int, named: str) -> None:
    """The line, or what is accepted; nothing moves."""
    async with admin as client:
        answer = await client.post(f"{PATH}/transfer", content=body, headers={"Content-Type": "text/csv"})
        assert answer.status_code == status, answer.text
        assert named in answer.text


async def test_a_transfer_asks_for_a_role_in_the_account_groups_that_it_names_alone(server: Any) -> None:
    """Who only reads where the login is may move agents elsewhere; a line of a group only read is refused."""
    second, third = (server.accounts.create_account_group(name, 1) for name in ("Second", "Third"))
    roles = {server.aid: Role.USER, second: Role.ACCOUNT_ADMIN, third: Role.ACCOUNT_ADMIN}
    wish = UserWish(email="mixed@example.com", name="Mixed", roles=roles, login_aid=server.aid)
    _, token = server.accounts.add_user(1, wish)
    agent_id = enrol(server, aid=second)
    async with server.client(token) as client:

        async def transfer(from_aid: int, to_aid: int) -> Any:
            text = f"\ufeffmachine_id,from_aid,to_aid\n{agent_id},{from_aid},{to_aid}"
            return await client.post(
                f"{PATH}/transfer", content=text.encode(), headers={"Content-Type": "text/csv"}
            )

        for refused, name in (((second, server.aid), "to_aid"), ((server.aid, second), "from_aid")):
            answer = await transfer(*refused)
            assert answer.status_code == 403
            assert f"line 2, {name} {server.aid}" in answer.json()["errorMessage"]
        assert (await transfer(second, third)).status_code == 200
        for aid, way, other in ((second, "to", third), (third, "from", second)):
            events = (await client.get(f"{AUDIT}?aid={aid}&window=1h")).json()["auditEvents"]
            (event,) = [each for each in events if each["event"] == "Endpoint agent transferred"]
            assert event["aid"] == aid
            assert agent_id in event["resources"][0]["name"]
            assert event["resources"][1] == {"type": f"{way} account group", "name": str(other)}


async def test_who_may_write_nowhere_is_told_so_before_the_body_is_looked_at(server: Any) -> None:
    """Whatever it says."""
    async with server.client(server.tokens[Role.USER]) as client:
        answer = await client.post(f"{PATH}/transfer", content="x", headers={"Content-Type": "text/csv"})
        assert answer.status_code == 403


async def test_every_change_is_in_the_log_with_who_when_and_from_where(server: Any, admin: Any) -> None:
    """In order, for admins of the account group alone, in JSON and XML; nothing secret is in it."""
    agent_id = enrol(server)
    async with admin as client:
        for step in ("disable", "enable"):
            await client.post(f"{PATH}/{agent_id}/{step}")
        await client.post(f"{PATH}/{agent_id}", json={"newAgentName": "reception"})
        answer = await client.get(AUDIT)
        events = [
            each for each in answer.json()["auditEvents"] if each["user"] == "account-admin@example.com"
        ]
        assert [event["event"] for event in events] == [
            "Endpoint agent disabled",
            "Endpoint agent enabled",
            "Endpoint agent renamed",
        ]
        for event in events:
            assert event["ipAddress"] == "127.0.0.1"
            assert event["aid"] == server.aid
            assert agent_id in event["resources"][0]["name"]
        assert SECRET not in answer.text
        root = etree.fromstring((await client.get(f"{AUDIT}.xml")).content)
        schema = etree.XMLSchema(etree.fromstring((await client.get("/v6/docs/te-api-v6.xsd")).content))
        schema.assertValid(root)
        assert (await client.get(f"{AUDIT}?from=2001-01-01T00:00:00&to=2001-01-02T00:00:00")).json()[
            "auditEvents"
        ] == []


async def test_the_log_comes_in_pages(server: Any, admin: Any) -> None:
    """1,000 on the first, the rest on the next, none twice."""
    agent_id = enrol(server)
    before = len(server.accounts.audit_events([server.aid], first_s=0, last_s=1 << 40))
    for number in range(1_001 - before):
        server.accounts.set_agent_enabled(server.aid, agent_id, enabled=bool(number % 2))
    async with admin as client:
        first = (await client.get(f"{AUDIT}?window=1h")).json()
        second = (await client.get(first["pages"]["next"])).json()
    assert [len(page["auditEvents"]) for page in (first, second)] == [1_000, 1]
    assert "next" not in second["pages"]
    assert second["auditEvents"][0]["user"] == "command line"
