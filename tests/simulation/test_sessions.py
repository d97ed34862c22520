"""Simulated records: valid, consistent, reproducible, and recognizable as simulated."""

import itertools
import math
import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from hopsight.model.ids import parse_session_id
from hopsight.model.upload import MAX_BATCH_RECORDS, Enrolment, NetworkSessionRecord, UploadBatch
from hopsight.simulation.conditions import OUTAGE_BLOCK_S, load_at, outage_in
from hopsight.simulation.fleet import agent_at, enrolment_of
from hopsight.simulation.pings import PROBES
from hopsight.simulation.run import batches
from hopsight.simulation.sessions import Sessions, rounds_until
from hopsight.simulation.world import SITES
from hopsight.testing import AGENT_ID

END_S = 1_760_000_000
SLACK = 1 + 1e-9


def history(seed: int, index: int, end_s: int, hours: float = 2) -> list[NetworkSessionRecord]:
    sessions = Sessions(seed, 7625).history(agent_at(seed, index), AGENT_ID, rounds_until(end_s, hours))
    return list(sessions)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(-(10**9), 10**9),
    index=st.integers(0, 99_999),
    end_s=st.integers(1_600_000_000, 2_000_000_000),
)
def test_every_record_is_valid_and_consistent(seed: int, index: int, end_s: int) -> None:
    """The model takes it, and its statistics are those that ten real probes can have."""
    for record in history(seed, index, end_s):
        assert msgspec.json.decode(msgspec.json.encode(record), type=NetworkSessionRecord) == record
        _check_destination(record)
        _check_system(record)
        parsed = parse_session_id(record.document.user_session_id)
        assert (parsed.aid, parsed.round_id) == (7625, record.document.round_id)
        assert record.document.round_id + 60 + 10 <= end_s + 60


def _check_destination(record: NetworkSessionRecord) -> None:
    found = record.document.destination
    assert found.loss_percent is not None
    received = PROBES - found.loss_percent / 10
    assert received == int(received)
    if received == 0:
        assert (found.avg_rtt_ms, found.latency_ms, found.jitter_ms) == (None, None, None)
        return
    assert found.avg_rtt_ms is not None
    assert found.max_rtt_ms is not None
    assert found.mean_dev_rtt_ms is not None
    assert found.latency_ms == math.floor(found.avg_rtt_ms + 0.5)
    assert found.jitter_ms == math.floor(found.mean_dev_rtt_ms + 0.5)
    reach_ms = found.max_rtt_ms - found.avg_rtt_ms
    furthest = math.sqrt(received - 1)
    assert reach_ms <= found.mean_dev_rtt_ms * furthest * SLACK + 1e-9
    assert reach_ms * max(furthest, 1) * SLACK + 1e-9 >= found.mean_dev_rtt_ms
    assert found.mean_dev_rtt_ms <= found.avg_rtt_ms


def _check_system(record: NetworkSessionRecord) -> None:
    system = record.document.system_metrics
    assert system is not None
    assert record.document.round_id * 1_000 <= system.start_time_ms < (record.document.round_id + 60) * 1_000
    assert system.end_time_ms - system.start_time_ms == 10_000
    for found in (system.cpu_utilization, system.physical_memory_used_bytes):
        assert found is not None
        assert 0 <= found.min <= found.median <= found.max
        assert found.min <= found.mean <= found.max
        assert abs(found.mean - found.median) <= found.std_dev * SLACK
        # Bhatia and Davis: no distribution between these bounds deviates by more.
        assert found.std_dev**2 <= (found.max - found.mean) * (found.mean - found.min) * SLACK
    assert system.cpu_utilization is not None
    assert system.cpu_utilization.max <= 1


def test_the_same_seed_and_end_make_the_same_bytes() -> None:
    """And another seed makes others."""
    first = msgspec.json.encode(history(1, 3, END_S, 24))
    assert msgspec.json.encode(history(1, 3, END_S, 24)) == first
    assert msgspec.json.encode(history(2, 3, END_S, 24)) != first


def test_overlapping_runs_make_the_same_records() -> None:
    """What happens in a round does not depend on when a run starts or ends."""
    index = next(number for number in range(100) if len(history(1, number, END_S, 4)) > 100)
    earlier = {record.document.user_session_id: record for record in history(1, index, END_S, 4)}
    later = {record.document.user_session_id: record for record in history(1, index, END_S + 3_600, 4)}
    shared = earlier.keys() & later.keys()
    assert len(shared) > 50
    assert all(earlier[name] == later[name] for name in shared)


def test_ids_are_unique_over_a_fleet() -> None:
    """Over agents, rounds and sites."""
    ids = [record.document.user_session_id for index in range(60) for record in history(5, index, END_S, 24)]
    assert len(ids) > 20_000
    assert len(set(ids)) == len(ids)


