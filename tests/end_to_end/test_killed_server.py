"""What was acknowledged is kept, whatever happens to the server: real processes, killed while they work."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import msgspec
import zstandard

from hopsight.accounts.accounts import Accounts
from hopsight.clock import SystemClock
from hopsight.model.accounts import Role
from hopsight.model.agents import AgentInfo
from hopsight.model.dimensions import NETWORK_SESSIONS
from hopsight.model.ids import round_of
from hopsight.model.query import Query
from hopsight.model.upload import (
    Enrolment,
    MeasurementContext,
    NetworkSessionRecord,
    UploadAnswer,
    UploadBatch,
)
from hopsight.storage import open_store
from hopsight.testing import sample_session

KILLS = 20
SENDERS = 4
BATCH = 50
START_S = 15.0


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def serving(data: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server process that answers; killed at the end if it still runs."""
    command = [
        sys.executable,
        "-m",
        "hopsight",
        "server",
        "--data",
        str(data),
        "--listen",
        f"127.0.0.1:{port}",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOPSIGHT")}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        wait_until_it_answers(port)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def wait_until_it_answers(port: int) -> None:
    """Ask for its health until it says so."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
                assert answer.status == 200
                return
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.02)


def enrolled_agent(data: Path) -> tuple[str, int, str]:
    """An agent in a new account group: its ID, account group and secret."""
    accounts = Accounts.open(None, data, SystemClock())
    accounts.create_organization("Example")
    aid = accounts.create_account_group("Main")
    enrolment = Enrolment(
        enrolment_id=str(uuid.UUID(int=7, version=4)),
        secret="s" * 43,
        agent=AgentInfo(
            computer_name="test", platform="Linux", os_version="", kernel_version="", version="0"
        ),
    )
    answer = accounts.enrol(accounts.create_group_key(aid), enrolment, None)
    # A user, so that the server makes no first account of its own.
    accounts.create_user("ann@example.com", Role.USER, [aid])
    accounts.close()
    return answer.agent_id, aid, enrolment.secret


def batch(rng: random.Random, aid: int, agent_id: str) -> tuple[bytes, list[str]]:
    """A batch of new records as an agent sends it, and their IDs."""
    newest = round_of(time.time())
    records = [
        NetworkSessionRecord(
            document=sample_session(
                rng, aid=aid, agent_id=agent_id, round_id=newest - 60 * rng.randrange(60)
            ),
            context=0,
            visited_site="site.example.com",
        )
        for _ in range(BATCH)
    ]
    sent = UploadBatch(
        upload_id=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        contexts=[MeasurementContext(platform="Linux")],
        network_sessions=records,
    )
    body = zstandard.ZstdCompressor(level=1).compress(msgspec.json.encode(sent))
    return body, [record.document.user_session_id for record in records]


async def upload_until_it_dies(
    port: int, agent: tuple[str, int, str], rng: random.Random, acknowledged: list[str], sent: set[str]
) -> None:
    """Send batch after batch; write down what was acknowledged, and what was sent at all."""
    agent_id, aid, secret = agent
    headers = {
        "Authorization": aiohttp.encode_basic_auth(agent_id, secret),
        "Content-Type": "application/json",
        "Content-Encoding": "zstd",
    }
    async with aiohttp.ClientSession(headers=headers) as session:
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            while True:
                body, ids = batch(rng, aid, agent_id)
                sent.update(ids)
                url = f"http://127.0.0.1:{port}/agent/v1/upload"
                async with session.post(url, data=body) as response:
                    assert response.status == 200
                    answer = msgspec.json.decode(await response.read(), type=UploadAnswer)
                assert not answer.refused
                acknowledged.extend(ids)


async def load_and_kill(
    port: int,
    agent: tuple[str, int, str],
    rng: random.Random,
    process: "subprocess.Popen[bytes]",
    acknowledged: list[str],
) -> set[str]:
    """Load the server from several sides, and kill it in the middle."""
    sent: set[str] = set()
    senders = [
        asyncio.create_task(
            upload_until_it_dies(port, agent, random.Random(rng.getrandbits(64)), acknowledged, sent)
        )
        for _ in range(SENDERS)
    ]
    await asyncio.sleep(rng.uniform(0.05, 0.6))
    process.send_signal(signal.SIGKILL)
    await asyncio.gather(*senders)
    return sent


async def stored_ids(data: Path, aid: int) -> list[str]:
    """Every ID in the store, in its order."""
    store = open_store("sqlite", data, SystemClock())
    query = Query(kind=NETWORK_SESSIONS, aid=aid, first_round=0, last_round=2**40)
    found: list[str] = []
    while True:
        page = await store.page(query)
        found += [msgspec.json.decode(body)["userSessionId"] for body in page.bodies]
        if page.next is None:
            await store.close()
            return found
        query = msgspec.structs.replace(query, after=page.next)


def test_kill_9_loses_nothing_acknowledged_and_doubles_nothing(tmp_path: Path) -> None:
    """Twenty kills at random moments of ingest: every acknowledged record is there, none twice."""
    agent = enrolled_agent(tmp_path)
    rng = random.Random(20)
    acknowledged: list[str] = []
    sent: set[str] = set()
    for _ in range(KILLS):
        port = free_port()
        with serving(tmp_path, port) as process:
            sent |= asyncio.run(load_and_kill(port, agent, rng, process, acknowledged))
    found = asyncio.run(stored_ids(tmp_path, agent[1]))
    assert len(acknowledged) > KILLS * BATCH
    assert len(found) == len(set(found))
    assert set(acknowledged) <= set(found) <= sent
