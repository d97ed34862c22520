"""The ways out of this server for messages about incidents; what is behind each is loaded late."""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from hopsight.clock import Clock
from hopsight.config import ServerConfig
from hopsight.server.alerts.messages import IncidentMessage, NotTakenError

Post = Callable[[str, bytes, dict[str, str]], Awaitable[None]]
"""Posts a body with headers to a URL, or raises ``NotTakenError``."""
Mail = Callable[[str, IncidentMessage, str], Awaitable[None]]
"""Mails a message to an address, under the ID of its delivery, or raises ``NotTakenError``."""
Chat = Callable[[str, IncidentMessage], Awaitable[None]]
"""Tells the service at an apprise URL, or raises ``NotTakenError``."""


class Doors(Struct, frozen=True, kw_only=True):
    """One of each."""

    post: Post
    mail: Mail
    chat: Chat


def doors_of(config: ServerConfig, clock: Clock) -> Doors:
    """The doors that a server's settings open; all shut where data is simulated."""
    if config.simulated:
        return _shut()

    # Each library late, for those who need it: they are large.
    async def post(url: str, body: bytes, headers: dict[str, str]) -> None:
        from hopsight.server.alerts.webhooks import WebhookClient  # noqa: PLC0415

        await WebhookClient(allow_local=config.local_webhooks).post(url, body, headers)

    async def mail(address: str, message: IncidentMessage, delivery_id: str) -> None:
        if config.smtp is None:
            # Not for good: another process on the same database may have one, or this one after a restart.
            raise NotTakenError("this server has no mail server set (--smtp-host)")
        from hopsight.server.alerts.mail import MailClient  # noqa: PLC0415

        await MailClient(config.smtp, clock).send(address, message, delivery_id)

    async def chat(url: str, message: IncidentMessage) -> None:
        from hopsight.server.alerts.chat import ChatClient  # noqa: PLC0415

        await ChatClient(allow_local=config.local_webhooks).tell(url, message)

    return Doors(post=post, mail=mail, chat=chat)


def _shut() -> Doors:
    async def refuse(*_: object) -> None:
        raise NotTakenError("data is simulated here, and nobody is told of it", permanent=True)

    return Doors(post=refuse, mail=refuse, chat=refuse)
