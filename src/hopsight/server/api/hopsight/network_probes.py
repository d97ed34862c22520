"""Probes of gateways, proxies and VPN endpoints, with the network that they were made in."""

from typing import Any, Final

from litestar import get, post
from litestar.connection import Request

from hopsight.errors import InvalidValueError
from hopsight.model.dimensions import NETWORK_PROBES
from hopsight.model.query import Cursor
from hopsight.model.topology import is_network_probe_id
from hopsight.server.api.answers import Answer
from hopsight.server.api.asking import ask
from hopsight.server.api.description import Parameter, described
from hopsight.server.api.filters import SearchBody
from hopsight.server.api.hopsight.descriptions import (
    BODY_STATUSES,
    COMMON,
    RECORD_PARAMETERS,
    ROOT,
    operation,
)
from hopsight.server.api.hopsight.documents import RECORDS, WHOLE
from hopsight.server.api.hopsight.records import EXPAND, list_records, read_record, search_records

PATH: Final = f"{ROOT}/network-probes"

_ACCEPTED: Final = "aid:networkId:roundId:first 8 of agentId, then -proxy or -vpn for those"
_LISTED: Final = operation(
    "Network probes of a time range, or of the last round of 300 s",
    parameters=(*RECORD_PARAMETERS, EXPAND),
    answer=RECORDS[NETWORK_PROBES],
)
_SEARCHED: Final = operation(
    "The same, narrowed by filters",
    *BODY_STATUSES,
    parameters=(*RECORD_PARAMETERS, EXPAND),
    body=SearchBody,
    answer=RECORDS[NETWORK_PROBES],
)
_READ: Final = operation(
    "One network probe, with the network profile",
    404,
    parameters=(
        Parameter(name="networkProbeId", meaning="ID of the probe", schema={"type": "string"}, where="path"),
        *COMMON,
    ),
    answer=WHOLE[NETWORK_PROBES],
)


@get(PATH, opt=described(_LISTED))
async def list_network_probes(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page."""
    return await list_records(request, NETWORK_PROBES)


@post(PATH, opt=described(_SEARCHED))
async def search_network_probes(request: Request[Any, Any, Any]) -> Answer:
    """Answer one page of those that the filters leave."""
    return await search_records(request, NETWORK_PROBES)


@get(f"{PATH}/{{networkProbeId:str}}", opt=described(_READ))
async def read_network_probe(request: Request[Any, Any, Any]) -> Answer:
    """Answer with one, whole."""
    asked = await ask(request)
    text = request.path_params["networkProbeId"]
    if not is_network_probe_id(text):
        raise InvalidValueError("networkProbeId", text, _ACCEPTED)
    return await read_record(asked, NETWORK_PROBES, Cursor(int(text.split(":")[2]), text))


HANDLERS: Final = (list_network_probes, search_network_probes, read_network_probe)
