"""``/openapi.json``: the description of everything that we serve to programs."""

from typing import Any, Final

import msgspec
from litestar import get
from litestar.connection import Request

from hopsight.server.api.agent_operations import AGENT_OPERATIONS
from hopsight.server.api.answers import JSON, Answer
from hopsight.server.api.description import describe_api

_ENCODER: Final = msgspec.json.Encoder()


def encode_description(handlers: list[Any]) -> bytes:
    """Write it for these handlers; ``app`` keeps the bytes at ``app.state.openapi``."""
    return _ENCODER.encode(describe_api(handlers, AGENT_OPERATIONS))


@get("/openapi.json")
async def read_description(request: Request[Any, Any, Any]) -> Answer:
    """Answer with the document."""
    return Answer(request.app.state.openapi, JSON)


HANDLERS: Final[list[Any]] = [read_description]
