"""What fetching a page finds: exchanges, each timed phase by phase."""

from msgspec import Struct


class Exchange(Struct, kw_only=True):
    """One request, and what came of it; times in ms, -1 for a phase that did not happen.

    Args:
        started_at_s: epoch seconds.
        address: that was connected to; None: none was, or it was a proxy's.
        blocked_ms: lost with addresses that did not answer, before the one that did.
        connect_ms: TCP alone, and the tunnel through a proxy; ``tls_ms`` comes after it.
        status: 0 when there was no answer.
        body_bytes: as read, up to the limit.
        truncated: the body was longer than what is read.
        start: the first bytes of the body, for the title.
        proxied: it went through a proxy.
        unanswered: why addresses were passed over; names families, no addresses.
    """

    url: str
    started_at_s: float
    address: str | None = None
    blocked_ms: float = -1.0
    dns_ms: float = -1.0
    connect_ms: float = -1.0
    tls_ms: float = -1.0
    send_ms: float = -1.0
    wait_ms: float = -1.0
    receive_ms: float = -1.0
    version: str | None = None
    status: int = 0
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body_bytes: int = 0
    truncated: bool = False
    start: bytes = b""
    proxied: bool = False
    unanswered: tuple[str, ...] = ()

    def header(self, name: str) -> str:
        """Value of a header of the answer; empty when it has none."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def total_ms(self) -> float:
        """All phases that happened."""
        before = (self.blocked_ms, self.dns_ms, self.connect_ms, self.tls_ms)
        after = (self.send_ms, self.wait_ms, self.receive_ms)
        return round(sum(max(phase, 0.0) for phase in before + after), 3)


class PageFetch(Struct, kw_only=True):
    """All exchanges of one fetch, and why there is no whole page, if there is none."""

    exchanges: list[Exchange]
    error: str | None = None

    @property
    def answered(self) -> bool:
        """Whether a server said anything at all."""
        return any(exchange.status for exchange in self.exchanges)

    @property
    def findings(self) -> tuple[str, ...]:
        """What a person should know of it."""
        passed = [f"an address was passed over ({why})" for each in self.exchanges for why in each.unanswered]
        return tuple(passed) if self.error is None else (*passed, self.error)
