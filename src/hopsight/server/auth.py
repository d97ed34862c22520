"""Who asks, and whether they may: credentials, lock-out, rate limit, account group (API.md section 1)."""

import base64
import binascii
from typing import Final, NamedTuple

from litestar.exceptions import HTTPException
from litestar.types import Scope

from hopsight.errors import AuthenticationError, InvalidValueError
from hopsight.model.accounts import AgentPrincipal, Principal
from hopsight.server.addresses import canonical_address
from hopsight.server.api.visits import header, visit_of
from hopsight.server.limits import Allowance
from hopsight.server.services import Services

_BEARER: Final = "Authorization: Bearer with a token"
_ACCEPTED: Final = f"HTTP Basic with e-mail and token, or {_BEARER}"
_MAX_AID_DIGITS: Final = 15


class Credentials(NamedTuple):
    """What a request shows: an e-mail address (Basic only) and a token."""

    email: str | None
    token: str


def parse_authorization(value: str) -> Credentials | None:
    """Read an ``Authorization`` header; None: not one that we take."""
    scheme, _, rest = value.strip().partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer" and rest:
        return Credentials(None, rest)
    if scheme.lower() == "basic":
        try:
            email, colon, token = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
        return Credentials(email, token) if colon else None
    return None


async def admit(scope: Scope, services: Services, *, basic: bool = True) -> Principal:
    """Find out who asks, and count the request; the answer's headers will say what is left.

    Args:
        scope: the request.
        services: what it is answered with.
        basic: HTTP Basic is taken, too.

    Raises:
        AuthenticationError: credentials missing or wrong.
        HTTPException: 429, too many refusals to this address, or too many requests of this organization.
    """
    principal = _identify(_authorization_of(scope, services), services, basic=basic)
    if principal is None:
        raise await refused(scope, services, _ACCEPTED if basic else _BEARER)
    allowance = await services.limits.count_request(principal.org_id)
    visit_of(scope).headers += rate_limit_headers(allowance)
    if allowance.exceeded:
        message = f"Over the limit of {allowance.limit} requests a minute for this organization"
        raise _too_many(message, allowance.retry_after_s)
    return principal


async def admit_agent(scope: Scope, services: Services) -> AgentPrincipal:
    """Find out which agent this is (HTTP Basic, agent ID and secret).

    Raises:
        AuthenticationError: credentials missing or wrong, or the agent was deleted.
        HTTPException: 429, too many refusals to this address.
    """
    credentials = parse_authorization(_authorization_of(scope, services))
    agent = None
    if credentials is not None and credentials.email:
        agent = services.accounts.authenticate_agent(credentials.email, credentials.token)
    if agent is None:
        raise await refused(scope, services, "HTTP Basic with agent ID and secret")
    return agent


async def admit_key(scope: Scope, services: Services) -> str:
    """The account group key that a request shows as Bearer.

    Raises:
        AuthenticationError: there is none, or no account group has it.
        HTTPException: 429, too many refusals to this address.
    """
    credentials = parse_authorization(_authorization_of(scope, services))
    key = None if credentials is None or credentials.email is not None else credentials.token
    if key is None or not services.accounts.knows_group_key(key):
        raise await refused(scope, services, "Authorization: Bearer with an account group key")
    return key


async def refused(scope: Scope, services: Services, accepted: str) -> AuthenticationError:
    """Count a refusal against the address that asks; the error says what would have been accepted."""
    await services.limits.count_refusal(source_address(scope))
    return AuthenticationError(f"Credentials are missing or wrong; accepted: {accepted}")


def _authorization_of(scope: Scope, services: Services) -> str:
    locked_s = services.limits.locked_out_s(source_address(scope))
    if locked_s:
        raise _too_many("Too many requests with wrong credentials from this address", locked_s)
    return header(scope, b"authorization")


async def recognize_asker(scope: Scope, services: Services, *, basic: bool = True) -> Exception | None:
    """Count a request that no handler took, if it shows credentials (``basic`` as for ``admit``).

    Returns:
        What is wrong with them, to be answered instead; None: nothing, or there are none.
    """
    if not header(scope, b"authorization"):
        return None
    try:
        await admit(scope, services, basic=basic)
    except (AuthenticationError, HTTPException) as error:
        return error
    return None


def choose_account_group(
    principal: Principal, asked: str | None, listed_at: str = "/v6/account-groups"
) -> int:
    """The account group that a request is about; ``asked`` is its ``aid``, absent or empty: the login one.

    ``listed_at`` tells where the dialect lists them.

    Raises:
        InvalidValueError: not a number, unknown, or not one of the user's; one message for all three.
    """
    if not asked:
        return principal.login_aid
    if asked.isascii() and asked.isdigit() and len(asked) <= _MAX_AID_DIGITS:
        aid = int(asked)
        if aid in principal.roles:
            return aid
    raise InvalidValueError("aid", asked, f"the ID of an account group of yours ({listed_at} lists them)")


def source_address(scope: Scope) -> str:
    """The address that a request came from; empty where there is none (a socket file, a hiding proxy)."""
    client = scope.get("client")
    # Where we listen on [::], IPv4 arrives in the spelling of IPv6; and a proxy may say "unknown".
    text = client[0].removeprefix("::ffff:") if client else ""
    return canonical_address(text.partition("%")[0]) or ""


def rate_limit_headers(allowance: Allowance) -> tuple[tuple[bytes, bytes], ...]:
    """The three headers that every authenticated answer carries."""
    return (
        (b"x-organization-rate-limit-limit", b"%d" % allowance.limit),
        (b"x-organization-rate-limit-remaining", b"%d" % allowance.remaining),
        (b"x-organization-rate-limit-reset", b"%d" % allowance.reset_s),
    )


def _identify(authorization: str, services: Services, *, basic: bool) -> Principal | None:
    credentials = parse_authorization(authorization)
    if credentials is None or not credentials.token:
        return None
    if credentials.email is not None and not basic:
        return None
    return services.accounts.authenticate_token(credentials.token, credentials.email)


def _too_many(message: str, retry_after_s: int) -> HTTPException:
    detail = f"{message}; try again in {retry_after_s} s"
    return HTTPException(status_code=429, detail=detail, headers={"Retry-After": str(retry_after_s)})
