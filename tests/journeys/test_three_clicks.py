"""Whose fault is it: from the overview to the session that says so."""

import random
from typing import Any

import msgspec
import pytest
from tests.server.web.test_agents import NOW, enrol

from hopsight.model.dimensions import USER_SESSIONS, Dimensions
from hopsight.model.query import Record
from hopsight.testing import sample_user_session_record

pytestmark = [pytest.mark.anyio, pytest.mark.chromium]

BAD = "02:51:00:00:19:01"


async def fill(server: Any) -> None:
    """Agents on two access points; the sessions through one of them lose packets in the LAN."""
    server.clock.advance(NOW - server.clock.now())
    agents = [enrol(server, f"laptop-{number}") for number in range(2)]
    for number in range(1, 31):
        is_bad, round_id = number % 2 == 1, NOW - 60 * number
        given = sample_user_session_record(random.Random(number))
        session_id = f"07625:{round_id}:{number:08d}"
        body = msgspec.structs.replace(
            given.document, user_session_id=session_id, agent_id=agents[is_bad], round_id=round_id
        )
        assert given.detail.verdict is not None
        verdict = msgspec.structs.replace(
            given.detail.verdict,
            result="lan" if is_bad else "healthy",
            summary="The access point loses packets",
        )
        record = Record(
            aid=server.aid,
            round_id=round_id,
            record_id=session_id,
            dimensions=Dimensions(
                agent_id=agents[is_bad],
                bssid=BAD if is_bad else "02:51:00:00:19:02",
                verdict=verdict.result,
                visited_site=body.visited_site,
            ),
            loss_percent=40.0 if is_bad else 0.0,
            latency_ms=200.0 if is_bad else 20.0,
            jitter_ms=1.0,
            body=msgspec.json.encode(body),
            detail=msgspec.json.encode(msgspec.structs.replace(given.detail, verdict=verdict)),
        )
        await server.store.add(USER_SESSIONS, [record])


async def test_three_clicks_lead_to_the_session(server: Any, journey: Any) -> None:
    """The bad access point, its worst agent's page, the newest session: its verdict is the LAN."""
    await fill(server)
    await journey.sign_in(server.token)
    await journey.click(f".rank th a:text-is('{BAD}')")
    await journey.click(".rank a.details >> nth=0")
    await journey.click("table:has(#newest) tbody a >> nth=0")
    assert journey.clicks <= 3
    assert "/sessions/" in journey.page.url
    assert "The access point loses packets" in await journey.page.inner_text("main")
