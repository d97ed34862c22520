"""Identity and enrolment: written down before they are used, asked again as the same agent."""

import random
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from hopsight.agent.delivery.client import ServerClient
from hopsight.agent.delivery.directory import AgentDirectory
from hopsight.agent.delivery.enrol import enrol_once, enrol_until_known, resolve_identity
from hopsight.agent.delivery.identity import FILE_NAME, Identity, load_identity
from hopsight.errors import ConfigError, ConflictError, HopsightError, InvalidValueError, UploadError
from hopsight.model.agents import AgentInfo
from hopsight.model.connection import ConnectionString, format_connection_string
from hopsight.testing import FakeClock

pytestmark = pytest.mark.anyio

INFO = AgentInfo(computer_name="here", platform="Linux", os_version="12", kernel_version="6", version="1")
KEY = "k" * 32


def connection(key: str = KEY, url: str = "http://127.0.0.1:1") -> str:
    return format_connection_string(ConnectionString(url=url, key=key))


def resolved(directory: Path, text: str | None, seed: int = 1) -> Identity:
    return resolve_identity(directory, text, random.Random(seed)).identity


def test_the_identity_is_on_disk_before_it_is_used(tmp_path: Path) -> None:
    """For the owner's eyes only, and the same at the next start."""
    made = resolved(tmp_path, connection())
    assert load_identity(tmp_path) == made
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    assert resolved(tmp_path, None, seed=2) == made
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_without_connection_string_and_identity_it_says_how_to_get_one(tmp_path: Path) -> None:
    """The error names the command and the option."""
    with pytest.raises(ConfigError, match=r"connection-string create.*--connection-string"):
        resolved(tmp_path, None)


def test_a_connection_string_that_is_none_is_refused_unrepeated(tmp_path: Path) -> None:
    """It may hold a real key."""
    with pytest.raises(InvalidValueError) as caught:
        resolved(tmp_path, "c2VjcmV0a2V5")
    assert "c2VjcmV0a2V5" not in str(caught.value)


def test_another_key_is_another_agent(tmp_path: Path) -> None:
    """And whoever asks is told that the former one's records are void."""
    old = resolved(tmp_path, connection())
    known = resolve_identity(tmp_path, connection("x" * 32), random.Random(2))
    assert known.replaced
    assert known.identity.enrolment_id != old.enrolment_id
    assert known.identity.secret != old.secret


def test_the_same_key_at_another_address_is_a_server_that_moved(tmp_path: Path) -> None:
    """The agent stays who it is."""
    old = resolved(tmp_path, connection())
    known = resolve_identity(tmp_path, connection(url="http://127.0.0.1:2"), random.Random(2))
    assert not known.replaced
    assert known.identity.secret == old.secret
    assert load_identity(tmp_path) == known.identity
    assert known.identity.url == "http://127.0.0.1:2"


@pytest.mark.parametrize("content", [b"", b"{", b"\x00\xff", b'{"url": 1}'])
def test_a_damaged_identity_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    """Made anew in silence, the machine would appear as another agent."""
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(HopsightError, match=r"identity\.json is damaged"):
        resolved(tmp_path, connection())


async def test_enrolling_gives_an_id_and_forgets_the_key(
    server: Any, client: ServerClient, tmp_path: Path
) -> None:
    """What is on disk afterwards cannot enrol others."""
    known = await enrol_once(tmp_path, resolved(tmp_path, connection()), client, INFO)
    assert known.aid == 7625
    assert known.agent_id == next(iter(server.enrolled.values()))[0]
    assert load_identity(tmp_path) == known
    assert KEY not in (tmp_path / FILE_NAME).read_text()


async def test_an_enrolled_agent_does_not_enrol_again(
    server: Any, client: ServerClient, tmp_path: Path
) -> None:
    """The server is not even asked."""
    known = await enrol_once(tmp_path, resolved(tmp_path, connection()), client, INFO)
    server.failures = [web.Response(status=500)]
    assert await enrol_once(tmp_path, known, client, INFO) == known


async def test_a_lost_answer_is_made_good_as_the_same_agent(
    server: Any, client: ServerClient, tmp_path: Path
) -> None:
    """The second start asks with the same enrolment ID and secret."""
    first = await enrol_once(tmp_path, resolved(tmp_path, connection()), client, INFO)
    (tmp_path / FILE_NAME).unlink()
    again = resolved(tmp_path, connection())
    assert again.enrolment_id == first.enrolment_id  # the same seed stands for the same file
    await enrol_once(tmp_path, again, client, INFO)
    assert len(server.enrolled) == 1


async def test_enrolling_goes_on_until_the_server_takes_it(
    server: Any,
    client: ServerClient,
    tmp_path: Path,
    clock: FakeClock,
    make_failure: Callable[..., web.Response],
) -> None:
    """Refused credentials are asked for again slowly, a server that is away sooner."""
    server.failures = [make_failure(503, "away"), make_failure(401, "unknown key"), make_failure(500, "oh")]
    started_s = clock.monotonic()
    identity = resolved(tmp_path, connection())
    known = await enrol_until_known(tmp_path, identity, client, INFO, clock, random.Random(1))
    assert known.agent_id is not None
    assert clock.monotonic() - started_s > 600


async def test_a_wrong_key_is_told(server: Any, client: ServerClient, tmp_path: Path) -> None:
    """With the server's reason, and never with the key."""
    identity = resolved(tmp_path, connection("x" * 32))
    with pytest.raises(UploadError, match="401: unknown key") as caught:
        await enrol_once(tmp_path, identity, client, INFO)
    assert "x" * 32 not in str(caught.value)
    assert server.enrolled == {}


def test_a_directory_has_one_agent_at_a_time(tmp_path: Path) -> None:
    """The second is refused; after the first is gone it may start."""
    with AgentDirectory.hold(tmp_path), pytest.raises(ConflictError, match="already running"):
        AgentDirectory.hold(tmp_path)
    with AgentDirectory.hold(tmp_path) as held:
        assert stat.S_IMODE(held.path.stat().st_mode) == 0o700
