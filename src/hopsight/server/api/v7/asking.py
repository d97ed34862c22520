"""What every resource of version 7 finds out first; and how it answers."""

from typing import Any, Final

import msgspec
from litestar.connection import Request
from litestar.datastructures.headers import Accept
from litestar.exceptions import HTTPException
from msgspec import Struct

from hopsight.server.api import asking
from hopsight.server.api.answers import Answer, compressed
from hopsight.server.api.links import link, origin
from hopsight.server.api.parameters import Parameters
from hopsight.server.api.v7.documents import Link, Links
from hopsight.server.api.visits import header
from hopsight.server.auth import admit, choose_account_group
from hopsight.server.services import Services

HAL: Final = "application/hal+json"
MEDIA_TYPES: Final = (HAL, "application/json")

_json: Final = msgspec.json.Encoder()


class Asked(asking.Asked, frozen=True, kw_only=True):
    """A request whose sender we know, and the media type of its answer."""

    media_type: str


async def ask(request: Request[Any, Any, Any]) -> Asked:
    """Credentials first (Bearer alone), then the media type and the account group."""
    services: Services = request.app.state.services
    scope = request.scope
    principal = await admit(scope, services, basic=False)
    parameters = Parameters(scope["query_string"])
    return Asked(
        scope=scope,
        services=services,
        principal=principal,
        media_type=choose_media_type(header(scope, b"accept")),
        aid=choose_account_group(principal, parameters.one("aid"), "/v7/account-groups"),
        parameters=parameters,
    )


def choose_media_type(accept: str) -> str:
    """What to answer with; ``accept`` is the header, empty: none.

    Raises:
        HTTPException: 406, it admits neither.
    """
    if not accept.strip():
        return HAL
    chosen = Accept(accept).best_match(list(MEDIA_TYPES))
    if chosen is None:
        detail = f"Accept admits no format of ours; accepted: {', '.join(MEDIA_TYPES)}"
        raise HTTPException(status_code=406, detail=detail)
    return chosen


def answer(asked: Asked, document: Struct, *, status: int = 200) -> Answer:
    """Answer with a document."""
    made = Answer(_json.encode(document), asked.media_type.encode(), status=status)
    return compressed(made, header(asked.scope, b"accept-encoding"))


def link_to(asked: Asked, path: str, pairs: list[bytes] | None = None) -> Link:
    """A link to one of our paths, with these parameters."""
    return Link(href=link(origin(asked.scope, asked.services.config.public_url), path, pairs or []))


def self_links(asked: Asked, path: str) -> Links:
    """The links of a document that is at ``path``."""
    return Links(self_=link_to(asked, path))
