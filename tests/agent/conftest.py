"""A server that keeps the contract of ``model.upload`` and fails on demand; sample records."""

import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
import zstandard
from aiohttp import web
from aiohttp.test_utils import TestServer

from hopsight.agent.delivery.client import Credentials, ServerClient
from hopsight.agent.delivery.spool import Spool
from hopsight.model.agents import AgentInfo, Target
from hopsight.model.connection import ConnectionString, format_connection_string
from hopsight.model.dimensions import (
    AGENT_STATES,
    NETWORK_PROBES,
    NETWORK_SESSIONS,
    USER_SESSIONS,
    WEB_SESSIONS,
)
from hopsight.model.ids import new_session_id
from hopsight.model.states import AgentState
from hopsight.model.times import format_utc
from hopsight.model.topology import NetworkProbe, NetworkProbeDetail, network_probe_id
from hopsight.model.upload import (
    AgentConfiguration,
    AgentStateRecord,
    AgentUsage,
    Enrolment,
    EnrolmentAnswer,
    MeasurementContext,
    NetworkProbeRecord,
    NetworkSessionRecord,
    Refusal,
    UploadAnswer,
    UploadBatch,
    UserSessionRecord,
)
from hopsight.model.user_sessions import SessionDetail, SessionNetwork, UserSession
from hopsight.testing import AGENT_ID, FakeClock, sample_session

KEY = "k" * 32
AID = 7625
NOW_S = 1_760_000_000.0
CREDENTIALS = Credentials(AGENT_ID, "s" * 43)


class FakeServer:
    """Stores IDs, counts how often each came, and does wrong what it is told to."""

    def __init__(self) -> None:
        self.enrolled: dict[str, tuple[str, str]] = {}
        self.seen: Counter[str] = Counter()
        self.stored: set[str] = set()
        self.by_kind: dict[str, dict[str, Any]] = {}
        self.usages: list[AgentUsage] = []
        self.public_address: str | None = None
        self.contexts: list[MeasurementContext] = []
        self.infos: list[AgentInfo] = []
        self.sizes: list[int] = []
        self.failures: list[web.Response] = []
        self.lose_answers = 0
        self.most_records = 10_000
        self.reject: Callable[[UploadBatch], int | None] = lambda _: None
        self.refuse: Callable[[str], bool] = lambda _: False
        self.configuration = AgentConfiguration(targets=(Target(host="127.0.0.1"),))
        self.etags: list[str | None] = []
        self.url = ""

    def application(self) -> web.Application:
        """The three resources."""
        application = web.Application(client_max_size=8 << 20)
        application.router.add_post("/agent/v1/enrol", self._enrol)
        application.router.add_get("/agent/v1/configuration", self._configuration)
        application.router.add_post("/agent/v1/upload", self._upload)
        return application

    def connection_string(self, key: str = KEY) -> str:
        """What an agent needs to come here."""
        return format_connection_string(ConnectionString(url=self.url, key=key))

    async def _enrol(self, request: web.Request) -> web.Response:
        if self.failures:
            return self.failures.pop(0)
        enrolment = msgspec.json.decode(await _body(request), type=Enrolment)
        if not request.headers["Authorization"].startswith("Bearer k"):
            return failed(401, "unknown key")
        known = self.enrolled.setdefault(
            enrolment.enrolment_id,
            (str(uuid.uuid5(uuid.NAMESPACE_URL, enrolment.enrolment_id)), enrolment.secret),
        )
        return answered(EnrolmentAnswer(agent_id=known[0], aid=AID))

    async def _configuration(self, request: web.Request) -> web.Response:
        if self.failures:
            return self.failures.pop(0)
        tag = f'"{hash(self.configuration)}"'
        self.etags.append(request.headers.get("If-None-Match"))
        if self.etags[-1] == tag:
            return web.Response(status=304, headers={"ETag": tag})
        return answered(self.configuration, {"ETag": tag})

    async def _upload(self, request: web.Request) -> web.Response:
        if self.failures:
            return self.failures.pop(0)
        batch = msgspec.json.decode(await _body(request), type=UploadBatch)
        self.sizes.append(len(batch.network_sessions))
        if len(batch.network_sessions) > self.most_records:
            return failed(413, "too large")
        status = self.reject(batch)
        if status is not None:
            return failed(status, "rejected")
        answer = self._store(batch)
        if self.lose_answers:
            self.lose_answers -= 1
            assert request.transport is not None
            request.transport.close()
        return answered(answer)

    def _store(self, batch: UploadBatch) -> UploadAnswer:
        refused: list[Refusal] = []
        taken: list[str] = []
        for kind, records in lists_of(batch).items():
            for index, (name, record) in enumerate(records):
                if self.refuse(name):
                    refused.append(Refusal(kind=kind, index=index, reason="no good"))
                    continue
                if kind == NETWORK_SESSIONS:
                    taken.append(name)
                self.by_kind.setdefault(kind, {}).setdefault(name, record)
        fresh = set(taken) - self.stored
        self.seen.update(taken)
        self.stored |= fresh
        self.contexts += [batch.contexts[record.context] for record in batch.network_sessions]
        self.usages += [batch.usage] if batch.usage is not None else []
        if batch.agent is not None:
            self.infos.append(batch.agent)
        return UploadAnswer(
            stored=len(fresh),
            duplicates=len(taken) - len(fresh),
            refused=refused,
            public_address=self.public_address,
        )


