"""Downloads: numbers of the pages, as the pages choose them, for those who may see the pages."""

import csv
import io
import random
from typing import Any

import httpx
import pytest
from tests.server.web.signing_in import tree
from tests.server.web.test_agents import NOW, enrol, measure, sleep
from tests.server.web.test_alerts import opened
from tests.server.web.test_overview import session
from tests.server.web.test_paths import SITE, measured

from hopsight.model.accounts import Role
from hopsight.model.dimensions import USER_SESSIONS
from hopsight.server.web.export.tables import TABLES
from hopsight.testing import ROUND_ID, sample_record

pytestmark = pytest.mark.anyio

HOUR = "from=2020-09-13T23:00:00&to=2020-09-13T23:59:59"
FORMULA = "=HYPERLINK(1)"


async def table(client: httpx.AsyncClient, url: str) -> list[dict[str, str]]:
    """The rows of a download, which must be there."""
    answer = await client.get(url)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/csv;charset=UTF-8;header=present"
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


@pytest.fixture
async def filled(server: Any) -> Any:
    """Twenty quiet minutes at the end of an hour, and two bad ones before."""
    server.clock.advance(NOW - server.clock.now())
    await server.store.add(USER_SESSIONS, [session(number, ssid=FORMULA) for number in range(1, 21)])
    bad = {"site": "bad.example.com", "verdict": "provider", "latency": 300.0, "loss": 50.0}
    await server.store.add(USER_SESSIONS, [session(number, **bad) for number in (31, 32)])
    return server


@pytest.mark.usefixtures("filled")
async def test_the_overview_byte_for_byte(client: httpx.AsyncClient) -> None:
    """A row for each bucket; what was not measured is empty; a cut bucket says so; the name is the view's."""
    answer = await client.get("/export/overview/series.csv?from=2020-09-13T23:20:00&to=2020-09-13T23:43:30")
    assert answer.status_code == 200, answer.text
    lines = answer.content.split(b"\r\n")
    assert lines[0] == (
        b"from,to,bucket,sessions,agents,latency_p50_ms,latency_p95_ms,jitter_p50_ms,loss_percent,"
        b"sessions_with_loss,sessions_with_latency"
    )
    assert lines[8] == b"2020-09-13T23:27:00Z,2020-09-13T23:28:00Z,whole,,,,,,,,"
    assert lines[9] == b"2020-09-13T23:28:00Z,2020-09-13T23:29:00Z,whole,1,1,300.0,300.0,1.0,50.0,1,1"
    assert lines[-2] == b"2020-09-13T23:43:00Z,2020-09-13T23:44:00Z,part,1,1,20.0,20.0,1.0,0.0,0,1"
    assert len(lines) == 1 + 24 + 1
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="hopsight-overview-series-sandbox-20200913T232000-20200913T234330.csv"'
    )


@pytest.mark.usefixtures("filled")
async def test_filters_are_honoured(client: httpx.AsyncClient) -> None:
    """The same view is the same sessions; verdicts and their shares are those of the page."""
    rows = await table(client, f"/export/overview/series.csv?{HOUR}&visitedSite=bad.example.com")
    assert sum(int(row["sessions"] or 0) for row in rows) == 2
    shares = await table(client, f"/export/overview/verdicts.csv?{HOUR}")
    assert [(row["verdict"], row["sessions"]) for row in shares] == [("provider", "2"), ("healthy", "20")]
    assert float(shares[0]["share_percent"]) == pytest.approx(100 * 2 / 22)


@pytest.mark.usefixtures("filled")
async def test_numbers_are_those_of_the_page(client: httpx.AsyncClient) -> None:
    """Every number in the tables below the page's charts is in the file, unrounded."""
    page = tree(await client.get(f"/?{HOUR}"))
    rows = {row["from"]: row for row in await table(client, f"/export/overview/series.csv?{HOUR}")}
    columns = {"Latency": ("latency_p95_ms", "latency_p50_ms"), "Loss": ("loss_percent",),
               "Jitter": ("jitter_p50_ms",), "Sessions": ("sessions",), "Agents": ("agents",)}  # fmt: skip
    for title, names in columns.items():
        (figure,) = page.xpath(f"//figure[starts-with(normalize-space(figcaption), '{title}')]")
        shown = {
            f"{row[0].text_content().replace(' ', 'T')}:00Z": [cell.text_content() for cell in row[1:]]
            for row in figure.xpath(".//tbody/tr")
        }
        assert len(shown) == 22
        for time, texts in shown.items():
            assert texts == [f"{float(rows[time][name]):.4g}" for name in names]
        assert all(rows[time][names[0]] == "" for time in rows.keys() - shown.keys())


