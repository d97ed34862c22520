"""The database of the accounts goes and comes under a server."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.postgresql import PostgresServer
from tests.server.test_agent_api import CONFIGURATION, ENROL, basic, bearer, enrolment

from hopsight.accounts.failures import PAUSE_S

pytestmark = pytest.mark.anyio


@pytest.fixture
async def anonymous(server: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client without credentials of a user."""
    async with server.client("") as opened:
        yield opened


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
async def test_what_was_acknowledged_outlives_a_crash_of_postgresql(
    server: Any, anonymous: httpx.AsyncClient, client: httpx.AsyncClient, postgresql: PostgresServer
) -> None:
    """Agents, users and pages get 503 and when to come again; afterwards it goes on where it was."""
    key = bearer(server.accounts.create_group_key(server.aid))
    let_in = await anonymous.post(ENROL, content=enrolment(1), headers=key)
    agent_id = let_in.json()["agentId"]
    postgresql.crash()
    try:
        server.clock.advance(PAUSE_S)
        for answer in (
            await anonymous.post(ENROL, content=enrolment(2), headers=key),
            await anonymous.post(ENROL, content=enrolment(3), headers=key),
            await anonymous.get(CONFIGURATION, headers=basic(agent_id)),
            await client.get("/v6/account-groups.json"),
            await client.get("/v7/account-groups"),
            await client.get("/"),
        ):
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
            assert str(postgresql.port) not in answer.text
    finally:
        postgresql.start()
    server.clock.advance(PAUSE_S)
    again = await anonymous.post(ENROL, content=enrolment(1), headers=key)
    assert (again.status_code, again.json()) == (200, let_in.json())
    assert (await anonymous.get(CONFIGURATION, headers=basic(agent_id))).status_code == 200
    assert (await anonymous.post(ENROL, content=enrolment(2), headers=key)).status_code == 200
    assert server.accounts.count_agents(server.aid) == 2
    assert (await client.get("/v6/account-groups.json")).status_code == 200
