"""The way to Redis: asked with little patience, and left alone while it is away.

Requests ask (``ask``). One job (``keep``) listens to what other servers tell, sees every second that Redis
still does what we need, and is the only one to try again when it does not: so an outage costs those who ask
then a quarter of a second, once, and nobody else anything.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import structlog
from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from hopsight.clock import Clock
from hopsight.errors import ConfigError
from hopsight.server.shared.address import SETTING, Address
from hopsight.server.shared.scripts import COUNT_AND_TELL
from hopsight.server.shared_metrics import SharedMetrics
from hopsight.trust import trusting

PATIENCE_S: Final = 0.25
"""How long anybody waits for Redis."""
BEAT_S: Final = 1.0
"""How often the job sees whether it is there."""
RETRY_S: Final = 2.0
"""How often when it was not."""
START_PATIENCE_S: Final = 2.0
MAX_CONNECTIONS: Final = 16
PREFIX: Final = "hopsight"

_PROBE_WINDOW_S: Final = 60
_log = structlog.get_logger(__name__)


class Link:
    """One Redis, and what other servers tell through it.

    Args:
        address: where it is.
        clock: the time.
        metrics: told of how it goes.
    """

    def __init__(self, address: Address, clock: Clock, metrics: SharedMetrics) -> None:
        self._clock = clock
        self._metrics = metrics
        # Channels are of all databases of a Redis, keys are not: theirs needs no number.
        self._channels = f"{PREFIX}:{address.database}:"
        self._client = _client(address)
        self._hearers: dict[str, Callable[[str], None]] = {}
        self._on_found: list[Callable[[], None]] = []
        self._is_up = False
        self._is_known_away = False
        self._untold: dict[str, str] = {}
        self._has_untold = asyncio.Event()

    def channel(self, topic: str) -> str:
        """What Redis calls the channel of a topic."""
        return self._channels + topic

    def hear(self, topic: str, hearer: Callable[[str], None]) -> None:
        """Have every message about a topic given to ``hearer``, our own ones too; before ``keep`` runs."""
        self._hearers[self.channel(topic)] = hearer

    def when_found(self, callback: Callable[[], None]) -> None:
        """Call when Redis is there (again): what was told meanwhile was not heard."""
        self._on_found.append(callback)

    def tell(self, topic: str, message: str = "") -> None:
        """Tell all servers soon; of what waits about a topic only the newest. Never fails."""
        self._untold[topic] = message
        self._has_untold.set()

    async def ask(self, script: str, key: str, *arguments: str | int) -> list[int] | None:
        """Run a script on one key.

        Returns:
            Its answer; None: Redis is away, which is found out in ``PATIENCE_S``, or known and costs nothing.
        """
        if not self._is_up:
            return None
        try:
            async with asyncio.timeout(PATIENCE_S):
                found: list[int] = await self._client.eval(script, 1, f"{PREFIX}:{key}", *arguments)
        except (RedisError, OSError):
            # Perhaps it was we who were slow: the job finds that out, and says so if not.
            self._lose()
            return None
        return found

    async def begin(self) -> None:
        """See whether Redis is there, and takes us; one that is away may come.

        Raises:
            ConfigError: it is there, and refuses us.
        """
        try:
            await self._begin()
        except ConfigError:
            await self.close()
            raise

    async def _begin(self) -> None:
        try:
            await self._probe(START_PATIENCE_S)
        except (AuthenticationError, NoPermissionError):
            accepted = "user and password that Redis knows, who may use keys and channels hopsight:*"
            raise ConfigError(SETTING, "(not shown)", accepted) from None
        except ResponseError as error:
            if "DB index" in str(error):
                raise ConfigError(SETTING, "(not shown)", "a database that Redis has") from None
            self._miss(error)
        except (RedisError, OSError) as error:
            self._miss(error)
        else:
            self._find()

    async def keep(self) -> None:
        """Listen, tell, and find Redis again when it was away; until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._tell_all())
                while True:
                    try:
                        await self._listen()
                    except (RedisError, OSError) as error:
                        self._miss(error)
                    await self._clock.sleep(RETRY_S)
        finally:
            await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        with suppress(RedisError, OSError):
            async with asyncio.timeout(PATIENCE_S):
                await self._client.aclose()

    async def _listen(self) -> None:
        async with self._client.pubsub() as pubsub:
            await self._subscribe(pubsub)
            beat_s = float("-inf")
            while True:
                now_s = self._clock.monotonic()
                if now_s - beat_s >= BEAT_S or not self._is_up:
                    await self._probe(PATIENCE_S)
                    self._find()
                    beat_s = now_s
                message = await pubsub.get_message(timeout=BEAT_S)
                if message is not None and message["type"] == "message":
                    self._hearers[message["channel"]](message["data"])

    async def _subscribe(self, pubsub: Any) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await pubsub.subscribe(*self._hearers)
            for _ in self._hearers:
                await pubsub.get_message(timeout=None)

    async def _probe(self, patience_s: float) -> None:
        # What requests do, on a key and a channel of nobody: that it answers to PING would not be enough.
        async with asyncio.timeout(patience_s):
            await self._client.eval(
                COUNT_AND_TELL, 1, f"{PREFIX}:probe", _PROBE_WINDOW_S, 1, self.channel("probe"), "-"
            )

    async def _tell_all(self) -> None:
        while True:
            await self._has_untold.wait()
            self._has_untold.clear()
            untold, self._untold = self._untold, {}
            for topic, message in untold.items():
                try:
                    async with asyncio.timeout(PATIENCE_S):
                        if self._is_up:
                            await self._client.publish(self.channel(topic), message)
                except (RedisError, OSError):
                    self._lose()

    def _find(self) -> None:
        if self._is_up:
            return
        self._is_up = True
        self._metrics.found()
        if self._is_known_away:
            _log.info("Redis is back: servers count together again")
        self._is_known_away = False
        for callback in self._on_found:
            callback()

    def _lose(self) -> None:
        self._is_up = False
        self._metrics.lost()

    def _miss(self, error: Exception) -> None:
        self._lose()
        if not self._is_known_away:
            reason = str(error) or type(error).__name__
            _log.warning("Redis cannot be used now: this server counts for itself", reason=reason)
        self._is_known_away = True


def _client(address: Address) -> Redis:
    options: dict[str, Any] = {}
    if address.ca_file is not None:
        # Its client takes the path alone, and says what is wrong with it only when it connects.
        trusting(address.ca_file, f"{SETTING} ?ca_file")
        options["ssl_ca_certs"] = str(address.ca_file)
    pool = BlockingConnectionPool(
        connection_class=SSLConnection if address.tls else Connection,
        max_connections=MAX_CONNECTIONS,
        # Whoever asks has a patience of their own, for all of it; with one of the library's besides, it sends
        # in `asyncio.wait_for`, which before Python 3.12 can lose that somebody else's patience has ended.
        timeout=None,
        socket_timeout=None,
        socket_connect_timeout=None,
        host=address.host,
        port=address.port,
        db=address.database,
        username=address.user,
        password=address.password,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        decode_responses=True,
        **options,
    )
    return Redis.from_pool(pool)
