"""Redis over TLS: a certificate of the organization's own authority, and who is not believed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.clickhouse import free_ports
from tests.redis_server import RedisServer, program
from tests.server.sharing import new_end, running
from tests.tls_files import write_tls_files

from hopsight.errors import ConfigError

pytestmark = pytest.mark.anyio


@pytest.fixture
def tls_redis(require: Callable[[bool, str], None], tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that speaks TLS on a second port, with a certificate of ``localhost``."""
    found = program()
    require(found is not None, "Redis is not installed (apt-get install redis-server)")
    assert found is not None
    write_tls_files(tmp_path)
    files = {"cert": "certificate.pem", "key": "key.pem", "ca-cert": "ca.pem"}
    words = [word for name, file in files.items() for word in (f"--tls-{name}-file", f"{tmp_path}/{file}")]
    (port,) = free_ports(1)
    server = RedisServer(found, "--tls-port", str(port), "--tls-auth-clients", "no", *words)
    server.tls_port = port
    server.start()
    yield server
    server.remove()


async def test_redis_is_spoken_to_over_tls(tls_redis: RedisServer, tmp_path: Path) -> None:
    """With its authority named, servers count together; a host that cannot show who it is is not used."""
    believed = new_end(f"{tls_redis.tls_url}?ca_file={tmp_path}/ca.pem")
    other = new_end(f"{tls_redis.tls_url}?ca_file={tmp_path}/other.pem")
    by_address = tls_redis.tls_url.replace("localhost", "127.0.0.1")
    named_otherwise = new_end(f"{by_address}?ca_file={tmp_path}/ca.pem")
    async with running(believed, other, named_otherwise):
        assert believed.is_up
        assert not other.is_up
        assert not named_otherwise.is_up


def test_a_file_without_authorities_is_named(tmp_path: Path) -> None:
    """It is said at the start, before anything is tried."""
    with pytest.raises(ConfigError, match=r"--shared \?ca_file.*absent\.pem.*No such file"):
        new_end(f"rediss://localhost?ca_file={tmp_path}/absent.pem")
