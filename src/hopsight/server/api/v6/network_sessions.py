"""Network sessions (API.md section 3.1)."""

from typing import Any, Final

from litestar import get, post
from litestar.connection import Request

from hopsight.model.dimensions import NETWORK_SESSIONS
from hopsight.server.api.answers import Answer
from hopsight.server.api.description import described
from hopsight.server.api.filters import SearchBody
from hopsight.server.api.v6.descriptions import RECORD_PARAMETERS, operation
from hopsight.server.api.v6.documents import RECORDS
from hopsight.server.api.v6.records import ListRules, list_records, search_records

PATH: Final = "/v6/endpoint-data/user-sessions/network"

_LISTED: Final = operation(
    "Network sessions of a time range, or of the last round",
    "Endpoint data",
    parameters=RECORD_PARAMETERS,
    answer=RECORDS[NETWORK_SESSIONS],
)
_SEARCHED: Final = operation(
    "The same, narrowed by filters",
    "Endpoint data",
    408,
    413,
    415,
    parameters=RECORD_PARAMETERS,
    body=SearchBody,
    answer=RECORDS[NETWORK_SESSIONS],
)


# VPN and proxy come after the machine's metrics: what ends with these has neither, and is known by its end.
_METRICS_END: Final = b'"physicalMemoryTotalBytes":'
_END_CHARS: Final = len(_METRICS_END) + len(f"{2**62}}}}}")
_OTHERS: Final = (b',"vpn":', b',"proxy":')


def plain(body: bytes) -> bytes:
    """A stored session as version 6 knows it: VPN and proxy are version 7's.

    They are what a document ends with, as we write it: it is cut there, and the others are not read through.
    """
    if body.find(_METRICS_END, -_END_CHARS) >= 0:
        return body
    found = [place for place in map(body.find, _OTHERS) if place >= 0]
    return body[: min(found)] + b"}" if found else body


_RULES: Final = ListRules(shown=lambda _: plain)


@get(PATH, opt=described(_LISTED))
async def list_network_sessions(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page."""
    return await list_records(request, NETWORK_SESSIONS, _RULES)


@post(PATH, opt=described(_SEARCHED))
async def search_network_sessions(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page of those that the filters leave."""
    return await search_records(request, NETWORK_SESSIONS, _RULES)


HANDLERS: Final = (list_network_sessions, search_network_sessions)
