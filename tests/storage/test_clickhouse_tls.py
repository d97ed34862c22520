"""ClickHouse over HTTPS: a certificate of the organization's own authority, and who is not believed."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.clickhouse import ESCAPED_PASSWORD, USER, ClickHouseServer, free_ports, program
from tests.tls_files import write_tls_files

from hopsight.clock import SystemClock
from hopsight.errors import ConfigError, StoreUnavailableError
from hopsight.storage.clickhouse.address import parse
from hopsight.storage.clickhouse.management import look_at_tables, prepare_tables

pytestmark = pytest.mark.anyio

_SETTINGS = """<https_port>{port}</https_port><openSSL><server>
<certificateFile>{home}/certificate.pem</certificateFile><privateKeyFile>{home}/key.pem</privateKeyFile>
<verificationMode>none</verificationMode><loadDefaultCAFile>false</loadDefaultCAFile>
</server></openSSL>
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of ``localhost``, and two authorities: its own, and another one."""
    made = tmp_path_factory.mktemp("tls")
    write_tls_files(made)
    return made


@pytest.fixture(scope="module")
def https_port(require: Callable[[bool, str], None], home: Path) -> Iterator[int]:
    """Of a ClickHouse that speaks it."""
    found = program()
    require(found is not None, "ClickHouse is not installed (apt-get install clickhouse-server)")
    assert found is not None
    (port,) = free_ports(1)
    server = ClickHouseServer(found, more=_SETTINGS.format(port=port, home=home))
    try:
        server.start()
        yield port
    finally:
        server.remove()


def url(host: str, port: int, options: str) -> str:
    """What stands behind ``clickhouse:``."""
    return f"//{USER}:{ESCAPED_PASSWORD}@{host}:{port}/secured?tls=true{options}"


async def test_a_certificate_of_ones_own_authority_is_believed(https_port: int, home: Path) -> None:
    """With its authority named, tables are made and looked at over HTTPS."""
    address = parse(url("localhost", https_port, f"&ca_file={home}/ca.pem"))
    assert await prepare_tables(address, SystemClock())
    status, _ = await look_at_tables(address, SystemClock())
    assert status.is_usable


@pytest.mark.parametrize(
    ("host", "options"),
    [("localhost", ""), ("localhost", "&ca_file={home}/other.pem"), ("127.0.0.1", "&ca_file={home}/ca.pem")],
    ids=["an authority that the system does not know", "another authority", "a name it is not for"],
)
async def test_nobody_else_is(https_port: int, home: Path, host: str, options: str) -> None:
    """Whoever cannot show that it is the host that was named is not told the password."""
    address = parse(url(host, https_port, options.format(home=home)))
    with pytest.raises(StoreUnavailableError):
        await look_at_tables(address, SystemClock())


@pytest.mark.parametrize(("name", "said"), [("absent.pem", "No such file"), ("key.pem", "PEM certificates")])
async def test_a_file_that_holds_no_authority_is_named(home: Path, name: str, said: str) -> None:
    """It is wrong from the start, not a ClickHouse that is away."""
    with pytest.raises(ConfigError, match=f"ca_file.*{re.escape(name)}.*{said}"):
        await look_at_tables(parse(url("localhost", 1, f"&ca_file={home}/{name}")), SystemClock())