def test_a_fleet_has_what_filters_ask_for() -> None:
    """All platforms, both kinds of connection, VPN users, homes and offices, one bad access point."""
    fleet = [agent_at(1, index) for index in range(300)]
    assert {agent.context.platform for agent in fleet} == {"Mac", "Windows", "Linux"}
    assert {agent.context.connection for agent in fleet} == {"Ethernet", "Wireless"}
    assert {agent.context.vpn_target is not None for agent in fleet} == {True, False}
    assert len({agent.context.location for agent in fleet}) == 8
    bad = [agent for agent in fleet if agent.bad_air]
    assert bad
    assert len({agent.context.bssid for agent in bad}) == 1
    assert all((agent.context.ssid is None) == (agent.context.connection == "Ethernet") for agent in fleet)
    assert len(SITES) == 20


def test_a_bad_access_point_can_be_told() -> None:
    """Who sits under it loses more, and varies more, than the colleagues on the same Wi-Fi."""
    fleet = [agent_at(1, index) for index in range(200)]
    air = [a for a in fleet if a.context.ssid == "SIMULATED-Berlin"]
    loss: dict[bool, list[float]] = {True: [], False: []}
    jitter: dict[bool, list[float]] = {True: [], False: []}
    for agent in air:
        for record in history(1, agent.index, END_S, 24):
            found = record.document.destination
            if found.mean_dev_rtt_ms is not None and found.loss_percent is not None:
                loss[agent.bad_air].append(found.loss_percent)
                jitter[agent.bad_air].append(found.mean_dev_rtt_ms)
    mean = {name: sum(values[name]) / len(values[name]) for name in (True, False) for values in [loss]}
    assert mean[True] > 4 * mean[False]
    assert sum(jitter[True]) / len(jitter[True]) > 4 * sum(jitter[False]) / len(jitter[False])


def test_an_outage_takes_a_provider_for_a_while() -> None:
    """All of its sites, from everywhere, for 15 to 45 minutes of each four hours; then they are back."""
    outage = outage_in(1, END_S)
    assert 15 * 60 <= outage.end_s - outage.start_s <= 45 * 60
    assert outage.start_s // OUTAGE_BLOCK_S == END_S // OUTAGE_BLOCK_S == (outage.end_s - 1) // OUTAGE_BLOCK_S
    provider_of = {site.host: site.provider for site in SITES}
    lost = within = 0
    for index, record in itertools.chain.from_iterable(
        ((index, record) for record in history(1, index, outage.end_s + 3_600, 3)) for index in range(40)
    ):
        if provider_of[record.visited_site or ""] != outage.provider:
            continue
        if outage.start_s <= record.document.round_id < outage.end_s:
            within += 1
            assert record.document.destination.loss_percent == 100, index
        else:
            lost += record.document.destination.loss_percent == 100
    assert within > 0
    assert lost == 0


def test_lines_are_busiest_when_people_use_them() -> None:
    """Offices around noon, homes in the evening."""
    assert load_at(13, at_home=False) > 3 * load_at(4, at_home=False)
    assert load_at(20, at_home=True) > 3 * load_at(9, at_home=True)


def test_nobody_takes_it_for_real() -> None:
    """Agent, computer, user, place and network say what they are."""
    for index in range(100):
        agent = agent_at(9, index)
        told = [agent.info.agent_name, agent.info.computer_name, agent.context.location]
        assert agent.info.location is not None
        told += [agent.info.location.location_name, *agent.info.user_names, agent.context.ssid or "simulated"]
        assert all("simulated" in (text or "").lower() for text in told)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(), index=st.integers(0, 99_999))
def test_only_holders_of_the_key_can_be_a_simulated_agent(seed: int, index: int) -> None:
    """Enrolment ID and secret are made from it; the model takes both."""
    agent = agent_at(seed, index)
    enrolment = enrolment_of(agent, "k" * 32, seed)
    assert msgspec.json.decode(msgspec.json.encode(enrolment), type=Enrolment) == enrolment
    assert enrolment_of(agent, "k" * 32, seed) == enrolment
    other = enrolment_of(agent, "x" * 32, seed)
    assert other.enrolment_id != enrolment.enrolment_id
    assert other.secret != enrolment.secret


def test_batches_are_full_valid_and_the_first_introduces_the_agent() -> None:
    """500 records each but the last, made as they are taken."""
    agent = agent_at(1, next(n for n in range(100) if len(history(1, n, END_S, 24)) > 1_200))
    sessions = Sessions(1, 7625).history(agent, AGENT_ID, rounds_until(END_S, 24))
    made = list(batches(1, agent, sessions))
    assert [len(batch.network_sessions) for batch in made[:-1]] == [500] * (len(made) - 1)
    assert [batch.agent is not None for batch in made] == [True] + [False] * (len(made) - 1)
    assert len({batch.upload_id for batch in made}) == len(made)
    for batch in made:
        assert msgspec.json.decode(msgspec.json.encode(batch), type=UploadBatch) == batch
        assert len(batch.network_sessions) <= MAX_BATCH_RECORDS


def test_the_share_lost_is_the_share_asked_for() -> None:
    """The closed form loses what probes one by one would lose."""
    rng = random.Random(1)
    from hopsight.simulation.sessions import _lost  # noqa: PLC0415

    for loss in (0.0, 0.001, 0.05, 0.3, 0.9):
        lost = sum(_lost(rng.random(), loss) for _ in range(20_000)) / 20_000 / PROBES
        assert abs(lost - loss) < 0.005
