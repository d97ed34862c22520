"""Simulated details, probes and states: valid, true to what happened, the same whenever they are made."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopsight.model.network_documents import Ping
from hopsight.model.upload import (
    AgentStateRecord,
    NetworkProbeRecord,
    NetworkSessionRecord,
    UserSessionRecord,
)
from hopsight.server.checks import sender_of
from hopsight.server.ingest import check_batch
from hopsight.simulation.conditions import outage_in, works_at
from hopsight.simulation.details import Details
from hopsight.simulation.fleet import agent_at
from hopsight.simulation.pages import page_of
from hopsight.simulation.run import around_batches, batches
from hopsight.simulation.sessions import Sessions, rounds_until
from hopsight.simulation.surroundings import Surroundings
from hopsight.simulation.world import SITES
from hopsight.testing import AGENT_ID

AID = 7625
END_S = 1_760_000_000
SLACK = 1 + 1e-9


def pairs(seed: int, index: int, hours: float = 24) -> list[tuple[NetworkSessionRecord, UserSessionRecord]]:
    """An agent's sessions, as both kinds."""
    agent = agent_at(seed, index)
    details = Details(agent)
    sessions = Sessions(seed, AID).history(agent, AGENT_ID, rounds_until(END_S, hours))
    return [(record, details.user_session(record, page_of(record))) for record in sessions]


def around(seed: int, index: int, end_s: int = END_S, hours: float = 24) -> tuple[list[Any], list[Any]]:
    """An agent's network probes and states."""
    agent, made = agent_at(seed, index), Surroundings(seed, AID)
    rounds = rounds_until(end_s, hours)
    return list(made.probes(agent, AGENT_ID, rounds)), list(made.states(agent, AGENT_ID, rounds))


def check_ping(ping: Ping | None) -> None:
    """Ten real probes could have these numbers."""
    assert ping is not None
    assert (ping.pkts_sent, ping.error) == (10, None)
    if not ping.pkts_received:
        assert ping.avg_rtt_ms is None
        return
    low, mean, high, deviation = ping.min_rtt_ms, ping.avg_rtt_ms, ping.max_rtt_ms, ping.mean_dev_rtt_ms
    assert low is not None
    assert mean is not None
    assert high is not None
    assert deviation is not None
    assert 0 < low <= mean <= high
    # Bhatia and Davis: no distribution between these bounds deviates by more.
    assert deviation**2 <= (high - mean) * (mean - low) * SLACK + 1e-9


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(-(10**9), 10**9), index=st.integers(0, 99_999))
def test_a_user_session_says_the_same_as_its_network_session(seed: int, index: int) -> None:
    """One ID, one time, one site, the same loss and RTT; and the model takes it."""
    for network, user in pairs(seed, index, 2):
        assert msgspec.json.decode(msgspec.json.encode(user), type=UserSessionRecord) == user
        session, document, detail = network.document, user.document, user.detail
        assert document.user_session_id == session.user_session_id
        assert (document.round_id, document.date) == (session.round_id, session.date)
        assert (document.visited_site, user.destination_ip) == (
            network.visited_site,
            session.destination.target,
        )
        ping = detail.network.ping
        check_ping(ping)
        check_ping(detail.network.gateway_ping)
        assert ping is not None
        assert ping.avg_rtt_ms == session.destination.avg_rtt_ms
        assert session.destination.loss_percent == 10 * (10 - (ping.pkts_received or 0))
        assert detail.segments[-1].ping == ping


