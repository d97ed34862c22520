"""What agents call, over HTTP: enrolment, configuration, upload."""

import random
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import msgspec
import pytest
import zstandard

from hopsight.accounts.agent_changes import Transfer
from hopsight.errors import StoreUnavailableError
from hopsight.model.agents import AgentInfo, Target
from hopsight.model.dimensions import NETWORK_SESSIONS
from hopsight.model.query import Query
from hopsight.model.upload import (
    AgentConfiguration,
    AgentUsage,
    Enrolment,
    EnrolmentAnswer,
    MeasurementContext,
    NetworkSessionRecord,
    UploadAnswer,
    UploadBatch,
)
from hopsight.testing import (
    sample_agent_state_record,
    sample_network_probe_record,
    sample_session,
    sample_user_session_record,
)

pytestmark = pytest.mark.anyio

SECRET = "s" * 43
ENROL = "/agent/v1/enrol"
CONFIGURATION = "/agent/v1/configuration"
UPLOAD = "/agent/v1/upload"


def enrolment(number: int = 1, secret: str = SECRET) -> bytes:
    """An agent's request to be known."""
    info = AgentInfo(
        computer_name=f"computer-{number}", platform="Linux", os_version="12", kernel_version="6", version="0"
    )
    asked = Enrolment(enrolment_id=str(uuid.UUID(int=number, version=4)), secret=secret, agent=info)
    return msgspec.json.encode(asked)


def bearer(key: str) -> dict[str, str]:
    """The header of an account group key."""
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}


def basic(agent_id: str, secret: str = SECRET) -> dict[str, str]:
    """The header of an agent."""
    return {
        "Authorization": aiohttp.encode_basic_auth(agent_id, secret),
        "Content-Type": "application/json",
    }


async def enrol(server: Any, client: httpx.AsyncClient, number: int = 1) -> str:
    """Enrol an agent; its ID."""
    key = server.accounts.create_group_key(server.aid)
    answer = await client.post(ENROL, content=enrolment(number), headers=bearer(key))
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=EnrolmentAnswer).agent_id


def upload(server: Any, agent_id: str, count: int = 3, seed: int = 1) -> bytes:
    """A batch of the agent's."""
    rng = random.Random(seed)
    sent = UploadBatch(
        upload_id=str(uuid.UUID(int=seed, version=4)),
        contexts=[MeasurementContext(platform="Linux")],
        network_sessions=[
            NetworkSessionRecord(document=sample_session(rng, aid=server.aid, agent_id=agent_id), context=0)
            for _ in range(count)
        ],
    )
    return msgspec.json.encode(sent)


async def stored(server: Any) -> int:
    """How many records the account group has."""
    query = Query(kind=NETWORK_SESSIONS, aid=server.aid, first_round=0, last_round=2**40)
    return len((await server.store.page(query)).bodies)


def on_disk(data: Path) -> bytes:
    """All that the accounts database has written."""
    return b"".join(path.read_bytes() for path in data.glob("accounts.db*"))


@pytest.fixture
def anonymous(server: Any) -> httpx.AsyncClient:
    """A client that shows nothing by itself."""
    client: httpx.AsyncClient = server.client("")
    return client


@pytest.mark.parametrize("server", ["sqlite", "postgresql"], indirect=True)
async def test_an_agent_enrols_and_is_known(server: Any, anonymous: httpx.AsyncClient) -> None:
    """The key of an account group lets an agent in; the API lists it."""
    agent_id = await enrol(server, anonymous)
    listed = (await server.client().get("/v6/endpoint-agents")).json()["endpointAgents"]
    assert [(item["agentId"], item["computerName"]) for item in listed] == [(agent_id, "computer-1")]


