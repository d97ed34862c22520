"""The alerts of the demo come out of the real engine, over the simulated faults; and nobody is told."""

import asyncio
import random
from collections.abc import Callable
from typing import Any, cast

import pytest
from msgspec import structs
from tests.server.conftest import make_server, server
from tests.server.web.conftest import port, running

from hopsight.accounts.audit import CONSOLE
from hopsight.cli.demo_alerts import LOOK_BACK_S, DemoAlerts
from hopsight.clock import SystemClock
from hopsight.model.alerts import Webhook
from hopsight.model.connection import ConnectionString
from hopsight.server.alerts.doors import doors_of
from hopsight.server.alerts.job import keep_watch
from hopsight.server.alerts.messages import NotTakenError
from hopsight.server.alerts.trial import try_recipients
from hopsight.server.places.atlas import Atlas
from hopsight.simulation.alerts import example_rules, example_window
from hopsight.simulation.conditions import OUTAGE_BLOCK_S, outage_in
from hopsight.simulation.run import Plan, simulate
from hopsight.simulation.sessions import rounds_until
from hopsight.simulation.world import SITES
from hopsight.testing import ROUND_ID

__all__ = ["make_server", "port", "running", "server"]

pytestmark = pytest.mark.anyio

AGENTS, SEED, HOURS = 20, 1, 9.0
# A Monday afternoon in Europe, an hour in which offices on both sides of the Atlantic work.
END_S = ROUND_ID // 86_400 * 86_400 + 86_400 + 15 * 3_600


@pytest.fixture
async def fleet(server: Any, port: int) -> Any:
    """A server with the history of a simulated fleet."""
    server.clock.advance(END_S - server.clock.now())
    key = server.accounts.create_group_key(server.aid)
    connection = ConnectionString(url=f"http://127.0.0.1:{port}", key=key)
    plan = Plan(connection=connection, agents=AGENTS, hours=HOURS, seed=SEED, end_s=END_S)
    sent = await simulate(plan, server.clock, random.Random(1), lambda _: None)
    assert sent.refused == 0
    return server


def alerts_of(server: Any) -> DemoAlerts:
    """The demo's, as after a start."""
    return DemoAlerts(server.accounts, server.store, server.aid)


async def test_the_history_holds_incidents_and_what_maintenance_kept_out_of_them(fleet: Any) -> None:
    """Rules find simulated faults and resolve what is over; the outage in the window is in no incident."""
    rounds = rounds_until(END_S, HOURS)
    alerts = alerts_of(fleet)
    alerts.begin(AGENTS, SEED, rounds[0], rounds[-1])
    assert await alerts.look_at(rounds[0], rounds[-1]) == len(rounds)
    found = fleet.accounts.alerts.incidents.listing(fleet.aid)
    assert any(each.resolved_s is not None for each in found)
    assert any(each.resolved_s is None for each in found)
    (window,) = fleet.accounts.alerts.rules.windows(fleet.aid)
    suppressed = fleet.accounts.alerts.rules.suppressed_by(window.window_id)
    unanswered = {each.agent_id for each in suppressed if each.rule_name == "Sites that do not answer"}
    assert len(unanswered) >= 3
    inside = [each for each in found if window.window.covers(each.opened_s) and each.rule.metric == "loss"]
    assert inside == []


async def test_it_goes_on_where_it_was_and_leaves_rules_as_somebody_left_them(fleet: Any) -> None:
    """After a restart no round is looked at twice, and no example that was deleted comes back."""
    rounds = rounds_until(END_S, HOURS)
    alerts = alerts_of(fleet)
    alerts.begin(AGENTS, SEED, rounds[0], rounds[-1])
    assert await alerts.look_at(rounds[0], rounds[20]) == 21
    rules = fleet.accounts.alerts.rules
    for each in rules.listing(fleet.aid):
        rules.remove(fleet.aid, each.rule_id)
    again = alerts_of(fleet)
    again.begin(AGENTS, SEED, rounds[0], rounds[-1])
    assert rules.listing(fleet.aid) == []
    rules.add(fleet.aid, example_rules(AGENTS)[0])
    assert await again.look_at(rounds[0], rounds[25]) == 5
    assert await again.look_at(rounds[0], rounds[25]) == 0


@pytest.mark.parametrize("seed", range(20))
def test_the_window_is_around_an_outage_that_is_over(seed: int) -> None:
    """Within twelve hours there is one; it holds the outage whole, and is about the sites that failed."""
    window = example_window(seed, END_S - LOOK_BACK_S, END_S)
    assert window is not None
    outages = [outage_in(seed, at_s) for at_s in range(END_S - LOOK_BACK_S, END_S + 1, OUTAGE_BLOCK_S)]
    held = [each for each in outages if window.start_s <= each.start_s and each.end_s <= window.end_s]
    assert [(each.start_s >= END_S - LOOK_BACK_S, each.end_s <= END_S) for each in held] == [(True, True)]
    providers = {site.provider for site in SITES if site.host in window.filters[0].values}
    assert providers == {held[0].provider}


def test_a_history_without_an_outage_has_no_window() -> None:
    """Maintenance of nothing is not planned."""
    assert example_window(SEED, END_S - 60, END_S) is None


async def test_where_data_is_simulated_nobody_is_told(make_server: Callable[..., Any]) -> None:
    """Neither by webhook, mail nor chat, also when somebody asks for a test message."""
    server = make_server(simulated=True, local_webhooks=True)
    hook = Webhook(url="http://127.0.0.1:9/hook", secret="12345678")
    rule = structs.replace(example_rules(AGENTS)[0], webhooks=(hook,))
    rule_id = server.accounts.alerts.rules.add(server.aid, rule)
    (outcome,) = await try_recipients(server.app.services, server.aid, rule_id, CONSOLE)
    assert (outcome.told, outcome.reason) == (False, "data is simulated here, and nobody is told of it")
    doors = doors_of(server.config, server.clock)
    for door in (
        doors.post("http://127.0.0.1:9/", b"", {}),
        doors.chat("ntfy://127.0.0.1/x", cast(Any, None)),
    ):
        with pytest.raises(NotTakenError, match="simulated"):
            await door


@pytest.mark.parametrize("simulated", [False, True])
async def test_rounds_of_simulated_data_are_due_when_the_demo_says_so(
    make_server: Callable[..., Any], *, simulated: bool
) -> None:
    """A server looks at rounds as time passes, but not where data is simulated."""
    server = make_server(simulated=simulated)
    server.accounts.alerts.rules.add(server.aid, example_rules(AGENTS)[0])
    watching = asyncio.create_task(
        keep_watch(
            server.store,
            server.accounts,
            SystemClock(),
            random.Random(1),
            server.config,
            "http://127.0.0.1",
            Atlas(),
        )
    )
    done, _ = await asyncio.wait({watching}, timeout=0.5)
    assert done == set()
    watching.cancel()
    await asyncio.wait({watching})
    assert (server.accounts.alerts.incidents.progress(server.aid) is None) == simulated
