"""Who writes, and whether they may: the same for every dialect."""

from hopsight.accounts.audit import Actor
from hopsight.errors import PermissionDeniedError
from hopsight.model.accounts import Role
from hopsight.server.api.asking import Asked
from hopsight.server.auth import source_address

WRITERS = frozenset({Role.ORG_ADMIN, Role.ACCOUNT_ADMIN})


def require_writer(asked: Asked, aid: int | None = None) -> Actor:
    """The asker, as the audit log will name them.

    Raises:
        PermissionDeniedError: their role in the account group (``aid``, or the one asked about) only reads.
    """
    role = asked.principal.roles.get(asked.aid if aid is None else aid)
    if role not in WRITERS:
        raise PermissionDeniedError(
            "Your role in this account group only reads; accepted: an account admin or organization admin"
        )
    principal = asked.principal
    return Actor(who=principal.email, uid=principal.uid, ip_address=source_address(asked.scope) or None)
