"""The agents' interface asked with all that its description allows, and with what it does not."""

import random
import uuid
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from hopsight.model.agents import AgentInfo
from hopsight.model.upload import Enrolment

SECRET = "s" * 43
SEED = 20_261_123
EXAMPLES = {GenerationMode.POSITIVE: 6, GenerationMode.NEGATIVE: 40}
CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


@pytest.fixture
def credentials(server: Any) -> dict[str, str]:
    """By path: what an enrolled agent, or one that is to be, shows."""
    key = server.accounts.create_group_key(server.aid)
    info = AgentInfo(computer_name="c", platform="Linux", os_version="12", kernel_version="6", version="0")
    made = uuid.UUID(int=random.Random(SEED).getrandbits(128), version=4)
    asked = Enrolment(enrolment_id=str(made), secret=SECRET, agent=info)
    agent_id = server.accounts.enrol(key, asked, None).agent_id
    basic = aiohttp.encode_basic_auth(agent_id, SECRET)
    return {
        "/agent/v1/enrol": f"Bearer {key}",
        "/agent/v1/configuration": basic,
        "/agent/v1/upload": basic,
    }


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_of_an_agent_makes_the_server_fail(
    server: Any, credentials: dict[str, str], mode: GenerationMode
) -> None:
    """Whoever is let in and sends whatever it likes gets an answer that the description foresees."""
    described = schemathesis.openapi.from_asgi("/openapi.json", server.app).include(path_regex="^/agent")
    tried = set()
    for result in described.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        if mode is GenerationMode.NEGATIVE and operation.method.upper() == "GET":
            continue
        run = settings(
            max_examples=EXAMPLES[mode], deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        attempt = _trier(credentials[operation.path])
        seed(SEED)(run(given(operation.as_strategy(generation_mode=mode))(attempt)))()
        tried.add(operation.path)
    assert len(tried) >= len(credentials) - 1


def _trier(authorization: str) -> Callable[[Any], None]:
    def attempt(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": authorization}, checks=CHECKS)

    return attempt
