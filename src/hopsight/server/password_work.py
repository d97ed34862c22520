"""Passwords beside the event loop: each takes a tenth of a second and 64 MiB, so a few at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from litestar.exceptions import HTTPException

from hopsight.accounts import passwords

AT_ONCE: Final = 2
MAX_WAITING: Final = 32


class PasswordWork:
    """Threads for passwords, bounded; ``turn`` is awaited around each use."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until it is one's turn. What was looked at before may be another by now.

        Raises:
            HTTPException: 503, too many wait already.
        """
        if self._waiting >= MAX_WAITING:
            detail = "Too many people sign in right now; try again in 5 s"
            raise HTTPException(status_code=503, detail=detail, headers={"Retry-After": "5"})
        self._waiting += 1
        try:
            async with self._slots:
                yield
        finally:
            self._waiting -= 1

    async def hash(self, password: str) -> str:
        """What is stored in a password's place."""
        return await asyncio.to_thread(passwords.hash_password, password)

    async def check(self, stored: str | None, password: str) -> bool:
        """Whether it is the password; as slow where there is none (None)."""
        return await asyncio.to_thread(passwords.is_password, stored, password)
