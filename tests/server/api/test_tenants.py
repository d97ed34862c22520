"""Who may read and write what: ``docs/roles.md`` is the table, and each of its cells is asked here.

Two organizations with the same names for everything and the same network; neither sees anything of the other.
"""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct
from tests.server.api.test_every_route import OPEN, READING_POSTS, ROUTES

from hopsight.accounts.incidents import IncidentChange
from hopsight.model.accounts import Role
from hopsight.model.agents import AgentInfo
from hopsight.model.alerts import AlertRule, Cause, MaintenanceWindow
from hopsight.model.dimensions import Dimensions
from hopsight.model.kinds import KINDS
from hopsight.model.query import Record
from hopsight.model.upload import Enrolment

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[3] / "docs" / "roles.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (GET|POST|PATCH|PUT|DELETE) \| `([^`]+)` \| (\S+) \| (\S+) \| (\S+) \|$", re.MULTILINE)
ROLES = (Role.ORG_ADMIN, Role.ACCOUNT_ADMIN, Role.USER)
CELLS = [
    (method, path, role, answer == "yes")
    for method, path, *answers in ROW.findall(PAGE)
    for role, answer in zip(ROLES, answers, strict=True)
]
ROUND = 1_600_000_200
NETWORK = "39c518560de9"
METRICS = {
    "startTimeMs": ROUND * 1000,
    "endTimeMs": ROUND * 1000 + 10_000,
    "cpuUtilization": {"min": 0.1, "max": 0.2, "mean": 0.1, "median": 0.1, "stdDev": 0.0, "count": 10},
}
BODIES = {
    ("POST", "/v6/endpoint-agents/{agentId}"): b'{"newAgentName": "renamed"}',
    ("PATCH", "/v7/endpoint/agents/{agentId}"): b'{"name": "renamed"}',
    ("POST", "/v7/endpoint/agents/{agentId}/transfer"): b'{"toAid": "1"}',
    ("POST", "/v7/account-groups"): b'{"accountGroupName": "Another"}',
    ("PUT", "/v7/account-groups/{accountGroupId}"): b'{"accountGroupName": "Renamed"}',
    ("POST", "/hopsight/v1/alert-rules"): b'{"name": "Lossy", "metric": "loss", "threshold": 5}',
    ("PUT", "/hopsight/v1/alert-rules/{ruleId}"): b'{"name": "Lossy", "metric": "loss", "threshold": 5}',
    ("POST", "/hopsight/v1/maintenance-windows"): b'{"name": "Tonight", "startS": 1, "endS": 9}',
    ("PUT", "/hopsight/v1/maintenance-windows/{windowId}"): b'{"name": "Tonight", "startS": 1, "endS": 9}',
}


class Tenant(Struct, kw_only=True):
    """One organization's account group, with one of everything in it."""

    aid: int
    tokens: dict[Role, str]
    ids: dict[str, str]
    agent_name: str


