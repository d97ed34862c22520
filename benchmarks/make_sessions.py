"""Seeded fleets: the same records for every server that a bench compares.

An agent measures a few sites once a minute, and uploads 500 records at a time, as ours do; uploads of the
whole fleet arrive in order of time, agents in random order. Numbers are drawn per record from a pool that is
larger than a batch, so that a batch compresses as a real one does.
"""

import random
import uuid
from collections.abc import Iterator

import msgspec
import zstandard
from msgspec import Struct

from hopsight.clock import SystemClock
from hopsight.model.agents import AgentInfo
from hopsight.model.ids import SESSION_ROUND_S, new_session_id, round_of
from hopsight.model.sessions import ProbedNetworkSession
from hopsight.model.times import format_utc
from hopsight.model.upload import BATCH_RECORDS, MeasurementContext, NetworkSessionRecord, UploadBatch
from hopsight.testing import sample_session

POOL_SESSIONS = 200
ZSTD_LEVEL = 3
DAY_ROUNDS = 86_400 // SESSION_ROUND_S


class Fleet(Struct, frozen=True, kw_only=True):
    """What is measured, by how many, for how long.

    Args:
        aid: account group.
        agent_ids: as the server gave them out.
        targets: sites that each agent measures, each once a round.
        first_round: epoch seconds.
        rounds: how many.
        seed: of everything random.
    """

    aid: int
    agent_ids: tuple[str, ...]
    targets: int
    first_round: int
    rounds: int
    seed: int = 1

    @property
    def last_round(self) -> int:
        """Epoch seconds."""
        return self.first_round + (self.rounds - 1) * SESSION_ROUND_S


class AgentBatch(Struct, frozen=True):
    """A batch and who uploads it: an index into the fleet's agents."""

    agent: int
    batch: UploadBatch


def day_ending_now() -> int:
    """The first round of the last 24 hours."""
    return round_of(SystemClock().now()) - DAY_ROUNDS * SESSION_ROUND_S


def fleet_of(aid: int, agent_ids: tuple[str, ...], records: int, seed: int) -> Fleet:
    """A fleet whose last 24 hours are about ``records`` records (never fewer)."""
    targets = -(-records // (DAY_ROUNDS * len(agent_ids)))
    return Fleet(
        aid=aid,
        agent_ids=agent_ids,
        targets=targets,
        first_round=day_ending_now(),
        rounds=-(-records // (targets * len(agent_ids))),
        seed=seed,
    )


def agent_info(number: int) -> AgentInfo:
    """How agent ``number`` introduces itself."""
    return AgentInfo(
        computer_name=f"bench-{number:04d}",
        platform="Linux",
        os_version="Debian GNU/Linux 12 (bookworm)",
        kernel_version="6.1.0-18-amd64",
        version="0.1.0",
        agent_name=f"Benchmark {number:04d} (simulated)",
        total_memory_bytes=16 << 30,
    )


def batches(fleet: Fleet) -> Iterator[AgentBatch]:
    """All uploads of the fleet, oldest first."""
    rng = random.Random(fleet.seed)
    pools = [_pool(rng, target) for target in range(fleet.targets)]
    rounds_each = max(1, BATCH_RECORDS // fleet.targets)
    for start in range(0, fleet.rounds, rounds_each):
        rounds = range(start, min(start + rounds_each, fleet.rounds))
        for agent in rng.sample(range(len(fleet.agent_ids)), len(fleet.agent_ids)):
            yield AgentBatch(agent, _batch(rng, fleet, agent, rounds, pools))


def encode(batch: UploadBatch) -> bytes:
    """A batch as plain JSON."""
    return msgspec.json.encode(batch)


def compress(body: bytes) -> bytes:
    """As agents do it."""
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(body)


def _pool(rng: random.Random, target: int) -> list[ProbedNetworkSession]:
    return [sample_session(rng, target=_address(target)) for _ in range(POOL_SESSIONS)]


def _address(target: int) -> str:
    return f"198.51.100.{target % 250 + 1}"


def _batch(
    rng: random.Random, fleet: Fleet, agent: int, rounds: range, pools: list[list[ProbedNetworkSession]]
) -> UploadBatch:
    records = [
        NetworkSessionRecord(
            document=_session(rng, fleet, agent, fleet.first_round + number * SESSION_ROUND_S, pool),
            context=0,
            visited_site=f"site-{target}.example.com",
        )
        for number in rounds
        for target, pool in enumerate(pools)
    ]
    return UploadBatch(
        upload_id=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        contexts=[_context(rng, agent)],
        network_sessions=records,
    )


def _session(
    rng: random.Random, fleet: Fleet, agent: int, round_id: int, pool: list[ProbedNetworkSession]
) -> ProbedNetworkSession:
    sample = rng.choice(pool)
    started_ms = (round_id + 5) * 1000 + rng.randrange(40_000)
    metrics = sample.system_metrics
    return msgspec.structs.replace(
        sample,
        user_session_id=str(new_session_id(fleet.aid, round_id, rng)),
        agent_id=fleet.agent_ids[agent],
        round_id=round_id,
        date=format_utc(started_ms // 1000),
        system_metrics=metrics
        and msgspec.structs.replace(metrics, start_time_ms=started_ms, end_time_ms=started_ms + 10_000),
    )


def _context(rng: random.Random, agent: int) -> MeasurementContext:
    site = agent % 10
    if rng.random() < 0.7:
        return MeasurementContext(
            platform="Linux",
            connection="Wireless",
            location=f"Office {site}",
            gateway=f"10.{site}.0.1",
            ssid="office",
            bssid=f"02:00:00:00:{site:02x}:01",
        )
    return MeasurementContext(
        platform="Linux", connection="Ethernet", location=f"Office {site}", gateway=f"10.{site}.1.1"
    )
