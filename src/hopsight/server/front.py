"""What stands before the router: versions, suffixes, HEAD, common headers, and the answer to every error."""

from litestar.types import ASGIApp, Receive, Scope, Send

from hopsight.server.services import Services


class Front:
    """Pure ASGI around the router."""

    def __init__(self, router: ASGIApp, services: Services) -> None:
        self._router = router
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's scope."""
        await self._router(scope, receive, send)
