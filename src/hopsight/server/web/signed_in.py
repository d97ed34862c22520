"""Who has signed in: by the cookie of a session, or, as programs do, by an ``Authorization`` header.

A page that a session asked for is not counted against the organization's rate limit: a person who looks
must not keep the programs out, nor they the person. With the header it is, as every request to the API.
"""

from litestar.types import Scope
from msgspec import Struct

from hopsight.errors import AuthenticationError
from hopsight.model.accounts import Principal
from hopsight.server.api.visits import header
from hopsight.server.auth import admit
from hopsight.server.services import Services
from hopsight.server.web.cookies import SESSION, read_cookie
from hopsight.server.web.csrf import csrf_token


class SignedIn(Struct, frozen=True, kw_only=True):
    """Somebody who has shown who they are.

    Args:
        principal: who it is.
        csrf: what forms on their pages must send back.
        session_id: their session; None: they showed a token.
    """

    principal: Principal
    csrf: str
    session_id: int | None


def recognize(scope: Scope, services: Services) -> SignedIn | None:
    """Whose session the cookie names; None: no cookie, or its session is over."""
    secret = read_cookie(scope, SESSION)
    found = services.accounts.sign_ins.authenticate(secret) if secret else None
    if found is None:
        return None
    return SignedIn(principal=found.principal, csrf=csrf_token(secret), session_id=found.session.session_id)


async def identify(scope: Scope, services: Services) -> SignedIn:
    """Find out who asks for a page.

    Raises:
        AuthenticationError: nobody has signed in.
        HTTPException: 429, as for the API; only with an ``Authorization`` header.
    """
    known = recognize(scope, services)
    if known is not None:
        return known
    authorization = header(scope, b"authorization")
    if not authorization:
        # Nothing wrong was shown: a session that ran out must not lock its address out.
        raise AuthenticationError("Sign in to see this page")
    principal = await admit(scope, services)
    return SignedIn(principal=principal, csrf=csrf_token(authorization), session_id=None)