async def test_ranks_are_those_of_the_page(filled: Any, client: httpx.AsyncClient) -> None:
    """The worst first; a name that a spreadsheet would run is text, and its value too."""
    sites = await table(client, f"/export/ranks/rank.csv?{HOUR}&by=visitedSite&order=loss")
    assert [(row["value"], row["latency_p95_ms"], row["loss_percent"]) for row in sites] == [
        ("bad.example.com", "300.0", "50.0"),
        ("app.example.com", "20.0", "0.0"),
    ]
    (ssid,) = await table(client, f"/export/ranks/rank.csv?{HOUR}&by=ssid")
    assert ssid["value"] == ssid["name"] == f"'{FORMULA}"
    assert filled.aid == 7625


async def test_agents_and_their_numbers(server: Any, client: httpx.AsyncClient) -> None:
    """Every agent has its row; who measured nothing has empty cells, not zeros."""
    server.clock.advance(NOW - server.clock.now())
    busy, _ = enrol(server, "busy"), enrol(server, "idle")
    await measure(server, busy, range(1, 4))
    rows = {row["name"]: row for row in await table(client, "/export/agents/agents.csv?window=1h")}
    assert (rows["busy"]["agent_id"], rows["busy"]["sessions"]) == (busy, "3")
    assert rows["busy"]["latency_p95_ms"] == "20.0"
    assert (rows["idle"]["sessions"], rows["idle"]["loss_percent"]) == ("", "")
    assert rows["idle"]["last_seen"].endswith("Z")
    assert len(await table(client, "/export/agents/agents.csv?window=1h&name=idle")) == 1


async def test_one_agent(server: Any, client: httpx.AsyncClient) -> None:
    """Its timeline, its machine, its states, where it was, and its sessions."""
    server.clock.advance(NOW - server.clock.now())
    agent_id = enrol(server, "laptop")
    await measure(server, agent_id, range(1, 4), ssid="Office")
    await measure(server, enrol(server, "other"), range(1, 9))
    await sleep(server, agent_id, 50, 20)
    view = f"aid={server.aid}&of={agent_id}&{HOUR}"
    timeline = await table(client, f"/export/agent/timeline.csv?{view}")
    assert sum(int(row["sessions"] or 0) for row in timeline) == 3
    machine = await table(client, f"/export/agent/machine.csv?{view}")
    assert 0 < float(machine[-1]["cpu_mean_percent"]) <= 100
    assert machine[0]["cpu_mean_percent"] == ""
    (state,) = await table(client, f"/export/agent/states.csv?{view}")
    assert state == {
        "state": "asleep", "from": "2020-09-13T23:10:00Z", "to": "2020-09-13T23:40:00Z", "reason": "",
    }  # fmt: skip
    places = await table(client, f"/export/agent/whereabouts.csv?{view}")
    assert [(row["kind"], row["name"], row["sessions"]) for row in places] == [("Wi-Fi", "Office", "3")]
    sessions = await table(client, f"/export/agent/sessions.csv?{view}")
    assert [row["started"] for row in sessions] == [f"2020-09-13T23:{minute}:00Z" for minute in (59, 58, 57)]


async def test_networks_and_one_of_them(server: Any, client: httpx.AsyncClient) -> None:
    """The list, and of one its buckets, verdicts and what is in it."""
    server.clock.advance(NOW - server.clock.now())
    agent_id = enrol(server, "laptop")
    await measure(server, agent_id, range(1, 4), network_id="0123456789ab", verdict="lan", gateway="10.0.0.1")
    (row,) = await table(client, "/export/networks/networks.csv?window=1h")
    assert (row["network_id"], row["sessions"], row["agents"]) == ("0123456789ab", "3", "1")
    view = "of=0123456789ab&window=1h"
    series = await table(client, f"/export/network/series.csv?{view}")
    assert sum(int(each["sessions"] or 0) for each in series) == 3
    (verdict,) = await table(client, f"/export/network/verdicts.csv?{view}")
    assert verdict == {"verdict": "lan", "sessions": "3", "share_percent": "100.0"}
    (agent,) = await table(client, f"/export/network/ranks.csv?{view}")
    assert (agent["value"], agent["name"]) == (agent_id, "laptop")
    (gateway,) = await table(client, f"/export/network/ranks.csv?{view}&by=gateway")
    assert gateway["value"] == "10.0.0.1"
    assert (await client.get("/export/network/series.csv?of=ffffffffffff")).status_code == 404
    assert (await client.get(f"/export/network/ranks.csv?{view}&by=x")).status_code == 400


async def test_paths_as_nodes_and_edges(server: Any, client: httpx.AsyncClient) -> None:
    """Edges name their nodes by number, and every number is there."""
    for seed in (1, 2):
        await measured(server, seed, 60 * seed, "r1")
    nodes = await table(client, f"/export/paths/nodes.csv?visitedSite={SITE}")
    edges = await table(client, f"/export/paths/edges.csv?visitedSite={SITE}")
    by_number = {row["node"]: row for row in nodes}
    assert {row["address"] for row in nodes if row["kind"] == "router"} == {"203.0.113.1", "203.0.113.2"}
    for edge in edges:
        assert by_number[edge["from_node"]]["name"] == edge["from_name"]
        assert by_number[edge["to_node"]]["name"] == edge["to_name"]
    to_router = [edge for edge in edges if edge["to_name"] == "r1"]
    assert [edge["median_added_ms"] for edge in to_router] == ["5.0", "5.0"]
    assert (await client.get("/export/paths/nodes.csv")).status_code == 400


