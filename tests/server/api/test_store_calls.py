"""What a page of each list asks the store: the rows that ``benchmarks/bench_lists.py`` measures."""

import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from benchmarks.lists import LISTS, CountedStore, ListRow, expected_calls

from hopsight.accounts.accounts import Accounts
from hopsight.config import ServerConfig
from hopsight.model.accounts import Role
from hopsight.model.agents import AgentInfo
from hopsight.model.dimensions import (
    NETWORK_PROBES,
    NETWORK_SESSIONS,
    USER_SESSIONS,
    WEB_SESSIONS,
    Dimensions,
)
from hopsight.model.network_documents import NetworkProfileDocument
from hopsight.model.query import Record
from hopsight.model.upload import Enrolment
from hopsight.server.app import create_app
from hopsight.storage import open_store
from hopsight.testing import (
    FakeClock,
    sample_network_probe_record,
    sample_session,
    sample_user_session_record,
    sample_web_session_record,
)

pytestmark = pytest.mark.anyio

EACH = 3
"""Items of each list, each in a network of its own."""


class Counted:
    """A server over a real store that counts what it is asked."""

    def __init__(self, client: httpx.AsyncClient, store: CountedStore) -> None:
        self._client = client
        self._store = store

    async def page(self, row: ListRow, target: str) -> tuple[int, dict[str, int]]:
        """Items of a page, and what it asked the store."""
        self._store.taken()
        if row.posted is None:
            answer = await self._client.get(target)
        else:
            answer = await self._client.post(target, json=json.loads(row.posted))
        assert answer.status_code == 200, answer.text
        return row.count(answer.content), self._store.taken()


@pytest.fixture
async def counted(tmp_path: Path) -> AsyncIterator[Counted]:
    """Three records of each kind, and three agents."""
    clock = FakeClock()
    accounts = Accounts.open(None, tmp_path, clock)
    aid = accounts.create_account_group("Sandbox", accounts.create_organization("Example"))
    accounts.create_user("user@example.com", Role.USER, [aid])
    token = accounts.create_token("user@example.com")
    enrol_agents(accounts, aid)
    config = ServerConfig(data=tmp_path, rate_limit=1_000_000)
    store = CountedStore(open_store("memory:", tmp_path, clock))
    for kind, record in records_of(aid):
        await store.as_store().add(kind, [record])
    app: Any = create_app(config, store.as_store(), accounts, clock, random.Random(1))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://hopsight.test",
        headers={"Authorization": f"Bearer {token}"},
    ) as client:
        yield Counted(client, store)
    app.services.atlas.close()
    accounts.close()


def enrol_agents(accounts: Accounts, aid: int) -> None:
    """Let three in."""
    info = AgentInfo(computer_name="c", platform="Linux", os_version="1", kernel_version="1", version="1")
    key = accounts.create_group_key(aid)
    for number in range(EACH):
        enrolment = Enrolment(
            enrolment_id=f"00000000-0000-4000-8000-{number:012}", secret="s" * 43, agent=info
        )
        accounts.enrol(key, enrolment, None)


def records_of(aid: int) -> list[tuple[str, Record]]:
    """Three of each kind."""
    rng = random.Random(1)
    found = []
    for number in range(EACH):
        session = sample_session(rng, aid=aid)
        user = sample_user_session_record(rng, aid=aid)
        web = sample_web_session_record(rng, aid=aid)
        network_id = f"{number:012}"
        probe = sample_network_probe_record(rng, aid=aid, network_id=network_id)
        profile = NetworkProfileDocument(
            local_prefix="10.0.0.0", public_ip_range="192.0.2.0-192.0.2.255", interface_name="eth0"
        )
        detail = msgspec.structs.replace(probe.detail, network_profile=profile)
        found += [
            (NETWORK_SESSIONS, record(aid, session, session.user_session_id, None)),
            (USER_SESSIONS, record(aid, user.document, user.document.user_session_id, user.detail)),
            (WEB_SESSIONS, record(aid, web.document, web.document.user_session_id, web.detail)),
            (
                NETWORK_PROBES,
                record(aid, probe.document, probe.document.network_probe_id, detail, network_id=network_id),
            ),
        ]
    return found


def record(aid: int, document: Any, record_id: str, detail: Any, **dimensions: str) -> Record:
    """As the store keeps it."""
    return Record(
        aid=aid,
        round_id=document.round_id,
        record_id=record_id,
        dimensions=Dimensions(agent_id=document.agent_id, **dimensions),
        loss_percent=None,
        latency_ms=None,
        jitter_ms=None,
        body=msgspec.json.encode(document),
        detail=msgspec.json.encode(detail) if detail is not None else None,
    )


@pytest.mark.parametrize("row", LISTS, ids=lambda row: row.name)
async def test_a_page_asks_the_store_so_often_and_no_more(counted: Counted, row: ListRow) -> None:
    """However many records a page has, it costs the calls that its row says, at first and again."""
    again = row.calls if row.calls_again is None else row.calls_again
    assert await counted.page(row, row.target) == (EACH, expected_calls(row.calls, EACH))
    assert await counted.page(row, row.target) == (EACH, expected_calls(again, EACH))
    if row.calls_without_range is not None:
        assert await counted.page(row, row.path) == (EACH, expected_calls(row.calls_without_range, EACH))
