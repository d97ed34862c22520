"""Reverse look-ups, each in a thread of its own that nobody waits for at exit."""

import asyncio
import contextlib
import re
import socket
import threading
from typing import Final

from hopsight.agent.network import Address
from hopsight.agent.path.errors import sockaddr

_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
"""Whoever owns an address writes its name: nothing but a name goes into records and onto terminals."""


async def reverse_name(address: Address, timeout_s: float) -> str | None:
    """The name of an address; None: it has none, or one that is no host name.

    Raises:
        OSError: the resolver failed, or said nothing in time.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str | None] = loop.create_future()

    def settle(found: str | OSError | None) -> None:
        if answer.done():
            return
        if isinstance(found, OSError):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def look_up() -> None:
        found: str | OSError | None
        try:
            found = socket.getnameinfo(sockaddr(address), socket.NI_NAMEREQD)[0]
        except socket.gaierror as error:
            found = None if error.errno == socket.EAI_NONAME else error
        except (OSError, UnicodeError) as error:
            found = OSError(str(error))
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
            loop.call_soon_threadsafe(settle, found)

    # The executor's threads are joined at exit, and also those that resolve names for measurements.
    threading.Thread(target=look_up, name="reverse-name", daemon=True).start()
    try:
        async with asyncio.timeout(timeout_s):
            name = await answer
    except TimeoutError:
        raise OSError(f"name server did not answer within {timeout_s:g} s") from None
    return name if name is not None and _HOST_NAME.fullmatch(name.removesuffix(".")) else None
