"""One server in one process, from its first file opened to its last one closed."""

import asyncio
import errno
import ipaddress
import logging
import math
import random
import signal
import socket
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from msgspec import Struct

from hopsight.accounts.accounts import Accounts
from hopsight.accounts.bootstrap_file import Bootstrap, read_bootstrap
from hopsight.clock import Clock
from hopsight.config import ServerConfig
from hopsight.errors import ConfigError, StoreUnavailableError
from hopsight.server.alerts.job import keep_watch
from hopsight.server.app import create_app
from hopsight.server.patience import PatientProtocol
from hopsight.server.preparation import keep_prepared
from hopsight.server.retention import keep_young
from hopsight.storage import open_store
from hopsight.storage.store import Store

GRACE_S: Final = 2
"""What requests under way get when the server is told to stop."""
CUT_OFF_S: Final = 0.3
"""What those that did not end in time get to notice it, before store and accounts close."""
KEEP_ALIVE_S: Final = 30
HANDSHAKE_S: Final = 10.0
"""What a client gets to agree on encryption; until then its connection is not among those counted below."""
MAX_CONNECTIONS: Final = 900
"""A process may have 1,024 files open by default, and some are the databases'. Beyond it, who waits longest
without asking for anything makes room (``patience.py``)."""
BACKLOG: Final = 2_048
SIGHTINGS_EVERY_S: Final = 5.0

_log = structlog.get_logger(__name__)


class Running(Struct, frozen=True, kw_only=True):
    """A server that takes requests.

    Args:
        url: where it is reached from this machine.
        fingerprint: SHA-256 of its certificate when it is self-signed.
        bootstrap: the first account; None: an administrator made others before there was one.
        store: where it keeps records.
        accounts: where it keeps what is not measured.
    """

    url: str
    fingerprint: str | None
    bootstrap: Bootstrap | None
    store: Store
    accounts: Accounts