@pytest.mark.parametrize("server", ["sqlite", "postgresql"], indirect=True)
async def test_asking_again_gives_the_same_agent(server: Any, anonymous: httpx.AsyncClient) -> None:
    """An answer lost on the way is made good; with another secret it is somebody else."""
    key = server.accounts.create_group_key(server.aid)
    first, again = [
        (await anonymous.post(ENROL, content=enrolment(), headers=bearer(key))).json() for _ in range(2)
    ]
    assert first == again
    other = await anonymous.post(ENROL, content=enrolment(secret="t" * 43), headers=bearer(key))
    assert other.status_code == 409


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"{}", 400), (b"[", 400), (b"", 400), (enrolment(secret="short"), 400), (b"[" * 50_000, 400)],
)
async def test_what_is_no_enrolment_is_400(
    server: Any, anonymous: httpx.AsyncClient, content: bytes, status: int
) -> None:
    """The error says what was expected, in JSON."""
    key = server.accounts.create_group_key(server.aid)
    answer = await anonymous.post(ENROL, content=content, headers=bearer(key))
    assert answer.status_code == status
    assert answer.json()["errorMessage"]


@pytest.mark.parametrize("path", [ENROL, UPLOAD])
async def test_wrong_credentials_are_401_and_wear_out(
    server: Any, anonymous: httpx.AsyncClient, path: str
) -> None:
    """Guessing keys and secrets ends in a lock-out of the address, as with tokens."""
    agent_id = await enrol(server, anonymous)
    wrong = bearer("k" * 43) if path == ENROL else basic(agent_id, "x" * 43)
    content = enrolment(2) if path == ENROL else upload(server, agent_id)
    statuses = [(await anonymous.post(path, content=content, headers=wrong)).status_code for _ in range(101)]
    assert statuses == [401] * 100 + [429]
    server.clock.advance(61)
    assert (await anonymous.post(path, content=content, headers=wrong)).status_code == 401


@pytest.mark.parametrize("path", [ENROL, UPLOAD])
async def test_the_body_of_a_stranger_is_not_waited_for(anonymous: httpx.AsyncClient, path: str) -> None:
    """Whoever shows no good credentials is answered before anything else of the request is read."""

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        raise AssertionError("it was read")

    wrong = bearer("k" * 43) if path == ENROL else basic(str(uuid.uuid4()))
    assert (await anonymous.post(path, content=never(), headers=wrong)).status_code == 401


@pytest.mark.parametrize("way", ["deleted", "disabled"])
async def test_records_of_an_agent_that_was_told_to_stop_are_not_read(
    server: Any, anonymous: httpx.AsyncClient, way: str
) -> None:
    """What an administrator decides holds from the next request on."""
    agent_id = await enrol(server, anonymous)
    assert (
        await anonymous.post(UPLOAD, content=upload(server, agent_id), headers=basic(agent_id))
    ).status_code == 200
    if way == "deleted":
        server.accounts.delete_agent(server.aid, agent_id)
    else:
        server.accounts.set_agent_enabled(server.aid, agent_id, enabled=False)
    answer = await anonymous.post(UPLOAD, content=upload(server, agent_id, seed=2), headers=basic(agent_id))
    assert answer.status_code == (401 if way == "deleted" else 403)
    assert await stored(server) == 3


async def test_a_deleted_key_lets_nobody_in(server: Any, anonymous: httpx.AsyncClient) -> None:
    """What an administrator takes back is worth nothing at once."""
    key = server.accounts.create_group_key(server.aid)
    (listed,) = server.accounts.group_keys(server.aid)
    server.accounts.delete_group_key(listed.key_id)
    assert (await anonymous.post(ENROL, content=enrolment(), headers=bearer(key))).status_code == 401


async def test_a_users_token_is_no_key_and_no_secret(server: Any, anonymous: httpx.AsyncClient) -> None:
    """Credentials of people do not open what agents call."""
    for path in (ENROL, UPLOAD):
        answer = await anonymous.post(path, content=enrolment(), headers=bearer(server.token))
        assert answer.status_code == 401
    assert (await anonymous.get(CONFIGURATION, headers=bearer(server.token))).status_code == 401


