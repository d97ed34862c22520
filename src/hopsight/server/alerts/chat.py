"""Chat and push services, by the apprise library: in threads, as it waits, so many and so long at most."""

import asyncio
import ipaddress
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal

from hopsight.model.chat_services import KINDS, SELF_HOSTED
from hopsight.server.alerts.messages import IncidentMessage, NotTakenError, lines_of, title_of
from hopsight.server.alerts.webhooks import is_local

if TYPE_CHECKING:
    import apprise

TIMEOUT_S: Final = 30.0
MAX_THREADS: Final = 16
"""More than are ever wanted at once: what is left is for those that hang."""

_slots: Final = threading.BoundedSemaphore(MAX_THREADS)


class ChatClient:
    """Tells services.

    Args:
        allow_local: whether services whose host the URL names may be at loopback and link-local addresses.
    """

    def __init__(self, *, allow_local: bool) -> None:
        self._allow_local = allow_local

    async def tell(self, url: str, message: IncidentMessage) -> None:
        """Tell a service once.

        Raises:
            NotTakenError: it was not taken.
        """
        if not _slots.acquire(blocking=False):
            raise NotTakenError("too many services do not answer")
        future = _in_thread(lambda: _notify(url, message, allow_local=self._allow_local))
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await asyncio.wrap_future(future)
        except TimeoutError:
            raise NotTakenError(f"the service did not answer within {TIMEOUT_S:g} s") from None


def _notify(url: str, message: IncidentMessage, *, allow_local: bool) -> None:
    kind = url.partition("://")[0]
    plugin = _plugin(url) if kind in KINDS else None
    if plugin is None:
        raise NotTakenError(f"the {kind} URL is not understood", permanent=True)
    # ntfy may leave out the host: then what stands in its place is a topic of ntfy.sh.
    if not allow_local and kind in SELF_HOSTED and getattr(plugin, "mode", None) != "cloud":
        _refuse_local(str(plugin.host))
    taken = plugin.notify(
        title=title_of(message), body="\n".join(lines_of(message)), notify_type=_type_of(kind, message)
    )
    if not taken:
        raise NotTakenError(f"{kind} did not take it")


def _plugin(url: str) -> "apprise.NotifyBase | None":
    # Late, for those who need it: the library is large. What it logs may hold tokens, and so may what those
    # below it log: nothing of it is kept.
    import apprise  # noqa: PLC0415

    for name in ("apprise", "urllib3", "requests"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False
    asset = apprise.AppriseAsset(
        app_id="Hopsight",
        app_desc="Hopsight",
        app_url="",
        http_redirects=False,
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        plugin_paths=None,
    )
    if url.startswith("pagerduty://"):
        # So that what is over is over there, too.
        url += f"{'&' if '?' in url else '?'}action=map"
    return apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)


def _type_of(kind: str, message: IncidentMessage) -> Any:
    import apprise  # noqa: PLC0415

    event: Literal["opened", "resolved", "test"] = message.event
    if kind == "opsgenie":
        # Anything else is a note to an alert whose ID it would have had to keep.
        event = "opened"
    names = {"opened": "FAILURE", "resolved": "SUCCESS", "test": "INFO"}
    return apprise.NotifyType[names[event]]


def _refuse_local(host: str) -> None:
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NotTakenError(f"{host} cannot be resolved") from None
    addresses = {str(each[4][0]).partition("%")[0] for each in found}
    if any(is_local(ipaddress.ip_address(each)) for each in addresses):
        raise NotTakenError(f"{host} is an address of this machine or link", permanent=True)


def _in_thread(work: Callable[[], None]) -> Future[None]:
    """Run something in a thread that nobody waits for when the process ends; its slot is free at its end."""
    future = Future[None]()
    future.set_running_or_notify_cancel()

    def run() -> None:
        with _HandedOver(future):
            work()

    try:
        threading.Thread(target=run, name="alert-service", daemon=True).start()
    except RuntimeError:
        _slots.release()
        raise NotTakenError("this machine has no thread to spare") from None
    return future


class _HandedOver:
    """Whatever becomes of the block, becomes of the future; an error is not lost in the thread."""

    def __init__(self, future: Future[None]) -> None:
        self._future = future

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        _slots.release()
        if error is None:
            self._future.set_result(None)
        else:
            self._future.set_exception(error)
        return True
