"""A test message to everybody whom an alert rule tells: by administrators, and without secrets."""

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from tests.server.alerts.test_mail import config_of, serving

from hopsight.model.accounts import Role

pytestmark = pytest.mark.anyio

RULES = "/hopsight/v1/alert-rules"
BODY = {"name": "Slow", "metric": "latency", "threshold": 150}
TOKEN = "s3cr3ts3cr3ts3cr3ts3cr3t"


@pytest.fixture
async def receiver() -> Any:
    """A real HTTP server that takes everything but what goes to /no; its URL, and what came."""
    came: list[tuple[str, str]] = []

    async def take(request: web.Request) -> web.Response:
        came.append((request.path, await request.text()))
        return web.Response(status=500 if request.path == f"/no/{TOKEN}" else 200)

    app = web.Application()
    app.router.add_post("/{path:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1], came
    await runner.cleanup()


async def test_everybody_is_told_once_and_each_outcome_said(
    make_server: Callable[..., Any], receiver: Any
) -> None:
    """Webhooks, e-mail and services, marked as a test; nothing waits, and no incident is there afterwards."""
    port, came = receiver
    async with serving() as mail_server:
        server = make_server(local_webhooks=True, smtp=config_of(mail_server), public_url="https://h.example")
        body = BODY | {
            "webhooks": [
                {"url": f"http://127.0.0.1:{port}/{path}/{TOKEN}", "secret": "correct horse"}
                for path in ("yes", "no")
            ],
            "emails": ["jane@example.org"],
            "services": [{"label": "Ops", "url": f"mmost://127.0.0.1:{port}/{TOKEN}"}],
        }
        async with server.client(server.tokens[Role.ACCOUNT_ADMIN]) as client:
            made = await client.post(RULES, json=body)
            answer = await client.post(f"{RULES}/{made.json()['ruleId']}/test")
    assert answer.json() == {
        "outcomes": [
            {"recipient": "Webhook at 127.0.0.1", "told": True},
            {"recipient": "Webhook at 127.0.0.1", "told": False, "reason": "127.0.0.1 answered 500"},
            {"recipient": "E-mail to j***@example.org", "told": True},
            {"recipient": "Service Ops (mmost)", "told": True},
        ]
    }
    assert TOKEN not in answer.text
    assert len(came) == 3
    assert all("test that somebody asked for" in text for _, text in came)
    assert mail_server.message()["Subject"] == "Hopsight TEST: Slow (test)"
    assert server.accounts.alerts.outbox.count(server.aid) == 0
    assert server.accounts.alerts.incidents.listing(server.aid) == []
    audit = server.accounts.audit_events([server.aid], first_s=0, last_s=2**40)
    assert audit[-1].event == "Alert rule tested"


async def test_who_only_reads_tests_nothing(make_server: Callable[..., Any], receiver: Any) -> None:
    """403, and nobody is told; a rule that is not there is 404 for those who may."""
    port, came = receiver
    server = make_server(local_webhooks=True)
    hook = {"url": f"http://127.0.0.1:{port}/yes", "secret": "correct horse"}
    async with server.client(server.tokens[Role.ACCOUNT_ADMIN]) as client:
        made = await client.post(RULES, json=BODY | {"webhooks": [hook]})
        assert (await client.post(f"{RULES}/99/test")).status_code == 404
    async with server.client() as client:
        assert (await client.post(f"{RULES}/{made.json()['ruleId']}/test")).status_code == 403
    assert came == []


async def test_addresses_are_refused_where_no_mail_is_sent(server: Any) -> None:
    """With the option that is missing, when a rule is added and when it is written anew."""
    async with server.client(server.tokens[Role.ACCOUNT_ADMIN]) as client:
        refused = await client.post(RULES, json=BODY | {"emails": ["jane@example.org"]})
        made = await client.post(RULES, json=BODY)
        again = await client.put(
            f"{RULES}/{made.json()['ruleId']}", json=BODY | {"emails": ["jane@example.org"]}
        )
    assert (refused.status_code, again.status_code) == (400, 400)
    assert "--smtp-host" in refused.text


async def test_so_many_tests_run_at_once(server: Any) -> None:
    """One more is refused for now, and nobody is told."""
    async with server.client(server.tokens[Role.ACCOUNT_ADMIN]) as client:
        made = await client.post(RULES, json=BODY)
        slots = server.app.services.trial_slots
        for _ in range(4):
            await slots.acquire()
        refused = await client.post(f"{RULES}/{made.json()['ruleId']}/test")
        slots.release()
        taken = await client.post(f"{RULES}/{made.json()['ruleId']}/test")
    assert (refused.status_code, taken.status_code) == (409, 200)
