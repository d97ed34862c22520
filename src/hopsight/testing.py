"""Fakes for the doors, and sample records: for our tests and for those of our users."""

import asyncio
import random

import msgspec

from hopsight.model.dimensions import Dimensions
from hopsight.model.har import (
    Browser,
    Har,
    HarContent,
    HarEntry,
    HarLog,
    HarPage,
    HarRequest,
    HarResponse,
    HarTimings,
    NameValue,
    PageTimings,
)
from hopsight.model.ids import new_session_id
from hopsight.model.network_documents import (
    Connect,
    NetworkProfileDocument,
    PathHop,
    Ping,
    Segment,
    Traceroute,
    Verdict,
    VerdictResult,
)
from hopsight.model.query import Record
from hopsight.model.sessions import Destination, ProbedNetworkSession
from hopsight.model.states import AgentState, StateName
from hopsight.model.system import BytesSummary, FractionSummary, SystemMetrics
from hopsight.model.times import format_utc
from hopsight.model.topology import (
    TOPOLOGY_ROUND_S,
    NetworkProbe,
    NetworkProbeDetail,
    TargetKind,
    network_probe_id,
)
from hopsight.model.upload import (
    AgentStateRecord,
    NetworkProbeRecord,
    UserSessionRecord,
    WebSessionRecord,
)
from hopsight.model.user_sessions import (
    PassiveTraffic,
    SessionDetail,
    SessionNetwork,
    UserSession,
    site_protocol,
)
from hopsight.model.web_sessions import WebPageDetail, WebSession

AGENT_ID = "3fde6422-f119-40e1-ae32-d08a1243c038"
ROUND_ID = 1_490_529_480


class FakeClock:
    """A clock that moves when told to, or when somebody sleeps on it."""

    def __init__(self, now_s: float = float(ROUND_ID)) -> None:
        self.now_s = now_s
        self.monotonic_s = 1_000.0
        self.boottime_s = 1_000.0

    def now(self) -> float:
        """Wall-clock time, seconds since the epoch."""
        return self.now_s

    def monotonic(self) -> float:
        """Seconds that stand still while the machine sleeps."""
        return self.monotonic_s

    def boottime(self) -> float:
        """Seconds that go on while the machine sleeps."""
        return self.boottime_s

    async def sleep(self, duration_s: float) -> None:
        """Move on at once, and let others run."""
        self.advance(max(0.0, duration_s))
        await asyncio.sleep(0)

    def advance(self, duration_s: float) -> None:
        """Let time pass: on all three clocks."""
        self.now_s += duration_s
        self.monotonic_s += duration_s
        self.boottime_s += duration_s

    def step(self, by_s: float) -> None:
        """Set the wall clock forward or back, as an administrator or NTP does."""
        self.now_s += by_s

    def suspend(self, duration_s: float) -> None:
        """Let the machine sleep: wall and boot time go on, monotonic time stands still."""
        self.now_s += duration_s
        self.boottime_s += duration_s


def sample_session(
    rng: random.Random,
    *,
    aid: int = 7625,
    round_id: int = ROUND_ID,
    agent_id: str = AGENT_ID,
    target: str = "192.0.2.10",
) -> ProbedNetworkSession:
    """A network session with every field, as random as ``rng``."""
    rtts_ms = sorted(rng.uniform(5, 80) for _ in range(10))
    average_ms = sum(rtts_ms) / len(rtts_ms)
    deviation_ms = (sum((rtt - average_ms) ** 2 for rtt in rtts_ms) / len(rtts_ms)) ** 0.5
    started_s = round_id + rng.uniform(0, 40)
    cpu = sorted(rng.random() for _ in range(10))
    memory = sorted(float(rng.randrange(4 << 30, 12 << 30)) for _ in range(11))
    return ProbedNetworkSession(
        user_session_id=str(new_session_id(aid, round_id, rng)),
        agent_id=agent_id,
        round_id=round_id,
        date=format_utc(started_s),
        destination=Destination(
            target=target,
            loss_percent=rng.choice([0.0, 0.0, 0.0, 10.0, 100 / 3]),
            latency_ms=round(average_ms),
            jitter_ms=round(deviation_ms),
            avg_rtt_ms=average_ms,
            max_rtt_ms=rtts_ms[-1],
            mean_dev_rtt_ms=deviation_ms,
        ),
        system_metrics=SystemMetrics(
            start_time_ms=int(started_s * 1000),
            end_time_ms=int(started_s * 1000) + 10_000,
            cpu_utilization=FractionSummary(
                min=cpu[0], max=cpu[-1], mean=cpu[4], median=cpu[5], std_dev=0.05, count=len(cpu)
            ),
            physical_memory_used_bytes=BytesSummary(
                min=memory[0],
                max=memory[-1],
                mean=memory[5],
                median=memory[5],
                std_dev=1.5,
                count=len(memory),
            ),
            physical_memory_total_bytes=16 << 30,
        ),
    )