async def test_a_configuration_is_sent_once_for_each_change(
    server: Any, anonymous: httpx.AsyncClient
) -> None:
    """An agent that shows the tag it has gets 304 until something changes."""
    agent_id = await enrol(server, anonymous)
    first = await anonymous.get(CONFIGURATION, headers=basic(agent_id))
    told = msgspec.json.decode(first.content, type=AgentConfiguration)
    assert told == AgentConfiguration(public_address=told.public_address, aid=server.aid)
    assert told.poll_s == server.config.agent_poll_s
    known = basic(agent_id) | {"If-None-Match": first.headers["etag"]}
    unchanged = await anonymous.get(CONFIGURATION, headers=known)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    target = Target(host="app.example.com", port=443)
    server.accounts.add_target(server.aid, target)
    changed = await anonymous.get(CONFIGURATION, headers=known)
    assert msgspec.json.decode(changed.content, type=AgentConfiguration).targets == (target,)


@pytest.mark.parametrize("server", ["sqlite", "postgresql"], indirect=True)
async def test_an_upload_is_stored_once(server: Any, anonymous: httpx.AsyncClient) -> None:
    """The same batch again, compressed or not, stores nothing twice and is acknowledged all the same.

    The answer says where the upload came from.
    """
    agent_id = await enrol(server, anonymous)
    content = upload(server, agent_id)
    first = await anonymous.post(UPLOAD, content=content, headers=basic(agent_id))
    packed = basic(agent_id) | {"Content-Encoding": "zstd"}
    again = await anonymous.post(UPLOAD, content=zstandard.ZstdCompressor().compress(content), headers=packed)
    common = {"refused": [], "publicAddress": "127.0.0.1"}
    assert first.json() == {"stored": 3, "duplicates": 0} | common
    assert again.json() == {"stored": 0, "duplicates": 3} | common
    assert await stored(server) == 3


def mixed_upload(server: Any, agent_id: str) -> bytes:
    """A batch with a record of every kind, and one that is refused."""
    rng = random.Random(3)
    who: Any = {"aid": server.aid, "agent_id": agent_id}
    sent = UploadBatch(
        upload_id=str(uuid.UUID(int=3, version=4)),
        contexts=[MeasurementContext(platform="Linux")],
        network_sessions=[NetworkSessionRecord(document=sample_session(rng, **who), context=0)],
        user_sessions=[sample_user_session_record(rng, **who) for _ in range(2)],
        network_probes=[sample_network_probe_record(rng, **who)],
        agent_states=[sample_agent_state_record(rng, **who), sample_agent_state_record(rng)],
        usage=AgentUsage(resident_bytes=1, cpu_fraction=0),
    )
    # The state below would end in the future.
    server.clock.advance(3_600)
    return msgspec.json.encode(sent)


async def test_every_kind_is_stored_and_counted_by_itself(server: Any, anonymous: httpx.AsyncClient) -> None:
    """One answer for all of them; the second time all are duplicates, and nothing is counted for two."""
    agent_id = await enrol(server, anonymous)
    content = mixed_upload(server, agent_id)
    first = await anonymous.post(UPLOAD, content=content, headers=basic(agent_id))
    again = await anonymous.post(UPLOAD, content=content, headers=basic(agent_id))
    assert (first.json()["stored"], again.json()["stored"]) == (5, 0)
    assert (first.json()["duplicates"], again.json()["duplicates"]) == (0, 5)
    refused = [{"kind": "agent-states", "index": 1}]
    for answer in (first, again):
        assert [
            {"kind": item["kind"], "index": item["index"]} for item in answer.json()["refused"]
        ] == refused
    exposed = (await anonymous.get("/metrics")).text
    counts = {"network-sessions": 1, "user-sessions": 2, "network-probes": 1, "agent-states": 1}
    for kind, count in counts.items():
        for outcome in ("stored", "duplicate"):
            line = f'hopsight_ingest_records_total{{kind="{kind}",outcome="{outcome}"}} {count}.0'
            assert line in exposed
    assert 'hopsight_ingest_records_total{kind="agent-states",outcome="refused"} 2.0' in exposed
    assert "hopsight_ingest_batches_total 2.0" in exposed
    assert "hopsight_agent_resident_bytes_count 2.0" in exposed


