"""Statements to ClickHouse over HTTP: to any of its hosts that answers.

Our own few lines over aiohttp: the official driver asks for a column that servers of version 18 do not have
(docs/decisions/0022-clickhouse.md).
"""

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Final

import aiohttp
import structlog

from hopsight.clock import Clock
from hopsight.errors import StoreUnavailableError
from hopsight.storage.clickhouse.address import Address
from hopsight.trust import trusting

CONNECT_TIMEOUT_S: Final = 3.0
READ_TIMEOUT_S: Final = 15.0
"""For questions that an index answers."""
LONG_TIMEOUT_S: Final = 120.0
"""For charts, counts, and changes of tables."""
SET_ASIDE_S: Final = 5.0
"""A host that did not answer is asked again after so long, or when no other one is left."""
KEEP_ALIVE_S: Final = 2.0
"""ClickHouse closes idle connections after three seconds."""
MAX_CONNECTIONS: Final = 64
MAX_QUERY_BYTES: Final = 64 << 20
SHOWN_CHARS: Final = 300
# Of a host that is well, but cannot do this now: its ZooKeeper, or other hosts of the cluster, are away.
ELSEWHERE: Final = frozenset({209, 210, 225, 242, 279, 999})

_CODE: Final = re.compile(rb"Code: (\d+)")
_PLAIN_SETTINGS: Final = {
    # Otherwise a failure in the middle of an answer comes behind the rows, with status 200.
    "wait_end_of_query": "1",
    "max_query_size": str(MAX_QUERY_BYTES),
    "max_ast_elements": "1000000",
    "max_expanded_ast_elements": "2000000",
}

_NO_ANSWER: Final = (TimeoutError, aiohttp.ClientError, ssl.SSLError, OSError)

_log = structlog.get_logger(__name__)


class ClickHouseError(StoreUnavailableError):
    """ClickHouse did not do what it was told.

    Args:
        code: of its error (``system.errors``, src/Common/ErrorCodes.cpp); 0: it said none.
        detail: what it said, for logs alone: it may repeat parts of the statement.
    """

    def __init__(self, code: int, detail: str) -> None:
        self.code = code
        self.detail = detail
        super().__init__(f"ClickHouse answered with error {code}")


class Client:
    """Connections to the hosts of an address; made inside an event loop with the first statement.

    Raises:
        ConfigError: the address names a file of authorities that cannot be used.
    """

    def __init__(self, address: Address, clock: Clock) -> None:
        self._address = address
        self._clock = clock
        self._tls = trusting(address.ca_file, "store ?ca_file") if address.tls else None
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._aside_until_s: dict[str, float] = {}
        # Servers beside each other begin with different hosts.
        self._first = os.getpid() % len(address.hosts)

    async def execute(
        self,
        sql: str,
        body: bytes | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> bytes:
        """Run a statement, whose data may come as ``body``; returns what it answers.

        Raises:
            ClickHouseError: it was refused.
            StoreUnavailableError: no host answers in time, or the store is closed.
        """
        if self._closed:
            raise StoreUnavailableError("The store is closed")
        failed: StoreUnavailableError | None = None
        for host in self._hosts():
            try:
                answer = await self._ask(host, sql, body, settings or {}, timeout_s)
            except ClickHouseError as error:
                if error.code not in ELSEWHERE:
                    _log.warning("ClickHouse refused", host=host, code=error.code, detail=error.detail)
                    raise
                failed = error
            except _NO_ANSWER as error:
                failed = StoreUnavailableError(f"ClickHouse at {host} does not answer")
                failed.__cause__ = error
            else:
                self._aside_until_s.pop(host, None)
                return answer
            if self._closed:
                raise StoreUnavailableError("The store is closed")
            _log.warning("a ClickHouse host is set aside", host=host, reason=str(failed))
            self._aside_until_s[host] = self._clock.monotonic() + SET_ASIDE_S
        raise failed or StoreUnavailableError("ClickHouse has no hosts")

    async def ask(self, host: str, sql: str, timeout_s: float) -> bytes:
        """Ask one host and no other; what it fails at is no reason to set it aside.

        Raises:
            StoreUnavailableError: it does not answer, or refuses.
        """
        try:
            return await self._ask(host, sql, None, {}, timeout_s)
        except _NO_ANSWER as error:
            raise StoreUnavailableError(f"ClickHouse at {host} does not answer") from error

    async def close(self) -> None:
        """Let go of all connections."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _hosts(self) -> Iterator[str]:
        """All hosts, those that were set aside last."""
        hosts = self._address.hosts[self._first :] + self._address.hosts[: self._first]
        now_s = self._clock.monotonic()
        yield from sorted(hosts, key=lambda host: self._aside_until_s.get(host, 0.0) > now_s)

    async def _ask(
        self, host: str, sql: str, body: bytes | None, settings: Mapping[str, str], timeout_s: float
    ) -> bytes:
        try:
            return await self._ask_once(host, sql, body, settings, timeout_s)
        except aiohttp.ServerDisconnectedError:
            # It closed an idle connection at that very moment. What was done twice counts once: by its key.
            return await self._ask_once(host, sql, body, settings, timeout_s)

    async def _ask_once(
        self, host: str, sql: str, body: bytes | None, settings: Mapping[str, str], timeout_s: float
    ) -> bytes:
        statement = sql.encode("utf-8", "surrogatepass")
        parameters = {**_PLAIN_SETTINGS, **settings}
        if body is not None:
            parameters["query"] = sql
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        async with self._opened().post(
            f"{self._address.scheme}://{host}/",
            params=parameters,
            data=BytesIO(statement if body is None else body),
            timeout=timeout,
        ) as response:
            answer = await response.read()
            if response.status == 200:  # noqa: PLR2004 - HTTP's OK
                return answer
            found = _CODE.search(answer)
            raise ClickHouseError(
                int(found[1]) if found else 0, answer.decode("utf-8", "replace")[:SHOWN_CHARS]
            )

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            headers = {"X-ClickHouse-User": self._address.user}
            if self._address.password:
                headers["X-ClickHouse-Key"] = self._address.password
            connector = aiohttp.TCPConnector(
                limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_S, ssl=self._tls or True
            )
            self._session = aiohttp.ClientSession(headers=headers, connector=connector)
        return self._session
