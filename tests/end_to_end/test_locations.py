"""Files about addresses as settings of a real server, and records that it places by them."""

import json
import os
import random
import subprocess
import sys
import urllib.request
import uuid
from base64 import b64encode
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs
from tests.maxmind.written import database

from hopsight.clock import SystemClock
from hopsight.model.agents import AgentInfo
from hopsight.model.ids import round_of
from hopsight.model.network_documents import NetworkProfileDocument
from hopsight.model.upload import Enrolment, MeasurementContext, NetworkSessionRecord, UploadBatch
from hopsight.testing import sample_session, sample_user_session_record

SECRET = "s" * 43
NETWORK = "0123456789ab"
ASN = database({"1.1.0.0/16": {"autonomous_system_number": 64500, "name": "Net"}}, kind="GeoLite2-ASN")
CITY = database({"1.1.0.0/16": {"city": "Graz", "lat": 47.07, "lng": 15.44}}, kind="GeoLite2-City")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A file with AS numbers, and one with cities."""
    asn, cities = tmp_path / "asn.mmdb", tmp_path / "city.mmdb"
    asn.write_bytes(ASN)
    cities.write_bytes(CITY)
    return asn, cities


def environment(**more: str) -> dict[str, str]:
    """Ours is empty but for these."""
    return {key: value for key, value in os.environ.items() if not key.startswith("HOPSIGHT")} | more


def hopsight(*words: object) -> list[str]:
    """A command line."""
    return [sys.executable, "-m", "hopsight", *map(str, words)]


def ask(url: str, authorization: str, body: bytes | None = None) -> Any:
    """A document from a real server."""
    headers = {"Authorization": authorization, "Content-Type": "application/json"}
    request = urllib.request.Request(url, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def basic(user: str, secret: str) -> str:
    """The header of HTTP Basic."""
    return "Basic " + b64encode(f"{user}:{secret}".encode()).decode()


def enrol(url: str, key: str) -> str:
    """Let an agent in; its ID."""
    info = AgentInfo(computer_name="c", platform="Linux", os_version="12", kernel_version="6", version="0")
    asked = Enrolment(enrolment_id=str(uuid.UUID(int=1, version=4)), secret=SECRET, agent=info)
    answer = ask(f"{url}/agent/v1/enrol", f"Bearer {key}", msgspec.json.encode(asked))
    return str(answer["agentId"])


def batch(agent_id: str, seed: int = 1) -> bytes:
    """Two sessions on a network that meets the Internet by an address in the files."""
    rng, round_id = random.Random(seed), round_of(SystemClock().now(), 60)
    user = sample_user_session_record(rng, aid=1, round_id=round_id, agent_id=agent_id)
    profile = NetworkProfileDocument(local_prefix="10.0.0.0", public_ip_address="1.1.2.3")
    network = structs.replace(user.detail.network, network_profile=profile)
    session = sample_session(rng, aid=1, round_id=round_id, agent_id=agent_id)
    sent = UploadBatch(
        upload_id=str(uuid.uuid4()),
        contexts=[MeasurementContext(platform="Linux", network_id=NETWORK)],
        network_sessions=[NetworkSessionRecord(document=session, context=0)],
        user_sessions=[structs.replace(user, detail=structs.replace(user.detail, network=network))],
    )
    return msgspec.json.encode(sent)


def count_at(url: str, authorization: str, location: str) -> int:
    """How many network sessions have a location, by a filtered POST."""
    body = json.dumps({"searchFilters": [{"key": "location", "values": [location]}]}).encode()
    path = "/v6/endpoint-data/user-sessions/network?window=1h"
    return len(ask(url + path, authorization, body)["networkSessions"])


def test_uploaded_records_are_found_by_place_and_by_the_name_of_their_network(
    tmp_path: Path, files: tuple[Path, Path]
) -> None:
    """Settings in the file and in a variable; a name that is given while the server runs holds at once."""
    asn, cities = files
    data, settings = tmp_path / "data", tmp_path / "hopsight.toml"
    settings.write_text(f"[server]\nasn-db = '{asn}'\n")
    process = subprocess.Popen(
        hopsight("--config", settings, "server", "--data", data, "--listen", "127.0.0.1:0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(HOPSIGHT_CITY_DB=str(cities)),
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1]
        user = json.loads((data / "bootstrap.json").read_text())
        agent_id = enrol(url, user["groupKey"])
        reader = basic(user["email"], user["token"])
        agent = basic(agent_id, SECRET)
        ask(f"{url}/agent/v1/upload", agent, batch(agent_id))
        assert count_at(url, reader, "Graz") == 1
        (session,) = ask(f"{url}/v6/endpoint-data/user-sessions?window=1h", reader)["userSessions"]
        assert session["orgName"] == "Net"
        words = ("admin", "network", "name", NETWORK, "--account-group", 1, "--location", "Office")
        subprocess.run(hopsight(*words, "--data", data), check=True, capture_output=True, env=environment())
        assert ask(f"{url}/agent/v1/upload", agent, batch(agent_id, seed=2))["stored"] == 2
        assert (count_at(url, reader, "Graz"), count_at(url, reader, "Office")) == (1, 1)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("command", ["server", "up"])
@pytest.mark.parametrize("option", ["--asn-db", "--city-db"])
@pytest.mark.parametrize("fault", ["absent", "cut off", "of the other kind"])
def test_a_file_that_cannot_be_used_is_said_at_start(
    tmp_path: Path, command: str, option: str, fault: str
) -> None:
    """The server ends, naming the setting, the file, and what it should be."""
    path = tmp_path / "other.mmdb"
    content = {"absent": None, "cut off": ASN[:-50], "of the other kind": {"--asn-db": CITY}.get(option, ASN)}
    chosen = content[fault]
    if chosen is not None:
        path.write_bytes(chosen)
    done = subprocess.run(
        hopsight(command, "--data", tmp_path / "data", "--listen", "127.0.0.1:0", option, path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment(HOPSIGHT_TOPOLOGY="0"),
    )
    assert done.returncode == 2
    assert option in done.stderr
    assert str(path) in done.stderr
    assert "MaxMind" in done.stderr
    assert "Traceback" not in done.stderr