def lists_of(batch: UploadBatch) -> dict[str, list[tuple[str, Any]]]:
    """Kind -> ID and record of everything in a batch."""
    return {
        NETWORK_SESSIONS: [(record.document.user_session_id, record) for record in batch.network_sessions],
        USER_SESSIONS: [(record.document.user_session_id, record) for record in batch.user_sessions],
        NETWORK_PROBES: [(record.document.network_probe_id, record) for record in batch.network_probes],
        WEB_SESSIONS: [(record.document.user_session_id, record) for record in batch.web_sessions],
        AGENT_STATES: [(record.document.state_id, record) for record in batch.agent_states],
    }


async def _body(request: web.Request) -> bytes:
    assert request.headers["Content-Encoding"] == "zstd"
    return zstandard.ZstdDecompressor().decompress(await request.read(), max_output_size=64 << 20)


def answered(document: object, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=msgspec.json.encode(document), content_type="application/json", headers=headers)


def failed(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    body = msgspec.json.encode({"errorMessage": message})
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


@pytest.fixture(autouse=True)
def _silent() -> None:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW_S)


@pytest.fixture
def make_failure() -> Callable[..., web.Response]:
    return failed


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    fake = FakeServer()
    running = TestServer(fake.application(), host="127.0.0.1")
    # Where aiohttp cannot decompress zstd by itself it would refuse the request.
    await running.start_server(auto_decompress=False, shutdown_timeout=0.1)
    fake.url = str(running.make_url("")).rstrip("/")
    yield fake
    await running.close()


@pytest.fixture
async def client(server: FakeServer) -> AsyncIterator[ServerClient]:
    async with ServerClient(server.url, timeout_s=5) as opened:
        yield opened


@pytest.fixture
def make_records() -> Callable[..., list[NetworkSessionRecord]]:
    """So many records, different for each seed."""

    def make(count: int, seed: int = 1) -> list[NetworkSessionRecord]:
        rng = random.Random(seed)
        return [
            NetworkSessionRecord(
                document=sample_session(rng, aid=AID, round_id=int(NOW_S) // 60 * 60),
                context=0,
                visited_site="site",
            )
            for _ in range(count)
        ]

    return make


@pytest.fixture
def make_each_kind() -> Callable[..., list[Any]]:
    """One record of each kind, different for each seed; the user session has so many bytes of detail."""

    def make(seed: int = 1, detail_bytes: int = 0) -> list[Any]:
        rng = random.Random(seed)
        round_id = int(NOW_S) // 300 * 300
        session_id = str(new_session_id(AID, round_id, rng))
        common: dict[str, Any] = {"agent_id": AGENT_ID, "round_id": round_id, "date": format_utc(round_id)}
        padding = tuple("x" * 250 for _ in range(detail_bytes // 253))
        return [
            NetworkSessionRecord(document=sample_session(rng, aid=AID, round_id=round_id), context=0),
            UserSessionRecord(
                document=UserSession(
                    user_session_id=session_id, visited_site="site", number_of_pages=0, **common
                ),
                detail=SessionDetail(network=SessionNetwork(errors=padding)),
                context=0,
            ),
            NetworkProbeRecord(
                document=NetworkProbe(
                    network_probe_id=network_probe_id(
                        AID, f"{seed:012x}", round_id, AGENT_ID, target_kind="gateway"
                    ),
                    target="192.0.2.1",
                    **common,
                ),
                detail=NetworkProbeDetail(),
                context=0,
            ),
            AgentStateRecord(
                document=AgentState(
                    state_id=session_id,
                    state="asleep",
                    start_ms=round_id * 1000,
                    end_ms=round_id * 1000 + 5,
                    **common,
                ),
                context=0,
            ),
        ]

    return make


@pytest.fixture
def spool(tmp_path: Path, clock: FakeClock) -> object:
    opened = Spool(tmp_path, clock, max_bytes=8 << 20, max_age_s=86_400)
    yield opened
    opened.close()
