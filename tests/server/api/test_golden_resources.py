"""Every resource of version 6 with its published sample in it: exact bytes, JSON and XML.

A change of these bytes is a change that clients may see: it needs a line in the changelog. New ones are
written by ``pytest tests/server/api/test_golden_resources.py --write-golden``, to be read before a commit.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from lxml import etree
from tests.server.api.test_samples import (
    DATA,
    PROBE_ID,
    SESSION_ID,
    SESSIONS,
    enrolled,
    record_of,
    sample,
    stored,
)

from hopsight.model.dimensions import NETWORK_PROBES, USER_SESSIONS, WEB_SESSIONS, Dimensions

pytestmark = pytest.mark.anyio

GOLDEN = Path(__file__).parent / "golden" / "v6"
RANGE = "from=2017-01-01T00:00:00&to=2021-01-01T00:00:00"
TWELVE_HOURS = "from=2017-03-26T08:00:00&to=2017-03-26T20:00:00"
RESOURCES = {
    "user-sessions": f"{SESSIONS}.{{}}?{RANGE}",
    "user-session-detail": f"{SESSIONS}/{SESSION_ID}.{{}}",
    "web-sessions": f"{SESSIONS}/web.{{}}?{RANGE}",
    "web-page-har": f"{SESSIONS}/{SESSION_ID}/page/page_1.{{}}",
    "network-topology": f"{DATA}/network-topology.{{}}?{TWELVE_HOURS}",
    "network-topology-detail": f"{DATA}/network-topology/{PROBE_ID}.{{}}",
    "networks": f"{DATA}/networks.{{}}",
    "endpoint-agents": "/v6/endpoint-agents.{}",
    "endpoint-agent-detail": "/v6/endpoint-agents/5d0764ac-7e42-4ec8-a0d4-39fc53edccba.{}",
}


async def fill(server: Any, name: str) -> None:
    """Store the sample of a resource."""
    if name in {"user-sessions", "user-session-detail"}:
        await stored(server, USER_SESSIONS, name)
    elif name == "web-sessions":
        await stored(server, WEB_SESSIONS, name)
    elif name == "web-page-har":
        page = sample("web-sessions")["webSessions"][0]
        await server.store.add(WEB_SESSIONS, [record_of(WEB_SESSIONS, page, 7625, sample(name)["har"])])
    elif name.startswith("network-topology"):
        await stored(server, NETWORK_PROBES, name)
    elif name == "networks":
        await fill_networks(server)
    else:
        for number, item in enumerate(sample(name)["endpointAgents"]):
            enrolled(server, item, number)


async def fill_networks(server: Any) -> None:
    """Store a probe on each network of the sample."""
    for network in sample("networks")["privateNetworks"]:
        probe = sample("network-topology-detail")["networkProbes"][0]
        probe["networkProfile"] |= {key: network[key] for key in ("localPrefix", "publicIpRange")}
        probe["networkProbeId"] = f"07625:{network['networkId']}:{probe['roundId']}:236e6f18"
        made = record_of(NETWORK_PROBES, probe, 7625)
        dimensions = Dimensions(agent_id=probe["agentId"], network_id=network["networkId"])
        await server.store.add(NETWORK_PROBES, [msgspec.structs.replace(made, dimensions=dimensions)])


@pytest.mark.parametrize("suffix", ["json", "xml"])
@pytest.mark.parametrize("name", RESOURCES)
async def test_bytes_stay_as_they_are(
    server: Any, client: Any, pytestconfig: pytest.Config, name: str, suffix: str
) -> None:
    """The bytes are those that were promised, and the XML is valid by the schema that is served."""
    await fill(server, name)
    answer = await client.get(RESOURCES[name].format(suffix))
    assert answer.status_code == 200, answer.text
    golden = GOLDEN / f"{name}.{suffix}"
    if pytestconfig.getoption("write_golden"):
        golden.write_bytes(answer.content)
    assert answer.content == golden.read_bytes()
    if suffix == "xml":
        schema = etree.XMLSchema(etree.fromstring((await client.get("/v6/docs/te-api-v6.xsd")).content))
        schema.assertValid(etree.fromstring(answer.content))