async def made(server: Any, aid: int, tokens: dict[Role, str], mark: str) -> Tenant:
    """Fill an account group: an agent with a name of its own, and a record of each kind."""
    key = server.accounts.create_group_key(aid)
    info = AgentInfo(
        computer_name="laptop", agent_name=f"laptop-{mark}", platform="Linux", os_version="12",
        kernel_version="6", version="0",
    )  # fmt: skip
    enrolment = Enrolment(
        enrolment_id=f"00000000-0000-4000-8000-{aid:012d}", secret=f"{aid:043d}", agent=info
    )
    agent_id = server.accounts.enrol(key, enrolment, "203.0.113.9").agent_id
    session = f"{aid:05d}:{ROUND}:aVDViw0i"
    probe = f"{aid:05d}:{NETWORK}:{ROUND}:{agent_id[:8]}"
    for kind, (record_id, body, detail) in _documents(agent_id, session, probe).items():
        dimensions = Dimensions(
            agent_id=agent_id, visited_site="same.example.com", network_id=NETWORK, platform="Linux"
        )
        record = Record(
            aid=aid, round_id=ROUND, record_id=record_id, dimensions=dimensions, loss_percent=0.0,
            latency_ms=1.0, jitter_ms=0.0, body=_checked(KINDS[kind].document, body),
            detail=_checked(KINDS[kind].detail, detail),
        )  # fmt: skip
        await server.store.add(kind, [record])
    rule = AlertRule(name=f"Slow {mark}", metric="latency", threshold=9)
    alerts = server.accounts.alerts
    rule_id = alerts.rules.add(aid, rule)
    window_id = alerts.rules.add_window(aid, MaintenanceWindow(name=f"Night {mark}", start_s=1, end_s=2))
    opened = IncidentChange(
        rule=alerts.rules.get(aid, rule_id), incident_id=None, cause=Cause(), agents={agent_id: 10.0},
        calm_rounds=0, resolved=False,
    )  # fmt: skip
    ((incident_id, _),) = alerts.incidents.advance(aid, ROUND, ROUND + 90, [opened])
    uid = next(each.uid for each in server.accounts.members(aid) if each.role is Role.USER)
    ids = {
        "groupId": str(aid),
        "accountGroupId": str(aid),
        "aid": str(aid),
        "uid": str(uid),
        "id": session,
        "userSessionId": session,
        "pageId": "page_0",
        "networkProbeId": probe,
        "networkTopologyId": probe,
        "agentId": agent_id,
        "ruleId": str(rule_id),
        "windowId": str(window_id),
        "incidentId": str(incident_id),
    }
    return Tenant(aid=aid, tokens=tokens, ids=ids, agent_name=info.agent_name or "")


def _checked(struct: Any, value: Any) -> Any:
    """Encoded, after a look that it is what the kind stores."""
    return None if struct is None else msgspec.json.encode(msgspec.convert(value, struct))


def _documents(agent_id: str, session: str, probe: str) -> dict[str, tuple[str, Any, Any]]:
    """One record of each kind: ID, document, detail."""
    date = {"agentId": agent_id, "roundId": ROUND, "date": "2020-09-13 12:30:00"}
    page = {"id": "page_0", "title": "Same", "startedDateTime": "2020-09-13T12:30:00Z", "pageTimings": {}}
    log = {"version": "1.2", "creator": {"name": "Hopsight"}, "pages": [page], "entries": []}
    profile = {"localPrefix": "10.0.0.0", "publicIpRange": "203.0.113.0-203.0.113.255"}
    ping = {
        "pktsSent": 10,
        "pktsReceived": 10,
        "minRtt": 1.0,
        "avgRtt": 1.0,
        "maxRtt": 1.0,
        "meanDevRtt": 0.0,
    }
    state = f"{session[:-8]}aVDViw0j"
    return {
        "network-sessions": (
            session,
            {
                "userSessionId": session,
                **date,
                "destination": {"target": "192.0.2.1", "loss": 0.0, "latency": 1, "jitter": 0},
                "systemMetrics": METRICS,
            },
            None,
        ),
        "user-sessions": (
            session,
            {"userSessionId": session, **date, "visitedSite": "same.example.com", "numberOfPages": 1},
            {"network": {"ping": ping, "networkProfile": profile}, "pages": [page]},
        ),
        "web-sessions": (
            f"{session}:page_0",
            {"userSessionId": session, "pageId": "page_0", **date, "pageUrl": "https://same.example.com/"},
            {"har": {"log": log}},
        ),
        "network-probes": (
            probe,
            {"networkProbeId": probe, **date, "target": "10.0.0.1", "icmpPing": ping},
            {"networkProfile": profile},
        ),
        "agent-states": (
            state,
            {
                "stateId": state, **date, "state": "offline",
                "startMs": ROUND * 1000, "endMs": ROUND * 1000 + 5,
            },
            None,
        ),
    }  # fmt: skip