def sample_user_session_record(
    rng: random.Random,
    *,
    aid: int = 7625,
    round_id: int = ROUND_ID,
    agent_id: str = AGENT_ID,
    visited_site: str = "app.example.com",
    verdict: VerdictResult | None = "healthy",
    passive: bool = False,
) -> UserSessionRecord:
    """A user session with its detail, as agents send it.

    Args:
        rng: what is not given is as random as this.
        aid: account group, in the ID.
        round_id: the round, in the ID.
        agent_id: who measured.
        visited_site: what.
        verdict: the result; None: there is none.
        passive: it was watched, not probed: no probes, no verdict.
    """
    return UserSessionRecord(
        document=UserSession(
            user_session_id=str(new_session_id(aid, round_id, rng)),
            agent_id=agent_id,
            round_id=round_id,
            date=format_utc(round_id + rng.uniform(0, 40)),
            visited_site=visited_site,
            number_of_pages=0,
            protocol=site_protocol(443),
            port=443,
        ),
        detail=_passive_detail(rng) if passive else _probed_detail(rng, verdict),
        context=0,
        destination_ip="192.0.2.10",
    )


def sample_web_session_record(
    rng: random.Random, *, aid: int = 7625, round_id: int = ROUND_ID, agent_id: str = AGENT_ID
) -> WebSessionRecord:
    """A page with its archive, as agents send it."""
    page = HarPage(
        id="page_0",
        title="A page",
        started_date_time="2017-03-22T11:58:54.123Z",
        response_code=200,
        page_timings=PageTimings(on_content_load=321.5),
    )
    headers = (NameValue(name="Content-Type", value="text/html"),)
    entry = HarEntry(
        pageref="page_0",
        started_date_time=page.started_date_time,
        time=321.5,
        request=HarRequest(method="GET", url="https://app.example.com/", headers=headers, query_string=()),
        response=HarResponse(
            status=200,
            status_text="OK",
            headers=headers,
            content=HarContent(size=10, mime_type="text/html"),
            redirect_url="",
        ),
        timings=HarTimings(send=0.5, wait=300.0, receive=21.0),
        server_ip_address="192.0.2.10",
    )
    log = HarLog(version="1.2", creator=Browser(name="sample"), pages=(page,), entries=(entry,))
    return WebSessionRecord(
        document=WebSession(
            user_session_id=str(new_session_id(aid, round_id, rng)),
            page_id="page_0",
            agent_id=agent_id,
            round_id=round_id,
            date=format_utc(round_id + rng.uniform(0, 40)),
            page_url="https://app.example.com/",
            page_title="A page",
            response_code=200,
            response_time=300.0,
            page_timings=page.page_timings,
        ),
        detail=WebPageDetail(har=Har(log=log)),
        context=0,
        visited_site="app.example.com",
        destination_ip="192.0.2.10",
    )


