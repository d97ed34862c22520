"""From seeded fleets to requests that are ready to be sent, to our server and to the ordinary one."""

from collections.abc import Sequence

from benchmarks.loads import EnrolledAgent, Upload, enrol
from benchmarks.make_sessions import (
    AgentBatch,
    Fleet,
    compress,
    encode,
    fleet_of,
)
from benchmarks.servers import TOKEN, Account, Server
from msgspec import Struct

from hopsight.model.times import format_utc

UPLOAD_PATH = "/agent/v1/upload"
SESSIONS_PATH = "/v6/endpoint-data/user-sessions/network"
ORDINARY_PATH = "/network-sessions"
ORDINARY_BULK_PATH = "/network-sessions/bulk"


class Enrolled(Struct, frozen=True):
    """A fleet that a server knows."""

    fleet: Fleet
    agents: list[EnrolledAgent]


def enrol_fleet(server: Server, account: Account, *, agents: int, records: int, seed: int) -> Enrolled:
    """Enrol ``agents`` whose last 24 hours are about ``records`` records."""
    enrolled = enrol(server, account, agents, seed)
    ids = tuple(agent.agent_id for agent in enrolled)
    return Enrolled(fleet_of(account.aid, ids, records, seed), enrolled)


def compressed_upload(enrolled: Enrolled, made: AgentBatch) -> Upload:
    """A request as agents send it."""
    return _upload(enrolled, made, compress(encode(made.batch)), {"Content-Encoding": "zstd"})


def compressed_uploads(enrolled: Enrolled, made: Sequence[AgentBatch]) -> list[Upload]:
    """Requests as agents send them."""
    return [compressed_upload(enrolled, item) for item in made]


def plain_uploads(enrolled: Enrolled, made: Sequence[AgentBatch]) -> list[Upload]:
    """The same, uncompressed."""
    return [_upload(enrolled, item, encode(item.batch), {}) for item in made]


def ordinary_uploads(made: Sequence[AgentBatch]) -> list[Upload]:
    """The same records as the ordinary server takes them."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    return [Upload(headers, encode(item.batch), len(item.batch.network_sessions)) for item in made]


def _upload(enrolled: Enrolled, item: AgentBatch, body: bytes, encoding: dict[str, str]) -> Upload:
    authorization = enrolled.agents[item.agent].authorization
    headers = {"Content-Type": "application/json", "Authorization": authorization, **encoding}
    return Upload(headers, body, len(item.batch.network_sessions))


def time_range(first_round: int, last_round: int) -> str:
    """``from=...&to=...``."""
    first, last = (format_utc(moment).replace(" ", "T") for moment in (first_round, last_round))
    return f"from={first}&to={last}"
