"""What operators' programs ask: health, and counts that name nobody."""

import random
from typing import Any

import pytest
from msgspec import structs
from prometheus_client.parser import text_string_to_metric_families

from hopsight.errors import StoreUnavailableError
from hopsight.model.upload import AgentUsage
from hopsight.server import agent_metrics
from hopsight.server.metrics import EXPOSITION_TYPE, UNROUTED, Metrics
from hopsight.testing import AGENT_ID, sample_record

pytestmark = pytest.mark.anyio

NETWORK = "/v6/endpoint-data/user-sessions/network"


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of an exposition, by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, name: str, **labels: str) -> float:
    """One sample."""
    return samples(text)[name, frozenset(labels.items())]


async def test_it_is_well_without_being_asked_for_credentials(server: Any) -> None:
    """Who watches a server need not be let in."""
    async with server.client("") as client:
        answer = await client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_it_is_not_well_when_the_store_is_not(server: Any) -> None:
    """A store that cannot answer makes it 503, with the reason."""

    async def fail(*_: object) -> None:
        raise StoreUnavailableError("disk is full")

    server.store.last_round = fail
    async with server.client("") as client:
        answer = await client.get("/healthz")

    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "reason": "disk is full"}


async def test_a_server_that_lives_is_not_always_ready(server: Any) -> None:
    """A store that is away makes it not ready, and no reason for a restart."""

    async def fail(*_: object) -> None:
        raise StoreUnavailableError("away")

    server.store.last_round = fail
    async with server.client("") as client:
        ready, alive = await client.get("/readyz"), await client.get("/livez")

    assert (ready.status_code, ready.json()) == (503, {"status": "unavailable", "reason": "away"})
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})


async def test_who_is_about_to_stop_is_not_ready(server: Any) -> None:
    """Draining is 503 at /readyz alone; every answer is the last on its connection."""
    async with server.client("") as client:
        before = await client.get("/readyz")
        server.app.services.draining.begin()
        after, health = await client.get("/readyz"), await client.get("/healthz")

    assert (before.status_code, before.headers.get("connection")) == (200, None)
    assert (after.status_code, after.headers["connection"]) == (503, "close")
    assert (health.status_code, health.headers["connection"]) == (200, "close")


async def test_requests_are_counted_by_route_and_status(server: Any) -> None:
    """One route is one label, whatever the path; what no route takes has none of its own."""
    async with server.client() as client:
        for path in (f"{NETWORK}.json", f"{NETWORK}.xml", "/v6/account-groups/1", "/v6/account-groups/2"):
            await client.get(path)
        await client.get("/nowhere/at-all")
        answer = await client.get("/metrics")

    assert answer.headers["Content-Type"] == EXPOSITION_TYPE
    assert value(answer.text, "hopsight_requests_total", route=NETWORK, status="200") == 2
    counted = {
        dict(labels)["route"]: count
        for (name, labels), count in samples(answer.text).items()
        if name == "hopsight_requests_total" and ("status", "404") in labels
    }
    assert counted[UNROUTED] == 1
    assert 2 in counted.values()


async def test_pages_are_timed(server: Any) -> None:
    """Each page of records is one observation."""
    await server.add(sample_record(random.Random(1)))
    async with server.client() as client:
        await client.get(NETWORK)
        answer = await client.get("/metrics")

    assert value(answer.text, "hopsight_page_seconds_count") == 1


async def test_nobody_is_named(server: Any) -> None:
    """No agent, account group, person, address or token is in the counts."""
    await server.add(sample_record(random.Random(1)))
    async with server.client() as client:
        await client.get(f"{NETWORK}?aid={server.aid}")
        await client.get(f"/v6/endpoint-agents/{AGENT_ID}")
        text = (await client.get("/metrics")).text

    for secret in (AGENT_ID, str(server.aid), "example.com", "127.0.0.1", server.token):
        assert secret not in text


def test_uploads_are_counted_by_what_became_of_them() -> None:
    """Stored, duplicate, refused; bytes as they came and as they were; what the store would not take."""
    metrics = Metrics()
    metrics.body_received(100, 700)
    metrics.ingested("network-sessions", stored=3, duplicates=2, refused=1)
    metrics.ingested("network-sessions", stored=1, duplicates=0, refused=0)
    metrics.batch_acknowledged()
    metrics.batch_acknowledged()
    metrics.store_failed()
    metrics.pruned("network-sessions", 7)
    text = metrics.expose().decode()

    records = "hopsight_ingest_records_total"
    outcomes = ("stored", "duplicate", "refused")
    kind = "network-sessions"
    assert [value(text, records, kind=kind, outcome=outcome) for outcome in outcomes] == [4, 2, 1]
    assert value(text, "hopsight_ingest_batches_total") == 2
    assert value(text, "hopsight_ingest_bytes_total", encoding="wire") == 100
    assert value(text, "hopsight_ingest_bytes_total", encoding="decoded") == 700
    assert value(text, "hopsight_store_errors_total") == 1
    assert value(text, "hopsight_pruned_records_total", kind=kind) == 7


def test_two_servers_in_one_process_count_apart() -> None:
    """Counters belong to a server, not to the process."""
    one, other = Metrics(), Metrics()
    one.store_failed()

    assert value(one.expose().decode(), "hopsight_store_errors_total") == 1
    assert value(other.expose().decode(), "hopsight_store_errors_total") == 0


def test_agents_are_counted_as_a_fleet() -> None:
    """What they cost is in histograms, what they lost in a counter, and no series is of one agent."""
    metrics = Metrics()
    for number in range(50):
        usage = AgentUsage(resident_bytes=45_000_000, cpu_fraction=0.002, waiting=number, dropped=100)
        metrics.agents.reported(f"agent-{number}", usage)
    once = metrics.expose()
    text = once.decode()
    assert value(text, "hopsight_agent_resident_bytes_bucket", le="5e+07") == 50
    assert value(text, "hopsight_agent_resident_bytes_bucket", le="4e+07") == 0
    assert value(text, "hopsight_agent_cpu_fraction_sum") == pytest.approx(0.1)
    assert value(text, "hopsight_agent_waiting_records_bucket", le="10.0") == 11
    assert value(text, "hopsight_agent_dropped_records_total") == 0
    metrics.agents.reported("agent-1", structs.replace(usage, dropped=107))
    metrics.agents.reported("agent-2", structs.replace(usage, dropped=0))
    metrics.agents.reported("agent-2", structs.replace(usage, dropped=5))
    text = metrics.expose().decode()
    assert value(text, "hopsight_agent_dropped_records_total") == 7 + 5
    assert len(samples(text)) == len(samples(once.decode()))
    assert "agent-1" not in text


def test_only_so_many_agents_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond that the one that was silent the longest counts as new."""
    monkeypatch.setattr(agent_metrics, "AGENTS_REMEMBERED", 2)
    metrics = Metrics()
    for name, dropped in (("a", 1), ("b", 1), ("a", 2), ("c", 1), ("b", 9), ("a", 3)):
        metrics.agents.reported(name, AgentUsage(resident_bytes=1, cpu_fraction=0, dropped=dropped))
    assert value(metrics.expose().decode(), "hopsight_agent_dropped_records_total") == 1