async def test_a_session(server: Any, client: httpx.AsyncClient) -> None:
    """Probes, segments and hops of one; a silent hop has its number alone."""
    await measured(server, 1, 60, "@r1")
    (found,) = (await client.get("/v6/endpoint-data/user-sessions")).json()["userSessions"]
    of = f"of={found['userSessionId']}"
    hops = await table(client, f"/export/session/hops.csv?{of}")
    assert [list(hop.values()) for hop in hops] == [
        ["1", "203.0.113.1", "'@r1", "5.0", "", "", ""],
        ["2", "", "", "", "", "", ""],
    ]
    probes = await table(client, f"/export/session/probes.csv?{of}")
    assert probes[0]["series"] == "site"
    assert 0 <= float(probes[0]["loss_percent"]) <= 100
    segments = await table(client, f"/export/session/segments.csv?{of}")
    assert {"segment", "state", "mean_rtt_ms", "note"} <= segments[0].keys()
    for name in ("pages", "requests"):
        assert (await client.get(f"/export/session/{name}.csv?{of}")).status_code == 200
    assert (await client.get("/export/session/hops.csv")).status_code == 400
    assert (await client.get("/export/session/hops.csv?of=07625:1490529480:aaaaaaaa")).status_code == 404


async def test_the_last_round(server: Any, client: httpx.AsyncClient) -> None:
    """The sessions of the newest round, unrounded."""
    await server.add(sample_record(random.Random(1)), sample_record(random.Random(2), round_id=ROUND_ID - 60))
    (row,) = await table(client, "/export/last-round/sessions.csv")
    assert row["agent_name"] == row["agent_id"]
    assert float(row["mean_rtt_ms"]) <= float(row["max_rtt_ms"])


async def test_alerts_without_secrets(server: Any, client: httpx.AsyncClient) -> None:
    """Incidents and rules; of webhooks the host alone."""
    incident_id = await opened(server)
    (incident,) = await table(client, "/export/alerts/incidents.csv")
    assert (incident["incident_id"], incident["cause_dimension"]) == (str(incident_id), "bssid")
    assert (incident["resolved"], incident["agents"]) == ("", "2")
    answer = await client.get("/export/alerts/rules.csv")
    assert "chat.example.com" in answer.text
    assert "s3cret" not in answer.text
    assert "correct horse" not in answer.text
    assert await table(client, "/export/alerts/maintenance.csv") == []


async def test_an_incident(server: Any, client: httpx.AsyncClient) -> None:
    """Its metric over its time, its agents with their worst, and what happened."""
    of = f"of={await opened(server)}"
    series = await table(client, f"/export/incident/metric.csv?{of}")
    assert {row["latency_p95_ms"] for row in series} == {"", "300.0"}
    agents = await table(client, f"/export/incident/agents.csv?{of}")
    assert [(row["agent_id"], row["worst"], row["unit"]) for row in agents] == [
        ("agent-a", "300.0", "ms"),
        ("agent-b", "250.0", "ms"),
    ]
    events = await table(client, f"/export/incident/events.csv?{of}")
    assert [row["event"] for row in events] == ["opened", "notified"]
    assert (await client.get("/export/incident/events.csv?of=999")).status_code == 404
    assert (await client.get("/export/incident/events.csv?of=x")).status_code == 400


@pytest.mark.parametrize("page", TABLES)
async def test_an_unknown_table_is_told_what_there_is(client: httpx.AsyncClient, page: str) -> None:
    """What is none is 400, with the names that are accepted."""
    answer = await client.get(f"/export/{page}/x.csv")
    assert answer.status_code == 400
    for name in TABLES[page]:
        assert f"{name}.csv" in answer.text
    assert (await client.get(f"/export/x{page}/series.csv")).status_code == 400


@pytest.mark.parametrize(("page", "name"), [(page, name) for page, names in TABLES.items() for name in names])
async def test_no_table_is_for_others(server: Any, page: str, name: str) -> None:
    """Programs without a right token get 401, browsers the sign-in, users of other account groups nothing."""
    url = f"/export/{page}/{name}.csv"
    async with server.client("") as client:
        assert (await client.get(url)).status_code == 303
    async with server.client("wrong") as client:
        assert (await client.get(url)).status_code == 401
    aid = server.accounts.create_account_group("Other", 1)
    server.accounts.create_user("other@example.com", Role.ORG_ADMIN, [aid])
    async with server.client(server.accounts.create_token("other@example.com")) as client:
        answer = await client.get(f"{url}?aid={server.aid}")
        assert answer.status_code == 400
        assert answer.headers["Content-Type"].startswith("text/html")
        foreign = await client.get(f"/export/session/hops.csv?of={server.aid:05d}:1490529480:aaaaaaaa")
        assert foreign.status_code == 400