@pytest.mark.parametrize("failing", ["network-sessions", "user-sessions", "agent-states"])
async def test_a_batch_is_acknowledged_only_when_every_kind_is_stored(
    server: Any, anonymous: httpx.AsyncClient, failing: str
) -> None:
    """When the store takes some kinds and not another, it acknowledges none; again, nothing doubles."""
    agent_id = await enrol(server, anonymous)
    content = mixed_upload(server, agent_id)
    add = server.store.add

    async def refuse(kind: str, records: Any) -> Any:
        if kind == failing:
            raise StoreUnavailableError("The disk is full")
        return await add(kind, records)

    server.store.add = refuse
    assert (await anonymous.post(UPLOAD, content=content, headers=basic(agent_id))).status_code == 503
    assert "hopsight_store_errors_total 1.0" in (await anonymous.get("/metrics")).text
    server.store.add = add
    answer = (await anonymous.post(UPLOAD, content=content, headers=basic(agent_id))).json()
    assert answer["stored"] + answer["duplicates"] == 5
    assert answer["stored"] == (2 if failing == "user-sessions" else 1)
    assert await stored(server) == 1


async def test_an_upload_under_way_while_its_agent_is_erased_is_refused(
    server: Any, anonymous: httpx.AsyncClient
) -> None:
    """Let in before, the agent is refused at the store like one that was deleted; nothing is kept."""
    agent_id = await enrol(server, anonymous)
    content = mixed_upload(server, agent_id)
    await anonymous.post(UPLOAD, content=content, headers=basic(agent_id))
    await server.store.erase(agent_id)
    answer = await anonymous.post(UPLOAD, content=content, headers=basic(agent_id))
    assert answer.status_code == 401
    assert not any((await server.store.count_of(agent_id)).values())


async def test_nobody_uploads_for_somebody_else(server: Any, anonymous: httpx.AsyncClient) -> None:
    """Records that name another agent are refused, each with its reason."""
    mine, other = await enrol(server, anonymous, 1), await enrol(server, anonymous, 2)
    answer = await anonymous.post(UPLOAD, content=upload(server, other), headers=basic(mine))
    refused = msgspec.json.decode(answer.content, type=UploadAnswer).refused
    assert [item.index for item in refused] == [0, 1, 2]
    assert all("agentId" in item.reason for item in refused)
    assert await stored(server) == 0


async def test_what_an_agent_measured_before_its_transfer_is_not_lost(
    server: Any, anonymous: httpx.AsyncClient
) -> None:
    """Sent afterwards, it is stored in the account group where it was made, after more moves than one too."""
    agent_id = await enrol(server, anonymous)
    content = upload(server, agent_id)
    groups = [server.accounts.create_account_group(name, 1) for name in ("Second", "Third")]
    aid = server.aid
    for group in groups:
        server.accounts.transfer_agents([Transfer(agent_id, aid, group)])
        aid = group
    answer = (await anonymous.post(UPLOAD, content=content, headers=basic(agent_id))).json()
    assert (answer["stored"], answer["refused"]) == (3, [])
    assert await stored(server) == 3
    again = (await anonymous.post(UPLOAD, content=content, headers=basic(agent_id))).json()
    assert again["duplicates"] == 3


async def test_an_agent_writes_into_no_account_group_that_it_never_was_in(
    server: Any, anonymous: httpx.AsyncClient
) -> None:
    """Records that name another account group than its own, now or formerly, are refused."""
    agent_id = await enrol(server, anonymous)
    other = server.accounts.create_account_group("Other", 1)
    key = server.accounts.create_group_key(other)
    stranger = (await anonymous.post(ENROL, content=enrolment(2), headers=bearer(key))).json()["agentId"]
    answer = await anonymous.post(UPLOAD, content=upload(server, stranger), headers=basic(stranger))
    assert [item["index"] for item in answer.json()["refused"]] == [0, 1, 2]
    assert (await anonymous.post(UPLOAD, content=upload(server, agent_id), headers=basic(agent_id))).json()[
        "stored"
    ] == 3


