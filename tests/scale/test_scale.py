"""A whole installation, small: what was acknowledged survives the loss of a server and of a replica."""

from collections.abc import Callable

import pytest
from tests.scale.installation import Installation
from tests.scale.report import as_json, table
from tests.scale.run import Plan, run

pytestmark = pytest.mark.anyio


async def test_nothing_acknowledged_is_lost(require: Callable[[bool, str], None]) -> None:
    """Servers and replicas are killed under uploads and readers: all that was acknowledged is found, once."""
    missing = Installation.missing()
    require(not missing, f"not installed: {'; '.join(missing)}")
    plan = Plan(
        agents=20,
        every_s=3.0,
        servers=2,
        down_s=4.0,
        frozen_s=4.0,
        calm_s=8.0,
        faults=("server-killed", "replica-killed"),
    )
    told: list[str] = []
    outcome = await run(plan, told.append)
    assert outcome.is_whole, (outcome, told)
    assert outcome.acknowledged > 500
    assert outcome.walks > 0
    assert {phase.name: phase.pages > 0 for phase in outcome.phases} == {
        "calm": True,
        "server-killed": True,
        "replica-killed": True,
    }
    # Readers of the cluster lose nothing when one replica of a shard goes.
    assert outcome.phases[-1].pages_failed == 0
    assert f"Acknowledged: {outcome.acknowledged}; found: {outcome.acknowledged}; twice: 0" in table(outcome)
    assert as_json(outcome)["acknowledged"] == outcome.acknowledged