def test_verdicts_follow_from_what_happened() -> None:
    """An outage is the destination's fault, losses under the bad access point the local network's."""
    agents = range(200)
    bad = next(index for index in agents if agent_at(1, index).bad_air)
    provider_of = {site.host: site.provider for site in SITES}
    results = set()
    for index in (*range(40), bad):
        agent = agent_at(1, index)
        for network, user in pairs(1, index):
            verdict = user.detail.verdict
            assert verdict is not None
            assert "SIMULATED" in verdict.summary
            outage = outage_in(1, network.document.round_id)
            is_down = (
                provider_of[user.document.visited_site] == outage.provider
                and outage.start_s <= network.document.round_id < outage.end_s
            )
            loss = network.document.destination.loss_percent or 0
            if is_down:
                expected = "destination"
            elif loss > 10:
                expected = "lan" if agent.bad_air else "destination"
            else:
                expected = "no-verdict" if loss else "healthy"
            assert verdict.result == expected
            first = next((part.name for part in user.detail.segments if part.state != "good"), None)
            assert first == (verdict.result if verdict.evidence else None)
            results.add((verdict.result, agent.bad_air))
    assert results >= {("healthy", False), ("destination", False), ("no-verdict", False), ("lan", True)}


def test_network_probes_are_every_300_s_while_somebody_works() -> None:
    """Of the gateway, and of the VPN where there is one; none while the machine is off."""
    with_vpn = next(index for index in range(50) if agent_at(1, index).context.vpn_target)
    probes, _ = around(1, with_vpn)
    agent = agent_at(1, with_vpn)
    expected = [at for at in rounds_until(END_S, 24) if at % 300 == 0 and works_at(agent, at)]
    for kind in ("gateway", "vpn"):
        found = [probe for probe in probes if probe.detail.target_kind == kind]
        assert [probe.document.round_id for probe in found] == expected
    for probe in probes:
        check_ping(probe.document.icmp_ping)
        assert msgspec.json.decode(msgspec.json.encode(probe), type=NetworkProbeRecord) == probe


@pytest.mark.parametrize("index", range(12))
def test_states_are_the_time_without_sessions(index: int) -> None:
    """Within them nobody works and at their ends somebody does, or it is midnight; none overlaps another."""
    agent = agent_at(1, index)
    _, states = around(1, index, hours=24 * 7)
    spans = [(one.document.start_ms // 1_000, one.document.end_ms // 1_000) for one in states]
    for start_s, end_s in spans:
        assert start_s < end_s <= start_s + 86_400
        assert start_s // 86_400 == (end_s - 1) // 86_400
        assert not any(works_at(agent, at) for at in range(start_s, end_s, 60))
        assert works_at(agent, end_s) or end_s % 86_400 == 0
        assert works_at(agent, start_s - 60) or start_s % 86_400 == 0
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    if spans:
        # Between the first and the last of them no gap without a session is left out.
        covered = {at for start_s, end_s in spans for at in range(start_s, end_s, 60)}
        rounds = range(spans[0][0], spans[-1][1], 60)
        assert covered == {at for at in rounds if not works_at(agent, at)}
    assert bool(spans) == (agent.ends_h - agent.starts_h < 24)
    for one in states:
        assert msgspec.json.decode(msgspec.json.encode(one), type=AgentStateRecord) == one


def test_a_longer_history_holds_the_shorter_one() -> None:
    """Run again with the same seed, nothing is told otherwise."""
    for index in range(12):
        shorter, longer = around(3, index, hours=30), around(3, index, hours=72)
        for few, many in zip(shorter, longer, strict=True):
            known = {msgspec.json.encode(record) for record in many}
            assert {msgspec.json.encode(record) for record in few} <= known


def test_the_server_takes_all_of_it() -> None:
    """No record of a simulated agent is refused."""
    rounds = rounds_until(END_S, 24)
    sender = sender_of(AGENT_ID, AID, float(END_S), 90 * 86_400, "203.0.113.9")
    kinds: set[str] = set()
    for index in range(4):
        agent, more = agent_at(1, index), Surroundings(1, AID)
        sessions = batches(1, agent, Sessions(1, AID).history(agent, AGENT_ID, rounds))
        rest = around_batches(
            1, agent, more.probes(agent, AGENT_ID, rounds), more.states(agent, AGENT_ID, rounds)
        )
        for batch in itertools.chain(sessions, rest):
            checked = check_batch(msgspec.json.encode(batch), sender)
            assert checked.refused == []
            kinds |= checked.records.keys()
    assert kinds == {"network-sessions", "user-sessions", "web-sessions", "network-probes", "agent-states"}
