"""The published sample, stored and served: exact bytes, and the same fields and types as the sample.

``pytest tests/server/api/test_golden.py --write-golden`` writes the small answers anew, to be read before a
commit; the bytes of network sessions are the seed's, and are not written.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lxml import etree

from hopsight.model.dimensions import Dimensions
from hopsight.model.query import Record
from hopsight.model.sessions import NetworkSession

pytestmark = pytest.mark.anyio

NETWORK = "/v6/endpoint-data/user-sessions/network"
GOLDEN = Path(__file__).parent / "golden" / "v6"
SAMPLES = Path(__file__).parents[3] / "spec" / "samples"


def record_of(document: dict[str, Any]) -> Record:
    """A record as the server would store it."""
    session = msgspec.convert(document, NetworkSession)
    return Record(
        aid=7625,
        round_id=session.round_id,
        record_id=session.user_session_id,
        dimensions=Dimensions(agent_id=session.agent_id),
        loss_percent=session.destination.loss_percent,
        latency_ms=None,
        jitter_ms=None,
        body=msgspec.json.encode(session),
    )


def typed(value: Any) -> Any:
    """A value with every scalar beside its type, so that 0 and 0.0 differ."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return (type(value).__name__, value)


@pytest.mark.parametrize("suffix", ["json", "xml"])
async def test_the_published_sample_is_served_byte_for_byte(server: Any, client: Any, suffix: str) -> None:
    """A change of these bytes is a change that clients may see: it needs a line in the changelog."""
    sample = json.loads((SAMPLES / "network-sessions.json").read_bytes())
    await server.add(*map(record_of, sample["networkSessions"]))
    answer = await client.get(f"{NETWORK}.{suffix}")
    assert answer.content == (GOLDEN / f"network-sessions.{suffix}").read_bytes()
    if suffix == "json":
        assert typed(answer.json()) == typed(sample)


@pytest.mark.parametrize(
    "name",
    ["network-sessions.xml", "error.xml", "status.xml", "account-groups.xml", "account-group.xml"],
)
async def test_golden_xml_validates(client: Any, name: str) -> None:
    """The bytes that are promised are valid by the schema that is served."""
    schema = etree.XMLSchema(etree.fromstring((await client.get("/v6/docs/te-api-v6.xsd")).content))
    schema.assertValid(etree.fromstring((GOLDEN / name).read_bytes()))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("error.xml", NETWORK + ".xml?window=<%26>"),
        ("error.json", NETWORK + ".json?window=<%26>"),
        ("status.xml", "/v6/status.xml"),
        ("status.json", "/v6/status.json"),
        ("account-groups.xml", "/v6/account-groups.xml"),
        ("account-groups.json", "/v6/account-groups.json"),
        ("account-group.json", "/v6/account-groups/7625.json"),
        ("account-group.xml", "/v6/account-groups/7625.xml"),
        ("te-api-v6.xsd", "/v6/docs/te-api-v6.xsd"),
    ],
)
async def test_small_answers_stay_as_they_are(
    client: Any, pytestconfig: pytest.Config, name: str, path: str
) -> None:
    """Errors, status, account groups and the schema are part of the surface too."""
    content = (await client.get(path)).content
    if pytestconfig.getoption("write_golden"):
        (GOLDEN / name).write_bytes(content)
    assert content == (GOLDEN / name).read_bytes()


async def test_a_session_without_measurements_serves_without_them(server: Any, client: Any) -> None:
    """What was not measured is absent in both formats, never null and never zero."""
    bare = {
        "userSessionId": "07625:1490529480:aVDViw0i",
        "agentId": "3fde6422-f119-40e1-ae32-d08a1243c038",
        "roundId": 1490529480,
        "date": "2017-03-22 11:58:42",
        "destination": {"target": "2001:db8::1"},
    }
    await server.add(record_of(bare))
    assert (await client.get(NETWORK)).json()["networkSessions"] == [bare]
    destination = etree.fromstring((await client.get(NETWORK + ".xml")).content).find(".//destination")
    assert destination is not None
    assert [element.tag for element in destination] == ["target"]