@pytest.mark.parametrize("server", ["sqlite", "postgresql"], indirect=True)
async def test_a_disabled_agent_is_told_and_a_deleted_one_is_unknown(
    server: Any, anonymous: httpx.AsyncClient
) -> None:
    """A disabled agent goes on asking and sends nothing; a deleted one has no credentials any more."""
    agent_id = await enrol(server, anonymous)
    server.accounts.set_agent_enabled(server.aid, agent_id, enabled=False)
    told = await anonymous.get(CONFIGURATION, headers=basic(agent_id))
    assert told.json()["enabled"] is False
    refused = await anonymous.post(UPLOAD, content=upload(server, agent_id), headers=basic(agent_id))
    assert refused.status_code == 403
    server.accounts.delete_agent(server.aid, agent_id)
    for answer in (
        await anonymous.get(CONFIGURATION, headers=basic(agent_id)),
        await anonymous.post(UPLOAD, content=upload(server, agent_id), headers=basic(agent_id)),
    ):
        assert answer.status_code == 401
    assert await stored(server) == 0


async def test_a_store_that_cannot_write_acknowledges_nothing(
    server: Any, anonymous: httpx.AsyncClient
) -> None:
    """The agent is asked to come again, and keeps its records."""

    async def refuse(*_: Any) -> None:
        raise StoreUnavailableError("The disk is full")

    agent_id = await enrol(server, anonymous)
    server.store.add = refuse
    answer = await anonymous.post(UPLOAD, content=upload(server, agent_id), headers=basic(agent_id))
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "disk is full" in answer.json()["errorMessage"]


async def test_too_many_uploads_at_once_are_asked_to_come_again(
    server: Any, anonymous: httpx.AsyncClient
) -> None:
    """What is held in memory is bounded, and who is sent away knows for how long."""
    agent_id = await enrol(server, anonymous)
    slots = server.app.services.upload_slots
    while not slots.locked():
        await slots.acquire()
    answer = await anonymous.post(UPLOAD, content=upload(server, agent_id), headers=basic(agent_id))
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    slots.release()
    answer = await anonymous.post(UPLOAD, content=upload(server, agent_id), headers=basic(agent_id))
    assert answer.status_code == 200


async def test_what_arrived_is_counted(server: Any, anonymous: httpx.AsyncClient) -> None:
    """Records stored, sent again and refused are in the metrics; no agent or group is."""
    agent_id = await enrol(server, anonymous)
    for _ in range(2):
        await anonymous.post(UPLOAD, content=upload(server, agent_id), headers=basic(agent_id))
    exposed = (await anonymous.get("/metrics")).text
    for outcome in ("stored", "duplicate"):
        line = f'hopsight_ingest_records_total{{kind="network-sessions",outcome="{outcome}"}} 3.0'
        assert line in exposed
    assert agent_id not in exposed


async def test_secrets_are_at_rest_as_digests_alone(
    server: Any, anonymous: httpx.AsyncClient, tmp_path: Path
) -> None:
    """Neither an agent's secret nor an account group's key can be read out of the database."""
    key = server.accounts.create_group_key(server.aid)
    await anonymous.post(ENROL, content=enrolment(), headers=bearer(key))
    kept = on_disk(tmp_path)
    assert b"computer-1" in kept
    assert SECRET.encode() not in kept
    assert key.encode() not in kept


async def test_health_follows_the_store(server: Any, anonymous: httpx.AsyncClient) -> None:
    """A server whose store does not answer is not healthy, and says why."""
    assert (await anonymous.get("/healthz")).json() == {"status": "ok"}

    async def refuse(*_: Any) -> None:
        raise StoreUnavailableError("The store is closed")

    server.store.last_round = refuse
    answer = await anonymous.get("/healthz")
    assert answer.status_code == 503
    assert "closed" in answer.json()["reason"]
