"""Passwords and tokens as people type them: checked, counted when wrong, and not looked at after too many.

An address may be wrong as often as over the API. An account may be ten times a minute, whoever tries: that
is a long way from finding a password of ten characters, and its tokens and open sessions go on.
"""

from typing import Final

from litestar.exceptions import HTTPException
from litestar.types import Scope

from hopsight.accounts.sign_ins import StoredPassword
from hopsight.server.auth import source_address
from hopsight.server.limits import ACCOUNT_REFUSALS, REFUSALS
from hopsight.server.services import Services

_MAX_EMAIL_CHARS: Final = 254


async def check_password(
    scope: Scope, services: Services, email: str, password: str
) -> StoredPassword | None:
    """See whether a password is right; it takes as long, and is counted the same, where nobody has one.

    Returns:
        What is stored of it; None: it is wrong, or there is no such user.

    Raises:
        HTTPException: 429 after too many wrong ones, 503 when too many wait already.
    """
    email = email.strip().lower()[:_MAX_EMAIL_CHARS]
    account = f"account {email}"
    work = services.password_work
    async with work.turn():
        refuse_locked_out(scope, services, account)
        stored = services.accounts.sign_ins.password_of(email)
        if await work.check(None if stored is None else stored.password_hash, password):
            return stored
        # Before the next one has its turn: many at once are no more guesses than one after the other.
        if await services.limits.count_refusal(account) == ACCOUNT_REFUSALS:
            services.accounts.sign_ins.note_lockout(email, source_address(scope) or None)
        await count_wrong(scope, services)
        return None


async def check_token(scope: Scope, services: Services, token: str) -> bool:
    """See whether a token is known.

    Raises:
        HTTPException: 429 after too many wrong ones.
    """
    refuse_locked_out(scope, services)
    if services.accounts.authenticate_token(token) is not None:
        return True
    await count_wrong(scope, services)
    return False


async def count_wrong(scope: Scope, services: Services) -> None:
    """Count a refusal against the address that asks."""
    address = source_address(scope)
    if await services.limits.count_refusal(address) == REFUSALS:
        services.accounts.sign_ins.note_lockout(None, address or None)


def refuse_locked_out(scope: Scope, services: Services, account: str | None = None) -> None:
    """Send away an address (and who asks for an account) that was wrong too often.

    Raises:
        HTTPException: 429, with when to try again.
    """
    left_s = services.limits.locked_out_s(source_address(scope))
    if account is not None:
        left_s = max(left_s, services.limits.locked_out_s(account, ACCOUNT_REFUSALS))
    if left_s:
        detail = f"Too many wrong passwords or tokens; try again in {left_s} s"
        raise HTTPException(status_code=429, detail=detail, headers={"Retry-After": str(left_s)})
