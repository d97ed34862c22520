"""Tests of the API's description: complete, valid, and true when machines try it."""

import random
import uuid
from collections.abc import Callable
from typing import Any

import anyio
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from hopsight.model.dimensions import AGENT_STATES, NETWORK_PROBES, NETWORK_SESSIONS, USER_SESSIONS
from hopsight.model.upload import MeasurementContext, UploadBatch
from hopsight.server import agent_api
from hopsight.server.api.hopsight import routes as own
from hopsight.server.api.v6 import routes as v6
from hopsight.server.checks import sender_of
from hopsight.server.ingest import check_batch
from hopsight.testing import (
    AGENT_ID,
    ROUND_ID,
    sample_agent_state_record,
    sample_network_probe_record,
    sample_record,
    sample_user_session_record,
)

HANDLERS = [*v6.HANDLERS, *own.HANDLERS]


async def description(client: Any) -> dict[str, Any]:
    """The document as served."""
    answer = await client.get("/openapi.json")
    assert answer.headers["Content-Type"] == "application/json;charset=UTF-8"
    return dict(answer.json())


@pytest.mark.anyio
async def test_every_route_for_programs_is_described(client: Any) -> None:
    """No method of version 6, of our own API or of the agents' interface is missing."""
    document = await description(client)
    described = {
        (path, method.upper())
        for path, item in document["paths"].items()
        for method in item
        if path != "/metrics"
    }
    handlers = [*HANDLERS, *agent_api.HANDLERS]
    routes = {
        (path.replace(":str}", "}"), method)
        for handler in handlers
        for path in handler.paths
        for method in handler.http_methods
    }
    assert routes <= described


@pytest.mark.anyio
async def test_operations_are_whole(client: Any) -> None:
    """Each has a summary, its errors, and a name of its own; every reference leads somewhere."""
    document = await description(client)
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        assert {"200", "201", "202", "204", "207"} & operation["responses"].keys()
        assert all(answer["description"] for answer in operation["responses"].values())
    assert f"{document}".count("'$ref'") > 10
    for part in f"{document}".split("#/components/schemas/")[1:]:
        assert part.split("'")[0] in document["components"]["schemas"]


@pytest.mark.anyio
async def test_filters_are_posted_as_described(client: Any) -> None:
    """The body is the struct that the server decodes, not something inferred from a signature."""
    document = await description(client)
    body = document["paths"]["/v6/endpoint-data/user-sessions/network"]["post"]["requestBody"]
    assert body == {
        "required": False,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/SearchBody"}}},
    }


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_machines_find_the_description_true(server: Any, mode: GenerationMode) -> None:
    """Requests made from it, right ones and wrong ones, get answers that it foresees and never a 5xx."""
    anyio.run(_fill, server)
    # The agents' interface is tried where it is tested.
    schema = schemathesis.openapi.from_asgi("/openapi.json", server.app).include(path_regex="^/(v6|hopsight)")
    tried = set()
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        if mode is GenerationMode.NEGATIVE and not list(operation.iter_parameters()):
            continue
        run = settings(
            max_examples=20,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        run(given(operation.as_strategy(generation_mode=mode))(_trier(server.token)))()
        tried.add(operation.label)
    assert len(tried) >= len(HANDLERS) - 1


async def _fill(server: Any) -> None:
    """A few records of every kind."""
    rng = random.Random(1)
    await server.store.add(NETWORK_SESSIONS, [sample_record(rng) for _ in range(3)])
    batch = UploadBatch(
        upload_id=str(uuid.UUID(int=1, version=4)),
        contexts=[MeasurementContext()],
        user_sessions=[sample_user_session_record(rng), sample_user_session_record(rng, passive=True)],
        network_probes=[sample_network_probe_record(rng, target_kind=kind) for kind in ("gateway", "vpn")],
        agent_states=[sample_agent_state_record(rng)],
    )
    sender = sender_of(AGENT_ID, server.aid, ROUND_ID + 3_600.0, 86_400, "203.0.113.9")
    checked = check_batch(msgspec.json.encode(batch), sender)
    for kind in (USER_SESSIONS, NETWORK_PROBES, AGENT_STATES):
        await server.store.add(kind, checked.records[kind])


def _trier(token: str) -> Callable[[Any], None]:
    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    ]

    def attempt(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=checks)

    return attempt
