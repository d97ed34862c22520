"""Connection strings made by the running server, for whoever manages an account group over the API."""

from typing import Final

from litestar.types import Scope

from hopsight.accounts.audit import Actor
from hopsight.errors import ConflictError
from hopsight.model.connection import ConnectionString, format_connection_string
from hopsight.pinning import own_fingerprint
from hopsight.server.api.links import origin
from hopsight.server.services import Services

MAX_KEYS: Final = 1_000
"""Keys that an account group may have before the API makes no more."""


def new_connection_string(scope: Scope, services: Services, aid: int, by: Actor) -> str:
    """Make a key for account group ``aid``, and the connection string around it; it holds a secret.

    Raises:
        ConflictError: the account group has more keys than anyone can look after.
    """
    if len(services.accounts.group_keys(aid)) >= MAX_KEYS:
        raise ConflictError(
            f"This account group has {MAX_KEYS} connection strings; "
            "delete some (hopsight admin connection-string delete)"
        )
    config = services.config
    fingerprint = own_fingerprint(config.data) if config.tls_self_signed else None
    key = services.accounts.create_group_key(aid, by)
    url = origin(scope, config.public_url)
    return format_connection_string(ConnectionString(url=url, key=key, fingerprint=fingerprint))
