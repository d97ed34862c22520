"""Debian's ClickHouse with a folder of its own, on free ports of the loopback."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.servers import HOST, Server, free_port, need

_CONFIG: Final = """<yandex>
<logger><level>warning</level><log>{home}/log</log><errorlog>{home}/errors</errorlog></logger>
<http_port>{http}</http_port><tcp_port>{tcp}</tcp_port><listen_host>127.0.0.1</listen_host>
<path>{home}/data/</path><tmp_path>{home}/tmp/</tmp_path><users_config>{home}/users.xml</users_config>
<default_profile>default</default_profile><default_database>default</default_database>
<mark_cache_size>536870912</mark_cache_size>
</yandex>
"""
_USERS: Final = """<yandex><profiles><default/></profiles><quotas><default/></quotas><users><default>
<password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
</default></users></yandex>
"""


@contextmanager
def clickhouse_server(
    arguments: argparse.Namespace, *, core: int | None = None
) -> Iterator[tuple[str, list[str] | None]]:
    """The URL of a store, and how to call ClickHouse's own client; the server named in the arguments, or one.

    Of a server that was named the client is called if its port (``--native-port``) was, too. One that is
    started here runs on ``core``, or where the servers do.
    """
    if arguments.clickhouse:
        port = arguments.native_port
        yield arguments.clickhouse, _client(port) if port else None
        return
    need("clickhouse-server", "clickhouse-client")
    home: Path = arguments.workspace / "clickhouse"
    home.mkdir()
    http, tcp = free_port(), free_port()
    (home / "config.xml").write_text(_CONFIG.format(home=home, http=http, tcp=tcp))
    (home / "users.xml").write_text(_USERS)
    with Server(
        ["clickhouse-server", f"--config-file={home}/config.xml"],
        http,
        "/ping",
        core=arguments.core if core is None else core,
    ):
        yield f"clickhouse://default:@{HOST}:{http}/bench?merge_ms=0", _client(tcp)


def _client(port: int) -> list[str]:
    need("clickhouse-client")
    return ["clickhouse-client", "--host", HOST, "--port", str(port)]