async def serve(
    config: ServerConfig,
    clock: Clock,
    rng: random.Random,
    *,
    on_ready: Callable[[Running], None],
    first_account: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM; then finish what was begun, and close.

    Args:
        config: settings.
        clock: the time.
        rng: for what is scattered.
        on_ready: called when requests are taken.
        first_account: make it even where an administrator has made others already.

    Raises:
        ConfigError: an address, certificate, store or accounts setting is wrong.
        StoreUnavailableError: a database cannot be opened now.
    """
    # First, so that a taken port is said before any file is touched.
    listener = _listen(config.host, config.port)
    with listener:
        url = _url(config, listener)
        async with _opened(config, clock) as (accounts, store):
            await _check(store)
            certificate, fingerprint = _own_certificate(config, clock)
            running = Running(
                url=url,
                fingerprint=fingerprint,
                bootstrap=_first_account(accounts, config, url, required=first_account),
                store=store,
                accounts=accounts,
            )
            app = create_app(config, store, accounts, clock, rng)
            server = _Server(
                _settings(app, config, certificate),
                lambda: on_ready(running),
                app.services.live.close,
                app.services.draining.begin,
                config.drain_s,
            )
            metrics, link = app.services.metrics, app.services.link
            with closing(app.services.atlas):
                if link is not None:
                    await link.begin()
                async with _beside(
                    *([] if link is None else [link.keep()]),
                    keep_young(store, metrics, clock, config.keep_s),
                    _flush_sightings(accounts, clock),
                    keep_prepared(store, accounts, clock),
                    keep_watch(store, accounts, clock, rng, config, url, app.services.atlas),
                ):
                    await server.serve([listener])


def _own_certificate(config: ServerConfig, clock: Clock) -> tuple[tuple[Path, Path] | None, str | None]:
    if not config.tls_self_signed:
        return None, None
    # Late, for those who need it: the library behind it takes 8 MB of every server's memory.
    from hopsight.server.tls import fingerprint_of, self_signed  # noqa: PLC0415

    certificate = self_signed(config.data, clock)
    return certificate, fingerprint_of(certificate[0])


class _Server(uvicorn.Server):
    """uvicorn's server, telling when it is ready, and leaving what a signal means to us."""

    handshake_s = HANDSHAKE_S

    def __init__(
        self,
        settings: uvicorn.Config,
        on_started: Callable[[], None],
        on_stopping: Callable[[], None] = lambda: None,
        on_draining: Callable[[], None] = lambda: None,
        drain_s: float = 0.0,
    ) -> None:
        super().__init__(settings)
        self._on_draining = on_draining
        self._drain_s = drain_s
        self._is_draining = False
        self._on_started = on_started
        self._on_stopping = on_stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # Not uvicorn's: that leaves whoever begins no handshake the loop's minute.
        await self.lifespan.startup()
        encryption = self.config.ssl
        patience_s = self.handshake_s if encryption else None
        self.servers = [
            await asyncio.get_running_loop().create_server(
                self._protocol,
                sock=one,
                ssl=encryption,
                backlog=self.config.backlog,
                ssl_handshake_timeout=patience_s,
            )
            for one in sockets or ()
        ]
        self.started = True
        self._on_started()

    def _protocol(self) -> PatientProtocol:
        return PatientProtocol(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # uvicorn raises the signal again when it is done, which would end us before the store is closed.
        loop = asyncio.get_running_loop()
        handled = {signal.SIGINT: self._hurry, signal.SIGTERM: self._drain}
        for number, handler in handled.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Cutting off who is too slow is no fault: without this, each would fill a screen of the log.
        logger = logging.getLogger("uvicorn.error")
        logger.addFilter(_is_fault)
        # Before live streams end: those who listen come again at once, and are to find another server.
        for listening in self.servers:
            listening.close()
        # What never ends by itself would use up all the grace that requests under way get.
        self._on_stopping()
        try:
            await super().shutdown(sockets)
            if self.force_exit:
                self._cut_off()
                await self.lifespan.shutdown()
            if self.server_state.tasks:
                await asyncio.wait(self.server_state.tasks, timeout=CUT_OFF_S)
        finally:
            logger.removeFilter(_is_fault)

    def _drain(self) -> None:
        """Stop after a while; at once when told again."""
        if not self._drain_s or self._is_draining:
            self._hurry()
            return
        self._is_draining = True
        _log.info("draining: not ready any more, and stopping soon", seconds=self._drain_s)
        self._on_draining()
        asyncio.get_running_loop().call_later(self._drain_s, self._stop)

    def _stop(self) -> None:
        self.should_exit = True

    def _hurry(self) -> None:
        """Stop now; told so when it stops already, wait for nobody."""
        self.config.timeout_graceful_shutdown = GRACE_S
        self.force_exit = self.should_exit
        self.should_exit = True

    def _cut_off(self) -> None:
        for task in self.server_state.tasks:
            task.cancel()


def _is_fault(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def _settings(app: object, config: ServerConfig, certificate: tuple[Path, Path] | None) -> uvicorn.Config:
    cert, key = certificate or (config.tls_cert, config.tls_key)
    settings = uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=bool(config.trusted_proxies),
        forwarded_allow_ips=_spellings(config.trusted_proxies),
        server_header=False,
        date_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        # Who drains wants nothing cut off: what is under way gets as long again.
        timeout_graceful_shutdown=math.ceil(max(GRACE_S, config.drain_s)),
        ssl_certfile=cert,
        ssl_keyfile=key,
        # Never the right one, but with it nobody is asked for one on the terminal, and waited for.
        ssl_keyfile_password=" ",  # noqa: S106 - see above
    )
    try:
        settings.load()
    except OSError as error:
        raise ConfigError(
            "TLS certificate or key", f"{cert}, {key}", f"PEM files that fit, not encrypted ({error})"
        ) from None
    return settings


def _spellings(networks: Sequence[str]) -> list[str]:
    """Networks, and those of IPv4 as sockets of IPv6 see them, too."""
    found = [ipaddress.ip_network(each) for each in networks]
    mapped = [f"::ffff:{each.network_address}/{96 + each.prefixlen}" for each in found if each.version == 4]  # noqa: PLR2004 - the version of IP
    return [*map(str, found), *mapped]


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Now, not when uvicorn starts: until then another program could have the same port bound, too.
        listener.listen(BACKLOG)
    except (OSError, OverflowError, TypeError, ValueError) as error:  # the last two: not a host's name
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            accepted = "an address whose port no other program has: --listen HOST:PORT"
        else:
            accepted = f"an address of this machine ({error})"
        raise ConfigError("listen address", f"{_bracketed(host)}:{port}", accepted) from None
    return listener


def _url(config: ServerConfig, listener: socket.socket) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.host, config.host)  # noqa: S104 - where we listen
    return f"{'https' if config.tls else 'http'}://{_bracketed(host)}:{listener.getsockname()[1]}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _first_account(accounts: Accounts, config: ServerConfig, url: str, *, required: bool) -> Bootstrap | None:
    # An operator who has made users of their own wants no admin that they did not ask for.
    if required or read_bootstrap(config.data) is not None or not accounts.users():
        return accounts.bootstrap(url)
    return None


@asynccontextmanager
async def _opened(config: ServerConfig, clock: Clock) -> AsyncIterator[tuple[Accounts, Store]]:
    accounts = Accounts.open(config.accounts, config.data, clock)
    try:
        store = open_store(config.store, config.data, clock)
        try:
            yield accounts, store
        finally:
            await store.close()
    finally:
        accounts.close()


async def _check(store: Store) -> None:
    """See that the store can be used; one that is away now may come: servers start in any order."""
    try:
        await store.check()
    except StoreUnavailableError as error:
        _log.warning("the store does not answer yet; serving all the same", reason=str(error))


@asynccontextmanager
async def _beside(*jobs: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run jobs that never end by themselves beside the block, and end them with it."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    for task in tasks:
        task.add_done_callback(_tell_failure)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


def _tell_failure(task: asyncio.Future[None]) -> None:
    # At once: the task itself is not looked at before the server ends, which may be in a year.
    error = None if task.cancelled() else task.exception()
    if error is not None:
        lines = "".join(traceback.format_exception(error))
        _log.error("a job beside serving has ended; restart the server", traceback=lines)


async def _flush_sightings(accounts: Accounts, clock: Clock) -> None:
    while True:
        await clock.sleep(SIGHTINGS_EVERY_S)
        try:
            accounts.flush()
        except StoreUnavailableError as error:
            _log.warning("when agents were seen is written later", reason=str(error))