@pytest.fixture
async def tenants(server: Any) -> tuple[Tenant, Tenant]:
    """Ours, and theirs."""
    accounts = server.accounts
    org_id = accounts.create_organization("Example again")
    theirs = accounts.create_account_group("Sandbox", org_id)
    tokens = {}
    for role in Role:
        accounts.create_user(f"{role}@theirs.example.net", role, [theirs], "Same Name")
        tokens[role] = accounts.create_token(f"{role}@theirs.example.net")
    return (
        await made(server, server.aid, server.tokens, "OURS"),
        await made(server, theirs, tokens, "THEIRS"),
    )


def filled(path: str, ids: dict[str, str]) -> str:
    """The path with these IDs."""
    return re.sub(r"\{(\w+)\}", lambda match: ids.get(match[1], "1"), path)


def marks_of(tenant: Tenant) -> set[str]:
    """What an answer about somebody else cannot hold."""
    mark = tenant.agent_name.removeprefix("laptop-")
    return {f"Slow {mark}", f"Night {mark}", tenant.agent_name, tenant.ids["agentId"], tenant.ids["id"]} | {
        "theirs.example.net"
    }


@pytest.mark.parametrize(("method", "path", "role", "allowed"), CELLS)
async def test_each_cell_of_the_table(
    server: Any, tenants: tuple[Tenant, Tenant], method: str, path: str, role: Role, *, allowed: bool
) -> None:
    """In one's own account group a role may do what the table says, and sees nothing of others."""
    ours, theirs = tenants
    body = BODIES.get((method, path), b"")
    async with server.client(ours.tokens[role]) as client:
        answer = await client.request(
            method, filled(path, ours.ids), content=body, headers={"Content-Type": "application/json"}
        )
    if not allowed:
        assert answer.status_code == 403, answer.text
    elif method == "GET" or _reads(path):
        assert answer.status_code == 200, answer.text
    else:
        assert answer.status_code != 403, answer.text
        assert answer.status_code < 500, answer.text
    assert not any(mark in answer.text for mark in marks_of(theirs)), answer.text


@pytest.mark.parametrize(("method", "path", "role", "allowed"), CELLS)
async def test_nothing_of_another_organization_is_touched(
    server: Any, tenants: tuple[Tenant, Tenant], method: str, path: str, role: Role, *, allowed: bool
) -> None:
    """With the IDs of another organization every role is told that there is no such thing."""
    ours, theirs = tenants
    # Roles are the same three for all.
    if "{" not in path or "{roleId}" in path:
        return
    body = BODIES.get((method, path), b"")
    before = _state(server, theirs)
    async with server.client(ours.tokens[role]) as client:
        answer = await client.request(
            method, filled(path, theirs.ids), content=body, headers={"Content-Type": "application/json"}
        )
    # A regular user may ask for no user but themselves, wherever that user is.
    own_alone = role is Role.USER and path == "/v6/users/{uid}"
    unknown = {400, 404} if allowed and not own_alone else {403, 404, 400}
    assert answer.status_code in unknown, answer.text
    asked = {theirs.ids["agentId"], theirs.ids["id"]}
    assert not any(mark in answer.text for mark in marks_of(theirs) - asked), answer.text
    assert _state(server, theirs) == before


def _reads(path: str) -> bool:
    return any(part in path for part in READING_POSTS)


def _state(server: Any, tenant: Tenant) -> tuple[Any, ...]:
    accounts, rules = server.accounts, server.accounts.alerts.rules
    return (
        accounts.agent(tenant.aid, tenant.ids["agentId"]),
        accounts.members(tenant.aid),
        rules.listing(tenant.aid),
        rules.windows(tenant.aid),
    )


def test_the_table_has_every_route() -> None:
    """What is served is in the table, and what is in the table is served."""
    listed = {(method, path) for method, path, *_ in ROW.findall(PAGE)}
    assert listed == {(method, path) for method, path, _ in ROUTES if path not in OPEN}