def _probed_detail(rng: random.Random, verdict: VerdictResult | None) -> SessionDetail:
    profile = NetworkProfileDocument(
        interface_name="eth0", ip_address="10.0.0.7", gateway="10.0.0.1", dns_servers=("10.0.0.53",)
    )
    hops = (
        PathHop(hop=1, delay_ms=1, rtt_ms=0.6, ip_address="10.0.0.1", name="10.0.0.1"),
        PathHop(hop=2),
        PathHop(hop=3, delay_ms=12, rtt_ms=12.4, ip_address="192.0.2.10", name="app.example.com"),
    )
    return SessionDetail(
        network=SessionNetwork(
            network_profile=profile,
            gateway_ping=_sample_ping(rng, 1),
            ping=_sample_ping(rng, 40),
            traceroute=Traceroute(destination="192.0.2.10", hops=hops),
            connect=Connect(rtt_ms=12.9),
        ),
        segments=(
            Segment(name="lan", state="good", target="10.0.0.1", ping=_sample_ping(rng, 1)),
            Segment(name="destination", state="good", target="192.0.2.10"),
        ),
        verdict=verdict and Verdict(result=verdict, rules=1, summary="A sample."),
        probe="sample",
    )


def _passive_detail(rng: random.Random) -> SessionDetail:
    traffic = PassiveTraffic(
        connections=3, failed=0, min_rtt_ms=rng.uniform(5, 20), smoothed_rtt_ms=25.0, retransmits=1
    )
    return SessionDetail(network=SessionNetwork(), passive=traffic, flags=("passive",))


def _sample_ping(rng: random.Random, base_ms: float) -> Ping:
    average_ms = base_ms + rng.uniform(0, base_ms)
    return Ping(
        pkts_sent=10,
        pkts_received=10,
        min_rtt_ms=base_ms,
        avg_rtt_ms=average_ms,
        max_rtt_ms=3 * base_ms,
        mean_dev_rtt_ms=0.3 * base_ms,
    )


def sample_network_probe_record(
    rng: random.Random,
    *,
    aid: int = 7625,
    round_id: int = ROUND_ID - ROUND_ID % TOPOLOGY_ROUND_S,
    agent_id: str = AGENT_ID,
    target_kind: TargetKind = "gateway",
    network_id: str = "0123456789ab",
) -> NetworkProbeRecord:
    """A probe of a gateway, proxy or VPN endpoint, as agents send it; numbers as random as ``rng``."""
    return NetworkProbeRecord(
        document=NetworkProbe(
            network_probe_id=network_probe_id(aid, network_id, round_id, agent_id, target_kind),
            agent_id=agent_id,
            round_id=round_id,
            date=format_utc(round_id + rng.uniform(0, 200)),
            target="10.0.0.1",
            icmp_ping=_sample_ping(rng, 1),
        ),
        detail=NetworkProbeDetail(
            network_profile=NetworkProfileDocument(interface_name="eth0", gateway="10.0.0.1"),
            target_kind=target_kind,
        ),
        context=0,
    )


def sample_agent_state_record(
    rng: random.Random,
    *,
    aid: int = 7625,
    round_id: int = ROUND_ID,
    agent_id: str = AGENT_ID,
    state: StateName = "asleep",
    length_s: float = 600.0,
) -> AgentStateRecord:
    """A span without measurements that began in a round, as agents send it."""
    start_ms = round_id * 1_000 + rng.randrange(60_000)
    return AgentStateRecord(
        document=AgentState(
            state_id=str(new_session_id(aid, round_id, rng)),
            agent_id=agent_id,
            round_id=round_id,
            date=format_utc(start_ms // 1_000),
            state=state,
            start_ms=start_ms,
            end_ms=start_ms + int(length_s * 1_000),
        ),
        context=0,
    )


def sample_record(
    rng: random.Random,
    *,
    aid: int = 7625,
    round_id: int = ROUND_ID,
    dimensions: Dimensions | None = None,
) -> Record:
    """A network session as a store keeps it."""
    session = sample_session(rng, aid=aid, round_id=round_id)
    known = dimensions or Dimensions(agent_id=AGENT_ID, destination_ip=session.destination.target)
    return Record(
        aid=aid,
        round_id=round_id,
        record_id=session.user_session_id,
        dimensions=known,
        loss_percent=session.destination.loss_percent,
        latency_ms=session.destination.avg_rtt_ms,
        jitter_ms=session.destination.mean_dev_rtt_ms,
        body=msgspec.json.encode(session),
    )
